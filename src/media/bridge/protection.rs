//! SRTP or nothing, each way of one side, as the agreement says.

use crate::media::srtp;
use crate::sdp::Protection;
use crate::side::Side;

pub enum Sending {
    Clear,
    Srtp(Box<srtp::Outbound>),
    /// The keys that were agreed cannot be used: nothing leaves.
    Unusable,
}

pub enum Receiving {
    Clear,
    Srtp(Box<srtp::Inbound>),
    /// The keys that were agreed cannot be used: nothing is believed.
    Unusable,
}

impl Sending {
    pub fn new(side: Side, protection: &Protection) -> Self {
        let crypto = match protection {
            Protection::Clear => return Self::Clear,
            Protection::Sdes(crypto) => crypto,
            // No handshake is made here yet.
            Protection::Dtls(_) => return Self::Unusable,
        };
        match srtp::Outbound::new(crypto.suite, &crypto.send) {
            Ok(outbound) => Self::Srtp(Box::new(outbound)),
            Err(error) => {
                tracing::warn!(%side, %error, "agreed SRTP key cannot be used for sending");
                Self::Unusable
            }
        }
    }

    pub fn is_usable(&self) -> bool {
        match self {
            Self::Clear | Self::Srtp(_) => true,
            Self::Unusable => false,
        }
    }

    /// Protects `buffer[..len]` and returns the new length.
    pub fn protect_rtp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Self::Clear => Some(len),
            Self::Srtp(outbound) => outbound.protect_rtp(buffer, len).ok(),
            Self::Unusable => None,
        }
    }

    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match self {
            Self::Clear => Some(len),
            Self::Srtp(outbound) => outbound.protect_rtcp(buffer, len).ok(),
            Self::Unusable => None,
        }
    }
}

impl Receiving {
    pub fn new(side: Side, protection: &Protection) -> Self {
        let crypto = match protection {
            Protection::Clear => return Self::Clear,
            Protection::Sdes(crypto) => crypto,
            // No handshake is made here yet.
            Protection::Dtls(_) => return Self::Unusable,
        };
        match srtp::Inbound::new(crypto.suite, &crypto.receive) {
            Ok(inbound) => Self::Srtp(Box::new(inbound)),
            Err(error) => {
                tracing::warn!(%side, %error, "agreed SRTP key cannot be used for receiving");
                Self::Unusable
            }
        }
    }

    pub fn is_usable(&self) -> bool {
        match self {
            Self::Clear | Self::Srtp(_) => true,
            Self::Unusable => false,
        }
    }

    pub fn authenticates(&self) -> bool {
        match self {
            Self::Srtp(_) => true,
            Self::Clear | Self::Unusable => false,
        }
    }

    /// Opens a packet in place and returns its length in the clear.
    pub fn open_rtp(&mut self, datagram: &mut [u8]) -> Result<usize, srtp::Error> {
        match self {
            Self::Clear => Ok(datagram.len()),
            Self::Srtp(inbound) => inbound.unprotect_rtp(datagram),
            Self::Unusable => Err(srtp::Error::Authentication),
        }
    }

    pub fn open_rtcp(&mut self, datagram: &mut [u8]) -> Result<usize, srtp::Error> {
        match self {
            Self::Clear => Ok(datagram.len()),
            Self::Srtp(inbound) => inbound.unprotect_rtcp(datagram),
            Self::Unusable => Err(srtp::Error::Authentication),
        }
    }
}
