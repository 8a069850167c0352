//! WhatsApp's side: who may come in, and the business numbers.

use secrecy::SecretString;

use super::profile::read_prefix;
use super::profiles::Profiles;
use super::surroundings::Surroundings;
use super::toml_file::{Table, Value};
use super::{Faces, Listener, Prefix};
use crate::party::PhoneNumber;

const DEFAULT_PROFILE: &str = "meta";
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
}

/// One WhatsApp business number.
#[derive(Clone, Debug)]
pub struct Number {
    pub number: PhoneNumber,
    /// Password that WhatsApp generated for this number.
    pub password: SecretString,
    /// Overrides `WhatsApp::profile`.
    pub profile: Option<String>,
    pub trunk: String,
    /// Extension dialled on the PBX; the number itself when `None`.
    pub extension: Option<String>,
    pub concurrent_calls: u32,
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
        let advertised = || {
            let mut facing = listeners.filter(|listener| listener.faces == Faces::WhatsApp);
            facing
                .next()
                .map(|listener| listener.advertise.0.to_string())
        };
        Some(Self {
            source_prefixes: read_sources(table, profiles.get(&profile)?.source_prefixes.clone()),
            profile,
            realm: match realm {
                Some(realm) => realm?,
                None => advertised().unwrap_or_else(|| "wabridge".to_owned()),
            },
        })
    }
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
            let trunk = table
                .required("trunk", "write trunk = \"...\": where this number's calls go")
                .and_then(|value| value.text());
            let extension = table.value("extension").map(|value| read_extension(&value));
            let concurrent_calls =
                table.number("concurrent_calls", 1..=100_000, DEFAULT_CONCURRENT_CALLS);
            Some(Self {
                number: number.ok()?,
                password: password?,
                profile: profile.map_or(Some(None), |profile| profile.map(Some))?,
                trunk: trunk?.to_owned(),
                extension: extension.map_or(Some(None), |extension| extension.map(Some))?,
                concurrent_calls,
            })
        })
    }
}

/// The user part that is dialled on the PBX.
pub(super) fn read_extension(value: &Value<'_>) -> Option<String> {
    value.parse("write what the PBX dials, as in \"100\"", |text| {
        let is_fit = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.!~*'+#&=$,?/".contains(&byte));
        is_fit
            .then(|| text.to_owned())
            .ok_or("an extension has 1 to 64 letters, digits or marks, no spaces")
    })
}
