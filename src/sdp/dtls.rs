//! DTLS-SRTP of a leg as values (RFC 5763, RFC 8122, RFC 8842): fingerprints and who sends the ClientHello. Handshakes are
//! the media room's.

use std::fmt;

use sha2::{Digest, Sha256, Sha384, Sha512};

/// Hashes by which a certificate is believed (RFC 8122 §5). What is older is not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CertificateHash {
    Sha256,
    Sha384,
    Sha512,
}

impl CertificateHash {
    /// In order of preference: the first is what everyone has.
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// As in `a=fingerprint`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|hash| hash.name().eq_ignore_ascii_case(name))
    }

    fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, certificate: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(certificate).to_vec(),
            Self::Sha384 => Sha384::digest(certificate).to_vec(),
            Self::Sha512 => Sha512::digest(certificate).to_vec(),
        }
    }
}

/// Of a certificate in DER. It is public: it may be shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: CertificateHash,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// SHA-256, the one we write.
    pub fn of(certificate: &[u8]) -> Self {
        let hash = CertificateHash::Sha256;
        Self {
            hash,
            digest: hash.digest(certificate),
        }
    }

    pub fn matches(&self, certificate: &[u8]) -> bool {
        self.hash.digest(certificate) == self.digest
    }

    pub fn hash(&self) -> CertificateHash {
        self.hash
    }

    /// Reads the attribute's value: `sha-256 4A:AD:...`, the digits in either case.
    pub fn parse(value: &str) -> Result<Self, FingerprintFault> {
        let mut fields = value.split_ascii_whitespace();
        let name = fields.next().unwrap_or_default();
        let hash = CertificateHash::from_name(name)
            .ok_or_else(|| FingerprintFault::UnknownHash(excerpt(name)))?;
        let digest = fields
            .next()
            .and_then(read_hex)
            .filter(|digest| digest.len() == hash.length())
            .ok_or(FingerprintFault::BadDigest(hash))?;
        Ok(Self { hash, digest })
    }
}

impl fmt::Display for Fingerprint {
    /// As in the attribute.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        for (byte, separator) in self
            .digest
            .iter()
            .zip(" ".chars().chain(std::iter::repeat(':')))
        {
            write!(f, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &str| {
        let is_hex = pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    };
    text.split(':').take(65).map(pair).collect()
}

fn excerpt(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_graphic())
        .take(16)
        .collect()
}

/// Why an `a=fingerprint` line cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FingerprintFault {
    #[error("unknown hash {0}")]
    UnknownHash(String),
    #[error("{} of the wrong length or not in hex", .0.name())]
    BadDigest(CertificateHash),
}

/// `a=setup` (RFC 4145 §4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Setup {
    ActPass,
    Active,
    Passive,
    HoldConn,
}

impl Setup {
    const ALL: [Self; 4] = [Self::ActPass, Self::Active, Self::Passive, Self::HoldConn];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ActPass => "actpass",
            Self::Active => "active",
            Self::Passive => "passive",
            Self::HoldConn => "holdconn",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|setup| setup.name().eq_ignore_ascii_case(name.trim()))
    }
}

/// What our offers say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OfferedSetup {
    /// The answerer chooses, as RFC 5763 §5 wants it.
    ActPass,
    /// We are the client.
    Active,
}

impl OfferedSetup {
    pub(super) fn setup(self) -> Setup {
        match self {
            Self::ActPass => Setup::ActPass,
            Self::Active => Setup::Active,
        }
    }
}

/// Ours in the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DtlsRole {
    /// Sends the ClientHello.
    Client,
    Server,
}

impl DtlsRole {
    /// What a description of ours calls it, once it is settled.
    pub(super) fn setup(self) -> Setup {
        match self {
            Self::Client => Setup::Active,
            Self::Server => Setup::Passive,
        }
    }

    /// As answerer. Left the choice, or told nothing, we are the client (dossier 3.2), unless there is an association
    /// already (RFC 8842 §5.3). `None`: the offer wants no association.
    pub(super) fn answering(offered: Option<Setup>, in_use: Option<Self>) -> Option<Self> {
        match offered {
            None | Some(Setup::ActPass) => Some(in_use.unwrap_or(Self::Client)),
            Some(Setup::Active) => Some(Self::Server),
            Some(Setup::Passive) => Some(Self::Client),
            Some(Setup::HoldConn) => None,
        }
    }

    /// As offerer: the answer is obeyed, whatever was offered. One that chooses nothing leaves the first word to us, but
    /// one that says nothing is the client by RFC 4145 §4 when it had the choice.
    pub(super) fn answered(offered: Setup, answer: Option<Setup>) -> Option<Self> {
        match (offered, answer) {
            (_, Some(Setup::Active)) => Some(Self::Server),
            (_, Some(Setup::Passive | Setup::ActPass)) => Some(Self::Client),
            (_, Some(Setup::HoldConn)) => None,
            (Setup::Active, None) => Some(Self::Client),
            (Setup::ActPass | Setup::Passive | Setup::HoldConn, None) => Some(Self::Server),
        }
    }
}

/// Versions that we speak. Older ones are not to be had (RFC 8996).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DtlsVersion {
    /// RFC 6347.
    V1_2,
    /// RFC 9147.
    V1_3,
}

/// What the handshake of a leg needs besides our own certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DtlsTerms {
    pub role: DtlsRole,
    /// Spoken when the peer has it, too; 1.2 always is.
    pub newest: DtlsVersion,
    /// All of one hash; the peer's certificate must match one of them (RFC 8122 §5.1). Never empty.
    pub fingerprints: Vec<Fingerprint>,
}

/// The fingerprints that count: those of the best hash there is (RFC 8122 §5.1), as many as match.
pub(super) fn best(fingerprints: &[Result<Fingerprint, FingerprintFault>]) -> Vec<Fingerprint> {
    CertificateHash::ALL
        .into_iter()
        .map(|hash| {
            let usable = fingerprints.iter().flatten();
            usable.filter(|f| f.hash == hash).cloned().collect()
        })
        .find(|found: &Vec<Fingerprint>| !found.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of nothing at all.
    const EMPTY: &str = "sha-256 E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55";

    #[test]
    fn a_certificate_matches_its_fingerprint_alone() {
        let fingerprint = Fingerprint::of(b"");
        assert_eq!(fingerprint.to_string(), EMPTY);
        assert!(fingerprint.matches(b"") && !fingerprint.matches(b"x"));
        for hash in CertificateHash::ALL {
            let digest = hash.digest(b"certificate");
            assert_eq!(digest.len(), hash.length());
            let fingerprint = Fingerprint { hash, digest };
            assert_eq!(
                Fingerprint::parse(&fingerprint.to_string()).as_ref(),
                Ok(&fingerprint)
            );
            assert!(fingerprint.matches(b"certificate") && !fingerprint.matches(b""));
        }
    }

    #[test]
    fn either_case_is_read() {
        assert_eq!(
            Fingerprint::parse(&EMPTY.to_lowercase()),
            Ok(Fingerprint::of(b""))
        );
        assert_eq!(
            Fingerprint::parse(&format!(" {}  ", EMPTY.replace("sha", "SHA"))),
            Ok(Fingerprint::of(b""))
        );
    }

    #[test]
    fn what_cannot_be_believed_is_named() {
        for hash in ["", "sha-1", "md5", "sha256"] {
            let value = EMPTY.replace("sha-256", hash);
            let fault = Fingerprint::parse(&value).unwrap_err();
            assert!(matches!(fault, FingerprintFault::UnknownHash(_)), "{value}");
        }
        let bad = Err(FingerprintFault::BadDigest(CertificateHash::Sha256));
        for value in [
            "sha-256",
            "sha-256 E3:B0",
            &EMPTY.replace("E3", "G3"),
            &EMPTY.replace("E3", "+3"),
            &EMPTY.replace("E3:", ""),
            &EMPTY.replace("E3:", "E3B0:"),
            &format!("{EMPTY}:00"),
            &format!("{EMPTY}{}", ":00".repeat(10_000)),
        ] {
            assert_eq!(Fingerprint::parse(value), bad, "{value}");
        }
    }

    #[test]
    fn sha_256_counts_before_the_longer_ones() {
        let of = |hash: CertificateHash, text: &[u8]| Fingerprint {
            hash,
            digest: hash.digest(text),
        };
        let long = of(CertificateHash::Sha512, b"a");
        let both = [
            of(CertificateHash::Sha256, b"a"),
            of(CertificateHash::Sha256, b"b"),
        ];
        let unknown = FingerprintFault::UnknownHash("sha-1".to_owned());
        let [a, b] = both.clone();
        assert_eq!(
            best(&[Err(unknown.clone()), Ok(long.clone()), Ok(a), Ok(b)]),
            both
        );
        assert_eq!(best(&[Err(unknown.clone()), Ok(long.clone())]), [long]);
        assert_eq!(best(&[Err(unknown)]), []);
    }

    #[test]
    fn roles_as_answerer() {
        use DtlsRole::{Client, Server};
        for (offered, in_use, role) in [
            (Some(Setup::ActPass), None, Some(Client)),
            (Some(Setup::ActPass), Some(Server), Some(Server)),
            (Some(Setup::ActPass), Some(Client), Some(Client)),
            (Some(Setup::Active), None, Some(Server)),
            (Some(Setup::Active), Some(Client), Some(Server)),
            (Some(Setup::Passive), None, Some(Client)),
            (Some(Setup::HoldConn), None, None),
            (None, None, Some(Client)),
        ] {
            assert_eq!(DtlsRole::answering(offered, in_use), role, "{offered:?}");
        }
    }

    #[test]
    fn roles_as_offerer() {
        use DtlsRole::{Client, Server};
        for (offered, answer, role) in [
            (Setup::ActPass, Some(Setup::Active), Some(Server)),
            (Setup::ActPass, Some(Setup::Passive), Some(Client)),
            (Setup::ActPass, Some(Setup::ActPass), Some(Client)),
            (Setup::ActPass, Some(Setup::HoldConn), None),
            (Setup::ActPass, None, Some(Server)),
            (Setup::Active, Some(Setup::Passive), Some(Client)),
            (Setup::Active, Some(Setup::Active), Some(Server)),
            (Setup::Active, None, Some(Client)),
        ] {
            assert_eq!(DtlsRole::answered(offered, answer), role, "{answer:?}");
        }
    }
}
