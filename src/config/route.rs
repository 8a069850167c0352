//! Which calls go where.

use crate::party::PhoneNumber;

/// Which calls go where. All given conditions must hold.
#[derive(Clone, Debug)]
pub struct Route {
    pub number: Option<PhoneNumber>,
    /// Prefix of the call button's or deep link's payload.
    pub payload_prefix: Option<String>,
    /// ISO country of the user as WhatsApp tells it, upper case.
    pub countries: Vec<String>,
    pub hours: Option<Hours>,
    pub trunk: String,
    pub extension: Option<String>,
}

/// Weekly hours in a time zone.
#[derive(Clone, Debug)]
pub struct Hours {
    pub zone: jiff::tz::TimeZone,
    /// Day (Monday first), from, to; `to` may be 24:00.
    pub windows: Vec<(jiff::civil::Weekday, jiff::civil::Time, jiff::civil::Time)>,
}
