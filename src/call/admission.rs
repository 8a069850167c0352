//! Who may call: decided by the listener, the source address and the digest; never by a header (dossier 2.4: what
//! guides match on, `X-FB-External-Domain`, anyone can write).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::call::challenge::{Challenger, Proof};
use crate::call::health::{unavailable, warning};
use crate::call::identity::Context;
use crate::call::reception::whatsapp_profile;
use crate::call::sip_words;
use crate::call::trunk::PeerId;
use crate::call::turned_away::TurnedAway;
use crate::config::{Config, Faces, Number, Prefix, SipHabits};
use crate::entropy::Entropy;
use crate::party::PhoneNumber;
use crate::sip::endpoint::Reply;
use crate::sip::flow::Source;
use crate::sip::message::{Name, Request};

pub struct Admission {
    challenger: Challenger,
    rate: Rate,
}

pub enum Verdict {
    /// A user calls this number.
    User {
        number: PhoneNumber,
        context: Context,
    },
    /// A PBX peer of ours calls.
    Pbx(PeerId),
    /// Who sent it is to prove who it is.
    Challenged {
        reply: Reply,
    },
    Refused {
        reply: Reply,
        why: TurnedAway,
    },
}

impl Admission {
    pub fn new(config: &Config, entropy: Entropy) -> Self {
        Self {
            challenger: Challenger::new(config, entropy),
            rate: Rate::default(),
        }
    }

    pub fn reconfigure(&mut self, config: &Config) {
        self.challenger.reconfigure(config);
    }

    /// Judges an INVITE outside any dialog.
    pub fn judge(
        &mut self,
        now: Instant,
        config: &Config,
        source: Source,
        invite: &Request,
    ) -> Verdict {
        match config.listeners.get(&source.listener) {
            Some(listener) => match listener.faces {
                Faces::WhatsApp => self.judge_user(now, config, source, invite),
                Faces::Pbx => self.judge_pbx(now, config, source, invite),
            },
            None => refused(403, TurnedAway::UnknownListener),
        }
    }

    /// Judges any other request outside a dialog, but OPTIONS, which everyone may ask. The answer, if it is to be refused.
    pub fn judge_other(
        &mut self,
        now: Instant,
        config: &Config,
        source: Source,
        request: &Request,
    ) -> Option<Reply> {
        let peer = peer_of(config, source.remote.ip())?;
        match self.authenticate_peer(now, config, source, &peer, request)? {
            Verdict::User { .. } | Verdict::Pbx(_) => None,
            Verdict::Challenged { reply } | Verdict::Refused { reply, .. } => Some(reply),
        }
    }

    fn judge_pbx(
        &mut self,
        now: Instant,
        config: &Config,
        source: Source,
        invite: &Request,
    ) -> Verdict {
        let Some(peer) = peer_of(config, source.remote.ip()) else {
            return refused(403, TurnedAway::NoPeer);
        };
        self.authenticate_peer(now, config, source, &peer, invite)
            .unwrap_or(Verdict::Pbx(peer))
    }

    /// `None` when its credentials are right, or none are asked for.
    fn authenticate_peer(
        &mut self,
        now: Instant,
        config: &Config,
        source: Source,
        peer: &PeerId,
        request: &Request,
    ) -> Option<Verdict> {
        let (trunk, peer) = peer.find(config)?;
        let profile = config.profiles.get(&trunk.profile)?;
        let proof = self.challenger.prove_peer(now, &profile.sip, peer, request);
        match proof {
            Proof::Given => None,
            Proof::Wanted(reply) => Some(self.challenge(now, config, source, reply)),
            Proof::Denied => Some(refused(403, TurnedAway::WrongCredentials)),
        }
    }

    /// A WhatsApp user calls a business number.
    fn judge_user(
        &mut self,
        now: Instant,
        config: &Config,
        source: Source,
        invite: &Request,
    ) -> Verdict {
        let address = source.remote.ip();
        if !is_allowed(&config.whatsapp.source_prefixes, address) {
            return refused(403, TurnedAway::NotWhatsApp);
        }
        let Some(number) = called(config, invite) else {
            return refused(404, TurnedAway::UnknownNumber);
        };
        let Some(context) = Context::read(invite) else {
            return refused(400, TurnedAway::NoCaller);
        };
        self.authenticate(now, config, source, number, invite)
            .unwrap_or_else(|| Verdict::User {
                number: number.number.clone(),
                context,
            })
    }

    /// `None` when the credentials are right, or none are asked for.
    fn authenticate(
        &mut self,
        now: Instant,
        config: &Config,
        source: Source,
        number: &Number,
        invite: &Request,
    ) -> Option<Verdict> {
        let Some(profile) = whatsapp_profile(config, &number.number) else {
            return Some(refused(404, TurnedAway::NoProfile));
        };
        match self.challenger.prove(now, &profile.sip, number, invite) {
            Proof::Given => too_brief(&profile.sip, invite),
            Proof::Wanted(reply) => Some(self.challenge(now, config, source, reply)),
            Proof::Denied => Some(refused(403, TurnedAway::WrongCredentials)),
        }
    }

    /// Asks for credentials, unless the source asks for that too often.
    fn challenge(
        &mut self,
        now: Instant,
        config: &Config,
        source: Source,
        reply: Reply,
    ) -> Verdict {
        let limit = config.limits.invites_per_second;
        if self.rate.take(now, source.remote.ip(), limit) {
            return Verdict::Challenged { reply };
        }
        let why = TurnedAway::TooMany;
        Verdict::Refused {
            reply: unavailable(why.words()),
            why,
        }
    }
}

/// The trunk peer that an address belongs to.
pub fn peer_of(config: &Config, address: IpAddr) -> Option<PeerId> {
    PeerId::all(config)
        .find(|(_, _, peer)| {
            let prefixes = &peer.source_prefixes;
            prefixes.iter().any(|prefix| prefix.contains(address))
        })
        .map(|(id, _, _)| id)
}

/// The business number in the request URI: with or without `+`, whatever user parameters follow it (dossier 2.2).
fn called<'c>(config: &'c Config, invite: &Request) -> Option<&'c Number> {
    let number = PhoneNumber::from_user_part(invite.uri.user.as_deref()?).ok()?;
    config.numbers.get(&number)
}

fn is_allowed(prefixes: &[Prefix], address: IpAddr) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| prefix.contains(address))
}

/// The session timer asked for is below the profile's `session_min_s` (RFC 4028 §9).
fn too_brief(habits: &SipHabits, invite: &Request) -> Option<Verdict> {
    let reply = sip_words::session_timer(habits).refuse(invite)?;
    let why = TurnedAway::BriefSession;
    Some(Verdict::Refused { reply, why })
}

fn refused(status: u16, why: TurnedAway) -> Verdict {
    let mut reply = Reply::status(status);
    reply.headers.push(Name::Warning, warning(why.words()));
    Verdict::Refused { reply, why }
}

/// A token bucket for each source address: `limit` at once, `limit` a second.
#[derive(Default)]
struct Rate(BTreeMap<IpAddr, Bucket>);

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Addresses remembered at most.
const MAX_ADDRESSES: usize = 4096;

impl Rate {
    /// Whether one more is within the limit; it is counted then.
    fn take(&mut self, now: Instant, address: IpAddr, limit: u32) -> bool {
        if self.0.len() >= MAX_ADDRESSES && !self.0.contains_key(&address) {
            self.make_room(now);
        }
        let limit = f64::from(limit);
        let bucket = self.0.entry(address).or_insert(Bucket {
            tokens: limit,
            at: now,
        });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * limit).min(limit);
        bucket.at = now;
        let enough = bucket.tokens >= 1.0;
        if enough {
            bucket.tokens -= 1.0;
        }
        enough
    }

    /// A bucket that was left alone for a second is full: it says nothing.
    fn make_room(&mut self, now: Instant) {
        let second = Duration::from_secs(1);
        self.0
            .retain(|_, bucket| now.saturating_duration_since(bucket.at) < second);
        if self.0.len() >= MAX_ADDRESSES {
            self.0.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_each_addresses_own_and_bounded() {
        let start = Instant::now();
        let mut rate = Rate::default();
        let noisy: IpAddr = "192.0.2.1".parse().unwrap();
        let quiet: IpAddr = "192.0.2.2".parse().unwrap();
        let taken =
            |rate: &mut Rate, at, address| (0..10).filter(|_| rate.take(at, address, 4)).count();
        assert_eq!(taken(&mut rate, start, noisy), 4);
        assert_eq!(taken(&mut rate, start, quiet), 4);
        assert_eq!(
            taken(&mut rate, start + Duration::from_millis(500), noisy),
            2
        );
        for host in 0..10_000u32 {
            rate.take(start, IpAddr::V4(host.into()), 4);
        }
        assert!(rate.0.len() <= MAX_ADDRESSES);
    }
}
