//! Reading one whole message (RFC 3261 §7, §25.1). Reads on after the first fault as far as it can, so that a bad request
//! can still be answered.

use crate::sip::error::{Fault, ParseError};
use crate::sip::head::{end_of_head, read_headers};
use crate::sip::headers::Headers;
use crate::sip::limits;
use crate::sip::message::{Message, Request, Response};
use crate::sip::method::Method;
use crate::sip::name::Name;
use crate::sip::start_line::StartLine;
use crate::sip::uri::Uri;

pub(crate) fn read(bytes: &[u8]) -> Result<Message, ParseError> {
    let (head, rest) = split_head(skip_line_breaks(bytes));
    let head = String::from_utf8_lossy(head);
    let (start, lines) = head.split_once("\r\n").unwrap_or((&head, ""));
    let start = StartLine::parse(start)?;
    let mut fault = Fault::default();
    fault.check(start.check_version());
    fault.check(rest.ok_or(ParseError::new("no empty line after the headers")));
    fault.check(within_size(bytes));
    let (headers, length) = read_headers(lines, &mut fault);
    let body = body(rest.unwrap_or_default(), length, &mut fault);
    fault.check(mandatory(&headers));
    match start {
        StartLine::Request { method, target, .. } => {
            let uri = read_target(target, &mut fault);
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
            let reason = reason.to_owned();
            fault.or(Message::Response(Response {
                status,
                reason,
                headers,
                body,
            }))
        }
    }
}

fn finish_request(request: Request, mut fault: Fault) -> Result<Message, ParseError> {
    fault.check(request.headers.max_forwards());
    fault.check(same_method(&request));
    match fault.0 {
        Some(error) => Err(ParseError {
            answerable: is_answerable(&request).then(|| Box::new(request)),
            ..error
        }),
        None => Ok(Message::Request(request)),
    }
}

/// RFC 3261 §19.1.1: a request URI has no headers.
fn read_target(target: &str, fault: &mut Fault) -> Uri {
    let uri = Uri::parse(target).ok().filter(|uri| uri.headers.is_none());
    fault
        .check(uri.ok_or(ParseError::new("bad request URI")))
        .unwrap_or_else(|| Uri::unread(target))
}

/// A response needs these lines and copies them as they came. There is no response to ACK.
fn is_answerable(request: &Request) -> bool {
    let copied = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq];
    let present = |name: &Name| request.headers.get(name).is_some();
    request.method != Method::Ack && copied.iter().all(present)
}

fn same_method(request: &Request) -> Result<(), ParseError> {
    match request.headers.cseq() {
        Ok(cseq) if cseq.method != request.method => {
            Err(ParseError::new("the CSeq method is not the request's"))
        }
        Ok(_) | Err(_) => Ok(()),
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

fn within_size(bytes: &[u8]) -> Result<(), ParseError> {
    match bytes.len() > limits::MESSAGE {
        true => Err(ParseError::with_status(513, "the message is too large")),
        false => Ok(()),
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
    fn a_first_header_cannot_be_folded() {
        let folded = INVITE.replacen("Via:", " Via:", 1);
        assert_eq!(error(&folded).what, "bad header line");
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
            "SIP/2.0 200 a\nX: b",
            "SIP/2.0",
        ] {
            assert!(
                read(format!("{start}\r\n{lines}").as_bytes()).is_err(),
                "{start}"
            );
        }
    }
}
