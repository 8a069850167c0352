//! Reading and writing WhatsApp's INVITE.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wabridge::sip::framing::Framer;
use wabridge::sip::message::{Message, Request, Response};

fn invite() -> Vec<u8> {
    let text = include_str!("../tests/sip_properties/invite.txt");
    text.replace('\n', "\r\n").into_bytes()
}

fn request(bytes: &[u8]) -> Request {
    match Message::parse(bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn sip(criterion: &mut Criterion) {
    let bytes = invite();
    let invite = request(&bytes);
    let mut group = criterion.benchmark_group("invite");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("cut from a stream", |bencher| {
        let mut framer = Framer::new();
        bencher.iter(|| {
            framer.push(black_box(&bytes));
            framer.poll()
        });
    });
    group.bench_function("parse", |bencher| {
        bencher.iter(|| Message::parse(black_box(&bytes)))
    });
    group.bench_function("read the Vias", |bencher| {
        bencher.iter(|| black_box(&invite).headers.vias())
    });
    group.bench_function("write", |bencher| {
        bencher.iter(|| black_box(&invite).write())
    });
    group.bench_function("write a 200", |bencher| {
        bencher.iter(|| Response::reply_to(black_box(&invite), 200, None).write());
    });
    group.finish();
}

criterion_group!(benches, sip);
criterion_main!(benches);
