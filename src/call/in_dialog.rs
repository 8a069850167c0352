//! What a peer asks inside a dialog beside offers: answered on its own leg, whatever the other one is.
//!
//! INFO carries digits in the two forms that PBXs use, `application/dtmf-relay` (`Signal=5`, `Duration=160`) and
//! `application/dtmf` (`5`); neither has an RFC (RFC 6086 §2 calls such use legacy).

use std::time::Duration;

use crate::call::leg::Digit;
use crate::sip::endpoint::{Body, Reply};
use crate::sip::message::{Method, Name, Request};

const DTMF_RELAY: &str = "application/dtmf-relay";
const DTMF: &str = "application/dtmf";

/// Lengths of digits are kept within what RFC 4733 receivers take for one press.
const SHORTEST: Duration = Duration::from_millis(40);
const LONGEST: Duration = Duration::from_secs(6);
const USUAL: Duration = Duration::from_millis(160);

/// The answer, and the digit if that is what it was.
pub fn reply(request: &Request) -> (Reply, Option<Digit>) {
    match &request.method {
        Method::Info => info_reply(request),
        Method::Options => (status_with(200, Name::Accept, "application/sdp"), None),
        Method::Refer => (Reply::status(603), None),
        Method::Notify => (Reply::status(481), None),
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Register
        | Method::Update
        | Method::Prack
        | Method::Subscribe
        | Method::Message
        | Method::Publish
        | Method::Other(_) => (not_allowed(), None),
    }
}

/// The endpoint adds what is allowed.
pub fn not_allowed() -> Reply {
    Reply::status(405)
}

pub fn unsupported_media(accept: &str) -> Reply {
    status_with(415, Name::Accept, accept)
}

/// The body of INFO toward a peer that wants digits so.
pub fn dtmf_relay(digit: Digit) -> Body {
    let key = char::from(digit.key);
    let milliseconds = digit.duration.clamp(SHORTEST, LONGEST).as_millis();
    Body {
        content_type: DTMF_RELAY.to_owned(),
        bytes: format!("Signal={key}\r\nDuration={milliseconds}\r\n").into_bytes(),
    }
}

fn info_reply(request: &Request) -> (Reply, Option<Digit>) {
    let text = String::from_utf8_lossy(&request.body);
    let digit = match request.headers.media_type().as_deref() {
        Some(DTMF_RELAY) => relayed(&text),
        Some(DTMF) => plain(&text),
        None if request.body.is_empty() => return (Reply::status(200), None),
        Some(_) | None => {
            return (unsupported_media(&format!("{DTMF_RELAY}, {DTMF}")), None);
        }
    };
    match digit {
        Some(digit) => (Reply::status(200), Some(digit)),
        None => (Reply::status(400), None),
    }
}

fn relayed(text: &str) -> Option<Digit> {
    let field = |wanted: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim()
                .eq_ignore_ascii_case(wanted)
                .then(|| value.trim())
        })
    };
    let duration = field("Duration").and_then(|milliseconds| milliseconds.parse().ok());
    Some(Digit {
        key: key(field("Signal")?)?,
        duration: duration
            .map_or(USUAL, Duration::from_millis)
            .clamp(SHORTEST, LONGEST),
    })
}

fn plain(text: &str) -> Option<Digit> {
    Some(Digit {
        key: key(text.trim())?,
        duration: USUAL,
    })
}

/// `0-9*#A-D`, also as the numbers 10 and 11 that some PBXs write for `*` and `#`.
fn key(text: &str) -> Option<u8> {
    match text {
        "10" => Some(b'*'),
        "11" => Some(b'#'),
        _ => match text.as_bytes() {
            [key] => {
                let key = key.to_ascii_uppercase();
                b"0123456789*#ABCD".contains(&key).then_some(key)
            }
            _ => None,
        },
    }
}

fn status_with(code: u16, name: Name, value: &str) -> Reply {
    let mut reply = Reply::status(code);
    reply.headers.push(name, value);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_digits_are_read() {
        let digit = relayed("Signal= 5\r\nDuration=250\r\n").unwrap();
        assert_eq!((digit.key, digit.duration.as_millis()), (b'5', 250));
        assert_eq!(relayed("signal=#").unwrap().duration, USUAL);
        assert_eq!(plain("*\r\n").unwrap().key, b'*');
        assert_eq!(plain("11").unwrap().key, b'#');
        for nonsense in ["", "55", "E", "Signal=5"] {
            assert_eq!(plain(nonsense), None, "{nonsense}");
        }
        assert_eq!(relayed("Duration=100"), None);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let digit = Digit {
            key: b'D',
            duration: Duration::from_millis(320),
        };
        let body = dtmf_relay(digit);
        assert_eq!(
            relayed(std::str::from_utf8(&body.bytes).unwrap()),
            Some(digit)
        );
    }
}
