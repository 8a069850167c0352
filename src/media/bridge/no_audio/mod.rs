//! One-way audio by its name: why a side is not heard, or does not hear us. Two pure functions judge what the counters
//! of a stretch of time say; [`Watch`] asks them every `WINDOW` from the start of a side on, tells each cause once, and
//! adds up how long each lasted.

mod cause;
mod sight;
mod trouble;
mod watch;

pub use cause::{NoAudio, Way};
pub use sight::{Came, Setup, Sight, from_peer, to_peer};
pub use watch::{Missing, News, WINDOW, Watch};

#[cfg(test)]
mod tests;
