//! rtpengine (Debian's package, in the lab's root) under the same load: what a media proxy beside a SIP server would
//! cost. It has no signalling, so its calls are made by its control protocol.

use std::path::Path;
use std::time::{Duration, Instant};

use wabridge::entropy::Entropy;
use wabridge::sdp::PayloadType;
use wabridge::side::Side;
use wabridge::sim::media::Codec;
use wabridge::sim::media::crypto::{Key, Suite};
use wabridge::sim::sdp::Described;

use crate::engine::Door;
use crate::lab::{self, Control, dictionary, list, text};
use crate::process::Process;
use crate::speech::{Speech, Words};
use crate::stream::{Came, Recording, Sent, Stream};
use crate::{Arguments, Failure, Load, callers, pbx};

pub struct Rtpengine {
    process: Process,
    control: Control,
}

impl Rtpengine {
    pub fn start(arguments: &Arguments, root: &Path, log: &Path) -> Result<Self, Failure> {
        let first_port = arguments.first_port;
        let last_port = usize::from(first_port) + 8 * arguments.calls + 100;
        let (mut command, door) = lab::command(root, first_port, u16::try_from(last_port)?)?;
        let process = Process::start(arguments.core, &mut command, log.to_owned())?;
        let control = Control::connect(door).map_err(|error| process.explain(error))?;
        Ok(Self { process, control })
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
        let offered = self.control.description(&[
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
        let answered = self.control.description(&[
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
            pauses: false,
            ..agent
        };
        agent
            .socket
            .connect(offered.rtp().ok_or("no media address")?)?;
        Ok([user, agent])
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
        pauses: false,
        sent: Sent::default(),
        came: Came::default(),
        recording: recorded.then(Recording::default),
    })
}
