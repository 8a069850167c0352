//! REFER (RFC 3515): what a peer asks for, and the NOTIFYs of the subscription that comes with it.

use crate::sip::endpoint::Body;
use crate::sip::message::{Headers, Name, NameAddr, Request};
use crate::sip::replaces::Replaces;
use crate::sip::status::reason_phrase;
use crate::sip::text;
use crate::sip::uri::{Scheme, Uri};

const SIPFRAG: &str = "message/sipfrag;version=2.0";

/// How long a subscription lasts while its call is set up, s. It ends with the last NOTIFY anyway.
const EXPIRES: u32 = 180;

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
    #[error("the Replaces in Refer-To cannot be read")]
    Replaces,
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
        let replaces = match embedded(&uri, "Replaces") {
            Some(value) => Some(Replaces::parse(&value).ok_or(NotAReferral::Replaces)?),
            None => None,
        };
        let target = uri.without_headers().ok_or(NotAReferral::ReferTo)?;
        Ok(Self {
            target,
            replaces,
            referred_by: headers.get(&Name::ReferredBy).and_then(clean),
            id: headers.cseq().map_err(|_| NotAReferral::CSeq)?.number,
        })
    }

    /// Headers and body of a NOTIFY that tells how far it is.
    pub fn notify(&self, outcome: &Outcome) -> (Headers, Body) {
        let (status, state) = match outcome {
            Outcome::Underway(status) => (*status, format!("active;expires={EXPIRES}")),
            Outcome::Final(status) => (*status, "terminated;reason=noresource".to_owned()),
        };
        let mut headers = Headers::default();
        headers.push(Name::Event, format!("refer;id={}", self.id));
        headers.push(Name::Other("Subscription-State".to_owned()), state);
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

/// A header behind the `?` of a URI (RFC 3261 §19.1.1), unescaped. Of all that could stand there only what is asked for by
/// name is ever read (§19.1.5).
fn embedded(uri: &Uri, wanted: &str) -> Option<String> {
    let headers = uri.headers.as_deref()?;
    headers.split('&').find_map(|header| {
        let (name, value) = header.split_once('=')?;
        let is_wanted = text::percent_decode(name).eq_ignore_ascii_case(wanted);
        is_wanted.then(|| text::percent_decode(value).into_owned())
    })
}

/// It is passed on as it came, so long as it can be no header of its own.
fn clean(value: &str) -> Option<String> {
    let is_fit = value.len() <= MAX_REFERRED_BY && !value.contains(char::is_control);
    is_fit.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sip::message::Method;

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
            "\"Front desk\" <sip:200@10.0.0.20:5060;transport=tcp>;x=y",
        ] {
            let refer = Refer::read(&refer(&[value])).expect(value);
            assert_eq!(refer.target.user.as_deref(), Some("200"));
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
        assert_eq!(referred_by, "<sip:200@10.0.0.20>;cid=\"x\"");
    }

    #[test]
    fn what_is_no_referral() {
        for (values, why) in [
            (vec![], NotAReferral::Count),
            (vec!["sip:a@b", "sip:c@d"], NotAReferral::Count),
            (vec!["<nonsense"], NotAReferral::ReferTo),
            (vec!["http://example.com/"], NotAReferral::Scheme),
            (vec!["<sip:a@b?Replaces=x>"], NotAReferral::Replaces),
        ] {
            assert_eq!(Refer::read(&refer(&values)), Err(why), "{values:?}");
        }
    }

    #[test]
    fn notifies() {
        let refer = Refer::read(&refer(&["sip:200@10.0.0.20"])).unwrap();
        let (headers, body) = refer.notify(&Outcome::Underway(180));
        assert_eq!(headers.get(&Name::Event), Some("refer;id=93809823"));
        let state = Name::Other("subscription-state".to_owned());
        assert_eq!(headers.get(&state), Some("active;expires=180"));
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
