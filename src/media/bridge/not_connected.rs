//! Why a leg with ICE or DTLS carries nothing.

/// What keeps packets from passing between us and a side.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotConnected {
    /// ICE: no check was answered in time, and none came.
    #[error("no way to it was found: none of its candidates answers")]
    NoPath,
    /// ICE: the way was there, and then its checks were not answered any more (RFC 7675).
    #[error("it stopped answering checks of the way to it")]
    ConsentLost,
    /// DTLS: there are no keys, and why.
    #[error("no keys: {0}")]
    NoKeys(String),
}
