//! What a description says of ICE and DTLS, a line each: candidates and fingerprints. What is usable is bounded, and an
//! agent with any candidates checks no more than it should.

#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wabridge::entropy::Entropy;
use wabridge::media::ice::Agent;
use wabridge::media::ice::stun::MAX_LEN;
use wabridge::sdp::{Candidate, Fingerprint, IceCredentials, IceEnd, IceMode, IceRole, IceTerms};

fuzz_target!(|text: &str| {
    let candidates: Vec<Candidate> = text.lines().filter_map(Candidate::parse).collect();
    for candidate in &candidates {
        assert!(candidate.address.port() != 0 && !candidate.address.ip().is_unspecified());
        assert!(candidate.foundation.len() <= 32);
    }
    for fingerprint in text
        .lines()
        .filter_map(|line| Fingerprint::parse(line).ok())
    {
        let written = fingerprint.to_string();
        assert_eq!(Fingerprint::parse(&written).as_ref(), Ok(&fingerprint));
    }
    check(candidates);
});

fn check(candidates: Vec<Candidate>) {
    let end = |name: &str, candidates| IceEnd {
        credentials: IceCredentials {
            ufrag: name.repeat(64),
            pwd: name.repeat(64),
        },
        mode: IceMode::Full,
        candidates,
        complete: true,
    };
    let terms = IceTerms {
        role: IceRole::Controlling,
        ours: end("ours", Vec::new()),
        theirs: end("them", candidates),
    };
    let mut now = Instant::now();
    let mut agent = Agent::new(now, terms, Entropy::from_seed([1; 32]));
    agent.start(now);
    let mut sent = 0;
    for _ in 0..100 {
        while agent.poll_transmit(&mut [0; MAX_LEN]).is_some() {
            sent += 1;
        }
        now += Duration::from_millis(10);
        agent.handle_timeout(now);
    }
    assert!(sent <= 24 * 8, "{sent} checks in a second");
}
