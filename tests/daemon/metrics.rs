//! What a monitoring system reads, and what it may not.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::calls::Story;
use crate::support::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// An answer, with its head.
fn exchange(mut stream: impl Read + Write, method: &str, path: &str, headers: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn status(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").unwrap().get(..3).unwrap();
    status.parse().unwrap()
}

/// The values by their series, as the socket of the admin API has them.
struct Scrape {
    text: String,
    values: BTreeMap<String, f64>,
}

impl Scrape {
    fn of(folder: &Folder) -> Self {
        let stream = UnixStream::connect(folder.file("admin.sock")).unwrap();
        let answer = exchange(stream, "GET", "/metrics", "");
        assert_eq!(status(&answer), 200, "{answer}");
        let (_, text) = answer.split_once("\r\n\r\n").unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let value = |line: &str| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        };
        Self {
            values: samples.map(value).collect(),
            text: text.to_owned(),
        }
    }

    /// Once this has that value: what happens in the daemon takes its time.
    fn once(folder: &Folder, series: &str, value: f64) -> Self {
        let deadline = Instant::now() + LONG;
        loop {
            let scrape = Self::of(folder);
            if scrape.get(series) == value {
                return scrape;
            }
            assert!(Instant::now() < deadline, "{series}: {}", scrape.text);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn get(&self, series: &str) -> f64 {
        let value = self.values.get(series);
        *value.unwrap_or_else(|| panic!("no {series} in\n{}", self.text))
    }
}

const LIVE: &str = r#"wabridge_calls{direction="user_initiated"}"#;
const ENDED: &str = r#"wabridge_calls_ended_total{direction="user_initiated",cause="hung_up"}"#;

/// The log knows the place that the system chose.
fn place(bridge: &Bridge) -> SocketAddr {
    let events = bridge.log.lines().map(serde_json::from_str::<Value>);
    let mut events = events.map_while(Result::ok);
    let told = events.find(|event| event["message"] == "metrics").unwrap();
    told["at"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_call_moves_them() {
    let mut story = Story::established("3");
    let during = Scrape::once(&story.folder, LIVE, 1.0);
    assert_eq!(during.get(r#"wabridge_worker_calls{worker="0"}"#), 1.0);
    assert_eq!(during.get(r#"wabridge_worker_up{worker="0"}"#), 1.0);
    assert_eq!(during.get(r#"wabridge_fitness{state="fit"}"#), 1.0);
    assert!(during.get("wabridge_connections") >= 1.0);
    assert_eq!(during.get(ENDED), 0.0);
    story.bridge.wait_for("ended");
    let after = Scrape::once(&story.folder, ENDED, 1.0);
    assert_eq!(after.get(LIVE), 0.0);
    for (series, least, most) in [
        (
            r#"wabridge_call_setup_seconds_count{direction="user_initiated"}"#,
            1.0,
            1.0,
        ),
        (
            r#"wabridge_talk_seconds_total{direction="user_initiated"}"#,
            2.9,
            10.0,
        ),
        // Three seconds of 20 ms each, both ways.
        (
            r#"wabridge_packets_received_total{side="whatsapp"}"#,
            100.0,
            400.0,
        ),
        (
            r#"wabridge_packets_received_total{side="pbx"}"#,
            100.0,
            400.0,
        ),
        (
            r#"wabridge_packets_sent_total{side="whatsapp"}"#,
            100.0,
            400.0,
        ),
        (
            r#"wabridge_first_audio_seconds_count{side="whatsapp"}"#,
            1.0,
            1.0,
        ),
        (
            r#"wabridge_first_audio_seconds_count{side="pbx"}"#,
            1.0,
            1.0,
        ),
        (
            r#"wabridge_first_audio_seconds_bucket{side="whatsapp",le="2"}"#,
            1.0,
            1.0,
        ),
        (
            r#"wabridge_mos_count{side="whatsapp",way="from"}"#,
            1.0,
            1.0,
        ),
        (r#"wabridge_mos_sum{side="pbx",way="from"}"#, 3.0, 4.6),
        // Of SDES there is neither.
        (r#"wabridge_ice_seconds_count{side="whatsapp"}"#, 0.0, 0.0),
        (r#"wabridge_dtls_seconds_count{side="whatsapp"}"#, 0.0, 0.0),
        (
            r#"wabridge_no_audio_calls_total{side="whatsapp",way="from",cause="nothing_received"}"#,
            0.0,
            0.0,
        ),
        ("process_cpu_seconds_total", 0.01, 100.0),
        ("process_resident_memory_bytes", 5e6, 1e9),
        ("process_open_fds", 10.0, 1e5),
    ] {
        let value = after.get(series);
        assert!((least..=most).contains(&value), "{series}: {value}");
    }
    let busy: f64 = during.get("process_cpu_seconds_total");
    assert!(after.get("process_cpu_seconds_total") > busy);
    story.bridge.signal(Signal::TERM);
    let folder = story.folder.file("cdr.jsonl");
    let record = std::fs::read_to_string(folder);
    story.over();
    // Who called whom is in the record, and nowhere here.
    let record: Value = serde_json::from_str(&record.unwrap()).unwrap();
    for key in ["user", "number", "call", "wacid", "call_id_a"] {
        let secret = record[key].as_str().unwrap();
        let secret = secret.trim_start_matches('+');
        for scrape in [&during, &after] {
            assert!(!scrape.text.contains(secret), "{key}: {secret}");
            assert!(!scrape.text.contains(SECRET));
        }
    }
    // No label came with the call.
    assert!(during.values.keys().eq(after.values.keys()));
}

/// While the call lasts: the cause by its name, on the leg and the way that it is.
#[test]
fn missing_audio_is_counted_by_its_cause() {
    let story = Story::established_with("0", &["--fault", "silent"]);
    let mute = r#"wabridge_no_audio_calls_total{side="pbx",way="from",cause="nothing_received"}"#;
    let scrape = Scrape::once(&story.folder, mute, 1.0);
    assert_eq!(scrape.get(LIVE), 1.0);
    let missing = scrape.values.iter().filter(|(series, calls)| {
        series.starts_with("wabridge_no_audio_calls_total") && **calls > 0.0
    });
    assert_eq!(missing.count(), 1, "{}", scrape.text);
}

/// Without a token, and nothing else.
#[test]
fn their_own_place_is_for_reading_alone() {
    let folder = Folder::new();
    folder.write_config(&(folder.config() + "\n[metrics]\nbind = \"127.0.0.1:0\"\n"));
    let bridge = Bridge::start(&folder);
    let at = place(&bridge);
    let ask = |method: &str, path: &str| {
        let stream = TcpStream::connect(at).unwrap();
        exchange(stream, method, path, "")
    };
    let answer = ask("GET", "/metrics");
    assert_eq!(status(&answer), 200, "{answer}");
    let (head, text) = answer.split_once("\r\n\r\n").unwrap();
    let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
    assert!(head.lines().any(|line| line == kind), "{head}");
    assert!(text.contains("\nwabridge_calls{"), "{text}");
    for (method, path, wanted) in [
        ("GET", "/", 404),
        ("GET", "/v1/status", 404),
        ("GET", "/v1/calls", 404),
        ("DELETE", "/v1/calls/019abc-00", 404),
        ("GET", "/v1/consent", 404),
        ("POST", "/metrics", 405),
        ("DELETE", "/metrics", 405),
    ] {
        let answer = ask(method, path);
        assert_eq!(status(&answer), wanted, "{method} {path}: {answer}");
    }
}

#[test]
fn nobody_reads_them_by_the_admin_api_without_its_token() {
    let folder = Folder::new();
    let socket = format!("socket = \"{}\"", folder.file("admin.sock").display());
    let listener = format!("socket = \"\"\nbind = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"");
    folder.write_config(&folder.config().replace(&socket, &listener));
    let bridge = Bridge::start(&folder);
    assert!(!bridge.log.contains("\"metrics\""), "off unless asked for");
    let get = |headers: &str| {
        let stream = TcpStream::connect(bridge.admin.unwrap()).unwrap();
        exchange(stream, "GET", "/metrics", headers)
    };
    let refused = get("");
    assert_eq!(status(&refused), 401);
    assert!(!refused.contains("wabridge_"), "{refused}");
    let right = get(&format!("Authorization: Bearer {TOKEN}\r\n"));
    assert_eq!(status(&right), 200);
    assert!(!right.contains(TOKEN));
}

#[test]
fn a_place_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    let folder = Folder::new();
    folder.write_config(&(folder.config() + &format!("\n[metrics]\nbind = \"{at}\"\n")));
    let output = folder.wabridge("run").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("metrics: cannot bind {at}: ")),
        "{last}"
    );
}
