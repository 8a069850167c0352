//! The session after its first exchange (RFC 3264 §8).

use super::*;
use crate::sdp::PayloadType;

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const OTHER_KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

fn offer(version: u32, body: &str) -> String {
    format!(
        "\nv=0\no=- 5 {version} IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 4000 RTP/AVP 8 0\n{body}\n"
    )
}

fn version(text: &str) -> u64 {
    let origin = text.lines().find(|line| line.starts_with("o=")).unwrap();
    origin.split(' ').nth(2).unwrap().parse().unwrap()
}

#[test]
fn an_unchanged_offer_gets_the_unchanged_answer() {
    let mut leg = pbx_leg();
    let first = answer(&mut leg, &offer(1, "a=sendrecv"));
    assert_eq!(version(&first.0), 1);
    assert_eq!(answer(&mut leg, &offer(1, "a=sendrecv")), first);
    assert_eq!(leg.current(), Some(first.0.as_str()));
}

#[test]
fn hold_and_resume_count_versions() {
    let mut leg = pbx_leg();
    let talking = answer(&mut leg, &offer(1, "a=sendrecv"));
    let held = answer(&mut leg, &offer(2, "a=sendonly"));
    assert_eq!(held.1.direction, Direction::RecvOnly);
    assert_eq!(version(&held.0), 2);
    let resumed = answer(&mut leg, &offer(3, "a=sendrecv"));
    assert_eq!(resumed.1, talking.1);
    assert_eq!(version(&resumed.0), 3);
    let without_version = |text: &str| {
        text.lines()
            .filter(|l| !l.starts_with("o="))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(without_version(&resumed.0), without_version(&talking.0));
}

#[test]
fn our_own_direction_may_be_cut() {
    let mut leg = pbx_leg();
    let (text, agreement) = leg
        .answer(&crlf(&offer(1, "a=sendrecv")), Direction::SendOnly)
        .unwrap();
    assert_eq!(agreement.direction, Direction::SendOnly);
    assert!(has(&text, "a=sendonly"));
}

#[test]
fn codec_and_address_may_change() {
    let mut leg = pbx_leg();
    answer(&mut leg, &offer(1, "a=sendrecv"));
    let moved = offer(2, "a=sendrecv")
        .replace("RTP/AVP 8 0", "RTP/AVP 0")
        .replace("c=IN IP4 192.0.2.9", "c=IN IP4 192.0.2.10")
        .replace("audio 4000", "audio 4400");
    let (text, agreement) = answer(&mut leg, &moved);
    assert_eq!(agreement.codec, Codec::Pcmu);
    assert_eq!(
        agreement.remote_rtp,
        Some("192.0.2.10:4400".parse().unwrap())
    );
    assert_eq!(version(&text), 2);
}

#[test]
fn new_keys_of_the_peer_leave_ours() {
    let mut leg = pbx_leg();
    let keyed = |version, key: &str| {
        offer(
            version,
            &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}"),
        )
        .replace("RTP/AVP", "RTP/SAVP")
    };
    let first = answer(&mut leg, &keyed(1, KEY));
    let second = answer(&mut leg, &keyed(2, OTHER_KEY));
    let (before, after) = (
        first.1.protection.sdes().unwrap(),
        second.1.protection.sdes().unwrap(),
    );
    assert_eq!(before.send, after.send);
    assert_ne!(before.receive, after.receive);
    assert_eq!(first.0, second.0, "our description did not change");
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut leg = pbx_leg();
    let first = answer(&mut leg, &offer(1, "a=sendrecv"));
    for bad in [
        offer(2, "a=sendrecv").replace("RTP/AVP 8 0", "RTP/AVP 18"),
        offer(2, "a=sendrecv").replace("RTP/AVP", "RTP/SAVP"),
        "rubbish".to_owned(),
    ] {
        leg.answer(&crlf(&bad), Direction::SendRecv).unwrap_err();
        assert_eq!(leg.current(), Some(first.0.as_str()));
        assert_eq!(leg.agreement(), Some(&first.1));
    }
    assert_eq!(answer(&mut leg, &offer(1, "a=sendrecv")), first);
}

#[test]
fn the_stream_in_use_stays_when_others_come_before_it() {
    let mut leg = pbx_leg();
    let two = |first: u16| {
        offer(1, "a=sendrecv").replace(
            "m=audio 4000 RTP/AVP 8 0\n",
            &format!("m=audio {first} RTP/AVP 8\nm=audio 4002 RTP/AVP 8\n"),
        )
    };
    assert_eq!(
        answer(&mut leg, &two(0)).1.remote_rtp.unwrap().port(),
        4_002
    );
    let (text, agreement) = answer(&mut leg, &two(4_000));
    assert_eq!(agreement.remote_rtp.unwrap().port(), 4_002);
    assert_eq!(
        lines(&text, "m="),
        ["m=audio 0 RTP/AVP 8", "m=audio 20000 RTP/AVP 8"]
    );
}

#[test]
fn our_re_offer_keeps_lines_numbers_token_and_keys() {
    let mut leg = pbx_leg();
    let first = "
v=0
o=- 5 1 IN IP4 192.0.2.9
s=-
c=IN IP4 192.0.2.9
t=0 0
a=group:BUNDLE a
m=video 5000 RTP/AVP 96
m=audio 4000 RTP/SAVPF 101 0 96
a=mid:a
a=rtpmap:101 opus/48000/2
a=rtpmap:96 telephone-event/48000
a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz
";
    let (_, agreement) = answer(&mut leg, first);
    let offer = leg.offer(Direction::SendOnly);
    assert_eq!(version(&offer), 2);
    assert_eq!(
        lines(&offer, "m="),
        [
            "m=video 0 RTP/AVP 96",
            "m=audio 20000 RTP/SAVPF 101 8 0 97 96"
        ],
        "{offer}"
    );
    for line in [
        "a=mid:a",
        "a=group:BUNDLE a",
        "a=rtpmap:101 opus/48000/2",
        "a=sendonly",
    ] {
        assert!(has(&offer, line), "{line} is not in\n{offer}");
    }
    let line = crate::sdp::CryptoLine::parse(
        lines(&offer, "a=crypto:")[0].trim_start_matches("a=crypto:"),
    )
    .unwrap();
    assert_eq!(line.key, agreement.protection.sdes().unwrap().send);
    assert_eq!(leg.offer(Direction::SendOnly), offer, "unchanged");
}

#[test]
fn a_refused_re_offer_of_ours_restores_the_session() {
    let mut leg = pbx_leg();
    let first = answer(&mut leg, &offer(1, "a=sendrecv"));
    let ours = leg.offer(Direction::SendOnly);
    assert_eq!(version(&ours), 2);
    leg.handle_offer_refused();
    assert_eq!(leg.agreement(), Some(&first.1));
    let restored = leg.offer_again().unwrap();
    assert_eq!(version(&restored), 3, "a version is used once");
    let but_the_version = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("o="));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(but_the_version(&restored), but_the_version(&first.0));
    assert_eq!(version(&leg.offer(Direction::Inactive)), 4);
}

#[test]
fn an_early_and_a_final_answer_may_differ() {
    let mut leg = pbx_leg();
    leg.offer(Direction::SendRecv);
    let early = leg.handle_answer(&crlf(&offer(1, "a=sendrecv"))).unwrap();
    let last = offer(1, "a=sendrecv").replace("audio 4000", "audio 4800");
    let last = leg.handle_answer(&crlf(&last)).unwrap();
    assert_eq!(early.remote_rtp.unwrap().port(), 4_000);
    assert_eq!(last.remote_rtp.unwrap().port(), 4_800);
    assert_eq!(leg.agreement(), Some(&last));
    assert_eq!(last.send_pt, PayloadType(8));
}

#[test]
fn a_repeated_offer_to_the_next_peer_is_the_same() {
    let mut leg = pbx_leg();
    let first = leg.offer(Direction::SendRecv);
    assert_eq!(leg.offer(Direction::SendRecv), first);
}

/// A session refresh (RFC 4028 §7.4) on a leg that answered: the answer to it is read, also when it says something new.
#[test]
fn what_was_answered_may_be_offered_again() {
    let mut leg = pbx_leg();
    assert_eq!(leg.offer_again(), None);
    let first = answer(&mut leg, &offer(1, "a=sendrecv"));
    assert_eq!(leg.offer_again(), Some(first.0.clone()));
    let same = leg.handle_answer(&crlf(&offer(1, "a=sendrecv"))).unwrap();
    assert_eq!(same, first.1);
    let moved = offer(2, "a=sendrecv").replace("audio 4000", "audio 4800");
    let moved = leg.handle_answer(&crlf(&moved)).unwrap();
    assert_eq!(moved.remote_rtp.unwrap().port(), 4_800);
    leg.handle_offer_refused();
    assert_eq!(leg.current(), Some(first.0.as_str()));
}
