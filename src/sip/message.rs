//! Requests and responses. Header values are kept as the text that came (folding undone, nothing else), in order;
//! typed views are read from them when asked for (`fields`).

use std::fmt;

pub use crate::sip::error::ParseError;
pub use crate::sip::fields::Route;
pub use crate::sip::headers::{Header, Headers};
pub use crate::sip::method::Method;
pub use crate::sip::name::Name;
pub use crate::sip::name_addr::NameAddr;
pub use crate::sip::reason::Reason;
pub use crate::sip::sequence::{CSeq, RAck};
pub use crate::sip::session_expires::{Refresher, SessionExpires};
pub use crate::sip::via::Via;

use crate::sip::reader;
use crate::sip::status::reason_phrase;
use crate::sip::text;
use crate::sip::uri::Uri;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    Request(Request),
    Response(Response),
}

#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: Headers,
    pub body: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Message {
    /// One whole message, as a datagram or as the framer cut it. Without Content-Length the body is all that follows
    /// the headers (RFC 3261 §18.3); bytes beyond Content-Length are dropped.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        reader::read(bytes)
    }

    /// The bytes for the wire. Content-Length is computed.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Request(request) => request.write(),
            Self::Response(response) => response.write(),
        }
    }

    pub fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }
}

impl Request {
    pub fn new(method: Method, uri: Uri) -> Self {
        Self {
            method,
            uri,
            headers: Headers::new(),
            body: vec![],
        }
    }

    /// The bytes for the wire. Content-Length is computed.
    pub fn write(&self) -> Vec<u8> {
        let start = format!("{} {} SIP/2.0", self.method, self.uri.as_str());
        write(start, &self.headers, &self.body)
    }
}

impl Response {
    /// A response with what RFC 3261 §8.2.6.2 copies from the request, byte for byte and in order: Via, From, To, Call-ID
    /// and CSeq; Record-Route where the response can make a dialog (§12.1.1), Timestamp in a 100. The To tag is up to the
    /// caller (`Headers::add_to_tag`); the phrase is the standard one when `None`.
    pub fn reply_to(request: &Request, status: u16, reason: Option<&str>) -> Self {
        let records_route = (101..300).contains(&status) && request.method.creates_dialog();
        let copied = |name: &Name| match name {
            Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq => true,
            Name::RecordRoute => records_route,
            Name::Timestamp => status == 100,
            _ => false,
        };
        let mut headers = Headers::new();
        for header in request.headers.iter().filter(|header| copied(&header.name)) {
            headers.push(header.name.clone(), header.value.clone());
        }
        Self {
            status,
            reason: text::one_line(reason.unwrap_or(reason_phrase(status)).to_owned()),
            headers,
            body: vec![],
        }
    }

    /// The bytes for the wire. Content-Length is computed.
    pub fn write(&self) -> Vec<u8> {
        let start = format!("SIP/2.0 {} {}", self.status, self.reason);
        write(start, &self.headers, &self.body)
    }
}

fn write(start: String, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut text = start;
    text.push_str("\r\n");
    for header in headers
        .iter()
        .filter(|header| header.name != Name::ContentLength)
    {
        text.push_str(header.name.as_str());
        text.push_str(": ");
        text.push_str(&header.value);
        text.push_str("\r\n");
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

impl fmt::Debug for Request {
    /// The body is counted, not shown: it may hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} {:?} +{} bytes",
            self.method,
            self.uri,
            self.headers,
            self.body.len()
        )
    }
}

impl fmt::Debug for Response {
    /// The body is counted, not shown: it may hold keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = text::masked(&self.reason);
        write!(
            f,
            "{} {reason} {:?} +{} bytes",
            self.status,
            self.headers,
            self.body.len()
        )
    }
}
