//! What WhatsApp's side can say when a call is over.

use std::time::{Duration, Instant};

use crate::sim::fault::{Fault, Faults};
use crate::sim::media::{Codec, Heard};
use crate::sim::meta::plan::Expect;
use crate::sim::report::{Ended, Outcome, Report};
use crate::sim::verdict::Verdict;

/// Of 20 kbit/s; in-band FEC and a loud syllable may go a little above.
const MOST_OPUS_BITRATE: f64 = 24_000.0;
/// Longest pause that is no lack of packets.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// A packet may overtake the answer that was sent just before it.
const OVERTAKING: Duration = Duration::from_millis(250);
const FIRST_PACKET_WITHIN: Duration = Duration::from_secs(1);
/// Media this long must have shown RTCP.
const REPORTED_AFTER: Duration = Duration::from_secs(12);

/// Whether the call came to what it should; `talk` is after how long we hang up.
pub fn outcome(report: &mut Report, expect: Expect, talk: Option<Duration>) {
    let held = match (&report.outcome, expect) {
        (Outcome::Answered { ended }, Expect::Answer) => match talk {
            Some(_) => *ended == Ended::Here,
            None => *ended == Ended::There,
        },
        (Outcome::Refused { status, .. }, Expect::Refusal(wanted)) => {
            wanted.is_none_or(|wanted| wanted == *status)
        }
        (Outcome::Cancelled, Expect::Cancelled) => true,
        (
            Outcome::Lost
            | Outcome::Unreachable(_)
            | Outcome::Refused { .. }
            | Outcome::Cancelled
            | Outcome::Unauthorized
            | Outcome::Answered { .. },
            Expect::Answer | Expect::Refusal(_) | Expect::Cancelled,
        ) => false,
    };
    let found = report.outcome.to_string();
    report.verdict.check("outcome", held, found);
}

/// 20 s without a first packet, or 30 s without another.
pub fn starved(verdict: &mut Verdict, ever: bool) {
    let found = match ever {
        true => "none for 30 s",
        false => "none within 20 s of the answer",
    };
    verdict.violation("media from the business", found);
}

/// Every rule of the stream that the business sends (dossier 3.3).
pub fn media(heard: &Heard, answered: Instant, faults: &Faults, report: &mut Report) {
    let verdict = &mut report.verdict;
    let first = heard.first.map(|at| at.saturating_duration_since(answered));
    let prompt = first.is_some_and(|first| first < FIRST_PACKET_WITHIN);
    let found = first.map_or("none came".into(), |first| {
        format!("{} ms after the answer", first.as_millis())
    });
    verdict.check("business sends first", prompt, found);
    let gap = heard.longest_gap;
    verdict.check(
        "never silent",
        gap < LONGEST_GAP,
        format!("longest pause {} ms", gap.as_millis()),
    );
    let oddities = oddities(heard, answered);
    let found = match oddities.is_empty() {
        true => format!("{} packets, one SSRC, 20 ms, in step", heard.packets),
        false => oddities.join("; "),
    };
    verdict.check("stream", oddities.is_empty() && heard.packets > 0, found);
    if heard.codecs.contains(&Codec::Opus) {
        let found = format!("{:.1} kbit/s", heard.bitrate() / 1000.0);
        verdict.check("Opus bitrate", heard.bitrate() < MOST_OPUS_BITRATE, found);
    }
    let heard_for = heard
        .last
        .zip(heard.first)
        .map(|(last, first)| last - first);
    if heard_for > Some(REPORTED_AFTER) {
        let found = format!("{} packets", heard.rtcp);
        verdict.check(
            "RTCP",
            heard.rtcp > 0 && heard.rtcp_of_strangers == 0,
            found,
        );
    }
    if heard.worst_reported_loss > 0 && !faults.contains(&Fault::HeavyLoss) {
        let percent = f64::from(heard.worst_reported_loss) / 2.56;
        let excused = faults.contains(&Fault::LightLoss) || faults.contains(&Fault::Stall);
        verdict.check(
            "our packets arrive",
            excused,
            format!("{percent:.0} % lost, it says"),
        );
    }
}

fn oddities(heard: &Heard, answered: Instant) -> Vec<String> {
    let mut oddities = heard.oddities();
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            oddities.push(format!("{count} {what}"));
        }
    };
    note(heard.irregular_steps, "irregular timestamps");
    let odd_times = heard.packet_times.iter().filter(|time| **time != 20);
    note(odd_times.count() as u64, "packet times other than 20 ms");
    let early = heard.early.map(|at| answered.saturating_duration_since(at));
    if let Some(early) = early.filter(|early| *early > OVERTAKING) {
        oddities.push(format!("{} ms before the answer", early.as_millis()));
    }
    oddities
}
