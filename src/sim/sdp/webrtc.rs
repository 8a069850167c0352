//! The lines of ICE and DTLS (RFC 8839, RFC 8842).

use std::net::{IpAddr, SocketAddr};

/// `a=setup` (RFC 4145 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Setup {
    #[default]
    Actpass,
    Active,
    Passive,
}

impl Setup {
    pub fn name(self) -> &'static str {
        match self {
            Self::Actpass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [Self::Actpass, Self::Active, Self::Passive];
        all.into_iter().find(|one| one.name() == name)
    }
}

/// All that is written of ICE and DTLS, at either level.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    pub ice_lite: bool,
    pub ufrag: Option<String>,
    pub password: Option<String>,
    /// Hash function in lower case, octets.
    pub fingerprints: Vec<(String, Vec<u8>)>,
    pub setup: Option<Setup>,
    pub candidates: Vec<SocketAddr>,
    pub mid: Option<String>,
    /// Of `a=group:BUNDLE`.
    pub bundle: Option<Vec<String>>,
}

/// The other side, where it can be talked to.
#[derive(Clone, Debug)]
pub struct Peer {
    pub ufrag: String,
    pub password: String,
    pub fingerprints: Vec<(String, Vec<u8>)>,
    pub setup: Setup,
    pub candidates: Vec<SocketAddr>,
}

impl Lines {
    /// True when the attribute is one of these.
    pub fn read(&mut self, name: &str, value: &str) -> bool {
        match name {
            "ice-lite" => self.ice_lite = true,
            "ice-ufrag" => self.ufrag = Some(value.into()),
            "ice-pwd" => self.password = Some(value.into()),
            "fingerprint" => self.fingerprints.extend(fingerprint(value)),
            "setup" => self.setup = Setup::named(value),
            "candidate" => self.candidates.extend(candidate(value)),
            "mid" => self.mid = Some(value.into()),
            "group" => self.bundle = bundle(value).or(self.bundle.take()),
            _ => return false,
        }
        true
    }

    pub fn are_there(&self) -> bool {
        self.ufrag.is_some() || !self.fingerprints.is_empty()
    }

    /// `None`: something is missing.
    pub fn peer(&self) -> Option<Peer> {
        let peer = Peer {
            ufrag: self.ufrag.clone()?,
            password: self.password.clone()?,
            fingerprints: self.fingerprints.clone(),
            setup: self.setup?,
            candidates: self.candidates.clone(),
        };
        (!peer.sha256().is_empty()).then_some(peer)
    }

    /// Where these lines break a rule of WhatsApp's or of their RFC.
    pub fn faults(&self, allowed: &[Setup]) -> Vec<String> {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let hashes: Vec<&str> = self.fingerprints.iter().map(|one| one.0.as_str()).collect();
        let setup = self.setup.map_or("none", Setup::name);
        let bundled = self.bundle.as_ref().is_none_or(|bundle| {
            let mids: Vec<String> = self.mid.clone().into_iter().collect();
            *bundle == mids
        });
        let must = [
            (!self.ice_lite, "a=ice-lite".into()),
            (
                (4..=256).contains(&length(&self.ufrag)),
                format!("ice-ufrag of {}", length(&self.ufrag)),
            ),
            (
                (22..=256).contains(&length(&self.password)),
                format!("ice-pwd of {}", length(&self.password)),
            ),
            (hashes == ["sha-256"], format!("fingerprints {hashes:?}")),
            (
                self.setup.is_some_and(|setup| allowed.contains(&setup)),
                format!("setup {setup}"),
            ),
            (
                bundled,
                format!("BUNDLE {:?} of mid {:?}", self.bundle, self.mid),
            ),
        ];
        let broken = must.into_iter().filter(|(held, _)| !held);
        broken.map(|(_, fault)| fault).collect()
    }
}

impl Peer {
    pub fn sha256(&self) -> Vec<Vec<u8>> {
        let all = self.fingerprints.iter();
        let all = all.filter(|(hash, octets)| hash == "sha-256" && octets.len() == 32);
        all.map(|(_, octets)| octets.clone()).collect()
    }
}

fn fingerprint(value: &str) -> Option<(String, Vec<u8>)> {
    let (hash, octets) = value.split_once(' ')?;
    let octets = octets.trim().split(':');
    let octets: Result<Vec<u8>, _> = octets.map(|one| u8::from_str_radix(one, 16)).collect();
    Some((hash.to_ascii_lowercase(), octets.ok()?))
}

/// Where it is, if it is for RTP over UDP.
fn candidate(value: &str) -> Option<SocketAddr> {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let [_, "1", transport, _, address, port, "typ", ..] = words.as_slice() else {
        return None;
    };
    let address: IpAddr = address.parse().ok()?;
    let udp = transport.eq_ignore_ascii_case("udp");
    Some(SocketAddr::new(address, port.parse().ok()?)).filter(|_| udp)
}

fn bundle(value: &str) -> Option<Vec<String>> {
    let mut words = value.split_ascii_whitespace();
    (words.next() == Some("BUNDLE")).then(|| words.map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Lines {
        let mut lines = Lines::default();
        for line in text.lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            assert!(lines.read(name, value), "{line}");
        }
        lines
    }

    #[test]
    fn the_lines_are_read() {
        let print = ["AB"; 32].join(":");
        let read = lines(&format!(
            "group:BUNDLE audio\nmid:audio\nice-ufrag:abcd\nice-pwd:0123456789012345678901\n\
             fingerprint:SHA-256 {print}\nsetup:active\n\
             candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host\n\
             candidate:2 1 tcp 1 192.0.2.1 9 typ host tcptype active\n\
             candidate:3 1 udp 1 2001:db8::1 4000 typ host"
        ));
        assert_eq!(read.faults(&[Setup::Active]), [""; 0]);
        assert_eq!(read.faults(&[Setup::Passive]), ["setup active"]);
        let peer = read.peer().unwrap();
        assert_eq!(peer.sha256(), [vec![0xAB; 32]]);
        let addresses = ["192.0.2.1:4000", "[2001:db8::1]:4000"];
        assert_eq!(peer.candidates, addresses.map(|one| one.parse().unwrap()));
    }

    #[test]
    fn what_is_missing_is_named() {
        let faults = lines("ice-lite\ngroup:BUNDLE 0\nmid:1").faults(&[Setup::Active]);
        assert_eq!(faults.len(), 6, "{faults:?}");
    }
}
