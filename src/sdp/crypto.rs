//! `a=crypto`: SDES suites, keys and attribute lines (RFC 4568, RFC 6188, RFC 7714).
//!
//! What would weaken or complicate a stream is refused, not ignored: several keys and MKI, unencrypted or
//! unauthenticated streams, key derivation rates, and FEC orders. A lifetime is accepted: a call ends long before it.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac};
use sha2::Sha512;
use zeroize::Zeroizing;

/// Some peers leave the padding out, which RFC 4568 §6.1 forbids and everyone reads.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

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

impl Suite {
    pub const ALL: [Self; 6] = [
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::AesCm256HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
    ];

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// Reads a registered name, or the one that FreeSWITCH and others gave AES-256 before RFC 6188.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| {
            suite.name().eq_ignore_ascii_case(name)
                || suite
                    .older_name()
                    .is_some_and(|older| older.eq_ignore_ascii_case(name))
        })
    }

    fn older_name(self) -> Option<&'static str> {
        match self {
            Self::AesCm256HmacSha1_80 => Some("AES_CM_256_HMAC_SHA1_80"),
            Self::AesCm256HmacSha1_32 => Some("AES_CM_256_HMAC_SHA1_32"),
            Self::AesCm128HmacSha1_80
            | Self::AesCm128HmacSha1_32
            | Self::AeadAes128Gcm
            | Self::AeadAes256Gcm => None,
        }
    }

    /// Bytes of the master key: the first part of a `MasterKey`.
    pub fn key_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt: the rest of a `MasterKey`.
    pub fn salt_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80
            | Self::AesCm128HmacSha1_32
            | Self::AesCm256HmacSha1_80
            | Self::AesCm256HmacSha1_32 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }
}

/// Master key and salt, joined. Zeroed when dropped, never shown.
#[derive(Clone, PartialEq, Eq, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct MasterKey(pub Vec<u8>);

impl MasterKey {
    /// Bytes of a key that is long enough for every suite.
    pub const LONGEST: usize = 46;

    /// The key of one suite, made from this key material. RFC 4568 §6.1 wants another key on each line; so the suite's
    /// name goes through a keyed hash, and the same suite always gets the same key.
    pub(super) fn for_suite(&self, suite: Suite) -> Self {
        let length = suite.key_length() + suite.salt_length();
        let mut mac = <Hmac<Sha512> as Mac>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(suite.name().as_bytes());
        let hash = Zeroizing::new(<[u8; 64]>::from(mac.finalize().into_bytes()));
        Self(hash.iter().copied().take(length).collect())
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// Keys of both directions. `Debug` shows the suite alone.
#[derive(Clone, PartialEq, Eq)]
pub struct CryptoPair {
    pub suite: Suite,
    pub send: MasterKey,
    pub receive: MasterKey,
}

impl fmt::Debug for CryptoPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoPair")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

/// One usable `a=crypto` line (RFC 4568 §9.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CryptoLine {
    /// 1-9 digits, chosen by the offerer and echoed by the answerer.
    pub tag: u32,
    pub suite: Suite,
    /// The suite as the line calls it; an answer calls it the same.
    pub suite_name: String,
    pub key: MasterKey,
}

impl CryptoLine {
    pub(super) fn new(tag: u32, suite: Suite, key: MasterKey) -> Self {
        Self {
            tag,
            suite,
            suite_name: suite.name().to_owned(),
            key,
        }
    }

    /// Reads the attribute's value: `1 AES_CM_128_HMAC_SHA1_80 inline:...|2^31 WSH=64`.
    pub fn parse(value: &str) -> Result<Self, CryptoFault> {
        let mut fields = value.split_ascii_whitespace();
        let tag = parse_tag(fields.next().unwrap_or_default())?;
        let suite_name = fields.next().ok_or(CryptoFault::NoSuite)?;
        let suite = Suite::from_name(suite_name)
            .ok_or_else(|| CryptoFault::UnknownSuite(excerpt(suite_name)))?;
        let key = parse_key(fields.next().ok_or(CryptoFault::NoKey)?, suite)?;
        fields.try_for_each(check_session_parameter)?;
        Ok(Self {
            tag,
            suite,
            suite_name: suite_name.to_owned(),
            key,
        })
    }

    /// The attribute's value, without lifetime, MKI or session parameters. It holds the key: for the wire only.
    pub fn to_value(&self) -> String {
        let key = Zeroizing::new(BASE64.encode(&self.key.0));
        format!("{} {} inline:{}", self.tag, self.suite_name, *key)
    }
}

/// Why an `a=crypto` line cannot be used. Never shows the key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CryptoFault {
    #[error("the tag is not a number of 1 to 9 digits")]
    BadTag,
    #[error("no suite")]
    NoSuite,
    #[error("unknown suite {0}")]
    UnknownSuite(String),
    #[error("suite {} is not allowed here", .0.name())]
    SuiteNotAllowed(Suite),
    #[error("no key")]
    NoKey,
    #[error("the key is not `inline:` and base64")]
    BadKey,
    #[error("{suite} needs {wanted} bytes of key and salt, {found} given", suite = .suite.name())]
    KeyLength {
        suite: Suite,
        wanted: usize,
        found: usize,
    },
    #[error("several keys are not supported")]
    SeveralKeys,
    #[error("MKI is not supported")]
    Mki,
    #[error("the lifetime is not a number or a power of two")]
    BadLifetime,
    #[error("session parameter {0} is not supported")]
    SessionParameter(String),
}

fn parse_tag(text: &str) -> Result<u32, CryptoFault> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return Err(CryptoFault::BadTag);
    }
    text.parse().map_err(|_| CryptoFault::BadTag)
}

/// `inline:<key and salt>[|lifetime][|MKI:length]` (RFC 4568 §6.1).
fn parse_key(text: &str, suite: Suite) -> Result<MasterKey, CryptoFault> {
    if text.contains(';') {
        return Err(CryptoFault::SeveralKeys);
    }
    let inline = text
        .get(..7)
        .filter(|method| method.eq_ignore_ascii_case("inline:"))
        .and_then(|_| text.get(7..))
        .ok_or(CryptoFault::BadKey)?;
    let mut parts = inline.split('|');
    let key = decode_key(parts.next().unwrap_or_default(), suite)?;
    parts.try_for_each(check_key_parameter)?;
    Ok(key)
}

fn decode_key(text: &str, suite: Suite) -> Result<MasterKey, CryptoFault> {
    let key = BASE64
        .decode(text)
        .map(MasterKey)
        .map_err(|_| CryptoFault::BadKey)?;
    let wanted = suite.key_length() + suite.salt_length();
    if key.0.len() != wanted {
        return Err(CryptoFault::KeyLength {
            suite,
            wanted,
            found: key.0.len(),
        });
    }
    Ok(key)
}

fn check_key_parameter(text: &str) -> Result<(), CryptoFault> {
    if text.contains(':') {
        return Err(CryptoFault::Mki);
    }
    let digits = text.strip_prefix("2^").unwrap_or(text);
    if digits.is_empty() || digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CryptoFault::BadLifetime);
    }
    Ok(())
}

/// RFC 4568 §6.3: a window hint is only a hint, and a name with a leading `-` may be passed over. All else changes the
/// stream, so a line with it cannot be used.
fn check_session_parameter(text: &str) -> Result<(), CryptoFault> {
    let name = text.split('=').next().unwrap_or_default();
    if name.eq_ignore_ascii_case("WSH") || name.starts_with('-') {
        return Ok(());
    }
    Err(CryptoFault::SessionParameter(excerpt(text)))
}

fn excerpt(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_graphic())
        .take(40)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 bytes, as WhatsApp sends them: 40 characters without padding (dossier 3.1).
    const KEY_30: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn fault(value: &str) -> CryptoFault {
        CryptoLine::parse(value).expect_err(value)
    }

    #[test]
    fn whatsapps_line_is_read_and_written_again() {
        let value = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}");
        let line = CryptoLine::parse(&value).unwrap();
        assert_eq!(line.tag, 1);
        assert_eq!(line.suite, Suite::AesCm128HmacSha1_80);
        assert_eq!(line.key.0.len(), 30);
        assert_eq!(line.to_value(), value);
    }

    #[test]
    fn lifetime_and_hints_are_accepted() {
        for tail in [
            "|2^20",
            "|1048576",
            "|2^31 WSH=64",
            " -FUTURE=1",
            " WSH=1024 -x",
        ] {
            let value = format!("2 AES_CM_128_HMAC_SHA1_32 inline:{KEY_30}{tail}");
            assert!(CryptoLine::parse(&value).is_ok(), "{tail}");
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_with_its_reason() {
        let line = |tail: &str| fault(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}{tail}"));
        assert_eq!(line("|2^20|1:4"), CryptoFault::Mki);
        assert_eq!(line("|1:4"), CryptoFault::Mki);
        assert_eq!(line(&format!(";inline:{KEY_30}")), CryptoFault::SeveralKeys);
        assert_eq!(line("|"), CryptoFault::BadLifetime);
        assert_eq!(line("|2^"), CryptoFault::BadLifetime);
        for parameter in [
            "KDR=3",
            "UNENCRYPTED_SRTP",
            "UNAUTHENTICATED_SRTP",
            "FEC_ORDER=SRTP_FEC",
        ] {
            assert_eq!(
                line(&format!(" {parameter}")),
                CryptoFault::SessionParameter(parameter.to_owned())
            );
        }
    }

    #[test]
    fn broken_lines_are_named() {
        assert_eq!(fault(""), CryptoFault::BadTag);
        assert_eq!(fault("x AES_CM_128_HMAC_SHA1_80"), CryptoFault::BadTag);
        assert_eq!(
            fault("1234567890 AES_CM_128_HMAC_SHA1_80"),
            CryptoFault::BadTag
        );
        assert_eq!(fault("1"), CryptoFault::NoSuite);
        assert_eq!(
            fault("1 F8_128_HMAC_SHA1_80 inline:x"),
            CryptoFault::UnknownSuite("F8_128_HMAC_SHA1_80".to_owned())
        );
        assert_eq!(fault("1 AES_CM_128_HMAC_SHA1_80"), CryptoFault::NoKey);
        assert_eq!(
            fault("1 AES_CM_128_HMAC_SHA1_80 uri:x"),
            CryptoFault::BadKey
        );
        assert_eq!(
            fault("1 AES_CM_128_HMAC_SHA1_80 inline:***"),
            CryptoFault::BadKey
        );
        assert_eq!(
            fault("1 AES_CM_128_HMAC_SHA1_80 inline:AAAA"),
            CryptoFault::KeyLength {
                suite: Suite::AesCm128HmacSha1_80,
                wanted: 30,
                found: 3
            }
        );
    }

    #[test]
    fn every_suite_writes_what_it_reads_padded_or_not() {
        let material = MasterKey(vec![7; MasterKey::LONGEST]);
        for suite in Suite::ALL {
            let line = CryptoLine::new(3, suite, material.for_suite(suite));
            let value = line.to_value();
            assert_eq!(CryptoLine::parse(&value).as_ref(), Ok(&line));
            assert_eq!(CryptoLine::parse(value.trim_end_matches('=')), Ok(line));
        }
    }

    #[test]
    fn the_older_name_of_aes_256_is_kept() {
        let key = MasterKey(vec![1; 46]).for_suite(Suite::AesCm256HmacSha1_80);
        let line = CryptoLine::new(1, Suite::AesCm256HmacSha1_80, key);
        let older = line.to_value().replace("AES_256_CM", "AES_CM_256");
        let read = CryptoLine::parse(&older).unwrap();
        assert_eq!(read.suite, Suite::AesCm256HmacSha1_80);
        assert_eq!(read.to_value(), older);
    }

    #[test]
    fn no_two_suites_share_a_key() {
        let material = MasterKey(vec![7; MasterKey::LONGEST]);
        let keys = Suite::ALL.map(|suite| material.for_suite(suite));
        for (i, a) in keys.iter().enumerate() {
            for b in keys.iter().skip(i + 1) {
                assert_ne!(a.0.get(..16), b.0.get(..16));
            }
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let key = MasterKey(vec![0xAB; 30]);
        let line = CryptoLine::new(1, Suite::AesCm128HmacSha1_80, key.clone());
        let pair = CryptoPair {
            suite: Suite::AesCm128HmacSha1_80,
            send: key.clone(),
            receive: key,
        };
        let shown = format!("{line:?} {pair:?}");
        assert!(!shown.contains("171") && !shown.contains("q6ur"), "{shown}");
    }
}
