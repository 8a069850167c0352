//! Profiles of the operator's own.

use super::*;
use crate::media::bridge::Digits;
use crate::media::gain::Decibels;
use crate::sdp::{Codec, DtlsVersion, IceMode, OfferedSetup, Offers, Security, Suite};

#[test]
fn one_by_path_says_only_what_differs() {
    let mut bench = Bench::new();
    bench.write(
        "/etc/wabridge/mine.toml",
        "based_on = \"asterisk\"\n[sip]\nanswer_timeout_s = 25\n[media]\ncodecs = [\"g722\", \"pcmu\"]\ngain_to_db = -6\ndtmf_detection = \"in-band\"\n",
    );
    let text = MINIMAL.replace("profile = \"asterisk\"", "profile = \"mine.toml\"");
    let (config, _) = bench.parse(&text).unwrap();
    let mine = &config.profiles[&config.trunks["office"].profile];
    let asterisk = &config.profiles["asterisk"];
    assert_eq!(mine.sip.answer_timeout, Duration::from_secs(25));
    assert_eq!(mine.sdp.codecs, [Codec::G722, Codec::Pcmu]);
    assert_eq!(mine.media.gain_to, Decibels(-6));
    assert_eq!(mine.media.digits, Digits::InBand);
    assert_eq!(mine.media.gain_from, Decibels(0));
    assert_eq!(mine.sip.session_timer, asterisk.sip.session_timer);
    assert_eq!(mine.sdp.telephone_event, asterisk.sdp.telephone_event);
}

#[test]
fn a_folder_adds_and_replaces() {
    let mut bench = Bench::new();
    bench.write(
        "/etc/wabridge/own/asterisk.toml",
        "[sip]\nringing = false\n",
    );
    bench.write(
        "/etc/wabridge/own/cisco.toml",
        "[media]\ncodecs = [\"pcma\"]\n",
    );
    bench.write("/etc/wabridge/own/notes.txt", "no profile");
    let (config, report) = bench
        .parse(&format!("profile_dir = \"own\"\n{MINIMAL}"))
        .unwrap();
    assert_eq!(report, Report::default());
    assert!(!config.profiles["asterisk"].sip.ringing);
    assert_eq!(config.profiles["cisco"].sdp.codecs, [Codec::Pcma]);
    assert!(!config.profiles.contains_key("notes"));
}

#[test]
fn mistakes_are_named_in_their_own_file() {
    let mut bench = Bench::new();
    bench.write(
        "/etc/wabridge/mine.toml",
        "based_on = \"astrisk\"\n\n[sip]\ndtfm = \"rtp\"\nsession_expires_s = 30\n[media]\nsuites = [\"AES\"]\ncodecs = []\ntelephone_event = [16000]\nopus_fmtp = \"a b\"\ngain_from_db = -21\n",
    );
    let text = MINIMAL.replace("profile = \"asterisk\"", "profile = \"mine.toml\"");
    let findings = bench.findings(&text);
    for (line, words) in [
        (1, "no such profile to be based on"),
        (4, "sip.dtfm: unknown key; did you mean dtmf?"),
        (5, "out of range"),
        (7, "media.suites[1]: \"AES\" is not known here"),
        (8, "the list is empty; write at least one codec"),
        (9, "16000 is not known here; write one of 8000, 48000"),
        (10, "no spaces"),
        (11, "write a whole number from -20 to 20"),
    ] {
        let place = format!("error: /etc/wabridge/mine.toml:{line}: ");
        assert!(
            findings
                .iter()
                .any(|finding| finding.starts_with(&place) && finding.contains(words)),
            "{words}: {findings:#?}"
        );
    }
    assert_eq!(findings.len(), 8, "{findings:#?}");
}

#[test]
fn a_profile_that_is_not_there() {
    let text = MINIMAL.replace("profile = \"asterisk\"", "profile = \"none.toml\"");
    let findings = Bench::new().findings(&text);
    assert!(
        findings
            .iter()
            .any(|finding| finding.contains("cannot read /etc/wabridge/none.toml")),
        "{findings:#?}"
    );
}

#[test]
fn security_of_every_kind() {
    for (text, security) in [
        ("security = \"plain\"", Security::Plain),
        ("security = \"dtls\"", Security::Dtls),
        (
            "security = \"sdes\"\nsuites = [\"AEAD_AES_128_GCM\"]",
            Security::Sdes(vec![Suite::AeadAes128Gcm]),
        ),
        (
            "security = \"as-offered\"\noffered_security = \"dtls\"\nsuites = [\"AEAD_AES_128_GCM\"]",
            Security::AsOffered {
                offers: Offers::Dtls,
                suites: vec![Suite::AeadAes128Gcm],
            },
        ),
    ] {
        let mut bench = Bench::new();
        let profile = format!(
            "[media]\n{text}\ndtls_setup = \"active\"\ndtls_newest = \"1.2\"\nice = \"lite\"\n"
        );
        bench.write("/etc/wabridge/mine.toml", &profile);
        let text = MINIMAL.replace("profile = \"asterisk\"", "profile = \"mine.toml\"");
        let (config, report) = bench.parse(&text).unwrap();
        assert_eq!(report, Report::default());
        let sdp = &config.profiles["mine.toml"].sdp;
        assert_eq!(sdp.security, security);
        assert_eq!(sdp.dtls_setup, OfferedSetup::Active);
        assert_eq!(sdp.dtls_newest, DtlsVersion::V1_2);
        assert_eq!(sdp.ice, IceMode::Lite);
    }
}
