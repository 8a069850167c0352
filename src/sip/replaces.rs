//! `Replaces` (RFC 3891 §6.1): the dialog whose place another one takes.

use std::fmt;

use crate::sip::params::Params;
use crate::sip::text;

/// The dialog as the one who is told of it sees it: `to_tag` is its own tag, `from_tag` the other side's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    pub call_id: String,
    pub to_tag: String,
    pub from_tag: String,
    /// Only while it is early.
    pub early_only: bool,
}

impl Replaces {
    /// One value, as in the header or, unescaped, behind the `?` of a `Refer-To`: either tag exactly once.
    pub fn parse(value: &str) -> Option<Self> {
        let params_at = value.find(';')?;
        let call_id = text::trim(&value[..params_at]);
        let params = Params::parse(&value[params_at..])?;
        let is_call_id = !call_id.is_empty() && call_id.bytes().all(is_call_id_byte);
        is_call_id.then_some(())?;
        Some(Self {
            call_id: call_id.to_owned(),
            to_tag: tag(&params, "to-tag")?,
            from_tag: tag(&params, "from-tag")?,
            early_only: params.has("early-only"),
        })
    }

    /// Whether the other side's tag is the one meant. A peer that gives none is as one whose tag is `0`.
    pub fn is_from(&self, tag: &str) -> bool {
        self.from_tag == tag || (self.from_tag.is_empty() && tag == "0")
    }
}

impl fmt::Display for Replaces {
    /// As a header value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to, from) = (or_zero(&self.to_tag), or_zero(&self.from_tag));
        write!(f, "{};to-tag={to};from-tag={from}", self.call_id)?;
        match self.early_only {
            true => f.write_str(";early-only"),
            false => Ok(()),
        }
    }
}

/// `0` stands for the tag of a peer that gives none (RFC 3891 §3: RFC 2543 dialogs).
fn tag(params: &Params, name: &str) -> Option<String> {
    let named = |(key, _): &&(String, Option<String>)| key.eq_ignore_ascii_case(name);
    let once = params.0.iter().filter(named).count() == 1;
    let tag = params.get(name).filter(|tag| once && text::is_token(tag))?;
    Some(if tag == "0" { "" } else { tag }.to_owned())
}

fn or_zero(tag: &str) -> &str {
    if tag.is_empty() { "0" } else { tag }
}

/// A comma would be the next of a list, and Replaces is none.
fn is_call_id_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b','
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_that_are_read() {
        for value in [
            "425928@bobster.example.org;to-tag=7743;from-tag=6472",
            "425928@bobster.example.org ; From-Tag=6472 ;TO-TAG = 7743",
            "425928@bobster.example.org;x=y;to-tag=7743;from-tag=6472",
        ] {
            let replaces = Replaces::parse(value).expect(value);
            assert_eq!(replaces.call_id, "425928@bobster.example.org");
            assert_eq!((&*replaces.to_tag, &*replaces.from_tag), ("7743", "6472"));
            assert!(!replaces.early_only);
        }
        let early = Replaces::parse("a;to-tag=0;from-tag=b;early-only").unwrap();
        assert!(early.early_only && early.to_tag.is_empty());
        assert_eq!(early.to_string(), "a;to-tag=0;from-tag=b;early-only");
        let quoted = Replaces::parse("a;to-tag=\"b\";from-tag=0").unwrap();
        assert_eq!(quoted.to_tag, "b");
        let meant = ["", "0", "b"].map(|tag| quoted.is_from(tag));
        assert_eq!(meant, [true, true, false]);
    }

    #[test]
    fn forms_that_are_not() {
        for value in [
            "",
            "a",
            "a;to-tag=b",
            "a;from-tag=b",
            ";to-tag=b;from-tag=c",
            "a b;to-tag=b;from-tag=c",
            "a;to-tag;from-tag=c",
            "a;to-tag=\"b c\";from-tag=c",
            "a;to-tag=b;to-tag=b;from-tag=c",
            "a;to-tag=b;from-tag=c,d;to-tag=b;from-tag=c",
            "a,d;to-tag=b;from-tag=c",
            "a\r\nX: y;to-tag=b;from-tag=c",
        ] {
            assert_eq!(Replaces::parse(value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            call_id in "[a-zA-Z0-9@.-]{1,30}",
            to_tag in "[a-zA-Z1-9.-]{0,20}",
            from_tag in "[a-zA-Z1-9.-]{0,20}",
            early_only in any::<bool>(),
        ) {
            let replaces = Replaces { call_id, to_tag, from_tag, early_only };
            prop_assert_eq!(Replaces::parse(&replaces.to_string()), Some(replaces));
        }

        #[test]
        fn any_text_is_survived(text in ".{0,60}") {
            let _ = Replaces::parse(&text);
        }
    }
}
