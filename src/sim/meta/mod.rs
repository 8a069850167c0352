//! WhatsApp's SIP endpoint as a business sees it, for calls that a user places over SDES: TLS only, digest answered, three
//! IPv6 Vias with Record-Routes in between, a leg that is frozen once answered, media that waits for the business's first
//! packet and ends the call when it stays away.
//!
//! What WhatsApp does not document is a switch in [`plan::Plan`] or [`endpoint::Settings`].

pub mod call;
pub mod checks;
mod dialing;
pub mod endpoint;
pub mod offer;
pub mod plan;
pub mod requests;
mod talking;

pub use endpoint::{Endpoint, Settings};
pub use plan::{Expect, Plan};
