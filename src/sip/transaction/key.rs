//! What a message is matched to its transaction by (RFC 3261 §17.1.3, §17.2.3, §8.2.2.2).

use crate::sip::message::{Method, Request, Response};

/// What every branch made by RFC 3261 begins with (§8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// A request of ours: the branch, and the method, for CANCEL shares the branch of its INVITE.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClientKey {
    branch: String,
    method: String,
}

impl ClientKey {
    pub fn of_request(request: &Request) -> Self {
        Self {
            branch: branch_of(request),
            method: request.method.to_string(),
        }
    }

    pub fn of_response(response: &Response) -> Option<Self> {
        let via = response.headers.top_via().ok()?;
        Some(Self {
            branch: via.branch()?.to_owned(),
            method: response.headers.cseq().ok()?.method.to_string(),
        })
    }
}

/// A request of somebody else: branch, `sent-by` and method, where ACK counts as INVITE.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ServerKey {
    branch: String,
    sent_by: String,
    method: String,
}

impl ServerKey {
    pub fn of(request: &Request) -> Self {
        let method = match &request.method {
            Method::Ack => Method::Invite,
            method => method.clone(),
        };
        Self::with_method(request, &method)
    }

    /// The INVITE that a CANCEL is about (RFC 3261 §9.2).
    pub fn of_cancelled(cancel: &Request) -> Self {
        Self::with_method(cancel, &Method::Invite)
    }

    fn with_method(request: &Request, method: &Method) -> Self {
        let via = request.headers.top_via().ok();
        let sent_by = via.map(|via| (via.host.to_string().to_ascii_lowercase(), via.port));
        Self {
            branch: branch_of(request),
            sent_by: sent_by.map_or_else(String::new, |(host, port)| match port {
                Some(port) => format!("{host}:{port}"),
                None => host,
            }),
            method: method.to_string(),
        }
    }
}

/// What two copies of one request share that came on different paths.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MergeKey {
    call_id: String,
    from_tag: String,
    cseq: u32,
    method: String,
}

impl MergeKey {
    pub fn of(request: &Request) -> Self {
        let headers = &request.headers;
        Self {
            call_id: headers.call_id().unwrap_or_default().to_owned(),
            from_tag: from_tag(request),
            cseq: headers.cseq().map_or(0, |cseq| cseq.number),
            method: request.method.to_string(),
        }
    }
}

/// The branch of the top Via. One without the magic cookie names nothing by itself (RFC 2543), so Call-ID, CSeq and
/// From tag are put beside it.
fn branch_of(request: &Request) -> String {
    let via = request.headers.top_via().ok();
    let branch = via
        .as_ref()
        .and_then(|via| via.branch())
        .unwrap_or_default();
    if branch.starts_with(MAGIC_COOKIE) {
        return branch.to_owned();
    }
    let key = MergeKey::of(request);
    format!("{branch} {} {} {}", key.call_id, key.cseq, key.from_tag)
}

fn from_tag(request: &Request) -> String {
    let from = request.headers.from().ok();
    from.and_then(|from| from.tag().map(str::to_owned))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Message;

    fn request(method: &str, branch: &str, sent_by: &str, cseq: u32) -> Request {
        let number_method = if method == "ACK-2543" { "ACK" } else { method };
        let text = format!(
            "{number_method} sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP {sent_by};branch={branch}\r\n\
             From: <sip:c@d>;tag=f\r\nTo: <sip:a@b>\r\nCall-ID: i\r\nCSeq: {cseq} {number_method}\r\n\r\n"
        );
        match Message::parse(text.as_bytes()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!("a request was written"),
        }
    }

    #[test]
    fn ack_and_cancel_find_their_invite() {
        let invite = ServerKey::of(&request("INVITE", "z9hG4bK1", "h:5060", 1));
        assert_eq!(
            ServerKey::of(&request("ACK", "z9hG4bK1", "H:5060", 1)),
            invite
        );
        let cancel = request("CANCEL", "z9hG4bK1", "h:5060", 1);
        assert_ne!(ServerKey::of(&cancel), invite);
        assert_eq!(ServerKey::of_cancelled(&cancel), invite);
    }

    #[test]
    fn equal_branches_of_two_senders_are_two_transactions() {
        let one = ServerKey::of(&request("OPTIONS", "z9hG4bK1", "h:5060", 1));
        let two = ServerKey::of(&request("OPTIONS", "z9hG4bK1", "h:5062", 1));
        assert_ne!(one, two);
    }

    #[test]
    fn a_branch_without_cookie_names_nothing_by_itself() {
        let one = ServerKey::of(&request("OPTIONS", "1", "h", 1));
        let two = ServerKey::of(&request("OPTIONS", "1", "h", 2));
        assert_ne!(one, two);
    }
}
