//! The causes, and the ways that they concern.

use std::time::Duration;

use crate::media::bridge::no_audio::WINDOW;

/// Why there is no audio. Of the causes that hold together the first is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NoAudio {
    /// The peer's direction forbids it.
    Hold,
    /// ICE has not found the peer, or lost it.
    NotReached,
    /// The DTLS handshake with the peer is not over, or failed.
    NotSecured,
    /// The agreed SRTP keys cannot be used.
    UnusableKeys,
    /// We were not told where to send, and nothing came to learn it from.
    NoAddress,
    /// The peer's RTCP reports that what we send is lost.
    Lost,
    /// Packets do not authenticate with the agreed SRTP key.
    Authentication,
    /// Packets come from an address that is not the peer's.
    WrongSource,
    /// Packets of a payload type that was not agreed.
    UnknownPayloadType,
    /// Packets that the codec cannot read.
    Undecodable,
    /// Packets that were used before: something sends the same again and again.
    Replayed,
    /// Datagrams that are no RTP.
    NotRtp,
    /// Not one datagram, from the start on.
    NothingReceived,
    /// It was heard, and then nothing came any more.
    Stopped,
    /// Packets come as agreed and hold silence.
    Silence,
}

/// Which way on a leg.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// From the peer to us.
    From,
    /// From us to the peer.
    To,
}

impl Way {
    /// `no audio from ...`.
    pub fn words(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
        }
    }
}

impl NoAudio {
    pub const ALL: [Self; 15] = [
        Self::Hold,
        Self::NotReached,
        Self::NotSecured,
        Self::UnusableKeys,
        Self::NoAddress,
        Self::Lost,
        Self::Authentication,
        Self::WrongSource,
        Self::UnknownPayloadType,
        Self::Undecodable,
        Self::Replayed,
        Self::NotRtp,
        Self::NothingReceived,
        Self::Stopped,
        Self::Silence,
    ];

    /// As in CDR and metrics.
    pub fn token(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::NotReached => "not_reached",
            Self::NotSecured => "not_secured",
            Self::UnusableKeys => "unusable_keys",
            Self::NoAddress => "no_address",
            Self::Lost => "lost",
            Self::Authentication => "srtp_authentication",
            Self::WrongSource => "wrong_source",
            Self::UnknownPayloadType => "unknown_payload_type",
            Self::Undecodable => "undecodable",
            Self::Replayed => "replayed",
            Self::NotRtp => "not_rtp",
            Self::NothingReceived => "nothing_received",
            Self::Stopped => "stopped",
            Self::Silence => "silence",
        }
    }

    /// For a person, after a colon.
    pub fn words(self) -> &'static str {
        match self {
            Self::Hold => "its description puts the call on hold",
            Self::NotReached => "ICE has no way to it: a firewall, or it does not answer checks",
            Self::NotSecured => "the DTLS handshake with it is not over",
            Self::UnusableKeys => "the SRTP keys that were agreed cannot be used",
            Self::NoAddress => "it did not say where to send, and nothing came to learn it from",
            Self::Lost => "its RTCP reports that nearly all of our packets are lost",
            Self::Authentication => "its packets do not authenticate with the agreed SRTP key",
            Self::WrongSource => "packets come from an address that is not the peer's",
            Self::UnknownPayloadType => "its packets have a payload type that was not agreed",
            Self::Undecodable => "its packets cannot be decoded by the agreed codec",
            Self::Replayed => "the same packets come again and again",
            Self::NotRtp => "what it sends is no RTP",
            Self::NothingReceived => {
                "not one packet has come: a firewall, NAT, or a wrong address of ours in the description"
            }
            Self::Stopped => "its packets have stopped: another network, or silence suppression",
            Self::Silence => "its packets hold nothing but silence: muted, or no microphone",
        }
    }

    /// Something is broken; hold, silence and a pause may be what the party wants.
    pub fn is_fault(self) -> bool {
        match self {
            Self::Hold | Self::Stopped | Self::Silence => false,
            Self::NotReached
            | Self::NotSecured
            | Self::UnusableKeys
            | Self::NoAddress
            | Self::Lost
            | Self::Authentication
            | Self::WrongSource
            | Self::UnknownPayloadType
            | Self::Undecodable
            | Self::Replayed
            | Self::NotRtp
            | Self::NothingReceived => true,
        }
    }

    /// Who listens says nothing: silence has to last.
    pub(super) fn patience(self) -> Duration {
        match self == Self::Silence {
            true => 2 * WINDOW,
            false => WINDOW,
        }
    }

    pub(super) fn bit(self) -> u16 {
        1 << self as u16
    }
}
