//! SRTP or nothing, each way of one side, as the agreement or the handshake says.

use crate::media::srtp;
use crate::sdp::{CryptoPair, Protection};
use crate::side::Side;

/// One way, by the stream of keys that it works with.
pub enum Guard<T> {
    Clear,
    Srtp(Box<T>),
    /// The handshake that gives keys is not over: nothing leaves, and nothing can be read.
    Awaited,
    /// The keys that were agreed cannot be used: nothing leaves, and nothing is believed.
    Unusable,
}

pub type Sending = Guard<srtp::Outbound>;
pub type Receiving = Guard<srtp::Inbound>;

/// What SRTP works with one way.
pub trait Keyed: Sized {
    const WAY: &'static str;

    fn with(keys: &CryptoPair) -> Result<Self, srtp::Error>;
}

impl Keyed for srtp::Outbound {
    const WAY: &'static str = "sending";

    fn with(keys: &CryptoPair) -> Result<Self, srtp::Error> {
        Self::new(keys.suite, &keys.send)
    }
}

impl Keyed for srtp::Inbound {
    const WAY: &'static str = "receiving";

    fn with(keys: &CryptoPair) -> Result<Self, srtp::Error> {
        Self::new(keys.suite, &keys.receive)
    }
}

impl<T: Keyed> Guard<T> {
    pub fn new(side: Side, protection: &Protection) -> Self {
        match protection {
            Protection::Clear => Self::Clear,
            Protection::Sdes(keys) => Self::with_keys(side, keys),
            Protection::Dtls(_) => Self::Awaited,
        }
    }

    pub fn with_keys(side: Side, keys: &CryptoPair) -> Self {
        match T::with(keys) {
            Ok(ready) => Self::Srtp(Box::new(ready)),
            Err(error) => {
                tracing::warn!(%side, %error, "agreed SRTP key cannot be used for {}", T::WAY);
                Self::Unusable
            }
        }
    }

    pub fn is_usable(&self) -> bool {
        match self {
            Self::Clear | Self::Srtp(_) => true,
            Self::Awaited | Self::Unusable => false,
        }
    }

    pub fn is_awaited(&self) -> bool {
        match self {
            Self::Awaited => true,
            Self::Clear | Self::Srtp(_) | Self::Unusable => false,
        }
    }

    pub fn authenticates(&self) -> bool {
        match self {
            Self::Srtp(_) => true,
            Self::Clear | Self::Awaited | Self::Unusable => false,
        }
    }
}

impl Sending {
    /// Protects `buffer[..len]` and returns the new length.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Self::Clear => Some(len),
            Self::Srtp(outbound) => outbound.protect_rtp(buffer, len).ok(),
            Self::Awaited | Self::Unusable => None,
        }
    }

    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Self::Clear => Some(len),
            Self::Srtp(outbound) => outbound.protect_rtcp(buffer, len).ok(),
            Self::Awaited | Self::Unusable => None,
        }
    }
}

impl Receiving {
    /// Opens a packet in place and returns its length in the clear.
    pub fn open_rtp(&mut self, datagram: &mut [u8]) -> Result<usize, srtp::Error> {
        match self {
            Self::Clear => Ok(datagram.len()),
            Self::Srtp(inbound) => inbound.unprotect_rtp(datagram),
            Self::Awaited | Self::Unusable => Err(srtp::Error::Authentication),
        }
    }

    pub fn open_rtcp(&mut self, datagram: &mut [u8]) -> Result<usize, srtp::Error> {
        match self {
            Self::Clear => Ok(datagram.len()),
            Self::Srtp(inbound) => inbound.unprotect_rtcp(datagram),
            Self::Awaited | Self::Unusable => Err(srtp::Error::Authentication),
        }
    }
}
