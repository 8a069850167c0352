//! What the operator wrote, checked once. Everything here is a checked value: no string that still has to be parsed.
//!
//! [`load`] reads a file from disk; [`parse`] reads text and asks [`Outside`] for what it names, so that everything but
//! `machine` is pure. Reading is strict and does not stop at the first mistake: a [`Report`] has them all, each with file,
//! line, key, and what to write instead. A type, its defaults and its reading stand in one file.

mod addresses;
mod admin;
mod certificate;
mod consent;
mod dialling;
mod host;
mod hosts;
mod level;
mod listener;
mod load;
mod machine;
mod media;
mod metrics;
mod operation;
mod outside;
mod prefix;
mod profile;
mod profiles;
mod rates;
mod refusal;
mod report;
mod route;
mod security;
mod surroundings;
mod toml_file;
mod trunk;
mod whatsapp;

pub use addresses::Addresses;
pub use admin::{Admin, AdminDoor, AdminListener};
pub use consent::{Consent, RuleSet};
pub use hosts::{StaticAddress, StaticHosts};
pub use level::OwnLevels;
pub use listener::{Faces, Listener, Tls, Trust};
pub use load::{admin_door, cdr_files, check, load, load_from, parse};
pub use media::Media;
pub use metrics::Metrics;
pub use operation::{CdrFiles, Limits, Log};
pub use outside::Outside;
pub use prefix::{Prefix, PrefixError};
pub use profile::{
    Challenge, ClientHello, DigestAlgorithm, DigestUsername, DtmfHabit, Profile, SessionTimerHabit,
    SipHabits,
};
pub use refusal::{Meaning, Refusal};
pub use report::{Finding, Report, Severity};
pub use route::{Hours, Route, find_zone};
pub use security::OwnSecurity;
pub use trunk::{PeerCredentials, Probe, Register, Trunk, TrunkPeer};
pub use whatsapp::{Number, WhatsApp, is_extension};

use std::collections::BTreeMap;

use crate::party::{Dialling, PhoneNumber};
use crate::rates::Terms;
use crate::sip::flow::ListenerId;

/// Where the configuration is when nobody says otherwise.
pub const USUAL_FILE: &str = "/etc/wabridge/wabridge.toml";

#[derive(Clone, Debug)]
pub struct Config {
    pub listeners: BTreeMap<ListenerId, Listener>,
    pub media: Media,
    pub profiles: BTreeMap<String, Profile>,
    pub whatsapp: WhatsApp,
    pub numbers: BTreeMap<PhoneNumber, Number>,
    /// How numbers are dialled where a trunk says nothing else.
    pub dialling: Dialling,
    pub trunks: BTreeMap<String, Trunk>,
    /// First match wins; a number's own trunk is the last resort.
    pub routes: Vec<Route>,
    pub consent: Consent,
    /// `None`: calls have no price.
    pub rates: Option<Terms>,
    pub cdr: CdrFiles,
    pub admin: Admin,
    pub metrics: Metrics,
    pub log: Log,
    pub limits: Limits,
    /// Names that are found without DNS.
    pub hosts: StaticHosts,
}

#[cfg(test)]
pub(crate) mod tests;
