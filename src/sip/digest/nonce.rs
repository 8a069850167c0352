//! Nonces that prove themselves: their time and a random salt under an HMAC, so that none has to be kept before it is
//! used well (RFC 7616 §3.3).

use std::time::{Duration, Instant};

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::entropy::Entropy;
use crate::sip::digest::hex;

const STAMP_BYTES: usize = 16;
const MAC_BYTES: usize = 16;

/// When and with which salt a nonce was made. Ordered by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Stamp {
    /// Whole milliseconds since the mint was made.
    pub(super) made: Duration,
    salt: u64,
}

/// Makes nonces and knows its own again.
pub(super) struct Mint {
    /// One block of the hash.
    secret: [u8; 64],
    start: Instant,
}

impl Mint {
    pub(super) fn new(now: Instant, entropy: &mut Entropy) -> Self {
        Self {
            secret: entropy.bytes(),
            start: now,
        }
    }

    pub(super) fn make(&self, now: Instant, entropy: &mut Entropy) -> String {
        let mut bytes = [0; STAMP_BYTES];
        let (time, salt) = bytes.split_at_mut(8);
        let millis = u64::try_from(self.elapsed(now).as_millis()).unwrap_or(u64::MAX);
        time.copy_from_slice(&millis.to_be_bytes());
        entropy.fill(salt);
        let mac = self.mac(&bytes).finalize().into_bytes();
        let mac: Vec<u8> = mac.into_iter().take(MAC_BYTES).collect();
        format!("{}{}", *hex(&bytes), *hex(&mac))
    }

    /// The stamp of a nonce that was made here.
    pub(super) fn recognise(&self, nonce: &str) -> Option<Stamp> {
        let bytes: [u8; STAMP_BYTES + MAC_BYTES] = unhex(nonce)?.try_into().ok()?;
        let (stamp, mac) = bytes.split_first_chunk::<STAMP_BYTES>()?;
        self.mac(stamp).verify_truncated_left(mac).ok()?;
        let (made, salt) = stamp.split_first_chunk::<8>()?;
        Some(Stamp {
            made: Duration::from_millis(u64::from_be_bytes(*made)),
            salt: u64::from_be_bytes(salt.try_into().ok()?),
        })
    }

    /// The time of the stamps.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    fn mac(&self, stamp: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as Mac>::new(&self.secret.into());
        mac.update(stamp);
        mac
    }
}

/// Lower-case hex of whole bytes only, so that a nonce has one spelling.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_nonces_are_recognised() {
        let now = Instant::now();
        let mut entropy = Entropy::from_seed([1; 32]);
        let mint = Mint::new(now, &mut entropy);
        let other = Mint::new(now, &mut entropy);
        let later = now + Duration::from_millis(1500);
        let nonce = mint.make(later, &mut entropy);
        let stamp = mint.recognise(&nonce).unwrap();
        assert_eq!(stamp.made, Duration::from_millis(1500));
        assert_eq!(mint.elapsed(later), stamp.made);
        assert_eq!(other.recognise(&nonce), None);
        for forged in [
            nonce.to_uppercase(),
            nonce.replacen('0', "1", 1),
            nonce[1..].into(),
            "é".into(),
            String::new(),
        ] {
            assert_eq!(mint.recognise(&forged), None, "{forged}");
        }
        assert_ne!(mint.make(later, &mut entropy), nonce);
    }
}
