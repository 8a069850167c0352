//! rtpengine, which needs real time: all rows are calls of one process at once, and each packet goes in when the bad
//! network lets it.
//!
//! Its timestamps pass over what was lost while its sequence numbers count it, so a receiver that goes by timestamps would
//! soon take every packet for late. To its favour, time is taken from the sequence numbers here: a number is 20 ms.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path as Folder;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use wabridge::media::rtp::{Header, Kind, Packet, RtpTime};
use wabridge::sdp::PayloadType;
use wabridge::sim::sdp::Described;

use crate::Failure;
use crate::carrier::{arriving, over, sent};
use crate::ear::Heard;
use crate::lab::{self, Control, dictionary, list, text};
use crate::network::Network;
use crate::rows::{Path, Row};
use crate::speech::Speech;

const FIRST_PORT: u16 = 41_000;
const LAST_PORT: u16 = 41_999;
/// Rows that run at the same time: more would make rtpengine late on a small machine.
const AT_ONCE: usize = 16;
const REST: Duration = Duration::from_millis(500);

/// What comes out of rtpengine, by path and row.
pub type Live = BTreeMap<(&'static str, String), Vec<Heard>>;

pub fn through_rtpengine(
    root: &Folder,
    seed: u64,
    speech: &Speech,
    rows: &[(Path, Row)],
) -> Result<Live, Failure> {
    let (mut command, door) = lab::command(root, FIRST_PORT, LAST_PORT)?;
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    let _process = Killed(quiet.spawn()?);
    let mut control = Control::connect(door)?;
    let mut live = Live::new();
    for rows in rows.chunks(AT_ONCE) {
        let calls = rows
            .iter()
            .map(|(path, row)| Call::place(&mut control, seed, speech, *path, row));
        let calls = calls.collect::<Result<Vec<_>, _>>()?;
        for call in run(calls)? {
            live.insert(call.key, call.heard);
        }
    }
    Ok(live)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Call {
    key: (&'static str, String),
    /// Where the speaking party is, and where the listening one.
    speaks: UdpSocket,
    listens: UdpSocket,
    payload_type: PayloadType,
    /// RTP ticks of what is heard, in 20 ms.
    units: u32,
    /// The latest first.
    packets: Vec<Heard>,
    /// Between rtpengine and the listener.
    downlink: Option<Network>,
    heard: Vec<Heard>,
}

impl Call {
    fn place(
        control: &mut Control,
        seed: u64,
        speech: &Speech,
        path: Path,
        row: &Row,
    ) -> Result<Self, Failure> {
        let mut network = Network::new(seed, row.impairment);
        let (mut packets, downlink) = match path {
            Path::UserToAgent | Path::AgentToUser => (arriving(path, speech, &mut network), None),
            Path::Downlink => (sent(path, speech), Some(network)),
        };
        packets.reverse();
        let key = (path.directory(), row.name.clone());
        let (user, agent) = (socket()?, socket()?);
        let call = format!("{}-{}", key.0, key.1);
        let offered = control.description(&offer(&call, user.local_addr()?))?;
        let offered = Described::read(&offered)?;
        let answered = control.description(&answer(&call, agent.local_addr()?))?;
        let answered = Described::read(&answered)?;
        agent.connect(offered.rtp().ok_or("no media address")?)?;
        user.connect(answered.rtp().ok_or("no media address")?)?;
        let (speaks, listens, payload_type, units) = match path {
            Path::UserToAgent => (user, agent, PayloadType(111), 160),
            Path::AgentToUser | Path::Downlink => (agent, user, PayloadType(0), 960),
        };
        Ok(Self {
            key,
            speaks,
            listens,
            payload_type,
            units,
            packets,
            downlink,
            heard: Vec::new(),
        })
    }

    fn speak(&mut self, now: Duration) -> Result<(), Failure> {
        while let Some(packet) = self.packets.pop_if(|packet| packet.at <= now) {
            let header = Header {
                payload_type: self.payload_type,
                ..packet.header
            };
            self.speaks
                .send(&[&header.to_bytes()[..], &packet.payload].concat())?;
        }
        Ok(())
    }

    fn listen(&mut self, now: Duration) {
        let mut buffer = [0; 2_048];
        while let Ok(length) = self.listens.recv(&mut buffer) {
            let datagram = &mut buffer[..length];
            if Kind::of(datagram) != Kind::Rtp {
                continue;
            }
            if let Ok(packet) = Packet::parse(datagram) {
                let header = Header {
                    timestamp: RtpTime(u32::from(packet.header.sequence.0) * self.units),
                    ..packet.header
                };
                self.heard.push(Heard {
                    at: now,
                    header,
                    payload: packet.payload.to_vec(),
                });
            }
        }
        // What came to the speaking party is of no interest.
        while self.speaks.recv(&mut buffer).is_ok() {}
    }
}

/// Plays all calls to their end.
fn run(mut calls: Vec<Call>) -> Result<Vec<Call>, Failure> {
    let last = calls.iter().filter_map(|call| call.packets.first());
    let end = last.map(|packet| packet.at).max().unwrap_or_default() + REST;
    let start = Instant::now();
    while start.elapsed() < end {
        std::thread::sleep(Duration::from_micros(500));
        for call in &mut calls {
            call.listen(start.elapsed());
            call.speak(start.elapsed())?;
        }
    }
    for call in &mut calls {
        if let Some(network) = &mut call.downlink {
            call.heard = over(std::mem::take(&mut call.heard), network);
        }
    }
    Ok(calls)
}

fn socket() -> Result<UdpSocket, Failure> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn offer(call: &str, user: SocketAddr) -> Vec<(&'static str, Vec<u8>)> {
    let codec = dictionary(&[("mask", list(&["all"])), ("transcode", list(&["PCMU"]))]);
    vec![
        ("ICE", text("remove")),
        ("call-id", text(call)),
        ("codec", codec),
        ("command", text("offer")),
        ("flags", list(&["trust-address"])),
        ("from-tag", text("user")),
        ("sdp", text(&description(user, 111, "opus/48000/2"))),
        ("transport-protocol", text("RTP/AVP")),
    ]
}

fn answer(call: &str, agent: SocketAddr) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("call-id", text(call)),
        ("command", text("answer")),
        ("flags", list(&["trust-address"])),
        ("from-tag", text("user")),
        ("sdp", text(&description(agent, 0, "PCMU/8000"))),
        ("to-tag", text("agent")),
    ]
}

fn description(local: SocketAddr, number: u8, rtpmap: &str) -> String {
    let (ip, port) = (local.ip(), local.port());
    let fmtp = match number {
        111 => "a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;useinbandfec=1\r\n",
        _ => "",
    };
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {number}\r\n\
         a=rtpmap:{number} {rtpmap}\r\n{fmtp}a=ptime:20\r\na=sendrecv\r\n"
    )
}
