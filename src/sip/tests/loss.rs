//! Calls over links that lose, delay and reorder.

use std::time::Duration;

use crate::sip::endpoint::{Event, SessionTimer};
use crate::sip::flow::Transport;
use crate::sip::tests::world::{A, B, World, reply};

fn bad_link(seed: u8) -> World {
    let mut world = World::new(Transport::Udp);
    world.seed(seed);
    world.loss = 30;
    world.jitter = Duration::from_millis(300);
    world
}

#[test]
fn calls_come_through_in_spite_of_thirty_per_cent_loss() {
    for seed in 0..40 {
        let mut world = bad_link(seed);
        let (a, b) = world.ring();
        world.progress(b, reply(180, ""));
        world.run(3);
        world.answer(b, SessionTimer::Off);
        world.wait(A, |event| {
            matches!(event, Event::Answered { .. }).then_some(())
        });
        let now = world.now;
        world.end(A).acknowledge(now, a, None).unwrap();
        world.wait(B, |event| {
            matches!(event, Event::Acknowledged { .. }).then_some(())
        });
        world.run(10);
        world.hang_up(A, a);
        world.wait(B, |event| {
            matches!(event, Event::Ended { .. }).then_some(())
        });
        world.run_out();
        assert_eq!(world.events(A), Vec::<String>::new());
        assert_eq!(world.events(B), Vec::<String>::new());
    }
}

#[test]
fn cancelled_calls_end_on_both_sides() {
    for seed in 0..40 {
        let mut world = bad_link(seed);
        let (a, _) = world.ring();
        world.run(u64::from(seed % 5));
        world.hang_up(A, a);
        world.wait(A, |event| {
            matches!(event, Event::Failed { .. }).then_some(())
        });
        world.run_out();
        let b = world.events(B);
        assert!(b == ["Cancelled"] || b == ["Ended"], "{b:?}");
    }
}

#[test]
fn rejected_calls_end_on_both_sides() {
    for seed in 0..40 {
        let mut world = bad_link(seed);
        let (_, b) = world.ring();
        world.hang_up(B, b);
        world.wait(A, |event| {
            matches!(event, Event::Failed { .. }).then_some(())
        });
        world.run_out();
    }
}
