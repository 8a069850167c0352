//! What the PBX can say when a call is over.

use std::time::Instant;

use crate::sim::media::Heard;
use crate::sim::meta::Expect;
use crate::sim::pbx::behaviour::Behaviour;
use crate::sim::pbx::description::Own;
use crate::sim::report::{Outcome, Report};
use crate::sim::sdp::Described;
use crate::sim::sip::Message;
use crate::sim::verdict::Verdict;

/// Whether a call of ours came to what it should.
pub fn outcome(report: &mut Report, expect: Expect) {
    let held = match &report.outcome {
        Outcome::Answered { .. } => expect == Expect::Answer,
        Outcome::Refused { status, .. } => {
            [None, Some(*status)].map(Expect::Refusal).contains(&expect)
        }
        Outcome::Cancelled => expect == Expect::Cancelled,
        Outcome::Lost | Outcome::Unreachable(_) | Outcome::Unauthorized => false,
    };
    let found = report.outcome.to_string();
    report.verdict.check("outcome", held, found);
}

/// The answer to our offer (RFC 3264 §6, RFC 4568 §5.1.2).
pub fn answer(own: &Own, response: &Message, verdict: &mut Verdict) {
    let theirs = match Described::read(&response.body_text()) {
        Ok(theirs) => theirs,
        Err(error) => return verdict.violation("SDP answer", error.to_string()),
    };
    let codecs = theirs.codecs();
    let offered = !codecs.is_empty() && codecs.iter().all(|codec| own.codecs.contains(codec));
    let keyed = match (&own.key, theirs.crypto.as_slice()) {
        (None, []) => theirs.profile == "RTP/AVP",
        (Some((tag, key)), [crypto]) => {
            theirs.profile == "RTP/SAVP" && crypto.tag == *tag && crypto.suite == key.suite()
        }
        (None | Some(_), _) => false,
    };
    let held = theirs.audio_lines == 1 && theirs.rtp().is_some() && offered && keyed;
    let names: Vec<&str> = codecs.iter().map(|(_, codec)| codec.rtpmap()).collect();
    let found = format!("{}, {}", theirs.profile, names.join(", "));
    verdict.check("SDP answer", held, found);
}

/// The stream that the bridge sends to a PBX: one source, in step.
pub fn media(heard: &Heard, answered: Instant, report: &mut Report) {
    report.first_packet = heard.first.map(|at| at.saturating_duration_since(answered));
    report.first_sound = heard
        .first_sound
        .map(|at| at.saturating_duration_since(answered));
    let oddities = heard.oddities();
    let found = match oddities.is_empty() {
        true => format!("{} packets, one SSRC, in step", heard.packets),
        false => oddities.join("; "),
    };
    let held = oddities.is_empty() && heard.packets > 0;
    report.verdict.check("stream", held, found);
}

pub fn digits(heard: &Heard, info: &str, behaviour: &Behaviour, report: &mut Report) {
    if let Some(wanted) = &behaviour.digits {
        let found = heard.digits() + info;
        let held = &found == wanted;
        report.verdict.check("digits", held, format!("`{found}`"));
    }
}
