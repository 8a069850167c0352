//! epoll, level-triggered, and the eventfd by which another thread wakes it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

/// Events taken from the kernel at once: under load many calls share one system call.
const BATCH: usize = 256;
const WAKE: u64 = u64::MAX;

pub struct Poller {
    epoll: OwnedFd,
    wake: Arc<OwnedFd>,
}

/// What one wait brought. Stays on the worker's thread.
pub struct Batch(Vec<epoll::Event>);

/// Wakes a poller from another thread.
#[derive(Clone)]
pub struct Waker(Arc<OwnedFd>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ready {
    Woken,
    /// A socket, by the number that it was added with.
    Socket(u64),
}

impl Poller {
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN)?;
        Ok(Self { epoll, wake })
    }

    pub fn waker(&self) -> Waker {
        Waker(self.wake.clone())
    }

    /// A closed socket leaves by itself.
    pub fn add(&self, socket: impl AsFd, number: u64) -> io::Result<()> {
        let data = EventData::new_u64(number);
        epoll::add(&self.epoll, socket, data, EventFlags::IN)?;
        Ok(())
    }

    /// Waits at most so long; `None`: until something happens.
    pub fn wait(&self, batch: &mut Batch, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        batch.0.clear();
        let buffer = rustix::buffer::spare_capacity(&mut batch.0);
        match epoll::wait(&self.epoll, buffer, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the wake-up, so that it does not come again.
    pub fn take_wake(&self) {
        // It may have been taken before: then there is nothing to read.
        let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
    }
}

impl Batch {
    pub fn new() -> Self {
        Self(Vec::with_capacity(BATCH))
    }

    pub fn ready(&self) -> impl Iterator<Item = Ready> {
        self.0.iter().map(|event| {
            let data = event.data;
            match data.u64() {
                WAKE => Ready::Woken,
                number => Ready::Socket(number),
            }
        })
    }
}

impl Waker {
    pub fn wake(&self) {
        // Fails only when 2^64 - 2 wake-ups wait; then it is awake.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn ready(poller: &Poller, timeout: Option<Duration>) -> Vec<Ready> {
        let mut batch = Batch::new();
        poller.wait(&mut batch, timeout).unwrap();
        batch.ready().collect()
    }

    #[test]
    fn tells_sockets_and_wake_ups() {
        let poller = Poller::new().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        poller.add(&socket, 7).unwrap();
        assert_eq!(ready(&poller, Some(Duration::ZERO)), []);

        poller.waker().wake();
        assert_eq!(ready(&poller, None), [Ready::Woken]);
        poller.take_wake();

        let to = socket.local_addr().unwrap();
        socket.send_to(b"x", to).unwrap();
        assert_eq!(ready(&poller, None), [Ready::Socket(7)]);
    }
}
