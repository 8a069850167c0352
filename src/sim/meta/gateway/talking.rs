//! From the answer to the end: the ACK, the frozen leg, the rules about media, BYE.

use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use crate::sim::fault::Fault;
use crate::sim::media::session::{News, Order};
use crate::sim::meta::checks;
use crate::sim::meta::gateway::call::Call;
use crate::sim::meta::gateway::responses;
use crate::sim::meta::requests::{self, RECORD_ROUTES};
use crate::sim::report::{Ended, Outcome};
use crate::sim::sip::{Incoming, Message};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64*T1: nobody acknowledged.
const GIVE_UP: Duration = Duration::from_secs(32);
/// How long a call may last at most when nobody hangs up.
const LONGEST: Duration = Duration::from_secs(3_600);

/// Whether our answer arrived, as far as we know.
pub(super) enum Answer {
    /// Sent again at that time, and then after twice as long.
    Unacknowledged {
        again: Instant,
        interval: Duration,
    },
    Acknowledged,
}

/// What happens next in an answered call.
enum Next {
    Message(Option<Incoming>),
    News(Option<News>),
    Dial,
    Repeat,
    HangUp,
}

impl Call {
    pub(super) async fn talk(&mut self) {
        let answered = self.answered.unwrap_or_else(Instant::now);
        let end = answered + self.user.talk.unwrap_or(LONGEST);
        let mut digits = self.user.digits.take();
        let mut state = Answer::Unacknowledged {
            again: answered + T1,
            interval: T1,
        };
        let ended = loop {
            let dial = digits.as_ref().map(|(after, _)| answered + *after);
            match self.next(&state, dial, end).await {
                Next::Dial => {
                    if let Some((_, digits)) = digits.take() {
                        self.session.order(Order::Dial(digits)).await;
                    }
                }
                Next::Repeat => match self.repeat(&mut state, answered).await {
                    Some(ended) => break ended,
                    None => continue,
                },
                Next::HangUp => {
                    self.hang_up(&[]).await;
                    break Ended::Here;
                }
                Next::News(Some(News::Starved { ever })) => {
                    checks::starved(&mut self.line.report.verdict, ever);
                    let reason = requests::starved(self.user.media.other_reason);
                    self.hang_up(&[("Reason", reason)]).await;
                    break Ended::Starved;
                }
                Next::News(_) => {}
                Next::Message(None) => break Ended::There,
                Next::Message(Some(incoming)) => {
                    // Its next connection, if the first one is gone.
                    self.dialog.wire = incoming.wire.clone();
                    if self.request(&incoming, &mut state).await {
                        break Ended::There;
                    }
                }
            }
        };
        self.line.report.talked = answered.elapsed();
        self.line.report.outcome = Outcome::Answered { ended };
    }

    async fn next(&mut self, state: &Answer, dial: Option<Instant>, end: Instant) -> Next {
        let again = match state {
            Answer::Unacknowledged { again, .. } => Some(*again),
            Answer::Acknowledged => None,
        };
        tokio::select! {
            incoming = self.line.messages.recv() => Next::Message(incoming),
            news = self.session.news.recv() => Next::News(news),
            () = sleep_until(dial.unwrap_or(end).into()), if dial.is_some() => Next::Dial,
            () = sleep_until(again.unwrap_or(end).into()), if again.is_some() => Next::Repeat,
            () = sleep_until(end.into()) => Next::HangUp,
        }
    }

    /// RFC 3261 §13.3.1.4: on every transport. `Some` when it was the last time.
    async fn repeat(&mut self, state: &mut Answer, answered: Instant) -> Option<Ended> {
        let Answer::Unacknowledged { again, interval } = state else {
            return None;
        };
        if answered.elapsed() >= GIVE_UP {
            let deaf = self.user.faults.contains(&Fault::DeafToAck);
            let verdict = &mut self.line.report.verdict;
            verdict.check("ACK", deaf, "none seen within 32 s");
            self.hang_up(&[]).await;
            return Some(Ended::NoAck);
        }
        *interval = (*interval * 2).min(T2);
        *again = (Instant::now() + *interval).min(answered + GIVE_UP);
        if let Some(answer) = &self.answer {
            self.line.wire.send(answer).await;
        }
        None
    }

    /// True when it ended the call.
    async fn request(&mut self, incoming: &Incoming, state: &mut Answer) -> bool {
        let request = &incoming.message;
        let (status, reason) = match request.method() {
            "" => return false,
            "ACK" => {
                self.acknowledged(request, state);
                return false;
            }
            "BYE" => return self.bye_came(incoming).await,
            // It met our answer.
            "CANCEL" => {
                self.reply(incoming, 200, "OK").await;
                return false;
            }
            "INVITE" if request.cseq() == self.line.invite.cseq() => return false,
            "INVITE" => (500, "Internal Server Error"),
            "OPTIONS" if self.user.answer_options => (200, "OK"),
            _ => (405, "Method Not Allowed"),
        };
        let found = format!("{} came", request.method());
        self.line.report.verdict.violation("frozen leg", found);
        self.reply(incoming, status, reason).await;
        false
    }

    /// The proxies deliver what is routed by their own Record-Routes, and nothing else.
    fn acknowledged(&mut self, ack: &Message, state: &mut Answer) {
        let of_answer = ack.cseq().0 == self.line.invite.cseq().0;
        let is_first = matches!(state, Answer::Unacknowledged { .. });
        if !of_answer || !is_first || self.has(Fault::DeafToAck) {
            return;
        }
        let (held, found) = self.routed(ack);
        self.line.report.verdict.check("ACK", held, found);
        if held {
            *state = Answer::Acknowledged;
        }
    }

    /// To our Contact, by our Record-Routes as the caller turns them round (dossier 2.5).
    fn routed(&self, request: &Message) -> (bool, String) {
        let route = request.list("Route");
        let held = request.uri() == responses::contact(&self.line.invite)
            && route.ends_with(&RECORD_ROUTES.map(String::from));
        match held {
            true => (held, "to our Contact, by our Record-Routes".into()),
            false => (held, format!("to {} by {route:?}", request.uri())),
        }
    }

    async fn bye_came(&mut self, incoming: &Incoming) -> bool {
        let (held, found) = self.routed(&incoming.message);
        self.line.report.verdict.check("BYE routed", held, found);
        if !held {
            self.reply(incoming, 404, "Not Found").await;
            return false;
        }
        if self.has(Fault::ByeCrossing) {
            self.send_bye(&[]).await;
        }
        self.seat.leave();
        self.reply(incoming, 200, "OK").await;
        true
    }

    async fn hang_up(&mut self, extra: &[(&str, &str)]) {
        self.seat.leave();
        self.send_bye(extra).await;
        let cseq = self.dialog.cseq;
        let answer = timeout(Duration::from_secs(8), async {
            while let Some(incoming) = self.line.messages.recv().await {
                match incoming.message.method() {
                    "" if incoming.message.cseq() == (cseq, "BYE") => {
                        return incoming.message.status();
                    }
                    // Both hung up at once.
                    "BYE" => self.reply(&incoming, 200, "OK").await,
                    _ => {}
                }
            }
            None
        });
        let status = answer.await.ok().flatten();
        let found = status.map_or("no response".into(), |status| status.to_string());
        let held = matches!(status, Some(200 | 481));
        self.line.report.verdict.check("BYE answered", held, found);
    }

    async fn send_bye(&mut self, extra: &[(&str, &str)]) {
        let seconds = self.answered.map_or(0, |at| at.elapsed().as_secs());
        let branch = requests::branch(&mut self.line.entropy);
        let via = requests::route_lines(false, &branch);
        let bye = self.dialog.request("BYE", via);
        let mut bye = requests::bye(bye, &self.wacid, seconds);
        if let Some(user_id) = &self.user.user_id {
            bye = bye.with("x-wa-meta-user-id", user_id);
        }
        for (name, value) in extra {
            bye = bye.with(name, *value);
        }
        if self.has(Fault::DoubleContentLength) {
            bye = bye.with("Content-Length", "0");
        }
        for _ in 0..if self.has(Fault::RepeatedBye) { 3 } else { 1 } {
            self.dialog.wire.send(&bye).await;
        }
    }
}
