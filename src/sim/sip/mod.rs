//! How the simulators speak SIP: written from plain text, read by `rsip` where it can and by hand where it cannot (IPv6
//! hosts, compact names, methods it does not know).
//!
//! Small on purpose: no transaction layer. A call's task sees every message of its Call-ID and decides.

pub mod dialog;
pub mod digest;
pub mod framer;
pub mod hub;
pub mod message;
pub mod wire;

pub use dialog::Dialog;
pub use hub::{Hub, Incoming};
pub use message::{Message, Start};
pub use wire::Wire;
