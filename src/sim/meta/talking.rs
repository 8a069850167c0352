//! From the answer to the end: ACK, frozen leg, the rules about media, BYE.

use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until};

use crate::sim::fault::Fault;
use crate::sim::media::session::{News, Order};
use crate::sim::meta::call::Call;
use crate::sim::meta::checks;
use crate::sim::meta::offer;
use crate::sim::meta::requests::{self, RECORD_ROUTES};
use crate::sim::report::{Ended, Outcome};
use crate::sim::sip::{Incoming, Message};

/// How long a call may last at most when nobody hangs up.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What happens next in an answered call.
enum Next {
    Message(Option<Incoming>),
    News(Option<News>),
    Dial,
    HangUp,
}

impl Call {
    /// The 2xx: looked at, acknowledged, media started.
    pub(super) async fn accept(&mut self, answer: Message) {
        self.dialog.learn(&answer);
        let reachable = self.check_record_routes(&answer);
        if self.has(Fault::CancelCrossing) {
            self.cancel_too_late().await;
        }
        let settled = offer::settle(&self.offer, &answer.body_text(), &mut self.report.verdict);
        if let Some(settled) = settled {
            self.session.order(Order::Answered).await;
            self.session.order(Order::Settle(Box::new(settled))).await;
        }
        if self.has(Fault::LateAck) {
            sleep(Duration::from_secs(2)).await;
        }
        // With a mangled Record-Route the proxies cannot find the way: nobody ever sees the ACK (dossier 2.5).
        if reachable && !self.has(Fault::LostAck) {
            self.acknowledge(&answer).await;
        }
    }

    fn check_record_routes(&mut self, answer: &Message) -> bool {
        let given = answer.list("Record-Route");
        let held = given.ends_with(&RECORD_ROUTES.map(String::from));
        let found = if held {
            "the last two, unchanged".into()
        } else {
            format!("came back as {given:?}")
        };
        self.report.verdict.check("Record-Route", held, found);
        // The business's own stand above; ours are reached by the proxies themselves.
        let own = given.len().saturating_sub(RECORD_ROUTES.len());
        self.dialog.route = given.into_iter().take(own).rev().collect();
        held
    }

    pub(super) async fn acknowledge(&mut self, answer: &Message) {
        let via = self.via();
        let ack = self
            .dialog
            .request_numbered("ACK", answer.cseq().0, via)
            .with("X-FB-External-Domain", "wa.meta.vc");
        self.send(&self.dialog.wire, &ack).await;
    }

    /// CANCEL for an INVITE that is answered already (RFC 3261 §9.1).
    async fn cancel_too_late(&mut self) {
        let uri = requests::request_uri(&self.plan, &self.endpoint.settings.host);
        let lines = requests::route_lines(true, &self.branch)
            .into_iter()
            .take(1);
        let cancel = Message::request("CANCEL", &uri)
            .with_all(lines)
            .with("Max-Forwards", "69")
            .with("From", &self.dialog.local)
            .with("To", requests::to(&self.plan, &self.endpoint.settings.host))
            .with("Call-ID", &self.names.call_id)
            .with("CSeq", format!("{} CANCEL", self.dialog.cseq));
        self.send(&self.dialog.wire, &cancel).await;
    }

    fn via(&mut self) -> Vec<(String, String)> {
        let branch = requests::branch(&mut self.entropy);
        requests::route_lines(self.plan.shape.single_via, &branch)
    }

    pub(super) async fn talk(&mut self) {
        let answered = self.answered.unwrap_or(self.started);
        let end = answered + self.plan.talk.unwrap_or(LONGEST);
        let mut digits = self.plan.digits.take();
        let mut repeated = 0;
        let ended = loop {
            let dial = digits.as_ref().map_or(end, |(after, _)| answered + *after);
            match self.next(dial, digits.is_some(), end).await {
                Next::Dial => {
                    if let Some((_, digits)) = digits.take() {
                        self.session.order(Order::Dial(digits)).await;
                    }
                }
                Next::HangUp => {
                    self.hang_up(&[]).await;
                    self.await_bye_answer().await;
                    break Ended::Here;
                }
                Next::News(Some(News::Starved { ever })) => {
                    self.starve(ever).await;
                    break Ended::Starved;
                }
                Next::News(_) => {}
                Next::Message(None) => break Ended::There,
                Next::Message(Some(incoming)) if incoming.message.method().is_empty() => {
                    repeated += self.response(&incoming.message).await;
                }
                Next::Message(Some(incoming)) => {
                    if self.request(&incoming).await {
                        break Ended::There;
                    }
                }
            }
        };
        self.check_repeats(repeated);
        self.report.talked = answered.elapsed();
        self.report.outcome = Outcome::Answered { ended };
    }

    async fn next(&mut self, dial: Instant, has_digits: bool, end: Instant) -> Next {
        tokio::select! {
            incoming = self.messages.recv() => Next::Message(incoming),
            news = self.session.news.recv() => Next::News(news),
            () = sleep_until(dial.into()), if has_digits => Next::Dial,
            () = sleep_until(end.into()) => Next::HangUp,
        }
    }

    /// Returns 1 for a repeated answer to our INVITE.
    async fn response(&mut self, response: &Message) -> u32 {
        match (response.cseq().1, response.status()) {
            ("INVITE", Some(200..300)) => {
                if !self.has(Fault::LostAck) {
                    self.acknowledge(response).await;
                }
                1
            }
            ("CANCEL", Some(status)) => {
                let held = matches!(status, 200 | 481);
                let found = status.to_string();
                self.report
                    .verdict
                    .check("late CANCEL answered", held, found);
                0
            }
            _ => 0,
        }
    }

    fn check_repeats(&mut self, repeated: u32) {
        let found = match repeated {
            0 => "answer sent once".into(),
            more => format!("answer repeated {more} times"),
        };
        if self.has(Fault::LostAck) || self.has(Fault::LateAck) {
            return self
                .report
                .verdict
                .check("answer repeated", repeated > 0, found);
        }
        self.report
            .verdict
            .check("ACK arrived", repeated == 0, found);
    }

    /// A request of the business inside the call. True when it ended the call.
    async fn request(&mut self, incoming: &Incoming) -> bool {
        let request = &incoming.message;
        let (status, reason) = match request.method() {
            "ACK" => return false,
            "BYE" => return self.bye_came(incoming).await,
            "INVITE" => (500, "Internal Server Error"),
            "OPTIONS" if self.endpoint.settings.answer_options => (200, "OK"),
            _ => (405, "Method Not Allowed"),
        };
        let found = format!("{} came", request.method());
        self.report.verdict.violation("frozen leg", found);
        self.reply(incoming, status, reason).await;
        false
    }

    async fn bye_came(&mut self, incoming: &Incoming) -> bool {
        let bye = &incoming.message;
        let route = bye.list("Route");
        let uri_is_ours = bye.uri() == requests::contact(&self.plan);
        let held = uri_is_ours && route == RECORD_ROUTES;
        let found = match held {
            true => "to our Contact, by our Record-Routes".into(),
            false => format!("to {} by {route:?}", bye.uri()),
        };
        self.report.verdict.check("BYE routed", held, found);
        let (status, reason) = if held {
            (200, "OK")
        } else {
            (404, "Not Found")
        };
        self.reply(incoming, status, reason).await;
        held
    }

    /// 20 s without a first packet, or 30 s without another.
    async fn starve(&mut self, ever: bool) {
        checks::starved(&mut self.report.verdict, ever);
        let reason = requests::starved(self.plan.media.other_reason);
        self.hang_up(&[("Reason", reason)]).await;
        self.await_bye_answer().await;
    }

    /// Sends the BYE.
    pub(super) async fn hang_up(&mut self, extra: &[(&str, &str)]) {
        let seconds = self.answered.map_or(0, |at| at.elapsed().as_secs());
        let via = self.via();
        let bye = self.dialog.request("BYE", via);
        let mut bye = requests::bye(bye, &self.names.wacid, seconds);
        for (name, value) in extra {
            bye = bye.with(name, *value);
        }
        let wire = match self.plan.shape.fresh_connection {
            true => self.endpoint.dial(&self.plan).await,
            false => Ok(self.dialog.wire.clone()),
        };
        let Ok(wire) = wire else {
            let found = "the business could not be reached by a fresh connection";
            return self.report.verdict.violation("BYE sent", found);
        };
        for _ in 0..if self.has(Fault::RepeatedBye) { 3 } else { 1 } {
            self.send(&wire, &bye).await;
        }
    }
}
