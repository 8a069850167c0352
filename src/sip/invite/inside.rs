//! Requests inside the dialog (RFC 3261 §12.2): the peer's sorted to the act they belong to, and INFO, NOTIFY, ... of ours.

use std::time::Instant;

use crate::sip::core::{Core, put_body};
use crate::sip::dialog::{Dialog, OutOfOrder};
use crate::sip::digest::{Credentials, Responder};
use crate::sip::endpoint::{Body, CommandError, Event, Failure, PendingId, Reply, RequestId};
use crate::sip::flow::Source;
use crate::sip::invite::{MAX_PENDING, State, Usage};
use crate::sip::message::{Headers, Method, Name, NameAddr, Request, Response};
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::Owner;
use crate::sip::transaction::servers;

impl Usage {
    /// A request of the peer with our tag in To.
    pub fn handle_request(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        source: Source,
        request: &Request,
    ) {
        let tag = self.local_tag();
        let in_order = match self.dialog_with(request) {
            Some(dialog) => dialog.receive(request, source),
            None => return core.refuse_in(now, transaction, &tag, 481),
        };
        if in_order == Err(OutOfOrder) {
            return core.refuse_in(now, transaction, &tag, 500);
        }
        match request.method {
            Method::Bye => self.handle_bye(core, now, transaction, request),
            _ if matches!(self.state, State::Leaving(_)) => {
                core.respond(now, transaction, &tag, Reply::status(481));
            }
            Method::Invite => self.handle_reinvite(core, now, transaction, request),
            Method::Update => self.handle_update(core, now, transaction, request),
            Method::Prack => {
                let reply = self.acknowledge_reliable(core, now, request);
                core.respond(now, transaction, &tag, reply);
            }
            Method::Ack
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Info
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other(_) => self.pass_on(core, now, transaction, request),
        }
    }

    /// What our requests inside it answer challenges with.
    pub fn set_credentials(&mut self, credentials: Credentials) -> Result<(), CommandError> {
        let login = match &mut self.state {
            State::Inviting(inviting) => &mut inviting.login,
            State::Invited(invited) => &mut invited.login,
            State::Established(established) => &mut established.session.login,
            state @ (State::Leaving(_) | State::Over) => {
                return Err(CommandError::WrongState(state.name()));
            }
        };
        *login = Some(Responder::new(credentials));
        Ok(())
    }

    /// The application's answer to one of these.
    pub fn respond_inside(
        &mut self,
        core: &mut Core,
        now: Instant,
        pending: PendingId,
        mut reply: Reply,
    ) -> Result<(), CommandError> {
        let transaction = TransactionId(pending.0);
        if !self.pending.contains(&transaction) {
            return Err(CommandError::Unknown);
        }
        if reply.status >= 200 {
            self.pending.remove(&transaction);
        }
        self.add_contact(core, transaction, &mut reply);
        let tag = self.local_tag();
        match core.respond(now, transaction, &tag, reply) {
            true => Ok(()),
            false => Err(CommandError::Unknown),
        }
    }

    /// INFO, NOTIFY, ... of ours.
    pub fn request_inside(
        &mut self,
        core: &mut Core,
        now: Instant,
        method: Method,
        headers: Headers,
        body: Option<Body>,
    ) -> Result<RequestId, CommandError> {
        let established = match method {
            Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Prack => {
                return Err(CommandError::WrongState("this method has its own command"));
            }
            _ => self.established()?,
        };
        let session = &mut established.session;
        let cseq = session.dialog.next_cseq();
        let mut request = session.dialog.request(method, cseq);
        if refreshes_target(&request.method) {
            let contact = NameAddr::new(session.contact.clone()).to_value();
            request.headers.push(Name::Contact, contact);
        }
        request.headers.extend(headers);
        request.body = put_body(&mut request.headers, body);
        if let Some(login) = &mut session.login {
            login.authorize(&mut request);
        }
        let path = session.dialog.path();
        let id = RequestId(core.next_id());
        self.requests.insert(id);
        core.send_in_dialog(now, Owner::InDialog(self.id, id), request, path);
        Ok(id)
    }

    pub fn handle_response_inside(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        request: RequestId,
        response: &Response,
    ) {
        if response.status < 200 || self.request_anew(core, now, transaction, response) {
            return;
        }
        if response.status < 300 {
            return self.complete(core, request, Ok(Box::new(response.clone())));
        }
        let failure = Failure::Rejected(Box::new(response.clone()));
        self.request_failed(core, now, transaction, request, failure);
    }

    /// A NOTIFY that fails ends its subscription, which is a usage of its own (RFC 5057 §5.1): the peer may have forgotten
    /// that alone.
    pub fn request_failed(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        request: RequestId,
        failure: Failure,
    ) {
        let client = core.clients.get(transaction);
        let is_notify = client.is_some_and(|client| client.request.method == Method::Notify);
        self.complete(core, request, Err(failure.clone()));
        if !is_notify {
            self.dialog_gone_by(core, now, &failure);
        }
    }

    /// A 2xx carries our Contact where its request carries the peer's (RFC 3515 §2.2).
    fn add_contact(&self, core: &Core, transaction: TransactionId, reply: &mut Reply) {
        let server = core.servers.get(transaction);
        let refreshes = server.is_some_and(|server| refreshes_target(&server.request.method));
        if let (true, 200..300, Some(contact)) = (refreshes, reply.status, self.contact()) {
            let contact = NameAddr::new(contact.clone()).to_value();
            reply.headers.set(Name::Contact, contact);
        }
    }

    /// Hands a request to the application.
    fn pass_on(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        request: &Request,
    ) {
        if !self.has_room(core) {
            let tag = self.local_tag();
            return core.refuse_in(now, transaction, &tag, 503);
        }
        self.pending.insert(transaction);
        core.servers
            .set_owner(transaction, servers::Owner::InDialog(self.id));
        core.tell(Event::InDialog {
            invite: self.id,
            pending: PendingId(transaction.0),
            request: Box::new(request.clone()),
        });
    }

    /// Whether the peer may open one more request inside the dialog.
    fn has_room(&mut self, core: &Core) -> bool {
        self.pending
            .retain(|transaction| core.servers.get(*transaction).is_some());
        self.pending.len() < MAX_PENDING
    }

    /// The dialog of this usage that the request is in, early ones included.
    fn dialog_with(&mut self, request: &Request) -> Option<&mut Dialog> {
        let dialog = match &mut self.state {
            State::Inviting(inviting) => {
                let from = request.headers.from().ok()?;
                return inviting.early_dialog(from.tag().unwrap_or_default());
            }
            State::Invited(invited) => &mut invited.dialog,
            State::Established(established) => &mut established.session.dialog,
            State::Leaving(leaving) => &mut leaving.dialog,
            State::Over => return None,
        };
        dialog.is_from_peer(request).then_some(dialog)
    }

    fn request_anew(
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
        let draft = core.answering(transaction, response, session.login.as_mut());
        session.send_anew(core, now, draft)
    }
}

/// Methods that carry a Contact inside a dialog.
fn refreshes_target(method: &Method) -> bool {
    matches!(
        method,
        Method::Update | Method::Subscribe | Method::Notify | Method::Refer
    )
}
