//! Header names (RFC 3261 §7.3, §7.3.3): compared without case, compact forms read as their long names.

use std::fmt;
use std::hash::{Hash, Hasher};

/// A header name. Two are equal when their text is, without case, however they were made.
#[derive(Clone)]
pub enum Name {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    MaxForwards,
    Route,
    RecordRoute,
    ContentType,
    ContentLength,
    Accept,
    Allow,
    Authorization,
    AuthenticationInfo,
    Event,
    Expires,
    Join,
    MinSe,
    PAssertedIdentity,
    ProxyAuthenticate,
    ProxyAuthorization,
    RAck,
    Reason,
    ReferSub,
    ReferTo,
    ReferredBy,
    Replaces,
    Require,
    RetryAfter,
    RSeq,
    Server,
    SessionExpires,
    SubscriptionState,
    Supported,
    Timestamp,
    Unsupported,
    UserAgent,
    Warning,
    WwwAuthenticate,
    /// Any other, as it is to be written.
    Other(String),
}

/// Every known name with its compact form, most frequent first.
const KNOWN: &[(Name, &str)] = &[
    (Name::Via, "v"),
    (Name::From, "f"),
    (Name::To, "t"),
    (Name::CallId, "i"),
    (Name::CSeq, ""),
    (Name::Contact, "m"),
    (Name::MaxForwards, ""),
    (Name::Route, ""),
    (Name::RecordRoute, ""),
    (Name::ContentType, "c"),
    (Name::ContentLength, "l"),
    (Name::Accept, ""),
    (Name::Allow, ""),
    (Name::Authorization, ""),
    (Name::AuthenticationInfo, ""),
    (Name::Event, "o"),
    (Name::Expires, ""),
    (Name::Join, ""),
    (Name::MinSe, ""),
    (Name::PAssertedIdentity, ""),
    (Name::ProxyAuthenticate, ""),
    (Name::ProxyAuthorization, ""),
    (Name::RAck, ""),
    (Name::Reason, ""),
    (Name::ReferSub, ""),
    (Name::ReferTo, "r"),
    (Name::ReferredBy, "b"),
    (Name::Replaces, ""),
    (Name::Require, ""),
    (Name::RetryAfter, ""),
    (Name::RSeq, ""),
    (Name::Server, ""),
    (Name::SessionExpires, "x"),
    (Name::SubscriptionState, ""),
    (Name::Supported, "k"),
    (Name::Timestamp, ""),
    (Name::Unsupported, ""),
    (Name::UserAgent, ""),
    (Name::Warning, ""),
    (Name::WwwAuthenticate, ""),
];

/// Compact forms of headers that have no variant of their own.
const OTHER_COMPACT: &[(&str, &str)] = &[
    ("a", "Accept-Contact"),
    ("d", "Request-Disposition"),
    ("e", "Content-Encoding"),
    ("j", "Reject-Contact"),
    ("n", "Identity-Info"),
    ("s", "Subject"),
    ("u", "Allow-Events"),
    ("y", "Identity"),
];

impl Name {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Via => "Via",
            Self::From => "From",
            Self::To => "To",
            Self::CallId => "Call-ID",
            Self::CSeq => "CSeq",
            Self::Contact => "Contact",
            Self::MaxForwards => "Max-Forwards",
            Self::Route => "Route",
            Self::RecordRoute => "Record-Route",
            Self::ContentType => "Content-Type",
            Self::ContentLength => "Content-Length",
            Self::Accept => "Accept",
            Self::Allow => "Allow",
            Self::Authorization => "Authorization",
            Self::AuthenticationInfo => "Authentication-Info",
            Self::Event => "Event",
            Self::Expires => "Expires",
            Self::Join => "Join",
            Self::MinSe => "Min-SE",
            Self::PAssertedIdentity => "P-Asserted-Identity",
            Self::ProxyAuthenticate => "Proxy-Authenticate",
            Self::ProxyAuthorization => "Proxy-Authorization",
            Self::RAck => "RAck",
            Self::Reason => "Reason",
            Self::ReferSub => "Refer-Sub",
            Self::ReferTo => "Refer-To",
            Self::ReferredBy => "Referred-By",
            Self::Replaces => "Replaces",
            Self::Require => "Require",
            Self::RetryAfter => "Retry-After",
            Self::RSeq => "RSeq",
            Self::Server => "Server",
            Self::SessionExpires => "Session-Expires",
            Self::SubscriptionState => "Subscription-State",
            Self::Supported => "Supported",
            Self::Timestamp => "Timestamp",
            Self::Unsupported => "Unsupported",
            Self::UserAgent => "User-Agent",
            Self::Warning => "Warning",
            Self::WwwAuthenticate => "WWW-Authenticate",
            Self::Other(name) => name,
        }
    }

    /// Whether a message may have it once only (of those this room reads).
    pub(crate) fn is_single(&self) -> bool {
        matches!(
            self,
            Self::From
                | Self::To
                | Self::CallId
                | Self::CSeq
                | Self::MaxForwards
                | Self::ContentType
        )
    }

    fn other(text: &str) -> Self {
        let long = OTHER_COMPACT
            .iter()
            .find(|(compact, _)| compact.eq_ignore_ascii_case(text))
            .map_or(text, |(_, long)| long);
        Self::Other(long.to_owned())
    }
}

impl From<&str> for Name {
    /// Any spelling, long or compact.
    fn from(text: &str) -> Self {
        KNOWN
            .iter()
            .find(|(name, compact)| {
                name.as_str().eq_ignore_ascii_case(text)
                    || (!compact.is_empty() && compact.eq_ignore_ascii_case(text))
            })
            .map_or_else(|| Self::other(text), |(name, _)| name.clone())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str().eq_ignore_ascii_case(other.as_str())
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().to_ascii_lowercase().hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_one_name() {
        for (text, name) in [
            ("v", Name::Via),
            ("I", Name::CallId),
            ("call-id", Name::CallId),
            ("CSEQ", Name::CSeq),
            ("x", Name::SessionExpires),
            ("r", Name::ReferTo),
            ("B", Name::ReferredBy),
            ("o", Name::Event),
            ("u", Name::Other("Allow-Events".into())),
            ("subscription-state", Name::SubscriptionState),
            ("s", Name::Other("Subject".into())),
        ] {
            assert_eq!(Name::from(text), name);
            assert_eq!(Name::from(text).as_str(), name.as_str());
        }
        assert_eq!(Name::Other("via".into()), Name::Via);
        assert_ne!(Name::from("x-wa"), Name::from("x_wa"));
        assert_eq!(Name::from("X-Custom").as_str(), "X-Custom");
    }
}
