//! The arrows of `src/lib.rs`, and the purity of the rooms below the world, held against the source itself.

use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms a room may name. What is not here may not be named: never up, never sideways between engines.
const ARROWS: [(&str, &[&str]); 15] = [
    // Floor 0, values.
    ("sdp", &[]),
    ("party", &[]),
    ("entropy", &[]),
    ("side", &[]),
    // Floor 1, engines. A body is bytes to `sip`.
    ("sip", &["party", "entropy", "side"]),
    ("media", &["sdp", "party", "entropy", "side"]),
    // Floor 2, the B2BUA.
    (
        "config",
        &[
            "consent", "rates", "sip", "media", "sdp", "party", "entropy", "side",
        ],
    ),
    ("consent", &["party"]),
    ("rates", &["party"]),
    (
        "call",
        &[
            "consent", "rates", "config", "sip", "media", "sdp", "party", "entropy", "side",
        ],
    ),
    // Floor 3, the world. The simulators are built from other parts than the bridge.
    ("net", &["config", "sip", "entropy", "side"]),
    (
        "store",
        &["call", "consent", "rates", "config", "party", "side"],
    ),
    (
        "web",
        &["call", "consent", "config", "party", "side", "store"],
    ),
    ("sim", &["entropy"]),
    (
        "daemon",
        &[
            "net", "store", "web", "sim", "call", "consent", "rates", "config", "sip", "media",
            "sdp", "party", "entropy", "side",
        ],
    ),
];

const WORLD: [&str; 5] = ["net", "store", "web", "sim", "daemon"];

/// The one file below the world that looks out: it reads what a configuration names.
const LOOKS_OUT: &str = "config/machine.rs";

/// What only the world does: run tasks, read clocks, the environment and files, open sockets.
const WORLDLY: [&str; 10] = [
    "tokio",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "std::env",
    "std::fs",
    "std::thread",
    "UdpSocket",
    "TcpStream",
];

/// Not even a moment passed in: values are the same at any time.
const TIMELESS: [&str; 2] = ["sdp", "party"];
const MOMENTS: [&str; 2] = ["Instant", "SystemTime"];

/// A peer's habits are data (`sip-profiles/`); the call room knows no vendor.
const VENDORS: [&str; 5] = ["asterisk", "freeswitch", "cisco", "genesys", "audiocodes"];

#[test]
fn every_room_has_its_arrows() {
    let map = fs::read_to_string("src/lib.rs").unwrap();
    let mut rooms: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    rooms.sort_unstable();
    let mut known = ARROWS.map(|(room, _)| room);
    known.sort_unstable();
    assert_eq!(rooms, known);
}

#[test]
fn arrows_point_down() {
    assert_no_breaks(|room, _, code| {
        let (_, allowed) = ARROWS.iter().find(|(name, _)| *name == room)?;
        let named = rooms_named(code);
        let foreign = named
            .into_iter()
            .find(|name| *name != room && !allowed.contains(name))?;
        Some(format!("{room} may not name {foreign}"))
    });
}

#[test]
fn rooms_below_the_world_are_pure() {
    assert_no_breaks(|room, place, code| {
        if WORLD.contains(&room) || place.is_test || place.file.ends_with(LOOKS_OUT) {
            return None;
        }
        let word = WORLDLY.into_iter().find(|word| has_word(code, word))?;
        Some(format!("{room} is pure, {word} belongs to the world"))
    });
}

#[test]
fn values_know_no_time() {
    assert_no_breaks(|room, place, code| {
        if !TIMELESS.contains(&room) || place.is_test {
            return None;
        }
        let word = MOMENTS.into_iter().find(|word| has_word(code, word))?;
        Some(format!("{room} knows no time, but {word} is here"))
    });
}

#[test]
fn calls_know_no_vendor() {
    assert_no_breaks(|room, place, code| {
        if room != "call" || place.is_test {
            return None;
        }
        let code = code.to_ascii_lowercase();
        let name = VENDORS.into_iter().find(|name| code.contains(name))?;
        Some(format!("the call room knows no vendor, but {name} is here"))
    });
}

/// A line of source.
struct Place {
    file: PathBuf,
    line: usize,
    /// In a `#[cfg(test)]` module or a file of one.
    is_test: bool,
}

/// Shows every line of every room to `fault`, and fails with those that have one.
fn assert_no_breaks(fault: impl Fn(&str, &Place, &str) -> Option<String>) {
    let mut breaks = Vec::new();
    let mut lines = 0;
    for (room, _) in ARROWS {
        for (place, code) in lines_of(room) {
            lines += 1;
            if let Some(fault) = fault(room, &place, &code) {
                let (file, line) = (place.file.display(), place.line);
                breaks.push(format!("{file}:{line}: {fault}\n    {}", code.trim()));
            }
        }
    }
    assert!(lines > 1_000, "only {lines} lines were read");
    assert!(breaks.is_empty(), "\n{}", breaks.join("\n"));
}

fn lines_of(room: &str) -> Vec<(Place, String)> {
    let mut lines = Vec::new();
    for file in files_of(room) {
        let text = fs::read_to_string(&file).unwrap();
        // A room's tests stand last in a file, or in a folder of their own.
        let mut is_test = file.components().any(|part| part.as_os_str() == "tests")
            || file.file_name().is_some_and(|name| name == "tests.rs");
        let mut previous = "";
        for (code, line) in text.lines().zip(1..) {
            is_test |= previous.trim() == "#[cfg(test)]"
                && code.starts_with("mod ")
                && code.ends_with('{');
            previous = code;
            let place = Place {
                file: file.clone(),
                line,
                is_test,
            };
            lines.push((place, without_comment(code).to_owned()));
        }
    }
    lines
}

fn files_of(room: &str) -> Vec<PathBuf> {
    let file = PathBuf::from(format!("src/{room}.rs"));
    if file.exists() {
        return vec![file];
    }
    let mut files = Vec::new();
    collect(Path::new("src").join(room).as_path(), &mut files);
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn without_comment(line: &str) -> &str {
    let comment = line
        .match_indices("//")
        .find(|(at, _)| line[..*at].matches('"').count().is_multiple_of(2));
    comment.map_or(line, |(at, _)| &line[..at])
}

/// The first names behind `crate::` in a line: `use crate::{sip::Uri, side}` names sip and side.
fn rooms_named(code: &str) -> Vec<&str> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let parts = group.split(|c| {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    c == ',' && depth == 0
                });
                rooms.extend(parts.map(|part| first_name(part.trim())));
            }
            None => rooms.push(first_name(rest)),
        }
    }
    rooms.retain(|name| ARROWS.iter().any(|(room, _)| room == name));
    rooms
}

fn first_name(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    &text[..end]
}

/// `word` in `code`, not as a part of a longer name.
fn has_word(code: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// The readers above find what they are there to find.
#[test]
fn breaks_are_seen() {
    assert_eq!(rooms_named("use crate::sip::flow::Host;"), ["sip"]);
    assert_eq!(
        rooms_named("use crate::{sip::{uri::Uri, flow}, side, nowhere::x};"),
        ["sip", "side"]
    );
    assert_eq!(
        rooms_named("fn f(x: crate::media::A) -> crate::call::B"),
        ["media", "call"]
    );
    assert_eq!(rooms_named("use std::fmt;"), [""; 0]);
    assert_eq!(without_comment("code(); // crate::sip"), "code(); ");
    assert_eq!(
        without_comment("let a = \"http://x\"; // y"),
        "let a = \"http://x\"; "
    );
    assert!(has_word(
        "let a = std::time::Instant::now();",
        "Instant::now"
    ));
    assert!(has_word("use tokio::spawn;", "tokio"));
    assert!(!has_word("use tokio_rustls;", "tokio"));
    assert!(!has_word("MyInstant", "Instant"));
}
