//! From the INVITE to its final answer, as the callee.

use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until};

use crate::sim::media::session::Order;
use crate::sim::pbx::behaviour::{Answer, Credentials};
use crate::sim::pbx::call::Call;
use crate::sim::pbx::dialogs::Replaces;
use crate::sim::report::{Ended, Outcome};
use crate::sim::sdp::Described;
use crate::sim::sip::digest::{Identity, is_authentic};
use crate::sim::sip::{Incoming, Message};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64*T1: nobody acknowledged.
const GIVE_UP: Duration = Duration::from_secs(32);

impl Call {
    pub(super) async fn ring(&mut self) -> Outcome {
        self.provisional(100, "Trying", None).await;
        if let Some(credentials) = self.behaviour.credentials.clone()
            && let Err(outcome) = self.challenge(&credentials).await
        {
            return outcome;
        }
        let replaced = match self.find_replaced().await {
            Ok(replaced) => replaced,
            Err(outcome) => return outcome,
        };
        let answer = match self.describe().await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        if self.behaviour.early_media {
            self.provisional(183, "Session Progress", answer.as_deref())
                .await;
            self.session.order(Order::Answered).await;
        } else if self.behaviour.answer != Answer::No(404) {
            self.provisional(180, "Ringing", None).await;
        }
        if let Some(outcome) = self.wait_for_the_caller().await {
            return outcome;
        }
        match self.behaviour.answer {
            Answer::Yes => {
                if let Some(replaced) = replaced {
                    self.exchange.dialogs.replace(&replaced);
                }
                self.accept(answer).await
            }
            Answer::No(status) => self.refuse(status).await,
            Answer::Never => Outcome::Lost,
        }
    }

    /// Our description: the answer to the offer, or (when the INVITE had none) an offer of ours.
    async fn describe(&mut self) -> Result<Option<String>, Outcome> {
        if self.invite.body.is_empty() {
            return Ok(None);
        }
        match self.answer_offer(&self.invite.clone()).await {
            Some(answer) => Ok(Some(answer)),
            None => {
                let offer = self.invite.body_text();
                let found = offer.lines().find(|line| line.starts_with("m=audio"));
                let found = found.unwrap_or("no m=audio").to_owned();
                self.report
                    .verdict
                    .violation("offer can be answered", found);
                Err(self.refuse(488).await)
            }
        }
    }

    /// The dialog that the INVITE takes the place of. It is answered without ringing (RFC 3891 §3).
    async fn find_replaced(&mut self) -> Result<Option<Replaces>, Outcome> {
        let Some(value) = self.invite.header("Replaces").map(String::from) else {
            return Ok(None);
        };
        let named = Replaces::parse(&value).filter(|names| self.exchange.dialogs.stands(names));
        self.report
            .verdict
            .check("Replaces", named.is_some(), value);
        self.behaviour.ring = Duration::ZERO;
        match named {
            Some(names) => Ok(Some(names)),
            None => Err(self.refuse(481).await),
        }
    }

    async fn challenge(&mut self, credentials: &Credentials) -> Result<(), Outcome> {
        let nonce = self.entropy.hex(16);
        let value = format!(
            "Digest realm=\"{}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"",
            credentials.realm
        );
        let challenge = self
            .respond(&self.invite, 401, "Unauthorized")
            .with("WWW-Authenticate", value);
        self.send_final(&challenge).await;
        let Some(again) = self.next_invite().await else {
            self.report
                .verdict
                .violation("credentials", "no INVITE followed our challenge");
            return Err(Outcome::Lost);
        };
        let who = Identity {
            username: &credentials.username,
            password: &credentials.password,
        };
        let held = is_authentic(&again.message, who, &credentials.realm, &nonce);
        self.report
            .verdict
            .check("credentials", held, "digest of the second INVITE");
        self.report.called_with = again.message.headers.clone();
        self.invite = again.message;
        self.dialog.wire = again.wire;
        self.provisional(100, "Trying", None).await;
        match held {
            true => Ok(()),
            false => Err(self.refuse(403).await),
        }
    }

    async fn next_invite(&mut self) -> Option<Incoming> {
        let limit = sleep(Duration::from_secs(5));
        tokio::pin!(limit);
        loop {
            let incoming = tokio::select! {
                incoming = self.messages.recv() => incoming?,
                () = &mut limit => return None,
            };
            let newer = incoming.message.cseq().0 > self.invite.cseq().0;
            if incoming.message.method() == "INVITE" && newer {
                return Some(incoming);
            }
        }
    }

    async fn provisional(&mut self, status: u16, reason: &str, body: Option<&str>) {
        let supported = self.invite.list("Supported");
        let supported = supported.iter().any(|option| option == "100rel");
        let mut response = self.respond(&self.invite, status, reason);
        if self.behaviour.reliable && supported && status > 100 {
            response = response.with("Require", "100rel").with("RSeq", "1");
        }
        if let Some(body) = body {
            response = response.with_body("application/sdp", body);
        }
        self.dialog.wire.send(&response).await;
    }

    /// Rings. `Some` when the caller gave up first.
    async fn wait_for_the_caller(&mut self) -> Option<Outcome> {
        let rings = match self.behaviour.answer {
            Answer::Yes | Answer::No(_) => self.behaviour.ring,
            Answer::Never => Duration::from_secs(180),
        };
        let until = Instant::now() + rings;
        loop {
            let incoming = tokio::select! {
                Some(incoming) = self.messages.recv() => incoming,
                () = sleep_until(until.into()) => return None,
            };
            let request = &incoming.message;
            match request.method() {
                "CANCEL" | "BYE" => {
                    self.reply(&incoming.wire, request, 200, "OK").await;
                    let terminated = self.respond(&self.invite, 487, "Request Terminated");
                    self.send_final(&terminated).await;
                    return Some(Outcome::Cancelled);
                }
                "PRACK" => {
                    let found = request.header("RAck").unwrap_or("without RAck").to_owned();
                    let held = found.starts_with("1 ");
                    self.report.verdict.check("PRACK", held, found);
                    self.reply(&incoming.wire, request, 200, "OK").await;
                }
                "OPTIONS" => self.reply(&incoming.wire, request, 200, "OK").await,
                "UPDATE" => self.reply(&incoming.wire, request, 500, "Not Now").await,
                // A repeated INVITE; the response that it missed.
                "INVITE" => self.provisional(180, "Ringing", None).await,
                _ => {}
            }
        }
    }

    async fn refuse(&mut self, status: u16) -> Outcome {
        let reason = reason(status);
        let response = self.respond(&self.invite, status, reason);
        self.send_final(&response).await;
        Outcome::Refused {
            status,
            reason: reason.into(),
        }
    }

    async fn accept(&mut self, answer: Option<String>) -> Outcome {
        let late = answer.is_none();
        let body = answer.unwrap_or_else(|| self.own.write());
        let mut response = self.respond(&self.invite, 200, "OK");
        let timers = self
            .invite
            .list("Supported")
            .iter()
            .any(|option| option == "timer");
        if let Some(expires) = self.behaviour.session_expires.filter(|_| timers) {
            response = response
                .with(
                    "Session-Expires",
                    format!("{};refresher=uas", expires.as_secs()),
                )
                .with("Require", "timer");
        }
        let response = response.with_body("application/sdp", body);
        self.answered = Some(Instant::now());
        if !late {
            self.session.order(Order::Answered).await;
        }
        let Some(ack) = self.send_final(&response).await else {
            let found = "none within 32 s";
            self.report.verdict.violation("ACK", found);
            return Outcome::Answered {
                ended: Ended::NoAck,
            };
        };
        if late {
            if let Ok(theirs) = Described::read(&ack.body_text()) {
                self.settle(&theirs).await;
            }
            self.session.order(Order::Answered).await;
        }
        Outcome::Answered { ended: Ended::Here }
    }

    /// Repeats a final response until its ACK comes, which is returned.
    async fn send_final(&mut self, response: &Message) -> Option<Message> {
        let started = Instant::now();
        let mut interval = T1;
        // A 2xx is repeated on every transport (RFC 3261 §13.3.1.4).
        let repeats = !self.dialog.wire.protocol.is_reliable()
            || response.status().is_some_and(|status| status < 300);
        self.dialog.wire.send(response).await;
        loop {
            tokio::select! {
                Some(incoming) = self.messages.recv() => {
                    let message = incoming.message;
                    match message.method() {
                        "ACK" => return Some(message),
                        "INVITE" if message.cseq() == self.invite.cseq() => {
                            self.dialog.wire.send(response).await;
                        }
                        "PRACK" | "BYE" | "CANCEL" => {
                            self.reply(&incoming.wire, &message, 200, "OK").await;
                        }
                        _ => {}
                    }
                }
                () = sleep(interval) => {
                    if started.elapsed() > GIVE_UP {
                        return None;
                    }
                    if repeats {
                        self.dialog.wire.send(response).await;
                    }
                    interval = (interval * 2).min(T2);
                }
            }
        }
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        302 => "Moved Temporarily",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        488 => "Not Acceptable Here",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "No",
    }
}
