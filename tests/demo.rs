//! The demo as a program: it is content when all is well, and not when the sound is broken.

use std::process::Command;

/// The exit code of `wabridge demo` with these arguments.
fn demo(arguments: &[&str]) -> Option<i32> {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_wabridge"))
        .arg("demo")
        .arg("--out")
        .arg(directory.path())
        .args(arguments)
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    println!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.code()
}

#[test]
fn a_call_through_the_bridge_is_good() {
    assert_eq!(demo(&["--only", "pcmu"]), Some(0));
}

#[test]
fn short_calls_are_good() {
    let calls = ["--only", "busy", "--only", "cancel", "--only", "ivr"];
    assert_eq!(demo(&calls), Some(0));
}

#[test]
fn a_call_to_a_user_is_good() {
    assert_eq!(demo(&["--only", "out"]), Some(0));
}

#[test]
fn calls_by_webrtc_are_good() {
    assert_eq!(demo(&["--only", "webrtc", "--only", "webrtc-out"]), Some(0));
}

#[test]
fn calls_that_do_not_come_about_are_told_right() {
    let calls = [
        "--only", "declined", "--only", "refused", "--only", "gives-up",
    ];
    assert_eq!(demo(&calls), Some(0));
}

#[test]
fn a_user_that_nobody_hears_is_noticed() {
    assert_eq!(demo(&["--only", "pcmu", "--fault", "mute"]), Some(1));
}

#[test]
fn the_wrong_voice_is_noticed() {
    assert_eq!(demo(&["--only", "pcma", "--pbx-fault", "swapped"]), Some(1));
}

#[test]
fn an_unknown_call_is_an_error() {
    assert_eq!(demo(&["--only", "nobody"]), Some(2));
}
