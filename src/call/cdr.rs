//! The call detail record: one a call, whatever happens.

use serde::Serialize;

use crate::media::bridge::Report;

/// Our pairing of two legs. Unique for ever: made of the time and random bits, sorts by time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct CallRef(pub String);

/// Written as one JSON line, and as one row of the database.
#[derive(Clone, PartialEq, Debug)]
pub struct Cdr {
    pub call: CallRef,
    /// Filled by the call room (helper E completes the list: times, numbers, WACID, peer, codecs, ending, who, quality).
    pub report: Option<Report>,
}
