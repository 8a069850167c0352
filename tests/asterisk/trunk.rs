//! Every way to the PBX and every codec: the user hears back what was said, so both directions are judged at once.

use crate::bridge::{Bridge, Via, Wish};
use crate::call::{SECOND, assert_clean, place, plan_echo};
use crate::pbx::Sipp;

fn echo_over(via: Via, codecs: &'static str) {
    let bridge = Bridge::start(&Wish {
        via,
        codecs,
        ..Wish::extension("600")
    });
    let report = place(&bridge, plan_echo(SECOND * 10));
    assert_clean(&bridge, &report);
    let cdr = &bridge.cdrs()[0];
    let codec = cdr["codec_b"].as_str().unwrap_or_default();
    assert!(
        codec.eq_ignore_ascii_case(codecs.trim_matches('"')),
        "{cdr}"
    );
}

#[test]
fn pcmu_over_udp() {
    echo_over(Via::Udp, r#""pcmu""#);
}

#[test]
fn g722_over_udp() {
    echo_over(Via::Udp, r#""g722""#);
}

#[test]
fn pcma_over_udp() {
    echo_over(Via::Udp, r#""pcma""#);
}

#[test]
fn opus_over_udp() {
    echo_over(Via::Udp, r#""opus""#);
}

#[test]
fn pcmu_over_tcp() {
    echo_over(Via::Tcp, r#""pcmu""#);
}

#[test]
fn pcma_over_tcp() {
    echo_over(Via::Tcp, r#""pcma""#);
}

#[test]
fn opus_over_tcp() {
    echo_over(Via::Tcp, r#""opus""#);
}

#[test]
fn pcmu_over_tls() {
    echo_over(Via::Tls, r#""pcmu""#);
}

#[test]
fn pcma_over_tls() {
    echo_over(Via::Tls, r#""pcma""#);
}

#[test]
fn opus_over_tls() {
    echo_over(Via::Tls, r#""opus""#);
}

#[test]
fn a_dead_peer_is_passed_over() {
    let bridge = Bridge::start(&Wish {
        peers: &[5999, 5060],
        ..Wish::extension("600")
    });
    let report = place(&bridge, plan_echo(SECOND * 8));
    assert_clean(&bridge, &report);
}

/// Another stack than Asterisk's: sipp answers and sends back what it gets.
#[test]
fn sipp_answers() {
    let _sipp = Sipp::answering(5090);
    let bridge = Bridge::start(&Wish {
        peers: &[5090],
        ..Wish::extension("service")
    });
    let report = place(&bridge, plan_echo(SECOND * 8));
    assert_clean(&bridge, &report);
}
