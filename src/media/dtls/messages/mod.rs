//! Handshake messages (RFC 5246 §7.4), those of an ECDHE handshake with certificates on both sides.

pub mod hello;
mod keys;

pub use hello::{ClientHello, Newer, ServerHello, hello_verify_cookie};
pub use keys::{
    CertificateRequest, ServerKeyExchange, Signed, client_key_exchange, leaf_certificate,
    read_client_key_exchange, write_certificate,
};

/// The record layer's version for DTLS 1.2; what a hello says (RFC 6347 §4.1).
pub const DTLS_1_2: u16 = 0xfefd;
/// Only in supported_versions (RFC 9147 §5.3).
pub const DTLS_1_3: u16 = 0xfefc;

/// RFC 5246 §7.4, RFC 6347 §4.3.2, RFC 8446 §4.
pub mod kind {
    pub const HELLO_REQUEST: u8 = 0;
    pub const CLIENT_HELLO: u8 = 1;
    pub const SERVER_HELLO: u8 = 2;
    pub const HELLO_VERIFY_REQUEST: u8 = 3;
    pub const ENCRYPTED_EXTENSIONS: u8 = 8;
    pub const CERTIFICATE: u8 = 11;
    pub const SERVER_KEY_EXCHANGE: u8 = 12;
    pub const CERTIFICATE_REQUEST: u8 = 13;
    pub const SERVER_HELLO_DONE: u8 = 14;
    pub const CERTIFICATE_VERIFY: u8 = 15;
    pub const CLIENT_KEY_EXCHANGE: u8 = 16;
    pub const FINISHED: u8 = 20;
    pub const KEY_UPDATE: u8 = 24;
    /// Never sent: stands for the first hello in the transcript.
    pub const MESSAGE_HASH: u8 = 254;
}
