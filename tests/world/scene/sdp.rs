//! Descriptions as the peers of the dossier and real PBXs write them.

use super::webrtc::peer_fingerprint;

pub const WHATSAPP_KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

/// WhatsApp's SDES offer (dossier 3.1).
pub fn whatsapp_offer() -> String {
    lines(&[
        "v=0",
        "o=- 1746659966980 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE audio",
        "a=msid-semantic: WMS 07092115-d151-427e-8722-26c70936b104",
        "m=audio 3480 RTP/SAVP 111 126",
        "c=IN IP4 157.240.19.130",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=mid:audio",
        "a=sendrecv",
        "a=msid:07092115-d151-427e-8722-26c70936b104 WhatsAppTrack1",
        "a=rtcp-mux",
        &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 {WHATSAPP_KEY}"),
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1",
        "a=rtpmap:126 telephone-event/8000",
        "a=maxptime:20",
        "a=ptime:20",
        "a=ssrc:1615009994 cname:WhatsAppAudioStream1",
    ])
}

/// WhatsApp's WebRTC offer (dossier 3.1).
pub fn whatsapp_webrtc_offer() -> String {
    whatsapp_webrtc("actpass", 126)
}

/// And its answer to one of ours, in whose role it is the DTLS client (the Graph sample of dossier 3.1).
pub fn whatsapp_webrtc_answer() -> String {
    whatsapp_webrtc("active", 101)
}

fn whatsapp_webrtc(setup: &str, digits: u8) -> String {
    lines(&[
        "v=0",
        "o=- 1741113186367 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE audio",
        "a=msid-semantic: WMS 632a909f-1060-4369-96a4-7bd03e291ee7",
        "a=ice-lite",
        &format!("m=audio 3480 UDP/TLS/RTP/SAVPF 111 {digits}"),
        "c=IN IP4 57.144.135.35",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:1775469887 1 udp 2122260223 57.144.135.35 3480 typ host generation 0 network-cost 50",
        "a=candidate:3355715111 1 udp 2122262783 2a03:2880:f343:131:face:b00c:0:699c 3480 typ host generation 0 network-cost 50",
        "a=ice-ufrag:RmDDkfzkwbexPfbC",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        &format!("a=fingerprint:{}", peer_fingerprint()),
        &format!("a=setup:{setup}"),
        "a=mid:audio",
        "a=sendrecv",
        "a=msid:632a909f-1060-4369-96a4-7bd03e291ee7 WhatsAppTrack1",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1",
        &format!("a=rtpmap:{digits} telephone-event/8000"),
        "a=maxptime:20",
        "a=ptime:20",
        "a=ssrc:849255537 cname:WhatsAppAudioStream1",
    ])
}

/// WhatsApp's answer to an SDES offer: BUNDLE, mid and the like unasked (dossier 3.1).
pub fn whatsapp_answer() -> String {
    whatsapp_offer()
}

/// A PBX's description: plain RTP, one codec and telephone-events.
#[derive(Clone)]
pub struct PbxSdp {
    pub version: u32,
    pub address: &'static str,
    pub port: u16,
    /// Payload type and rtpmap.
    pub codec: (u8, &'static str),
    pub direction: &'static str,
}

impl Default for PbxSdp {
    fn default() -> Self {
        Self {
            version: 1,
            address: "10.0.0.20",
            port: 14_000,
            codec: (0, "PCMU/8000"),
            direction: "sendrecv",
        }
    }
}

impl PbxSdp {
    pub fn text(&self) -> String {
        let (payload_type, map) = self.codec;
        lines(&[
            "v=0",
            &format!("o=- 77 {} IN IP4 {}", self.version, self.address),
            "s=pbx",
            &format!("c=IN IP4 {}", self.address),
            "t=0 0",
            &format!("m=audio {} RTP/AVP {payload_type} 101", self.port),
            &format!("a=rtpmap:{payload_type} {map}"),
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=ptime:20",
            &format!("a={}", self.direction),
        ])
    }
}

pub fn pbx_answer() -> String {
    PbxSdp::default().text()
}

pub fn lines(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}
