//! The calls of the demo.

use std::time::Duration;

use crate::sim::media::Codec;
use crate::sim::media::mouth::Says;
use crate::sim::meta::{Expect, Plan};
use crate::sim::pbx::behaviour::How;
use crate::sim::pbx::{Act, Answer, Behaviour};
use crate::sim::report::Report;
use crate::sim::sdp::Direction;

/// Rows of calls that run side by side.
pub const LANES: usize = 3;

/// One call: what the user does, what the PBX does.
#[derive(Clone, Debug)]
pub struct Story {
    pub name: &'static str,
    pub title: &'static str,
    pub lane: usize,
    pub plan: Plan,
    pub behaviour: Behaviour,
    /// The voices must still be there after so much of the call.
    pub late: Option<Duration>,
    /// So many times it has been placed, this one included.
    pub attempts: u32,
}

impl Story {
    /// What the PBX knows the number as.
    pub fn extension(&self) -> &'static str {
        self.name
    }
}

/// In the order in which each lane plays them.
pub fn all() -> Vec<Story> {
    let stories = [
        story(
            "pcmu",
            "An agent answers in PCMU, the user hangs up",
            0,
            |_| {},
        ),
        story(
            "pcma",
            "An agent answers in PCMA and hangs up",
            0,
            agent_hangs_up,
        ),
        story(
            "opus",
            "The PBX speaks Opus too: packets pass unchanged",
            0,
            |story| {
                story.behaviour.codecs = vec![Codec::Opus];
            },
        ),
        story("busy", "The agent is busy", 1, busy),
        story("cancel", "The user gives up while it rings", 1, cancel),
        story("ivr", "The user dials 4719# in a menu", 1, ivr),
        story(
            "hold",
            "The agent holds for two seconds and resumes",
            1,
            hold,
        ),
        story("bsuid", "A user without a number calls", 1, bsuid),
        story(
            "long",
            "Forty seconds, so that a lost ACK would show",
            2,
            long,
        ),
    ];
    let numbered = stories.into_iter().zip(0..);
    numbered
        .map(|(mut story, n): (Story, u32)| {
            story.plan.number = format!("+170155501{n:02}");
            story
        })
        .collect()
}

fn story(
    name: &'static str,
    title: &'static str,
    lane: usize,
    change: impl FnOnce(&mut Story),
) -> Story {
    let mut story = Story {
        name,
        title,
        lane,
        plan: Plan::new("", "correct horse battery staple"),
        behaviour: Behaviour {
            ring: Duration::from_millis(600),
            codecs: vec![Codec::Pcmu],
            ..Behaviour::default()
        },
        late: None,
        attempts: 1,
    };
    change(&mut story);
    story
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn agent_hangs_up(story: &mut Story) {
    story.plan.talk = None;
    story.behaviour.codecs = vec![Codec::Pcma];
    story.behaviour.script = vec![(seconds(10), Act::HangUp)];
}

fn busy(story: &mut Story) {
    story.plan.expect = Expect::Refusal(Some(486));
    story.behaviour.answer = Answer::No(486);
}

fn cancel(story: &mut Story) {
    story.plan.cancel = Some(seconds(2));
    story.plan.expect = Expect::Cancelled;
    story.behaviour.answer = Answer::Never;
}

fn ivr(story: &mut Story) {
    story.plan.talk = Some(seconds(5));
    story.plan.digits = Some((seconds(1), "4719#".into()));
    story.plan.media.hears = None;
    story.behaviour.says = Says::Silence;
    story.behaviour.hears = None;
    story.behaviour.digits = Some("4719#".into());
}

/// Each voice speaks its text in under ten seconds and begins again: the second time is heard whole.
fn hold(story: &mut Story) {
    story.plan.talk = Some(seconds(19));
    story.behaviour.script = vec![
        (seconds(2), Act::Turn(Direction::Inactive, How::Reinvite)),
        (seconds(4), Act::Turn(Direction::Sendrecv, How::Update)),
    ];
}

fn bsuid(story: &mut Story) {
    story.plan.caller.user = "US.13491208655302741918".into();
    story.plan.caller.display_name = None;
    story.plan.shape.padded_call_id = true;
}

fn long(story: &mut Story) {
    story.plan.talk = Some(seconds(40));
    story.behaviour.codecs = vec![Codec::Pcma];
    story.late = Some(seconds(18));
}

/// The PBX must know who calls.
pub fn check_identity(story: &Story, agent: &mut Report) {
    let header = |name: &str| {
        let mut headers = agent.called_with.iter();
        headers.find(|(given, _)| given.eq_ignore_ascii_case(name))
    };
    let user = &story.plan.caller.user;
    let shown = ["From", "P-Asserted-Identity"]
        .map(|name| header(name).is_some_and(|(_, value)| value.contains(user.as_str())));
    let wacid = header("X-WA-WACID").map(|(_, value)| value.clone());
    let held = shown == [true, true] && wacid.is_some_and(|id| id.starts_with("wacid."));
    let found = match held {
        true => "in From, P-Asserted-Identity, and X-WA-WACID".to_owned(),
        false => format!(
            "From {:?}, P-Asserted-Identity {:?}, X-WA-WACID {:?}",
            header("From"),
            header("P-Asserted-Identity"),
            header("X-WA-WACID")
        ),
    };
    agent.verdict.check("caller shown", held, found);
}
