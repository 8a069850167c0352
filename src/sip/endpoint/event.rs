//! What the endpoint tells: events, and how requests and dialogs came to their ends.

use crate::sip::endpoint::command::Body;
use crate::sip::endpoint::id::{InviteId, PendingId, RequestId};
use crate::sip::flow::{Source, TransportError};
use crate::sip::message::{Request, Response};

#[derive(Debug)]
pub enum Event {
    /// A new INVITE outside any dialog. 100 was sent already. Answer by `progress`, `answer` or `reject`.
    Invited {
        invite: InviteId,
        source: Source,
        request: Box<Request>,
    },
    /// The caller gave up before our final response, by CANCEL or by BYE; 487 was sent. The usage is over.
    Cancelled {
        invite: InviteId,
        cancel: Box<Request>,
    },
    /// ACK to our 2xx: the dialog is confirmed. `body` holds the answer to a late offer.
    Acknowledged {
        invite: InviteId,
        body: Option<Body>,
    },
    /// No ACK to our 2xx (of the INVITE or a re-INVITE) within 64*T1: the endpoint sends BYE itself (RFC 3261
    /// §13.3.1.4). Or no PRACK to a reliable provisional response: it rejects the INVITE. The usage is over.
    NeverAcknowledged { invite: InviteId },

    /// 101-199 to our INVITE. `to_tag` tells the forks apart. A reliable one is PRACKed already.
    Progress {
        invite: InviteId,
        to_tag: Option<String>,
        response: Box<Response>,
    },
    /// The first 2xx to our INVITE. Must be followed by `acknowledge`. Later 2xx of other forks are ACKed and ended with BYE.
    Answered {
        invite: InviteId,
        response: Box<Response>,
    },
    /// Our INVITE failed for good (challenges were answered with the credentials first). The usage is over.
    Failed { invite: InviteId, failure: Failure },

    /// A re-INVITE, or an UPDATE with or without a body, inside the dialog: answer by `respond`.
    Reoffered {
        invite: InviteId,
        pending: PendingId,
        request: Box<Request>,
    },
    /// ACK to our 2xx of a re-INVITE (carries the answer when the re-INVITE had no offer).
    ReofferAcknowledged {
        invite: InviteId,
        pending: PendingId,
        body: Option<Body>,
    },
    /// INFO, REFER, NOTIFY, MESSAGE, OPTIONS ... inside the dialog: answer by `respond`.
    InDialog {
        invite: InviteId,
        pending: PendingId,
        request: Box<Request>,
    },
    /// BYE came (200 was sent) or the session expired. The usage is over.
    Ended { invite: InviteId, why: Departure },
    /// Our turn to refresh the session (RFC 4028): send `modify` with the current body.
    RefreshDue { invite: InviteId },

    /// A request outside any dialog that is not INVITE (OPTIONS, REGISTER, ...): answer by `respond`.
    Requested {
        pending: PendingId,
        source: Source,
        request: Box<Request>,
    },
    /// The outcome of `request`, `request_in_dialog` or `modify`: exactly one for each. When the usage ends first, it is
    /// `Failure::Cancelled`.
    Completed {
        request: RequestId,
        outcome: Result<Box<Response>, Failure>,
    },
}

/// How a request of ours failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// 3xx-6xx; or a 2xx that makes no dialog.
    Rejected(Box<Response>),
    /// No final (or no first) response in time.
    Timeout,
    Transport(TransportError),
    /// We cancelled it.
    Cancelled,
}

/// How a confirmed dialog ended without us.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Departure {
    Bye(Box<Request>),
    /// Nobody refreshed the session in time (RFC 4028). Or the application left an INVITE unanswered for ten minutes, or
    /// a 2xx unacknowledged for 64*T1.
    SessionExpired,
    /// A request of ours inside the dialog got 481, 408 or no answer (RFC 3261 §12.2.1.2).
    DialogGone,
}
