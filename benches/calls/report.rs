//! What is printed, and whether the bridge lost anything.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use wabridge::side::Side;

use crate::engine::Played;
use crate::hearing::{self, Hearing, codec_delay};
use crate::speech::{Speech, Words};
use crate::stream::Stream;
use crate::{Arguments, Load, Measured, Talk, name};

/// So many per cent of the time without its core make the bridge drop what came too late.
const BUSY: f64 = 2.0;
/// The ends of the measured time do not fall on frames.
const MARGIN: u64 = 3;

pub struct Report {
    /// Who carried the calls.
    subject: &'static str,
    load: Load,
    talk: Talk,
    user: Speech,
    calls: usize,
    seconds: u64,
    core: usize,
    measured: Measured,
    streams: Vec<Stream>,
    /// Sorted.
    lateness: Vec<Duration>,
    heard: Vec<Hearing>,
    faults: Vec<String>,
}

impl Report {
    pub fn new(
        subject: &'static str,
        arguments: &Arguments,
        words: &Words,
        measured: Measured,
        played: Played,
    ) -> Self {
        let Played {
            streams,
            mut lateness,
        } = played;
        let heard = hearing::listen(&streams);
        lateness.sort();
        let mut faults: Vec<String> = Vec::new();
        for stream in &streams {
            let fed = streams
                .iter()
                .find(|fed| fed.call == stream.call && fed.side != stream.side);
            faults.extend(faults_of_stream(
                stream,
                fed.map_or(0, |fed| fed.sent.measured),
            ));
        }
        for hearing in &heard {
            faults.extend(fault_of_hearing(hearing));
        }
        if heard.len() != 2 * arguments.heard.min(arguments.calls) {
            faults.push(format!("{} of the recordings could be heard", heard.len()));
        }
        Self {
            subject,
            load: arguments.load,
            talk: arguments.talk,
            user: words.user.clone(),
            calls: arguments.calls,
            seconds: arguments.seconds,
            core: arguments.core,
            measured,
            streams,
            lateness,
            heard,
            faults,
        }
    }

    /// The bridge's own records must say what happened.
    pub fn compare_records(&mut self, records: &[Value]) {
        let faults = faults_of_records(records, &self.streams, self.calls);
        self.faults.extend(faults);
    }

    /// Of one call for one second.
    pub fn processor(&self) -> Duration {
        let call_seconds = self.calls as f64 * self.seconds as f64;
        self.measured.took.processor.div_f64(call_seconds)
    }

    /// Of a call.
    pub fn memory(&self) -> u64 {
        let busy = self.measured.busy_memory;
        busy.saturating_sub(self.measured.idle_memory) / self.calls.max(1) as u64
    }

    /// What a sound waits in it, without what Opus looks ahead, both directions: at these shares of the packets.
    pub fn added_delays(&self, shares: [f64; 3]) -> [Duration; 3] {
        let mut delays: Vec<Duration> = Vec::new();
        for hearing in &self.heard {
            let codec = codec_delay(&self.user, self.load, hearing.side).unwrap_or_default();
            let added = |delay: &Duration| delay.saturating_sub(codec);
            delays.extend(hearing.delays.iter().map(added));
        }
        delays.sort();
        shares.map(|share| quantile(&delays, share))
    }

    /// Packets that came back, of those that should have.
    pub fn missing(&self) -> u64 {
        Side::BOTH
            .into_iter()
            .map(|side| self.sum(side, |stream| stream.came.missing))
            .sum()
    }

    pub fn subject(&self) -> &'static str {
        self.subject
    }

    /// Nothing was lost, and everybody was heard.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }

    fn sum(&self, side: Side, of: impl Fn(&Stream) -> u64) -> u64 {
        let streams = self.streams.iter().filter(|stream| stream.side == side);
        streams.map(of).sum()
    }

    fn write_packets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for side in Side::BOTH {
            writeln!(
                f,
                "{:<12} {} packets came of {} sent on the other side; missing {}, again or late {}, \
                 wrong timestamps {}, other sources {}, unreadable {}",
                name(side),
                self.sum(side, |stream| stream.came.measured),
                self.sum(!side, |stream| stream.sent.measured),
                self.sum(side, |stream| stream.came.missing),
                self.sum(side, |stream| stream.came.duplicate_or_old),
                self.sum(side, |stream| stream.came.wrong_steps),
                self.sum(side, |stream| stream.came.other_sources),
                self.sum(side, |stream| stream.came.unreadable),
            )?;
        }
        Ok(())
    }

    fn write_delays(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for side in Side::BOTH {
            let heard = self.heard.iter().filter(|hearing| hearing.side == side);
            let mut delays: Vec<Duration> =
                heard.flat_map(|hearing| hearing.delays.clone()).collect();
            delays.sort();
            let [half, most, max] = [0.5, 0.99, 1.0].map(|share| quantile(&delays, share));
            write!(
                f,
                "{:<12} delay p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
                name(side),
                milliseconds(half),
                milliseconds(most),
                milliseconds(max),
            )?;
            match codec_delay(&self.user, self.load, side) {
                Some(codec) => writeln!(f, ", of which Opus itself {:.1} ms", milliseconds(codec))?,
                None => writeln!(f)?,
            }
        }
        writeln!(
            f,
            "             (of a sound, from our send to our receive: both loopback sockets, the bridge, and what the codec\n\
             \u{20}            looks ahead; not the 20 ms that a frame takes to be spoken)"
        )?;
        let [most, max] = [0.99, 1.0].map(|share| quantile(&self.lateness, share));
        writeln!(
            f,
            "our clock    late p99 {:.1} ms, max {:.1} ms: what this machine's other work adds to the figures",
            milliseconds(most),
            milliseconds(max),
        )
    }

    fn write_costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = &self.measured.took;
        let per_call = self.processor().as_secs_f64();
        let share = |time: Duration| 100.0 * time.as_secs_f64() / self.seconds as f64;
        writeln!(
            f,
            "processor    {:.2} ms a call and second; {:.0} calls would fill a core",
            per_call * 1e3,
            1.0 / per_call,
        )?;
        write!(
            f,
            "             {:.1} % of core {} (",
            share(took.processor),
            self.core
        )?;
        let threads = took.threads.iter().filter(|(_, time)| !time.is_zero());
        for (number, (name, time)) in threads.enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{name} {:.1} %", share(*time))?;
        }
        writeln!(
            f,
            "); with everything else on it {:.1} %",
            share(took.core_busy)
        )?;
        let waited = share(took.waited);
        let hint = match waited > BUSY {
            true => ": THE MACHINE IS BUSY, try again under `chrt -f 5`",
            false => "",
        };
        writeln!(
            f,
            "             waited {waited:.1} % of the time for its core{hint}"
        )?;
        writeln!(
            f,
            "memory       {:.0} kB a call ({:.1} MB idle, {:.1} MB with {} calls)",
            self.memory() as f64 / 1e3,
            self.measured.idle_memory as f64 / 1e6,
            self.measured.busy_memory as f64 / 1e6,
            self.calls,
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, seconds) = (self.calls, self.seconds);
        writeln!(
            f,
            "{}: {calls} calls for {seconds} s, {}, {}",
            self.subject, self.load, self.talk
        )?;
        let mut set_up = self.measured.set_up.clone();
        set_up.sort();
        if !set_up.is_empty() {
            writeln!(
                f,
                "set-up       p50 {:.1} ms, max {:.1} ms, from INVITE to 200",
                milliseconds(quantile(&set_up, 0.5)),
                milliseconds(quantile(&set_up, 1.0)),
            )?;
        }
        self.write_packets(f)?;
        for hearing in &self.heard {
            let call = hearing.call;
            writeln!(
                f,
                "{:<12} call {call}: {}",
                name(hearing.side),
                hearing.score
            )?;
        }
        self.write_delays(f)?;
        self.write_costs(f)?;
        for fault in self.faults.iter().take(20) {
            writeln!(f, "FAULT        {fault}")?;
        }
        match self.faults.len() {
            0 => writeln!(f, "whole        no packet was lost in it"),
            faults => writeln!(f, "NOT WHOLE    {faults} faults"),
        }
    }
}

fn faults_of_stream(stream: &Stream, expected: u64) -> Vec<String> {
    let came = &stream.came;
    let who = format!("call {} {}", stream.call, name(stream.side));
    let mut faults = Vec::new();
    let mut must = |held: bool, fault: String| {
        if !held {
            faults.push(format!("{who}: {fault}"));
        }
    };
    let short = match stream.pauses {
        true => came.measured == 0 || came.measured > expected + MARGIN,
        false => came.measured.abs_diff(expected) > MARGIN,
    };
    must(
        !short,
        format!("{} packets instead of {expected}", came.measured),
    );
    must(came.missing == 0, format!("{} missing", came.missing));
    let again = came.duplicate_or_old;
    must(again == 0, format!("{again} twice or late"));
    let steps = came.wrong_steps;
    must(steps == 0, format!("{steps} timestamps jump"));
    must(came.other_sources == 0, "the SSRC changed".into());
    must(
        came.unreadable == 0,
        format!("{} unreadable", came.unreadable),
    );
    let refused = stream.sent.refused;
    must(
        refused == 0,
        format!("{refused} not taken by our own kernel"),
    );
    faults
}

/// What the bridge says it received must be what was sent to it.
fn faults_of_records(records: &[Value], streams: &[Stream], calls: usize) -> Vec<String> {
    let mut faults = Vec::new();
    if records.len() != calls {
        faults.push(format!("{} call records of {calls} calls", records.len()));
    }
    let total = |leg: &str, key: &str| -> u64 {
        let counts = records.iter().map(|record| &record["quality"][leg][key]);
        counts.filter_map(Value::as_u64).sum()
    };
    for (side, leg) in [(Side::A, "a"), (Side::B, "b")] {
        let sent = streams.iter().filter(|stream| stream.side == side);
        let sent: u64 = sent.map(|stream| stream.sent.packets).sum();
        let received = total(leg, "packets_received");
        if received != sent {
            faults.push(format!(
                "leg {leg}: {sent} packets sent, {received} received"
            ));
        }
        for key in [
            "packets_lost",
            "packets_late",
            "datagrams_rejected",
            "frames_concealed",
        ] {
            let count = total(leg, key);
            if count != 0 {
                faults.push(format!("leg {leg}: {key} {count}"));
            }
        }
    }
    faults
}

fn fault_of_hearing(hearing: &Hearing) -> Option<String> {
    let who = format!("call {} {}", hearing.call, name(hearing.side));
    if !hearing.score.is_good() {
        return Some(format!("{who}: heard badly: {}", hearing.score));
    }
    let strange = hearing.strange * 10 > hearing.windows || hearing.windows == 0;
    let (windows, odd) = (hearing.windows, hearing.strange);
    strange.then(|| format!("{who}: {odd} of {windows} seconds are not what was said"))
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
