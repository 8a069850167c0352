//! Which calls go where.

use jiff::civil::{Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::toml_file::{Table, Value};
use super::whatsapp::read_extension;
use crate::party::PhoneNumber;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

const WINDOW: &str = "write days and times, as in \"mon-fri 08:00-18:00\" or \"sat 09:00-24:00\"";

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
    pub zone: TimeZone,
    /// Day, from, to (not included). The end of the day, 24:00, is midnight.
    pub windows: Vec<(Weekday, Time, Time)>,
}

impl Route {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let number = optional(table.value("number"), |value| {
            value.parse("write it as in \"+17015550100\"", PhoneNumber::parse)
        });
        let payload_prefix = optional(table.value("payload_prefix"), |value| {
            value.text().map(str::to_owned)
        });
        let countries = table.list("countries", |value| read_country(&value));
        let hours = optional(table.value("hours"), |value| {
            value.table()?.read(Hours::read)
        });
        let extension = optional(table.value("extension"), |value| read_extension(&value));
        let trunk = table
            .required("trunk", "write trunk = \"...\": where these calls go")
            .and_then(|value| value.text());
        Some(Self {
            number: number?,
            payload_prefix: payload_prefix?,
            countries: countries.unwrap_or_default(),
            hours: hours?,
            trunk: trunk?.to_owned(),
            extension: extension?,
        })
    }
}

/// The outer `None`: there, but wrong.
fn optional<'a, T>(
    value: Option<Value<'a>>,
    read: impl FnOnce(Value<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match value {
        Some(value) => read(value).map(Some),
        None => Some(None),
    }
}

fn read_country(value: &Value<'_>) -> Option<String> {
    value.parse("write the two letters of ISO 3166, as in \"DE\"", |text| {
        let is_code = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
        is_code
            .then(|| text.to_ascii_uppercase())
            .ok_or("this is no country code")
    })
}

impl Hours {
    fn read(table: &Table<'_>) -> Option<Self> {
        let zone = table
            .required("zone", "write zone = \"...\", as in \"Europe/Berlin\"")
            .and_then(|value| {
                value.parse(
                    "write a name of the IANA database, as in \"Europe/Berlin\"",
                    find_zone,
                )
            });
        let windows = table
            .required("windows", "write windows = [\"mon-fri 08:00-18:00\"]")
            .and_then(|value| value.list())?
            .into_iter()
            .map(|value| value.parse(WINDOW, parse_windows))
            .collect::<Option<Vec<_>>>();
        Some(Self {
            zone: zone?,
            windows: windows?.into_iter().flatten().collect(),
        })
    }

    /// Whether the hours hold at this moment.
    pub fn contain(&self, moment: jiff::Timestamp) -> bool {
        let local = self.zone.to_datetime(moment);
        self.windows.iter().any(|&(day, from, to)| {
            let is_before_end = to == Time::midnight() || local.time() < to;
            day == local.weekday() && from <= local.time() && is_before_end
        })
    }
}

/// Zones come with the program, so that a machine without them behaves the same.
pub fn find_zone(name: &str) -> Result<TimeZone, &'static str> {
    TimeZoneDatabase::bundled()
        .get(name)
        .map_err(|_| "there is no such time zone")
}

/// `mon-fri 08:00-18:00`: a window a day. Over the end of the week (`sat-mon`) is fine, over midnight is not.
fn parse_windows(text: &str) -> Result<Vec<(Weekday, Time, Time)>, &'static str> {
    let (days, times) = text
        .trim()
        .split_once(' ')
        .ok_or("days and times stand with a space between")?;
    let (first, last) = days.split_once('-').unwrap_or((days, days));
    let (first, last) = (parse_day(first)?, parse_day(last)?);
    let (from, to) = times
        .trim()
        .split_once('-')
        .ok_or("times stand with a dash between")?;
    let from = parse_time(from)?;
    let to = parse_end(to, from)?;
    let days = first.cycle_forward().take(7);
    let count = 1 + usize::try_from(last.since(first)).unwrap_or(0);
    Ok(days.take(count).map(|day| (day, from, to)).collect())
}

fn parse_day(text: &str) -> Result<Weekday, &'static str> {
    let found = DAYS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text.trim()));
    found
        .map(|(_, day)| *day)
        .ok_or("days are mon, tue, wed, thu, fri, sat, sun")
}

fn parse_end(text: &str, from: Time) -> Result<Time, &'static str> {
    if text.trim() == "24:00" {
        return Ok(Time::midnight());
    }
    let to = parse_time(text)?;
    if from >= to {
        return Err("the end is not after the beginning; over midnight, write two windows");
    }
    Ok(to)
}

fn parse_time(text: &str) -> Result<Time, &'static str> {
    const WRONG: &str = "times are 00:00 to 24:00";
    let (hour, minute) = text.trim().split_once(':').ok_or(WRONG)?;
    let hour = hour.parse().map_err(|_| WRONG)?;
    let minute = minute.parse().map_err(|_| WRONG)?;
    Time::new(hour, minute, 0, 0).map_err(|_| WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, windows: &[&str]) -> Hours {
        Hours {
            zone: find_zone(zone).unwrap(),
            windows: windows
                .iter()
                .flat_map(|text| parse_windows(text).unwrap())
                .collect(),
        }
    }

    fn holds(hours: &Hours, moment: &str) -> bool {
        hours.contain(moment.parse().unwrap())
    }

    #[test]
    fn hours_follow_their_zone_through_summer_time() {
        let hours = hours("Europe/Berlin", &["mon-fri 08:00-18:00"]);
        // Wednesdays, winter (UTC+1) and summer (UTC+2).
        for (moment, open) in [
            ("2026-01-14T06:59:59Z", false),
            ("2026-01-14T07:00:00Z", true),
            ("2026-01-14T16:59:59Z", true),
            ("2026-01-14T17:00:00Z", false),
            ("2026-07-15T06:00:00Z", true),
            ("2026-07-15T16:00:00Z", false),
            ("2026-07-18T10:00:00Z", false),
        ] {
            assert_eq!(holds(&hours, moment), open, "{moment}");
        }
    }

    #[test]
    fn the_last_second_of_a_day_is_within_24_00() {
        let hours = hours("UTC", &["sun 20:00-24:00"]);
        assert!(holds(&hours, "2026-11-22T23:59:59.999999999Z"));
        assert!(!holds(&hours, "2026-11-23T00:00:00Z"));
    }

    #[test]
    fn days_go_round_the_week() {
        let days: Vec<Weekday> = parse_windows("SAT-mon 00:00-24:00")
            .unwrap()
            .into_iter()
            .map(|(day, _, _)| day)
            .collect();
        assert_eq!(days, [Weekday::Saturday, Weekday::Sunday, Weekday::Monday]);
        assert_eq!(parse_windows("mon-sun 09:00-10:30").unwrap().len(), 7);
    }

    #[test]
    fn what_is_no_window() {
        for text in [
            "",
            "mon",
            "mon 9-10",
            "mon 10:00-10:00",
            "mon 22:00-06:00",
            "mon 22:00-00:00",
            "mon 24:00-24:00",
            "mon 00:00-24:01",
            "mo 09:00-10:00",
            "mon-x 09:00-10:00",
            "mon 09:00",
            "mon 9:60-10:00",
            "mon -1:00-10:00",
        ] {
            assert!(parse_windows(text).is_err(), "{text}");
        }
    }
}
