//! From the INVITE to its final response, as the caller.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::sim::media::session::Order;
use crate::sim::pbx::behaviour::{Act, Credentials};
use crate::sim::pbx::call::Call;
use crate::sim::pbx::plan::{Offer, Plan};
use crate::sim::pbx::{checks, invitation};
use crate::sim::report::{Ended, Outcome, Told};
use crate::sim::sdp::Described;
use crate::sim::sip::digest::{Challenge, Identity};
use crate::sim::sip::{Incoming, Message};

const T1: Duration = Duration::from_millis(500);
/// 64*T1: nothing came.
const GIVE_UP: Duration = Duration::from_secs(32);
/// A PBX does not ring for ever.
const RING_LIMIT: Duration = Duration::from_secs(180);

/// Where an INVITE is.
#[derive(Clone, Copy)]
enum Phase {
    /// Nothing came back; it is sent again (UDP).
    Calling {
        again: Instant,
        interval: Duration,
    },
    Proceeding,
    /// CANCEL was sent.
    Cancelling,
}

/// For the final response to an INVITE.
struct Waiting {
    phase: Phase,
    until: Instant,
    /// When the caller has rung long enough.
    limit: Instant,
}

impl Waiting {
    fn new(limit: Instant) -> Self {
        let sent = Instant::now();
        Self {
            phase: Phase::Calling {
                again: sent + T1,
                interval: T1,
            },
            until: sent + GIVE_UP,
            limit,
        }
    }

    fn wakes(&self, repeats: bool) -> Instant {
        match self.phase {
            Phase::Calling { again, .. } if repeats => again.min(self.until),
            Phase::Calling { .. } | Phase::Proceeding | Phase::Cancelling => self.until,
        }
    }

    /// False when it has been sent often enough.
    fn repeat(&mut self) -> bool {
        let now = Instant::now();
        if let Phase::Calling { again, interval } = &mut self.phase {
            *interval *= 2;
            *again = now + *interval;
        }
        now < self.until
    }

    fn proceed(&mut self) {
        match self.phase {
            Phase::Calling { .. } => (self.phase, self.until) = (Phase::Proceeding, self.limit),
            Phase::Proceeding | Phase::Cancelling => {}
        }
    }

    fn cancel(&mut self) {
        (self.phase, self.until) = (Phase::Cancelling, Instant::now() + GIVE_UP);
    }
}

/// What became of one INVITE.
enum Final {
    Response(Message),
    /// An answer met our CANCEL.
    Crossed(Message),
    Cancelled,
    Nothing,
}

impl Call {
    pub(super) async fn dial(&mut self, plan: &Plan) -> Outcome {
        let placed = Instant::now();
        let mut became = self.invite(plan, None, placed).await;
        if let (Final::Response(challenged), Some(credentials)) = (&became, &plan.credentials)
            && let Some(authorization) = self.authorization(challenged, credentials)
        {
            became = self.invite(plan, Some(authorization), placed).await;
            if let Final::Response(response) = &became {
                let again = matches!(response.status(), Some(401 | 407));
                let found = response.status().unwrap_or_default().to_string();
                self.report.verdict.check("credentials", !again, found);
            }
        }
        self.report.setup = Some(placed.elapsed());
        self.conclude(plan, became).await
    }

    /// `None` when it is no challenge.
    fn authorization(
        &mut self,
        challenged: &Message,
        credentials: &Credentials,
    ) -> Option<(&'static str, String)> {
        let (asked, answered) = match challenged.status()? {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return None,
        };
        let Some(challenge) = challenged.all(asked).find_map(Challenge::parse) else {
            let found = "401 or 407 without a readable challenge";
            self.report.verdict.violation("challenge", found);
            return None;
        };
        let who = Identity {
            username: &credentials.username,
            password: &credentials.password,
        };
        let cnonce = self.entropy.hex(8);
        let uri = self.invite.uri();
        Some((answered, challenge.answer(who, "INVITE", uri, &cnonce)))
    }

    /// One INVITE transaction. `placed` is when the first one left.
    async fn invite(
        &mut self,
        plan: &Plan,
        authorization: Option<(&'static str, String)>,
        placed: Instant,
    ) -> Final {
        self.invite = invitation::write(self, plan, authorization);
        self.dialog.wire.send(&self.invite).await;
        let mut waiting = Waiting::new(placed + plan.cancel.unwrap_or(RING_LIMIT));
        let repeats = !self.dialog.wire.protocol.is_reliable();
        loop {
            tokio::select! {
                Some(incoming) = self.messages.recv() => {
                    match self.status_for_us(&incoming).await {
                        None => {}
                        Some(100..200) => {
                            waiting.proceed();
                            self.progress(plan, &incoming.message).await;
                        }
                        Some(_) => return self.finally(waiting.phase, incoming.message).await,
                    }
                }
                () = sleep_until(waiting.wakes(repeats).into()) => {
                    if let Some(became) = self.wake(&mut waiting).await {
                        return became;
                    }
                }
            }
        }
    }

    /// Time has passed.
    async fn wake(&mut self, waiting: &mut Waiting) -> Option<Final> {
        match waiting.phase {
            Phase::Calling { .. } => match waiting.repeat() {
                true => {
                    self.dialog.wire.send(&self.invite).await;
                    None
                }
                false => Some(Final::Nothing),
            },
            Phase::Proceeding => {
                let cancel = invitation::cancel(&self.invite);
                self.dialog.wire.send(&cancel).await;
                waiting.cancel();
                None
            }
            Phase::Cancelling => {
                self.report.verdict.violation("487 after CANCEL", "none");
                Some(Final::Cancelled)
            }
        }
    }

    /// Of a response to the INVITE that is under way. Whatever else came is answered here.
    async fn status_for_us(&mut self, incoming: &Incoming) -> Option<u16> {
        let message = &incoming.message;
        let Some(status) = message.status() else {
            self.request(incoming).await;
            return None;
        };
        match message.cseq() {
            cseq if cseq == self.invite.cseq() => return Some(status),
            (_, method @ ("CANCEL" | "PRACK")) if status >= 200 => {
                let what = format!("{method} answered");
                let found = status.to_string();
                self.report.verdict.check(what, status == 200, found);
            }
            // Of the challenged INVITE, again: its ACK was lost.
            (_, "INVITE") if status >= 300 => {
                let ack = invitation::acknowledgement(&self.invite, message);
                self.dialog.wire.send(&ack).await;
            }
            _ => {}
        }
        None
    }

    /// A provisional response.
    async fn progress(&mut self, plan: &Plan, response: &Message) {
        let status = response.status().unwrap_or_default();
        self.report.provisionals.push(status);
        if response.tag_of("To").is_none() {
            return;
        }
        self.dialog.learn(response);
        if plan.offer != Offer::Late
            && let Ok(theirs) = Described::read(&response.body_text())
            && theirs.port != 0
        {
            self.settle(&theirs).await;
        }
        if let Some(number) = response.header("RSeq") {
            let (cseq, _) = self.invite.cseq();
            let acknowledged = format!("{number} {cseq} INVITE");
            let via = self.via();
            let prack = self.dialog.request("PRACK", via);
            self.dialog
                .wire
                .send(&prack.with("RAck", acknowledged))
                .await;
        }
    }

    async fn finally(&mut self, phase: Phase, response: Message) -> Final {
        let status = response.status().unwrap_or_default();
        if status >= 300 {
            let ack = invitation::acknowledgement(&self.invite, &response);
            self.dialog.wire.send(&ack).await;
        }
        self.report.told = Told::read(&response);
        match phase {
            Phase::Calling { .. } | Phase::Proceeding => Final::Response(response),
            Phase::Cancelling if status < 300 => Final::Crossed(response),
            Phase::Cancelling => {
                let found = status.to_string();
                self.report
                    .verdict
                    .check("487 after CANCEL", status == 487, found);
                Final::Cancelled
            }
        }
    }

    async fn conclude(&mut self, plan: &Plan, became: Final) -> Outcome {
        match became {
            Final::Nothing => Outcome::Lost,
            Final::Cancelled => Outcome::Cancelled,
            Final::Crossed(answer) => {
                self.take_answer(plan, &answer).await;
                self.behaviour.script = vec![(Duration::ZERO, Act::HangUp)];
                self.talk().await;
                // Nothing that was heard by then is judged.
                self.answered = None;
                Outcome::Cancelled
            }
            Final::Response(response) => match response.status() {
                Some(status @ 300..)
                    if matches!(status, 401 | 407) && plan.credentials.is_some() =>
                {
                    Outcome::Unauthorized
                }
                Some(status @ 300..) => Outcome::Refused {
                    status,
                    reason: self
                        .report
                        .told
                        .as_ref()
                        .map_or_else(String::new, |told| told.phrase.clone()),
                },
                Some(_) | None => {
                    self.take_answer(plan, &response).await;
                    Outcome::Answered { ended: Ended::Here }
                }
            },
        }
    }

    /// The 2xx: looked at, acknowledged, media started.
    async fn take_answer(&mut self, plan: &Plan, response: &Message) {
        self.dialog.learn(response);
        self.answered = Some(Instant::now());
        let body = match plan.offer {
            Offer::Late => self.answer_late(response).await,
            Offer::Rtp | Offer::Srtp(_) => {
                checks::answer(&self.own, response, &mut self.report.verdict);
                if let Ok(theirs) = Described::read(&response.body_text()) {
                    self.settle(&theirs).await;
                }
                None
            }
        };
        let via = self.via();
        let ack = self
            .dialog
            .request_numbered("ACK", self.invite.cseq().0, via);
        let ack = match body {
            Some(body) => ack.with_body("application/sdp", body),
            None => ack,
        };
        self.dialog.wire.send(&ack).await;
        self.ack = Some(ack);
        self.session.order(Order::Answered).await;
    }

    /// Our answer to the offer of the 200. Without one there is nothing to talk by.
    async fn answer_late(&mut self, response: &Message) -> Option<String> {
        let answer = self.answer_offer(response).await;
        if answer.is_none() {
            let found = "the 200 to an INVITE without one has none, or none that fits";
            self.report
                .verdict
                .violation("offer can be answered", found);
            self.behaviour.script = vec![(Duration::ZERO, Act::HangUp)];
        }
        answer
    }
}
