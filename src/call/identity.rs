//! What WhatsApp says about a user, and what of it the PBX is told.
//!
//! The user part of From is a number with `+` or a business-scoped user id, and is treated as opaque (dossier 2.3). The
//! `x-wa-meta-*` headers come in several spellings (dossier 2.4); each is one [`field`](Context::field) here. All of it is
//! untrusted text: what is passed on is cleaned of control characters and cut to size.

use crate::config::SipHabits;
use crate::party::{DisplayName, Party};
use crate::sip::flow::{Host, Transport};
use crate::sip::message::{Headers, Name, NameAddr, Request};
use crate::sip::uri::Uri;

/// Longest value that is passed on, in bytes.
const MAX_VALUE: usize = 512;

const PREFIX: &str = "x-wa-meta-";

/// Fields with more than one spelling; the first one is ours.
const SPELLINGS: [&[&str]; 2] = [
    &["country-code", "user-country-code"],
    &["username", "user-name"],
];

/// Who calls, as WhatsApp told it.
#[derive(Clone)]
pub struct Context {
    pub user: Party,
    /// The profile name, when it says more than the number.
    pub display: Option<DisplayName>,
    headers: Headers,
}

impl Context {
    /// Reads a UIC INVITE. `None` without a usable From.
    pub fn read(invite: &Request) -> Option<Self> {
        let from = invite.headers.from().ok()?;
        let user = Party::from_user_part(from.uri.user.as_deref()?)?;
        let display = from
            .display
            .and_then(|display| DisplayName::parse(&display))
            .filter(|display| !repeats(display, &user));
        Some(Self {
            user,
            display,
            headers: invite.headers.clone(),
        })
    }

    /// Of a user of whom WhatsApp told nothing: the business calls.
    pub fn of(user: Party) -> Self {
        Self {
            user,
            display: None,
            headers: Headers::default(),
        }
    }

    /// A field by its name without `x-wa-meta-`, in any of its spellings, cleaned.
    pub fn field(&self, name: &str) -> Option<String> {
        spellings(name)
            .find_map(|spelling| self.headers.get_loose(&format!("{PREFIX}{spelling}")))
            .or_else(|| self.in_call_id(name))
            .map(|value| clean(value, MAX_VALUE))
            .filter(|value| !value.is_empty())
    }

    /// WhatsApp's Call-ID is `outgoing:wacid....`; older samples have it nowhere else.
    fn in_call_id(&self, name: &str) -> Option<&str> {
        let call_id = self.headers.call_id().ok()?;
        call_id
            .strip_prefix("outgoing:")
            .filter(|id| name == "wacid" && id.starts_with("wacid."))
    }

    /// Payload of the call button or, failing that, of the deep link.
    pub fn payload(&self) -> Option<String> {
        self.field("cta-payload")
            .or_else(|| self.field("deeplink-payload"))
    }

    pub fn wacid(&self) -> Option<String> {
        self.field("wacid")
    }

    /// `From` and `P-Asserted-Identity` toward a PBX: the user at our own host, since `wa.meta.vc` means nothing there.
    pub fn name_addr(&self, host: &Host) -> String {
        let uri = Uri::sip(Some(self.user.expose()), host, None, Transport::Udp);
        let mut name_addr = NameAddr::new(uri);
        name_addr.display = self
            .display
            .as_ref()
            .map(|display| display.expose().to_owned());
        name_addr.to_value()
    }

    /// What a PBX is told beside From: `P-Asserted-Identity` (RFC 3325) and the allowed fields as `X-WA-...`.
    pub fn headers_toward(&self, host: &Host, habits: &SipHabits) -> Headers {
        let mut headers = Headers::default();
        if habits.asserted_identity {
            headers.push(Name::PAssertedIdentity, self.name_addr(host));
        }
        for allowed in &habits.pass_headers {
            if let Some(value) = self.field(allowed) {
                headers.push(Name::Other(header_name(allowed)), value);
            }
        }
        headers
    }
}

/// Some captures have the number as display name, with or without `+` (dossier 2.3).
fn repeats(display: &DisplayName, user: &Party) -> bool {
    display.expose().trim_start_matches('+') == user.expose().trim_start_matches('+')
}

/// `user-id` is written `X-WA-User-Id`.
fn header_name(field: &str) -> String {
    let mut name = "X-WA".to_owned();
    for word in field.split(['-', '_']).filter(|word| !word.is_empty()) {
        let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
        name.push('-');
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(&rest.to_ascii_lowercase());
    }
    name
}

/// Every spelling of a field, the asked one first.
fn spellings(name: &str) -> impl Iterator<Item = &str> {
    let others = SPELLINGS
        .iter()
        .find(|group| group.contains(&name))
        .copied()
        .unwrap_or_default();
    std::iter::once(name).chain(others.iter().copied().filter(move |other| *other != name))
}

/// Without control characters, cut to `max` bytes at a character's edge. No value can begin a header of its own.
fn clean(value: &str, max: usize) -> String {
    let mut cleaned = String::new();
    for c in value.chars().filter(|c| !c.is_control()) {
        if cleaned.len() + c.len_utf8() > max {
            break;
        }
        cleaned.push(c);
    }
    cleaned.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_takes_line_breaks_and_length() {
        assert_eq!(clean("a\r\nEvil: b\u{7f}\0c ", 512), "aEvil: bc");
        assert_eq!(clean("\u{e9}\u{e9}\u{e9}", 5), "\u{e9}\u{e9}");
    }

    #[test]
    fn spellings_are_one_field() {
        let all: Vec<&str> = spellings("country-code").collect();
        assert_eq!(all, ["country-code", "user-country-code"]);
        let all: Vec<&str> = spellings("user-name").collect();
        assert_eq!(all, ["user-name", "username"]);
        let all: Vec<&str> = spellings("wacid").collect();
        assert_eq!(all, ["wacid"]);
    }

    #[test]
    fn names_of_passed_headers() {
        assert_eq!(header_name("wacid"), "X-WA-Wacid");
        assert_eq!(header_name("cta-payload"), "X-WA-Cta-Payload");
        assert_eq!(header_name("user-id"), "X-WA-User-Id");
    }
}
