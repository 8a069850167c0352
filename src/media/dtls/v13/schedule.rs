//! From the shared secret to keys (RFC 8446 §7, with the label prefix of RFC 9147 §5.9).

use aws_lc_rs::hkdf::{KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::suite::CipherSuite;
use crate::media::dtls::Failure;
use crate::media::dtls::secrets::{End, SRTP_LABEL, srtp_material, srtp_pair};
use crate::media::dtls::suite::Hash;
use crate::sdp::{self, CryptoPair};

/// Without a space: "DTLS" is one letter longer than "TLS".
const PREFIX: &str = "dtls13";
const IV: usize = 12;

/// Any secret of the schedule.
struct Secret {
    hash: Hash,
    key: Prk,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Secret {
    fn extract(hash: Hash, salt: &[u8], secret: &[u8]) -> Self {
        Self {
            hash,
            key: Salt::new(hash.hkdf(), salt).extract(secret),
        }
    }

    /// HKDF-Expand-Label (RFC 8446 §7.1).
    fn expand(
        &self,
        prefix: &str,
        label: &str,
        context: &[u8],
        out: &mut [u8],
    ) -> Result<(), Failure> {
        let length = (out.len() as u16).to_be_bytes();
        let label_length = [(prefix.len() + label.len()) as u8];
        let context_length = [context.len() as u8];
        let info = [
            &length[..],
            &label_length,
            prefix.as_bytes(),
            label.as_bytes(),
            &context_length,
            context,
        ];
        let expanded = self.key.expand(&info, Length(out.len()));
        let filled = expanded.and_then(|expanded| expanded.fill(out));
        filled.map_err(|_| Failure::Library)
    }

    /// Derive-Secret: as long as a hash. `transcript`: the hash of the messages.
    fn derive(&self, prefix: &str, label: &str, transcript: &[u8]) -> Result<Bytes, Failure> {
        let mut secret = Zeroizing::new(vec![0; self.hash.digest().output_len()]);
        self.expand(prefix, label, transcript, &mut secret)?;
        Ok(secret)
    }

    /// The next stage, with `input` mixed in.
    fn next(&self, prefix: &str, input: &[u8]) -> Result<Self, Failure> {
        let salt = self.derive(prefix, "derived", self.hash.of(&[]).as_ref())?;
        Ok(Self::extract(self.hash, &salt, input))
    }

    fn from_bytes(hash: Hash, bytes: &[u8]) -> Self {
        Self {
            hash,
            key: Prk::new_less_safe(hash.hkdf(), bytes),
        }
    }
}

type Bytes = Zeroizing<Vec<u8>>;

/// What protects one direction in one epoch.
pub struct Traffic {
    pub suite: CipherSuite,
    secret: Secret,
}

/// Keys of one direction and epoch (RFC 8446 §7.3, RFC 9147 §4.2.3).
pub struct RecordKeys {
    pub key: Bytes,
    pub iv: Zeroizing<[u8; IV]>,
    /// For record numbers.
    pub number: Bytes,
}

impl Traffic {
    fn new(suite: CipherSuite, secret: &[u8]) -> Self {
        Self {
            suite,
            secret: Secret::from_bytes(suite.hash(), secret),
        }
    }

    pub fn keys(&self) -> Result<RecordKeys, Failure> {
        self.keys_by(PREFIX)
    }

    fn keys_by(&self, prefix: &str) -> Result<RecordKeys, Failure> {
        let mut key = Zeroizing::new(vec![0; self.suite.aead().key_len()]);
        let mut number = Zeroizing::new(vec![0; self.suite.numbers().key_len()]);
        let mut iv = Zeroizing::new([0; IV]);
        self.secret.expand(prefix, "key", &[], &mut key)?;
        self.secret.expand(prefix, "iv", &[], &mut *iv)?;
        self.secret.expand(prefix, "sn", &[], &mut number)?;
        Ok(RecordKeys { key, iv, number })
    }

    /// The body of a Finished (RFC 8446 §4.4.4) over all messages before it.
    pub fn verify_data(&self, transcript: &[u8]) -> Result<hmac::Tag, Failure> {
        let transcript = self.suite.hash().of(transcript);
        self.verify_data_by(PREFIX, transcript.as_ref())
    }

    fn verify_data_by(&self, prefix: &str, transcript: &[u8]) -> Result<hmac::Tag, Failure> {
        let hash = self.suite.hash();
        let mut key = Zeroizing::new(vec![0; hash.digest().output_len()]);
        self.secret.expand(prefix, "finished", &[], &mut key)?;
        Ok(hmac::sign(&hmac::Key::new(hash.hmac(), &key), transcript))
    }

    /// After a KeyUpdate (RFC 8446 §7.2).
    pub fn updated(&self) -> Result<Self, Failure> {
        let mut secret = Zeroizing::new(vec![0; self.suite.hash().digest().output_len()]);
        self.secret
            .expand(PREFIX, "traffic upd", &[], &mut secret)?;
        Ok(Self::new(self.suite, &secret))
    }
}

/// Once both hellos are there.
pub struct Handshake {
    suite: CipherSuite,
    secret: Secret,
    pub client: Traffic,
    pub server: Traffic,
}

impl Handshake {
    /// `hellos`: the transcript up to the ServerHello.
    pub fn new(suite: CipherSuite, shared: &[u8], hellos: &[u8]) -> Result<Self, Failure> {
        Self::by(PREFIX, suite, shared, suite.hash().of(hellos).as_ref())
    }

    fn by(prefix: &str, suite: CipherSuite, shared: &[u8], hellos: &[u8]) -> Result<Self, Failure> {
        let hash = suite.hash();
        // No pre-shared key.
        let zeros = vec![0; hash.digest().output_len()];
        let secret = Secret::extract(hash, &zeros, &zeros).next(prefix, shared)?;
        let traffic = |label| {
            let secret = secret.derive(prefix, label, hellos)?;
            Ok::<_, Failure>(Traffic::new(suite, &secret))
        };
        Ok(Self {
            suite,
            client: traffic("c hs traffic")?,
            server: traffic("s hs traffic")?,
            secret,
        })
    }

    pub fn suite(&self) -> CipherSuite {
        self.suite
    }

    pub fn of(&self, end: End) -> &Traffic {
        match end {
            End::Client => &self.client,
            End::Server => &self.server,
        }
    }

    /// `transcript`: up to the server's Finished.
    pub fn application(&self, transcript: &[u8]) -> Result<Application, Failure> {
        self.application_by(PREFIX, self.suite.hash().of(transcript).as_ref())
    }

    fn application_by(&self, prefix: &str, transcript: &[u8]) -> Result<Application, Failure> {
        let zeros = vec![0; self.suite.hash().digest().output_len()];
        let master = self.secret.next(prefix, &zeros)?;
        let derive = |label| master.derive(prefix, label, transcript);
        Ok(Application {
            client: Traffic::new(self.suite, &derive("c ap traffic")?),
            server: Traffic::new(self.suite, &derive("s ap traffic")?),
            exporter: Secret::from_bytes(self.suite.hash(), &derive("exp master")?),
        })
    }
}

/// Once the server's Finished is there.
pub struct Application {
    pub client: Traffic,
    pub server: Traffic,
    exporter: Secret,
}

impl Application {
    pub fn of(&self, end: End) -> &Traffic {
        match end {
            End::Client => &self.client,
            End::Server => &self.server,
        }
    }

    /// Exported (RFC 8446 §7.5), without a context.
    pub fn srtp_keys(&self, ours: End, profile: sdp::Suite) -> Result<CryptoPair, Failure> {
        let hash = self.exporter.hash;
        let context = hash.of(&[]);
        let secret = self.exporter.derive(PREFIX, SRTP_LABEL, context.as_ref())?;
        let mut material = Zeroizing::new(vec![0; srtp_material(profile)]);
        let secret = Secret::from_bytes(hash, &secret);
        secret.expand(PREFIX, "exporter", context.as_ref(), &mut material)?;
        Ok(srtp_pair(ours, profile, &material))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
        let byte = |pair: &[u32]| (pair[0] * 16 + pair[1]) as u8;
        digits.chunks(2).map(byte).collect()
    }

    /// All of RFC 8448 §3, which has the prefix of TLS. A shared secret, and hashes of the transcript.
    #[test]
    fn published_trace_of_a_handshake() {
        const TLS: &str = "tls13 ";
        let shared = bytes("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
        let hellos = bytes("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8");
        let flight = bytes("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13");
        let handshake = Handshake::by(TLS, CipherSuite::Aes128, &shared, &hellos).unwrap();
        let application = handshake.application_by(TLS, &flight).unwrap();
        for (traffic, key, iv) in [
            (
                &handshake.client,
                "dbfaa693d1762c5b666af5d950258d01",
                "5bd3c71b836e0b76bb73265f",
            ),
            (
                &handshake.server,
                "3fce516009c21727d0f2e4e86ee403bc",
                "5d313eb2671276ee13000b30",
            ),
            (
                &application.client,
                "17422dda596ed5d9acd890e3c63f5051",
                "5b78923dee08579033e523d9",
            ),
            (
                &application.server,
                "9f02283b6c9c07efc26bb9f2ac92e356",
                "cf782b88dd83549aadf1e984",
            ),
        ] {
            let keys = traffic.keys_by(TLS).unwrap();
            assert_eq!(*keys.key, bytes(key));
            assert_eq!(keys.iv[..], bytes(iv));
        }
        let finished = handshake.client.verify_data_by(TLS, &flight).unwrap();
        let expected = "a8ec436d677634ae525ac1fcebe11a039ec17694fac6e98527b642f2edd5ce61";
        assert_eq!(finished.as_ref(), bytes(expected));
    }

    #[test]
    fn ends_have_each_others_keys() {
        for suite in CipherSuite::ALL {
            let handshake = Handshake::new(suite, &[7; 32], b"hellos").unwrap();
            let application = handshake.application(b"all").unwrap();
            for profile in [sdp::Suite::AesCm128HmacSha1_80, sdp::Suite::AeadAes128Gcm] {
                let keys = |end| application.srtp_keys(end, profile).unwrap();
                let (client, server) = (keys(End::Client), keys(End::Server));
                assert_eq!(client.send, server.receive);
                assert_eq!(client.receive, server.send);
                assert_ne!(client.send, client.receive);
            }
            let [now, later] = [
                application.client.keys().unwrap(),
                application.client.updated().unwrap().keys().unwrap(),
            ];
            assert!(now.key != later.key && now.iv != later.iv && now.number != later.number);
        }
    }
}
