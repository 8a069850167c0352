//! How PBXs dial WhatsApp users: for all trunks, and for one where it differs.

use super::toml_file::{Table, Value};
use crate::party::{Country, Dialling, RefusedNumbers};

const COUNTRY_KEYS: [&str; 2] = ["national_prefix", "national_prefix_required"];

/// `[dialling]`, or a trunk's own; keys that are missing are as in `usual`.
pub(super) fn read_dialling(table: &Table<'_>, usual: &Dialling) -> Option<Dialling> {
    let code = match table.value("country_code") {
        Some(value) => Some(read_code(&value)?),
        None => None,
    };
    let usual = match code {
        Some(code) => usual_in(usual, &code),
        None => usual.clone(),
    };
    let country = read_country(table, usual.country);
    let dial_prefixes = read_prefixes(table, "dial_prefixes", is_dial_prefix);
    let international = read_prefixes(table, "international_prefixes", |prefix| {
        is_digits(prefix, 1..=5)
    });
    let refuse = table.list("refuse", |value| {
        value.parse(
            "write it as in \"112\", or \"0900*\" for all that begin so",
            str::parse::<RefusedNumbers>,
        )
    });
    Some(Dialling {
        dial_prefixes: dial_prefixes.unwrap_or(usual.dial_prefixes),
        international_prefixes: international.unwrap_or(usual.international_prefixes),
        country: country?,
        refuse: refuse.unwrap_or(usual.refuse),
    })
}

/// Another country comes with its own prefixes.
fn usual_in(usual: &Dialling, code: &str) -> Dialling {
    let is_same = usual
        .country
        .as_ref()
        .is_some_and(|country| country.code == code);
    if is_same {
        return usual.clone();
    }
    let international = if code == "1" { "011" } else { "00" };
    Dialling {
        international_prefixes: vec![international.to_owned()],
        country: Some(Country::usual(code)),
        ..usual.clone()
    }
}

/// The outer `None`: wrong, and noted.
fn read_country(table: &Table<'_>, usual: Option<Country>) -> Option<Option<Country>> {
    let Some(usual) = usual else {
        return match COUNTRY_KEYS.iter().find_map(|key| table.value(key)) {
            Some(value) => {
                value.error(
                    "country_code is missing",
                    "write country_code = \"...\" beside it: without a country no number is national",
                );
                None
            }
            None => Some(None),
        };
    };
    let prefix = match table.value("national_prefix") {
        Some(value) => Some(value.parse(
            "write what is dialled before a national number, as in \"0\"; \"\" for nothing",
            |text| {
                is_digits(text, 0..=4)
                    .then(|| text.to_owned())
                    .ok_or("a prefix has up to 4 digits")
            },
        )?),
        None => None,
    };
    let required = table.flag("national_prefix_required", usual.is_prefix_required);
    Some(Some(Country {
        code: usual.code,
        national_prefix: prefix.unwrap_or(usual.national_prefix),
        is_prefix_required: required,
    }))
}

fn read_code(value: &Value<'_>) -> Option<String> {
    value.parse("write the digits alone, as in \"49\"", |text| {
        let is_fit = is_digits(text, 1..=3) && !text.starts_with('0');
        is_fit
            .then(|| text.to_owned())
            .ok_or("a country code has 1 to 3 digits, the first not 0, without +")
    })
}

fn read_prefixes(
    table: &Table<'_>,
    key: &'static str,
    is_fit: impl Fn(&str) -> bool,
) -> Option<Vec<String>> {
    table.list(key, |value| {
        value.parse("write it as in \"00\" or \"*88\"", |text| {
            is_fit(text)
                .then(|| text.to_owned())
                .ok_or("it cannot stand before a number")
        })
    })
}

fn is_dial_prefix(text: &str) -> bool {
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"*#".contains(&byte);
    (1..=16).contains(&text.len()) && text.bytes().all(is_key)
}

fn is_digits(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
