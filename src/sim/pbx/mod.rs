//! A PBX to call: it answers over UDP, TCP or TLS, in RTP or SDES-SRTP, does by a script what people and dialplans do (hold,
//! move the media, change the codec, send digits, hang up), and listens to what it is told.

pub mod behaviour;
pub mod call;
mod checks;
pub mod description;
pub mod exchange;
mod ringing;
mod talking;

pub use behaviour::{Act, Answer, Behaviour};
pub use exchange::Exchange;
