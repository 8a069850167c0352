//! `Digest name=value, name="value"`: the common form of challenges and of their answers.

use crate::sip::text;

/// The parameters in order. Quoted values without their quotes, escapes kept: that is what is hashed and echoed.
pub(super) struct AuthParams<'a>(Vec<(&'a str, &'a str)>);

impl<'a> AuthParams<'a> {
    /// `None` for schemes other than Digest and for what is no list of parameters.
    pub(super) fn parse(value: &'a str) -> Option<Self> {
        let (scheme, list) = text::trim(value).split_once(text::is_blank)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        text::split_list(list, ',')
            .filter(|element| !element.is_empty())
            .map(param)
            .collect::<Option<_>>()
            .map(Self)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

fn param(element: &str) -> Option<(&str, &str)> {
    let (name, value) = element.split_once('=')?;
    let (name, value) = (text::trim(name), text::trim(value));
    let value = match text::take_quoted(value) {
        Some((inside, "")) if !inside.contains(['\r', '\n']) => inside,
        None if is_bare(value) => value,
        Some(_) | None => return None,
    };
    text::is_token(name).then_some((name, value))
}

/// More than a token: nonces come without quotes too. Nothing that could not stand between quotes as it is.
fn is_bare(value: &str) -> bool {
    !value.contains(|c: char| c.is_whitespace() || c.is_control() || "\"\\".contains(c))
}
