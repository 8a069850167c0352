//! STUN: any bytes are read without harm and change nothing; authentic messages of any content neither break an agent nor
//! make it grow, and what it answers can be read.

#![no_main]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wabridge::entropy::Entropy;
use wabridge::media::ice::Agent;
use wabridge::media::ice::stun::{Class, MAX_LEN, Message, TransactionId, Writer};
use wabridge::sdp::{Candidate, IceCredentials, IceEnd, IceMode, IceRole, IceTerms};

const PEER: ([u8; 4], u16) = ([192, 0, 2, 7], 4000);

fuzz_target!(|bytes: &[u8]| {
    forged(bytes);
    for (ours, theirs) in [
        (IceMode::Full, IceMode::Lite),
        (IceMode::Full, IceMode::Full),
        (IceMode::Lite, IceMode::Full),
    ] {
        authentic(ours, theirs, bytes);
    }
});

fn credentials(name: &str) -> IceCredentials {
    IceCredentials {
        ufrag: format!("{name}fragment"),
        pwd: format!("{name} password of 24 chars"),
    }
}

fn agent(now: Instant, ours: IceMode, theirs: IceMode) -> Agent {
    let end = |name, mode, candidates| IceEnd {
        credentials: credentials(name),
        mode,
        candidates,
        complete: true,
    };
    let terms = IceTerms {
        role: match theirs {
            IceMode::Lite => IceRole::Controlling,
            IceMode::Full => IceRole::Controlled,
        },
        ours: end("our", ours, Vec::new()),
        theirs: end("their", theirs, vec![Candidate::host(PEER.into(), 0)]),
    };
    let mut agent = Agent::new(now, terms, Entropy::from_seed([1; 32]));
    agent.start(now);
    agent
}

fn forged(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes) {
        assert!(!message.is_authentic("our password of 24 chars"));
    }
    let now = Instant::now();
    let mut agent = agent(now, IceMode::Lite, IceMode::Full);
    agent.handle_datagram(now, PEER.into(), bytes);
    assert!(agent.poll_event().is_none() && agent.selected().is_none());
    assert!(agent.poll_transmit(&mut [0; MAX_LEN]).is_none());
}

/// Each pair of bytes is a message of the peer, or time that passes.
fn authentic(ours: IceMode, theirs: IceMode, bytes: &[u8]) {
    let mut now = Instant::now();
    let mut agent = agent(now, ours, theirs);
    let mut asked = TransactionId([0; 12]);
    for pair in bytes.chunks_exact(2).take(200) {
        let (kind, value) = (pair[0], pair[1]);
        now += Duration::from_millis(u64::from(value) * u64::from(kind >> 6));
        let from = SocketAddr::from((PEER.0, 4000 + u16::from(value & 63)));
        let mut buffer = [0; MAX_LEN];
        let len = write(kind, value, asked, &mut buffer);
        agent.handle_datagram(now, from, &buffer[..len]);
        agent.handle_timeout(now);
        let mut sent = 0;
        while let Some((_, len)) = agent.poll_transmit(&mut buffer) {
            let message = Message::parse(&buffer[..len]).expect("ours can be read");
            if message.class == Class::Request {
                asked = message.transaction;
            }
            sent += 1;
        }
        assert!(sent <= 64, "{sent} messages at once");
        while agent.poll_event().is_some() {}
        assert!(agent.poll_timeout().is_none_or(|at| at > now));
    }
}

fn write(kind: u8, value: u8, asked: TransactionId, buffer: &mut [u8]) -> usize {
    let role = match kind & 4 {
        0 => IceRole::Controlling,
        _ => IceRole::Controlled,
    };
    let (our, their) = (credentials("our"), credentials("their"));
    let written = match kind & 3 {
        0 | 1 => {
            let id = TransactionId([value; 12]);
            let writer = Writer::begin(buffer, Class::Request, id)
                .username(&our.ufrag, &their.ufrag)
                .priority(u32::from(value) << 16)
                .role(role, u64::from(value) << 56);
            let writer = match kind & 8 {
                0 => writer,
                _ => writer.use_candidate(),
            };
            writer.finish(&our.pwd)
        }
        2 => Writer::begin(buffer, Class::Success, asked)
            .mapped(([203, 0, 113, value], 9).into())
            .finish(&their.pwd),
        _ => Writer::begin(buffer, Class::Error, asked)
            .error(400 + u16::from(value) % 100, "no")
            .finish(&their.pwd),
    };
    written.expect("room for it")
}
