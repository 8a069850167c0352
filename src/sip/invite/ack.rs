//! The third message: our 2xx repeated until its ACK comes (RFC 3261 §13.3.1.4), and the ACK to the peer's 2xx (§13.2.2.4).

use std::time::Instant;

use crate::sip::compose;
use crate::sip::core::{Core, put_body, take_body};
use crate::sip::dialog::Dialog;
use crate::sip::endpoint::{Body, CommandError, Event, PendingId};
use crate::sip::flow::Source;
use crate::sip::invite::connect::to_tag;
use crate::sip::invite::{Phase, Session, State, Usage};
use crate::sip::message::{Headers, Method, Name, Request, Response};
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::{Client, Owner};
use crate::sip::transaction::timer::Backoff;

pub struct AwaitingAck {
    /// The re-INVITE; `None` for the INVITE that made the dialog.
    pub pending: Option<PendingId>,
    /// hang_up came meanwhile: BYE with these headers follows the ACK (RFC 3261 §15).
    pub then_leave: Option<Headers>,
    transaction: TransactionId,
    cseq: u32,
    response: Response,
    repeat: Backoff,
    gives_up: Instant,
}

impl AwaitingAck {
    /// The 2xx went out just now.
    pub fn new(
        core: &Core,
        now: Instant,
        transaction: TransactionId,
        cseq: u32,
        response: Response,
        pending: Option<PendingId>,
    ) -> Self {
        let timers = core.config.timers;
        Self {
            pending,
            then_leave: None,
            transaction,
            cseq,
            response,
            repeat: Backoff::start(now, timers.t1, Some(timers.t2)),
            gives_up: now + timers.whole(),
        }
    }

    pub fn deadline(&self) -> Instant {
        self.repeat.due().min(self.gives_up)
    }
}

impl Usage {
    /// ACK to a 2xx of ours. False when none waits for it.
    pub fn handle_ack(&mut self, core: &mut Core, now: Instant, ack: &Request) -> bool {
        let State::Established(established) = &mut self.state else {
            return false;
        };
        let Phase::AwaitingAck(awaiting) = &mut established.phase else {
            return false;
        };
        let cseq = ack.headers.cseq().map(|cseq| cseq.number);
        if cseq != Ok(awaiting.cseq) || !established.session.dialog.is_from_peer(ack) {
            return false;
        }
        let (pending, leave) = (awaiting.pending, awaiting.then_leave.take());
        established.phase = Phase::Idle;
        let body = take_body(&ack.headers, &ack.body);
        match (leave, pending) {
            (Some(headers), _) => self.leave(core, now, headers),
            (None, None) => core.tell(Event::Acknowledged {
                invite: self.id,
                body,
            }),
            (None, Some(pending)) => core.tell(Event::ReofferAcknowledged {
                invite: self.id,
                pending,
                body,
            }),
        }
        true
    }

    pub(super) fn awaiting_ack_timeout(&mut self, core: &mut Core, now: Instant) {
        let State::Established(established) = &mut self.state else {
            return;
        };
        let Phase::AwaitingAck(awaiting) = &mut established.phase else {
            return;
        };
        if now < awaiting.gives_up {
            if awaiting.repeat.fire(now) {
                core.send_response(now, awaiting.transaction, &awaiting.response);
            }
            return;
        }
        let told = awaiting.then_leave.is_some();
        let headers = awaiting.then_leave.take().unwrap_or_default();
        self.leave(core, now, headers);
        if !told {
            core.tell(Event::NeverAcknowledged { invite: self.id });
        }
    }

    /// ACK to the 2xx that `Answered` reported.
    pub fn acknowledge(&mut self, core: &mut Core, body: Option<Body>) -> Result<(), CommandError> {
        let established = self.established()?;
        let Phase::OwingAck {
            transaction, cseq, ..
        } = established.phase
        else {
            return Err(CommandError::WrongState(established.phase.name()));
        };
        established
            .session
            .acknowledge(core, transaction, cseq, body);
        established.phase = Phase::Idle;
        Ok(())
    }
}

impl Session {
    pub fn acknowledge(
        &self,
        core: &mut Core,
        transaction: TransactionId,
        cseq: u32,
        body: Option<Body>,
    ) {
        let Some(client) = core.clients.get(transaction) else {
            return;
        };
        let ack = ack(&self.dialog, client, cseq, body);
        let path = self.dialog.path();
        core.send_ack(transaction, &self.dialog.remote_tag, ack, &path);
    }
}

/// A 2xx on an INVITE transaction whose usage no longer waits for one: the same once more, the answer of a second fork,
/// or an answer that came too late. It is acknowledged in any case, and what it made is ended.
pub fn late_answer(
    core: &mut Core,
    now: Instant,
    transaction: TransactionId,
    source: Source,
    response: &Response,
) {
    let tag = to_tag(response).unwrap_or_default();
    if core
        .clients
        .acknowledge_again(transaction, &tag, &mut core.transmits)
    {
        return;
    }
    let Some(client) = core.clients.get(transaction) else {
        return;
    };
    let Ok(mut dialog) = Dialog::as_uac(&client.request, response, source) else {
        return;
    };
    let cseq = dialog.local_seq();
    let ack = ack(&dialog, client, cseq, None);
    let path = dialog.path();
    if core.send_ack(transaction, &tag, ack, &path) {
        let number = dialog.next_cseq();
        let bye = dialog.request(Method::Bye, number);
        core.send_in_dialog(now, Owner::Nobody, bye, path);
    }
}

/// A 2xx to a re-INVITE of a usage that is about to end, or has: acknowledged, nothing more.
pub fn late_change(core: &mut Core, transaction: TransactionId, response: &Response) {
    let tag = to_tag(response).unwrap_or_default();
    let known = core
        .clients
        .acknowledge_again(transaction, &tag, &mut core.transmits);
    let Some(client) = core.clients.get(transaction).filter(|_| !known) else {
        return;
    };
    let mut ack = compose::rejection_ack(&client.request, response);
    ack.headers.remove(&Name::Via);
    let path = client.path.clone();
    core.send_ack(transaction, &tag, ack, &path);
}

/// ACK to a 2xx, without Via. It carries the credentials of its INVITE (RFC 3261 §22.1).
fn ack(dialog: &Dialog, client: &Client, cseq: u32, body: Option<Body>) -> Request {
    let mut ack = dialog.request(Method::Ack, cseq);
    for name in [Name::Authorization, Name::ProxyAuthorization] {
        ack.headers.copy(&name, &client.request.headers);
    }
    ack.body = put_body(&mut ack.headers, body);
    ack
}
