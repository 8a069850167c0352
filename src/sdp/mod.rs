//! Session descriptions (RFC 8866) as values, and the offer/answer model (RFC 3264) as functions of values. What is not
//! audio is declined; what is not understood is kept out of our own descriptions, which are always written fresh.
//!
//! [`Negotiation`] is the door: it makes one leg's offers and answers and says what they come to, an [`Agreement`].
//! Behind it, `description` reads the peer's text, `selection` and `security` choose, `writing` makes ours. Not here: ICE
//! checks and DTLS handshakes, of which only the terms are settled, and anything but audio.

mod agreement;
mod codec;
mod crypto;
mod description;
mod direction;
mod dtls;
mod extended_reports;
mod ice;
mod negotiation;
mod numbers;
mod policy;
mod refusal;
mod security;
mod selection;
mod transport;
mod writing;

pub use agreement::{Agreement, OpusLimits, Protection, TelephoneEvent};
pub use codec::{Codec, PayloadType};
pub use crypto::{CryptoFault, CryptoLine, CryptoPair, MasterKey, Suite};
pub use direction::Direction;
pub use dtls::{
    CertificateHash, DtlsRole, DtlsTerms, DtlsVersion, Fingerprint, FingerprintFault, OfferedSetup,
    Setup,
};
pub use extended_reports::{ExtendedReports, RoundTripMode, SummaryParts, XrUse};
pub use ice::{
    Candidate, CandidateKind, IceCredentials, IceEnd, IceFault, IceMode, IceRole, IceTerms,
};
pub use negotiation::Negotiation;
pub use policy::{Local, Offers, Policy, Security};
pub use refusal::Refusal;

/// RTP synchronisation source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ssrc(pub u32);

#[cfg(test)]
mod tests;
