//! What an offer and its answer come to.

use std::net::SocketAddr;
use std::time::Duration;

use super::{
    Codec, CryptoPair, Direction, DtlsTerms, ExtendedReports, IceTerms, PayloadType, Ssrc,
};

/// What both sides settled on: all that a stream needs to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreement {
    /// Where the peer wants RTP. `None`: it gave `0.0.0.0`, port 9 or a name (hold by RFC 2543, or to be learnt).
    /// With ICE only a guess: the pair that its checks find counts.
    pub remote_rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP; same as RTP when multiplexed. `None` with ICE and no multiplexing: RTCP has no way then.
    pub remote_rtcp: Option<SocketAddr>,
    pub rtcp_mux: bool,
    /// What goes beside our reports.
    pub extended_reports: ExtendedReports,
    /// What we send, with the payload type that the peer gave it.
    pub codec: Codec,
    pub send_pt: PayloadType,
    /// Every audio payload type that may arrive.
    pub receive: Vec<(PayloadType, Codec)>,
    pub telephone_event: Option<TelephoneEvent>,
    /// Of the peer's stream as *we* see it: `SendRecv`, `SendOnly` (we may only send), ...
    pub direction: Direction,
    /// What the peer asks us to send: 10, 20, 30, 40 or 60 ms; 20 ms when it does not say.
    pub packet_time: Duration,
    pub protection: Protection,
    /// With [`Protection::Dtls`] alone, and only when both sides speak it.
    pub ice: Option<IceTerms>,
    /// From the peer's `a=ssrc`, if any.
    pub remote_ssrc: Option<Ssrc>,
    /// Peer's Opus fmtp as limits for our encoder.
    pub opus: OpusLimits,
}

/// How the packets of a stream are kept from others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Protection {
    /// Plain RTP.
    Clear,
    /// SRTP with the keys of the descriptions (RFC 4568).
    Sdes(CryptoPair),
    /// SRTP with the keys of a DTLS handshake (RFC 5764).
    Dtls(DtlsTerms),
}

impl Protection {
    pub fn sdes(&self) -> Option<&CryptoPair> {
        match self {
            Self::Sdes(pair) => Some(pair),
            Self::Clear | Self::Dtls(_) => None,
        }
    }

    pub fn dtls(&self) -> Option<&DtlsTerms> {
        match self {
            Self::Dtls(terms) => Some(terms),
            Self::Clear | Self::Sdes(_) => None,
        }
    }

    pub fn is_encrypted(&self) -> bool {
        match self {
            Self::Clear => false,
            Self::Sdes(_) | Self::Dtls(_) => true,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TelephoneEvent {
    pub send_pt: PayloadType,
    pub receive_pt: PayloadType,
    /// 8000 with WhatsApp whatever the audio's clock (dossier 3.3); 48000 from some PBXs.
    pub clock: u32,
}

/// RFC 7587 §6.1, as given by the peer; what it did not say is `None`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpusLimits {
    /// bit/s, 6000-510000.
    pub max_average_bitrate: Option<u32>,
    /// Hz, 8000-48000.
    pub max_playback_rate: Option<u32>,
    pub in_band_fec: bool,
    pub dtx: bool,
}

impl OpusLimits {
    /// Reads an fmtp: `maxaveragebitrate=20000;useinbandfec=1`. What is not understood is passed over.
    pub(super) fn from_fmtp(fmtp: &str) -> Self {
        let mut limits = Self::default();
        for parameter in fmtp.split(';') {
            if let Some((name, value)) = parameter.split_once('=') {
                limits.set(name.trim(), value.trim());
            }
        }
        limits
    }

    fn set(&mut self, name: &str, value: &str) {
        let number = value.parse::<u32>().ok();
        match name.to_ascii_lowercase().as_str() {
            "maxaveragebitrate" => {
                self.max_average_bitrate = number.map(|n| n.clamp(6_000, 510_000));
            }
            "maxplaybackrate" => self.max_playback_rate = number.map(|n| n.clamp(8_000, 48_000)),
            "useinbandfec" => self.in_band_fec = number == Some(1),
            "usedtx" => self.dtx = number == Some(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatsapps_fmtp_is_read() {
        let limits = OpusLimits::from_fmtp(
            "maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1",
        );
        assert_eq!(
            limits,
            OpusLimits {
                max_average_bitrate: Some(20_000),
                max_playback_rate: Some(16_000),
                in_band_fec: true,
                dtx: false,
            }
        );
    }

    #[test]
    fn nonsense_is_bounded_or_passed_over() {
        let limits =
            OpusLimits::from_fmtp("; maxaveragebitrate = 1 ;;useDTX=1; x; maxplaybackrate=-3");
        assert_eq!(limits.max_average_bitrate, Some(6_000));
        assert_eq!(limits.max_playback_rate, None);
        assert!(limits.dtx);
    }
}
