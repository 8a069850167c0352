//! The calls of the demo.

use std::time::Duration;

use crate::sim::fault::{Fault, Faults};
use crate::sim::media::Codec;
use crate::sim::media::mouth::Says;
use crate::sim::meta::gateway::{Answer as UserAnswer, Refusal, User};
use crate::sim::meta::webrtc::KeyExchange;
use crate::sim::meta::{Expect, Plan};
use crate::sim::pbx::behaviour::How;
use crate::sim::pbx::{self, Act, Answer, Behaviour};
use crate::sim::report::Report;
use crate::sim::sdp::Direction;
use crate::sim::speech::Voice;

/// Rows of calls that run side by side.
pub const LANES: usize = 3;

#[derive(Clone, Debug)]
pub struct Story {
    pub name: &'static str,
    pub title: &'static str,
    pub lane: usize,
    /// The business number.
    pub number: String,
    pub call: Call,
    /// How the number's keys of media are exchanged with WhatsApp.
    pub keys: KeyExchange,
    /// The voices must still be there after so much of the call.
    pub late: Option<Duration>,
    /// So many times it has been placed, this one included.
    pub attempts: u32,
}

/// What the user does and what the PBX does, by who calls.
#[derive(Clone, Debug)]
pub enum Call {
    ByUser(Box<(Plan, Behaviour)>),
    /// The user has a number of their own in each story.
    ByAgent(Box<(pbx::Plan, User)>),
}

/// Of the business numbers, where nothing says otherwise.
pub const PASSWORD: &str = "correct horse battery staple";

impl Story {
    /// What the PBX knows the number as.
    pub fn extension(&self) -> &'static str {
        self.name
    }

    /// The number, or the extension, by which the callee reports.
    pub fn called(&self) -> String {
        match &self.call {
            Call::ByUser(_) => self.extension().into(),
            Call::ByAgent(call) => call.0.dial.clone(),
        }
    }

    /// The caller's ways of misbehaving, and the callee's.
    pub fn faults(&self) -> [&Faults; 2] {
        match &self.call {
            Call::ByUser(call) => [&call.0.faults, &call.1.faults],
            Call::ByAgent(call) => [&call.0.behaviour.faults, &call.1.faults],
        }
    }

    /// Adds ways of misbehaving.
    pub fn spoil(&mut self, of_user: &Faults, of_pbx: &Faults) {
        let (user, pbx) = match &mut self.call {
            Call::ByUser(call) => (&mut call.0.faults, &mut call.1.faults),
            Call::ByAgent(call) => (&mut call.1.faults, &mut call.0.behaviour.faults),
        };
        user.extend(of_user);
        pbx.extend(of_pbx);
    }

    /// What the caller should hear, and what the callee should.
    pub fn hears(&self) -> [Option<Voice>; 2] {
        match &self.call {
            Call::ByUser(call) => [call.0.media.hears, call.1.hears],
            Call::ByAgent(call) => [call.0.behaviour.hears, call.1.media.hears],
        }
    }
}

/// In the order in which each lane plays them.
pub fn all() -> Vec<Story> {
    let stories = [
        story(
            "pcmu",
            "An agent answers in PCMU, the user hangs up",
            0,
            |_, _| {},
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
            |_, behaviour| behaviour.codecs = vec![Codec::Opus],
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
        Story {
            late: Some(seconds(18)),
            ..story(
                "long",
                "Forty seconds, so that a lost ACK would show",
                2,
                long,
            )
        },
        agent_calls("out", "An agent calls a user, who hangs up", 2, |_, _| {}),
        by_dtls(story(
            "webrtc",
            "A user calls by WebRTC: ICE and DTLS in place of SDES",
            0,
            |_, _| {},
        )),
        by_dtls(agent_calls(
            "webrtc-out",
            "An agent calls a user by WebRTC",
            1,
            |_, _| {},
        )),
        agent_calls(
            "stale",
            "An agent calls and hangs up; WhatsApp's nonce was stale",
            1,
            stale,
        ),
        agent_calls(
            "declined",
            "The user declines the agent's call",
            0,
            declined,
        ),
        agent_calls("refused", "The user has not allowed calls", 0, refused),
        agent_calls("gives-up", "The agent gives up while it rings", 0, gives_up),
    ];
    let numbered = stories.into_iter().zip(0..);
    numbered
        .map(|(mut story, n): (Story, u32)| {
            // Not of the United States, whose business numbers may not call users (dossier 5).
            story.number = format!("+493023125{n:03}");
            match &mut story.call {
                Call::ByUser(call) => call.0.number.clone_from(&story.number),
                Call::ByAgent(call) => {
                    call.0.dial = format!("+447700900{n:03}");
                    call.0.from.clone_from(&story.number);
                }
            }
            story
        })
        .collect()
}

fn by_dtls(mut story: Story) -> Story {
    story.keys = KeyExchange::Dtls;
    if let Call::ByUser(call) = &mut story.call {
        call.0.offer.keys = KeyExchange::Dtls;
    }
    story
}

/// The agent's PBX shows the business number that the call is made with.
fn agent_calls(
    name: &'static str,
    title: &'static str,
    lane: usize,
    change: impl FnOnce(&mut pbx::Plan, &mut User),
) -> Story {
    let mut plan = pbx::Plan::new("", "");
    plan.behaviour.codecs = vec![Codec::Pcmu];
    plan.behaviour.script = Vec::new();
    let mut user = User {
        ring: Duration::from_millis(600),
        ..User::default()
    };
    change(&mut plan, &mut user);
    Story {
        name,
        title,
        lane,
        number: String::new(),
        call: Call::ByAgent(Box::new((plan, user))),
        keys: KeyExchange::Sdes,
        late: None,
        attempts: 1,
    }
}

fn stale(plan: &mut pbx::Plan, user: &mut User) {
    user.faults = Faults::from([Fault::StaleNonce]);
    user.talk = None;
    plan.behaviour.script = vec![(seconds(10), Act::HangUp)];
}

fn declined(plan: &mut pbx::Plan, user: &mut User) {
    user.answer = UserAnswer::No(486);
    // The agent is told that the user said no, not that somebody is on the phone.
    plan.expect = Expect::Refusal(Some(603));
}

fn refused(plan: &mut pbx::Plan, user: &mut User) {
    user.refusal = Some(Refusal::Permission);
    plan.expect = Expect::Refusal(Some(403));
}

fn gives_up(plan: &mut pbx::Plan, user: &mut User) {
    user.answer = UserAnswer::Never;
    user.ring = seconds(60);
    plan.cancel = Some(seconds(2));
    plan.expect = Expect::Cancelled;
}

fn story(
    name: &'static str,
    title: &'static str,
    lane: usize,
    change: impl FnOnce(&mut Plan, &mut Behaviour),
) -> Story {
    let mut plan = Plan::new("", PASSWORD);
    let mut behaviour = Behaviour {
        ring: Duration::from_millis(600),
        codecs: vec![Codec::Pcmu],
        ..Behaviour::default()
    };
    change(&mut plan, &mut behaviour);
    Story {
        name,
        title,
        lane,
        number: String::new(),
        call: Call::ByUser(Box::new((plan, behaviour))),
        keys: KeyExchange::Sdes,
        late: None,
        attempts: 1,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn agent_hangs_up(plan: &mut Plan, behaviour: &mut Behaviour) {
    plan.talk = None;
    behaviour.codecs = vec![Codec::Pcma];
    behaviour.script = vec![(seconds(10), Act::HangUp)];
}

fn busy(plan: &mut Plan, behaviour: &mut Behaviour) {
    plan.expect = Expect::Refusal(Some(486));
    behaviour.answer = Answer::No(486);
}

fn cancel(plan: &mut Plan, behaviour: &mut Behaviour) {
    plan.cancel = Some(seconds(2));
    plan.expect = Expect::Cancelled;
    behaviour.answer = Answer::Never;
}

fn ivr(plan: &mut Plan, behaviour: &mut Behaviour) {
    plan.talk = Some(seconds(5));
    plan.digits = Some((seconds(1), "4719#".into()));
    plan.media.hears = None;
    behaviour.says = Says::Silence;
    behaviour.hears = None;
    behaviour.digits = Some("4719#".into());
}

/// Each voice speaks its text in under ten seconds and begins again: the second time is heard whole.
fn hold(plan: &mut Plan, behaviour: &mut Behaviour) {
    plan.talk = Some(seconds(19));
    behaviour.script = vec![
        (seconds(2), Act::Turn(Direction::Inactive, How::Reinvite)),
        (seconds(4), Act::Turn(Direction::Sendrecv, How::Update)),
    ];
}

fn bsuid(plan: &mut Plan, _: &mut Behaviour) {
    plan.caller.user = "US.13491208655302741918".into();
    plan.caller.display_name = None;
    plan.shape.padded_call_id = true;
}

fn long(plan: &mut Plan, behaviour: &mut Behaviour) {
    plan.talk = Some(seconds(40));
    behaviour.codecs = vec![Codec::Pcma];
}

/// The PBX must know who calls.
pub fn check_identity(plan: &Plan, agent: &mut Report) {
    let header = |name: &str| {
        let mut headers = agent.called_with.iter();
        headers.find(|(given, _)| given.eq_ignore_ascii_case(name))
    };
    let user = &plan.caller.user;
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
