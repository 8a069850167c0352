//! What the demo plays on: certificates, free ports, the configuration that the daemon reads.

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use crate::sim::cli::Failure;
use crate::sim::demo::stories::{PASSWORD, Story};
use crate::sim::meta::webrtc::KeyExchange;
use crate::sim::tls::Authority;

pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// WhatsApp's own name, which its certificate is for.
pub const WHATSAPP: &str = "wa.meta.vc";
/// The host of the number's SIP settings.
pub const HOST: &str = "sip.demo.example";
const MEDIA_PORTS: u16 = 200;

pub struct Stage {
    /// The bridge's listener for WhatsApp.
    pub whatsapp: SocketAddr,
    /// Where WhatsApp takes calls.
    pub gateway: SocketAddr,
    /// Its certificate and key.
    pub gateway_certificate: [PathBuf; 2],
    /// The bridge's listener for the PBX.
    pub trunk: SocketAddr,
    /// Where the PBX listens.
    pub pbx: SocketAddr,
    pub authority: PathBuf,
    pub config: PathBuf,
    /// The daemon's own output.
    pub log: PathBuf,
    /// Call records, a JSON line each.
    pub records: PathBuf,
}

impl Stage {
    pub async fn build(out: &Path, stories: &[Story]) -> Result<Self, Failure> {
        let out = out.canonicalize()?;
        let path = |name: &str| out.join(name);
        for stale in ["calls.jsonl", "calls.db", "calls.db-wal", "calls.db-shm"] {
            let _ = std::fs::remove_file(path(stale));
        }
        let authority = Authority::new("wabridge demo")?;
        authority.save(&path("authority.pem"))?;
        authority.issue(&[HOST], &path("bridge.pem"), &path("bridge.key"))?;
        restrict(&path("bridge.key"))?;
        let gateway_certificate = [path("whatsapp.pem"), path("whatsapp.key")];
        let [chain, key] = &gateway_certificate;
        authority.issue(&[WHATSAPP], chain, key)?;
        let stage = Self {
            whatsapp: free_tcp()?,
            gateway: free_tcp()?,
            gateway_certificate,
            trunk: free_udp()?,
            pbx: free_udp()?,
            authority: path("authority.pem"),
            config: path("wabridge.toml"),
            log: path("wabridge.log"),
            records: path("calls.jsonl"),
        };
        let profiles = path("profiles");
        std::fs::create_dir_all(&profiles)?;
        std::fs::write(profiles.join("demo.toml"), PROFILE)?;
        let text = configuration(&stage, media_ports()?, stories);
        std::fs::write(&stage.config, text)?;
        Ok(stage)
    }
}

/// All three codecs are offered, so that each call's PBX may choose its own.
const PROFILE: &str = "\
based_on = \"generic\"

[sip]
pass_headers = [\"wacid\", \"cta-payload\", \"user-id\", \"country-code\"]
asserted_identity = true

[media]
codecs = [\"pcmu\", \"pcma\", \"opus\"]
";

fn configuration(stage: &Stage, first_port: u16, stories: &[Story]) -> String {
    let last_port = first_port + MEDIA_PORTS - 1;
    let (whatsapp, port) = (stage.whatsapp, stage.whatsapp.port());
    let (ours, gateway) = (stage.trunk, stage.gateway.port());
    let (host, pbx_port) = (stage.pbx.ip(), stage.pbx.port());
    let mut text = format!(
        r#"profile_dir = "profiles"

[listeners.whatsapp]
faces = "whatsapp"
bind = "{whatsapp}"
advertise = "{HOST}:{port}"
certificate = "bridge.pem"
private_key = "bridge.key"
trust_file = "authority.pem"

[listeners.pbx]
faces = "pbx"
bind = "{ours}"

[media]
bind = "{LOCAL}"
public_address = "{LOCAL}"
pbx_address = "{LOCAL}"
first_port = {first_port}
last_port = {last_port}

[whatsapp]
source_prefixes = ["{LOCAL}/32"]
port = {gateway}

[hosts]
"{WHATSAPP}" = "{LOCAL}"

[trunks.office]
profile = "demo"

[[trunks.office.peers]]
host = "{host}"
port = {pbx_port}

[cdr]
json_lines = "calls.jsonl"
database = "calls.db"

[log]
filter = "info"

[limits]
calls = 50
"#
    );
    for story in stories {
        let (number, extension) = (&story.number, story.extension());
        let security = match story.keys {
            KeyExchange::Sdes => "sdes",
            KeyExchange::Dtls => "dtls",
        };
        let _ = write!(
            text,
            "\n[numbers.\"{number}\"]\npassword = \"{PASSWORD}\"\ntrunk = \"office\"\nextension = \"{extension}\"\n\
             security = \"{security}\"\n"
        );
    }
    text
}

/// Only the owner may read a key.
fn restrict(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

fn free_tcp() -> io::Result<SocketAddr> {
    TcpListener::bind((LOCAL, 0))?.local_addr()
}

fn free_udp() -> io::Result<SocketAddr> {
    UdpSocket::bind((LOCAL, 0))?.local_addr()
}

/// The first of a range without a taken port, below the ports that the system gives out by itself.
fn media_ports() -> io::Result<u16> {
    (10_000..30_000)
        .step_by(usize::from(MEDIA_PORTS))
        .skip(usize::from(std::process::id() as u8) % 50)
        .find(|first| (*first..first + MEDIA_PORTS).all(is_free))
        .ok_or_else(|| io::Error::other("no range of 200 free UDP ports on 127.0.0.1"))
}

fn is_free(port: u16) -> bool {
    UdpSocket::bind((LOCAL, port)).is_ok()
}
