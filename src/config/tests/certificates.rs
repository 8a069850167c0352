//! Certificates that would fail when WhatsApp connects.

use super::*;

fn findings(change: impl FnOnce(&mut Bench)) -> Vec<String> {
    let mut bench = Bench::new();
    change(&mut bench);
    bench.findings(MINIMAL)
}

fn with(names: &[&str], from: i32, to: i32) -> Vec<String> {
    findings(|bench| {
        let (chain, key) = certificate(names, from, to);
        bench.write(CHAIN, &chain);
        bench.write(KEY, &key);
    })
}

fn assert_one(findings: &[String], start: &str, words: &str) {
    let [finding] = findings else {
        panic!("not one finding:\n{}", findings.join("\n"));
    };
    assert!(
        finding.starts_with(start) && finding.contains(words),
        "{finding}"
    );
}

#[test]
fn a_good_one_is_not_mentioned() {
    assert!(with(&["sip.example.com"], 2026, 2027).is_empty());
    assert!(with(&["*.example.com"], 2026, 2027).is_empty());
    assert!(with(&["other.example", "SIP.EXAMPLE.COM"], 2026, 2027).is_empty());
}

#[test]
fn names_must_cover_the_advertised_one() {
    let place = "error: /etc/wabridge/wabridge.toml:5: listeners.whatsapp.certificate";
    assert_one(
        &with(&["pbx.example.com", "*.sip.example.com"], 2026, 2027),
        place,
        "for pbx.example.com, *.sip.example.com, not for sip.example.com",
    );
    assert_one(
        &with(&["*.com"], 2026, 2027),
        place,
        "not for sip.example.com",
    );
    assert_one(&with(&["192.0.2.1"], 2026, 2027), place, "for 192.0.2.1");
    assert_one(&with(&[], 2026, 2027), place, "no name at all");
}

#[test]
fn dates() {
    assert_one(
        &with(&["sip.example.com"], 2025, 2026),
        "error",
        "has expired",
    );
    assert_one(
        &with(&["sip.example.com"], 2027, 2028),
        "error",
        "not valid yet",
    );
    let soon = findings(|bench| bench.now = today() + Duration::from_secs(175 * 86_400));
    assert_one(&soon, "warning", "expires within two weeks");
}

#[test]
fn a_key_of_another_certificate() {
    let findings = findings(|bench| {
        let (_, key) = certificate(&["sip.example.com"], 2026, 2027);
        bench.write(KEY, &key);
    });
    assert_one(
        &findings,
        "error: /etc/wabridge/wabridge.toml:6: listeners.whatsapp.private_key",
        "does not belong to the certificate",
    );
}

#[test]
fn files_that_are_not_there_or_not_it() {
    let missing = findings(|bench| {
        bench.files.remove(Path::new(KEY));
    });
    assert_one(&missing, "error", &format!("cannot read {KEY}"));
    let swapped = findings(|bench| {
        let chain = bench.files[Path::new(CHAIN)].clone();
        bench.files.insert(KEY.into(), chain);
    });
    assert_one(&swapped, "error", "no private key in PEM form");
    let empty = findings(|bench| bench.write(CHAIN, ""));
    assert_one(&empty, "error", "no certificate in PEM form");
    let broken = findings(|bench| {
        bench.write(
            CHAIN,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        );
    });
    assert!(
        broken
            .iter()
            .any(|finding| finding.contains("cannot be read")),
        "{broken:?}"
    );
}

#[test]
fn a_key_that_all_can_read() {
    let public = findings(|bench| {
        bench.public.insert(KEY.into());
    });
    assert_one(&public, "warning", "every user of this machine can read");
}

#[test]
fn self_signed_is_a_warning() {
    let findings = findings(|bench| {
        let key = KeyPair::generate().unwrap();
        let certificate = params(&["sip.example.com"], 2026, 2027)
            .self_signed(&key)
            .unwrap();
        bench.write(CHAIN, &certificate.pem());
        bench.write(KEY, &key.serialize_pem());
    });
    assert_one(&findings, "warning", "signed by itself");
}

#[test]
fn a_pbx_listener_is_not_held_to_public_authorities() {
    let mut bench = Bench::new();
    let key = KeyPair::generate().unwrap();
    let own = params(&["192.0.2.10"], 2026, 2027)
        .self_signed(&key)
        .unwrap();
    bench.write("/etc/wabridge/own.pem", &own.pem());
    bench.write("/etc/wabridge/own.key", &key.serialize_pem());
    let text = format!(
        "{MINIMAL}\n[listeners.tls]\nfaces = \"pbx\"\ntransport = \"tls\"\nbind = \"192.0.2.10:5061\"\ncertificate = \"own.pem\"\nprivate_key = \"own.key\"\ntrust = \"unverified\"\n"
    );
    let findings = bench.findings(&text);
    // The same port as WhatsApp's listener on 0.0.0.0.
    assert_one(&findings, "error", "listens on 0.0.0.0:5061 as well");
    assert!(
        bench
            .findings(&text.replace("10:5061", "10:5062"))
            .is_empty()
    );
}
