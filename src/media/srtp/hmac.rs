//! HMAC-SHA1 (RFC 2104) keyed once: the states behind the two padded keys are kept, so that a packet costs only its own
//! blocks. Written on the bare compression function because the states are key material and must be zeroed.

use sha1::compress;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// The first state of SHA-1 (FIPS 180-4 §5.3.1).
const INITIAL: State = [
    0x6745_2301,
    0xefcd_ab89,
    0x98ba_dcfe,
    0x1032_5476,
    0xc3d2_e1f0,
];
const BLOCK: usize = 64;

type State = [u32; 5];

#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct HmacSha1 {
    inner: State,
    outer: State,
}

impl HmacSha1 {
    /// SRTP's authentication keys have 20 bytes (RFC 3711 §5.2).
    pub(super) fn new(key: &[u8; 20]) -> Self {
        Self {
            inner: keyed(key, 0x36),
            outer: keyed(key, 0x5c),
        }
    }

    pub(super) fn tag(&self, message: &[u8]) -> [u8; 20] {
        digest(self.outer, &digest(self.inner, message))
    }
}

fn keyed(key: &[u8; 20], pad: u8) -> State {
    let mut block = [pad; BLOCK];
    for (byte, key) in block.iter_mut().zip(key) {
        *byte ^= key;
    }
    let mut state = INITIAL;
    absorb(&mut state, &block);
    block.zeroize();
    state
}

/// SHA-1 of one block that `state` has seen and `message` behind it.
fn digest(mut state: State, message: &[u8]) -> [u8; 20] {
    let (blocks, rest) = message.as_chunks();
    for block in blocks {
        absorb(&mut state, block);
    }
    let bits = 8 * (BLOCK + message.len()) as u64;
    finish(&mut state, rest, bits);
    let mut bytes = [0; 20];
    for (out, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
        *out = word.to_be_bytes();
    }
    bytes
}

/// A one bit, zeros, and the length at the end of a block (FIPS 180-4 §5.1.1). `rest` is shorter than a block.
fn finish(state: &mut State, rest: &[u8], bits: u64) {
    let mut block = [0; BLOCK];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    if rest.len() >= BLOCK - 8 {
        absorb(state, &block);
        block = [0; BLOCK];
    }
    block[BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
    absorb(state, &block);
}

fn absorb(state: &mut State, block: &[u8; BLOCK]) {
    compress(state, std::slice::from_ref(block.into()));
}

#[cfg(test)]
mod tests {
    use ::hmac::{Hmac, Mac};
    use proptest::prelude::*;

    use super::*;

    /// RFC 2202 §3, test case 1.
    #[test]
    fn rfc_2202_vector() {
        let tag = HmacSha1::new(&[0x0b; 20]).tag(b"Hi There");
        let expected = "b617318655057264e28bc0b6fb378c8ef146be00";
        assert_eq!(hex(&tag), expected);
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_the_hmac_crate(
            key: [u8; 20],
            message in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut theirs = Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
            theirs.update(&message);
            let expected: [u8; 20] = theirs.finalize().into_bytes().into();
            prop_assert_eq!(HmacSha1::new(&key).tag(&message), expected);
        }
    }
}
