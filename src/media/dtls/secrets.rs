//! From the shared secret to keys (RFC 5246 §5, §6.3, §8.1; RFC 7627; RFC 5764 §4.2).

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use super::suite::{CipherSuite, Hash};
use super::wire::Reader;
use crate::sdp::{self, CryptoPair, MasterKey};

/// Under which SRTP's keys are exported (RFC 5764 §4.2).
pub const SRTP_LABEL: &str = "EXTRACTOR-dtls_srtp";

/// Which end of the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Client,
    Server,
}

/// What both hellos begin with.
#[derive(Clone, Copy)]
pub struct Randoms {
    pub client: [u8; 32],
    pub server: [u8; 32],
}

/// What a server's random ends in that would have spoken more than 1.2, and more than 1.1 (RFC 8446 §4.1.3).
const HELD_BACK: [[u8; 8]; 2] = [*b"DOWNGRD\x01", *b"DOWNGRD\x00"];

pub fn held_back(mut random: [u8; 32]) -> [u8; 32] {
    let [of_1_2, _] = HELD_BACK;
    if let Some(end) = random.last_chunk_mut() {
        *end = of_1_2;
    }
    random
}

/// Somebody made the server believe that we do not speak what we offered.
pub fn is_held_back(random: &[u8; 32]) -> bool {
    HELD_BACK.iter().any(|end| random.ends_with(end))
}

/// The master secret.
pub struct Master {
    hash: Hash,
    secret: Zeroizing<[u8; 48]>,
}

/// Key and nonce salt of one direction of the record layer.
pub struct RecordKey {
    pub key: Zeroizing<Vec<u8>>,
    pub salt: [u8; 4],
}

impl Master {
    pub fn new(hash: Hash, premaster: &[u8], randoms: &Randoms) -> Self {
        let seed = [randoms.client, randoms.server].concat();
        Self::derive(hash, premaster, "master secret", &seed)
    }

    /// RFC 7627 §4: bound to the handshake up to the ClientKeyExchange.
    pub fn extended(hash: Hash, premaster: &[u8], transcript: &[u8]) -> Self {
        let session = digest::digest(hash.digest(), transcript);
        Self::derive(hash, premaster, "extended master secret", session.as_ref())
    }

    fn derive(hash: Hash, premaster: &[u8], label: &str, seed: &[u8]) -> Self {
        let mut secret = Zeroizing::new([0; 48]);
        expand(hash, premaster, label, seed, secret.as_mut());
        Self { hash, secret }
    }

    /// Of what the client sends, and of what the server sends.
    pub fn record_keys(&self, suite: CipherSuite, randoms: &Randoms) -> (RecordKey, RecordKey) {
        let length = suite.aead().key_len();
        let seed = [randoms.server, randoms.client].concat();
        let mut block = Zeroizing::new(vec![0; 2 * length + 8]);
        self.expand("key expansion", &seed, &mut block);
        let (keys, salts) = block.split_at(2 * length);
        let (client_key, server_key) = keys.split_at(length);
        let (client_salt, server_salt) = salts.split_at(4);
        (
            RecordKey::new(client_key, client_salt),
            RecordKey::new(server_key, server_salt),
        )
    }

    /// The body of a Finished (RFC 5246 §7.4.9), over all messages before it.
    pub fn verify_data(&self, sender: End, transcript: &[u8]) -> [u8; 12] {
        let label = match sender {
            End::Client => "client finished",
            End::Server => "server finished",
        };
        let session = digest::digest(self.hash.digest(), transcript);
        let mut data = [0; 12];
        self.expand(label, session.as_ref(), &mut data);
        data
    }

    pub fn srtp_keys(&self, ours: End, suite: sdp::Suite, randoms: &Randoms) -> CryptoPair {
        let seed = [randoms.client, randoms.server].concat();
        let mut material = Zeroizing::new(vec![0; srtp_material(suite)]);
        self.expand(SRTP_LABEL, &seed, &mut material);
        srtp_pair(ours, suite, &material)
    }

    fn expand(&self, label: &str, seed: &[u8], out: &mut [u8]) {
        expand(self.hash, self.secret.as_ref(), label, seed, out);
    }
}

/// Bytes that both directions of SRTP take.
pub fn srtp_material(suite: sdp::Suite) -> usize {
    2 * (suite.key_length() + suite.salt_length())
}

/// From what is exported (RFC 5764 §4.2): client's key, server's key, client's salt, server's salt.
pub fn srtp_pair(ours: End, suite: sdp::Suite, material: &[u8]) -> CryptoPair {
    let mut reader = Reader::new(material);
    let mut take = |length| reader.bytes(length).unwrap_or_default();
    let [client_key, server_key] = [suite.key_length(); 2].map(&mut take);
    let [client_salt, server_salt] = [suite.salt_length(); 2].map(&mut take);
    let client = MasterKey([client_key, client_salt].concat());
    let server = MasterKey([server_key, server_salt].concat());
    let (send, receive) = match ours {
        End::Client => (client, server),
        End::Server => (server, client),
    };
    CryptoPair {
        suite,
        send,
        receive,
    }
}

impl RecordKey {
    fn new(key: &[u8], from: &[u8]) -> Self {
        let mut salt = [0; 4];
        for (to, byte) in salt.iter_mut().zip(from) {
            *to = *byte;
        }
        Self {
            key: Zeroizing::new(key.to_vec()),
            salt,
        }
    }
}

/// The pseudo-random function of TLS 1.2 (RFC 5246 §5).
fn expand(hash: Hash, secret: &[u8], label: &str, seed: &[u8], out: &mut [u8]) {
    let key = hmac::Key::new(hash.hmac(), secret);
    let mut a = sign(&key, &[label.as_bytes(), seed]);
    for chunk in out.chunks_mut(hash.digest().output_len()) {
        let block = sign(&key, &[a.as_ref(), label.as_bytes(), seed]);
        for (to, byte) in chunk.iter_mut().zip(block.as_ref()) {
            *to = *byte;
        }
        a = sign(&key, &[a.as_ref()]);
    }
}

fn sign(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
        let byte = |pair: &[u32]| (pair[0] * 16 + pair[1]) as u8;
        digits.chunks(2).map(byte).collect()
    }

    /// The vector for P_SHA256 that the TLS working group published (mailing list, 2009).
    #[test]
    fn published_vector_of_the_prf() {
        let secret = bytes("9bbe436ba940f017b17652849a71db35");
        let seed = bytes("a0ba9f936cda311827a6f796ffd5198c");
        let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a
            6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f
            796789baa48082d122ee42c5a72e5a5110fff70187347b66";
        let mut out = [0; 100];
        expand(Hash::Sha256, &secret, "test label", &seed, &mut out);
        assert_eq!(out[..], bytes(expected));
    }

    #[test]
    fn ends_have_each_others_keys() {
        let randoms = Randoms {
            client: [1; 32],
            server: [2; 32],
        };
        let master = Master::new(Hash::Sha256, &[7; 32], &randoms);
        for suite in [sdp::Suite::AesCm128HmacSha1_80, sdp::Suite::AeadAes128Gcm] {
            let client = master.srtp_keys(End::Client, suite, &randoms);
            let server = master.srtp_keys(End::Server, suite, &randoms);
            assert_eq!(client.send, server.receive);
            assert_eq!(client.receive, server.send);
            assert_ne!(client.send, client.receive);
            let length = suite.key_length() + suite.salt_length();
            assert_eq!(client.send.0.len(), length);
        }
    }
}
