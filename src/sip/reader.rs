//! Reading one whole message (RFC 3261 §7, §25.1). Reads on after the first fault as far as it can, so that a bad request
//! can still be answered.

use crate::sip::error::ParseError;
use crate::sip::headers::Headers;
use crate::sip::limits;
use crate::sip::message::{Message, Request, Response};
use crate::sip::method::Method;
use crate::sip::name::Name;
use crate::sip::text;
use crate::sip::uri::Uri;

pub(crate) fn read(bytes: &[u8]) -> Result<Message, ParseError> {
    let (head, rest) = split_head(skip_line_breaks(bytes));
    let head = String::from_utf8_lossy(head);
    let (start, lines) = head.split_once("\r\n").unwrap_or((&head, ""));
    let mut fault = Fault::default();
    fault.check(rest.ok_or(ParseError::new("no empty line after the headers")));
    fault.check(within_size(bytes));
    let (headers, length) = read_headers(lines, &mut fault);
    let body = body(rest.unwrap_or_default(), length, &mut fault);
    match StartLine::parse(start)? {
        StartLine::Request {
            method,
            target,
            version,
        } => {
            let uri =
                fault.check(Uri::parse(target).map_err(|_| ParseError::new("bad request URI")));
            fault.check(supported(version));
            let uri = uri.unwrap_or_else(|| Uri::unread(target));
            finish_request(
                Request {
                    method,
                    uri,
                    headers,
                    body,
                },
                fault,
            )
        }
        StartLine::Response { status, reason } => {
            fault.check(mandatory(&headers));
            let reason = reason.to_owned();
            fault.or_else(|| {
                Message::Response(Response {
                    status,
                    reason,
                    headers,
                    body,
                })
            })
        }
    }
}

fn finish_request(request: Request, mut fault: Fault) -> Result<Message, ParseError> {
    fault.check(mandatory(&request.headers));
    fault.check(request.headers.max_forwards());
    fault.check(target_without_headers(&request.uri));
    fault.check(same_method(&request));
    match fault.0 {
        Some(error) => Err(ParseError {
            answerable: is_answerable(&request).then(|| Box::new(request)),
            ..error
        }),
        None => Ok(Message::Request(request)),
    }
}

/// A response needs these lines and copies them as they came. There is no response to ACK.
fn is_answerable(request: &Request) -> bool {
    let copied = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
    let present = |name: &Name| request.headers.get(name).is_some();
    request.method != Method::Ack && copied.iter().all(present)
}

/// RFC 3261 §19.1.1: no headers in a request URI.
fn target_without_headers(uri: &Uri) -> Result<(), ParseError> {
    match uri.headers {
        Some(_) => Err(ParseError::new("headers in the request URI")),
        None => Ok(()),
    }
}

fn same_method(request: &Request) -> Result<(), ParseError> {
    match request.headers.cseq() {
        Ok(cseq) if cseq.method != request.method => {
            Err(ParseError::new("the CSeq method is not the request's"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The first thing wrong with a message.
#[derive(Default)]
struct Fault(Option<ParseError>);

impl Fault {
    fn check<T>(&mut self, result: Result<T, ParseError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.0.get_or_insert(error);
                None
            }
        }
    }

    fn or_else<T>(self, value: impl FnOnce() -> T) -> Result<T, ParseError> {
        match self.0 {
            Some(error) => Err(error),
            None => Ok(value()),
        }
    }
}

enum StartLine<'a> {
    Request {
        method: Method,
        target: &'a str,
        version: &'a str,
    },
    Response {
        status: u16,
        reason: &'a str,
    },
}

impl<'a> StartLine<'a> {
    fn parse(line: &'a str) -> Result<Self, ParseError> {
        match line.strip_prefix("SIP/2.0 ") {
            Some(status_line) => {
                Self::response(status_line).ok_or(ParseError::new("bad status line"))
            }
            None => Self::request(line).ok_or(ParseError::new("bad request line")),
        }
    }

    /// The target is all between the first and the last blank, so that a request with blanks in its URI can be answered.
    fn request(line: &'a str) -> Option<Self> {
        let (method, rest) = line.split_once(' ')?;
        let (target, version) = rest.rsplit_once(' ')?;
        Some(Self::Request {
            method: Method::parse(method)?,
            target,
            version,
        })
    }

    /// A missing blank before an empty phrase is let through.
    fn response(line: &'a str) -> Option<Self> {
        let (digits, reason) = line.split_once(' ').unwrap_or((line, ""));
        let status = u16::try_from(text::digits(digits)?).ok()?;
        let known = digits.len() == 3 && (100..700).contains(&status);
        known.then_some(Self::Response { status, reason })
    }
}

/// One or more empty lines before a message are no part of it (RFC 3261 §7.5).
fn skip_line_breaks(mut bytes: &[u8]) -> &[u8] {
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    bytes
}

/// Start line and headers without the empty line, and what follows it.
fn split_head(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match end_of_head(bytes, 0) {
        Some(end) => (&bytes[..end - 4], Some(&bytes[end..])),
        None => (bytes, None),
    }
}

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
            && Name::from(text::trim(name)) == Name::ContentLength
        {
            agree(&mut length, text::trim(value))?;
        }
    }
    Ok(length)
}

fn within_size(bytes: &[u8]) -> Result<(), ParseError> {
    match bytes.len() > limits::MESSAGE {
        true => Err(ParseError::with_status(513, "the message is too large")),
        false => Ok(()),
    }
}

fn supported(version: &str) -> Result<(), ParseError> {
    match version {
        "SIP/2.0" => Ok(()),
        other if other.starts_with("SIP/") => Err(ParseError::with_status(505, "not SIP/2.0")),
        _ => Err(ParseError::new("bad request line")),
    }
}

/// The header lines, and what Content-Length said.
fn read_headers(lines: &str, fault: &mut Fault) -> (Headers, Option<u64>) {
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
    let name = text::trim(name);
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

fn body(rest: &[u8], length: Option<u64>, fault: &mut Fault) -> Vec<u8> {
    let Some(length) = length else {
        return rest.to_vec();
    };
    let body = usize::try_from(length)
        .ok()
        .and_then(|length| rest.get(..length));
    fault
        .check(body.ok_or(ParseError::new("Content-Length is more than there is")))
        .unwrap_or_default()
        .to_vec()
}

fn mandatory(headers: &Headers) -> Result<(), ParseError> {
    headers.vias()?;
    headers.top_via()?;
    headers.from()?;
    headers.to()?;
    headers.call_id()?;
    headers.cseq()?;
    Ok(())
}

/// Lines with their folding undone: a line that starts with a blank goes on from the one before, as one blank (§7.3.1).
struct Unfolded<'a>(&'a str);

impl<'a> Iterator for Unfolded<'a> {
    type Item = std::borrow::Cow<'a, str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut line = std::borrow::Cow::Borrowed(self.take_line());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::CSeq;

    const INVITE: &str = "INVITE sip:+17015550100@sip.example.com;transport=tls SIP/2.0\r\n\
        Via: SIP/2.0/TLS [2803:6080:f948:9597::]:57363;rport;branch=z9hG4bKPj3a9f2ad8;alias\r\n\
        Record-Route: <sip:wa.meta.vc;transport=tls;lr>\r\n\
        Record-Route: <sip:onevc-sip-proxy.fbinfra.net:8191;transport=tls;lr>\r\n\
        Via: SIP/2.0/TLS [2803:6080:f948:9597:d33c:e00:400:0]:5061;branch=z9hG4bKPj3a9f2ad8\r\n\
        Max-Forwards: 69\r\n\
        f: \"12195550714\" <sip:+12195550714@wa.meta.vc>;tag=8a0f7e65\r\n\
        To: <sip:+17015550100@sip.example.com>\r\n\
        Contact: <sip:+12195550714@wa.meta.vc;transport=tls;ob>;isfocus\r\n\
        Call-ID: outgoing:wacid.HBgLMTIxOTU1NTA3MTQVAgASGCA4QkY1==\r\n\
        CSeq: 31159 INVITE\r\n\
        Subject: one\r\n\t two\r\n \r\n\
        x-wa-meta-country-code : US\r\n\
        Content-Length: 4\r\n\
        l: 4\r\n\
        \r\n\
        v=0\n";

    fn request(text: &str) -> Request {
        match read(text.as_bytes()) {
            Ok(Message::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn error(text: &str) -> ParseError {
        read(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn whatsapp_invite() {
        let request = request(INVITE);
        let headers = &request.headers;
        assert_eq!(request.method, Method::Invite);
        assert_eq!(headers.vias().unwrap().len(), 2);
        assert_eq!(headers.from().unwrap().tag(), Some("8a0f7e65"));
        assert_eq!(
            headers.call_id().unwrap(),
            "outgoing:wacid.HBgLMTIxOTU1NTA3MTQVAgASGCA4QkY1=="
        );
        assert_eq!(
            headers.cseq().unwrap(),
            CSeq {
                number: 31159,
                method: Method::Invite
            }
        );
        assert_eq!(headers.get(&Name::from("subject")), Some("one two"));
        assert_eq!(headers.get_loose("X-WA-Meta-Country-Code"), Some("US"));
        assert_eq!(headers.count(&Name::ContentLength), 0);
        assert_eq!(request.body, b"v=0\n");
    }

    #[test]
    fn written_with_one_content_length() {
        let request = request(INVITE);
        let text = String::from_utf8(request.write()).unwrap();
        assert_eq!(text.matches("Content-Length: 4\r\n").count(), 1);
        assert_eq!(read(text.as_bytes()), Ok(Message::Request(request)));
    }

    #[test]
    fn a_reply_copies_byte_for_byte() {
        let request = request(INVITE);
        let reply = Response::reply_to(&request, 200, None);
        assert_eq!(reply.reason, "OK");
        let kept = |name: &Name| reply.headers.all(name).eq(request.headers.all(name));
        for name in [
            Name::Via,
            Name::RecordRoute,
            Name::From,
            Name::To,
            Name::CallId,
            Name::CSeq,
        ] {
            assert!(kept(&name), "{name}");
        }
        assert_eq!(reply.headers.len(), 8);
        let trying = Response::reply_to(&request, 100, Some("Here\r\nX: y"));
        assert_eq!(trying.headers.count(&Name::RecordRoute), 0);
        assert_eq!(trying.reason, "Here  X: y");
    }

    #[test]
    fn content_length_rules() {
        let with = |length: &str, body: &str| {
            let head = INVITE.split("Content-Length").next().unwrap();
            format!("\r\n{head}{length}\r\n{body}")
        };
        assert_eq!(request(&with("", "rest")).body, b"rest");
        assert_eq!(request(&with("l: 2\r\n", "rest")).body, b"re");
        for bad in [
            "l: 5\r\n",
            "l: 1\r\nl: 2\r\n",
            "l: -1\r\n",
            "l: 99999999999999999999999\r\n",
        ] {
            assert!(error(&with(bad, "rest")).answerable.is_some(), "{bad}");
        }
    }

    #[test]
    fn what_can_be_answered_comes_with_the_error() {
        let bad_uri = error(&INVITE.replace(
            "sip:+17015550100@sip.example.com;transport=tls",
            "<sip:a@h> ",
        ));
        assert_eq!(bad_uri.answerable.unwrap().uri.as_str(), "<sip:a@h> ");
        let version = error(&INVITE.replace(" SIP/2.0\r\nVia", " SIP/7.0\r\nVia"));
        assert_eq!((version.status, version.answerable.is_some()), (505, true));
        let method = error(&INVITE.replace("31159 INVITE", "31159 BYE"));
        assert!(method.answerable.is_some());
        let unreadable_to = error(&INVITE.replace("<sip:+170", "<"));
        assert!(unreadable_to.answerable.is_some());
        for (from, to) in [
            ("Via:", "Vib:"),
            ("f:", "g:"),
            ("Call-ID:", "Call:"),
            ("CSeq:", "Seq:"),
            ("INVITE sip", "ACK sip"),
        ] {
            let error = error(&INVITE.replace(from, to));
            assert_eq!(error.answerable, None, "{from}");
        }
    }

    #[test]
    fn limits_hold() {
        let many = INVITE.replace("Subject: one", &"A: b\r\n".repeat(300));
        assert_eq!(error(&many).status, 513);
        let long = INVITE.replace("Subject: one", &format!("A: {}", "b".repeat(9000)));
        assert_eq!(error(&long).status, 513);
        let large = format!("{INVITE}{}", "x".repeat(limits::MESSAGE));
        assert!(error(&large).answerable.is_some());
    }

    #[test]
    fn responses() {
        let lines = INVITE.split_once("\r\n").unwrap().1;
        for (start, status, reason) in [
            ("SIP/2.0 100 ", 100, ""),
            ("SIP/2.0 486", 486, ""),
            ("SIP/2.0 403 No \"Approved\" é", 403, "No \"Approved\" é"),
        ] {
            let text = format!("{start}\r\n{lines}");
            let Ok(Message::Response(response)) = read(text.as_bytes()) else {
                panic!("{start}")
            };
            assert_eq!(
                (response.status, response.reason.as_str()),
                (status, reason)
            );
        }
        for start in [
            "SIP/2.0 99 x",
            "SIP/2.0 700 x",
            "SIP/2.0 4294967301 x",
            "SIP/2.0 +20 x",
            "SIP/2.0",
        ] {
            assert!(
                read(format!("{start}\r\n{lines}").as_bytes()).is_err(),
                "{start}"
            );
        }
    }
}
