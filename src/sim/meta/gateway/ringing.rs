//! From the INVITE that was let in to its final response.

use std::time::Instant;

use tokio::time::sleep_until;

use crate::sim::fault::Fault;
use crate::sim::media::session::Order;
use crate::sim::meta::gateway::account::Answer;
use crate::sim::meta::gateway::answer::Ours;
use crate::sim::meta::gateway::call::Call;
use crate::sim::meta::gateway::responses;
use crate::sim::report::{Ended, Outcome};
use crate::sim::sip::Message;

/// What the business did while it rang.
enum Rang {
    /// Nothing.
    Out,
    Cancelled,
    /// CANCEL came, but so does the answer.
    Crossed,
}

impl Call {
    pub(super) async fn ring(&mut self) -> Outcome {
        self.provisional(100, "Trying").await;
        if !self.has(Fault::NoRinging) {
            self.provisional(180, "Ringing").await;
        }
        if self.has(Fault::ClosedConnection) {
            self.line.wire.close().await;
            return Outcome::Lost;
        }
        match self.wait_for_the_business().await {
            Rang::Out => {}
            Rang::Cancelled => {
                self.decline(487, &[]).await;
                return Outcome::Cancelled;
            }
            Rang::Crossed => return self.accept().await,
        }
        match self.user.answer.clone() {
            Answer::Yes => self.accept().await,
            Answer::No(status) => self.decline(status, &[]).await,
            Answer::Never => self.decline(480, &[]).await,
            Answer::Redirect(to) => self.decline(302, &[("Contact", &to)]).await,
        }
    }

    async fn decline(&mut self, status: u16, extra: &[(&str, &str)]) -> Outcome {
        self.seat.leave();
        self.line.decline(status, phrase(status), extra).await
    }

    async fn provisional(&self, status: u16, reason: &str) {
        let line = &self.line;
        let response = responses::respond(&line.invite, &line.wire, status, reason, &line.tag);
        line.wire.send(&response).await;
    }

    async fn wait_for_the_business(&mut self) -> Rang {
        let until = Instant::now() + self.user.ring;
        loop {
            let incoming = tokio::select! {
                Some(incoming) = self.line.messages.recv() => incoming,
                () = sleep_until(until.into()) => return Rang::Out,
            };
            match incoming.message.method() {
                "CANCEL" => {
                    self.check_cancel(&incoming.message);
                    self.reply(&incoming, 200, "OK").await;
                    return match self.has(Fault::AnswerCrossing) {
                        true => Rang::Crossed,
                        false => Rang::Cancelled,
                    };
                }
                // ACK of the challenge, late; INVITE, again.
                "" | "ACK" | "INVITE" => {}
                method => {
                    let found = format!("{method} before the answer");
                    let what = "no request while it rings";
                    self.line.report.verdict.violation(what, found);
                    self.reply(&incoming, 405, "Method Not Allowed").await;
                }
            }
        }
    }

    /// The INVITE's own branch, request URI and CSeq number (RFC 3261 §9.1).
    fn check_cancel(&mut self, cancel: &Message) {
        let invite = &self.line.invite;
        let held = cancel.header("Via") == invite.header("Via")
            && cancel.uri() == invite.uri()
            && cancel.cseq().0 == invite.cseq().0;
        let found = if held {
            "of this INVITE"
        } else {
            "of another transaction"
        };
        self.line.report.verdict.check("CANCEL", held, found);
    }

    async fn accept(&mut self) -> Outcome {
        let line = &mut self.line;
        let media = (line.gateway.media, self.session.rtp_port).into();
        let webrtc = &self.user.media.webrtc;
        let ours = Ours {
            media,
            ssrc: self.ssrc,
            link: self.local.as_ref(),
            candidates: webrtc.candidates(media, self.session.also),
        };
        let (text, settled) = self.offered.answer(ours, &mut line.entropy);
        let user_id = self.user.user_id.as_deref();
        let answer = responses::answer(&line.invite, &line.wire, &line.tag, user_id)
            .with_body("application/sdp", text);
        self.answered = Some(Instant::now());
        self.seat.connected();
        self.session.order(Order::Answered).await;
        if let Some(settled) = settled {
            self.session.order(Order::Settle(Box::new(settled))).await;
        }
        line.wire.send(&answer).await;
        self.answer = Some(answer);
        Outcome::Answered { ended: Ended::Here }
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        302 => "Moved Temporarily",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "No",
    }
}
