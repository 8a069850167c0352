//! WhatsApp's side: who may come in, and the business numbers.

use secrecy::SecretString;

use super::host::parse_host;
use super::profile::read_prefix;
use super::profiles::Profiles;
use super::surroundings::Surroundings;
use super::toml_file::{Table, Value};
use super::{Faces, Listener, OwnSecurity, Prefix, RuleSet};
use crate::party::PhoneNumber;
use crate::sip::flow::Host;

const DEFAULT_PROFILE: &str = "meta";
/// Where WhatsApp takes calls to its users (dossier 2.1).
const DEFAULT_HOST: &str = "wa.meta.vc";
const DEFAULT_PORT: u16 = 5061;
/// WhatsApp's own limit (dossier 11: 1000 or 5000).
const DEFAULT_CONCURRENT_CALLS: u32 = 1_000;

/// WhatsApp's side as a peer.
#[derive(Clone, Debug)]
pub struct WhatsApp {
    pub profile: String,
    /// Allow list of source addresses (dossier 2.1); empty allows all that digest lets in.
    pub source_prefixes: Vec<Prefix>,
    /// Digest realm of our challenge.
    pub realm: String,
    /// Where calls to users go: the name that its certificate covers and that their URIs have.
    pub host: Host,
    pub port: u16,
    /// The host in `From` of calls to users. WhatsApp wants the number's configured SIP server (dossier 2.9).
    pub from_host: Host,
}

/// One WhatsApp business number.
#[derive(Clone, Debug)]
pub struct Number {
    pub number: PhoneNumber,
    /// Password that WhatsApp generated for this number.
    pub password: SecretString,
    /// Overrides `WhatsApp::profile`.
    pub profile: Option<String>,
    /// Overrides the profile's.
    pub security: OwnSecurity,
    pub trunk: String,
    /// Extension dialled on the PBX; the number itself when `None`.
    pub extension: Option<String>,
    pub concurrent_calls: u32,
    /// Overrides `Consent::usual`.
    pub consent: Option<RuleSet>,
}

impl WhatsApp {
    /// `table`: `None` when the file has no `[whatsapp]`, since everything in it has a default.
    pub(super) fn read<'a>(
        table: Option<&Table<'_>>,
        listeners: impl Iterator<Item = &'a Listener>,
        profiles: &mut Profiles<'_>,
    ) -> Option<Self> {
        let value = |key: &'static str| table.and_then(|table| table.value(key));
        let profile = match value("profile") {
            Some(value) => profiles.require(&value)?,
            None => DEFAULT_PROFILE.to_owned(),
        };
        let realm = value("realm").map(|value| read_realm(&value));
        let host = |key| value(key).map(|value| read_name(&value));
        let (server, from_host) = (host("host"), host("from_host"));
        let port = table.map(|table| table.number("port", 1..=65_535, DEFAULT_PORT.into()));
        let mut facing = listeners.filter(|listener| listener.faces == Faces::WhatsApp);
        let advertised = facing.next().map(|listener| listener.advertise.0.clone());
        Some(Self {
            source_prefixes: read_sources(table, profiles.get(&profile)?.source_prefixes.clone()),
            profile,
            realm: match (realm, &advertised) {
                (Some(realm), _) => realm?,
                (None, Some(advertised)) => advertised.to_string(),
                (None, None) => "wabridge".to_owned(),
            },
            host: server.unwrap_or_else(|| Some(Host::Name(DEFAULT_HOST.to_owned())))?,
            port: port.map_or(Some(DEFAULT_PORT), |port| u16::try_from(port).ok())?,
            from_host: match from_host {
                Some(from_host) => from_host?,
                None => advertised.unwrap_or_else(|| Host::Name("wabridge.invalid".to_owned())),
            },
        })
    }
}

/// An address instead gets 404 (dossier 2.1).
fn read_name(value: &Value<'_>) -> Option<Host> {
    let host = value.parse("write a host name, as in \"sip.example.com\"", parse_host)?;
    if let Host::Address(_) = host {
        value.warning(
            "WhatsApp wants a host name here, this is an address",
            "write the name",
        );
    }
    Some(host)
}

fn read_sources(table: Option<&Table<'_>>, usual: Vec<Prefix>) -> Vec<Prefix> {
    let Some(table) = table else {
        return usual;
    };
    let sources = table.list("source_prefixes", |value| read_prefix(&value));
    if let Some(value) = table.value("source_prefixes")
        && value.list().is_some_and(|list| list.is_empty())
    {
        value.warning(
            "with an empty list every address of the internet may try passwords",
            "remove this line to use the profile's list",
        );
    }
    sources.unwrap_or(usual)
}

/// It stands in quotes in a header.
fn read_realm(value: &Value<'_>) -> Option<String> {
    value.parse("write a short name, as in \"sip.example.com\"", |text| {
        let is_fit = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\');
        is_fit
            .then(|| text.to_owned())
            .ok_or("a realm is printable text without quotes")
    })
}

impl Number {
    pub(super) fn read(
        name: &str,
        value: &Value<'_>,
        around: Surroundings<'_>,
        profiles: &mut Profiles<'_>,
    ) -> Option<Self> {
        let number = PhoneNumber::parse(name);
        if let Err(error) = &number {
            value.error(
                &format!("this is no number in E.164 form: {error}"),
                "write it as in [numbers.\"+17015550100\"]",
            );
        }
        value.table()?.read(|table| {
            let password = around.password(table);
            if password.is_none() && !["password", "password_file", "password_env"].iter().any(|key| table.value(key).is_some()) {
                table.error(
                    "the password is missing",
                    "write password_file = \"...\", password_env = \"...\" or password = \"...\": sip_user_password of WhatsApp's SIP settings",
                );
            }
            let profile = table.value("profile").map(|value| profiles.require(&value));
            let security = OwnSecurity::read(table);
            let trunk = table
                .required("trunk", "write trunk = \"...\": where this number's calls go")
                .and_then(|value| value.text());
            let extension = table.value("extension").map(|value| read_extension(&value));
            let concurrent_calls =
                table.number("concurrent_calls", 1..=100_000, DEFAULT_CONCURRENT_CALLS);
            let consent = table
                .value("consent")
                .and_then(|value| value.choice(&RuleSet::NAMES));
            Some(Self {
                number: number.ok()?,
                password: password?,
                profile: profile.map_or(Some(None), |profile| profile.map(Some))?,
                security,
                trunk: trunk?.to_owned(),
                extension: extension.map_or(Some(None), |extension| extension.map(Some))?,
                concurrent_calls,
                consent,
            })
        })
    }
}

/// The user part that is dialled on the PBX.
pub(super) fn read_extension(value: &Value<'_>) -> Option<String> {
    value.parse("write what the PBX dials, as in \"100\"", |text| {
        is_extension(text)
            .then(|| text.to_owned())
            .ok_or("an extension has 1 to 64 letters, digits or marks, no spaces")
    })
}

/// Whether a PBX may be asked for it.
pub fn is_extension(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.!~*'+#&=$,?/".contains(&byte))
}
