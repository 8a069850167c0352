//! WhatsApp's side: who may come in, and the business numbers.

use secrecy::SecretString;

use super::Prefix;
use crate::party::PhoneNumber;

/// WhatsApp's side as a peer.
#[derive(Clone, Debug)]
pub struct WhatsApp {
    pub profile: String,
    /// Allow list of source addresses (dossier 2.1); empty allows all that digest lets in.
    pub source_prefixes: Vec<Prefix>,
    /// Digest realm of our challenge.
    pub realm: String,
}

/// One WhatsApp business number.
#[derive(Clone, Debug)]
pub struct Number {
    pub number: PhoneNumber,
    /// Password that WhatsApp generated for this number.
    pub password: SecretString,
    /// Overrides `WhatsApp::profile`.
    pub profile: Option<String>,
    pub trunk: String,
    /// Extension dialled on the PBX; the number itself when `None`.
    pub extension: Option<String>,
    pub concurrent_calls: u32,
}
