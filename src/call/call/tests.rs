//! A call fed any sequence ends, with exactly one CDR and nothing left open.

use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::call::cdr::CallDirection;
use crate::call::leg::Digit;
use crate::call::leg_end::{LegEnd, Parting};
use crate::call::record::Parties;
use crate::media::bridge::{Habits, Report, StreamSpec};
use crate::party::{Party as WhoCalls, PhoneNumber};
use crate::sdp::{Codec, Direction, OpusLimits, PayloadType, Ssrc};

fn agreement(direction: Direction) -> Box<Agreement> {
    Box::new(Agreement {
        remote_rtp: None,
        remote_rtcp: None,
        rtcp_mux: true,
        codec: Codec::Pcmu,
        send_pt: PayloadType(0),
        receive: vec![(PayloadType(0), Codec::Pcmu)],
        telephone_event: None,
        direction,
        packet_time: Duration::from_millis(20),
        crypto: None,
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
        },
    };
    BridgeSpec {
        streams: Pair::new(stream.clone(), stream),
    }
}

fn parties() -> Parties {
    Parties {
        direction: CallDirection::UserInitiated,
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

fn call(now: Moment, peers: usize, late_offer: bool) -> Call {
    let ports = PortPair { rtp: 2, rtcp: 3 };
    let candidate = |index| Candidate {
        peer: PeerId {
            trunk: "t".to_owned(),
            index,
        },
        name: format!("peer {index}"),
    };
    let plan = Plan {
        record: Record::new(now, CallRef("x".to_owned()), parties()),
        ports: Pair::new(ports, ports),
        spec: spec(),
        agreed_a: (!late_offer).then(|| agreement(Direction::SendRecv)),
        candidates: (0..peers).map(candidate).collect(),
        habits: CallHabits {
            ringing: true,
            answer_timeout: Duration::from_secs(45),
            digits_by_signalling: true,
        },
    };
    Call::new(now, plan)
}

#[derive(Clone, Debug)]
enum Input {
    Leg(Side, LegEvent),
    Media(MediaEvent),
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
            phrase: "No".to_owned()
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
        2 => end.prop_map(LegEvent::Ended),
    ];
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
        Just(MediaEvent::Closed {
            call: CallRef("x".to_owned()),
            report: Box::new(Report::default()),
        }),
        Just(MediaEvent::Failed {
            call: CallRef("x".to_owned()),
            error: "broken".to_owned(),
        }),
    ];
    prop_oneof![
        10 => (side, leg).prop_map(|(side, event)| Input::Leg(side, event)),
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
    dialled: usize,
    answered: usize,
    rang: usize,
    hung_up: Pair<usize>,
    cdrs: Vec<Cdr>,
}

impl Books {
    fn take(&mut self, call: &mut Call) -> Result<(), TestCaseError> {
        while let Some((side, command)) = call.poll_command() {
            match command {
                LegCommand::Dial(_) => self.dialled += 1,
                LegCommand::Ring => self.rang += 1,
                LegCommand::Answer => self.answered += 1,
                LegCommand::Digit(_) => prop_assert_eq!(side, Side::B),
                LegCommand::HangUp(_) => self.hung_up[side] += 1,
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
        self.cdrs.extend(call.poll_cdr());
        Ok(())
    }
}

proptest! {
    #[test]
    fn any_sequence_ends_with_one_cdr(
        peers in 1..4usize,
        late_offer in any::<bool>(),
        inputs in prop::collection::vec(input(), 0..40),
    ) {
        let mut now = Moment { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH };
        let mut call = call(now, peers, late_offer);
        let mut books = Books::default();
        books.take(&mut call)?;
        for input in inputs {
            match input {
                Input::Leg(side, event) => call.handle_leg(now, side, event),
                Input::Media(event) => call.handle_media(now, event),
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
        prop_assert_eq!(books.cdrs.len(), 1);
        prop_assert_eq!((books.opened, books.closed), (1, 1));
        prop_assert!(books.dialled <= peers && books.answered <= 1 && books.rang <= 1);
        prop_assert!(books.hung_up.a <= 1 && books.hung_up.b <= 1);
        let cdr = &books.cdrs[0];
        prop_assert_eq!(cdr.answered.is_some(), books.answered == 1);
        prop_assert_eq!(cdr.attempts.len(), books.dialled);
        prop_assert!(cdr.attempts.iter().all(|attempt| !attempt.outcome.is_empty()));
    }
}
