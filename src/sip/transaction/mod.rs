//! Transactions (RFC 3261 §17 with RFC 6026): the four machines, and the tables that hold them. Each machine is a value
//! that says what is to be done; the tables do it, for they alone hold the bytes and the way.

pub mod client;
pub mod client_invite;
pub mod clients;
pub mod key;
pub mod server;
pub mod server_invite;
pub mod servers;
pub mod timer;

use crate::sip::flow::TransmitTag;

/// One transaction, client or server. Never reused; also the tag of what it transmits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransactionId(pub u64);

impl TransactionId {
    pub fn tag(self) -> TransmitTag {
        TransmitTag(self.0)
    }

    pub fn from_tag(tag: TransmitTag) -> Self {
        Self(tag.0)
    }
}
