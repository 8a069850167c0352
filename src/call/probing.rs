//! The requests that we send to PBXs outside any call: OPTIONS to see whether they live, REGISTER where they want it.

use crate::call::placing::advertised;
use crate::call::registration::Due;
use crate::config::{Config, TrunkPeer};
use crate::sip::endpoint::Failure;
use crate::sip::flow::Transport;
use crate::sip::message::{Method, Name, NameAddr, Request, Response};
use crate::sip::uri::Uri;

/// What we call ourselves where no number is meant.
const OWN_USER: &str = "wabridge";

/// "Are you there?" (RFC 3261 §11).
pub fn options(config: &Config, peer: &TrunkPeer) -> Option<Request> {
    let (host, _) = advertised(config, peer.hop.listener)?;
    let mut request = Request::new(Method::Options, registrar(peer));
    let own = NameAddr::new(Uri::sip(Some(OWN_USER), host, None, Transport::Udp));
    let to = NameAddr::new(Uri::sip(None, &peer.hop.host, None, Transport::Udp));
    request.headers.push(Name::From, own.to_value());
    request.headers.push(Name::To, to.to_value());
    request.headers.push(Name::Accept, "application/sdp");
    Some(request)
}

/// Where a PBX that knows us by a user reaches us.
pub fn contact(config: &Config, peer: &TrunkPeer) -> Option<Uri> {
    let (host, port) = advertised(config, peer.hop.listener)?;
    let user = &peer.register.as_ref()?.user;
    Some(Uri::sip(Some(user), host, Some(port), peer.hop.transport))
}

/// A binding of that contact to the user (RFC 3261 §10.2); for no time at all, its removal.
pub fn register(peer: &TrunkPeer, contact: &Uri, due: &Due) -> Request {
    let user = contact.user.as_deref();
    let record = NameAddr::new(Uri::sip(user, &peer.hop.host, None, Transport::Udp)).to_value();
    let mut request = Request::new(Method::Register, registrar(peer));
    let headers = &mut request.headers;
    headers.push(Name::From, record.clone());
    headers.push(Name::To, record);
    headers.push(Name::CallId, due.call_id.clone());
    headers.push(Name::CSeq, format!("{} REGISTER", due.cseq));
    headers.push(Name::Contact, NameAddr::new(contact.clone()).to_value());
    headers.push(Name::Expires, due.expires.as_secs().to_string());
    request
}

/// Whoever answers lives, unless the answer is that it does not (RFC 3261 §21.5.4), or came from a proxy before it.
pub fn is_alive(outcome: &Result<Box<Response>, Failure>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(Failure::Rejected(response)) => !matches!(response.status, 408 | 502..=504),
        Err(Failure::Timeout | Failure::Transport(_) | Failure::Cancelled) => false,
    }
}

fn registrar(peer: &TrunkPeer) -> Uri {
    let hop = &peer.hop;
    Uri::sip(None, &hop.host, hop.port, hop.transport)
}
