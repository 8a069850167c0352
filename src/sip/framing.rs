//! Cutting messages out of a stream (RFC 3261 §18.3) and CRLF keep-alive (RFC 5626 §3.5.1). Each byte is looked at once,
//! whatever the chunks. Not here: sockets, and what a message says.

use crate::sip::head;
use crate::sip::limits;

/// One stream's bytes. After `push`, call `poll` until it gives `None`: then at most one unfinished message is held.
#[derive(Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are done with.
    done: usize,
    state: State,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Start line, headers and body, to be given to `Message::parse`.
    Message(Vec<u8>),
    /// Two CRLFs: to be answered with `PONG`.
    Ping,
    /// One CRLF, the answer to our `PING`. The first half of a ping looks the same and is reported as this as well.
    Pong,
}

/// What we send to keep a connection alive.
pub const PING: &[u8] = b"\r\n\r\n";

/// What answers a ping.
pub const PONG: &[u8] = b"\r\n";

/// Why the stream cannot be read on. It is to be closed: the next message's beginning is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FramingError {
    #[error("no end of headers within {} bytes", limits::HEAD)]
    HeadTooLong,
    #[error("a message of {0} bytes, more than {max}", max = limits::MESSAGE)]
    MessageTooLarge(u64),
    #[error("Content-Length is no number, or there are several that differ")]
    BadContentLength,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Between messages; whether the last thing was the first CRLF of two.
    Between {
        line_break: bool,
    },
    /// In start line and headers, of which so many bytes hold no end.
    Head {
        searched: usize,
    },
    /// In a message of so many bytes.
    Body {
        length: usize,
    },
    Broken(FramingError),
}

impl Default for State {
    fn default() -> Self {
        Self::Between { line_break: false }
    }
}

impl Framer {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if let State::Broken(_) = self.state {
            return;
        }
        self.buffer.drain(..self.done);
        self.done = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame. An error stays: nothing more is read from this stream.
    pub fn poll(&mut self) -> Result<Option<Frame>, FramingError> {
        loop {
            let step = match self.state {
                State::Between { line_break } => self.between(line_break),
                State::Head { searched } => self.head(searched),
                State::Body { length } => self.body(length),
                State::Broken(error) => return Err(error),
            };
            match step {
                Step::Frame(frame) => return Ok(Some(frame)),
                Step::Wait => return Ok(None),
                Step::Go(state) => self.state = state,
            }
        }
    }

    /// A message was begun and its end has not come.
    pub fn is_within_message(&self) -> bool {
        !self.rest().is_empty()
    }

    fn between(&mut self, line_break: bool) -> Step {
        match self.rest() {
            [b'\r', b'\n', ..] => {
                self.done += 2;
                self.state = State::Between {
                    line_break: !line_break,
                };
                Step::Frame(if line_break { Frame::Ping } else { Frame::Pong })
            }
            [] | [b'\r'] => Step::Wait,
            _ => Step::Go(State::Head { searched: 0 }),
        }
    }

    fn head(&mut self, searched: usize) -> Step {
        let rest = self.rest();
        let searchable = &rest[..rest.len().min(limits::HEAD)];
        match head::end_of_head(searchable, searched) {
            Some(end) => Step::Go(match whole_length(&rest[..end]) {
                Ok(length) => State::Body { length },
                Err(error) => State::Broken(error),
            }),
            None if rest.len() >= limits::HEAD => {
                Step::Go(State::Broken(FramingError::HeadTooLong))
            }
            None => {
                self.state = State::Head {
                    searched: searchable.len(),
                };
                Step::Wait
            }
        }
    }

    fn body(&mut self, length: usize) -> Step {
        let Some(message) = self.rest().get(..length).map(<[u8]>::to_vec) else {
            return Step::Wait;
        };
        self.done += length;
        self.state = State::default();
        Step::Frame(Frame::Message(message))
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.done..).unwrap_or_default()
    }
}

enum Step {
    Frame(Frame),
    Wait,
    Go(State),
}

/// Bytes of the message that begins with `head`. Without Content-Length it has no body (dossier 2.7).
fn whole_length(head: &[u8]) -> Result<usize, FramingError> {
    let body = head::content_length(head)
        .map_err(|_| FramingError::BadContentLength)?
        .unwrap_or(0);
    let whole = body.saturating_add(head.len() as u64);
    match usize::try_from(whole) {
        Ok(length) if length <= limits::MESSAGE => Ok(length),
        _ => Err(FramingError::MessageTooLarge(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "OPTIONS sip:a@h SIP/2.0\r\nl: 3\r\n\r\nabc";
    const B: &str = "SIP/2.0 407 x\r\nTo: x\r\n\r\n";
    const C: &str =
        "BYE sip:a@h SIP/2.0\r\nContent-Length:\r\n 2\r\nContent-Length: 02\r\n\r\n\r\n";

    fn frames(chunks: &[&[u8]]) -> Result<Vec<Frame>, FramingError> {
        let mut framer = Framer::new();
        let mut frames = vec![];
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.poll()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    fn message(text: &str) -> Frame {
        Frame::Message(text.as_bytes().to_vec())
    }

    #[test]
    fn messages_and_keep_alive_in_any_chunks() {
        let stream = format!("{A}\r\n\r\n{B}\r\n{C}{A}\r\n\r\n\r\n");
        let expected = Ok(vec![
            message(A),
            Frame::Pong,
            Frame::Ping,
            message(B),
            Frame::Pong,
            message(C),
            message(A),
            Frame::Pong,
            Frame::Ping,
            Frame::Pong,
        ]);
        for size in 1..=stream.len() {
            let chunks: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
            assert_eq!(frames(&chunks), expected, "chunks of {size}");
        }
    }

    #[test]
    fn a_head_without_end_breaks_the_stream() {
        let long = vec![b'x'; limits::HEAD];
        assert_eq!(frames(&[&long[1..]]), Ok(vec![]));
        assert_eq!(frames(&[&long]), Err(FramingError::HeadTooLong));
        let mut late = long;
        late.extend_from_slice(b"\r\n\r\n");
        assert_eq!(frames(&[&late]), Err(FramingError::HeadTooLong));
    }

    #[test]
    fn lengths_that_cannot_be() {
        for (length, error) in [
            ("Content-Length: -1", FramingError::BadContentLength),
            ("Content-Length: 1\r\nl: 2", FramingError::BadContentLength),
            ("l: 65535", FramingError::MessageTooLarge(65_535 + 30)),
            (
                "l: 99999999999999999999999",
                FramingError::MessageTooLarge(u64::MAX),
            ),
        ] {
            let head = format!("BYE x SIP/2.0\r\n{length}\r\n\r\n");
            let found = frames(&[head.as_bytes()]).unwrap_err();
            assert_eq!(
                std::mem::discriminant(&found),
                std::mem::discriminant(&error),
                "{length}"
            );
        }
    }

    #[test]
    fn an_error_stays_and_nothing_is_kept() {
        let mut framer = Framer::new();
        framer.push(b"BYE x SIP/2.0\r\nl: x\r\n\r\n");
        assert_eq!(framer.poll(), Err(FramingError::BadContentLength));
        let held = framer.buffer.len();
        framer.push(A.as_bytes());
        assert_eq!(framer.poll(), Err(FramingError::BadContentLength));
        assert_eq!(framer.buffer.len(), held);
    }

    #[test]
    fn a_begun_message_shows() {
        let mut framer = Framer::new();
        for (bytes, within) in [("\r\n", false), ("OPTI", true), ("ONS", true)] {
            framer.push(bytes.as_bytes());
            while framer.poll() != Ok(None) {}
            assert_eq!(framer.is_within_message(), within, "{bytes}");
        }
        framer.push(&A.as_bytes()[7..]);
        assert_eq!(framer.poll(), Ok(Some(message(A))));
        assert!(!framer.is_within_message());
    }
}
