//! `Reason` (RFC 3326): why a request or response was sent.

use std::fmt;

use crate::sip::text;
use crate::sip::uri::Params;

/// One value: `Q.850;cause=16;text="NORMAL_CLEARING"`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// `SIP`, `Q.850`, ... as written.
    pub protocol: String,
    pub cause: Option<u16>,
    pub text: Option<String>,
}

impl Reason {
    /// A cause of ITU-T Q.850.
    pub fn q850(cause: u16, text: impl Into<String>) -> Self {
        Self::new("Q.850", cause, text.into())
    }

    /// A SIP status code.
    pub fn sip(status: u16, text: impl Into<String>) -> Self {
        Self::new("SIP", status, text.into())
    }

    /// One value, not a list.
    pub fn parse(value: &str) -> Option<Self> {
        let params_at = value.find(';').unwrap_or(value.len());
        let protocol = text::trim(&value[..params_at]);
        let params = Params::parse(&value[params_at..])?;
        text::is_token(protocol).then(|| Self {
            protocol: protocol.to_owned(),
            cause: params.get("cause").and_then(|cause| cause.parse().ok()),
            text: params.text("text").map(|text| text.into_owned()),
        })
    }

    pub fn is_q850(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("Q.850")
    }

    pub fn is_sip(&self) -> bool {
        self.protocol.eq_ignore_ascii_case("SIP")
    }

    fn new(protocol: &str, cause: u16, text: String) -> Self {
        Self {
            protocol: protocol.to_owned(),
            cause: Some(cause),
            text: Some(text).filter(|text| !text.is_empty()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            write!(f, ";text={}", text::quote(text))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let value = r#"Q.850;cause=16;text="Terminated; \"ok\"""#;
        let reason = Reason::parse(value).unwrap();
        assert!(reason.is_q850());
        assert_eq!(
            (reason.cause, reason.text.as_deref()),
            (Some(16), Some(r#"Terminated; "ok""#))
        );
        assert_eq!(reason.to_string(), value);
        assert_eq!(
            Reason::parse("SIP ;cause=200 ;text=\"Call completed elsewhere\"")
                .unwrap()
                .cause,
            Some(200)
        );
        assert_eq!(Reason::sip(408, "").to_string(), "SIP;cause=408");
        assert_eq!(Reason::parse(";cause=1"), None);
    }
}
