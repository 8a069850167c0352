//! An INVITE that comes in becomes a call, or a refusal.

use std::time::UNIX_EPOCH;

use tracing::{debug, info, warn};

use crate::call::admission::Verdict;
use crate::call::cdr::{CallDirection, CallRef, Told};
use crate::call::ending::{Cause, Ending, Party};
use crate::call::health::{Condition, Fitness, warning};
use crate::call::identity::Context;
use crate::call::line::Line;
use crate::call::moment::Moment;
use crate::call::outbound;
use crate::call::placing::credentials;
use crate::call::reception::{Arrival, Origin, Reception, Supplies};
use crate::call::record::Record;
use crate::call::switchboard::{Service, Switchboard};
use crate::call::trunk::PeerId;
use crate::call::turned_away::TurnedAway;
use crate::party::PhoneNumber;
use crate::side::Pair;
use crate::sip::endpoint::{InviteId, Reply};
use crate::sip::flow::Source;
use crate::sip::message::{Headers, Name, Request};

impl Switchboard {
    pub(super) fn invited(
        &mut self,
        now: Moment,
        invite: InviteId,
        source: Source,
        request: Box<Request>,
    ) {
        let verdict = self
            .admission
            .judge(now.instant, &self.config, source, &request);
        let arrival = Arrival {
            invite,
            listener: source.listener,
            request,
        };
        match verdict {
            Verdict::User { number, context } => {
                // Refused or not, the caller knows.
                let _ = self.receive(now, number, context, Origin::User(arrival));
            }
            Verdict::Pbx(peer) => self.agent_calls(now, peer, arrival),
            Verdict::Challenged { reply } => self.reject(now, invite, reply),
            Verdict::Refused { reply, why } => {
                info!(
                    source = %source.remote,
                    status = reply.status,
                    why = why.words(),
                    "INVITE not let in"
                );
                self.turn_away(now, invite, reply, why);
            }
        }
    }

    /// An agent takes a call over, or dials a user. A PBX that challenges us does so in a dialog that it began, too.
    fn agent_calls(&mut self, now: Moment, peer: PeerId, arrival: Arrival) {
        let configured = peer.find(&self.config);
        if let Some(credentials) = configured.and_then(|(_, peer)| credentials(peer))
            && let Err(error) = self.endpoint.set_credentials(arrival.invite, credentials)
        {
            debug!(%error, "INVITE is over already");
        }
        if arrival.request.headers.get(&Name::Replaces).is_some() {
            return self.agent_replaces(now, peer, &arrival);
        }
        let Some(number) = outbound::number(&self.config, &peer, &arrival.request) else {
            let why = TurnedAway::NoNumber;
            warn!(trunk = peer.trunk, why = why.words(), "INVITE not let in");
            let mut reply = Reply::status(403);
            reply.headers.push(Name::Warning, warning(why.words()));
            return self.turn_away(now, arrival.invite, reply, why);
        };
        let number = number.clone();
        let dialled = outbound::dialled(&self.config, &peer, &arrival.request);
        let origin = Origin::Agent {
            extension: outbound::caller(&arrival.request),
            objection: dialled.objection,
            arrival,
            peer,
        };
        let _ = self.receive(now, number, Context::of(dialled.user), origin);
    }

    /// RFC 3891 §3.
    fn agent_replaces(&mut self, now: Moment, peer: PeerId, arrival: &Arrival) {
        if let Err(reply) = self.replace(now, peer, arrival) {
            info!(status = reply.status, "INVITE replaces no call");
            self.turn_away(now, arrival.invite, reply, TurnedAway::ReplacesNothing);
        }
    }

    fn replace(&mut self, now: Moment, peer: PeerId, arrival: &Arrival) -> Result<(), Reply> {
        let replaces = arrival.request.headers.replaces().ok().flatten();
        let replaces = replaces.ok_or_else(|| Reply::status(400))?;
        let replaced = self
            .endpoint
            .find_replaced(&replaces)
            .map_err(Reply::status)?;
        let unknown = || Reply::status(481);
        let call = self.whose(replaced).ok_or_else(unknown)?;
        let line = self.lines.get(&call).ok_or_else(unknown)?;
        let side = line.side_of(replaced).ok_or_else(unknown)?;
        self.with_line(now, &call, |line, rooms| {
            line.take_over(now, side, peer, arrival, rooms)
        })
        .unwrap_or_else(|| Err(unknown()))
    }

    /// Makes the call, or says why there is none.
    pub(super) fn receive(
        &mut self,
        now: Moment,
        number: PhoneNumber,
        context: Context,
        origin: Origin,
    ) -> Result<CallRef, Ending> {
        let reception = Reception {
            now,
            config: self.config.clone(),
            call: self.new_call_ref(now),
            number,
            context,
            origin,
        };
        match self.line(&reception) {
            Ok(line) => {
                let call = reception.call;
                self.lines.insert(call.clone(), Box::new(line));
                self.settle_line(now, &call);
                Ok(call)
            }
            Err(ending) => {
                self.refuse(reception, &ending);
                Err(ending)
            }
        }
    }

    /// Checks what a new call needs of us, then puts it together.
    fn line(&mut self, reception: &Reception) -> Result<Line, Ending> {
        if let Some((cause, why)) = self.fitness().refusal() {
            return Err(Ending::new(cause, Party::Bridge).because(why));
        }
        let other_calls = self.calls_of(&reception.number);
        self.check_room(reception, other_calls)?;
        let mut supplies = Supplies {
            ports: &mut self.ports,
            trunks: &self.trunks,
            entropy: &mut self.entropy,
            fingerprint: &self.fingerprint,
            other_calls,
        };
        reception.receive(&mut supplies)
    }

    /// A call that was let in gets its CDR, also when it goes nowhere.
    fn refuse(&mut self, reception: Reception, ending: &Ending) {
        let now = reception.now;
        info!(
            call = %reception.call,
            cause = ending.cause.row().token,
            detail = ending.detail,
            "call refused"
        );
        let mut told = Told::Nothing;
        if let Some(arrival) = reception.origin.arrival() {
            let invite = arrival.invite;
            self.reject(now, invite, reception.rejection(ending));
            told = Told::Status(ending.status());
        }
        let parties = reception.parties();
        let mut record = Record::new(now, reception.call, parties);
        let told = Pair::new(told, Told::Nothing);
        self.cdrs.push_back(record.close(now, ending.clone(), told));
    }

    /// It becomes no call, and gets no record.
    fn turn_away(&mut self, now: Moment, invite: InviteId, reply: Reply, why: TurnedAway) {
        self.turned_away.add(why);
        self.reject(now, invite, reply);
    }

    pub(super) fn reject(&mut self, now: Moment, invite: InviteId, reply: Reply) {
        let nothing = Headers::default();
        if let Err(error) = self.endpoint.hang_up(now.instant, invite, reply, nothing) {
            debug!(%error, "INVITE is over already");
        }
    }

    fn check_room(&self, reception: &Reception, calls: u32) -> Result<(), Ending> {
        let number = self.config.numbers.get(&reception.number);
        let cause = match reception.origin.direction() {
            CallDirection::UserInitiated => Cause::NumberFull,
            CallDirection::BusinessInitiated => Cause::NoLine,
        };
        match number {
            Some(number) if calls >= number.concurrent_calls => {
                Err(Ending::new(cause, Party::Bridge))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn calls_of(&self, number: &PhoneNumber) -> u32 {
        let lines = self.lines.values();
        let busy = lines.filter(|line| line.number() == number && line.call.is_live());
        u32::try_from(busy.count()).unwrap_or(u32::MAX)
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
