//! AES-GCM (RFC 7714). aws-lc clears the memory of a key that it frees.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::Error;
use super::derivation::{Label, Master, Protocol};
use super::position::{Position, RTCP_CLEAR, RtcpWord, part, put};
use crate::sdp::Suite;

/// Bytes of the authentication tag (RFC 7714 §13.2).
const TAG: usize = 16;

/// Session keys of the GCM suites, for RTP or for RTCP.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: Zeroizing<[u8; 12]>,
}

impl Gcm {
    pub(super) fn new(suite: Suite, master: &Master, protocol: Protocol) -> Option<Self> {
        let algorithm = match suite.key_length() {
            16 => &AES_128_GCM,
            _ => &AES_256_GCM,
        };
        let key = master.derive::<32>(protocol, Label::Encryption);
        let key = UnboundKey::new(algorithm, &key[..suite.key_length()]);
        Some(Self {
            key: LessSafeKey::new(key.ok()?),
            salt: master.derive(protocol, Label::Salt),
        })
    }

    pub(super) fn protect_rtp(
        &self,
        position: Position,
        buffer: &mut [u8],
        clear: usize,
        length: usize,
    ) -> Result<usize, Error> {
        let (header, body) = part(buffer, 0, length)?.split_at_mut(clear);
        let tag = self.seal(position, header, body)?;
        put(buffer, length, &tag)
    }

    pub(super) fn unprotect_rtp(
        &self,
        position: Position,
        packet: &mut [u8],
        clear: usize,
    ) -> Result<usize, Error> {
        let (header, body) = packet.split_at_mut(clear);
        let opened = self.open(position, header, body)?;
        Ok(clear + opened)
    }

    /// The index is authenticated with the header and stands behind the tag (RFC 7714 §9.2).
    pub(super) fn protect_rtcp(
        &self,
        position: Position,
        buffer: &mut [u8],
        length: usize,
    ) -> Result<usize, Error> {
        let word = RtcpWord::encrypted(position);
        let (header, body) = part(buffer, 0, length)?.split_at_mut(RTCP_CLEAR);
        let tag = self.seal(position, &rtcp_associated(header, word), body)?;
        let end = put(buffer, length, &tag)?;
        put(buffer, end, &word.to_bytes())
    }

    pub(super) fn unprotect_rtcp(
        &self,
        position: Position,
        word: RtcpWord,
        packet: &mut [u8],
    ) -> Result<usize, Error> {
        let sealed = packet.len().checked_sub(RtcpWord::LEN);
        let sealed = part(packet, 0, sealed.ok_or(Error::Malformed)?)?;
        if !word.is_encrypted() {
            return self.verify_clear(position, word, sealed);
        }
        let (header, body) = sealed.split_at_mut(RTCP_CLEAR);
        let opened = self.open(position, &rtcp_associated(header, word), body)?;
        Ok(RTCP_CLEAR + opened)
    }

    /// The word stands behind the tag.
    pub(super) fn rtcp_word(packet: &[u8]) -> Option<RtcpWord> {
        let behind_tag = packet.get(RTCP_CLEAR + TAG..)?;
        behind_tag.last_chunk().map(RtcpWord::read)
    }

    /// Nothing is encrypted: the whole packet and the index are the associated data (RFC 7714 §9.3).
    fn verify_clear(
        &self,
        position: Position,
        word: RtcpWord,
        sealed: &mut [u8],
    ) -> Result<usize, Error> {
        let (packet, tag) = sealed.split_last_chunk::<TAG>().ok_or(Error::Malformed)?;
        let (length, mut tag) = (packet.len(), *tag);
        let end = put(sealed, length, &word.to_bytes())?;
        self.open(position, part(sealed, 0, end)?, &mut tag)?;
        Ok(length)
    }

    fn seal(&self, position: Position, clear: &[u8], body: &mut [u8]) -> Result<[u8; TAG], Error> {
        let nonce = self.nonce(position);
        let sealed = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(clear), body);
        let tag = sealed.map_err(|_| Error::Library)?;
        tag.as_ref().try_into().map_err(|_| Error::Library)
    }

    /// The length of what was in `body` before its tag.
    fn open(&self, position: Position, clear: &[u8], body: &mut [u8]) -> Result<usize, Error> {
        if body.len() < TAG {
            return Err(Error::Malformed);
        }
        let nonce = self.nonce(position);
        let opened = self.key.open_in_place(nonce, Aad::from(clear), body);
        opened
            .map(|plain| plain.len())
            .map_err(|_| Error::Authentication)
    }

    fn nonce(&self, position: Position) -> Nonce {
        let mut nonce = *self.salt;
        for (byte, position) in nonce[2..].iter_mut().zip(position.to_bytes()) {
            *byte ^= position;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

fn rtcp_associated(header: &[u8], word: RtcpWord) -> [u8; RTCP_CLEAR + RtcpWord::LEN] {
    let mut associated = [0; RTCP_CLEAR + RtcpWord::LEN];
    associated[..RTCP_CLEAR].copy_from_slice(header);
    associated[RTCP_CLEAR..].copy_from_slice(&word.to_bytes());
    associated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::Header;
    use crate::media::srtp::rtcp_sender;
    use crate::media::srtp::tests::bytes;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SALT: &str = "517569642070726f2071756f";
    const RTP: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973
        20646976 69736120 696e2070 61727465 73207472 6573";
    const RTCP: &str = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930
        4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef";

    /// The vectors give session keys.
    fn gcm(key_length: usize) -> Gcm {
        let algorithm = match key_length {
            16 => &AES_128_GCM,
            _ => &AES_256_GCM,
        };
        let key = UnboundKey::new(algorithm, &bytes(KEY)[..key_length]).unwrap();
        Gcm {
            key: LessSafeKey::new(key),
            salt: Zeroizing::new(bytes(SALT).try_into().unwrap()),
        }
    }

    fn assert_rtp(key_length: usize, protected: &str) {
        let (plain, protected) = (bytes(RTP), bytes(protected));
        let (header, clear) = Header::parse(&plain).unwrap();
        let position = Position {
            ssrc: header.ssrc,
            index: header.sequence.0.into(),
        };
        let mut buffer = [&plain[..], &[0; TAG]].concat();
        let keys = gcm(key_length);
        let length = keys.protect_rtp(position, &mut buffer, clear, plain.len());
        assert_eq!(length, Ok(protected.len()));
        assert_eq!(buffer, protected);
        let length = keys.unprotect_rtp(position, &mut buffer, clear);
        assert_eq!(length, Ok(plain.len()));
        assert_eq!(buffer[..plain.len()], plain);
    }

    #[test]
    fn rfc_7714_16_1_1() {
        let expected = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
            0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
        assert_rtp(16, expected);
    }

    #[test]
    fn rfc_7714_16_2_1() {
        let expected = "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
            9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13";
        assert_rtp(32, expected);
    }

    fn assert_rtcp(key_length: usize, protected: &str) {
        let (plain, protected) = (bytes(RTCP), bytes(protected));
        let position = Position {
            ssrc: rtcp_sender(&plain).unwrap(),
            index: 0x5d4,
        };
        let mut buffer = [&plain[..], &[0; TAG + RtcpWord::LEN]].concat();
        let keys = gcm(key_length);
        let length = keys.protect_rtcp(position, &mut buffer, plain.len());
        assert_eq!(length, Ok(protected.len()));
        assert_eq!(buffer, protected);
        let word = Gcm::rtcp_word(&buffer).unwrap();
        assert_eq!(word.index(), position.index);
        let length = keys.unprotect_rtcp(position, word, &mut buffer);
        assert_eq!(length, Ok(plain.len()));
        assert_eq!(buffer[..plain.len()], plain);
    }

    #[test]
    fn rfc_7714_17_1() {
        let expected = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
            c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade
            800005d4";
        assert_rtcp(16, expected);
    }

    #[test]
    fn rfc_7714_17_2() {
        let expected = "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
            a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be
            800005d4";
        assert_rtcp(32, expected);
    }

    /// RFC 7714 §17.3: without encryption the packet is associated data and only the tag is new.
    #[test]
    fn unencrypted_rtcp_is_authenticated() {
        let plain = bytes(RTCP);
        let position = Position {
            ssrc: rtcp_sender(&plain).unwrap(),
            index: 0x5d4,
        };
        let keys = gcm(16);
        let word = 0x5d4u32.to_be_bytes();
        let associated = [&plain[..], &word].concat();
        let tag = keys.seal(position, &associated, &mut []).unwrap();
        let packet = [&plain[..], &tag, &word].concat();
        let word = Gcm::rtcp_word(&packet).unwrap();
        let mut good = packet.clone();
        let length = keys.unprotect_rtcp(position, word, &mut good);
        assert_eq!(length, Ok(plain.len()));
        assert_eq!(good[..plain.len()], plain);
        let mut forged = packet;
        forged[20] ^= 1;
        let refused = keys.unprotect_rtcp(position, word, &mut forged);
        assert_eq!(refused, Err(Error::Authentication));
    }
}
