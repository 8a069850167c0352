//! REFER (RFC 3515): what a peer asks for, and the NOTIFYs of the subscription that comes with it.

use std::borrow::Cow;

use crate::sip::endpoint::{Body, Reply};
use crate::sip::message::{Headers, Method, Name, NameAddr, Request};
use crate::sip::replaces::Replaces;
use crate::sip::status::reason_phrase;
use crate::sip::text;
use crate::sip::uri::{Scheme, Uri};

const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// How long a subscription lasts while its call is set up, s: longer than any INVITE may ring, so that its sender still knows
/// it when the outcome comes. It ends with the last NOTIFY anyway.
const EXPIRES: u32 = 900;

/// Bytes of `Referred-By` that are passed on.
const MAX_REFERRED_BY: usize = 512;

/// "Call this in place of me."
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refer {
    /// Without the headers behind `?`.
    pub target: Uri,
    /// Attended: the dialog at the target whose place the new call takes.
    pub replaces: Option<Replaces>,
    /// `Referred-By` (RFC 3892), to be passed on.
    pub referred_by: Option<String>,
    /// The REFER's CSeq number: which subscription a NOTIFY is about (RFC 3515 §2.4.6).
    pub id: u32,
    /// Whether NOTIFYs are to follow (RFC 4488).
    pub subscribes: bool,
}

/// Why a REFER cannot be done. RFC 3515 §2.4.2: 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAReferral {
    #[error("there is not exactly one Refer-To")]
    Count,
    #[error("Refer-To cannot be read")]
    ReferTo,
    #[error("Refer-To is no SIP or tel URI")]
    Scheme,
    #[error("Refer-To asks for a request that is no INVITE")]
    Method,
    #[error("the Replaces in Refer-To cannot be read")]
    Replaces,
    #[error("Refer-Sub cannot be read")]
    ReferSub,
    #[error("CSeq")]
    CSeq,
}

/// How far the call is that a REFER asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A provisional status; more will come.
    Underway(u16),
    /// The final status; the subscription ends with it.
    Final(u16),
}

impl Refer {
    pub fn read(request: &Request) -> Result<Self, NotAReferral> {
        let headers = &request.headers;
        let mut values = headers.all(&Name::ReferTo);
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(NotAReferral::Count);
        };
        let uri = refer_to(value).ok_or(NotAReferral::ReferTo)?;
        match uri.scheme {
            Scheme::Sip | Scheme::Sips | Scheme::Tel => {}
            Scheme::Other(_) => return Err(NotAReferral::Scheme),
        }
        if uri
            .params
            .get("method")
            .is_some_and(|method| method != Method::Invite.as_str())
        {
            return Err(NotAReferral::Method);
        }
        let replaces = replaces(&uri)?;
        let target = uri.request_uri().ok_or(NotAReferral::ReferTo)?;
        Ok(Self {
            target,
            replaces,
            referred_by: headers.get(&Name::ReferredBy).and_then(clean),
            id: headers.cseq().map_err(|_| NotAReferral::CSeq)?.number,
            subscribes: headers.refer_sub().map_err(|_| NotAReferral::ReferSub)?,
        })
    }

    /// 202. Where the peer subscribes, a NOTIFY must follow at once (RFC 3515 §2.4.4).
    pub fn accepted(&self) -> Reply {
        match self.subscribes {
            true => Reply::status(202),
            false => Reply::status(202).with(Name::ReferSub, "false"),
        }
    }

    /// Headers and body of a NOTIFY that tells how far it is.
    pub fn notify(&self, outcome: &Outcome) -> (Headers, Body) {
        let (status, state) = match outcome {
            Outcome::Underway(status) => (*status, format!("active;expires={EXPIRES}")),
            Outcome::Final(status) => (*status, "terminated;reason=noresource".to_owned()),
        };
        let mut headers = Headers::default();
        headers.push(Name::Event, format!("refer;id={}", self.id));
        headers.push(Name::SubscriptionState, state);
        let body = Body {
            content_type: SIPFRAG.to_owned(),
            bytes: format!("SIP/2.0 {status} {}\r\n", reason_phrase(status)).into_bytes(),
        };
        (headers, body)
    }
}

/// `name-addr`, or a bare `addr-spec` whose `?` some phones leave without brackets.
fn refer_to(value: &str) -> Option<Uri> {
    let value = text::trim(value);
    match NameAddr::parse(value) {
        Some(name_addr) => Some(name_addr.uri),
        None => Uri::parse(value).ok(),
    }
}

/// The Replaces behind the `?` of a URI. One that cannot be read, or two, is not as good as none: a call that takes nobody's
/// place would be another wish.
fn replaces(uri: &Uri) -> Result<Option<Replaces>, NotAReferral> {
    let mut values = embedded(uri, &Name::Replaces);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Replaces::parse(&value)
            .map(Some)
            .ok_or(NotAReferral::Replaces),
        (Some(_), Some(_)) => Err(NotAReferral::Replaces),
    }
}

/// The headers of that name behind the `?` of a URI (RFC 3261 §19.1.1), unescaped. Of all that could stand there only what is
/// asked for by name is ever read (§19.1.5).
fn embedded<'a>(uri: &'a Uri, wanted: &'a Name) -> impl Iterator<Item = Cow<'a, str>> {
    let headers = uri.headers.as_deref().unwrap_or_default();
    headers.split('&').filter_map(|header| {
        let (name, value) = header.split_once('=').unwrap_or((header, ""));
        let name = text::percent_decode(name);
        (Name::from(name.as_ref()) == *wanted).then(|| text::percent_decode(value))
    })
}

/// Who refers is passed on (RFC 3892 §2.2), but for what its URI would add to a request and the `cid` of a body that stays
/// here. It only informs, so one that cannot be read is none.
fn clean(value: &str) -> Option<String> {
    let is_fit = value.len() <= MAX_REFERRED_BY && !value.contains(char::is_control);
    let mut address = NameAddr::parse(value).filter(|_| is_fit)?;
    address.uri = address.uri.request_uri()?;
    let is_cid = |name: &str| name.eq_ignore_ascii_case("cid");
    address.params.0.retain(|(name, _)| !is_cid(name));
    Some(address.to_value())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sip::message::Method;

    const ONE: &str = "Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc";

    fn refer(refer_to: &[&str]) -> Request {
        let uri = Uri::parse("sip:bridge@10.0.0.1").unwrap();
        let mut request = Request::new(Method::Refer, uri);
        request.headers.push(Name::CSeq, "93809823 REFER");
        for value in refer_to {
            request.headers.push(Name::ReferTo, *value);
        }
        request
    }

    #[test]
    fn blind() {
        for value in [
            "<sip:200@10.0.0.20:5060;transport=tcp>",
            "sip:200@10.0.0.20:5060;transport=tcp",
            "<sip:200@10.0.0.20;method=INVITE>",
            "sip:200@10.0.0.20?Subject=x",
            "\"Front desk\" <sip:200@10.0.0.20:5060;transport=tcp>;x=y",
        ] {
            let refer = Refer::read(&refer(&[value])).expect(value);
            assert_eq!(refer.target.user.as_deref(), Some("200"));
            assert_eq!(refer.target.params.get("method"), None);
            assert_eq!((refer.replaces, refer.id), (None, 93_809_823));
        }
    }

    #[test]
    fn attended() {
        let value = "<sip:201@10.0.0.30?Replaces=12adf2f34456gs5%40a%3Bto-tag%3D12345%3Bfrom-tag%3D54321&Require=replaces\
                     &Route=%3Csip%3Aevil%3E>";
        let mut request = refer(&[value]);
        request
            .headers
            .push(Name::ReferredBy, "<sip:200@10.0.0.20>;cid=\"x\"");
        let refer = Refer::read(&request).unwrap();
        assert_eq!(refer.target.as_str(), "sip:201@10.0.0.30");
        assert_eq!(
            refer.replaces.unwrap().to_string(),
            "12adf2f34456gs5@a;to-tag=12345;from-tag=54321"
        );
        let referred_by = refer.referred_by.unwrap();
        assert_eq!(referred_by, "<sip:200@10.0.0.20>");
    }

    #[test]
    fn attended_without_brackets() {
        let value = "sip:201@10.0.0.30?%72eplaces=a%3Bfrom-tag%3Dc%3Bto-tag%3Db%3Bearly-only";
        let refer = Refer::read(&refer(&[value])).unwrap();
        assert_eq!(refer.target.as_str(), "sip:201@10.0.0.30");
        assert!(refer.replaces.unwrap().early_only);
    }

    #[test]
    fn nothing_else_behind_the_question_mark_is_taken() {
        let plain = Refer::read(&refer(&["<sip:a@b>"]));
        for headers in [
            "Via=x&From=%3Csip%3Aevil%40h%3E&Call-ID=1&Route=%3Csip%3Aevil%3E&Contact=x",
            "body=v%3D0",
            "Join=a%3Bto-tag%3Db%3Bfrom-tag%3Dc&Accept-Contact=*",
            "=&&",
            "",
        ] {
            let value = format!("<sip:a@b?{headers}>");
            assert_eq!(Refer::read(&refer(&[&value])), plain, "{headers}");
        }
    }

    #[test]
    fn who_refers() {
        for (value, passed_on) in [
            (
                "\"A, B\" <sip:a@b?Via=x;y>;cid=\"1@b\";z=1",
                Some("\"A, B\" <sip:a@b>;z=1"),
            ),
            ("sip:a@b", Some("<sip:a@b>")),
            ("nobody", None),
            ("<sip:a@b>, <sip:c@d>", None),
        ] {
            assert_eq!(clean(value).as_deref(), passed_on, "{value}");
        }
        let long = format!("<sip:{}@b>", "a".repeat(MAX_REFERRED_BY));
        assert_eq!(clean(&long), None);
    }

    #[test]
    fn a_peer_that_wants_no_notify_is_told_that_there_is_none() {
        let mut request = refer(&["<sip:a@b>"]);
        let accepted = Refer::read(&request).unwrap().accepted();
        assert_eq!(accepted, Reply::status(202));
        request.headers.push(Name::ReferSub, "false");
        let refer = Refer::read(&request).unwrap();
        assert!(!refer.subscribes);
        let accepted = refer.accepted();
        assert_eq!(accepted.headers.get(&Name::ReferSub), Some("false"));
        request.headers.set(Name::ReferSub, "perhaps");
        assert_eq!(Refer::read(&request), Err(NotAReferral::ReferSub));
    }

    #[test]
    fn what_is_no_referral() {
        for (values, why) in [
            (vec![], NotAReferral::Count),
            (vec!["sip:a@b", "sip:c@d"], NotAReferral::Count),
            (vec!["<nonsense"], NotAReferral::ReferTo),
            (vec!["http://example.com/"], NotAReferral::Scheme),
            (vec!["<sip:a@b>, <sip:c@d>"], NotAReferral::ReferTo),
            (vec!["<sip:a@b;method=BYE>"], NotAReferral::Method),
            (vec!["<sip:a@b?Replaces=x>"], NotAReferral::Replaces),
            (vec!["<sip:a@b?Replaces>"], NotAReferral::Replaces),
            (
                vec![&*format!("<sip:a@b?{ONE}&{ONE}>")],
                NotAReferral::Replaces,
            ),
            (
                vec![&*format!("<sip:a@b?{ONE}%0D%0AVia:x>")],
                NotAReferral::Replaces,
            ),
        ] {
            assert_eq!(Refer::read(&refer(&values)), Err(why), "{values:?}");
        }
    }

    #[test]
    fn notifies() {
        let refer = Refer::read(&refer(&["sip:200@10.0.0.20"])).unwrap();
        let (headers, body) = refer.notify(&Outcome::Underway(180));
        assert_eq!(headers.get(&Name::Event), Some("refer;id=93809823"));
        let state = Name::SubscriptionState;
        assert_eq!(headers.get(&state), Some("active;expires=900"));
        assert_eq!(body.bytes, b"SIP/2.0 180 Ringing\r\n");
        let (headers, body) = refer.notify(&Outcome::Final(603));
        assert_eq!(headers.get(&state), Some("terminated;reason=noresource"));
        assert_eq!(body.content_type, "message/sipfrag;version=2.0");
        assert_eq!(body.bytes, b"SIP/2.0 603 Decline\r\n");
    }

    proptest! {
        #[test]
        fn any_value_is_survived(value in ".{0,80}") {
            let _ = Refer::read(&refer(&[&value]));
        }

        #[test]
        fn any_embedded_header_is_survived(value in "[ -~]{0,80}") {
            if let Ok(refer) = Refer::read(&refer(&[&format!("<sip:a@b?{value}>")])) {
                prop_assert!(!refer.target.as_str().contains('?'));
            }
        }
    }
}
