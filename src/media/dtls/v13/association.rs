//! Datagrams and time in, datagrams and what became of them out; from the message on that settled the version.

use std::collections::VecDeque;
use std::time::Instant;

use super::ack::{self, Acks, Duty};
use super::client::Client;
use super::conversation::Conversation;
use super::flight::Left;
use super::messages::KeyUpdate;
use super::record::{Epoch, Record, RecordNumber, Sealer, records};
use super::server::Server;
use crate::media::dtls::client::Offer;
use crate::media::dtls::messages::kind;
use crate::media::dtls::party::Party;
use crate::media::dtls::reassembly::{Message, News, Reassembly};
use crate::media::dtls::record::{self, Content};
use crate::media::dtls::secrets::End;
use crate::media::dtls::{Failure, MAX_DATAGRAM};
use crate::sdp::CryptoPair;

/// `fatal`, as the first byte of an alert. In 1.3 it says nothing any more (RFC 8446 §6).
const FATAL: u8 = 2;
/// Comes before a close_notify, and is no fault (RFC 8446 §6.1).
const USER_CANCELED: u8 = 90;

pub struct Association {
    talk: Conversation,
    state: State,
    reassembly: Reassembly<Epoch>,
    acks: Acks,
    update: Update,
    told: VecDeque<Told>,
}

enum State {
    Client(Client),
    Server(Server),
    Broken,
}

/// Of our keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Update {
    None,
    /// The peer wants one, and something else of ours is still out.
    Owed,
    /// The peer has not said yet that it knows.
    Said,
    /// And it wants another one.
    SaidAndOwed,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// A message that was awaited: the peer goes on.
    Heard,
    /// The peer is who it should be, and these are the keys of its SRTP and ours.
    Secured(CryptoPair),
    /// And it thinks the same of us.
    Confirmed,
    /// The peer gave up.
    Alert(record::Epoch, u8),
    Failed(Failure),
}

impl Association {
    /// `hello` takes up our offer.
    pub fn client(
        now: Instant,
        party: Party,
        sealer: record::Sealer,
        offer: Offer,
        hello: Message<record::Epoch>,
    ) -> Self {
        let mut talk = Conversation::new(End::Client, party, Sealer::new(sealer));
        talk.said_hello(0, &offer.hello);
        let retried = None;
        let state = State::Client(Client::ServerHello { offer, retried });
        Self::begin(now, talk, state, hello)
    }

    /// `hello` offers 1.3.
    pub fn server(
        now: Instant,
        party: Party,
        sealer: record::Sealer,
        hello: Message<record::Epoch>,
    ) -> Self {
        let talk = Conversation::new(End::Server, party, Sealer::new(sealer));
        let state = State::Server(Server::ClientHello(None));
        Self::begin(now, talk, state, hello)
    }

    fn begin(
        now: Instant,
        talk: Conversation,
        state: State,
        hello: Message<record::Epoch>,
    ) -> Self {
        let mut association = Self {
            talk,
            state,
            reassembly: Reassembly::starting_at(hello.sequence.wrapping_add(1)),
            acks: Acks::default(),
            update: Update::None,
            told: VecDeque::with_capacity(2),
        };
        let hello = Message {
            kind: hello.kind,
            sequence: hello.sequence,
            epoch: Epoch::Clear,
            body: hello.body,
        };
        association.handle_message(now, &hello);
        association
    }

    /// Whether what is sealed can be opened.
    pub fn has_keys(&self) -> bool {
        self.talk.opener.has_keys()
    }

    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        let mut news = News::None;
        for record in records(datagram) {
            news = news.max(self.handle_record(now, &record));
        }
        if news == News::Repeated {
            self.talk.flight.handle_repetition(now);
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.talk.flight.handle_timeout(now);
        self.acks.handle_timeout(now);
    }

    pub fn poll_transmit(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let Conversation { flight, sealer, .. } = &mut self.talk;
        let sent = flight.write(sealer, buffer);
        sent.or_else(|| self.acks.write(sealer, buffer))
    }

    pub fn poll(&mut self) -> Option<Told> {
        self.told.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.talk.flight.deadline(), self.acks.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// A datagram that says why we give up.
    pub fn write_alert(&mut self, alert: u8) -> Option<Vec<u8>> {
        let mut out = vec![0; MAX_DATAGRAM];
        let sealer = &mut self.talk.sealer;
        let (len, _) = sealer.write(
            &mut out,
            sealer.highest(),
            Content::Alert,
            &[&[FATAL, alert]],
        )?;
        out.truncate(len);
        Some(out)
    }

    fn handle_record(&mut self, now: Instant, record: &Record<'_>) -> News {
        let sealed = match record {
            Record::Clear(record) => return self.handle_clear(now, record),
            Record::Sealed(sealed) => sealed,
        };
        let Some(opened) = self.talk.opener.open(sealed) else {
            return News::None;
        };
        match opened.content {
            Content::Handshake => {
                self.handle_handshake(now, opened.epoch, opened.number, &opened.text)
            }
            Content::Ack => {
                self.handle_ack(now, &opened.text);
                News::None
            }
            Content::Alert => {
                self.handle_alert(&opened.text);
                News::None
            }
            Content::ChangeCipherSpec | Content::ApplicationData => News::None,
        }
    }

    /// Anybody may have written it. An ACK in the clear would stop what is not answered.
    fn handle_clear(&mut self, now: Instant, record: &record::Record<'_>) -> News {
        let (text, sequence) = (record.clear().unwrap_or_default(), record.sequence);
        match (record.content, text) {
            (Content::Handshake, text) => {
                let number = RecordNumber { epoch: 0, sequence };
                self.handle_handshake(now, Epoch::Clear, number, text)
            }
            (Content::Alert, &[FATAL, alert]) if self.may_speak_in_the_clear() => {
                self.told
                    .push_back(Told::Alert(record::Epoch::Clear, alert));
                News::None
            }
            (
                Content::Alert
                | Content::Ack
                | Content::ChangeCipherSpec
                | Content::ApplicationData,
                _,
            ) => News::None,
        }
    }

    /// Whether the peer may be without keys: it has not answered under them yet.
    fn may_speak_in_the_clear(&self) -> bool {
        match &self.state {
            State::Client(Client::ServerHello { .. })
            | State::Server(Server::ClientHello(_) | Server::Certificate(_)) => true,
            State::Client(
                Client::EncryptedExtensions(_)
                | Client::Certificate { .. }
                | Client::CertificateVerify { .. }
                | Client::Finished { .. }
                | Client::Done,
            )
            | State::Server(
                Server::CertificateVerify { .. } | Server::Finished(_) | Server::Done,
            )
            | State::Broken => false,
        }
    }

    fn handle_handshake(
        &mut self,
        now: Instant,
        epoch: Epoch,
        number: RecordNumber,
        text: &[u8],
    ) -> News {
        let news = self.reassembly.handle_record(epoch, text);
        // The client's last flight answers ours.
        if news == News::Something && epoch == Epoch::Handshake && self.talk.ours == End::Server {
            self.talk.flight.clear();
        }
        while let Some(message) = self.reassembly.pop() {
            match self.is_over() {
                true => self.handle_late_message(now, &message),
                false => self.handle_message(now, &message),
            }
        }
        self.acks.note(now, number, self.duty(news, epoch));
        news
    }

    /// RFC 9147 §7.1.
    fn duty(&self, news: News, epoch: Epoch) -> Duty {
        match (&self.state, epoch, news) {
            (_, _, News::None) | (State::Broken, _, _) => Duty::Never,
            (State::Client(Client::Done), Epoch::Traffic, _)
            | (State::Server(Server::Done), Epoch::Handshake | Epoch::Traffic, _) => Duty::AtOnce,
            (State::Client(Client::ServerHello { .. } | Client::Done), _, _)
            | (State::Server(_), Epoch::Clear, _)
            | (State::Client(_), Epoch::Clear, News::Repeated) => Duty::Never,
            (State::Client(_) | State::Server(_), _, _) => Duty::Later,
        }
    }

    fn handle_message(&mut self, now: Instant, message: &Message<Epoch>) {
        self.talk.hear(message);
        let talk = &mut self.talk;
        let outcome = match std::mem::replace(&mut self.state, State::Broken) {
            State::Client(client) => client
                .handle_message(now, talk, message)
                .map(|(client, keys)| (State::Client(client), keys)),
            State::Server(server) => server
                .handle_message(now, talk, message)
                .map(|(server, keys)| (State::Server(server), keys)),
            State::Broken => Ok((State::Broken, None)),
        };
        match outcome {
            Ok((state, keys)) => {
                self.state = state;
                self.told.push_back(Told::Heard);
                self.go_on(keys);
            }
            Err(failure) => self.told.push_back(Told::Failed(failure)),
        }
    }

    fn go_on(&mut self, keys: Option<CryptoPair>) {
        if self.has_keys() {
            self.reassembly.advance(Epoch::Handshake);
        }
        let Some(keys) = keys else {
            return;
        };
        self.reassembly.advance(Epoch::Traffic);
        self.talk.forget_handshake();
        self.told.push_back(Told::Secured(keys));
        match self.talk.ours {
            // Our last flight answers what there was.
            End::Client => self.acks.clear(),
            // It may repeat its last flight, but we have said all of ours.
            End::Server => {
                self.talk.sealer.forget_handshake();
                self.told.push_back(Told::Confirmed);
            }
        }
    }

    fn is_over(&self) -> bool {
        match &self.state {
            State::Client(Client::Done) | State::Server(Server::Done) => true,
            State::Client(_) | State::Server(_) | State::Broken => false,
        }
    }

    /// After the handshake. Tickets, and what is not understood, are nothing to us.
    fn handle_late_message(&mut self, now: Instant, message: &Message<Epoch>) {
        if message.kind != kind::KEY_UPDATE {
            return;
        }
        let update = KeyUpdate::parse(&message.body).map_err(Failure::from);
        if let Err(failure) = update.and_then(|update| self.update_keys(now, update)) {
            self.told.push_back(Told::Failed(failure));
        }
    }

    /// RFC 9147 §8. One that comes before the last one was used breaks the rules, and changes nothing.
    fn update_keys(&mut self, now: Instant, update: KeyUpdate) -> Result<(), Failure> {
        let talk = &mut self.talk;
        let Some([_, theirs]) = talk.traffic.as_mut().filter(|_| !talk.opener.is_updating()) else {
            return Ok(());
        };
        *theirs = theirs.updated()?;
        talk.opener.update(theirs)?;
        self.update = match (update, self.update) {
            (KeyUpdate::Requested, Update::None) => Update::Owed,
            (KeyUpdate::Requested, Update::Said) => Update::SaidAndOwed,
            (KeyUpdate::Requested, known @ (Update::Owed | Update::SaidAndOwed))
            | (KeyUpdate::NotRequested, known) => known,
        };
        self.pay_update(now);
        Ok(())
    }

    /// A request may wait, but not be forgotten (RFC 8446 §4.6.3).
    fn pay_update(&mut self, now: Instant) {
        let talk = &mut self.talk;
        if self.update == Update::Owed && talk.flight.is_empty() && talk.has_numbers() {
            let body = KeyUpdate::NotRequested.write();
            talk.add_to_flight(Epoch::Traffic, kind::KEY_UPDATE, &body);
            talk.flight.send(now);
            self.update = Update::Said;
        }
    }

    fn handle_ack(&mut self, now: Instant, text: &[u8]) {
        let Ok(numbers) = ack::decode(text) else {
            return;
        };
        match self.talk.flight.handle_ack(now, &numbers) {
            Left::Nothing => {
                self.flight_has_arrived();
                self.pay_update(now);
            }
            Left::Something => {}
        }
    }

    fn flight_has_arrived(&mut self) {
        match (self.update, &self.state) {
            (Update::Said, _) => self.use_next_key(Update::None),
            (Update::SaidAndOwed, _) => self.use_next_key(Update::Owed),
            (Update::None | Update::Owed, State::Client(Client::Done)) => {
                self.talk.sealer.forget_handshake();
                self.talk.opener.forget_handshake();
                self.told.push_back(Told::Confirmed);
            }
            (Update::None | Update::Owed, State::Client(_) | State::Server(_) | State::Broken) => {}
        }
    }

    fn use_next_key(&mut self, then: Update) {
        self.update = then;
        if let Err(failure) = self.talk.use_next_key() {
            self.told.push_back(Told::Failed(failure));
        }
    }

    fn handle_alert(&mut self, text: &[u8]) {
        match *text {
            [_, USER_CANCELED] => {}
            [_, alert] => self
                .told
                .push_back(Told::Alert(record::Epoch::Sealed, alert)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Entropy;
    use crate::media::dtls::tests::{identities, terms};
    use crate::media::dtls::v13::schedule::{Application, Handshake};
    use crate::media::dtls::v13::suite::CipherSuite;
    use crate::sdp::{DtlsRole, DtlsVersion, Suite};

    /// With its last flight out, which only a client's is.
    fn after_handshake(now: Instant, state: State) -> Association {
        let [ours, theirs] = identities();
        let (end, role) = match &state {
            State::Server(_) => (End::Server, DtlsRole::Server),
            State::Client(_) | State::Broken => (End::Client, DtlsRole::Client),
        };
        let terms = terms(role, DtlsVersion::V1_3, &theirs);
        let party = Party::new(terms, ours, Vec::new(), Entropy::from_seed([1; 32]));
        let mut talk = Conversation::new(end, party, Sealer::default());
        let (secrets, application) = secrets();
        talk.set_handshake(&secrets).unwrap();
        talk.set_sending(&application).unwrap();
        talk.set_receiving(application).unwrap();
        if end == End::Client {
            talk.add_to_flight(Epoch::Handshake, kind::FINISHED, &[0; 32]);
            talk.flight.send(now);
        }
        Association {
            talk,
            state,
            reassembly: Reassembly::default(),
            acks: Acks::default(),
            update: Update::None,
            told: VecDeque::new(),
        }
    }

    fn secrets() -> (Handshake, Application) {
        let secrets = Handshake::new(CipherSuite::Aes128, &[7; 32], b"hellos").unwrap();
        let application = secrets.application(b"all").unwrap();
        (secrets, application)
    }

    /// The last two bits of a sent record's epoch.
    fn sent(association: &mut Association) -> Option<u8> {
        let mut buffer = [0; MAX_DATAGRAM];
        association.poll_transmit(&mut buffer)?;
        Some(buffer[0] & 3)
    }

    fn acknowledge(association: &mut Association, now: Instant, epoch: u64, sequence: u64) {
        let words = [epoch, sequence].map(u64::to_be_bytes);
        association.handle_ack(now, &[&[0, 16], words.as_flattened()].concat());
    }

    fn seals_handshake(association: &mut Association) -> bool {
        let sealer = &mut association.talk.sealer;
        let mut out = [0; 100];
        let written = sealer.write(&mut out, Epoch::Handshake, Content::Handshake, &[&[0; 20]]);
        written.is_some()
    }

    #[test]
    fn keys_of_the_handshake_go_when_they_have_served() {
        let now = Instant::now();
        let mut client = after_handshake(now, State::Client(Client::Done));
        assert_eq!(sent(&mut client), Some(2));
        assert!(seals_handshake(&mut client), "it may have to say it again");
        acknowledge(&mut client, now, 2, 0);
        assert_eq!(client.poll(), Some(Told::Confirmed));
        assert!(!seals_handshake(&mut client) && client.has_keys());

        let mut server = after_handshake(now, State::Server(Server::Done));
        let (_, application) = secrets();
        let keys = application.srtp_keys(End::Server, Suite::AesCm128HmacSha1_80);
        server.go_on(Some(keys.unwrap()));
        assert!(!seals_handshake(&mut server) && server.has_keys());
    }

    #[test]
    fn a_wish_for_new_keys_waits_for_the_flight_that_is_out() {
        let now = Instant::now();
        let mut client = after_handshake(now, State::Client(Client::Done));
        assert_eq!(sent(&mut client), Some(2));
        client.update_keys(now, KeyUpdate::Requested).unwrap();
        assert_eq!(sent(&mut client), None, "one flight at a time");
        acknowledge(&mut client, now, 2, 0);
        assert_eq!(client.poll(), Some(Told::Confirmed));
        assert_eq!(sent(&mut client), Some(3), "and then it is granted");
        acknowledge(&mut client, now, 3, 0);
        let alert = client.write_alert(80).unwrap();
        assert_eq!(alert[0] & 3, 0, "the fourth epoch");
        assert_eq!(sent(&mut client), None, "once");
    }

    #[test]
    fn a_second_wish_for_new_keys_is_granted_after_the_first() {
        let now = Instant::now();
        let mut server = after_handshake(now, State::Server(Server::Done));
        server.update_keys(now, KeyUpdate::Requested).unwrap();
        assert_eq!(sent(&mut server), Some(3));
        let next = server.talk.traffic.as_ref().unwrap();
        // The peer uses what it has announced.
        let mut theirs = Sealer::default();
        theirs.set_traffic(&secrets().1.client).unwrap();
        theirs.set_traffic(&next[1]).unwrap();
        let mut out = [0; 100];
        let written = theirs.write(&mut out, Epoch::Traffic, Content::ApplicationData, &[&[0]]);
        server.handle_datagram(now, &out[..written.unwrap().0]);
        server.update_keys(now, KeyUpdate::Requested).unwrap();
        assert_eq!(sent(&mut server), None);
        acknowledge(&mut server, now, 3, 0);
        assert_eq!(sent(&mut server), Some(0), "in the fourth epoch");
    }
}
