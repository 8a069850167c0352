//! SRTP or nothing, each way of one side, as the agreement or the handshake says.

use crate::media::srtp;
use crate::sdp::{CryptoPair, Protection};
use crate::side::Side;

pub enum Sending {
    Clear,
    Srtp(Box<srtp::Outbound>),
    /// The handshake that gives keys is not over: nothing leaves.
    Awaited,
    /// The keys that were agreed cannot be used: nothing leaves.
    Unusable,
}

pub enum Receiving {
    Clear,
    Srtp(Box<srtp::Inbound>),
    /// The handshake that gives keys is not over: nothing can be read.
    Awaited,
    /// The keys that were agreed cannot be used: nothing is believed.
    Unusable,
}

impl Sending {
    pub fn new(side: Side, protection: &Protection) -> Self {
        match protection {
            Protection::Clear => Self::Clear,
            Protection::Sdes(keys) => Self::with_keys(side, keys),
            Protection::Dtls(_) => Self::Awaited,
        }
    }

    pub fn with_keys(side: Side, keys: &CryptoPair) -> Self {
        match srtp::Outbound::new(keys.suite, &keys.send) {
            Ok(ready) => Self::Srtp(Box::new(ready)),
            Err(error) => {
                tracing::warn!(%side, %error, "agreed SRTP key cannot be used for sending");
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
    pub fn new(side: Side, protection: &Protection) -> Self {
        match protection {
            Protection::Clear => Self::Clear,
            Protection::Sdes(keys) => Self::with_keys(side, keys),
            Protection::Dtls(_) => Self::Awaited,
        }
    }

    pub fn with_keys(side: Side, keys: &CryptoPair) -> Self {
        match srtp::Inbound::new(keys.suite, &keys.receive) {
            Ok(ready) => Self::Srtp(Box::new(ready)),
            Err(error) => {
                tracing::warn!(%side, %error, "agreed SRTP key cannot be used for receiving");
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
