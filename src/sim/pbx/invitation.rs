//! The caller's INVITE, and the requests that belong to its transaction.

use crate::sim::pbx::call::{ALLOW, Call};
use crate::sim::pbx::plan::{Offer, Plan};
use crate::sim::sip::Message;

/// `sip:` and the dialled digits at the host, or the URI that was dialled.
pub fn request_uri(plan: &Plan, peer: &str, transport: &str) -> String {
    match plan.dial.contains(':') {
        true => plan.dial.clone(),
        false => {
            let host = plan.host.as_deref().unwrap_or(peer);
            format!("sip:{}@{host}{transport}", plan.dial)
        }
    }
}

/// From without tag.
pub fn from(plan: &Plan, home: &str) -> String {
    let address = format!("<sip:{}@{home}>", plan.from);
    match &plan.display_name {
        Some(name) => format!("\"{name}\" {address}"),
        None => address,
    }
}

/// The next INVITE of the call; `authorization` answers a challenge.
pub fn write(
    call: &mut Call,
    plan: &Plan,
    authorization: Option<(&'static str, String)>,
) -> Message {
    let via = call.via();
    let mut invite = call
        .dialog
        .request("INVITE", via)
        .with("Contact", call.contact())
        .with("Allow", ALLOW)
        .with("Supported", supported(plan))
        .with("User-Agent", "wabridge sim pbx")
        .with_all(plan.headers.clone());
    let replaces = plan.replaces.as_ref().map(ToString::to_string);
    for (name, value) in [
        ("P-Asserted-Identity", plan.asserted.clone()),
        ("Require", replaces.as_ref().map(|_| "replaces".into())),
        ("Replaces", replaces),
    ] {
        invite = invite.with_all(value.map(|value| (name.into(), value)));
    }
    if let Some((name, value)) = authorization {
        invite = invite.with(name, value);
    }
    match plan.offer {
        Offer::Rtp | Offer::Srtp(_) => invite.with_body("application/sdp", call.own.write()),
        Offer::Late => invite,
    }
}

/// A late offer does not come in a reliable provisional response, so that its answer always goes in the ACK.
fn supported(plan: &Plan) -> &'static str {
    match plan.behaviour.reliable && plan.offer != Offer::Late {
        true => "replaces, 100rel",
        false => "replaces",
    }
}

/// RFC 3261 §9.1.
pub fn cancel(invite: &Message) -> Message {
    let to = invite.header("To").unwrap_or_default();
    of_its_transaction(invite, "CANCEL", to)
}

/// ACK of a response from 300 up (RFC 3261 §17.1.1.3).
pub fn acknowledgement(invite: &Message, response: &Message) -> Message {
    let to = response.header("To").unwrap_or_default();
    of_its_transaction(invite, "ACK", to)
}

fn of_its_transaction(invite: &Message, method: &str, to: &str) -> Message {
    let mut request = Message::request(method, invite.uri());
    for name in ["Via", "Max-Forwards", "From", "Call-ID", "Route"] {
        for value in invite.all(name) {
            request = request.with(name, value);
        }
    }
    request
        .with("To", to)
        .with("CSeq", format!("{} {method}", invite.cseq().0))
}
