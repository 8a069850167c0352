//! What a person reads.

use std::path::Path;
use std::time::Duration;

use crate::sim::demo::Performance;
use crate::sim::demo::stage::Stage;
use crate::sim::demo::stories::{Call, Story};

pub fn list(stories: &[Story]) {
    for story in stories {
        println!("{:<8} {}", story.name, story.title);
    }
}

pub fn opening(stage: &Stage, calls: usize) {
    println!(
        "WhatsApp (simulated)  ◀─ TLS, SDES-SRTP, Opus ─▶  wabridge  ◀─ UDP, RTP ─▶  PBX (simulated)"
    );
    println!(
        "{:<40}  {:>19}                {}",
        stage.gateway, stage.whatsapp, stage.pbx
    );
    println!("{calls} calls, some at the same time.\n");
}

pub fn performance(performance: &Performance) {
    let Performance {
        story,
        caller,
        callee,
        record,
    } = performance;
    println!("── {}: {}", story.name, story.title);
    figures(performance);
    for check in &caller.verdict.checks {
        println!("   {check}");
    }
    let place = match story.call {
        Call::ByUser(_) => "at the PBX",
        Call::ByAgent(_) => "at WhatsApp",
    };
    match callee {
        Some(callee) => {
            println!("   {place}: {}", callee.outcome);
            for check in &callee.verdict.checks {
                println!("   {check}");
            }
        }
        None => println!("   FAIL  {place}: the call never came"),
    }
    if let Some(record) = record {
        println!("   record  {record}");
    }
    println!();
}

/// A call that this machine had no time for.
pub fn again(performance: &Performance) {
    let held_up = performance.parties().map(|party| party.heard.held_up).max();
    println!(
        "── {}: placed again, because this machine was held up for {}\n",
        performance.story.name,
        milliseconds(held_up)
    );
}

/// Set-up, first audio, scores, loss.
fn figures(performance: &Performance) {
    if let Some(setup) = performance.caller.setup {
        println!("   set-up         {}", milliseconds(Some(setup)));
    }
    let (Some(user), Some(agent)) = performance.sides() else {
        return;
    };
    if user.first_packet.is_none() {
        return;
    }
    println!("                  to the user      to the agent");
    row(
        "first packet",
        [user, agent].map(|one| milliseconds(one.first_packet)),
    );
    // The voices begin about half a second after the answer.
    row(
        "first audio",
        [user, agent].map(|one| milliseconds(one.first_sound)),
    );
    row(
        "audio score",
        [user, agent].map(|one| match one.score {
            Some(score) => format!("{:.2}", score.intelligibility),
            None => "not judged".into(),
        }),
    );
    row(
        "packets lost",
        [user, agent].map(|one| format!("{} of {}", one.heard.lost, one.heard.packets)),
    );
}

fn row(what: &str, [user, agent]: [String; 2]) {
    println!("   {what:<14} {user:<16} {agent}");
}

fn milliseconds(time: Option<Duration>) -> String {
    time.map_or("none".into(), |time| format!("{} ms", time.as_millis()))
}

pub fn closing(held: bool, took: Duration, out: &Path, notes: &[String]) {
    for note in notes {
        println!("note: {note}");
    }
    let verdict = match held {
        true => "Every check held.",
        false => "Not every check held: look for FAIL above.",
    };
    println!(
        "{verdict}  {:.0} s. What each party heard, the log and the records: {}",
        took.as_secs_f64(),
        out.display()
    );
}
