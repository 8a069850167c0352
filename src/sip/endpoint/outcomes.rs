//! Responses, timeouts and failed transmits are led to whoever sent the request.

use std::time::Instant;

use crate::sip::endpoint::{Endpoint, Failure};
use crate::sip::flow::Source;
use crate::sip::invite::ack;
use crate::sip::message::Response;
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::{self, Owner};

impl Endpoint {
    pub(super) fn handle_response(&mut self, now: Instant, source: Source, response: Response) {
        let transmits = &mut self.core.transmits;
        let heard = self
            .core
            .clients
            .handle_response(now, source, &response, transmits);
        match heard {
            clients::Heard::Report(transaction) => {
                self.handle_reported(now, transaction, source, &response);
            }
            clients::Heard::Absorbed => {}
            clients::Heard::Stray => self.core.counters.stray_responses += 1,
        }
    }

    fn handle_reported(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        source: Source,
        response: &Response,
    ) {
        let Some(owner) = self
            .core
            .clients
            .get(transaction)
            .map(|client| client.owner)
        else {
            return;
        };
        match owner {
            Owner::Invite(invite) => {
                let mut taken = false;
                self.with_usage(invite, |usage, core| {
                    taken = usage.handle_invite_response(core, now, transaction, source, response);
                });
                if !taken && (200..300).contains(&response.status) {
                    ack::late_answer(&mut self.core, now, transaction, source, response);
                }
            }
            Owner::Modify(invite) => {
                let mut taken = false;
                self.with_usage(invite, |usage, core| {
                    taken = usage.handle_modify_response(core, now, transaction, response);
                });
                if !taken && (200..300).contains(&response.status) {
                    ack::late_change(&mut self.core, transaction, response);
                }
            }
            Owner::InDialog(invite, request) => self.with_usage(invite, |usage, core| {
                usage.handle_response_inside(core, now, transaction, request, response);
            }),
            Owner::Bye(invite) => self.with_usage(invite, |usage, core| {
                usage.handle_bye_response(core, now, transaction, response);
            }),
            Owner::Outside(request) => {
                self.outside
                    .handle_response(&mut self.core, now, transaction, request, response);
            }
            Owner::Nobody => {}
        }
    }

    pub(super) fn transaction_failed(
        &mut self,
        now: Instant,
        transaction: TransactionId,
        failure: Failure,
    ) {
        let Some(owner) = self
            .core
            .clients
            .get(transaction)
            .map(|client| client.owner)
        else {
            return;
        };
        match owner {
            Owner::Invite(invite) => self.with_usage(invite, |usage, core| {
                usage.invite_failed(core, now, failure);
            }),
            Owner::Modify(invite) => self.with_usage(invite, |usage, core| {
                usage.modify_failed(core, now, failure);
            }),
            Owner::InDialog(invite, request) => self.with_usage(invite, |usage, core| {
                usage.request_failed(core, now, transaction, request, failure);
            }),
            Owner::Bye(invite) => self.with_usage(invite, |usage, _| usage.bye_failed()),
            Owner::Outside(request) => self.outside.fail(&mut self.core, request, failure),
            Owner::Nobody => {}
        }
    }
}
