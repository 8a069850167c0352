//! Payload type numbers of a session: once a number has a meaning it keeps it (RFC 3264 §8.3.2).

use std::collections::BTreeMap;

use super::PayloadType;
use super::codec::Encoding;
use super::description::Audio;

/// What each number means in this session. `None`: something of the peer's that we do not carry.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers(BTreeMap<PayloadType, Option<Encoding>>);

impl Numbers {
    /// Notes what the peer calls things.
    pub(super) fn learn(&mut self, audio: &Audio) {
        for format in &audio.formats {
            self.0.insert(format.number, format.encoding);
        }
    }

    /// The number for an encoding: the one in use, its usual one, or a free dynamic one (RFC 3551 §3).
    pub(super) fn assign(&mut self, encoding: Encoding) -> PayloadType {
        let in_use = self
            .0
            .iter()
            .find(|(_, meaning)| **meaning == Some(encoding));
        if let Some((&number, _)) = in_use {
            return number;
        }
        let usual = encoding.usual_number();
        let number = std::iter::once(usual)
            .chain((96..=127).map(PayloadType))
            .find(|number| !self.0.contains_key(number))
            .unwrap_or(usual);
        self.0.insert(number, Some(encoding));
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Codec;

    #[test]
    fn numbers_stay_and_do_not_collide() {
        let opus = Encoding::Audio(Codec::Opus);
        let mut numbers = Numbers::default();
        numbers.0.insert(PayloadType(111), None);
        numbers.0.insert(PayloadType(96), None);
        assert_eq!(numbers.assign(opus), PayloadType(97));
        assert_eq!(numbers.assign(opus), PayloadType(97));
        assert_eq!(numbers.assign(Encoding::Audio(Codec::Pcmu)), PayloadType(0));
        assert_eq!(
            numbers.assign(Encoding::TelephoneEvent(8_000)),
            PayloadType(101)
        );
    }
}
