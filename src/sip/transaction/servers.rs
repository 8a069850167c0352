//! Requests of others under way: server transactions with their last response, and the way back.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::sip::compose;
use crate::sip::endpoint::InviteId;
use crate::sip::flow::{Source, Transmit};
use crate::sip::message::{Method, Request, Response};
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::key::{MergeKey, ServerKey};
use crate::sip::transaction::server::{Effect, ServerRequest};
use crate::sip::transaction::server_invite::ServerInvite;
use crate::sip::transaction::timer::{Deadlines, Timers};

/// Who answers a server transaction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The endpoint answered by itself, or is about to.
    Endpoint,
    /// The INVITE that started the usage.
    Invite(InviteId),
    /// A re-INVITE or UPDATE inside the usage.
    Reoffer(InviteId),
    /// Another request inside the usage.
    InDialog(InviteId),
    /// A request outside any dialog.
    Outside,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Machine {
    Invite(ServerInvite),
    Other(ServerRequest),
}

#[derive(Clone, Debug)]
pub struct Server {
    pub owner: Owner,
    /// With `received` and `rport` in its top Via.
    pub request: Request,
    pub source: Source,
    key: ServerKey,
    merge_key: MergeKey,
    machine: Machine,
    last: Option<Vec<u8>>,
    /// The To tag of our responses: one for all of them (RFC 3261 §8.2.6.2), CANCEL's included (§9.2).
    to_tag: Option<String>,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// No transaction yet.
    New,
    /// A repetition, answered from here.
    Absorbed,
    /// ACK to our 2xx with the branch of the INVITE, as some peers send it.
    Ack,
}

#[derive(Default)]
pub struct Servers {
    timers: Timers,
    table: BTreeMap<TransactionId, Server>,
    index: BTreeMap<ServerKey, TransactionId>,
    merged: BTreeMap<MergeKey, TransactionId>,
    deadlines: Deadlines<TransactionId>,
    terminated: Vec<TransactionId>,
}

impl Servers {
    pub fn new(timers: Timers) -> Self {
        Self {
            timers,
            ..Self::default()
        }
    }

    /// Takes a repetition or an ACK that belongs to a transaction.
    pub fn handle_request(
        &mut self,
        now: Instant,
        request: &Request,
        out: &mut VecDeque<Transmit>,
    ) -> Heard {
        let id = self.index.get(&ServerKey::of(request)).copied();
        let Some((id, server)) = id.and_then(|id| Some((id, self.table.get_mut(&id)?))) else {
            return Heard::New;
        };
        let effect = match (&mut server.machine, &request.method) {
            (Machine::Invite(machine), Method::Ack) => {
                machine.handle_ack(now, &self.timers, server.source.transport.is_reliable())
            }
            (Machine::Invite(machine), _) => machine.handle_repeated(),
            (Machine::Other(machine), _) => machine.handle_repeated(),
        };
        if effect == Effect::Repeat {
            out.extend(server.repeat(id));
        }
        self.settle(id);
        match effect {
            Effect::Nothing | Effect::Repeat => Heard::Absorbed,
            Effect::Report => Heard::Ack,
        }
    }

    pub fn start(&mut self, now: Instant, id: TransactionId, source: Source, request: Request) {
        let machine = match request.method {
            Method::Invite => Machine::Invite(ServerInvite::Proceeding),
            _ => Machine::Other(ServerRequest::new(now, &self.timers)),
        };
        let server = Server {
            owner: Owner::Endpoint,
            key: ServerKey::of(&request),
            merge_key: MergeKey::of(&request),
            request,
            source,
            machine,
            last: None,
            to_tag: None,
        };
        self.index.insert(server.key.clone(), id);
        self.merged.entry(server.merge_key.clone()).or_insert(id);
        self.table.insert(id, server);
        self.settle(id);
    }

    /// Whether the same request came here on another path before (RFC 3261 §8.2.2.2).
    pub fn is_merged(&self, request: &Request) -> bool {
        self.merged.contains_key(&MergeKey::of(request))
    }

    /// The INVITE that a CANCEL means.
    pub fn cancelled_by(&self, cancel: &Request) -> Option<TransactionId> {
        self.index.get(&ServerKey::of_cancelled(cancel)).copied()
    }

    pub fn get(&self, id: TransactionId) -> Option<&Server> {
        self.table.get(&id)
    }

    pub fn to_tag(&self, id: TransactionId) -> Option<&str> {
        self.table.get(&id)?.to_tag.as_deref()
    }

    pub fn set_to_tag(&mut self, id: TransactionId, tag: &str) {
        if let Some(server) = self.table.get_mut(&id) {
            server.to_tag = Some(tag.to_owned());
        }
    }

    pub fn set_owner(&mut self, id: TransactionId, owner: Owner) {
        if let Some(server) = self.table.get_mut(&id) {
            server.owner = owner;
        }
    }

    /// Sends a response. False when the transaction is over or had its final response.
    pub fn respond(
        &mut self,
        now: Instant,
        id: TransactionId,
        response: &Response,
        out: &mut VecDeque<Transmit>,
    ) -> bool {
        let Some(server) = self.table.get_mut(&id) else {
            return false;
        };
        let reliable = server.source.transport.is_reliable();
        if !server
            .machine
            .send(now, &self.timers, reliable, response.status)
        {
            return false;
        }
        server.last = Some(response.write());
        out.extend(server.repeat(id));
        self.settle(id);
        true
    }

    /// Repeats what is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<Transmit>) {
        while let Some(id) = self.deadlines.pop_due(now) {
            let Some(server) = self.table.get_mut(&id) else {
                continue;
            };
            if server.machine.handle_timeout(now) == Effect::Repeat {
                out.extend(server.repeat(id));
            }
            self.settle(id);
        }
    }

    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Lets go of what has terminated.
    pub fn sweep(&mut self) {
        for id in std::mem::take(&mut self.terminated) {
            let Some(server) = self.table.remove(&id) else {
                continue;
            };
            self.index.remove(&server.key);
            if self.merged.get(&server.merge_key) == Some(&id) {
                self.merged.remove(&server.merge_key);
            }
        }
    }

    fn settle(&mut self, id: TransactionId) {
        let Some(server) = self.table.get(&id) else {
            return;
        };
        self.deadlines.set(id, server.machine.deadline());
        if server.machine.is_terminated() {
            self.terminated.push(id);
        }
    }
}

impl Server {
    fn repeat(&self, id: TransactionId) -> Option<Transmit> {
        Some(Transmit {
            tag: id.tag(),
            target: compose::way_back(self.source, &self.request),
            bytes: self.last.clone()?,
        })
    }
}

impl Machine {
    fn send(&mut self, now: Instant, timers: &Timers, reliable: bool, status: u16) -> bool {
        match self {
            Self::Invite(machine) => machine.send(now, timers, reliable, status),
            Self::Other(machine) => machine.send(now, timers, reliable, status),
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Effect {
        match self {
            Self::Invite(machine) => machine.handle_timeout(now),
            Self::Other(machine) => {
                machine.handle_timeout(now);
                Effect::Nothing
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => *machine == ServerInvite::Terminated,
            Self::Other(machine) => *machine == ServerRequest::Terminated,
        }
    }
}
