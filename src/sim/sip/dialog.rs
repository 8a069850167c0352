//! One dialog from one end (RFC 3261 §12): tags, sequence numbers, route set, target.

use crate::sim::sip::message::{Message, addr_spec};
use crate::sim::sip::wire::Wire;

#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: String,
    /// Our From or To, with tag.
    pub local: String,
    /// The peer's, with tag once known.
    pub remote: String,
    /// Of our last request.
    pub cseq: u32,
    /// Route headers of our requests, in order.
    pub route: Vec<String>,
    /// The peer's Contact.
    pub target: String,
    pub wire: Wire,
}

impl Dialog {
    /// As the callee, from the INVITE. `local_tag` is put on the To.
    pub fn of_invite(invite: &Message, local_tag: &str, wire: Wire) -> Self {
        Self {
            call_id: invite.call_id().into(),
            local: with_tag(invite.header("To").unwrap_or_default(), local_tag),
            remote: invite.header("From").unwrap_or_default().into(),
            cseq: 100,
            route: invite.list("Record-Route"),
            target: invite.uri_of("Contact").unwrap_or_default().into(),
            wire,
        }
    }

    /// As the caller, when a response with a To tag came.
    pub fn learn(&mut self, response: &Message) {
        if let Some(to) = response.header("To") {
            self.remote = to.into();
        }
        if let Some(contact) = response.header("Contact") {
            self.target = addr_spec(contact).into();
        }
        let mut route = response.list("Record-Route");
        route.reverse();
        self.route = route;
    }

    /// A new request; its Via lines stand first, so they are given here.
    pub fn request(&mut self, method: &str, via: Vec<(String, String)>) -> Message {
        self.cseq += 1;
        self.request_numbered(method, self.cseq, via)
    }

    /// With a sequence number of an earlier request: ACK and CANCEL.
    pub fn request_numbered(&self, method: &str, cseq: u32, via: Vec<(String, String)>) -> Message {
        Message::request(method, &self.target)
            .with_all(via)
            .with("Max-Forwards", "69")
            .with_all(self.route.iter().map(|one| ("Route".into(), one.clone())))
            .with("From", &self.local)
            .with("To", &self.remote)
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{cseq} {method}"))
    }
}

/// A response to `request` (RFC 3261 §8.2.6) without body; `tag` is put on a To that has none.
pub fn respond(request: &Message, status: u16, reason: &str, tag: &str) -> Message {
    let mut response = Message::response(status, reason);
    for name in ["Via", "Record-Route", "From"] {
        for value in request.all(name) {
            response = response.with(name, value);
        }
    }
    let to = request.header("To").unwrap_or_default();
    let to = match (status, request.tag_of("To")) {
        (100, _) | (_, Some(_)) => to.into(),
        (_, None) => with_tag(to, tag),
    };
    response
        .with("To", to)
        .with("Call-ID", request.call_id())
        .with("CSeq", request.header("CSeq").unwrap_or_default())
}

fn with_tag(value: &str, tag: &str) -> String {
    format!("{value};tag={tag}")
}
