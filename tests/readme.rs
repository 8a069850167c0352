//! The README's promises: its configuration is right, its commands are run somewhere, its table names every dependency.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wabridge::config::CdrFiles;
use wabridge::sim::tls::Authority;
use wabridge::store::Store;

const README: &str = include_str!("../README.md");
const CARD: &str = include_str!("../examples/rates-2026-list.csv");
const MANIFEST: &str = include_str!("../Cargo.toml");

/// How the block begins that is a file of its own.
const PROFILE: &str = "# /etc/wabridge/hall.toml";

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// Each command, and where it is run by a test.
const COMMANDS: [(&str, &str); 23] = [
    (
        "make demo",
        "tests/demo.rs places its calls; .ci/run builds the rest",
    ),
    ("make test", ".ci/run"),
    ("cargo build --release", "the demo target of the Makefile"),
    ("sudo install ", "a copy"),
    ("openssl s_client ", "the_certificate_check_passes"),
    (
        "wabridge check ",
        "the_check_command_accepts_the_configuration",
    ),
    (
        "sudo -u wabridge wabridge run ",
        "the_certificate_check_passes, tests/asterisk, tests/daemon",
    ),
    ("sudo -u wabridge wabridge cdr ", "the_records_are_asked"),
    ("sudo useradd ", "the system's"),
    (
        "sudo certbot ",
        "certbot's; a_renewed_certificate_is_handed_over",
    ),
    (
        "sudo cp asterisk-config/*.conf ",
        "tests/lab/asterisk.sh copies the same files",
    ),
    (
        "sudo asterisk -rx ",
        "tests/lab/asterisk.sh starts Asterisk with them",
    ),
    ("curl -X POST ", "the_settings_request_is_json"),
    ("curl \"https", "a GET"),
    ("wabridge status", "tests/daemon/admin.rs"),
    ("wabridge calls", "tests/daemon/admin.rs"),
    ("wabridge hangup ", "tests/daemon/admin.rs"),
    ("wabridge consent ", "tests/daemon/admin.rs"),
    ("wabridge call ", "tests/daemon/admin.rs"),
    (
        "curl --unix-socket ",
        "the_admin_api_understands_these_requests",
    ),
    ("sudo cp examples/wabridge.service ", "a copy"),
    ("sudo systemctl ", "systemd's"),
    ("cargo ", "cargo's"),
];

#[test]
fn every_command_is_run_somewhere() {
    for line in blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .filter(|line| !line.is_empty())
    {
        assert!(
            COMMANDS
                .iter()
                .any(|(command, _)| line.starts_with(command)),
            "nothing runs: {line}"
        );
    }
}

#[test]
fn the_settings_request_is_json() {
    let request = blocks("sh")
        .into_iter()
        .find(|block| block.contains("-X POST"))
        .expect("the settings request");
    let json = request
        .split(" -d '")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .expect("a body");
    let settings: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(settings["calling"]["srtp_key_exchange_protocol"], "SDES");
    assert_eq!(settings["calling"]["sip"]["servers"][0]["port"], 5061);
}

/// Their paths and methods by what a running bridge answers: no such call, no such user, but nothing unknown.
#[test]
fn the_admin_api_understands_these_requests() {
    let setup = Setup::new(&[
        ("0.0.0.0:5061", "127.0.0.1:0"),
        ("127.0.0.1:5070", "127.0.0.1:0"),
    ]);
    let socket = setup.file("admin.sock");
    let mut text = std::fs::read_to_string(setup.file("wabridge.toml")).expect("the configuration");
    text += &format!("\n[admin]\nsocket = \"{}\"\n", socket.display());
    std::fs::write(setup.file("wabridge.toml"), text).expect("the configuration");
    let mut bridge = setup
        .wabridge("run")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("wabridge run");
    let deadline = Instant::now() + Duration::from_secs(20);
    while UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < deadline, "the bridge did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    let requests = blocks("sh")
        .into_iter()
        .find(|block| block.contains("--unix-socket"))
        .expect("the requests");
    let statuses: Vec<u16> = requests
        .lines()
        .map(|line| admin_status(line, &socket))
        .collect();
    bridge.kill().expect("the bridge still runs");
    bridge.wait().expect("the bridge ends");
    assert_eq!(statuses, [200, 404, 202]);
}

/// Sends what the command line of curl says.
fn admin_status(curl: &str, socket: &Path) -> u16 {
    let words: Vec<&str> = curl.split_whitespace().collect();
    let json = curl.split('\'').nth(1).unwrap_or_default();
    let method = match words.iter().position(|word| *word == "-X") {
        Some(at) => words[at + 1],
        None if json.is_empty() => "GET",
        None => "POST",
    };
    let path = words
        .last()
        .and_then(|url| url.strip_prefix("http://localhost"))
        .expect("a URL");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    );
    let mut stream = UnixStream::connect(socket).expect("the socket");
    stream
        .write_all(request.as_bytes())
        .expect("a request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).expect("a status");
    status.parse().expect("a number")
}

#[test]
fn every_dependency_has_its_line() {
    let dependencies = MANIFEST
        .split("[dependencies]")
        .nth(1)
        .and_then(|rest| rest.split("\n[").next());
    let names: BTreeSet<&str> = dependencies
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split([' ', '=']).next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.len() > 30, "the manifest was not read");
    let told: BTreeSet<&str> = README
        .lines()
        .skip_while(|line| *line != "| crate | for | |")
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| cell.split(", "))
        .map(str::trim)
        .collect();
    assert_eq!(names, told);
}

/// The README's configuration on disk, with what it needs beside it.
struct Setup {
    folder: TempDir,
}

impl Setup {
    /// `changes` replace text of the configuration.
    fn new(changes: &[(&str, &str)]) -> Self {
        let setup = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let authority = Authority::new("a public authority").expect("an authority");
        authority
            .save(&setup.file("ca.pem"))
            .expect("its certificate");
        authority
            .issue(
                &["sip.example.com"],
                &setup.file("fullchain.pem"),
                &setup.file("privkey.pem"),
            )
            .expect("a certificate");
        std::fs::write(setup.file("rates.csv"), CARD).expect("the card");
        std::fs::write(setup.file("17015550100.password"), "secret\n").expect("a password");
        let folder = setup.folder.path().display().to_string();
        let (profiles, config): (Vec<_>, Vec<_>) = blocks("toml")
            .into_iter()
            .partition(|block| block.starts_with(PROFILE));
        std::fs::write(setup.file("hall.toml"), profiles.concat()).expect("the profile");
        let mut text = config.join("\n");
        assert!(text.contains("/etc/wabridge"));
        text = text.replace("/etc/wabridge", &folder);
        for (from, to) in changes {
            assert!(text.contains(from), "{from}");
            text = text.replace(from, to);
        }
        text += &format!(
            "\n[cdr]\njson_lines = \"{folder}/calls.jsonl\"\ndatabase = \"{folder}/wabridge.db\"\n"
        );
        std::fs::write(setup.file("wabridge.toml"), text).expect("the configuration");
        setup
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wabridge(&self, word: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wabridge"));
        command.args([word, "-c"]).arg(self.file("wabridge.toml"));
        command
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_check_command_accepts_the_profile() {
    let named = ("profile = \"asterisk\"", "profile = \"hall.toml\"");
    let output = Setup::new(&[named])
        .wabridge("check")
        .output()
        .expect("wabridge check");
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn the_check_command_accepts_the_configuration() {
    let output = Setup::new(&[])
        .wabridge("check")
        .output()
        .expect("wabridge check");
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn the_records_are_asked() {
    const SUDO: &str = "sudo -u wabridge wabridge cdr ";
    let setup = Setup::new(&[]);
    let store = Store::open(&CdrFiles {
        json_lines: setup.file("calls.jsonl"),
        database: setup.file("wabridge.db"),
    });
    let closed = store.expect("the store").close(Duration::from_secs(20));
    closed.expect("an empty database");
    let commands = blocks("sh").join("\n");
    let commands: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix(SUDO))
        .collect();
    assert!(commands.len() > 3, "{commands:?}");
    for words in commands {
        let words = words.split_whitespace().take_while(|word| *word != ">");
        let output = setup.wabridge("cdr").args(words).output();
        let output = output.expect("wabridge cdr");
        assert!(output.status.success(), "{}", told(&output));
    }
}

#[test]
fn the_certificate_check_passes() {
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port");
    let bind = format!("\"{free}\"");
    let setup = Setup::new(&[
        ("\"0.0.0.0:5061\"", &bind),
        ("127.0.0.1:5070", "127.0.0.1:0"),
    ]);
    let mut bridge = setup
        .wabridge("run")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("wabridge run");
    wait_for(free);
    let output = Command::new("openssl")
        .args([
            "s_client",
            "-verify_hostname",
            "sip.example.com",
            "-connect",
            &free.to_string(),
            "-CAfile",
        ])
        .arg(setup.file("ca.pem"))
        .stdin(Stdio::null())
        .output()
        .expect("openssl");
    bridge.kill().expect("the bridge still runs");
    bridge.wait().expect("the bridge ends");
    assert!(
        told(&output).contains("Verify return code: 0 (ok)"),
        "{}",
        told(&output)
    );
}

#[test]
fn a_renewed_certificate_is_handed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let (from, to) = (folder.path().join("live"), folder.path().join("etc"));
    for directory in [&from, &to] {
        std::fs::create_dir(directory).expect("a directory");
    }
    for name in ["privkey.pem", "fullchain.pem"] {
        std::fs::write(from.join(name), name).expect("a file");
    }
    let hook = concat!(env!("CARGO_MANIFEST_DIR"), "/certs/certbot-deploy-hook");
    let group = Command::new("id").arg("-gn").output().expect("a group");
    let output = Command::new(hook)
        .env("RENEWED_LINEAGE", &from)
        .env("WABRIDGE_CERTIFICATES", &to)
        .env(
            "WABRIDGE_GROUP",
            String::from_utf8_lossy(&group.stdout).trim(),
        )
        .output()
        .expect("the hook");
    assert!(output.status.success(), "{}", told(&output));
    for name in ["privkey.pem", "fullchain.pem"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(to.join(name))
                .expect("the copy")
                .permissions(),
        );
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(
            std::fs::read_to_string(to.join(name)).expect("the copy"),
            name
        );
    }
}

fn wait_for(listener: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(listener).is_err() {
        assert!(Instant::now() < deadline, "the bridge did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}
