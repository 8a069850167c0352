//! Changes of a session: re-INVITE (RFC 3261 §14) and UPDATE (RFC 3311), ours and the peer's, and how they meet.

use std::time::{Duration, Instant};

use crate::sip::core::{ALLOW, Core, Draft, put_body};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{
    Body, CommandError, Departure, Event, Failure, PendingId, Reply, RequestId,
};
use crate::sip::invite::ack::AwaitingAck;
use crate::sip::invite::connect::{MAX_ROUNDS, supported};
use crate::sip::invite::{MAX_PENDING, Phase, State, Usage};
use crate::sip::message::{Headers, Method, Name, NameAddr, Request, Response};
use crate::sip::session_timer;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::Owner;
use crate::sip::transaction::servers;
use crate::sip::uri::Uri;

/// A re-INVITE that met one of the peer's, and the 491 it got.
pub struct Retry {
    draft: Draft,
    rejection: Response,
}

impl Usage {
    /// re-INVITE of ours.
    pub fn modify(
        &mut self,
        core: &mut Core,
        now: Instant,
        body: Option<Body>,
    ) -> Result<RequestId, CommandError> {
        let id = self.id;
        let established = self.established()?;
        let Phase::Idle = established.phase else {
            return Err(CommandError::WrongState(established.phase.name()));
        };
        let session = &mut established.session;
        let cseq = session.dialog.next_cseq();
        let mut request = session.dialog.request(Method::Invite, cseq);
        let headers = &mut request.headers;
        headers.push(
            Name::Contact,
            NameAddr::new(session.contact.clone()).to_value(),
        );
        headers.push(Name::Allow, ALLOW);
        if let Some(supported) = supported(false, session.setting) {
            headers.push(Name::Supported, supported);
        }
        session_timer::ask(session.setting, session.running.as_ref(), headers);
        request.body = put_body(headers, body);
        if let Some(login) = &mut session.login {
            login.authorize(&mut request);
        }
        let path = session.dialog.path();
        let request_id = RequestId(core.next_id());
        established.phase = Phase::Modifying {
            request: request_id,
        };
        self.requests.insert(request_id);
        core.send_in_dialog(now, Owner::Modify(id), request, path);
        Ok(request_id)
    }

    /// A response to our re-INVITE. False when nothing waits for it.
    pub fn handle_modify_response(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        response: &Response,
    ) -> bool {
        let State::Established(established) = &mut self.state else {
            return false;
        };
        let Phase::Modifying { request } = established.phase else {
            return false;
        };
        match response.status {
            ..200 => {}
            200..300 => {
                self.modified(core, now, transaction, response);
                self.complete(core, request, Ok(Box::new(response.clone())));
            }
            491 => self.modify_later(core, now, transaction, request, response),
            300.. => {
                if !self.modify_anew(core, now, transaction, response) {
                    self.modify_failed(core, now, Failure::Rejected(Box::new(response.clone())));
                }
            }
        }
        true
    }

    /// Our re-INVITE came to nothing. The session stays as it was, unless the dialog is gone (RFC 3261 §12.2.1.2).
    pub fn modify_failed(&mut self, core: &mut Core, now: Instant, failure: Failure) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Phase::Modifying { request } = established.phase else {
            return;
        };
        established.phase = Phase::Idle;
        self.complete(core, request, Err(failure.clone()));
        self.dialog_gone_by(core, now, &failure);
    }

    /// Ends the usage when the failure of a request inside it says that the dialog does not exist any more.
    pub(super) fn dialog_gone_by(&mut self, core: &mut Core, now: Instant, failure: &Failure) {
        let gone = match failure {
            Failure::Rejected(response) => matches!(response.status, 408 | 481),
            Failure::Timeout => true,
            Failure::Transport(_) | Failure::Cancelled => false,
        };
        if gone && matches!(self.state, State::Established(_)) {
            self.leave(core, now, Headers::new());
            self.departed(core, Departure::DialogGone);
        }
    }

    pub(super) fn modify_again(&mut self, core: &mut Core, now: Instant) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        match std::mem::replace(&mut established.phase, Phase::Idle) {
            Phase::ModifyingAgain { request, retry, .. } => {
                established.phase = Phase::Modifying { request };
                let mut draft = retry.draft;
                draft.number(established.session.dialog.next_cseq());
                core.send(now, draft);
            }
            phase => established.phase = phase,
        }
    }

    /// A re-INVITE of the peer. Its CSeq was found in order.
    pub(super) fn handle_reinvite(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        request: &Request,
    ) {
        let tag = self.local_tag();
        core.respond(now, transaction, &tag, Reply::status(100));
        if let Some(refusal) = self.too_brief(request).or_else(|| self.collision(core)) {
            core.respond(now, transaction, &tag, refusal);
            return;
        }
        self.reoffered(core, now, transaction, request);
    }

    /// An UPDATE of the peer. Its CSeq was found in order.
    pub(super) fn handle_update(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        request: &Request,
    ) {
        let tag = self.local_tag();
        if let Some(refusal) = self.too_brief(request) {
            core.respond(now, transaction, &tag, refusal);
            return;
        }
        match self.collision(core) {
            None => self.reoffered(core, now, transaction, request),
            Some(_) if self.settled_early(request).is_some() => {
                self.reoffered_early(core, now, transaction, request);
            }
            // Without an offer it collides with nothing: a session refresh (RFC 4028 §7.4).
            Some(_) if request.body.is_empty() => {
                self.answer_change(core, now, transaction, Reply::status(200));
            }
            Some(refusal) => {
                core.respond(now, transaction, &tag, refusal);
            }
        }
    }

    /// The application's answer to a re-INVITE or UPDATE.
    pub fn respond_reoffer(
        &mut self,
        core: &mut Core,
        now: Instant,
        pending: PendingId,
        reply: Reply,
    ) -> Result<(), CommandError> {
        let transaction = TransactionId(pending.0);
        if !self.pending.contains(&transaction) {
            return Err(CommandError::Unknown);
        }
        let status = reply.status;
        let response = self.answer_change(core, now, transaction, reply);
        if status < 200 {
            return Ok(());
        }
        self.pending.remove(&transaction);
        if let State::Established(established) = &mut self.state
            && established.phase.is_reoffered(pending)
        {
            established.phase = match response {
                Some(response) if status < 300 => after_accepting(core, now, pending, response),
                Some(_) | None => Phase::Idle,
            };
        }
        Ok(())
    }

    /// Nobody answered their re-INVITE.
    pub(super) fn abandon_reoffer(&mut self, core: &mut Core, now: Instant, pending: PendingId) {
        let reply = Reply::status(500);
        // It is pending, for its phase said so.
        let _ = self.respond_reoffer(core, now, pending, reply);
    }

    /// CANCEL of their re-INVITE: the session stays as it was.
    pub fn reoffer_cancelled(&mut self, core: &mut Core, now: Instant, transaction: TransactionId) {
        if self.pending.contains(&transaction) {
            let pending = PendingId(transaction.0);
            let _ = self.respond_reoffer(core, now, pending, Reply::status(487));
        }
    }

    /// Why an offer cannot be taken now (RFC 3261 §14.2, RFC 3311 §5.2), if so.
    fn collision(&self, core: &mut Core) -> Option<Reply> {
        let State::Established(established) = &self.state else {
            return match &self.state {
                State::Inviting(_) => Some(Reply::status(491)),
                State::Invited(_) => Some(busy(core)),
                State::Established(_) | State::Leaving(_) | State::Over => Some(Reply::status(481)),
            };
        };
        match &established.phase {
            Phase::Idle | Phase::ModifyingAgain { .. } => None,
            Phase::Modifying { .. } | Phase::OwingAck { .. } => Some(Reply::status(491)),
            Phase::AwaitingAck(_) | Phase::Reoffered { .. } => Some(busy(core)),
        }
    }

    /// The peer's change came before our second try: ours is off, the application may offer anew.
    fn give_way(&mut self, core: &mut Core) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        match std::mem::replace(&mut established.phase, Phase::Idle) {
            Phase::ModifyingAgain { request, retry, .. } => {
                let failure = Failure::Rejected(Box::new(retry.rejection));
                self.complete(core, request, Err(failure));
            }
            phase => established.phase = phase,
        }
    }

    fn reoffered(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        request: &Request,
    ) {
        self.give_way(core);
        let State::Established(established) = &mut self.state else {
            return;
        };
        let pending = PendingId(transaction.0);
        established.phase = Phase::Reoffered {
            pending,
            gives_up: now + core.config.timers.whole(),
        };
        established.session.dialog.refresh_target(&request.headers);
        self.tell_reoffered(core, transaction, request);
    }

    /// UPDATE in an early dialog, whose first offer and answer are settled (RFC 3311 §5.2). One at a time.
    fn reoffered_early(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        request: &Request,
    ) {
        let is_reoffer = |transaction: &TransactionId| {
            let server = core.servers.get(*transaction);
            server.is_some_and(|server| server.owner == servers::Owner::Reoffer(self.id))
        };
        if self.pending.iter().any(is_reoffer) {
            let tag = self.local_tag();
            let refusal = busy(core);
            core.respond(now, transaction, &tag, refusal);
            return;
        }
        if let Some(dialog) = self.settled_early(request) {
            dialog.refresh_target(&request.headers);
        }
        self.tell_reoffered(core, transaction, request);
    }

    fn tell_reoffered(&mut self, core: &mut Core, transaction: TransactionId, request: &Request) {
        self.pending.insert(transaction);
        core.servers
            .set_owner(transaction, servers::Owner::Reoffer(self.id));
        core.tell(Event::Reoffered {
            invite: self.id,
            pending: PendingId(transaction.0),
            request: Box::new(request.clone()),
        });
    }

    /// The early dialog of a request with an offer, if that may be made there.
    fn settled_early(&mut self, request: &Request) -> Option<&mut Dialog> {
        let State::Inviting(inviting) = &mut self.state else {
            return None;
        };
        let from = request.headers.from().ok()?;
        let dialog = inviting.settled_dialog(from.tag()?)?;
        (!request.body.is_empty()).then_some(dialog)
    }

    /// 422 to an interval below our own least (RFC 4028 §9).
    fn too_brief(&self, request: &Request) -> Option<Reply> {
        let State::Established(established) = &self.state else {
            return None;
        };
        session_timer::refuse(established.session.setting, &request.headers)
    }

    /// Sends the answer to a re-INVITE or UPDATE; a 2xx with our Contact and the session timer agreed on.
    fn answer_change(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        reply: Reply,
    ) -> Option<Response> {
        let tag = self.local_tag();
        let accepted = (200..300).contains(&reply.status);
        let request = core.servers.get(transaction)?.request.headers.clone();
        let mut response = core.response(&core.servers.get(transaction)?.request, &tag, reply);
        let headers = &mut response.headers;
        if let (true, Some(contact)) = (accepted, self.contact()) {
            headers.set(Name::Contact, NameAddr::new(contact.clone()).to_value());
        }
        if let State::Established(established) = &mut self.state
            && accepted
        {
            let session = &mut established.session;
            if let Some(supported) = supported(false, session.setting) {
                headers.set(Name::Supported, supported);
            }
            let running = session.running.as_ref();
            session.running =
                session_timer::agree(now, session.setting, running, &request, headers);
        }
        core.send_response(now, transaction, &response);
        Some(response)
    }

    /// Our Contact, as far as it is known by now.
    fn contact(&self) -> Option<&Uri> {
        match &self.state {
            State::Inviting(inviting) => Some(&inviting.contact),
            State::Established(established) => Some(&established.session.contact),
            State::Invited(_) | State::Leaving(_) | State::Over => None,
        }
    }

    fn modified(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        response: &Response,
    ) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        established.phase = Phase::Idle;
        let session = &mut established.session;
        session.dialog.refresh_target(&response.headers);
        session.running = session_timer::agreed_by_peer(now, session.setting, &response.headers);
        let cseq = response.headers.cseq().map_or(0, |cseq| cseq.number);
        session.acknowledge(core, transaction, cseq, None);
    }

    /// RFC 3261 §14.1: the owner of the Call-ID waits 2.1 to 4 s, the other up to 2 s.
    fn modify_later(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        request: RequestId,
        response: &Response,
    ) {
        let draft = core.anew(transaction, MAX_ROUNDS);
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Some(draft) = draft else {
            let failure = Failure::Rejected(Box::new(response.clone()));
            return self.modify_failed(core, now, failure);
        };
        let tens = match established.session.invited_by_us {
            true => 210 + core.entropy.below(191),
            false => core.entropy.below(201),
        };
        established.phase = Phase::ModifyingAgain {
            request,
            at: now + Duration::from_millis(u64::from(tens) * 10),
            retry: Box::new(Retry {
                draft,
                rejection: response.clone(),
            }),
        };
    }

    /// Sends the re-INVITE again when the refusal says what was missing.
    fn modify_anew(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        response: &Response,
    ) -> bool {
        let State::Established(established) = &mut self.state else {
            return false;
        };
        let session = &mut established.session;
        let Some(mut draft) = core.anew(transaction, MAX_ROUNDS) else {
            return false;
        };
        let mended = match response.status {
            401 | 407 => session
                .login
                .as_mut()
                .is_some_and(|login| draft.meet_challenge(login, response, &mut core.entropy)),
            422 => session_timer::raise(session.setting, &response.headers).is_some_and(|raised| {
                session.setting = raised;
                session_timer::ask(raised, None, &mut draft.request.headers);
                true
            }),
            _ => false,
        };
        if !mended {
            return false;
        }
        draft.number(session.dialog.next_cseq());
        core.send(now, draft);
        true
    }

    /// Whether the peer may open one more request inside the dialog.
    pub(super) fn has_room(&mut self, core: &Core) -> bool {
        self.pending
            .retain(|transaction| core.servers.get(*transaction).is_some());
        self.pending.len() < MAX_PENDING
    }
}

/// An offer of the peer's waits for its answer, or an answer for its ACK (RFC 3261 §14.2).
fn busy(core: &mut Core) -> Reply {
    let seconds = core.seconds_up_to(10).to_string();
    Reply::status(500).with(Name::RetryAfter, seconds)
}

/// A 2xx to a re-INVITE waits for its ACK; UPDATE has none.
fn after_accepting(core: &Core, now: Instant, pending: PendingId, response: Response) -> Phase {
    match response.headers.cseq() {
        Ok(cseq) if cseq.method == Method::Invite => {
            let transaction = TransactionId(pending.0);
            let of = Some(pending);
            let awaiting = AwaitingAck::new(core, now, transaction, cseq.number, response, of);
            Phase::AwaitingAck(awaiting)
        }
        Ok(_) | Err(_) => Phase::Idle,
    }
}
