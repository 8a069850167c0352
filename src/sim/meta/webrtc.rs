//! WhatsApp's media by ICE and DTLS: what it is like, and what is found of the business's side (dossier 3.2).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::sim::fault::{Fault, Faults};
use crate::sim::media::Heard;
use crate::sim::media::link::{Algorithm, Facts, Local, Role};
use crate::sim::sdp::webrtc::Setup;
use crate::sim::verdict::Verdict;

/// `srtp_key_exchange_protocol` of a number (dossier 2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum KeyExchange {
    #[default]
    Sdes,
    /// ICE, DTLS-SRTP.
    Dtls,
}

/// What may be different from one WhatsApp to the next.
#[derive(Clone, Debug, Default)]
pub struct Webrtc {
    pub certificate: Algorithm,
    /// What it describes itself as; otherwise `actpass` in offers and `active` in answers.
    pub setup: Option<Setup>,
    /// Each ClientHello that comes so soon after the first is lost; its own leaves so long after the nomination.
    pub delay: Duration,
    /// AES-128-GCM is preferred.
    pub gcm: bool,
    /// No `a=candidate`: only the m-line and c-line tell where it is.
    pub no_candidates: bool,
    /// Media is also taken at this address, of the other family.
    pub also: Option<IpAddr>,
    /// Told as a candidate too, but nobody is there.
    pub unreachable: Option<SocketAddr>,
}

impl Webrtc {
    pub fn local(
        &self,
        setup: Setup,
        faults: &Faults,
        entropy: &mut Entropy,
    ) -> Result<Local, String> {
        let setup = self.setup.unwrap_or(setup);
        let local = Local::new(self.certificate, setup, faults, entropy);
        Ok(Local {
            delay: self.delay,
            gcm: self.gcm,
            also: self.also,
            ..local.map_err(|error| error.to_string())?
        })
    }

    /// In the order of the description.
    pub fn candidates(&self, media: SocketAddr, also: Option<SocketAddr>) -> Vec<SocketAddr> {
        let all = [Some(media), also, self.unreachable];
        match self.no_candidates {
            true => Vec::new(),
            false => all.into_iter().flatten().collect(),
        }
    }

    /// Of an answer to an offer that said this.
    pub fn answers(offered: Option<Setup>) -> Setup {
        match offered {
            Some(Setup::Active) => Setup::Passive,
            Some(Setup::Actpass | Setup::Passive) | None => Setup::Active,
        }
    }
}

/// How ICE and DTLS went.
pub fn check(heard: &Heard, answered: Instant, verdict: &mut Verdict) {
    let Some(facts) = &heard.link else { return };
    let since = |at: Instant, start: Instant| at.saturating_duration_since(start).as_millis();
    let oddities: Vec<&str> = facts.oddities.iter().map(String::as_str).collect();
    let found = match (facts.nominated, oddities.is_empty()) {
        (_, false) => oddities.join("; "),
        (Some(at), true) => format!("a pair {} ms after the answer", since(at, answered)),
        (None, true) => "no pair was nominated".into(),
    };
    verdict.check(
        "ICE",
        facts.nominated.is_some() && oddities.is_empty(),
        found,
    );
    let found = match (facts.connected, facts.nominated, &facts.failure) {
        (_, _, Some(why)) => why.clone(),
        (Some(connected), Some(nominated), None) => {
            let role = match facts.role {
                Some(Role::Client) => "client",
                Some(Role::Server) | None => "server",
            };
            let suite = facts.suite.map_or("", |suite| suite.name());
            format!(
                "as {role}, {suite}, {} ms after ICE",
                since(connected, nominated)
            )
        }
        (_, _, None) if facts.greeted.is_none() => "no ClientHello".into(),
        (_, _, None) => "begun, never ended".into(),
    };
    let held = facts.connected.is_some() && facts.failure.is_none();
    verdict.check("DTLS", held, found);
}

/// How much later than at once the business's first packet may come: what we held up ourselves.
pub fn excuse(webrtc: &Webrtc, facts: Option<&Facts>, faults: &Faults) -> Duration {
    let Some(facts) = facts else {
        return Duration::ZERO;
    };
    // OpenSSL repeats its own after a second.
    let repeats = faults.contains(&Fault::LostClientHello) && facts.role == Some(Role::Client);
    webrtc.delay + Duration::from_secs(u64::from(repeats))
}
