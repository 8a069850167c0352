//! WhatsApp: calls over SIP-TLS, answering the digest challenge, each with keys of its own.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls_pki_types::ServerName;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use wabridge::entropy::Entropy;
use wabridge::media::srtp::{Inbound, Outbound};
use wabridge::sdp::{MasterKey, PayloadType, Suite};
use wabridge::side::Side;
use wabridge::sim::media::Codec;
use wabridge::sim::media::crypto::{Key, Suite as KeySuite};
use wabridge::sim::media::link::Local;
use wabridge::sim::meta::webrtc::KeyExchange;
use wabridge::sim::sdp::{Described, crypto_line};
use wabridge::sim::sip::digest::{Challenge, Identity};
use wabridge::sim::sip::wire::dial_tls;
use wabridge::sim::sip::{Dialog, Hub, Incoming, Message, Wire};
use wabridge::sim::tls::connector;

use crate::bridge::{HOST, NUMBER, PASSWORD, Place};
use crate::engine::Door;
use crate::handshake;
use crate::speech::Speech;
use crate::stream::{Came, Recording, Sent, Stream};
use crate::{Arguments, Failure};

/// Connections that the calls share, as WhatsApp's do.
const CONNECTIONS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(15);
/// A caller's number: this and the number of the call.
const CALLER: &str = "+1219555";

pub struct Callers {
    hub: Arc<Hub>,
    wires: Vec<Wire>,
    calls: usize,
    rate: u32,
    heard: usize,
    keys: KeyExchange,
    pauses: bool,
    speech: Speech,
    door: Door,
}

/// An answered call.
pub struct Call {
    pub set_up: Duration,
    dialog: Dialog,
    messages: Receiver<Incoming>,
}

/// The number of a call by its caller's.
pub fn call_of(user: &str) -> Option<usize> {
    user.strip_prefix(CALLER)?.parse().ok()
}

pub fn media_socket(peer: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = unconnected()?;
    socket.connect(peer)?;
    Ok(socket)
}

pub fn unconnected() -> std::io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl Callers {
    /// Waits until the bridge listens.
    pub async fn connect(
        place: &Place,
        arguments: &Arguments,
        speech: Speech,
        door: Door,
    ) -> Result<Self, Failure> {
        let (hub, mut strangers) = Hub::new();
        tokio::spawn(async move { while strangers.recv().await.is_some() {} });
        let mut wires = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        while wires.len() < CONNECTIONS {
            let connector = connector(&place.authority, Arc::default())?;
            let name = ServerName::try_from(HOST)?;
            match dial_tls(place.tls, name, connector, Duration::ZERO, hub.clone()).await {
                Ok(wire) => wires.push(wire),
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
        Ok(Self {
            hub,
            wires,
            calls: arguments.calls,
            rate: arguments.rate,
            heard: arguments.heard,
            keys: arguments.keys,
            pauses: arguments.dtx,
            speech,
            door,
        })
    }

    pub async fn place_all(&self) -> Result<Vec<Call>, Failure> {
        let mut placing = JoinSet::new();
        for index in 0..self.calls {
            let call = Placing::new(self, index)?;
            placing.spawn(async move {
                let placed = timeout(PATIENCE, call.place()).await;
                let placed = placed.unwrap_or_else(|_| Err("no answer in time".into()));
                placed.map_err(|error| -> Failure { format!("call {index}: {error}").into() })
            });
            sleep(Duration::from_secs(1) / self.rate.max(1)).await;
        }
        placing.join_all().await.into_iter().collect()
    }

    pub async fn hang_up_all(&self, calls: Vec<Call>) -> Result<(), Failure> {
        for mut call in calls {
            let via = via(&call.dialog.wire, &format!("bye-{}", call.dialog.call_id));
            let bye = call.dialog.request("BYE", vec![via]);
            call.dialog.wire.send(&bye).await;
            timeout(PATIENCE, response_to(&mut call.messages, "BYE")).await??;
        }
        Ok(())
    }
}

/// What the description tells of the media's keys.
enum Secret {
    Sdes(Key),
    Dtls(Box<(Local, Entropy)>),
}

/// A call until its answer.
struct Placing {
    index: usize,
    dialog: Dialog,
    messages: Receiver<Incoming>,
    socket: UdpSocket,
    secret: Secret,
    ssrc: u32,
    pauses: bool,
    speech: Speech,
    recording: Option<Recording>,
    door: Door,
}

impl Placing {
    fn new(callers: &Callers, index: usize) -> Result<Self, Failure> {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&index.to_be_bytes());
        let mut entropy = Entropy::from_seed(seed);
        let call_id = format!("outgoing:wacid.{index}==");
        let caller = format!("{CALLER}{index:04}");
        let wire = callers.wires[index % callers.wires.len()].clone();
        Ok(Self {
            index,
            messages: callers.hub.join(&call_id),
            dialog: Dialog {
                call_id,
                local: format!(
                    "\"{caller}\" <sip:{caller}@wa.meta.vc>;tag={}",
                    entropy.hex(8)
                ),
                remote: format!("<sip:{NUMBER}@{HOST}>"),
                cseq: 1,
                route: Vec::new(),
                target: format!("sip:{NUMBER}@{HOST};transport=tls"),
                wire,
            },
            socket: unconnected()?,
            secret: match callers.keys {
                KeyExchange::Sdes => Secret::Sdes(Key::random(KeySuite::Cm128Sha80, &mut entropy)),
                KeyExchange::Dtls => {
                    Secret::Dtls(Box::new((handshake::local(&mut entropy)?, entropy.fork())))
                }
            },
            ssrc: 0xa000_0000 + index as u32,
            pauses: callers.pauses,
            speech: callers.speech.clone(),
            recording: (index < callers.heard).then(Recording::default),
            door: callers.door.clone(),
        })
    }

    async fn place(mut self) -> Result<Call, Failure> {
        let began = Instant::now();
        let mut response = self.invite(None).await?;
        if let Some(401 | 407) = response.status() {
            self.acknowledge(&response).await;
            let authorization = authorization(&response)?;
            response = self.invite(Some(authorization)).await?;
        }
        let set_up = began.elapsed();
        self.dialog.learn(&response);
        self.acknowledge(&response).await;
        if response.status() != Some(200) {
            return Err(format!("answered {:?}", response.start).into());
        }
        let (dialog, messages) = self.speak(&response).await?;
        Ok(Call {
            set_up,
            dialog,
            messages,
        })
    }

    async fn invite(&mut self, authorization: Option<(&str, String)>) -> Result<Message, Failure> {
        let via = via(&self.dialog.wire, &self.branch());
        let offer = self.offer()?;
        let mut invite = self.dialog.request("INVITE", vec![via]);
        let caller = format!("{CALLER}{:04}", self.index);
        invite = invite
            .with(
                "Contact",
                format!("<sip:{caller}@wa.meta.vc;transport=tls;ob>;isfocus"),
            )
            .with("x-wa-meta-wacid", format!("wacid.{}", self.index))
            .with("Allow", "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS");
        if let Some((name, value)) = authorization {
            invite = invite.with(name, value);
        }
        let invite = invite.with_body("application/sdp", offer);
        self.dialog.wire.send(&invite).await;
        response_to(&mut self.messages, "INVITE").await
    }

    async fn acknowledge(&self, response: &Message) {
        let via = via(&self.dialog.wire, &self.branch());
        let (cseq, _) = response.cseq();
        let ack = self.dialog.request_numbered("ACK", cseq, vec![via]);
        self.dialog.wire.send(&ack).await;
    }

    /// The media begins.
    async fn speak(self, answered: &Message) -> Result<(Dialog, Receiver<Incoming>), Failure> {
        let answer = Described::read(&answered.body_text())?;
        let (socket, link, protection) = match self.secret {
            Secret::Sdes(key) => {
                let protection = protection(&key, &answer)?;
                let to = answer.rtp().ok_or("no media address")?;
                self.socket.connect(to)?;
                (self.socket, None, protection)
            }
            Secret::Dtls(secret) => {
                let (local, entropy) = *secret;
                let (socket, secured) =
                    handshake::perform(self.socket, local, entropy, &answer).await?;
                (socket, Some(secured.link), secured.protection)
            }
        };
        self.door.add(Stream {
            call: self.index,
            side: Side::A,
            socket,
            speech: self.speech,
            protection: Some(protection),
            link,
            payload_type: opus(&answer)?,
            pauses: self.pauses,
            sent: Sent::default(),
            came: Came::default(),
            recording: self.recording,
        });
        Ok((self.dialog, self.messages))
    }

    fn offer(&self) -> Result<String, Failure> {
        let local = self.socket.local_addr()?;
        Ok(match &self.secret {
            Secret::Sdes(key) => description(local, key, self.ssrc),
            Secret::Dtls(secret) => described(
                local,
                "UDP/TLS/RTP/SAVPF",
                &handshake::lines(&secret.0),
                self.ssrc,
            ),
        })
    }

    fn branch(&self) -> String {
        format!("z9hG4bK-{}-{}", self.index, self.dialog.cseq)
    }
}

/// A stream toward whoever gave this answer to our description.
pub fn secured(mut stream: Stream, ours: &Key, answer: &str) -> Result<Stream, Failure> {
    let answer = Described::read(answer)?;
    stream
        .socket
        .connect(answer.rtp().ok_or("no media address")?)?;
    stream.protection = Some(protection(ours, &answer)?);
    stream.payload_type = opus(&answer)?;
    Ok(stream)
}

fn opus(answer: &Described) -> Result<PayloadType, Failure> {
    let mut codecs = answer.codecs().into_iter();
    let opus = codecs.find(|(_, codec)| *codec == Codec::Opus);
    let (number, _) = opus.ok_or("no Opus in the answer")?;
    Ok(PayloadType(number))
}

fn protection(ours: &Key, answer: &Described) -> Result<(Outbound, Inbound), Failure> {
    let theirs = answer.crypto.first().ok_or("no a=crypto in the answer")?;
    let suite = Suite::AesCm128HmacSha1_80;
    Ok((
        Outbound::new(suite, &MasterKey(ours.bytes().to_vec()))?,
        Inbound::new(suite, &MasterKey(theirs.key.bytes().to_vec()))?,
    ))
}

/// As WhatsApp describes itself.
pub fn description(local: SocketAddr, key: &Key, ssrc: u32) -> String {
    let crypto = crypto_line(1, key) + "\r\n";
    described(local, "RTP/SAVP", &crypto, ssrc)
}

fn described(local: SocketAddr, profile: &str, keys: &str, ssrc: u32) -> String {
    let (ip, port) = (local.ip(), local.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} {profile} 111 126\r\n{keys}a=rtcp:9 IN IP4 0.0.0.0\r\na=rtcp-mux\r\n\
         a=sendrecv\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 maxaveragebitrate=20000;\
         maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1\r\n\
         a=rtpmap:126 telephone-event/8000\r\na=maxptime:20\r\na=ptime:20\r\n\
         a=ssrc:{ssrc} cname:WhatsAppAudioStream1\r\n"
    )
}

fn via(wire: &Wire, branch: &str) -> (String, String) {
    let value = format!("SIP/2.0/TLS {};rport;branch={branch};alias", wire.local);
    ("Via".into(), value)
}

fn authorization(challenged: &Message) -> Result<(&'static str, String), Failure> {
    let (asked, answered) = match challenged.status() {
        Some(401) => ("WWW-Authenticate", "Authorization"),
        _ => ("Proxy-Authenticate", "Proxy-Authorization"),
    };
    let challenge = challenged.all(asked).find_map(Challenge::parse);
    let challenge = challenge.ok_or("a challenge that cannot be read")?;
    let who = Identity {
        username: NUMBER.trim_start_matches('+'),
        password: PASSWORD,
    };
    let uri = format!("sip:{NUMBER}@{HOST}");
    Ok((
        answered,
        challenge.answer(who, "INVITE", &uri, "0123456789abcdef"),
    ))
}

/// The final one.
async fn response_to(messages: &mut Receiver<Incoming>, method: &str) -> Result<Message, Failure> {
    while let Some(Incoming { message, .. }) = messages.recv().await {
        if message.cseq().1 == method && message.status().is_some_and(|status| status >= 200) {
            return Ok(message);
        }
    }
    Err("the connection was closed".into())
}
