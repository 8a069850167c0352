//! Our changes of a session: re-INVITE (RFC 3261 §14.1), and how it meets the peer's.

use std::time::{Duration, Instant};

use crate::sip::core::{Core, Draft, put_body};
use crate::sip::endpoint::{Body, CommandError, Departure, Failure, RequestId};
use crate::sip::invite::{Phase, Session, State, Usage};
use crate::sip::message::{Headers, Method, Name, NameAddr, Response};
use crate::sip::session_timer;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::Owner;

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
        let listener = session.dialog.path().listener;
        headers.push(Name::Allow, core.allow(listener));
        if let Some(supported) = core.supported(listener, false, session.setting) {
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

    /// The peer's change came before our second try: ours is off, the application may offer anew.
    pub(super) fn give_way(&mut self, core: &mut Core) {
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
        let draft = core.anew(transaction);
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
        let (login, setting) = (session.login.as_mut(), &mut session.setting);
        let draft = core.mending(transaction, response, login, setting);
        session.send_anew(core, now, draft)
    }
}

impl Session {
    /// Sends what is to be sent anew, if there is such, with the CSeq number that the dialog has come to.
    pub fn send_anew(&mut self, core: &mut Core, now: Instant, draft: Option<Draft>) -> bool {
        let Some(mut draft) = draft else {
            return false;
        };
        draft.number(self.dialog.next_cseq());
        core.send(now, draft);
        true
    }
}
