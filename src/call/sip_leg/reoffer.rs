//! Offers and answers after the first ones: the peer's re-INVITE and UPDATE, and our session refreshes.

use std::time::Instant;

use tracing::{debug, info, warn};

use crate::call::in_dialog;
use crate::call::leg::LegEvent;
use crate::call::sip_leg::{SipLeg, State};
use crate::call::sip_words::{SDP, describe, is_sdp, not_acceptable, ok, sdp_body};
use crate::sdp::{Agreement, Direction, Refusal};
use crate::sip::endpoint::{Body, CommandError, Endpoint, Failure, PendingId, Reply, RequestId};
use crate::sip::message::{Method, Request, Response};

impl SipLeg {
    /// re-INVITE or UPDATE. Answered here and now; the other leg hears nothing of it.
    pub(super) fn reoffered(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        pending: PendingId,
        request: &Request,
    ) -> Vec<LegEvent> {
        let (reply, event) = self.reoffer_reply(pending, request);
        if let Err(error) = endpoint.respond(now, pending, reply) {
            debug!(%error, "re-offer not answered");
        }
        event.into_iter().collect()
    }

    fn reoffer_reply(
        &mut self,
        pending: PendingId,
        request: &Request,
    ) -> (Reply, Option<LegEvent>) {
        match (&request.method, request.body.is_empty()) {
            (_, false) if !is_sdp(request) => (in_dialog::unsupported_media(SDP), None),
            (_, false) => match self.answer_reoffer(request) {
                Ok((answer, agreement)) => (
                    ok(Some(sdp_body(&answer))),
                    Some(LegEvent::Reagreed(Box::new(agreement))),
                ),
                Err(refusal) => {
                    info!(%refusal, "re-offer refused");
                    (not_acceptable(&refusal), None)
                }
            },
            (Method::Invite, true) => {
                let offer = self.negotiation.offer(Direction::SendRecv);
                self.answer_owed = Some(pending);
                (ok(Some(sdp_body(&offer))), None)
            }
            (_, true) => (ok(None), None),
        }
    }

    fn answer_reoffer(&mut self, request: &Request) -> Result<(String, Agreement), Refusal> {
        let State::Outgoing(updated) = &mut self.state else {
            return self.negotiation.answer(&request.body, Direction::SendRecv);
        };
        let from = request.headers.from().ok();
        let tag = from.and_then(|from| from.tag().map(str::to_owned));
        let tag = tag.unwrap_or_default();
        let mut early = updated.get(&tag).unwrap_or(&self.negotiation).clone();
        let answered = early.answer(&request.body, Direction::SendRecv)?;
        updated.insert(tag, early);
        Ok(answered)
    }

    /// The answer to our offer, if the re-INVITE left it to us. An ACK without one is the peer's mistake (RFC 3261
    /// §13.2.1).
    pub(super) fn late_answer(&mut self, pending: PendingId, body: Option<Body>) -> Vec<LegEvent> {
        if self.answer_owed.take_if(|owed| *owed == pending).is_none() {
            return Vec::new();
        }
        let sdp = body.map(|body| body.bytes).unwrap_or_default();
        match self.negotiation.handle_answer(&sdp) {
            Ok(agreement) => vec![LegEvent::Reagreed(Box::new(agreement))],
            Err(refusal) => {
                warn!(%refusal, "no usable answer in the ACK; the session goes on as before");
                self.negotiation.handle_offer_refused();
                Vec::new()
            }
        }
    }
}

/// Session refreshes (RFC 4028 §7.4): our description again, unchanged.
impl SipLeg {
    pub fn refresh(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
    ) -> Result<RequestId, CommandError> {
        if self.habits.frozen {
            return Err(CommandError::WrongState("frozen"));
        }
        let offer = self.negotiation.offer_again();
        endpoint.modify(now, self.invite, offer.as_deref().map(sdp_body))
    }

    /// The peer's answer to a refresh may say something new. Without one everything stays as it was.
    pub fn refreshed(&mut self, outcome: Result<Box<Response>, Failure>) -> Vec<LegEvent> {
        let before = self.negotiation.agreement().cloned();
        match outcome {
            Ok(response) if response.body.is_empty() => Vec::new(),
            Ok(response) => match self.negotiation.handle_answer(&response.body) {
                Ok(agreement) if Some(&agreement) == before.as_ref() => Vec::new(),
                Ok(agreement) => vec![LegEvent::Reagreed(Box::new(agreement))],
                Err(refusal) => {
                    warn!(%refusal, "answer to a session refresh not agreed to");
                    Vec::new()
                }
            },
            Err(failure) => {
                info!(failure = %describe(&failure), "session refresh failed");
                Vec::new()
            }
        }
    }
}
