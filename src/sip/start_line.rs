//! Request line and status line (RFC 3261 §7.1, §7.2).

use crate::sip::error::ParseError;
use crate::sip::method::Method;
use crate::sip::text;

/// The first line of a message, taken apart.
pub(crate) enum StartLine<'a> {
    Request {
        method: Method,
        target: &'a str,
        version: &'a str,
    },
    Response {
        status: u16,
        reason: &'a str,
    },
}

impl<'a> StartLine<'a> {
    pub(crate) fn parse(line: &'a str) -> Result<Self, ParseError> {
        match line.split_once(' ') {
            Some((version, status)) if is_sip_2(version) => {
                Self::response(status).ok_or(ParseError::new("bad status line"))
            }
            Some(_) | None => Self::request(line).ok_or(ParseError::new("bad request line")),
        }
    }

    /// A request of another version is to be refused with 505 (RFC 3261 §21.5.6).
    pub(crate) fn check_version(&self) -> Result<(), ParseError> {
        match self {
            Self::Response { .. } => Ok(()),
            Self::Request { version, .. } if is_sip_2(version) => Ok(()),
            Self::Request { version, .. } if is_sip(version) => {
                Err(ParseError::with_status(505, "not SIP/2.0"))
            }
            Self::Request { .. } => Err(ParseError::new("bad request line")),
        }
    }

    /// The target is all between the first and the last blank, so that a request with blanks in its URI can be answered.
    fn request(line: &'a str) -> Option<Self> {
        let (method, rest) = line.split_once(' ')?;
        let (target, version) = rest.rsplit_once(' ')?;
        Some(Self::Request {
            method: Method::parse(method)?,
            target,
            version,
        })
    }

    /// A missing blank before an empty phrase is let through.
    fn response(line: &'a str) -> Option<Self> {
        let (digits, reason) = line.split_once(' ').unwrap_or((line, ""));
        let status = u16::try_from(text::digits(digits)?).ok()?;
        let known =
            digits.len() == 3 && (100..700).contains(&status) && !reason.contains(['\r', '\n']);
        known.then_some(Self::Response { status, reason })
    }
}

/// Versions are compared without case (RFC 3261 §7.1).
fn is_sip_2(version: &str) -> bool {
    version.eq_ignore_ascii_case("SIP/2.0")
}

fn is_sip(version: &str) -> bool {
    version
        .get(..4)
        .is_some_and(|name| name.eq_ignore_ascii_case("SIP/"))
}
