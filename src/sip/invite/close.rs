//! How a usage ends (RFC 3261 §15): hang_up in whatever state, BYE of ours and of the peer, and what is tidied up then.

use std::time::Instant;

use crate::sip::core::Core;
use crate::sip::endpoint::{CommandError, Departure, Event, Failure, Reply};
use crate::sip::invite::{Established, Leaving, Phase, State, Usage};
use crate::sip::message::{Headers, Method, Request, Response};
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::Owner;

impl Usage {
    /// Ends the usage whatever its state.
    pub fn hang_up(
        &mut self,
        core: &mut Core,
        now: Instant,
        rejection: Reply,
        headers: Headers,
    ) -> Result<(), CommandError> {
        match &mut self.state {
            State::Inviting(_) => match self.cancel_invite(core, now, headers) {
                true => Ok(()),
                false => Err(CommandError::WrongState("the INVITE is being cancelled")),
            },
            State::Invited(_) => {
                self.reject(core, now, rejection);
                Ok(())
            }
            State::Established(established) => match &mut established.phase {
                Phase::AwaitingAck(awaiting) if awaiting.pending.is_none() => {
                    if awaiting.then_leave.is_some() {
                        return Err(CommandError::WrongState("BYE follows the ACK"));
                    }
                    awaiting.then_leave = Some(headers);
                    Ok(())
                }
                Phase::Idle
                | Phase::OwingAck { .. }
                | Phase::AwaitingAck(_)
                | Phase::Modifying { .. }
                | Phase::ModifyingAgain { .. }
                | Phase::Reoffered { .. } => {
                    self.leave(core, now, headers);
                    Ok(())
                }
            },
            state @ (State::Leaving(_) | State::Over) => {
                Err(CommandError::WrongState(state.name()))
            }
        }
    }

    /// BYE, after the ACK where that is owed. Whatever was under way inside the dialog ends with it.
    pub(super) fn leave(&mut self, core: &mut Core, now: Instant, headers: Headers) {
        let State::Established(established) = self.take_state() else {
            return;
        };
        let Established { session, phase } = *established;
        if let Phase::OwingAck {
            transaction, cseq, ..
        } = phase
        {
            session.acknowledge(core, transaction, cseq, None);
        }
        self.finish(core, now);
        let mut leaving = Leaving {
            dialog: session.dialog,
            login: session.login,
        };
        let cseq = leaving.dialog.next_cseq();
        let mut bye = leaving.dialog.request(Method::Bye, cseq);
        if let Some(login) = &mut leaving.login {
            login.authorize(&mut bye);
        }
        bye.headers.extend(headers);
        let path = leaving.dialog.path();
        core.send_in_dialog(now, Owner::Bye(self.id), bye, path);
        self.state = State::Leaving(Box::new(leaving));
    }

    /// The outcome of our BYE. Whatever it is, the dialog is over; only a challenge is answered.
    pub fn handle_bye_response(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        response: &Response,
    ) {
        if response.status < 200 {
            return;
        }
        if !self.bye_anew(core, now, transaction, response) {
            self.state = State::Over;
        }
    }

    pub fn bye_failed(&mut self) {
        self.state = State::Over;
    }

    /// BYE of the peer.
    pub(super) fn handle_bye(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        bye: &Request,
    ) {
        let tag = self.local_tag();
        core.respond(now, transaction, &tag, Reply::status(200));
        match &mut self.state {
            State::Inviting(_) => {
                // It overtook the 2xx, or the fork gives up: the INVITE is not wanted there any more.
                self.cancel_invite(core, now, Headers::new());
            }
            State::Invited(_) => self.cancelled(core, now, bye),
            State::Established(established) => {
                let Established { session, phase } = &**established;
                if let Phase::OwingAck {
                    transaction, cseq, ..
                } = phase
                {
                    session.acknowledge(core, *transaction, *cseq, None);
                }
                self.finish(core, now);
                self.departed(core, Departure::Bye(Box::new(bye.clone())));
            }
            State::Leaving(_) | State::Over => {}
        }
    }

    /// Ends without BYE: everything the two sides still wait for inside the dialog gets its end.
    pub(super) fn finish(&mut self, core: &mut Core, now: Instant) {
        let tag = self.local_tag();
        for transaction in std::mem::take(&mut self.pending) {
            core.respond(now, transaction, &tag, Reply::status(487));
        }
        for request in std::mem::take(&mut self.requests) {
            core.tell(Event::Completed {
                request,
                outcome: Err(Failure::Cancelled),
            });
        }
        self.state = State::Over;
    }

    pub(super) fn departed(&self, core: &mut Core, why: Departure) {
        core.tell(Event::Ended {
            invite: self.id,
            why,
        });
    }

    pub(super) fn local_tag(&self) -> String {
        let tag = self.dialog_key().map(|(_, tag)| tag);
        tag.unwrap_or_default().to_owned()
    }

    fn bye_anew(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        response: &Response,
    ) -> bool {
        let State::Leaving(leaving) = &mut self.state else {
            return false;
        };
        let draft = core.answering(transaction, response, leaving.login.as_mut());
        draft.map(|draft| core.send(now, draft)).is_some()
    }
}
