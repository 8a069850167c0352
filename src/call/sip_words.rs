//! What a SIP leg writes and reads besides descriptions: endings as responses and `Reason`s, failures and BYEs as
//! [`LegEnd`]s.

use crate::call::ending::Ending;
use crate::call::health;
use crate::call::leg::LegEvent;
use crate::call::leg_end::{LegEnd, Parting};
use crate::config::{DtmfHabit, Meaning, SipHabits};
use crate::party::UserId;
use crate::sdp::Refusal;
use crate::sip::endpoint::{Body, Departure, Failure, Reply, SessionTimer};
use crate::sip::message::{Headers, Name, Request, Response};

pub const SDP: &str = "application/sdp";

/// Characters of a peer's text that are kept.
const MAX_TEXT: usize = 256;

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

/// The final response to a caller that has none yet. A PBX is told in every field that a phone may show.
pub fn rejection(ending: &Ending, habits: &SipHabits) -> Reply {
    let words = ending.cause.row().words;
    let mut reply = match (ending.status(), ending.retry_after_s) {
        (503, None) => health::unavailable(words),
        (status, _) => Reply::status(status),
    };
    reply.headers.push(Name::Reason, ending.reason());
    if let Some(seconds) = ending.retry_after_s {
        reply.headers.push(Name::RetryAfter, seconds.to_string());
    }
    if !habits.frozen {
        reply.reason = Some(words.to_owned());
    }
    if let Some(detail) = &ending.detail
        && (reply.status == 488 || !habits.frozen)
    {
        reply.headers.set(Name::Warning, health::warning(detail));
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
    let user_id = response.headers.get_loose("x-wa-meta-user-id").map(cut);
    let user_id = user_id.filter(|id| UserId::parse(id).is_some());
    let events = [
        call_id.map(LegEvent::Named),
        user_id.map(LegEvent::UserNamed),
    ];
    events.into_iter().flatten()
}

pub fn failure_end(failure: Failure, habits: &SipHabits) -> LegEnd {
    match failure {
        Failure::Rejected(response) => LegEnd::Rejected {
            status: response.status,
            q850: q850(&response.headers),
            meaning: meaning(&response, habits),
            phrase: cut(&response.reason),
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
    let wacid = bye.headers.get_loose("x-wa-meta-wacid");
    let words = bye.headers.reasons().find_map(|reason| reason.text);
    Parting {
        q850: q850(&bye.headers),
        words: words.map(|words| cut(&words)),
        wacid: wacid.map(cut),
        duration_s: duration.and_then(|seconds| seconds.trim().parse().ok()),
    }
}

/// What the peer's profile says that a final response means.
fn meaning(response: &Response, habits: &SipHabits) -> Option<Meaning> {
    let warnings: Vec<&str> = response.headers.all(&Name::Warning).collect();
    let texts = || std::iter::once(response.reason.as_str()).chain(warnings.iter().copied());
    let refusals = habits.refusals.iter();
    let mut fitting = refusals.filter(|refusal| refusal.fits(response.status, texts()));
    fitting.next().map(|refusal| refusal.means)
}

/// A peer's text, for a record.
fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

/// The Q.850 cause of a `Reason` header (RFC 3326).
fn q850(headers: &Headers) -> Option<u8> {
    let cause = headers.q850_cause()?;
    u8::try_from(cause)
        .ok()
        .filter(|cause| (1..128).contains(cause))
}
