//! Offers and answers in the manner of Asterisk, FreeSWITCH, Cisco and older devices.

use super::*;
use crate::sdp::{PayloadType, TelephoneEvent};

const ASTERISK: &str = "
v=0
o=- 1361186923 1361186923 IN IP4 192.0.2.20
s=Asterisk
c=IN IP4 192.0.2.20
t=0 0
m=audio 11234 RTP/AVP 107 0 8 101 113
a=rtpmap:107 opus/48000/2
a=fmtp:107 useinbandfec=1
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=rtpmap:113 telephone-event/48000
a=fmtp:113 0-16
a=ptime:20
a=maxptime:140
a=sendrecv
";

pub(super) fn audio(body: &str) -> String {
    format!("\nv=0\no=x 1 1 IN IP4 192.0.2.9\ns=-\nt=0 0\nc=IN IP4 192.0.2.9\n{body}\n")
}

#[test]
fn asterisk_offer_takes_the_events_of_the_audio_clock() {
    let (text, agreement) = answer(&mut pbx_leg(), ASTERISK);
    assert_eq!(
        (agreement.codec, agreement.send_pt),
        (Codec::Opus, PayloadType(107))
    );
    assert_eq!(
        agreement.telephone_event,
        Some(TelephoneEvent {
            send_pt: PayloadType(113),
            receive_pt: PayloadType(113),
            clock: 48_000
        })
    );
    assert_eq!(
        agreement.remote_rtcp,
        Some("192.0.2.20:11235".parse().unwrap())
    );
    assert!(has(&text, "m=audio 20000 RTP/AVP 107 113"), "{text}");
    assert!(!text.contains("crypto"));
}

#[test]
fn own_order_may_rule() {
    let policy = Policy {
        own_order: true,
        ..pbx_policy()
    };
    let (text, agreement) = answer(&mut Negotiation::new(policy, local(2)), ASTERISK);
    assert_eq!(agreement.codec, Codec::Pcma);
    assert_eq!(agreement.telephone_event.unwrap().clock, 8_000);
    assert!(has(&text, "m=audio 20000 RTP/AVP 8 101"), "{text}");
}

#[test]
fn static_payload_types_need_no_rtpmap() {
    let (text, agreement) = answer(&mut pbx_leg(), &audio("m=audio 4000 RTP/AVP 18 0 8"));
    assert_eq!(agreement.codec, Codec::Pcmu);
    assert_eq!(agreement.telephone_event, None);
    assert!(has(&text, "a=rtpmap:0 PCMU/8000"));
}

/// FreeSWITCH with SRTP: two equal m= lines, secured first (RFC 4568 gave no better way).
#[test]
fn first_usable_audio_is_kept_and_the_rest_declined_in_order() {
    let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let offer = audio(&format!(
        "m=video 5000 RTP/AVP 96
a=rtpmap:96 H264/90000
m=audio 4000 RTP/SAVP 0
a=crypto:1 NULL_HMAC_SHA1_80 inline:{key}
m=audio 4002 RTP/AVP 0
m=image 6000 udptl t38
m=application 9 UDP/DTLS/SCTP webrtc-datachannel"
    ));
    let (text, agreement) = answer(&mut pbx_leg(), &offer);
    assert_eq!(
        agreement.remote_rtp,
        Some("192.0.2.9:4002".parse().unwrap())
    );
    assert_eq!(
        lines(&text, "m="),
        [
            "m=video 0 RTP/AVP 96",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 20000 RTP/AVP 0",
            "m=image 0 udptl t38",
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
        ]
    );
}

/// A blank that is not ASCII's hides the formats of the line; ours has some, or nobody could read it.
#[test]
fn a_declined_line_without_formats_gets_some() {
    let offer = audio("m=audio 4000 RTP/AVP\u{a0} 107\u{a0}\nm=audio 4002 RTP/AVP 0");
    let (text, _) = answer(&mut pbx_leg(), &offer);
    for line in lines(&text, "m=") {
        assert!(line.is_ascii() && line.split(' ').count() >= 4, "{line:?}");
    }
}

#[test]
fn nothing_but_video_is_no_audio() {
    assert_eq!(
        refusal(&mut pbx_leg(), &audio("m=video 5000 RTP/AVP 96")),
        Refusal::NoAudio
    );
    assert_eq!(refusal(&mut pbx_leg(), &audio("a=x")), Refusal::NoAudio);
    assert_eq!(
        refusal(&mut pbx_leg(), &audio("m=audio 0 RTP/AVP 0")),
        Refusal::NoAudio
    );
}

#[test]
fn the_media_level_address_rules() {
    let offer =
        audio("m=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::7\na=rtcp:53020 IN IP4 192.0.2.77");
    let (_, agreement) = answer(&mut pbx_leg(), &offer);
    assert_eq!(
        agreement.remote_rtp,
        Some("[2001:db8::7]:4000".parse().unwrap())
    );
    assert_eq!(
        agreement.remote_rtcp,
        Some("192.0.2.77:53020".parse().unwrap())
    );
}

#[test]
fn names_and_groups_are_no_addresses() {
    for address in [
        "IN IP4 pbx.example.com",
        "IN IP4 224.2.1.1/127",
        "IN IP4 255.255.255.255",
    ] {
        let offer = audio(&format!("m=audio 4000 RTP/AVP 0\nc={address}"));
        let (_, agreement) = answer(&mut pbx_leg(), &offer);
        assert_eq!(agreement.remote_rtp, None, "{address}");
        assert_eq!(agreement.direction, Direction::SendRecv);
    }
}

#[test]
fn holds_of_every_kind() {
    for (lines, ours) in [
        ("a=sendonly", Direction::RecvOnly),
        ("a=inactive", Direction::Inactive),
        ("a=recvonly", Direction::SendOnly),
        ("a=sendrecv", Direction::SendRecv),
        ("c=IN IP4 0.0.0.0", Direction::RecvOnly),
        ("c=IN IP4 0.0.0.0\na=recvonly", Direction::Inactive),
        ("c=IN IP6 ::", Direction::RecvOnly),
    ] {
        let offer = audio(&format!("m=audio 4000 RTP/AVP 0\n{lines}"));
        let (text, agreement) = answer(&mut pbx_leg(), &offer);
        assert_eq!(agreement.direction, ours, "{lines}");
        assert!(has(&text, &format!("a={}", ours.name())), "{lines}");
    }
}

#[test]
fn a_session_level_direction_counts() {
    let offer = audio("a=sendonly\nm=audio 4000 RTP/AVP 0");
    assert_eq!(
        answer(&mut pbx_leg(), &offer).1.direction,
        Direction::RecvOnly
    );
}

#[test]
fn packet_times() {
    for (lines, milliseconds) in [
        ("a=ptime:10", 10),
        ("a=ptime:20", 20),
        ("a=ptime:30", 30),
        ("a=ptime:40", 40),
        ("a=ptime:60", 60),
        ("a=ptime:50", 40),
        ("a=ptime:20.0", 20),
        ("a=ptime:5", 10),
        ("a=ptime:0", 20),
        ("a=ptime:x", 20),
        ("a=ptime:65535", 60),
        ("a=maxptime:10", 10),
        ("a=ptime:60\na=maxptime:30", 30),
        ("a=x", 20),
    ] {
        let offer = audio(&format!("m=audio 4000 RTP/AVP 0\n{lines}"));
        let (_, agreement) = answer(&mut pbx_leg(), &offer);
        assert_eq!(
            agreement.packet_time,
            Duration::from_millis(milliseconds),
            "{lines}"
        );
    }
}

#[test]
fn a_policy_without_digits_takes_none() {
    let policy = Policy {
        telephone_event: Vec::new(),
        ..pbx_policy()
    };
    let (text, agreement) = answer(&mut Negotiation::new(policy, local(2)), ASTERISK);
    assert_eq!(agreement.telephone_event, None);
    assert!(!text.contains("telephone-event"));
}

#[test]
fn savp_without_keys_is_refused_also_where_plain_is_allowed() {
    let offer = audio("m=audio 4000 RTP/SAVP 0");
    assert!(matches!(
        refusal(&mut pbx_leg(), &offer),
        Refusal::SecurityMismatch { .. }
    ));
}

#[test]
fn unusable_keys_on_a_plain_line_mean_plain() {
    let offer = audio("m=audio 4000 RTP/AVP 0\na=crypto:1 NULL_HMAC_SHA1_80 inline:x");
    assert_eq!(
        answer(&mut pbx_leg(), &offer).1.protection,
        Protection::Clear
    );
}

#[test]
fn our_offer_has_every_codec_and_clock() {
    let offer = pbx_leg().offer(Direction::SendRecv);
    assert!(
        has(&offer, "m=audio 20000 RTP/AVP 8 0 111 101 110"),
        "{offer}"
    );
    for line in [
        "o=- 7002 1 IN IP4 198.51.100.2",
        "s=-",
        "t=0 0",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:110 telephone-event/48000",
        "a=fmtp:111 useinbandfec=1",
    ] {
        assert!(has(&offer, line), "{line} is not in\n{offer}");
    }
    assert!(!offer.contains("a=rtcp"), "the next port needs no a=rtcp");
}

#[test]
fn a_foreign_rtcp_port_is_told() {
    let local = Local {
        rtcp_port: 30_001,
        ..local(2)
    };
    let offer = Negotiation::new(pbx_policy(), local).offer(Direction::SendRecv);
    assert!(has(&offer, "a=rtcp:30001"), "{offer}");
}

#[test]
fn an_answer_may_number_and_order_differently() {
    let mut leg = pbx_leg();
    leg.offer(Direction::SendRecv);
    let agreement = leg
        .handle_answer(&crlf(&audio(
            "m=audio 4000 RTP/AVP 96 8 97
a=rtpmap:96 opus/48000/2
a=rtpmap:97 telephone-event/48000",
        )))
        .unwrap();
    assert_eq!(
        (agreement.codec, agreement.send_pt),
        (Codec::Opus, PayloadType(96))
    );
    assert_eq!(
        agreement.receive,
        [
            (PayloadType(8), Codec::Pcma),
            (PayloadType(111), Codec::Opus),
            (PayloadType(96), Codec::Opus)
        ]
    );
    assert_eq!(
        agreement.telephone_event,
        Some(TelephoneEvent {
            send_pt: PayloadType(97),
            receive_pt: PayloadType(110),
            clock: 48_000
        })
    );
}

#[test]
fn an_answer_without_our_codecs_or_audio_is_refused() {
    let mut leg = pbx_leg();
    let offer = leg.offer(Direction::SendRecv);
    assert!(matches!(
        leg.handle_answer(&crlf(&audio("m=audio 4000 RTP/AVP 18"))),
        Err(Refusal::NoCodec { .. })
    ));
    assert_eq!(
        leg.handle_answer(&crlf(&audio("m=audio 0 RTP/AVP 0"))),
        Err(Refusal::NoAudio)
    );
    assert!(matches!(
        leg.handle_answer(&crlf(&audio("m=audio 4000 RTP/SAVP 0"))),
        Err(Refusal::SecurityMismatch { .. })
    ));
    assert_eq!(leg.agreement(), None);
    assert_eq!(leg.current(), Some(offer.as_str()));
}

#[test]
fn an_answer_with_a_foreign_tag_is_refused() {
    let policy = Policy {
        security: Security::Sdes(vec![Suite::AesCm128HmacSha1_80]),
        ..pbx_policy()
    };
    let mut leg = Negotiation::new(policy, local(2));
    leg.offer(Direction::SendRecv);
    let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let answer = |line: &str| crlf(&audio(&format!("m=audio 4000 RTP/SAVP 0\na=crypto:{line}")));
    let good = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}");
    assert!(
        leg.handle_answer(&answer(&good))
            .unwrap()
            .protection
            .is_encrypted()
    );
    for bad in [
        format!("2 AES_CM_128_HMAC_SHA1_80 inline:{key}"),
        format!("1 AES_CM_128_HMAC_SHA1_32 inline:{key}"),
        format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|1:1"),
    ] {
        assert!(
            matches!(leg.handle_answer(&answer(&bad)), Err(Refusal::NoCrypto(_))),
            "{bad}"
        );
    }
}

#[test]
fn an_answer_without_an_offer_is_an_error() {
    let answer = crlf(&audio("m=audio 4000 RTP/AVP 0"));
    assert_eq!(pbx_leg().handle_answer(&answer), Err(Refusal::NoOffer));
}

#[test]
fn what_is_no_description_is_malformed() {
    for text in [
        "",
        "hello",
        "v=1\n",
        "v=0\no=broken\n",
        "v=0\nm=audio x RTP/AVP 0\n",
    ] {
        assert!(
            matches!(refusal(&mut pbx_leg(), text), Refusal::Malformed(_)),
            "{text}"
        );
    }
    let large = audio(&"a=x\n".repeat(10_000));
    assert!(matches!(
        refusal(&mut pbx_leg(), &large),
        Refusal::Malformed(_)
    ));
    let many = audio(&"m=audio 4000 RTP/AVP 0\n".repeat(17));
    assert!(matches!(
        refusal(&mut pbx_leg(), &many),
        Refusal::Malformed(_)
    ));
}

/// Trailing spaces and empty lines, as careless devices write them.
#[test]
fn careless_spacing_is_read() {
    let offer = audio(
        "m=audio 4000 RTP/AVP 96 0 
c=IN IP4 192.0.2.77 

a=rtpmap:96  opus/48000/2 
a=sendonly 
a=rtcp-mux 
a=ptime: 30",
    );
    let (_, agreement) = answer(&mut pbx_leg(), &offer);
    assert_eq!(agreement.codec, Codec::Opus);
    assert_eq!(agreement.direction, Direction::RecvOnly);
    assert!(agreement.rtcp_mux);
    assert_eq!(agreement.packet_time, Duration::from_millis(30));
    assert_eq!(
        agreement.remote_rtp,
        Some("192.0.2.77:4000".parse().unwrap())
    );
}

#[test]
fn text_that_is_not_utf8_is_read() {
    let mut offer = crlf(&audio("m=audio 4000 RTP/AVP 0"));
    let name = offer.windows(3).position(|w| w == b"s=-").unwrap();
    offer.splice(name + 2..name + 3, *b"B\xfcro");
    assert!(pbx_leg().answer(&offer, Direction::SendRecv).is_ok());
}
