//! An INVITE that came (RFC 3261 §13.3): provisional responses, reliable ones where required (RFC 3262), the 2xx, the
//! rejection, CANCEL (§9.2).

use std::time::Instant;

use crate::sip::core::{Core, take_body};
use crate::sip::dialog::{Dialog, NotADialog};
use crate::sip::digest::Responder;
use crate::sip::endpoint::{CommandError, Departure, Event, InviteId, Reply, SessionTimer};
use crate::sip::flow::Source;
use crate::sip::invite::ack::AwaitingAck;
use crate::sip::invite::{Established, LONGEST_RING, Phase, Session, State, Usage};
use crate::sip::message::{CSeq, Method, Name, NameAddr, Request, Response};
use crate::sip::reliable::{self, Sender};
use crate::sip::session_timer::{self, Running};
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::servers;
use crate::sip::transaction::timer::earliest;
use crate::sip::uri::Uri;

pub struct Invited {
    pub transaction: TransactionId,
    /// As our 2xx will make it.
    pub dialog: Dialog,
    pub(super) login: Option<Responder>,
    cseq: u32,
    /// When the peer requires 100rel.
    reliable: Option<Sender>,
    /// A 2xx that waits until every reliable response before it is acknowledged (RFC 3262 §3).
    answer: Option<Answer>,
    gives_up: Instant,
}

struct Answer {
    response: Response,
    contact: Uri,
    setting: SessionTimer,
    running: Option<Running>,
}

impl Invited {
    pub fn deadline(&self) -> Option<Instant> {
        let reliable = self.reliable.as_ref().and_then(Sender::deadline);
        earliest(reliable, Some(self.gives_up))
    }
}

impl Usage {
    /// A new INVITE. Sends 100.
    pub fn invited(
        core: &mut Core,
        now: Instant,
        id: InviteId,
        transaction: TransactionId,
        source: Source,
        request: &Request,
    ) -> Result<Self, NotADialog> {
        let local_tag = core.new_tag();
        let dialog = Dialog::as_uas(request, source, &local_tag)?;
        let cseq = request.headers.cseq().map_err(|_| NotADialog("CSeq"))?;
        let requires = request.headers.has_tag(&Name::Require, "100rel");
        core.servers
            .set_owner(transaction, servers::Owner::Invite(id));
        core.respond(now, transaction, &local_tag, Reply::status(100));
        let invited = Invited {
            transaction,
            dialog,
            login: None,
            cseq: cseq.number,
            reliable: requires.then(|| Sender::new(core.entropy.below(1 << 30))),
            answer: None,
            gives_up: now + LONGEST_RING,
        };
        Ok(Self::new(id, State::Invited(Box::new(invited))))
    }

    pub fn progress(
        &mut self,
        core: &mut Core,
        now: Instant,
        contact: &Uri,
        reply: Reply,
    ) -> Result<(), CommandError> {
        if !(101..200).contains(&reply.status) {
            return Err(CommandError::WrongState("101-199 is due"));
        }
        let invited = self.unanswered()?;
        let response = invited.response(core, contact, reply)?;
        match &mut invited.reliable {
            Some(sender) => {
                let full = |_| CommandError::WrongState("too many responses wait for PRACK");
                sender.push(response).map_err(full)?;
                self.send_waiting(core, now);
            }
            None => {
                core.send_response(now, invited.transaction, &response);
            }
        }
        Ok(())
    }

    pub fn answer(
        &mut self,
        core: &mut Core,
        now: Instant,
        contact: &Uri,
        reply: Reply,
        setting: SessionTimer,
    ) -> Result<(), CommandError> {
        if !(200..300).contains(&reply.status) {
            return Err(CommandError::WrongState("2xx is due"));
        }
        let invited = self.unanswered()?;
        let mut response = invited.response(core, contact, reply)?;
        let headers = &mut response.headers;
        let listener = invited.dialog.path().listener;
        if let Some(supported) = core.supported(listener, false, setting)
            && headers.get(&Name::Supported).is_none()
        {
            headers.push(Name::Supported, supported);
        }
        let invite = core.servers.get(invited.transaction);
        let invite = invite.ok_or(CommandError::Unknown)?;
        let running = session_timer::agree(now, setting, None, &invite.request.headers, headers);
        invited.answer = Some(Answer {
            response,
            contact: contact.clone(),
            setting,
            running,
        });
        self.send_waiting(core, now);
        Ok(())
    }

    /// hang_up before our final response.
    pub(super) fn reject(&mut self, core: &mut Core, now: Instant, mut rejection: Reply) {
        let State::Invited(invited) = &self.state else {
            return;
        };
        if !(300..700).contains(&rejection.status) {
            rejection.status = 480;
        }
        let tag = invited.dialog.local_tag.clone();
        core.respond(now, invited.transaction, &tag, rejection);
        self.finish(core, now);
    }

    /// CANCEL of the INVITE. After our final response it changes nothing.
    pub fn cancelled(&mut self, core: &mut Core, now: Instant, cancel: &Request) {
        if matches!(self.state, State::Invited(_)) {
            self.reject(core, now, Reply::status(487));
            core.tell(Event::Cancelled {
                invite: self.id,
                cancel: Box::new(cancel.clone()),
            });
        }
    }

    /// PRACK. Gives what to answer it with.
    pub(super) fn acknowledge_reliable(
        &mut self,
        core: &mut Core,
        now: Instant,
        prack: &Request,
    ) -> Reply {
        let State::Invited(invited) = &mut self.state else {
            return Reply::status(481);
        };
        let invite = CSeq {
            number: invited.cseq,
            method: Method::Invite,
        };
        let rack = prack.headers.rack().ok().flatten();
        let known = match (&mut invited.reliable, rack) {
            (Some(sender), Some(rack)) => sender.acknowledge(&invite, &rack),
            (Some(_) | None, _) => false,
        };
        if !known {
            return Reply::status(481);
        }
        self.send_waiting(core, now);
        match take_body(&prack.headers, &prack.body) {
            // A second offer while the INVITE rings: nobody here can answer it.
            Some(_) => Reply::status(488),
            None => Reply::status(200),
        }
    }

    pub(super) fn invited_timeout(&mut self, core: &mut Core, now: Instant) {
        let State::Invited(invited) = &mut self.state else {
            return;
        };
        if now >= invited.gives_up {
            self.reject(core, now, Reply::status(480));
            return self.departed(core, Departure::SessionExpired);
        }
        let due = invited
            .reliable
            .as_mut()
            .map(|sender| sender.handle_timeout(now));
        match due {
            Some(reliable::Due::Repeat(response)) => {
                core.send_response(now, invited.transaction, &response);
            }
            Some(reliable::Due::GiveUp) => {
                self.reject(core, now, Reply::status(504));
                core.tell(Event::NeverAcknowledged { invite: self.id });
            }
            Some(reliable::Due::Nothing) | None => {}
        }
    }

    fn unanswered(&mut self) -> Result<&mut Invited, CommandError> {
        match &mut self.state {
            State::Invited(invited) if invited.answer.is_some() => {
                Err(CommandError::WrongState("the answer waits for PRACK"))
            }
            State::Invited(invited) => Ok(invited),
            state => Err(CommandError::WrongState(state.name())),
        }
    }

    /// Sends whatever no PRACK holds back.
    fn send_waiting(&mut self, core: &mut Core, now: Instant) {
        let State::Invited(invited) = &mut self.state else {
            return;
        };
        let timers = core.config.timers;
        if let Some(response) = invited
            .reliable
            .as_mut()
            .and_then(|sender| sender.next(now, &timers))
        {
            core.send_response(now, invited.transaction, &response);
        }
        let clear = invited.reliable.as_ref().is_none_or(Sender::is_clear);
        if let Some(answer) = invited.answer.take_if(|_| clear) {
            self.establish(core, now, answer);
        }
    }

    fn establish(&mut self, core: &mut Core, now: Instant, answer: Answer) {
        let State::Invited(invited) = self.take_state() else {
            return;
        };
        core.send_response(now, invited.transaction, &answer.response);
        let awaiting = AwaitingAck::new(
            core,
            now,
            invited.transaction,
            invited.cseq,
            answer.response,
            None,
        );
        self.state = State::Established(Box::new(Established {
            session: Session {
                dialog: invited.dialog,
                contact: answer.contact,
                login: invited.login,
                setting: answer.setting,
                running: answer.running,
                invited_by_us: false,
            },
            phase: Phase::AwaitingAck(awaiting),
        }));
    }
}

impl Invited {
    fn response(&self, core: &Core, contact: &Uri, reply: Reply) -> Result<Response, CommandError> {
        let invite = core.servers.get(self.transaction);
        let invite = invite.ok_or(CommandError::Unknown)?;
        let (listener, tag) = (invite.source.listener, &self.dialog.local_tag);
        let mut response = core.response(listener, &invite.request, tag, reply);
        let contact = NameAddr::new(contact.clone()).to_value();
        response.headers.set(Name::Contact, contact);
        Ok(response)
    }
}
