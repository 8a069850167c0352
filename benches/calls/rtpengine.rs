//! rtpengine (Debian's package, in the lab's root) under the same load: what a media proxy beside a SIP server would
//! cost. It has no signalling, so its calls are made by its control protocol ("ng", bencode over UDP).

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use wabridge::entropy::Entropy;
use wabridge::sdp::PayloadType;
use wabridge::side::Side;
use wabridge::sim::media::Codec;
use wabridge::sim::media::crypto::{Key, Suite};
use wabridge::sim::sdp::Described;

use crate::engine::Door;
use crate::process::Process;
use crate::speech::{Speech, Words};
use crate::stream::{Came, Recording, Sent, Stream};
use crate::{Arguments, Failure, Load, callers, pbx};

const PATIENCE: Duration = Duration::from_secs(5);

pub struct Rtpengine {
    process: Process,
    control: UdpSocket,
    cookie: u32,
}

impl Rtpengine {
    /// User space alone, one thread, like the bridge's one worker.
    pub fn start(arguments: &Arguments, root: &Path, log: &Path) -> Result<Self, Failure> {
        let control = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let door = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let first_port = arguments.first_port;
        let last_port = usize::from(first_port) + 8 * arguments.calls + 100;
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
        let process = Process::start(arguments.core, &mut command, log.to_owned())?;
        control.connect(door)?;
        control.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut this = Self {
            process,
            control,
            cookie: 0,
        };
        let deadline = Instant::now() + PATIENCE;
        while this.ask(&[("command", text("ping"))]).is_err() {
            if Instant::now() > deadline {
                return Err(this.process.explain("rtpengine does not answer".into()));
            }
        }
        this.control.set_read_timeout(Some(PATIENCE))?;
        Ok(this)
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Both streams of each call, as the bridge's callers and PBX would have them.
    pub fn place_all(
        &mut self,
        arguments: &Arguments,
        words: &Words,
        door: &Door,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        for index in 0..arguments.calls {
            let due = began + Duration::from_secs(1) * index as u32 / arguments.rate.max(1);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let recorded = index < arguments.heard;
            for stream in self.place(index, recorded, arguments.load, words)? {
                door.add(stream);
            }
        }
        Ok(())
    }

    pub fn stop(self) {
        // Its way of ending is not ours to judge.
        let _ = self.process.stop();
    }

    fn place(
        &mut self,
        index: usize,
        recorded: bool,
        load: Load,
        words: &Words,
    ) -> Result<[Stream; 2], Failure> {
        let mut seed = [9; 32];
        seed[..8].copy_from_slice(&index.to_be_bytes());
        let key = Key::random(Suite::Cm128Sha80, &mut Entropy::from_seed(seed));
        let user = stream(index, Side::A, recorded, &words.user)?;
        let agent = stream(index, Side::B, recorded, &words.agent)?;
        let ssrc = 0xa000_0000 + index as u32;

        let offer = callers::description(user.socket.local_addr()?, &key, ssrc);
        let call = format!("call-{index}");
        let codec = match load {
            Load::Transcode => {
                dictionary(&[("mask", list(&["all"])), ("transcode", list(&["PCMU"]))])
            }
            Load::Relay => dictionary(&[("except", list(&["opus"])), ("strip", list(&["all"]))]),
        };
        let offered = self.description(&[
            ("ICE", text("remove")),
            ("call-id", text(&call)),
            ("codec", codec),
            ("command", text("offer")),
            ("flags", list(&["trust-address"])),
            ("from-tag", text("user")),
            ("rtcp-mux", list(&["demux"])),
            ("sdp", text(&offer)),
            ("transport-protocol", text("RTP/AVP")),
        ])?;
        let offered = Described::read(&offered)?;
        let (number, _) = *offered
            .codecs()
            .iter()
            .find(|(_, codec)| *codec == agent.speech.codec)
            .ok_or("rtpengine does not offer the PBX's codec")?;
        let local = agent.socket.local_addr()?;
        let answer = pbx::description(local, PayloadType(number), agent.speech.codec);
        let answered = self.description(&[
            ("call-id", text(&call)),
            ("command", text("answer")),
            ("flags", list(&["trust-address"])),
            ("from-tag", text("user")),
            ("sdp", text(&answer)),
            ("to-tag", text("agent")),
        ])?;
        let user = callers::secured(user, &key, &answered)?;
        let agent = Stream {
            payload_type: PayloadType(number),
            ..agent
        };
        agent
            .socket
            .connect(offered.rtp().ok_or("no media address")?)?;
        Ok([user, agent])
    }

    fn description(&mut self, request: &[(&str, Vec<u8>)]) -> Result<String, Failure> {
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
        self.control.send(&datagram)?;
        let mut buffer = vec![0; 65_536];
        loop {
            let length = self.control.recv(&mut buffer)?;
            if let Some(reply) = buffer[..length].strip_prefix(cookie.as_bytes()) {
                return Ok(reply.to_vec());
            }
        }
    }
}

fn stream(call: usize, side: Side, recorded: bool, speech: &Speech) -> Result<Stream, Failure> {
    debug_assert!(speech.codec != Codec::Pcma);
    Ok(Stream {
        call,
        side,
        socket: callers::unconnected()?,
        speech: speech.clone(),
        protection: None,
        link: None,
        payload_type: PayloadType(0),
        sent: Sent::default(),
        came: Came::default(),
        recording: recorded.then(Recording::default),
    })
}

fn text(value: &str) -> Vec<u8> {
    [format!("{}:", value.len()).as_bytes(), value.as_bytes()].concat()
}

fn list(values: &[&str]) -> Vec<u8> {
    let values: Vec<Vec<u8>> = values.iter().map(|value| text(value)).collect();
    [b"l".as_slice(), &values.concat(), b"e"].concat()
}

/// Keys must be in order.
fn dictionary(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
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
