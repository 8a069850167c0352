//! What we want of a description before anything is read: the peer's habits, and what is ours.

use std::fmt;
use std::iter;
use std::net::IpAddr;
use std::time::Duration;

use super::{
    Candidate, Codec, DtlsVersion, Fingerprint, IceCredentials, IceMode, MasterKey, OfferedSetup,
    Ssrc, Suite, XrUse,
};

/// How this peer's media is to be described: the habits of a profile, as data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Offered in this order. As answerer: the offerer's order rules unless `own_order`.
    pub codecs: Vec<Codec>,
    pub own_order: bool,
    pub security: Security,
    /// `a=setup` of our offers, where they want DTLS.
    pub dtls_setup: OfferedSetup,
    /// Of its handshake. No description says it.
    pub dtls_newest: DtlsVersion,
    pub ice: IceMode,
    /// Clock rates of telephone-event that are offered and accepted; none: no digits by RTP. WhatsApp: 8000 alone
    /// (dossier 1.2).
    pub telephone_event: Vec<u32>,
    pub packet_time: Duration,
    /// `a=maxptime`, written when set.
    pub max_packet_time: Option<Duration>,
    /// fmtp of our Opus line.
    pub opus_fmtp: String,
    /// Offer rtcp-mux, as always where DTLS is offered; as answerer it is accepted whenever offered.
    pub rtcp_mux: bool,
    /// `a=rtcp-xr`.
    pub rtcp_xr: XrUse,
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
    /// `UDP/TLS/RTP/SAVPF` with ICE and `a=fingerprint`.
    Dtls,
    /// What the peer offers: DTLS, SDES, and plain RTP where that is what we offer ourselves.
    AsOffered { offers: Offers, suites: Vec<Suite> },
}

/// What we offer to a peer that is answered in kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offers {
    Plain,
    Sdes,
    Dtls,
}

impl Security {
    /// Suites we take, in our order.
    pub(super) fn suites(&self) -> &[Suite] {
        match self {
            Self::Plain | Self::Dtls => &[],
            Self::Sdes(suites) | Self::SdesIfOffered(suites) | Self::AsOffered { suites, .. } => {
                suites
            }
        }
    }

    /// Whether RTP in the clear will do.
    pub(super) fn takes_plain(&self) -> bool {
        match self {
            Self::Plain | Self::SdesIfOffered(_) => true,
            Self::Sdes(_) | Self::Dtls => false,
            Self::AsOffered { offers, .. } => match offers {
                Offers::Plain => true,
                Offers::Sdes | Offers::Dtls => false,
            },
        }
    }

    /// In words, for a refusal.
    pub(super) fn wanted(&self) -> &'static str {
        match self {
            Self::Plain => "plain RTP",
            Self::Sdes(_) => "SRTP with keys in a=crypto (SDES)",
            Self::SdesIfOffered(_) => "plain RTP, or SRTP with keys in a=crypto (SDES)",
            Self::Dtls => "DTLS-SRTP with a=fingerprint",
            Self::AsOffered { .. } if self.takes_plain() => "plain RTP, SDES or DTLS-SRTP",
            Self::AsOffered { .. } => "SRTP with keys in a=crypto (SDES) or DTLS-SRTP",
        }
    }
}

/// What is ours and known before anything is written (design, idea 6).
#[derive(Clone)]
pub struct Local {
    /// The one that we like best; `candidates` may have another, of the other family.
    pub address: IpAddr,
    pub rtp_port: u16,
    /// Used when there is no rtcp-mux.
    pub rtcp_port: u16,
    pub ssrc: Ssrc,
    pub cname: String,
    /// Our sending key material, `MasterKey::LONGEST` random bytes. The key of each suite is made from it.
    pub key: MasterKey,
    /// Until the peer restarts ICE.
    pub ice: IceCredentials,
    /// Where RTP reaches us, at most one of a family; `address` and `rtp_port` among them, which the peer checks (RFC 8839
    /// §4.2.5).
    pub candidates: Vec<Candidate>,
    /// Of the certificate that we show in DTLS.
    pub fingerprint: Fingerprint,
    /// `o=` session id; the version is counted by `Negotiation`.
    pub session_id: u64,
}

impl Local {
    /// Where a peer reaches us that is there itself: ours of its family, where we have one.
    pub(super) fn address_for(&self, peer: IpAddr) -> IpAddr {
        let others = self.candidates.iter().map(|ours| ours.address.ip());
        iter::once(self.address)
            .chain(others)
            .find(|ours| ours.is_ipv4() == peer.is_ipv4())
            .unwrap_or(self.address)
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("address", &self.address)
            .field("rtp_port", &self.rtp_port)
            .field("ssrc", &self.ssrc)
            .finish_non_exhaustive()
    }
}
