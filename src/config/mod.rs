//! What the operator wrote, checked once. Everything here is a checked value: no string that still has to be parsed.

mod listener;
mod media;
mod operation;
mod prefix;
mod profile;
mod route;
mod trunk;
mod whatsapp;

pub use listener::{Faces, Listener, Tls, Trust};
pub use media::Media;
pub use operation::{CdrFiles, Limits, Log};
pub use prefix::Prefix;
pub use profile::{
    Challenge, DigestAlgorithm, DigestUsername, DtmfHabit, Profile, SessionTimerHabit, SipHabits,
};
pub use route::{Hours, Route};
pub use trunk::{PeerCredentials, Probe, Register, Trunk, TrunkPeer};
pub use whatsapp::{Number, WhatsApp};

use std::collections::BTreeMap;

use crate::party::PhoneNumber;
use crate::sip::flow::ListenerId;

#[derive(Clone, Debug)]
pub struct Config {
    pub listeners: BTreeMap<ListenerId, Listener>,
    pub media: Media,
    pub profiles: BTreeMap<String, Profile>,
    pub whatsapp: WhatsApp,
    pub numbers: BTreeMap<PhoneNumber, Number>,
    pub trunks: BTreeMap<String, Trunk>,
    /// First match wins; a number's own trunk is the last resort.
    pub routes: Vec<Route>,
    pub cdr: CdrFiles,
    pub log: Log,
    pub limits: Limits,
}
