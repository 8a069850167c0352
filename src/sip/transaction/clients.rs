//! Our own requests under way: client transactions with their bytes, and where they go.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::sip::compose;
use crate::sip::endpoint::{InviteId, RequestId};
use crate::sip::flow::{FlowId, ListenerId, Source, Target, Transmit, Transport};
use crate::sip::message::{Method, Request, Response};
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::client::{ClientRequest, Effect};
use crate::sip::transaction::client_invite::ClientInvite;
use crate::sip::transaction::key::ClientKey;
use crate::sip::transaction::timer::{Deadlines, Timers};

/// Forks of one INVITE whose 2xx are acknowledged; more are not believed.
const MAX_FORKS: usize = 16;

/// Whose request a client transaction carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// The INVITE that starts the usage.
    Invite(InviteId),
    /// A re-INVITE.
    Modify(InviteId),
    /// Another request inside the dialog.
    InDialog(InviteId, RequestId),
    Bye(InviteId),
    /// Outside any dialog.
    Outside(RequestId),
    /// Its outcome changes nothing: CANCEL, PRACK, BYE to a second fork.
    Nobody,
}

/// The way of a request: what Via says and where the bytes go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    pub listener: ListenerId,
    pub transport: Transport,
    pub target: Target,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Machine {
    Invite(ClientInvite),
    Other(ClientRequest),
}

#[derive(Clone, Debug)]
pub struct Client {
    pub owner: Owner,
    /// As sent, Via included.
    pub request: Request,
    pub path: Path,
    /// How often this request was sent anew (challenge, 422, 491).
    pub round: u8,
    key: ClientKey,
    machine: Machine,
    bytes: Vec<u8>,
    /// ACK to 300-699, once that came.
    rejection_ack: Option<Vec<u8>>,
    /// ACK to each fork's 2xx by its To tag, for when the 2xx comes again.
    acks: BTreeMap<String, Transmit>,
}

/// What became of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// No request of ours waits for it.
    Stray,
    Absorbed,
    Report(TransactionId),
}

#[derive(Default)]
pub struct Clients {
    timers: Timers,
    table: BTreeMap<TransactionId, Client>,
    index: BTreeMap<ClientKey, TransactionId>,
    deadlines: Deadlines<TransactionId>,
    terminated: Vec<TransactionId>,
}

/// What starts a client transaction. `request` carries its Via already.
pub struct Start {
    pub owner: Owner,
    pub request: Request,
    pub path: Path,
    pub round: u8,
    /// INVITE only: no response at all by then is a failure.
    pub answer_by: Option<Instant>,
}

impl Clients {
    pub fn new(timers: Timers) -> Self {
        Self {
            timers,
            ..Self::default()
        }
    }

    pub fn start(
        &mut self,
        now: Instant,
        id: TransactionId,
        start: Start,
        out: &mut VecDeque<Transmit>,
    ) {
        let reliable = start.path.transport.is_reliable();
        let machine = match start.request.method {
            Method::Invite => {
                let gives_up = start.answer_by.unwrap_or(now + self.timers.whole());
                Machine::Invite(ClientInvite::new(now, &self.timers, reliable, gives_up))
            }
            _ => Machine::Other(ClientRequest::new(now, &self.timers, reliable)),
        };
        let client = Client {
            owner: start.owner,
            key: ClientKey::of_request(&start.request),
            bytes: start.request.write(),
            request: start.request,
            path: start.path,
            round: start.round,
            machine,
            rejection_ack: None,
            acks: BTreeMap::new(),
        };
        out.push_back(client.transmit(id, client.bytes.clone()));
        self.index.insert(client.key.clone(), id);
        self.deadlines.set(id, client.machine.deadline());
        self.table.insert(id, client);
    }

    pub fn get(&self, id: TransactionId) -> Option<&Client> {
        self.table.get(&id)
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    pub fn handle_response(
        &mut self,
        now: Instant,
        source: Source,
        response: &Response,
        out: &mut VecDeque<Transmit>,
    ) -> Heard {
        let id = ClientKey::of_response(response).and_then(|key| self.index.get(&key).copied());
        let Some((id, client)) = id.and_then(|id| Some((id, self.table.get_mut(&id)?))) else {
            return Heard::Stray;
        };
        client.settle_on(source);
        let reliable = client.path.transport.is_reliable();
        let effect = client
            .machine
            .handle_response(now, &self.timers, reliable, response.status);
        let heard = match effect {
            Effect::Report => Heard::Report(id),
            Effect::Acknowledge | Effect::AcknowledgeAndReport => {
                client.acknowledge_rejection(id, response, out);
                match effect {
                    Effect::AcknowledgeAndReport => Heard::Report(id),
                    _ => Heard::Absorbed,
                }
            }
            Effect::Nothing | Effect::Repeat | Effect::TimedOut => Heard::Absorbed,
        };
        self.settle(id);
        heard
    }

    /// Repeats what is due; gives the transactions that timed out.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut VecDeque<Transmit>,
    ) -> Vec<TransactionId> {
        let mut timed_out = Vec::new();
        while let Some(id) = self.deadlines.pop_due(now) {
            let Some(client) = self.table.get_mut(&id) else {
                continue;
            };
            match client.machine.handle_timeout(now) {
                Effect::Repeat => out.push_back(client.transmit(id, client.bytes.clone())),
                Effect::TimedOut => timed_out.push(id),
                Effect::Nothing
                | Effect::Report
                | Effect::Acknowledge
                | Effect::AcknowledgeAndReport => {}
            }
            self.settle(id);
        }
        timed_out
    }

    /// Ends a transaction that still waits for its final response. True when it did.
    pub fn fail(&mut self, id: TransactionId) -> bool {
        let failed = self
            .table
            .get_mut(&id)
            .is_some_and(|client| client.machine.fail());
        self.settle(id);
        failed
    }

    /// Keeps the ACK to a 2xx and sends it. False when there are too many forks.
    pub fn acknowledge(
        &mut self,
        id: TransactionId,
        to_tag: &str,
        ack: Transmit,
        out: &mut VecDeque<Transmit>,
    ) -> bool {
        let Some(client) = self.table.get_mut(&id) else {
            return false;
        };
        if client.acks.len() >= MAX_FORKS {
            return false;
        }
        client.acks.insert(to_tag.to_owned(), ack.clone());
        out.push_back(ack);
        true
    }

    /// The same 2xx came again: its ACK got lost. False when it was never acknowledged.
    pub fn acknowledge_again(
        &self,
        id: TransactionId,
        to_tag: &str,
        out: &mut VecDeque<Transmit>,
    ) -> bool {
        let ack = self
            .table
            .get(&id)
            .and_then(|client| client.acks.get(to_tag));
        out.extend(ack.cloned());
        ack.is_some()
    }

    /// What no response has reached yet goes over its fallback: the peer takes it for a repetition. Gives what has none.
    pub fn handle_flow_closed(
        &mut self,
        flow: FlowId,
        out: &mut VecDeque<Transmit>,
    ) -> Vec<TransactionId> {
        let mut failed = Vec::new();
        for (id, client) in &mut self.table {
            let Target::Flow {
                flow: on, fallback, ..
            } = &client.path.target
            else {
                continue;
            };
            if *on != flow || !client.machine.is_unheard() {
                continue;
            }
            match fallback.clone() {
                Some(hop) => {
                    client.path.target = Target::Hop(hop);
                    out.push_back(client.transmit(*id, client.bytes.clone()));
                }
                None => failed.push(*id),
            }
        }
        failed.retain(|id| self.fail(*id));
        failed
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Whether a final response is awaited on any of them.
    pub fn is_awaiting(&self) -> bool {
        self.table
            .values()
            .any(|client| client.machine.is_awaiting())
    }

    /// Lets go of what has terminated. Until then its record stays readable.
    pub fn sweep(&mut self) {
        for id in std::mem::take(&mut self.terminated) {
            if let Some(client) = self.table.remove(&id) {
                self.index.remove(&client.key);
            }
        }
    }

    fn settle(&mut self, id: TransactionId) {
        let Some(client) = self.table.get(&id) else {
            return;
        };
        self.deadlines.set(id, client.machine.deadline());
        if client.machine.is_terminated() {
            self.terminated.push(id);
        }
    }
}

impl Client {
    /// The response showed which flow reaches the peer: ACK and CANCEL take it as well.
    fn settle_on(&mut self, source: Source) {
        if let Target::Hop(hop) = &self.path.target {
            self.path.target = Target::Flow {
                flow: source.flow,
                remote: source.remote,
                fallback: Some(hop.clone()),
            };
        }
    }

    fn transmit(&self, id: TransactionId, bytes: Vec<u8>) -> Transmit {
        Transmit {
            tag: id.tag(),
            target: self.path.target.clone(),
            bytes,
        }
    }

    fn acknowledge_rejection(
        &mut self,
        id: TransactionId,
        response: &Response,
        out: &mut VecDeque<Transmit>,
    ) {
        let ack = self
            .rejection_ack
            .get_or_insert_with(|| compose::rejection_ack(&self.request, response).write())
            .clone();
        out.push_back(self.transmit(id, ack));
    }
}

impl Machine {
    fn handle_response(
        &mut self,
        now: Instant,
        timers: &Timers,
        reliable: bool,
        status: u16,
    ) -> Effect {
        match self {
            Self::Invite(machine) => machine.handle_response(now, timers, reliable, status),
            Self::Other(machine) => machine.handle_response(now, timers, reliable, status),
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Effect {
        match self {
            Self::Invite(machine) => machine.handle_timeout(now),
            Self::Other(machine) => machine.handle_timeout(now),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Invite(machine) => machine.deadline(),
            Self::Other(machine) => machine.deadline(),
        }
    }

    fn fail(&mut self) -> bool {
        match self {
            Self::Invite(machine) => machine.fail(),
            Self::Other(machine) => machine.fail(),
        }
    }

    /// No response at all yet.
    fn is_unheard(&self) -> bool {
        match self {
            Self::Invite(machine) => matches!(machine, ClientInvite::Calling { .. }),
            Self::Other(machine) => matches!(machine, ClientRequest::Trying { .. }),
        }
    }

    /// No final response yet.
    fn is_awaiting(&self) -> bool {
        match self {
            Self::Invite(machine) => matches!(
                machine,
                ClientInvite::Calling { .. } | ClientInvite::Proceeding { .. }
            ),
            Self::Other(machine) => matches!(
                machine,
                ClientRequest::Trying { .. } | ClientRequest::Proceeding { .. }
            ),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Self::Invite(machine) => *machine == ClientInvite::Terminated,
            Self::Other(machine) => *machine == ClientRequest::Terminated,
        }
    }
}
