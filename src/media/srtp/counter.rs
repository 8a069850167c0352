//! AES in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2; RFC 6188 §2).

use aes::cipher::consts::U16;
use aes::cipher::{
    BlockCipher, BlockEncryptMut, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore,
};
use aes::{Aes128Enc, Aes256Enc};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Error;
use super::derivation::{Label, Master, Protocol};
use super::hmac::HmacSha1;
use super::position::{Position, RTCP_CLEAR, RtcpWord, part, put};
use crate::sdp::Suite;

/// A key schedule; the crate zeroes it when it is dropped.
#[expect(
    clippy::large_enum_variant,
    reason = "keys lie in place: they are read for each packet"
)]
pub(super) enum Aes {
    Of128(Aes128Enc),
    Of256(Aes256Enc),
}

impl Aes {
    /// `None` when the key has neither 16 nor 32 bytes.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => Aes128Enc::new_from_slice(key).ok().map(Self::Of128),
            _ => Aes256Enc::new_from_slice(key).ok().map(Self::Of256),
        }
    }

    /// Adds the key stream that begins at counter block `first` to `bytes`.
    pub(super) fn apply_key_stream(&self, first: &[u8; 16], bytes: &mut [u8]) {
        match self {
            Self::Of128(aes) => apply(aes, first, bytes),
            Self::Of256(aes) => apply(aes, first, bytes),
        }
    }
}

fn apply<A>(aes: A, first: &[u8; 16], bytes: &mut [u8])
where
    A: BlockEncryptMut + BlockCipher + BlockSizeUser<BlockSize = U16>,
{
    CtrCore::<A, Ctr128BE>::inner_iv_init(aes, first.into()).apply_keystream_partial(bytes.into());
}

/// Session keys of the counter mode suites, for RTP or for RTCP.
pub(super) struct CounterMode {
    aes: Aes,
    salt: Zeroizing<[u8; 14]>,
    hmac: HmacSha1,
    tag_length: usize,
}

impl CounterMode {
    pub(super) fn new(suite: Suite, master: &Master, protocol: Protocol) -> Option<Self> {
        let key = master.derive::<32>(protocol, Label::Encryption);
        Some(Self {
            aes: Aes::new(&key[..suite.key_length()])?,
            salt: master.derive(protocol, Label::Salt),
            hmac: HmacSha1::new(&master.derive(protocol, Label::Authentication)),
            tag_length: tag_length(suite, protocol),
        })
    }

    /// The rollover counter is authenticated as if it stood behind the packet, and the tag takes its place.
    pub(super) fn protect_rtp(
        &self,
        position: Position,
        buffer: &mut [u8],
        clear: usize,
        length: usize,
    ) -> Result<usize, Error> {
        self.crypt(position, part(buffer, clear, length)?);
        let end = put(buffer, length, &position.rollover())?;
        let tag = self.hmac.tag(part(buffer, 0, end)?);
        put(buffer, length, &tag[..self.tag_length])
    }

    pub(super) fn unprotect_rtp(
        &self,
        position: Position,
        packet: &mut [u8],
        clear: usize,
    ) -> Result<usize, Error> {
        let (length, tag) = self.take_tag(packet)?;
        let end = put(packet, length, &position.rollover())?;
        self.verify(part(packet, 0, end)?, &tag)?;
        self.crypt(position, part(packet, clear, length)?);
        Ok(length)
    }

    pub(super) fn protect_rtcp(
        &self,
        position: Position,
        buffer: &mut [u8],
        length: usize,
    ) -> Result<usize, Error> {
        self.crypt(position, part(buffer, RTCP_CLEAR, length)?);
        let end = put(buffer, length, &RtcpWord::encrypted(position).to_bytes())?;
        let tag = self.hmac.tag(part(buffer, 0, end)?);
        put(buffer, end, &tag[..self.tag_length])
    }

    pub(super) fn unprotect_rtcp(
        &self,
        position: Position,
        word: RtcpWord,
        packet: &mut [u8],
    ) -> Result<usize, Error> {
        let (end, tag) = self.take_tag(packet)?;
        self.verify(part(packet, 0, end)?, &tag)?;
        let length = end.checked_sub(RtcpWord::LEN).ok_or(Error::Malformed)?;
        if word.is_encrypted() {
            self.crypt(position, part(packet, RTCP_CLEAR, length)?);
        }
        Ok(length)
    }

    /// The word stands before the tag.
    pub(super) fn rtcp_word(&self, packet: &[u8]) -> Option<RtcpWord> {
        let end = packet.len().checked_sub(self.tag_length)?;
        packet
            .get(RTCP_CLEAR..end)?
            .last_chunk()
            .map(RtcpWord::read)
    }

    /// Encryption and decryption are one.
    fn crypt(&self, position: Position, bytes: &mut [u8]) {
        let mut first = [0; 16];
        first[4..14].copy_from_slice(&position.to_bytes());
        for (byte, salt) in first.iter_mut().zip(self.salt.iter()) {
            *byte ^= salt;
        }
        self.aes.apply_key_stream(&first, bytes);
    }

    /// The tag, filled up with zeros, and where it began.
    fn take_tag(&self, packet: &[u8]) -> Result<(usize, [u8; 20]), Error> {
        let length = packet.len().checked_sub(self.tag_length);
        let length = length.ok_or(Error::Malformed)?;
        let mut tag = [0; 20];
        tag[..self.tag_length].copy_from_slice(&packet[length..]);
        Ok((length, tag))
    }

    fn verify(&self, message: &[u8], tag: &[u8; 20]) -> Result<(), Error> {
        let expected = self.hmac.tag(message);
        let equal = expected[..self.tag_length].ct_eq(&tag[..self.tag_length]);
        if bool::from(equal) {
            Ok(())
        } else {
            Err(Error::Authentication)
        }
    }
}

/// Bytes; SRTCP has ten with the short suites as well (RFC 4568 §6.2).
fn tag_length(suite: Suite, protocol: Protocol) -> usize {
    match (suite, protocol) {
        (Suite::AesCm128HmacSha1_32 | Suite::AesCm256HmacSha1_32, Protocol::Rtp) => 4,
        _ => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::srtp::tests::bytes;
    use crate::sdp::{MasterKey, Ssrc};

    /// The first counter block of both RFCs is the salt F0..FD with SSRC and index 0.
    const FIRST: &str = "F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000";

    fn key_stream(key: &str) -> Vec<u8> {
        let mut stream = vec![0; 48];
        let first = bytes(FIRST).try_into().unwrap();
        Aes::new(&bytes(key))
            .unwrap()
            .apply_key_stream(&first, &mut stream);
        stream
    }

    #[test]
    fn rfc_3711_b_2() {
        let expected = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
            41E95B3BB0A2E8DD477901E4FCA894C0";
        let stream = key_stream("2B7E151628AED2A6ABF7158809CF4F3C");
        assert_eq!(stream, bytes(expected));
    }

    #[test]
    fn rfc_6188_7_1() {
        let expected = "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac
            63c4868b7096d88421b563b8c94c9a31";
        let key = "57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98";
        assert_eq!(key_stream(key), bytes(expected));
    }

    #[test]
    fn unencrypted_rtcp_is_authenticated() {
        let joined = MasterKey((0..30).collect());
        let suite = Suite::AesCm128HmacSha1_32;
        let master = Master::of(suite, &joined).unwrap();
        let keys = CounterMode::new(suite, &master, Protocol::Rtcp).unwrap();
        let position = Position {
            ssrc: Ssrc(7),
            index: 5,
        };
        let signed = bytes("80c90001 00000007 00000005");
        let mut packet = [&signed[..], &keys.hmac.tag(&signed)[..10]].concat();
        let word = keys.rtcp_word(&packet).unwrap();
        assert_eq!((word.index(), word.is_encrypted()), (5, false));
        let length = keys.unprotect_rtcp(position, word, &mut packet);
        assert_eq!(length, Ok(8));
        assert_eq!(packet[..8], signed[..8]);
        packet[3] ^= 1;
        let refused = keys.unprotect_rtcp(position, word, &mut packet);
        assert_eq!(refused, Err(Error::Authentication));
    }

    #[test]
    fn keys_of_other_lengths_are_refused() {
        for length in [0, 15, 17, 24, 31, 33] {
            assert!(Aes::new(&vec![0; length]).is_none(), "{length}");
        }
    }
}
