//! Cuts a byte stream into messages (RFC 3261 §18.3).

use crate::sim::sip::message::find;

/// Longer messages end the connection.
const LIMIT: usize = 65_536;

/// Bytes of one connection, not yet cut.
#[derive(Default)]
pub struct Framer {
    bytes: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer sent more than {LIMIT} bytes without a whole message")]
pub struct TooLong;

impl Framer {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message. Keep-alive line ends (RFC 5626 §3.5.1) are dropped.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let blank = self.bytes.iter().take_while(|byte| b"\r\n".contains(byte));
        let blank = blank.count();
        self.bytes.drain(..blank);
        let Some(end) = find(&self.bytes, b"\r\n\r\n") else {
            return self.incomplete();
        };
        let length = end + 4 + content_length(&self.bytes[..end]);
        if self.bytes.len() < length {
            return self.incomplete();
        }
        Ok(Some(self.bytes.drain(..length).collect()))
    }

    fn incomplete(&self) -> Result<Option<Vec<u8>>, TooLong> {
        (self.bytes.len() <= LIMIT).then_some(None).ok_or(TooLong)
    }
}

/// 0 when there is none.
fn content_length(head: &[u8]) -> usize {
    String::from_utf8_lossy(head)
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| {
            let name = name.trim();
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("l")
        })
        .find_map(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
        .min(LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_wherever_the_stream_breaks() {
        let stream = b"\r\n\r\nA b SIP/2.0\r\nl: 3\r\n\r\nxyzC d SIP/2.0\r\nX: 1\r\n\r\n";
        for cut in 0..stream.len() {
            let mut framer = Framer::default();
            let mut messages = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                framer.push(part);
                while let Some(message) = framer.take().unwrap() {
                    messages.push(message);
                }
            }
            assert_eq!(messages.len(), 2, "cut at {cut}");
            assert!(messages[0].ends_with(b"xyz"));
        }
    }

    #[test]
    fn an_endless_head_is_refused() {
        let mut framer = Framer::default();
        framer.push(&vec![b'a'; LIMIT + 1]);
        assert_eq!(framer.take(), Err(TooLong));
    }
}
