//! What is no call: OPTIONS that come in, probes and registrations that go out.

use tracing::debug;

use crate::call::in_dialog;
use crate::call::moment::Moment;
use crate::call::placing::credentials;
use crate::call::probing;
use crate::call::registration::Due;
use crate::call::switchboard::{Purpose, Switchboard};
use crate::sip::endpoint::{PendingId, Reply, RequestId};
use crate::sip::flow::Source;
use crate::sip::message::{Method, Request};
use crate::sip::uri::Uri;

impl Switchboard {
    pub(super) fn requested(
        &mut self,
        now: Moment,
        pending: PendingId,
        source: Source,
        request: &Request,
    ) {
        let reply = match request.method {
            Method::Options => self.fitness().reply(),
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Register
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Refer
            | Method::Notify
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other(_) => self.refusal(now, source, request),
        };
        if let Err(error) = self.endpoint.respond(now.instant, pending, reply) {
            debug!(%error, "request not answered");
        }
    }

    /// None of these is served; a peer that has credentials of ours shows them before it is told so.
    fn refusal(&mut self, now: Moment, source: Source, request: &Request) -> Reply {
        self.admission
            .judge_other(now.instant, &self.config, source, request)
            .unwrap_or_else(in_dialog::not_allowed)
    }

    pub(super) fn probe(&mut self, now: Moment) {
        for id in self.trunks.handle_timeout(now.instant) {
            let Some((_, peer)) = id.find(&self.config) else {
                continue;
            };
            let Some(options) = probing::options(&self.config, peer) else {
                continue;
            };
            let credentials = credentials(peer);
            let hop = peer.hop.clone();
            let request = self
                .endpoint
                .request(now.instant, hop, options, credentials);
            self.trunks.probed(now.instant, &id, request);
            self.requests.insert(request, Purpose::Probe(id));
        }
    }

    pub(super) fn register(&mut self, now: Moment) {
        for due in self.registrations.handle_timeout(now.instant) {
            if let Some((request, contact)) = self.send_register(now, &due) {
                self.registrations.asked(&due.peer, request, contact);
                self.requests.insert(request, Purpose::Register(due.peer));
            }
        }
    }

    /// What becomes of these nobody waits for.
    pub(super) fn unregister(&mut self, now: Moment) {
        for due in self.registrations.sign_off(now.instant) {
            self.send_register(now, &due);
        }
    }

    fn send_register(&mut self, now: Moment, due: &Due) -> Option<(RequestId, Uri)> {
        let (_, peer) = due.peer.find(&self.config)?;
        let contact = probing::contact(&self.config, peer)?;
        let register = probing::register(peer, &contact, due);
        let (hop, credentials) = (peer.hop.clone(), credentials(peer));
        let request = self
            .endpoint
            .request(now.instant, hop, register, credentials);
        Some((request, contact))
    }
}
