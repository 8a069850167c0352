//! A call that the PBX places.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::sim::media::crypto::Suite;
use crate::sim::meta::Expect;
use crate::sim::pbx::behaviour::{Act, Behaviour, Credentials};
use crate::sim::pbx::dialogs::Replaces;

/// Where calls go, and how.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub transport: Transport,
}

#[derive(Clone, Debug)]
pub enum Transport {
    /// From the port that the exchange listens at, where it does.
    Udp,
    Tcp,
    /// Its certificate must be for `host` and chain to one in the file `ca`.
    Tls {
        host: String,
        ca: PathBuf,
    },
}

#[derive(Clone, Debug)]
pub struct Plan {
    /// As it was dialled: a user part, or a whole URI (`tel:` too).
    pub dial: String,
    /// The extension that calls: user part of From and Contact.
    pub from: String,
    pub display_name: Option<String>,
    /// Value of P-Asserted-Identity.
    pub asserted: Option<String>,
    /// Further headers of the INVITE.
    pub headers: Vec<(String, String)>,
    /// Host of the request URI and of To; the target's address when there is none.
    pub host: Option<String>,
    pub offer: Offer,
    /// The answer to a challenge. A realm is not compared.
    pub credentials: Option<Credentials>,
    /// The caller gives up this long after the INVITE.
    pub cancel: Option<Duration>,
    /// The far side's dialog that this call is to take the place of.
    pub replaces: Option<Replaces>,
    pub expect: Expect,
    /// What is said, heard and done. How a call is taken means nothing here.
    pub behaviour: Behaviour,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    Rtp,
    Srtp(Suite),
    /// None: the far side offers in its 200, our ACK answers.
    Late,
}

impl Plan {
    /// An agent calls, speaks, and hangs up after ten seconds.
    pub fn new(from: &str, dial: &str) -> Self {
        Self {
            dial: dial.into(),
            from: from.into(),
            display_name: None,
            asserted: None,
            headers: Vec::new(),
            host: None,
            offer: Offer::Rtp,
            credentials: None,
            cancel: None,
            replaces: None,
            expect: Expect::Answer,
            behaviour: Behaviour {
                script: vec![(Duration::from_secs(10), Act::HangUp)],
                ..Behaviour::default()
            },
        }
    }
}
