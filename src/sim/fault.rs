//! What a simulator can do wrong, by name.

use std::collections::BTreeSet;

/// A misbehaviour of one party. Those that [`Fault::breaks_audio`] must make a verdict fail; a bridge must live through the
/// others as if nothing had happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, clap::ValueEnum)]
pub enum Fault {
    /// WhatsApp: the ACK is never sent (the business gives up after 32 seconds).
    LostAck,
    /// WhatsApp: the ACK is sent two seconds after the answer.
    LateAck,
    /// WhatsApp: the challenge is answered with a wrong password.
    WrongDigest,
    /// WhatsApp: Content-Length stands twice in each request.
    DoubleContentLength,
    /// WhatsApp: its responses have no Content-Length.
    NoContentLength,
    /// WhatsApp: two seconds pass between the TCP connection and the TLS handshake.
    SlowTls,
    /// WhatsApp: CANCEL is sent although the answer is already here.
    CancelCrossing,
    /// WhatsApp: each BYE is sent three times.
    RepeatedBye,
    /// WhatsApp, called: no 180.
    NoRinging,
    /// WhatsApp, called: three seconds pass before each response to an INVITE.
    SlowResponses,
    /// WhatsApp, called: the first answer to its challenge gets another one that says `stale=true`.
    StaleNonce,
    /// WhatsApp, called: the connection is closed while it rings.
    ClosedConnection,
    /// WhatsApp, called: a CANCEL meets the answer, which is sent although the business gave up.
    AnswerCrossing,
    /// WhatsApp, called: no ACK is ever seen, the answer is repeated for 32 seconds.
    DeafToAck,
    /// WhatsApp, called: its own BYE crosses the business's.
    ByeCrossing,
    /// WhatsApp with ICE: it sends checks as the controlling agent, and answers the first three of the business with 487.
    RoleConflict,
    /// WhatsApp with DTLS: the first ClientHello is lost, whoever sends it.
    LostClientHello,
    /// WhatsApp with DTLS: its description tells another fingerprint than its certificate's.
    WrongFingerprint,
    /// WhatsApp: three seconds into the media its packets leave from another port; it listens on both.
    Rebinding,
    /// WhatsApp: three seconds into the media nothing comes from it any more, and nothing reaches it.
    Gone,
    /// PBX: its responses lack the last Record-Route.
    MangledRecordRoute,
    /// Packets are encrypted with another key than the one that was told.
    WrongKey,
    /// No packet is ever sent.
    Silent,
    /// Packets carry silence in place of speech.
    Mute,
    /// The party speaks with the other party's voice.
    Swapped,
    /// Every other second of speech is missing.
    HalfLost,
    /// Noise in place of speech.
    Noise,
    /// The first two seconds of speech are missing.
    Clipped,
    /// 30 % of the packets are lost.
    HeavyLoss,
    /// 2 % of the packets are lost.
    LightLoss,
    /// Every tenth packet is sent twice.
    Duplicate,
    /// Every twentieth packet leaves after its successor.
    Reorder,
    /// The SSRC changes after three seconds.
    SsrcChange,
    /// Timestamps jump by ten minutes after three seconds.
    TimestampJump,
    /// No packets for two seconds, three seconds after the start.
    Stall,
    /// Another sender throws packets of noise at the far side's port.
    Injection,
    /// Packets leave from, and are awaited at, another port than the one that was told, as behind a NAT.
    WrongSourcePort,
}

pub type Faults = BTreeSet<Fault>;

impl Fault {
    /// Whether what the far side hears is damaged beyond what a call may bear.
    pub fn breaks_audio(self) -> bool {
        match self {
            Self::WrongDigest
            | Self::WrongKey
            | Self::WrongFingerprint
            | Self::Gone
            | Self::Silent
            | Self::Mute
            | Self::Swapped
            | Self::HalfLost
            | Self::Noise
            | Self::Clipped
            | Self::HeavyLoss
            | Self::Stall => true,
            Self::LostAck
            | Self::LateAck
            | Self::DoubleContentLength
            | Self::NoContentLength
            | Self::SlowTls
            | Self::CancelCrossing
            | Self::RepeatedBye
            | Self::NoRinging
            | Self::SlowResponses
            | Self::StaleNonce
            | Self::ClosedConnection
            | Self::AnswerCrossing
            | Self::DeafToAck
            | Self::ByeCrossing
            | Self::RoleConflict
            | Self::LostClientHello
            | Self::Rebinding
            | Self::MangledRecordRoute
            | Self::LightLoss
            | Self::Duplicate
            | Self::Reorder
            | Self::SsrcChange
            | Self::TimestampJump
            | Self::Injection
            | Self::WrongSourcePort => false,
        }
    }
}
