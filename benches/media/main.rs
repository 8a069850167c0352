//! What the parts of the packet path cost, one by one. `cargo bench --bench media`; the whole of it is in `--bench bridge`.

mod codecs;
mod packets;
mod repair;
mod setup;

use criterion::{criterion_group, criterion_main};

/// A voice at 125 Hz.
pub fn voice(samples: usize) -> Vec<i16> {
    let turn = |n: usize, hertz: f64| (n as f64 / 8000.0 * hertz * std::f64::consts::TAU).sin();
    (0..samples)
        .map(|n| ((turn(n, 125.0) + 0.5 * turn(n, 700.0)) * 6000.0) as i16)
        .collect()
}

criterion_group!(
    packets,
    packets::rtp,
    packets::srtp,
    packets::reorder,
    packets::rtcp
);
criterion_group!(
    sound,
    codecs::g711,
    codecs::g722,
    codecs::opus,
    repair::repair,
    repair::listening
);
criterion_group!(setup, setup::stun);
criterion_main!(packets, sound, setup);
