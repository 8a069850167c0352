//! The lines between start line and body (RFC 3261 §7.3.1): where they end, their folding, their names, their length.

use std::borrow::Cow;

use crate::sip::error::{Fault, ParseError};
use crate::sip::headers::Headers;
use crate::sip::limits;
use crate::sip::name::Name;
use crate::sip::text;

/// Where the empty line after the headers ends. The first `searched` bytes are known to hold no such end.
pub(crate) fn end_of_head(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let at = bytes
        .get(from..)?
        .windows(4)
        .position(|window| window == b"\r\n\r\n")?;
    Some(from + at + 4)
}

/// What Content-Length says in a head, read as a whole message's is. Other headers may be anything.
pub(crate) fn content_length(head: &[u8]) -> Result<Option<u64>, ParseError> {
    let head = String::from_utf8_lossy(head);
    let (_, lines) = head.split_once("\r\n").unwrap_or_default();
    let mut length = None;
    for line in Unfolded(lines) {
        if let Some((name, value)) = line.split_once(':')
            && Name::from(name.trim_end_matches(text::is_blank)) == Name::ContentLength
        {
            agree(&mut length, text::trim(value))?;
        }
    }
    Ok(length)
}

/// The header lines, and what Content-Length said.
pub(crate) fn read_headers(lines: &str, fault: &mut Fault) -> (Headers, Option<u64>) {
    let mut headers = Headers::new();
    let mut length = None;
    for line in Unfolded(lines) {
        if headers.len() == limits::HEADERS {
            fault.check::<()>(Err(ParseError::with_status(513, "too many headers")));
            break;
        }
        let header = read_header(&line).and_then(|(name, value)| {
            match name {
                Name::ContentLength => agree(&mut length, value)?,
                name if name.is_single() && headers.count(&name) > 0 => {
                    return Err(ParseError::new("a header that may come once comes twice"));
                }
                name => headers.push(name, value),
            }
            Ok(())
        });
        fault.check(header);
    }
    (headers, length)
}

fn read_header(line: &str) -> Result<(Name, &str), ParseError> {
    if line.len() > limits::HEADER {
        return Err(ParseError::with_status(513, "a header is too long"));
    }
    let (name, value) = line
        .split_once(':')
        .ok_or(ParseError::new("a header without colon"))?;
    let name = name.trim_end_matches(text::is_blank);
    if !text::is_token(name) || value.contains(['\r', '\n']) {
        return Err(ParseError::new("bad header line"));
    }
    Ok((Name::from(name), text::trim(value)))
}

/// Equal Content-Lengths are one; unequal ones leave the end of the message unknown.
fn agree(length: &mut Option<u64>, value: &str) -> Result<(), ParseError> {
    let new = text::digits(value).ok_or(ParseError::new("bad Content-Length"))?;
    match length.replace(new) {
        Some(old) if old != new => Err(ParseError::new("Content-Lengths that differ")),
        Some(_) | None => Ok(()),
    }
}

/// Lines with their folding undone: a line that starts with a blank goes on from the one before, as one blank (§7.3.1).
struct Unfolded<'a>(&'a str);

impl<'a> Iterator for Unfolded<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut line = Cow::Borrowed(self.take_line());
        while self.0.starts_with(text::is_blank) {
            let more = text::trim(self.take_line());
            let so_far = line.trim_end_matches(text::is_blank).len();
            let line = line.to_mut();
            line.truncate(so_far);
            line.push(' ');
            line.push_str(more);
        }
        Some(line)
    }
}

impl<'a> Unfolded<'a> {
    fn take_line(&mut self) -> &'a str {
        let (line, rest) = self.0.split_once("\r\n").unwrap_or((self.0, ""));
        self.0 = rest;
        line
    }
}
