//! A SIP message as text (RFC 3261 §7): start line, header lines in their order, body.

use std::fmt::Write as _;

use rsip::message::HasHeaders;

/// A request or a response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub start: Start,
    /// In order, as `(name, value)`.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    Request { method: String, uri: String },
    Response { status: u16, reason: String },
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("no empty line ends the headers")]
    NoEnd,
    #[error("start line: {0}")]
    StartLine(String),
    #[error("headers: {0}")]
    Headers(String),
}

impl Message {
    pub fn request(method: &str, uri: &str) -> Self {
        Self::new(Start::Request {
            method: method.into(),
            uri: uri.into(),
        })
    }

    pub fn response(status: u16, reason: &str) -> Self {
        Self::new(Start::Response {
            status,
            reason: reason.into(),
        })
    }

    fn new(start: Start) -> Self {
        Self {
            start,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let end = find(bytes, b"\r\n\r\n").ok_or(Unreadable::NoEnd)?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let (first, rest) = head.split_once("\r\n").unwrap_or((&head, ""));
        Ok(Self {
            start: Start::parse(first)?,
            headers: read_headers(rest)?,
            body: bytes[end + 4..].to_vec(),
        })
    }

    /// Adds a header below the others.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn with_all(mut self, headers: impl IntoIterator<Item = (String, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self = self.with("Content-Type", content_type);
        self.body = body.into();
        self
    }

    /// As sent, with a Content-Length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = format!("Content-Length: {}\r\n\r\n", self.body.len());
        let mut bytes = (self.head() + &length).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Start line and headers, without Content-Length and the empty line.
    pub fn head(&self) -> String {
        let mut text = match &self.start {
            Start::Request { method, uri } => format!("{method} {uri} SIP/2.0\r\n"),
            Start::Response { status, reason } => format!("SIP/2.0 {status} {reason}\r\n"),
        };
        for (name, value) in &self.headers {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text
    }

    /// The method of a request; empty for a response.
    pub fn method(&self) -> &str {
        match &self.start {
            Start::Request { method, .. } => method,
            Start::Response { .. } => "",
        }
    }

    pub fn uri(&self) -> &str {
        match &self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => "",
        }
    }

    pub fn status(&self) -> Option<u16> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let header = headers.find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        Some(&header.1)
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The values of a header that may be a comma list, each as it was written.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name).flat_map(split_list).collect()
    }

    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// Number and method.
    pub fn cseq(&self) -> (u32, &str) {
        let value = self.header("CSeq").unwrap_or_default();
        let (number, method) = value.split_once(' ').unwrap_or((value, ""));
        (number.trim().parse().unwrap_or(0), method.trim())
    }

    pub fn tag_of(&self, name: &str) -> Option<&str> {
        parameter(self.header(name)?, "tag")
    }

    /// The URI of a name-addr header (From, To, Contact).
    pub fn uri_of(&self, name: &str) -> Option<&str> {
        self.header(name).map(addr_spec)
    }

    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Start {
    fn parse(line: &str) -> Result<Self, Unreadable> {
        let refused = || Unreadable::StartLine(line.chars().take(80).collect());
        let mut words = line.splitn(3, ' ');
        let (first, second, third) = (words.next(), words.next(), words.next());
        match (first, second, third) {
            (Some("SIP/2.0"), Some(status), reason) => Ok(Self::Response {
                status: status.parse().map_err(|_| refused())?,
                reason: reason.unwrap_or_default().into(),
            }),
            (Some(method), Some(uri), Some("SIP/2.0")) => Ok(Self::Request {
                method: method.into(),
                uri: uri.into(),
            }),
            _ => Err(refused()),
        }
    }
}

/// `rsip` splits the lines. It is given a start line that it knows, because its URIs and methods are too narrow for ours.
fn read_headers(lines: &str) -> Result<Vec<(String, String)>, Unreadable> {
    let unfolded = lines.replace("\r\n ", " ").replace("\r\n\t", " ");
    let text = format!("SIP/2.0 200 OK\r\n{unfolded}\r\n\r\n");
    let response = rsip::Response::try_from(text.as_str())
        .map_err(|error| Unreadable::Headers(error.to_string().chars().take(120).collect()))?;
    Ok(response
        .headers()
        .iter()
        .map(|header| name_and_value(&header.to_string()))
        .collect())
}

fn name_and_value(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (long_name(name.trim()).into(), value.trim().into())
}

/// RFC 3261 §7.3.3.
fn long_name(name: &str) -> &str {
    match name {
        "v" => "Via",
        "f" => "From",
        "t" => "To",
        "i" => "Call-ID",
        "m" => "Contact",
        "l" => "Content-Length",
        "c" => "Content-Type",
        "k" => "Supported",
        "x" => "Session-Expires",
        other => other,
    }
}

/// What is between angle brackets, or the text up to the first parameter.
pub fn addr_spec(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// A header parameter (after the closing bracket of a name-addr).
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let parameters = value.rsplit_once('>').map_or(value, |(_, rest)| rest);
    parameters.split(';').find_map(|part| {
        let (given, value) = part.trim().split_once('=')?;
        given.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The user part of a SIP URI, with its parameters; empty when there is none.
pub fn user_part(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user)
}

/// `600` of `600;phone-context=+1`.
pub fn without_parameters(user: &str) -> &str {
    user.split(';').next().unwrap_or(user)
}

/// The host of a SIP URI, without port; an IPv6 literal keeps its brackets.
pub fn host_part(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let host = rest.split_once('@').map_or(rest, |(_, host)| host);
    match host.find(']') {
        Some(end) => &host[..=end],
        None => host.split([':', ';', '?']).next().unwrap_or(host),
    }
}

/// `user@host`: what two URIs must have in common to be one address.
pub fn address_part(uri: &str) -> String {
    let user = user_part(uri).split(';').next().unwrap_or_default();
    format!("{user}@{}", host_part(uri).to_ascii_lowercase())
}

/// Splits at commas outside quotes and brackets.
pub fn split_list(value: &str) -> Vec<String> {
    let (mut quoted, mut bracketed) = (false, false);
    value
        .split(|c: char| {
            match c {
                '"' => quoted = !quoted,
                '<' if !quoted => bracketed = true,
                '>' if !quoted => bracketed = false,
                _ => {}
            }
            c == ',' && !quoted && !bracketed
        })
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rsip_cannot_read_is_read() {
        let text = "FOO sip:US.1349@[2001:db8::1]:5061;transport=tls SIP/2.0\r\n\
                    v: SIP/2.0/TLS [2803:6080::1]:57363;rport;branch=z9hG4bKPj.-1;alias\r\n\
                    Record-Route: <sip:a;lr>,\r\n <sip:b;lr>\r\n\
                    i: outgoing:wacid.HBg==\r\n\
                    f: \"A, B\" <sip:+1@wa.meta.vc>;tag=x\r\n\r\nbody";
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.method(), "FOO");
        assert_eq!(message.call_id(), "outgoing:wacid.HBg==");
        assert_eq!(message.list("Record-Route"), ["<sip:a;lr>", "<sip:b;lr>"]);
        assert_eq!(message.tag_of("From"), Some("x"));
        assert_eq!(message.uri_of("From"), Some("sip:+1@wa.meta.vc"));
        assert_eq!(message.body, b"body");
    }

    #[test]
    fn addresses_are_compared_without_the_rest() {
        let address = address_part("sip:+1219;tgrp=x@WA.meta.vc:5061;transport=tls");
        assert_eq!(address, "+1219@wa.meta.vc");
        assert_eq!(host_part("sip:1@[2001:db8::1]:5061"), "[2001:db8::1]");
        assert_eq!(host_part("sip:wa.meta.vc"), "wa.meta.vc");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let message = Message::response(486, "Busy Here")
            .with("Via", "SIP/2.0/UDP h;branch=z9hG4bK1")
            .with("CSeq", "7 INVITE")
            .with_body("text/plain", "hi");
        let mut read = Message::parse(&message.to_bytes()).unwrap();
        assert_eq!(read.header("Content-Length"), Some("2"));
        read.headers.retain(|(name, _)| name != "Content-Length");
        assert_eq!(read, message);
        assert_eq!(read.cseq(), (7, "INVITE"));
    }
}
