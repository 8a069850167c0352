//! From the answer to the end: the script, and what the far side asks.

use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::sim::media::Session;
use crate::sim::media::session::Order;
use crate::sim::pbx::behaviour::{Act, How};
use crate::sim::pbx::call::Call;
use crate::sim::pbx::description::Own;
use crate::sim::pbx::plan::Plan;
use crate::sim::report::{Ended, Outcome};
use crate::sim::sdp::Described;
use crate::sim::sip::{Incoming, Message};

const T1: Duration = Duration::from_millis(500);
const GIVE_UP: Duration = Duration::from_secs(32);
const LONGEST: Duration = Duration::from_secs(3_600);

/// A request of ours that waits for its final response.
struct Pending {
    request: Message,
    sent: Instant,
    again: Instant,
    interval: Duration,
    /// Where media moves if the far side agrees.
    moved: Option<Session>,
}

impl Call {
    pub(super) async fn talk(&mut self) {
        let answered = self.answered.unwrap_or_else(Instant::now);
        let mut script = std::mem::take(&mut self.behaviour.script);
        script.sort_by_key(|(after, _)| *after);
        let mut script = script.into_iter().peekable();
        let mut pending: Option<Pending> = None;
        let leave = self.leave.clone();
        let mut ended = None;
        while ended.is_none() {
            let act_at = script.peek().map_or(LONGEST, |(after, _)| *after);
            let (act_at, busy) = (answered + act_at, pending.is_some());
            let again = pending.as_ref().map_or(act_at, |pending| pending.again);
            tokio::select! {
                incoming = self.messages.recv() => match incoming {
                    None => ended = Some(Ended::There),
                    Some(incoming) if incoming.message.method().is_empty() => {
                        ended = self.response(&incoming.message, &mut pending).await;
                    }
                    Some(incoming) => ended = self.request(&incoming).await,
                },
                () = sleep_until(again.into()), if busy => {
                    ended = self.repeat(&mut pending).await;
                }
                () = leave.notified(), if !busy => pending = self.act(Act::HangUp).await,
                () = sleep_until(act_at.into()), if !busy => match script.next() {
                    Some((_, act)) => pending = self.act(act).await,
                    None => ended = Some(Ended::Here),
                },
            }
        }
        self.report.talked = answered.elapsed();
        self.report.outcome = Outcome::Answered {
            ended: ended.unwrap_or(Ended::There),
        };
    }

    async fn act(&mut self, act: Act) -> Option<Pending> {
        match act {
            Act::HangUp => self.ask("BYE", Vec::new(), None, None).await,
            Act::Turn(direction, how) => {
                self.own.direction = direction;
                self.describe_again(how, None).await
            }
            Act::Dial(digits) => {
                self.session.order(Order::Dial(digits)).await;
                None
            }
            Act::DialByInfo(digits) => {
                let mut pending = None;
                for digit in digits.chars() {
                    let body = format!("Signal={digit}\r\nDuration=160\r\n");
                    let body = Some(("application/dtmf-relay", body));
                    pending = self.ask("INFO", Vec::new(), body, None).await;
                }
                pending
            }
            Act::Move => {
                let session = self.another_session().await.ok()?;
                self.own.media.set_port(session.rtp_port);
                self.own.rtcp_port = session.rtcp_port;
                self.describe_again(How::Reinvite, Some(session)).await
            }
            Act::Change(codec) => {
                self.behaviour.codecs = vec![codec];
                self.own.codecs = Own::numbered(&[codec]);
                self.own.event = Some(Own::EVENT);
                self.describe_again(How::Reinvite, None).await
            }
            Act::Refresh(how) => {
                // Same description, same version (RFC 4028 §7.4).
                self.own.version -= 1;
                self.describe_again(how, None).await
            }
            Act::Transfer(transfer) => {
                let headers = self.refer(transfer);
                self.ask("REFER", headers, None, None).await
            }
            Act::PickUp(extension) => {
                self.be_taken_over(&extension);
                None
            }
        }
    }

    fn be_taken_over(&self, extension: &str) {
        let plan = Plan {
            replaces: self.exchange.dialogs.of(&self.extension),
            behaviour: self.exchange.behaviour(extension).unwrap_or_default(),
            ..Plan::new(extension, &self.dialog.target)
        };
        self.exchange
            .clone()
            .begin_own(plan, self.dialog.wire.clone());
    }

    async fn describe_again(&mut self, how: How, moved: Option<Session>) -> Option<Pending> {
        self.own.version += 1;
        let method = match how {
            How::Reinvite => "INVITE",
            How::Update => "UPDATE",
        };
        let body = Some(("application/sdp", self.own.write()));
        self.ask(method, Vec::new(), body, moved).await
    }

    async fn ask(
        &mut self,
        method: &str,
        headers: Vec<(String, String)>,
        body: Option<(&str, String)>,
        moved: Option<Session>,
    ) -> Option<Pending> {
        let via = self.via();
        let mut request = self.dialog.request(method, via).with_all(headers);
        if method != "BYE" {
            request = request.with("Contact", self.contact());
        }
        if let Some((content_type, body)) = body {
            request = request.with_body(content_type, body);
        }
        self.dialog.wire.send(&request).await;
        let sent = Instant::now();
        Some(Pending {
            request,
            sent,
            again: sent + T1,
            interval: T1,
            moved,
        })
    }

    async fn repeat(&mut self, pending: &mut Option<Pending>) -> Option<Ended> {
        let waiting = pending.as_mut()?;
        if waiting.sent.elapsed() > GIVE_UP {
            let found = format!("no response to {}", waiting.request.method());
            let bye = waiting.request.method() == "BYE";
            self.report.verdict.violation("request answered", found);
            *pending = None;
            return bye.then_some(Ended::Here);
        }
        waiting.interval = (waiting.interval * 2).min(Duration::from_secs(4));
        waiting.again = Instant::now() + waiting.interval;
        if !self.dialog.wire.protocol.is_reliable() {
            self.dialog.wire.send(&waiting.request).await;
        }
        None
    }

    async fn response(
        &mut self,
        response: &Message,
        pending: &mut Option<Pending>,
    ) -> Option<Ended> {
        let (number, method) = response.cseq();
        let status = response.status().unwrap_or_default();
        let matches = |waiting: &mut Pending| waiting.request.cseq() == (number, method);
        if status < 200 {
            return None;
        }
        let Some(waiting) = pending.take_if(matches) else {
            // A repeated 2xx wants its ACK again.
            if method == "INVITE" && status < 300 {
                self.acknowledge(number).await;
            }
            return None;
        };
        let found = format!("{status} after {} ms", waiting.sent.elapsed().as_millis());
        match (method, &mut self.referral) {
            ("REFER", Some(referral)) => {
                if referral.answered(status) {
                    self.leave.notify_one();
                }
            }
            _ => {
                let what = format!("{method} accepted");
                self.report.verdict.check(what, status < 300, found);
            }
        }
        if method == "INVITE" {
            self.acknowledge(number).await;
        }
        if status < 300 && matches!(method, "INVITE" | "UPDATE") {
            self.agreed(response, waiting.moved).await;
        }
        (method == "BYE").then_some(Ended::Here)
    }

    async fn acknowledge(&mut self, number: u32) {
        let first = self.ack.clone().filter(|ack| ack.cseq().0 == number);
        let via = self.via();
        let ack = first.unwrap_or_else(|| self.dialog.request_numbered("ACK", number, via));
        self.dialog.wire.send(&ack).await;
    }

    /// Our new description is in force.
    async fn agreed(&mut self, response: &Message, moved: Option<Session>) {
        if let Some(session) = moved {
            let old = std::mem::replace(&mut self.session, session);
            let heard = old.stop().await;
            let earlier = std::mem::replace(&mut self.before, heard);
            self.before.follow(earlier);
            self.session.order(Order::Answered).await;
        }
        match Described::read(&response.body_text()) {
            Ok(theirs) => self.settle(&theirs).await,
            Err(error) => self
                .report
                .verdict
                .violation("SDP answer", error.to_string()),
        }
    }

    /// `Some` when it ended the call.
    pub(super) async fn request(&mut self, incoming: &Incoming) -> Option<Ended> {
        let Incoming { message, wire } = incoming;
        match message.method() {
            "BYE" => {
                self.report.bye_reason = message.header("Reason").map(String::from);
                self.reply(wire, message, 200, "OK").await;
                return Some(Ended::There);
            }
            "INVITE" | "UPDATE" if message.body.is_empty() => {
                let response = self.respond(message, 200, "OK");
                let response = match message.method() {
                    "INVITE" => response.with_body("application/sdp", self.own.write()),
                    _ => response,
                };
                wire.send(&response).await;
            }
            "INVITE" | "UPDATE" => match self.answer_offer(message).await {
                Some(answer) => {
                    let response = self.respond(message, 200, "OK");
                    wire.send(&response.with_body("application/sdp", answer))
                        .await;
                }
                None => self.reply(wire, message, 488, "Not Acceptable Here").await,
            },
            "INFO" => {
                let signal = message.body_text();
                let signal = signal.lines().find_map(|line| line.strip_prefix("Signal="));
                self.info_digits
                    .extend(signal.and_then(|text| text.trim().chars().next()));
                self.reply(wire, message, 200, "OK").await;
            }
            "NOTIFY" => match &mut self.referral {
                Some(referral) => {
                    if referral.notify(message) {
                        self.leave.notify_one();
                    }
                    self.reply(wire, message, 200, "OK").await;
                }
                None => {
                    let reason = "Subscription Does Not Exist";
                    self.reply(wire, message, 481, reason).await;
                }
            },
            "OPTIONS" | "PRACK" => self.reply(wire, message, 200, "OK").await,
            "CANCEL" => self.reply(wire, message, 200, "OK").await,
            "ACK" => {}
            _ => self.reply(wire, message, 405, "Method Not Allowed").await,
        }
        None
    }
}
