use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::support::*;

#[test]
fn it_answers_options_and_refuses_while_it_drains_and_leaves_with_zero() {
    let folder = Folder::new();
    let mut bridge = Bridge::start(&folder);
    assert_eq!(bridge.options_by_udp(), Some(200));
    assert_eq!(bridge.options_by_tcp(), 200);
    let mut tls = bridge.tls(&folder).unwrap();
    assert_eq!(tls.options(), 200);
    bridge.signal(Signal::TERM);
    bridge.wait_for("stopping: no new calls");
    assert_eq!(tls.options(), 503);
    assert_eq!(bridge.options_by_udp(), Some(503));
    let tally = bridge.wait_for("so far");
    assert_eq!(
        (&tally["accepted"], &tally["handshakes_failed"]),
        (&2.into(), &0.into())
    );
    assert_eq!(bridge.exit().code(), Some(0));
    assert!(bridge.log.contains("\"stopped\""));
}

#[test]
fn a_second_signal_hurries_and_a_third_does_not_wait() {
    let folder = Folder::new();
    for signal in [Signal::TERM, Signal::INT] {
        let mut bridge = Bridge::start(&folder);
        for _ in 0..3 {
            bridge.signal(signal);
            // Two of the same kind that wait together are one.
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(bridge.exit().code(), Some(0));
    }
}

#[test]
fn a_taken_port_is_said_in_plain_words() {
    let folder = Folder::new();
    let bridge = Bridge::start(&folder);
    let taken = bridge.udp.unwrap().to_string();
    let second = Folder::new();
    second.write_config(&second.config().replacen(
        "transport = \"udp\"\nbind = \"127.0.0.1:0\"",
        &format!("transport = \"udp\"\nbind = \"{taken}\""),
        1,
    ));
    let output = second.wabridge("run").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("listener pbx-udp: cannot bind {taken}: ")),
        "{said}"
    );
}

#[test]
fn without_descriptors_it_serves_who_is_there_and_recovers() {
    let folder = Folder::new();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$@\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_wabridge"));
    command.args(["run", "-c"]).arg(folder.config_file());
    let mut bridge = Bridge::spawn(&mut command);
    let mut early = bridge.tls(&folder).unwrap();
    let tcp = bridge.tcp.unwrap();
    let crowd: Vec<_> = (0..100).map(|_| TcpStream::connect(tcp).unwrap()).collect();
    bridge.wait_for("cannot accept connections");
    assert_eq!(early.options(), 200);
    assert_eq!(bridge.options_by_udp(), Some(200));
    drop(crowd);
    assert_eq!(bridge.options_by_tcp(), 200);
}

#[test]
fn no_secret_is_logged() {
    let folder = Folder::new();
    let mut bridge = Bridge::start(&folder);
    bridge.options_by_udp();
    bridge.signal(Signal::HUP);
    bridge.wait_for("configuration reloaded");
    bridge.signal(Signal::TERM);
    bridge.exit();
    assert!(!bridge.log.contains(SECRET));
    assert!(!bridge.log.contains("7015550123"));
    assert!(bridge.log.contains("business number"));
}

#[test]
fn it_tells_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_wabridge"))
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("wabridge {}\n", env!("CARGO_PKG_VERSION")));
}
