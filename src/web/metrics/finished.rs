//! What the calls that are over were like, added up from their records.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::histogram::Histogram;
use super::page::{Figure, Page, Spread};
use crate::call::cdr::{CallDirection, Cdr, LegQuality, Quality};
use crate::call::ending::{Cause, TABLE};
use crate::side::Side;

/// Seconds until a call is answered: people take their time.
const SETUP: [f64; 10] = [0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0];
/// Seconds until what should be there at once: sound, a way, keys.
const AT_ONCE: [f64; 10] = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0];
const ROUND_TRIP: [f64; 9] = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0];
const JITTER: [f64; 8] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1];
/// ITU-T G.107 annex B: from 4.0 on users are satisfied, under 3.6 many are not, under 3.1 nearly nobody is.
const MOS: [f64; 8] = [2.0, 2.6, 3.1, 3.4, 3.6, 3.8, 4.0, 4.3];

const FRAME: Duration = Duration::from_millis(20);

const TIMES: [Spread<Times>; 5] = [
    (
        "wabridge_first_audio_seconds",
        "From a leg's answer to the first packet to it that holds the other party's sound",
        |times| &times.first_audio,
    ),
    (
        "wabridge_ice_seconds",
        "Until ICE had found the way",
        |times| &times.ice,
    ),
    (
        "wabridge_dtls_seconds",
        "Until DTLS had made the keys",
        |times| &times.dtls,
    ),
    (
        "wabridge_round_trip_seconds",
        "Round trip to the peer, from its last RTCP report of a call",
        |times| &times.round_trip,
    ),
    (
        "wabridge_jitter_seconds",
        "Interarrival jitter of what the peer sent (RFC 3550), mean of a call",
        |times| &times.jitter,
    ),
];

const PACKETS: [Figure<Packets, u64>; 6] = [
    (
        "wabridge_packets_received",
        "RTP packets that came from this side",
        |packets| packets.received,
    ),
    (
        "wabridge_packets_sent",
        "RTP packets sent to this side",
        |packets| packets.sent,
    ),
    (
        "wabridge_packets_lost",
        "RTP packets of this side that never came",
        |packets| packets.lost,
    ),
    (
        "wabridge_packets_late",
        "RTP packets of this side that came too late to be of use",
        |packets| packets.late,
    ),
    (
        "wabridge_packets_duplicate",
        "RTP packets of this side that came twice",
        |packets| packets.duplicate,
    ),
    (
        "wabridge_datagrams_rejected",
        "Datagrams at this side's ports that were not used: forged, from elsewhere, unreadable",
        |packets| packets.rejected,
    ),
];

const REPAIR: [Figure<Repair, Duration>; 4] = [
    (
        "wabridge_recovered_seconds",
        "Sound of this side that was lost and came out of the next packet (in-band FEC)",
        |repair| repair.recovered,
    ),
    (
        "wabridge_concealed_seconds",
        "Sound of this side that was lost and made up",
        |repair| repair.concealed,
    ),
    (
        "wabridge_left_out_seconds",
        "Sound of this side that was left out to give delay back",
        |repair| repair.left_out,
    ),
    (
        "wabridge_filled_seconds",
        "Silence sent to this side because the other gave nothing",
        |repair| repair.filled,
    ),
];

#[derive(Clone, Debug, Default)]
pub(super) struct Finished {
    user_initiated: Calls,
    business_initiated: Calls,
    whatsapp: Leg,
    pbx: Leg,
    billed: Billed,
}

/// Those of one direction.
#[derive(Clone, Debug)]
struct Calls {
    ended: BTreeMap<Cause, u64>,
    setup: Histogram,
    talk: Duration,
}

/// The legs of one kind.
#[derive(Clone, Debug)]
struct Leg {
    times: Times,
    mos_from: Histogram,
    mos_to: Histogram,
    /// As the peer itself rated it.
    remote_mos: Histogram,
    packets: Packets,
    repair: Repair,
}

#[derive(Clone, Debug)]
struct Times {
    first_audio: Histogram,
    ice: Histogram,
    dtls: Histogram,
    round_trip: Histogram,
    jitter: Histogram,
}

#[derive(Clone, Copy, Debug, Default)]
struct Packets {
    received: u64,
    sent: u64,
    lost: u64,
    late: u64,
    duplicate: u64,
    rejected: u64,
}

/// Sound that is not what the peer sent.
#[derive(Clone, Copy, Debug, Default)]
struct Repair {
    recovered: Duration,
    concealed: Duration,
    left_out: Duration,
    /// Sent to it.
    filled: Duration,
}

#[derive(Clone, Debug, Default)]
struct Billed {
    time: Duration,
    /// Millionths by currency.
    prices: BTreeMap<String, u64>,
    unpriced: u64,
}

impl Finished {
    pub(super) fn count(&mut self, cdr: &Cdr) {
        match cdr.direction {
            CallDirection::UserInitiated => self.user_initiated.count(cdr),
            CallDirection::BusinessInitiated => self.business_initiated.count(cdr),
        }
        if let Some(Quality { user, a, b }) = &cdr.quality {
            let (whatsapp, pbx) = match user {
                Side::A => (a, b),
                Side::B => (b, a),
            };
            self.whatsapp.count(whatsapp);
            self.pbx.count(pbx);
        }
        self.billed.count(cdr);
    }

    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        self.write_calls(page)?;
        self.write_times(page)?;
        self.write_sound(page)?;
        self.write_packets(page)?;
        self.write_repair(page)?;
        self.billed.write(page)
    }

    fn directions(&self) -> [(&'static str, &Calls); 2] {
        [
            (CallDirection::UserInitiated.token(), &self.user_initiated),
            (
                CallDirection::BusinessInitiated.token(),
                &self.business_initiated,
            ),
        ]
    }

    fn legs(&self) -> [(&'static str, &Leg); 2] {
        [("whatsapp", &self.whatsapp), ("pbx", &self.pbx)]
    }

    fn write_calls(&self, page: &mut Page<'_>) -> fmt::Result {
        let ended = self
            .directions()
            .into_iter()
            .flat_map(|(direction, calls)| {
                TABLE.iter().map(move |row| {
                    let count = calls.ended.get(&row.cause).copied().unwrap_or_default();
                    ([("direction", direction), ("cause", row.token)], count)
                })
            });
        page.counters(
            "wabridge_calls_ended",
            "Calls that are over, refused ones too, by the cause in their record",
            ended,
        )?;
        page.histograms(
            "wabridge_call_setup_seconds",
            "Of answered calls: from the INVITE that was let in to our 200",
            self.directions()
                .map(|(direction, calls)| ([("direction", direction)], &calls.setup)),
        )?;
        page.counters(
            "wabridge_talk_seconds",
            "Of calls that are over: from our 200 to the end",
            self.directions()
                .map(|(direction, calls)| ([("direction", direction)], calls.talk.as_secs_f64())),
        )
    }

    fn write_times(&self, page: &mut Page<'_>) -> fmt::Result {
        TIMES.into_iter().try_for_each(|(name, help, of)| {
            let samples = self
                .legs()
                .map(|(side, leg)| ([("side", side)], of(&leg.times)));
            page.histograms(name, help, samples)
        })
    }

    fn write_sound(&self, page: &mut Page<'_>) -> fmt::Result {
        let samples = self.legs().into_iter().flat_map(|(side, leg)| {
            [("from", &leg.mos_from), ("to", &leg.mos_to)]
                .map(|(way, mos)| ([("side", side), ("way", way)], mos))
        });
        page.histograms(
            "wabridge_mos",
            "Estimate (ITU-T G.107) of how calls sounded that came from this side, and to it",
            samples,
        )?;
        page.histograms(
            "wabridge_remote_mos",
            "How calls sounded to this side by what its peer says itself (RFC 3611)",
            self.legs()
                .map(|(side, leg)| ([("side", side)], &leg.remote_mos)),
        )
    }

    fn write_packets(&self, page: &mut Page<'_>) -> fmt::Result {
        PACKETS.into_iter().try_for_each(|(name, help, of)| {
            let samples = self
                .legs()
                .map(|(side, leg)| ([("side", side)], of(&leg.packets)));
            page.counters(name, help, samples)
        })
    }

    fn write_repair(&self, page: &mut Page<'_>) -> fmt::Result {
        REPAIR.into_iter().try_for_each(|(name, help, of)| {
            let samples = self
                .legs()
                .map(|(side, leg)| ([("side", side)], of(&leg.repair).as_secs_f64()));
            page.counters(name, help, samples)
        })
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            ended: BTreeMap::new(),
            setup: Histogram::new(&SETUP),
            talk: Duration::ZERO,
        }
    }
}

impl Calls {
    fn count(&mut self, cdr: &Cdr) {
        *self.ended.entry(cdr.ending.cause).or_default() += 1;
        self.setup
            .observe(cdr.setup.map(|setup| setup.as_secs_f64()));
        self.talk = self.talk.saturating_add(cdr.talk);
    }
}

impl Default for Leg {
    fn default() -> Self {
        Self {
            times: Times::default(),
            mos_from: Histogram::new(&MOS),
            mos_to: Histogram::new(&MOS),
            remote_mos: Histogram::new(&MOS),
            packets: Packets::default(),
            repair: Repair::default(),
        }
    }
}

/// A score that its peer tells in tenths, as the nearest number that can be in a bucket of that bound.
fn tenths(score: f32) -> f64 {
    (f64::from(score) * 10.0).round() / 10.0
}

impl Leg {
    fn count(&mut self, leg: &LegQuality) {
        self.times.count(leg);
        self.mos_from.observe(leg.mos_received.map(f64::from));
        self.mos_to.observe(leg.mos_sent.map(f64::from));
        let rated = leg.remote_mos_conversation.or(leg.remote_mos_listening);
        self.remote_mos.observe(rated.map(tenths));
        self.packets.count(leg);
        self.repair.count(leg);
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            first_audio: Histogram::new(&AT_ONCE),
            ice: Histogram::new(&AT_ONCE),
            dtls: Histogram::new(&AT_ONCE),
            round_trip: Histogram::new(&ROUND_TRIP),
            jitter: Histogram::new(&JITTER),
        }
    }
}

impl Times {
    fn count(&mut self, leg: &LegQuality) {
        let seconds = |milliseconds: f64| milliseconds / 1e3;
        self.first_audio.observe(leg.first_audio_ms.map(seconds));
        self.ice.observe(leg.ice_ms.map(seconds));
        self.dtls.observe(leg.dtls_ms.map(seconds));
        self.round_trip.observe(leg.round_trip_ms.map(seconds));
        let heard = leg.packets_received > 0;
        self.jitter
            .observe(heard.then(|| seconds(leg.jitter_mean_ms)));
    }
}

impl Packets {
    fn count(&mut self, leg: &LegQuality) {
        self.received += leg.packets_received;
        self.sent += leg.packets_sent;
        self.lost += leg.packets_lost;
        self.late += leg.packets_late;
        self.duplicate += leg.packets_duplicate;
        self.rejected += leg.datagrams_rejected;
    }
}

impl Repair {
    fn count(&mut self, leg: &LegQuality) {
        let left_out = Duration::try_from_secs_f64(leg.left_out_ms / 1e3);
        self.recovered += frames(leg.frames_recovered);
        self.concealed += frames(leg.frames_concealed);
        self.left_out += left_out.unwrap_or_default();
        self.filled += frames(leg.frames_filled);
    }
}

fn frames(count: u64) -> Duration {
    FRAME.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Billed {
    fn count(&mut self, cdr: &Cdr) {
        self.unpriced += u64::from(cdr.charge_error.is_some());
        if let Some(charge) = &cdr.charge {
            self.time = self.time.saturating_add(charge.pulses.duration());
            let currency = charge.price.currency.to_string();
            let total = self.prices.entry(currency).or_default();
            *total = total.saturating_add(charge.price.micros);
        }
    }

    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        page.counters(
            "wabridge_billed_seconds",
            "Of calls to users: time in started pulses of six seconds",
            [([], self.time.as_secs_f64())],
        )?;
        let costs = self.prices.iter().map(|(currency, micros)| {
            let cost = *micros as f64 / 1e6;
            ([("currency", currency.as_str())], cost)
        });
        page.counters(
            "wabridge_cost",
            "What calls to users cost by the rate cards, in units of the currency",
            costs,
        )?;
        page.counters(
            "wabridge_calls_unpriced",
            "Calls that should have a price and have none: their records say why",
            [([], self.unpriced)],
        )
    }
}
