//! The bridge under load: its configuration, its process and its call records.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use wabridge::sim::meta::webrtc::KeyExchange;
use wabridge::sim::tls::Authority;

use crate::process::Process;
use crate::{Arguments, Failure, Load};

pub const HOST: &str = "localhost";
pub const NUMBER: &str = "+17015550100";
pub const PASSWORD: &str = "a-password-for-this-run-alone";

const PATIENCE: Duration = Duration::from_secs(20);

/// Addresses and files of one run.
pub struct Place {
    folder: Folder,
    pub tls: SocketAddr,
    /// The bridge's side towards the PBX.
    sip: SocketAddr,
    pub pbx: SocketAddr,
    pub authority: PathBuf,
}

enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    pub fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let folder = match &arguments.keep {
            Some(path) => {
                fs::create_dir_all(path)?;
                Folder::Kept(path.canonicalize()?)
            }
            None => Folder::Temporary(tempfile::tempdir()?),
        };
        let place = Self {
            tls: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?,
            sip: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?,
            pbx: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?,
            authority: folder.path().join("authority.pem"),
            folder,
        };
        let authority = Authority::new("load test")?;
        authority.save(&place.authority)?;
        authority.issue(&[HOST], &place.file("chain.pem"), &place.file("key.pem"))?;
        fs::create_dir_all(place.file("profiles"))?;
        fs::write(place.file("profiles/pbx.toml"), pbx_profile(arguments.load))?;
        fs::write(
            place.file("profiles/whatsapp.toml"),
            whatsapp_profile(arguments),
        )?;
        fs::write(place.file("wabridge.toml"), place.configuration(arguments))?;
        Ok(place)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configuration(&self, arguments: &Arguments) -> String {
        let (tls, sip, pbx) = (self.tls, self.sip, self.pbx);
        let first_port = arguments.first_port;
        let last_port = usize::from(first_port) + 4 * arguments.calls + 39;
        let calls = arguments.calls + 10;
        let pbx_port = pbx.port();
        let security = match arguments.keys {
            KeyExchange::Sdes => "sdes",
            KeyExchange::Dtls => "dtls",
        };
        format!(
            r#"
profile_dir = "profiles"

[listeners.whatsapp]
faces = "whatsapp"
bind = "{tls}"
advertise = "{HOST}:{tls_port}"
certificate = "chain.pem"
private_key = "key.pem"

[listeners.pbx]
faces = "pbx"
bind = "{sip}"

[media]
bind = "127.0.0.1"
public_address = "127.0.0.1"
first_port = {first_port}
last_port = {last_port}
workers = 1

[whatsapp]
profile = "whatsapp"
source_prefixes = ["127.0.0.0/8"]

[numbers."{NUMBER}"]
password = "{PASSWORD}"
trunk = "pbx"
security = "{security}"

[trunks.pbx]
profile = "pbx"
probe_interval_s = 0
peers = [{{ host = "127.0.0.1", port = {pbx_port} }}]

[cdr]
json_lines = "calls.jsonl"
database = "calls.db"

[limits]
calls = {calls}
invites_per_second = 10000
"#,
            tls_port = tls.port(),
        )
    }
}

fn pbx_profile(load: Load) -> String {
    let codec = match load {
        Load::Transcode => "pcmu",
        Load::Relay => "opus",
    };
    format!("based_on = \"generic\"\n\n[media]\ncodecs = [\"{codec}\"]\nsecurity = \"plain\"\n")
}

fn whatsapp_profile(arguments: &Arguments) -> String {
    let complexity = arguments.complexity;
    let dtx = if arguments.dtx { "always" } else { "never" };
    format!(
        "based_on = \"meta\"\n\n[media]\nopus_complexity = {complexity}\nopus_dtx = \"{dtx}\"\n"
    )
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

pub struct Bridge {
    process: Process,
}

impl Bridge {
    pub fn start(place: &Place, arguments: &Arguments) -> Result<Self, Failure> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wabridge"));
        command
            .args(["run", "--config"])
            .arg(place.file("wabridge.toml"));
        let process = Process::start(arguments.core, &mut command, place.file("log.txt"))?;
        Ok(Self { process })
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Ends it and reads the record of each call.
    pub fn stop(self, place: &Place, calls: usize) -> Result<Vec<Value>, Failure> {
        let records = wait_for_records(&place.file("calls.jsonl"), calls)?;
        self.process.stop()?;
        Ok(records)
    }
}

fn wait_for_records(file: &Path, calls: usize) -> Result<Vec<Value>, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lines = fs::read_to_string(file).unwrap_or_default();
        if lines.lines().count() >= calls || Instant::now() > deadline {
            let records = lines.lines().map(serde_json::from_str);
            return Ok(records.collect::<Result<_, _>>()?);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
