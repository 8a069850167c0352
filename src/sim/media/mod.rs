//! Sound of one party: what it says becomes packets, what it hears is recorded and looked at.

pub mod codec;
pub mod crypto;
pub mod dtmf;
pub mod ear;
pub mod link;
pub mod mouth;
pub mod session;

pub use codec::Codec;
pub use ear::Heard;
pub use session::{News, Order, Session};
