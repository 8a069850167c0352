//! RTCP of one side: when our reports leave (RFC 3550 §6.2) and what the peer's say about us.

use std::time::{Duration, Instant};

use crate::entropy::Entropy;
use crate::media::bridge::egress::{Egress, clock_rate};
use crate::media::bridge::ingress::Ingress;
use crate::media::outbox::Outbox;
use crate::media::rtcp::{self, Compound, Packet, ReportBlock, SenderInfo, WallClock};

pub struct Reporting {
    cname: String,
    next: Option<Instant>,
    /// Packets we had sent at the last report: none since means RR instead of SR (RFC 3550 §6.4).
    reported: u64,
    remote: Remote,
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
        }
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

    /// Sends a report if one is due.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        clock: &WallClock,
        entropy: &mut Entropy,
        ingress: &mut Ingress,
        egress: &mut Egress,
        outbox: &mut Outbox,
    ) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.next = Some(now + rtcp::interval(false, entropy));
        let Some((channel, to)) = ingress.rtcp_target() else {
            return;
        };
        let compound = Compound {
            ssrc: egress.sender().ssrc(),
            sender: self.sender_info(now, clock, egress),
            block: ingress.reception().report(now),
            cname: &self.cname,
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
