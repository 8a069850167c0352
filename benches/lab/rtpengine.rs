//! rtpengine of the lab's root: how it is started, and its control protocol ("ng", bencode over UDP). Shared by the
//! benches that measure it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PATIENCE: Duration = Duration::from_secs(5);

/// User space alone, one thread. The address is for [`Control::connect`].
pub fn command(
    root: &Path,
    first_port: u16,
    last_port: u16,
) -> Result<(Command, SocketAddr), Failure> {
    let door = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut command = Command::new("chroot");
    command.arg(root).arg("rtpengine").args([
        "--foreground".into(),
        "--log-stderr".into(),
        "--log-level=4".into(),
        "--config-file=none".into(),
        "--table=-1".into(),
        "--interface=127.0.0.1".into(),
        "--num-threads=1".into(),
        "--delete-delay=0".into(),
        "--timeout=60".into(),
        format!("--listen-ng={door}"),
        format!("--port-min={first_port}"),
        format!("--port-max={last_port}"),
    ]);
    Ok((command, door))
}

pub struct Control {
    socket: UdpSocket,
    cookie: u32,
}

impl Control {
    /// Waits until it answers.
    pub fn connect(door: SocketAddr) -> Result<Self, Failure> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(door)?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut this = Self { socket, cookie: 0 };
        let deadline = Instant::now() + PATIENCE;
        while this.ask(&[("command", text("ping"))]).is_err() {
            if Instant::now() > deadline {
                return Err("rtpengine does not answer".into());
            }
        }
        this.socket.set_read_timeout(Some(PATIENCE))?;
        Ok(this)
    }

    /// Of an offer or an answer: the description that it makes of ours.
    pub fn description(&mut self, request: &[(&str, Vec<u8>)]) -> Result<String, Failure> {
        let reply = self.ask(request)?;
        let found = value_of(&reply, "sdp").and_then(|sdp| String::from_utf8(sdp.to_vec()).ok());
        found.ok_or_else(|| {
            let reply = String::from_utf8_lossy(&reply);
            format!("rtpengine answers {reply}").into()
        })
    }

    fn ask(&mut self, request: &[(&str, Vec<u8>)]) -> Result<Vec<u8>, Failure> {
        self.cookie += 1;
        let cookie = format!("{} ", self.cookie);
        let datagram = [cookie.as_bytes(), &dictionary(request)].concat();
        self.socket.send(&datagram)?;
        let mut buffer = vec![0; 65_536];
        loop {
            let length = self.socket.recv(&mut buffer)?;
            if let Some(reply) = buffer[..length].strip_prefix(cookie.as_bytes()) {
                return Ok(reply.to_vec());
            }
        }
    }
}

pub fn text(value: &str) -> Vec<u8> {
    [format!("{}:", value.len()).as_bytes(), value.as_bytes()].concat()
}

pub fn list(values: &[&str]) -> Vec<u8> {
    let values: Vec<Vec<u8>> = values.iter().map(|value| text(value)).collect();
    [b"l".as_slice(), &values.concat(), b"e"].concat()
}

/// Keys must be in order.
pub fn dictionary(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    debug_assert!(entries.is_sorted_by_key(|(key, _)| *key));
    let entries: Vec<Vec<u8>> = entries
        .iter()
        .map(|(key, value)| [text(key), value.clone()].concat())
        .collect();
    [b"d".as_slice(), &entries.concat(), b"e"].concat()
}

/// A text of the reply's own dictionary, wherever it stands.
fn value_of<'a>(reply: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let key = text(key);
    let at = reply.windows(key.len()).position(|part| part == key)?;
    let rest = &reply[at + key.len()..];
    let colon = rest.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
    rest.get(colon + 1..colon + 1 + length)
}
