//! What finished calls cost (dossier 6): a call from the business that was picked up is priced when its CDR is taken up,
//! all others are free. Without `[rates]` nothing has a price.

use std::time::{Duration, SystemTime};

use tracing::{debug, warn};

use crate::call::cdr::{CallDirection, Cdr};
use crate::party::Party;
use crate::rates::{Initiator, PickedUp, Tariff, Terms};

pub struct Charging(Option<Tariff>);

/// A call that was picked up before this process began, as it was written down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastCall {
    pub user: Party,
    pub answered: SystemTime,
    /// WhatsApp's count where it is known, else ours.
    pub talk: Duration,
}

impl Charging {
    pub fn new(terms: Option<&Terms>) -> Self {
        Self(terms.cloned().map(Tariff::new))
    }

    /// New terms; the month's minutes stay.
    pub fn follow(&mut self, terms: Option<&Terms>) {
        match (&mut self.0, terms) {
            (Some(tariff), Some(terms)) => tariff.follow(terms.clone()),
            (_, terms) => *self = Self::new(terms),
        }
    }

    /// Counts a call of before, so that the month goes on in its tier. In the order of their answers.
    pub fn restore(&mut self, call: &PastCall) {
        let Some(tariff) = &mut self.0 else { return };
        let picked_up = PickedUp {
            by: Initiator::Business,
            user: &call.user,
            at: call.answered,
            talk: call.talk,
        };
        // What had no price moved no tier: it is the same now, unless the cards are others.
        if let Err(error) = tariff.handle_call(&picked_up) {
            debug!(%error, "past call not counted");
        }
    }

    /// Fills in what the call costs, or why that is not known.
    pub fn charge(&mut self, cdr: &mut Cdr) {
        let (Some(tariff), Some(at)) = (&mut self.0, cdr.answered) else {
            return;
        };
        let user = billed(&cdr.user, cdr.user_id.as_deref());
        let counted = cdr.whatsapp_duration_s;
        let picked_up = PickedUp {
            by: cdr.direction.into(),
            user: &user,
            at,
            talk: counted.map_or(cdr.talk, |seconds| Duration::from_secs(seconds.into())),
        };
        match tariff.handle_call(&picked_up) {
            Ok(charge) => cdr.charge = charge,
            Err(error) => {
                warn!(call = %cdr.call, %error, "call has no price");
                cdr.charge_error = Some(error.to_string());
            }
        }
    }
}

/// Whom a CDR's call is billed for: by number, or by the user id of one who shows none.
pub fn billed(user: &str, user_id: Option<&str>) -> Party {
    let known = |text| match Party::from_user_part(text) {
        Some(Party::Other(_)) | None => None,
        known => known,
    };
    known(user)
        .or_else(|| known(user_id?))
        .unwrap_or_else(|| Party::Other(user.to_owned()))
}

impl From<CallDirection> for Initiator {
    fn from(direction: CallDirection) -> Self {
        match direction {
            CallDirection::UserInitiated => Self::User,
            CallDirection::BusinessInitiated => Self::Business,
        }
    }
}

#[cfg(test)]
mod tests;
