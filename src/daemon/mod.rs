//! The world's loop: the signalling task, the media workers, signals, reload, drain.

pub mod plane;
mod worker;
