//! `CSeq` (RFC 3261 §20.16) and the numbers of reliable provisional responses, `RSeq` and `RAck` (RFC 3262 §7).

use std::fmt;

use crate::sip::method::Method;
use crate::sip::text;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CSeq {
    /// Below 2^31.
    pub number: u32,
    pub method: Method,
}

/// What a PRACK acknowledges.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RAck {
    pub rseq: u32,
    pub cseq: CSeq,
}

impl CSeq {
    pub fn parse(text: &str) -> Option<Self> {
        let (number, method) = text::trim(text).split_once(text::is_blank)?;
        Some(Self {
            number: number_below_2_31(number)?,
            method: Method::parse(text::trim(method))?,
        })
    }
}

impl RAck {
    pub fn parse(text: &str) -> Option<Self> {
        let (rseq, cseq) = text::trim(text).split_once(text::is_blank)?;
        Some(Self {
            rseq: rseq_number(rseq)?,
            cseq: CSeq::parse(cseq)?,
        })
    }
}

/// A number of 32 bits (RFC 3262 §7.1).
pub(crate) fn rseq_number(text: &str) -> Option<u32> {
    u32::try_from(text::digits(text::trim(text))?).ok()
}

fn number_below_2_31(text: &str) -> Option<u32> {
    let number = i32::try_from(text::digits(text)?).ok()?;
    u32::try_from(number).ok()
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseq() {
        let cseq = CSeq::parse("0009 \t INVITE").unwrap();
        assert_eq!(cseq.to_string(), "9 INVITE");
        assert_eq!(CSeq::parse("2147483647 X").unwrap().number, 2_147_483_647);
        for text in ["", "1", "INVITE", "2147483648 X", "-1 X", "1 A B", "+1 X"] {
            assert_eq!(CSeq::parse(text), None, "{text}");
        }
    }

    #[test]
    fn rack() {
        assert_eq!(
            RAck::parse("776656 1 INVITE").unwrap().to_string(),
            "776656 1 INVITE"
        );
        assert_eq!(RAck::parse("1 INVITE"), None);
    }
}
