//! ICE of a leg as values (RFC 8445, RFC 8839): credentials, candidates, who controls. Checks are the media room's.
//!
//! UDP and the RTP component alone: RTCP is multiplexed wherever ICE is spoken. TCP candidates and names (mDNS) are
//! passed over.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, Mac};
use sha2::Sha512;

use super::MasterKey;

/// RFC 8839 §5.4 `ice-char`: 64 of them, so that six random bits make one.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// 48 bits; RFC 8445 §5.3 wants 24.
const UFRAG: usize = 8;
/// 144 bits; RFC 8445 §5.3 wants 128. WhatsApp's own has the same length (dossier 3.1).
const PWD: usize = 24;

/// Of one end, for checks toward it (RFC 8445 §5.3). `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

impl IceCredentials {
    /// Bytes that one pair is made from.
    pub const RANDOM: usize = UFRAG + PWD;

    /// Of random bytes.
    pub fn new(random: &[u8; Self::RANDOM]) -> Self {
        Self::from_bytes(random)
    }

    /// For an ICE restart: made from the leg's key material and the ones in use.
    pub(super) fn next(&self, key: &MasterKey) -> Self {
        let mut mac = <Hmac<Sha512> as Mac>::new_from_slice(&key.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(b"ICE ");
        mac.update(self.ufrag.as_bytes());
        Self::from_bytes(&mac.finalize().into_bytes())
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut chars = bytes.iter().map(|byte| ice_char(*byte));
        Self {
            ufrag: chars.by_ref().take(UFRAG).collect(),
            pwd: chars.take(PWD).collect(),
        }
    }

    /// Lengths as RFC 8839 §5.4 has them; of the characters only those are refused that STUN's user name or our logs
    /// could not carry.
    pub(super) fn read(ufrag: &str, pwd: &str) -> Result<Self, IceFault> {
        let (ufrag, pwd) = (ufrag.trim(), pwd.trim());
        let fits = |text: &str, least| {
            (least..=256).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b':')
        };
        if !fits(ufrag, 4) {
            return Err(IceFault::Ufrag);
        }
        if !fits(pwd, 22) {
            return Err(IceFault::Pwd);
        }
        Ok(Self {
            ufrag: ufrag.to_owned(),
            pwd: pwd.to_owned(),
        })
    }
}

fn ice_char(byte: u8) -> char {
    let [.., last] = ICE_CHARS;
    let char = ICE_CHARS.get(usize::from(byte & 63)).unwrap_or(last);
    char::from(*char)
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCredentials")
            .field("ufrag", &self.ufrag)
            .finish_non_exhaustive()
    }
}

/// Why the peer's ICE cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IceFault {
    #[error("a=ice-ufrag is not 4 to 256 characters")]
    Ufrag,
    #[error("a=ice-pwd is not 22 to 256 characters")]
    Pwd,
}

/// RFC 8445 §2.5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IceMode {
    Full,
    /// Answers checks, sends none.
    Lite,
}

/// Who nominates (RFC 8445 §6.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IceRole {
    Controlling,
    Controlled,
}

impl IceRole {
    /// A full agent controls a lite one; of equals, the one that offered first.
    pub(super) fn of(ours: IceMode, theirs: IceMode, we_offered: bool) -> Self {
        match (ours, theirs) {
            (IceMode::Full, IceMode::Lite) => Self::Controlling,
            (IceMode::Lite, IceMode::Full) => Self::Controlled,
            (IceMode::Full, IceMode::Full) | (IceMode::Lite, IceMode::Lite) if we_offered => {
                Self::Controlling
            }
            (IceMode::Full, IceMode::Full) | (IceMode::Lite, IceMode::Lite) => Self::Controlled,
        }
    }
}

/// What both ends of a leg need to find each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IceTerms {
    pub role: IceRole,
    pub ours: IceEnd,
    pub theirs: IceEnd,
}

/// One end, as its description shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IceEnd {
    pub credentials: IceCredentials,
    pub mode: IceMode,
    /// In the order of the description. None at all is usual (dossier 3.1): a peer that checks us is learnt from its
    /// checks.
    pub candidates: Vec<Candidate>,
    /// No more will come: `a=end-of-candidates`, or no `trickle` among its `a=ice-options` (RFC 8838).
    pub complete: bool,
}

/// RFC 8445 §5.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CandidateKind {
    Host,
    ServerReflexive,
    PeerReflexive,
    Relayed,
}

impl CandidateKind {
    const ALL: [Self; 4] = [
        Self::Host,
        Self::ServerReflexive,
        Self::PeerReflexive,
        Self::Relayed,
    ];

    /// As behind `typ`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// RFC 8445 §5.1.2.2.
    fn preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 0,
        }
    }
}

/// Where RTP may reach one end by UDP (RFC 8839 §5.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Candidate {
    /// 1-32 characters.
    pub foundation: String,
    pub priority: u32,
    pub address: SocketAddr,
    pub kind: CandidateKind,
    /// `raddr` and `rport`: the base of a reflexive or relayed one.
    pub related: Option<SocketAddr>,
}

impl Candidate {
    /// One of ours that a socket is bound to. `place`: 0 for the one we like best.
    pub fn host(address: SocketAddr, place: u8) -> Self {
        Self::ours(CandidateKind::Host, address, None, place)
    }

    /// One of ours that a NAT forwards to `base`.
    pub fn forwarded(address: SocketAddr, base: SocketAddr, place: u8) -> Self {
        Self::ours(CandidateKind::ServerReflexive, address, Some(base), place)
    }

    fn ours(
        kind: CandidateKind,
        address: SocketAddr,
        related: Option<SocketAddr>,
        place: u8,
    ) -> Self {
        let local_preference = 65_535 - u32::from(place);
        Self {
            foundation: (u16::from(place) + 1).to_string(),
            priority: (kind.preference() << 24) | (local_preference << 8) | 255,
            address,
            kind,
            related,
        }
    }

    /// Reads the attribute's value: `1775469887 1 udp 2122260223 57.144.135.35 3480 typ host generation 0`. `None`:
    /// nothing that we could use, or the RTCP component.
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let foundation = fields.next().filter(|text| text.len() <= 32)?;
        let component: u16 = fields.next()?.parse().ok()?;
        let transport = fields.next()?;
        let priority = fields.next()?.parse().ok()?;
        let address = socket(fields.next()?, fields.next()?)?;
        let is_typed = fields.next()?.eq_ignore_ascii_case("typ");
        let kind = CandidateKind::from_name(fields.next()?)?;
        let is_usable = component == 1 && transport.eq_ignore_ascii_case("udp") && is_typed;
        is_usable.then(|| Self {
            foundation: foundation.to_owned(),
            priority,
            address,
            kind,
            related: related(fields),
        })
    }

    /// The attribute's value.
    pub(super) fn to_value(&self) -> String {
        let (ip, port) = (self.address.ip(), self.address.port());
        let (foundation, priority) = (&self.foundation, self.priority);
        let kind = self.kind.name();
        let mut value = format!("{foundation} 1 udp {priority} {ip} {port} typ {kind}");
        if let Some(base) = self.related {
            value += &format!(" raddr {} rport {}", base.ip(), base.port());
        }
        value
    }
}

/// A place that a packet can be sent to. IPv4 in the clothes of IPv6 is IPv4 (RFC 8445 §5.1.1.1 wants none of it).
fn socket(ip: &str, port: &str) -> Option<SocketAddr> {
    let (ip, port): (IpAddr, u16) = (ip.parse().ok()?, port.parse().ok()?);
    let ip = ip.to_canonical();
    let is_usable = !ip.is_unspecified() && !ip.is_multicast() && port != 0 && port != 9;
    is_usable.then(|| SocketAddr::new(ip, port))
}

/// `raddr 10.0.0.1 rport 5000` among the extensions. Browsers write `0.0.0.0` and port 9 where they hide it.
fn related<'a>(fields: impl Iterator<Item = &'a str>) -> Option<SocketAddr> {
    let (mut ip, mut port, mut name) = (None, None, None);
    for field in fields.take(32) {
        match name.take() {
            None => name = Some(field),
            Some("raddr") => ip = Some(field),
            Some("rport") => port = Some(field),
            Some(_) => {}
        }
    }
    socket(ip?, port?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatsapps_candidates_are_read() {
        let v4 =
            "1775469887 1 udp 2122260223 57.144.135.35 3480 typ host generation 0 network-cost 50";
        assert_eq!(
            Candidate::parse(v4),
            Some(Candidate {
                foundation: "1775469887".to_owned(),
                priority: 2_122_260_223,
                address: "57.144.135.35:3480".parse().unwrap(),
                kind: CandidateKind::Host,
                related: None,
            })
        );
        let v6 = "3355715111 1 udp 2122262783 2a03:2880:f343:131:face:b00c:0:699c 3480 typ host generation 0 network-cost 50";
        let address = "[2a03:2880:f343:131:face:b00c:0:699c]:3480";
        assert_eq!(
            Candidate::parse(v6).map(|candidate| candidate.address),
            address.parse().ok()
        );
    }

    #[test]
    fn every_kind_is_read_with_its_base() {
        for kind in CandidateKind::ALL {
            let value = format!(
                "a+/9 1 UDP 5 192.0.2.1 4000 typ {} generation 0 raddr 10.0.0.1 rport 5000 ufrag x",
                kind.name()
            );
            let candidate = Candidate::parse(&value).unwrap();
            assert_eq!(candidate.kind, kind);
            assert_eq!(candidate.related, "10.0.0.1:5000".parse().ok());
        }
    }

    #[test]
    fn what_cannot_be_reached_is_passed_over() {
        for value in [
            "",
            "1 1 udp 5 192.0.2.1",
            "1 1 udp 5 192.0.2.1 4000",
            "1 1 udp 5 192.0.2.1 4000 typ moon",
            "1 1 udp 5 192.0.2.1 4000 kind host",
            "1 1 udp x 192.0.2.1 4000 typ host",
            "1 1 udp 5 192.0.2.1 66000 typ host",
            "1 2 udp 5 192.0.2.1 4001 typ host",
            "1 1 tcp 5 192.0.2.1 9 typ host tcptype active",
            "1 1 tcp 5 192.0.2.1 4000 typ host tcptype passive",
            "1 1 udp 5 4b2e2b5c-1c9a-4d6e-8f77-1a2b3c4d5e6f.local 4000 typ host",
            "1 1 udp 5 0.0.0.0 4000 typ host",
            "1 1 udp 5 224.0.0.1 4000 typ host",
            "1 1 udp 5 192.0.2.1 9 typ host",
            "123456789012345678901234567890123 1 udp 5 192.0.2.1 4000 typ host",
        ] {
            assert_eq!(Candidate::parse(value), None, "{value}");
        }
    }

    #[test]
    fn what_is_hidden_has_no_base() {
        let value = "1 1 udp 5 192.0.2.1 4000 typ srflx raddr 0.0.0.0 rport 9";
        assert_eq!(Candidate::parse(value).unwrap().related, None);
        let value = "1 1 udp 5 192.0.2.1 4000 typ srflx raddr";
        assert_eq!(Candidate::parse(value).unwrap().related, None);
    }

    #[test]
    fn our_candidates_are_read_as_written() {
        let (inside, outside) = ("10.0.0.1:20000", "203.0.113.1:20000");
        let host = Candidate::host(inside.parse().unwrap(), 0);
        let forwarded = Candidate::forwarded(outside.parse().unwrap(), host.address, 1);
        assert_eq!(
            host.to_value(),
            "1 1 udp 2130706431 10.0.0.1 20000 typ host"
        );
        assert_eq!(
            forwarded.to_value(),
            "2 1 udp 1694498559 203.0.113.1 20000 typ srflx raddr 10.0.0.1 rport 20000"
        );
        for candidate in [host, forwarded] {
            assert_eq!(Candidate::parse(&candidate.to_value()), Some(candidate));
        }
    }

    #[test]
    fn credentials_are_random_long_enough_and_of_ice_characters() {
        let (first, second) = (IceCredentials::new(&[1; 32]), IceCredentials::new(&[2; 32]));
        assert!(first.ufrag != second.ufrag && first.pwd != second.pwd);
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(IceCredentials::from_bytes(&bytes[58..]).ufrag, "6789+/AB");
        assert_eq!(
            IceCredentials::from_bytes(&bytes).pwd,
            "IJKLMNOPQRSTUVWXYZabcdef"
        );
        for credentials in [&first, &second, &first.next(&MasterKey(vec![1; 46]))] {
            assert_eq!((credentials.ufrag.len(), credentials.pwd.len()), (8, 24));
            let read = IceCredentials::read(&credentials.ufrag, &credentials.pwd);
            assert_eq!(read.as_ref(), Ok(credentials));
        }
    }

    #[test]
    fn a_restart_changes_both_halves_and_needs_the_key() {
        let first = IceCredentials::new(&[1; 32]);
        let next = first.next(&MasterKey(vec![1; 46]));
        assert!(next.ufrag != first.ufrag && next.pwd != first.pwd);
        assert_eq!(next, first.next(&MasterKey(vec![1; 46])));
        assert_ne!(next, first.next(&MasterKey(vec![2; 46])));
        assert_ne!(next, next.next(&MasterKey(vec![1; 46])));
    }

    #[test]
    fn unfit_credentials_are_named() {
        let pwd = "0123456789012345678901";
        assert!(IceCredentials::read(" abcd ", pwd).is_ok());
        for ufrag in ["", "abc", "a:cd", "ab cd", "äöüx"] {
            assert_eq!(IceCredentials::read(ufrag, pwd), Err(IceFault::Ufrag));
        }
        for pwd in ["", &pwd[1..], &"x".repeat(257)] {
            assert_eq!(IceCredentials::read("abcd", pwd), Err(IceFault::Pwd));
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let credentials = IceCredentials::new(&[7; 32]);
        let shown = format!("{credentials:?}");
        assert!(shown.contains(&credentials.ufrag) && !shown.contains(&credentials.pwd));
    }

    #[test]
    fn a_full_agent_controls_a_lite_one_and_equals_go_by_the_offer() {
        use IceMode::{Full, Lite};
        use IceRole::{Controlled, Controlling};
        for (ours, theirs, we_offered, role) in [
            (Full, Lite, false, Controlling),
            (Full, Lite, true, Controlling),
            (Lite, Full, false, Controlled),
            (Lite, Full, true, Controlled),
            (Full, Full, true, Controlling),
            (Full, Full, false, Controlled),
            (Lite, Lite, true, Controlling),
            (Lite, Lite, false, Controlled),
        ] {
            assert_eq!(IceRole::of(ours, theirs, we_offered), role);
        }
    }
}
