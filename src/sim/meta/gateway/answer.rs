//! The business's offer, and WhatsApp's answer to it (dossier 3.1).

use std::net::SocketAddr;

use crate::entropy::Entropy;
use crate::sim::media::Codec;
use crate::sim::media::crypto::{Key, Suite};
use crate::sim::media::ear::Expected;
use crate::sim::media::link::Local;
use crate::sim::media::mouth::Format;
use crate::sim::media::session::Settled;
use crate::sim::meta::description::{Description, EVENT, Security};
use crate::sim::meta::gateway::account::Business;
use crate::sim::meta::webrtc::KeyExchange;
use crate::sim::sdp::webrtc::{Peer, Setup};
use crate::sim::sdp::{Crypto, Described, Direction};
use crate::sim::sip::Message;
use crate::sim::verdict::Verdict;

/// What of an offer a call can be made of.
#[derive(Clone, Debug)]
pub struct Offered {
    described: Described,
    remote: SocketAddr,
    /// In the offer's order and numbering.
    codecs: Vec<(u8, Codec)>,
    keys: Keys,
}

/// How the offer wants media to be secured.
#[derive(Clone, Debug)]
enum Keys {
    Sdes(Crypto),
    Dtls(Peer),
}

/// Where and how we take media.
pub struct Ours<'a> {
    pub media: SocketAddr,
    pub ssrc: u32,
    pub link: Option<&'a Local>,
    pub candidates: Vec<SocketAddr>,
}

impl Offered {
    /// Why not: SDP Validation Error.
    pub fn read(invite: &Message, business: &Business) -> Result<Self, String> {
        let described = Described::read(&invite.body_text()).map_err(|error| error.to_string())?;
        let lines = (described.audio_lines, described.other_lines);
        must(lines == (1, 0), format!("m-lines {lines:?}"))?;
        let ptime = described.ptime;
        must(
            ptime.is_none_or(|ptime| ptime == 20),
            format!("ptime {ptime:?}"),
        )?;
        let mut codecs = described.codecs();
        codecs.retain(|(_, codec)| business.takes(*codec));
        must(!codecs.is_empty(), "no codec that the number has".into())?;
        let keys = match business.keys {
            KeyExchange::Sdes => Keys::sdes(&described)?,
            KeyExchange::Dtls => Keys::dtls(&described)?,
        };
        Ok(Self {
            remote: described.rtp().ok_or("no address and port")?,
            keys,
            codecs,
            described,
        })
    }

    /// What it says of DTLS, where it does.
    pub fn setup(&self) -> Option<Setup> {
        match &self.keys {
            Keys::Sdes(_) => None,
            Keys::Dtls(peer) => Some(peer.setup),
        }
    }

    /// Writes down what WhatsApp would take, but what is better otherwise.
    pub fn check(&self, verdict: &mut Verdict) {
        let faults = self.faults();
        let found = match faults.is_empty() {
            true => self.summary(),
            false => faults.join("; "),
        };
        verdict.check("SDP offer", faults.is_empty(), found);
    }

    fn faults(&self) -> Vec<String> {
        let offer = &self.described;
        let mut opus = offer.codecs().into_iter();
        let opus = opus.find(|(_, codec)| *codec == Codec::Opus);
        let fmtp = opus.and_then(|(pt, _)| offer.fmtp.iter().find(|(one, _)| *one == pt));
        let fmtp = fmtp.map_or("", |(_, fmtp)| fmtp.as_str());
        let must = [
            (
                offer.profile == self.keys.profile(),
                format!("profile {}", offer.profile),
            ),
            (opus.is_some(), "no Opus".into()),
            (
                opus.is_none() || fmtp.contains("useinbandfec=1"),
                format!("Opus fmtp `{fmtp}`"),
            ),
            (offer.ptime == Some(20), format!("ptime {:?}", offer.ptime)),
            (
                offer.maxptime.is_none_or(|most| most == 20),
                format!("maxptime {:?}", offer.maxptime),
            ),
            (
                offer
                    .telephone_event()
                    .is_some_and(|(_, clock)| clock == 8_000),
                format!("telephone-event {:?}", offer.telephone_event()),
            ),
            (
                offer.direction == Direction::Sendrecv,
                format!("direction {}", offer.direction.name()),
            ),
            (
                offer
                    .crypto
                    .iter()
                    .all(|one| one.key.bytes().iter().any(|byte| *byte != 0)),
                "a key of zeros".into(),
            ),
        ];
        let broken = must.into_iter().filter(|(held, _)| !held);
        let mut faults: Vec<String> = broken.map(|(_, fault)| fault).collect();
        if let Keys::Dtls(_) = self.keys {
            let allowed = [Setup::Actpass, Setup::Active];
            faults.extend(offer.webrtc.faults(&allowed));
            if !offer.rtcp_mux {
                faults.push("no rtcp-mux".into());
            }
        }
        faults
    }

    fn summary(&self) -> String {
        let codecs: Vec<&str> = self
            .codecs
            .iter()
            .map(|(_, codec)| codec.rtpmap())
            .collect();
        let profile = self.keys.profile();
        let keys = match &self.keys {
            Keys::Sdes(crypto) => crypto.key.suite().name(),
            Keys::Dtls(peer) => peer.setup.name(),
        };
        format!(
            "one m=audio, {profile}, {keys}, {}, ptime 20",
            codecs.join(" ")
        )
    }

    /// Payload types are the offer's; telephone-event is answered even when it was not offered.
    fn event(&self) -> u8 {
        match self.described.telephone_event() {
            Some((pt, 8_000)) => pt,
            Some(_) | None => EVENT,
        }
    }

    /// The answer, and what media runs on.
    pub fn answer(&self, ours: Ours<'_>, entropy: &mut Entropy) -> (String, Option<Settled>) {
        let key = Key::random(Suite::Cm128Sha80, entropy);
        let security = match (&self.keys, ours.link) {
            (Keys::Sdes(crypto), _) => Security::Sdes(crypto.tag, &key),
            (Keys::Dtls(_), Some(local)) => Security::Dtls {
                local,
                candidates: ours.candidates,
            },
            (Keys::Dtls(_), None) => return (String::new(), None),
        };
        let text = Description {
            media: ours.media,
            ssrc: ours.ssrc,
            profile: &self.described.profile,
            codecs: &self.codecs,
            event: self.event(),
            security,
        }
        .write(entropy);
        (text, self.settle(key))
    }

    fn settle(&self, key: Key) -> Option<Settled> {
        let (keys, peer) = match &self.keys {
            Keys::Sdes(crypto) => (Some((key, crypto.key.clone())), None),
            Keys::Dtls(peer) => (None, Some(peer.clone())),
        };
        let (send_key, key) = keys.unzip();
        let &(pt, codec) = self.codecs.first()?;
        let telephone_event = Some((self.event(), 8_000));
        Some(Settled {
            remote: self.remote,
            // Its answer says rtcp-mux, offered or not.
            remote_rtcp: self.remote,
            format: Format {
                codec,
                pt,
                telephone_event,
            },
            expected: Expected {
                payloads: self.codecs.clone(),
                telephone_event,
                key,
            },
            send_key,
            direction: Direction::Sendrecv,
            peer,
        })
    }
}

impl Keys {
    fn sdes(described: &Described) -> Result<Self, String> {
        let lines = &described.webrtc;
        let dtls = lines.are_there() || lines.ice_lite;
        must(!dtls, "DTLS or ICE where SDES is set".into())?;
        let mut crypto = described.crypto.iter();
        let crypto = crypto.find(|one| one.key.suite() == Suite::Cm128Sha80);
        let crypto = crypto.ok_or("no a=crypto of AES_CM_128_HMAC_SHA1_80")?;
        Ok(Self::Sdes(crypto.clone()))
    }

    /// Another hash beside sha-256 makes the call fail (dossier 3.2).
    fn dtls(described: &Described) -> Result<Self, String> {
        let lines = &described.webrtc;
        must(described.crypto.is_empty(), "SDES where DTLS is set".into())?;
        let hashes = lines.fingerprints.iter().map(|(hash, _)| hash.as_str());
        let hashes: Vec<&str> = hashes.collect();
        must(hashes == ["sha-256"], format!("fingerprints {hashes:?}"))?;
        let peer = lines.peer();
        peer.map(Self::Dtls)
            .ok_or("no ICE credentials or setup".into())
    }

    fn profile(&self) -> &'static str {
        match self {
            Self::Sdes(_) => "RTP/SAVP",
            Self::Dtls(_) => "UDP/TLS/RTP/SAVPF",
        }
    }
}

fn must(held: bool, fault: String) -> Result<(), String> {
    held.then_some(()).ok_or(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::fault::Faults;
    use crate::sim::meta::webrtc::Webrtc;

    /// The offer that WhatsApp's own sample shows, answered as it shows.
    #[test]
    fn the_sample_is_answered_in_its_own_numbering() {
        let answer = answer_to(OFFER, &Business::new("h", "p")).unwrap();
        assert!(
            answer.contains("m=audio 4000 RTP/SAVP 107 101\r\n"),
            "{answer}"
        );
        assert!(answer.contains("a=fmtp:107 maxaveragebitrate=20000;"));
        assert!(answer.contains("a=group:BUNDLE audio\r\n") && answer.contains("a=rtcp-mux\r\n"));
        assert!(answer.contains("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:"));
    }

    #[test]
    fn a_missing_telephone_event_is_answered_all_the_same() {
        let offer = OFFER.replace(" 101\r\n", "\r\n");
        let answer = answer_to(&offer, &Business::new("h", "p")).unwrap();
        assert!(
            answer.contains("m=audio 4000 RTP/SAVP 107 126\r\n"),
            "{answer}"
        );
    }

    #[test]
    fn g711_counts_where_it_is_enabled() {
        let mut business = Business::new("h", "p");
        let offer = OFFER.replace("107 0 8 101", "8 101");
        assert_eq!(answer_to(&offer, &business), None);
        business.additional_codecs = vec![Codec::Pcma];
        assert!(
            answer_to(&offer, &business)
                .unwrap()
                .contains("RTP/SAVP 8 101")
        );
    }

    #[test]
    fn what_cannot_be_a_call_is_refused() {
        for (what, becomes) in [
            ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"),
            ("a=ptime:20", "a=ptime:30"),
            ("m=audio 15822", "m=audio 0"),
            ("a=sendrecv", "a=fingerprint:sha-256 AA"),
            ("t=0 0\r\n", "t=0 0\r\nm=video 1 RTP/SAVP 96\r\n"),
        ] {
            let offer = OFFER.replace(what, becomes);
            assert_ne!(offer, OFFER);
            assert_eq!(
                answer_to(&offer, &Business::new("h", "p")),
                None,
                "{becomes}"
            );
        }
    }

    /// dossier 3.1: the shape of a Graph offer, and of its answer.
    #[test]
    fn a_webrtc_offer_is_answered_where_dtls_is_set() {
        let print = ["AB"; 32].join(":");
        let (head, _) = OFFER.split_once("a=crypto").unwrap();
        let head = head.replace("RTP/SAVP", "UDP/TLS/RTP/SAVPF");
        let offer = format!(
            "{head}a=rtcp-mux\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
             a=setup:actpass\r\na=fingerprint:sha-256 {print}\r\n"
        );
        let mut business = Business::new("h", "p");
        assert_eq!(answer_to(&offer, &business), None);
        business.keys = KeyExchange::Dtls;
        assert_eq!(answer_to(OFFER, &business), None);
        let answer = answer_to(&offer, &business).unwrap();
        for line in [
            "a=ice-lite\r\nm=audio 4000 UDP/TLS/RTP/SAVPF 107 101\r\n",
            " typ host generation 0 network-cost 50\r\na=ice-ufrag:",
            "a=setup:active\r\na=mid:audio\r\n",
        ] {
            assert!(answer.contains(line), "{line} in {answer}");
        }
        assert!(!answer.contains("a=crypto"));
        let active = answer_to(&offer.replace("actpass", "active"), &business);
        assert!(active.unwrap().contains("a=setup:passive\r\n"));
        let extra = format!("{offer}a=fingerprint:sha-512 AB\r\n");
        assert_eq!(answer_to(&extra, &business), None);
    }

    fn answer_to(offer: &str, business: &Business) -> Option<String> {
        let invite =
            Message::request("INVITE", "sip:+1@wa.meta.vc").with_body("application/sdp", offer);
        let offered = Offered::read(&invite, business).ok()?;
        let mut entropy = Entropy::from_seed([1; 32]);
        let setup = Webrtc::answers(offered.setup());
        let local = Webrtc::default().local(setup, &Faults::new(), &mut entropy);
        let ours = Ours {
            media: "192.0.2.1:4000".parse().unwrap(),
            ssrc: 7,
            link: local.as_ref().ok(),
            candidates: vec!["192.0.2.1:4000".parse().unwrap()],
        };
        Some(offered.answer(ours, &mut entropy).0)
    }

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
        m=audio 15822 RTP/SAVP 107 0 8 101\r\na=rtpmap:107 opus/48000/2\r\na=fmtp:107 useinbandfec=1\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n\
        a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";
}
