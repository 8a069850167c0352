//! Ephemeral Diffie-Hellman (RFC 8422).

use aws_lc_rs::agreement::{self, EphemeralPrivateKey, UnparsedPublicKey};
use aws_lc_rs::rand::SystemRandom;
use zeroize::Zeroizing;

use super::Failure;
use super::suite::Group;

/// The first byte of a point in full (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;

/// Our half of an exchange, used once.
pub struct Exchange {
    group: Group,
    private: EphemeralPrivateKey,
    public: Vec<u8>,
}

impl Exchange {
    pub fn new(group: Group) -> Result<Self, Failure> {
        let random = SystemRandom::new();
        let private = EphemeralPrivateKey::generate(algorithm(group), &random);
        let private = private.map_err(|_| Failure::Library)?;
        let public = private.compute_public_key().map_err(|_| Failure::Library)?;
        Ok(Self {
            group,
            public: public.as_ref().to_vec(),
            private,
        })
    }

    pub fn group(&self) -> Group {
        self.group
    }

    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The secret shared with whoever has the other half.
    pub fn agree(self, theirs: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if !self.is_like_ours(theirs) {
            return Err(Failure::KeyExchange);
        }
        let theirs = UnparsedPublicKey::new(algorithm(self.group), theirs);
        agreement::agree_ephemeral(self.private, theirs, Failure::KeyExchange, |secret| {
            Ok(Zeroizing::new(secret.to_vec()))
        })
    }

    /// The one form that there is (RFC 8446 §4.2.8.2, RFC 8422 §5.4): the library reads compressed points and DER, too.
    fn is_like_ours(&self, theirs: &[u8]) -> bool {
        let form_fits = match self.group {
            Group::X25519 => true,
            Group::P256 | Group::P384 => theirs.first() == Some(&UNCOMPRESSED),
        };
        form_fits && theirs.len() == self.public.len()
    }
}

fn algorithm(group: Group) -> &'static agreement::Algorithm {
    match group {
        Group::X25519 => &agreement::X25519,
        Group::P256 => &agreement::ECDH_P256,
        Group::P384 => &agreement::ECDH_P384,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPublicKeyCompressedBin, PublicKeyX509Der};

    use super::*;

    #[test]
    fn a_point_has_one_form() {
        for group in Group::ALL {
            let private = agreement::PrivateKey::generate(algorithm(group)).unwrap();
            let public = private.compute_public_key().unwrap();
            let der: PublicKeyX509Der<'_> = public.as_der().unwrap();
            let mut forms = vec![der.as_ref().to_vec()];
            if group != Group::X25519 {
                let compressed: EcPublicKeyCompressedBin<'_> = public.as_be_bytes().unwrap();
                forms.push(compressed.as_ref().to_vec());
            }
            for form in forms {
                let agreed = Exchange::new(group).unwrap().agree(&form);
                assert_eq!(agreed.err(), Some(Failure::KeyExchange), "{group:?}");
            }
            let agreed = Exchange::new(group).unwrap().agree(public.as_ref());
            assert!(agreed.is_ok(), "{group:?}");
        }
    }

    #[test]
    fn only_points_of_the_curve_are_agreed_with() {
        for group in Group::ALL {
            let agree = |theirs: &[u8]| Exchange::new(group).unwrap().agree(theirs);
            let good = Exchange::new(group).unwrap().public().to_vec();
            assert!(agree(&good).is_ok());
            let (mut short, mut long) = (good.clone(), good.clone());
            short.pop();
            long.push(0);
            // Of X25519, the point of order one, which would make any secret zero (RFC 7748 §6.1).
            let nothing = vec![0; good.len()];
            let mut off_the_curve = good.clone();
            if let [4, .., last] = &mut off_the_curve[..] {
                *last ^= 1;
            } else {
                off_the_curve.clear();
            }
            for bad in [short, long, nothing, off_the_curve] {
                assert_eq!(agree(&bad).err(), Some(Failure::KeyExchange), "{group:?}");
            }
        }
    }
}
