//! Every mistake is found, named with its line, and told how to mend.

use super::super::Admin;
use super::*;

/// The minimal file with one line replaced, and what is found then.
fn changed(line: &str, by: &str) -> Vec<String> {
    assert!(MINIMAL.contains(line), "{line}");
    Bench::new().findings(&MINIMAL.replacen(line, by, 1))
}

fn added(text: &str) -> Vec<String> {
    Bench::new().findings(&format!("{MINIMAL}\n{text}\n"))
}

/// Exactly one finding, with all these words.
fn assert_one(findings: &[String], words: &[&str]) {
    let [finding] = findings else {
        panic!("not one finding:\n{}", findings.join("\n"));
    };
    for word in words {
        assert!(finding.contains(word), "\"{word}\" is not in: {finding}");
    }
}

#[test]
fn a_finding_reads_well() {
    assert_eq!(
        changed("faces = \"pbx\"\nbind", "faces = \"pbx\"\nbnd"),
        [
            "error: /etc/wabridge/wabridge.toml:8: listeners.pbx: bind is missing; write the address and port to listen on, as in bind = \"0.0.0.0:5061\"",
            "error: /etc/wabridge/wabridge.toml:10: listeners.pbx.bnd: unknown key; did you mean bind?",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn unknown_keys_at_every_level() {
    assert_one(
        &added("[[route]]\ntrunk = \"office\""),
        &["route: unknown key", "did you mean routes?"],
    );
    assert_one(
        &changed("extension = \"100\"", "extention = \"100\""),
        &[":18:", "extention: unknown key", "did you mean extension?"],
    );
    assert_one(
        &changed("{ host", "{ hots = 1, host"),
        &["trunks.office.peers[1].hots", "did you mean host?"],
    );
    assert_one(
        &changed("public_address", "colour = 1\npublic_address"),
        &["media.colour: unknown key", "known here: bind, first_port"],
    );
}

#[test]
fn levels_of_a_peer_have_bounds() {
    assert_one(
        &changed("{ host", "{ gain_to_db = 21, host"),
        &["trunks.office.peers[1].gain_to_db", "-20"],
    );
}

#[test]
fn an_offer_that_is_never_made_is_doubted() {
    let doubted = "this changes nothing: what is offered is what security says";
    assert_one(
        &changed(
            "extension = \"100\"",
            "extension = \"100\"\nsecurity = \"dtls\"\noffered_security = \"sdes\"",
        ),
        &["warning", "offered_security", doubted],
    );
    assert_one(
        &changed(
            "extension = \"100\"",
            "extension = \"100\"\nsecurity = \"tls\"",
        ),
        &[
            "error",
            "\"tls\" is not known here",
            "did you mean \"dtls\"?",
        ],
    );
}

#[test]
fn wrong_types() {
    assert_one(
        &changed("trunk = \"office\"", "trunk = 5"),
        &[
            ":17:",
            ".trunk: this is a whole number",
            "write a text in quotes",
        ],
    );
    assert_one(
        &added("[limits]\ncalls = \"many\""),
        &["limits.calls: this is a text", "from 1 to 1000000"],
    );
    assert_one(&added("[limits]\ncalls = 0"), &["out of range"]);
    assert_one(
        &added("[limits]\ncalls = 99999999999999999999"),
        &["out of range"],
    );
    assert_one(
        &added("[limits]\ndrain_s = 1.5"),
        &["a number with a point"],
    );
    assert_one(&added("limits = []\n").to_vec(), &["limits"]);
    assert_one(
        &added("[log]\nformat = \"jsn\""),
        &["did you mean \"json\"?"],
    );
    assert_one(&added("[log]\nfilter = \"a=b=c\""), &["log.filter"]);
}

#[test]
fn what_is_no_toml() {
    assert_one(
        &added("[limits\ncalls = 1")[..1],
        &["error: /etc/wabridge/wabridge.toml:"],
    );
    assert_one(&added("[media]\nworkers = 1"), &["duplicate"]);
    let findings = Bench::new().findings("");
    for key in ["listeners", "media", "numbers", "trunks"] {
        assert!(
            findings
                .iter()
                .any(|finding| finding.contains(&format!("{key} is missing"))),
            "{key} is not in {findings:#?}"
        );
    }
}

#[test]
fn a_missing_file_is_named() {
    let missing = super::super::load_from(Path::new("/nowhere.toml"), &Bench::new());
    let report = missing.unwrap_err();
    assert!(
        report
            .to_string()
            .contains("/nowhere.toml: cannot read the configuration")
    );
    assert_eq!(report.exit_code(), 2);
}

#[test]
fn listeners() {
    assert_one(
        &changed("\"192.0.2.10:5060\"", "\"192.0.2.10\"")[..1],
        &[
            ":10: listeners.pbx.bind",
            "\"192.0.2.10\": this is no IP address with a port",
        ],
    );
    assert_one(
        &changed(
            "faces = \"whatsapp\"",
            "faces = \"whatsapp\"\ntransport = \"tcp\"",
        )[..1],
        &[
            ":3: listeners.whatsapp.transport",
            "WhatsApp connects by TLS alone",
        ],
    );
    assert_one(
        &changed("\"192.0.2.10:5060\"", "\"0.0.0.0:5060\""),
        &["advertise is missing"],
    );
    assert_one(
        &changed("\"sip.example.com\"", "\"sip example\"")[..1],
        &["listeners.whatsapp.advertise", "no host name"],
    );
    assert_one(
        &added(
            "[listeners.second]\nfaces = \"pbx\"\ntransport = \"udp\"\nbind = \"0.0.0.0:5060\"\nadvertise = \"192.0.2.10\"",
        ),
        &[
            "listeners.second",
            "\"pbx\" listens on 192.0.2.10:5060 as well",
        ],
    );
    assert!(
        added(
            "[listeners.second]\nfaces = \"pbx\"\ntransport = \"tcp\"\nbind = \"192.0.2.10:5060\""
        )
        .is_empty()
    );
    assert_one(
        &changed("faces = \"pbx\"", "faces = \"both\""),
        &["listeners.pbx.faces", "write one of whatsapp, pbx"],
    );
}

#[test]
fn a_tls_listener_needs_its_certificate() {
    let findings = changed(&format!("certificate = \"{CHAIN}\"\n"), "");
    assert_one(&findings[..1], &["certificate is missing", "PEM file"]);
    let findings = added(
        "[listeners.tls]\nfaces = \"pbx\"\ntransport = \"tls\"\nbind = \"192.0.2.10:5061\"\n",
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding.contains("certificate is missing"))
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding.contains("private_key is missing"))
    );
    assert_one(
        &changed(
            "bind = \"192.0.2.10:5060\"",
            &format!("bind = \"192.0.2.10:5060\"\ncertificate = \"{CHAIN}\""),
        ),
        &["warning", "with transport = \"tls\" alone"],
    );
}

#[test]
fn media() {
    assert_one(
        &changed("\"203.0.113.10\"", "\"10.0.0.1\""),
        &[
            "warning",
            ":13: media.public_address",
            "not reachable from the internet",
        ],
    );
    assert_one(
        &changed("\"203.0.113.10\"", "\"0.0.0.0\""),
        &["error", "nobody can send to this address"],
    );
    assert_one(
        &changed("\"203.0.113.10\"", "\"sip.example.com\""),
        &["this is no IP address"],
    );
    for several in [
        "[]",
        "[\"203.0.113.10\", \"203.0.113.11\"]",
        "[\"203.0.113.10\", \"2001:db8::10\", \"2001:db8::11\"]",
    ] {
        assert_one(
            &changed("\"203.0.113.10\"", several),
            &["media.public_address", "one of each family"],
        );
    }
    assert_one(
        &changed("\"203.0.113.10\"", "[\"203.0.113.10\", \"::\"]"),
        &["media.public_address[2]", "nobody can send to this address"],
    );
    assert_one(
        &changed(
            "\"203.0.113.10\"",
            "[\"203.0.113.10\", \"2001:db8::10\"]\nbind = \"192.0.2.10\"",
        ),
        &[
            "error",
            "media.public_address: sockets bound to 192.0.2.10 receive nothing that is sent to 2001:db8::10",
            "write bind = \"::\"",
        ],
    );
    assert_one(
        &changed("[media]", "[media]\nfirst_port = 30000"),
        &["media.first_port", "not enough for one call"],
    );
    assert_one(
        &changed("[media]", "[media]\nfirst_port = 5000\nlast_port = 9999"),
        &["port 5060 of listener \"pbx\" is within the media ports 5000 to 9999"],
    );
    assert_one(
        &changed("[media]", "[media]\nlast_port = 20399"),
        &["warning", "enough for 100 calls, limits.calls allows 1000"],
    );
}

#[test]
fn numbers() {
    let bad = changed("\"+17015550100\"", "\"17015550199\"");
    assert_one(
        &bad,
        &[
            ":15: numbers.\"...99\"",
            "no number in E.164 form: it does not begin with +",
        ],
    );
    assert!(!bad[0].contains("555019"));
    assert_one(
        &changed("trunk = \"office\"", "trunk = \"ofice\""),
        &["there is no trunk \"ofice\"", "did you mean \"office\"?"],
    );
    assert_one(&changed("trunk = \"office\"\n", ""), &["trunk is missing"]);
    assert_one(
        &added("[numbers.\"+1-701-555-0100\"]\npassword = \"x\"\ntrunk = \"office\""),
        &["configured above"],
    );
    assert_one(
        &changed("extension = \"100\"", "extension = \"a b\""),
        &["an extension has 1 to 64 letters"],
    );
    assert_one(
        &changed("extension = \"100\"", "profile = \"mta\""),
        &["there is no profile \"mta\"", "did you mean \"meta\"?"],
    );
}

#[test]
fn passwords() {
    let line = "password_file = \"/etc/wabridge/17015550100.password\"";
    assert_one(
        &changed(line, ""),
        &["the password is missing", "sip_user_password"],
    );
    assert_one(
        &changed(line, "password_file = \"none\""),
        &[":16:", "cannot read /etc/wabridge/none: No such file"],
    );
    assert_one(
        &changed(line, "password_env = \"NOT_SET\""),
        &["environment variable NOT_SET is not set"],
    );
    assert_one(
        &changed(line, "password = \"\""),
        &["the password is empty"],
    );
    assert_one(
        &changed(line, "password = \"secret\"\npassword_env = \"X\"")[..1],
        &["given more than once"],
    );
    let mut bench = Bench::new();
    bench
        .public
        .insert("/etc/wabridge/17015550100.password".into());
    assert_one(
        &bench.findings(MINIMAL),
        &[
            "warning",
            "every user of this machine can read",
            "chmod o-r",
        ],
    );
}

#[test]
fn trunks() {
    assert_one(
        &changed("profile = \"asterisk\"", "profile = \"astersk\"")[..1],
        &["trunks.office.profile", "did you mean \"asterisk\"?"],
    );
    assert_one(
        &changed("peers = [{ host = \"192.0.2.20\" }]", ""),
        &["the trunk has no peer", "[[trunks.office.peers]]"],
    );
    assert_one(
        &changed("host = \"192.0.2.20\"", "port = 5060"),
        &["host is missing"],
    );
    assert_one(
        &changed(
            "host = \"192.0.2.20\"",
            "host = \"192.0.2.20\", transport = \"tcp\"",
        ),
        &["no listener faces PBXs by tcp"],
    );
    assert_one(
        &changed(
            "host = \"192.0.2.20\"",
            "host = \"192.0.2.20\", listener = \"whatsapp\"",
        ),
        &["no usable listener \"whatsapp\""],
    );
    assert_one(
        &changed(
            "host = \"192.0.2.20\"",
            "host = \"192.0.2.20\", username = \"x\"",
        ),
        &["username without a password"],
    );
    assert_one(
        &changed(
            "host = \"192.0.2.20\"",
            "host = \"192.0.2.20\", password = \"x\"",
        ),
        &["a password without username"],
    );
    assert_one(
        &changed(
            "host = \"192.0.2.20\"",
            "host = \"192.0.2.20\", source_prefixes = [\"192.0.2.1/24\"]",
        ),
        &["the network is 192.0.2.0/24"],
    );
    assert_one(
        &changed(
            "host = \"192.0.2.20\"",
            "host = \"192.0.2.20\", authenticate = {}",
        ),
        &["username and password are missing"],
    );
    assert_one(
        &changed(
            "host = \"192.0.2.20\"",
            "host = \"192.0.2.20\", register = {}",
        ),
        &["user is missing"],
    );
}

#[test]
fn routes() {
    let route = |text: &str| added(&format!("[[routes]]\n{text}"));
    assert_one(
        &route("number = \"+491\"\ntrunk = \"office\""),
        &["this business number is not configured"],
    );
    assert_one(
        &route("trunk = \"nowhere\""),
        &[
            "routes[1].trunk",
            "there is no trunk \"nowhere\"",
            "write one of office",
        ],
    );
    assert_one(
        &route("countries = [\"GER\"]\ntrunk = \"office\""),
        &["routes[1].countries[1]", "no country code"],
    );
    assert_one(
        &route("hours = { zone = \"Mars/Base\", windows = [] }\ntrunk = \"office\""),
        &["no such time zone"],
    );
    assert_one(
        &route("hours = { zone = \"UTC\", windows = [\"mon 22:00-06:00\"] }\ntrunk = \"office\""),
        &["over midnight, write two windows"],
    );
    assert_one(
        &route("hours = { zone = \"UTC\" }\ntrunk = \"office\""),
        &["windows is missing"],
    );
}

#[test]
fn whatsapp() {
    assert_one(
        &added("[whatsapp]\nsource_prefixes = []"),
        &["warning", "every address of the internet"],
    );
    assert_one(&added("[whatsapp]\nrealm = \"a\\\"b\""), &["realm"]);
    assert_one(
        &added("[whatsapp]\nprofile = \"genric\""),
        &["did you mean \"generic\"?"],
    );
}

#[test]
fn consent() {
    assert_one(
        &added("[consent]\nrules = \"sandbx\""),
        &["consent.rules", "did you mean \"sandbox\"?"],
    );
    assert_one(
        &changed("extension = \"100\"", "consent = \"test\""),
        &[":18:", ".consent", "write one of production, sandbox"],
    );
    assert_one(
        &added("[consent]\nwhen_unknown = \"ask\""),
        &["consent.when_unknown", "ask-whatsapp, refuse"],
    );
    assert_one(
        &added("[consent.production]\nrequests = [{ times = 1 }]"),
        &[
            "consent.production.requests[1]: within_h is missing",
            "write { times = 1, within_h = 24 }",
        ],
    );
    assert_one(
        &added("[consent.sandbox]\nrequests = []"),
        &["consent.sandbox.requests: the list is empty"],
    );
    assert_one(
        &added("[consent.sandbox]\nconnected = { times = 0, within_h = 24 }"),
        &["connected.times", "a whole number from 1 to 1000"],
    );
    assert_one(
        &added("[consent.production]\nrevoke_after = 1"),
        &[
            "consent.production: nudge_after is 2, but the permission is withdrawn after 1 already",
            "no higher than revoke_after",
        ],
    );
    assert_one(
        &added("[consent.production]\nservice_window_h = 0"),
        &["out of range", "from 1 to 8784"],
    );
    assert_one(
        &added("[consent]\nmay_not_call = [\"+84\"]"),
        &["consent.may_not_call[1]", "without +", "as in \"84\""],
    );
    assert_one(
        &added("[consent]\nmay_not_call = [\"84\"]\nmay_call = [\"84\"]"),
        &["consent.may_call[1]", "listed already"],
    );
    for key in ["json_lines", "database"] {
        let same = format!("[cdr]\n{key} = \"/x.db\"\n[consent]\ndatabase = \"/x.db\"");
        assert_one(
            &added(&same),
            &["the ledger and the CDRs are the same file"],
        );
    }
}

#[test]
fn admin() {
    let admin = |text: &str| added(&format!("[admin]\n{text}"));
    assert_eq!(admin("socket = \"\""), [""; 0]);
    assert_one(
        &admin(&format!("socket = \"/{}\"", "x".repeat(107))),
        &["admin.socket: the path of a socket has at most 107 bytes"],
    );
    assert_one(&admin("socket = 8480"), &["write a text in quotes"]);
    assert_one(
        &admin("bind = \"127.0.0.1\"\ntoken = \"0123456789abcdef\""),
        &["admin.bind: \"127.0.0.1\": this is no IP address with a port"],
    );
    assert_one(
        &admin("bind = \"127.0.0.1:8480\""),
        &["admin.bind: the token is missing", "openssl rand -hex 32"],
    );
    assert_one(
        &admin("token = \"0123456789abcdef\""),
        &["admin: a token without bind"],
    );
    assert_one(
        &admin("bind = \"192.0.2.1:8480\"\ntoken = \"0123456789abcdef\""),
        &["warning", "admin.bind: this is plain HTTP"],
    );
    for wrong in ["short", "with a blank in it", "sixteen-and-a-\\nline"] {
        assert_one(
            &admin(&format!("bind = \"[::1]:1\"\ntoken = \"{wrong}\"")),
            &["the token is not one of 16 to 512 letters"],
        );
    }
    assert_one(
        &admin("bind = \"[::1]:1\"\ntoken = \"x\"\ntoken_env = \"Y\""),
        &["the token is given more than once", "token_file, token_env"],
    );
}

#[test]
fn metrics() {
    let metrics = |bind: &str| added(&format!("[metrics]\nbind = \"{bind}\""));
    for inside in [
        "127.0.0.1:9464",
        "[::1]:9464",
        "10.1.2.3:9464",
        "[fd00::1]:1",
    ] {
        assert_eq!(metrics(inside), [""; 0], "{inside}");
    }
    for outside in ["0.0.0.0:9464", "[::]:9464", "203.0.113.10:9464"] {
        assert_one(
            &metrics(outside),
            &["warning", "metrics.bind: whoever reaches this address"],
        );
    }
    assert_one(
        &metrics("9464"),
        &["metrics.bind: \"9464\": this is no IP address with a port"],
    );
    assert_one(&added("[metrics]\ntoken = \"x\""), &["metrics.token"]);
}

mod the_door_of_commands {
    use super::super::super::AdminDoor;
    use super::super::super::load::admin_door_from;
    use super::*;

    fn door(text: &str) -> Result<Option<AdminDoor>, Report> {
        let mut bench = Bench::new();
        bench.write("/wabridge.toml", text);
        admin_door_from(Path::new("/wabridge.toml"), &bench)
    }

    #[test]
    fn needs_nothing_else_of_the_file() {
        for text in ["", "unknown = 1\n[media]\n", "[admin]"] {
            assert!(matches!(
                door(text),
                Ok(Some(AdminDoor::Socket(path))) if Admin::is_usual(&path)
            ));
        }
        let unreadable = "[admin]\nbind = \"[::1]:1\"\ntoken_file = \"nowhere\"\n";
        assert!(matches!(door(unreadable), Ok(Some(AdminDoor::Socket(_)))));
    }

    #[test]
    fn is_the_address_when_there_is_no_socket() {
        assert!(matches!(door("[admin]\nsocket = \"\""), Ok(None)));
        let listener = "[admin]\nsocket = \"\"\nbind = \"[::1]:1\"\ntoken = \"0123456789abcdef\"";
        assert!(matches!(door(listener), Ok(Some(AdminDoor::Address(_)))));
        let report = door("[admin]\nsocket = \"\"\nbind = \"[::1]:1\"").unwrap_err();
        assert!(report.to_string().contains("the token is missing"));
    }
}

#[test]
fn rates() {
    let rates = |text: &str| added(&format!("[rates]\n{text}"));
    let good = "cards = [\"rates-2026-list.csv\"]\ncurrency = \"USD\"";
    assert!(rates(good).is_empty());
    assert_one(
        &rates("currency = \"USD\""),
        &["rates: cards is missing", "write cards = "],
    );
    assert_one(
        &rates(&good.replace("\"rates-2026-list.csv\"", "")),
        &["rates.cards: the list is empty"],
    );
    assert_one(
        &rates("cards = [\"rates-2026-list.csv\"]"),
        &["currency is missing"],
    );
    assert_one(
        &rates(&good.replace("list", "my")),
        &["rates.cards[1]: cannot read /etc/wabridge/rates-2026-my.csv"],
    );
    assert_one(
        &rates(&good.replace("]", ", \"rates-2026-list.csv\"]"))[..1],
        &["rates.cards[2]: the card in USD of 2026-01-01 is in a file above already"],
    );
    assert_one(
        &rates(&good.replace("USD", "EUR")),
        &["rates.currency: no card is in EUR"],
    );
    assert_one(&rates(&good.replace("USD", "dollars")), &["as in USD"]);
    assert_one(
        &rates(&format!("{good}\nzone = \"Mars/Base\"")),
        &["rates.zone", "no such time zone"],
    );
    assert_one(
        &rates(&format!("{good}\ntiers = \"acount\"")),
        &["did you mean \"account\"?"],
    );
}

#[test]
fn a_rate_cards_mistakes_have_its_own_lines() {
    let mut bench = Bench::new();
    let text = format!("{MINIMAL}\n[rates]\ncards = [\"card.csv\"]\ncurrency = \"USD\"\n");
    let header = "valid_from,currency,market,destinations,above_0\n";
    bench.write(
        "/etc/wabridge/card.csv",
        &format!("{header}2026-01-01,USD,India,91 IN,0.005\n2026-01-01,USD,Chile,56 CL,cheap\n"),
    );
    assert_one(
        &bench.findings(&text)[..1],
        &[
            "error: /etc/wabridge/card.csv:3: \"cheap\": a rate is written",
            "write the price of a minute as in 0.0103",
        ],
    );
    bench.write(
        "/etc/wabridge/card.csv",
        &format!("{header}2026-07-02,USD,India,91 IN,0.005\n"),
    );
    assert_one(
        &bench.findings(&text),
        &["warning", "the first card in USD is valid from 2026-07-02"],
    );
    bench
        .files
        .insert("/etc/wabridge/card.csv".into(), vec![0xff]);
    assert_one(&bench.findings(&text), &["card.csv is no text"]);
}

#[test]
fn all_mistakes_come_at_once_in_the_order_of_lines() {
    let text = MINIMAL
        .replace("faces = \"pbx\"", "faces = \"pxb\"")
        .replace("203.0.113.10", "203.0.113")
        .replace("password_file", "pasword_file")
        .replace("192.0.2.20", "192.0.2.200.1");
    let findings = Bench::new().findings(&text);
    let lines: Vec<usize> = findings
        .iter()
        .map(|finding| finding.split(':').nth(2).unwrap().parse().unwrap())
        .collect();
    assert!(findings.len() >= 5, "{findings:#?}");
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn warnings_alone_leave_a_configuration() {
    let (_, report) = Bench::new()
        .parse(&MINIMAL.replace("203.0.113.10", "10.0.0.1"))
        .unwrap();
    assert_eq!(report.exit_code(), 0);
    assert_eq!(report.findings[0].severity, Severity::Warning);
    assert!(report.to_string().ends_with("0 errors, 1 warnings"));
}

#[test]
fn dialling() {
    for (text, words) in [
        (
            "country_code = \"+49\"",
            ["dialling.country_code: \"+49\"", "write the digits alone"],
        ),
        ("country_code = 49", ["a whole number", "a text in quotes"]),
        (
            "national_prefix = \"0\"",
            [
                "dialling.national_prefix: country_code is missing",
                "write country_code",
            ],
        ),
        (
            "country_code = \"49\"\nnational_prefix = \"(0)\"",
            ["dialling.national_prefix: \"(0)\"", "as in \"0\""],
        ),
        (
            "international_prefixes = [\"00\", \"+\"]",
            ["dialling.international_prefixes[2]: \"+\"", "as in \"00\""],
        ),
        (
            "dial_prefixes = [\"\"]",
            ["dialling.dial_prefixes[1]", "cannot stand before a number"],
        ),
        (
            "refuse = [\"0900...\"]",
            [
                "dialling.refuse[1]: \"0900...\"",
                "\"0900*\" for all that begin so",
            ],
        ),
        (
            "countrycode = \"49\"",
            ["unknown key", "did you mean country_code?"],
        ),
    ] {
        assert_one(&added(&format!("[dialling]\n{text}")), &words);
    }
    assert_one(
        &added("[trunks.office.dialling]\nrefuse = \"112\""),
        &["trunks.office.dialling.refuse", "a list in square brackets"],
    );
}

#[test]
fn hosts() {
    for (text, words) in [
        (
            "\"10.0.0.1\" = \"127.0.0.1\"",
            ["hosts.\"10.0.0.1\": this is no host name", "write a name"],
        ),
        (
            "\"wa.meta.vc\" = \"elsewhere\"",
            [
                "hosts.\"wa.meta.vc\": \"elsewhere\": a name for a name",
                "as in \"127.0.0.1:7061\"",
            ],
        ),
        (
            "\"wa.meta.vc\" = \"127.0.0.1:0\"",
            ["this is no IP address", "write an IP address"],
        ),
        (
            "\"wa.meta.vc\" = [\"127.0.0.1\", 5]",
            [
                "hosts.\"wa.meta.vc\"[2]: this is a whole number",
                "a text in quotes",
            ],
        ),
        (
            "\"wa.meta.vc\" = []",
            ["the list is empty", "write an IP address"],
        ),
        (
            "\"wa.meta.vc\" = 5",
            ["this is a whole number", "a text in quotes"],
        ),
        (
            "a = \"127.0.0.1\"\nA = \"127.0.0.2\"",
            ["hosts.A: this name is written above", "as one list"],
        ),
    ] {
        assert_one(&added(&format!("[hosts]\n{text}")), &words);
    }
}

mod any_text {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_survived(text in "(\\[\\[?(media|listeners|trunks|numbers|routes|rates|log)(\\.[a-z\"+]{1,8})?\\]\\]?\n|[a-z_]{1,12} = ([0-9-]{1,4}|\"[ -~]{0,10}\"|\\[\\]|\\{\\}|true)\n){0,20}") {
            let _ = Bench::new().findings(&text);
        }

        /// The minimal file with a piece cut out: an error, or as good as before.
        #[test]
        fn pieces_may_be_missing(from in 0..MINIMAL.len(), length in 1..40_usize) {
            let to = (from + length).min(MINIMAL.len());
            let text = format!("{}{}", &MINIMAL[..from], &MINIMAL[to..]);
            for finding in Bench::new().findings(&text) {
                prop_assert!(finding.len() < 600, "{}", finding);
            }
        }
    }
}
