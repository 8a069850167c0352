//! Requests of ours outside any dialog: OPTIONS, REGISTER, ... each waits for one final response.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::sip::compose::cseq_value;
use crate::sip::core::{Core, Draft};
use crate::sip::dialog::with_tag;
use crate::sip::digest::{Credentials, Responder};
use crate::sip::endpoint::{Event, Failure, RequestId};
use crate::sip::flow::{NextHop, Target};
use crate::sip::message::{Headers, Method, Name, Request, Response};
use crate::sip::transaction::TransactionId;
use crate::sip::transaction::clients::{Owner, Path};

#[derive(Default)]
pub struct Outside {
    waiting: BTreeMap<RequestId, Option<Responder>>,
}

impl Outside {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn send(
        &mut self,
        core: &mut Core,
        now: Instant,
        hop: NextHop,
        mut request: Request,
        credentials: Option<Credentials>,
    ) -> RequestId {
        let id = RequestId(core.next_id());
        complete(core, &request.method, &mut request.headers);
        let path = Path {
            listener: hop.listener,
            transport: hop.transport,
            target: Target::Hop(hop),
        };
        self.waiting.insert(id, credentials.map(Responder::new));
        core.send(now, Draft::first(Owner::Outside(id), request, path));
        id
    }

    pub fn handle_response(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        id: RequestId,
        response: &Response,
    ) {
        if response.status < 200 || self.anew(core, now, transaction, id, response) {
            return;
        }
        let response = Box::new(response.clone());
        let outcome = match response.status {
            ..300 => Ok(response),
            300.. => Err(Failure::Rejected(response)),
        };
        self.complete(core, id, outcome);
    }

    pub fn fail(&mut self, core: &mut Core, id: RequestId, failure: Failure) {
        self.complete(core, id, Err(failure));
    }

    fn anew(
        &mut self,
        core: &mut Core,
        now: Instant,
        transaction: TransactionId,
        id: RequestId,
        response: &Response,
    ) -> bool {
        let login = self.waiting.get_mut(&id).and_then(Option::as_mut);
        let draft = core.answering(transaction, response, login);
        draft.map(|draft| core.send(now, draft)).is_some()
    }

    fn complete(
        &mut self,
        core: &mut Core,
        request: RequestId,
        outcome: Result<Box<Response>, Failure>,
    ) {
        if self.waiting.remove(&request).is_some() {
            core.tell(Event::Completed { request, outcome });
        }
    }
}

/// Adds what every request needs and this one does not bring (RFC 3261 §8.1.1).
fn complete(core: &mut Core, method: &Method, headers: &mut Headers) {
    if headers.max_forwards() != Ok(None) {
        headers.remove(&Name::MaxForwards);
    }
    headers.push(Name::MaxForwards, "70");
    let tagged = headers.from().is_ok_and(|from| from.tag().is_some());
    if let (false, Some(from)) = (tagged, headers.get(&Name::From)) {
        let from = with_tag(from, &core.new_tag());
        headers.set(Name::From, from);
    }
    if headers.get(&Name::CallId).is_none() {
        headers.push(Name::CallId, core.entropy.hex(16));
    }
    if headers.cseq().is_err() {
        headers.set(Name::CSeq, cseq_value(1, method));
    }
}
