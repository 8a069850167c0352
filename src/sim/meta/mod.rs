//! WhatsApp's SIP endpoint as a business sees it, over TLS and SDES: three IPv6 Vias with Record-Routes in between, a leg that
//! is frozen once answered, media that waits for the business's first packet and ends the call when it stays away.
//!
//! [`Endpoint`] places the calls of users, and answers the business's challenge; [`Gateway`] takes the calls of businesses,
//! after a challenge and WhatsApp's own checks. What WhatsApp does not document is a switch in [`plan::Plan`],
//! [`endpoint::Settings`] or [`gateway::account`].

pub mod call;
pub mod checks;
mod description;
mod dialing;
pub mod endpoint;
pub mod gateway;
pub mod offer;
pub mod plan;
pub mod requests;
mod talking;
pub mod webrtc;

pub use endpoint::{Endpoint, Settings};
pub use gateway::Gateway;
pub use plan::{Expect, Plan};
