//! Randomness as a value: seeded by the operating system in the daemon, by a constant in the tests, so that a simulated
//! call is the same in every run.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A cryptographic generator (ChaCha20). Keys, tags and nonces all come from one of these.
pub struct Entropy(ChaCha20Rng);

impl Entropy {
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.bytes())
    }

    pub fn u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`; 0 when the bound is 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let wide = u64::from(self.u32()) * u64::from(bound);
        (wide >> 32) as u32
    }

    /// Lower-case hex of `bytes` random bytes: safe as a SIP token, a tag, a branch or a nonce.
    pub fn hex(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes * 2);
        for _ in 0..bytes {
            let [byte] = self.bytes();
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
            }
        }
        text
    }

    /// An independent generator, for an engine that owns its own.
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.bytes())
    }
}
