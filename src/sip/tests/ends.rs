//! Whatever happens: after enough time nothing is left, and nothing was reported twice.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::sip::endpoint::{Event, InviteId, PendingId, SessionTimer};
use crate::sip::flow::Transport;
use crate::sip::message::{Headers, Method};
use crate::sip::tests::world::{A, B, World, body, reply, timer, uri_over};

#[derive(Clone, Copy, Debug)]
enum Act {
    Invite { from: usize, reliable: bool },
    Progress,
    Answer,
    Acknowledge,
    HangUp,
    Modify,
    Update,
    Info,
    Respond { status: u16 },
    Run { seconds: u64 },
    Loss { percent: u32 },
}

fn act() -> impl Strategy<Value = (usize, usize, Act)> {
    let act = prop_oneof![
        (0..2_usize, any::<bool>()).prop_map(|(from, reliable)| Act::Invite { from, reliable }),
        Just(Act::Progress),
        Just(Act::Answer),
        Just(Act::Answer),
        Just(Act::Acknowledge),
        Just(Act::Acknowledge),
        Just(Act::HangUp),
        Just(Act::Modify),
        Just(Act::Update),
        Just(Act::Info),
        prop_oneof![Just(200_u16), Just(488), Just(491), Just(481), Just(180)]
            .prop_map(|status| Act::Respond { status }),
        (0..40_u64).prop_map(|seconds| Act::Run { seconds }),
        (0..2_u64).prop_map(|seconds| Act::Run { seconds }),
        (0..2_u32).prop_map(|half| Act::Loss { percent: half * 50 }),
    ];
    // Who acts, and on which of its usages.
    (0..2_usize, 0..4_usize, act)
}

/// What an application remembers of one end.
#[derive(Default)]
struct Application {
    invites: Vec<InviteId>,
    pending: Vec<PendingId>,
    over: BTreeMap<InviteId, u32>,
    asked: u32,
    completed: u32,
}

impl Application {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Invited { invite, .. } => self.invites.push(*invite),
            Event::Reoffered { pending, .. }
            | Event::InDialog { pending, .. }
            | Event::Requested { pending, .. } => self.pending.push(*pending),
            Event::Completed { .. } => self.completed += 1,
            Event::Cancelled { invite, .. }
            | Event::NeverAcknowledged { invite }
            | Event::Failed { invite, .. }
            | Event::Ended { invite, .. } => *self.over.entry(*invite).or_default() += 1,
            Event::Acknowledged { .. }
            | Event::Progress { .. }
            | Event::Answered { .. }
            | Event::ReofferAcknowledged { .. }
            | Event::RefreshDue { .. } => {}
        }
    }
}

/// Errors are as good as success here: any command may come in any state.
fn perform(world: &mut World, apps: &mut [Application; 2], who: usize, which: usize, act: Act) {
    let now = world.now;
    let contact = uri_over(who, world.transport);
    let app = &mut apps[who];
    let invite = app.invites.get(which).or(app.invites.last()).copied();
    let pending = app.pending.get(which).or(app.pending.last()).copied();
    match (act, invite, pending) {
        (Act::Run { seconds }, ..) => world.run(seconds),
        (Act::Loss { percent }, ..) => world.loss = percent,
        (Act::Invite { from, reliable }, ..) => {
            let mut outgoing = world.outgoing(from, 1 - from);
            outgoing.session_timer = timer(true);
            outgoing.reliable_provisionals = reliable;
            if reliable {
                outgoing.headers.push("Require".into(), "100rel");
            }
            let invite = world.invite(from, outgoing);
            apps[from].invites.push(invite);
        }
        (Act::Progress, Some(invite), _) => {
            let _ = world
                .end(who)
                .progress(now, invite, &contact, reply(180, ""));
        }
        (Act::Answer, Some(invite), _) => {
            let timer = SessionTimer::Off;
            let _ = world
                .end(who)
                .answer(now, invite, &contact, reply(200, "x"), timer);
        }
        (Act::Acknowledge, Some(invite), _) => {
            let _ = world.end(who).acknowledge(now, invite, None);
        }
        (Act::HangUp, Some(invite), _) => {
            let _ = world
                .end(who)
                .hang_up(now, invite, reply(486, ""), Headers::new());
        }
        (Act::Modify, Some(invite), _) => {
            let done = world.end(who).modify(now, invite, body("x"));
            app.asked += u32::from(done.is_ok());
        }
        (Act::Update | Act::Info, Some(invite), _) => {
            let method = match act {
                Act::Update => Method::Update,
                _ => Method::Info,
            };
            let headers = Headers::new();
            let done = world
                .end(who)
                .request_in_dialog(now, invite, method, headers, body("x"));
            app.asked += u32::from(done.is_ok());
        }
        (Act::Respond { status }, _, Some(pending)) => {
            let _ = world.end(who).respond(now, pending, reply(status, ""));
        }
        (_, None, _) | (Act::Respond { .. }, _, None) => {}
    }
}

fn listen(world: &mut World, apps: &mut [Application; 2]) {
    world.drain();
    for end in [A, B] {
        let events = std::mem::take(&mut world.ends.get_mut(&end).unwrap().events);
        events.iter().for_each(|event| apps[end].hear(event));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_acts_leaves_nothing(
        seed in any::<u8>(),
        stream in any::<bool>(),
        acts in prop::collection::vec(act(), 1..40),
    ) {
        let transport = if stream { Transport::Tcp } else { Transport::Udp };
        let mut world = World::new(transport);
        world.seed(seed);
        let mut apps = <[Application; 2]>::default();
        for (who, which, act) in acts {
            perform(&mut world, &mut apps, who, which, act);
            listen(&mut world, &mut apps);
        }
        for who in [A, B] {
            for which in 0..apps[who].invites.len() {
                let invite = apps[who].invites[which];
                let now = world.now;
                let _ = world.end(who).hang_up(now, invite, reply(486, ""), Headers::new());
            }
        }
        world.run_out();
        listen(&mut world, &mut apps);
        for app in &apps {
            prop_assert!(app.over.values().all(|times| *times == 1), "{:?}", app.over);
            prop_assert_eq!(app.asked, app.completed);
        }
    }
}
