//! WhatsApp's side of ICE and DTLS, before the media of a call begins.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use wabridge::entropy::Entropy;
use wabridge::media::srtp::{Inbound, Outbound};
use wabridge::sdp::{MasterKey, Suite};
use wabridge::sim::fault::Faults;
use wabridge::sim::media::crypto::{Key, Suite as KeySuite};
use wabridge::sim::media::link::{Algorithm, Keys, Link, Local};
use wabridge::sim::sdp::Described;
use wabridge::sim::sdp::webrtc::Setup;

use crate::Failure;

const PATIENCE: Duration = Duration::from_secs(10);
const DATAGRAM: usize = 2_048;

pub fn local(entropy: &mut Entropy) -> Result<Local, Failure> {
    let local = Local::new(Algorithm::Ecdsa, Setup::Actpass, &Faults::new(), entropy)?;
    Ok(local)
}

/// The lines of `a=` that SDES has no use for.
pub fn lines(local: &Local) -> String {
    format!(
        "a=ice-lite\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\n",
        local.ufrag,
        local.password,
        local.fingerprint()
    )
}

/// What of the link lives on beside the media: checks are answered.
pub struct Secured {
    pub link: Box<Link>,
    pub protection: (Outbound, Inbound),
}

/// Until there are keys; the socket is connected then.
pub async fn perform(
    socket: UdpSocket,
    local: Local,
    entropy: Entropy,
    answer: &Described,
) -> Result<(UdpSocket, Secured), Failure> {
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let peer = answer.webrtc.peer().ok_or("no ICE or DTLS in the answer")?;
    let mut link = Box::new(Link::new(local, entropy));
    link.meet(Instant::now(), peer);
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = [0; DATAGRAM];
    loop {
        if Instant::now() > deadline {
            return Err(format!("no keys: {:?}", link.facts()).into());
        }
        let wait = tokio::time::timeout(Duration::from_millis(20), socket.recv_from(&mut buffer));
        let keys = match wait.await {
            Err(_) => link.tick(Instant::now()),
            Ok(received) => {
                let (length, from) = received?;
                let datagram = &buffer[..length];
                match datagram.first() {
                    Some(0..=3) => {
                        link.stun(Instant::now(), from, datagram);
                        None
                    }
                    Some(20..=63) => link.dtls(Instant::now(), from, datagram),
                    _ => None,
                }
            }
        };
        for (to, datagram) in link.take_outgoing() {
            socket.send_to(&datagram, to).await?;
        }
        if let (Some(keys), Some(to)) = (keys, link.nominated()) {
            let socket = socket.into_std()?;
            socket.connect(to)?;
            let protection = protection(&keys)?;
            return Ok((socket, Secured { link, protection }));
        }
    }
}

fn protection(Keys { send, receive }: &Keys) -> Result<(Outbound, Inbound), Failure> {
    Ok((
        Outbound::new(suite(send), &MasterKey(send.bytes().to_vec()))?,
        Inbound::new(suite(receive), &MasterKey(receive.bytes().to_vec()))?,
    ))
}

fn suite(key: &Key) -> Suite {
    match key.suite() {
        KeySuite::Gcm128 => Suite::AeadAes128Gcm,
        _ => Suite::AesCm128HmacSha1_80,
    }
}
