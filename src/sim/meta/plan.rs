//! One call to be placed: who calls, how, and what should come of it.

use std::time::Duration;

use crate::sim::fault::Faults;
use crate::sim::media::Codec;
use crate::sim::media::mouth::Says;
use crate::sim::meta::webrtc::{KeyExchange, Webrtc};
use crate::sim::speech::Voice;

#[derive(Clone, Debug)]
pub struct Plan {
    pub caller: Caller,
    /// The business number, `+` and digits.
    pub number: String,
    pub password: String,
    pub shape: Shape,
    pub offer: Offer,
    pub media: Media,
    /// The user hangs up this long after the answer; `None` waits for the business.
    pub talk: Option<Duration>,
    /// The user gives up this long after the INVITE.
    pub cancel: Option<Duration>,
    /// WhatsApp gives up (30 to 60 s).
    pub ring_limit: Duration,
    pub digits: Option<(Duration, String)>,
    pub expect: Expect,
    pub faults: Faults,
}

#[derive(Clone, Debug)]
pub struct Caller {
    /// `+` and digits, or a business-scoped user id.
    pub user: String,
    pub display_name: Option<String>,
    /// `None`: the older samples without any x-wa-meta header but the call id.
    pub context: Option<Context>,
}

/// What WhatsApp tells of the user.
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub user_id: Option<String>,
    pub username: Option<String>,
    pub country: Option<String>,
    pub cta_payload: Option<String>,
    pub deeplink_payload: Option<String>,
    /// The other spelling where the sources differ: `user-name`, `user-country-code`.
    pub other_spelling: bool,
}

/// Forms of the INVITE that were seen.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    /// `;key=value` in the user part of the request URI.
    pub user_params: Vec<String>,
    /// One Via in place of three.
    pub single_via: bool,
    /// A Route of WhatsApp's own, left in the request.
    pub foreign_route: bool,
    /// The Call-ID ends with `==`.
    pub padded_call_id: bool,
    /// A challenge that says `stale=true` is answered once more.
    pub retry_stale: bool,
    /// In-dialog requests come on a connection of their own.
    pub fresh_connection: bool,
}

#[derive(Clone, Debug)]
pub struct Offer {
    pub codecs: Vec<Codec>,
    pub keys: KeyExchange,
    /// Another than what belongs to `keys`: mixed captures show `UDP/TLS/RTP/SAVPF` beside `a=crypto`.
    pub profile: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Media {
    pub says: Says,
    /// What should be heard; `None` is not scored.
    pub hears: Option<Voice>,
    pub dtx: bool,
    /// Send to where the business's packets come from, not to its SDP address.
    pub latch: bool,
    /// RTCP counts as life in the 20 s and 30 s rules.
    pub rtcp_is_life: bool,
    /// The other wording of the BYE for want of media.
    pub other_reason: bool,
    /// Where keys are exchanged by DTLS.
    pub webrtc: Webrtc,
}

impl Default for Media {
    /// The user speaks and should hear the agent.
    fn default() -> Self {
        Self {
            says: Says::Voice(Voice::User),
            hears: Some(Voice::Agent),
            dtx: false,
            latch: false,
            rtcp_is_life: false,
            other_reason: false,
            webrtc: Webrtc::default(),
        }
    }
}

/// What the call should come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    Answer,
    /// Any of the final responses from 300 up, or this one.
    Refusal(Option<u16>),
    Cancelled,
}

impl Plan {
    /// A user calls, speaks, and hangs up after ten seconds.
    pub fn new(number: &str, password: &str) -> Self {
        Self {
            caller: Caller {
                user: "+12195550714".into(),
                display_name: Some("Zoë Müller".into()),
                context: Some(Context {
                    user_id: Some("US.13491208655302741918".into()),
                    country: Some("US".into()),
                    ..Context::default()
                }),
            },
            number: number.into(),
            password: password.into(),
            shape: Shape::default(),
            offer: Offer {
                codecs: vec![Codec::Opus],
                keys: KeyExchange::Sdes,
                profile: None,
            },
            media: Media::default(),
            talk: Some(Duration::from_secs(10)),
            cancel: None,
            ring_limit: Duration::from_secs(45),
            digits: None,
            expect: Expect::Answer,
            faults: Faults::new(),
        }
    }
}
