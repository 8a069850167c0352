//! Time as the call room is given it.

use std::time::{Instant, SystemTime};

/// Both clocks at one moment: one to measure with, one to write down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    pub instant: Instant,
    pub wall: SystemTime,
}
