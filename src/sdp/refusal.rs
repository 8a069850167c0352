//! Why a description cannot be agreed to.

/// Why a description cannot be agreed to. The call room turns it into 488, 400, ... and words for the operator. Texts
/// from the peer are bounded and hold no key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("not a session description: {0}")]
    Malformed(String),
    #[error("no audio")]
    NoAudio,
    #[error("no codec in common (offered: {offered})")]
    NoCodec { offered: String },
    #[error("media must be {wanted}, but {found} was offered")]
    SecurityMismatch { wanted: String, found: String },
    #[error("no usable a=crypto line: {0}")]
    NoCrypto(String),
    #[error("no usable DTLS: {0}")]
    NoDtls(String),
    #[error("no usable ICE: {0}")]
    NoIce(String),
    /// An answer came, but there was no offer of ours.
    #[error("an answer without an offer")]
    NoOffer,
}
