//! One leg's offers and answers over time (RFC 3264 §8, RFC 6337).

use std::fmt;
use std::net::IpAddr;

use super::codec::Encoding;
use super::description::{Audio, Description, Proto};
use super::numbers::Numbers;
use super::selection::{self, Accepted, Chooser};
use super::writing::{self, OwnAudio, OwnLine, OwnOrigin, OwnSecurity};
use super::{Agreement, Codec, Direction, Local, Policy, Refusal, security};

/// What WebRTC offers of ours call their audio, as WhatsApp does (dossier 3.1).
const MID: &str = "audio";

/// The offer/answer state of one leg (RFC 3264, RFC 6337): makes our descriptions, reads the peer's, counts `o=`
/// versions. Who may offer when is the SIP room's business (RFC 3261 §14.2); here the newest offer counts.
#[derive(Clone, Debug)]
pub struct Negotiation {
    policy: Policy,
    local: Local,
    /// Of the newest description; 0: none was written.
    version: u64,
    /// That of the first description, for all of them.
    origin: Option<IpAddr>,
    sent: Option<Sent>,
    /// Our newest offer. It stays when it is answered, since answers to it may come again (183, then 200; forks).
    offer: Option<OwnOffer>,
    agreement: Option<Agreement>,
    numbers: Numbers,
}

/// A description that we sent.
#[derive(Clone)]
struct Sent {
    lines: Vec<OwnLine>,
    /// Holds keys.
    text: String,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct OwnOffer {
    audio: OwnAudio,
    /// What holds again when the offer is refused.
    before: Option<Sent>,
}

impl Negotiation {
    pub fn new(policy: Policy, local: Local) -> Self {
        Self {
            policy,
            local,
            version: 0,
            origin: None,
            sent: None,
            offer: None,
            agreement: None,
            numbers: Numbers::default(),
        }
    }

    /// Writes our offer. `direction` is ours. Within a session it keeps the lines, payload types, transport and keys that
    /// are in use; unchanged, it is the same text again.
    pub fn offer(&mut self, direction: Direction) -> String {
        let before = self.sent.clone();
        let audio = self.offered_audio(direction);
        let mut lines = before
            .as_ref()
            .map_or_else(Vec::new, |sent| sent.lines.clone());
        let ours = OwnLine::Audio(audio.clone());
        match self.place().and_then(|place| lines.get_mut(place)) {
            Some(line) => *line = ours,
            None => lines.push(ours),
        }
        self.offer = Some(OwnOffer { audio, before });
        self.send(lines)
    }

    /// Reads the answer to our offer. May be called again for a later answer to the same offer. A refused one leaves the
    /// agreement as it was.
    pub fn handle_answer(&mut self, sdp: &[u8]) -> Result<Agreement, Refusal> {
        let offer = self.offer.as_ref().ok_or(Refusal::NoOffer)?;
        let answer = Description::parse(sdp)?;
        let audio = self.answered_audio(&answer).ok_or(Refusal::NoAudio)?;
        let agreement = selection::settle(self.chooser(), &offer.audio, audio)?;
        self.agreement = Some(agreement.clone());
        Ok(agreement)
    }

    /// Offers the description last sent once more, with the same version: a session refresh (RFC 4028 §7.4). `None` when
    /// none was sent yet.
    pub fn offer_again(&mut self) -> Option<String> {
        let audio = self.in_use()?.clone();
        let sent = self.sent.as_ref()?;
        let text = sent.text.clone();
        let before = self.sent.clone();
        self.offer = Some(OwnOffer { audio, before });
        Some(text)
    }

    /// Our offer was refused (488, 491, ...), or its answer did not come: the session goes on as before it.
    /// What is said next has a new version all the same, since the peer has seen that of the offer.
    pub fn handle_offer_refused(&mut self) {
        if let Some(offer) = self.offer.take() {
            match offer.before {
                Some(before) => drop(self.send(before.lines)),
                None => self.sent = None,
            }
        }
    }

    /// Reads the peer's offer and writes our answer. Also for re-offers: an unchanged one gets an unchanged answer with
    /// an unchanged version; a refused one leaves the agreement as it was. `wanted` is our own direction, cut down by
    /// what the offer allows.
    pub fn answer(
        &mut self,
        sdp: &[u8],
        wanted: Direction,
    ) -> Result<(String, Agreement), Refusal> {
        let offer = Description::parse(sdp)?;
        let Accepted {
            place,
            own,
            agreement,
        } = selection::accept(self.chooser(), &offer, self.place(), wanted)?;
        let mut lines: Vec<OwnLine> = offer.media.iter().map(OwnLine::declined).collect();
        if let Some(line) = lines.get_mut(place) {
            *line = OwnLine::Audio(own);
        }
        for (_, audio) in offer.audio().filter(|&(at, _)| at == place) {
            self.numbers.learn(audio);
        }
        self.offer = None;
        self.agreement = Some(agreement.clone());
        Ok((self.send(lines), agreement))
    }

    /// The description last sent, again with the same version (session refresh, repeated 2xx).
    pub fn current(&self) -> Option<&str> {
        self.sent.as_ref().map(|sent| sent.text.as_str())
    }

    pub fn agreement(&self) -> Option<&Agreement> {
        self.agreement.as_ref()
    }

    /// Writes what differs from the last description under a new version (RFC 3264 §8).
    fn send(&mut self, lines: Vec<OwnLine>) -> String {
        if let Some(sent) = self.sent.as_ref().filter(|sent| sent.lines == lines) {
            return sent.text.clone();
        }
        self.version += 1;
        let address = writing::described_address(&lines).unwrap_or(self.local.address);
        let origin = OwnOrigin {
            address: *self.origin.get_or_insert(address),
            version: self.version,
        };
        let text = writing::write(&self.policy, &self.local, origin, &lines);
        self.sent = Some(Sent {
            lines,
            text: text.clone(),
        });
        text
    }

    fn chooser(&self) -> Chooser<'_> {
        Chooser {
            policy: &self.policy,
            local: &self.local,
            address: self.in_use().map_or(self.local.address, |own| own.address),
            before: self.agreement.as_ref(),
        }
    }

    /// Which `m=` line carries our audio.
    fn place(&self) -> Option<usize> {
        self.sent
            .as_ref()?
            .lines
            .iter()
            .position(|line| match line {
                OwnLine::Audio(_) => true,
                OwnLine::Declined { .. } => false,
            })
    }

    /// Our audio as last described.
    fn in_use(&self) -> Option<&OwnAudio> {
        self.sent
            .as_ref()?
            .lines
            .iter()
            .find_map(|line| match line {
                OwnLine::Audio(audio) => Some(audio),
                OwnLine::Declined { .. } => None,
            })
    }

    /// The answer's stream in the place of ours; some peers drop declined lines, so any other audio is the next best.
    fn answered_audio<'a>(&self, answer: &'a Description) -> Option<&'a Audio> {
        let place = self.place();
        answer
            .audio()
            .find(|&(at, _)| Some(at) == place)
            .or_else(|| answer.audio().next())
            .map(|(_, audio)| audio)
    }

    fn offered_audio(&mut self, direction: Direction) -> OwnAudio {
        let security = security::offer(&self.policy, &self.local, self.agreement.as_ref());
        let formats = self.offered_formats();
        if let Some(own) = self.in_use() {
            return OwnAudio {
                formats,
                direction,
                security,
                rtcp_mux: self.policy.rtcp_mux || own.rtcp_mux,
                ..own.clone()
            };
        }
        let (proto, is_webrtc) = match &security {
            OwnSecurity::Clear => (Proto::Avp, false),
            OwnSecurity::Sdes(_) => (Proto::Savp, false),
            OwnSecurity::Dtls(_) => (Proto::DtlsSavpf, true),
        };
        OwnAudio {
            address: self.local.address,
            proto,
            formats,
            direction,
            security,
            rtcp_mux: self.policy.rtcp_mux || is_webrtc,
            extended_reports: self.policy.rtcp_xr.offered(),
            mid: is_webrtc.then(|| MID.to_owned()),
            bundled: is_webrtc,
        }
    }

    /// The codec in use first, then the policy's order, then telephone-events.
    fn offered_formats(&mut self) -> Vec<(super::PayloadType, Encoding)> {
        let in_use = self.agreement.as_ref().map(|agreement| agreement.codec);
        let mut codecs: Vec<Codec> = self.policy.codecs.clone();
        codecs.sort_by_key(|codec| Some(*codec) != in_use);
        let events = self.policy.telephone_event.clone();
        let encodings = codecs
            .into_iter()
            .map(Encoding::Audio)
            .chain(events.into_iter().map(Encoding::TelephoneEvent));
        encodings
            .map(|encoding| (self.numbers.assign(encoding), encoding))
            .collect()
    }
}
