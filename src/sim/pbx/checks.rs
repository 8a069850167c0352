//! What the PBX can say when a call is over.

use std::time::Instant;

use crate::sim::media::Heard;
use crate::sim::pbx::behaviour::Behaviour;
use crate::sim::report::Report;

/// The stream that the bridge sends to a PBX: one source, in step.
pub fn media(heard: &Heard, answered: Instant, report: &mut Report) {
    report.first_packet = heard.first.map(|at| at.saturating_duration_since(answered));
    report.first_sound = heard
        .first_sound
        .map(|at| at.saturating_duration_since(answered));
    let oddities = oddities(heard);
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

fn oddities(heard: &Heard) -> Vec<String> {
    let mut oddities = Vec::new();
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            oddities.push(format!("{count} {what}"));
        }
    };
    note(
        (heard.ssrcs.len() as u64).saturating_sub(1),
        "further SSRCs",
    );
    note(heard.lost, "packets lost");
    note(heard.late, "packets late or twice");
    note(heard.sequence_jumps, "jumps of sequence");
    note(heard.unknown_payload_types, "unknown payload types");
    note(heard.undecodable, "undecodable packets");
    note(heard.unauthentic, "packets failed authentication");
    note(
        heard.wrong_source,
        "packets from another address than the SDP's",
    );
    oddities
}
