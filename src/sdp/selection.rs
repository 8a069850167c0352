//! What is taken of a description: codec, digits, direction, addresses (RFC 3264 §6, §7); its protection is the next
//! file's. Pure choices.

use std::net::IpAddr;
use std::time::Duration;

use super::codec::Encoding;
use super::description::{Audio, Description, Format};
use super::security::{self, Secured};
use super::writing::OwnAudio;
use super::{
    Agreement, Codec, Direction, ExtendedReports, IceTerms, Local, PayloadType, Policy, Protection,
    Refusal, TelephoneEvent,
};

/// Who chooses: our wishes, what is ours, and what the session agreed on so far.
#[derive(Clone, Copy)]
pub(super) struct Chooser<'a> {
    pub policy: &'a Policy,
    pub local: &'a Local,
    /// Ours, as last described.
    pub address: IpAddr,
    pub before: Option<&'a Agreement>,
}

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
    chooser: Chooser<'_>,
    offer: &Description,
    in_use: Option<usize>,
    wanted: Direction,
) -> Result<Accepted, Refusal> {
    let mut streams: Vec<(usize, &Audio)> = offer.audio().collect();
    streams.sort_by_key(|&(place, _)| Some(place) != in_use);
    let mut refusal = None;
    for (place, audio) in streams {
        match accept_stream(chooser, audio, wanted) {
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
    chooser: Chooser<'_>,
    audio: &Audio,
    wanted: Direction,
) -> Result<(OwnAudio, Agreement), Refusal> {
    let Chooser {
        policy,
        local,
        address,
        before,
    } = chooser;
    let proto = audio
        .proto
        .ok_or_else(|| security::mismatch(policy, audio))?;
    let secured = security::accept(policy, local, audio, before)?;
    let (format, codec) = choose_codec(policy, audio)?;
    let event = choose_event(audio, codec, |clock| {
        policy.telephone_event.contains(&clock)
    });
    let direction = wanted.and(audio.effective_direction().mirrored());
    let Secured {
        own: security,
        protection,
        ice,
    } = secured;

    let mut formats = vec![(format.number, Encoding::Audio(codec))];
    let extended_reports = policy.rtcp_xr.answered(audio.extended_reports);
    formats.extend(event.map(|(number, clock)| (number, Encoding::TelephoneEvent(clock))));
    let agreement = Agreement {
        receive: vec![(format.number, codec)],
        telephone_event: event.map(|(number, clock)| TelephoneEvent {
            send_pt: number,
            receive_pt: number,
            clock,
        }),
        direction,
        protection,
        extended_reports,
        ..one_way(audio, format, codec, ice)
    };
    let own = OwnAudio {
        address: audio
            .default_address()
            .map_or(address, |theirs| local.address_for(theirs)),
        proto,
        formats,
        direction,
        security,
        rtcp_mux: audio.rtcp_mux,
        extended_reports,
        mid: audio.mid.clone(),
        bundled: audio.bundled,
    };
    Ok((own, agreement))
}

/// Reads the answer to `own`, our offer. Peers answer with more than was offered (WhatsApp adds BUNDLE, mid and rtcp-mux,
/// dossier 3.1): what harms nothing is accepted, and rtcp-mux is believed.
pub(super) fn settle(
    chooser: Chooser<'_>,
    own: &OwnAudio,
    audio: &Audio,
) -> Result<Agreement, Refusal> {
    let Chooser {
        policy,
        local,
        before,
        ..
    } = chooser;
    let (protection, ice) = security::settle(policy, local, &own.security, audio, before)?;
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
        protection,
        extended_reports: own.extended_reports.and(audio.extended_reports),
        ..one_way(audio, format, codec, ice)
    })
}

/// What follows from the peer's side alone; the rest is filled by the caller.
fn one_way(audio: &Audio, format: &Format, codec: Codec, ice: Option<IceTerms>) -> Agreement {
    let remote_rtp = audio.rtp_address();
    Agreement {
        remote_rtp,
        remote_rtcp: match (audio.rtcp_mux, &ice) {
            (true, _) => remote_rtp,
            (false, None) => audio.rtcp_address(),
            (false, Some(_)) => None,
        },
        rtcp_mux: audio.rtcp_mux,
        extended_reports: ExtendedReports::default(),
        codec,
        send_pt: format.number,
        receive: Vec::new(),
        telephone_event: None,
        direction: Direction::Inactive,
        packet_time: packet_time(audio),
        protection: Protection::Clear,
        ice,
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

fn no_codec(audio: &Audio) -> Refusal {
    Refusal::NoCodec {
        offered: audio.offered_formats(),
    }
}
