//! The whole of a configuration file: its parts in order, then what must fit between them.

use std::collections::BTreeMap;
use std::path::Path;

use super::dialling::read_dialling;
use super::listener::{Listeners, overlap};
use super::machine::Machine;
use super::profiles::Profiles;
use super::report::{Finding, Severity};
use super::surroundings::Surroundings;
use super::toml_file::{Notes, Table, TomlFile, Value, list, nearest};
use super::{
    Admin, AdminDoor, CdrFiles, Config, Consent, Faces, Limits, Listener, Log, Media, Metrics,
    Number, Outside, Report, Route, StaticHosts, Trunk, WhatsApp, rates,
};
use crate::party::Dialling;
use crate::sip::flow::ListenerId;

/// Reads a configuration from disk. With the configuration come warnings; without it, every error at once.
pub fn load(file: &Path) -> Result<(Config, Report), Report> {
    load_from(file, &Machine)
}

/// `wabridge check`: what [`load`] has to say.
pub fn check(file: &Path) -> Report {
    match load(file) {
        Ok((_, report)) | Err(report) => report,
    }
}

/// For a command to the running daemon, whose user may not read all that the daemon reads: of the file only `[admin]` is
/// looked at. `None`: the admin API is off.
pub fn admin_door(file: &Path) -> Result<Option<AdminDoor>, Report> {
    admin_door_from(file, &Machine)
}

/// As [`admin_door`], from any machine.
pub(super) fn admin_door_from(
    file: &Path,
    outside: &dyn Outside,
) -> Result<Option<AdminDoor>, Report> {
    let text = read_text(file, outside)?;
    let (door, _) = read_toml(file, &text, outside, |toml, around, _| {
        toml.read_part(|root| match root.table("admin") {
            Some(table) => AdminDoor::read(&table, around),
            None => Some(Admin::default().socket.map(AdminDoor::Socket)),
        })
    })?;
    Ok(door)
}

/// Where the records of calls are, whatever the rest of the configuration is worth: who reads them needs no secrets.
pub fn cdr_files(file: &Path) -> Result<CdrFiles, Report> {
    let text = read_text(file, &Machine)?;
    let (files, _) = read_toml(file, &text, &Machine, |toml, around, _| {
        toml.read_part(|root| section(root, "cdr", |table| CdrFiles::read(table, around)))
    })?;
    Ok(files)
}

/// As [`load`], from any machine.
pub fn load_from(file: &Path, outside: &dyn Outside) -> Result<(Config, Report), Report> {
    let text = read_text(file, outside)?;
    parse(file, &text, outside)
}

fn read_text(file: &Path, outside: &dyn Outside) -> Result<String, Report> {
    let text = outside
        .read(file)
        .map_err(|error| error.to_string())
        .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned()));
    text.map_err(|error| Report {
        findings: vec![Finding {
            severity: Severity::Error,
            file: file.to_owned(),
            line: None,
            key: String::new(),
            problem: format!("cannot read the configuration: {error}"),
            remedy: "name a file that is there with -c FILE".to_owned(),
        }],
    })
}

fn surroundings<'a>(file: &'a Path, outside: &'a dyn Outside) -> Surroundings<'a> {
    Surroundings {
        outside,
        folder: file.parent().unwrap_or(Path::new("")),
    }
}

/// Reads a configuration from text. `file` names it, and relative paths begin in its folder.
pub fn parse(file: &Path, text: &str, outside: &dyn Outside) -> Result<(Config, Report), Report> {
    read_toml(file, text, outside, |toml, around, notes| {
        toml.read(|table| read_config(table, around, notes))
    })
}

fn read_toml<T>(
    file: &Path,
    text: &str,
    outside: &dyn Outside,
    read: impl FnOnce(TomlFile<'_>, Surroundings<'_>, &Notes) -> Option<T>,
) -> Result<(T, Report), Report> {
    let notes = Notes::default();
    let around = surroundings(file, outside);
    let toml = TomlFile {
        path: file,
        text,
        notes: &notes,
    };
    let result = read(toml, around, &notes);
    let report = Report {
        findings: notes.into_findings(),
    }
    .sorted(file);
    match result {
        Some(result) if !report.has_errors() => Ok((result, report)),
        Some(_) | None => Err(report),
    }
}

fn read_config(root: &Table<'_>, around: Surroundings<'_>, notes: &Notes) -> Option<Config> {
    let mut profiles = Profiles::built_in(around, notes);
    if let Some(folder) = root.value("profile_dir") {
        profiles.add_folder(&folder);
    }
    let listeners = read_listeners(root, around);
    let media = root
        .required(
            "media",
            "write [media] and public_address = \"...\" under it",
        )
        .and_then(|value| value.table()?.read(Media::read));
    let whatsapp = read_whatsapp(root, &listeners, &mut profiles);
    let dialling = section(root, "dialling", |table| {
        read_dialling(table, &Dialling::default())
    });
    let usual = dialling.clone().unwrap_or_default();
    let trunks = read_trunks(root, &listeners, around, &mut profiles, &usual);
    let numbers = read_numbers(root, &trunks, around, &mut profiles);
    require_numbers(root, &trunks, &numbers);
    let routes = read_routes(root, &trunks, &numbers);
    let rates = match root.value("rates") {
        Some(value) => value
            .table()
            .and_then(|table| table.read(|table| rates::read(table, around, notes)))
            .map(Some),
        None => Some(None),
    };
    let cdr = section(root, "cdr", |table| CdrFiles::read(table, around));
    let consent = read_consent(root, around, cdr.as_ref());
    let admin = section(root, "admin", |table| Admin::read(table, around));
    let metrics = section(root, "metrics", Metrics::read);
    let log = section(root, "log", Log::read);
    let limits = section(root, "limits", |table| Some(Limits::read(table)));
    let hosts = match root.value("hosts") {
        Some(value) => value.table().map(|table| StaticHosts::read(&table)),
        None => Some(StaticHosts::default()),
    };
    let (media, limits) = (media?, limits?);
    check_ports(root, &media, &limits, &listeners);
    Some(Config {
        listeners: listeners.known,
        media,
        profiles: profiles.into_known(),
        whatsapp: whatsapp?,
        numbers: numbers
            .into_iter()
            .map(|number| (number.number.clone(), number))
            .collect(),
        dialling: dialling?,
        trunks,
        routes,
        consent: consent?,
        rates: rates?,
        cdr: cdr?,
        admin: admin?,
        metrics: metrics?,
        log: log?,
        limits,
        hosts: hosts?,
    })
}

/// A table that may be missing.
fn section<T: Default>(
    root: &Table<'_>,
    key: &'static str,
    read: impl FnOnce(&Table<'_>) -> Option<T>,
) -> Option<T> {
    match root.value(key) {
        Some(value) => value.table()?.read(read),
        None => Some(T::default()),
    }
}

fn read_consent(
    root: &Table<'_>,
    around: Surroundings<'_>,
    cdr: Option<&CdrFiles>,
) -> Option<Consent> {
    match root.value("consent") {
        Some(value) => value
            .table()?
            .read(|table| Consent::read(table, around, cdr?)),
        None => Some(Consent::beside(cdr?)),
    }
}

/// The tables under a heading, each under a name of the operator's.
fn named<'a>(
    root: &Table<'a>,
    key: &'static str,
    remedy: &str,
    shown: impl Fn(&str) -> String,
) -> Vec<(String, Value<'a>)> {
    let entries = root
        .required(key, remedy)
        .and_then(|value| value.table())
        .map(|table| table.named(shown));
    entries.unwrap_or_default()
}

fn read_listeners(root: &Table<'_>, around: Surroundings<'_>) -> Listeners {
    let entries = named(
        root,
        "listeners",
        "write [listeners.whatsapp] and [listeners.pbx]",
        str::to_owned,
    );
    let mut listeners = Listeners::default();
    for ((name, value), id) in entries.into_iter().zip(0..) {
        let listener = value
            .table()
            .and_then(|table| table.read(|table| Listener::read(name, table, around)));
        let Some(listener) = listener else {
            listeners.has_gaps = true;
            continue;
        };
        if let Some(other) = listeners
            .known
            .values()
            .find(|other| listener.clashes_with(other))
        {
            value.error(
                &format!(
                    "listener \"{}\" listens on {} as well",
                    other.name, other.bind
                ),
                "give one of them another port",
            );
        }
        listeners.known.insert(ListenerId(id), listener);
    }
    if let Some(value) = root.value("listeners").filter(|_| !listeners.has_gaps) {
        require_faces(&value, &listeners);
    }
    listeners
}

fn require_faces(value: &Value<'_>, listeners: &Listeners) {
    for (faces, name) in [(Faces::WhatsApp, "whatsapp"), (Faces::Pbx, "pbx")] {
        if !listeners
            .known
            .values()
            .any(|listener| listener.faces == faces)
        {
            value.error(
                &format!("no listener faces {name}"),
                &format!("write [listeners.{name}] with faces = \"{name}\""),
            );
        }
    }
}

fn read_whatsapp(
    root: &Table<'_>,
    listeners: &Listeners,
    profiles: &mut Profiles<'_>,
) -> Option<WhatsApp> {
    match root.value("whatsapp") {
        Some(value) => value
            .table()?
            .read(|table| WhatsApp::read(Some(table), listeners.known.values(), profiles)),
        None => WhatsApp::read(None, listeners.known.values(), profiles),
    }
}

fn read_trunks(
    root: &Table<'_>,
    listeners: &Listeners,
    around: Surroundings<'_>,
    profiles: &mut Profiles<'_>,
    dialling: &Dialling,
) -> BTreeMap<String, Trunk> {
    let remedy = "write [trunks.office] and [[trunks.office.peers]]";
    named(root, "trunks", remedy, str::to_owned)
        .into_iter()
        .filter_map(|(name, value)| {
            let trunk = Trunk::read(name.clone(), &value, listeners, around, profiles, dialling)?;
            Some((name, trunk))
        })
        .collect()
}

fn read_numbers(
    root: &Table<'_>,
    trunks: &BTreeMap<String, Trunk>,
    around: Surroundings<'_>,
    profiles: &mut Profiles<'_>,
) -> Vec<Number> {
    let remedy = "write [numbers.\"+17015550100\"] for each business number";
    let entries = named(root, "numbers", remedy, masked);
    if let (Some(value), true) = (root.value("numbers"), entries.is_empty()) {
        value.error("there is no business number", remedy);
    }
    let mut numbers: Vec<Number> = Vec::new();
    for (name, value) in entries {
        let number = Number::read(&name, &value, around, profiles);
        if let Some(trunk) = value.table().and_then(|table| table.value("trunk")) {
            require_trunk(&trunk, root, trunks);
        }
        let Some(number) = number else {
            continue;
        };
        if numbers.iter().any(|other| other.number == number.number) {
            value.error("this number is configured above", "remove one of the two");
        }
        numbers.push(number);
    }
    numbers
}

/// A configuration error may be logged: a number shows its last two digits alone.
fn masked(number: &str) -> String {
    let tail: Vec<char> = number.chars().rev().take(2).collect();
    format!("...{}", tail.into_iter().rev().collect::<String>())
}

/// A trunk may call with a number that is configured.
fn require_numbers(root: &Table<'_>, trunks: &BTreeMap<String, Trunk>, numbers: &[Number]) {
    let named = root.table("trunks").map(|table| table.named(str::to_owned));
    for (name, value) in named.unwrap_or_default() {
        let wanted = trunks.get(&name).and_then(|trunk| trunk.number.as_ref());
        let value = value.table().and_then(|table| table.value("number"));
        if let (Some(wanted), Some(value)) = (wanted, value)
            && !numbers.iter().any(|known| known.number == *wanted)
        {
            value.error(UNKNOWN_NUMBER, WRITE_NUMBER);
        }
    }
}

const UNKNOWN_NUMBER: &str = "this business number is not configured";
const WRITE_NUMBER: &str = "write it as under [numbers]";

fn read_routes(
    root: &Table<'_>,
    trunks: &BTreeMap<String, Trunk>,
    numbers: &[Number],
) -> Vec<Route> {
    let mut routes = Vec::new();
    for table in root.tables("routes") {
        let route = table.read(|table| {
            let route = Route::read(table);
            if let Some(trunk) = table.value("trunk") {
                require_trunk(&trunk, root, trunks);
            }
            if let (Some(route), Some(value)) = (&route, table.value("number"))
                && !numbers
                    .iter()
                    .any(|known| Some(&known.number) == route.number.as_ref())
            {
                value.error(UNKNOWN_NUMBER, WRITE_NUMBER);
            }
            route
        });
        routes.extend(route);
    }
    routes
}

/// Trunks that are there but wrong are complained about in their own place.
fn require_trunk(value: &Value<'_>, root: &Table<'_>, trunks: &BTreeMap<String, Trunk>) {
    let written: Vec<String> = root
        .table("trunks")
        .map(|table| table.named(str::to_owned))
        .unwrap_or_default()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let Some(name) = value.text() else {
        return;
    };
    if trunks.contains_key(name) || written.iter().any(|written| written == name) {
        return;
    }
    let known = || written.iter().map(String::as_str);
    let remedy = match nearest(name, known()) {
        Some(known) => format!("did you mean \"{known}\"?"),
        None if written.is_empty() => format!("write [trunks.{name}]"),
        None => format!("write one of {}", list(known())),
    };
    value.error(&format!("there is no trunk \"{name}\""), &remedy);
}

/// RTP and SIP by UDP cannot share a port; and the range should carry the calls that are allowed.
fn check_ports(root: &Table<'_>, media: &Media, limits: &Limits, listeners: &Listeners) {
    let Some(value) = root.value("media") else {
        return;
    };
    for listener in listeners.known.values() {
        let clashes = !listener.transport.is_reliable()
            && media.has_port(listener.bind.port())
            && overlap(media.bind, listener.bind.ip());
        if clashes {
            value.error(
                &format!(
                    "port {} of listener \"{}\" is within the media ports {} to {}",
                    listener.bind.port(),
                    listener.name,
                    media.first_port,
                    media.last_port
                ),
                "move the listener, or first_port and last_port",
            );
        }
    }
    if (1..limits.calls).contains(&media.calls()) {
        value.warning(
            &format!(
                "the media ports are enough for {} calls, limits.calls allows {}",
                media.calls(),
                limits.calls
            ),
            "widen first_port to last_port (four ports a call), or lower limits.calls",
        );
    }
}
