//! What commands and events name each other's matters by. Numbers come from one row and are never reused.

/// One INVITE usage, from its first INVITE to its end. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InviteId(pub u64);

/// A request that came in and waits for our answer (everything but INVITE that starts a usage, ACK and CANCEL).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PendingId(pub u64);

/// A request of ours whose final response is awaited.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);
