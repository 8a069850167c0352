//! Events are led to the calls they belong to.

use tracing::debug;

use crate::call::cdr::CallRef;
use crate::call::line::{Line, Rooms};
use crate::call::moment::Moment;
use crate::call::probing;
use crate::call::switchboard::{Purpose, Switchboard};
use crate::sip::endpoint::{Event, Failure, InviteId, Reply, RequestId};
use crate::sip::message::{Headers, Response};

impl Switchboard {
    /// Leads every event of the endpoint where it belongs, until there is none.
    pub(super) fn settle(&mut self, now: Moment) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Invited {
                    invite,
                    source,
                    request,
                } => self.invited(now, invite, source, request),
                Event::Requested {
                    pending,
                    source,
                    request,
                } => self.requested(now, pending, source, &request),
                Event::Completed { request, outcome } => self.completed(now, request, outcome),
                Event::RefreshDue { invite } => self.refresh(now, invite),
                Event::Cancelled { invite, .. }
                | Event::Acknowledged { invite, .. }
                | Event::NeverAcknowledged { invite }
                | Event::Progress { invite, .. }
                | Event::Answered { invite, .. }
                | Event::Failed { invite, .. }
                | Event::Reoffered { invite, .. }
                | Event::ReofferAcknowledged { invite, .. }
                | Event::InDialog { invite, .. }
                | Event::Ended { invite, .. } => self.lead(now, invite, event),
            }
        }
    }

    pub(super) fn lead(&mut self, now: Moment, invite: InviteId, event: Event) {
        let Some(call) = self.whose(invite) else {
            return self.orphan(now, invite, event);
        };
        self.with_line(now, &call, |line, rooms| {
            line.handle_event(now, invite, event, rooms);
        });
    }

    /// The call that a usage is part of now; `None` for one that its call gave up.
    pub(super) fn whose(&self, invite: InviteId) -> Option<CallRef> {
        let call = self.invites.get(&invite)?;
        self.lines.get(call)?.has(invite).then(|| call.clone())
    }

    /// No call waits for this usage any more: what is open is closed.
    pub(super) fn orphan(&mut self, now: Moment, invite: InviteId, event: Event) {
        let gone = Reply::status(481);
        let done = match event {
            Event::Answered { .. } => self
                .endpoint
                .acknowledge(now.instant, invite, None)
                .and_then(|()| {
                    let endpoint = &mut self.endpoint;
                    endpoint.hang_up(now.instant, invite, gone, Headers::default())
                }),
            Event::Reoffered { pending, .. } | Event::InDialog { pending, .. } => {
                self.endpoint.respond(now.instant, pending, gone)
            }
            Event::Invited { .. }
            | Event::Cancelled { .. }
            | Event::Acknowledged { .. }
            | Event::NeverAcknowledged { .. }
            | Event::Progress { .. }
            | Event::Failed { .. }
            | Event::ReofferAcknowledged { .. }
            | Event::Ended { .. }
            | Event::RefreshDue { .. }
            | Event::Requested { .. }
            | Event::Completed { .. } => Ok(()),
        };
        if let Err(error) = done {
            debug!(%error, "nobody's usage");
        }
    }

    pub(super) fn refresh(&mut self, now: Moment, invite: InviteId) {
        let Some(call) = self.whose(invite) else {
            return;
        };
        let side = self.lines.get(&call).and_then(|line| line.side_of(invite));
        let Some(side) = side else {
            return;
        };
        let request = self.with_line(now, &call, |line, rooms| line.refresh(now, side, rooms));
        if let Some(request) = request.flatten() {
            self.requests.insert(request, Purpose::Refresh(call, side));
        }
    }

    pub(super) fn completed(
        &mut self,
        now: Moment,
        request: RequestId,
        outcome: Result<Box<Response>, Failure>,
    ) {
        match self.requests.remove(&request) {
            Some(Purpose::Probe(peer)) => {
                let alive = probing::is_alive(&outcome);
                self.trunks
                    .handle_outcome(now.instant, &peer, request, alive);
            }
            Some(Purpose::Register(peer)) => {
                self.registrations
                    .handle_outcome(now.instant, &peer, request, &outcome);
            }
            Some(Purpose::Refresh(call, side)) => {
                self.with_line(now, &call, |line, rooms| {
                    line.refreshed(now, side, outcome, rooms);
                });
            }
            Some(Purpose::Notify(call)) => {
                self.with_line(now, &call, |line, rooms| {
                    line.completed(now, request, rooms)
                });
            }
            // INFO of ours: whether it was taken changes nothing.
            None => {}
        }
    }

    /// Works on a line and takes up what it and its call have to say.
    pub(super) fn with_line<T>(
        &mut self,
        now: Moment,
        call: &CallRef,
        work: impl FnOnce(&mut Line, &mut Rooms<'_>) -> T,
    ) -> Option<T> {
        let line = self.lines.get_mut(call)?;
        let mut rooms = Rooms {
            endpoint: &mut self.endpoint,
            trunks: &mut self.trunks,
            entropy: &mut self.entropy,
        };
        let result = work(line, &mut rooms);
        line.settle(now, &mut rooms);
        for invite in line.invites() {
            self.invites.entry(*invite).or_insert_with(|| call.clone());
        }
        if let Some(request) = line.awaited() {
            self.requests.insert(request, Purpose::Notify(call.clone()));
        }
        while let Some(command) = line.call.poll_media() {
            self.media.push_back(command);
        }
        while let Some(command) = line.call.poll_ledger() {
            self.ledger.push_back(command);
        }
        if let Some(mut cdr) = line.call.poll_cdr() {
            self.charging.charge(&mut cdr);
            self.cdrs.push_back(cdr);
        }
        if let Some(before) = std::mem::replace(&mut line.deadline, line.call.poll_timeout()) {
            self.deadlines.remove(&(before, call.clone()));
        }
        if let Some(deadline) = line.deadline {
            self.deadlines.insert((deadline, call.clone()));
        }
        if line.call.is_over() {
            line.abandon(now, &mut rooms);
            self.forget(call);
        }
        Some(result)
    }

    pub(super) fn settle_line(&mut self, now: Moment, call: &CallRef) {
        self.with_line(now, call, |_, _| ());
    }

    pub(super) fn forget(&mut self, call: &CallRef) {
        if let Some(line) = self.lines.remove(call) {
            for invite in line.invites() {
                self.invites.remove(invite);
            }
        }
    }
}
