//! WhatsApp's responses, header by header (dossier 2.7, 2.9).

use crate::sim::meta::requests::{ALLOW, RECORD_ROUTES};
use crate::sim::sip::message::{parameter, user_part};
use crate::sim::sip::{Incoming, Message, Wire};

pub const NAME: &str = "wa.meta.vc";

/// With the headers that every response has.
pub fn respond(request: &Message, wire: &Wire, status: u16, reason: &str, tag: &str) -> Message {
    begin(request, wire, status, reason, &[], tag)
}

fn begin(
    request: &Message,
    wire: &Wire,
    status: u16,
    reason: &str,
    own_routes: &[&str],
    tag: &str,
) -> Message {
    let to = request.header("To").unwrap_or_default();
    let to = match (status, request.tag_of("To")) {
        (100, _) | (_, Some(_)) => to.into(),
        (_, None) => format!("{to};tag={tag}"),
    };
    let mut response = Message::response(status, reason);
    let mut vias = request.all("Via");
    if let Some(top) = vias.next() {
        response = response.with("Via", received(top, wire));
    }
    for via in vias {
        response = response.with("Via", via);
    }
    for route in own_routes
        .iter()
        .copied()
        .chain(request.all("Record-Route"))
    {
        response = response.with("Record-Route", route);
    }
    response
        .with("Call-ID", request.call_id())
        .with("From", request.header("From").unwrap_or_default())
        .with("To", to)
        .with("CSeq", request.header("CSeq").unwrap_or_default())
}

/// RFC 3261 §18.2.1 and RFC 3581 §4, for the topmost Via of a header.
fn received(via: &str, wire: &Wire) -> String {
    let (top, rest) = via
        .split_once(',')
        .map_or((via, String::new()), |(top, rest)| {
            (top, format!(",{rest}"))
        });
    let peer = wire.peer;
    let top = match top.split(';').any(|part| part.trim() == "rport") {
        true => top.replacen("rport", &format!("rport={}", peer.port()), 1),
        false => top.to_owned(),
    };
    format!("{top};received={}{rest}", peer.ip())
}

/// A final response that is no success.
pub fn refuse(request: &Message, wire: &Wire, status: u16, reason: &str, tag: &str) -> Message {
    let text = reason.replace('\\', "\\\\").replace('"', "\\\"");
    respond(request, wire, status, reason, tag)
        .with("Allow", ALLOW)
        .with("X-FB-External-Domain", NAME)
        .with("Warning", format!("399 {NAME} \"{text}\""))
}

/// The 407 as bytes: it has no Content-Length, and its To tag is our top branch.
pub fn challenge(invite: &Message, wire: &Wire, challenges: &[String]) -> Vec<u8> {
    let branch = invite
        .header("Via")
        .and_then(|via| parameter(via, "branch"));
    let tag = branch.unwrap_or("z9hG4bK").split(',').next();
    let reason = "Proxy Authentication Required";
    let mut response = respond(invite, wire, 407, reason, tag.unwrap_or_default());
    for challenge in challenges {
        response = response.with("Proxy-Authenticate", challenge);
    }
    (response.head() + "\r\n").into_bytes()
}

/// The answer, without its description. WhatsApp's own Record-Routes stand above the business's, in reverse.
pub fn answer(invite: &Message, wire: &Wire, tag: &str, user_id: Option<&str>) -> Message {
    let [outer, inner] = RECORD_ROUTES;
    let mut answer = begin(invite, wire, 200, "OK", &[inner, outer], tag)
        .with("Allow", ALLOW)
        .with("Supported", "timer")
        .with("X-FB-External-Domain", NAME);
    if let Some(user_id) = user_id {
        answer = answer.with("x-wa-meta-user-id", user_id);
    }
    answer.with("Contact", format!("<{}>;isfocus", contact(invite)))
}

/// What the business's requests go to.
pub fn contact(invite: &Message) -> String {
    let user = user_part(invite.uri());
    format!(
        "sip:{user}@{NAME};transport=tls;ob;X-FB-Sip-Smc-Tier=collaboration.sip_gateway.sip.prod"
    )
}

/// For a request inside the call.
pub async fn reply(incoming: &Incoming, status: u16, reason: &str, tag: &str) {
    let Incoming { message, wire } = incoming;
    let response = match status {
        300.. => refuse(message, wire, status, reason, tag),
        _ => respond(message, wire, status, reason, tag)
            .with("Allow", ALLOW)
            .with("X-FB-External-Domain", NAME),
    };
    wire.send(&response).await;
}
