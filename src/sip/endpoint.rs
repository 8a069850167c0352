//! The user agent: all transactions, dialogs and INVITE usages of this process behind one door.
//!
//! In: messages, closed flows, failed transmits, the time, commands. Out: transmits, events, the next deadline.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::sip::core::Core;
pub use crate::sip::digest::Credentials;
use crate::sip::flow::{
    FlowId, Host, ListenerId, NextHop, Source, Transmit, TransmitTag, TransportError,
};
use crate::sip::invite::{Usage, ack};
use crate::sip::message::{Headers, Message, Method, Name, ParseError, Request, Response};
use crate::sip::outside::Outside;
use crate::sip::screen::screen;
use crate::sip::session_timer;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::{self, Owner};
use crate::sip::transaction::servers;
pub use crate::sip::transaction::timer::Timers;
use crate::sip::transaction::timer::{Deadlines, earliest};
use crate::sip::uri::Uri;

/// One INVITE usage, from its first INVITE to its end. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InviteId(pub u64);

/// A request that came in and waits for our answer (everything but INVITE that starts a usage, ACK and CANCEL).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PendingId(pub u64);

/// A request of ours whose final response is awaited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

pub struct EndpointConfig {
    pub timers: Timers,
    /// `User-Agent` and `Server`.
    pub user_agent: String,
    /// What each listener calls itself in Via and Contact.
    pub sent_by: BTreeMap<ListenerId, (Host, u16)>,
    /// More server transactions than this and new requests get 503.
    pub max_transactions: usize,
}

/// A body and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// A dialog-creating INVITE of ours.
pub struct OutgoingInvite {
    pub hop: NextHop,
    pub uri: Uri,
    /// Header values without tag.
    pub from: String,
    pub to: String,
    pub contact: Uri,
    /// Route set to preload, if any.
    pub route: Vec<String>,
    /// Everything else to be sent: P-Asserted-Identity, X-..., Reason.
    pub headers: Headers,
    pub body: Option<Body>,
    pub credentials: Option<Credentials>,
    pub session_timer: SessionTimer,
    /// Offer 100rel; PRACK is sent by the endpoint itself.
    pub reliable_provisionals: bool,
    /// No provisional response: how long until the peer counts as dead (at most timer B, 64*T1).
    pub answer_within: Option<Duration>,
}

/// RFC 4028 for one usage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionTimer {
    /// Neither asked for nor agreed to. The only setting toward WhatsApp.
    Off,
    /// Agreed to when the peer asks; asked for by us when `ask`.
    On {
        ask: bool,
        expires: Duration,
        min_se: Duration,
    },
}

impl SessionTimer {
    /// 422 to an INVITE that asks for less than we take. Inside a dialog the endpoint does this itself.
    pub fn refuse(self, invite: &Request) -> Option<Reply> {
        session_timer::refuse(self, &invite.headers)
    }
}

/// A final or provisional answer of ours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    pub status: u16,
    /// The standard phrase when `None`.
    pub reason: Option<String>,
    pub headers: Headers,
    pub body: Option<Body>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// With one more header.
    pub fn with(mut self, name: Name, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }
}

#[derive(Debug)]
pub enum Event {
    /// A new INVITE outside any dialog. 100 was sent already. Answer by `progress`, `answer` or `reject`.
    Invited {
        invite: InviteId,
        source: Source,
        request: Box<Request>,
    },
    /// The caller gave up before our final response, by CANCEL or by BYE; 487 was sent. The usage is over.
    Cancelled {
        invite: InviteId,
        cancel: Box<Request>,
    },
    /// ACK to our 2xx: the dialog is confirmed. `body` holds the answer to a late offer.
    Acknowledged {
        invite: InviteId,
        body: Option<Body>,
    },
    /// No ACK to our 2xx (of the INVITE or a re-INVITE) within 64*T1: the endpoint sends BYE itself (RFC 3261
    /// §13.3.1.4). Or no PRACK to a reliable provisional response: it rejects the INVITE. The usage is over.
    NeverAcknowledged { invite: InviteId },

    /// 101-199 to our INVITE. `to_tag` tells the forks apart. A reliable one is PRACKed already.
    Progress {
        invite: InviteId,
        to_tag: Option<String>,
        response: Box<Response>,
    },
    /// The first 2xx to our INVITE. Must be followed by `acknowledge`. Later 2xx of other forks are ACKed and ended with BYE.
    Answered {
        invite: InviteId,
        response: Box<Response>,
    },
    /// Our INVITE failed for good (challenges were answered with the credentials first). The usage is over.
    Failed { invite: InviteId, failure: Failure },

    /// A re-INVITE, or an UPDATE with or without a body, inside the dialog: answer by `respond`.
    Reoffered {
        invite: InviteId,
        pending: PendingId,
        request: Box<Request>,
    },
    /// ACK to our 2xx of a re-INVITE (carries the answer when the re-INVITE had no offer).
    ReofferAcknowledged {
        invite: InviteId,
        pending: PendingId,
        body: Option<Body>,
    },
    /// INFO, REFER, NOTIFY, MESSAGE, OPTIONS ... inside the dialog: answer by `respond`.
    InDialog {
        invite: InviteId,
        pending: PendingId,
        request: Box<Request>,
    },
    /// BYE came (200 was sent) or the session expired. The usage is over.
    Ended { invite: InviteId, why: Departure },
    /// Our turn to refresh the session (RFC 4028): send `modify` with the current body.
    RefreshDue { invite: InviteId },

    /// A request outside any dialog that is not INVITE (OPTIONS, REGISTER, ...): answer by `respond`.
    Requested {
        pending: PendingId,
        source: Source,
        request: Box<Request>,
    },
    /// The outcome of `request`, `request_in_dialog` or `modify`: exactly one for each. When the usage ends first, it is
    /// `Failure::Cancelled`.
    Completed {
        request: RequestId,
        outcome: Result<Box<Response>, Failure>,
    },
}

/// How a request of ours failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// 3xx-6xx; or a 2xx that makes no dialog.
    Rejected(Box<Response>),
    /// No final (or no first) response in time.
    Timeout,
    Transport(TransportError),
    /// We cancelled it.
    Cancelled,
}

/// How a confirmed dialog ended without us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Departure {
    Bye(Box<Request>),
    /// Nobody refreshed the session in time (RFC 4028). Or the application left an INVITE unanswered for ten minutes, or
    /// a 2xx unacknowledged for 64*T1.
    SessionExpired,
    /// A request of ours inside the dialog got 481, 408 or no answer (RFC 3261 §12.2.1.2).
    DialogGone,
}

/// A command that does not fit the state of its usage. Nothing was done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    #[error("no such INVITE, or it is over")]
    Unknown,
    #[error("not possible while {0}")]
    WrongState(&'static str),
}

/// What came and led to nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    pub received: u64,
    /// Not SIP, or broken.
    pub malformed: u64,
    pub stray_responses: u64,
    pub stray_acks: u64,
    /// Answered 503 for want of room.
    pub refused_full: u64,
    /// Answered 482: the same request on a second path.
    pub merged: u64,
    /// Transmits of which the world said that they failed.
    pub transmits_failed: u64,
}

/// After any handle or command: poll transmits and events until empty, then read the deadline.
pub struct Endpoint {
    core: Core,
    usages: BTreeMap<InviteId, Usage>,
    /// Usages by Call-ID and our tag.
    dialogs: BTreeMap<(String, String), InviteId>,
    deadlines: Deadlines<InviteId>,
    outside: Outside,
}

impl Endpoint {
    pub fn new(config: EndpointConfig, entropy: Entropy) -> Self {
        Self {
            core: Core::new(config, entropy),
            usages: BTreeMap::new(),
            dialogs: BTreeMap::new(),
            deadlines: Deadlines::default(),
            outside: Outside::default(),
        }
    }

    /// One whole message from the network. Bad ones are answered with 400 where possible, and counted.
    pub fn handle_received(&mut self, now: Instant, source: Source, bytes: &[u8]) {
        self.core.counters.received += 1;
        match Message::parse(bytes) {
            Ok(Message::Request(request)) => self.handle_request(now, source, request),
            Ok(Message::Response(response)) => self.handle_response(now, source, response),
            Err(error) => self.handle_malformed(source, error),
        }
        self.sweep();
    }

    /// Requests that were on their way there go over their fallback, or fail.
    pub fn handle_flow_closed(&mut self, now: Instant, flow: FlowId) {
        let transmits = &mut self.core.transmits;
        for failed in self.core.clients.handle_flow_closed(flow, transmits) {
            let failure = Failure::Transport(TransportError::Closed);
            self.transaction_failed(now, failed, failure);
        }
        self.sweep();
    }

    pub fn handle_transmit_failed(
        &mut self,
        now: Instant,
        tag: TransmitTag,
        error: TransportError,
    ) {
        self.core.counters.transmits_failed += 1;
        let transaction = TransactionId::from_tag(tag);
        if self.core.clients.fail(transaction) {
            self.transaction_failed(now, transaction, Failure::Transport(error));
        }
        self.sweep();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        let timed_out = self
            .core
            .clients
            .handle_timeout(now, &mut self.core.transmits);
        for transaction in timed_out {
            self.transaction_failed(now, transaction, Failure::Timeout);
        }
        self.core
            .servers
            .handle_timeout(now, &mut self.core.transmits);
        while let Some(invite) = self.deadlines.pop_due(now) {
            self.with_usage(invite, |usage, core| usage.handle_timeout(core, now));
        }
        self.sweep();
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.core.transmits.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let transactions = earliest(self.core.clients.deadline(), self.core.servers.deadline());
        earliest(transactions, self.deadlines.next())
    }

    pub fn counters(&self) -> Counters {
        self.core.counters
    }

    /// Whether no transaction, no usage and no request of ours is left.
    pub fn is_idle(&self) -> bool {
        self.usages.is_empty()
            && self.core.clients.is_empty()
            && self.core.servers.is_empty()
            && self.outside.is_empty()
    }

    /// Whether every usage is over and every request of ours has had its final response: nothing is repeated any more but
    /// answers.
    pub fn is_quiet(&self) -> bool {
        self.usages.is_empty() && !self.core.clients.is_awaiting()
    }

    /// The Call-ID of a usage that is not over.
    pub fn call_id(&self, invite: InviteId) -> Option<&str> {
        let (call_id, _) = self.usages.get(&invite)?.dialog_key()?;
        Some(call_id)
    }

    /// Places a call.
    pub fn invite(&mut self, now: Instant, invite: OutgoingInvite) -> InviteId {
        let id = InviteId(self.core.next_id());
        let usage = Usage::place(&mut self.core, now, id, invite);
        self.add_usage(usage);
        id
    }

    /// ACK to the 2xx reported by `Answered`.
    pub fn acknowledge(
        &mut self,
        _now: Instant,
        invite: InviteId,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        self.command(invite, |usage, core| usage.acknowledge(core, body))
    }

    /// 101-199 to an INVITE that came.
    pub fn progress(
        &mut self,
        now: Instant,
        invite: InviteId,
        contact: &Uri,
        reply: Reply,
    ) -> Result<(), CommandError> {
        self.command(invite, |usage, core| {
            usage.progress(core, now, contact, reply)
        })
    }

    /// 2xx to an INVITE that came; repeated until ACKed. Session timer as agreed with what the INVITE asked.
    pub fn answer(
        &mut self,
        now: Instant,
        invite: InviteId,
        contact: &Uri,
        reply: Reply,
        timer: SessionTimer,
    ) -> Result<(), CommandError> {
        self.command(invite, |usage, core| {
            usage.answer(core, now, contact, reply, timer)
        })
    }

    /// Ends the usage whatever its state: final response (given) when the INVITE that came is unanswered, CANCEL when
    /// ours is, BYE when there is a dialog (after the ACK, where that is due). `headers` (Reason, ...) go on CANCEL and BYE.
    /// Of the usage nothing more is reported, but for `Failed` of an INVITE of ours and `Completed` of its requests.
    pub fn hang_up(
        &mut self,
        now: Instant,
        invite: InviteId,
        rejection: Reply,
        headers: Headers,
    ) -> Result<(), CommandError> {
        self.command(invite, |usage, core| {
            usage.hang_up(core, now, rejection, headers)
        })
    }

    /// re-INVITE of ours (session refresh, our own re-offer). `Completed` tells the outcome; a 2xx is ACKed already.
    pub fn modify(
        &mut self,
        now: Instant,
        invite: InviteId,
        body: Option<Body>,
    ) -> Result<RequestId, CommandError> {
        self.command(invite, |usage, core| usage.modify(core, now, body))
    }

    /// INFO, NOTIFY, ... of ours inside the dialog.
    pub fn request_in_dialog(
        &mut self,
        now: Instant,
        invite: InviteId,
        method: Method,
        headers: Headers,
        body: Option<Body>,
    ) -> Result<RequestId, CommandError> {
        self.command(invite, |usage, core| {
            usage.request_inside(core, now, method, headers, body)
        })
    }

    /// OPTIONS, REGISTER, ... of ours outside any dialog. Via, Call-ID, CSeq, Max-Forwards and tags are added where the
    /// request does not bring them.
    pub fn request(
        &mut self,
        now: Instant,
        hop: NextHop,
        request: Request,
        credentials: Option<Credentials>,
    ) -> RequestId {
        self.outside
            .send(&mut self.core, now, hop, request, credentials)
    }

    /// Answers a pending request.
    pub fn respond(
        &mut self,
        now: Instant,
        pending: PendingId,
        reply: Reply,
    ) -> Result<(), CommandError> {
        let transaction = TransactionId(pending.0);
        let owner = self
            .core
            .servers
            .get(transaction)
            .map(|server| server.owner);
        let done = match owner {
            Some(servers::Owner::Reoffer(invite)) => self.command(invite, |usage, core| {
                usage.respond_reoffer(core, now, pending, reply)
            }),
            Some(servers::Owner::InDialog(invite)) => self.command(invite, |usage, core| {
                usage.respond_inside(core, now, pending, reply)
            }),
            Some(servers::Owner::Outside) => {
                match self.core.respond_outside(now, transaction, reply) {
                    true => Ok(()),
                    false => Err(CommandError::Unknown),
                }
            }
            Some(servers::Owner::Endpoint | servers::Owner::Invite(_)) | None => {
                Err(CommandError::Unknown)
            }
        };
        self.sweep();
        done
    }

    fn handle_malformed(&mut self, source: Source, error: ParseError) {
        self.core.counters.malformed += 1;
        tracing::debug!(peer = %source.remote, what = error.what, "malformed message");
        let Some(mut request) = error.answerable else {
            return;
        };
        // A Via that cannot be read goes back as it came.
        request.headers.mark_received(source.remote).ok();
        let reply = Reply::status(error.status);
        self.core.refuse_statelessly(source, &request, reply);
    }

    fn handle_request(&mut self, now: Instant, source: Source, mut request: Request) {
        if request.headers.mark_received(source.remote).is_err() {
            self.core.counters.malformed += 1;
            return;
        }
        let transmits = &mut self.core.transmits;
        let heard = self.core.servers.handle_request(now, &request, transmits);
        match (heard, &request.method) {
            (servers::Heard::Absorbed, _) => {}
            (servers::Heard::Ack, _) | (servers::Heard::New, Method::Ack) => {
                self.handle_ack(now, &request);
            }
            (servers::Heard::New, _) if self.is_full(&request) => {
                self.core.counters.refused_full += 1;
                let reply = Reply::status(503).with(Name::RetryAfter, "10");
                self.core.refuse_statelessly(source, &request, reply);
            }
            (servers::Heard::New, _) => self.handle_new_request(now, source, request),
        }
    }

    fn handle_new_request(&mut self, now: Instant, source: Source, request: Request) {
        let to_tag = request.headers.to().ok();
        let to_tag = to_tag.and_then(|to| to.tag().map(str::to_owned));
        let merged = to_tag.is_none() && self.core.servers.is_merged(&request);
        let transaction = self.core.open_server(now, source, request.clone());
        if let Err(refusal) = screen(&request) {
            return self.refuse(now, transaction, refusal);
        }
        match (&request.method, to_tag) {
            (Method::Cancel, _) => self.handle_cancel(now, transaction, &request),
            (_, Some(tag)) => self.handle_in_dialog(now, transaction, source, &request, tag),
            (_, None) if merged => {
                self.core.counters.merged += 1;
                self.refuse(now, transaction, Reply::status(482));
            }
            (Method::Invite, None) => self.handle_invite(now, transaction, source, request),
            (method, None) if needs_dialog(method) => {
                self.refuse(now, transaction, Reply::status(481));
            }
            (_, None) => {
                self.core
                    .servers
                    .set_owner(transaction, servers::Owner::Outside);
                self.core.tell(Event::Requested {
                    pending: PendingId(transaction.0),
                    source,
                    request: Box::new(request),
                });
            }
        }
    }

    fn handle_invite(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        source: Source,
        request: Request,
    ) {
        let invite = InviteId(self.core.next_id());
        match Usage::invited(&mut self.core, now, invite, transaction, source, &request) {
            Ok(usage) => {
                self.add_usage(usage);
                self.core.tell(Event::Invited {
                    invite,
                    source,
                    request: Box::new(request),
                });
            }
            Err(error) => {
                tracing::debug!(peer = %source.remote, %error, "INVITE refused");
                self.refuse(now, transaction, Reply::status(400));
            }
        }
    }

    fn handle_in_dialog(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        source: Source,
        request: &Request,
        to_tag: String,
    ) {
        match self.find(request, to_tag) {
            Some(invite) => self.with_usage(invite, |usage, core| {
                usage.handle_request(core, now, transaction, source, request);
            }),
            None => self.refuse(now, transaction, Reply::status(481)),
        }
    }

    fn handle_ack(&mut self, now: Instant, ack: &Request) {
        let to = ack.headers.to().ok();
        let tag = to.and_then(|to| to.tag().map(str::to_owned));
        let invite = tag.and_then(|tag| self.find(ack, tag));
        let mut taken = false;
        if let Some(invite) = invite {
            self.with_usage(invite, |usage, core| {
                taken = usage.handle_ack(core, now, ack);
            });
        }
        if !taken {
            self.core.counters.stray_acks += 1;
        }
    }

    /// RFC 3261 §9.2.
    fn handle_cancel(&mut self, now: Instant, transaction: TransactionId, cancel: &Request) {
        let Some(meant) = self.core.servers.cancelled_by(cancel) else {
            return self.refuse(now, transaction, Reply::status(481));
        };
        let tag = self.core.servers.to_tag(meant).map(str::to_owned);
        let tag = tag.unwrap_or_else(|| self.core.new_tag());
        self.core
            .respond(now, transaction, &tag, Reply::status(200));
        match self.core.servers.get(meant).map(|server| server.owner) {
            Some(servers::Owner::Invite(invite)) => {
                self.with_usage(invite, |usage, core| usage.cancelled(core, now, cancel));
            }
            Some(servers::Owner::Reoffer(invite)) => {
                self.with_usage(invite, |usage, core| {
                    usage.reoffer_cancelled(core, now, meant);
                });
            }
            Some(servers::Owner::Endpoint | servers::Owner::InDialog(_))
            | Some(servers::Owner::Outside)
            | None => {}
        }
    }

    fn handle_response(&mut self, now: Instant, source: Source, response: Response) {
        let transmits = &mut self.core.transmits;
        let heard = self
            .core
            .clients
            .handle_response(now, source, &response, transmits);
        match heard {
            clients::Heard::Report(transaction) => {
                self.handle_reported(now, transaction, source, &response);
            }
            clients::Heard::Absorbed => {}
            clients::Heard::Stray => self.core.counters.stray_responses += 1,
        }
    }

    fn handle_reported(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        source: Source,
        response: &Response,
    ) {
        let Some(owner) = self
            .core
            .clients
            .get(transaction)
            .map(|client| client.owner)
        else {
            return;
        };
        match owner {
            Owner::Invite(invite) => {
                let mut taken = false;
                self.with_usage(invite, |usage, core| {
                    taken = usage.handle_invite_response(core, now, transaction, source, response);
                });
                if !taken && (200..300).contains(&response.status) {
                    ack::late_answer(&mut self.core, now, transaction, source, response);
                }
            }
            Owner::Modify(invite) => {
                let mut taken = false;
                self.with_usage(invite, |usage, core| {
                    taken = usage.handle_modify_response(core, now, transaction, response);
                });
                if !taken && (200..300).contains(&response.status) {
                    ack::late_change(&mut self.core, transaction, response);
                }
            }
            Owner::InDialog(invite, request) => self.with_usage(invite, |usage, core| {
                usage.handle_response_inside(core, now, transaction, request, response);
            }),
            Owner::Bye(invite) => self.with_usage(invite, |usage, core| {
                usage.handle_bye_response(core, now, transaction, response);
            }),
            Owner::Outside(request) => {
                self.outside
                    .handle_response(&mut self.core, now, transaction, request, response);
            }
            Owner::Nobody => {}
        }
    }

    fn transaction_failed(&mut self, now: Instant, transaction: TransactionId, failure: Failure) {
        let Some(owner) = self
            .core
            .clients
            .get(transaction)
            .map(|client| client.owner)
        else {
            return;
        };
        match owner {
            Owner::Invite(invite) => self.with_usage(invite, |usage, core| {
                usage.invite_failed(core, now, failure);
            }),
            Owner::Modify(invite) => self.with_usage(invite, |usage, core| {
                usage.modify_failed(core, now, failure);
            }),
            Owner::InDialog(invite, request) => self.with_usage(invite, |usage, core| {
                usage.request_failed(core, now, request, failure);
            }),
            Owner::Bye(invite) => self.with_usage(invite, |usage, _| usage.bye_failed()),
            Owner::Outside(request) => self.outside.fail(&mut self.core, request, failure),
            Owner::Nobody => {}
        }
    }

    fn refuse(&mut self, now: Instant, transaction: TransactionId, reply: Reply) {
        self.core.respond_outside(now, transaction, reply);
    }

    /// New work is refused from the limit on; what ends calls may take as much again.
    fn is_full(&self, request: &Request) -> bool {
        let open = self.core.servers.len();
        let limit = self.core.config.max_transactions;
        match request.method {
            Method::Cancel | Method::Bye | Method::Prack => open >= limit.saturating_mul(2),
            _ => open >= limit,
        }
    }

    /// The usage whose dialog the request names by Call-ID and our tag.
    fn find(&self, request: &Request, to_tag: String) -> Option<InviteId> {
        let call_id = request.headers.call_id().ok()?.to_owned();
        self.dialogs.get(&(call_id, to_tag)).copied()
    }

    fn add_usage(&mut self, usage: Usage) {
        let id = usage.id;
        if let Some((call_id, tag)) = usage.dialog_key() {
            self.dialogs
                .insert((call_id.to_owned(), tag.to_owned()), id);
        }
        self.deadlines.set(id, usage.deadline());
        self.usages.insert(id, usage);
    }

    fn command<T>(
        &mut self,
        invite: InviteId,
        act: impl FnOnce(&mut Usage, &mut Core) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let mut done = Err(CommandError::Unknown);
        self.with_usage(invite, |usage, core| done = act(usage, core));
        self.sweep();
        done
    }

    /// Lets one usage act, then keeps its deadline, or lets go of it when it is over.
    fn with_usage(&mut self, invite: InviteId, act: impl FnOnce(&mut Usage, &mut Core)) {
        let Some(usage) = self.usages.get_mut(&invite) else {
            return;
        };
        let key = usage.dialog_key();
        let key = key.map(|(call_id, tag)| (call_id.to_owned(), tag.to_owned()));
        act(usage, &mut self.core);
        if !usage.is_over() {
            return self.deadlines.set(invite, usage.deadline());
        }
        self.usages.remove(&invite);
        self.deadlines.set(invite, None);
        if let Some(key) = key {
            self.dialogs.remove(&key);
        }
    }

    fn sweep(&mut self) {
        self.core.clients.sweep();
        self.core.servers.sweep();
    }
}

/// Methods that mean nothing without a dialog.
fn needs_dialog(method: &Method) -> bool {
    matches!(
        method,
        Method::Bye | Method::Update | Method::Prack | Method::Info
    )
}
