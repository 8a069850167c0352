//! Challenges that were answered well, for the next call on the same way: it answers before it is asked (RFC 7616 §3.6),
//! and is spared a round trip.

use std::collections::BTreeMap;

use crate::sip::digest::responder::Session;
use crate::sip::digest::{Credentials, Responder};
use crate::sip::flow::NextHop;

/// The account that was used longest ago goes when there are more.
const MAX_ACCOUNTS: usize = 1024;

/// Who is known where. A challenge is never answered for another user, nor at another hop.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Account {
    pub hop: NextHop,
    pub username: String,
}

/// The last good challenge of each realm of each account; no password and no answer is in it. A nonce's count is one for
/// all who answer with it, calls and requests in their dialogs alike: it never comes twice.
#[derive(Default)]
pub struct Memory {
    accounts: BTreeMap<Account, Remembered>,
    /// Counts what is asked and kept, to know what is oldest.
    moment: u64,
}

struct Remembered {
    sessions: Vec<Session>,
    used: u64,
}

impl Memory {
    /// One that answers what is remembered of the account, if anything is.
    pub fn responder(&mut self, account: &Account, credentials: Credentials) -> Responder {
        self.moment += 1;
        let remembered = self.accounts.get_mut(account);
        let sessions = remembered.map(|remembered| {
            remembered.used = self.moment;
            remembered.sessions.clone()
        });
        Responder::with_sessions(credentials, sessions.unwrap_or_default())
    }

    /// The peer took an answer of this responder.
    pub fn keep(&mut self, account: &Account, responder: &Responder) {
        let sessions = responder.countable_sessions();
        if sessions.is_empty() {
            return;
        }
        self.moment += 1;
        let used = self.moment;
        let remembered = Remembered { sessions, used };
        self.accounts.insert(account.clone(), remembered);
        if self.accounts.len() > MAX_ACCOUNTS {
            self.drop_oldest();
        }
    }

    /// The peer wants another answer, or none of ours.
    pub fn forget(&mut self, account: &Account) {
        self.accounts.remove(account);
    }

    fn drop_oldest(&mut self) {
        let oldest = self.accounts.iter().min_by_key(|(_, known)| known.used);
        if let Some(account) = oldest.map(|(account, _)| account.clone()) {
            self.accounts.remove(&account);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use crate::sip::flow::{Host, ListenerId, Transport};
    use crate::sip::message::{Method, Name, Request, Response};
    use crate::sip::uri::Uri;

    fn account(host: &str, username: &str) -> Account {
        Account {
            hop: NextHop {
                listener: ListenerId(0),
                transport: Transport::Tls,
                host: Host::Name(host.to_owned()),
                port: Some(5061),
            },
            username: username.to_owned(),
        }
    }

    fn credentials() -> Credentials {
        Credentials {
            username: "17015550100".to_owned(),
            password: "secret".into(),
        }
    }

    fn invite() -> Request {
        let uri = Uri::parse("sip:+12195550714@wa.meta.vc").unwrap();
        Request::new(Method::Invite, uri)
    }

    fn challenged(challenge: &str) -> Responder {
        let mut responder = Responder::new(credentials());
        let mut response = Response::reply_to(&invite(), 407, None);
        response.headers.push(Name::ProxyAuthenticate, challenge);
        let mut entropy = Entropy::from_seed([1; 32]);
        responder
            .handle_challenge(&invite(), &response, &mut entropy)
            .unwrap();
        responder
    }

    fn answer(mut responder: Responder) -> Option<String> {
        let mut invite = invite();
        responder.authorize(&mut invite);
        invite
            .headers
            .get(&Name::ProxyAuthorization)
            .map(str::to_owned)
    }

    const COUNTED: &str = "Digest realm=\"r\",nonce=\"n\",qop=\"auth\"";

    #[test]
    fn an_answer_is_for_one_user_at_one_hop() {
        let mut memory = Memory::default();
        memory.keep(&account("a", "user"), &challenged(COUNTED));
        for (account, known) in [
            (account("a", "user"), true),
            (account("b", "user"), false),
            (account("a", "other"), false),
        ] {
            let answer = answer(memory.responder(&account, credentials()));
            assert_eq!(answer.is_some(), known);
        }
        memory.forget(&account("a", "user"));
        assert_eq!(
            answer(memory.responder(&account("a", "user"), credentials())),
            None
        );
    }

    #[test]
    fn a_count_is_used_once_by_whoever_answers() {
        let mut memory = Memory::default();
        let mut first = challenged(COUNTED);
        let here = account("a", "user");
        memory.keep(&here, &first);
        let mut counts = Vec::new();
        for _ in 0..3 {
            let mut request = invite();
            first.authorize(&mut request);
            let of_first = request.headers.get(&Name::ProxyAuthorization).unwrap();
            counts.push(count(of_first));
            let of_another = answer(memory.responder(&here, credentials())).unwrap();
            counts.push(count(&of_another));
        }
        assert_eq!(
            counts,
            (1..=6).map(|n| format!("{n:08x}")).collect::<Vec<_>>()
        );
    }

    fn count(answer: &str) -> String {
        let (_, rest) = answer.split_once("nc=").unwrap();
        rest.chars().take(8).collect()
    }

    /// Nothing would tell such an answer's second use from its first, so that a refusal means the password.
    #[test]
    fn what_has_no_count_is_not_kept() {
        let mut memory = Memory::default();
        let here = account("a", "user");
        memory.keep(&here, &challenged("Digest realm=\"r\",nonce=\"n\""));
        assert_eq!(answer(memory.responder(&here, credentials())), None);
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let mut memory = Memory::default();
        let responder = challenged(COUNTED);
        for n in 0..MAX_ACCOUNTS {
            memory.keep(&account("a", &n.to_string()), &responder);
        }
        memory.responder(&account("a", "0"), credentials());
        memory.keep(&account("a", "new"), &responder);
        assert_eq!(memory.accounts.len(), MAX_ACCOUNTS);
        for (username, known) in [("0", true), ("1", false), ("new", true)] {
            let is_known = memory.accounts.contains_key(&account("a", username));
            assert_eq!(is_known, known, "{username}");
        }
    }
}
