//! Session keys from a master key (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11), for a key derivation rate of 0: once.

use zeroize::Zeroizing;

use super::Error;
use super::counter::Aes;
use crate::sdp::{MasterKey, Suite};

/// What a session key is for; RTCP's labels are three higher (RFC 3711 §4.3.2).
#[derive(Clone, Copy)]
pub(super) enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Rtp,
    Rtcp,
}

/// Master key and master salt, apart.
pub(super) struct Master {
    aes: Aes,
    /// The 96-bit salts of GCM are filled up with zeros (RFC 7714 §11).
    salt: Zeroizing<[u8; 14]>,
}

impl Master {
    pub(super) fn of(suite: Suite, joined: &MasterKey) -> Result<Self, Error> {
        let (key_length, salt_length) = (suite.key_length(), suite.salt_length());
        let needed = key_length + salt_length;
        let found = joined.0.len();
        let wrong_length = Error::KeyLength { needed, found };
        let material = joined.0.get(..needed).ok_or(wrong_length)?;
        let (key, from) = material.split_at(key_length);
        let mut salt = Zeroizing::new([0; 14]);
        salt[..salt_length].copy_from_slice(from);
        let aes = Aes::new(key).ok_or(wrong_length)?;
        Ok(Self { aes, salt })
    }

    /// The first `N` bytes of the key stream that belongs to protocol and label.
    pub(super) fn derive<const N: usize>(
        &self,
        protocol: Protocol,
        label: Label,
    ) -> Zeroizing<[u8; N]> {
        let mut input = [0; 16];
        input[..14].copy_from_slice(self.salt.as_ref());
        input[7] ^= match protocol {
            Protocol::Rtp => label as u8,
            Protocol::Rtcp => label as u8 + 3,
        };
        let mut output = Zeroizing::new([0; N]);
        self.aes.apply_key_stream(&input, output.as_mut());
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::srtp::tests::bytes;

    fn session_keys<const KEY: usize, const SALT: usize>(
        suite: Suite,
        key: &str,
        salt: &str,
    ) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
        let joined = MasterKey([bytes(key), bytes(salt)].concat());
        let master = Master::of(suite, &joined).unwrap();
        (
            master
                .derive::<KEY>(Protocol::Rtp, Label::Encryption)
                .to_vec(),
            master.derive::<SALT>(Protocol::Rtp, Label::Salt).to_vec(),
            master
                .derive::<94>(Protocol::Rtp, Label::Authentication)
                .to_vec(),
        )
    }

    #[test]
    fn rfc_3711_b_3() {
        let (key, salt, authentication) = session_keys::<16, 14>(
            Suite::AesCm128HmacSha1_80,
            "E1F97A0D3E018BE0D64FA32C06DE4139",
            "0EC675AD498AFEEBB6960B3AABE6",
        );
        assert_eq!(key, bytes("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(salt, bytes("30CBBC08863D8C85D49DB34A9AE1"));
        let expected = "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE
            E049646C43D9327AD175578EF7227098 6371C10C9A369AC2F94A8C5FBCDDDC25
            6D6E919A48B610EF17C2041E47403576 6B68642C59BBFC2F34DB60DBDFB2";
        assert_eq!(authentication, bytes(expected));
    }

    #[test]
    fn rfc_6188_7_3() {
        let (key, salt, authentication) = session_keys::<32, 14>(
            Suite::AesCm256HmacSha1_80,
            "f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6",
            "3b04803de51ee7c96423ab5b78d2",
        );
        let expected = "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4";
        assert_eq!(key, bytes(expected));
        assert_eq!(salt, bytes("fa31791685ca444a9e07c6c64e93"));
        let expected = "fd9c32d39ed5fbb5a9dc96b30818454d 1313dc05";
        assert_eq!(authentication[..20], bytes(expected));
    }

    #[test]
    fn rtcp_has_keys_of_its_own() {
        let joined = MasterKey((0..30).collect());
        let master = Master::of(Suite::AesCm128HmacSha1_80, &joined).unwrap();
        for label in [Label::Encryption, Label::Authentication, Label::Salt] {
            let rtp = master.derive::<14>(Protocol::Rtp, label);
            assert_ne!(rtp, master.derive::<14>(Protocol::Rtcp, label));
        }
    }

    #[test]
    fn a_short_key_is_refused_and_a_long_one_cut() {
        let master = |length: u8| {
            let joined = MasterKey((0..length).collect());
            Master::of(Suite::AeadAes128Gcm, &joined)
                .map(|master| master.derive::<16>(Protocol::Rtp, Label::Encryption))
        };
        let too_short = Error::KeyLength {
            needed: 28,
            found: 27,
        };
        assert_eq!(master(27), Err(too_short));
        assert_eq!(master(46), master(28));
    }
}
