//! Our DTLS against OpenSSL's, over loopback: both ends of the handshake, ECDSA and RSA certificates, cookies, both
//! curves and hashes. The keys that OpenSSL exports are ours.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wabridge::entropy::Entropy;
use wabridge::media::dtls::{Engine, Event, Identity, MAX_DATAGRAM};
use wabridge::sdp::{CryptoPair, DtlsRole, DtlsTerms, DtlsVersion, Fingerprint, Suite};

const PATIENCE: Duration = Duration::from_secs(20);
const PROFILES: &str = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM";

/// What `openssl req` makes a key from.
const ECDSA: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const ECDSA_384: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"];
const RSA: &[&str] = &["rsa:2048"];

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(folder);
    command
}

/// Makes `cert.pem` and `key.pem`, and says what the certificate is.
fn make_certificate(folder: &Path, key: &[&str]) -> Fingerprint {
    let request = ["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=peer"];
    let files = ["-keyout", "key.pem", "-out", "cert.pem"];
    let arguments = [&request[..], &["-newkey"], key, &files].concat();
    let made = openssl(folder, &arguments).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let der = ["x509", "-in", "cert.pem", "-outform", "DER"];
    let der = openssl(folder, &der).output().unwrap().stdout;
    Fingerprint::of(&der)
}

fn identity() -> Arc<Identity> {
    let made = rcgen::generate_simple_self_signed(vec!["wabridge".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der();
    Arc::new(Identity::new(made.cert.der().to_vec(), &key).unwrap())
}

fn profiles() -> Vec<Suite> {
    vec![Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm]
}

/// OpenSSL speaks 1.2 alone; ours speaks 1.3 as well, and has to find that out.
fn engine(role: DtlsRole, peer: Fingerprint) -> Engine {
    let terms = DtlsTerms {
        role,
        newest: DtlsVersion::V1_3,
        fingerprints: vec![peer],
    };
    let entropy = Entropy::from_seed([5; 32]);
    Engine::new(Instant::now(), terms, identity(), profiles(), entropy)
}

/// Drives an engine over a socket until it says something.
fn drive(engine: &mut Engine, socket: &UdpSocket) -> Event {
    let began = Instant::now();
    let mut buffer = [0; 4096];
    while began.elapsed() < PATIENCE {
        while let Some(len) = engine.poll_transmit(&mut buffer[..MAX_DATAGRAM]) {
            // Nobody may be listening yet.
            let _ = socket.send(&buffer[..len]);
        }
        if let Some(event) = engine.poll_event() {
            return event;
        }
        let due = engine.poll_timeout().unwrap();
        let pause = due.saturating_duration_since(Instant::now());
        let pause = pause.clamp(Duration::from_millis(1), PATIENCE);
        socket.set_read_timeout(Some(pause)).unwrap();
        if let Ok(len) = socket.recv(&mut buffer) {
            engine.handle_datagram(Instant::now(), &buffer[..len]);
        }
        engine.handle_timeout(Instant::now());
    }
    panic!("nothing in {PATIENCE:?}");
}

/// The first line of output that holds all of `words`.
fn find_line(lines: &mut impl Iterator<Item = String>, words: &str) -> String {
    let found = lines.find(|line| line.contains(words));
    found.unwrap_or_else(|| panic!("openssl did not say {words}"))
}

fn keys(event: Event) -> CryptoPair {
    match event {
        Event::Secured(keys) => keys,
        Event::Failed(failure) => panic!("{failure}"),
    }
}

/// As `openssl` exports it: client key, server key, client salt, server salt.
fn assert_exported(line: &str, client: &[u8], server: &[u8], key: usize) {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02X}")).collect::<String>();
    let (client_key, client_salt) = client.split_at(key);
    let (server_key, server_salt) = server.split_at(key);
    let expected = [client_key, server_key, client_salt, server_salt].concat();
    assert!(line.contains(&hex(&expected)), "{line}");
}

const EXPORT: [&str; 4] = [
    "-keymatexport",
    "EXTRACTOR-dtls_srtp",
    "-keymatexportlen",
    "60",
];

fn against_server(key: &[&str], more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let fingerprint = make_certificate(folder.path(), key);
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    drop(taken);
    let server = [
        "s_server", "-dtls1_2", "-4", "-Verify", "1", "-accept", &address,
    ];
    let files = [
        "-cert",
        "cert.pem",
        "-key",
        "key.pem",
        "-use_srtp",
        PROFILES,
    ];
    let arguments = [&server[..], &files, &EXPORT, more].concat();
    let mut command = openssl(folder.path(), &arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Killed(command.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    find_line(&mut lines, "ACCEPT");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(&address).unwrap();
    let mut engine = engine(DtlsRole::Client, fingerprint);
    let keys = keys(drive(&mut engine, &socket));
    let line = find_line(&mut lines, "Keying material: ");
    assert_eq!(keys.suite, Suite::AesCm128HmacSha1_80);
    assert_exported(&line, &keys.send.0, &keys.receive.0, 16);
}

fn against_client(key: &[&str], more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let fingerprint = make_certificate(folder.path(), key);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let client = ["s_client", "-dtls1_2", "-connect", &address];
    let files = [
        "-cert",
        "cert.pem",
        "-key",
        "key.pem",
        "-use_srtp",
        PROFILES,
    ];
    let arguments = [&client[..], &files, &EXPORT, more].concat();
    let mut command = openssl(folder.path(), &arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::null());
    let mut running = Killed(command.spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let (_, peer) = socket.peek_from(&mut [0; 1]).unwrap();
    socket.connect(peer).unwrap();
    let mut engine = engine(DtlsRole::Server, fingerprint);
    let keys = keys(drive(&mut engine, &socket));
    // The last flight.
    let mut buffer = [0; MAX_DATAGRAM];
    while let Some(len) = engine.poll_transmit(&mut buffer) {
        socket.send(&buffer[..len]).unwrap();
    }
    let line = find_line(&mut lines, "Keying material: ");
    assert_exported(&line, &keys.receive.0, &keys.send.0, 16);
}

#[test]
fn ecdsa_server() {
    against_server(ECDSA, &[]);
}

#[test]
fn rsa_server() {
    against_server(RSA, &[]);
}

#[test]
fn rsa_server_that_wants_a_cookie() {
    against_server(RSA, &["-listen"]);
}

#[test]
fn rsa_server_that_signs_the_old_way() {
    against_server(RSA, &["-sigalgs", "RSA+SHA512:ECDSA+SHA256"]);
}

#[test]
fn server_of_the_other_curve_hash_and_key_length() {
    let strict = [
        "-cipher",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "-named_curve",
        "P-256",
    ];
    against_server(ECDSA_384, &strict);
}

#[test]
fn server_of_small_datagrams() {
    against_server(RSA, &["-mtu", "300"]);
}

#[test]
fn ecdsa_client() {
    against_client(ECDSA, &[]);
}

#[test]
fn rsa_client() {
    against_client(RSA, &[]);
}

#[test]
fn rsa_client_that_signs_the_old_way() {
    against_client(RSA, &["-sigalgs", "RSA+SHA256:ECDSA+SHA256"]);
}

#[test]
fn client_of_the_other_curve_hash_and_key_length() {
    let strict = [
        "-cipher",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "-curves",
        "P-256",
    ];
    against_client(ECDSA_384, &strict);
}

#[test]
fn client_of_small_datagrams() {
    against_client(RSA, &["-mtu", "300"]);
}
