//! With real bridges: WhatsApp's leg with ICE and DTLS, the PBX's with plain RTP, SDES, or ICE and DTLS as well.

use std::net::SocketAddr;
use std::time::Duration;

use wabridge::call::cdr::Cdr;
use wabridge::call::ending::Cause;
use wabridge::config::Config;
use wabridge::media::srtp::Outbound;
use wabridge::sdp::{DtlsVersion, MasterKey, Offers, Security, Suite};
use wabridge::side::Side;

use super::outbound::dialled;
use super::{Talk, confirm};
use crate::scene::pbx::Callee;
use crate::scene::sdp::{PbxSdp, whatsapp_webrtc_answer, whatsapp_webrtc_offer};
use crate::scene::sound::{Rtp, assert_unbroken};
use crate::scene::whatsapp;
use crate::scene::world::{PBX, WHATSAPP, World};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;
/// One way to WhatsApp's media.
const DELAY: Duration = Duration::from_millis(50);
/// What the issue allows without loss.
const SOON: Duration = Duration::from_millis(3 * 100 + 50);

fn whatsapp_media() -> SocketAddr {
    "57.144.135.35:3480".parse().unwrap()
}

fn pbx_media() -> SocketAddr {
    "10.0.0.20:14000".parse().unwrap()
}

fn world(change: impl FnOnce(&mut Config)) -> World {
    let mut world = World::with(|config| {
        let whatsapp = config.profiles.get_mut("meta").unwrap();
        whatsapp.sdp.security = Security::AsOffered {
            offers: Offers::Dtls,
            suites: vec![SUITE],
        };
        change(config);
    });
    world.play_real_sound();
    world
}

/// The user calls; the PBX answers with this description; WhatsApp's media is there when it has ours.
fn answered(world: &mut World, description: &str) -> Talk {
    let invite = whatsapp::invite().with_sdp(whatsapp_webrtc_offer());
    world.send(WHATSAPP, &invite);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.answer().with_sdp(description.to_owned()));
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.meet(Side::A, whatsapp_media(), DELAY);
    world.expect(PBX, "ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    Talk { invite, ok, callee }
}

/// The user hears one stream without a gap, from soon after the answer on, and is heard.
fn assert_sound(world: &mut World, user: Side) {
    let answered = world.moment().instant;
    world.run(SOON);
    let secured = world.peer(user).secured.expect("keys in time");
    assert!(secured - answered <= SOON, "{:?}", secured - answered);
    world.speak(user, Duration::from_secs(5));
    let heard = &world.peer(user).heard;
    assert_unbroken(heard, 960);
    assert!(heard.len() > 45 * 5, "{}", heard.len());
    assert_eq!(heard[0].payload_type, 111);
    let first = heard[0].at - answered;
    assert!(first <= SOON + DELAY, "{first:?}");
    assert!(world.sent(!user).len() > 45 * 5, "the agent hears the user");
}

fn assert_times(cdr: &Cdr, user: Side) {
    let json = serde_json::to_value(cdr).unwrap();
    let leg = &json["quality"][user.to_string()];
    let time = |key: &str| leg[key].as_f64().expect(key);
    assert!(time("ice_ms") >= 100.0, "{leg}");
    assert!(time("dtls_ms") >= 100.0, "{leg}");
    assert!(time("first_audio_ms") <= 400.0, "{leg}");
    assert!(time("mos_received") > 4.0, "{leg}");
}

/// 20 ms of the agent's voice, 50 times a second.
fn agent_speaks(world: &mut World, frames: std::ops::Range<u16>) {
    for frame in frames {
        let header = Rtp {
            at: world.moment().instant,
            to: pbx_media(),
            payload_type: 0,
            sequence: frame,
            timestamp: u32::from(frame) * 160,
            ssrc: 77,
        };
        world.hear(Side::B, pbx_media(), header);
        world.run(Duration::from_millis(20));
    }
}

#[test]
fn plain_rtp_at_the_pbx() {
    let mut world = world(|_| ());
    let talk = answered(&mut world, &PbxSdp::default().text());
    agent_speaks(&mut world, 0..30);
    assert_sound_goes_on(&mut world);
    talk.user_hangs_up(&mut world);
    let cdr = world.finish_one();
    assert!(cdr.encrypted_a && !cdr.encrypted_b);
    assert_times(&cdr, Side::A);
}

fn assert_sound_goes_on(world: &mut World) {
    world.speak(Side::A, Duration::from_secs(5));
    let heard = &world.peer(Side::A).heard;
    assert_unbroken(heard, 960);
    assert!(heard.len() > 45 * 5, "{}", heard.len());
    assert!(world.sent(Side::B).len() > 45 * 5);
}

#[test]
fn a_silent_pbx_delays_nothing() {
    let mut world = world(|_| ());
    let talk = answered(&mut world, &PbxSdp::default().text());
    assert_sound(&mut world, Side::A);
    talk.user_hangs_up(&mut world);
    let quality = world.finish_one().quality.unwrap();
    assert!(quality.a.dtls_ms.is_some() && quality.b.dtls_ms.is_none());
}

#[test]
fn sdes_at_the_pbx() {
    let key = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let mut world = world(|config| {
        let pbx = config.profiles.get_mut("pbx").unwrap();
        pbx.sdp.security = Security::Sdes(vec![SUITE]);
    });
    let description = PbxSdp::default().text().replace("RTP/AVP", "RTP/SAVP")
        + &format!("a=crypto:1 {} inline:{key}\r\n", SUITE.name());
    let talk = answered(&mut world, &description);
    use base64::Engine as _;
    let key = base64::engine::general_purpose::STANDARD
        .decode(key)
        .unwrap();
    let mut phone = Outbound::new(SUITE, &MasterKey(key)).unwrap();
    for frame in 0..50u16 {
        let mut packet = vec![0x80, 0];
        packet.extend(frame.to_be_bytes());
        packet.extend((u32::from(frame) * 160).to_be_bytes());
        packet.extend([0, 0, 0, 77]);
        packet.extend((0..160u8).map(|n| n.wrapping_mul(7)));
        let length = packet.len();
        packet.resize(length + 64, 0);
        let length = phone.protect_rtp(&mut packet, length).unwrap();
        world.arrive(Side::B, pbx_media(), &packet[..length]);
        world.run(Duration::from_millis(20));
    }
    assert_sound_goes_on(&mut world);
    talk.user_hangs_up(&mut world);
    let cdr = world.finish_one();
    assert!(cdr.encrypted_a && cdr.encrypted_b);
    assert_times(&cdr, Side::A);
    let quality = cdr.quality.unwrap();
    assert_eq!(
        (quality.b.packets_received, quality.b.datagrams_rejected),
        (50, 0)
    );
}

/// WebRTC on both legs: each has its own way and keys.
#[test]
fn dtls_at_the_pbx() {
    let mut world = world(|config| {
        let pbx = config.profiles.get_mut("pbx").unwrap();
        pbx.sdp.security = Security::Dtls;
        pbx.sdp.codecs = vec![wabridge::sdp::Codec::Opus];
    });
    let invite = whatsapp::invite().with_sdp(whatsapp_webrtc_offer());
    world.send(WHATSAPP, &invite);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    assert!(callee.invite.sdp_line("a=setup:actpass").is_some());
    let description = whatsapp_webrtc_answer().replace("a=ice-lite\r\n", "");
    world.send(PBX, &callee.answer().with_sdp(description));
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.meet(Side::A, whatsapp_media(), DELAY);
    world.meet(Side::B, whatsapp_media(), Duration::from_millis(1));
    world.expect(PBX, "ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    world.run(SOON);
    for side in Side::BOTH {
        assert!(world.peer(side).secured.is_some(), "{side}");
    }
    world.speak(Side::B, Duration::from_secs(2));
    world.speak(Side::A, Duration::from_secs(2));
    for side in Side::BOTH {
        assert!(world.peer(side).heard.len() > 90, "{side}");
    }
    assert_unbroken(&world.peer(Side::A).heard, 960);
    Talk { invite, ok, callee }.user_hangs_up(&mut world);
    let cdr = world.finish_one();
    assert!(cdr.encrypted_a && cdr.encrypted_b);
}

/// The agent calls, WhatsApp answers `active`: its ClientHello comes to us.
#[test]
fn the_business_calls() {
    let mut world = world(|_| ());
    let (caller, invite) = dialled(&mut world);
    let answer = whatsapp::answer(&invite).with_sdp(whatsapp_webrtc_answer());
    world.send(WHATSAPP, &answer);
    let ok = world.expect(PBX, "200 INVITE");
    world.meet(Side::B, whatsapp_media(), DELAY);
    world.expect(WHATSAPP, "ACK");
    world.send(PBX, &caller.ack(&ok));
    assert_sound(&mut world, Side::B);
    let bye = whatsapp::callee_bye(&invite, &answer);
    world.send(WHATSAPP, &bye);
    world.expect(WHATSAPP, "200 BYE");
    let bye = world.expect(PBX, "BYE");
    world.send(PBX, &bye.reply(200, "OK"));
    let cdr = world.finish_one();
    assert!(cdr.encrypted_b);
}

/// A profile that allows 1.3, and a peer that has it: where the hello is ours, sound begins a round trip sooner.
#[test]
fn by_dtls_1_3_in_both_directions_of_call() {
    let newer = |config: &mut Config| {
        let profile = config.profiles.get_mut("meta").unwrap();
        profile.sdp.dtls_newest = DtlsVersion::V1_3;
    };
    let mut of_user = world(newer);
    let talk = answered(&mut of_user, &PbxSdp::default().text());
    let since = of_user.moment().instant;
    assert_sound(&mut of_user, Side::A);
    let first = of_user.peer(Side::A).heard[0].at - since;
    assert!(first <= SOON - DELAY, "{first:?}");
    talk.user_hangs_up(&mut of_user);
    assert!(of_user.finish_one().encrypted_a);

    let mut of_business = world(newer);
    let (caller, invite) = dialled(&mut of_business);
    let answer = whatsapp::answer(&invite).with_sdp(whatsapp_webrtc_answer());
    of_business.send(WHATSAPP, &answer);
    let ok = of_business.expect(PBX, "200 INVITE");
    of_business.meet(Side::B, whatsapp_media(), DELAY);
    of_business.expect(WHATSAPP, "ACK");
    of_business.send(PBX, &caller.ack(&ok));
    assert_sound(&mut of_business, Side::B);
}

/// With a description in the 183, ICE and DTLS are done with while it rings; not one packet of media goes out before the
/// answer, and then at once.
#[test]
fn nothing_is_left_to_do_at_the_answer() {
    let mut world = world(|config| {
        let whatsapp = config.profiles.get_mut("meta").unwrap();
        whatsapp.sip.early_description = true;
    });
    let invite = whatsapp::invite().with_sdp(whatsapp_webrtc_offer());
    world.send(WHATSAPP, &invite);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.ringing());
    world.expect(WHATSAPP, "180");
    world.expect(WHATSAPP, "183");
    world.meet(Side::A, whatsapp_media(), DELAY);
    world.run(Duration::from_secs(2));
    assert!(world.peer(Side::A).secured.is_some());
    assert!(world.sent(Side::A).is_empty(), "it only rings");
    let before = world.moment().instant;
    world.send(PBX, &callee.answer());
    let talk = confirm(&mut world, invite, callee);
    let first = world.sent(Side::A)[0].at - before;
    assert!(first <= Duration::from_millis(60), "{first:?}");
    talk.user_hangs_up(&mut world);
    world.finish_one();
}

/// A man in the middle shows another certificate than the description named.
#[test]
fn another_certificate_ends_the_call() {
    let mut world = world(|_| ());
    let named = crate::scene::webrtc::peer_fingerprint().to_string();
    let other = wabridge::sdp::Fingerprint::of(b"another").to_string();
    let offer = whatsapp_webrtc_offer().replace(&named, &other);
    let invite = whatsapp::invite().with_sdp(offer);
    world.send(WHATSAPP, &invite);
    let callee = Callee::new(world.expect(PBX, "INVITE"));
    world.send(PBX, &callee.answer());
    let ok = world.expect(WHATSAPP, "200 INVITE");
    world.meet(Side::A, whatsapp_media(), DELAY);
    world.expect(PBX, "ACK");
    world.send(WHATSAPP, &whatsapp::ack(&invite, &ok));
    for station in [WHATSAPP, PBX] {
        let bye = world.expect(station, "BYE");
        assert!(
            bye.header("Reason").contains("No media encryption"),
            "{bye}"
        );
        world.send(station, &bye.reply(200, "OK"));
    }
    assert!(world.sent(Side::A).is_empty(), "nothing for strangers");
    let cdr = world.finish_one();
    assert_eq!(cdr.ending.cause, Cause::DtlsFailed);
}
