//! Where a call goes: by called number, payload of the button or link, the user's country, the hour.

use std::time::SystemTime;

use crate::config::{Config, Number, Route};
use crate::party::PhoneNumber;

/// What is asked of the routes.
#[derive(Clone, Copy)]
pub struct Inquiry<'a> {
    pub number: &'a PhoneNumber,
    pub payload: Option<&'a str>,
    /// As WhatsApp wrote it.
    pub country: Option<&'a str>,
    pub wall: SystemTime,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Destination {
    pub trunk: String,
    /// The user part dialled on the PBX.
    pub extension: String,
}

/// The first route whose conditions all hold, else the number's own trunk.
pub fn route(config: &Config, inquiry: Inquiry<'_>) -> Option<Destination> {
    let number = config.numbers.get(inquiry.number)?;
    let (trunk, extension) = match config.routes.iter().find(|route| fits(route, inquiry)) {
        Some(route) => (&route.trunk, route.extension.as_ref()),
        None => (&number.trunk, None),
    };
    config.trunks.contains_key(trunk).then(|| Destination {
        trunk: trunk.clone(),
        extension: extension.cloned().unwrap_or_else(|| own_extension(number)),
    })
}

fn own_extension(number: &Number) -> String {
    number
        .extension
        .clone()
        .unwrap_or_else(|| number.number.expose().to_owned())
}

fn fits(route: &Route, inquiry: Inquiry<'_>) -> bool {
    let number = route
        .number
        .as_ref()
        .is_none_or(|number| number == inquiry.number);
    let payload = route.payload_prefix.as_deref().is_none_or(|prefix| {
        inquiry
            .payload
            .is_some_and(|payload| payload.starts_with(prefix))
    });
    number && payload && country_fits(route, inquiry) && hour_fits(route, inquiry)
}

fn country_fits(route: &Route, inquiry: Inquiry<'_>) -> bool {
    route.countries.is_empty()
        || inquiry.country.is_some_and(|country| {
            route
                .countries
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(country))
        })
}

/// A time that no calendar holds is outside all hours.
fn hour_fits(route: &Route, inquiry: Inquiry<'_>) -> bool {
    let moment = jiff::Timestamp::try_from(inquiry.wall);
    route
        .hours
        .as_ref()
        .is_none_or(|hours| moment.is_ok_and(|moment| hours.contain(moment)))
}
