//! WhatsApp's limits, as configuration (dossier 5).

use std::num::NonZeroU16;
use std::time::Duration;

use crate::party::{NumberPrefix, NumberPrefixes, PhoneNumber};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// So many times within any stretch of this length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    pub times: NonZeroU16,
    pub within: Duration,
}

/// Which limits hold. Numbers change: each is a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Permission requests to one user; a connected call begins the count anew.
    pub requests: Vec<Quota>,
    /// Connected calls from the business to one user.
    pub connected: Quota,
    /// After so many unanswered calls in a row WhatsApp asks the user whether to go on.
    pub nudge_after: u32,
    /// After so many it withdraws the permission.
    pub revoke_after: u32,
    /// How long a temporary permission lasts whose end is not told.
    pub temporary_permission: Duration,
    /// How long a call keeps the customer-service window open.
    pub service_window: Duration,
    /// Calls of one business number at the same time, both directions.
    pub concurrent_calls: u32,
    /// By the beginnings of business numbers; what is not here may call.
    pub business_numbers: NumberPrefixes<MayCall>,
    pub when_unknown: WhenUnknown,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MayCall {
    Yes,
    No,
}

/// What to do while nothing is known of a user's permission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenUnknown {
    /// Place the call: WhatsApp knows.
    AskWhatsApp,
    Refuse,
}

impl Quota {
    /// None at all (0) counts as one.
    pub fn new(times: u16, within: Duration) -> Self {
        let times = NonZeroU16::new(times).unwrap_or(NonZeroU16::MIN);
        Self { times, within }
    }

    pub(super) fn most(&self) -> usize {
        self.times.get().into()
    }
}

impl Rules {
    /// Countries whose business numbers may not call users: US and Canada, Egypt, Vietnam, Nigeria.
    pub const MAY_NOT_CALL: [&str; 4] = ["1", "20", "84", "234"];

    /// Other countries behind `+1`; the islands that belong to the US stay with it.
    pub const MAY_CALL: [&str; 21] = [
        "1242", "1246", "1264", "1268", "1284", "1345", "1441", "1473", "1649", "1658", "1664",
        "1721", "1758", "1767", "1784", "1809", "1829", "1849", "1868", "1869", "1876",
    ];

    pub fn production() -> Self {
        Self {
            requests: vec![Quota::new(1, DAY), Quota::new(2, 7 * DAY)],
            connected: Quota::new(100, DAY),
            nudge_after: 2,
            revoke_after: 4,
            temporary_permission: 168 * HOUR,
            service_window: DAY,
            concurrent_calls: 1_000,
            business_numbers: business_numbers(),
            when_unknown: WhenUnknown::AskWhatsApp,
        }
    }

    /// For sandbox accounts and public test numbers.
    pub fn sandbox() -> Self {
        Self {
            requests: vec![Quota::new(25, DAY), Quota::new(100, 7 * DAY)],
            nudge_after: 5,
            revoke_after: 10,
            ..Self::production()
        }
    }

    pub fn may_call(&self, number: &PhoneNumber) -> MayCall {
        let known = self.business_numbers.of(number);
        known.copied().unwrap_or(MayCall::Yes)
    }
}

fn business_numbers() -> NumberPrefixes<MayCall> {
    let no = Rules::MAY_NOT_CALL
        .iter()
        .map(|prefix| (prefix, MayCall::No));
    let yes = Rules::MAY_CALL.iter().map(|prefix| (prefix, MayCall::Yes));
    no.chain(yes)
        .filter_map(|(prefix, may)| Some((prefix.parse::<NumberPrefix>().ok()?, may)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_that_may_not_call() {
        let rules = Rules::production();
        for (number, may) in [
            ("+12195550714", MayCall::No),
            ("+12425550714", MayCall::Yes),
            ("+18765550714", MayCall::Yes),
            ("+201001234567", MayCall::No),
            ("+84901234567", MayCall::No),
            ("+2348012345678", MayCall::No),
            ("+2331234567", MayCall::Yes),
            ("+4930123456", MayCall::Yes),
            ("+905321234567", MayCall::Yes),
        ] {
            let number = PhoneNumber::parse(number).unwrap();
            assert_eq!(rules.may_call(&number), may, "{}", number.expose());
        }
    }
}
