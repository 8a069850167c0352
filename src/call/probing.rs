//! The requests that we send to PBXs outside any call: OPTIONS to see whether they live, REGISTER where they want it.

use std::time::Duration;

use crate::call::placing::advertised;
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

/// A binding of our listener to the user that the PBX knows us by (RFC 3261 §10.2).
pub fn register(config: &Config, peer: &TrunkPeer, expires: Duration) -> Option<Request> {
    let (host, port) = advertised(config, peer.hop.listener)?;
    let user = &peer.register.as_ref()?.user;
    let hop = &peer.hop;
    let record = NameAddr::new(Uri::sip(Some(user), &hop.host, None, Transport::Udp));
    let contact = NameAddr::new(Uri::sip(Some(user), host, Some(port), hop.transport));
    let mut request = Request::new(Method::Register, registrar(peer));
    request.headers.push(Name::From, record.to_value());
    request.headers.push(Name::To, record.to_value());
    request.headers.push(Name::Contact, contact.to_value());
    request
        .headers
        .push(Name::Expires, expires.as_secs().to_string());
    Some(request)
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
