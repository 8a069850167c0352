//! The README's promises: its configuration is right, its commands are run somewhere, its table names every dependency.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
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
    let bridge = Running::new();
    let requests = blocks("sh")
        .into_iter()
        .find(|block| block.contains("--unix-socket"))
        .expect("the requests");
    let statuses: Vec<u16> = requests
        .lines()
        .map(|line| admin_status(line, &bridge.socket))
        .collect();
    assert_eq!(statuses, [200, 404, 202]);
}

/// The README's bridge, with a socket to be asked at.
struct Running {
    _setup: Setup,
    socket: PathBuf,
    bridge: Child,
}

impl Running {
    fn new() -> Self {
        let setup = Setup::new(&[
            ("0.0.0.0:5061", "127.0.0.1:0"),
            ("127.0.0.1:5070", "127.0.0.1:0"),
        ]);
        let socket = setup.file("admin.sock");
        let file = setup.file("wabridge.toml");
        let mut text = std::fs::read_to_string(&file).expect("the configuration");
        text += &format!("\n[admin]\nsocket = \"{}\"\n", socket.display());
        std::fs::write(file, text).expect("the configuration");
        let bridge = setup
            .wabridge("run")
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("wabridge run");
        let running = Self {
            _setup: setup,
            socket,
            bridge,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&running.socket).is_err() {
            assert!(Instant::now() < deadline, "the bridge did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.bridge.kill();
        let _ = self.bridge.wait();
    }
}

/// Name, kind, and labels of a family of metrics.
type Family = (String, String, BTreeSet<String>);

/// The rows of the table; a row may name several.
fn metrics_told() -> Vec<Family> {
    let rows = README
        .lines()
        .skip_while(|line| *line != "| metric | kind | labels | what it is |")
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let families = rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split(", ").filter(|label| !label.is_empty());
        let labels: BTreeSet<String> = labels.map(str::to_owned).collect();
        let names = cells[1].split(", ").map(|name| name.trim_matches('`'));
        let family = |name: &str| (name.to_owned(), cells[2].to_owned(), labels.clone());
        names.map(family).collect::<Vec<_>>()
    });
    families.collect()
}

/// What a running bridge exposes. A family without a sample yet has no labels.
fn metrics_exposed() -> Vec<Family> {
    let bridge = Running::new();
    let mut stream = UnixStream::connect(&bridge.socket).expect("the socket");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .expect("a request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let mut families: Vec<Family> = Vec::new();
    for line in answer.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            families.push((name.to_owned(), kind.to_owned(), BTreeSet::new()));
        } else if let Some((_, _, labels)) = families.last_mut()
            && let Some((_, rest)) = line.split_once('{')
        {
            let names = rest.split("=\"").map(|text| text.rsplit(['"', ',']).next());
            let names = names.flatten().filter(|name| !name.starts_with('}'));
            labels.extend(names.filter(|name| *name != "le").map(str::to_owned));
        }
    }
    families
}

#[test]
fn the_metrics_are_these() {
    let (told, exposed) = (metrics_told(), metrics_exposed());
    let names = |families: &[Family]| -> BTreeSet<String> {
        families.iter().map(|(name, ..)| name.clone()).collect()
    };
    assert_eq!(names(&told), names(&exposed));
    assert_eq!(told.len(), exposed.len(), "each once");
    for (name, kind, labels) in &exposed {
        let row = told.iter().find(|(told, ..)| told == name).expect("a row");
        assert_eq!(&row.1, kind, "{name}");
        // No call has a price yet.
        if name != "wabridge_cost_total" {
            assert_eq!(&row.2, labels, "{name}");
        }
    }
}

#[test]
fn the_alarms_ask_for_metrics_that_are_there() {
    let families = metrics_told();
    let alarms = blocks("yaml").join("\n");
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = alarms.split(|c: char| !is_name(c));
    let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("wabridge_")).collect();
    assert!(asked.len() > 5, "{asked:?}");
    for name in asked {
        let of_histogram = ["_bucket", "_count", "_sum"];
        let of_histogram = of_histogram.iter().find_map(|end| name.strip_suffix(end));
        let is_there = families.iter().any(|(known, kind, _)| {
            known == name || kind == "histogram" && Some(known.as_str()) == of_histogram
        });
        assert!(is_there, "{name}");
    }
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
