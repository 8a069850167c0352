//! A PBX that is called and calls, over UDP, TCP or TLS, in RTP or SDES-SRTP. It does by a script what people and dialplans do
//! (hold, move the media, change the codec, send digits, transfer, hang up), and listens to what it is told.
//!
//! ```text
//!   exchange ─► ringing (called) · dialing (calls) ─► call ─► talking ─► transfer
//! ```

pub mod behaviour;
pub mod call;
mod checks;
pub mod description;
mod dialing;
pub mod dialogs;
pub mod exchange;
mod invitation;
mod negotiation;
pub mod plan;
mod ringing;
mod talking;
mod transfer;

pub use behaviour::{Act, Answer, Behaviour};
pub use dialogs::Replaces;
pub use exchange::Exchange;
pub use plan::{Offer, Plan, Target, Transport};
