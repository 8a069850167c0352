//! What header values mean: typed views of `Headers`, read when asked for. Optional headers that are there but cannot be
//! read are errors, unless the function says otherwise.

use std::net::SocketAddr;
use std::time::Duration;

use crate::sip::error::ParseError;
use crate::sip::headers::Headers;
use crate::sip::method::Method;
use crate::sip::name::Name;
use crate::sip::name_addr::NameAddr;
use crate::sip::reason::Reason;
use crate::sip::replaces::Replaces;
use crate::sip::sequence::{self, CSeq, RAck};
use crate::sip::session_expires::{self, SessionExpires};
use crate::sip::text;
use crate::sip::via::Via;

/// One element of a `Route` or `Record-Route`: to be given back byte for byte, and to be understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    pub raw: String,
    pub address: NameAddr,
}

impl Route {
    pub fn parse(text: &str) -> Option<Self> {
        let raw = text::trim(text).to_owned();
        let address = NameAddr::parse(&raw)?;
        Some(Self { raw, address })
    }

    /// RFC 3261 §16.12: the hop routes loosely.
    pub fn is_loose(&self) -> bool {
        self.address.uri.params.has("lr")
    }
}

impl Headers {
    pub fn from(&self) -> Result<NameAddr, ParseError> {
        let value = self.required(&Name::From, "no From")?;
        NameAddr::parse(value).ok_or(ParseError::new("bad From"))
    }

    pub fn to(&self) -> Result<NameAddr, ParseError> {
        let value = self.required(&Name::To, "no To")?;
        NameAddr::parse(value).ok_or(ParseError::new("bad To"))
    }

    /// Gives the To header a tag, if it has none.
    pub fn add_to_tag(&mut self, tag: &str) {
        if let Some(value) = self.first_mut(&Name::To).filter(|value| !has_tag(value)) {
            value.push_str(&format!(";tag={tag}"));
        }
    }

    /// The first Contact; `*` is none.
    pub fn contact(&self) -> Result<Option<NameAddr>, ParseError> {
        Ok(self.contacts()?.into_iter().next())
    }

    /// Every Contact; `*` (RFC 3261 §10.2.2) is none.
    pub fn contacts(&self) -> Result<Vec<NameAddr>, ParseError> {
        self.list(&Name::Contact)
            .filter(|element| *element != "*")
            .map(|element| NameAddr::parse(element).ok_or(ParseError::new("bad Contact")))
            .collect()
    }

    pub fn call_id(&self) -> Result<&str, ParseError> {
        let value = self.required(&Name::CallId, "no Call-ID")?;
        let sound = !value.is_empty() && !value.contains(char::is_whitespace);
        sound.then_some(value).ok_or(ParseError::new("bad Call-ID"))
    }

    pub fn cseq(&self) -> Result<CSeq, ParseError> {
        let value = self.required(&Name::CSeq, "no CSeq")?;
        CSeq::parse(value).ok_or(ParseError::new("bad CSeq"))
    }

    /// From the top one down, over all lines.
    pub fn vias(&self) -> Result<Vec<Via>, ParseError> {
        self.list(&Name::Via)
            .map(|element| Via::parse(element).ok_or(ParseError::new("bad Via")))
            .collect()
    }

    pub fn top_via(&self) -> Result<Via, ParseError> {
        let line = self.required(&Name::Via, "no Via")?;
        Via::parse(first_element(line).0).ok_or(ParseError::new("bad Via"))
    }

    /// Notes in the top Via where the request came from (RFC 3261 §18.2.1, RFC 3581 §4). The others stay as they are.
    pub fn mark_received(&mut self, remote: SocketAddr) -> Result<(), ParseError> {
        let mut via = self.top_via()?;
        via.mark_received(remote);
        if let Some(line) = self.first_mut(&Name::Via) {
            *line = match first_element(line) {
                (_, Some(rest)) => format!("{via},{rest}"),
                (_, None) => via.to_string(),
            };
        }
        Ok(())
    }

    pub fn routes(&self) -> Result<Vec<Route>, ParseError> {
        self.route_list(&Name::Route, "bad Route")
    }

    /// In the order of the message: a UAS keeps it, a UAC turns it round (RFC 3261 §12.1).
    pub fn record_routes(&self) -> Result<Vec<Route>, ParseError> {
        self.route_list(&Name::RecordRoute, "bad Record-Route")
    }

    pub fn max_forwards(&self) -> Result<Option<u8>, ParseError> {
        let number = |value: &str| u8::try_from(text::digits(value)?).ok();
        self.optional(&Name::MaxForwards, number, "bad Max-Forwards")
    }

    /// The whole value with its parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.get(&Name::ContentType)
    }

    /// `type/subtype` of Content-Type in lower case, without parameters.
    pub fn media_type(&self) -> Option<String> {
        let (media_type, _) = text::split_once_outside(self.content_type()?, ';')
            .unwrap_or((self.content_type()?, ""));
        Some(text::trim(media_type).to_ascii_lowercase())
    }

    /// Whether a list of tokens (Require, Supported, Allow, ...) has this one, without case.
    pub fn has_tag(&self, name: &Name, tag: &str) -> bool {
        self.elements(name)
            .any(|element| element.eq_ignore_ascii_case(tag))
    }

    /// Whether the sender understands the extension: in Supported or Require.
    pub fn supports(&self, tag: &str) -> bool {
        self.has_tag(&Name::Supported, tag) || self.has_tag(&Name::Require, tag)
    }

    /// Whether Allow names the method; `None` without Allow.
    pub fn allows(&self, method: &Method) -> Option<bool> {
        let mut allowed = self.elements(&Name::Allow).peekable();
        allowed.peek()?;
        Some(allowed.any(|token| token == method.as_str()))
    }

    pub fn expires(&self) -> Result<Option<Duration>, ParseError> {
        self.optional(
            &Name::Expires,
            session_expires::delta_seconds,
            "bad Expires",
        )
    }

    pub fn session_expires(&self) -> Result<Option<SessionExpires>, ParseError> {
        self.optional(
            &Name::SessionExpires,
            SessionExpires::parse,
            "bad Session-Expires",
        )
    }

    /// Parameters after the number are passed over.
    pub fn min_se(&self) -> Result<Option<Duration>, ParseError> {
        let seconds = |value: &str| session_expires::delta_seconds(value.split(';').next()?);
        self.optional(&Name::MinSe, seconds, "bad Min-SE")
    }

    /// Seconds of `Retry-After`; comment and parameters are passed over.
    pub fn retry_after(&self) -> Result<Option<Duration>, ParseError> {
        let seconds = |value: &str| session_expires::delta_seconds(value.split([';', '(']).next()?);
        self.optional(&Name::RetryAfter, seconds, "bad Retry-After")
    }

    pub fn rseq(&self) -> Result<Option<u32>, ParseError> {
        self.optional(&Name::RSeq, sequence::rseq_number, "bad RSeq")
    }

    pub fn rack(&self) -> Result<Option<RAck>, ParseError> {
        self.optional(&Name::RAck, RAck::parse, "bad RAck")
    }

    /// Every Reason that can be read; it only informs, so others are passed over.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> + '_ {
        self.elements(&Name::Reason).filter_map(Reason::parse)
    }

    /// The cause of the first `Reason: Q.850`.
    pub fn q850_cause(&self) -> Option<u16> {
        self.reasons().find(Reason::is_q850)?.cause
    }

    /// At most one, and no Join beside it (RFC 3891 §3).
    pub fn replaces(&self) -> Result<Option<Replaces>, ParseError> {
        let alone = match self.count(&Name::Replaces) {
            0 => return Ok(None),
            1 => self.count(&Name::Join) == 0,
            _ => false,
        };
        match alone {
            true => self.optional(&Name::Replaces, Replaces::parse, "bad Replaces"),
            false => Err(ParseError::new("more than one dialog is meant")),
        }
    }

    /// Whether REFER is to make a subscription: yes, unless the peer says no (RFC 4488 §4).
    pub fn refer_sub(&self) -> Result<bool, ParseError> {
        let wanted = |value: &str| match text::trim(value.split(';').next()?) {
            value if value.eq_ignore_ascii_case("true") => Some(true),
            value if value.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        let wanted = self.optional(&Name::ReferSub, wanted, "bad Refer-Sub")?;
        Ok(wanted.unwrap_or(true))
    }

    fn route_list(&self, name: &Name, what: &'static str) -> Result<Vec<Route>, ParseError> {
        self.list(name)
            .map(|element| Route::parse(element).ok_or(ParseError::new(what)))
            .collect()
    }

    /// The elements of a list, empty ones included.
    fn list<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a str> + 'a {
        self.all(name).flat_map(|line| text::split_list(line, ','))
    }

    fn required(&self, name: &Name, what: &'static str) -> Result<&str, ParseError> {
        self.get(name).ok_or(ParseError::new(what))
    }

    fn optional<T>(
        &self,
        name: &Name,
        read: impl FnOnce(&str) -> Option<T>,
        what: &'static str,
    ) -> Result<Option<T>, ParseError> {
        match self.get(name) {
            Some(value) => read(value).map(Some).ok_or(ParseError::new(what)),
            None => Ok(None),
        }
    }
}

/// Of a value that cannot be read: whether it looks like having one.
fn has_tag(value: &str) -> bool {
    NameAddr::parse(value).map_or(value.contains(";tag="), |address| address.params.has("tag"))
}

/// The first element of a comma list and the rest behind its comma.
fn first_element(line: &str) -> (&str, Option<&str>) {
    match text::split_once_outside(line, ',') {
        Some((first, rest)) => (text::trim(first), Some(rest)),
        None => (text::trim(line), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::session_expires::Refresher;

    fn headers(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(Name::from(*name), *value);
        }
        headers
    }

    #[test]
    fn record_routes_keep_their_text_and_order() {
        let headers = headers(&[
            ("Record-Route", "<sip:wa.meta.vc;transport=tls;lr>"),
            (
                "Record-Route",
                " \"a, b\" <sip:x,y@p1;lr> ,<sip:p2>;x=\"1,2\"",
            ),
        ]);
        let routes = headers.record_routes().unwrap();
        let raw: Vec<&str> = routes.iter().map(|route| route.raw.as_str()).collect();
        assert_eq!(
            raw,
            [
                "<sip:wa.meta.vc;transport=tls;lr>",
                "\"a, b\" <sip:x,y@p1;lr>",
                "<sip:p2>;x=\"1,2\""
            ]
        );
        let loose: Vec<bool> = routes.iter().map(Route::is_loose).collect();
        assert_eq!(loose, [true, true, false]);
        assert_eq!(headers.routes().unwrap(), []);
    }

    #[test]
    fn only_the_top_via_is_marked() {
        let mut headers = headers(&[
            (
                "Via",
                "SIP/2.0/TLS  [2001:db8::1]:5061;rport;branch=a,  SIP/2.0/UDP  h2;branch=b",
            ),
            ("Via", "SIP/2.0/UDP  h3;branch=c"),
        ]);
        headers
            .mark_received("192.0.2.1:9".parse().unwrap())
            .unwrap();
        assert_eq!(
            headers.all(&Name::Via).collect::<Vec<_>>(),
            [
                "SIP/2.0/TLS [2001:db8::1]:5061;rport=9;branch=a;received=192.0.2.1,  SIP/2.0/UDP  h2;branch=b",
                "SIP/2.0/UDP  h3;branch=c"
            ]
        );
        assert_eq!(headers.vias().unwrap().len(), 3);
    }

    #[test]
    fn a_to_tag_is_added_once() {
        let mut headers = headers(&[("To", "\"x\" <sip:a@h>")]);
        headers.add_to_tag("t1");
        headers.add_to_tag("t2");
        assert_eq!(headers.get(&Name::To), Some("\"x\" <sip:a@h>;tag=t1"));
    }

    #[test]
    fn numbers_and_times() {
        let headers = headers(&[
            ("Max-Forwards", "0068"),
            ("Expires", "60"),
            ("Session-Expires", "1800;refresher=uac"),
            ("Min-SE", "90;x=y"),
            ("Retry-After", "18000 (busy) ;duration=3600"),
            ("RSeq", "988789"),
            ("RAck", "776656 1 INVITE"),
        ]);
        assert_eq!(headers.max_forwards().unwrap(), Some(68));
        assert_eq!(headers.expires().unwrap(), Some(Duration::from_secs(60)));
        let session = headers.session_expires().unwrap().unwrap();
        assert_eq!(session.refresher, Some(Refresher::Uac));
        assert_eq!(headers.min_se().unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(
            headers.retry_after().unwrap(),
            Some(Duration::from_secs(18000))
        );
        assert_eq!(headers.rseq().unwrap(), Some(988_789));
        assert_eq!(headers.rack().unwrap().unwrap().rseq, 776_656);
    }

    #[test]
    fn unreadable_is_an_error_and_absent_is_not() {
        let bad = headers(&[
            ("Max-Forwards", "256"),
            ("Contact", "<sip:a@h>,"),
            ("Call-ID", "a b"),
        ]);
        assert!(bad.max_forwards().is_err() && bad.contacts().is_err() && bad.call_id().is_err());
        assert_eq!(bad.from().unwrap_err().what, "no From");
        let none = Headers::new();
        assert_eq!((none.max_forwards(), none.contact()), (Ok(None), Ok(None)));
    }

    #[test]
    fn one_dialog_is_replaced_and_none_joined() {
        let replaces = ("Replaces", "a;to-tag=1;from-tag=2");
        assert_eq!(headers(&[]).replaces(), Ok(None));
        assert!(headers(&[replaces]).replaces().unwrap().is_some());
        for lines in [
            vec![replaces, replaces],
            vec![replaces, ("Join", "b;to-tag=1;from-tag=2")],
            vec![("Replaces", "a")],
        ] {
            assert!(headers(&lines).replaces().is_err());
        }
    }

    #[test]
    fn subscriptions_are_wanted_unless_said_otherwise() {
        let wanted = |value| headers(&[("Refer-Sub", value)]).refer_sub();
        assert_eq!(Headers::new().refer_sub(), Ok(true));
        assert_eq!((wanted("true"), wanted(" False ;x")), (Ok(true), Ok(false)));
        assert!(wanted("perhaps").is_err());
    }

    #[test]
    fn tags_and_methods() {
        let headers = headers(&[
            ("k", "timer, 100REL"),
            ("Require", "replaces"),
            ("Allow", "INVITE,ACK"),
        ]);
        assert!(
            headers.supports("100rel") && headers.supports("replaces") && !headers.supports("path")
        );
        assert_eq!(headers.allows(&Method::Ack), Some(true));
        assert_eq!(headers.allows(&Method::Info), Some(false));
        assert_eq!(Headers::new().allows(&Method::Info), None);
    }

    #[test]
    fn media_types_and_causes() {
        let headers = headers(&[
            ("c", "Application/SDP ; charset=utf-8"),
            ("Reason", "SIP;cause=200;text=\"a, b\", Q.850;cause=17"),
        ]);
        assert_eq!(headers.media_type().as_deref(), Some("application/sdp"));
        assert_eq!(headers.reasons().count(), 2);
        assert_eq!(headers.q850_cause(), Some(17));
    }
}
