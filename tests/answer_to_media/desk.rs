//! The signalling task's part: the media plane, its commands and its events.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use wabridge::call::cdr::CallRef;
use wabridge::call::plane::{MediaCommand, MediaEvent, PortPair};
use wabridge::daemon::plane::{MediaPlane, PlaneSettings};
use wabridge::entropy::Entropy;
use wabridge::media::bridge::{BridgeSpec, Command, Digits, Dtx, Event, Habits, StreamSpec};
use wabridge::media::dtls::Identity;
use wabridge::media::gain::Decibels;
use wabridge::net::ports::{PortRange, PortStock};
use wabridge::sdp::Ssrc;
use wabridge::side::Pair;

use crate::relay::LOCAL;

const REST: Duration = Duration::from_millis(10);

pub enum Order {
    Ports(oneshot::Sender<Pair<PortPair>>),
    Open(CallRef, Pair<PortPair>, mpsc::UnboundedSender<Told>),
    Tell(CallRef, Command),
    Close(CallRef),
}

/// What the plane says of a call, and when.
pub type Told = (Instant, Event);

pub fn start(first_port: u16, calls: u16, identity: Identity) -> mpsc::Sender<Order> {
    let range = PortRange {
        address: LOCAL,
        ports: first_port..=first_port + 4 * calls - 1,
        rest: REST,
    };
    let settings = PlaneSettings {
        workers: 2,
        pinned: false,
    };
    let stock = PortStock::new(range).unwrap();
    let plane = MediaPlane::start(settings, stock, Entropy::from_seed([3; 32])).unwrap();
    let plane = plane.with_identity(identity.into());
    let (orders, queue) = mpsc::channel(256);
    tokio::spawn(run(plane, queue));
    orders
}

async fn run(mut plane: MediaPlane, mut queue: mpsc::Receiver<Order>) {
    let mut listeners: HashMap<CallRef, mpsc::UnboundedSender<Told>> = HashMap::new();
    loop {
        tokio::select! {
            order = queue.recv() => match order {
                None => return,
                Some(Order::Ports(to)) => drop(to.send(ports(&mut plane).await)),
                Some(Order::Open(call, ports, listener)) => {
                    listeners.insert(call.clone(), listener);
                    let spec = spec();
                    plane.handle_command(Instant::now(), MediaCommand::Open { call, ports, spec });
                }
                Some(Order::Tell(call, command)) => {
                    plane.handle_command(Instant::now(), MediaCommand::Bridge { call, command });
                }
                Some(Order::Close(call)) => {
                    plane.handle_command(Instant::now(), MediaCommand::Close { call });
                }
            },
            event = plane.event() => match event {
                MediaEvent::Bridge { call, event } => {
                    if let Some(listener) = listeners.get(&call) {
                        let _ = listener.send((Instant::now(), event));
                    }
                }
                MediaEvent::Closed { call, .. } => drop(listeners.remove(&call)),
                MediaEvent::Failed { call, error } => panic!("{call}: {error}"),
            },
        }
    }
}

/// Of a call that is over, ports rest a little.
async fn ports(plane: &mut MediaPlane) -> Pair<PortPair> {
    loop {
        if let [a, b] = plane.bind_ports(Instant::now(), 2)[..] {
            return Pair::new(a, b);
        }
        tokio::time::sleep(REST).await;
    }
}

/// As the profile of WhatsApp has it.
fn spec() -> BridgeSpec {
    let stream = |ssrc, keep_fed| StreamSpec {
        ssrc: Ssrc(ssrc),
        cname: "bridge".to_owned(),
        habits: Habits {
            keep_fed,
            latch: true,
            media_timeout: Duration::ZERO,
            opus_bitrate: 20_000,
            opus_complexity: 0,
            opus_fec: false,
            early_audio: Duration::from_secs(1),
            gain_from: Decibels(0),
            gain_to: Decibels(0),
            opus_dtx: Dtx::IfAsked,
            digits: Digits::Events,
        },
    };
    BridgeSpec {
        streams: Pair::new(stream(1, true), stream(2, false)),
    }
}
