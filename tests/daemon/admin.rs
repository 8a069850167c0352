//! The admin API and the commands that use it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::Value;

use crate::calls::Story;
use crate::support::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What a command said, and its exit code.
struct Said {
    code: Option<i32>,
    out: String,
    error: String,
}

fn say(folder: &Folder, command: &str, arguments: &[&str]) -> Said {
    let Output {
        status,
        stdout,
        stderr,
    } = folder.wabridge(command).args(arguments).output().unwrap();
    Said {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        error: String::from_utf8(stderr).unwrap(),
    }
}

fn said_json(folder: &Folder, command: &str) -> Value {
    let said = say(folder, command, &["--json"]);
    assert_eq!(said.code, Some(0), "{}", said.error);
    serde_json::from_str(&said.out).unwrap()
}

/// A whole request as written, and what came back: status and body.
fn exchange(mut stream: impl Read + Write, request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.strip_prefix("HTTP/1.1 ").unwrap().get(..3).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status.parse().unwrap(), body.to_owned())
}

fn ask(folder: &Folder, method: &str, path: &str, body: &str) -> (u16, Value) {
    let stream = UnixStream::connect(folder.file("admin.sock")).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (status, body) = exchange(stream, &request);
    (status, serde_json::from_str(&body).unwrap_or_default())
}

#[test]
fn a_running_call_is_listed_and_ended() {
    let mut story = Story::established("0");
    let listed = said_json(&story.folder, "calls");
    let [call] = &listed["calls"].as_array().unwrap()[..] else {
        panic!("{listed}");
    };
    assert_eq!(call["direction"], "user_initiated");
    assert_eq!(call["number"], "+17015550123");
    assert_eq!(call["trunk"], "office");
    assert!(call["user"].as_str().unwrap().starts_with('+'), "{call}");
    assert!(call["answered"].is_string(), "{call}");
    let name = call["call"].as_str().unwrap();

    let table = say(&story.folder, "calls", &[]).out;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("CALL "), "{table}");
    assert!(lines[1].starts_with(name), "{table}");
    assert_eq!(said_json(&story.folder, "status")["calls"], 1);

    let said = say(&story.folder, "hangup", &[name]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), ""),
        "{}",
        said.error
    );
    let ordered = story.bridge.wait_for("ordered: hang up");
    assert_eq!(ordered["call"], name);
    assert!(ordered["caller"].as_str().unwrap().starts_with("socket"));
    story.bridge.wait_for("ended");
    story.bridge.signal(Signal::TERM);
    let record = story.over();
    assert_eq!(record["call"], listed["calls"][0]["call"]);
    assert_eq!(record["ending"]["by"], "operator", "{record}");
}

#[test]
fn the_status_says_whether_calls_are_taken() {
    let folder = Folder::new();
    let mut bridge = Bridge::start(&folder);
    let status = said_json(&folder, "status");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["fitness"]["state"], "fit");
    assert_eq!(status["peers"][0]["peer"], "office/127.0.0.1:9");
    let said = say(&folder, "status", &[]).out;
    assert!(said.contains("takes calls"), "{said}");
    bridge.signal(Signal::TERM);
    bridge.wait_for("stopping: no new calls");
    let said = say(&folder, "status", &[]).out;
    assert!(said.contains("takes no calls: shutting down"), "{said}");
}

#[test]
fn what_cannot_be_done_says_why() {
    let folder = Folder::new();
    let _bridge = Bridge::start(&folder);
    for (method, path, body, status, code) in [
        ("DELETE", "/v1/calls/019abc-00", "", 404, "not_found"),
        ("DELETE", "/v1/calls/..%2F%0D%0A", "", 404, "not_found"),
        ("GET", "/v1/nothing", "", 404, "not_found"),
        ("GET", "/", "", 404, "not_found"),
        ("PUT", "/v1/calls", "", 405, "method_not_allowed"),
        ("POST", "/v1/calls", "{", 400, "bad_request"),
        (
            "POST",
            "/v1/calls",
            "{\"from\": \"200\"}",
            400,
            "bad_request",
        ),
        (
            "POST",
            "/v1/calls",
            "{\"from\": \"2\", \"to\": \"491\"}",
            400,
            "bad_request",
        ),
        (
            "POST",
            "/v1/calls",
            "{\"from\": \"nowhere/200\", \"to\": \"+491701234567\"}",
            409,
            "refused",
        ),
        // One byte too much, so that all of it is read before it is refused.
        (
            "POST",
            "/v1/calls",
            &" ".repeat(256 * 1024 + 1),
            413,
            "too_large",
        ),
    ] {
        let (told, body) = ask(&folder, method, path, body);
        assert_eq!(told, status, "{method} {path}: {body}");
        assert_eq!(body["error"]["code"], code, "{method} {path}: {body}");
        assert!(body["error"]["message"].is_string());
    }
    let said = say(&folder, "hangup", &["../status"]);
    assert_eq!(said.code, Some(1));
    assert_eq!(said.error, "there is no such call\n");
    let said = say(&folder, "call", &["nowhere/200", "+491701234567"]);
    assert_eq!(said.code, Some(1));
    assert_eq!(said.error, "there is no such trunk\n");
    let said = say(&folder, "call", &["200", "491701234567"]);
    assert_eq!(said.code, Some(1));
    assert!(said.error.contains("a number with +"), "{}", said.error);
}

#[test]
fn what_is_no_json_by_its_own_word_is_refused() {
    let folder = Folder::new();
    let _bridge = Bridge::start(&folder);
    let stream = UnixStream::connect(folder.file("admin.sock")).unwrap();
    let (status, body) = exchange(
        stream,
        "POST /v1/calls HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
    );
    assert_eq!(status, 415);
    assert!(body.contains("not_json"), "{body}");
}

#[test]
fn without_a_daemon_it_is_said() {
    let folder = Folder::new();
    let said = say(&folder, "calls", &[]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.error
            .starts_with("wabridge is not running, or not listening at "),
        "{}",
        said.error
    );
    std::fs::write(folder.config_file(), "[admin]\nsocket = \"\"\n").unwrap();
    let said = say(&folder, "calls", &[]);
    assert_eq!(said.code, Some(2));
    assert!(said.error.starts_with("the admin API is off in "));
}

#[test]
fn the_socket_is_its_groups_and_outlives_nobody() {
    let folder = Folder::new();
    let socket = folder.file("admin.sock");
    // As a killed process leaves it.
    drop(UnixListener::bind(&socket).unwrap());
    let mut bridge = Bridge::start(&folder);
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);

    let second = Folder::new();
    let there = format!("{}", socket.display());
    let own = format!("{}", second.file("admin.sock").display());
    second.write_config(&second.config().replace(&own, &there));
    let output = second.wabridge("run").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        said.lines().last().unwrap(),
        format!(
            "admin socket {there}: another process serves there; stop it, or write another admin.socket"
        )
    );
    assert_eq!(said_json(&folder, "calls")["calls"], Value::Array(vec![]));

    bridge.signal(Signal::TERM);
    assert_eq!(bridge.exit().code(), Some(0));
    assert!(!socket.exists());
}

/// A daemon that is asked by TCP alone, and where.
fn by_tcp() -> (Folder, Bridge, SocketAddr) {
    let folder = Folder::new();
    std::fs::write(folder.file("token"), TOKEN).unwrap();
    let socket = format!("socket = \"{}\"", folder.file("admin.sock").display());
    let listener = "socket = \"\"\nbind = \"127.0.0.1:0\"\ntoken_file = \"token\"";
    folder.write_config(&folder.config().replace(&socket, listener));
    let mut bridge = Bridge::start(&folder);
    let at = bridge.admin.unwrap();
    bridge.log.clear();
    (folder, bridge, at)
}

#[test]
fn by_tcp_the_token_is_wanted_and_never_told() {
    let (folder, mut bridge, at) = by_tcp();
    let get = |path: &str, headers: &str| {
        let stream = TcpStream::connect(at).unwrap();
        exchange(
            stream,
            &format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"),
        )
    };
    let right = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(get("/v1/calls", &right).0, 200);
    for wrong in [
        "",
        "Authorization: Bearer 0123456789abcdef\r\n",
        "Authorization: Basic 0123\r\n",
    ] {
        assert_eq!(get("/v1/calls", wrong).0, 401);
        let (status, body) = get("/v1/nothing", wrong);
        assert_eq!(status, 401, "strangers learn nothing of paths");
        assert!(body.contains("unauthorized"), "{body}");
    }
    bridge.wait_for("admin request without the token");

    let url = format!("http://{at}");
    let file = folder.file("token").display().to_string();
    let said = say(&folder, "calls", &["--admin", &url, "--token-file", &file]);
    assert_eq!(said.code, Some(0), "{}", said.error);
    std::fs::write(folder.file("token"), "fedcba9876543210").unwrap();
    let said = say(&folder, "calls", &["--admin", &url, "--token-file", &file]);
    assert_eq!(said.code, Some(1));
    bridge.signal(Signal::HUP);
    bridge.wait_for("configuration reloaded");
    let said = say(&folder, "calls", &["--admin", &url, "--token-file", &file]);
    assert_eq!(said.code, Some(0), "{}", said.error);

    bridge.signal(Signal::TERM);
    bridge.exit();
    for secret in [TOKEN, "fedcba9876543210"] {
        assert!(!bridge.log.contains(secret));
    }
}

/// Of a country whose businesses may call users.
const NUMBER: &str = "+493012345678";
const USER: &str = "+491701234567";

fn consent(folder: &Folder, arguments: &[&str]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wabridge"));
    command.arg("consent").args(arguments);
    command.arg("-c").arg(folder.config_file());
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The line of `consent show` that speaks of calls.
fn call_outlook(folder: &Folder) -> String {
    let said = consent(folder, &["show", NUMBER, USER]);
    assert_eq!(said.code, Some(0), "{}", said.error);
    said.out.lines().next().unwrap().to_owned()
}

#[test]
fn what_the_operator_knows_of_a_user_counts() {
    let folder = Folder::new();
    let mut bridge = Bridge::start(&folder);
    assert!(call_outlook(&folder).contains("nothing is known"));
    let order = |arguments: &[&str]| {
        let said = consent(&folder, arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.error);
        assert_eq!(said.out, "");
    };
    order(&["deny", NUMBER, USER]);
    let ordered = bridge.wait_for("ordered: consent");
    assert_eq!(ordered["user"], "+*67", "masked in logs");
    assert_eq!(
        call_outlook(&folder),
        "call: refused: The user has declined calls"
    );
    order(&["allow", NUMBER, USER, "--until", "2999-01-01T00:00:00Z"]);
    assert_eq!(call_outlook(&folder), "call: allowed");
    order(&["barred", NUMBER, USER, "--until", "2998-01-01T00:00:00Z"]);
    assert!(call_outlook(&folder).ends_with("again from 2998-01-01T00:00:00Z"));
    order(&["requested", NUMBER, USER]);
    order(&["allow", NUMBER, "US.13491208655302741918", "--for-ever"]);

    let exported = consent(&folder, &["export"]).out;
    assert_eq!(exported.lines().count(), 2, "{exported}");
    let record: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!(record["user"], USER);
    assert_eq!(record["permission"]["source"], "operator");
    let file = folder.file("consent.jsonl");
    std::fs::write(&file, &exported).unwrap();

    order(&["forget", NUMBER, USER]);
    assert!(call_outlook(&folder).contains("nothing is known"));
    let said = consent(&folder, &["import", &file.display().to_string()]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "2 users\n"));
    assert_eq!(
        consent(&folder, &["export", "--number", NUMBER]).out,
        exported
    );
    assert_eq!(consent(&folder, &["export", "--number", "+4930"]).out, "");
}

#[test]
fn an_import_names_the_line_it_cannot_read() {
    let folder = Folder::new();
    let _bridge = Bridge::start(&folder);
    let file = folder.file("consent.jsonl");
    std::fs::write(&file, format!("\n{{\"number\": \"{NUMBER}\"}}\n")).unwrap();
    let said = consent(&folder, &["import", &file.display().to_string()]);
    assert_eq!(said.code, Some(2));
    let place = format!("{}:2: missing field `user`", file.display());
    assert!(said.error.starts_with(&place), "{}", said.error);
    assert_eq!(consent(&folder, &["export"]).out, "");
}

#[test]
fn an_export_of_many_pages_is_whole() {
    let folder = Folder::new();
    let _bridge = Bridge::start(&folder);
    let line = |user: u32| {
        format!("{{\"number\":\"{NUMBER}\",\"user\":\"+49{user}\",\"unanswered\":1}}\n")
    };
    let lines: String = (1_000_000..1_002_500).map(line).collect();
    let file = folder.file("consent.jsonl");
    std::fs::write(&file, &lines).unwrap();
    let said = consent(&folder, &["import", &file.display().to_string()]);
    assert_eq!(said.out, "2500 users\n", "{}", said.error);
    assert!(consent(&folder, &["export"]).out == lines);
}

#[test]
fn what_the_ledger_cannot_do_says_why() {
    let folder = Folder::new();
    let _bridge = Bridge::start(&folder);
    let pair = "/v1/consent/%2B17015550123/%2B491701234567";
    for (method, path, body, status) in [
        ("GET", "/v1/consent/17015550123/%2B49170", "", 400),
        ("GET", "/v1/consent/%2B17015550123/bob", "", 400),
        ("GET", "/v1/consent?mots=1", "", 400),
        ("POST", pair, "{\"is\": \"allowed\"}", 400),
        ("POST", pair, "", 400),
        ("POST", "/v1/consent", "{\"records\": [{}]}", 400),
        ("PUT", pair, "{}", 405),
    ] {
        let (told, body) = ask(&folder, method, path, body);
        assert_eq!(told, status, "{method} {path}: {body}");
        assert!(body["error"]["message"].is_string(), "{body}");
    }
}
