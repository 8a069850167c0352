//! The user agent: all transactions, dialogs and INVITE usages of this process behind one door.
//!
//! In: messages, closed flows, failed transmits, the time, commands. Out: transmits, events, the next deadline.

mod command;
mod event;
mod id;
mod outcomes;
mod receiving;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::entropy::Entropy;
use crate::sip::core::Core;
pub use crate::sip::digest::Credentials;
use crate::sip::flow::{
    FlowId, Host, ListenerId, NextHop, Source, Transmit, TransmitTag, TransportError,
};
use crate::sip::invite::Usage;
use crate::sip::message::{Headers, Message, Method, Request};
use crate::sip::outside::Outside;
use crate::sip::replaces::Replaces;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::servers;
pub use crate::sip::transaction::timer::Timers;
use crate::sip::transaction::timer::{Deadlines, earliest};
use crate::sip::uri::Uri;

pub use self::command::{Body, CommandError, Login, OutgoingInvite, Reply, SessionTimer};
pub use self::event::{Departure, Event, Failure};
pub use self::id::{InviteId, PendingId, RequestId};

pub struct EndpointConfig {
    pub timers: Timers,
    /// `User-Agent` and `Server`.
    pub user_agent: String,
    /// What each listener calls itself in Via and Contact.
    pub sent_by: BTreeMap<ListenerId, (Host, u16)>,
    /// Those toward peers that hear of calls alone: of no REFER, UPDATE, INFO, no extension.
    pub terse: BTreeSet<ListenerId>,
    /// More server transactions than this and new requests get 503.
    pub max_transactions: usize,
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

    /// The usage whose dialog is meant (RFC 3891 §3), or the status to refuse the new INVITE with. An early
    /// dialog is none: nobody talks in it yet.
    pub fn find_replaced(&self, replaces: &Replaces) -> Result<InviteId, u16> {
        let key = (replaces.call_id.clone(), replaces.to_tag.clone());
        let found = self.dialogs.get(&key);
        let usage = found
            .and_then(|invite| self.usages.get(invite))
            .ok_or(481u16)?;
        usage.replaceable(replaces)?;
        Ok(usage.id)
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

    /// What challenges to our requests inside a dialog that the peer began are answered with. Inside one that we began it is
    /// what its INVITE came with.
    pub fn set_credentials(
        &mut self,
        invite: InviteId,
        credentials: Credentials,
    ) -> Result<(), CommandError> {
        self.command(invite, |usage, _| usage.set_credentials(credentials))
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
