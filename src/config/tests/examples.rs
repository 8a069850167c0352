//! The files that operators begin with.

use secrecy::ExposeSecret as _;

use super::super::{Faces, OwnLevels, Trust};
use super::*;
use crate::media::gain::{Decibels, Levels};
use crate::party::PhoneNumber;
use crate::sdp::{Codec, DtlsVersion, IceMode, OfferedSetup, Offers, Security, Suite};
use crate::sip::flow::{Host, Transport};

const FULL: &str = include_str!("../../../examples/wabridge.toml");

fn load(text: &str) -> Config {
    let (config, report) = Bench::new()
        .parse(text)
        .unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(report, Report::default());
    config
}

#[test]
fn the_minimal_file_is_small_and_whole() {
    let keys = MINIMAL.lines().filter(|line| !line.trim().is_empty());
    assert!(keys.count() <= 20);
    let config = load(MINIMAL);

    let listeners: Vec<_> = config.listeners.values().collect();
    let [whatsapp, pbx] = listeners[..] else {
        panic!("{listeners:?}");
    };
    assert_eq!(
        (whatsapp.faces, whatsapp.transport),
        (Faces::WhatsApp, Transport::Tls)
    );
    assert_eq!(
        whatsapp.advertise,
        (Host::Name("sip.example.com".to_owned()), 5_061)
    );
    assert!(matches!(
        whatsapp.tls.as_ref().unwrap().trust,
        Trust::System
    ));
    assert_eq!((pbx.faces, pbx.transport), (Faces::Pbx, Transport::Udp));
    assert_eq!(
        pbx.advertise,
        (Host::Address("192.0.2.10".parse().unwrap()), 5_060)
    );

    let number = &config.numbers["+17015550100"];
    assert_eq!(number.password.expose_secret(), "of the number");
    assert_eq!(number.trunk, "office");
    assert_eq!(number.extension.as_deref(), Some("100"));

    let [peer] = &config.trunks["office"].peers[..] else {
        panic!("one peer");
    };
    assert_eq!(peer.name, "office/192.0.2.20:5060");
    assert_eq!(peer.source_prefixes, ["192.0.2.20".parse().unwrap()]);
    assert_eq!(config.listeners[&peer.hop.listener].name, "pbx");

    assert_eq!(config.whatsapp.realm, "sip.example.com");
    assert!(config.whatsapp.source_prefixes.len() > 20);
    assert_eq!(config.media.pbx_address, config.media.public_address);
    assert!(config.routes.is_empty());
}

/// Sockets are bound where all of it arrives.
#[test]
fn addresses_of_both_families() {
    let with = |told: &str| load(&MINIMAL.replace("\"203.0.113.10\"", told)).media;
    for (told, bind, count) in [
        ("\"203.0.113.10\"", "0.0.0.0", 1),
        ("[\"203.0.113.10\"]", "0.0.0.0", 1),
        ("\"2001:db8::10\"", "::", 1),
        ("[\"203.0.113.10\", \"2001:db8::10\"]", "::", 2),
        ("\"203.0.113.10\"\npbx_address = \"fd00::1\"", "::", 1),
        ("\"203.0.113.10\"\nbind = \"10.0.0.1\"", "10.0.0.1", 1),
        ("\"203.0.113.10\"\nbind = \"::\"", "::", 1),
    ] {
        let media = with(told);
        assert_eq!(media.bind.to_string(), bind, "{told}");
        assert_eq!(media.public_address.iter().count(), count, "{told}");
    }
    let media = with("[\"2001:db8::10\", \"203.0.113.10\"]");
    assert!(media.public_address.first.is_ipv6());
    assert_eq!(media.pbx_address, media.public_address);
    let behind_nat = with("\"203.0.113.10\"\nbind = \"10.0.0.1\"");
    assert_eq!(behind_nat.pbx_address.first.to_string(), "10.0.0.1");
}

#[test]
fn the_full_file_is_whole() {
    let config = load(FULL);
    assert_eq!(config.listeners.len(), 3);
    let tls = config
        .listeners
        .values()
        .find(|l| l.name == "pbx-tls")
        .unwrap();
    assert!(matches!(tls.tls.as_ref().unwrap().trust, Trust::File(_)));
    assert_eq!(tls.advertise.1, 5_063);

    let [first, second] = &config.trunks["office"].peers[..] else {
        panic!("two peers");
    };
    assert_eq!((first.priority, first.weight), (1, 10));
    assert_eq!(second.name, "office/pbx2.example.net:5061");
    assert_eq!(config.listeners[&second.hop.listener].name, "pbx-tls");
    let credentials = second.credentials.as_ref().unwrap();
    assert_eq!(credentials.password.expose_secret(), "of the second PBX");

    let [support] = &config.trunks["support"].peers[..] else {
        panic!("one peer");
    };
    assert_eq!(support.authenticate.as_ref().unwrap().username, "support");
    assert_eq!(support.register.as_ref().unwrap().user, "wabridge");

    let [by_payload, by_country] = &config.routes[..] else {
        panic!("two routes");
    };
    assert_eq!(by_payload.number.as_ref().unwrap().expose(), "+17015550100");
    assert_eq!(by_payload.payload_prefix.as_deref(), Some("sales-"));
    assert_eq!(by_country.countries, ["DE", "AT", "CH"]);
    assert_eq!(by_country.hours.as_ref().unwrap().windows.len(), 6);

    let admin = config.admin.listener.as_ref().unwrap();
    assert_eq!(admin.bind, "127.0.0.1:8480".parse().unwrap());
    assert_eq!(config.metrics.bind, Some("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(admin.token.expose_secret(), "token-of-the-operator");
}

#[test]
fn a_trunk_dials_as_all_do_but_for_what_it_says_itself() {
    let config = load(FULL);
    let dialled = |trunk: &str, text: &str| {
        let party = config.trunks[trunk].dialling.read(text);
        party.map(|party| party.expose().to_owned())
    };
    assert_eq!(config.trunks["office"].dialling, config.dialling);
    let german = Ok("+4930123456".to_owned());
    assert_eq!(dialled("office", "030123456"), german);
    assert_eq!(dialled("support", "0114930123456"), german);
    assert_eq!(
        dialled("support", "2125550123"),
        Ok("+12125550123".to_owned())
    );

    let prefixed = FULL
        .replace("# dial_prefixes = []", "dial_prefixes = [\"wa\"]")
        .replace("country_code = \"1\" ", "national_prefix_required = false ");
    let config = load(&prefixed);
    let support = &config.trunks["support"].dialling;
    assert_eq!(support.dial_prefixes, ["wa"]);
    assert_eq!(support.read("wa30123456").unwrap().expose(), "+4930123456");
}

#[test]
fn static_hosts_of_the_full_file() {
    let found = load(FULL).hosts.find("pbx2.example.net", 5061).unwrap();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["192.0.2.21:5061", "192.0.2.22:5071"]);
}

#[test]
fn numbers_and_peers_may_have_their_own_security() {
    let config = load(FULL);
    let meta = &config.profiles["meta"];
    let of = |number: &str| {
        let number = &config.numbers[&PhoneNumber::parse(number).unwrap()];
        number.security.policy(meta).security
    };
    let suites = vec![Suite::AesCm128HmacSha1_80];
    assert_eq!(of("+17015550100"), Security::Sdes(suites.clone()));
    assert_eq!(
        of("+17015550101"),
        Security::AsOffered {
            offers: Offers::Dtls,
            suites
        }
    );
    let peers = &config.trunks["office"].peers;
    let asterisk = &config.profiles["asterisk"];
    let policies = [0, 1].map(|peer| peers[peer].security.policy(asterisk).security);
    assert!(
        matches!(&policies[0], Security::AsOffered { offers: Offers::Plain, suites } if suites.len() == 6),
        "{policies:?}"
    );
    assert_eq!(policies[1], asterisk.sdp.security);
}

#[test]
fn a_peer_may_have_its_own_levels() {
    let config = load(FULL);
    let asterisk = &config.profiles["asterisk"];
    let [first, second] = &config.trunks["office"].peers[..] else {
        panic!("two peers");
    };
    assert_eq!(first.levels.from, Some(Decibels(-3)));
    assert_eq!(first.levels.to, Some(Decibels(0)));
    assert_eq!(second.levels, OwnLevels::default());
    assert_eq!(second.levels.levels(asterisk), Levels::default());
}

/// What the full example shows behind `#` is what holds without it.
#[test]
fn commented_keys_show_the_defaults() {
    let uncommented: String = FULL
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") && !key.starts_with("profile ") => format!("{key}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    assert_ne!(uncommented, FULL);
    let (plain, shown) = (load(FULL), load(&uncommented));
    assert_eq!(format!("{plain:?}"), format!("{shown:?}"));
}

#[test]
fn nothing_secret_is_printed() {
    let shown = format!("{:?}", load(FULL));
    for secret in [
        "of the",
        "token-of",
        "WABRIDGE_SUPPORT",
        "17015550100\")",
        "+17015550100",
    ] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

/// The dossier's facts, as the built-in profile has them.
#[test]
fn whatsapps_profile() {
    let config = load(MINIMAL);
    let meta = &config.profiles[&config.whatsapp.profile];
    assert!(meta.sip.frozen);
    assert_eq!(
        meta.sip.challenge,
        super::super::Challenge::ProxyAuthentication
    );
    assert_eq!(
        meta.sip.challenge_algorithm,
        super::super::DigestAlgorithm::Md5
    );
    assert_eq!(meta.sip.session_timer, None);
    assert_eq!(meta.sdp.codecs, [Codec::Opus]);
    assert_eq!(
        meta.sdp.security,
        Security::AsOffered {
            offers: Offers::Sdes,
            suites: vec![Suite::AesCm128HmacSha1_80]
        }
    );
    assert_eq!(
        (meta.sdp.dtls_setup, meta.sdp.dtls_newest, meta.sdp.ice),
        (OfferedSetup::ActPass, DtlsVersion::V1_2, IceMode::Full)
    );
    assert_eq!(
        meta.sdp.opus_fmtp,
        "maxaveragebitrate=20000;maxplaybackrate=16000;minptime=20;sprop-maxcapturerate=16000;useinbandfec=1"
    );
    assert_eq!(meta.sdp.telephone_event, [8_000]);
    assert_eq!(meta.sdp.max_packet_time, Some(Duration::from_millis(20)));
    assert!(meta.media.keep_fed);
    assert_eq!(meta.media.opus_bitrate, 20_000);
    assert_eq!(meta.media.media_timeout, Duration::from_secs(120));
    let from_meta = |address: &str| {
        let address = address.parse().unwrap();
        meta.source_prefixes
            .iter()
            .any(|prefix| prefix.contains(address))
    };
    for seen in [
        "69.171.251.112",
        "31.13.66.215",
        "157.240.229.209",
        "173.252.82.20",
        "57.144.67.157",
    ] {
        assert!(from_meta(seen), "{seen}");
    }
    assert!(!from_meta("192.0.2.1"));
}
