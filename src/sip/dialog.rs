//! Dialog state (RFC 3261 §12): identity, route set, remote target and the CSeq of both directions. The INVITE usage
//! lives in one; what the usage is in is not this file's business.

use crate::sip::compose::cseq_value;
use crate::sip::flow::{Host, NextHop, Source, Target, Transport};
use crate::sip::message::{CSeq, Headers, Method, Name, Request, Response, Route};
use crate::sip::transaction::clients::Path;
use crate::sip::uri::{Scheme, Uri};

/// Longer route sets than this are no honest peer's.
const MAX_ROUTES: usize = 32;

#[derive(Clone, Debug)]
pub struct Dialog {
    pub call_id: String,
    /// `From` of our requests, tag included.
    pub local: String,
    pub local_tag: String,
    /// `To` of our requests, tag included where the peer gave one.
    pub remote: String,
    /// Empty for a peer that gives none (RFC 2543).
    pub remote_tag: String,
    local_seq: u32,
    remote_seq: Option<u32>,
    remote_target: Uri,
    /// As written, in the order of our Route headers.
    route_set: Vec<Route>,
    /// Where the peer was last heard inside this dialog.
    source: Source,
}

/// A request inside the dialog came out of order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfOrder;

/// A message lacks what a dialog is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no dialog can be made of it: {0}")]
pub struct NotADialog(pub &'static str);

impl Dialog {
    /// The dialog that our answer to `invite` makes (RFC 3261 §12.1.1).
    pub fn as_uas(invite: &Request, source: Source, local_tag: &str) -> Result<Self, NotADialog> {
        let headers = &invite.headers;
        let from = headers.from().map_err(|_| NotADialog("From"))?;
        let to = headers.get(&Name::To).ok_or(NotADialog("To"))?;
        let contact = headers.contact().map_err(|_| NotADialog("Contact"))?;
        Ok(Self {
            call_id: call_id(headers)?,
            local: with_tag(to, local_tag),
            local_tag: local_tag.to_owned(),
            remote: headers.get(&Name::From).unwrap_or_default().to_owned(),
            remote_tag: from.params.get("tag").unwrap_or_default().to_owned(),
            local_seq: 0,
            remote_seq: Some(cseq(headers)?.number),
            remote_target: contact.ok_or(NotADialog("Contact"))?.uri,
            route_set: route_set(headers)?,
            source,
        })
    }

    /// The dialog that a response to our `invite` makes (RFC 3261 §12.1.2), early or confirmed.
    pub fn as_uac(
        invite: &Request,
        response: &Response,
        source: Source,
    ) -> Result<Self, NotADialog> {
        let from = invite.headers.from().map_err(|_| NotADialog("From"))?;
        let to = response.headers.to().map_err(|_| NotADialog("To"))?;
        let contact = response
            .headers
            .contact()
            .map_err(|_| NotADialog("Contact"))?;
        let mut route_set = route_set(&response.headers)?;
        route_set.reverse();
        Ok(Self {
            call_id: call_id(&invite.headers)?,
            local: invite
                .headers
                .get(&Name::From)
                .unwrap_or_default()
                .to_owned(),
            local_tag: from.params.get("tag").unwrap_or_default().to_owned(),
            remote: response
                .headers
                .get(&Name::To)
                .unwrap_or_default()
                .to_owned(),
            remote_tag: to.params.get("tag").unwrap_or_default().to_owned(),
            local_seq: cseq(&invite.headers)?.number,
            remote_seq: None,
            // A 1xx may lack its Contact; the 2xx brings it.
            remote_target: contact.map_or_else(|| invite.uri.clone(), |contact| contact.uri),
            route_set,
            source,
        })
    }

    /// Whether a request from the peer is of this dialog, as far as its tags say.
    pub fn is_from_peer(&self, request: &Request) -> bool {
        let from = request.headers.from();
        from.is_ok_and(|from| from.params.get("tag").unwrap_or_default() == self.remote_tag)
    }

    /// Takes in the CSeq of a request from the peer (RFC 3261 §12.2.2). Not for ACK and CANCEL.
    pub fn receive(&mut self, request: &Request, source: Source) -> Result<(), OutOfOrder> {
        let number = request.headers.cseq().map_err(|_| OutOfOrder)?.number;
        if self.remote_seq.is_some_and(|last| number <= last) {
            return Err(OutOfOrder);
        }
        self.remote_seq = Some(number);
        self.source = source;
        Ok(())
    }

    /// Target refresh (RFC 3261 §12.2): re-INVITE and UPDATE, and the 2xx to them, may move the remote target.
    pub fn refresh_target(&mut self, headers: &Headers) {
        if let Ok(Some(contact)) = headers.contact() {
            self.remote_target = contact.uri;
        }
    }

    /// The confirmed dialog goes on counting where its early one stopped; all else is as the 2xx says
    /// (RFC 3261 §13.2.2.4).
    pub fn continue_from(&mut self, early: &Self) {
        self.local_seq = self.local_seq.max(early.local_seq);
        self.remote_seq = early.remote_seq;
    }

    pub fn next_cseq(&mut self) -> u32 {
        self.local_seq = self.local_seq.saturating_add(1);
        self.local_seq
    }

    pub fn local_seq(&self) -> u32 {
        self.local_seq
    }

    /// A request of ours inside the dialog, without Via: R-URI and Route by RFC 3261 §12.2.1.1.
    pub fn request(&self, method: Method, cseq: u32) -> Request {
        let (uri, routes) = self.routing();
        let mut headers = Headers::default();
        for route in routes {
            headers.push(Name::Route, route);
        }
        headers.push(Name::MaxForwards, "70");
        headers.push(Name::From, &self.local);
        headers.push(Name::To, &self.remote);
        headers.push(Name::CallId, &self.call_id);
        headers.push(Name::CSeq, cseq_value(cseq, &method));
        Request {
            method,
            uri,
            headers,
            body: Vec::new(),
        }
    }

    /// The way of our requests: the flow the dialog lives on when that is a connection, else where RFC 3261 §8.1.2 says.
    pub fn path(&self) -> Path {
        let hop = self.next_hop();
        let target = match (self.source.transport, hop) {
            (Transport::Udp, Some(hop)) if hop.transport == Transport::Udp => Target::Hop(hop),
            (Transport::Udp | Transport::Tcp | Transport::Tls, fallback) => Target::Flow {
                flow: self.source.flow,
                remote: self.source.remote,
                fallback,
            },
        };
        Path {
            listener: self.source.listener,
            transport: self.source.transport,
            target,
        }
    }

    /// The first Route, or the R-URI. `None` when that cannot be reached by name (`tel:`).
    fn next_hop(&self) -> Option<NextHop> {
        let first = self.route_set.first().map(|route| &route.address.uri);
        next_hop(first.unwrap_or(&self.remote_target), self.source)
    }

    fn routing(&self) -> (Uri, Vec<String>) {
        let raw = |route: &Route| route.raw.clone();
        match self.route_set.split_first() {
            Some((first, rest)) if !first.is_loose() => {
                let mut routes: Vec<_> = rest.iter().map(raw).collect();
                routes.push(format!("<{}>", self.remote_target.as_str()));
                (first.address.uri.clone(), routes)
            }
            Some(_) | None => {
                let routes = self.route_set.iter().map(raw).collect();
                (self.remote_target.clone(), routes)
            }
        }
    }
}

/// A header value with our tag; one that is there already is kept.
pub fn with_tag(value: &str, tag: &str) -> String {
    format!("{value};tag={tag}")
}

fn next_hop(uri: &Uri, source: Source) -> Option<NextHop> {
    let host: Host = match uri.scheme {
        Scheme::Sip | Scheme::Sips => uri.host.clone()?,
        Scheme::Tel | Scheme::Other(_) => return None,
    };
    Some(NextHop {
        listener: source.listener,
        transport: uri.transport().unwrap_or(source.transport),
        host,
        port: uri.port,
    })
}

fn call_id(headers: &Headers) -> Result<String, NotADialog> {
    let call_id = headers.call_id().map_err(|_| NotADialog("Call-ID"))?;
    Ok(call_id.to_owned())
}

fn cseq(headers: &Headers) -> Result<CSeq, NotADialog> {
    headers.cseq().map_err(|_| NotADialog("CSeq"))
}

fn route_set(headers: &Headers) -> Result<Vec<Route>, NotADialog> {
    let routes = headers
        .record_routes()
        .map_err(|_| NotADialog("Record-Route"))?;
    match routes.len() <= MAX_ROUTES {
        true => Ok(routes),
        false => Err(NotADialog("Record-Route")),
    }
}
