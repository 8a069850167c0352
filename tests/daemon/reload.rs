use rustix::process::Signal;

use crate::support::*;

#[test]
fn a_broken_configuration_changes_nothing() {
    let folder = Folder::new();
    let mut bridge = Bridge::start(&folder);
    let good = folder.config();
    folder.write_config(&good.replace("[media]", "[medial]"));
    bridge.signal(Signal::HUP);
    let event = bridge.wait_for("the old configuration stays");
    let error = event["error"].as_str().unwrap();
    assert!(error.contains("wabridge.toml"), "{error}");
    assert_eq!(bridge.options_by_udp(), Some(200));
    folder.write_config(&good);
    bridge.signal(Signal::HUP);
    bridge.wait_for("configuration reloaded");
    assert_eq!(bridge.options_by_udp(), Some(200));
}

#[test]
fn what_needs_a_restart_is_said_and_changes_nothing() {
    let folder = Folder::new();
    let mut bridge = Bridge::start(&folder);
    let config = folder.config();
    for (changed, what) in [
        (
            config.replace("last_port = 29999", "last_port = 28999"),
            "media",
        ),
        (
            config.clone() + "[consent]\ndatabase = \"other.db\"\n",
            "ledger",
        ),
        (
            config.clone() + "[metrics]\nbind = \"127.0.0.1:0\"\n",
            "metrics",
        ),
    ] {
        folder.write_config(&changed);
        bridge.signal(Signal::HUP);
        let event = bridge.wait_for("the old configuration stays");
        let error = event["error"].as_str().unwrap();
        assert!(error.contains(what), "{error}");
        assert!(error.ends_with("changes only with a restart"), "{error}");
    }
    assert_eq!(bridge.options_by_udp(), Some(200));
}

#[test]
fn a_new_certificate_is_shown_without_touching_connections() {
    let folder = Folder::new();
    let mut bridge = Bridge::start(&folder);
    let mut old = bridge.tls(&folder).unwrap();
    folder.issue("localhost");
    assert!(
        bridge.tls(&folder).is_err(),
        "believed before it was loaded"
    );
    bridge.signal(Signal::HUP);
    bridge.wait_for("configuration reloaded");
    assert_eq!(bridge.tls(&folder).unwrap().options(), 200);
    assert_eq!(old.options(), 200);
}

#[test]
fn a_key_of_another_certificate_changes_nothing() {
    let folder = Folder::new();
    let mut bridge = Bridge::start(&folder);
    let key = std::fs::read(folder.file("tls.key")).unwrap();
    let certificate = std::fs::read(folder.file("tls.pem")).unwrap();
    folder.issue("localhost");
    std::fs::write(folder.file("tls.pem"), &certificate).unwrap();
    bridge.signal(Signal::HUP);
    bridge.wait_for("the old configuration stays");
    std::fs::write(folder.file("tls.key"), key).unwrap();
    assert_eq!(bridge.tls(&folder).unwrap().options(), 200);
}

#[test]
fn rotated_cdr_files_are_opened_anew() {
    let folder = Folder::new();
    let mut bridge = Bridge::start(&folder);
    let lines = folder.file("cdr.jsonl");
    std::fs::rename(&lines, folder.file("cdr.jsonl.1")).unwrap();
    assert!(!lines.exists());
    bridge.signal(Signal::HUP);
    bridge.wait_for("CDR file reopened");
    assert!(lines.exists());
}
