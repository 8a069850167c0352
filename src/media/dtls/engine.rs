//! The door.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::Client;
use super::conversation::Conversation;
use super::farewell::Farewell;
use super::messages::kind;
use super::party::Party;
use super::reassembly::{Message, News, Reassembly};
use super::record::{Content, Epoch, Record, records};
use super::server::Server;
use super::v13::{Association, Told, is_sealed};
use super::{Failure, Identity, MAX_DATAGRAM};
use crate::entropy::Entropy;
use crate::sdp::{self, CryptoPair, DtlsRole, DtlsTerms};

/// A handshake that took so long comes to nothing.
const LIMIT: Duration = Duration::from_secs(30);
/// An alert in the clear may be anyone's: the peer has so long to show that it was not its own.
const ALERT_GRACE: Duration = Duration::from_secs(2);
/// Of a datagram that came before its keys.
const LONGEST_EARLY: usize = 1500;
/// RFC 5246 §7.2: `fatal`, as the first byte of an alert.
const FATAL: u8 = 2;
/// The peer sends nothing any more, which is no fault.
const CLOSE_NOTIFY: u8 = 0;

/// One handshake, and the patience for the peer's repetitions after it.
pub struct Engine {
    state: State,
    talk: Conversation,
    reassembly: Reassembly<Epoch>,
    /// With something sealed that overtook what makes the keys.
    early: Vec<u8>,
    events: VecDeque<Event>,
}

enum State {
    Client(Client, Patience),
    Server(Server, Patience),
    /// Either of them, once the hellos have settled on 1.3.
    Newer(Box<Association>, Patience),
    /// The failure is told, and the peer is to know.
    Failed(Option<Farewell>),
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
    /// There are keys, but the peer may still refuse us.
    Unconfirmed,
    /// The handshake is over.
    Endless,
}

impl Patience {
    /// The peer goes on, so that the alert was not its own.
    fn renewed(self) -> Self {
        match self {
            Self::Alerted { limit, .. } => Self::Until(limit),
            Self::Until(_) | Self::Unconfirmed | Self::Endless => self,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The peer is who it should be, and these are the keys of its SRTP and ours.
    Secured(CryptoPair),
    Failed(Failure),
}

impl Engine {
    /// A client says hello at once. `profiles` in our order.
    pub fn new(
        now: Instant,
        terms: DtlsTerms,
        identity: Arc<Identity>,
        profiles: Vec<sdp::Suite>,
        entropy: Entropy,
    ) -> Self {
        let role = terms.role;
        let mut engine = Self {
            state: State::Server(Server::ClientHello, Patience::Until(now + LIMIT)),
            talk: Conversation::new(Party::new(terms, identity, profiles, entropy)),
            reassembly: Reassembly::default(),
            early: Vec::new(),
            events: VecDeque::with_capacity(2),
        };
        match role {
            DtlsRole::Client => engine.start(now),
            DtlsRole::Server => {}
        }
        engine
    }

    fn start(&mut self, now: Instant) {
        match Client::start(now, &mut self.talk) {
            Ok(client) => self.state = State::Client(client, Patience::Until(now + LIMIT)),
            Err(failure) => self.fail(failure),
        }
    }

    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        if let State::Failed(farewell) = &mut self.state {
            farewell.iter_mut().for_each(Farewell::handle_datagram);
            return;
        }
        self.read(now, datagram);
        match self.has_keys() {
            true => self.read_early(now),
            false => self.keep_early(datagram),
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.state {
            State::Newer(association, _) => association.handle_timeout(now),
            State::Client(..) | State::Server(..) | State::Failed(_) => {
                self.talk.flight.handle_timeout(now);
            }
        }
        match self.patience() {
            Patience::Until(until) if until <= now => self.fail(Failure::TimedOut),
            Patience::Alerted { until, alert, .. } if until <= now => {
                self.fail(Failure::Alert(alert))
            }
            Patience::Until(_)
            | Patience::Alerted { .. }
            | Patience::Unconfirmed
            | Patience::Endless => {}
        }
    }

    /// Writes the next datagram into `buffer`, which has room for `MAX_DATAGRAM` bytes, and says how long it is.
    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match &mut self.state {
            State::Failed(farewell) => farewell.as_mut()?.write(buffer),
            State::Newer(association, _) => association.poll_transmit(buffer),
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
            Patience::Unconfirmed | Patience::Endless => None,
        };
        let again = match &self.state {
            State::Newer(association, _) => association.poll_timeout(),
            State::Client(..) | State::Server(..) | State::Failed(_) => self.talk.flight.deadline(),
        };
        [again, patience].into_iter().flatten().min()
    }

    #[cfg(test)]
    pub(super) fn is_newer(&self) -> bool {
        matches!(self.state, State::Newer(..))
    }

    /// Bytes of messages of 1.2.
    #[cfg(test)]
    pub(super) fn held_of_older(&self) -> usize {
        self.talk.transcript().len() + self.reassembly.held()
    }

    fn patience(&self) -> Patience {
        match &self.state {
            State::Client(_, patience) | State::Server(_, patience) | State::Newer(_, patience) => {
                *patience
            }
            State::Failed(_) => Patience::Endless,
        }
    }

    fn read(&mut self, now: Instant, datagram: &[u8]) {
        let mut news = News::None;
        for record in records(datagram) {
            if let State::Newer(..) = self.state {
                break;
            }
            news = news.max(self.handle_record(now, &record));
        }
        match &mut self.state {
            // The hello that settled it may stand before what is sealed.
            State::Newer(association, _) => {
                association.handle_datagram(now, datagram);
                self.follow_association(now);
            }
            State::Client(..) | State::Server(..) | State::Failed(_) => {
                if news == News::Repeated {
                    self.talk.flight.handle_repetition(now);
                }
            }
        }
    }

    fn has_keys(&self) -> bool {
        match &self.state {
            State::Newer(association, _) => association.has_keys(),
            State::Client(..) | State::Server(..) | State::Failed(_) => self.talk.opener.has_key(),
        }
    }

    /// A peer that waits a second before it repeats its Finished would cost that second. The last one counts.
    fn keep_early(&mut self, datagram: &[u8]) {
        let mut records = records(datagram);
        let is_early = is_sealed(datagram) || records.any(|record| record.epoch == Epoch::Sealed);
        if is_early && datagram.len() <= LONGEST_EARLY {
            self.early = datagram.to_vec();
        }
    }

    fn read_early(&mut self, now: Instant) {
        let early = std::mem::take(&mut self.early);
        if !early.is_empty() {
            self.read(now, &early);
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
            Content::ChangeCipherSpec | Content::ApplicationData | Content::Ack => News::None,
        }
    }

    fn take_messages(&mut self, now: Instant) {
        while let Some(message) = self.reassembly.pop() {
            // RFC 5246 §7.4.1.1: not part of any handshake.
            if message.kind != kind::HELLO_REQUEST {
                self.handle_message(now, message);
            }
        }
    }

    fn handle_message(&mut self, now: Instant, message: Message<Epoch>) {
        let until = match self.patience() {
            Patience::Until(limit) | Patience::Alerted { limit, .. } => limit,
            Patience::Unconfirmed | Patience::Endless => return,
        };
        let message = match self.become_newer(now, message, until) {
            Some(message) => message,
            None => return,
        };
        self.talk.hear(&message);
        let talk = &mut self.talk;
        let outcome = match std::mem::replace(&mut self.state, State::Failed(None)) {
            State::Client(client, _) => client
                .handle_message(now, talk, &message)
                .map(|(client, keys)| (State::Client(client, patience(until, &keys)), keys)),
            State::Server(server, _) => server
                .handle_message(now, talk, &message)
                .map(|(server, keys)| (State::Server(server, patience(until, &keys)), keys)),
            state @ (State::Newer(..) | State::Failed(_)) => Ok((state, None)),
        };
        match outcome {
            Ok((state, keys)) => {
                self.state = state;
                if self.talk.opener.has_key() {
                    self.reassembly.advance(Epoch::Sealed);
                }
                if let Some(keys) = keys {
                    self.talk.forget_handshake();
                    self.events.push_back(Event::Secured(keys));
                }
            }
            Err(failure) => self.fail(failure),
        }
    }

    /// If the message settles on 1.3, what follows is its engine's. The message is given back if not.
    fn become_newer(
        &mut self,
        now: Instant,
        message: Message<Epoch>,
        until: Instant,
    ) -> Option<Message<Epoch>> {
        let association = match &mut self.state {
            State::Client(client, _) => match client.taken_offer(&message) {
                Some(offer) => {
                    let (party, sealer) = self.talk.hand_over();
                    Association::client(now, party, sealer, offer, message)
                }
                None => return Some(message),
            },
            State::Server(server, _) if server.is_newer(&self.talk, &message) => {
                let (party, sealer) = self.talk.hand_over();
                Association::server(now, party, sealer, message)
            }
            State::Server(..) | State::Newer(..) | State::Failed(_) => return Some(message),
        };
        self.state = State::Newer(Box::new(association), Patience::Until(until));
        self.reassembly = Reassembly::default();
        None
    }

    fn follow_association(&mut self, now: Instant) {
        while let State::Newer(association, patience) = &mut self.state
            && let Some(told) = association.poll()
        {
            match told {
                Told::Secured(keys) => {
                    *patience = Patience::Unconfirmed;
                    self.events.push_back(Event::Secured(keys));
                }
                Told::Heard => *patience = patience.renewed(),
                Told::Confirmed => *patience = Patience::Endless,
                Told::Alert(epoch, alert) => self.take_alert(now, epoch, alert),
                Told::Failed(failure) => self.fail(failure),
            }
        }
    }

    /// Warnings say nothing here.
    fn handle_alert(&mut self, now: Instant, epoch: Epoch, content: &[u8]) {
        if let &[FATAL, alert] = content {
            self.take_alert(now, epoch, alert);
        }
    }

    /// A peer that closes a finished handshake ends nothing: that is for the signalling.
    fn take_alert(&mut self, now: Instant, epoch: Epoch, alert: u8) {
        let patience = match &mut self.state {
            State::Client(_, patience) | State::Server(_, patience) | State::Newer(_, patience) => {
                patience
            }
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
            (Epoch::Sealed, Patience::Unconfirmed) if alert == CLOSE_NOTIFY => {}
            (
                Epoch::Sealed,
                Patience::Until(_) | Patience::Alerted { .. } | Patience::Unconfirmed,
            ) => {
                self.fail(Failure::Alert(alert));
            }
            (Epoch::Clear, Patience::Alerted { .. } | Patience::Unconfirmed)
            | (_, Patience::Endless) => {}
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.talk.flight.clear();
        let alert = failure.alert().and_then(|alert| self.write_alert(alert));
        self.state = State::Failed(alert.map(Farewell::new));
        self.events.push_back(Event::Failed(failure));
    }

    fn write_alert(&mut self, alert: u8) -> Option<Vec<u8>> {
        if let State::Newer(association, _) = &mut self.state {
            return association.write_alert(alert);
        }
        let mut out = vec![0; MAX_DATAGRAM];
        let len = self
            .talk
            .write_alert(Epoch::Clear, [FATAL, alert], &mut out)?;
        out.truncate(len);
        Some(out)
    }
}

fn patience(until: Instant, keys: &Option<CryptoPair>) -> Patience {
    match keys {
        Some(_) => Patience::Endless,
        None => Patience::Until(until),
    }
}
