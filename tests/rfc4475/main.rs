//! The SIP torture test messages of RFC 4475, held against `ledger.md`, and some of them read closely.

mod notation;
mod user_agent;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wabridge::sip::framing::{Frame, Framer};
use wabridge::sip::message::{Message, Method, Name, Request, Response};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rfc4475")
}

fn octets(name: &str) -> Vec<u8> {
    let path = folder().join(format!("messages/{name}.txt"));
    notation::octets(&fs::read_to_string(path).expect("a message of the ledger"))
}

fn request(name: &str) -> Request {
    match Message::parse(&octets(name)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{name}: {other:?}"),
    }
}

fn response(name: &str) -> Response {
    match Message::parse(&octets(name)) {
        Ok(Message::Response(response)) => response,
        other => panic!("{name}: {other:?}"),
    }
}

struct Row {
    message: String,
    verdict: String,
    endpoint: String,
}

fn ledger() -> Vec<Row> {
    let text = fs::read_to_string(folder().join("ledger.md")).expect("the ledger");
    let rows = text.lines().filter(|line| line.starts_with("| 3."));
    rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        Row {
            message: cells[2].to_owned(),
            verdict: cells[3].to_owned(),
            endpoint: cells[4].to_owned(),
        }
    })
    .collect()
}

/// What the parser does with a message, in the ledger's words. `lenient` is told from `accepted` by people only.
fn verdict(octets: &[u8]) -> String {
    match Message::parse(octets) {
        Ok(_) => "accepted".into(),
        Err(error) if error.answerable.is_some() => error.status.to_string(),
        Err(_) => "dropped".into(),
    }
}

#[test]
fn every_message_gets_its_verdict() {
    for row in ledger() {
        let found = verdict(&octets(&row.message));
        let expected = row.verdict.replace("lenient", "accepted");
        assert_eq!(found, expected, "{}", row.message);
    }
}

#[test]
fn the_endpoint_does_what_the_ledger_says() {
    for row in ledger() {
        let found = user_agent::outcome(&octets(&row.message));
        assert_eq!(found, row.endpoint, "{}", row.message);
    }
}

#[test]
fn the_ledger_names_every_message_of_the_rfc() {
    let rows: BTreeSet<String> = ledger().into_iter().map(|row| row.message).collect();
    let files: BTreeSet<String> = fs::read_dir(folder().join("messages"))
        .expect("the messages")
        .filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    assert_eq!(rows, files);
    assert_eq!(rows.len(), 49);
}

#[test]
fn accepted_messages_survive_writing() {
    for row in ledger() {
        if let Ok(message) = Message::parse(&octets(&row.message)) {
            assert_eq!(
                Message::parse(&message.write()).as_ref(),
                Ok(&message),
                "{}",
                row.message
            );
        }
    }
}

#[test]
fn accepted_messages_are_the_same_over_a_stream() {
    for row in ledger() {
        let octets = octets(&row.message);
        let Ok(message) = Message::parse(&octets) else {
            continue;
        };
        let mut framer = Framer::new();
        framer.push(&message.write());
        let Ok(Some(Frame::Message(cut))) = framer.poll() else {
            panic!("{}: no message", row.message)
        };
        assert_eq!(Message::parse(&cut), Ok(message), "{}", row.message);
    }
}

/// RFC 4475 §3.1.2.3, §3.3.9: such a stream cannot be read on.
#[test]
fn a_stream_without_a_clear_length_is_broken() {
    for name in ["ncl", "mcl01"] {
        let mut framer = Framer::new();
        framer.push(&octets(name));
        assert!(framer.poll().is_err(), "{name}");
    }
}

#[test]
fn wsinv_means_what_it_says() {
    let request = request("wsinv");
    let headers = &request.headers;
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(
        headers.from().unwrap().display.as_deref(),
        Some(r#"J Rosenberg \""#)
    );
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    assert_eq!(headers.cseq().unwrap().number, 9);
    let branches: Vec<String> = headers
        .vias()
        .unwrap()
        .iter()
        .filter_map(|via| via.branch().map(str::to_owned))
        .collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    let contact = headers.contact().unwrap().unwrap();
    assert_eq!(contact.display.as_deref(), Some(r#"Quoted string """#));
    assert_eq!(contact.params.get("newparam"), Some("newvalue"));
    assert_eq!(contact.params.get("q"), Some("0.33"));
    assert!(headers.routes().unwrap()[0].is_loose());
    assert_eq!(
        headers.get(&Name::from("NewFangledHeader")),
        Some("newfangled value continued newfangled value")
    );
    assert_eq!(request.body.len(), 150);
}

#[test]
fn intmeth_means_what_it_says() {
    let request = request("intmeth");
    assert!(matches!(request.method, Method::Other(_)));
    let to = request.headers.to().unwrap();
    assert_eq!(to.display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    let from = request.headers.from().unwrap();
    assert_eq!(from.params.get("fromParam''~+*_!.-%"), Some("работающий"));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(
        request.headers.call_id(),
        Ok(r#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#)
    );
}

#[test]
fn escapes_are_undone_once_and_only_where_asked() {
    let request = request("esc01");
    assert_eq!(
        request.uri.user.as_deref(),
        Some("sips%3Auser%40example.com")
    );
    assert_eq!(
        request.uri.user_name().as_deref(),
        Some("sips:user@example.com")
    );
    let from = request.headers.from().unwrap();
    assert_eq!(from.uri.user_name().as_deref(), Some("I have spaces"));
    let contact = request.headers.contact().unwrap().unwrap();
    assert_eq!(contact.uri.params.get("n%61me"), Some("v%61lue%25%34%31"));
}

#[test]
fn esc02_has_two_contacts_and_an_unknown_header() {
    let request = request("esc02");
    assert_eq!(request.method, Method::Other("RE%47IST%45R".into()));
    assert_eq!(request.headers.contacts().unwrap().len(), 2);
}

#[test]
fn bodies_end_where_they_should() {
    assert_eq!(request("dblreq").body, b"");
    assert_eq!(request("mpart01").body.len(), 553);
    assert!(
        request("mpart01")
            .body
            .ends_with(b"--7a9cbec02ceef655--\r\n")
    );
    assert_eq!(request("inv2543").body.len(), 105);
}

#[test]
fn reason_phrases() {
    assert_eq!(
        response("unreason").reason,
        "= 2**3 * 5**2 но сто девяносто девять - простое"
    );
    assert_eq!(response("noreason").reason, "");
}

#[test]
fn longreq_has_34_vias() {
    assert_eq!(request("longreq").headers.vias().unwrap().len(), 34);
}

#[test]
fn a_contact_with_headers_needs_brackets() {
    assert!(request("regbadct").headers.contact().is_err());
    let contact = request("regescrt").headers.contact().unwrap().unwrap();
    assert_eq!(
        contact.uri.headers.as_deref(),
        Some("Route=%3Csip:sip.example.com%3E")
    );
}
