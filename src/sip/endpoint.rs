//! The user agent: all transactions, dialogs and INVITE usages of this process behind one door.
//!
//! In: messages, closed flows, failed transmits, the time, commands. Out: transmits, events, the next deadline.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::entropy::Entropy;
pub use crate::sip::digest::Credentials;
use crate::sip::flow::{
    FlowId, Host, ListenerId, NextHop, Source, Transmit, TransmitTag, TransportError,
};
use crate::sip::message::{Headers, Method, Request, Response};
use crate::sip::uri::Uri;

/// One INVITE usage, from its first INVITE to its end. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InviteId(pub u64);

/// A request that came in and waits for our answer (everything but INVITE that starts a usage, ACK and CANCEL).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PendingId(pub u64);

/// A request of ours whose final response is awaited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

pub struct EndpointConfig {
    pub timers: Timers,
    /// `User-Agent` and `Server`.
    pub user_agent: String,
    /// What each listener calls itself in Via and Contact.
    pub sent_by: BTreeMap<ListenerId, (Host, u16)>,
    /// More server transactions than this and new requests get 503.
    pub max_transactions: usize,
}

/// RFC 3261 §17, table 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    pub t1: Duration,
    pub t2: Duration,
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

/// A body and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Body {
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// A dialog-creating INVITE of ours.
pub struct OutgoingInvite {
    pub hop: NextHop,
    pub uri: Uri,
    /// Header values without tag.
    pub from: String,
    pub to: String,
    pub contact: Uri,
    /// Route set to preload, if any.
    pub route: Vec<String>,
    /// Everything else to be sent: P-Asserted-Identity, X-..., Reason.
    pub headers: Headers,
    pub body: Option<Body>,
    pub credentials: Option<Credentials>,
    pub session_timer: SessionTimer,
    /// Offer 100rel; PRACK is sent by the endpoint itself.
    pub reliable_provisionals: bool,
    /// No provisional response: how long until the peer counts as dead (at most timer B, 64*T1).
    pub answer_within: Option<Duration>,
}

/// RFC 4028 for one usage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionTimer {
    /// Neither asked for nor agreed to. The only setting toward WhatsApp.
    Off,
    /// Agreed to when the peer asks; asked for by us when `ask`.
    On {
        ask: bool,
        expires: Duration,
        min_se: Duration,
    },
}

/// A final or provisional answer of ours.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    pub status: u16,
    /// The standard phrase when `None`.
    pub reason: Option<String>,
    pub headers: Headers,
    pub body: Option<Body>,
}

#[derive(Debug)]
pub enum Event {
    /// A new INVITE outside any dialog. 100 was sent already. Answer by `progress`, `answer` or `reject`.
    Invited {
        invite: InviteId,
        source: Source,
        request: Box<Request>,
    },
    /// The caller gave up before our final response; 487 was sent. The usage is over.
    Cancelled {
        invite: InviteId,
        cancel: Box<Request>,
    },
    /// ACK to our 2xx: the dialog is confirmed. `body` holds the answer to a late offer.
    Acknowledged {
        invite: InviteId,
        body: Option<Body>,
    },
    /// No ACK to our 2xx within 64*T1. The endpoint sends BYE itself (RFC 3261 §13.3.1.4). The usage is over.
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
    /// The outcome of `request` or `modify`.
    Completed {
        request: RequestId,
        outcome: Result<Box<Response>, Failure>,
    },
}

/// How a request of ours failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// 3xx-6xx.
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
    SessionExpired,
    /// A request of ours inside the dialog got 481 or 408 (RFC 3261 §12.2.1.2).
    DialogGone,
}

/// A command that does not fit the state of its usage. Nothing was done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    #[error("no such INVITE, or it is over")]
    Unknown,
    #[error("not possible while {0}")]
    WrongState(&'static str),
}

pub struct Endpoint {
    _config: EndpointConfig,
    _entropy: Entropy,
    _transmits: VecDeque<Transmit>,
}

impl Endpoint {
    pub fn new(config: EndpointConfig, entropy: Entropy) -> Self {
        Self {
            _config: config,
            _entropy: entropy,
            _transmits: VecDeque::new(),
        }
    }

    /// One whole message from the network. Bad ones are answered with 400 where possible, and counted.
    pub fn handle_received(&mut self, _now: Instant, _source: Source, _bytes: &[u8]) {
        todo!()
    }

    pub fn handle_flow_closed(&mut self, _now: Instant, _flow: FlowId) {
        todo!()
    }

    pub fn handle_transmit_failed(
        &mut self,
        _now: Instant,
        _tag: TransmitTag,
        _error: TransportError,
    ) {
        todo!()
    }

    pub fn handle_timeout(&mut self, _now: Instant) {
        todo!()
    }

    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        todo!()
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        todo!()
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        todo!()
    }

    /// Places a call.
    pub fn invite(&mut self, _now: Instant, _invite: OutgoingInvite) -> InviteId {
        todo!()
    }

    /// ACK to the 2xx reported by `Answered`.
    pub fn acknowledge(
        &mut self,
        _now: Instant,
        _invite: InviteId,
        _body: Option<Body>,
    ) -> Result<(), CommandError> {
        todo!()
    }

    /// 101-199 to an INVITE that came.
    pub fn progress(
        &mut self,
        _now: Instant,
        _invite: InviteId,
        _contact: &Uri,
        _reply: Reply,
    ) -> Result<(), CommandError> {
        todo!()
    }

    /// 2xx to an INVITE that came; repeated until ACKed. Session timer as agreed with what the INVITE asked.
    pub fn answer(
        &mut self,
        _now: Instant,
        _invite: InviteId,
        _contact: &Uri,
        _reply: Reply,
        _timer: SessionTimer,
    ) -> Result<(), CommandError> {
        todo!()
    }

    /// Ends the usage whatever its state: final response (given) when the INVITE that came is unanswered, CANCEL when
    /// ours is, BYE when there is a dialog (after the ACK, where that is due). `headers` (Reason, ...) go on CANCEL and BYE.
    pub fn hang_up(
        &mut self,
        _now: Instant,
        _invite: InviteId,
        _rejection: Reply,
        _headers: Headers,
    ) -> Result<(), CommandError> {
        todo!()
    }

    /// re-INVITE of ours (session refresh, our own re-offer). `Completed` tells the outcome; a 2xx is ACKed already.
    pub fn modify(
        &mut self,
        _now: Instant,
        _invite: InviteId,
        _body: Option<Body>,
    ) -> Result<RequestId, CommandError> {
        todo!()
    }

    /// INFO, NOTIFY, ... of ours inside the dialog.
    pub fn request_in_dialog(
        &mut self,
        _now: Instant,
        _invite: InviteId,
        _method: Method,
        _headers: Headers,
        _body: Option<Body>,
    ) -> Result<RequestId, CommandError> {
        todo!()
    }

    /// OPTIONS, REGISTER, ... of ours outside any dialog. Via, Call-ID, CSeq, Max-Forwards and tags are added.
    pub fn request(
        &mut self,
        _now: Instant,
        _hop: NextHop,
        _request: Request,
        _credentials: Option<Credentials>,
    ) -> RequestId {
        todo!()
    }

    /// Answers a pending request.
    pub fn respond(
        &mut self,
        _now: Instant,
        _pending: PendingId,
        _reply: Reply,
    ) -> Result<(), CommandError> {
        todo!()
    }
}
