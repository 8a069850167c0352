//! DTLS: a client and a server whose datagrams are changed, dropped, repeated and mixed with any others. Neither breaks,
//! and if both have keys they have the same.

#![no_main]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wabridge::entropy::Entropy;
use wabridge::media::dtls::{Engine, Event, Identity, MAX_DATAGRAM};
use wabridge::sdp::{CryptoPair, DtlsRole, DtlsTerms, DtlsVersion, Fingerprint, Suite};

fuzz_target!(|bytes: &[u8]| {
    let now = Instant::now();
    for newest in [DtlsVersion::V1_2, DtlsVersion::V1_3] {
        let mut ends = engines(now, newest);
        for end in &mut ends {
            end.handle_datagram(now, bytes);
        }
        converse(now, ends, bytes);
    }
});

fn engines(now: Instant, newest: DtlsVersion) -> [Engine; 2] {
    let (identity, fingerprint) = identity();
    [(DtlsRole::Client, 1), (DtlsRole::Server, 2)].map(|(role, seed)| {
        let terms = DtlsTerms {
            role,
            newest,
            fingerprints: vec![fingerprint.clone()],
        };
        let entropy = Entropy::from_seed([seed; 32]);
        let profiles = vec![Suite::AesCm128HmacSha1_80];
        Engine::new(now, terms, identity.clone(), profiles, entropy)
    })
}

fn identity() -> (Arc<Identity>, Fingerprint) {
    static ONE: OnceLock<(Arc<Identity>, Fingerprint)> = OnceLock::new();
    let make = || {
        let made = rcgen::generate_simple_self_signed(vec!["fuzz".to_owned()]).unwrap();
        let der = made.cert.der().to_vec();
        let fingerprint = Fingerprint::of(&der);
        let identity = Identity::new(der, &made.signing_key.serialize_der()).unwrap();
        (Arc::new(identity), fingerprint)
    };
    ONE.get_or_init(make).clone()
}

/// Each four bytes say what becomes of a datagram: which one, where, to what, and whether it comes again.
fn converse(mut now: Instant, mut ends: [Engine; 2], script: &[u8]) {
    let mut orders = script.chunks_exact(4);
    let mut keys: [Option<CryptoPair>; 2] = [None, None];
    for turn in 0..40 {
        let (from, to) = (turn % 2, (turn + 1) % 2);
        let mut buffer = [0; MAX_DATAGRAM];
        while let Some(len) = ends[from].poll_transmit(&mut buffer) {
            let mut datagram = buffer[..len].to_vec();
            let times = match orders.next() {
                Some(&[how, high, low, value]) if how > 0 => {
                    let at = usize::from(u16::from_be_bytes([high, low])) % len;
                    match how % 4 {
                        0 => datagram.truncate(at),
                        1 => datagram[at] ^= value,
                        2 => datagram[at] = value,
                        _ => {}
                    }
                    usize::from(how >> 6)
                }
                Some(_) | None => 1,
            };
            for _ in 0..times {
                ends[to].handle_datagram(now, &datagram);
            }
        }
        now += Duration::from_millis(30);
        for (end, keys) in ends.iter_mut().zip(&mut keys) {
            end.handle_timeout(now);
            assert!(end.poll_timeout().is_none_or(|at| at > now));
            while let Some(event) = end.poll_event() {
                if let Event::Secured(made) = event {
                    assert!(keys.replace(made).is_none(), "keys twice");
                }
            }
        }
    }
    if let [Some(client), Some(server)] = keys {
        assert!(client.send == server.receive && client.receive == server.send);
    }
}
