//! How media is protected: a profile says it for a kind of peer, a business number or a PBX peer for itself.

use super::Profile;
use super::toml_file::Table;
use crate::sdp::{Offers, Policy, Security, Suite};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Plain,
    Sdes,
    SdesIfOffered,
    Dtls,
    AsOffered,
}

const MODES: [(&str, Mode); 5] = [
    ("plain", Mode::Plain),
    ("sdes", Mode::Sdes),
    ("sdes-if-offered", Mode::SdesIfOffered),
    ("dtls", Mode::Dtls),
    ("as-offered", Mode::AsOffered),
];

const OFFERS: [(&str, Offers); 3] = [
    ("plain", Offers::Plain),
    ("sdes", Offers::Sdes),
    ("dtls", Offers::Dtls),
];

/// What a number or a peer has for itself; `Default`: nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OwnSecurity {
    mode: Option<Mode>,
    offers: Option<Offers>,
}

impl OwnSecurity {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let mode = table
            .value("security")
            .and_then(|value| value.choice(&MODES));
        let offers = table
            .value("offered_security")
            .and_then(|value| value.choice(&OFFERS));
        if mode.is_some_and(|mode| mode != Mode::AsOffered) {
            doubt_offers(table);
        }
        Self { mode, offers }
    }

    /// The profile's policy with what is its own.
    pub fn policy(&self, profile: &Profile) -> Policy {
        let (mode, offers, suites) = parts(&profile.sdp.security);
        Policy {
            security: joined(
                self.mode.unwrap_or(mode),
                self.offers.unwrap_or(offers),
                suites,
            ),
            ..profile.sdp.clone()
        }
    }
}

/// Of a profile. `base`: what holds where it says nothing.
pub(super) fn read(table: &Table<'_>, base: &Security) -> Security {
    let (mode, offers, usual) = parts(base);
    let mode = table.choice("security", &MODES, mode);
    let offers = table.choice("offered_security", &OFFERS, offers);
    if mode != Mode::AsOffered {
        doubt_offers(table);
    }
    let known = Suite::ALL.map(|suite| (suite.name(), suite));
    let suites = table.filled_list(
        "suites",
        "write at least one suite, as in [\"AES_CM_128_HMAC_SHA1_80\"]",
        |value| value.choice(&known),
    );
    joined(mode, offers, suites.unwrap_or(usual))
}

fn doubt_offers(table: &Table<'_>) {
    if let Some(value) = table.value("offered_security") {
        value.warning(
            "this changes nothing: what is offered is what security says",
            "write security = \"as-offered\", or remove this line",
        );
    }
}

/// With the suites that are usual where none were named.
fn parts(security: &Security) -> (Mode, Offers, Vec<Suite>) {
    let usual = || vec![Suite::AesCm128HmacSha1_80];
    match security {
        Security::Plain => (Mode::Plain, Offers::Plain, usual()),
        Security::Sdes(suites) => (Mode::Sdes, Offers::Sdes, suites.clone()),
        Security::SdesIfOffered(suites) => (Mode::SdesIfOffered, Offers::Plain, suites.clone()),
        Security::Dtls => (Mode::Dtls, Offers::Dtls, usual()),
        Security::AsOffered { offers, suites } => (Mode::AsOffered, *offers, suites.clone()),
    }
}

fn joined(mode: Mode, offers: Offers, suites: Vec<Suite>) -> Security {
    match mode {
        Mode::Plain => Security::Plain,
        Mode::Sdes => Security::Sdes(suites),
        Mode::SdesIfOffered => Security::SdesIfOffered(suites),
        Mode::Dtls => Security::Dtls,
        Mode::AsOffered => Security::AsOffered { offers, suites },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_alone_may_be_ones_own() {
        let mut profile = Profile::neutral();
        let suites = vec![Suite::AeadAes128Gcm];
        profile.sdp.security = Security::AsOffered {
            offers: Offers::Sdes,
            suites: suites.clone(),
        };
        for (mode, offers, security) in [
            (None, None, profile.sdp.security.clone()),
            (Some(Mode::Plain), None, Security::Plain),
            (Some(Mode::Sdes), None, Security::Sdes(suites.clone())),
            (Some(Mode::Dtls), None, Security::Dtls),
            (
                None,
                Some(Offers::Dtls),
                Security::AsOffered {
                    offers: Offers::Dtls,
                    suites: suites.clone(),
                },
            ),
        ] {
            let own = OwnSecurity { mode, offers };
            assert_eq!(own.policy(&profile).security, security);
        }
    }

    #[test]
    fn every_mode_is_what_it_is_taken_apart_to() {
        for (_, mode) in MODES {
            let security = joined(mode, Offers::Sdes, vec![Suite::AesCm128HmacSha1_80]);
            assert_eq!(parts(&security).0, mode);
        }
    }
}
