//! What every act of the user agent needs: the transactions, the queues toward the world and the application, identity
//! for new messages. It decides nothing.

use std::collections::VecDeque;
use std::time::Instant;

use crate::entropy::Entropy;
use crate::sip::compose;
use crate::sip::digest::{Memory, Responder};
use crate::sip::endpoint::{Body, Counters, EndpointConfig, Event, Reply, SessionTimer};
use crate::sip::flow::{Host, ListenerId, Source, Transmit};
use crate::sip::message::{Headers, Method, Name, Request, Response, Via};
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::{Clients, Owner, Path, Start};
use crate::sip::transaction::key::MAGIC_COOKIE;
use crate::sip::transaction::servers::Servers;

/// What a peer may send and be served. Other methods reach the application too, which may refuse them.
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY";

/// What a peer on a terse listener is told.
const TERSE_ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS";

pub struct Core {
    pub config: EndpointConfig,
    pub entropy: Entropy,
    pub clients: Clients,
    pub servers: Servers,
    pub counters: Counters,
    /// Challenges that calls may answer before they are made.
    pub logins: Memory,
    pub transmits: VecDeque<Transmit>,
    pub events: VecDeque<Event>,
    last_id: u64,
}

/// A request of ours, ready but for its Via.
pub struct Draft {
    pub owner: Owner,
    pub request: Request,
    pub path: Path,
    /// How often it was sent before with other headers.
    pub round: u8,
    pub answer_by: Option<Instant>,
}

impl Draft {
    pub fn first(owner: Owner, request: Request, path: Path) -> Self {
        Self {
            owner,
            request,
            path,
            round: 0,
            answer_by: None,
        }
    }

    /// Puts an answer of its own on the request: a count that was sent once never comes again.
    pub fn authorize(&mut self, login: Option<&mut Responder>) {
        if let Some(login) = login {
            login.authorize(&mut self.request);
        }
    }

    /// Gives the request the CSeq number that its dialog has come to.
    pub fn number(&mut self, cseq: u32) {
        let value = compose::cseq_value(cseq, &self.request.method);
        self.request.headers.set(Name::CSeq, value);
    }
}

impl Core {
    pub fn new(config: EndpointConfig, entropy: Entropy) -> Self {
        Self {
            clients: Clients::new(config.timers),
            servers: Servers::new(config.timers),
            counters: Counters::default(),
            logins: Memory::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            last_id: 0,
            config,
            entropy,
        }
    }

    /// Numbers of usages, requests and transactions come from one row.
    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub fn new_tag(&mut self) -> String {
        self.entropy.hex(8)
    }

    pub fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Starts a client transaction with a branch of its own.
    pub fn send(&mut self, now: Instant, mut draft: Draft) -> TransactionId {
        self.add_via(&mut draft.request, &draft.path);
        if draft.request.headers.get(&Name::UserAgent).is_none() {
            let user_agent = self.config.user_agent.clone();
            draft.request.headers.push(Name::UserAgent, user_agent);
        }
        self.start(now, draft)
    }

    /// A request inside a dialog, sent for the first time.
    pub fn send_in_dialog(&mut self, now: Instant, owner: Owner, request: Request, path: Path) {
        self.send(now, Draft::first(owner, request, path));
    }

    /// CANCEL of an INVITE of ours that got a provisional response (RFC 3261 §9.1).
    pub fn send_cancel(&mut self, now: Instant, invite: TransactionId, headers: Headers) {
        let Some(client) = self.clients.get(invite) else {
            return;
        };
        let mut request = compose::cancel(&client.request);
        request.headers.extend(headers);
        let path = client.path.clone();
        self.start(now, Draft::first(Owner::Nobody, request, path));
    }

    /// ACK to a 2xx of our INVITE: sent now, and again whenever that 2xx comes again. `ack` is without Via.
    pub fn send_ack(
        &mut self,
        invite: TransactionId,
        to_tag: &str,
        mut ack: Request,
        path: &Path,
    ) -> bool {
        self.add_via(&mut ack, path);
        let transmit = Transmit {
            tag: invite.tag(),
            target: path.target.clone(),
            bytes: ack.write(),
        };
        self.clients
            .acknowledge(invite, to_tag, transmit, &mut self.transmits)
    }

    /// Takes in a request that nothing is known of yet.
    pub fn open_server(&mut self, now: Instant, source: Source, request: Request) -> TransactionId {
        let id = TransactionId(self.next_id());
        self.servers.start(now, id, source, request);
        id
    }

    /// Answers a server transaction. False when it had its final response before.
    pub fn respond(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        to_tag: &str,
        reply: Reply,
    ) -> bool {
        let Some(server) = self.servers.get(transaction) else {
            return false;
        };
        let listener = server.source.listener;
        let response = self.response(listener, &server.request, to_tag, reply);
        self.servers.set_to_tag(transaction, to_tag);
        self.send_response(now, transaction, &response)
    }

    pub fn send_response(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        response: &Response,
    ) -> bool {
        self.servers
            .respond(now, transaction, response, &mut self.transmits)
    }

    /// Answers with an error; that there may be no one left to hear it changes nothing.
    pub fn refuse_in(&mut self, now: Instant, transaction: TransactionId, tag: &str, status: u16) {
        self.respond(now, transaction, tag, Reply::status(status));
    }

    /// Answers outside any dialog. False when there was a final response before.
    pub fn respond_outside(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        reply: Reply,
    ) -> bool {
        let tag = self.servers.to_tag(transaction).map(str::to_owned);
        let tag = tag.unwrap_or_else(|| self.new_tag());
        self.respond(now, transaction, &tag, reply)
    }

    /// Answers without a transaction: for what is too much or too broken to get one.
    pub fn refuse_statelessly(&mut self, source: Source, request: &Request, reply: Reply) {
        let tag = self.new_tag();
        let response = self.response(source.listener, request, &tag, reply);
        self.transmits.push_back(Transmit {
            tag: TransactionId(0).tag(),
            target: compose::way_back(source, request),
            bytes: response.write(),
        });
    }

    pub fn is_terse(&self, listener: ListenerId) -> bool {
        self.config.terse.contains(&listener)
    }

    /// `Allow` of what goes out by a listener.
    pub fn allow(&self, listener: ListenerId) -> &'static str {
        match self.is_terse(listener) {
            true => TERSE_ALLOW,
            false => ALLOW,
        }
    }

    /// `Supported` of our INVITEs and of our answers to them.
    pub fn supported(
        &self,
        listener: ListenerId,
        reliable: bool,
        timer: SessionTimer,
    ) -> Option<String> {
        let timer = match timer {
            SessionTimer::On { .. } => true,
            SessionTimer::Off => false,
        };
        let transfers = !self.is_terse(listener);
        let tags = [
            (reliable, "100rel"),
            (timer, "timer"),
            (transfers, "replaces"),
            (transfers, "norefersub"),
        ];
        let tags: Vec<&str> = tags
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, tag)| *tag)
            .collect();
        (!tags.is_empty()).then(|| tags.join(", "))
    }

    pub fn response(
        &self,
        listener: ListenerId,
        request: &Request,
        to_tag: &str,
        reply: Reply,
    ) -> Response {
        let mut response = Response::reply_to(request, reply.status, reply.reason.as_deref());
        let headers = &mut response.headers;
        if reply.status > 100 {
            headers.add_to_tag(to_tag);
        }
        headers.push(Name::Server, self.config.user_agent.clone());
        headers.extend(reply.headers);
        if announces_allow(&request.method, reply.status) && headers.get(&Name::Allow).is_none() {
            headers.push(Name::Allow, self.allow(listener));
        }
        response.body = put_body(headers, reply.body);
        response
    }

    /// A random number of whole seconds up to `most`.
    pub fn seconds_up_to(&mut self, most: u32) -> u32 {
        self.entropy.below(most + 1)
    }

    fn start(&mut self, now: Instant, draft: Draft) -> TransactionId {
        let id = TransactionId(self.next_id());
        let start = Start {
            owner: draft.owner,
            request: draft.request,
            path: draft.path,
            round: draft.round,
            answer_by: draft.answer_by,
        };
        self.clients.start(now, id, start, &mut self.transmits);
        id
    }

    fn add_via(&mut self, request: &mut Request, path: &Path) {
        let branch = format!("{MAGIC_COOKIE}{}", self.entropy.hex(12));
        let (host, port) = match self.config.sent_by.get(&path.listener) {
            Some((host, port)) => (host.clone(), *port),
            None => (Host::Name("unknown.invalid".to_owned()), 0),
        };
        let via = Via::new(path.transport, host, port, &branch);
        request.headers.push_front(Name::Via, via.to_string());
    }
}

/// Content-Type goes into the headers, the bytes are given back.
pub fn put_body(headers: &mut Headers, body: Option<Body>) -> Vec<u8> {
    match body {
        Some(body) => {
            headers.set(Name::ContentType, body.content_type);
            body.bytes
        }
        None => Vec::new(),
    }
}

/// The body of a message that came, if it has one.
pub fn take_body(headers: &Headers, bytes: &[u8]) -> Option<Body> {
    (!bytes.is_empty()).then(|| Body {
        content_type: headers.content_type().unwrap_or_default().to_owned(),
        bytes: bytes.to_vec(),
    })
}

fn announces_allow(method: &Method, status: u16) -> bool {
    match status {
        405 | 501 => true,
        200..300 => matches!(method, Method::Invite | Method::Options),
        _ => false,
    }
}
