//! A datagram of media: RTP for the other side, RTCP about what that was sent.

use std::net::SocketAddr;
use std::time::Instant;

use crate::media::bridge::ingress::Standing;
use crate::media::bridge::lane::push;
use crate::media::bridge::{Bridge, Channel, Event};
use crate::media::reorder::Ordered;
use crate::side::Side;

impl Bridge {
    pub(super) fn handle_rtp(
        &mut self,
        now: Instant,
        side: Side,
        from: SocketAddr,
        datagram: &mut [u8],
    ) {
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

    pub(super) fn handle_rtcp(
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
}
