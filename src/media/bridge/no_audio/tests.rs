use std::time::{Duration, Instant};

use super::trouble::Trouble;
use super::*;
use crate::media::bridge::report::Rejected;

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
    let readme = include_str!("../../../../README.md");
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
