//! Session timers (RFC 4028): what is asked for, what is agreed, when to refresh and when the session has expired.
//! Sending the refresh is not done here.

use std::time::{Duration, Instant};

use crate::sip::endpoint::{Reply, SessionTimer};
use crate::sip::message::{Headers, Name, Refresher, SessionExpires};

/// No interval may be shorter (RFC 4028 §4).
pub const FLOOR: Duration = Duration::from_secs(90);

/// 64*T1, the longest that a refresh may take.
const TRANSACTION: Duration = Duration::from_secs(32);

/// The longest interval believed; keeps the arithmetic of deadlines sound.
const CEILING: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    Ours,
    Peers,
}

/// An agreed session timer that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Running {
    pub interval: Duration,
    pub turn: Turn,
    /// When our refresh is due, again if the one before came to nothing; `None` when it is too late for another, or when
    /// the peer refreshes.
    refresh_at: Option<Instant>,
    expires_at: Instant,
}

/// What a running timer has come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    Nothing,
    Refresh,
    Expired,
}

impl Running {
    pub fn new(now: Instant, interval: Duration, turn: Turn) -> Self {
        let interval = interval.clamp(FLOOR, CEILING);
        // RFC 4028 §10: BYE goes out shortly before the session would expire at the peer.
        let margin = (interval / 3).min(Duration::from_secs(32));
        Self {
            interval,
            turn,
            refresh_at: match turn {
                Turn::Ours => Some(now + interval / 2),
                Turn::Peers => None,
            },
            expires_at: now + interval - margin,
        }
    }

    pub fn deadline(&self) -> Instant {
        self.refresh_at.unwrap_or(self.expires_at)
    }

    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        if now >= self.expires_at {
            return Due::Expired;
        }
        if self.refresh_at.is_some_and(|at| now >= at) {
            self.refresh_at = self.next_try(now);
            return Due::Refresh;
        }
        Due::Nothing
    }

    /// RFC 4028 §10 has us try again after a failure, though not continuously: each time half of what is left has passed,
    /// while a transaction still fits in.
    fn next_try(&self, now: Instant) -> Option<Instant> {
        let pause = (self.expires_at - now) / 2;
        (pause > TRANSACTION).then(|| now + pause)
    }
}

/// Adds what our INVITE or re-INVITE asks for. A timer that runs keeps its refresher.
pub fn ask(setting: SessionTimer, running: Option<&Running>, headers: &mut Headers) {
    let SessionTimer::On {
        ask,
        expires,
        min_se,
    } = setting
    else {
        return;
    };
    let wanted = match running {
        Some(running) => Some(SessionExpires {
            interval: running.interval,
            refresher: Some(match running.turn {
                Turn::Ours => Refresher::Uac,
                Turn::Peers => Refresher::Uas,
            }),
        }),
        None => ask.then_some(SessionExpires {
            interval: expires.max(min_se).max(FLOOR),
            refresher: None,
        }),
    };
    if let Some(wanted) = wanted {
        headers.set(Name::SessionExpires, wanted.to_string());
    }
    if min_se > FLOOR {
        headers.set(Name::MinSe, min_se.as_secs().to_string());
    }
}

/// The peer found our interval too small (422): what to ask for instead. `None` when it gives no reason to try again.
pub fn raise(setting: SessionTimer, rejection: &Headers) -> Option<SessionTimer> {
    let SessionTimer::On {
        ask,
        expires,
        min_se,
    } = setting
    else {
        return None;
    };
    let wanted = rejection.min_se().ok()??.min(CEILING);
    (wanted > expires || wanted > min_se).then_some(SessionTimer::On {
        ask,
        expires: expires.max(wanted),
        min_se: min_se.max(wanted),
    })
}

/// The agreement in a 2xx to a request of ours.
pub fn agreed_by_peer(now: Instant, setting: SessionTimer, response: &Headers) -> Option<Running> {
    if setting == SessionTimer::Off {
        return None;
    }
    let answered = response.session_expires().ok()??;
    let turn = match answered.refresher {
        Some(Refresher::Uas) => Turn::Peers,
        Some(Refresher::Uac) | None => Turn::Ours,
    };
    Some(Running::new(now, answered.interval, turn))
}

/// Our answer to what a request asks for (RFC 4028 §9): written into the headers of the 2xx.
pub fn agree(
    now: Instant,
    setting: SessionTimer,
    running: Option<&Running>,
    request: &Headers,
    response: &mut Headers,
) -> Option<Running> {
    let SessionTimer::On { ask, expires, .. } = setting else {
        return None;
    };
    let asked = request.session_expires().ok().flatten();
    if asked.is_none() && running.is_none() && !ask {
        return None;
    }
    let interval = interval(asked, expires, request);
    let refresher = refresher(asked, request.supports("timer"));
    let agreed = SessionExpires {
        interval,
        refresher: Some(refresher),
    };
    response.set(Name::SessionExpires, agreed.to_string());
    let turn = match refresher {
        Refresher::Uac => {
            response.push(Name::Require, "timer");
            Turn::Peers
        }
        Refresher::Uas => Turn::Ours,
    };
    Some(Running::new(now, interval, turn))
}

/// 422 to a request that asks for less than we take (RFC 4028 §9). Where no timer runs, whatever is asked is ignored.
pub fn refuse(setting: SessionTimer, request: &Headers) -> Option<Reply> {
    match setting {
        SessionTimer::On { min_se, .. } => refuse_below(min_se.max(FLOOR), request),
        SessionTimer::Off => None,
    }
}

/// The same when only the least of all is known.
pub fn refuse_below(least: Duration, request: &Headers) -> Option<Reply> {
    let asked = request.session_expires().ok().flatten()?;
    let refused = request.supports("timer") && asked.interval < least;
    refused.then(|| Reply::status(422).with(Name::MinSe, least.as_secs().to_string()))
}

/// We may shorten what the peer asked, though not below its Min-SE.
fn interval(asked: Option<SessionExpires>, wanted: Duration, request: &Headers) -> Duration {
    let floor = request.min_se().ok().flatten().unwrap_or(FLOOR).max(FLOOR);
    let asked = asked.map_or(wanted, |asked| asked.interval.min(wanted));
    asked.max(floor).min(CEILING)
}

/// The one the peer named; the peer itself when it left that to us and can do it.
fn refresher(asked: Option<SessionExpires>, peer_can: bool) -> Refresher {
    match asked {
        Some(SessionExpires {
            refresher: Some(Refresher::Uac) | None,
            ..
        }) if peer_can => Refresher::Uac,
        Some(_) | None => Refresher::Uas,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn on(ask: bool, expires: u64) -> SessionTimer {
        SessionTimer::On {
            ask,
            expires: seconds(expires),
            min_se: FLOOR,
        }
    }

    fn headers(lines: &[(Name, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(name.clone(), *value);
        }
        headers
    }

    /// RFC 4028, table 2.
    #[test]
    fn who_refreshes() {
        let now = Instant::now();
        let rows = [
            (Some("1800"), true, "1800;refresher=uac", Turn::Peers),
            (
                Some("1800;refresher=uac"),
                true,
                "1800;refresher=uac",
                Turn::Peers,
            ),
            (
                Some("1800;refresher=uas"),
                true,
                "1800;refresher=uas",
                Turn::Ours,
            ),
            (Some("1800"), false, "1800;refresher=uas", Turn::Ours),
            (Some("4000"), true, "1800;refresher=uac", Turn::Peers),
            (Some("600"), true, "600;refresher=uac", Turn::Peers),
            (None, true, "1800;refresher=uas", Turn::Ours),
            (None, false, "1800;refresher=uas", Turn::Ours),
        ];
        for (asked, supported, written, turn) in rows {
            let mut request = Headers::new();
            if let Some(asked) = asked {
                request.push(Name::SessionExpires, asked);
            }
            if supported {
                request.push(Name::Supported, "100rel, timer");
            }
            let mut response = Headers::new();
            let running = agree(now, on(true, 1800), None, &request, &mut response).unwrap();
            assert_eq!(response.get(&Name::SessionExpires), Some(written));
            assert_eq!(running.turn, turn);
            assert_eq!(
                response.has_tag(&Name::Require, "timer"),
                turn == Turn::Peers
            );
        }
    }

    #[test]
    fn nothing_is_agreed_when_off_or_unasked() {
        let now = Instant::now();
        let asks = headers(&[(Name::SessionExpires, "1800"), (Name::Supported, "timer")]);
        let silent = headers(&[(Name::Supported, "timer")]);
        for (setting, request) in [(SessionTimer::Off, &asks), (on(false, 1800), &silent)] {
            let mut response = Headers::new();
            assert_eq!(agree(now, setting, None, request, &mut response), None);
            assert!(response.is_empty());
        }
    }

    #[test]
    fn the_refresher_is_told_at_half_and_both_expire() {
        let now = Instant::now();
        for (turn, tries) in [
            (Turn::Ours, vec![900, 1334, 1551, 1659, 1713]),
            (Turn::Peers, vec![]),
        ] {
            let mut running = Running::new(now, seconds(1800), turn);
            for at in tries {
                let deadline = running.deadline();
                assert_eq!((deadline - now).as_secs(), at);
                assert_eq!(running.handle_timeout(deadline), Due::Refresh);
            }
            assert_eq!(running.deadline(), now + seconds(1768));
            assert_eq!(running.handle_timeout(running.deadline()), Due::Expired);
        }
    }

    #[test]
    fn a_422_raises_what_is_asked() {
        let rejection = headers(&[(Name::MinSe, "3600")]);
        let raised = raise(on(true, 1800), &rejection).unwrap();
        let mut asked = Headers::new();
        ask(raised, None, &mut asked);
        assert_eq!(asked.get(&Name::SessionExpires), Some("3600"));
        assert_eq!(asked.get(&Name::MinSe), Some("3600"));
        assert_eq!(raise(raised, &rejection), None);
    }

    #[test]
    fn too_little_is_refused_with_our_least() {
        let own = SessionTimer::On {
            ask: false,
            expires: seconds(1800),
            min_se: seconds(300),
        };
        for (setting, interval, least) in [
            (on(false, 1800), "89", Some("90")),
            (on(false, 1800), "90", None),
            (own, "299;refresher=uac", Some("300")),
            (own, "300", None),
            (SessionTimer::Off, "1", None),
        ] {
            let request = headers(&[(Name::SessionExpires, interval), (Name::Supported, "timer")]);
            let refusal = refuse(setting, &request);
            let said = refusal.map(|reply| reply.headers.get(&Name::MinSe).map(str::to_owned));
            assert_eq!(said.flatten().as_deref(), least, "{interval}");
            // A peer that cannot do timers cannot read 422 either: a proxy has asked.
            let request = headers(&[(Name::SessionExpires, interval)]);
            assert_eq!(refuse(setting, &request), None);
        }
    }
}
