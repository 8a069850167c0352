//! The SIP user agent (RFC 3261): framing, messages, transactions, dialogs, digest, the INVITE usage. Pure: bytes and
//! time in, bytes, events and deadlines out. A body is bytes here; what it means is not this room's business.

pub mod digest;
pub mod endpoint;
mod error;
mod fields;
pub mod flow;
pub mod framing;
mod headers;
mod host_port;
pub mod limits;
pub mod message;
mod method;
mod name;
mod name_addr;
mod params;
mod reader;
mod reason;
mod sequence;
mod session_expires;
pub mod status;
mod text;
pub mod uri;
mod via;
