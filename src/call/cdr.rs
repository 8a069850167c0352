//! The call detail record: one a call, whatever happens. It is what the operator bills, counts and complains with, so it
//! holds numbers in full when serialized; `Debug` shows none.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::call::ending::Ending;
use crate::media::bridge::no_audio::Missing;
use crate::media::bridge::{Report, StreamReport};
use crate::rates::Charge;
use crate::side::Side;

/// Our pairing of two legs. Unique for ever: made of the time and random bits, sorts by time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct CallRef(pub String);

impl fmt::Display for CallRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Written as one JSON line, and as one row of the database. Keys that measure end in their unit.
#[derive(Clone, PartialEq, Serialize)]
pub struct Cdr {
    pub call: CallRef,
    pub direction: CallDirection,
    /// WhatsApp's id of the call, `wacid....`.
    pub wacid: Option<String>,
    /// The SIP Call-ID of each leg.
    pub call_id_a: Option<String>,
    pub call_id_b: Option<String>,
    /// The WhatsApp user: number with `+` or business-scoped user id, as WhatsApp showed it.
    pub user: String,
    pub user_id: Option<String>,
    pub user_country: Option<String>,
    /// The business number, `+` and digits.
    pub number: String,
    pub trunk: Option<String>,
    pub extension: Option<String>,
    /// The peer that B was, or was last tried at.
    pub peer: Option<String>,
    /// Every peer tried, in order, with what came of it.
    pub attempts: Vec<Attempt>,
    /// What became of the PBX's wishes to put another in its place, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transfers: Vec<Transfer>,

    #[serde(serialize_with = "time")]
    pub started: SystemTime,
    #[serde(serialize_with = "optional_time")]
    pub ringing: Option<SystemTime>,
    #[serde(serialize_with = "optional_time")]
    pub answered: Option<SystemTime>,
    #[serde(serialize_with = "time")]
    pub ended: SystemTime,
    /// From the INVITE that was let in to our 200.
    #[serde(rename = "setup_s", serialize_with = "optional_seconds")]
    pub setup: Option<Duration>,
    /// From our 200 to the end; zero when never answered.
    #[serde(rename = "talk_s", serialize_with = "seconds")]
    pub talk: Duration,
    /// What WhatsApp counted (`x-wa-meta-call-duration`), when it hung up.
    pub whatsapp_duration_s: Option<u32>,
    /// From our 200 to the first packet with the agent's sound to the user.
    #[serde(rename = "first_audio_s", serialize_with = "optional_seconds")]
    pub first_audio: Option<Duration>,

    pub codec_a: Option<&'static str>,
    pub codec_b: Option<&'static str>,
    pub encrypted_a: bool,
    pub encrypted_b: bool,

    pub ending: Ending,
    pub told_a: Told,
    pub told_b: Told,
    /// `None` when no media was opened, or its counters never came back.
    pub quality: Option<Quality>,

    /// `None`: the call was free, or nobody told us prices.
    #[serde(serialize_with = "optional_charge")]
    pub charge: Option<Charge>,
    /// Why there is no charge although there should be.
    pub charge_error: Option<String>,
}

impl fmt::Debug for Cdr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cdr")
            .field("call", &self.call)
            .field("ending", &self.ending)
            .field("talk", &self.talk)
            .finish_non_exhaustive()
    }
}

/// Who began it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallDirection {
    UserInitiated,
    BusinessInitiated,
}

impl CallDirection {
    pub const BOTH: [Self; 2] = [Self::UserInitiated, Self::BusinessInitiated];

    /// As it is written.
    pub fn token(self) -> &'static str {
        match self {
            Self::UserInitiated => "user_initiated",
            Self::BusinessInitiated => "business_initiated",
        }
    }
}

/// One peer tried.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Attempt {
    pub peer: String,
    /// `answered`, `486`, `timeout`, ...
    pub outcome: String,
}

/// One side put another in its place, or tried to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Transfer {
    pub to: String,
    pub kind: TransferKind,
    /// `answered`, `486`, `timeout`, ...
    pub outcome: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// REFER.
    Blind,
    /// REFER with Replaces.
    Attended,
    /// INVITE with Replaces.
    Takeover,
}

/// What we last told a side to end its leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// The leg ended itself, or there never was one.
    Nothing,
    /// A final response.
    Status(u16),
    Bye,
    Cancel,
}

impl Serialize for Told {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Status(status) => serializer.serialize_str(&status.to_string()),
            Self::Bye => serializer.serialize_str("BYE"),
            Self::Cancel => serializer.serialize_str("CANCEL"),
        }
    }
}

/// The media of both legs.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Quality {
    /// The side that the WhatsApp user is on.
    #[serde(serialize_with = "shown")]
    pub user: Side,
    pub a: LegQuality,
    pub b: LegQuality,
}

/// One leg. "Received" is from the peer to us, "sent" from us to the peer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct LegQuality {
    pub packets_received: u64,
    pub packets_lost: u64,
    pub packets_late: u64,
    pub packets_duplicate: u64,
    pub packets_reordered: u64,
    pub packets_sent: u64,
    pub frames_recovered: u64,
    pub frames_concealed: u64,
    /// Said by the peer and left out, so that the other side hears no delay that is over.
    pub left_out_ms: f64,
    pub frames_filled: u64,
    pub jitter_mean_ms: f64,
    pub jitter_max_ms: f64,
    /// Estimate (ITU-T G.107) of what we received.
    pub mos_received: Option<f32>,
    /// Estimate of what we sent, from the peer's RTCP.
    pub mos_sent: Option<f32>,
    pub remote_loss_fraction: Option<f32>,
    pub remote_jitter_ms: Option<f64>,
    pub round_trip_ms: Option<f64>,
    /// What the peer's own voice metrics say of what we sent (RFC 3611 §4.7).
    pub remote_discard_fraction: Option<f32>,
    pub remote_r_factor: Option<u8>,
    pub remote_mos_listening: Option<f32>,
    pub remote_mos_conversation: Option<f32>,
    pub first_packet_ms: Option<f64>,
    pub first_audio_ms: Option<f64>,
    /// Until ICE had found the way, and DTLS had made the keys.
    pub ice_ms: Option<f64>,
    pub dtls_ms: Option<f64>,
    pub datagrams_rejected: u64,
    pub dtmf_received: u32,
    pub dtmf_sent: u32,
    /// Why the peer was not heard for longest, and for how long. The words are those of the README.
    pub no_audio_from: Option<&'static str>,
    pub no_audio_from_s: Option<f64>,
    /// The same for what the peer was to hear of us.
    pub no_audio_to: Option<&'static str>,
    pub no_audio_to_s: Option<f64>,
}

impl Quality {
    pub fn of(report: &Report, user: Side) -> Self {
        Self {
            user,
            a: LegQuality::of(&report.sides.a),
            b: LegQuality::of(&report.sides.b),
        }
    }
}

impl LegQuality {
    fn of(stream: &StreamReport) -> Self {
        let rejected = &stream.rejected;
        let heard = stream.heard_by_peer;
        Self {
            packets_received: stream.packets_received,
            packets_lost: stream.packets_lost,
            packets_late: stream.packets_late,
            packets_duplicate: stream.packets_duplicate,
            packets_reordered: stream.packets_reordered,
            packets_sent: stream.packets_sent,
            frames_recovered: stream.frames_recovered,
            frames_concealed: stream.frames_concealed,
            left_out_ms: milliseconds(stream.left_out),
            frames_filled: stream.frames_filled,
            jitter_mean_ms: milliseconds(stream.jitter_mean),
            jitter_max_ms: milliseconds(stream.jitter_max),
            mos_received: stream.mos_received,
            mos_sent: stream.mos_sent,
            remote_loss_fraction: stream.remote_loss_fraction,
            remote_jitter_ms: stream.remote_jitter.map(milliseconds),
            round_trip_ms: stream.round_trip.map(milliseconds),
            remote_discard_fraction: heard.map(|heard| heard.discarded),
            remote_r_factor: heard.and_then(|heard| heard.r_factor),
            remote_mos_listening: heard.and_then(|heard| heard.mos_listening),
            remote_mos_conversation: heard.and_then(|heard| heard.mos_conversation),
            first_packet_ms: stream.first_packet_after.map(milliseconds),
            first_audio_ms: stream.first_audio_after.map(milliseconds),
            ice_ms: stream.ice_after.map(milliseconds),
            dtls_ms: stream.dtls_after.map(milliseconds),
            datagrams_rejected: rejected.not_rtp
                + rejected.wrong_source
                + rejected.authentication
                + rejected.replayed
                + rejected.unknown_payload_type
                + rejected.undecodable
                + rejected.before_agreement
                + rejected.forged_setup,
            dtmf_received: stream.dtmf_received,
            dtmf_sent: stream.dtmf_sent,
            no_audio_from: stream.missing_from.map(|missing| missing.cause.token()),
            no_audio_from_s: stream.missing_from.map(lasted),
            no_audio_to: stream.missing_to.map(|missing| missing.cause.token()),
            no_audio_to_s: stream.missing_to.map(lasted),
        }
    }
}

fn lasted(missing: Missing) -> f64 {
    milliseconds(missing.lasted) / 1e3
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1e3).round() / 1e3)
}

fn optional_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => seconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

/// RFC 3339 in UTC with milliseconds.
fn time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::try_from(*time) {
        Ok(timestamp) => serializer.serialize_str(&format!("{timestamp:.3}")),
        Err(_) => serializer.serialize_none(),
    }
}

fn optional_time<S: Serializer>(
    moment: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => time(moment, serializer),
        None => serializer.serialize_none(),
    }
}

/// A [`Charge`] as it is written: money as exact decimal text.
#[derive(Serialize)]
struct WrittenCharge<'a> {
    pulses: u64,
    market: &'a str,
    tier: usize,
    rate_per_minute: String,
    price: String,
    currency: String,
}

fn optional_charge<S: Serializer>(
    charge: &Option<Charge>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let written = charge.as_ref().map(|charge| WrittenCharge {
        pulses: charge.pulses.count(),
        market: &charge.market,
        tier: charge.tier,
        rate_per_minute: charge.rate.to_string(),
        price: charge.price.figure(),
        currency: charge.price.currency.to_string(),
    });
    written.serialize(serializer)
}

fn shown<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_readme_tells_of_every_figure_of_a_leg() {
        let leg = serde_json::to_value(LegQuality::of(&StreamReport::default())).unwrap();
        let written: BTreeSet<&str> = leg
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let told: BTreeSet<&str> = include_str!("../../README.md")
            .lines()
            .skip_while(|line| *line != "### How it sounded")
            .skip_while(|line| *line != "| key | what it is |")
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .filter_map(|row| row.split('`').nth(1))
            .collect();
        assert_eq!(written, told);
    }
}
