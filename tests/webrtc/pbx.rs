//! A telephone system that speaks SIP by the simulator's parts, and whose media is another program's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use wabridge::entropy::Entropy;
use wabridge::sim::sip::dialog::respond;
use wabridge::sim::sip::wire::{Datagrams, listen_udp};
use wabridge::sim::sip::{Dialog, Hub, Incoming, Message};

use crate::go_between::Peer;

const LONG: Duration = Duration::from_secs(60);

pub struct Pbx {
    datagrams: Datagrams,
    messages: Receiver<Incoming>,
    entropy: Entropy,
}

impl Pbx {
    pub async fn open(at: SocketAddr) -> Self {
        let (hub, messages) = Hub::new();
        let hub: Arc<Hub> = hub;
        Self {
            datagrams: listen_udp(at, hub).await.unwrap(),
            messages,
            entropy: Entropy::from_seed([3; 32]),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.datagrams.local
    }

    /// Takes the call that comes next, with this peer's media, and waits for its end.
    pub async fn take(&mut self, peer: &mut Peer) {
        let invite = self.next("INVITE").await;
        let trying = respond(&invite.message, 100, "Trying", "1");
        invite.wire.send(&trying).await;
        let description = peer.answer(&invite.message.body_text()).await;
        let answer = respond(&invite.message, 200, "OK", "1")
            .with("Contact", self.contact())
            .with_body("application/sdp", description);
        invite.wire.send(&answer).await;
        self.await_bye().await;
    }

    /// Calls by the bridge there, with this peer's media, and waits until the callee hangs up.
    pub async fn call(&mut self, bridge: SocketAddr, from: &str, to: &str, peer: &mut Peer) {
        let description = peer.offer().await;
        let local = self.datagrams.local;
        let wire = self.datagrams.toward(bridge);
        let branch = format!("z9hG4bK{}", self.entropy.hex(8));
        let mut dialog = Dialog {
            call_id: self.entropy.hex(12),
            local: format!("<sip:{from}@{local}>;tag=1"),
            remote: format!("<sip:{to}@{bridge}>"),
            cseq: 1,
            route: Vec::new(),
            target: format!("sip:{to}@{bridge}"),
            wire,
        };
        let via = |branch: &str| {
            vec![(
                "Via".into(),
                format!("SIP/2.0/UDP {local};branch={branch};rport"),
            )]
        };
        let invite = dialog
            .request_numbered("INVITE", 1, via(&branch))
            .with("Contact", self.contact())
            .with_body("application/sdp", description);
        dialog.wire.send(&invite).await;
        let answer = self.final_response().await;
        assert_eq!(answer.status(), Some(200), "{:?}", answer.start);
        dialog.learn(&answer);
        let ack = dialog.request_numbered("ACK", 1, via(&format!("{branch}-ack")));
        dialog.wire.send(&ack).await;
        peer.accept(&answer.body_text()).await;
        self.await_bye().await;
    }

    async fn await_bye(&mut self) {
        let bye = self.next("BYE").await;
        bye.wire.send(&respond(&bye.message, 200, "OK", "1")).await;
    }

    fn contact(&self) -> String {
        format!("<sip:pbx@{}>", self.datagrams.local)
    }

    async fn final_response(&mut self) -> Message {
        loop {
            let message = self.receive().await.message;
            if message.status().is_some_and(|status| status >= 200) {
                return message;
            }
        }
    }

    async fn next(&mut self, method: &str) -> Incoming {
        loop {
            let incoming = self.receive().await;
            match incoming.message.method() {
                one if one == method => return incoming,
                "OPTIONS" => {
                    let answer = respond(&incoming.message, 200, "OK", "1");
                    incoming.wire.send(&answer).await;
                }
                _ => {}
            }
        }
    }

    async fn receive(&mut self) -> Incoming {
        timeout(LONG, self.messages.recv()).await.unwrap().unwrap()
    }
}
