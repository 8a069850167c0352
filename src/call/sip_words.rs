//! What a SIP leg writes and reads besides descriptions: endings as responses and `Reason`s, failures and BYEs as
//! [`LegEnd`]s.

use crate::call::ending::Ending;
use crate::call::health;
use crate::call::leg::LegEvent;
use crate::call::leg_end::{LegEnd, Parting};
use crate::config::{DtmfHabit, SipHabits};
use crate::sdp::Refusal;
use crate::sip::endpoint::{Body, Departure, Failure, Reply, SessionTimer};
use crate::sip::message::{Headers, Name, Request, Response};

pub const SDP: &str = "application/sdp";

pub fn sdp_body(text: &str) -> Body {
    Body {
        content_type: SDP.to_owned(),
        bytes: text.as_bytes().to_vec(),
    }
}

/// Never toward a frozen peer.
pub fn session_timer(habits: &SipHabits) -> SessionTimer {
    match habits.session_timer {
        Some(timer) if !habits.frozen => SessionTimer::On {
            ask: timer.ask,
            expires: timer.expires,
            min_se: timer.min_se,
        },
        Some(_) | None => SessionTimer::Off,
    }
}

/// Whether digits go to this peer by INFO alone.
pub fn takes_info_digits(habits: &SipHabits) -> bool {
    match habits.dtmf {
        DtmfHabit::Info => !habits.frozen,
        DtmfHabit::Rtp => false,
    }
}

/// The final response to a caller that has none yet.
pub fn rejection(ending: &Ending) -> Reply {
    let mut reply = match ending.status() {
        503 => health::unavailable(ending.cause.row().words),
        status => Reply::status(status),
    };
    reply.headers.push(Name::Reason, ending.reason());
    if let (488, Some(detail)) = (reply.status, &ending.detail) {
        reply.headers.push(Name::Warning, health::warning(detail));
    }
    reply
}

pub fn reason(ending: &Ending) -> Headers {
    let mut headers = Headers::default();
    headers.push(Name::Reason, ending.reason());
    headers
}

/// 488 with the reason in a `Warning` (RFC 3261 §21.4.26).
pub fn not_acceptable(refusal: &Refusal) -> Reply {
    let mut reply = Reply::status(488);
    let warning = health::warning(&refusal.to_string());
    reply.headers.push(Name::Warning, warning);
    reply
}

pub fn ok(body: Option<Body>) -> Reply {
    Reply {
        body,
        ..Reply::status(200)
    }
}

pub fn is_sdp(request: &Request) -> bool {
    request
        .headers
        .media_type()
        .is_none_or(|content_type| content_type == SDP)
}

pub fn named(response: &Response) -> impl Iterator<Item = LegEvent> + use<> {
    let call_id = response.headers.call_id().ok().map(str::to_owned);
    call_id.map(LegEvent::Named).into_iter()
}

pub fn failure_end(failure: Failure) -> LegEnd {
    match failure {
        Failure::Rejected(response) => LegEnd::Rejected {
            status: response.status,
            q850: q850(&response.headers),
            phrase: response.reason.clone(),
        },
        Failure::Timeout => LegEnd::Unreachable("timeout".to_owned()),
        Failure::Transport(error) => LegEnd::Unreachable(error.to_string()),
        Failure::Cancelled => LegEnd::Unreachable("cancelled".to_owned()),
    }
}

pub fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Rejected(response) => response.status.to_string(),
        Failure::Timeout => "no response".to_owned(),
        Failure::Transport(error) => error.to_string(),
        Failure::Cancelled => "cancelled".to_owned(),
    }
}

pub fn departed(why: Departure) -> LegEnd {
    match why {
        Departure::Bye(request) => LegEnd::HungUp(parting(&request)),
        Departure::SessionExpired => LegEnd::SessionExpired,
        Departure::DialogGone => LegEnd::DialogGone,
    }
}

fn parting(bye: &Request) -> Parting {
    let duration = bye.headers.get_loose("x-wa-meta-call-duration");
    let words = bye.headers.reasons().find_map(|reason| reason.text);
    Parting {
        q850: q850(&bye.headers),
        words: words.map(|words| words.chars().take(128).collect()),
        duration_s: duration.and_then(|seconds| seconds.trim().parse().ok()),
    }
}

/// The Q.850 cause of a `Reason` header (RFC 3326).
fn q850(headers: &Headers) -> Option<u8> {
    let cause = headers.q850_cause()?;
    u8::try_from(cause)
        .ok()
        .filter(|cause| (1..128).contains(cause))
}
