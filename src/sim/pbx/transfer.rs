//! REFER on the dialog with the far side, and what its NOTIFYs say (RFC 3515, 3891, 5589).

use crate::sim::pbx::behaviour::{ReferTo, Then, Transfer};
use crate::sim::pbx::call::Call;
use crate::sim::pbx::dialogs::Replaces;
use crate::sim::report::Transferred;
use crate::sim::sip::Message;
use crate::sim::verdict::Verdict;

/// A REFER of ours and what followed it.
pub(super) struct Referral {
    pub transfer: Transfer,
    /// The dialog that the far side's call is to take the place of.
    consulted: Option<Replaces>,
    status: Option<u16>,
    notified: Vec<u16>,
    last_cseq: u32,
    subscription: Subscription,
    oddities: Vec<String>,
}

/// That the REFER made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Subscription {
    Active,
    Terminated,
}

impl Referral {
    fn new(transfer: Transfer, consulted: Option<Replaces>) -> Self {
        Self {
            transfer,
            consulted,
            status: None,
            notified: Vec::new(),
            last_cseq: 0,
            subscription: Subscription::Active,
            oddities: Vec::new(),
        }
    }

    /// More NOTIFYs may come.
    pub fn is_open(&self) -> bool {
        self.subscription == Subscription::Active && self.status.is_none_or(|status| status < 300)
    }

    /// How it went: the NOTIFYs' last word, or the refusal of the REFER itself.
    fn outcome(&self) -> Option<u16> {
        match self.status {
            Some(refused @ 300..) => Some(refused),
            Some(_) | None => self.notified.last().copied().filter(|last| *last >= 200),
        }
    }

    /// The REFER's response. True when it is time to hang up.
    pub fn answered(&mut self, status: u16) -> bool {
        self.status = Some(status);
        status < 300 && self.transfer.then == Then::HangUp
    }

    /// True when it is time to hang up.
    pub fn notify(&mut self, request: &Message) -> bool {
        if self.subscription == Subscription::Terminated {
            self.oddities.push("one after the last".into());
        }
        let (cseq, _) = request.cseq();
        if cseq <= self.last_cseq {
            self.oddities
                .push(format!("CSeq {cseq} after {}", self.last_cseq));
        }
        self.last_cseq = cseq;
        self.oddities.extend(wrong_headers(request));
        let Some(status) = sipfrag(&request.body_text()) else {
            self.oddities.push("a body that is no status line".into());
            return false;
        };
        if self.outcome().is_some() {
            self.oddities.push(format!("{status} after a final one"));
        }
        self.notified.push(status);
        self.follow(request, status);
        (200..300).contains(&status) && self.transfer.then == Then::HangUpWhenDone
    }

    fn follow(&mut self, request: &Message, status: u16) {
        let state = request.header("Subscription-State").unwrap_or_default();
        let terminated = state.split(';').next() == Some("terminated");
        if terminated {
            self.subscription = Subscription::Terminated;
        }
        if terminated != (status >= 200) {
            self.oddities.push(format!("{status} in state `{state}`"));
        }
    }

    /// `replaced` tells whether the consulted dialog, where there is one, has been.
    pub fn judge(
        self,
        replaced: impl FnOnce(&Replaces) -> bool,
        verdict: &mut Verdict,
    ) -> Transferred {
        let expected = self.transfer.expects;
        let refused = self.status.is_some_and(|status| status >= 300);
        let found = self
            .status
            .map_or("no response".into(), |status| status.to_string());
        let held = self.status == Some(202) || (refused && self.status == Some(expected));
        verdict.check("REFER accepted", held, found);
        let told: Vec<String> = self.notified.iter().map(u16::to_string).collect();
        let told = match self.oddities.is_empty() {
            true => told.join(", "),
            false => format!("{}: {}", told.join(", "), self.oddities.join("; ")),
        };
        let outcome = self.outcome();
        // Who leaves at once need not hear the end.
        let must_be_told = !refused && self.transfer.then != Then::HangUp;
        let ended = !must_be_told || self.subscription == Subscription::Terminated;
        verdict.check("NOTIFYs", self.oddities.is_empty() && ended, told);
        if must_be_told || outcome.is_some() {
            let found = outcome.map_or("never told".into(), |status| status.to_string());
            verdict.check("transfer", outcome == Some(expected), found);
        }
        if let Some(consulted) = &self.consulted {
            let replaced = replaced(consulted);
            let found = if replaced { "replaced" } else { "still stands" };
            verdict.check("consulted dialog", replaced == (expected < 300), found);
        }
        Transferred {
            refer: self.status,
            notified: self.notified,
        }
    }
}

impl Call {
    /// The REFER's own headers; the referral is awaited from now on.
    pub(super) fn refer(&mut self, transfer: Transfer) -> Vec<(String, String)> {
        let (target, consulted) = self.refer_to(&transfer.to);
        self.referral = Some(Referral::new(transfer, consulted));
        let own = self.contact();
        vec![
            ("Refer-To".into(), format!("<{target}>")),
            ("Referred-By".into(), own),
        ]
    }

    fn refer_to(&mut self, to: &ReferTo) -> (String, Option<Replaces>) {
        match to {
            ReferTo::Blind(uri) if uri.contains(':') => (uri.clone(), None),
            ReferTo::Blind(extension) => (self.uri_of(extension), None),
            ReferTo::Consulted(extension) => {
                let dialogs = &self.exchange.dialogs;
                let names = dialogs.consult(extension, &mut self.entropy);
                let uri = format!("{}?{}", self.uri_of(extension), names.in_uri());
                (uri, Some(names))
            }
        }
    }
}

/// What a NOTIFY of a referral must have.
fn wrong_headers(request: &Message) -> Vec<String> {
    let mut wrong = Vec::new();
    let event = request.header("Event").unwrap_or_default();
    if event.split(';').next() != Some("refer") {
        wrong.push(format!("Event `{event}`"));
    }
    let content = request.header("Content-Type").unwrap_or_default();
    if content.split(';').next() != Some("message/sipfrag") {
        wrong.push(format!("Content-Type `{content}`"));
    }
    let state = request.header("Subscription-State").unwrap_or_default();
    let known = ["active", "pending", "terminated"];
    if !known.contains(&state.split(';').next().unwrap_or_default()) {
        wrong.push(format!("Subscription-State `{state}`"));
    }
    wrong
}

/// The status of a status line (RFC 3420).
fn sipfrag(body: &str) -> Option<u16> {
    body.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notify(cseq: u32, state: &str, body: &str) -> Message {
        Message::request("NOTIFY", "sip:a@b")
            .with("CSeq", format!("{cseq} NOTIFY"))
            .with("Event", "refer;id=101")
            .with("Subscription-State", state)
            .with_body("message/sipfrag;version=2.0", body)
    }

    fn judged(status: u16, notifies: &[Message]) -> Verdict {
        let transfer = Transfer {
            to: ReferTo::Blind("200".into()),
            then: Then::Wait,
            expects: 200,
        };
        let mut referral = Referral::new(transfer, None);
        referral.answered(status);
        for request in notifies {
            referral.notify(request);
        }
        let mut verdict = Verdict::default();
        referral.judge(|_| true, &mut verdict);
        verdict
    }

    const DONE: &str = "terminated;reason=noresource";

    #[test]
    fn the_notifies_of_a_good_transfer() {
        let first = notify(7, "active;expires=60", "SIP/2.0 100 Trying\r\n");
        let last = notify(8, DONE, "SIP/2.0 200 OK\r\n");
        assert!(judged(202, &[first.clone(), last.clone()]).held());
        for (status, wrong) in [
            (200, vec![first.clone(), last.clone()]),
            (405, vec![]),
            (202, vec![]),
            (202, vec![first.clone()]),
            (202, vec![last.clone(), first.clone()]),
            (202, vec![first.clone(), notify(7, DONE, "SIP/2.0 200 OK")]),
            (
                202,
                vec![first.clone(), notify(8, DONE, "SIP/2.0 486 Busy")],
            ),
            (
                202,
                vec![
                    first.clone(),
                    notify(8, "active", "SIP/2.0 200 OK"),
                    last.clone(),
                ],
            ),
            (202, vec![notify(7, "active", "100 Trying"), last]),
        ] {
            let verdict = judged(status, &wrong);
            assert!(!verdict.held(), "{status}, {wrong:?}");
        }
    }
}
