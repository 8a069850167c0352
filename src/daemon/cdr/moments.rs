//! Times as people write them.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// A time that may still need its zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum When {
    Day(Date),
    Local(DateTime),
    Exact(Timestamp),
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let has_time = text.contains(['T', 't', ' ']);
        let read = match has_time {
            true => text
                .parse()
                .map(Self::Exact)
                .or_else(|_| text.parse().map(Self::Local)),
            false => text.parse().map(Self::Day),
        };
        read.map_err(|_| {
            "write a date as in 2026-11-20, or a time as in 2026-11-20T10:00 or 2026-11-20T10:00:00Z"
        })
    }
}

impl When {
    pub(super) fn begin(self, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
        match self {
            Self::Day(day) => Ok(day.to_zoned(zone.clone())?.timestamp()),
            Self::Local(time) => Ok(time.to_zoned(zone.clone())?.timestamp()),
            Self::Exact(time) => Ok(time),
        }
    }

    /// What is before it belongs to it: of a day, all of it.
    pub(super) fn end(self, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
        match self {
            Self::Day(day) => Self::Day(day.checked_add(1.day())?).begin(zone),
            Self::Local(_) | Self::Exact(_) => self.begin(zone),
        }
    }
}

/// RFC 3339 with milliseconds, in a zone: `2026-11-20T11:00:00.000+01:00`.
pub(super) fn written(moment: Option<Timestamp>, zone: &TimeZone) -> String {
    let Some(moment) = moment else {
        return String::new();
    };
    match zone.to_offset(moment).is_zero() {
        true => format!("{moment:.3}"),
        false => {
            let local = moment.to_zoned(zone.clone());
            local.strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_their_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, begin, end) in [
            ("2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            (
                "2026-11-20T10:00",
                "2026-11-20T09:00:00Z",
                "2026-11-20T09:00:00Z",
            ),
            (
                "2026-11-20 10:00:30",
                "2026-11-20T09:00:30Z",
                "2026-11-20T09:00:30Z",
            ),
            (
                "2026-11-20T10:00:00Z",
                "2026-11-20T10:00:00Z",
                "2026-11-20T10:00:00Z",
            ),
            (
                "2026-11-20T10:00:00-05:00",
                "2026-11-20T15:00:00Z",
                "2026-11-20T15:00:00Z",
            ),
        ] {
            let when: When = text.parse().unwrap();
            assert_eq!(when.begin(&berlin).unwrap().to_string(), begin, "{text}");
            assert_eq!(when.end(&berlin).unwrap().to_string(), end, "{text}");
        }
        for text in ["", "today", "2026-13-01", "20.11.2026", "2026-11-20T25:00"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_shown_with_their_zone() {
        let moment: Timestamp = "2026-11-20T10:00:00.25Z".parse().unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let shown = written(Some(moment), &berlin);
        assert_eq!(shown, "2026-11-20T11:00:00.250+01:00");
        let shown = written(Some(moment), &TimeZone::UTC);
        assert_eq!(shown, "2026-11-20T10:00:00.250Z");
    }
}
