//! What keeps a way open: checks of ICE, which each come every few seconds.

use std::hint::black_box;

use criterion::Criterion;
use wabridge::media::ice::stun::{Class, MAX_LEN, Message, TransactionId, Writer};
use wabridge::sdp::IceRole;

const PASSWORD: &str = "a password of 24 letters";

pub fn stun(c: &mut Criterion) {
    let mut group = c.benchmark_group("stun");
    let mut buffer = [0; MAX_LEN];
    group.bench_function("write a check", |bench| {
        bench.iter(|| check(black_box(&mut buffer)));
    });
    let len = check(&mut buffer).unwrap();
    group.bench_function("parse a check", |bench| {
        bench.iter(|| Message::parse(black_box(&buffer[..len])).is_ok());
    });
    let message = Message::parse(&buffer[..len]).unwrap();
    assert!(message.is_authentic(PASSWORD));
    group.bench_function("authenticate a check", |bench| {
        bench.iter(|| message.is_authentic(black_box(PASSWORD)));
    });
}

fn check(buffer: &mut [u8]) -> Option<usize> {
    Writer::begin(buffer, Class::Request, TransactionId([7; 12]))
        .username("theirs", "ours")
        .priority(1)
        .role(IceRole::Controlling, 5)
        .use_candidate()
        .finish(PASSWORD)
}
