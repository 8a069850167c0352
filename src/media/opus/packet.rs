//! What can be told of a packet without decoding it.

use crate::media::opus::LONGEST;
use crate::media::ticks::Ticks;

/// How much sound a packet holds (RFC 6716 §3.1, §3.2). `None`: it is no Opus packet.
pub fn length(packet: &[u8]) -> Option<Ticks> {
    if packet.is_empty() {
        return None;
    }
    let samples = ::opus::packet::get_nb_samples(packet, Ticks::RATE).ok()?;
    let ticks = Ticks(u32::try_from(samples).ok()?);
    (ticks > Ticks::ZERO && ticks <= LONGEST).then_some(ticks)
}

/// Whether a packet tells of the one before it (LBRR, RFC 6716 §4.2.4): after the voice activity bits of its frames, the
/// next bit of the first SILK frame. Packets of three or more frames are not looked into.
pub fn carries_fec(packet: &[u8]) -> bool {
    let Some((toc, rest)) = packet.split_first() else {
        return false;
    };
    let first = match (toc & 3, rest) {
        (0 | 1, [first, ..]) => first,
        (2, [0..=251, first, ..]) => first,
        (2, [252..=255, _, first, ..]) => first,
        _ => return false,
    };
    let activity_bits = match toc >> 3 {
        0..=11 => [1, 1, 2, 3][usize::from(toc >> 3 & 3)],
        12..=15 => 1,
        _ => return false,
    };
    first & 0x80 >> activity_bits != 0
}

/// Whether there may be more than silence in a packet: the voice activity bits of its SILK frames (RFC 6716 §4.2.3), which
/// stand before the one of [`carries_fec`]. What has no such bits may hold anything.
pub fn may_hold_voice(packet: &[u8]) -> bool {
    match packet {
        // DTX.
        [] | [_] | [_, _] => false,
        [toc, first, ..] if toc & 3 == 0 => match toc >> 3 {
            0..=11 => {
                let activity_bits = [1, 1, 2, 3][usize::from(toc >> 3 & 3)];
                first >> (8 - activity_bits) != 0
            }
            12..=15 => first & 0x80 != 0,
            _ => true,
        },
        [..] => true,
    }
}
