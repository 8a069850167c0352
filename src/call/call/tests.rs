//! A call fed any sequence ends, with exactly one CDR and nothing left open.

use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::call::cdr::CallDirection;
use crate::call::ledger::Judgement;
use crate::call::leg::{Digit, Referral, ReferralKind};
use crate::call::leg_end::{LegEnd, Parting};
use crate::call::record::Parties;
use crate::config::Meaning;
use crate::consent::{Fact, Refusal, Verdict};
use crate::media::bridge::{Digits, Dtx, Habits, Report, StreamSpec};
use crate::media::gain::Decibels;
use crate::party::{Party as WhoCalls, PhoneNumber};
use crate::sdp::{Codec, Direction, ExtendedReports, OpusLimits, PayloadType, Protection, Ssrc};

fn agreement(direction: Direction) -> Box<Agreement> {
    Box::new(Agreement {
        remote_rtp: None,
        remote_rtcp: None,
        rtcp_mux: true,
        extended_reports: ExtendedReports::default(),
        codec: Codec::Pcmu,
        send_pt: PayloadType(0),
        receive: vec![(PayloadType(0), Codec::Pcmu)],
        telephone_event: None,
        direction,
        packet_time: Duration::from_millis(20),
        protection: Protection::Clear,
        ice: None,
        remote_ssrc: None,
        opus: OpusLimits::default(),
    })
}

fn spec() -> BridgeSpec {
    let stream = StreamSpec {
        ssrc: Ssrc(1),
        cname: "x".to_owned(),
        habits: Habits {
            keep_fed: true,
            latch: false,
            media_timeout: Duration::from_secs(20),
            opus_bitrate: 20_000,
            opus_complexity: 0,
            opus_fec: false,
            early_audio: Duration::from_secs(1),
            gain_from: Decibels(0),
            gain_to: Decibels(0),
            opus_dtx: Dtx::IfAsked,
            digits: Digits::Events,
        },
    };
    BridgeSpec {
        streams: Pair::new(stream.clone(), stream),
    }
}

/// The ways a call begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    User { late_offer: bool },
    Agent { late_offer: bool },
    AgentFirst,
    UserFirst,
}

impl Kind {
    fn is_by_user(self) -> bool {
        matches!(self, Self::User { .. })
    }

    fn is_ordered(self) -> bool {
        matches!(self, Self::AgentFirst | Self::UserFirst)
    }

    fn user(self) -> Side {
        match self {
            Self::User { .. } | Self::UserFirst => Side::A,
            Self::Agent { .. } | Self::AgentFirst => Side::B,
        }
    }

    fn beginning(self) -> Beginning {
        match self {
            Self::User { late_offer } | Self::Agent { late_offer } => {
                let offer = (!late_offer).then(|| agreement(Direction::SendRecv));
                Beginning::Called(offer)
            }
            Self::AgentFirst | Self::UserFirst => Beginning::Ordered,
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        any::<bool>().prop_map(|late_offer| Kind::User { late_offer }),
        any::<bool>().prop_map(|late_offer| Kind::Agent { late_offer }),
        Just(Kind::AgentFirst),
        Just(Kind::UserFirst),
    ]
}

fn parties(kind: Kind) -> Parties {
    Parties {
        direction: match kind.is_by_user() {
            true => CallDirection::UserInitiated,
            false => CallDirection::BusinessInitiated,
        },
        wacid: None,
        call_id: None,
        user: WhoCalls::from_user_part("+12195550714").unwrap(),
        user_id: None,
        user_country: None,
        number: PhoneNumber::parse("+17015550100").unwrap(),
        trunk: None,
        extension: None,
    }
}

fn call(now: Moment, kind: Kind, peers: usize) -> Call {
    let ports = PortPair { rtp: 2, rtcp: 3 };
    let candidate = |index| Candidate {
        target: Target::WhatsApp,
        name: format!("peer {index}"),
    };
    let candidates: VecDeque<_> = (0..peers).map(candidate).collect();
    let parties = parties(kind);
    let plan = Plan {
        pair: consent::Pair::new(parties.number.clone(), parties.user.clone()),
        record: Record::new(now, CallRef("x".to_owned()), parties),
        ports: Pair::new(ports, ports),
        spec: spec(),
        beginning: kind.beginning(),
        candidates: Pair::new(candidates.clone(), candidates),
        habits: CallHabits {
            ringing: true,
            early_description: true,
            client_hello: ClientHello::AfterAck,
            answer_timeout: Pair::new(Duration::from_secs(45), Duration::from_secs(45)),
            digits_by_signalling: Pair::new(false, true),
            when_unknown: WhenUnknown::Refuse,
            declined_is_unanswered: false,
        },
        user: kind.user(),
        other_calls: 0,
    };
    Call::new(now, plan)
}

#[derive(Clone, Debug)]
enum Input {
    Leg(Side, LegEvent),
    Successor(LegEvent),
    Media(MediaEvent),
    Judged(Judgement),
    Wait(Duration),
    ShutDown,
}

fn input() -> impl Strategy<Value = Input> {
    let side = prop::sample::select(Side::BOTH.to_vec());
    let direction = prop::sample::select(vec![
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ]);
    let digit = Digit {
        key: b'1',
        duration: Duration::from_millis(100),
    };
    let end = prop_oneof![
        Just(LegEnd::Cancelled),
        Just(LegEnd::HungUp(Parting::default())),
        (300..700u16).prop_map(|status| LegEnd::Rejected {
            status,
            q850: None,
            phrase: "No".to_owned(),
            meaning: None,
        }),
        prop::sample::select(Meaning::ALL.to_vec()).prop_map(|(name, meaning)| {
            LegEnd::Rejected {
                status: 403,
                q850: None,
                phrase: name.to_owned(),
                meaning: Some(meaning),
            }
        }),
        Just(LegEnd::Unreachable("timeout".to_owned())),
        Just(LegEnd::Disagreed("no audio".to_owned())),
        Just(LegEnd::NeverAcknowledged),
        Just(LegEnd::SessionExpired),
        Just(LegEnd::DialogGone),
    ];
    let leg = prop_oneof![
        1 => Just(LegEvent::Named("name".to_owned())),
        3 => Just(LegEvent::Ringing),
        2 => direction.clone().prop_map(|d| LegEvent::EarlyMedia(agreement(d))),
        3 => direction.clone().prop_map(|d| LegEvent::Answered(agreement(d))),
        3 => any::<bool>().prop_map(|late| {
            LegEvent::Confirmed(late.then(|| agreement(Direction::SendRecv)))
        }),
        2 => direction.prop_map(|d| LegEvent::Reagreed(agreement(d))),
        1 => Just(LegEvent::Digit(digit)),
        2 => Just(LegEvent::Referred(Referral {
            to: "200".to_owned(),
            kind: ReferralKind::Blind,
        })),
        2 => end.prop_map(LegEvent::Ended),
    ]
    .boxed();
    let bridge = |event| MediaEvent::Bridge {
        call: CallRef("x".to_owned()),
        event,
    };
    let media = prop_oneof![
        side.clone()
            .prop_map(move |side| bridge(bridge::Event::FirstMedia { side })),
        side.clone().prop_map(move |side| {
            let silent_for = Duration::from_secs(20);
            bridge(bridge::Event::Starved { side, silent_for })
        }),
        side.clone().prop_map(move |side| {
            let cause = bridge::NotConnected::NoPath;
            bridge(bridge::Event::NotConnected { side, cause })
        }),
        Just(MediaEvent::Closed {
            call: CallRef("x".to_owned()),
            report: Box::new(Report::default()),
        }),
        Just(MediaEvent::Failed {
            call: CallRef("x".to_owned()),
            error: "broken".to_owned(),
        }),
    ];
    let judgement = prop::sample::select(vec![
        Judgement::Verdict(Verdict::Allowed),
        Judgement::Verdict(Verdict::Unknown),
        Judgement::Verdict(Verdict::Refused(Refusal::PermissionNotGiven)),
        Judgement::Unreadable("locked".to_owned()),
    ]);
    prop_oneof![
        4 => judgement.prop_map(Input::Judged),
        10 => (side, leg.clone()).prop_map(|(side, event)| Input::Leg(side, event)),
        4 => leg.prop_map(Input::Successor),
        2 => media.prop_map(Input::Media),
        2 => (0..60_000u64).prop_map(|ms| Input::Wait(Duration::from_millis(ms))),
        1 => Just(Input::ShutDown),
    ]
}

/// What a call has asked for, checked while it asks.
#[derive(Default)]
struct Books {
    opened: usize,
    closed: usize,
    dialled: Pair<usize>,
    answered: usize,
    rang: usize,
    hung_up: Pair<usize>,
    asked: usize,
    /// One is being called.
    successor: bool,
    facts: Vec<Fact>,
    cdrs: Vec<Cdr>,
}

impl Books {
    fn take(&mut self, call: &mut Call) -> Result<(), TestCaseError> {
        while let Some((side, command)) = call.poll_command() {
            match command {
                LegCommand::Dial(_) => self.dialled[side] += 1,
                LegCommand::Ring => self.rang += 1,
                LegCommand::Answer => self.answered += 1,
                LegCommand::Digit(_) => prop_assert_eq!(side, Side::B),
                LegCommand::HangUp(_) => self.hung_up[side] += 1,
                LegCommand::TakeReferral => {
                    prop_assert!(!self.successor, "one at a time");
                    self.successor = true;
                }
                LegCommand::Succeed | LegCommand::DropSuccessor(_) => {
                    prop_assert!(std::mem::take(&mut self.successor));
                }
                LegCommand::RefuseReferral => {}
                LegCommand::TellReferrer(status) => prop_assert!((100..700).contains(&status)),
            }
        }
        while let Some(command) = call.poll_media() {
            prop_assert_eq!(self.closed, 0, "nothing follows Close");
            match command {
                MediaCommand::Open { .. } => self.opened += 1,
                MediaCommand::Close { .. } => self.closed += 1,
                MediaCommand::Bridge { .. } => prop_assert_eq!(self.opened, 1),
            }
        }
        while let Some(command) = call.poll_ledger() {
            match command {
                LedgerCommand::Place { .. } => {
                    prop_assert_eq!(self.facts.len(), 0, "asked first");
                    self.asked += 1;
                }
                LedgerCommand::Learn { fact, .. } => self.facts.push(fact),
            }
        }
        self.cdrs.extend(call.poll_cdr());
        Ok(())
    }

    fn of(&self, count: impl Fn(&Fact) -> bool) -> usize {
        self.facts.iter().filter(|fact| count(fact)).count()
    }
}

proptest! {
    #[test]
    fn any_sequence_ends_with_one_cdr(
        kind in kind(),
        peers in 1..4usize,
        inputs in prop::collection::vec(input(), 0..40),
    ) {
        let mut now = Moment { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let mut call = call(now, kind, peers);
        let mut books = Books::default();
        books.take(&mut call)?;
        for input in inputs {
            match input {
                Input::Leg(side, event) => call.handle_leg(now, side, event),
                Input::Successor(event) => {
                    // Whoever is told that the successor is gone has none to drop.
                    if let LegEvent::Ended(_) = event {
                        books.successor = false;
                    }
                    call.handle_successor(now, event);
                }
                Input::Media(event) => call.handle_media(now, event),
                Input::Judged(judgement) => call.handle_judgement(now, judgement),
                Input::Wait(duration) => {
                    now.instant += duration;
                    call.handle_timeout(now);
                }
                Input::ShutDown => call.shut_down(now),
            }
            books.take(&mut call)?;
        }
        call.shut_down(now);
        while let Some(deadline) = call.poll_timeout() {
            now.instant = now.instant.max(deadline);
            call.handle_timeout(now);
        }
        books.take(&mut call)?;
        prop_assert!(call.is_over());
        prop_assert!(!books.successor, "nobody is left behind");
        prop_assert_eq!(books.cdrs.len(), 1);
        prop_assert_eq!((books.opened, books.closed), (1, 1));
        prop_assert!(books.dialled.a <= peers && books.dialled.b <= peers);
        prop_assert!(books.answered <= 1 && books.rang <= 1);
        prop_assert!(books.hung_up.a <= 1 && books.hung_up.b <= 1);
        let cdr = &books.cdrs[0];
        if !kind.is_ordered() {
            prop_assert_eq!(cdr.answered.is_some(), books.answered == 1);
            prop_assert_eq!(books.dialled.a, 0);
        }
        prop_assert_eq!(cdr.attempts.len(), books.dialled.a + books.dialled.b);
        prop_assert!(cdr.attempts.iter().all(|attempt| !attempt.outcome.is_empty()));

        // The ledger: asked once for calls of the business and not called without its leave; told once that the call is
        // over, and of a pick-up exactly when the record has one.
        prop_assert_eq!(books.asked, usize::from(!kind.is_by_user()));
        let over = |fact: &Fact| matches!(fact, Fact::CallEnded { .. } | Fact::CallUnanswered { .. });
        prop_assert_eq!(books.of(over), 1);
        prop_assert!(books.facts.last().is_some_and(over));
        let connected = books.of(|fact| matches!(fact, Fact::CallConnected { .. }));
        prop_assert_eq!(connected, usize::from(cdr.answered.is_some()));
        if connected == 1 {
            prop_assert_eq!(books.of(|fact| matches!(fact, Fact::CallUnanswered { .. })), 0);
        }
    }
}

/// Whoever refuses, nobody is called.
#[test]
fn nobody_is_called_without_leave() {
    let now = Moment {
        instant: Instant::now(),
        wall: SystemTime::UNIX_EPOCH,
    };
    for kind in [
        Kind::Agent { late_offer: false },
        Kind::AgentFirst,
        Kind::UserFirst,
    ] {
        for judgement in [
            Judgement::Verdict(Verdict::Refused(Refusal::CallActive)),
            Judgement::Unreadable("locked".to_owned()),
        ] {
            let mut call = call(now, kind, 1);
            call.handle_judgement(now, judgement);
            call.handle_timeout(Moment {
                instant: now.instant + LEDGER_PATIENCE + CLOSE_PATIENCE,
                ..now
            });
            let mut books = Books::default();
            books.take(&mut call).unwrap();
            assert_eq!((books.dialled.a, books.dialled.b), (0, 0), "{kind:?}");
            assert_eq!(books.cdrs[0].answered, None);
        }
    }
}

/// WhatsApp does not say whether a declined call counts: the operator does.
#[test]
fn a_declined_call_is_unanswered_where_the_operator_says_so() {
    let now = Moment {
        instant: Instant::now(),
        wall: SystemTime::UNIX_EPOCH,
    };
    let name = || "x".to_owned();
    for (declined_is_unanswered, fact) in [
        (false, Fact::CallEnded { call: name() }),
        (true, Fact::CallUnanswered { call: name() }),
    ] {
        let mut call = call(now, Kind::Agent { late_offer: false }, 1);
        call.habits.declined_is_unanswered = declined_is_unanswered;
        call.handle_judgement(now, Judgement::Verdict(Verdict::Allowed));
        let declined = LegEnd::Rejected {
            status: 486,
            q850: None,
            phrase: "Busy Here".to_owned(),
            meaning: Some(Meaning::Declined),
        };
        call.handle_leg(now, Side::B, LegEvent::Ended(declined));
        let mut books = Books::default();
        books.take(&mut call).unwrap();
        assert_eq!(books.facts, [fact]);
    }
}

#[test]
fn whatsapp_alone_says_how_long_it_counted() {
    for (side, counted) in [(Side::A, None), (Side::B, Some(3))] {
        let now = Moment {
            instant: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
        };
        let kind = Kind::Agent { late_offer: false };
        let mut call = call(now, kind, 1);
        call.handle_judgement(now, Judgement::Verdict(Verdict::Allowed));
        let answer = LegEvent::Answered(agreement(Direction::SendRecv));
        call.handle_leg(now, Side::B, answer);
        let parting = Parting {
            duration_s: Some(3),
            ..Parting::default()
        };
        call.handle_leg(now, side, LegEvent::Ended(LegEnd::HungUp(parting)));
        call.close(None);
        let cdr = call.poll_cdr().unwrap();
        assert_eq!(cdr.whatsapp_duration_s, counted, "{side}");
    }
}
