//! One call's task: dial, talk, end, look back.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::entropy::Entropy;
use crate::sim::fault::{Fault, Faults};
use crate::sim::media::mouth::Style;
use crate::sim::media::session::Party;
use crate::sim::media::{Heard, Session};
use crate::sim::meta::checks;
use crate::sim::meta::description::CNAME;
use crate::sim::meta::endpoint::Endpoint;
use crate::sim::meta::offer::{self, Sent};
use crate::sim::meta::plan::{Media, Plan};
use crate::sim::meta::requests::{self, Names};
use crate::sim::meta::webrtc::{self, KeyExchange};
use crate::sim::report::{Outcome, Report};
use crate::sim::sdp::webrtc::Setup;
use crate::sim::sip::dialog::respond;
use crate::sim::sip::{Dialog, Incoming, Message, Wire};

/// FAQ: no packet for so long after the answer, and in the middle of a call.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(30));
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Call {
    pub endpoint: Arc<Endpoint>,
    pub plan: Plan,
    pub names: Names,
    pub dialog: Dialog,
    pub messages: mpsc::Receiver<Incoming>,
    pub session: Session,
    pub offer: Sent,
    pub entropy: Entropy,
    pub report: Report,
    pub started: Instant,
    pub answered: Option<Instant>,
    /// Something came back at all.
    pub responded: bool,
    /// Branch of the INVITE that is under way.
    pub branch: String,
}

/// From the first connection to the report.
pub async fn place(endpoint: &Arc<Endpoint>, plan: Plan) -> Report {
    let mut entropy = endpoint.entropy();
    let names = Names::new(plan.shape.padded_call_id, &mut entropy);
    let messages = endpoint.hub.join(&names.call_id);
    let call_id = names.call_id.clone();
    let report = match Call::open(endpoint, plan, names, messages, entropy).await {
        Ok(call) => call.run().await,
        Err(report) => *report,
    };
    endpoint.hub.leave(&call_id);
    report
}

impl Call {
    async fn open(
        endpoint: &Arc<Endpoint>,
        plan: Plan,
        names: Names,
        messages: mpsc::Receiver<Incoming>,
        mut entropy: Entropy,
    ) -> Result<Self, Box<Report>> {
        let started = Instant::now();
        let unreachable = |what: &str, error: io::Error| {
            let mut report = Report {
                call_id: names.call_id.clone(),
                outcome: Outcome::Unreachable(error.to_string()),
                ..Report::default()
            };
            report.verdict.violation(what, error.to_string());
            Box::new(report)
        };
        let ssrc = entropy.u32();
        let mut party = party(&plan.media, &plan.faults, ssrc);
        party.link = match plan.offer.keys {
            KeyExchange::Sdes => None,
            KeyExchange::Dtls => {
                let webrtc = &plan.media.webrtc;
                let local = webrtc.local(Setup::Actpass, &plan.faults, &mut entropy);
                Some(local.map_err(|why| unreachable("certificate", io::Error::other(why)))?)
            }
        };
        let local = party.link.clone();
        let ip = endpoint.settings.media;
        let session = Session::open(ip, party, entropy.fork()).await;
        let session = session.map_err(|error| unreachable("media ports", error))?;
        let media = (ip, session.rtp_port).into();
        let candidates = plan.media.webrtc.candidates(media, session.also);
        let ours = offer::Ours {
            media,
            ssrc,
            link: local.map(|local| (local, candidates)),
        };
        let offer = offer::write(&plan.offer, ours, &mut entropy);
        let wire = endpoint.connect(&plan).await;
        let wire = wire.map_err(|error| unreachable("TLS", error))?;
        let dialog = dialog(&plan, &names, &endpoint.settings.host, wire, &mut entropy);
        let mut report = Report {
            call_id: names.call_id.clone(),
            ..Report::default()
        };
        let found = match endpoint.was_asked() {
            false => "its certificate verified, none asked of us",
            true => "a client certificate was asked of us",
        };
        report.verdict.check("TLS", !endpoint.was_asked(), found);
        Ok(Self {
            report,
            endpoint: endpoint.clone(),
            plan,
            names,
            dialog,
            messages,
            session,
            offer,
            entropy,
            started,
            answered: None,
            responded: false,
            branch: String::new(),
        })
    }

    async fn run(mut self) -> Report {
        self.report.outcome = self.dial().await;
        if matches!(self.report.outcome, Outcome::Answered { .. }) {
            self.talk().await;
        }
        // Requests that must not come may still be on their way.
        let strays = tokio::time::sleep(Duration::from_millis(200));
        tokio::pin!(strays);
        loop {
            tokio::select! {
                () = &mut strays => break,
                Some(incoming) = self.messages.recv() => self.refuse_stray(&incoming).await,
            }
        }
        let heard = self.session.stop().await;
        let Plan { media, faults, .. } = &self.plan;
        checks::outcome(&mut self.report, self.plan.expect, self.plan.talk);
        judge(&mut self.report, heard, self.answered, media, faults).await;
        self.report
    }

    async fn refuse_stray(&mut self, incoming: &Incoming) {
        if !matches!(incoming.message.method(), "" | "ACK") {
            self.reply(incoming, 404, "Not Found").await;
        }
    }

    /// A response with the headers that WhatsApp's finals carry.
    pub async fn reply(&self, incoming: &Incoming, status: u16, reason: &str) {
        let mut response = respond(&incoming.message, status, reason, &self.names.from_tag)
            .with("Allow", requests::ALLOW)
            .with("X-FB-External-Domain", "wa.meta.vc");
        if status >= 300 {
            let warning = format!("399 wa.meta.vc \"{reason}\"");
            response = response.with("Warning", warning);
        }
        let bytes = match self.has(Fault::NoContentLength) {
            true => (response.head() + "\r\n").into_bytes(),
            false => response.to_bytes(),
        };
        incoming.wire.send_bytes(bytes).await;
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.plan.faults.contains(&fault)
    }

    /// Sends a request, with Content-Length twice when that is the fault.
    pub async fn send(&self, wire: &Wire, request: &Message) {
        if !self.has(Fault::DoubleContentLength) {
            return wire.send(request).await;
        }
        let length = request.body.len().to_string();
        wire.send(&request.clone().with("Content-Length", length))
            .await;
    }
}

/// A party that behaves in its media as WhatsApp does (dossier 10.4).
pub(super) fn party(media: &Media, faults: &Faults, ssrc: u32) -> Party {
    Party {
        style: Style {
            says: media.says,
            dtx: media.dtx,
            ptime: Duration::from_millis(20),
            ssrc,
            faults: faults.clone(),
        },
        cname: CNAME.into(),
        waits: true,
        latches: media.latch,
        report_interval: REPORT_INTERVAL,
        patience: Some(PATIENCE),
        rtcp_is_life: media.rtcp_is_life,
        link: None,
    }
}

fn dialog(plan: &Plan, names: &Names, host: &str, wire: Wire, entropy: &mut Entropy) -> Dialog {
    Dialog {
        call_id: names.call_id.clone(),
        local: requests::from(plan, names),
        remote: requests::to(plan, host),
        cseq: 1_000 + entropy.below(99_000),
        route: Vec::new(),
        target: requests::request_uri(plan, host),
        wire,
    }
}

/// What only the whole call shows of the media.
pub(super) async fn judge(
    report: &mut Report,
    heard: Heard,
    answered: Option<Instant>,
    media: &Media,
    faults: &Faults,
) {
    if let Some(answered) = answered {
        report.first_packet = heard.first.map(|at| at.saturating_duration_since(answered));
        report.first_sound = heard
            .first_sound
            .map(|at| at.saturating_duration_since(answered));
        webrtc::check(&heard, answered, &mut report.verdict);
        let excuse = webrtc::excuse(&media.webrtc, heard.link.as_ref(), faults);
        checks::media(&heard, answered + excuse, faults, report);
    }
    report.heard = heard;
    if let (Some(voice), Some(_)) = (media.hears, answered) {
        report.listen_for(voice).await;
    }
}
