//! Messages that follow from another message: the ACK and the CANCEL of an INVITE, the same request anew, and the way
//! a response goes back.

use std::net::SocketAddr;

use crate::sip::flow::{Host, NextHop, Source, Target, Transport};
use crate::sip::message::{CSeq, Headers, Method, Name, Request, Response, Via};

/// ACK to 300-699 (RFC 3261 §17.1.1.3): the INVITE's R-URI, Via, Route and CSeq number, the response's To.
pub fn rejection_ack(invite: &Request, response: &Response) -> Request {
    let mut ack = same_hop(invite, Method::Ack);
    if let Some(to) = response.headers.get(&Name::To) {
        ack.headers.set(Name::To, to);
    }
    ack
}

/// CANCEL (RFC 3261 §9.1): everything that tells proxies the way is the INVITE's.
pub fn cancel(invite: &Request) -> Request {
    same_hop(invite, Method::Cancel)
}

/// A request once more after a challenge or a 422: next CSeq, its Via left out (RFC 3261 §8.1.3.5).
pub fn anew(request: &Request, cseq: u32) -> Request {
    let mut anew = request.clone();
    anew.headers.remove(&Name::Via);
    anew.headers
        .set(Name::CSeq, cseq_value(cseq, &request.method));
    anew
}

pub fn cseq_value(number: u32, method: &Method) -> String {
    let method = method.clone();
    CSeq { number, method }.to_string()
}

/// Where a response goes (RFC 3261 §18.2.2, RFC 3581 §4): over the connection that the request came on, and for UDP
/// to the address it came from. What Via says counts only once that connection is gone, and for the port.
pub fn way_back(source: Source, request: &Request) -> Target {
    let via = request.headers.top_via().ok();
    let sent_by_port = via.as_ref().and_then(|via| via.port);
    let port = sent_by_port.unwrap_or(source.transport.default_port());
    match source.transport {
        Transport::Udp => Target::Flow {
            flow: source.flow,
            remote: udp_return(source.remote, via.as_ref(), port),
            fallback: None,
        },
        Transport::Tcp | Transport::Tls => Target::Flow {
            flow: source.flow,
            remote: source.remote,
            fallback: Some(NextHop {
                listener: source.listener,
                transport: source.transport,
                host: Host::Address(source.remote.ip()),
                port: Some(port),
            }),
        },
    }
}

fn udp_return(remote: SocketAddr, via: Option<&Via>, port: u16) -> SocketAddr {
    match via.is_some_and(|via| via.params.has("rport")) {
        true => remote,
        false => SocketAddr::new(remote.ip(), port),
    }
}

/// ACK and CANCEL of an INVITE as the next hop sees them.
fn same_hop(invite: &Request, method: Method) -> Request {
    let mut headers = Headers::new();
    if let Ok(via) = invite.headers.top_via() {
        headers.push(Name::Via, via.to_string());
    }
    for name in [Name::Route, Name::From, Name::To, Name::CallId] {
        headers.copy(&name, &invite.headers);
    }
    let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
    headers.push(Name::CSeq, cseq_value(number, &method));
    headers.push(Name::MaxForwards, "70");
    Request {
        method,
        uri: invite.uri.clone(),
        headers,
        body: Vec::new(),
    }
}
