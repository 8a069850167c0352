//! One-way audio by its name: why a side is not heard, or does not hear us. Two pure functions judge what the counters
//! of a stretch of time say; [`Watch`] asks them every `WINDOW` from the start of a side on, tells each cause once, and
//! adds up how long each lasted.

use std::time::{Duration, Instant};

use crate::media::bridge::report::Rejected;

/// A stretch that is judged.
pub const WINDOW: Duration = Duration::from_secs(5);
/// A stretch this long at the end of a call counts too: packets that stop before their BYE comes are no fault.
const LEAST: Duration = Duration::from_secs(2);
/// Of what a side was sent, as its RTCP reports it: more is not bad sound but none.
const NEARLY_ALL: f32 = 0.98;

/// Why there is no audio. Of the causes that hold together the first is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NoAudio {
    /// The peer's direction forbids it.
    Hold,
    /// ICE has not found the peer, or lost it.
    NotReached,
    /// The DTLS handshake with the peer is not over, or failed.
    NotSecured,
    /// The agreed SRTP keys cannot be used.
    UnusableKeys,
    /// We were not told where to send, and nothing came to learn it from.
    NoAddress,
    /// The peer's RTCP reports that what we send is lost.
    Lost,
    /// Packets do not authenticate with the agreed SRTP key.
    Authentication,
    /// Packets come from an address that is not the peer's.
    WrongSource,
    /// Packets of a payload type that was not agreed.
    UnknownPayloadType,
    /// Packets that the codec cannot read.
    Undecodable,
    /// Packets that were used before: something sends the same again and again.
    Replayed,
    /// Datagrams that are no RTP.
    NotRtp,
    /// Not one datagram, from the start on.
    NothingReceived,
    /// It was heard, and then nothing came any more.
    Stopped,
    /// Packets come as agreed and hold silence.
    Silence,
}

/// Which way on a leg.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// From the peer to us.
    From,
    /// From us to the peer.
    To,
}

impl Way {
    /// `no audio from ...`.
    pub fn words(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
        }
    }
}

impl NoAudio {
    pub const ALL: [Self; 15] = [
        Self::Hold,
        Self::NotReached,
        Self::NotSecured,
        Self::UnusableKeys,
        Self::NoAddress,
        Self::Lost,
        Self::Authentication,
        Self::WrongSource,
        Self::UnknownPayloadType,
        Self::Undecodable,
        Self::Replayed,
        Self::NotRtp,
        Self::NothingReceived,
        Self::Stopped,
        Self::Silence,
    ];

    /// As in CDR and metrics.
    pub fn token(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::NotReached => "not_reached",
            Self::NotSecured => "not_secured",
            Self::UnusableKeys => "unusable_keys",
            Self::NoAddress => "no_address",
            Self::Lost => "lost",
            Self::Authentication => "srtp_authentication",
            Self::WrongSource => "wrong_source",
            Self::UnknownPayloadType => "unknown_payload_type",
            Self::Undecodable => "undecodable",
            Self::Replayed => "replayed",
            Self::NotRtp => "not_rtp",
            Self::NothingReceived => "nothing_received",
            Self::Stopped => "stopped",
            Self::Silence => "silence",
        }
    }

    /// For a person, after a colon.
    pub fn words(self) -> &'static str {
        match self {
            Self::Hold => "its description puts the call on hold",
            Self::NotReached => "ICE has no way to it: a firewall, or it does not answer checks",
            Self::NotSecured => "the DTLS handshake with it is not over",
            Self::UnusableKeys => "the SRTP keys that were agreed cannot be used",
            Self::NoAddress => "it did not say where to send, and nothing came to learn it from",
            Self::Lost => "its RTCP reports that nearly all of our packets are lost",
            Self::Authentication => "its packets do not authenticate with the agreed SRTP key",
            Self::WrongSource => "packets come from an address that is not the peer's",
            Self::UnknownPayloadType => "its packets have a payload type that was not agreed",
            Self::Undecodable => "its packets cannot be decoded by the agreed codec",
            Self::Replayed => "the same packets come again and again",
            Self::NotRtp => "what it sends is no RTP",
            Self::NothingReceived => {
                "not one packet has come: a firewall, NAT, or a wrong address of ours in the description"
            }
            Self::Stopped => "its packets have stopped: another network, or silence suppression",
            Self::Silence => "its packets hold nothing but silence: muted, or no microphone",
        }
    }

    /// Something is broken; hold, silence and a pause may be what the party wants.
    pub fn is_fault(self) -> bool {
        match self {
            Self::Hold | Self::Stopped | Self::Silence => false,
            Self::NotReached
            | Self::NotSecured
            | Self::UnusableKeys
            | Self::NoAddress
            | Self::Lost
            | Self::Authentication
            | Self::WrongSource
            | Self::UnknownPayloadType
            | Self::Undecodable
            | Self::Replayed
            | Self::NotRtp
            | Self::NothingReceived => true,
        }
    }

    /// Who listens says nothing: silence has to last.
    fn patience(self) -> Duration {
        match self == Self::Silence {
            true => 2 * WINDOW,
            false => WINDOW,
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// What came from a side that was of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Came {
    /// Packets of audio or digits.
    pub packets: u64,
    /// How many times they held more than silence, as far as can be told.
    pub sound: u64,
}

/// How far ICE and DTLS have come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// Or there is none.
    Done,
    NoWay,
    NoKeys,
}

impl Setup {
    fn fault(self) -> Option<NoAudio> {
        match self {
            Self::Done => None,
            Self::NoWay => Some(NoAudio::NotReached),
            Self::NoKeys => Some(NoAudio::NotSecured),
        }
    }
}

/// What is known of one side: of a stretch of time, or its counters since the call began.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sight {
    pub setup: Setup,
    /// The peer may send, and may be sent to, by its description.
    pub may_send: bool,
    pub may_receive: bool,
    /// The agreed keys can be used for receiving, and for sending.
    pub opens: bool,
    pub protects: bool,
    /// There is an address to send to.
    pub has_target: bool,
    pub came: Came,
    pub rejected: Rejected,
    /// Anything valid ever came.
    pub heard_ever: bool,
    /// RTCP reports about what we send, and the loss that the last one tells of.
    pub reports: u32,
    pub reported_loss: Option<f32>,
}

/// Why the peer is not heard.
pub fn from_peer(stretch: &Sight) -> Option<NoAudio> {
    let Came { packets, sound } = stretch.came;
    match (stretch.may_send, stretch.opens, packets, sound) {
        (false, _, _, _) => Some(NoAudio::Hold),
        (true, _, _, 1..) => None,
        (true, _, 1.., 0) => Some(NoAudio::Silence),
        (true, _, 0, 0) if stretch.setup != Setup::Done => stretch.setup.fault(),
        (true, false, 0, 0) => Some(NoAudio::UnusableKeys),
        (true, true, 0, 0) => Some(why_rejected(&stretch.rejected).unwrap_or(
            match stretch.heard_ever {
                true => NoAudio::Stopped,
                false => NoAudio::NothingReceived,
            },
        )),
    }
}

/// Why the peer does not hear us.
pub fn to_peer(stretch: &Sight) -> Option<NoAudio> {
    let is_lost = |loss| loss >= NEARLY_ALL;
    if !stretch.may_receive {
        return Some(NoAudio::Hold);
    }
    if let Some(fault) = stretch.setup.fault() {
        return Some(fault);
    }
    if !stretch.protects {
        return Some(NoAudio::UnusableKeys);
    }
    if !stretch.has_target {
        return Some(NoAudio::NoAddress);
    }
    let told = stretch.reported_loss.filter(|_| stretch.reports > 0);
    told.is_some_and(is_lost).then_some(NoAudio::Lost)
}

/// What most of the datagrams were rejected for.
fn why_rejected(rejected: &Rejected) -> Option<NoAudio> {
    let (cause, count) = [
        (NoAudio::NotRtp, rejected.not_rtp),
        (NoAudio::Replayed, rejected.replayed),
        (NoAudio::Undecodable, rejected.undecodable),
        (NoAudio::UnknownPayloadType, rejected.unknown_payload_type),
        (NoAudio::WrongSource, rejected.wrong_source),
        (NoAudio::Authentication, rejected.authentication),
    ]
    .into_iter()
    .max_by_key(|(_, count)| *count)?;
    (count > 0).then_some(cause)
}

/// What is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum News {
    Missing { cause: NoAudio, lasting: Duration },
    Again { after: Duration },
}

/// What of one way was missing for longest; a fault before anything else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Missing {
    pub cause: NoAudio,
    /// In all, as far as it lasted long enough to be sure.
    pub lasted: Duration,
}

/// One side, both ways.
#[derive(Clone, Default)]
pub struct Watch {
    window: Option<Window>,
    from: Trouble,
    to: Trouble,
}

/// When it began, and what had come by then.
#[derive(Clone, Copy)]
struct Window {
    begun: Instant,
    came: Came,
    rejected: Rejected,
    reports: u32,
}

impl Watch {
    /// Audio is expected from now on, or expected in another way.
    pub fn begin(&mut self, now: Instant, sight: &Sight) {
        self.window = Some(Window {
            begun: now,
            came: sight.came,
            rejected: sight.rejected,
            reports: sight.reports,
        });
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.window.map(|window| window.begun + WINDOW)
    }

    /// Judges the window if it is over, and begins the next.
    pub fn handle_timeout(&mut self, now: Instant, sight: &Sight) -> [(Way, Option<News>); 2] {
        let over = self.window.filter(|window| window.begun + WINDOW <= now);
        let Some(window) = over else {
            return [(Way::From, None), (Way::To, None)];
        };
        let stretch = window.stretch(sight);
        self.begin(now, sight);
        let begun = window.begun;
        [
            (Way::From, self.from.judge(begun, now, from_peer(&stretch))),
            (Way::To, self.to.judge(begun, now, to_peer(&stretch))),
        ]
    }

    /// What was missing from the peer and to it, as if the call ended now.
    pub fn sum(&self, now: Instant, sight: &Sight) -> [Option<Missing>; 2] {
        let (mut from, mut to) = (self.from.clone(), self.to.clone());
        let begun_early = |window: &Window| now.saturating_duration_since(window.begun) >= LEAST;
        if let Some(window) = self.window.filter(begun_early) {
            let stretch = window.stretch(sight);
            from.conclude(window.begun, now, from_peer(&stretch));
            to.conclude(window.begun, now, to_peer(&stretch));
        }
        [from.chief(), to.chief()]
    }
}

impl Window {
    fn stretch(&self, sight: &Sight) -> Sight {
        Sight {
            came: Came {
                packets: sight.came.packets - self.came.packets,
                sound: sight.came.sound - self.came.sound,
            },
            rejected: sight.rejected.since(&self.rejected),
            reports: sight.reports - self.reports,
            ..*sight
        }
    }
}

/// One way of one side.
#[derive(Clone, Default)]
struct Trouble {
    state: State,
    /// Causes that were told, by their bits.
    told: u16,
    lasted: [Duration; NoAudio::ALL.len()],
}

#[derive(Clone, Copy, Default)]
enum State {
    #[default]
    Fine,
    /// Not for long enough.
    Suspected { cause: NoAudio, since: Instant },
    /// Told, so that its end will be.
    Told { cause: NoAudio, since: Instant },
    /// It had been told before.
    Repeated(NoAudio),
}

impl Trouble {
    fn judge(&mut self, begun: Instant, now: Instant, found: Option<NoAudio>) -> Option<News> {
        match found {
            Some(cause) => self.miss(begun, now, cause),
            None => self.hear(now),
        }
    }

    fn miss(&mut self, begun: Instant, now: Instant, cause: NoAudio) -> Option<News> {
        let since = match self.state {
            State::Told { cause: known, .. } | State::Repeated(known) if known == cause => {
                self.add(cause, now - begun);
                return None;
            }
            State::Suspected {
                cause: known,
                since,
            } if known == cause => since,
            State::Fine | State::Suspected { .. } | State::Told { .. } | State::Repeated(_) => {
                begun
            }
        };
        let lasting = now - since;
        if lasting < cause.patience() {
            self.state = State::Suspected { cause, since };
            return None;
        }
        self.add(cause, lasting);
        if self.told & cause.bit() != 0 {
            self.state = State::Repeated(cause);
            return None;
        }
        self.told |= cause.bit();
        self.state = State::Told { cause, since };
        Some(News::Missing { cause, lasting })
    }

    fn hear(&mut self, now: Instant) -> Option<News> {
        match std::mem::take(&mut self.state) {
            State::Told { since, .. } => Some(News::Again { after: now - since }),
            State::Fine | State::Suspected { .. } | State::Repeated(_) => None,
        }
    }

    /// A fault needs no more patience at the end.
    fn conclude(&mut self, begun: Instant, now: Instant, found: Option<NoAudio>) {
        let Some(cause) = found.filter(|cause| cause.is_fault()) else {
            return;
        };
        let since = match self.state {
            State::Suspected {
                cause: known,
                since,
            } if known == cause => since,
            State::Fine | State::Suspected { .. } | State::Told { .. } | State::Repeated(_) => {
                begun
            }
        };
        self.add(cause, now - since);
    }

    fn add(&mut self, cause: NoAudio, duration: Duration) {
        if let Some(lasted) = self.lasted.get_mut(cause as usize) {
            *lasted += duration;
        }
    }

    fn chief(&self) -> Option<Missing> {
        NoAudio::ALL
            .into_iter()
            .zip(self.lasted)
            .filter(|(_, lasted)| !lasted.is_zero())
            .map(|(cause, lasted)| Missing { cause, lasted })
            .max_by_key(|missing| (missing.cause.is_fault(), missing.lasted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Sight {
        Sight {
            setup: Setup::Done,
            may_send: true,
            may_receive: true,
            opens: true,
            protects: true,
            has_target: true,
            came: Came {
                packets: 250,
                sound: 100,
            },
            rejected: Rejected::default(),
            heard_ever: true,
            reports: 1,
            reported_loss: Some(0.1),
        }
    }

    fn nothing() -> Sight {
        Sight {
            came: Came::default(),
            ..well()
        }
    }

    #[test]
    fn each_cause_of_a_peer_that_is_not_heard() {
        let rejected = |rejected| Sight {
            rejected,
            ..nothing()
        };
        let none = Rejected::default;
        for (sight, cause) in [
            (well(), None),
            (nothing(), Some(NoAudio::Stopped)),
            (
                Sight {
                    heard_ever: false,
                    ..nothing()
                },
                Some(NoAudio::NothingReceived),
            ),
            (
                Sight {
                    may_send: false,
                    ..well()
                },
                Some(NoAudio::Hold),
            ),
            (
                Sight {
                    opens: false,
                    ..nothing()
                },
                Some(NoAudio::UnusableKeys),
            ),
            (
                Sight {
                    came: Came {
                        packets: 250,
                        sound: 0,
                    },
                    ..well()
                },
                Some(NoAudio::Silence),
            ),
            (
                rejected(Rejected {
                    authentication: 250,
                    wrong_source: 3,
                    ..none()
                }),
                Some(NoAudio::Authentication),
            ),
            (
                rejected(Rejected {
                    authentication: 2,
                    wrong_source: 3,
                    ..none()
                }),
                Some(NoAudio::WrongSource),
            ),
            (
                rejected(Rejected {
                    unknown_payload_type: 1,
                    ..none()
                }),
                Some(NoAudio::UnknownPayloadType),
            ),
            (
                rejected(Rejected {
                    undecodable: 1,
                    ..none()
                }),
                Some(NoAudio::Undecodable),
            ),
            (
                rejected(Rejected {
                    replayed: 1,
                    ..none()
                }),
                Some(NoAudio::Replayed),
            ),
            (
                rejected(Rejected {
                    not_rtp: 1,
                    ..none()
                }),
                Some(NoAudio::NotRtp),
            ),
        ] {
            assert_eq!(from_peer(&sight), cause, "{sight:?}");
        }
    }

    #[test]
    fn each_cause_of_a_peer_that_does_not_hear() {
        for (sight, cause) in [
            (well(), None),
            (nothing(), None),
            (
                Sight {
                    may_receive: false,
                    ..well()
                },
                Some(NoAudio::Hold),
            ),
            (
                Sight {
                    protects: false,
                    ..well()
                },
                Some(NoAudio::UnusableKeys),
            ),
            (
                Sight {
                    has_target: false,
                    ..well()
                },
                Some(NoAudio::NoAddress),
            ),
            (
                Sight {
                    reported_loss: Some(1.0),
                    ..well()
                },
                Some(NoAudio::Lost),
            ),
            (
                Sight {
                    reports: 0,
                    reported_loss: Some(1.0),
                    ..well()
                },
                None,
            ),
        ] {
            assert_eq!(to_peer(&sight), cause, "{sight:?}");
        }
    }

    /// The counters as they stand, window by window.
    fn told(windows: &[(u64, u64)]) -> (Vec<Option<News>>, Option<Missing>) {
        let start = Instant::now();
        let mut watch = Watch::default();
        let mut sight = Sight {
            came: Came::default(),
            ..well()
        };
        watch.begin(start, &sight);
        let mut news = Vec::new();
        for (n, (packets, sound)) in (1..).zip(windows) {
            sight.came.packets += packets;
            sight.came.sound += sound;
            let now = start + WINDOW * n;
            assert_eq!(watch.deadline(), Some(now));
            let [(_, from), (_, to)] = watch.handle_timeout(now, &sight);
            assert_eq!(to, None);
            news.push(from);
        }
        let end = start + WINDOW * windows.len() as u32;
        (news, watch.sum(end, &sight)[0])
    }

    fn missing(cause: NoAudio, seconds: u64) -> Option<News> {
        Some(News::Missing {
            cause,
            lasting: Duration::from_secs(seconds),
        })
    }

    fn chief(cause: NoAudio, seconds: u64) -> Option<Missing> {
        Some(Missing {
            cause,
            lasted: Duration::from_secs(seconds),
        })
    }

    #[test]
    fn told_once_and_its_end_too() {
        let again = |seconds| {
            Some(News::Again {
                after: Duration::from_secs(seconds),
            })
        };
        let heard = (250, 250);
        let (news, sum) = told(&[heard, (0, 0), (0, 0), heard, (0, 0), heard]);
        let stopped = missing(NoAudio::Stopped, 5);
        assert_eq!(news, [None, stopped, None, again(15), None, None]);
        assert_eq!(sum, chief(NoAudio::Stopped, 15));
    }

    #[test]
    fn silence_has_to_last() {
        let silence = (250, 0);
        let (news, sum) = told(&[silence, (250, 1), silence]);
        assert_eq!((news, sum), (vec![None; 3], None));
        let (news, sum) = told(&[silence, silence, silence]);
        assert_eq!(news, [None, missing(NoAudio::Silence, 10), None]);
        assert_eq!(sum, chief(NoAudio::Silence, 15));
    }

    #[test]
    fn short_call_has_its_cause_and_a_last_second_none() {
        let start = Instant::now();
        let mut watch = Watch::default();
        let never = Sight {
            heard_ever: false,
            ..nothing()
        };
        watch.begin(start, &never);
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(watch.sum(at(1_900), &never), [None, None]);
        let [from, to] = watch.sum(at(3_000), &never);
        assert_eq!((from, to), (chief(NoAudio::NothingReceived, 3), None));
    }

    #[test]
    fn faults_come_before_holds() {
        let mut trouble = Trouble::default();
        trouble.add(NoAudio::Hold, Duration::from_secs(100));
        trouble.add(NoAudio::WrongSource, Duration::from_secs(5));
        assert_eq!(trouble.chief(), chief(NoAudio::WrongSource, 5));
    }

    #[test]
    fn the_readme_has_the_same_words() {
        let readme = include_str!("../../../README.md");
        for cause in NoAudio::ALL {
            let row = format!("| `{}` | {} |", cause.token(), cause.words());
            assert!(readme.contains(&row), "{row}");
        }
    }

    #[test]
    fn places_and_tokens_are_distinct() {
        let places: Vec<usize> = NoAudio::ALL.iter().map(|cause| *cause as usize).collect();
        assert!(places.iter().copied().eq(0..NoAudio::ALL.len()));
        let tokens: std::collections::BTreeSet<_> =
            NoAudio::ALL.iter().map(|cause| cause.token()).collect();
        assert_eq!(tokens.len(), NoAudio::ALL.len());
    }
}
