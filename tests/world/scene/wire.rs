//! SIP as text, read and written without any part of the bridge: what a scripted peer says and sees.

use std::fmt;

/// One message. Header names keep their spelling; a list in one line is one header.
#[derive(Clone, PartialEq, Eq)]
pub struct Sip {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Sip {
    pub fn parse(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).expect("what we send is UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head ends");
        let mut lines = head.split("\r\n");
        let start = lines.next().expect("a start line").to_owned();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a header has a colon");
            (name.trim().to_owned(), value.trim().to_owned())
        });
        let message = Self {
            start,
            headers: headers.collect(),
            body: body.to_owned(),
        };
        let length: usize = message.header("Content-Length").parse().expect("a length");
        assert_eq!(length, body.len(), "Content-Length of\n{message}");
        message
    }

    pub fn request(method: &str, uri: &str) -> Self {
        Self {
            start: format!("{method} {uri} SIP/2.0"),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// A response with what RFC 3261 §8.2.6 copies.
    pub fn reply(&self, status: u16, phrase: &str) -> Self {
        let copied = ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"];
        let headers = self
            .headers
            .iter()
            .filter(|(name, _)| {
                copied
                    .iter()
                    .any(|copied| name.eq_ignore_ascii_case(copied))
            })
            .cloned();
        Self {
            start: format!("SIP/2.0 {status} {phrase}"),
            headers: headers.collect(),
            body: String::new(),
        }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// In place of what it was.
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers
            .retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.with(name, value)
    }

    pub fn with_body(self, content_type: &str, body: impl Into<String>) -> Self {
        let mut message = self.set("Content-Type", content_type);
        message.body = body.into();
        message
    }

    pub fn with_sdp(self, sdp: impl Into<String>) -> Self {
        self.with_body("application/sdp", sdp)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n{}", self.body.len(), self.body);
        text.into_bytes()
    }

    pub fn method(&self) -> Option<&str> {
        let (first, _) = self.start.split_once(' ')?;
        (first != "SIP/2.0").then_some(first)
    }

    pub fn uri(&self) -> &str {
        self.start.split(' ').nth(1).expect("a request")
    }

    pub fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub fn header(&self, name: &str) -> &str {
        self.get(name)
            .unwrap_or_else(|| panic!("no {name} in\n{self}"))
    }

    pub fn cseq(&self) -> (u32, &str) {
        let (number, method) = self.header("CSeq").split_once(' ').expect("a CSeq");
        (number.parse().expect("a number"), method)
    }

    /// `tag` of From or To.
    pub fn tag(&self, name: &str) -> Option<&str> {
        parameter(self.header(name), "tag")
    }

    /// The URI between the angle brackets.
    pub fn address(&self, name: &str) -> &str {
        bracketed(self.header(name))
    }

    /// `INVITE`, `200`, `200 BYE`: a method, or a status with or without the method it answers.
    pub fn is(&self, what: &str) -> bool {
        let mut words = what.split(' ');
        let first = words.next().expect("a word");
        match self.status() {
            Some(status) => {
                first == status.to_string()
                    && words.next().is_none_or(|method| method == self.cseq().1)
            }
            None => self.method() == Some(first),
        }
    }

    /// A line of its SDP by its beginning.
    pub fn sdp_line(&self, start: &str) -> Option<&str> {
        self.body.lines().find(|line| line.starts_with(start))
    }
}

impl fmt::Display for Sip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes()).replace('\r', ""))
    }
}

impl fmt::Debug for Sip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub fn bracketed(value: &str) -> &str {
    let (_, rest) = value.split_once('<').expect("angle brackets");
    rest.split_once('>').expect("angle brackets").0
}

/// A header parameter, quoted or not.
pub fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value
        .split([';', ','])
        .map(|part| part.trim().trim_start_matches("Digest "))
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        .map(|value| value.trim_matches('"'))
}
