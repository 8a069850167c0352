//! Two streams joined: what arrives from one side leaves, re-made, to the other.
//!
//! Each direction is re-originated: our own SSRC, sequence and timestamps, one of each for the whole call, whatever the
//! far side does.
//!
//! ```text
//!  datagram ─► ingress: source · SRTP · RTP · reorder ─► direction: decode · repair · encode ─► egress: slot · header · SRTP
//! ```
//!
//! What a call needs is made by `Bridge::new` and `Command::Agree`; a packet allocates nothing.

mod bands;
mod codecs;
mod direction;
mod egress;
mod extended;
mod in_band;
mod ingress;
mod lane;
mod life;
pub mod no_audio;
mod not_connected;
mod pcm;
mod protection;
mod report;
mod reporting;
mod setup;
mod timeline;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::media::dtls::Identity;
use crate::media::gain::{Decibels, Levels};
use crate::media::outbox::Outbox;
use crate::media::rate::Rate;
use crate::media::reorder::Ordered;
use crate::media::rtcp::WallClock;
use crate::media::rtp::Kind;
use crate::media::transport::Transport;
use crate::sdp::{Agreement, Codec, OpusLimits, Ssrc};
use crate::side::{Pair, Side};

pub use crate::media::opus::Relief;
use codecs::Plan;
use direction::{Direction, Out};
use egress::Egress;
pub use extended::HeardByPeer;
use ingress::{Ingress, Standing};
use lane::{EVENTS, Lane, push};
use no_audio::{News, NoAudio, Sight, Watch, Way};
pub use not_connected::NotConnected;
pub use report::{Rejected, Report, StreamReport};
use reporting::Reporting;

/// Which of a leg's two sockets. With rtcp-mux everything is on `Rtp`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Channel {
    Rtp,
    Rtcp,
}

/// What does not change during a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamSpec {
    /// Ours, for everything we send on this side.
    pub ssrc: Ssrc,
    pub cname: String,
    pub habits: Habits,
}

/// The profile's media switches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Habits {
    /// Packets flow from us without a gap, from `Command::Start` to the end: silence while the other side gives nothing
    /// (dossier 3.3: 20 s and 30 s rules). Also makes our packet the first one.
    pub keep_fed: bool,
    /// Send to where valid packets come from, once, instead of the address in the SDP (RFC 4961 symmetric peers behind NAT).
    pub latch: bool,
    /// Nothing valid received for so long: `Event::Starved`. Zero: never.
    pub media_timeout: Duration,
    /// Upper limit of the Opus bitrate, bit/s (WhatsApp: 20000), also when the peer allows more.
    pub opus_bitrate: u32,
    /// libopus complexity 0-10 for frames towards this side.
    pub opus_complexity: u8,
    /// In-band FEC in what we send.
    pub opus_fec: bool,
    /// Of what the other side says after its `Command::Start`, but before packets may leave to this one, the last so much
    /// is kept (at most a second) and then played faster than it was said, until it is caught up. Zero: it is dropped.
    /// Opus that is passed through is never kept.
    pub early_audio: Duration,
    /// What is decoded is made so much louder: what this side says, and what it hears. Opus that is passed through stays as
    /// it is.
    pub gain_from: Decibels,
    pub gain_to: Decibels,
    /// Whether a quiet room is told of only now and then (RFC 6716 §2.1.9).
    pub opus_dtx: Dtx,
    /// How digits come from this side.
    pub digits: Digits,
}

/// Discontinuous transmission: packets pause while nobody speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dtx {
    Never,
    /// When the peer's description says `usedtx=1` (RFC 7587 §6.1).
    IfAsked,
    Always,
}

/// How a peer sends digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Digits {
    /// As events (RFC 4733), or by signalling.
    #[default]
    Events,
    /// As tones in its sound as well: they are found where it is decoded, and sent on as events in their place.
    InBand,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BridgeSpec {
    pub streams: Pair<StreamSpec>,
}

impl BridgeSpec {
    /// Of each side's habits.
    pub fn levels(&self) -> Pair<Levels> {
        let levels = |stream: &StreamSpec| Levels {
            from: stream.habits.gain_from,
            to: stream.habits.gain_to,
        };
        Pair::new(levels(&self.streams.a), levels(&self.streams.b))
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// A side's offer/answer is settled, or settled anew (hold, codec change, new address).
    Agree {
        side: Side,
        agreement: Box<Agreement>,
    },
    /// Packets may leave to this side from now on: checks of ICE first where it is agreed, then media.
    Start { side: Side },
    /// The side has our description for certain, so that a ClientHello of ours is not lost (dossier 3.2): it may leave,
    /// and checks of ICE. Media waits for `Start`, which may come before or after this.
    Confirm { side: Side },
    /// Another is on this side, who is made louder or softer in a way of its own.
    Level { side: Side, levels: Levels },
    /// Play a digit toward this side (RFC 4733): `0-9*#A-D`.
    Dtmf {
        side: Side,
        digit: u8,
        duration: Duration,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The first valid packet from this side.
    FirstMedia { side: Side },
    /// ICE found the way to this side, so long after the first of `Command::Start` and `Command::Confirm`.
    IceConnected { side: Side, after: Duration },
    /// DTLS made this side's keys, so long after the same moment.
    DtlsConnected { side: Side, after: Duration },
    /// Packets cannot pass between us and this side any more. Told once.
    NotConnected { side: Side, cause: NotConnected },
    /// `Habits::media_timeout` passed without a valid packet.
    Starved { side: Side, silent_for: Duration },
    /// There is no audio from this side, or to it, and why; each cause is told once.
    NoAudio {
        side: Side,
        way: Way,
        cause: NoAudio,
        lasting: Duration,
    },
    /// What was told is over.
    AudioAgain {
        side: Side,
        way: Way,
        after: Duration,
    },
    /// A digit ended; it came from this side by RFC 4733. Already played to the other side if that side takes it.
    Dtmf {
        side: Side,
        digit: u8,
        duration: Duration,
    },
}

/// One datagram to be sent now.
#[derive(Debug)]
pub struct Transmit<'a> {
    pub side: Side,
    pub channel: Channel,
    pub to: SocketAddr,
    pub bytes: &'a [u8],
}

pub struct Bridge {
    streams: Pair<Stream>,
    /// By the side that it comes from.
    directions: Pair<Direction>,
    outbox: Outbox,
    events: VecDeque<Event>,
    entropy: Entropy,
    /// Of the process, in DTLS.
    identity: Option<Arc<Identity>>,
    /// Counts from the call's beginning, which RFC 3550 §4 leaves to the sender; only differences are used.
    clock: WallClock,
}

/// One side.
struct Stream {
    habits: Habits,
    ingress: Ingress,
    egress: Egress,
    /// Of a side whose keys come from DTLS.
    transport: Option<Box<Transport>>,
    reporting: Reporting,
    watch: Watch,
    /// Of the last agreement, for making codecs.
    receive: Vec<Codec>,
    limits: OpusLimits,
}

impl Bridge {
    pub fn new(now: Instant, spec: BridgeSpec, mut entropy: Entropy) -> Self {
        let Pair { a, b } = spec.streams;
        let a_to_b = Direction::new(level(&a.habits, &b.habits), a.habits.digits);
        let b_to_a = Direction::new(level(&b.habits, &a.habits), b.habits.digits);
        let streams = Pair {
            a: Stream::new(Side::A, a, &mut entropy),
            b: Stream::new(Side::B, b, &mut entropy),
        };
        Self {
            streams,
            directions: Pair::new(a_to_b, b_to_a),
            outbox: Outbox::new(),
            events: VecDeque::with_capacity(EVENTS),
            entropy,
            identity: None,
            clock: WallClock {
                at: now,
                since_unix_epoch: Duration::ZERO,
            },
        }
    }

    pub fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Agree { side, agreement } => self.agree(now, side, &agreement),
            Command::Start { side } => self.start(now, side),
            Command::Confirm { side } => self.start_transport(now, side),
            Command::Level { side, levels } => self.level(side, levels),
            Command::Dtmf {
                side,
                digit,
                duration,
            } => self.streams[side].egress.play(now, digit, duration),
        }
        self.run_slots(now);
    }

    /// `datagram` is decrypted in place.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        side: Side,
        channel: Channel,
        from: SocketAddr,
        datagram: &mut [u8],
    ) {
        match (Kind::of(datagram), channel) {
            (Kind::Rtp | Kind::Rtcp, _) if !self.streams[side].takes_from(from) => {
                self.streams[side].ingress.rejected().wrong_source += 1;
            }
            (Kind::Rtp, Channel::Rtp) => self.handle_rtp(now, side, from, datagram),
            (Kind::Rtcp, _) => self.handle_rtcp(now, side, channel, from, datagram),
            (kind @ (Kind::Stun | Kind::Dtls), Channel::Rtp) => {
                self.handle_setup(now, side, kind, from, datagram);
            }
            (Kind::Rtp | Kind::Stun | Kind::Dtls, Channel::Rtcp) | (Kind::Unknown, _) => {
                self.streams[side].ingress.rejected().not_rtp += 1;
            }
        }
        self.run_slots(now);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for side in Side::BOTH {
            self.handle_transport_timeout(now, side);
            self.lane(side).handle_timeout(now);
            self.send_report(now, side);
            self.listen_for_audio(now, side);
        }
        self.run_slots(now);
    }

    /// From now on frames are encoded with less effort, or with all of it again.
    pub fn relieve(&mut self, relief: Relief) {
        for from in Side::BOTH {
            self.directions[from].relieve(relief);
        }
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit<'_>> {
        self.outbox.pop()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        Side::BOTH
            .into_iter()
            .flat_map(|side| {
                let stream = &self.streams[side];
                [
                    stream.ingress.deadline(),
                    stream.egress.deadline(self.directions[!side].is_waiting()),
                    stream.reporting.deadline(),
                    stream.watch.deadline(),
                    stream.transport.as_ref().and_then(|t| t.poll_timeout()),
                    self.directions[side].deadline(),
                ]
            })
            .flatten()
            .min()
    }

    pub fn report(&self, now: Instant) -> Report {
        let report = |side| self.stream_report(now, side);
        Report {
            sides: Pair::new(report(Side::A), report(Side::B)),
        }
    }

    fn agree(&mut self, now: Instant, side: Side, agreement: &Agreement) {
        let stream = &mut self.streams[side];
        let started = stream.egress.started().is_some();
        stream.ingress.agree(now, agreement, started);
        stream.egress.agree(now, agreement);
        self.agree_transport(now, side, agreement);
        let stream = &mut self.streams[side];
        stream.egress.set_target(now, stream.ingress.target());
        stream.limits = agreement.opus;
        stream.reporting.agree(agreement.extended_reports);
        stream.receive = agreement.receive.iter().map(|(_, codec)| *codec).collect();
        if started {
            stream.reporting.start(now, &mut self.entropy);
        }
        for from in Side::BOTH {
            self.plan(from);
        }
        if started {
            self.expect_audio(now, side);
        }
        self.run_transport(now, side);
    }

    fn level(&mut self, side: Side, levels: Levels) {
        let habits = &mut self.streams[side].habits;
        habits.gain_from = levels.from;
        habits.gain_to = levels.to;
        for from in Side::BOTH {
            let level = level(&self.streams[from].habits, &self.streams[!from].habits);
            self.directions[from].set_level(level);
        }
    }

    /// Makes the codecs of a direction once both sides are agreed.
    fn plan(&mut self, from: Side) {
        let to = &self.streams[!from];
        let Some(codec) = to.egress.codec() else {
            return;
        };
        let rate = match self.streams[from].egress.codec() {
            Some(other) => Rate::between(other, codec),
            None => Rate::Narrow,
        };
        let plan = Plan {
            rate,
            from: &self.streams[from].receive,
            to: codec,
            habits: &to.habits,
            limits: &to.limits,
        };
        if let Err(error) = self.directions[from].plan(&plan) {
            tracing::error!(%from, %error, "no sound in this direction");
        }
    }

    fn start(&mut self, now: Instant, side: Side) {
        let most = self.streams[!side].habits.early_audio;
        self.directions[side].keep_early(most);
        let stream = &mut self.streams[side];
        stream.egress.start(now);
        stream.ingress.expect(now);
        if stream.egress.codec().is_some() {
            stream.reporting.start(now, &mut self.entropy);
        }
        self.check_transport(now, side);
        self.expect_audio(now, side);
    }

    fn expect_audio(&mut self, now: Instant, side: Side) {
        let sight = self.sight(side);
        self.streams[side].watch.begin(now, &sight);
    }

    fn listen_for_audio(&mut self, now: Instant, side: Side) {
        if self.streams[side]
            .watch
            .deadline()
            .is_none_or(|at| at > now)
        {
            return;
        }
        let sight = self.sight(side);
        for (way, news) in self.streams[side].watch.handle_timeout(now, &sight) {
            match news {
                Some(News::Missing { cause, lasting }) => push(
                    &mut self.events,
                    Event::NoAudio {
                        side,
                        way,
                        cause,
                        lasting,
                    },
                ),
                Some(News::Again { after }) => {
                    push(&mut self.events, Event::AudioAgain { side, way, after });
                }
                None => {}
            }
        }
    }

    fn sight(&self, side: Side) -> Sight {
        let Stream {
            ingress,
            egress,
            reporting,
            ..
        } = &self.streams[side];
        let counts = ingress.counts();
        Sight {
            setup: self.streams[side].setup(),
            may_send: ingress.is_allowed(),
            may_receive: egress.is_allowed(),
            opens: ingress.opens(),
            protects: egress.protects(),
            has_target: egress.has_target(),
            came: self.directions[side].came(),
            rejected: counts.rejected,
            heard_ever: counts.first_heard.is_some(),
            reports: reporting.remote().reports(),
            reported_loss: reporting.remote().latest_loss(),
        }
    }

    fn handle_rtp(&mut self, now: Instant, side: Side, from: SocketAddr, datagram: &mut [u8]) {
        let ingress = &mut self.streams[side].ingress;
        let first = ingress.counts().first_heard.is_none();
        let Some(packet) = ingress.accept_rtp(now, from, datagram) else {
            return;
        };
        let target = ingress.target();
        let standing = ingress.place(now, &packet);
        let payload = ingress.payload(packet.header.payload_type);
        self.streams[side].egress.set_target(now, target);
        if first {
            push(&mut self.events, Event::FirstMedia { side });
        }
        let packet = Ordered {
            header: packet.header,
            payload: packet.payload,
            missing: 0,
        };
        let mut lane = self.lane(side);
        match standing {
            Standing::NotNow => {}
            Standing::Next => lane.handle_packet(now, payload, &packet),
            Standing::NewRun => {
                lane.begin_run(now);
                lane.handle_packet(now, payload, &packet);
            }
        }
        lane.drain(now);
    }

    fn handle_rtcp(
        &mut self,
        now: Instant,
        side: Side,
        channel: Channel,
        from: SocketAddr,
        datagram: &mut [u8],
    ) {
        let stream = &mut self.streams[side];
        let accepted = stream.ingress.accept_rtcp(now, channel, from, datagram);
        let Some(packets) = accepted.and_then(|len| datagram.get(..len)) else {
            return;
        };
        let reports = stream.reporting.remote().reports();
        stream.reporting.handle_packets(
            now,
            &self.clock,
            packets,
            &mut stream.ingress,
            &stream.egress,
        );
        let remote = stream.reporting.remote();
        if let Some(loss) = remote.latest_loss().filter(|_| remote.reports() > reports) {
            self.directions[!side].expect_loss(loss);
        }
    }

    /// Slots that are due, of both sides.
    fn run_slots(&mut self, now: Instant) {
        for from in Side::BOTH {
            self.lane(from).run_slots(now);
        }
    }

    fn lane(&mut self, from: Side) -> Lane<'_> {
        let Pair { a, b } = &mut self.streams;
        let (source, sink) = match from {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        Lane {
            from,
            ingress: &mut source.ingress,
            direction: &mut self.directions[from],
            out: Out {
                egress: &mut sink.egress,
                outbox: &mut self.outbox,
            },
            events: &mut self.events,
        }
    }

    fn stream_report(&self, now: Instant, side: Side) -> StreamReport {
        let stream = &self.streams[side];
        let direction = &self.directions[side];
        let (counts, totals) = (stream.ingress.counts(), stream.ingress.totals());
        let (sender, remote) = (stream.egress.sender(), stream.reporting.remote());
        let after_start = |at: Option<Instant>| {
            let started = stream.egress.started()?;
            Some(at?.saturating_duration_since(started))
        };
        let times = stream.transport.as_ref().map(|t| t.times());
        let times = times.unwrap_or_default();
        let [missing_from, missing_to] = stream.watch.sum(now, &self.sight(side));
        let mut report = StreamReport {
            packets_received: totals.received,
            bytes_received: counts.octets,
            packets_sent: sender.packets(),
            bytes_sent: sender.octets(),
            packets_lost: totals.lost,
            packets_late: counts.late,
            packets_duplicate: totals.duplicate,
            packets_reordered: totals.reordered,
            frames_recovered: direction.made_up().recovered,
            frames_concealed: direction.made_up().concealed,
            left_out: direction.left_out().duration(),
            frames_filled: stream.egress.frames_filled(),
            jitter_mean: totals.jitter_mean,
            jitter_max: totals.jitter_max,
            remote_loss_fraction: remote.loss(),
            remote_jitter: remote.jitter(),
            round_trip: remote.round_trip(),
            heard_by_peer: stream.reporting.heard(),
            mos_received: None,
            mos_sent: None,
            first_packet_after: after_start(counts.first_heard),
            first_audio_after: after_start(stream.egress.first_sound()),
            ice_after: times.found_after,
            dtls_after: times.secured_after,
            rejected: counts.rejected,
            dtmf_received: counts.digits,
            dtmf_sent: stream.egress.digits_sent(),
            missing_from,
            missing_to,
        };
        if let Some(codec) = stream.egress.codec() {
            report.rate(codec, &totals);
        }
        report
    }
}

/// What is said on one side and heard on the other.
fn level(from: &Habits, to: &Habits) -> Decibels {
    from.gain_from + to.gain_to
}

impl Stream {
    fn new(side: Side, spec: StreamSpec, entropy: &mut Entropy) -> Self {
        Self {
            ingress: Ingress::new(side, &spec.habits),
            egress: Egress::new(side, &spec, entropy),
            transport: None,
            reporting: Reporting::new(spec.cname),
            watch: Watch::default(),
            habits: spec.habits,
            receive: Vec::new(),
            limits: OpusLimits::default(),
        }
    }
}
