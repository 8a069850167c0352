//! Header fields as they stand in a message: lines in order, values as the text that came. What the values mean is read
//! in `fields`.

use std::fmt;

use crate::sip::name::Name;
use crate::sip::text;

/// Header fields in order. One entry a line that came; names compare without case, compact forms are their long names.
///
/// `Content-Length` never stands here: it belongs to framing, is checked by parsing and computed by writing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Headers(Vec<Header>);

#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub name: Name,
    pub value: String,
}

impl Headers {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: Name, value: impl Into<String>) {
        self.0.push(Header::new(name, value));
    }

    /// Adds a line on top of all others, as a Via, Route or Record-Route of our own stands.
    pub fn push_front(&mut self, name: Name, value: impl Into<String>) {
        self.0.insert(0, Header::new(name, value));
    }

    /// One line of that name with that value, where the first of its lines stood, else at the end.
    pub fn set(&mut self, name: Name, value: impl Into<String>) {
        let header = Header::new(name, value);
        match self.position(&header.name) {
            Some(at) => {
                self.remove(&header.name);
                self.0.insert(at.min(self.0.len()), header);
            }
            None => self.0.push(header),
        }
    }

    /// Takes out every line of that name; says how many there were.
    pub fn remove(&mut self, name: &Name) -> usize {
        let before = self.0.len();
        self.0.retain(|header| header.name != *name);
        before - self.0.len()
    }

    /// Adds every line of `other` at the end.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Adds every line of that name of `other` at the end, byte for byte.
    pub fn copy(&mut self, name: &Name, other: &Self) {
        self.0
            .extend(other.iter().filter(|header| header.name == *name).cloned());
    }

    /// The first value of that name.
    pub fn get(&self, name: &Name) -> Option<&str> {
        self.0
            .iter()
            .find(|header| header.name == *name)
            .map(|header| header.value.as_str())
    }

    /// The first value of a header by its written name, without case; `_` equals `-` (dossier 2.4).
    pub fn get_loose(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|header| equal_loosely(header.name.as_str(), name))
            .map(|header| header.value.as_str())
    }

    /// Every value line of that name, in order, not split at commas.
    pub fn all<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a str> + 'a {
        self.0
            .iter()
            .filter(move |header| header.name == *name)
            .map(|header| header.value.as_str())
    }

    /// How many lines of that name there are.
    pub fn count(&self, name: &Name) -> usize {
        self.all(name).count()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The elements of a comma list over all lines of that name, trimmed, empty ones left out.
    pub fn elements<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a str> + 'a {
        self.all(name)
            .flat_map(|line| text::split_list(line, ','))
            .filter(|element| !element.is_empty())
    }

    pub(crate) fn first_mut(&mut self, name: &Name) -> Option<&mut String> {
        let header = self.0.iter_mut().find(|header| header.name == *name)?;
        Some(&mut header.value)
    }

    fn position(&self, name: &Name) -> Option<usize> {
        self.0.iter().position(|header| header.name == *name)
    }
}

impl Header {
    fn new(name: Name, value: impl Into<String>) -> Self {
        Self {
            name,
            value: text::one_line(value.into()),
        }
    }

    fn is_secret(&self) -> bool {
        matches!(
            self.name,
            Name::Authorization
                | Name::ProxyAuthorization
                | Name::WwwAuthenticate
                | Name::ProxyAuthenticate
        )
    }
}

impl fmt::Debug for Header {
    /// Numbers masked, nothing of authentication shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_secret() {
            true => write!(f, "{}: ..", self.name),
            false => write!(f, "{}: {}", self.name, text::masked(&self.value)),
        }
    }
}

fn equal_loosely(a: &str, b: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'_' => b'-',
        byte => byte.to_ascii_lowercase(),
    };
    a.len() == b.len() && a.bytes().map(plain).eq(b.bytes().map(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Headers {
        let mut headers = Headers::new();
        headers.push(Name::Via, "1");
        headers.push(Name::To, "t");
        headers.push(Name::Via, "2, 3");
        headers
    }

    #[test]
    fn editing_keeps_the_order_of_the_rest() {
        let mut headers = sample();
        headers.push_front(Name::Via, "0");
        headers.set(Name::To, "u");
        headers.set(Name::from("X-New"), "n");
        let lines: Vec<String> = headers.iter().map(|h| format!("{h:?}")).collect();
        assert_eq!(
            lines,
            ["Via: 0", "Via: 1", "To: u", "Via: 2, 3", "X-New: n"]
        );
        headers.set(Name::Via, "only");
        assert_eq!(headers.all(&Name::Via).collect::<Vec<_>>(), ["only"]);
        assert_eq!(headers.remove(&Name::Via), 1);
        assert_eq!(headers.remove(&Name::Via), 0);
        assert_eq!(headers.len(), 2);
    }

    #[test]
    fn lists_run_over_lines() {
        let headers = sample();
        assert_eq!(
            headers.elements(&Name::Via).collect::<Vec<_>>(),
            ["1", "2", "3"]
        );
        assert_eq!(headers.count(&Name::Via), 2);
    }

    #[test]
    fn whatsapp_spellings_are_one() {
        let mut headers = Headers::new();
        headers.push(Name::from("x-wa_meta-parent-user-id"), "US.ENT.1");
        assert_eq!(
            headers.get_loose("X-WA-Meta-Parent-User-Id"),
            Some("US.ENT.1")
        );
        assert_eq!(headers.get_loose("x-wa-meta-parent-user"), None);
    }

    #[test]
    fn a_value_cannot_start_a_header() {
        let mut headers = Headers::new();
        headers.push(Name::from("X-A"), "a\r\nX-B: b");
        assert_eq!(headers.get(&Name::from("x-a")), Some("a  X-B: b"));
    }

    #[test]
    fn debug_shows_no_secret_and_no_number() {
        let mut headers = Headers::new();
        headers.push(Name::Authorization, "Digest response=\"abc\"");
        headers.push(Name::To, "<sip:+12195550714@h>");
        let shown = format!("{headers:?}");
        assert!(
            !shown.contains("abc") && !shown.contains("5550714"),
            "{shown}"
        );
    }
}
