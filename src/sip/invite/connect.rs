//! Our INVITE (RFC 3261 §13.2): placed, rung at one or more forks, answered, refused or cancelled (§9.1).

use std::collections::BTreeMap;
use std::time::Instant;

use crate::sip::compose::cseq_value;
use crate::sip::core::{Core, Draft, put_body};
use crate::sip::dialog::with_tag;
use crate::sip::digest::{Account, Credentials, Responder};
use crate::sip::endpoint::{Event, Failure, InviteId, Login, OutgoingInvite};
use crate::sip::flow::{Source, Target};
use crate::sip::invite::inviting::{Inviting, Stage};
use crate::sip::invite::{State, Usage};
use crate::sip::message::{Headers, Method, Name, NameAddr, Request, Response};
use crate::sip::session_timer;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::{Owner, Path};

impl Usage {
    /// Places a call.
    pub fn place(core: &mut Core, now: Instant, id: InviteId, invite: OutgoingInvite) -> Self {
        let local_tag = core.new_tag();
        let call_id = core.entropy.hex(16);
        let path = Path {
            listener: invite.hop.listener,
            transport: invite.hop.transport,
            target: Target::Hop(invite.hop.clone()),
        };
        let account = account(&invite);
        let mut inviting = Inviting {
            transaction: TransactionId(0),
            call_id: call_id.clone(),
            local_tag: local_tag.clone(),
            contact: invite.contact.clone(),
            login: login(core, account.as_ref(), invite.credentials.clone()),
            account,
            setting: invite.session_timer,
            answer_within: invite.answer_within,
            stage: Stage::Calling,
            forks: BTreeMap::new(),
        };
        let mut draft = Draft {
            answer_by: invite.answer_within.map(|within| now + within),
            request: first_invite(core, invite, &call_id, &local_tag),
            owner: Owner::Invite(id),
            path,
            round: 0,
        };
        draft.authorize(inviting.login.as_mut());
        inviting.transaction = core.send(now, draft);
        Self::new(id, State::Inviting(Box::new(inviting)))
    }

    /// A response on the INVITE transaction. False when this usage no longer waits for one there.
    pub fn handle_invite_response(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        source: Source,
        response: &Response,
    ) -> bool {
        match &self.state {
            State::Inviting(inviting) if inviting.transaction == transaction => {
                inviting.judge_login(&mut core.logins, response.status);
            }
            // The same 2xx once more, before the application acknowledged it.
            State::Established(established) => return established.owes_ack_to(response),
            State::Inviting(_) | State::Invited(_) | State::Leaving(_) | State::Over => {
                return false;
            }
        }
        match response.status {
            ..200 => self.provisional(core, now, source, response),
            200..300 => self.answered(core, now, source, response),
            300.. => {
                if !self.invite_anew(core, now, response) {
                    self.refused(core, now, response);
                }
            }
        }
        true
    }

    /// The INVITE transaction failed without a final response.
    pub fn invite_failed(&mut self, core: &mut Core, now: Instant, failure: Failure) {
        let State::Inviting(inviting) = &self.state else {
            return;
        };
        let failure = match inviting.is_cancelling() {
            true => inviting.why(),
            false => failure,
        };
        self.fail(core, now, failure);
    }

    pub(super) fn inviting_timeout(&mut self, core: &mut Core, now: Instant) {
        let State::Inviting(inviting) = &mut self.state else {
            return;
        };
        match &inviting.stage {
            Stage::Ringing { gives_up } if now >= *gives_up => {
                inviting.cancel(core, now, Headers::new(), Failure::Timeout);
            }
            Stage::Cancelled { gives_up, why } if now >= *gives_up => {
                let why = why.clone();
                core.clients.fail(inviting.transaction);
                self.fail(core, now, why);
            }
            Stage::Calling
            | Stage::Ringing { .. }
            | Stage::CancelWhenHeard(_)
            | Stage::Cancelled { .. } => {}
        }
    }

    fn provisional(&mut self, core: &mut Core, now: Instant, source: Source, response: &Response) {
        let State::Inviting(inviting) = &mut self.state else {
            return;
        };
        inviting.heard(core, now);
        if response.status == 100 {
            return;
        }
        let to_tag = to_tag(response);
        let in_order = match &to_tag {
            Some(tag) => inviting.ring(core, now, tag, source, response),
            None => true,
        };
        if in_order && !inviting.is_cancelling() {
            core.tell(Event::Progress {
                invite: self.id,
                to_tag,
                response: Box::new(response.clone()),
            });
        }
    }

    fn answered(&mut self, core: &mut Core, now: Instant, source: Source, response: &Response) {
        let State::Inviting(inviting) = self.take_state() else {
            return;
        };
        let why = inviting.is_cancelling().then(|| inviting.why());
        let established = match inviting.establish(core, now, source, response) {
            Some(established) => established,
            None => return self.refused(core, now, response),
        };
        self.state = State::Established(Box::new(established));
        match why {
            // The answer crossed our CANCEL (RFC 3261 §15.1.1 wants the BYE after the ACK).
            Some(failure) => {
                self.leave(core, now, Headers::new());
                core.tell(Event::Failed {
                    invite: self.id,
                    failure,
                });
            }
            None => core.tell(Event::Answered {
                invite: self.id,
                response: Box::new(response.clone()),
            }),
        }
    }

    fn refused(&mut self, core: &mut Core, now: Instant, response: &Response) {
        let failure = match &self.state {
            State::Inviting(inviting) if inviting.is_cancelling() => inviting.why(),
            State::Inviting(_)
            | State::Invited(_)
            | State::Established(_)
            | State::Leaving(_)
            | State::Over => Failure::Rejected(Box::new(response.clone())),
        };
        self.fail(core, now, failure);
    }

    fn fail(&mut self, core: &mut Core, now: Instant, failure: Failure) {
        self.finish(core, now);
        core.tell(Event::Failed {
            invite: self.id,
            failure,
        });
    }

    /// Sends the INVITE again when the refusal says what was missing: credentials, or a longer session interval.
    fn invite_anew(&mut self, core: &mut Core, now: Instant, response: &Response) -> bool {
        let State::Inviting(inviting) = &mut self.state else {
            return false;
        };
        if inviting.is_cancelling() {
            return false;
        }
        let (login, setting) = (inviting.login.as_mut(), &mut inviting.setting);
        let draft = core.mending(inviting.transaction, response, login, setting);
        let Some(mut draft) = draft else {
            return false;
        };
        draft.answer_by = inviting.answer_within.map(|within| now + within);
        inviting.stage = Stage::Calling;
        inviting.forks.clear();
        inviting.transaction = core.send(now, draft);
        true
    }

    /// hang_up before a final response.
    pub(super) fn cancel_invite(
        &mut self,
        core: &mut Core,
        now: Instant,
        headers: Headers,
    ) -> bool {
        let State::Inviting(inviting) = &mut self.state else {
            return false;
        };
        match &inviting.stage {
            Stage::Calling => {
                inviting.stage = Stage::CancelWhenHeard(headers);
                true
            }
            Stage::Ringing { .. } => {
                inviting.cancel(core, now, headers, Failure::Cancelled);
                true
            }
            Stage::CancelWhenHeard(_) | Stage::Cancelled { .. } => false,
        }
    }
}

pub fn to_tag(response: &Response) -> Option<String> {
    let to = response.headers.to().ok()?;
    to.tag().map(str::to_owned)
}

/// Whose login may be known from an earlier call, and is to be known to later ones.
fn account(invite: &OutgoingInvite) -> Option<Account> {
    let credentials = invite.credentials.as_ref()?;
    match invite.login {
        Login::WhenChallenged => None,
        Login::Preemptive => Some(Account {
            hop: invite.hop.clone(),
            username: credentials.username.clone(),
        }),
    }
}

fn login(
    core: &mut Core,
    account: Option<&Account>,
    credentials: Option<Credentials>,
) -> Option<Responder> {
    let credentials = credentials?;
    Some(match account {
        Some(account) => core.logins.responder(account, credentials),
        None => Responder::new(credentials),
    })
}

fn first_invite(core: &Core, invite: OutgoingInvite, call_id: &str, local_tag: &str) -> Request {
    let listener = invite.hop.listener;
    let mut request = Request::new(Method::Invite, invite.uri);
    let headers = &mut request.headers;
    for route in &invite.route {
        headers.push(Name::Route, route);
    }
    if invite.headers.get(&Name::MaxForwards).is_none() {
        headers.push(Name::MaxForwards, "70");
    }
    headers.push(Name::From, with_tag(&invite.from, local_tag));
    headers.push(Name::To, invite.to);
    headers.push(Name::CallId, call_id);
    headers.push(Name::CSeq, cseq_value(1, &Method::Invite));
    headers.push(Name::Contact, NameAddr::new(invite.contact).to_value());
    if invite.headers.get(&Name::Allow).is_none() {
        headers.push(Name::Allow, core.allow(listener));
    }
    // Without an offer of ours a reliable provisional response would bring one, to be answered in PRACK (RFC 3262 §5).
    let reliable = invite.reliable_provisionals && invite.body.is_some();
    if let Some(supported) = core.supported(listener, reliable, invite.session_timer) {
        headers.push(Name::Supported, supported);
    }
    session_timer::ask(invite.session_timer, None, headers);
    headers.extend(invite.headers);
    request.body = put_body(headers, invite.body);
    request
}
