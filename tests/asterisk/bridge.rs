//! The real binary between the WhatsApp simulator and Asterisk, one process a test, each on ports of its own.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wabridge::sim::tls::Authority;

pub const NUMBER: &str = "+17015550100";
pub const PASSWORD: &str = "from-whatsapp";
pub const HOST: &str = "sip.example.com";

/// How the trunk reaches Asterisk.
#[derive(Clone, Copy, Debug)]
pub enum Via {
    Udp,
    Tcp,
    /// With SDES-SRTP.
    Tls,
}

/// What a test wants of its bridge.
#[derive(Clone, Debug)]
pub struct Wish {
    pub via: Via,
    /// Of the trunk, in order.
    pub codecs: &'static str,
    pub extension: &'static str,
    /// Port of the listener that faces the PBX; 0 picks a free one.
    pub pbx_port: u16,
    /// How long the extension may ring.
    pub answer_timeout_s: u32,
    /// Ports on 127.0.0.1 of the trunk's peers, first choice first; none: Asterisk's.
    pub peers: &'static [u16],
    /// Where `wa.meta.vc` is, and whom to trust for it.
    pub whatsapp: Option<SocketAddr>,
    pub trust: Option<String>,
}

impl Wish {
    pub fn extension(extension: &'static str) -> Self {
        Self {
            via: Via::Udp,
            codecs: r#""pcmu""#,
            extension,
            pbx_port: 0,
            answer_timeout_s: 60,
            peers: &[],
            whatsapp: None,
            trust: None,
        }
    }
}

pub struct Bridge {
    process: Child,
    /// The port that Asterisk's configuration names is one bridge's at a time.
    _turn: Option<MutexGuard<'static, ()>>,
    pub facing_whatsapp: SocketAddr,
    pub directory: TempDir,
}

static TURN: Mutex<()> = Mutex::new(());

static NEXT_PORTS: AtomicU16 = AtomicU16::new(20_000);

impl Bridge {
    /// The number of calls to users.
    pub const CALLS_FROM: &str = "+4930123456";

    pub fn start(wish: &Wish) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let whatsapp = free_tcp_port();
        let pbx = if wish.pbx_port == 0 {
            free_udp_port()
        } else {
            wish.pbx_port
        };
        let turn =
            (wish.pbx_port != 0).then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
        write_certificates(&directory);
        if let Some(trust) = &wish.trust {
            std::fs::write(directory.path().join("whatsapp.pem"), trust).expect("roots");
        }
        let file = directory.path().join("wabridge.toml");
        std::fs::write(&file, config(wish, whatsapp, pbx, &directory)).expect("the configuration");
        std::fs::create_dir(directory.path().join("profiles")).expect("profiles");
        std::fs::write(directory.path().join("profiles/lab.toml"), profile(wish))
            .expect("the profile");
        let log = std::fs::File::create(directory.path().join("log")).expect("a log");
        let process = Command::new(env!("CARGO_BIN_EXE_wabridge"))
            .args(["run", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the bridge");
        let bridge = Self {
            process,
            _turn: turn,
            facing_whatsapp: SocketAddr::from(([127, 0, 0, 1], whatsapp)),
            directory,
        };
        bridge.wait_until_it_listens();
        bridge
    }

    fn wait_until_it_listens(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(self.facing_whatsapp).is_err() {
            assert!(
                Instant::now() < deadline,
                "the bridge did not start:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The records written so far, waiting at most five seconds for the first.
    pub fn cdrs(&self) -> Vec<serde_json::Value> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let text = std::fs::read_to_string(self.directory.path().join("cdr.jsonl"))
                .unwrap_or_default();
            if !text.is_empty() || Instant::now() > deadline {
                return text
                    .lines()
                    .map(|line| serde_json::from_str(line).expect("one JSON value a line"))
                    .collect();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill")
            .args([signal, &pid])
            .status()
            .expect("kill");
        assert!(sent.success());
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the bridge ---\n{}", self.log());
        }
    }
}

fn free_tcp_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port()
}

fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port()
}

fn config(wish: &Wish, whatsapp: u16, pbx: u16, directory: &TempDir) -> String {
    let (transport, asterisk) = match wish.via {
        Via::Udp => ("udp", [5060]),
        Via::Tcp => ("tcp", [5060]),
        Via::Tls => ("tls", [5161]),
    };
    let tls = match wish.via {
        Via::Udp | Via::Tcp => "",
        Via::Tls => {
            "advertise = \"localhost\"\ncertificate = \"server.pem\"\nprivate_key = \"server.key\"\ntrust = \"unverified\""
        }
    };
    let (hosts, trust) = match wish.whatsapp {
        Some(address) => (
            format!("[hosts]\n\"wa.meta.vc\" = \"{address}\"\n"),
            "trust_file = \"whatsapp.pem\"",
        ),
        None => (String::new(), ""),
    };
    let calls_from = Bridge::CALLS_FROM;
    let first_port = NEXT_PORTS.fetch_add(64, Ordering::Relaxed);
    let last_port = first_port + 63;
    let folder = directory.path().display();
    let extension = wish.extension;
    let peers = peers(
        if wish.peers.is_empty() {
            &asterisk
        } else {
            wish.peers
        },
        transport,
    );
    format!(
        r#"
profile_dir = "profiles"

[listeners.whatsapp]
faces = "whatsapp"
bind = "127.0.0.1:{whatsapp}"
advertise = "{HOST}:{whatsapp}"
certificate = "server.pem"
private_key = "server.key"
{trust}

[listeners.pbx]
faces = "pbx"
transport = "{transport}"
bind = "127.0.0.1:{pbx}"
{tls}

[media]
bind = "127.0.0.1"
public_address = "127.0.0.1"
first_port = {first_port}
last_port = {last_port}

[whatsapp]
source_prefixes = ["127.0.0.1"]

[numbers."{NUMBER}"]
password = "{PASSWORD}"
trunk = "asterisk"
extension = "{extension}"

[numbers."{calls_from}"]
password = "{PASSWORD}"
trunk = "asterisk"

{hosts}

[trunks.asterisk]
profile = "lab"
number = "{calls_from}"

{peers}

[cdr]
json_lines = "{folder}/cdr.jsonl"
database = "{folder}/cdr.db"
"#
    )
}

fn peers(ports: &[u16], transport: &str) -> String {
    let peer = |(index, port)| {
        format!(
            "[[trunks.asterisk.peers]]\nhost = \"127.0.0.1\"\nport = {port}\ntransport = \"{transport}\"\n\
             priority = {}\n\n",
            index + 1
        )
    };
    ports.iter().enumerate().map(peer).collect()
}

/// The built-in profile for Asterisk, with what the test varies.
fn profile(wish: &Wish) -> String {
    let security = match wish.via {
        Via::Udp | Via::Tcp => "plain",
        Via::Tls => "sdes",
    };
    let Wish {
        codecs,
        answer_timeout_s,
        ..
    } = wish;
    format!(
        "based_on = \"asterisk\"\n\n[sip]\nanswer_timeout_s = {answer_timeout_s}\n\n\
         [media]\ncodecs = [{codecs}]\nsecurity = \"{security}\"\n"
    )
}

/// A certificate authority that the simulator trusts, and a server certificate for the bridge's name.
fn write_certificates(directory: &TempDir) {
    let file = |name| directory.path().join(name);
    let authority = Authority::new("laboratory").expect("an authority");
    authority.save(&file("ca.pem")).expect("its certificate");
    authority
        .issue(
            &[HOST, "localhost"],
            &file("server.pem"),
            &file("server.key"),
        )
        .expect("a certificate");
}
