//! The characters SIP is made of (RFC 3261 §25.1): tokens, quoted strings, comma lists, percent escapes. Each function
//! reads its text once, from left to right.

use std::borrow::Cow;

pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}

pub fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Without blanks at both ends.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// The elements of a list, split at `separator` outside quotes and angle brackets, trimmed. `a,,b` has an empty one.
pub fn split_list(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut scan = Scan::default();
    text.split(move |c| scan.step(c) && c == separator)
        .map(trim)
}

/// Splits at the first `separator` outside quotes and angle brackets.
pub fn split_once_outside(text: &str, separator: char) -> Option<(&str, &str)> {
    let mut scan = Scan::default();
    let (at, c) = text
        .char_indices()
        .find(|(_, c)| scan.step(*c) && *c == separator)?;
    Some((&text[..at], &text[at + c.len_utf8()..]))
}

/// Whether a scan stands inside a quoted string or between angle brackets.
#[derive(Clone, Copy, Default)]
enum Scan {
    #[default]
    Outside,
    Brackets,
    Quotes {
        in_brackets: bool,
        escaped: bool,
    },
}

impl Scan {
    /// Takes one character; true when it stands outside.
    fn step(&mut self, c: char) -> bool {
        let outside = matches!(self, Self::Outside);
        *self = match (*self, c) {
            (
                Self::Quotes {
                    in_brackets,
                    escaped: true,
                },
                _,
            ) => Self::Quotes {
                in_brackets,
                escaped: false,
            },
            (Self::Quotes { in_brackets, .. }, '\\') => Self::Quotes {
                in_brackets,
                escaped: true,
            },
            (
                Self::Quotes {
                    in_brackets: true, ..
                },
                '"',
            ) => Self::Brackets,
            (
                Self::Quotes {
                    in_brackets: false, ..
                },
                '"',
            ) => Self::Outside,
            (Self::Outside, '"') => Self::Quotes {
                in_brackets: false,
                escaped: false,
            },
            (Self::Brackets, '"') => Self::Quotes {
                in_brackets: true,
                escaped: false,
            },
            (Self::Outside, '<') => Self::Brackets,
            (Self::Brackets, '>') => Self::Outside,
            (state, _) => state,
        };
        outside
    }
}

/// Splits a text that starts with `"` into the inside of that quoted string, escapes kept, and what follows it.
pub fn take_quoted(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((&inside[..at], &inside[at + 1..])),
            _ => {}
        }
    }
    None
}

/// The inside of a quoted string with its quoted pairs undone.
pub fn unescape(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut text = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    Cow::Owned(text)
}

/// A quoted string (RFC 3261 §25.1). CR and LF cannot be written in one and are left out.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\r' | '\n' => continue,
            '"' | '\\' => quoted.push('\\'),
            c if c.is_ascii_control() && c != '\t' => quoted.push('\\'),
            _ => {}
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// Undoes `%41`; what is no escape stays, bytes that are no UTF-8 become U+FFFD.
pub fn percent_decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        match (first, escaped_byte(tail)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            (byte, _) => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn escaped_byte(tail: &[u8]) -> Option<u8> {
    let (high, low) = (tail.first()?, tail.get(1)?);
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Escapes everything that `allowed` does not name.
pub fn percent_encode(text: &str, allowed: fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii() && allowed(byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A header value without line breaks: each becomes a blank, so that no value can start a header of its own.
pub fn one_line(value: String) -> String {
    if value.contains(['\r', '\n']) {
        value.replace(['\r', '\n'], " ")
    } else {
        value
    }
}

/// `1*DIGIT`, as large as it may be; numbers past `u64` count as its largest.
pub fn digits(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// For `Debug`: runs of five digits and more show only their last two. Addresses and ports stay readable, phone
/// numbers do not.
pub fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            run.push(c);
            continue;
        }
        shown.push_str(&masked_run(&run));
        run.clear();
        shown.push(c);
    }
    shown.pop();
    shown
}

fn masked_run(run: &str) -> Cow<'_, str> {
    match run.len() {
        0..=4 => Cow::Borrowed(run),
        length => Cow::Owned(format!("..{}", &run[length - 2..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_outside_quotes_and_brackets() {
        let text = r#""a,\",b" <sip:x,y@h;p=",">, second ,,<sip:z>;p="1,2""#;
        let parts: Vec<&str> = split_list(text, ',').collect();
        assert_eq!(
            parts,
            [
                r#""a,\",b" <sip:x,y@h;p=",">"#,
                "second",
                "",
                r#"<sip:z>;p="1,2""#
            ]
        );
    }

    #[test]
    fn quoting_undoes_itself() {
        let text = "a \"b\" \\c\u{7}é";
        let quoted = quote(text);
        let (inside, rest) = take_quoted(&quoted).unwrap();
        assert_eq!((unescape(inside).as_ref(), rest), (text, ""));
        assert_eq!(quote("a\r\nB: c"), "\"aB: c\"");
        assert_eq!(take_quoted("\"open"), None);
    }

    #[test]
    fn percent_escapes() {
        assert_eq!(percent_decode("a%20b%zz%4"), "a b%zz%4");
        assert_eq!(percent_decode("%C3%A9"), "é");
        assert_eq!(
            percent_encode("é b", |byte| byte.is_ascii_alphabetic()),
            "%C3%A9%20b"
        );
    }

    #[test]
    fn phone_numbers_are_masked_and_addresses_are_not() {
        assert_eq!(
            masked("sip:+12195550714@192.168.1.20:5061"),
            "sip:+..14@192.168.1.20:5061"
        );
        assert_eq!(masked("tel:7042"), "tel:7042");
    }
}
