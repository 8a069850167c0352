//! The SIP user agent (RFC 3261): framing, messages, transactions, dialogs, digest, the INVITE usage. Pure: bytes and
//! time in, bytes, events and deadlines out. A body is bytes here; what it means is not this room's business.

pub mod endpoint;
pub mod flow;
pub mod message;
pub mod uri;
