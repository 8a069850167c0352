//! What client and server have in common: what was said, what is being said, and under which keys.

use std::time::Instant;

use super::Failure;
use super::certificate::PeerKey;
use super::flight::Flight;
use super::messages::{kind, leaf_certificate};
use super::party::Party;
use super::reassembly::Message;
use super::record::{Content, Epoch, Sealer};
use super::secrets::{End, Master, Randoms};
use super::suite::CipherSuite;
use super::wire::Malformed;
use crate::sdp::{self, CryptoPair};

pub struct Conversation {
    pub party: Party,
    transcript: Vec<u8>,
    /// Of `transcript`, what came before the message in hand.
    before: usize,
    next_sequence: u16,
    pub flight: Flight,
    pub sealer: Sealer,
    pub opener: super::record::Opener,
}

/// What the hellos settle.
#[derive(Clone, Copy)]
pub struct Terms {
    pub suite: CipherSuite,
    pub profile: sdp::Suite,
    pub randoms: Randoms,
    pub extended_master_secret: bool,
}

/// Ready to be confirmed by a Finished.
pub struct Secrets {
    pub terms: Terms,
    pub master: Master,
}

impl Conversation {
    pub fn new(party: Party) -> Self {
        Self {
            party,
            transcript: Vec::new(),
            before: 0,
            next_sequence: 0,
            flight: Flight::default(),
            sealer: Sealer::default(),
            opener: super::record::Opener::default(),
        }
    }

    /// A message of the peer, before it is acted on.
    pub fn hear(&mut self, message: &Message<Epoch>) {
        self.before = self.transcript.len();
        message.write_to(&mut self.transcript);
    }

    /// A message of ours, for the flight that is being made.
    pub fn say(&mut self, epoch: Epoch, kind: u8, body: Vec<u8>) {
        let message = Message {
            kind,
            sequence: self.next_sequence,
            epoch,
            body,
        };
        self.next_sequence = self.next_sequence.wrapping_add(1);
        message.write_to(&mut self.transcript);
        self.flight
            .add_message(epoch, kind, message.sequence, message.body);
    }

    /// A HelloVerifyRequest and the hello before it are not part of the handshake (RFC 6347 §4.2.1).
    pub fn forget_transcript(&mut self) {
        self.transcript.clear();
    }

    pub fn transcript(&self) -> &[u8] {
        &self.transcript
    }

    /// Everything before the peer's message in hand.
    pub fn transcript_before(&self) -> &[u8] {
        self.transcript.get(..self.before).unwrap_or_default()
    }

    /// Of a Certificate message.
    pub fn peer_key(&self, body: &[u8]) -> Result<PeerKey, Failure> {
        self.party.peer_key(leaf_certificate(body)?)
    }

    /// The master secret, once the ClientKeyExchange is in the transcript.
    pub fn secrets(&self, terms: Terms, premaster: &[u8]) -> Secrets {
        let hash = terms.suite.hash();
        let master = match terms.extended_master_secret {
            true => Master::extended(hash, premaster, &self.transcript),
            false => Master::new(hash, premaster, &terms.randoms),
        };
        Secrets { terms, master }
    }

    /// From here on what is sealed can be opened, and we can seal.
    pub fn set_keys(&mut self, ours: End, secrets: &Secrets) -> Result<(), Failure> {
        let Secrets { terms, master } = secrets;
        let (client, server) = master.record_keys(terms.suite, &terms.randoms);
        let (send, receive) = match ours {
            End::Client => (client, server),
            End::Server => (server, client),
        };
        self.sealer.set_key(terms.suite, &send)?;
        self.opener.set_key(terms.suite, &receive)
    }

    /// Our ChangeCipherSpec and Finished.
    pub fn say_finished(&mut self, ours: End, secrets: &Secrets) {
        self.flight.add_change_cipher_spec();
        let data = secrets.master.verify_data(ours, &self.transcript);
        self.say(Epoch::Sealed, kind::FINISHED, data.to_vec());
    }

    /// The peer's Finished, which is in hand.
    pub fn check_finished(
        &self,
        theirs: End,
        secrets: &Secrets,
        body: &[u8],
    ) -> Result<(), Failure> {
        let expected = secrets.master.verify_data(theirs, self.transcript_before());
        match aws_lc_rs::constant_time::verify_slices_are_equal(&expected, body) {
            Ok(()) => Ok(()),
            Err(_) => Err(Failure::Finished),
        }
    }

    pub fn write_alert(&mut self, epoch: Epoch, alert: [u8; 2], out: &mut [u8]) -> Option<usize> {
        self.sealer.write(out, epoch, Content::Alert, &[&alert])
    }

    /// Keys were made: what was said is of no use any more.
    pub fn forget_handshake(&mut self) {
        self.transcript = Vec::new();
        self.party.forget();
    }

    /// For an engine of another version, which goes on counting records where we were.
    pub fn hand_over(&mut self) -> (Party, Sealer) {
        self.flight.clear();
        self.transcript = Vec::new();
        (self.party.hand_over(), std::mem::take(&mut self.sealer))
    }

    pub fn send(&mut self, now: Instant) {
        self.flight.send(now);
    }
}

impl Secrets {
    pub fn srtp_keys(&self, ours: End) -> CryptoPair {
        let terms = &self.terms;
        self.master.srtp_keys(ours, terms.profile, &terms.randoms)
    }
}

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}
