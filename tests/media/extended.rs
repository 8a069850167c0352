//! Extended reports (RFC 3611) beside ours: which leave, what they say of a known loss, and what the peer's tell.

use std::f64::consts::TAU;
use std::time::Duration;

use wabridge::media::bridge::{Channel, Command, StreamReport};
use wabridge::media::g711::Law;
use wabridge::media::rtcp::{
    Block, Compound, Concealment, Extended, LastReference, NtpTime, Packet, Packets, Summary,
    VoipMetrics,
};
use wabridge::media::rtp::RtpTime;
use wabridge::sdp::{
    Agreement, Codec, Direction, ExtendedReports, RoundTripMode, Ssrc, SummaryParts,
};
use wabridge::side::Side;

use crate::world::{EVENT_B, OUR_SSRC, PBX, Stream, World, ms, pbx, whatsapp};

const ALL: ExtendedReports = ExtendedReports {
    receiver_round_trip: Some(RoundTripMode::All),
    summary: Some(SummaryParts {
        loss: true,
        duplicates: true,
        jitter: true,
    }),
    voip_metrics: true,
};
const NONE: ExtendedReports = ExtendedReports {
    receiver_round_trip: None,
    summary: None,
    voip_metrics: false,
};

/// The PBX agreed to these.
fn answered(extended_reports: ExtendedReports, direction: Direction) -> World {
    let mut world = World::new();
    world.agree(Side::A, whatsapp());
    world.agree(
        Side::B,
        Agreement {
            extended_reports,
            direction,
            ..pbx(Codec::Pcmu)
        },
    );
    world.start();
    world
}

/// What left to the PBX, with when.
fn blocks(world: &World) -> Vec<(Duration, Block<'_>)> {
    let mut found = Vec::new();
    for (at, bytes) in &world.rtcp.b {
        for packet in Packets::of(bytes) {
            if let Packet::Extended { ssrc, blocks } = packet.unwrap() {
                assert_eq!(ssrc, OUR_SSRC.b);
                found.extend(blocks.map(|block| (*at, block)));
            }
        }
    }
    found
}

fn summaries(world: &World) -> Vec<Summary> {
    let blocks = blocks(world).into_iter();
    blocks
        .filter_map(|(_, block)| match block {
            Block::Summary(summary) => Some(summary),
            _ => None,
        })
        .collect()
}

fn voip(world: &World) -> VoipMetrics {
    let blocks = blocks(world).into_iter().rev();
    blocks
        .filter_map(|(_, block)| match block {
            Block::VoipMetrics(voip) => Some(voip),
            _ => None,
        })
        .next()
        .expect("voice metrics")
}

/// 1 kHz, 8192 high: 8.9 dB below a milliwatt.
fn tone() -> Vec<u8> {
    let samples: Vec<i16> = (0..160)
        .map(|n| ((f64::from(n) / 8.0 * TAU).sin() * 8192.0) as i16)
        .collect();
    let mut codes = vec![0; 160];
    Law::Mu.encode(&samples, &mut codes);
    codes
}

/// The PBX's packets, 20 ms each, the nth so late; `None` is lost.
fn pbx_speaks(world: &mut World, packets: u64, late: impl Fn(u64) -> Option<u64>) {
    let (mut stream, tone) = (Stream::pcmu(9), tone());
    for n in 0..packets {
        let packet = stream.packet(&tone, 160);
        if let Some(late) = late(n) {
            world.pbx_sends(ms(n * 20 + late), packet);
        }
    }
}

/// The PBX's RTCP with these blocks, at `at`.
fn pbx_reports(world: &mut World, at: Duration, extended: Extended) {
    let compound = Compound {
        ssrc: Ssrc(5),
        sender: None,
        block: None,
        cname: "pbx",
        extended,
        bye: false,
    };
    let mut bytes = [0; Compound::MAX_LEN];
    let len = compound.write(&mut bytes).unwrap();
    let from = (PBX.0, PBX.1 + 1).into();
    world.arrives(at, Side::B, Channel::Rtcp, from, bytes[..len].to_vec());
}

fn report(world: &World) -> StreamReport {
    world.bridge.report(world.now).sides.b
}

const VOIP: VoipMetrics = VoipMetrics {
    ssrc: OUR_SSRC.b,
    loss: 25,
    discard: 64,
    burst_density: 0,
    gap_density: 0,
    burst_duration_ms: 0,
    gap_duration_ms: 0,
    round_trip_ms: 0,
    end_system_ms: 0,
    signal: None,
    noise: None,
    gmin: 16,
    r_factor: Some(81),
    mos_listening: Some(41),
    mos_conversation: None,
    concealment: Concealment::Standard,
    buffer: wabridge::media::rtcp::JitterBuffer {
        nominal_ms: 60,
        maximum_ms: 120,
        absolute_maximum_ms: 200,
    },
};

#[test]
fn nothing_is_sent_that_was_not_agreed() {
    let mut world = answered(NONE, Direction::SendRecv);
    pbx_speaks(&mut world, 1_000, |n| (n % 9 != 0).then_some(0));
    let extended = Extended {
        reference_time: Some(NtpTime(1 << 40)),
        ..Extended::default()
    };
    pbx_reports(&mut world, ms(1_000), extended);
    world.run(ms(20_000));
    assert!(world.rtcp.b.len() > 3);
    assert_eq!(blocks(&world), []);
    for (_, bytes) in &world.rtcp.a {
        let kinds = Packets::of(bytes).map(Result::unwrap);
        assert!(
            kinds
                .into_iter()
                .all(|it| !matches!(it, Packet::Extended { .. }))
        );
    }
}

/// Only what was named, and nothing any more when a later description does not name it.
#[test]
fn each_block_is_agreed_on_for_itself() {
    let voip_alone = ExtendedReports {
        voip_metrics: true,
        ..NONE
    };
    let mut world = answered(voip_alone, Direction::SendRecv);
    pbx_speaks(&mut world, 1_000, |_| Some(0));
    world.run(ms(10_000));
    let sent = blocks(&world);
    assert!(!sent.is_empty());
    assert!(
        sent.iter()
            .all(|(_, block)| matches!(block, Block::VoipMetrics(_)))
    );
    let (sent, reports) = (sent.len(), world.rtcp.b.len());
    world.agree(Side::B, pbx(Codec::Pcmu));
    world.run(ms(20_000));
    assert!(world.rtcp.b.len() > reports);
    assert_eq!(blocks(&world).len(), sent);
}

/// 500 packets: three lost with one between them, one lost alone, one that came twice.
#[test]
fn metrics_and_summaries_tell_of_a_known_loss() {
    let mut world = answered(ALL, Direction::SendRecv);
    let is_lost = |n| matches!(n, 100 | 102 | 104 | 200);
    pbx_speaks(&mut world, 500, |n| (!is_lost(n)).then_some(0));
    let mut again = Stream::pcmu(9);
    let packets: Vec<_> = (0..=300).map(|_| again.packet(&tone(), 160)).collect();
    world.pbx_sends(ms(6_001), packets[300].clone());
    world.run(ms(17_000));

    let voip = voip(&world);
    let expected = VoipMetrics {
        ssrc: Ssrc(9),
        // 4 of 500, and none was late.
        loss: 2,
        discard: 0,
        // 3 of 5, 1 of 495.
        burst_density: 153,
        gap_density: 0,
        burst_duration_ms: 100,
        // Two gaps.
        gap_duration_ms: 4_950,
        round_trip_ms: 0,
        signal: Some(-9),
        gmin: 16,
        // 93.2 - 95 * 0.8 / (0.8 + 25.1); a delay of 100 ms takes nothing off.
        r_factor: Some(90),
        mos_listening: Some(43),
        mos_conversation: Some(43),
        concealment: Concealment::Enhanced,
        // As the moment is.
        end_system_ms: voip.end_system_ms,
        noise: voip.noise,
        buffer: voip.buffer,
    };
    assert_eq!(voip, expected);
    let buffer = voip.buffer;
    assert_eq!(voip.end_system_ms, 20 + buffer.nominal_ms);
    assert!(buffer.nominal_ms <= 80 && buffer.maximum_ms >= buffer.nominal_ms + 25);
    assert_eq!(buffer.absolute_maximum_ms, 80 + 120);

    let summaries = summaries(&world);
    assert!(summaries.len() > 1, "{summaries:?}");
    assert_eq!((summaries[0].ssrc, summaries[0].begin), (Ssrc(9), 60_000));
    for pair in summaries.windows(2) {
        assert_eq!(pair[1].begin, pair[0].end);
    }
    assert_eq!(summaries.last().unwrap().end, 60_500);
    let sum = |part: fn(&Summary) -> Option<u32>| -> u32 {
        summaries.iter().map(|summary| part(summary).unwrap()).sum()
    };
    assert_eq!((sum(|it| it.lost), sum(|it| it.duplicate)), (4, 1));
    assert!(summaries.iter().all(|it| it.jitter.unwrap().most == 0));
}

/// Every tenth packet comes 200 ms late, when its place is over.
#[test]
fn what_came_too_late_is_discarded_and_rated_as_lost() {
    let mut world = answered(ALL, Direction::SendRecv);
    let late = |n| n % 10 == 5;
    pbx_speaks(&mut world, 500, |n| Some(if late(n) { 200 } else { 0 }));
    world.run(ms(17_000));
    let voip = voip(&world);
    assert_eq!((voip.loss, voip.discard), (0, 25));
    // All of it but the ends: 5 to 495, 50 of 491.
    assert_eq!(voip.burst_density, (256 * 50 / 491) as u8);
    assert_eq!(voip.burst_duration_ms, 491 * 20);
    let report = report(&world);
    assert_eq!((report.packets_lost, report.packets_late), (0, 50));
    let mos = report.mos_received.unwrap();
    assert_eq!(voip.mos_conversation, Some((mos * 10.0).round() as u8));
    // 93.2 - 95 * 10 / (10 + 25.1) = 66.1, before what jitter costs in delay.
    assert!((2.0..3.42).contains(&mos), "{mos}");
}

/// On hold we send nothing, so that only our reference times can be answered.
#[test]
fn round_trip_of_a_side_that_is_sent_nothing() {
    let mut world = answered(ALL, Direction::RecvOnly);
    pbx_speaks(&mut world, 1_000, |_| Some(0));
    world.run(ms(10_000));
    assert!(world.heard.b.is_empty());
    let last_time = |world: &World| {
        blocks(world)
            .into_iter()
            .rev()
            .find_map(|(at, block)| match block {
                Block::ReferenceTime(time) => Some((at, time)),
                _ => None,
            })
    };
    let (left, time) = last_time(&world).expect("a reference time");
    let at = world.time().max(left + ms(70));
    let answer = LastReference::new(OUR_SSRC.b, time, at - left - ms(40));
    let answered = |answer| Extended {
        last_reference: Some(answer),
        ..Extended::default()
    };
    let others = LastReference {
        ssrc: Ssrc(0xbbbc),
        ..answer
    };
    pbx_reports(&mut world, at, answered(others));
    let never_left = LastReference::new(OUR_SSRC.b, NtpTime(time.0 + (1 << 30)), ms(0));
    pbx_reports(&mut world, at, answered(never_left));
    world.run(at);
    assert_eq!(report(&world).round_trip, None);
    pbx_reports(&mut world, at, answered(answer));
    world.run(at);
    let round_trip = report(&world).round_trip.unwrap();
    assert!((ms(39)..=ms(41)).contains(&round_trip), "{round_trip:?}");
    world.run(at + ms(8_000));
    assert_eq!(voip(&world).round_trip_ms, round_trip.as_millis() as u16);
}

#[test]
fn answers_to_what_was_never_asked_tell_nothing() {
    let mut world = answered(NONE, Direction::SendRecv);
    let answer = LastReference::new(OUR_SSRC.b, NtpTime(1 << 32), ms(10));
    let extended = Extended {
        last_reference: Some(answer),
        ..Extended::default()
    };
    pbx_reports(&mut world, ms(2_000), extended);
    world.run(ms(3_000));
    assert_eq!(report(&world).round_trip, None);
}

/// Once, with how long it waited for our report.
#[test]
fn reference_times_of_the_peer_are_answered() {
    for (mode, direction, is_answered) in [
        (RoundTripMode::All, Direction::SendRecv, true),
        (RoundTripMode::All, Direction::RecvOnly, true),
        // Only who sends media answers.
        (RoundTripMode::Sender, Direction::RecvOnly, false),
        (RoundTripMode::Sender, Direction::SendRecv, true),
    ] {
        let agreed = ExtendedReports {
            receiver_round_trip: Some(mode),
            ..NONE
        };
        let mut world = answered(agreed, direction);
        for n in 0..1_000 {
            let mut user = Stream::new(3, crate::world::OPUS);
            user.sequence.0 = n;
            user.timestamp = RtpTime(u32::from(n) * 960);
            let packet = user.packet(&[0x08, 1, 2, 3], 960);
            world.whatsapp_sends(ms(u64::from(n) * 20), packet);
        }
        let asked = ms(10);
        let extended = Extended {
            reference_time: Some(NtpTime(0x0102_0304_0506_0708)),
            ..Extended::default()
        };
        pbx_reports(&mut world, asked, extended);
        world.run(ms(20_000));
        let answers: Vec<(Duration, LastReference)> = blocks(&world)
            .into_iter()
            .filter_map(|(at, block)| match block {
                Block::LastReferences(answers) => Some(answers.map(move |it| (at, it))),
                _ => None,
            })
            .flatten()
            .collect();
        assert_eq!(answers.len(), usize::from(is_answered), "{mode:?}");
        for (at, answer) in answers {
            let waited = (at - asked).as_secs_f64() * 65_536.0;
            assert_eq!((answer.ssrc, answer.last), (Ssrc(5), 0x0304_0506));
            assert!((f64::from(answer.delay) - waited).abs() < 2.0);
        }
    }
}

/// Agreed or not: some send them unasked.
#[test]
fn how_the_peer_hears_us_is_in_the_report() {
    for agreed in [ALL, NONE] {
        let mut world = answered(agreed, Direction::SendRecv);
        let told = |voip| Extended {
            voip: Some(voip),
            ..Extended::default()
        };
        let of_others = VoipMetrics {
            ssrc: Ssrc(1),
            ..VOIP
        };
        pbx_reports(&mut world, ms(1_000), told(of_others));
        world.run(ms(1_000));
        assert_eq!(report(&world).heard_by_peer, None);
        pbx_reports(&mut world, ms(2_000), told(VOIP));
        world.run(ms(2_000));
        let heard = report(&world).heard_by_peer.unwrap();
        assert_eq!((heard.discarded, heard.r_factor), (0.25, Some(81)));
        assert_eq!(heard.mos_listening, Some(4.1));
        assert_eq!(heard.mos_conversation, None);
    }
}

/// Digits share a timestamp and do not tell how long a packet is.
#[test]
fn digits_do_not_change_the_length_of_bursts() {
    let mut world = answered(ALL, Direction::SendRecv);
    let (mut stream, tone) = (Stream::pcmu(9), tone());
    for n in 0..500u64 {
        let is_lost = matches!(n, 100..104);
        let packet = match n {
            300..305 => stream.at(EVENT_B, stream.timestamp, &[5, 10, 0, 160]),
            _ => stream.packet(&tone, 160),
        };
        if !is_lost {
            world.pbx_sends(ms(n * 20), packet);
        }
    }
    world.command(Command::Start { side: Side::B });
    world.run(ms(17_000));
    assert_eq!(voip(&world).burst_duration_ms, 80);
}
