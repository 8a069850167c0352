//! RTCP of one side: when our reports leave (RFC 3550 §6.2) and what the peer's say about us. Extended reports go beside
//! them and have no clock of their own.

use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::media::bridge::Bridge;
use crate::media::bridge::egress::{Egress, clock_rate};
use crate::media::bridge::extended::{ExtendedReporting, HeardByPeer, Occasion, Playout};
use crate::media::bridge::ingress::Ingress;
use crate::media::outbox::Outbox;
use crate::media::rtcp::{self, Compound, Concealment, Packet, ReportBlock, SenderInfo, WallClock};
use crate::sdp::{Codec, ExtendedReports};
use crate::side::Side;

pub struct Reporting {
    cname: String,
    next: Option<Instant>,
    /// Packets we had sent at the last report: none since means RR instead of SR (RFC 3550 §6.4).
    reported: u64,
    remote: Remote,
    extended: ExtendedReporting,
}

/// What the peer tells about our packets.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Remote {
    reports: u32,
    /// Sum over the reports.
    loss: f32,
    latest_loss: Option<f32>,
    jitter: Option<Duration>,
    round_trip: Option<Duration>,
}

impl Remote {
    /// Mean over all reports.
    pub fn loss(&self) -> Option<f32> {
        (self.reports > 0).then(|| self.loss / self.reports as f32)
    }

    pub fn reports(&self) -> u32 {
        self.reports
    }

    pub fn latest_loss(&self) -> Option<f32> {
        self.latest_loss
    }

    pub fn jitter(&self) -> Option<Duration> {
        self.jitter
    }

    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

impl Reporting {
    pub fn new(cname: String) -> Self {
        Self {
            cname,
            next: None,
            reported: 0,
            remote: Remote::default(),
            extended: ExtendedReporting::default(),
        }
    }

    pub fn agree(&mut self, extended: ExtendedReports) {
        self.extended.agree(extended);
    }

    pub fn start(&mut self, now: Instant, entropy: &mut Entropy) {
        self.next
            .get_or_insert_with(|| now + rtcp::interval(true, entropy));
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.next
    }

    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    pub fn heard(&self) -> Option<HeardByPeer> {
        self.extended.heard()
    }

    /// Whether a report is due; then the next one is due an interval later.
    fn take_due(&mut self, now: Instant, entropy: &mut Entropy) -> bool {
        let is_due = self.next.is_some_and(|next| next <= now);
        if is_due {
            self.next = Some(now + rtcp::interval(false, entropy));
        }
        is_due
    }

    fn send(
        &mut self,
        now: Instant,
        clock: &WallClock,
        playout: &Playout,
        ingress: &mut Ingress,
        egress: &mut Egress,
        outbox: &mut Outbox,
    ) {
        let Some((channel, to)) = ingress.rtcp_target() else {
            return;
        };
        let sender = self.sender_info(now, clock, egress);
        let occasion = Occasion {
            now,
            ntp: clock.ntp(now),
            sends: sender.is_some(),
            round_trip: self.remote.round_trip,
            patience: ingress.waits_at_most(now),
        };
        let reception = ingress.reception();
        let compound = Compound {
            ssrc: egress.sender().ssrc(),
            sender,
            block: reception.report(now),
            cname: &self.cname,
            extended: self.extended.blocks(&occasion, playout, reception),
            bye: false,
        };
        egress.send_rtcp(outbox, channel, to, |buffer| compound.write(buffer));
        self.reported = egress.sender().packets();
    }

    /// Reads the peer's compound packet. A BYE ends nothing: signalling does that (dossier 3.3).
    pub fn handle_packets(
        &mut self,
        now: Instant,
        clock: &WallClock,
        datagram: &[u8],
        ingress: &mut Ingress,
        egress: &Egress,
    ) {
        for packet in rtcp::Packets::of(datagram) {
            match packet {
                Ok(Packet::SenderReport { ssrc, info, blocks }) => {
                    ingress.reception().handle_sender_report(now, ssrc, &info);
                    self.handle_blocks(now, clock, blocks, egress);
                }
                Ok(Packet::ReceiverReport { blocks, .. }) => {
                    self.handle_blocks(now, clock, blocks, egress);
                }
                Ok(Packet::Extended { ssrc, blocks }) => {
                    let ours = egress.sender().ssrc();
                    let ntp = clock.ntp(now);
                    let told = self.extended.handle_blocks(now, ntp, ssrc, blocks, ours);
                    self.remote.round_trip = told.or(self.remote.round_trip);
                }
                Ok(Packet::Description { .. } | Packet::Goodbye { .. } | Packet::Other { .. }) => {}
                Err(rtcp::Malformed) => ingress.rejected().not_rtp += 1,
            }
        }
    }

    fn handle_blocks(
        &mut self,
        now: Instant,
        clock: &WallClock,
        blocks: impl Iterator<Item = ReportBlock>,
        egress: &Egress,
    ) {
        let ours = egress.sender().ssrc();
        for block in blocks.filter(|block| block.ssrc == ours) {
            self.remote.reports += 1;
            self.remote.loss += block.loss_fraction();
            self.remote.latest_loss = Some(block.loss_fraction());
            self.remote.round_trip = block.round_trip(clock.ntp(now)).or(self.remote.round_trip);
            let rate = egress.codec().map_or(8_000, clock_rate);
            let micros = u64::from(block.jitter) * 1_000_000 / u64::from(rate);
            self.remote.jitter = Some(Duration::from_micros(micros));
        }
    }

    fn sender_info(&self, now: Instant, clock: &WallClock, egress: &Egress) -> Option<SenderInfo> {
        let sender = egress.sender();
        if sender.packets() == self.reported {
            return None;
        }
        Some(SenderInfo {
            ntp: clock.ntp(now),
            timestamp: sender.timestamp_at(now)?,
            packets: sender.packets() as u32,
            octets: sender.octets() as u32,
        })
    }
}

impl Bridge {
    /// To a side, if it is due.
    pub(super) fn send_report(&mut self, now: Instant, side: Side) {
        if !self.streams[side]
            .reporting
            .take_due(now, &mut self.entropy)
        {
            return;
        }
        let playout = self.playout(side);
        let stream = &mut self.streams[side];
        stream.reporting.send(
            now,
            &self.clock,
            &playout,
            &mut stream.ingress,
            &mut stream.egress,
            &mut self.outbox,
        );
    }

    /// Of what comes from a side.
    fn playout(&self, side: Side) -> Playout {
        let direction = &self.directions[side];
        let to = &self.streams[!side].egress;
        let codec = self.streams[side].egress.codec();
        let passes = codec == Some(Codec::Opus) && to.codec() == codec;
        let (speech, room) = direction.levels();
        Playout {
            codec,
            recovered: direction.made_up().recovered,
            concealment: match passes {
                true => Concealment::Unspecified,
                false => Concealment::Enhanced,
            },
            margin: to.margin(),
            most: to.most_margin() + Ingress::MOST_PATIENCE,
            speech,
            room,
        }
    }
}
