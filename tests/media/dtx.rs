//! With discontinuous transmission toward WhatsApp a quiet room is told of by few packets, and yet by enough, whatever the
//! PBX does: 20 s without a packet after the answer, or 30 s later on, end the call (dossier 3.3).

use std::time::Duration;

use wabridge::media::bridge::{Command, Dtx, Habits};
use wabridge::sdp::{Agreement, Codec, Direction, OpusLimits, PayloadType};
use wabridge::side::Side;

use crate::sound::speech;
use crate::world::{EVENT_A, Heard, OUR_SSRC, Stream, World, habits, ms, pbx, whatsapp};

/// What is far below any rule of WhatsApp's, and above the 400 ms of comfort (RFC 6716 §2.1.9).
const LONGEST: Duration = Duration::from_millis(500);
/// Longer than each of WhatsApp's patiences.
const MINUTE: u64 = 60;

/// The user has answered; nobody is on the other side yet.
fn user_waits(dtx: Dtx, usedtx: bool) -> World {
    let whatsapp_habits = Habits {
        opus_dtx: dtx,
        ..habits(true)
    };
    let mut world = World::with(whatsapp_habits, habits(false));
    let agreement = whatsapp();
    world.agree(
        Side::A,
        Agreement {
            opus: OpusLimits {
                dtx: usedtx,
                ..agreement.opus
            },
            ..agreement
        },
    );
    world.command(Command::Start { side: Side::A });
    world
}

fn pbx_is_there(world: &mut World, agreement: Agreement) {
    world.agree(Side::B, agreement);
    world.command(Command::Start { side: Side::B });
}

fn talking(dtx: Dtx, usedtx: bool) -> World {
    let mut world = user_waits(dtx, usedtx);
    pbx_is_there(&mut world, pbx(Codec::Pcmu));
    world
}

/// The nth packet of the PBX, 20 ms each, from `from` on.
fn pbx_sends(
    world: &mut World,
    stream: &mut Stream,
    from: u64,
    packets: u64,
    code: impl Fn(u64) -> u8,
) {
    for n in 0..packets {
        let payload: Vec<u8> = (0..160).map(|m| code(n * 160 + m)).collect();
        let packet = stream.packet(&payload, 160);
        world.pbx_sends(ms(from + n * 20), packet);
    }
}

/// From the answer to now there was never more than `LONGEST` without a packet; one row of numbers, and timestamps that keep
/// to the clock.
fn assert_kept_alive(world: &World) {
    let heard = &world.heard.a;
    assert_eq!(heard[0].at, Duration::ZERO, "our packet goes first");
    for pair in heard.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        assert_eq!(next.header.ssrc, OUR_SSRC.a);
        assert_eq!(next.header.sequence.ahead_of(one.header.sequence), 1);
        let gap = next.at - one.at;
        assert!(gap <= LONGEST, "{gap:?} before {:?}", next.at);
    }
    let last = heard[heard.len() - 1].at;
    assert!(world.time() - last <= LONGEST, "nothing since {last:?}");
    let audio = heard.iter().filter(|it| it.header.payload_type != EVENT_A);
    for heard in audio {
        let told = heard
            .header
            .timestamp
            .ahead_of(world.heard.a[0].header.timestamp);
        let told = ms(u64::from(told.unsigned_abs()) / 48);
        let off = told.abs_diff(heard.at);
        assert!(off <= ms(120), "{off:?} off at {:?}", heard.at);
    }
}

fn sent_since(world: &World, from: u64) -> usize {
    let since = |heard: &&Heard| heard.at >= Duration::from_secs(from);
    world.heard.a.iter().filter(since).count()
}

/// So few in a minute: a packet each 420 ms, and some while speech dies away.
fn assert_pauses(world: &World, from: u64) {
    let sent = sent_since(world, from);
    assert!((100..400).contains(&sent), "{sent} packets in a minute");
}

/// `usedtx=1` of the peer, and the profile.
const ON: [(Dtx, bool); 3] = [
    (Dtx::IfAsked, true),
    (Dtx::Always, false),
    (Dtx::Always, true),
];

#[test]
fn without_it_no_packet_is_missing() {
    for (dtx, usedtx) in [(Dtx::IfAsked, false), (Dtx::Never, true)] {
        let mut world = talking(dtx, usedtx);
        pbx_sends(&mut world, &mut Stream::pcmu(1), 0, 500, |_| 0xff);
        world.run(ms(20_000));
        assert_eq!(world.heard.a.len(), 1_001, "{dtx:?}");
        world.assert_whatsapp_is_fed(ms(60));
    }
}

#[test]
fn a_pbx_that_sends_nothing_after_the_answer() {
    for (dtx, usedtx) in ON {
        let mut world = talking(dtx, usedtx);
        world.run(ms(1_000 * MINUTE));
        assert_kept_alive(&world);
        assert_pauses(&world, 0);
    }
}

/// Digital silence, and the noise of a room.
#[test]
fn a_pbx_that_is_muted_and_one_in_a_quiet_room() {
    let noise = |n: u64| match n * 7919 % 97 {
        0..48 => 0xfe,
        _ => 0x7d,
    };
    let codes: [&dyn Fn(u64) -> u8; 2] = [&|_| 0xff, &noise];
    for code in codes {
        for (dtx, usedtx) in ON {
            let mut world = talking(dtx, usedtx);
            let mut stream = Stream::pcmu(1);
            let loud = |n| if n / 40 % 2 == 0 { 0x10 } else { 0x90 };
            pbx_sends(&mut world, &mut stream, 0, 100, loud);
            pbx_sends(&mut world, &mut stream, 2_000, 50 * MINUTE, code);
            world.run(ms(2_000 + 1_000 * MINUTE));
            assert_kept_alive(&world);
            assert_pauses(&world, 2);
        }
    }
}

/// With and without its own silence on hold; then somebody speaks again, and every frame of that leaves.
#[test]
fn a_hold_and_speech_after_it() {
    for direction in [
        Direction::Inactive,
        Direction::RecvOnly,
        Direction::SendOnly,
    ] {
        for (dtx, usedtx) in ON {
            let mut world = talking(dtx, usedtx);
            let mut stream = Stream::pcmu(1);
            let loud = |n| if n / 40 % 2 == 0 { 0x10 } else { 0x90 };
            pbx_sends(&mut world, &mut stream, 0, 100, loud);
            world.run(ms(2_000));
            let held = Agreement {
                direction,
                ..pbx(Codec::Pcmu)
            };
            world.agree(Side::B, held);
            world.run(ms(2_000 + 1_000 * MINUTE));
            assert_kept_alive(&world);
            assert_pauses(&world, 2);
            world.agree(Side::B, pbx(Codec::Pcmu));
            pbx_sends(&mut world, &mut stream, 62_000, 100, loud);
            world.run(ms(64_000));
            assert_kept_alive(&world);
            assert!(sent_since(&world, 62) >= 100);
        }
    }
}

/// Nobody has answered at the PBX yet: no encoder is there, and packets flow all the same.
#[test]
fn a_user_who_waits_for_the_agent() {
    for (dtx, usedtx) in ON {
        let mut world = user_waits(dtx, usedtx);
        world.run(ms(1_000 * MINUTE));
        assert_kept_alive(&world);
        pbx_is_there(&mut world, pbx(Codec::Pcmu));
        world.run(ms(2_000 * MINUTE));
        assert_kept_alive(&world);
        assert_pauses(&world, MINUTE);
    }
}

/// Opus passes through: a PBX that pauses itself, with and without packets that say so, is filled up.
#[test]
fn a_pbx_with_opus_that_pauses_itself() {
    for every in [1, 20, u64::MAX] {
        for (dtx, usedtx) in ON {
            let mut world = user_waits(dtx, usedtx);
            pbx_is_there(&mut world, pbx(Codec::Opus));
            let mut stream = Stream::new(1, PayloadType(107));
            for n in 0..50 * MINUTE {
                let packet = stream.packet(&[0x08], 960);
                if n % every == 0 {
                    world.pbx_sends(ms(n * 20), packet);
                }
            }
            world.run(ms(1_000 * MINUTE));
            assert_kept_alive(&world);
        }
    }
}

/// What was said is worth every packet, from its first frame on.
#[test]
fn speech_out_of_a_pause_is_whole() {
    let mut world = talking(Dtx::Always, true);
    let sound = speech(3 * 8000);
    crate::feeding::pbx_speaks(
        &mut world,
        &mut Stream::pcmu(1),
        ms(30_000),
        &sound,
        160,
        |_| Duration::ZERO,
    );
    world.run(ms(33_000));
    assert_kept_alive(&world);
    let loud = crate::sound::envelope(&sound);
    let spoken = loud.iter().filter(|frame| **frame > 200.0).count();
    let sent = world
        .heard
        .a
        .iter()
        .filter(|it| it.at >= ms(30_000))
        .count();
    assert!(sent >= spoken, "{sent} packets of {spoken} spoken frames");
}
