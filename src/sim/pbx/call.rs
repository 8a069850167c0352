//! One call's task at the PBX.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::entropy::Entropy;
use crate::sim::fault::Fault;
use crate::sim::media::crypto::Key;
use crate::sim::media::mouth::Style;
use crate::sim::media::session::{Order, Party};
use crate::sim::media::{Heard, Session};
use crate::sim::pbx::behaviour::{Behaviour, Security};
use crate::sim::pbx::checks;
use crate::sim::pbx::description::Own;
use crate::sim::pbx::exchange::Exchange;
use crate::sim::report::{Outcome, Report};
use crate::sim::sdp::{Described, Direction};
use crate::sim::sip::dialog::respond;
use crate::sim::sip::message::user_part;
use crate::sim::sip::wire::Wire;
use crate::sim::sip::{Dialog, Incoming, Message};

const REPORT_INTERVAL: Duration = Duration::from_secs(5);
const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE";

pub(super) struct Call {
    pub exchange: Arc<Exchange>,
    pub behaviour: Behaviour,
    pub invite: Message,
    pub dialog: Dialog,
    pub tag: String,
    pub messages: mpsc::Receiver<Incoming>,
    pub session: Session,
    /// What the sessions before [`Self::session`] heard.
    pub before: Heard,
    pub own: Own,
    pub entropy: Entropy,
    pub report: Report,
    pub answered: Option<Instant>,
    /// Digits that came by INFO.
    pub info_digits: String,
}

/// From the INVITE to the report.
pub async fn take(
    exchange: &Arc<Exchange>,
    behaviour: Behaviour,
    invite: Incoming,
    messages: mpsc::Receiver<Incoming>,
) -> Report {
    match Call::open(exchange, behaviour, invite, messages).await {
        Ok(call) => call.run().await,
        Err(error) => {
            let mut report = Report::default();
            report.verdict.violation("media ports", error.to_string());
            report
        }
    }
}

impl Call {
    async fn open(
        exchange: &Arc<Exchange>,
        behaviour: Behaviour,
        Incoming { message, wire }: Incoming,
        messages: mpsc::Receiver<Incoming>,
    ) -> std::io::Result<Self> {
        let mut entropy = exchange.entropy();
        let ssrc = entropy.u32();
        let session = open_session(exchange, &behaviour, ssrc, &mut entropy).await?;
        let tag = entropy.hex(6);
        Ok(Self {
            dialog: Dialog::of_invite(&message, &tag, wire),
            own: Own {
                media: (exchange.media, session.rtp_port).into(),
                rtcp_port: session.rtcp_port,
                codecs: Own::numbered(&behaviour.codecs),
                event: Some(Own::EVENT),
                key: None,
                ptime: behaviour.ptime,
                direction: Direction::Sendrecv,
                rtcp_mux: false,
                version: 1,
            },
            report: Report {
                call_id: message.call_id().into(),
                called_with: message.headers.clone(),
                ..Report::default()
            },
            exchange: exchange.clone(),
            behaviour,
            invite: message,
            tag,
            messages,
            session,
            before: Heard::default(),
            entropy,
            answered: None,
            info_digits: String::new(),
        })
    }

    async fn run(mut self) -> Report {
        self.report.outcome = self.ring().await;
        if matches!(self.report.outcome, Outcome::Answered { .. }) {
            self.talk().await;
        }
        let mut heard = self.session.stop().await;
        heard.follow(self.before);
        let mut report = self.report;
        if let Some(answered) = self.answered {
            checks::media(&heard, answered, &mut report);
            checks::digits(&heard, &self.info_digits, &self.behaviour, &mut report);
        }
        report.heard = heard;
        if let (Some(voice), Some(_)) = (self.behaviour.hears, self.answered) {
            report.listen_for(voice).await;
        }
        report
    }

    /// A new place for media, with a new source.
    pub async fn another_session(&mut self) -> std::io::Result<Session> {
        let ssrc = self.entropy.u32();
        open_session(&self.exchange, &self.behaviour, ssrc, &mut self.entropy).await
    }

    pub fn contact(&self) -> String {
        let wire = &self.dialog.wire;
        let user = user_part(self.invite.uri());
        let transport = wire.protocol.parameter();
        format!("<sip:{user}@{}{transport}>", wire.local)
    }

    pub fn via(&mut self) -> Vec<(String, String)> {
        let wire = &self.dialog.wire;
        let (protocol, local) = (wire.protocol.via(), wire.local);
        let branch = self.entropy.hex(8);
        vec![(
            "Via".into(),
            format!("SIP/2.0/{protocol} {local};branch=z9hG4bK{branch};rport"),
        )]
    }

    pub fn respond(&self, request: &Message, status: u16, reason: &str) -> Message {
        let mut response = respond(request, status, reason, &self.tag);
        if self.behaviour.faults.contains(&Fault::MangledRecordRoute) {
            let last = response
                .headers
                .iter()
                .rposition(|(name, _)| name == "Record-Route");
            last.map(|at| response.headers.remove(at));
        }
        response
            .with("Contact", self.contact())
            .with("Allow", ALLOW)
            .with("Server", "wabridge sim pbx")
    }

    pub async fn reply(&self, wire: &Wire, request: &Message, status: u16, reason: &str) {
        wire.send(&self.respond(request, status, reason)).await;
    }

    /// Reads an offer and makes our description the answer to it. `None` when there is nothing in common.
    pub async fn answer_offer(&mut self, offer: &Message) -> Option<String> {
        let theirs = Described::read(&offer.body_text()).ok()?;
        let encrypted = theirs.profile.contains("SAVP");
        let fits = match self.behaviour.security {
            Security::IfOffered => true,
            Security::Never => !encrypted,
            Security::Required => encrypted,
        };
        let mut own = self.own.clone();
        let wanted = &self.behaviour.codecs;
        own.codecs = theirs.codecs();
        own.codecs.retain(|(_, codec)| wanted.contains(codec));
        own.codecs
            .sort_by_key(|(_, codec)| wanted.iter().position(|one| one == codec));
        own.event = theirs.telephone_event();
        own.rtcp_mux = theirs.rtcp_mux;
        own.key = self.key_for(&theirs);
        let keyed = own.key.is_some() == encrypted;
        if !fits || !keyed || own.codecs.is_empty() || theirs.port == 0 {
            return None;
        }
        let before = std::mem::replace(&mut self.own, own);
        if self.own.write() != before.write() {
            self.own.version += 1;
        }
        let text = Own {
            direction: narrowed(self.own.direction, theirs.direction),
            ..self.own.clone()
        }
        .write();
        self.settle(&theirs).await;
        Some(text)
    }

    /// The first suite that we know; our key stays while the suite does.
    fn key_for(&mut self, theirs: &Described) -> Option<(u32, Key)> {
        let offered = theirs.crypto.first()?;
        let suite = offered.key.suite();
        match self.own.key.take() {
            Some((_, key)) if key.suite() == suite => Some((offered.tag, key)),
            _ => Some((offered.tag, Key::random(suite, &mut self.entropy))),
        }
    }

    pub async fn settle(&mut self, theirs: &Described) {
        // We speak the first codec of ours that they take.
        let mut ordered = theirs.clone();
        let own = &self.own.codecs;
        let rank = |pt: &u8| {
            let codecs = theirs.codecs();
            let codec = codecs
                .iter()
                .find(|(one, _)| one == pt)
                .map(|(_, codec)| *codec);
            own.iter()
                .position(|(_, one)| Some(*one) == codec)
                .unwrap_or(usize::MAX)
        };
        ordered.payloads.sort_by_key(rank);
        if let Some(settled) = self.own.settle(&ordered) {
            self.session.order(Order::Settle(Box::new(settled))).await;
        }
    }
}

/// What an answerer says who wants `own`, to an offer of `theirs`.
fn narrowed(own: Direction, theirs: Direction) -> Direction {
    let sends = own.sends() && theirs.receives();
    let receives = own.receives() && theirs.sends();
    match (sends, receives) {
        (true, true) => Direction::Sendrecv,
        (true, false) => Direction::Sendonly,
        (false, true) => Direction::Recvonly,
        (false, false) => Direction::Inactive,
    }
}

async fn open_session(
    exchange: &Exchange,
    behaviour: &Behaviour,
    ssrc: u32,
    entropy: &mut Entropy,
) -> std::io::Result<Session> {
    let party = Party {
        style: Style {
            says: behaviour.says,
            dtx: false,
            ptime: behaviour.ptime,
            ssrc,
            faults: behaviour.faults.clone(),
        },
        cname: "pbx".into(),
        waits: false,
        latches: false,
        report_interval: REPORT_INTERVAL,
        patience: None,
        rtcp_is_life: false,
    };
    Session::open(exchange.media, party, entropy.fork()).await
}
