//! From the INVITE to its final answer: the challenge, ringing, giving up.

use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use crate::sim::fault::Fault;
use crate::sim::meta::call::Call;
use crate::sim::meta::requests;
use crate::sim::report::{Ended, Outcome};
use crate::sim::sip::Incoming;
use crate::sim::sip::digest::{Challenge, Identity};
use crate::sim::sip::message::Message;

/// Responses are awaited so long after the last thing that we did.
const PATIENCE: Duration = Duration::from_secs(32);
/// "At once".
const PROMPT: Duration = Duration::from_secs(1);

/// What became of one INVITE.
enum Final {
    Response(Message),
    /// We cancelled, and there was no final response but 487 or none at all.
    Cancelled,
    Nothing,
}

/// Where an INVITE is.
enum Giving {
    NotYet,
    /// CANCEL was sent.
    Up,
}

impl Call {
    pub(super) async fn dial(&mut self) -> Outcome {
        match self.invite(None).await {
            Final::Response(response) => match response.status() {
                Some(401 | 407) => self.dial_again(response).await,
                _ => self.conclude(response).await,
            },
            Final::Cancelled => Outcome::Cancelled,
            Final::Nothing => Outcome::Lost,
        }
    }

    /// With an answer to the challenge. A second one ends the call, unless the nonce was only stale.
    async fn dial_again(&mut self, first: Message) -> Outcome {
        let mut challenged = first;
        let mut stale_once = self.plan.shape.retry_stale;
        loop {
            self.acknowledge_failure(&challenged).await;
            let Some(authorization) = self.authorization(&challenged) else {
                let found = "401 or 407 without a readable challenge";
                self.report.verdict.violation("challenge", found);
                return Outcome::Unauthorized;
            };
            let found = challenged.status().unwrap_or_default().to_string();
            let response = match self.invite(Some(authorization)).await {
                Final::Response(response) => response,
                Final::Cancelled => return Outcome::Cancelled,
                Final::Nothing => return Outcome::Lost,
            };
            if !matches!(response.status(), Some(401 | 407)) {
                self.report
                    .verdict
                    .check("credentials", true, format!("asked by {found}"));
                return self.conclude(response).await;
            }
            if !(stale_once && is_stale(&response)) {
                self.acknowledge_failure(&response).await;
                let found = "challenged a second time";
                self.report.verdict.violation("credentials", found);
                return Outcome::Unauthorized;
            }
            stale_once = false;
            challenged = response;
        }
    }

    fn authorization(&mut self, challenged: &Message) -> Option<(&'static str, String)> {
        let (asked, answered) = match challenged.status() {
            Some(401) => ("WWW-Authenticate", "Authorization"),
            _ => ("Proxy-Authenticate", "Proxy-Authorization"),
        };
        let challenge = challenged.all(asked).find_map(Challenge::parse)?;
        let wrong = self.has(Fault::WrongDigest);
        let password = if wrong {
            "not this"
        } else {
            &self.plan.password
        };
        let who = Identity {
            username: self.plan.number.trim_start_matches('+'),
            password,
        };
        // Without the transport parameter, although the request URI has it (dossier 2.6).
        let uri = format!("sip:{}@{}", self.plan.number, self.endpoint.settings.host);
        let cnonce = self.entropy.hex(15);
        Some((answered, challenge.answer(who, "INVITE", &uri, &cnonce)))
    }

    /// One INVITE transaction.
    async fn invite(&mut self, authorization: Option<(&'static str, String)>) -> Final {
        self.dialog.cseq += 1;
        self.branch = requests::branch(&mut self.entropy);
        let mut invite = requests::invite(
            &self.plan,
            &self.names,
            &self.endpoint.settings.host,
            self.dialog.cseq,
            &self.branch,
        );
        if let Some((name, value)) = authorization {
            invite = invite.with(name, value);
        }
        let invite = invite.with_body("application/sdp", self.offer.text.clone());
        let sent = Instant::now();
        self.send(&self.dialog.wire, &invite).await;
        self.await_final(&invite, sent).await
    }

    async fn await_final(&mut self, invite: &Message, sent: Instant) -> Final {
        let limit = self.plan.cancel.unwrap_or(self.plan.ring_limit);
        let mut deadline = self.started + limit;
        let mut giving = Giving::NotYet;
        let mut provisional = false;
        loop {
            let incoming = tokio::select! {
                incoming = self.messages.recv() => incoming,
                () = sleep_until(deadline.into()) => None,
            };
            let Some(incoming) = incoming else {
                match giving {
                    Giving::NotYet if provisional => {
                        giving = Giving::Up;
                        self.cancel(invite).await;
                        deadline = Instant::now() + PATIENCE;
                        continue;
                    }
                    Giving::NotYet => return Final::Nothing,
                    Giving::Up => {
                        self.report.verdict.violation("487 after CANCEL", "none");
                        return Final::Cancelled;
                    }
                }
            };
            let message = incoming.message.clone();
            self.note_first(sent);
            let mine = message.cseq() == (self.dialog.cseq, "INVITE");
            match message.status() {
                None => self.refuse_while_dialing(&incoming).await,
                Some(status) if message.cseq().1 == "CANCEL" => self.note_cancelled(status),
                Some(status @ 100..200) if mine => {
                    provisional = true;
                    self.note_provisional(status, &message);
                }
                Some(status) if mine => {
                    self.check_vias(invite, &message);
                    return self.crossed(giving, status, message).await;
                }
                // Of the challenged INVITE, again.
                Some(_) => self.acknowledge_failure(&message).await,
            }
        }
    }

    /// A final response that may have met our CANCEL.
    async fn crossed(&mut self, giving: Giving, status: u16, message: Message) -> Final {
        match (giving, status) {
            (Giving::NotYet, _) => Final::Response(message),
            (Giving::Up, 200..300) => {
                self.dialog.learn(&message);
                self.acknowledge(&message).await;
                self.hang_up(&[]).await;
                self.await_bye_answer().await;
                Final::Cancelled
            }
            (Giving::Up, _) => {
                let found = status.to_string();
                self.report
                    .verdict
                    .check("487 after CANCEL", status == 487, found);
                self.acknowledge_failure(&message).await;
                Final::Cancelled
            }
        }
    }

    fn note_first(&mut self, sent: Instant) {
        if std::mem::replace(&mut self.responded, true) {
            return;
        }
        let took = sent.elapsed();
        let found = format!("after {} ms", took.as_millis());
        self.report
            .verdict
            .check("first response at once", took < PROMPT, found);
    }

    fn note_provisional(&mut self, status: u16, message: &Message) {
        if !message.body.is_empty() {
            let found = format!("{status} with a body");
            self.report.verdict.violation("no early media", found);
        }
        if message.header("RSeq").is_some() {
            let found = format!("{status} with RSeq, though 100rel was not supported");
            self.report
                .verdict
                .violation("no reliable provisionals", found);
        }
    }

    fn note_cancelled(&mut self, status: u16) {
        let crossing = self.has(Fault::CancelCrossing) && status == 481;
        self.report.verdict.check(
            "CANCEL answered",
            status == 200 || crossing,
            status.to_string(),
        );
    }

    /// Vias below the top one come back as they were; the top one may have gained parameters.
    fn check_vias(&mut self, invite: &Message, response: &Message) {
        let (sent, back) = (invite.list("Via"), response.list("Via"));
        let top_is_ours = back.first().is_some_and(|via| via.contains(&self.branch));
        let held = top_is_ours && sent.get(1..) == back.get(1..);
        if !held {
            self.report
                .verdict
                .violation("Vias copied", back.join(", "));
        }
    }

    async fn cancel(&mut self, invite: &Message) {
        let via = invite
            .headers
            .iter()
            .filter(|(name, _)| name == "Via")
            .take(1)
            .cloned();
        let mut cancel = Message::request("CANCEL", invite.uri()).with_all(via);
        for name in ["Max-Forwards", "From", "To", "Call-ID", "Route"] {
            for value in invite.all(name) {
                cancel = cancel.with(name, value);
            }
        }
        let cancel = cancel
            .with("CSeq", format!("{} CANCEL", self.dialog.cseq))
            .with("X-FB-External-Domain", "wa.meta.vc")
            .with("User-Agent", requests::AGENT);
        self.send(&self.dialog.wire, &cancel).await;
    }

    /// The final response of a call that was not cancelled.
    async fn conclude(&mut self, response: Message) -> Outcome {
        self.report.setup = Some(self.started.elapsed());
        match response.start {
            crate::sim::sip::Start::Response { status, ref reason } if status >= 300 => {
                let reason = reason.clone();
                self.acknowledge_failure(&response).await;
                Outcome::Refused { status, reason }
            }
            _ => {
                self.answered = Some(Instant::now());
                self.accept(response).await;
                Outcome::Answered { ended: Ended::Here }
            }
        }
    }

    /// ACK of a non-2xx: same branch as the INVITE (RFC 3261 §17.1.1.3).
    async fn acknowledge_failure(&mut self, response: &Message) {
        let top = response.list("Via").into_iter().next().unwrap_or_default();
        let uri = requests::request_uri(&self.plan, &self.endpoint.settings.host);
        let ack = Message::request("ACK", &uri)
            .with("Via", top)
            .with("Max-Forwards", "69")
            .with("From", &self.dialog.local)
            .with("To", response.header("To").unwrap_or_default())
            .with("Call-ID", &self.names.call_id)
            .with("CSeq", format!("{} ACK", response.cseq().0))
            .with("X-FB-External-Domain", "wa.meta.vc");
        self.send(&self.dialog.wire, &ack).await;
    }

    async fn refuse_while_dialing(&mut self, incoming: &Incoming) {
        let found = format!("{} before the answer", incoming.message.method());
        self.report
            .verdict
            .violation("no request of the business's own", found);
        self.reply(incoming, 405, "Method Not Allowed").await;
    }

    /// After a crossing CANCEL: the BYE is to be answered.
    pub(super) async fn await_bye_answer(&mut self) {
        let cseq = self.dialog.cseq;
        let answer = timeout(Duration::from_secs(8), async {
            while let Some(incoming) = self.messages.recv().await {
                if incoming.message.cseq() == (cseq, "BYE") {
                    return incoming.message.status();
                }
            }
            None
        });
        let status = answer.await.ok().flatten();
        let found = status.map_or("no response".into(), |status| status.to_string());
        self.report
            .verdict
            .check("BYE answered", status == Some(200), found);
    }
}

fn is_stale(response: &Message) -> bool {
    let asked = ["WWW-Authenticate", "Proxy-Authenticate"].into_iter();
    let mut values = asked.filter_map(|name| response.header(name));
    values.any(|value| value.to_ascii_lowercase().contains("stale=true"))
}
