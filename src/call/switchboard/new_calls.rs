//! An INVITE that comes in becomes a call, or a refusal.

use std::time::UNIX_EPOCH;

use tracing::{debug, info};

use crate::call::admission::Verdict;
use crate::call::cdr::CallRef;
use crate::call::ending::{Cause, Ending, Party};
use crate::call::health::{Condition, Fitness};
use crate::call::line::Line;
use crate::call::moment::Moment;
use crate::call::reception::{Reception, Supplies};
use crate::call::record::Record;
use crate::call::sip_words::rejection;
use crate::call::switchboard::{Service, Switchboard};
use crate::party::PhoneNumber;
use crate::sip::endpoint::{InviteId, Reply};
use crate::sip::flow::Source;
use crate::sip::message::{Headers, Request};

impl Switchboard {
    pub(super) fn invited(
        &mut self,
        now: Moment,
        invite: InviteId,
        source: Source,
        request: Box<Request>,
    ) {
        match self
            .admission
            .judge(now.instant, &self.config, source, &request)
        {
            Verdict::LetIn { number, context } => {
                let reception = Reception {
                    now,
                    config: self.config.clone(),
                    call: self.new_call_ref(now),
                    invite,
                    listener: source.listener,
                    request,
                    context,
                    number,
                };
                self.receive(reception);
            }
            Verdict::Challenged { reply } => self.reject(now, invite, reply),
            Verdict::Refused { reply, why } => {
                info!(source = %source.remote, status = reply.status, why, "INVITE not let in");
                self.reject(now, invite, reply);
            }
        }
    }

    pub(super) fn receive(&mut self, reception: Reception) {
        let now = reception.now;
        let call = reception.call.clone();
        match self.line(&reception) {
            Ok(line) => {
                self.lines.insert(call.clone(), line);
                self.settle_line(now, &call);
            }
            Err(ending) => self.refuse(reception, ending),
        }
    }

    /// Checks what a new call needs of us, then puts it together.
    pub(super) fn line(&mut self, reception: &Reception) -> Result<Line, Ending> {
        if let Some((cause, why)) = self.fitness().refusal() {
            return Err(Ending::new(cause, Party::Bridge).because(why));
        }
        if self.is_full(&reception.number) {
            return Err(Ending::new(Cause::NumberFull, Party::Bridge));
        }
        let mut supplies = Supplies {
            ports: &mut self.ports,
            trunks: &self.trunks,
            entropy: &mut self.entropy,
        };
        reception.receive(&mut supplies)
    }

    /// A call that was let in gets its CDR, also when it goes nowhere.
    pub(super) fn refuse(&mut self, reception: Reception, ending: Ending) {
        let now = reception.now;
        info!(
            call = %reception.call,
            cause = ending.cause.row().token,
            detail = ending.detail,
            "call refused"
        );
        self.reject(now, reception.invite, rejection(&ending));
        let parties = reception.parties();
        let cdr = Record::refused(now, reception.call, parties, ending);
        self.cdrs.push_back(cdr);
    }

    pub(super) fn reject(&mut self, now: Moment, invite: InviteId, reply: Reply) {
        let nothing = Headers::default();
        if let Err(error) = self.endpoint.hang_up(now.instant, invite, reply, nothing) {
            debug!(%error, "INVITE is over already");
        }
    }

    pub(super) fn is_full(&self, number: &PhoneNumber) -> bool {
        let Some(number) = self.config.numbers.get(number) else {
            return false;
        };
        let lines = self.lines.values();
        let busy = lines.filter(|line| line.number() == &number.number && line.call.is_live());
        busy.count() >= number.concurrent_calls as usize
    }

    /// Milliseconds since 1970 in twelve hex digits, so that it sorts by time, then 64 random bits.
    pub(super) fn new_call_ref(&mut self, now: Moment) -> CallRef {
        let since = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        CallRef(format!(
            "{:012x}-{}",
            since.as_millis(),
            self.entropy.hex(8)
        ))
    }

    pub(super) fn fitness(&self) -> Fitness {
        match (self.service, &self.condition) {
            (Service::Draining, _) => Fitness::Draining,
            (Service::Open, Condition::Unfit { reason }) => Fitness::Unfit(reason.clone()),
            (Service::Open, Condition::Fit) if self.lines.len() >= self.config.limits.calls => {
                Fitness::Full
            }
            (Service::Open, Condition::Fit) if !self.trunks.is_any_up() => Fitness::NoTrunkUp,
            (Service::Open, Condition::Fit) => Fitness::Fit,
        }
    }
}
