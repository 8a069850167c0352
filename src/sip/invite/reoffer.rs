//! The peer's changes of a session: re-INVITE (RFC 3261 §14.2) and UPDATE (RFC 3311 §5.2), in an early dialog too.

use std::time::Instant;

use crate::sip::core::Core;
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{CommandError, Event, PendingId, Reply};
use crate::sip::invite::ack::AwaitingAck;
use crate::sip::invite::{Phase, State, Usage};
use crate::sip::message::{Method, Name, NameAddr, Request, Response};
use crate::sip::session_timer;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::servers;
use crate::sip::uri::Uri;

impl Usage {
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
        let server = core.servers.get(transaction)?;
        let (listener, request) = (server.source.listener, server.request.headers.clone());
        let mut response = core.response(listener, &server.request, &tag, reply);
        let headers = &mut response.headers;
        if let (true, Some(contact)) = (accepted, self.contact()) {
            headers.set(Name::Contact, NameAddr::new(contact.clone()).to_value());
        }
        if let State::Established(established) = &mut self.state
            && accepted
        {
            let session = &mut established.session;
            if let Some(supported) = core.supported(listener, false, session.setting) {
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
    pub(super) fn contact(&self) -> Option<&Uri> {
        match &self.state {
            State::Inviting(inviting) => Some(&inviting.contact),
            State::Established(established) => Some(&established.session.contact),
            State::Invited(_) | State::Leaving(_) | State::Over => None,
        }
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
