//! What stands in a URI for the one who is called, before it is understood.

use super::user_name;

/// The part of a SIP or `tel:` URI that was dialled.
pub(super) struct Dialled {
    /// Unescaped, without parameters.
    pub(super) name: String,
    /// `;phone-context=+49`: the digits that stand before a local number (RFC 3966 §5.1.5). A context that is a domain
    /// says nothing about digits.
    pub(super) context: Option<String>,
}

impl Dialled {
    /// Reads a user part, or a whole `tel:`, `sip:` or `sips:` URI. `None`: nothing is there that can be a user part.
    pub(super) fn parse(uri_or_user: &str) -> Option<Self> {
        let user = user_part(uri_or_user)?;
        Some(Self {
            name: user_name(user)?,
            context: phone_context(user),
        })
    }
}

/// With the user's parameters. After the last `@` stands the host; a password (RFC 3261 §19.1.1) is nobody's name.
fn user_part(text: &str) -> Option<&str> {
    if let Some(number) = without_scheme(text, "tel:") {
        return Some(number);
    }
    match without_scheme(text, "sip:").or_else(|| without_scheme(text, "sips:")) {
        Some(rest) => rest.rsplit_once('@')?.0.split(':').next(),
        None => Some(text),
    }
}

fn without_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn phone_context(user: &str) -> Option<String> {
    let mut params = user.split(';').skip(1);
    let value = params.find_map(|param| {
        let (name, value) = param.split_once('=')?;
        name.eq_ignore_ascii_case("phone-context").then_some(value)
    })?;
    let digits = compact(user_name(value)?.strip_prefix('+')?);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(digits)
}

/// Without visual separators (RFC 3966 §5.1.1) and spaces.
pub(super) fn compact(text: &str) -> String {
    text.chars().filter(|c| !"-.() ".contains(*c)).collect()
}
