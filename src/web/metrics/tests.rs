use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::call::cdr::{CallDirection, CallRef, LegQuality, Quality, Told};
use crate::call::ending::{Cause, Ending, Party, TABLE};
use crate::call::health::Fitness;
use crate::call::operator::{PeerHealth, PeerStatus, Status};
use crate::call::turned_away::{TurnedAway, TurnedAwayCounts};
use crate::side::Side;

fn leg() -> LegQuality {
    LegQuality {
        packets_received: 500,
        packets_lost: 20,
        packets_late: 3,
        packets_duplicate: 2,
        packets_reordered: 1,
        packets_sent: 510,
        frames_recovered: 5,
        frames_concealed: 10,
        left_out_ms: 40.0,
        frames_filled: 50,
        jitter_mean_ms: 4.0,
        jitter_max_ms: 30.0,
        mos_received: Some(4.2),
        mos_sent: None,
        remote_loss_fraction: None,
        remote_jitter_ms: None,
        round_trip_ms: Some(120.0),
        remote_discard_fraction: None,
        remote_r_factor: None,
        remote_mos_listening: Some(4.1),
        remote_mos_conversation: Some(3.4),
        first_packet_ms: Some(30.0),
        first_audio_ms: Some(250.0),
        ice_ms: None,
        dtls_ms: None,
        datagrams_rejected: 7,
        dtmf_received: 0,
        dtmf_sent: 0,
        no_audio_from: None,
        no_audio_from_s: None,
        no_audio_to: None,
        no_audio_to_s: None,
    }
}

/// A user called, an agent answered.
fn record(call: &str, user: &str) -> Cdr {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    Cdr {
        call: CallRef(call.to_owned()),
        direction: CallDirection::UserInitiated,
        wacid: Some(format!("wacid.{call}")),
        call_id_a: Some(format!("{call}@a")),
        call_id_b: Some(format!("{call}@b")),
        user: user.to_owned(),
        user_id: Some(format!("US.{call}")),
        user_country: Some("DE".to_owned()),
        number: "+17015550123".to_owned(),
        trunk: Some("office".to_owned()),
        extension: Some("200".to_owned()),
        peer: Some("office/192.0.2.20:5060".to_owned()),
        attempts: Vec::new(),
        transfers: Vec::new(),
        started: now,
        ringing: Some(now),
        answered: Some(now),
        ended: now,
        setup: Some(Duration::from_millis(3_500)),
        talk: Duration::from_secs(62),
        whatsapp_duration_s: None,
        first_audio: None,
        codec_a: Some("opus"),
        codec_b: Some("PCMU"),
        encrypted_a: true,
        encrypted_b: false,
        ending: Ending::new(Cause::HungUp, Party::Caller),
        told_a: Told::Nothing,
        told_b: Told::Bye,
        quality: Some(Quality {
            user: Side::A,
            a: leg(),
            b: LegQuality {
                first_audio_ms: Some(20.0),
                ice_ms: Some(90.0),
                ..leg()
            },
        }),
        charge: None,
        charge_error: None,
    }
}

fn live() -> Live {
    let mut turned_away = TurnedAwayCounts::default();
    turned_away.add(TurnedAway::NoPeer);
    Live {
        status: Status {
            fitness: Fitness::Unfit("media workers are at their limit".to_owned()),
            calls: CallDirection::BOTH.map(|direction| (direction, 3)),
            // By UDP and by TCP, for instance.
            peers: [PeerHealth::Up, PeerHealth::Down, PeerHealth::Up]
                .map(|health| PeerStatus {
                    trunk: "office".to_owned(),
                    name: "office/192.0.2.20:5060".to_owned(),
                    health,
                })
                .into(),
            no_audio: Vec::new(),
            turned_away,
        },
        workers: vec![Worker {
            is_up: true,
            busy: 0.913,
            calls: 6,
            relief: 0.5,
            relieved: 3,
        }],
        certificates: vec![(
            "whatsapp".to_owned(),
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000),
        )],
        connections: 2,
        network_errors: vec![("handshake", 4)],
        storage_errors: vec![("cdr_lost", 0)],
    }
}

fn metrics() -> Metrics {
    Metrics::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

fn text(metrics: &Metrics) -> String {
    metrics.scrape(live()).text().unwrap()
}

/// The series without their values, but of the process, which may have more or less to tell.
fn series(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("process_"))
        .map(|line| line.rsplit_once(' ').unwrap().0.to_owned())
        .collect()
}

/// A series and its value.
fn split(line: &str) -> Option<(&str, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    Some((series, value.parse().ok()?))
}

fn assert_has(text: &str, lines: &[&str]) {
    for line in lines {
        let wanted = split(line);
        assert!(wanted.is_some(), "{line}");
        let is_there = text.lines().any(|one| split(one) == wanted);
        assert!(is_there, "{line} is not in\n{text}");
    }
}

#[test]
fn finished_calls_are_counted_by_direction_and_leg() {
    let mut metrics = metrics();
    metrics.count(&record("1", "+4915112345678"));
    let mut refused = record("2", "+4915112345678");
    refused.direction = CallDirection::BusinessInitiated;
    refused.ending = Ending::new(Cause::PermissionUnknown, Party::Bridge);
    refused.setup = None;
    refused.talk = Duration::ZERO;
    refused.quality = None;
    refused.charge_error = Some("no card".to_owned());
    metrics.count(&refused);
    assert_has(
        &text(&metrics),
        &[
            r#"wabridge_calls_ended_total{direction="user_initiated",cause="hung_up"} 1"#,
            r#"wabridge_calls_ended_total{direction="user_initiated",cause="busy"} 0"#,
            r#"wabridge_calls_ended_total{direction="business_initiated",cause="permission_unknown"} 1"#,
            r#"wabridge_call_setup_seconds_bucket{direction="user_initiated",le="2"} 0"#,
            r#"wabridge_call_setup_seconds_bucket{direction="user_initiated",le="5"} 1"#,
            r#"wabridge_call_setup_seconds_count{direction="business_initiated"} 0"#,
            r#"wabridge_talk_seconds_total{direction="user_initiated"} 62"#,
            r#"wabridge_first_audio_seconds_sum{side="whatsapp"} 0.25"#,
            r#"wabridge_first_audio_seconds_bucket{side="pbx",le="0.02"} 1"#,
            r#"wabridge_ice_seconds_count{side="whatsapp"} 0"#,
            r#"wabridge_ice_seconds_count{side="pbx"} 1"#,
            r#"wabridge_round_trip_seconds_bucket{side="pbx",le="0.15"} 1"#,
            r#"wabridge_mos_count{side="whatsapp",way="from"} 1"#,
            r#"wabridge_mos_bucket{side="whatsapp",way="from",le="4"} 0"#,
            r#"wabridge_mos_count{side="whatsapp",way="to"} 0"#,
            r#"wabridge_remote_mos_count{side="pbx"} 1"#,
            r#"wabridge_remote_mos_bucket{side="whatsapp",le="3.1"} 0"#,
            r#"wabridge_remote_mos_bucket{side="whatsapp",le="3.4"} 1"#,
            r#"wabridge_remote_mos_sum{side="whatsapp"} 3.4"#,
            r#"wabridge_packets_lost_total{side="pbx"} 20"#,
            r#"wabridge_datagrams_rejected_total{side="whatsapp"} 7"#,
            r#"wabridge_recovered_seconds_total{side="pbx"} 0.1"#,
            r#"wabridge_concealed_seconds_total{side="pbx"} 0.2"#,
            r#"wabridge_left_out_seconds_total{side="pbx"} 0.04"#,
            r#"wabridge_filled_seconds_total{side="whatsapp"} 1"#,
            "wabridge_calls_unpriced_total 1",
        ],
    );
}

/// The sides of a call are where it came in and where it went; the legs are WhatsApp's and the PBX's.
#[test]
fn the_leg_of_the_user_is_whatsapps_on_either_side() {
    let mut metrics = metrics();
    let mut outgoing = record("1", "+4915112345678");
    if let Some(quality) = &mut outgoing.quality {
        quality.user = Side::B;
    }
    metrics.count(&outgoing);
    assert_has(
        &text(&metrics),
        &[
            r#"wabridge_first_audio_seconds_sum{side="whatsapp"} 0.02"#,
            r#"wabridge_first_audio_seconds_sum{side="pbx"} 0.25"#,
        ],
    );
}

#[test]
fn what_is_now_is_told() {
    assert_has(
        &text(&metrics()),
        &[
            r#"wabridge_calls{direction="user_initiated"} 3"#,
            r#"wabridge_invites_turned_away_total{reason="source_no_peer"} 1"#,
            r#"wabridge_invites_turned_away_total{reason="wrong_credentials"} 0"#,
            r#"wabridge_no_audio_calls_total{side="whatsapp",way="from",cause="srtp_authentication"} 0"#,
            r#"wabridge_fitness{state="unfit"} 1"#,
            r#"wabridge_fitness{state="fit"} 0"#,
            r#"wabridge_worker_busy_ratio{worker="0"} 0.913"#,
            r#"wabridge_worker_relief_ratio{worker="0"} 0.5"#,
            r#"wabridge_worker_relieved_calls{worker="0"} 3"#,
            r#"wabridge_peer_up{trunk="office",peer="office/192.0.2.20:5060"} 0"#,
            r#"wabridge_network_errors_total{error="handshake"} 4"#,
            r#"wabridge_certificate_expiry_timestamp_seconds{listener="whatsapp"} 1900000000"#,
            "process_start_time_seconds 1700000000",
        ],
    );
}

/// However many people call: who they are is in no label, and no series comes by it.
#[test]
fn labels_are_bounded_and_tell_of_nobody() {
    let mut metrics = metrics();
    let before = series(&text(&metrics));
    for n in 0..500 {
        let mut record = record(&format!("call-{n}-x"), &format!("+49151{n:08}"));
        record.ending.cause = TABLE[n % TABLE.len()].cause;
        record.ending.detail = Some(format!("detail-{n}"));
        record.trunk = Some(format!("trunk-{n}"));
        record.peer = Some(format!("peer-{n}"));
        record.extension = Some(format!("extension-{n}"));
        metrics.count(&record);
    }
    let text = text(&metrics);
    assert_eq!(series(&text), before);
    for secret in [
        "+49151",
        "49151",
        "17015550123",
        "call-",
        "wacid",
        "detail-",
        "trunk-",
        "peer-",
        "extension-",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// As Prometheus wants names: a unit or none, `_total` where it only rises; each family once, with a help text.
#[test]
fn families_are_well_formed() {
    let text = text(&metrics());
    let mut families = BTreeSet::new();
    let mut known = BTreeSet::new();
    let mut lines = text.lines().peekable();
    while let Some(help) = lines.next() {
        let (name, words) = help
            .strip_prefix("# HELP ")
            .unwrap()
            .split_once(' ')
            .unwrap();
        assert!(words.len() > 10 && !words.ends_with('.'), "{help}");
        let kind = lines.next().unwrap();
        let kind = kind.strip_prefix(&format!("# TYPE {name} ")).unwrap();
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert!(families.insert(name.to_owned()), "{name} twice");
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let rest = sample.strip_prefix(name).unwrap();
            let suffix = match kind {
                "histogram" => &["_bucket{", "_sum", "_count"][..],
                _ => &["{", " "],
            };
            assert!(suffix.iter().any(|s| rest.starts_with(s)), "{sample}");
            let (series, value) = split(sample).unwrap();
            assert!(value.is_finite(), "{sample}");
            assert!(known.insert(series), "{series} twice");
        }
    }
    assert!(families.len() > 40, "{families:?}");
}
