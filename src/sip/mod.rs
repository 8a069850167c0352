//! The SIP user agent (RFC 3261): framing, messages, transactions, dialogs, digest, the INVITE usage. Pure: bytes and
//! time in, bytes, events and deadlines out. A body is bytes here; what it means is not this room's business.

mod compose;
mod core;
mod dialog;
pub mod digest;
pub mod endpoint;
mod error;
mod fields;
pub mod flow;
pub mod framing;
mod head;
mod headers;
mod host_port;
mod invite;
pub mod limits;
pub mod message;
mod method;
mod name;
mod name_addr;
mod outside;
mod params;
mod reader;
mod reason;
pub mod refer;
mod refused;
mod reliable;
pub mod replaces;
mod screen;
mod sequence;
mod session_expires;
mod session_timer;
mod start_line;
pub mod status;
#[cfg(test)]
mod tests;
mod text;
mod transaction;
pub mod uri;
mod via;
