//! What is taken of a description: codec, digits, keys, direction, addresses (RFC 3264 §6, §7, RFC 4568 §5). Pure choices;
//! what was chosen before is not known here.

use std::time::Duration;

use super::codec::Encoding;
use super::description::{Audio, Description, Format, Proto};
use super::writing::OwnAudio;
use super::{
    Agreement, Codec, CryptoFault, CryptoLine, CryptoPair, Direction, Local, PayloadType, Policy,
    Refusal, Security, TelephoneEvent,
};

/// An offer's audio stream, accepted.
pub(super) struct Accepted {
    /// Which `m=` line.
    pub place: usize,
    pub own: OwnAudio,
    pub agreement: Agreement,
}

/// Takes the first usable audio stream of an offer; one that is in use already comes first. When none is usable, the
/// reason is that of the first.
pub(super) fn accept(
    policy: &Policy,
    local: &Local,
    offer: &Description,
    in_use: Option<usize>,
    wanted: Direction,
) -> Result<Accepted, Refusal> {
    let mut streams: Vec<(usize, &Audio)> = offer.audio().collect();
    streams.sort_by_key(|&(place, _)| Some(place) != in_use);
    let mut refusal = None;
    for (place, audio) in streams {
        match accept_stream(policy, local, audio, wanted) {
            Ok((own, agreement)) => {
                return Ok(Accepted {
                    place,
                    own,
                    agreement,
                });
            }
            Err(error) => {
                refusal.get_or_insert(error);
            }
        }
    }
    Err(refusal.unwrap_or(Refusal::NoAudio))
}

/// One codec is answered, so that the peer cannot change it without a word.
fn accept_stream(
    policy: &Policy,
    local: &Local,
    audio: &Audio,
    wanted: Direction,
) -> Result<(OwnAudio, Agreement), Refusal> {
    let proto = audio.proto.ok_or_else(|| mismatch(policy, audio))?;
    let theirs = choose_crypto(policy, audio, proto)?;
    let (format, codec) = choose_codec(policy, audio)?;
    let event = choose_event(audio, codec, |clock| {
        policy.telephone_event.contains(&clock)
    });
    let direction = wanted.and(audio.effective_direction().mirrored());
    let ours = theirs.map(|line| CryptoLine {
        key: local.key.for_suite(line.suite),
        ..line.clone()
    });

    let mut formats = vec![(format.number, Encoding::Audio(codec))];
    formats.extend(event.map(|(number, clock)| (number, Encoding::TelephoneEvent(clock))));
    let agreement = Agreement {
        receive: vec![(format.number, codec)],
        telephone_event: event.map(|(number, clock)| TelephoneEvent {
            send_pt: number,
            receive_pt: number,
            clock,
        }),
        direction,
        crypto: pair(ours.as_ref(), theirs),
        ..one_way(audio, format, codec, audio.rtcp_mux)
    };
    let own = OwnAudio {
        proto,
        formats,
        direction,
        crypto: ours.into_iter().collect(),
        rtcp_mux: audio.rtcp_mux,
        mid: audio.mid.clone(),
        bundled: audio.bundled,
    };
    Ok((own, agreement))
}

/// Reads the answer to `own`, our offer. Peers answer with more than was offered (WhatsApp adds BUNDLE, mid and rtcp-mux,
/// dossier 3.1): what harms nothing is accepted, and rtcp-mux is believed.
pub(super) fn settle(policy: &Policy, own: &OwnAudio, audio: &Audio) -> Result<Agreement, Refusal> {
    let crypto = settle_crypto(policy, own, audio)?;
    let offered = |encoding| own.formats.iter().find(|(_, e)| *e == encoding);
    let (format, codec) = audio
        .formats
        .iter()
        .filter_map(|format| Some((format, audio_codec(format)?)))
        .find(|&(_, codec)| offered(Encoding::Audio(codec)).is_some())
        .ok_or_else(|| no_codec(audio))?;
    let event = choose_event(audio, codec, |clock| {
        offered(Encoding::TelephoneEvent(clock)).is_some()
    });
    Ok(Agreement {
        receive: receivable(own, audio),
        telephone_event: event.and_then(|(send_pt, clock)| {
            let &(receive_pt, _) = offered(Encoding::TelephoneEvent(clock))?;
            Some(TelephoneEvent {
                send_pt,
                receive_pt,
                clock,
            })
        }),
        direction: own.direction.and(audio.effective_direction().mirrored()),
        crypto,
        ..one_way(audio, format, codec, audio.rtcp_mux)
    })
}

/// What follows from the peer's side alone; the rest is filled by the caller.
fn one_way(audio: &Audio, format: &Format, codec: Codec, rtcp_mux: bool) -> Agreement {
    let remote_rtp = audio.rtp_address();
    Agreement {
        remote_rtp,
        remote_rtcp: if rtcp_mux {
            remote_rtp
        } else {
            audio.rtcp_address()
        },
        rtcp_mux,
        codec,
        send_pt: format.number,
        receive: Vec::new(),
        telephone_event: None,
        direction: Direction::Inactive,
        packet_time: packet_time(audio),
        crypto: None,
        remote_ssrc: audio.ssrc,
        opus: format.opus,
    }
}

fn choose_codec<'a>(policy: &Policy, audio: &'a Audio) -> Result<(&'a Format, Codec), Refusal> {
    let rank = |codec| policy.codecs.iter().position(|&ours| ours == codec);
    let mut common = audio
        .formats
        .iter()
        .filter_map(|format| Some((format, audio_codec(format)?)))
        .filter(|&(_, codec)| rank(codec).is_some());
    let chosen = if policy.own_order {
        common.min_by_key(|&(_, codec)| rank(codec))
    } else {
        common.next()
    };
    chosen.ok_or_else(|| no_codec(audio))
}

fn audio_codec(format: &Format) -> Option<Codec> {
    match format.encoding? {
        Encoding::Audio(codec) => Some(codec),
        Encoding::TelephoneEvent(_) => None,
    }
}

/// RFC 4733 §2.5.1.1 wants the clock of the audio; when that is not there, any allowed one.
fn choose_event(
    audio: &Audio,
    codec: Codec,
    allowed: impl Fn(u32) -> bool,
) -> Option<(PayloadType, u32)> {
    let events = || {
        audio
            .formats
            .iter()
            .filter_map(|format| match format.encoding? {
                Encoding::TelephoneEvent(clock) => Some((format.number, clock)),
                Encoding::Audio(_) => None,
            })
            .filter(|&(_, clock)| allowed(clock))
    };
    events()
        .find(|&(_, clock)| clock == codec.clock_rate())
        .or_else(|| events().next())
}

/// The peer sends with our numbers (RFC 3264 §7); some send with their own, which is harmless when we gave them no other
/// meaning.
fn receivable(own: &OwnAudio, audio: &Audio) -> Vec<(PayloadType, Codec)> {
    let answered: Vec<(PayloadType, Codec)> = audio
        .formats
        .iter()
        .filter_map(|format| Some((format.number, audio_codec(format)?)))
        .collect();
    let mut receive: Vec<(PayloadType, Codec)> = own
        .formats
        .iter()
        .filter_map(|&(number, encoding)| match encoding {
            Encoding::Audio(codec) => Some((number, codec)),
            Encoding::TelephoneEvent(_) => None,
        })
        .filter(|(_, codec)| answered.iter().any(|(_, theirs)| theirs == codec))
        .collect();
    for (number, codec) in answered {
        let is_taken = own.formats.iter().any(|(ours, _)| *ours == number)
            || receive.iter().any(|(known, _)| *known == number);
        let is_wanted = receive.iter().any(|(_, known)| *known == codec);
        if is_wanted && !is_taken {
            receive.push((number, codec));
        }
    }
    receive
}

/// 10, 20, 30, 40 or 60 ms: the longest that is not longer than asked for.
fn packet_time(audio: &Audio) -> Duration {
    const USUAL: Duration = Duration::from_millis(20);
    let asked = audio.packet_time.unwrap_or(USUAL);
    let limit = audio.max_packet_time.map_or(asked, |max| asked.min(max));
    [60, 40, 30, 20]
        .map(Duration::from_millis)
        .into_iter()
        .find(|&time| time <= limit)
        .unwrap_or(Duration::from_millis(10))
}

/// The offerer's first line that we can use (RFC 4568 §5.1.2). `None`: plain RTP. Any transport token is taken when
/// `a=crypto` is there and DTLS is not (dossier 3.1); also `RTP/AVP` (RFC 8643).
fn choose_crypto<'a>(
    policy: &Policy,
    audio: &'a Audio,
    proto: Proto,
) -> Result<Option<&'a CryptoLine>, Refusal> {
    let is_plain = match proto {
        Proto::Avp | Proto::Avpf => true,
        Proto::Savp | Proto::Savpf => false,
        Proto::DtlsSavp | Proto::DtlsSavpf if audio.has_fingerprint => {
            return Err(mismatch(policy, audio));
        }
        Proto::DtlsSavp | Proto::DtlsSavpf => false,
    };
    match &policy.security {
        Security::Plain if is_plain => Ok(None),
        Security::Plain => Err(mismatch(policy, audio)),
        Security::Sdes(_) if audio.crypto.is_empty() => Err(mismatch(policy, audio)),
        Security::Sdes(_) => first_usable(policy, audio).map(Some),
        Security::SdesIfOffered(_) if is_plain => Ok(first_usable(policy, audio).ok()),
        Security::SdesIfOffered(_) if audio.crypto.is_empty() => Err(mismatch(policy, audio)),
        Security::SdesIfOffered(_) => first_usable(policy, audio).map(Some),
    }
}

fn first_usable<'a>(policy: &Policy, audio: &'a Audio) -> Result<&'a CryptoLine, Refusal> {
    let mut faults = Vec::new();
    for line in &audio.crypto {
        match line {
            Ok(line) if policy.security.suites().contains(&line.suite) => return Ok(line),
            Ok(line) => faults.push(CryptoFault::SuiteNotAllowed(line.suite).to_string()),
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    faults.truncate(6);
    Err(Refusal::NoCrypto(faults.join("; ")))
}

/// The answer must pick one of our lines by its tag (RFC 4568 §5.1.3).
fn settle_crypto(
    policy: &Policy,
    own: &OwnAudio,
    audio: &Audio,
) -> Result<Option<CryptoPair>, Refusal> {
    if own.crypto.is_empty() {
        return match audio.proto {
            Some(Proto::Avp | Proto::Avpf) => Ok(None),
            Some(Proto::Savp | Proto::Savpf | Proto::DtlsSavp | Proto::DtlsSavpf) | None => {
                Err(mismatch(policy, audio))
            }
        };
    }
    let mut fault = None;
    for line in &audio.crypto {
        match line {
            Ok(theirs) => {
                let ours = own
                    .crypto
                    .iter()
                    .find(|ours| ours.tag == theirs.tag && ours.suite == theirs.suite);
                if ours.is_some() {
                    return Ok(pair(ours, Some(theirs)));
                }
                let words = format!("tag {} was not offered with this suite", theirs.tag);
                fault.get_or_insert(words);
            }
            Err(error) => {
                fault.get_or_insert(error.to_string());
            }
        }
    }
    Err(fault.map_or_else(|| mismatch(policy, audio), Refusal::NoCrypto))
}

fn pair(ours: Option<&CryptoLine>, theirs: Option<&CryptoLine>) -> Option<CryptoPair> {
    let (ours, theirs) = (ours?, theirs?);
    Some(CryptoPair {
        suite: ours.suite,
        send: ours.key.clone(),
        receive: theirs.key.clone(),
    })
}

fn mismatch(policy: &Policy, audio: &Audio) -> Refusal {
    Refusal::SecurityMismatch {
        wanted: policy.security.wanted().to_owned(),
        found: audio.offered_security(),
    }
}

fn no_codec(audio: &Audio) -> Refusal {
    Refusal::NoCodec {
        offered: audio.offered_formats(),
    }
}
