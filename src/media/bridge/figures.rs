//! The figures of a call so far.

use std::time::Instant;

use crate::media::bridge::{Bridge, Report, StreamReport};
use crate::side::{Pair, Side};

impl Bridge {
    pub fn report(&self, now: Instant) -> Report {
        let report = |side| self.stream_report(now, side);
        Report {
            sides: Pair::new(report(Side::A), report(Side::B)),
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
