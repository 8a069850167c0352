//! Names that peers give to their users: text from strangers.

use std::fmt;

/// A display name fit to be passed on: no control or direction-changing characters, single spaces, at most
/// [`DisplayName::MAX_CHARS`]. Never printed: `Display` and `Debug` show only its length.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DisplayName(String);

impl DisplayName {
    pub const MAX_CHARS: usize = 64;

    /// Reads the text between the quotes, unescaped. `None`: nothing is left of it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut name = String::new();
        let visible = text
            .chars()
            .map(|c| if c.is_whitespace() { ' ' } else { c })
            .filter(|&c| !c.is_control() && !is_format(c));
        let mut length = 0;
        for c in visible {
            if c == ' ' && (name.is_empty() || name.ends_with(' ')) {
                continue;
            }
            if length == Self::MAX_CHARS {
                break;
            }
            name.push(c);
            length += 1;
        }
        name.truncate(name.trim_end().len());
        (!name.is_empty()).then_some(Self(name))
    }

    /// Whole, for the wire: quote it there.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Invisible characters that change how the text around them reads: zero-width and direction marks, interlinear and tag
/// characters, replacement of what was not UTF-8.
fn is_format(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffd}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

impl fmt::Display for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} characters)", self.0.chars().count())
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Option<String> {
        DisplayName::parse(text).map(|name| name.expose().to_owned())
    }

    #[test]
    fn names_are_cleaned() {
        assert_eq!(name("Zoë Müller"), Some("Zoë Müller".to_owned()));
        assert_eq!(name("  a \t\r\n b  "), Some("a b".to_owned()));
        assert_eq!(name("a\u{0}\u{7f}\u{85}\u{202e}b"), Some("a b".to_owned()));
        assert_eq!(name("\u{200b}\u{1}"), None);
        assert_eq!(name(""), None);
        assert_eq!(name(&"é".repeat(500)).unwrap().chars().count(), 64);
    }

    #[test]
    fn names_are_not_printed() {
        let name = DisplayName::parse("12195550714").unwrap();
        assert_eq!(
            format!("{name} {name:?}"),
            "(11 characters) (11 characters)"
        );
    }

    proptest! {
        #[test]
        fn a_clean_name_stays_as_it_is(text in ".{0,100}") {
            if let Some(clean) = DisplayName::parse(&text) {
                prop_assert!(!clean.expose().chars().any(char::is_control));
                prop_assert_eq!(DisplayName::parse(clean.expose()), Some(clean.clone()));
            }
        }
    }
}
