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

mod arrivals;
mod bands;
mod codecs;
mod direction;
mod door;
mod egress;
mod extended;
mod figures;
mod in_band;
mod ingress;
mod lane;
mod life;
mod listening;
pub mod no_audio;
mod not_connected;
mod pcm;
mod protection;
mod report;
mod reporting;
mod setup;
mod spec;
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
use crate::media::rtcp::WallClock;
use crate::media::rtp::Kind;
use crate::media::transport::Transport;
use crate::sdp::{Agreement, Codec, OpusLimits};
use crate::side::{Pair, Side};

pub use crate::media::opus::Relief;
use codecs::Plan;
use direction::{Direction, Out};
pub use door::{Channel, Command, Event, Transmit};
use egress::Egress;
pub use extended::HeardByPeer;
use ingress::Ingress;
use lane::{EVENTS, Lane};
use no_audio::Watch;
pub use not_connected::NotConnected;
pub use report::{Rejected, Report, StreamReport};
use reporting::Reporting;
pub use spec::{BridgeSpec, Digits, Dtx, Habits, StreamSpec};

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
