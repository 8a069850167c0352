//! What is looked at in a business's INVITE that was let in.

use crate::sim::meta::gateway::admission::Parties;
use crate::sim::meta::gateway::responses::NAME;
use crate::sim::sip::digest::Answered;
use crate::sim::sip::message::{address_part, host_part, parameter, user_part};
use crate::sim::sip::{Message, Wire};
use crate::sim::verdict::Verdict;

pub fn invite(verdict: &mut Verdict, parties: &Parties, invite: &Message, wire: &Wire) {
    let name = wire.server_name.as_deref().unwrap_or("no name");
    verdict.check("TLS", name == NAME, format!("asked for {name}, no ALPN"));
    let uri = invite.uri();
    let secure = uri.ends_with(";transport=tls");
    verdict.check("request URI", secure, uri);
    let to = invite.uri_of("To").unwrap_or_default();
    let held = address_part(to) == address_part(uri) && invite.tag_of("To").is_none();
    verdict.check("To", held, to);
    from(verdict, parties, invite);
    contact(verdict, invite);
    let required = invite.list("Require");
    let timer = invite.header("Session-Expires").is_some();
    let held = required.is_empty() && !timer;
    let found = match held {
        true => "none required, no session timer".into(),
        false => format!("Require {required:?}, Session-Expires: {timer}"),
    };
    verdict.check("extensions", held, found);
    digest(verdict, invite);
}

fn from(verdict: &mut Verdict, parties: &Parties, invite: &Message) {
    let from = invite.uri_of("From").unwrap_or_default();
    let tagged = invite.tag_of("From").is_some();
    let plus = user_part(from).starts_with('+');
    verdict.check("From", tagged && plus, from);
    // It would have been refused.
    let configured = parties
        .business
        .as_ref()
        .map_or("", |business| &business.host);
    let found = format!("{} for {configured}", parties.from_host);
    verdict.check("From host", true, found);
}

/// BYE comes to it, perhaps by a connection of its own: it must be reachable by TLS (dossier 2.5).
fn contact(verdict: &mut Verdict, invite: &Message) {
    let contacts = invite.list("Contact");
    let uri = invite.uri_of("Contact").unwrap_or_default();
    let host = host_part(uri);
    let reachable = !host.is_empty() && !host.starts_with('[') && host != "0.0.0.0";
    let held = contacts.len() == 1
        && uri.starts_with("sip:")
        && uri.ends_with(";transport=tls")
        && reachable;
    verdict.check("Contact", held, contacts.join(", "));
}

fn digest(verdict: &mut Verdict, invite: &Message) {
    for answered in Answered::all(invite).filter(|one| one.field("realm") == NAME) {
        let fields = ["algorithm", "nc", "uri"].map(|name| answered.field(name));
        let held = answered.field("uri") == invite.uri() && answered.field("qop") == "auth";
        verdict.check("digest answered", held, fields.join(" "));
    }
}

/// The INVITE with credentials beside the one that was challenged.
pub fn again(verdict: &mut Verdict, first: &Message, second: &Message) {
    let branch = |message: &Message| {
        let via = message.header("Via").unwrap_or_default();
        parameter(via, "branch").unwrap_or_default().to_owned()
    };
    let must = [
        (
            first.tag_of("From") == second.tag_of("From"),
            "another From tag",
        ),
        (second.tag_of("To").is_none(), "a To tag"),
        (
            second.cseq().0 == first.cseq().0 + 1,
            "CSeq is not the next",
        ),
        (branch(first) != branch(second), "the same branch"),
        (first.body == second.body, "another description"),
        (first.uri() == second.uri(), "another request URI"),
    ];
    let broken = must.into_iter().filter(|(held, _)| !held);
    let broken: Vec<&str> = broken.map(|(_, fault)| fault).collect();
    let found = match broken.is_empty() {
        true => "the same call, the next CSeq".into(),
        false => broken.join("; "),
    };
    verdict.check("INVITE with credentials", broken.is_empty(), found);
}

/// An ACK of a response other than 2xx is of the INVITE's own transaction (RFC 3261 §17.1.1.3).
pub fn refusal_acknowledged(verdict: &mut Verdict, invite: &Message, ack: Option<&Message>) {
    let top = |message: &Message| {
        let via = message.header("Via").unwrap_or_default();
        parameter(via, "branch").unwrap_or_default().to_owned()
    };
    let what = "ACK of the refusal";
    let Some(ack) = ack else {
        return verdict.violation(what, "none came");
    };
    let held = top(ack) == top(invite) && ack.uri() == invite.uri();
    let found = if held {
        "as it should be"
    } else {
        "another branch or URI"
    };
    verdict.check(what, held, found);
}
