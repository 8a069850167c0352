//! One call's task at the gateway: let in, ring, talk, end, look back.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::entropy::Entropy;
use crate::sim::fault::Fault;
use crate::sim::media::Session;
use crate::sim::media::link::Local;
use crate::sim::meta::call::{judge, party};
use crate::sim::meta::description::uuid;
use crate::sim::meta::gateway::account::{Business, User};
use crate::sim::meta::gateway::admission::{Obstacle, Parties};
use crate::sim::meta::gateway::answer::Offered;
use crate::sim::meta::gateway::checks;
use crate::sim::meta::gateway::refusal::Refusal;
use crate::sim::meta::gateway::responses;
use crate::sim::meta::gateway::service::{Gateway, Seat};
use crate::sim::meta::requests::Names;
use crate::sim::meta::webrtc::Webrtc;
use crate::sim::report::{Outcome, Report};
use crate::sim::sip::{Dialog, Incoming, Message, Wire};

const SLOW: Duration = Duration::from_secs(3);
/// 64*T1: nothing more will come of a transaction.
const GIVE_UP: Duration = Duration::from_secs(32);
/// A connection delivers an ACK at once.
const ACK_WITHIN: Duration = Duration::from_secs(5);
/// More would be a loop.
const MOST_CHALLENGES: u32 = 5;

/// What a call is from its INVITE on.
pub(super) struct Line {
    pub gateway: Arc<Gateway>,
    pub invite: Message,
    /// Where its last request came from.
    pub wire: Wire,
    /// Of our To.
    pub tag: String,
    pub messages: mpsc::Receiver<Incoming>,
    pub entropy: Entropy,
    pub report: Report,
    started: Instant,
}

/// A call that was let in.
pub(super) struct Call {
    pub line: Line,
    pub user: User,
    pub seat: Seat,
    pub dialog: Dialog,
    pub wacid: String,
    pub session: Session,
    pub ssrc: u32,
    /// Media by ICE and DTLS.
    pub local: Option<Local>,
    pub offered: Offered,
    pub answered: Option<Instant>,
    /// What was sent then.
    pub answer: Option<Message>,
}

/// From the INVITE to the report, with the user that was called.
pub(super) async fn take(
    gateway: &Arc<Gateway>,
    Incoming { message, wire }: Incoming,
    messages: mpsc::Receiver<Incoming>,
) -> (String, Report) {
    let mut entropy = gateway.entropy();
    let report = Report {
        call_id: message.call_id().into(),
        ..Report::default()
    };
    let mut line = Line {
        gateway: gateway.clone(),
        tag: uuid(&mut entropy),
        invite: message,
        wire,
        messages,
        entropy,
        report,
        started: Instant::now(),
    };
    let admitted = line.admit().await;
    line.report.called_with = line.invite.headers.clone();
    let parties = Parties::of(&line.invite, &gateway.account());
    let called = parties.pair.1.clone();
    let report = match admitted {
        Err(outcome) => {
            line.report.outcome = outcome;
            line.report
        }
        Ok(offered) => {
            let seat = Seat::taken(gateway, line.invite.call_id(), &parties.pair);
            line.run(parties, seat, offered).await
        }
    };
    (called, report)
}

impl Line {
    /// WhatsApp's checks, challenges included.
    async fn admit(&mut self) -> Result<Offered, Outcome> {
        let mut challenges = 0;
        loop {
            let parties = Parties::of(&self.invite, &self.gateway.account());
            let has = |fault| {
                let user = parties.user.as_ref();
                user.is_some_and(|user| user.faults.contains(&fault))
            };
            if has(Fault::SlowResponses) {
                sleep(SLOW).await;
            }
            let decision = match has(Fault::StaleNonce) && challenges == 1 {
                true => Err(Obstacle::Challenge { stale: true }),
                false => parties.admit(&self.invite, &mut self.gateway.state()),
            };
            match decision {
                Ok(offered) => return Ok(offered),
                Err(Obstacle::Refusal(refusal)) => {
                    return Err(self.refuse(&parties, refusal).await);
                }
                Err(Obstacle::Challenge { .. }) if challenges == MOST_CHALLENGES => {
                    return Err(self.refuse(&parties, Refusal::Digest).await);
                }
                Err(Obstacle::Challenge { stale }) => self.challenge(&parties, stale).await?,
            }
            challenges += 1;
        }
    }

    /// Asks for credentials; the INVITE that follows takes the place of this one.
    async fn challenge(&mut self, parties: &Parties, stale: bool) -> Result<(), Outcome> {
        let (nonce, opaque) = (self.entropy.hex(8), self.entropy.hex(8));
        self.gateway.state().nonces.remember(&nonce);
        let stale = if stale { ",stale=true" } else { "" };
        let algorithms = parties.challenges().algorithms;
        let challenges: Vec<String> = algorithms
            .iter()
            .map(|algorithm| {
                let algorithm = algorithm.name();
                format!(
                    "Digest realm=\"{}\",nonce=\"{nonce}\",opaque=\"{opaque}\",algorithm={algorithm},qop=\"auth\"{stale}",
                    responses::NAME
                )
            })
            .collect();
        let bytes = responses::challenge(&self.invite, &self.wire, &challenges);
        self.wire.send_bytes(bytes).await;
        let Some(again) = self.next_invite().await else {
            let found = "no INVITE followed our challenge";
            self.report.verdict.violation("credentials", found);
            return Err(Outcome::Lost);
        };
        checks::again(&mut self.report.verdict, &self.invite, &again.message);
        self.invite = again.message;
        self.wire = again.wire;
        Ok(())
    }

    async fn next_invite(&mut self) -> Option<Incoming> {
        let mut acknowledged = false;
        let next = timeout(GIVE_UP, async {
            while let Some(incoming) = self.messages.recv().await {
                match incoming.message.method() {
                    "ACK" => acknowledged = true,
                    "INVITE" if incoming.message.cseq().0 > self.invite.cseq().0 => {
                        return Some(incoming);
                    }
                    "CANCEL" => responses::reply(&incoming, 200, "OK", &self.tag).await,
                    _ => {}
                }
            }
            None
        });
        let next = next.await.ok().flatten();
        if !acknowledged {
            let found = "none before the next INVITE";
            self.report.verdict.violation("ACK of the challenge", found);
        }
        next
    }

    async fn refuse(&mut self, parties: &Parties, refusal: Refusal) -> Outcome {
        let unknown = Business::new("", "");
        let business = parties.business.as_ref().unwrap_or(&unknown);
        let status = refusal.status(business);
        let text = refusal.text(business, &parties.from_host);
        if refusal == Refusal::Sdp
            && let Err(found) = Offered::read(&self.invite, business)
        {
            self.report.verdict.violation("SDP offer", found);
        }
        self.decline(status, &text, &[]).await
    }

    /// A final response that is no success, and its ACK.
    pub async fn decline(&mut self, status: u16, text: &str, extra: &[(&str, &str)]) -> Outcome {
        let mut response = responses::refuse(&self.invite, &self.wire, status, text, &self.tag);
        for (name, value) in extra {
            response = response.with(name, *value);
        }
        self.wire.send(&response).await;
        let ack = timeout(ACK_WITHIN, async {
            loop {
                let incoming = self.messages.recv().await?;
                match incoming.message.method() {
                    "ACK" => return Some(incoming.message),
                    "CANCEL" => responses::reply(&incoming, 200, "OK", &self.tag).await,
                    _ => {}
                }
            }
        });
        let ack = ack.await.ok().flatten();
        checks::refusal_acknowledged(&mut self.report.verdict, &self.invite, ack.as_ref());
        self.report.setup = Some(self.started.elapsed());
        Outcome::Refused {
            status,
            reason: text.into(),
        }
    }

    async fn run(mut self, parties: Parties, seat: Seat, offered: Offered) -> Report {
        checks::invite(&mut self.report.verdict, &parties, &self.invite, &self.wire);
        offered.check(&mut self.report.verdict);
        let user = parties.user.unwrap_or_default();
        let ssrc = self.entropy.u32();
        let mut party = party(&user.media, &user.faults, ssrc);
        let local = match offered.setup() {
            None => Ok(None),
            Some(setup) => {
                let (webrtc, setup) = (&user.media.webrtc, Webrtc::answers(Some(setup)));
                let local = webrtc.local(setup, &user.faults, &mut self.entropy);
                local.map(Some).map_err(io::Error::other)
            }
        };
        let session = match local {
            Ok(local) => {
                party.link = local;
                Session::open(self.gateway.media, party.clone(), self.entropy.fork()).await
            }
            Err(error) => Err(error),
        };
        match session {
            Ok(session) => {
                let media = (session, ssrc, party.link);
                self.call(user, seat, offered, media).run().await
            }
            Err(error) => {
                let found = error.to_string();
                self.report.verdict.violation("media ports", found);
                self.report
            }
        }
    }

    fn call(
        mut self,
        user: User,
        seat: Seat,
        offered: Offered,
        (session, ssrc, local): (Session, u32, Option<Local>),
    ) -> Call {
        let mut dialog = Dialog::of_invite(&self.invite, &self.tag, self.wire.clone());
        dialog.cseq = 1_000 + self.entropy.below(99_000);
        Call {
            wacid: Names::new(false, &mut self.entropy).wacid,
            line: self,
            user,
            seat,
            dialog,
            session,
            ssrc,
            local,
            offered,
            answered: None,
            answer: None,
        }
    }
}

impl Call {
    async fn run(mut self) -> Report {
        self.line.report.outcome = self.ring().await;
        self.line.report.setup = Some(match self.answered {
            Some(answered) => answered.saturating_duration_since(self.line.started),
            None => self.line.started.elapsed(),
        });
        if self.answered.is_some() {
            self.talk().await;
        }
        self.refuse_strays().await;
        let heard = self.session.stop().await;
        let User { media, faults, .. } = &self.user;
        let mut report = self.line.report;
        judge(&mut report, heard, self.answered, media, faults).await;
        report
    }

    /// Requests that must not come may still be on their way.
    async fn refuse_strays(&mut self) {
        let strays = sleep(Duration::from_millis(200));
        tokio::pin!(strays);
        loop {
            tokio::select! {
                () = &mut strays => return,
                Some(incoming) = self.line.messages.recv() => {
                    if !matches!(incoming.message.method(), "" | "ACK") {
                        self.reply(&incoming, 404, "Not Found").await;
                    }
                }
            }
        }
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.user.faults.contains(&fault)
    }

    pub async fn reply(&self, incoming: &Incoming, status: u16, reason: &str) {
        responses::reply(incoming, status, reason, &self.line.tag).await;
    }
}
