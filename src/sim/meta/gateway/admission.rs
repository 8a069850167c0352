//! Whether WhatsApp lets a call in: its checks, in their order (dossier 10.2).

use std::collections::BTreeMap;

use crate::sim::meta::gateway::account::{Account, Business, Challenges, Permission, User};
use crate::sim::meta::gateway::answer::Offered;
use crate::sim::meta::gateway::nonces::{Nonces, Use};
use crate::sim::meta::gateway::refusal::Refusal;
use crate::sim::meta::gateway::responses::NAME;
use crate::sim::sip::Message;
use crate::sim::sip::digest::{Answered, Identity};
use crate::sim::sip::message::{address_part, host_part, user_part};

/// A business number and a user.
pub type Pair = (String, String);

/// What changes with every call.
#[derive(Default)]
pub struct State {
    pub nonces: Nonces,
    /// By Call-ID.
    active: BTreeMap<String, Pair>,
    connected: BTreeMap<Pair, u32>,
}

impl State {
    fn begin(&mut self, call_id: &str, pair: &Pair) {
        self.active.insert(call_id.into(), pair.clone());
    }

    /// As often as one likes.
    pub fn end(&mut self, call_id: &str) {
        self.active.remove(call_id);
    }

    pub fn count_connected(&mut self, pair: &Pair) {
        *self.connected.entry(pair.clone()).or_default() += 1;
    }

    pub fn is_called(&self, user: &str) -> bool {
        self.active.values().any(|(_, one)| one == user)
    }

    fn calls_of(&self, business: &str) -> usize {
        let pairs = self.active.values();
        pairs.filter(|(one, _)| one == business).count()
    }

    fn is_active(&self, pair: &Pair) -> bool {
        self.active.values().any(|one| one == pair)
    }

    fn connected(&self, pair: &Pair) -> u32 {
        self.connected.get(pair).copied().unwrap_or(0)
    }
}

/// Why a call is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    Challenge { stale: bool },
    Refusal(Refusal),
}

impl From<Refusal> for Obstacle {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// Who calls whom, as far as the account knows them.
#[derive(Clone, Debug)]
pub struct Parties {
    pub pair: Pair,
    pub from_host: String,
    pub business: Option<Business>,
    pub user: Option<User>,
}

impl Parties {
    pub fn of(invite: &Message, account: &Account) -> Self {
        let from = invite.uri_of("From").unwrap_or_default();
        let name = |uri| {
            user_part(uri)
                .split(';')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        let pair = (name(from), name(invite.uri()));
        Self {
            from_host: host_part(from).to_ascii_lowercase(),
            business: account.businesses.get(&pair.0).cloned(),
            user: account.user(&pair.1).cloned(),
            pair,
        }
    }

    pub fn challenges(&self) -> Challenges {
        let user = self.user.as_ref();
        user.map(|user| user.challenges.clone()).unwrap_or_default()
    }

    /// Takes the call into account when it is let in.
    pub fn admit(&self, invite: &Message, state: &mut State) -> Result<Offered, Obstacle> {
        address(invite)?;
        let business = self.business.as_ref().ok_or(Refusal::Asset)?;
        must(
            is_served_by(&business.host, &self.from_host),
            Refusal::Server,
        )?;
        self.credentials(invite, business, &mut state.nonces)?;
        self.standing(business, state)?;
        let offered = Offered::read(invite, business).map_err(|_| Refusal::Sdp)?;
        state.begin(invite.call_id(), &self.pair);
        Ok(offered)
    }

    fn credentials(
        &self,
        invite: &Message,
        business: &Business,
        nonces: &mut Nonces,
    ) -> Result<(), Obstacle> {
        let mut answers = Answered::all(invite);
        let Some(answered) = answers.find(|one| one.field("realm") == NAME) else {
            return Err(Obstacle::Challenge { stale: false });
        };
        must(self.is_right(&answered, business), Refusal::Digest)?;
        let nc = u32::from_str_radix(&answered.field("nc"), 16).unwrap_or(0);
        let lives = self.challenges().nonce_lives;
        match nonces.count(&answered.field("nonce"), nc, lives) {
            Use::Good => {}
            Use::Stale => return Err(Obstacle::Challenge { stale: true }),
            Use::Replayed => return Err(Refusal::Digest.into()),
        }
        let of_digest = address_part(&answered.field("uri"));
        let of_to = address_part(invite.uri_of("To").unwrap_or_default());
        must(of_digest == of_to, Refusal::DigestUri)?;
        Ok(())
    }

    fn is_right(&self, answered: &Answered, business: &Business) -> bool {
        let challenges = self.challenges();
        let algorithm = match answered.field("algorithm") {
            none if none.is_empty() => "MD5".into(),
            named => named,
        };
        let mut asked = challenges.algorithms.iter();
        let asked = asked.any(|one| one.name().eq_ignore_ascii_case(&algorithm));
        let with_plus = self.pair.0.as_str();
        let accepted = challenges.plus_is_accepted.then_some(with_plus);
        let mut names = accepted
            .into_iter()
            .chain([with_plus.trim_start_matches('+')]);
        asked
            && names.any(|username| {
                let password = &business.password;
                answered.is_of(Identity { username, password }, "INVITE")
            })
    }

    fn standing(&self, business: &Business, state: &State) -> Result<(), Refusal> {
        let refusal = self.user.as_ref().and_then(|user| user.refusal);
        refusal.map_or(Ok(()), Err)?;
        must(business.app_is_authorized, Refusal::App)?;
        must(business.may_pay, Refusal::Billing)?;
        let user = self.user.as_ref().ok_or(Refusal::Permission)?;
        must(user.permission == Permission::Given, Refusal::Permission)?;
        let connected = state.connected(&self.pair);
        must(connected < user.calls_left, Refusal::DailyLimit)?;
        let is_active = user.is_in_a_call || state.is_active(&self.pair);
        must(!is_active, Refusal::Duplicate)?;
        let calls = state.calls_of(&self.pair.0);
        must(calls < business.concurrency, Refusal::Concurrency)
    }
}

fn address(invite: &Message) -> Result<(), Refusal> {
    let uri = invite.uri();
    let is_sip = uri
        .get(..4)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:"));
    let is_named = host_part(uri).eq_ignore_ascii_case(NAME);
    must(is_sip && is_named, Refusal::Address)?;
    let lacks_plus = user_part(uri).starts_with(|first: char| first.is_ascii_digit());
    must(!lacks_plus, Refusal::NoPlus)
}

/// The host of From is the configured one, or a domain above it.
pub fn is_served_by(configured: &str, from: &str) -> bool {
    let configured = configured.to_ascii_lowercase();
    let above = configured.strip_suffix(from);
    !from.is_empty() && above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn must(held: bool, refusal: Refusal) -> Result<(), Refusal> {
    held.then_some(()).ok_or(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_may_be_of_a_domain_above() {
        for (from, held) in [
            ("bar.foo.com", true),
            ("foo.com", true),
            ("oo.com", false),
            ("a.bar.foo.com", false),
            ("", false),
        ] {
            assert_eq!(is_served_by("Bar.foo.com", from), held, "{from}");
        }
    }
}
