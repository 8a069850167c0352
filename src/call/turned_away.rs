//! INVITEs that become no call and have no record, by why: for the caller's `Warning`, the log and the operator's count.

use std::collections::BTreeMap;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TurnedAway {
    /// The listener is in no configuration any more.
    UnknownListener,
    NotWhatsApp,
    NoPeer,
    WrongCredentials,
    /// More requests without credentials than `limits.invites_per_second`.
    TooMany,
    UnknownNumber,
    NoProfile,
    NoCaller,
    /// RFC 4028 §9.
    BriefSession,
    /// An agent's, for whom no business number calls.
    NoNumber,
    /// Its Replaces fits no call of ours (RFC 3891 §3).
    ReplacesNothing,
}

impl TurnedAway {
    pub const ALL: [Self; 11] = [
        Self::UnknownListener,
        Self::NotWhatsApp,
        Self::NoPeer,
        Self::WrongCredentials,
        Self::TooMany,
        Self::UnknownNumber,
        Self::NoProfile,
        Self::NoCaller,
        Self::BriefSession,
        Self::NoNumber,
        Self::ReplacesNothing,
    ];

    /// As in metrics.
    pub fn token(self) -> &'static str {
        match self {
            Self::UnknownListener => "unknown_listener",
            Self::NotWhatsApp => "source_not_whatsapp",
            Self::NoPeer => "source_no_peer",
            Self::WrongCredentials => "wrong_credentials",
            Self::TooMany => "too_many",
            Self::UnknownNumber => "unknown_number",
            Self::NoProfile => "no_profile",
            Self::NoCaller => "no_caller",
            Self::BriefSession => "brief_session",
            Self::NoNumber => "no_number",
            Self::ReplacesNothing => "replaces_nothing",
        }
    }

    /// For a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::UnknownListener => "unknown listener",
            Self::NotWhatsApp => "source address is not WhatsApp's",
            Self::NoPeer => "source address is no peer's",
            Self::WrongCredentials => "wrong credentials",
            Self::TooMany => "too many requests without credentials",
            Self::UnknownNumber => "number is not configured",
            Self::NoProfile => "number has no profile",
            Self::NoCaller => "no caller in From",
            Self::BriefSession => "session interval is too small",
            Self::NoNumber => "no business number belongs to this caller: set number on the trunk",
            Self::ReplacesNothing => "it replaces no call",
        }
    }
}

/// Since the start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TurnedAwayCounts(BTreeMap<TurnedAway, u64>);

impl TurnedAwayCounts {
    pub fn add(&mut self, why: TurnedAway) {
        *self.0.entry(why).or_default() += 1;
    }

    pub fn of(&self, why: TurnedAway) -> u64 {
        self.0.get(&why).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_is_listed_under_its_own_token() {
        let tokens: BTreeSet<&str> = TurnedAway::ALL.iter().map(|why| why.token()).collect();
        assert_eq!(tokens.len(), TurnedAway::ALL.len());
        // A closed set; its last variant is the last of the list.
        assert_eq!(
            TurnedAway::ReplacesNothing as usize + 1,
            TurnedAway::ALL.len()
        );
    }

    #[test]
    fn each_is_counted_by_itself() {
        let mut counts = TurnedAwayCounts::default();
        counts.add(TurnedAway::NoPeer);
        counts.add(TurnedAway::NoPeer);
        assert_eq!(counts.of(TurnedAway::NoPeer), 2);
        assert_eq!(counts.of(TurnedAway::NotWhatsApp), 0);
    }
}
