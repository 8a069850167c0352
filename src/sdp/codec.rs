//! Codecs by their SDP names, payload type numbers and clock rates (RFC 3551 §6, RFC 7587 §7, RFC 4733 §2.5).

use std::fmt;

/// RTP payload type, 0-127.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PayloadType(pub u8);

impl fmt::Display for PayloadType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Audio codecs that the media room knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    Opus,
    G722,
    Pcmu,
    Pcma,
}

impl Codec {
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma];

    /// As in `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// RTP clock, Hz. Opus is always 48000, whatever it carries (RFC 7587 §4.1); G.722 has half its samples (RFC 3551
    /// §4.5.2).
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Opus is always described with two channels (RFC 7587 §7).
    fn channels(self) -> u8 {
        match self {
            Self::Opus => 2,
            Self::G722 | Self::Pcmu | Self::Pcma => 1,
        }
    }
}

/// What one payload type number carries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Encoding {
    Audio(Codec),
    /// RFC 4733, with its clock.
    TelephoneEvent(u32),
}

impl Encoding {
    /// Reads the value of `a=rtpmap` behind the number: `opus/48000/2`. Names are compared without case (RFC 8866 §6.6).
    /// `None`: nothing we carry.
    pub(super) fn from_rtpmap(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('/');
        let name = parts.next()?.trim();
        let clock: u32 = parts.next()?.trim().parse().ok()?;
        let channels: u8 = match parts.next() {
            Some(text) => text.trim().parse().ok()?,
            None => 1,
        };
        if name.eq_ignore_ascii_case("telephone-event") {
            return (clock > 0).then_some(Self::TelephoneEvent(clock));
        }
        Codec::ALL
            .into_iter()
            .find(|codec| {
                codec.name().eq_ignore_ascii_case(name)
                    && codec.clock_rate() == clock
                    && channels <= codec.channels()
            })
            .map(Self::Audio)
    }

    /// The meaning of a static number that has no `a=rtpmap` (RFC 3551 §6).
    pub(super) fn from_static(number: PayloadType) -> Option<Self> {
        match number.0 {
            0 => Some(Self::Audio(Codec::Pcmu)),
            8 => Some(Self::Audio(Codec::Pcma)),
            9 => Some(Self::Audio(Codec::G722)),
            _ => None,
        }
    }

    /// The number we give it when nothing was agreed before: the static one, or what PBXs are used to.
    pub(super) fn usual_number(self) -> PayloadType {
        PayloadType(match self {
            Self::Audio(Codec::Opus) => 111,
            Self::Audio(Codec::Pcmu) => 0,
            Self::Audio(Codec::Pcma) => 8,
            Self::Audio(Codec::G722) => 9,
            Self::TelephoneEvent(8_000) => 101,
            Self::TelephoneEvent(_) => 110,
        })
    }
}

impl fmt::Display for Encoding {
    /// As in `a=rtpmap`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audio(codec) => {
                write!(f, "{}/{}", codec.name(), codec.clock_rate())?;
                if codec.channels() > 1 {
                    write!(f, "/{}", codec.channels())?;
                }
                Ok(())
            }
            Self::TelephoneEvent(clock) => write!(f, "telephone-event/{clock}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtpmap_reads_what_peers_write() {
        for (text, expected) in [
            ("opus/48000/2", Some(Encoding::Audio(Codec::Opus))),
            ("OPUS/48000/2", Some(Encoding::Audio(Codec::Opus))),
            ("opus/48000", Some(Encoding::Audio(Codec::Opus))),
            ("PCMU/8000", Some(Encoding::Audio(Codec::Pcmu))),
            ("pcma/8000/1", Some(Encoding::Audio(Codec::Pcma))),
            (
                "telephone-event/8000",
                Some(Encoding::TelephoneEvent(8_000)),
            ),
            (
                "telephone-event/48000",
                Some(Encoding::TelephoneEvent(48_000)),
            ),
            ("opus/16000/2", None),
            ("PCMU/8000/2", None),
            ("PCMU/16000", None),
            ("G722/8000", Some(Encoding::Audio(Codec::G722))),
            ("G722/16000", None),
            ("telephone-event/0", None),
            ("opus", None),
            ("", None),
        ] {
            assert_eq!(Encoding::from_rtpmap(text), expected, "{text}");
        }
    }

    #[test]
    fn usual_numbers_below_96_are_the_static_ones() {
        for codec in Codec::ALL {
            let encoding = Encoding::Audio(codec);
            let number = encoding.usual_number();
            let known = Some(encoding).filter(|_| number.0 < 96);
            assert_eq!(Encoding::from_static(number), known, "{codec:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let audio = Codec::ALL.map(Encoding::Audio);
        let events = [8_000, 48_000].map(Encoding::TelephoneEvent);
        for encoding in audio.into_iter().chain(events) {
            assert_eq!(Encoding::from_rtpmap(&encoding.to_string()), Some(encoding));
        }
    }
}
