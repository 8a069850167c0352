//! The real program as a process, with a configuration of its own, and peers that ask it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use tempfile::TempDir;

/// No story waits longer for anything; a test that gets here has failed.
pub const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

/// A folder with a configuration that works: every port is the system's choice, except those of media.
pub struct Folder {
    directory: TempDir,
}

impl Folder {
    pub fn new() -> Self {
        let folder = Self {
            directory: TempDir::new().unwrap(),
        };
        folder.issue("localhost");
        folder.write_config(&folder.config());
        folder
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn config_file(&self) -> PathBuf {
        self.file("wabridge.toml")
    }

    pub fn write_config(&self, text: &str) {
        std::fs::write(self.config_file(), text).unwrap();
    }

    pub fn config(&self) -> String {
        let folder = self.directory.path().display();
        format!(
            r#"
[listeners.whatsapp]
faces = "whatsapp"
transport = "tls"
bind = "127.0.0.1:0"
advertise = "localhost:5061"
certificate = "{folder}/tls.pem"
private_key = "{folder}/tls.key"

[listeners.pbx-udp]
faces = "pbx"
transport = "udp"
bind = "127.0.0.1:0"
advertise = "127.0.0.1:5060"

[listeners.pbx-tcp]
faces = "pbx"
transport = "tcp"
bind = "127.0.0.1:0"
advertise = "127.0.0.1:5060"

[media]
bind = "127.0.0.1"
public_address = "127.0.0.1"
first_port = 20000
last_port = 29999
workers = 1

[whatsapp]
source_prefixes = ["127.0.0.0/8"]

[numbers."+17015550123"]
password = "{SECRET}"
trunk = "office"
extension = "100"

[trunks.office]
profile = "asterisk"
probe_interval_s = 0
peers = [{{ host = "127.0.0.1", port = 9, listener = "pbx-udp" }}]

[cdr]
json_lines = "{folder}/cdr.jsonl"
database = "{folder}/cdr.sqlite"

[admin]
socket = "{folder}/admin.sock"

[log]
format = "json"
filter = "trace"
"#
        )
    }

    /// A new certificate and key in the files of the configuration.
    pub fn issue(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(self.file("tls.pem"), certificate.pem()).unwrap();
        std::fs::write(self.file("tls.key"), key.serialize_pem()).unwrap();
    }

    fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.file("tls.pem")).unwrap()
    }

    pub fn wabridge(&self, program: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wabridge"));
        command.arg(program).arg("-c").arg(self.config_file());
        command
    }
}

/// A password, to be looked for where it must not be.
pub const SECRET: &str = "hunter2-hunter2-hunter2";

pub struct Bridge {
    child: Child,
    lines: Receiver<String>,
    /// Everything it logged so far.
    pub log: String,
    pub whatsapp: Option<SocketAddr>,
    pub udp: Option<SocketAddr>,
    pub tcp: Option<SocketAddr>,
    /// Where the admin API is reached by TCP.
    pub admin: Option<SocketAddr>,
}

impl Bridge {
    pub fn start(folder: &Folder) -> Self {
        Self::spawn(&mut folder.wabridge("run"))
    }

    /// Started and serving.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut bridge = Self {
            child,
            lines,
            log: String::new(),
            whatsapp: None,
            udp: None,
            tcp: None,
            admin: None,
        };
        let admin = bridge.wait_for("admin API");
        bridge.admin = admin["at"].as_str().and_then(|at| at.parse().ok());
        for _ in 0..3 {
            bridge.learn_listener();
        }
        bridge.wait_for("serving");
        bridge
    }

    fn learn_listener(&mut self) {
        let event = self.wait_for("listener");
        let at = event["at"].as_str().unwrap().parse().unwrap();
        let place = match event["name"].as_str().unwrap() {
            "whatsapp" => &mut self.whatsapp,
            "pbx-udp" => &mut self.udp,
            "pbx-tcp" => &mut self.tcp,
            other => panic!("listener {other}"),
        };
        *place = Some(at);
    }

    /// The next log event whose message is this.
    pub fn wait_for(&mut self, message: &str) -> Value {
        let deadline = Instant::now() + LONG;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("never said {message:?}; it said:\n{}", self.log);
            };
            self.log.push_str(&line);
            self.log.push('\n');
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == message {
                return event;
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; then `log` is complete.
    pub fn exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + LONG;
        while let Ok(line) = self.lines.recv_timeout(deadline - Instant::now()) {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        self.child.wait().unwrap()
    }

    /// The status code of the answer to an OPTIONS over UDP; `None` when nobody is there any more.
    pub fn options_by_udp(&self) -> Option<u16> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.udp.unwrap()).unwrap();
        socket.set_read_timeout(Some(SHORT)).unwrap();
        let request = options("UDP", socket.local_addr().unwrap());
        let deadline = Instant::now() + LONG;
        let mut buffer = [0; 4096];
        while Instant::now() < deadline {
            socket.send(request.as_bytes()).ok()?;
            match socket.recv(&mut buffer) {
                Ok(length) => return Some(status(&buffer[..length])),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return None,
                Err(_) => {}
            }
        }
        panic!("no answer to OPTIONS");
    }

    pub fn options_by_tcp(&self) -> u16 {
        let mut stream = TcpStream::connect(self.tcp.unwrap()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let request = options("TCP", stream.local_addr().unwrap());
        stream.write_all(request.as_bytes()).unwrap();
        read_status(&mut stream)
    }

    /// A TLS connection that believes the certificate now in the folder and no other.
    pub fn tls(&self, folder: &Folder) -> std::io::Result<Tls> {
        let mut roots = RootCertStore::empty();
        roots.add(folder.certificate()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(self.whatsapp.unwrap())?;
        stream.set_read_timeout(Some(LONG))?;
        let mut tls = StreamOwned::new(session, stream);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(Tls(tls))
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Tls(StreamOwned<ClientConnection, TcpStream>);

impl Tls {
    pub fn options(&mut self) -> u16 {
        let request = options("TLS", self.0.sock.local_addr().unwrap());
        self.0.write_all(request.as_bytes()).unwrap();
        read_status(&mut self.0)
    }
}

fn options(transport: &str, local: SocketAddr) -> String {
    let branch = format!("z9hG4bK{}", local.port());
    format!(
        "OPTIONS sip:ping@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/{transport} {local};branch={branch};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:monitor@127.0.0.1>;tag=1\r\n\
         To: <sip:ping@127.0.0.1>\r\n\
         Call-ID: {branch}@monitor\r\n\
         CSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// Reads one response's head.
fn read_status(stream: &mut impl Read) -> u16 {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("the connection ended");
        head.push(byte[0]);
    }
    status(&head)
}

fn status(response: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(response);
    let status = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
    status.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}
