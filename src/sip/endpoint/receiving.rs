//! Requests that come in are led to the usage, the transaction or the application that they are for.

use std::time::Instant;

use crate::sip::endpoint::{Endpoint, Event, InviteId, PendingId, Reply};
use crate::sip::flow::Source;
use crate::sip::invite::Usage;
use crate::sip::message::{Method, Name, ParseError, Request};
use crate::sip::screen::screen;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::servers;

impl Endpoint {
    pub(super) fn handle_malformed(&mut self, source: Source, error: ParseError) {
        self.core.counters.malformed += 1;
        tracing::debug!(peer = %source.remote, what = error.what, "malformed message");
        let Some(mut request) = error.answerable else {
            return;
        };
        // A Via that cannot be read goes back as it came.
        request.headers.mark_received(source.remote).ok();
        let reply = Reply::status(error.status);
        self.core.refuse_statelessly(source, &request, reply);
    }

    pub(super) fn handle_request(&mut self, now: Instant, source: Source, mut request: Request) {
        if request.headers.mark_received(source.remote).is_err() {
            self.core.counters.malformed += 1;
            return;
        }
        let transmits = &mut self.core.transmits;
        let heard = self.core.servers.handle_request(now, &request, transmits);
        match (heard, &request.method) {
            (servers::Heard::Absorbed, _) => {}
            (servers::Heard::Ack, _) | (servers::Heard::New, Method::Ack) => {
                self.handle_ack(now, &request);
            }
            (servers::Heard::New, _) if self.is_full(&request) => {
                self.core.counters.refused_full += 1;
                let reply = Reply::status(503).with(Name::RetryAfter, "10");
                self.core.refuse_statelessly(source, &request, reply);
            }
            (servers::Heard::New, _) => self.handle_new_request(now, source, request),
        }
    }

    fn handle_new_request(&mut self, now: Instant, source: Source, request: Request) {
        let to_tag = request.headers.to().ok();
        let to_tag = to_tag.and_then(|to| to.tag().map(str::to_owned));
        let merged = to_tag.is_none() && self.core.servers.is_merged(&request);
        let transaction = self.core.open_server(now, source, request.clone());
        let is_terse = self.core.is_terse(source.listener);
        if let Err(refusal) = screen(is_terse, &request) {
            return self.refuse(now, transaction, refusal);
        }
        match (&request.method, to_tag) {
            (Method::Cancel, _) => self.handle_cancel(now, transaction, &request),
            (_, Some(tag)) => self.handle_in_dialog(now, transaction, source, &request, tag),
            (_, None) if merged => {
                self.core.counters.merged += 1;
                self.refuse(now, transaction, Reply::status(482));
            }
            (Method::Invite, None) => self.handle_invite(now, transaction, source, request),
            (method, None) if needs_dialog(method) => {
                self.refuse(now, transaction, Reply::status(481));
            }
            (_, None) => {
                self.core
                    .servers
                    .set_owner(transaction, servers::Owner::Outside);
                self.core.tell(Event::Requested {
                    pending: PendingId(transaction.0),
                    source,
                    request: Box::new(request),
                });
            }
        }
    }

    fn handle_invite(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        source: Source,
        request: Request,
    ) {
        let invite = InviteId(self.core.next_id());
        match Usage::invited(&mut self.core, now, invite, transaction, source, &request) {
            Ok(usage) => {
                self.add_usage(usage);
                self.core.tell(Event::Invited {
                    invite,
                    source,
                    request: Box::new(request),
                });
            }
            Err(error) => {
                tracing::debug!(peer = %source.remote, %error, "INVITE refused");
                self.refuse(now, transaction, Reply::status(400));
            }
        }
    }

    fn handle_in_dialog(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        source: Source,
        request: &Request,
        to_tag: String,
    ) {
        match self.find(request, to_tag) {
            Some(invite) => self.with_usage(invite, |usage, core| {
                usage.handle_request(core, now, transaction, source, request);
            }),
            None => self.refuse(now, transaction, Reply::status(481)),
        }
    }

    fn handle_ack(&mut self, now: Instant, ack: &Request) {
        let to = ack.headers.to().ok();
        let tag = to.and_then(|to| to.tag().map(str::to_owned));
        let invite = tag.and_then(|tag| self.find(ack, tag));
        let mut taken = false;
        if let Some(invite) = invite {
            self.with_usage(invite, |usage, core| {
                taken = usage.handle_ack(core, now, ack);
            });
        }
        if !taken {
            self.core.counters.stray_acks += 1;
        }
    }

    /// RFC 3261 §9.2.
    fn handle_cancel(&mut self, now: Instant, transaction: TransactionId, cancel: &Request) {
        let Some(meant) = self.core.servers.cancelled_by(cancel) else {
            return self.refuse(now, transaction, Reply::status(481));
        };
        let tag = self.core.servers.to_tag(meant).map(str::to_owned);
        let tag = tag.unwrap_or_else(|| self.core.new_tag());
        self.core
            .respond(now, transaction, &tag, Reply::status(200));
        match self.core.servers.get(meant).map(|server| server.owner) {
            Some(servers::Owner::Invite(invite)) => {
                self.with_usage(invite, |usage, core| usage.cancelled(core, now, cancel));
            }
            Some(servers::Owner::Reoffer(invite)) => {
                self.with_usage(invite, |usage, core| {
                    usage.reoffer_cancelled(core, now, meant);
                });
            }
            Some(servers::Owner::Endpoint | servers::Owner::InDialog(_))
            | Some(servers::Owner::Outside)
            | None => {}
        }
    }

    fn refuse(&mut self, now: Instant, transaction: TransactionId, reply: Reply) {
        self.core.respond_outside(now, transaction, reply);
    }

    /// New work is refused from the limit on; what ends calls may take as much again.
    fn is_full(&self, request: &Request) -> bool {
        let open = self.core.servers.len();
        let limit = self.core.config.max_transactions;
        match request.method {
            Method::Cancel | Method::Bye | Method::Prack => open >= limit.saturating_mul(2),
            _ => open >= limit,
        }
    }

    /// The usage whose dialog the request names by Call-ID and our tag.
    fn find(&self, request: &Request, to_tag: String) -> Option<InviteId> {
        let call_id = request.headers.call_id().ok()?.to_owned();
        self.dialogs.get(&(call_id, to_tag)).copied()
    }
}

/// Methods that mean nothing without a dialog.
fn needs_dialog(method: &Method) -> bool {
    matches!(
        method,
        Method::Bye | Method::Update | Method::Prack | Method::Info
    )
}
