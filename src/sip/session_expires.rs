//! `Session-Expires` (RFC 4028 §4).

use std::fmt;
use std::time::Duration;

use crate::sip::text;
use crate::sip::uri::Params;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpires {
    /// Whole seconds.
    pub interval: Duration,
    pub refresher: Option<Refresher>,
}

/// Who refreshes, as seen by the transaction that agreed on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refresher {
    Uac,
    Uas,
}

impl SessionExpires {
    /// An unknown refresher counts as none given.
    pub fn parse(text: &str) -> Option<Self> {
        let params_at = text.find(';').unwrap_or(text.len());
        let params = Params::parse(&text[params_at..])?;
        let refresher = match params.get("refresher") {
            Some(who) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(who) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Some(Self {
            interval: delta_seconds(&text[..params_at])?,
            refresher,
        })
    }
}

/// `delta-seconds`; more than 2^32-1 counts as that (RFC 3261 §20.19).
pub(crate) fn delta_seconds(text: &str) -> Option<Duration> {
    let seconds = text::digits(text::trim(text))?.min(u32::MAX.into());
    Some(Duration::from_secs(seconds))
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interval.as_secs())?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for text in ["1800", "90;refresher=uac", "90;refresher=uas"] {
            assert_eq!(SessionExpires::parse(text).unwrap().to_string(), text);
        }
        let spaced = SessionExpires::parse(" 90 ; refresher=UAS;x").unwrap();
        assert_eq!(spaced.refresher, Some(Refresher::Uas));
        assert_eq!(SessionExpires::parse("soon"), None);
        assert_eq!(
            delta_seconds("99999999999999999999"),
            Some(Duration::from_secs(u32::MAX.into()))
        );
    }
}
