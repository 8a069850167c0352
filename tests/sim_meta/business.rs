//! A business of bare messages, with real media: what it sends is written here, line by line.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use wabridge::entropy::Entropy;
use wabridge::sim::fault::Faults;
use wabridge::sim::media::crypto::{Key, Suite};
use wabridge::sim::media::ear::Expected;
use wabridge::sim::media::mouth::{Format, Says, Style};
use wabridge::sim::media::session::{Order, Party, Settled};
use wabridge::sim::media::{Codec, Heard, Session};
use wabridge::sim::sdp::{Described, Direction, crypto_line};
use wabridge::sim::sip::dialog::respond;
use wabridge::sim::sip::digest::{Challenge, Identity};
use wabridge::sim::sip::message::addr_spec;
use wabridge::sim::sip::wire::dial_tls;
use wabridge::sim::sip::{Hub, Incoming, Message, Wire};
use wabridge::sim::speech::Voice;
use wabridge::sim::tls;

use crate::stage::{HOST, LOCAL, NUMBER, PASSWORD, Stage};

/// One call; every field may be made wrong before it is placed.
pub struct Line {
    pub wire: Wire,
    pub messages: Receiver<Incoming>,
    pub call_id: String,
    pub cseq: u32,
    pub uri: String,
    pub from: String,
    pub to: String,
    pub username: String,
    pub password: String,
    /// In place of the request URI.
    pub digest_uri: Option<String>,
    pub offer: String,
    /// Provisional statuses that came.
    pub provisionals: Vec<u16>,
    /// The last challenge.
    pub challenge: Option<Challenge>,
    pub faults: Faults,
    key: Key,
    session: Option<Session>,
    answer: Option<Message>,
    entropy: Entropy,
}

impl Line {
    pub async fn open(stage: &Stage, user: &str) -> Self {
        let mut entropy = stage.entropy.lock().unwrap().fork();
        let (hub, messages) = Hub::new();
        let connector = tls::connector(&stage.ca, Default::default()).unwrap();
        let name = "wa.meta.vc".try_into().unwrap();
        let wire = dial_tls(stage.address, name, connector, Duration::ZERO, hub).await;
        let key = Key::random(Suite::Cm128Sha80, &mut entropy);
        Self {
            wire: wire.unwrap(),
            messages,
            call_id: format!("by-hand-{}", entropy.hex(8)),
            cseq: 0,
            uri: format!("sip:{user}@wa.meta.vc;transport=tls"),
            from: format!("<sip:{NUMBER}@{HOST}>;tag=1"),
            to: format!("<sip:{user}@wa.meta.vc>"),
            username: NUMBER.trim_start_matches('+').into(),
            password: PASSWORD.into(),
            digest_uri: None,
            offer: offer((LOCAL, 9).into(), &key),
            provisionals: Vec::new(),
            challenge: None,
            faults: Faults::new(),
            key,
            session: None,
            answer: None,
            entropy,
        }
    }

    /// With media behind its offer.
    pub async fn talking(mut self, says: Says) -> Self {
        let style = Style {
            says,
            dtx: false,
            ptime: Duration::from_millis(20),
            ssrc: self.entropy.u32(),
            faults: self.faults.clone(),
        };
        let party = Party {
            style,
            cname: "business".into(),
            waits: false,
            latches: false,
            report_interval: Duration::from_secs(5),
            patience: None,
            rtcp_is_life: false,
            link: None,
        };
        let session = Session::open(LOCAL, party, self.entropy.fork()).await;
        let session = session.unwrap();
        self.offer = offer((LOCAL, session.rtp_port).into(), &self.key);
        self.session = Some(session);
        self
    }

    /// Both INVITEs, and every ACK: the final response.
    pub async fn call(&mut self) -> Message {
        let first = self.invite(None).await;
        if first.status() != Some(407) {
            return first;
        }
        self.invite_with_credentials(1).await
    }

    /// Once more for each challenge that follows.
    pub async fn invite_with_credentials(&mut self, count: u32) -> Message {
        self.send_credentials(count).await;
        self.final_response().await
    }

    /// The INVITE, and its final response.
    pub async fn invite(&mut self, authorization: Option<String>) -> Message {
        self.send_invite(authorization).await;
        self.final_response().await
    }

    pub async fn send_credentials(&mut self, count: u32) {
        let challenge = self.challenge.clone().unwrap();
        let who = Identity {
            username: &self.username,
            password: &self.password,
        };
        let uri = self.digest_uri.as_deref().unwrap_or(&self.uri);
        let value = challenge.answer_counted(who, "INVITE", uri, "cnonce", count);
        self.send_invite(Some(value)).await;
    }

    pub async fn send_invite(&mut self, authorization: Option<String>) {
        self.cseq += 1;
        let contact = format!("<sip:{NUMBER}@{HOST}:5061;transport=tls>");
        let mut invite = self
            .outside("INVITE")
            .with("To", &self.to)
            .with("Contact", contact)
            .with("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS");
        if let Some(value) = authorization {
            invite = invite.with("Proxy-Authorization", value);
        }
        let invite = invite.with_body("application/sdp", self.offer.clone());
        self.wire.send(&invite).await;
    }

    pub fn branch(&self) -> String {
        format!("z9hG4bK{}.{}", self.call_id, self.cseq)
    }

    /// The headers of the INVITE's transaction, but To.
    fn outside(&self, method: &str) -> Message {
        let via = format!("SIP/2.0/TLS {HOST}:5061;branch={};rport", self.branch());
        Message::request(method, &self.uri)
            .with("Via", via)
            .with("Record-Route", "<sip:edge.example.com;transport=tls;lr>")
            .with("Max-Forwards", "70")
            .with("From", &self.from)
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{} {method}", self.cseq))
    }

    /// Acknowledged, unless it is a success; what it challenges with is kept.
    pub async fn final_response(&mut self) -> Message {
        loop {
            let response = self.response_to("INVITE").await;
            let status = response.status().unwrap();
            if status < 200 {
                self.provisionals.push(status);
                continue;
            }
            if status >= 300 {
                let ack = self.outside("ACK");
                let to = response.header("To").unwrap();
                self.wire.send(&ack.with("To", to)).await;
            }
            if let Some(value) = response.header("Proxy-Authenticate") {
                self.challenge = Challenge::parse(value);
            }
            return response;
        }
    }

    /// The next response to such a request of ours.
    pub async fn response_to(&mut self, method: &str) -> Message {
        loop {
            let incoming = self.messages.recv().await.unwrap();
            let message = incoming.message;
            if message.method().is_empty() && message.cseq().1 == method {
                return message;
            }
        }
    }

    pub async fn cancel(&mut self) {
        let cancel = self.outside("CANCEL").with("To", &self.to);
        self.wire.send(&cancel).await;
    }

    /// The answer: media starts, the ACK goes out.
    pub async fn accept(&mut self, answer: &Message) {
        if let Some(session) = &self.session {
            let settled = self.settle(answer);
            session.order(Order::Answered).await;
            session.order(Order::Settle(Box::new(settled))).await;
        }
        self.answer = Some(answer.clone());
        let ack = self.inside_numbered("ACK", self.cseq);
        self.wire.send(&ack).await;
    }

    fn settle(&self, answer: &Message) -> Settled {
        let read = Described::read(&answer.body_text()).unwrap();
        let (pt, codec) = read.codecs()[0];
        Settled {
            remote: read.rtp().unwrap(),
            remote_rtcp: read.rtcp().unwrap(),
            format: Format {
                codec,
                pt,
                telephone_event: read.telephone_event(),
            },
            expected: Expected {
                payloads: read.codecs(),
                telephone_event: read.telephone_event(),
                key: Some(read.crypto[0].key.clone()),
            },
            send_key: Some(self.key.clone()),
            direction: Direction::Sendrecv,
            peer: None,
        }
    }

    /// A request by the route set that the answer gave.
    pub fn inside(&mut self, method: &str) -> Message {
        self.cseq += 1;
        self.inside_numbered(method, self.cseq)
    }

    fn inside_numbered(&self, method: &str, cseq: u32) -> Message {
        let answer = self.answer.as_ref().unwrap();
        let target = addr_spec(answer.header("Contact").unwrap());
        let mut routes = answer.list("Record-Route");
        routes.reverse();
        let branch = format!("z9hG4bK{}.{method}.{cseq}", self.call_id);
        Message::request(method, target)
            .with("Via", format!("SIP/2.0/TLS {HOST}:5061;branch={branch}"))
            .with_all(routes.into_iter().map(|one| ("Route".into(), one)))
            .with("Max-Forwards", "70")
            .with("From", &self.from)
            .with("To", answer.header("To").unwrap())
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{cseq} {method}"))
    }

    /// Sends a request inside the call, and returns the status that it gets.
    pub async fn ask(&mut self, request: &Message) -> u16 {
        let method = request.method().to_owned();
        self.wire.send(request).await;
        self.response_to(&method).await.status().unwrap()
    }

    pub async fn hang_up(&mut self) -> u16 {
        let bye = self.inside("BYE");
        self.ask(&bye).await
    }

    /// WhatsApp's own BYE, answered.
    pub async fn hung_up(&mut self) -> Message {
        loop {
            let Incoming { message, wire } = self.messages.recv().await.unwrap();
            if message.method() == "BYE" {
                wire.send(&respond(&message, 200, "OK", "1")).await;
                return message;
            }
        }
    }

    pub async fn heard(&mut self) -> Heard {
        self.session.take().unwrap().stop().await
    }
}

pub const AGENT: Says = Says::Voice(Voice::Agent);

/// In a numbering that is not WhatsApp's.
fn offer(media: SocketAddr, key: &Key) -> String {
    let (ip, port) = (media.ip(), media.port());
    let lines = [
        "v=0".into(),
        format!("o=- 1 1 IN IP4 {ip}"),
        "s=-".into(),
        format!("c=IN IP4 {ip}"),
        "t=0 0".into(),
        format!("m=audio {port} RTP/SAVP 107 101"),
        format!("a=rtpmap:107 {}", Codec::Opus.rtpmap()),
        "a=fmtp:107 maxaveragebitrate=20000;useinbandfec=1".into(),
        "a=rtpmap:101 telephone-event/8000".into(),
        "a=ptime:20".into(),
        "a=sendrecv".into(),
        crypto_line(3, key),
    ];
    lines.join("\r\n") + "\r\n"
}
