//! REFER of the peer (RFC 3515): read, answered as the call decides, its subscription told how it goes.

use std::time::Instant;

use tracing::{debug, info};

use crate::call::leg::{LegEvent, Referral, ReferralKind};
use crate::call::sip_leg::SipLeg;
use crate::sip::endpoint::{CommandError, Endpoint, PendingId, Reply, RequestId};
use crate::sip::message::{Method, Request};
use crate::sip::refer::{Outcome, Refer};

/// A REFER that is to be answered.
pub(super) struct Referred {
    pending: PendingId,
    refer: Refer,
}

impl SipLeg {
    pub(super) fn asked_to_refer(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        pending: PendingId,
        request: &Request,
    ) -> Vec<LegEvent> {
        let reply = match Refer::read(request) {
            // One of our own dialogs: both its ends are ours then, and no PBX is left to talk to.
            Ok(refer) if is_own(endpoint, &refer) => {
                info!("referral refused: the dialog to be replaced is our own");
                Reply::status(603)
            }
            Ok(refer) => {
                let referral = Referral {
                    to: refer.target.user_name().unwrap_or_default(),
                    kind: match refer.replaces {
                        Some(_) => ReferralKind::Attended,
                        None => ReferralKind::Blind,
                    },
                };
                self.asked = Some(Referred { pending, refer });
                return vec![LegEvent::Referred(referral)];
            }
            Err(error) => {
                info!(%error, "REFER refused");
                Reply::status(400)
            }
        };
        answer(now, endpoint, pending, reply);
        Vec::new()
    }

    /// 202, and what is to be called.
    pub fn take_referral(&mut self, now: Instant, endpoint: &mut Endpoint) -> Option<Refer> {
        let Referred { pending, refer } = self.asked.take()?;
        answer(now, endpoint, pending, refer.accepted());
        self.following = Some(refer.clone());
        // RFC 3515 §2.4.4: the first NOTIFY follows at once.
        if let Err(error) = self.tell_referrer(now, endpoint, 100) {
            debug!(%error, "no NOTIFY");
        }
        Some(refer)
    }

    /// One at a time (RFC 3261 §21.4.27: 491 says to try again).
    pub fn refuse_referral(&mut self, now: Instant, endpoint: &mut Endpoint) {
        if let Some(Referred { pending, .. }) = self.asked.take() {
            answer(now, endpoint, pending, Reply::status(491));
        }
    }

    pub fn tell_referrer(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        status: u16,
    ) -> Result<RequestId, CommandError> {
        let Some(refer) = &self.following else {
            return Err(CommandError::WrongState("nobody referred us"));
        };
        let outcome = match status {
            ..200 => Outcome::Underway(status),
            200.. => Outcome::Final(status),
        };
        if !refer.subscribes {
            return Err(CommandError::WrongState("it does not want to know"));
        }
        let (headers, body) = refer.notify(&outcome);
        if status >= 200 {
            self.following = None;
        }
        endpoint.request_in_dialog(now, self.invite, Method::Notify, headers, Some(body))
    }
}

fn is_own(endpoint: &Endpoint, refer: &Refer) -> bool {
    let replaces = refer.replaces.as_ref();
    replaces.is_some_and(|replaces| endpoint.find_replaced(replaces).is_ok())
}

fn answer(now: Instant, endpoint: &mut Endpoint, pending: PendingId, reply: Reply) {
    if let Err(error) = endpoint.respond(now, pending, reply) {
        debug!(%error, "REFER not answered");
    }
}
