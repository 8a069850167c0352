//! A leg that speaks SIP: endpoint events become [`LegEvent`]s, [`LegCommand`]s become endpoint calls, and offers and
//! answers are settled here (RFC 3264, RFC 6337), on this leg alone.
//!
//! A frozen leg (WhatsApp's, dossier 2.8) sends responses, ACK and BYE, nothing else.

mod referring;
mod reoffer;

use std::collections::BTreeMap;
use std::time::Instant;

use tracing::debug;

use crate::call::ending::Ending;
use crate::call::in_dialog;
use crate::call::leg::{Digit, LegEvent};
use crate::call::leg_end::LegEnd;
use crate::call::sip_words::{
    departed, failure_end, named, reason, rejection, sdp_body, session_timer,
};
use crate::config::SipHabits;
use crate::sdp::{Agreement, Direction, Negotiation, Refusal};
use crate::sip::endpoint::{
    Body, CommandError, Endpoint, Event, Failure, InviteId, PendingId, Reply,
};
use crate::sip::message::{Headers, Method, Request, Response};
use crate::sip::refer::Refer;
use crate::sip::uri::Uri;

use referring::Referred;

pub struct SipLeg {
    invite: InviteId,
    state: State,
    habits: SipHabits,
    contact: Uri,
    negotiation: Negotiation,
    /// The re-INVITE without a description to which our 200 made an offer: its ACK owes the answer.
    answer_owed: Option<PendingId>,
    /// A REFER that waits for the call's decision.
    asked: Option<Referred>,
    /// The one that is followed.
    following: Option<Refer>,
}

enum State {
    /// It called us: rings until our final response, whose description is kept.
    Incoming(Kept),
    /// It called us: our 200 is sent, its ACK awaited.
    Unacknowledged(Kept),
    /// We call it: our INVITE is out. An early dialog that the callee changed by UPDATE (by its tag) went its own way since.
    Outgoing(BTreeMap<String, Negotiation>),
    Confirmed,
    /// Was hung up while we called it; a 200 that crosses our CANCEL is ended.
    Over,
}

/// What our 200 to the first INVITE says.
enum Kept {
    Answer(String),
    /// The INVITE had no offer, so the 200 makes one.
    Offer(String),
}

impl SipLeg {
    /// Its INVITE, the offer answered. The answer is kept until `answer`.
    pub fn incoming(
        invite: InviteId,
        request: &Request,
        habits: SipHabits,
        contact: Uri,
        mut negotiation: Negotiation,
    ) -> Result<(Self, Option<Agreement>), Refusal> {
        let (kept, agreement) = if request.body.is_empty() {
            (Kept::Offer(negotiation.offer(Direction::SendRecv)), None)
        } else {
            let (answer, agreement) = negotiation.answer(&request.body, Direction::SendRecv)?;
            (Kept::Answer(answer), Some(agreement))
        };
        let leg = Self {
            invite,
            state: State::Incoming(kept),
            habits,
            contact,
            negotiation,
            answer_owed: None,
            asked: None,
            following: None,
        };
        Ok((leg, agreement))
    }

    /// Our INVITE, just sent with the negotiation's offer.
    pub fn outgoing(
        invite: InviteId,
        habits: SipHabits,
        contact: Uri,
        negotiation: Negotiation,
    ) -> Self {
        Self {
            invite,
            state: State::Outgoing(BTreeMap::new()),
            habits,
            contact,
            negotiation,
            answer_owed: None,
            asked: None,
            following: None,
        }
    }

    pub fn invite(&self) -> InviteId {
        self.invite
    }
}

/// Commands.
impl SipLeg {
    pub fn ring(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), CommandError> {
        endpoint.progress(now, self.invite, &self.contact, Reply::status(180))?;
        match &self.state {
            State::Incoming(Kept::Answer(text)) if self.habits.early_description => {
                let reply = Reply {
                    status: 183,
                    body: Some(sdp_body(text)),
                    ..Reply::default()
                };
                endpoint.progress(now, self.invite, &self.contact, reply)
            }
            State::Incoming(_)
            | State::Unacknowledged(_)
            | State::Outgoing(_)
            | State::Confirmed
            | State::Over => Ok(()),
        }
    }

    pub fn answer(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), CommandError> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Incoming(kept) => {
                let reply = Reply {
                    status: 200,
                    body: Some(sdp_body(kept.text())),
                    ..Reply::default()
                };
                self.state = State::Unacknowledged(kept);
                let timer = session_timer(&self.habits);
                endpoint.answer(now, self.invite, &self.contact, reply, timer)
            }
            other @ (State::Unacknowledged(_)
            | State::Outgoing(_)
            | State::Confirmed
            | State::Over) => {
                self.state = other;
                Err(CommandError::WrongState("answered already"))
            }
        }
    }

    /// INFO with the digit, to peers that want it so.
    pub fn send_digit(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        digit: Digit,
    ) -> Result<(), CommandError> {
        if self.habits.frozen {
            return Err(CommandError::WrongState("frozen"));
        }
        let body = in_dialog::dtmf_relay(digit);
        endpoint.request_in_dialog(
            now,
            self.invite,
            Method::Info,
            Headers::default(),
            Some(body),
        )?;
        Ok(())
    }

    pub fn hang_up(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        ending: &Ending,
    ) -> Result<(), CommandError> {
        self.state = State::Over;
        let rejection = rejection(ending, &self.habits);
        endpoint.hang_up(now, self.invite, rejection, reason(ending))
    }
}

/// Events.
impl SipLeg {
    pub fn handle_event(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        event: Event,
    ) -> Vec<LegEvent> {
        match event {
            Event::Cancelled { .. } => self.over(LegEnd::Cancelled),
            Event::NeverAcknowledged { .. } => self.over(LegEnd::NeverAcknowledged),
            Event::Failed { failure, .. } => self.failed(failure),
            Event::Ended { why, .. } => self.over(departed(why)),
            Event::Acknowledged { body, .. } => self.acknowledged(now, endpoint, body),
            Event::Progress { response, .. } => self.progressed(&response),
            Event::Answered { response, .. } => self.answered(now, endpoint, &response),
            Event::Reoffered {
                pending, request, ..
            } => self.reoffered(now, endpoint, pending, &request),
            Event::ReofferAcknowledged { pending, body, .. } => self.late_answer(pending, body),
            Event::InDialog {
                pending, request, ..
            } => self.asked(now, endpoint, pending, &request),
            Event::RefreshDue { .. } => Vec::new(),
            Event::Invited { .. } | Event::Requested { .. } | Event::Completed { .. } => Vec::new(),
        }
    }

    fn over(&mut self, end: LegEnd) -> Vec<LegEvent> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Over => Vec::new(),
            State::Incoming(_)
            | State::Unacknowledged(_)
            | State::Outgoing(_)
            | State::Confirmed => {
                vec![LegEvent::Ended(end)]
            }
        }
    }

    fn failed(&mut self, failure: Failure) -> Vec<LegEvent> {
        let mut events = Vec::new();
        if let Failure::Rejected(response) = &failure {
            events.extend(named(response));
        }
        let end = failure_end(failure, &self.habits);
        events.extend(self.over(end));
        events
    }

    fn acknowledged(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        body: Option<Body>,
    ) -> Vec<LegEvent> {
        match std::mem::replace(&mut self.state, State::Confirmed) {
            State::Unacknowledged(Kept::Answer(_)) => vec![LegEvent::Confirmed(None)],
            State::Unacknowledged(Kept::Offer(_)) => {
                let sdp = body.map(|body| body.bytes).unwrap_or_default();
                match self.negotiation.handle_answer(&sdp) {
                    Ok(agreement) => vec![LegEvent::Confirmed(Some(Box::new(agreement)))],
                    Err(refusal) => self.disagree(now, endpoint, &refusal),
                }
            }
            other @ (State::Incoming(_) | State::Outgoing(_) | State::Confirmed | State::Over) => {
                self.state = other;
                Vec::new()
            }
        }
    }

    fn progressed(&mut self, response: &Response) -> Vec<LegEvent> {
        match self.state {
            State::Outgoing(_) => {
                let mut events: Vec<LegEvent> = named(response).collect();
                if response.status == 180 || response.status == 183 || response.status == 182 {
                    events.extend((response.status == 180).then_some(LegEvent::Ringing));
                    events.extend(self.early(response));
                }
                events
            }
            State::Incoming(_) | State::Unacknowledged(_) | State::Confirmed | State::Over => {
                Vec::new()
            }
        }
    }

    /// A description in a provisional response that cannot be agreed to is no end: the final one decides. After an UPDATE
    /// it says nothing new (RFC 3261 §13.2.1).
    fn early(&mut self, response: &Response) -> Option<LegEvent> {
        if response.body.is_empty() || self.updated(response).is_some() {
            return None;
        }
        match self.negotiation.handle_answer(&response.body) {
            Ok(agreement) => Some(LegEvent::EarlyMedia(Box::new(agreement))),
            Err(refusal) => {
                debug!(%refusal, "early media not agreed to");
                None
            }
        }
    }

    /// What UPDATE made of the early dialog that a response is in.
    fn updated(&self, response: &Response) -> Option<&Negotiation> {
        match &self.state {
            State::Outgoing(updated) => updated.get(response.headers.to().ok()?.tag()?),
            State::Incoming(_) | State::Unacknowledged(_) | State::Confirmed | State::Over => None,
        }
    }

    fn answered(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        response: &Response,
    ) -> Vec<LegEvent> {
        if let Err(error) = endpoint.acknowledge(now, self.invite, None) {
            debug!(%error, "no ACK");
        }
        match self.state {
            State::Outgoing(_) => {}
            State::Incoming(_) | State::Unacknowledged(_) | State::Confirmed | State::Over => {
                self.hang_up_silently(now, endpoint);
                return Vec::new();
            }
        }
        match self.final_answer(response) {
            Ok(agreement) => {
                self.state = State::Confirmed;
                let answered = LegEvent::Answered(Box::new(agreement));
                named(response).chain([answered]).collect()
            }
            Err(refusal) => self.disagree(now, endpoint, &refusal),
        }
    }

    /// Without a description the one of a reliable provisional response holds (RFC 6337 §3.1); what an UPDATE settled holds
    /// in any case.
    fn final_answer(&mut self, response: &Response) -> Result<Agreement, Refusal> {
        let updated = self.updated(response).cloned();
        let is_settled = updated.is_some() || response.body.is_empty();
        if let Some(negotiation) = updated {
            self.negotiation = negotiation;
        }
        if is_settled {
            let settled = self.negotiation.agreement().cloned();
            return settled.ok_or(Refusal::NoAudio);
        }
        self.negotiation.handle_answer(&response.body)
    }

    fn disagree(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        refusal: &Refusal,
    ) -> Vec<LegEvent> {
        self.hang_up_silently(now, endpoint);
        self.over(LegEnd::Disagreed(refusal.to_string()))
    }

    fn hang_up_silently(&mut self, now: Instant, endpoint: &mut Endpoint) {
        let rejection = Reply::status(488);
        if let Err(error) = endpoint.hang_up(now, self.invite, rejection, Headers::default()) {
            debug!(%error, "nothing to hang up");
        }
    }

    fn asked(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        pending: PendingId,
        request: &Request,
    ) -> Vec<LegEvent> {
        if request.method == Method::Refer && !self.habits.frozen {
            return self.asked_to_refer(now, endpoint, pending, request);
        }
        let (reply, digit) = in_dialog::reply(request);
        if let Err(error) = endpoint.respond(now, pending, reply) {
            debug!(%error, "request in dialog not answered");
        }
        digit.map(LegEvent::Digit).into_iter().collect()
    }
}

impl Kept {
    fn text(&self) -> &str {
        match self {
            Self::Answer(text) | Self::Offer(text) => text,
        }
    }
}
