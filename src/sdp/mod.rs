//! Session descriptions (RFC 8866) as values, and the offer/answer model (RFC 3264) as functions of values. What is not
//! audio is declined; what is not understood is kept out of our own descriptions, which are always written fresh.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Audio codecs that the media room knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    Opus,
    Pcmu,
    Pcma,
}

/// RTP payload type, 0-127.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PayloadType(pub u8);

/// RTP synchronisation source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ssrc(pub u32);

/// From the describing party's point of view (RFC 3264 §5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// SDES suites (RFC 4568 §6.2, RFC 6188, RFC 7714).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Suite {
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
    AesCm256HmacSha1_80,
    AesCm256HmacSha1_32,
    AeadAes128Gcm,
    AeadAes256Gcm,
}

/// Master key and salt, joined. Zeroed when dropped, never shown.
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct MasterKey(pub Vec<u8>);

/// How this peer's media is to be described: the habits of a profile, as data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Offered in this order. As answerer: the offerer's order rules unless `own_order`.
    pub codecs: Vec<Codec>,
    pub own_order: bool,
    pub security: Security,
    /// telephone-event offered and accepted.
    pub telephone_event: bool,
    pub packet_time: Duration,
    /// `a=maxptime`, written when set.
    pub max_packet_time: Option<Duration>,
    /// fmtp of our Opus line.
    pub opus_fmtp: String,
    /// Offer rtcp-mux; as answerer it is accepted whenever offered.
    pub rtcp_mux: bool,
    /// Write `a=ssrc` with the cname.
    pub announce_ssrc: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Security {
    /// `RTP/AVP`.
    Plain,
    /// `RTP/SAVP` with `a=crypto`, suites in order of preference.
    Sdes(Vec<Suite>),
    /// Offered plain; SDES accepted when the peer offers it.
    SdesIfOffered(Vec<Suite>),
}

/// What is ours and known before anything is written (design, idea 6).
#[derive(Clone)]
pub struct Local {
    pub address: IpAddr,
    pub rtp_port: u16,
    /// Used when there is no rtcp-mux.
    pub rtcp_port: u16,
    pub ssrc: Ssrc,
    pub cname: String,
    /// Our sending key material: the longest suite's length; a suite takes as many bytes as it needs.
    pub key: MasterKey,
    /// `o=` session id; the version is counted by `Negotiation`.
    pub session_id: u64,
}

/// What both sides settled on: all that a stream needs to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreement {
    /// Where the peer wants RTP. `None`: it gave `0.0.0.0`, port 9 or a name (hold by RFC 2543, or to be learnt).
    pub remote_rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP; same as RTP when multiplexed.
    pub remote_rtcp: Option<SocketAddr>,
    pub rtcp_mux: bool,
    /// What we send, with the payload type that the peer gave it.
    pub codec: Codec,
    pub send_pt: PayloadType,
    /// Every audio payload type that may arrive.
    pub receive: Vec<(PayloadType, Codec)>,
    pub telephone_event: Option<TelephoneEvent>,
    /// Of the peer's stream as *we* see it: `SendRecv`, `SendOnly` (we may only send), ...
    pub direction: Direction,
    /// What the peer asks us to send, 20 ms when it does not say.
    pub packet_time: Duration,
    pub crypto: Option<CryptoPair>,
    /// From the peer's `a=ssrc`, if any.
    pub remote_ssrc: Option<Ssrc>,
    /// Peer's Opus fmtp as limits for our encoder.
    pub opus: OpusLimits,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TelephoneEvent {
    pub send_pt: PayloadType,
    pub receive_pt: PayloadType,
    /// 8000 with WhatsApp whatever the audio's clock (dossier 3.3); 48000 from some PBXs.
    pub clock: u32,
}

/// Keys of both directions. `Debug` shows the suite alone.
#[derive(Clone, PartialEq, Eq)]
pub struct CryptoPair {
    pub suite: Suite,
    pub send: MasterKey,
    pub receive: MasterKey,
}

impl std::fmt::Debug for CryptoPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CryptoPair")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

/// RFC 7587 §6.1, as given by the peer; what it did not say is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpusLimits {
    pub max_average_bitrate: Option<u32>,
    pub max_playback_rate: Option<u32>,
    pub in_band_fec: bool,
    pub dtx: bool,
}

/// The offer/answer state of one leg (RFC 3264, RFC 6337): makes our descriptions, reads the peer's, counts `o=` versions.
pub struct Negotiation {
    _policy: Policy,
    _local: Local,
}

impl Negotiation {
    pub fn new(policy: Policy, local: Local) -> Self {
        Self {
            _policy: policy,
            _local: local,
        }
    }

    /// Writes our offer. `direction` is ours.
    pub fn offer(&mut self, _direction: Direction) -> String {
        todo!()
    }

    /// Reads the answer to our offer.
    pub fn handle_answer(&mut self, _sdp: &[u8]) -> Result<Agreement, Refusal> {
        todo!()
    }

    /// Reads the peer's offer and writes our answer. Also for re-offers: an unchanged one gets an unchanged answer with
    /// an unchanged version; a refused one leaves the agreement as it was. `wanted` is our own direction, cut down by
    /// what the offer allows.
    pub fn answer(
        &mut self,
        _sdp: &[u8],
        _wanted: Direction,
    ) -> Result<(String, Agreement), Refusal> {
        todo!()
    }

    /// The description last sent, again with the same version (session refresh, repeated 2xx).
    pub fn current(&self) -> Option<&str> {
        todo!()
    }

    pub fn agreement(&self) -> Option<&Agreement> {
        todo!()
    }
}

/// Why a description cannot be agreed to. The call room turns it into 488, 400, ... and words for the operator.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("not a session description: {0}")]
    Malformed(String),
    #[error("no audio")]
    NoAudio,
    #[error("no codec in common (offered: {offered})")]
    NoCodec { offered: String },
    #[error("media must be encrypted with SDES, but {found} was offered")]
    SecurityMismatch { found: String },
    #[error("no usable a=crypto line: {0}")]
    NoCrypto(String),
}
