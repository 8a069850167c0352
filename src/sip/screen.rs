//! What every request is held against before anybody looks at what it wants (RFC 3261 §8.2).

use crate::sip::endpoint::Reply;
use crate::sip::message::{Headers, Method, Name, Request};
use crate::sip::session_timer;
use crate::sip::uri::{Scheme, Uri};

/// Extensions that a request may require of us.
const UNDERSTOOD: &[&str] = &["100rel", "timer"];

/// Those that only peers may require who were told of them.
const TOLD: &[&str] = &["replaces", "norefersub"];

/// The error to answer with, if the request cannot be served. A peer on a terse listener was told of calls alone: what it says
/// beyond them is passed over (RFC 3261 §8.2.2), what it requires is refused.
pub fn screen(is_terse: bool, request: &Request) -> Result<(), Reply> {
    method(&request.method)?;
    scheme(&request.uri)?;
    if request.headers.max_forwards() == Ok(Some(0)) && request.method != Method::Options {
        return Err(Reply::status(483));
    }
    match request.method {
        Method::Cancel => Ok(()),
        _ if is_terse => extensions(&[UNDERSTOOD], &request.headers),
        _ => extensions(&[UNDERSTOOD, TOLD], &request.headers),
    }?;
    if !is_terse {
        replaces(request)?;
    }
    session_interval(request)
}

/// RFC 3261 §8.2.2.1.
fn scheme(uri: &Uri) -> Result<(), Reply> {
    match uri.scheme {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => Ok(()),
        Scheme::Other(_) => Err(Reply::status(416)),
    }
}

/// No one may ask for less; what this peer may ask for, if that is more, is known to its usage (RFC 4028 §4, §9).
fn session_interval(request: &Request) -> Result<(), Reply> {
    let refusal = match request.method {
        Method::Invite | Method::Update => {
            session_timer::refuse_below(session_timer::FLOOR, &request.headers)
        }
        _ => None,
    };
    refusal.map_or(Ok(()), Err)
}

fn method(method: &Method) -> Result<(), Reply> {
    match method {
        Method::Invite | Method::Bye | Method::Cancel | Method::Options | Method::Register => {
            Ok(())
        }
        Method::Info | Method::Update | Method::Prack | Method::Refer | Method::Notify => Ok(()),
        Method::Message | Method::Ack => Ok(()),
        Method::Subscribe | Method::Publish => Err(Reply::status(405)),
        Method::Other(_) => Err(Reply::status(501)),
    }
}

/// Only an INVITE may replace a dialog (RFC 3891 §3).
fn replaces(request: &Request) -> Result<(), Reply> {
    match (&request.method, request.headers.replaces()) {
        (Method::Cancel, _) | (_, Ok(None)) | (Method::Invite, Ok(Some(_))) => Ok(()),
        (_, Ok(Some(_)) | Err(_)) => Err(Reply::status(400)),
    }
}

fn extensions(known: &[&[&str]], headers: &Headers) -> Result<(), Reply> {
    let understood = |tag: &&str| {
        known
            .iter()
            .copied()
            .flatten()
            .any(|known| known.eq_ignore_ascii_case(tag))
    };
    let unknown: Vec<&str> = headers
        .elements(&Name::Require)
        .filter(|tag| !understood(tag))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Reply::status(420).with(Name::Unsupported, unknown.join(", ")))
}
