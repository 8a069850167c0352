//! Signals while a call runs, with the simulators as the two parties.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime};

use rustix::process::Signal;
use serde_json::Value;
use wabridge::entropy::Entropy;
use wabridge::store::Ledger;

use crate::support::*;

pub struct Story {
    pub folder: Folder,
    pub bridge: Bridge,
    pbx: Child,
    user: Child,
}

impl Story {
    /// An established call; the user hangs up after `talk` seconds, or never.
    pub fn established(talk: &str) -> Self {
        Self::established_with(talk, &[])
    }

    /// The same with a PBX that has these arguments besides.
    pub fn established_with(talk: &str, pbxs: &[&str]) -> Self {
        let folder = Folder::new();
        let agent = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let peer = format!("port = {}, listener", agent.port());
        folder.write_config(&folder.config().replace("port = 9, listener", &peer));
        let pbx = simulator()
            .args(["pbx", "--calls", "1", "--ring", "0", "--listen"])
            .arg(agent.to_string())
            .args(pbxs)
            .spawn()
            .unwrap();
        let mut bridge = Bridge::start(&folder);
        let user = simulator()
            .args(["meta", "--host", "localhost", "--talk", talk])
            .args(["--number", "+17015550123", "--password", SECRET])
            .args(["--target", &bridge.whatsapp.unwrap().to_string(), "--ca"])
            .arg(folder.file("tls.pem"))
            .spawn()
            .unwrap();
        bridge.wait_for("established");
        Self {
            folder,
            bridge,
            pbx,
            user,
        }
    }

    /// Both parties know that the call is over, the bridge is gone, and one record is written.
    pub fn over(mut self) -> Value {
        // What they thought of the sound of so short a call is another test's matter.
        for party in [&mut self.user, &mut self.pbx] {
            party.wait().unwrap();
        }
        assert_eq!(self.bridge.exit().code(), Some(0), "{}", self.bridge.log);
        let lines = std::fs::read_to_string(self.folder.file("cdr.jsonl")).unwrap();
        assert_eq!(lines.lines().count(), 1, "{lines}");
        serde_json::from_str(&lines).unwrap()
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        for party in [&mut self.user, &mut self.pbx] {
            let _ = party.kill();
            let _ = party.wait();
        }
    }
}

fn simulator() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wabridge"));
    command
        .arg("sim")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

#[test]
fn a_drain_lets_the_call_end_by_itself() {
    let mut story = Story::established("3");
    story.bridge.signal(Signal::TERM);
    story.bridge.wait_for("stopping: no new calls");
    assert_eq!(story.bridge.options_by_udp(), Some(503));
    let record = story.over();
    assert_eq!(record["ending"]["by"], "caller", "{record}");
    assert!(record["talk_s"].as_f64().unwrap() >= 2.9, "{record}");
}

#[test]
fn a_second_signal_ends_the_call_on_both_sides_and_writes_it_down() {
    let mut story = Story::established("0");
    story.bridge.signal(Signal::TERM);
    story.bridge.wait_for("stopping: no new calls");
    story.bridge.signal(Signal::TERM);
    story.bridge.wait_for("stopping: every call is ended");
    let record = story.over();
    assert_eq!(record["told_a"], "BYE", "{record}");
    assert_eq!(record["told_b"], "BYE", "{record}");
}

#[test]
fn a_reload_does_not_touch_the_call() {
    let mut story = Story::established("3");
    story.folder.issue("localhost");
    story.bridge.signal(Signal::HUP);
    story.bridge.wait_for("configuration reloaded");
    story.bridge.wait_for("ended");
    story.bridge.signal(Signal::TERM);
    let record = story.over();
    assert_eq!(record["ending"]["by"], "caller", "{record}");
    assert!(record["talk_s"].as_f64().unwrap() >= 2.9, "{record}");
}

#[test]
fn garbage_from_strangers_does_not_touch_the_call() {
    let mut story = Story::established("3");
    let (udp, tcp) = (story.bridge.udp.unwrap(), story.bridge.tcp.unwrap());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut entropy = Entropy::from_seed([9; 32]);
    for length in 1..500 {
        let mut garbage = vec![0; length];
        entropy.fill(&mut garbage);
        socket.send_to(&garbage, udp).unwrap();
        let headers = [
            b"INVITE sip:a@b SIP/2.0\r\nVia: ",
            &garbage[..],
            b"\r\n\r\n",
        ]
        .concat();
        socket.send_to(&headers, udp).unwrap();
        for target in [tcp, story.bridge.whatsapp.unwrap()] {
            let mut stream = TcpStream::connect(target).unwrap();
            // It may be closed already: that is an answer.
            let _ = stream.write_all(&headers);
        }
    }
    assert_eq!(story.bridge.options_by_udp(), Some(200));
    assert_eq!(story.bridge.options_by_tcp(), 200);
    story.bridge.wait_for("ended");
    story.bridge.signal(Signal::TERM);
    let record = story.over();
    assert_eq!(record["ending"]["by"], "caller", "{record}");
    assert!(record["talk_s"].as_f64().unwrap() >= 2.9, "{record}");
}

/// What the ledger was told is on disk: a process that is killed leaves it there, and the next one knows that no call goes
/// on any more.
#[test]
fn a_killed_process_leaves_its_call_in_the_ledger_and_the_next_takes_it_out() {
    let mut story = Story::established("0");
    let file = story.folder.file("consent.db");
    let calls = || Ledger::open(&file).unwrap().calls().unwrap();
    let deadline = Instant::now() + LONG;
    while calls().is_empty() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    story.bridge.signal(Signal::KILL);
    story.bridge.exit();
    let left = calls();
    assert_eq!(left.len(), 1);
    story.bridge = Bridge::start(&story.folder);
    let told = "calls of the last run are taken out of the ledger";
    assert!(story.bridge.log.contains(told), "{}", story.bridge.log);
    assert_eq!(calls(), []);
    let (pair, _) = &left[0];
    let standing = Ledger::open(&file).unwrap().standing(pair).unwrap();
    assert!(standing.service_window(SystemTime::now()).is_some());
}
