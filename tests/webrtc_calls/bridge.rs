//! The real binary, with WhatsApp on one side and a PBX on the other that the test plays.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wabridge::sim::tls::Authority;

pub const HOST: &str = "sip.example.com";
pub const PASSWORD: &str = "from-whatsapp";
const PORTS: u16 = 128;
static NEXT_PORTS: AtomicU16 = AtomicU16::new(20_000);

/// A business number of the bridge's, and how its media is secured.
pub struct Number {
    pub number: String,
    pub extension: String,
    pub security: &'static str,
}

pub struct Wish<'a> {
    /// The bridge's own address.
    pub ip: IpAddr,
    /// WhatsApp is told the bridge's address in both families.
    pub both_families: bool,
    pub numbers: &'a [Number],
    /// Where `wa.meta.vc` is.
    pub gateway: SocketAddr,
    /// Where the PBX is, and how its media is secured.
    pub pbx: SocketAddr,
    pub pbx_security: &'static str,
    pub pbx_codecs: &'static str,
    /// Where the PBX finds the bridge; port 0 for any.
    pub trunk: SocketAddr,
}

pub struct Bridge {
    process: Child,
    pub facing_whatsapp: SocketAddr,
    pub facing_pbx: SocketAddr,
    folder: TempDir,
}

impl Bridge {
    /// `authority` has issued the certificate of `wa.meta.vc` too.
    pub fn start(wish: &Wish, authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        authority.save(&path("ca.pem")).unwrap();
        let issued = authority.issue(&[HOST], &path("server.pem"), &path("server.key"));
        issued.unwrap();
        std::fs::create_dir(path("profiles")).unwrap();
        std::fs::write(path("profiles/lab.toml"), profile(wish)).unwrap();
        let facing_whatsapp = free_tcp(wish.ip);
        let facing_pbx = free_udp(wish.trunk);
        let file = path("wabridge.toml");
        std::fs::write(&file, config(wish, facing_whatsapp, facing_pbx)).unwrap();
        let log = std::fs::File::create(path("log")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_wabridge"))
            .args(["run", "-c"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let bridge = Self {
            process,
            facing_whatsapp,
            facing_pbx,
            folder,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(facing_whatsapp).is_err() {
            let log = bridge.log();
            assert!(Instant::now() < deadline, "it did not start:\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        bridge
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn log(&self) -> String {
        read(&self.folder.path().join("log"))
    }

    /// The records so far, waiting at most five seconds for the first.
    pub fn records(&self) -> Vec<serde_json::Value> {
        let file = self.folder.path().join("cdr.jsonl");
        let deadline = Instant::now() + Duration::from_secs(5);
        while read(&file).is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        let text = read(&file);
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
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

fn free_tcp(ip: IpAddr) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0));
    listener.unwrap().local_addr().unwrap()
}

fn free_udp(at: SocketAddr) -> SocketAddr {
    UdpSocket::bind(at).unwrap().local_addr().unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn profile(wish: &Wish) -> String {
    let (codecs, security) = (wish.pbx_codecs, wish.pbx_security);
    format!("based_on = \"generic\"\n\n[media]\ncodecs = [{codecs}]\nsecurity = \"{security}\"\n")
}

fn config(wish: &Wish, facing_whatsapp: SocketAddr, facing_pbx: SocketAddr) -> String {
    let first_port = NEXT_PORTS.fetch_add(PORTS, Ordering::Relaxed);
    let last_port = first_port + PORTS - 1;
    let (ip, gateway, pbx) = (wish.ip, wish.gateway, wish.pbx);
    let whole = if ip.is_ipv4() { 32 } else { 128 };
    let (port, gateway_port) = (facing_whatsapp.port(), gateway.port());
    let (gateway_ip, pbx_ip, pbx_port) = (gateway.ip(), pbx.ip(), pbx.port());
    let addresses = match wish.both_families {
        true => "public_address = [\"127.0.0.1\", \"::1\"]".to_owned(),
        false => format!("bind = \"{ip}\"\npublic_address = \"{ip}\""),
    };
    let mut text = format!(
        r#"profile_dir = "profiles"

[listeners.whatsapp]
faces = "whatsapp"
bind = "{facing_whatsapp}"
advertise = "{HOST}:{port}"
certificate = "server.pem"
private_key = "server.key"
trust_file = "ca.pem"

[listeners.pbx]
faces = "pbx"
bind = "{facing_pbx}"

[media]
{addresses}
pbx_address = "{ip}"
first_port = {first_port}
last_port = {last_port}

[whatsapp]
source_prefixes = ["{ip}/{whole}", "10.66.0.0/24"]
port = {gateway_port}

[hosts]
"wa.meta.vc" = "{gateway_ip}"

[trunks.office]
profile = "lab"

[[trunks.office.peers]]
host = "{pbx_ip}"
port = {pbx_port}

[cdr]
json_lines = "cdr.jsonl"
database = "cdr.db"

[admin]
socket = "admin.sock"

[log]
filter = "debug"

[limits]
calls = 50
"#
    );
    for Number {
        number,
        extension,
        security,
    } in wish.numbers
    {
        let _ = write!(
            text,
            "\n[numbers.\"{number}\"]\npassword = \"{PASSWORD}\"\ntrunk = \"office\"\nextension = \"{extension}\"\n\
             security = \"{security}\"\n"
        );
    }
    text
}
