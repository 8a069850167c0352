//! One call on a worker: its bridge and its four sockets.
//!
//! The sockets stay unconnected. Connecting them to the latched peer would save about a seventh of the kernel's time per
//! packet, but then the kernel drops what comes from elsewhere: a peer that moves would never be heard again, and
//! injected packets would not be counted. Next to transcoding the saving is 1 %.

use std::io;
use std::net::UdpSocket;
use std::time::Instant;

use crate::media::bridge::{Bridge, Channel, Command, Event, Relief, Report};
use crate::net::ports::{BoundPair, in_own_family};
use crate::side::{Pair, Side};

use super::poller::Poller;

pub struct Carried {
    bridge: Bridge,
    sockets: Pair<BoundPair>,
}

/// Which socket of which slot, as one number for epoll.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketName {
    pub slot: usize,
    pub side: Side,
    pub channel: Channel,
}

impl SocketName {
    pub fn number(self) -> u64 {
        let side = match self.side {
            Side::A => 0,
            Side::B => 2,
        };
        let channel = match self.channel {
            Channel::Rtp => 0,
            Channel::Rtcp => 1,
        };
        (self.slot as u64) << 2 | side | channel
    }

    pub fn from_number(number: u64) -> Self {
        Self {
            slot: (number >> 2) as usize,
            side: if number & 2 == 0 { Side::A } else { Side::B },
            channel: if number & 1 == 0 {
                Channel::Rtp
            } else {
                Channel::Rtcp
            },
        }
    }
}

impl Carried {
    pub fn new(bridge: Bridge, sockets: Pair<BoundPair>) -> Self {
        Self { bridge, sockets }
    }

    pub fn register(&self, poller: &Poller, slot: usize) -> io::Result<()> {
        for side in Side::BOTH {
            for channel in [Channel::Rtp, Channel::Rtcp] {
                let name = SocketName {
                    slot,
                    side,
                    channel,
                };
                poller.add(self.socket(side, channel), name.number())?;
            }
        }
        Ok(())
    }

    /// Takes one datagram; what else waits is told again by epoll, after the other calls had their turn.
    pub fn receive(&mut self, side: Side, channel: Channel, buffer: &mut [u8]) {
        let Ok((len, from)) = self.socket(side, channel).recv_from(buffer) else {
            // Nothing there after all, or an ICMP error of a packet sent before.
            return;
        };
        let now = Instant::now();
        if let Some(datagram) = buffer.get_mut(..len) {
            self.bridge
                .handle_datagram(now, side, channel, in_own_family(from), datagram);
        }
        self.transmit();
    }

    pub fn handle_command(&mut self, now: Instant, command: Command) {
        self.bridge.handle_command(now, command);
        self.transmit();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.bridge.handle_timeout(now);
        self.transmit();
    }

    pub fn relieve(&mut self, relief: Relief) {
        self.bridge.relieve(relief);
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.bridge.poll_event()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        self.bridge.poll_timeout()
    }

    pub fn report(&self, now: Instant) -> Report {
        self.bridge.report(now)
    }

    fn socket(&self, side: Side, channel: Channel) -> &UdpSocket {
        let pair = &self.sockets[side];
        match channel {
            Channel::Rtp => &pair.rtp,
            Channel::Rtcp => &pair.rtcp,
        }
    }

    fn transmit(&mut self) {
        while let Some(transmit) = self.bridge.poll_transmit() {
            let pair = &self.sockets[transmit.side];
            let socket = match transmit.channel {
                Channel::Rtp => &pair.rtp,
                Channel::Rtcp => &pair.rtcp,
            };
            if let Err(error) = socket.send_to(transmit.bytes, transmit.to) {
                tracing::trace!(to = %transmit.to, %error, "media packet not sent");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_one_number_each() {
        let mut numbers = Vec::new();
        for slot in [0, 1, 77_777] {
            for side in Side::BOTH {
                for channel in [Channel::Rtp, Channel::Rtcp] {
                    let name = SocketName {
                        slot,
                        side,
                        channel,
                    };
                    assert_eq!(SocketName::from_number(name.number()), name);
                    numbers.push(name.number());
                }
            }
        }
        numbers.dedup();
        assert_eq!(numbers.len(), 12);
    }
}
