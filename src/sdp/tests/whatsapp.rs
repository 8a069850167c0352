//! The samples of dossier 3.1.

use std::net::SocketAddr;

use super::*;
use crate::sdp::{OpusLimits, PayloadType, TelephoneEvent};

pub(super) const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

/// The SDES offer of a user-initiated call.
pub(super) fn sdes_offer() -> String {
    format!(
        "
v=0
o=- 1746659966980 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE audio
a=msid-semantic: WMS 07092115-d151-427e-8722-26c70936b104
m=audio 3480 RTP/SAVP 111 126
c=IN IP4 157.240.19.130
a=rtcp:9 IN IP4 0.0.0.0
a=mid:audio
a=sendrecv
a=msid:07092115-d151-427e-8722-26c70936b104 WhatsAppTrack1
a=rtcp-mux
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}
a=rtpmap:111 opus/48000/2
a=fmtp:111 {OPUS_FMTP}
a=rtpmap:126 telephone-event/8000
a=maxptime:20
a=ptime:20
a=ssrc:1615009994 cname:WhatsAppAudioStream1
"
    )
}

pub(super) const WEBRTC_OFFER: &str = "
v=0
o=- 1741113186367 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE audio
a=msid-semantic: WMS 632a909f-1060-4369-96a4-7bd03e291ee7
a=ice-lite
m=audio 3480 UDP/TLS/RTP/SAVPF 111 126
c=IN IP4 57.144.135.35
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1775469887 1 udp 2122260223 57.144.135.35 3480 typ host generation 0 network-cost 50
a=candidate:3355715111 1 udp 2122262783 2a03:2880:f343:131:face:b00c:0:699c 3480 typ host generation 0 network-cost 50
a=ice-ufrag:RmDDkfzkwbexPfbC
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF
a=setup:actpass
a=mid:audio
a=sendrecv
a=msid:632a909f-1060-4369-96a4-7bd03e291ee7 WhatsAppTrack1
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1
a=rtpmap:126 telephone-event/8000
a=maxptime:20
a=ptime:20
a=ssrc:849255537 cname:WhatsAppAudioStream1
";

#[test]
fn sdes_offer_is_answered() {
    let (text, agreement) = answer(&mut whatsapp_leg(), &sdes_offer());

    let meta: SocketAddr = "157.240.19.130:3480".parse().unwrap();
    assert_eq!(agreement.remote_rtp, Some(meta));
    assert_eq!(agreement.remote_rtcp, Some(meta), "a=rtcp:9 means nothing");
    assert!(agreement.rtcp_mux);
    assert_eq!(
        (agreement.codec, agreement.send_pt),
        (Codec::Opus, PayloadType(111))
    );
    assert_eq!(agreement.receive, [(PayloadType(111), Codec::Opus)]);
    assert_eq!(
        agreement.telephone_event,
        Some(TelephoneEvent {
            send_pt: PayloadType(126),
            receive_pt: PayloadType(126),
            clock: 8_000
        })
    );
    assert_eq!(agreement.direction, Direction::SendRecv);
    assert_eq!(agreement.packet_time, Duration::from_millis(20));
    assert_eq!(agreement.remote_ssrc, Some(Ssrc(1_615_009_994)));
    assert_eq!(
        agreement.opus,
        OpusLimits {
            max_average_bitrate: Some(20_000),
            max_playback_rate: Some(16_000),
            in_band_fec: true,
            dtx: false
        }
    );
    let crypto = agreement.protection.sdes().unwrap().clone();
    assert_eq!(crypto.suite, Suite::AesCm128HmacSha1_80);
    assert_eq!((crypto.send.0.len(), crypto.receive.0.len()), (30, 30));
    assert_ne!(crypto.send, crypto.receive, "the answerer's key is its own");

    for line in [
        "m=audio 20000 RTP/SAVP 111 126",
        "c=IN IP4 198.51.100.1",
        "a=group:BUNDLE audio",
        "a=mid:audio",
        "a=rtpmap:111 opus/48000/2",
        &format!("a=fmtp:111 {OPUS_FMTP}"),
        "a=rtpmap:126 telephone-event/8000",
        "a=fmtp:126 0-16",
        "a=ptime:20",
        "a=maxptime:20",
        "a=rtcp-mux",
        "a=ssrc:305419777 cname:wabridge",
        "a=sendrecv",
    ] {
        assert!(has(&text, line), "{line} is not in\n{text}");
    }
    assert_eq!(lines(&text, "m=").len(), 1);
    let crypto = lines(&text, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:");
    assert_eq!(crypto.len(), 1);
    assert!(!text.contains(KEY));
    assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains('\n'));
    for absent in ["ice", "fingerprint", "setup", "msid", "rtcp-fb"] {
        assert!(!text.contains(absent), "{absent}");
    }
}

#[test]
fn nothing_printed_holds_a_key() {
    let mut leg = whatsapp_leg();
    let (text, agreement) = answer(&mut leg, &sdes_offer());
    let own_key = text.split("inline:").nth(1).unwrap().trim();
    let own_key = own_key.lines().next().unwrap();
    let shown = format!("{leg:?} {agreement:?}");
    assert!(shown.contains("MasterKey(..)"));
    assert!(!shown.contains(own_key) && !shown.contains(KEY) && !shown.contains("inline"));
}

#[test]
fn bare_line_feeds_and_a_missing_last_one_are_read() {
    let offer = sdes_offer();
    let bare = whatsapp_leg()
        .answer(offer.trim().as_bytes(), Direction::SendRecv)
        .unwrap();
    assert_eq!(bare, answer(&mut whatsapp_leg(), &offer));
}

#[test]
fn webrtc_offer_is_refused_and_named() {
    let Refusal::SecurityMismatch { wanted, found } = refusal(&mut whatsapp_leg(), WEBRTC_OFFER)
    else {
        panic!("not a security mismatch");
    };
    assert!(wanted.contains("SDES"), "{wanted}");
    for word in [
        "DTLS-SRTP",
        "UDP/TLS/RTP/SAVPF",
        "a=fingerprint",
        "ICE",
        "no a=crypto",
    ] {
        assert!(found.contains(word), "{word} is not in {found}");
    }
}

#[test]
fn webrtc_token_with_crypto_is_answered_with_the_same_token() {
    for token in [
        "UDP/TLS/RTP/SAVPF",
        "UDP/TLS/RTP/SAVP",
        "RTP/SAVPF",
        "RTP/SAVP",
        "RTP/AVP",
        "RTP/AVPF",
    ] {
        let offer = sdes_offer().replace("RTP/SAVP ", &format!("{token} "));
        let (text, agreement) = answer(&mut whatsapp_leg(), &offer);
        assert!(
            has(&text, &format!("m=audio 20000 {token} 111 126")),
            "{text}"
        );
        assert!(agreement.protection.sdes().is_some());
    }
}

#[test]
fn plain_offer_is_refused_and_named() {
    let offer: String = sdes_offer()
        .lines()
        .filter(|line| !line.starts_with("a=crypto"))
        .map(|line| line.replace("RTP/SAVP", "RTP/AVP") + "\n")
        .collect();
    let Refusal::SecurityMismatch { found, .. } = refusal(&mut whatsapp_leg(), &offer) else {
        panic!("not a security mismatch");
    };
    assert_eq!(found, "plain RTP (RTP/AVP, no a=crypto)");
}

#[test]
fn g711_enabled_on_the_number_still_gives_opus() {
    let offer = sdes_offer().replace("RTP/SAVP 111 126", "RTP/SAVP 8 0 111 126");
    let (text, agreement) = answer(&mut whatsapp_leg(), &offer);
    assert_eq!(agreement.codec, Codec::Opus);
    assert!(has(&text, "m=audio 20000 RTP/SAVP 111 126"));
}

#[test]
fn an_offer_without_mux_or_bundle_gets_none() {
    let offer: String = sdes_offer()
        .lines()
        .filter(|line| {
            !["a=group", "a=mid", "a=rtcp-mux"]
                .iter()
                .any(|start| line.starts_with(start))
        })
        .map(|line| line.to_owned() + "\n")
        .collect();
    let (text, agreement) = answer(&mut whatsapp_leg(), &offer);
    for absent in ["BUNDLE", "a=mid", "rtcp-mux"] {
        assert!(!text.contains(absent), "{absent}");
    }
    assert_eq!(
        agreement.remote_rtcp,
        Some("157.240.19.130:3481".parse().unwrap()),
        "port 9 means the next port"
    );
}

/// A business-initiated call: our offer, WhatsApp's answer with more than was asked for.
#[test]
fn answer_that_adds_bundle_mid_msid_and_mux_is_read() {
    let mut leg = Negotiation::new(
        Policy {
            rtcp_mux: false,
            ..whatsapp_policy()
        },
        local(1),
    );
    let offer = leg.offer(Direction::SendRecv);
    assert!(has(&offer, "m=audio 20000 RTP/SAVP 111 101"), "{offer}");
    let answer = format!(
        "
v=0
o=- 1746659966980 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE audio
m=audio 3484 RTP/SAVP 111 101
c=IN IP4 157.240.19.130
a=rtcp:9 IN IP4 0.0.0.0
a=mid:audio
a=sendrecv
a=msid:07092115-d151-427e-8722-26c70936b104 WhatsAppTrack1
a=rtcp-mux
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}
a=rtpmap:111 opus/48000/2
a=fmtp:111 {OPUS_FMTP}
a=rtpmap:101 telephone-event/8000
a=maxptime:20
a=ptime:20
"
    );
    let agreement = leg.handle_answer(&crlf(&answer)).unwrap();
    assert!(agreement.rtcp_mux);
    assert_eq!(agreement.remote_rtcp, agreement.remote_rtp);
    assert_eq!(agreement.telephone_event.unwrap().send_pt, PayloadType(101));
    assert!(agreement.protection.sdes().is_some());
}

/// The offer of a business that uses 107 and 101, as the dossier shows it, seen from WhatsApp's side.
#[test]
fn the_offerers_payload_types_are_kept() {
    let offer = sdes_offer()
        .replace("RTP/SAVP 111 126", "RTP/SAVP 107 0 8 101")
        .replace(":111 ", ":107 ")
        .replace(":126 ", ":101 ");
    let (text, agreement) = answer(&mut whatsapp_leg(), &offer);
    assert!(has(&text, "m=audio 20000 RTP/SAVP 107 101"), "{text}");
    assert_eq!(agreement.send_pt, PayloadType(107));
    assert_eq!(agreement.telephone_event.unwrap().send_pt, PayloadType(101));
}

/// The older Graph sample's answer: port 9 and 0.0.0.0 are no hold when ICE will tell the address.
#[test]
fn discard_port_is_an_address_to_be_learnt() {
    let mut leg = pbx_leg();
    leg.offer(Direction::SendRecv);
    let agreement = leg
        .handle_answer(&crlf(
            "
v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
m=audio 9 RTP/AVP 8
c=IN IP4 0.0.0.0
",
        ))
        .unwrap();
    assert_eq!(agreement.remote_rtp, None);
    assert_eq!(agreement.remote_rtcp, None);
    assert_eq!(agreement.direction, Direction::SendRecv);
}

/// LiveKit's offer carries four suites (dossier 2.7): the first of the offerer's order that we take.
#[test]
fn four_crypto_lines_give_the_first_that_is_allowed() {
    let line = |tag, name, bytes: usize| {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::STANDARD.encode(vec![9; bytes]);
        format!("a=crypto:{tag} {name} inline:{key}|2^31")
    };
    let four = [
        line(1, "AES_CM_256_HMAC_SHA1_80", 46),
        line(2, "AES_CM_128_HMAC_SHA1_32", 30),
        line(3, "AES_CM_128_HMAC_SHA1_80", 30),
        line(4, "AES_CM_256_HMAC_SHA1_32", 46),
    ]
    .join("\n");
    let one = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
    let (text, agreement) = answer(&mut whatsapp_leg(), &sdes_offer().replace(&one, &four));
    assert_eq!(
        agreement.protection.sdes().unwrap().clone().suite,
        Suite::AesCm128HmacSha1_80
    );
    assert_eq!(lines(&text, "a=crypto:").len(), 1);
    assert_eq!(
        lines(&text, "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:").len(),
        1
    );
}

#[test]
fn unusable_crypto_is_refused_with_each_reason() {
    let one = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
    let two = format!("{one}|2^20|1:4\na=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{KEY}");
    let refusal = refusal(&mut whatsapp_leg(), &sdes_offer().replace(&one, &two));
    assert_eq!(
        refusal,
        Refusal::NoCrypto(
            "MKI is not supported; suite AES_CM_128_HMAC_SHA1_32 is not allowed here".to_owned()
        )
    );
    assert!(!format!("{refusal:?}").contains(KEY));
}

#[test]
fn no_common_codec_names_what_was_offered() {
    let offer = sdes_offer()
        .replace("RTP/SAVP 111 126", "RTP/SAVP 9 0 8 126 18")
        .replace("a=rtpmap:111 opus/48000/2", "a=rtpmap:9 G722/8000");
    assert_eq!(
        refusal(&mut whatsapp_leg(), &offer),
        Refusal::NoCodec {
            offered:
                "G722/8000, payload type 0, payload type 8, telephone-event/8000, payload type 18"
                    .to_owned()
        }
    );
}

/// The older Graph sample of a user-initiated offer: extensions and four ssrc lines.
pub(super) fn graph_offer() -> String {
    WEBRTC_OFFER
        .replace("audio 3480", "audio 40012")
        .replace(
            "a=ssrc:849255537 cname:WhatsAppAudioStream1",
            "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=ssrc:849255537 cname:WhatsAppAudioStream1
a=ssrc:849255537 msid:632a909f WhatsAppTrack1
a=ssrc:849255537 mslabel:632a909f
a=ssrc:849255537 label:WhatsAppTrack1",
        )
        .replace(
            "maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1",
            "minptime=10;useinbandfec=1",
        )
}

#[test]
fn graph_offer_is_refused_and_named() {
    assert!(matches!(
        refusal(&mut whatsapp_leg(), &graph_offer()),
        Refusal::SecurityMismatch { found, .. } if found.starts_with("DTLS-SRTP")
    ));
}

/// RingQ's sighting (dossier 3.1): the WebRTC form with keys in place of the fingerprint.
#[test]
fn graph_offer_with_keys_is_answered() {
    let offer: String = graph_offer()
        .lines()
        .map(|line| {
            if line.starts_with("a=fingerprint") {
                format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    let (text, agreement) = answer(&mut whatsapp_leg(), &offer);
    assert!(has(&text, "m=audio 20000 UDP/TLS/RTP/SAVPF 111 126"));
    assert_eq!(agreement.remote_rtp.unwrap().port(), 40_012);
    assert_eq!(agreement.remote_ssrc, Some(Ssrc(849_255_537)));
    assert_eq!(agreement.opus.max_average_bitrate, None);
    assert!(agreement.opus.in_band_fec);
    for absent in ["extmap", "ice", "setup", "candidate"] {
        assert!(!text.contains(absent), "{absent}");
    }
}

/// The browser's offer of the Graph sample, had it come by SIP.
#[test]
fn chrome_offer_is_refused_and_named() {
    let offer = WEBRTC_OFFER
        .replace("a=ice-lite", "a=ice-options:trickle")
        .replace("audio 3480", "audio 9")
        .replace("SAVPF 111 126", "SAVPF 111 63 9 0 8 110 126");
    assert!(matches!(
        refusal(&mut whatsapp_leg(), &offer),
        Refusal::SecurityMismatch { .. }
    ));
}

/// A number that is still set to DTLS answers our SDES offer so.
#[test]
fn webrtc_answer_to_an_sdes_offer_is_refused_and_named() {
    let mut leg = whatsapp_leg();
    leg.offer(Direction::SendRecv);
    let refused = leg.handle_answer(&crlf(&WEBRTC_OFFER.replace("actpass", "active")));
    assert!(matches!(
        refused,
        Err(Refusal::SecurityMismatch { found, .. }) if found.contains("a=fingerprint")
    ));
}
