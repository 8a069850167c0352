//! WhatsApp's business-scoped user ids (dossier 2.3).

use std::fmt;

/// `US.13491208655302741918`, or of the parent `US.ENT.11815799212886844830`: two capital letters, perhaps `ENT`, letters
/// and digits. Means this user to this business only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// `None`: not of this form.
    pub fn parse(text: &str) -> Option<Self> {
        let (country, rest) = text.split_once('.')?;
        let id = rest.strip_prefix("ENT.").unwrap_or(rest);
        let is_country = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
        let is_id =
            (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_country && is_id).then(|| Self(text.to_owned()))
    }

    /// Whole.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// ISO country, upper case.
    pub fn country(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, id) = match self.0.rfind('.') {
            Some(dot) => self.0.split_at(dot + 1),
            None => ("", self.0.as_str()),
        };
        super::write_masked(f, prefix, id)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_what_only_looks_like_them() {
        for text in ["US.13491208655302741918", "US.ENT.118", "DE.a1B2"] {
            assert_eq!(UserId::parse(text).unwrap().expose(), text);
        }
        for text in [
            "US.", "US.ENT.", "us.1", "USA.1", "US.1.2", "US.1-2", "US", "", ".1",
        ] {
            assert_eq!(UserId::parse(text), None, "{text}");
        }
        assert_eq!(UserId::parse("US.ENT.118").unwrap().country(), "US");
    }
}
