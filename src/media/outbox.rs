//! Datagrams waiting to be sent, in one buffer that is made once a call.

use std::collections::VecDeque;
use std::net::SocketAddr;

use crate::media::bridge::{Channel, Transmit};
use crate::side::Side;

/// Room for what one handled input can set off: a gap given up with three full packets behind it, and reports.
const BYTES: usize = 8 * 1024;
const DATAGRAMS: usize = 64;

/// Where a datagram goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Destination {
    pub side: Side,
    pub channel: Channel,
    pub to: SocketAddr,
}

pub struct Outbox {
    bytes: Box<[u8]>,
    used: usize,
    queue: VecDeque<(Destination, usize, usize)>,
}

impl Outbox {
    pub fn new() -> Self {
        Self {
            bytes: vec![0; BYTES].into_boxed_slice(),
            used: 0,
            queue: VecDeque::with_capacity(DATAGRAMS),
        }
    }

    /// Lets `write` make a datagram in place and say its length; `None` takes it back. Says whether one was queued:
    /// not when the box is full, which only a caller that does not empty it sees.
    pub fn push(
        &mut self,
        destination: Destination,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) -> bool {
        self.push_where(|room| Some((destination, write(room)?)))
    }

    /// The same, where only the writer knows whom it is for.
    pub fn push_where(
        &mut self,
        write: impl FnOnce(&mut [u8]) -> Option<(Destination, usize)>,
    ) -> bool {
        if self.queue.is_empty() {
            self.used = 0;
        }
        if self.queue.len() == DATAGRAMS {
            return false;
        }
        let room = self.bytes.get_mut(self.used..).unwrap_or_default();
        let limit = room.len();
        let Some((destination, len)) = write(room).filter(|(_, len)| *len <= limit) else {
            return false;
        };
        self.queue.push_back((destination, self.used, len));
        self.used += len;
        true
    }

    pub fn pop(&mut self) -> Option<Transmit<'_>> {
        let (destination, start, len) = self.queue.pop_front()?;
        Some(Transmit {
            side: destination.side,
            channel: destination.channel,
            to: destination.to,
            bytes: self.bytes.get(start..start + len)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination() -> Destination {
        Destination {
            side: Side::A,
            channel: Channel::Rtp,
            to: ([192, 0, 2, 1], 4000).into(),
        }
    }

    fn write(text: &[u8]) -> impl FnOnce(&mut [u8]) -> Option<usize> {
        |buffer| {
            buffer.get_mut(..text.len())?.copy_from_slice(text);
            Some(text.len())
        }
    }

    #[test]
    fn first_in_first_out() {
        let mut outbox = Outbox::new();
        assert!(outbox.push(destination(), write(b"one")));
        assert!(outbox.push(destination(), write(b"two")));
        assert_eq!(outbox.pop().unwrap().bytes, b"one");
        assert_eq!(outbox.pop().unwrap().bytes, b"two");
        assert!(outbox.pop().is_none());
    }

    #[test]
    fn bounded_and_usable_again_once_emptied() {
        let mut outbox = Outbox::new();
        let kilobyte = [7; 1000];
        let mut queued = 0;
        while outbox.push(destination(), write(&kilobyte)) {
            queued += 1;
        }
        assert_eq!(queued, BYTES / 1000);
        while outbox.pop().is_some() {}
        assert!(outbox.push(destination(), write(&kilobyte)));
    }

    #[test]
    fn what_is_not_written_is_not_sent() {
        let mut outbox = Outbox::new();
        assert!(!outbox.push(destination(), |_| None));
        assert!(outbox.pop().is_none());
    }
}
