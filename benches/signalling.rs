//! The signalling of one whole call: INVITE, 100, 180, 200, ACK, BYE, 200, each message written by one endpoint and read by
//! the other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wabridge::entropy::Entropy;
use wabridge::sip::endpoint::{
    Body, Endpoint, EndpointConfig, Event, InviteId, Login, OutgoingInvite, Reply, SessionTimer,
    Timers,
};
use wabridge::sip::flow::{FlowId, Host, ListenerId, NextHop, Source, Transport};
use wabridge::sip::message::Headers;
use wabridge::sip::uri::Uri;

const CALLER: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    5061,
);
const CALLEE: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)),
    5061,
);

fn endpoint(address: SocketAddr, seed: u8) -> Endpoint {
    let config = EndpointConfig {
        timers: Timers::default(),
        user_agent: "bench".to_owned(),
        sent_by: BTreeMap::from([(ListenerId(0), (Host::Address(address.ip()), 5061))]),
        terse: Default::default(),
        max_transactions: 100_000,
    };
    Endpoint::new(config, Entropy::from_seed([seed; 32]))
}

fn uri(address: SocketAddr) -> Uri {
    let host = Host::Address(address.ip());
    Uri::sip(Some("+17015550100"), &host, Some(5061), Transport::Tls)
}

fn sdp() -> Option<Body> {
    Some(Body {
        content_type: "application/sdp".to_owned(),
        bytes: vec![b'x'; 800],
    })
}

fn outgoing() -> OutgoingInvite {
    OutgoingInvite {
        hop: NextHop {
            listener: ListenerId(0),
            transport: Transport::Tls,
            host: Host::Address(CALLEE.ip()),
            port: Some(5061),
        },
        uri: uri(CALLEE),
        from: format!("<{}>", uri(CALLER).as_str()),
        to: format!("<{}>", uri(CALLEE).as_str()),
        contact: uri(CALLER),
        route: Vec::new(),
        headers: Headers::new(),
        body: sdp(),
        credentials: None,
        login: Login::WhenChallenged,
        session_timer: SessionTimer::Off,
        reliable_provisionals: false,
        answer_within: None,
    }
}

/// Hands over what one has to send.
fn carry(now: Instant, from: &mut Endpoint, to: &mut Endpoint, at: (SocketAddr, SocketAddr)) {
    let source = Source {
        flow: FlowId(1),
        listener: ListenerId(0),
        transport: Transport::Tls,
        local: at.1,
        remote: at.0,
    };
    while let Some(transmit) = from.poll_transmit() {
        to.handle_received(now, source, &transmit.bytes);
    }
}

fn invited(callee: &mut Endpoint) -> InviteId {
    match callee.poll_event() {
        Some(Event::Invited { invite, .. }) => invite,
        other => panic!("not invited but {other:?}"),
    }
}

fn call(now: Instant, caller: &mut Endpoint, callee: &mut Endpoint) {
    let (there, back) = ((CALLER, CALLEE), (CALLEE, CALLER));
    let contact = uri(CALLEE);
    let a = caller.invite(now, outgoing());
    carry(now, caller, callee, there);
    let b = invited(callee);
    let answer = Reply {
        body: sdp(),
        ..Reply::status(200)
    };
    let timer = SessionTimer::Off;
    let done = callee
        .progress(now, b, &contact, Reply::status(180))
        .and_then(|()| callee.answer(now, b, &contact, answer, timer));
    carry(now, callee, caller, back);
    let done = done.and_then(|()| caller.acknowledge(now, a, None));
    carry(now, caller, callee, there);
    let done = done.and_then(|()| caller.hang_up(now, a, Reply::status(486), Headers::new()));
    carry(now, caller, callee, there);
    carry(now, callee, caller, back);
    assert_eq!(done, Ok(()));
    for end in [caller, callee] {
        while end.poll_event().is_some() {}
    }
}

fn signalling(criterion: &mut Criterion) {
    let mut caller = endpoint(CALLER, 1);
    let mut callee = endpoint(CALLEE, 2);
    let mut now = Instant::now();
    let mut group = criterion.benchmark_group("signalling");
    group.throughput(Throughput::Elements(1));
    group.bench_function("whole call, both ends", |bencher| {
        bencher.iter(|| {
            call(now, &mut caller, &mut callee);
            // A hundred calls a second: transactions linger as they would.
            now += Duration::from_millis(10);
            caller.handle_timeout(now);
            callee.handle_timeout(now);
        });
    });
    group.finish();
}

criterion_group!(benches, signalling);
criterion_main!(benches);
