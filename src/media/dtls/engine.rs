//! The door.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::conversation::Conversation;
use super::messages::kind;
use super::reassembly::{Message, News, Reassembly};
use super::record::{Content, Epoch, Record, records};
use super::server::Server;
use super::{Failure, Identity};
use crate::entropy::Entropy;
use crate::sdp::{self, CryptoPair, Fingerprint};

/// A handshake that took so long comes to nothing.
const LIMIT: Duration = Duration::from_secs(30);
/// An alert in the clear may be anyone's: the peer has so long to show that it was not its own.
const ALERT_GRACE: Duration = Duration::from_secs(2);
/// Of a datagram that came before its keys.
const LONGEST_EARLY: usize = 1500;
/// RFC 5246 §7.2: `fatal`, as the first byte of an alert.
const FATAL: u8 = 2;

/// One handshake, and the patience for the peer's repetitions after it.
pub struct Engine {
    state: State,
    talk: Conversation,
    reassembly: Reassembly,
    /// With something sealed that overtook what makes the keys.
    early: Vec<u8>,
    events: VecDeque<Event>,
}

enum State {
    Client(Client, Patience),
    Server(Server, Patience),
    /// The failure is told, and this alert is still to be sent.
    Failed(Option<u8>),
}

/// For how long the peer is waited for.
#[derive(Clone, Copy)]
enum Patience {
    Until(Instant),
    /// It said in the clear that it gave up.
    Alerted {
        until: Instant,
        alert: u8,
        /// If it did not.
        limit: Instant,
    },
    /// The handshake is over.
    Endless,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The peer is who it should be, and these are the keys of its SRTP and ours.
    Secured(CryptoPair),
    Failed(Failure),
}

impl Engine {
    /// Says hello at once. `profiles` in our order; `fingerprints`: the peer's certificate has one of them.
    pub fn client(
        now: Instant,
        identity: Arc<Identity>,
        fingerprints: Vec<Fingerprint>,
        profiles: Vec<sdp::Suite>,
        entropy: Entropy,
    ) -> Self {
        let mut talk = Conversation::new(identity, fingerprints, profiles, entropy);
        let client = Client::start(now, &mut talk);
        Self::new(State::Client(client, Patience::Until(now + LIMIT)), talk)
    }

    /// Waits for the peer's hello.
    pub fn server(
        now: Instant,
        identity: Arc<Identity>,
        fingerprints: Vec<Fingerprint>,
        profiles: Vec<sdp::Suite>,
        entropy: Entropy,
    ) -> Self {
        let talk = Conversation::new(identity, fingerprints, profiles, entropy);
        let patience = Patience::Until(now + LIMIT);
        Self::new(State::Server(Server::ClientHello, patience), talk)
    }

    fn new(state: State, talk: Conversation) -> Self {
        Self {
            state,
            talk,
            reassembly: Reassembly::default(),
            early: Vec::new(),
            events: VecDeque::with_capacity(1),
        }
    }

    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let mut news = News::None;
        for record in records(datagram) {
            news = news.max(self.handle_record(now, &record));
        }
        if news == News::Repeated {
            self.talk.flight.handle_repetition(now);
        }
        match self.talk.opener.has_key() {
            true => self.read_early(now),
            false => self.keep_early(datagram),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.talk.flight.handle_timeout(now);
        match self.patience() {
            Patience::Until(until) if until <= now => self.fail(Failure::TimedOut),
            Patience::Alerted { until, alert, .. } if until <= now => {
                self.fail(Failure::Alert(alert))
            }
            Patience::Until(_) | Patience::Alerted { .. } | Patience::Endless => {}
        }
    }

    /// Writes the next datagram into `buffer`, which has room for `MAX_DATAGRAM` bytes, and says how long it is.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match &mut self.state {
            State::Failed(alert) => {
                let alert = alert.take()?;
                self.talk.write_alert(Epoch::Clear, [FATAL, alert], buffer)
            }
            State::Client(..) | State::Server(..) => {
                self.talk.flight.write(&mut self.talk.sealer, buffer)
            }
        }
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let patience = match self.patience() {
            Patience::Until(until) | Patience::Alerted { until, .. } => Some(until),
            Patience::Endless => None,
        };
        [self.talk.flight.deadline(), patience]
            .into_iter()
            .flatten()
            .min()
    }

    fn patience(&self) -> Patience {
        match &self.state {
            State::Client(_, patience) | State::Server(_, patience) => *patience,
            State::Failed(_) => Patience::Endless,
        }
    }

    /// A peer that waits a second before it repeats its Finished would cost that second. The last one counts.
    fn keep_early(&mut self, datagram: &[u8]) {
        let is_early = records(datagram).any(|record| record.epoch == Epoch::Sealed);
        if is_early && datagram.len() <= LONGEST_EARLY {
            self.early = datagram.to_vec();
        }
    }

    fn read_early(&mut self, now: Instant) {
        let early = std::mem::take(&mut self.early);
        for record in records(&early).filter(|record| record.epoch == Epoch::Sealed) {
            self.handle_record(now, &record);
        }
    }

    fn handle_record(&mut self, now: Instant, record: &Record<'_>) -> News {
        let opened;
        let content = match record.clear() {
            Some(content) => content,
            None => match self.talk.opener.open(record) {
                Some(text) => {
                    opened = text;
                    &opened
                }
                None => return News::None,
            },
        };
        match record.content {
            Content::Handshake => {
                let news = self.reassembly.handle_record(record.epoch, content);
                self.take_messages(now);
                news
            }
            Content::Alert => {
                self.handle_alert(now, record.epoch, content);
                News::None
            }
            // The epoch says the same as a ChangeCipherSpec, and cannot be lost.
            Content::ChangeCipherSpec | Content::ApplicationData => News::None,
        }
    }

    fn take_messages(&mut self, now: Instant) {
        while let Some(message) = self.reassembly.pop() {
            // RFC 5246 §7.4.1.1: not part of any handshake.
            if message.kind != kind::HELLO_REQUEST {
                self.handle_message(now, &message);
            }
        }
    }

    fn handle_message(&mut self, now: Instant, message: &Message) {
        let until = match self.patience() {
            Patience::Until(limit) | Patience::Alerted { limit, .. } => limit,
            Patience::Endless => return,
        };
        self.talk.hear(message);
        let talk = &mut self.talk;
        let outcome = match std::mem::replace(&mut self.state, State::Failed(None)) {
            State::Client(client, _) => client
                .handle_message(now, talk, message)
                .map(|(client, keys)| (State::Client(client, patience(until, &keys)), keys)),
            State::Server(server, _) => server
                .handle_message(now, talk, message)
                .map(|(server, keys)| (State::Server(server, patience(until, &keys)), keys)),
            State::Failed(alert) => Ok((State::Failed(alert), None)),
        };
        match outcome {
            Ok((state, keys)) => {
                self.state = state;
                if self.talk.opener.has_key() {
                    self.reassembly.seal();
                }
                if let Some(keys) = keys {
                    self.talk.forget_handshake();
                    self.events.push_back(Event::Secured(keys));
                }
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// Warnings say nothing here. A peer that closes a finished handshake ends nothing: that is for the signalling.
    fn handle_alert(&mut self, now: Instant, epoch: Epoch, content: &[u8]) {
        let &[FATAL, alert] = content else {
            return;
        };
        let patience = match &mut self.state {
            State::Client(_, patience) | State::Server(_, patience) => patience,
            State::Failed(_) => return,
        };
        match (epoch, *patience) {
            (Epoch::Clear, Patience::Until(limit)) => {
                let until = limit.min(now + ALERT_GRACE);
                *patience = Patience::Alerted {
                    until,
                    alert,
                    limit,
                };
            }
            (Epoch::Sealed, Patience::Until(_) | Patience::Alerted { .. }) => {
                self.fail(Failure::Alert(alert));
            }
            (Epoch::Clear, Patience::Alerted { .. }) | (_, Patience::Endless) => {}
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.talk.flight.clear();
        self.state = State::Failed(failure.alert());
        self.events.push_back(Event::Failed(failure));
    }
}

fn patience(until: Instant, keys: &Option<CryptoPair>) -> Patience {
    match keys {
        Some(_) => Patience::Endless,
        None => Patience::Until(until),
    }
}
