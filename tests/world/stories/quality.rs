//! With real bridges: what the CDR says of a call whose losses, jitter, round trips and reports are known, and extended
//! reports with a PBX that offers them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use wabridge::media::rtcp::{
    Block, Compound, Concealment, Extended, JitterBuffer, LastReference, Packet, Packets,
    ReportBlock, VoipMetrics,
};
use wabridge::media::srtp;
use wabridge::sdp::{CryptoPair, ExtendedReports, Ssrc};
use wabridge::side::Side;

use super::outbound::OutTalk;
use super::talking;
use crate::scene::pbx::Caller;
use crate::scene::sdp::pbx_answer;
use crate::scene::sound::Rtp;
use crate::scene::whatsapp;
use crate::scene::world::{PBX, WHATSAPP, World};

const USER: ([u8; 4], u16) = ([157, 240, 19, 130], 3480);
const AGENT: ([u8; 4], u16) = ([10, 0, 0, 20], 14_000);
const FRAMES: u16 = 500;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// WhatsApp's end of SDES.
struct User {
    opens: srtp::Inbound,
    protects: srtp::Outbound,
}

impl User {
    fn of(world: &World) -> Self {
        let agreed = world.plane.last_agreement(Side::A);
        let CryptoPair {
            suite,
            send,
            receive,
        } = agreed.protection.sdes().expect("keys");
        Self {
            opens: srtp::Inbound::new(*suite, send).unwrap(),
            protects: srtp::Outbound::new(*suite, receive).unwrap(),
        }
    }

    /// The nth frame, a little Opus.
    fn says(&mut self, world: &mut World, n: u16) {
        let header = rtp(world, USER.into(), 111, n, 960);
        let mut packet = header.bytes();
        packet.extend([0x08, 1, 2, 3]);
        let len = packet.len();
        packet.resize(len + srtp::MAX_OVERHEAD, 0);
        let len = self.protects.protect_rtp(&mut packet, len).unwrap();
        world.arrive(Side::A, USER.into(), &packet[..len]);
    }

    fn reports(&mut self, world: &mut World, block: ReportBlock) {
        let mut packet = report(Some(block), Extended::default());
        let len = packet.len();
        packet.resize(len + srtp::MAX_OVERHEAD, 0);
        let len = self.protects.protect_rtcp(&mut packet, len).unwrap();
        world.arrive(Side::A, USER.into(), &packet[..len]);
    }

    /// Our RTCP toward WhatsApp, in the clear.
    fn heard(&mut self, world: &World) -> Vec<(Instant, Vec<u8>)> {
        let sent = world.rtcp(Side::A).iter().map(|(at, bytes)| {
            let mut bytes = bytes.clone();
            let len = self.opens.unprotect_rtcp(&mut bytes).unwrap();
            bytes.truncate(len);
            (*at, bytes)
        });
        sent.collect()
    }
}

fn rtp(world: &World, from: SocketAddr, payload_type: u8, n: u16, units: u32) -> Rtp {
    Rtp {
        at: world.moment().instant,
        to: from,
        payload_type,
        sequence: n,
        timestamp: u32::from(n) * units,
        ssrc: 77,
    }
}

fn report(block: Option<ReportBlock>, extended: Extended) -> Vec<u8> {
    let compound = Compound {
        ssrc: Ssrc(77),
        sender: None,
        block,
        cname: "peer",
        extended,
        bye: false,
    };
    let mut bytes = vec![0; Compound::MAX_LEN];
    let len = compound.write(&mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

/// Of the newest sender report: when it left, whose it is, and its time.
fn last_sr(sent: &[(Instant, Vec<u8>)]) -> (Instant, Ssrc, u32) {
    let srs = sent.iter().rev().filter_map(|(at, bytes)| {
        Packets::of(bytes).find_map(|packet| match packet.unwrap() {
            Packet::SenderReport { ssrc, info, .. } => Some((*at, ssrc, info.ntp.compact())),
            _ => None,
        })
    });
    srs.into_iter().next().expect("a sender report")
}

/// A report that comes now to an SR whose way there and back took so long.
fn block(now: Instant, sr: (Instant, Ssrc, u32), round_trip: Duration) -> ReportBlock {
    let (left, ssrc, last_sr) = sr;
    let held = now - left - round_trip;
    ReportBlock {
        ssrc,
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_sequence: 0,
        jitter: 0,
        last_sr,
        delay_since_last_sr: (held.as_secs_f64() * 65_536.0) as u32,
    }
}

/// Toward us two in fifty of the user's packets are lost, in a row, and each second one is 8 ms late; of the agent's each
/// hundredth is lost. Figures worked by hand.
#[test]
fn what_was_lost_late_and_far_is_in_the_cdr() {
    let mut world = World::new();
    world.play_real_sound();
    let talk = talking(&mut world);
    let mut user = User::of(&world);
    for n in 0..FRAMES {
        if n % 100 != 50 {
            let frame = rtp(&world, AGENT.into(), 0, n, 160);
            world.hear(Side::B, AGENT.into(), frame);
        }
        let is_late = n % 2 == 1;
        world.run(ms(if is_late { 8 } else { 0 }));
        if !matches!(n % 50, 10 | 11) {
            user.says(&mut world, n);
        }
        world.run(ms(if is_late { 12 } else { 20 }));
    }
    let now = world.moment().instant;
    let to_user = user.heard(&world);
    let nothing_yet = ReportBlock {
        fraction_lost: 64,
        last_sr: 0,
        ..block(now, last_sr(&to_user), ms(0))
    };
    user.reports(&mut world, nothing_yet);
    // 10 ms.
    let second = ReportBlock {
        jitter: 480,
        ..block(now, last_sr(&to_user), ms(80))
    };
    user.reports(&mut world, second);
    let of_agent = block(now, last_sr(world.rtcp(Side::B)), ms(30));
    world.arrive(
        Side::B,
        AGENT.into(),
        &report(Some(of_agent), Extended::default()),
    );
    talk.user_hangs_up(&mut world);
    let cdr = serde_json::to_value(world.finish_one()).unwrap();

    let figure = |leg: &str, key: &str| {
        let value = &cdr["quality"][leg][key];
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{leg} {key}: {value}"))
    };
    for (leg, key, expected, within) in [
        // From 0 to 499: 20 of 500.
        ("a", "packets_received", 480.0, 0.0),
        ("a", "packets_lost", 20.0, 0.0),
        // From 0 to 499 as well: 5 of 500.
        ("b", "packets_received", 495.0, 0.0),
        ("b", "packets_lost", 5.0, 0.0),
        // Each of 479 packets differs from the last by 8 ms: 8 - 8 * 15 / 479, and 8 in the end.
        ("a", "jitter_mean_ms", 7.749, 0.002),
        ("a", "jitter_max_ms", 8.0, 0.001),
        ("b", "jitter_mean_ms", 0.0, 0.001),
        ("a", "round_trip_ms", 80.0, 0.1),
        ("b", "round_trip_ms", 30.0, 0.1),
        // A quarter, and nothing.
        ("a", "remote_loss_fraction", 0.125, 0.0),
        ("a", "remote_jitter_ms", 10.0, 0.0),
        ("b", "remote_loss_fraction", 0.0, 0.0),
        // Ie,eff = 4 + 91 * 4 / (4 / 1.92 + 20) = 20.48; 155.5 ms take off 0.27: R = 72.45.
        ("a", "mos_received", 3.710, 0.003),
        // Ie,eff = 4 + 91 * 12.5 / 32.5 = 39.0; 160 ms take off 0.39: R = 53.81.
        ("a", "mos_sent", 2.776, 0.003),
        // Ie,eff = 95 * 1 / 26.1 = 3.64; 115 ms take off nothing: R = 89.56.
        ("b", "mos_received", 4.328, 0.003),
        // R = 93.2.
        ("b", "mos_sent", 4.409, 0.003),
    ] {
        let found = figure(leg, key);
        assert!(
            (found - expected).abs() <= within,
            "{leg} {key}: {found} instead of {expected}"
        );
    }
}

const OFFERED: &str = "a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics";

/// An agent dials from a PBX that offers extended reports: its leg has them, WhatsApp's hears nothing of it, and how the
/// PBX hears us is in the CDR.
#[test]
fn a_pbx_that_offers_extended_reports_gets_them() {
    let mut world = World::new();
    world.play_real_sound();
    let mut caller = Caller::new();
    let offer = format!("{}{OFFERED}\r\n", pbx_answer());
    caller.invite = caller.invite.clone().with_sdp(offer);
    world.send(PBX, &caller.invite);
    let invite = world.expect(WHATSAPP, "INVITE");
    assert_eq!(invite.sdp_line("a=rtcp-xr"), None, "{invite}");
    let answer = whatsapp::answer(&invite);
    world.send(WHATSAPP, &answer);
    let ok = world.expect(PBX, "200 INVITE");
    let answered = "a=rtcp-xr:rcvr-rtt=all stat-summary=loss,dup,jitt voip-metrics";
    assert_eq!(ok.sdp_line("a=rtcp-xr"), Some(answered));
    world.expect(WHATSAPP, "ACK");
    world.send(PBX, &caller.ack(&ok));
    world.run(ms(100));
    let mut talk = OutTalk {
        caller,
        ok,
        invite,
        answer,
    };

    let with_user = world.plane.last_agreement(Side::B).extended_reports;
    assert_eq!(with_user, ExtendedReports::default());
    for n in 0..FRAMES {
        if n % 50 != 20 {
            let frame = rtp(&world, AGENT.into(), 0, n, 160);
            world.hear(Side::A, AGENT.into(), frame);
        }
        world.run(ms(20));
    }
    world.run(ms(7_000));
    let sent: Vec<Block<'_>> = world
        .rtcp(Side::A)
        .iter()
        .flat_map(|(_, bytes)| Packets::of(bytes))
        .filter_map(|packet| match packet.unwrap() {
            Packet::Extended { blocks, .. } => Some(blocks),
            _ => None,
        })
        .flatten()
        .collect();
    let last = sent.iter().rev().find_map(|block| match block {
        Block::VoipMetrics(voip) => Some(*voip),
        _ => None,
    });
    let heard = last.expect("voice metrics");
    // 10 of 500; Ie,eff = 95 * 2 / (2 + 25.1) = 7.0: R = 86.2.
    assert_eq!(
        (heard.ssrc, heard.loss, heard.r_factor),
        (Ssrc(77), 5, Some(86))
    );
    assert_eq!((heard.gap_density, heard.burst_density), (5, 0));
    assert_eq!(heard.mos_conversation, Some(42));

    let reference = world.rtcp(Side::A).iter().rev().find_map(|(at, bytes)| {
        let mut packets = Packets::of(bytes);
        packets.find_map(|packet| match packet.unwrap() {
            Packet::Extended { ssrc, mut blocks } => blocks.find_map(|block| match block {
                Block::ReferenceTime(time) => Some((*at, ssrc, time)),
                _ => None,
            }),
            _ => None,
        })
    });
    let (left, ours, time) = reference.expect("a reference time");
    world.run(ms(100));
    let held = world.moment().instant - left - ms(50);
    let extended = Extended {
        last_reference: Some(LastReference::new(ours, time, held)),
        voip: Some(VoipMetrics {
            ssrc: ours,
            loss: 0,
            discard: 32,
            burst_density: 0,
            gap_density: 0,
            burst_duration_ms: 0,
            gap_duration_ms: 0,
            round_trip_ms: 50,
            end_system_ms: 60,
            signal: None,
            noise: None,
            gmin: 16,
            r_factor: Some(78),
            mos_listening: Some(40),
            mos_conversation: Some(39),
            concealment: Concealment::Standard,
            buffer: JitterBuffer::default(),
        }),
        ..Extended::default()
    };
    world.arrive(Side::A, AGENT.into(), &report(None, extended));
    talk.agent_hangs_up(&mut world);
    let cdr = serde_json::to_value(world.finish_one()).unwrap();
    let (agent, user) = (&cdr["quality"]["a"], &cdr["quality"]["b"]);
    assert_eq!(agent["remote_r_factor"], 78);
    assert_eq!(agent["remote_mos_listening"], 4.0);
    assert!((agent["remote_mos_conversation"].as_f64().unwrap() - 3.9).abs() < 1e-6);
    assert_eq!(agent["remote_discard_fraction"], 0.125);
    let round_trip = agent["round_trip_ms"].as_f64().unwrap();
    assert!((round_trip - 50.0).abs() < 0.1, "{round_trip}");
    assert!(user["remote_r_factor"].is_null());
}
