//! The network: what comes to one socket leaves from the other, later, or never.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use wabridge::entropy::Entropy;

pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Sends at the right moment, to the tenth of a millisecond: timers of tokio know whole ones alone, and a handshake has
/// seven of these ways.
#[derive(Clone, Default)]
pub struct Postman(Arc<(Mutex<Letters>, Condvar)>);

#[derive(Default)]
struct Letters {
    /// By arrival; a counter keeps those of one moment apart.
    under_way: BTreeMap<(Instant, u64), Letter>,
    sent: u64,
}

struct Letter {
    from: Arc<UdpSocket>,
    to: SocketAddr,
    bytes: Vec<u8>,
}

impl Postman {
    pub fn start() -> Self {
        let postman = Self::default();
        let round = postman.clone();
        std::thread::spawn(move || round.run());
        postman
    }

    fn take(&self, at: Instant, letter: Letter) {
        let (letters, news) = &*self.0;
        let mut letters = letters.lock().unwrap();
        letters.sent += 1;
        let key = (at, letters.sent);
        letters.under_way.insert(key, letter);
        news.notify_one();
    }

    fn run(self) {
        let (letters, news) = &*self.0;
        let mut waiting = letters.lock().unwrap();
        loop {
            let now = Instant::now();
            let next = waiting.under_way.first_key_value().map(|((at, _), _)| *at);
            waiting = match next {
                Some(at) if at <= now => {
                    if let Some((_, letter)) = waiting.under_way.pop_first() {
                        let _ = letter.from.try_send_to(&letter.bytes, letter.to);
                    }
                    waiting
                }
                Some(at) => news.wait_timeout(waiting, at - now).unwrap().0,
                None => news.wait(waiting).unwrap(),
            };
        }
    }
}

/// Of one call.
pub struct Relay {
    /// Where the bridge finds WhatsApp.
    pub told: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Relay {
    /// To WhatsApp at this address, so long each way, so many of a hundred lost.
    pub async fn before(
        whatsapp: SocketAddr,
        (delay, loss): (Duration, u32),
        postman: &Postman,
        mut entropy: Entropy,
    ) -> io::Result<Self> {
        let near = Arc::new(UdpSocket::bind((LOCAL, 0)).await?);
        let far = Arc::new(UdpSocket::bind((LOCAL, 0)).await?);
        let bridge = Arc::new(Mutex::new(None));
        let told = near.local_addr()?;
        let mut way = |from: &Arc<UdpSocket>, to: &Arc<UdpSocket>, there: Option<SocketAddr>| {
            let way = Way {
                from: from.clone(),
                to: to.clone(),
                there,
                bridge: bridge.clone(),
                delay,
                loss,
                entropy: entropy.fork(),
                postman: postman.clone(),
            };
            tokio::spawn(way.run())
        };
        let tasks = [way(&near, &far, Some(whatsapp)), way(&far, &near, None)];
        Ok(Self { told, tasks })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// One direction.
struct Way {
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    /// `None`: to where the bridge was heard.
    there: Option<SocketAddr>,
    bridge: Arc<Mutex<Option<SocketAddr>>>,
    delay: Duration,
    loss: u32,
    entropy: Entropy,
    postman: Postman,
}

impl Way {
    async fn run(mut self) {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = self.from.recv_from(&mut buffer).await {
            let arrives = Instant::now() + self.delay;
            let to = match self.there {
                Some(to) => {
                    *self.bridge.lock().unwrap() = Some(from);
                    Some(to)
                }
                None => *self.bridge.lock().unwrap(),
            };
            let is_lost = self.entropy.below(100) < self.loss;
            if let Some(to) = to.filter(|_| !is_lost) {
                let letter = Letter {
                    from: self.to.clone(),
                    to,
                    bytes: buffer[..length].to_vec(),
                };
                self.postman.take(arrives, letter);
            }
        }
    }
}
