//! One call's task at the PBX.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};

use crate::entropy::Entropy;
use crate::sim::fault::Fault;
use crate::sim::media::crypto::Key;
use crate::sim::media::mouth::Style;
use crate::sim::media::session::Party;
use crate::sim::media::{Heard, Session};
use crate::sim::pbx::behaviour::Behaviour;
use crate::sim::pbx::description::Own;
use crate::sim::pbx::exchange::Exchange;
use crate::sim::pbx::plan::{Offer, Plan};
use crate::sim::pbx::transfer::Referral;
use crate::sim::pbx::{checks, invitation};
use crate::sim::report::{Outcome, Report};
use crate::sim::sdp::Direction;
use crate::sim::sip::dialog::respond;
use crate::sim::sip::message::{user_part, without_parameters};
use crate::sim::sip::{Dialog, Incoming, Message, Wire};

const REPORT_INTERVAL: Duration = Duration::from_secs(5);
pub(super) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, PRACK, UPDATE, NOTIFY";
/// A NOTIFY may follow the BYE (RFC 5057 §4.2).
const LINGER: Duration = Duration::from_secs(3);

pub(super) struct Call {
    pub exchange: Arc<Exchange>,
    pub behaviour: Behaviour,
    /// The far side's, or ours.
    pub invite: Message,
    pub dialog: Dialog,
    pub tag: String,
    /// Our extension.
    pub extension: String,
    /// Where the far side reaches us.
    pub home: SocketAddr,
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
    /// ACK of the answer to our INVITE, in case that comes again.
    pub ack: Option<Message>,
    pub referral: Option<Referral>,
    /// Another call has taken our place, or a transfer is done: told when it is time to hang up.
    pub leave: Arc<Notify>,
}

/// Of a call as it begins.
struct Beginning {
    invite: Message,
    dialog: Dialog,
    tag: String,
    extension: String,
    home: SocketAddr,
}

/// A call that came in, from the INVITE to the report.
pub async fn take(
    exchange: &Arc<Exchange>,
    behaviour: Behaviour,
    Incoming { message, wire }: Incoming,
    messages: mpsc::Receiver<Incoming>,
) -> Report {
    let tag = exchange.entropy().hex(6);
    let beginning = Beginning {
        extension: without_parameters(user_part(message.uri())).into(),
        home: wire.local,
        dialog: Dialog::of_invite(&message, &tag, wire),
        invite: message,
        tag,
    };
    match Call::open(exchange, behaviour, beginning, messages).await {
        Ok(mut call) => {
            call.report.called_with = call.invite.headers.clone();
            let outcome = call.ring().await;
            call.finish(outcome).await
        }
        Err(error) => without_media(&error),
    }
}

/// A call of ours over `wire`, from the INVITE to the report.
pub async fn place(exchange: &Arc<Exchange>, plan: Plan, wire: Wire) -> Report {
    plan.behaviour.prepare();
    let beginning = Beginning::of_plan(exchange, &plan, wire);
    let call_id = beginning.dialog.call_id.clone();
    let messages = exchange.hub.join(&call_id);
    let behaviour = plan.behaviour.clone();
    let report = match Call::open(exchange, behaviour, beginning, messages).await {
        Ok(mut call) => {
            if let Offer::Srtp(suite) = plan.offer {
                call.own.key = Some((1, Key::random(suite, &mut call.entropy)));
            }
            let outcome = call.dial(&plan).await;
            let mut report = call.finish(outcome).await;
            checks::outcome(&mut report, plan.expect);
            report
        }
        Err(error) => without_media(&error),
    };
    exchange.hub.leave(&call_id);
    report
}

fn without_media(error: &std::io::Error) -> Report {
    let mut report = Report::default();
    report.verdict.violation("media ports", error.to_string());
    report
}

impl Beginning {
    fn of_plan(exchange: &Exchange, plan: &Plan, wire: Wire) -> Self {
        let mut entropy = exchange.entropy();
        let home = exchange.home(&wire);
        let tag = entropy.hex(6);
        let peer = wire.peer.to_string();
        let uri = invitation::request_uri(plan, &peer, wire.protocol.parameter());
        Self {
            invite: Message::request("INVITE", &uri),
            dialog: Dialog {
                call_id: format!("{}@{}", entropy.hex(12), home.ip()),
                local: format!("{};tag={tag}", invitation::from(plan, &home.to_string())),
                remote: format!("<{uri}>"),
                cseq: 100,
                route: Vec::new(),
                target: uri,
                wire,
            },
            tag,
            extension: plan.from.clone(),
            home,
        }
    }
}

impl Call {
    async fn open(
        exchange: &Arc<Exchange>,
        behaviour: Behaviour,
        beginning: Beginning,
        messages: mpsc::Receiver<Incoming>,
    ) -> std::io::Result<Self> {
        let mut entropy = exchange.entropy();
        let ssrc = entropy.u32();
        let session = open_session(exchange, &behaviour, ssrc, &mut entropy).await?;
        Ok(Self {
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
                call_id: beginning.dialog.call_id.clone(),
                ..Report::default()
            },
            exchange: exchange.clone(),
            behaviour,
            invite: beginning.invite,
            dialog: beginning.dialog,
            tag: beginning.tag,
            extension: beginning.extension,
            home: beginning.home,
            messages,
            session,
            before: Heard::default(),
            entropy,
            answered: None,
            info_digits: String::new(),
            ack: None,
            referral: None,
            leave: Arc::default(),
        })
    }

    async fn finish(mut self, outcome: Outcome) -> Report {
        let answered = matches!(outcome, Outcome::Answered { .. });
        self.report.outcome = outcome;
        if answered {
            let (dialogs, leave) = (&self.exchange.dialogs, self.leave.clone());
            dialogs.stand(&self.extension, &self.dialog, leave);
            self.talk().await;
            self.linger().await;
            self.exchange.dialogs.end(&self.dialog.call_id);
        }
        if let Some(referral) = self.referral.take() {
            let dialogs = &self.exchange.dialogs;
            let replaced = |consulted: &_| !dialogs.stands(consulted);
            let transferred = referral.judge(replaced, &mut self.report.verdict);
            self.report.transfer = Some(transferred);
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

    /// What the far side still has to say of a transfer.
    async fn linger(&mut self) {
        let limit = tokio::time::sleep(LINGER);
        tokio::pin!(limit);
        while self.referral.as_ref().is_some_and(Referral::is_open) {
            tokio::select! {
                Some(incoming) = self.messages.recv() => drop(self.request(&incoming).await),
                () = &mut limit => return,
            }
        }
    }

    /// A new place for media, with a new source.
    pub async fn another_session(&mut self) -> std::io::Result<Session> {
        let ssrc = self.entropy.u32();
        open_session(&self.exchange, &self.behaviour, ssrc, &mut self.entropy).await
    }

    pub fn contact(&self) -> String {
        format!("<{}>", self.uri_of(&self.extension))
    }

    /// An extension's address at this PBX.
    pub fn uri_of(&self, extension: &str) -> String {
        let transport = self.dialog.wire.protocol.parameter();
        format!("sip:{extension}@{}{transport}", self.home)
    }

    pub fn via(&mut self) -> Vec<(String, String)> {
        let (protocol, local) = (self.dialog.wire.protocol.via(), self.home);
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
        link: None,
    };
    Session::open(exchange.media, party, entropy.fork()).await
}
