//! What client and server have in common: what was said, what is being said, and under which keys.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::flight::Flight;
use super::messages::{leaf_certificate, write_certificate};
use super::record::{Epoch, Opener, Sealer};
use super::schedule::{Application, Handshake, Traffic};
use crate::media::dtls::Failure;
use crate::media::dtls::certificate::PeerKey;
use crate::media::dtls::messages::{Signed, kind};
use crate::media::dtls::party::Party;
use crate::media::dtls::reassembly::Message;
use crate::media::dtls::secrets::End;
use crate::media::dtls::suite::Hash;
use crate::media::dtls::wire::u24;

pub struct Conversation {
    pub ours: End,
    pub party: Party,
    /// Messages as TLS has them, without the fields of DTLS (RFC 9147 §5.2).
    transcript: Vec<u8>,
    /// Of `transcript`, what came before the message in hand.
    before: usize,
    next_sequence: u16,
    pub flight: Flight,
    pub sealer: Sealer,
    pub opener: Opener,
    /// From what the keys of the next epoch are made: ours and the peer's.
    pub traffic: Option<[Traffic; 2]>,
}

impl Conversation {
    pub fn new(ours: End, party: Party, sealer: Sealer) -> Self {
        Self {
            ours,
            party,
            transcript: Vec::new(),
            before: 0,
            next_sequence: 0,
            flight: Flight::default(),
            sealer,
            opener: Opener::default(),
            traffic: None,
        }
    }

    /// Our first hello, which is out already.
    pub fn said_hello(&mut self, sequence: u16, body: &[u8]) {
        self.next_sequence = sequence + 1;
        transcribe(&mut self.transcript, kind::CLIENT_HELLO, body);
    }

    /// A message of the peer, before it is acted on.
    pub fn hear(&mut self, message: &Message<Epoch>) {
        self.before = self.transcript.len();
        transcribe(&mut self.transcript, message.kind, &message.body);
    }

    /// A message of ours, for the flight that is being made.
    pub fn say(&mut self, epoch: Epoch, kind: u8, body: &[u8]) {
        transcribe(&mut self.transcript, kind, body);
        self.add_to_flight(epoch, kind, body);
    }

    /// After the handshake, when there is no transcript any more.
    pub fn add_to_flight(&mut self, epoch: Epoch, kind: u8, body: &[u8]) {
        self.flight
            .add_message(epoch, kind, self.next_sequence, body);
        self.next_sequence = self.next_sequence.saturating_add(1);
    }

    /// Whether there are numbers for more messages (RFC 9147 §5.2).
    pub fn has_numbers(&self) -> bool {
        self.next_sequence < u16::MAX
    }

    pub fn transcript(&self) -> &[u8] {
        &self.transcript
    }

    /// Everything before the peer's message in hand.
    pub fn transcript_before(&self) -> &[u8] {
        self.transcript.get(..self.before).unwrap_or_default()
    }

    /// The first hello stands in the transcript by its hash once another is wanted (RFC 8446 §4.4.1).
    pub fn condense_hello(&mut self, hash: Hash, length: usize) {
        let Some((hello, rest)) = self.transcript.split_at_checked(length) else {
            return;
        };
        let hello = hash.of(hello);
        let mut condensed = Vec::with_capacity(64 + rest.len());
        transcribe(&mut condensed, kind::MESSAGE_HASH, hello.as_ref());
        condensed.extend_from_slice(rest);
        self.transcript = condensed;
    }

    /// From here on both sides can seal and open what belongs to the handshake.
    pub fn set_handshake(&mut self, secrets: &Handshake) -> Result<(), Failure> {
        self.sealer.set_handshake(secrets.of(self.ours))?;
        self.opener.set_handshake(secrets.of(other(self.ours)))
    }

    /// What comes after the handshake. What the peer sends there is not opened yet.
    pub fn set_sending(&mut self, application: &Application) -> Result<(), Failure> {
        self.sealer.set_traffic(application.of(self.ours))
    }

    pub fn set_receiving(&mut self, application: Application) -> Result<(), Failure> {
        self.opener.set_traffic(application.of(other(self.ours)))?;
        let Application { client, server, .. } = application;
        self.traffic = Some(match self.ours {
            End::Client => [client, server],
            End::Server => [server, client],
        });
        Ok(())
    }

    /// The peer knows that we go on to the next epoch.
    pub fn use_next_key(&mut self) -> Result<(), Failure> {
        let Some([ours, _]) = &mut self.traffic else {
            return Ok(());
        };
        *ours = ours.updated()?;
        self.sealer.set_traffic(ours)
    }

    /// Of a Certificate message.
    pub fn peer_key(&self, body: &[u8]) -> Result<PeerKey, Failure> {
        self.party.peer_key(leaf_certificate(body)?)
    }

    /// Our certificate, and that we have its key.
    pub fn say_certificate(&mut self, hash: Hash) -> Result<(), Failure> {
        let certificate = write_certificate(self.party.identity.certificate());
        self.say(Epoch::Handshake, kind::CERTIFICATE, &certificate);
        let covered = covered(self.ours, hash, &self.transcript);
        let signature = self.party.identity.sign(&covered)?;
        let mut body = Vec::with_capacity(signature.len() + 4);
        Signed::write(&mut body, self.party.identity.scheme(), &signature);
        self.say(Epoch::Handshake, kind::CERTIFICATE_VERIFY, &body);
        Ok(())
    }

    /// The peer's CertificateVerify, which is in hand.
    pub fn check_signature(&self, hash: Hash, peer: &PeerKey, body: &[u8]) -> Result<(), Failure> {
        let Signed { scheme, signature } = Signed::parse(body)?;
        let covered = covered(other(self.ours), hash, self.transcript_before());
        peer.verify_strictly(scheme, &covered, signature)
    }

    pub fn say_finished(&mut self, secrets: &Handshake) -> Result<(), Failure> {
        let data = secrets.of(self.ours).verify_data(&self.transcript)?;
        self.say(Epoch::Handshake, kind::FINISHED, data.as_ref());
        Ok(())
    }

    /// The peer's Finished, which is in hand.
    pub fn check_finished(&self, secrets: &Handshake, body: &[u8]) -> Result<(), Failure> {
        let theirs = secrets.of(other(self.ours));
        let expected = theirs.verify_data(self.transcript_before())?;
        verify_slices_are_equal(expected.as_ref(), body).map_err(|_| Failure::Finished)
    }

    /// Keys were made: what was said is of no use any more.
    pub fn forget_handshake(&mut self) {
        self.transcript = Vec::new();
        self.before = 0;
        self.party.forget();
    }
}

pub fn other(end: End) -> End {
    match end {
        End::Client => End::Server,
        End::Server => End::Client,
    }
}

fn transcribe(transcript: &mut Vec<u8>, kind: u8, body: &[u8]) {
    transcript.push(kind);
    transcript.extend_from_slice(&u24(body.len()));
    transcript.extend_from_slice(body);
}

/// What the signature of a CertificateVerify is over (RFC 8446 §4.4.3).
fn covered(signer: End, hash: Hash, transcript: &[u8]) -> Vec<u8> {
    let context: &[u8] = match signer {
        End::Client => b"TLS 1.3, client CertificateVerify",
        End::Server => b"TLS 1.3, server CertificateVerify",
    };
    let hash = hash.of(transcript);
    [&[0x20; 64], context, &[0], hash.as_ref()].concat()
}
