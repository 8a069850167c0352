//! The words between the calls and the operator: by command line or admin API, both through the daemon. Each command
//! gets one answer at once; what comes of it later is seen in [`OperatorCommand::Calls`] and in the CDR.

use std::time::SystemTime;

use crate::call::cdr::{CallDirection, CallRef};
use crate::call::health::Fitness;
use crate::call::turned_away::TurnedAwayCounts;
use crate::media::bridge::no_audio::{NoAudio, Way};
use crate::party::{Party, PhoneNumber};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperatorCommand {
    /// Which calls are there?
    Calls,
    /// End this one.
    HangUp(CallRef),
    /// Connect an agent and a user, both called by us.
    Connect(ClickToCall),
    /// How are we?
    Status,
}

/// A call that somebody ordered for two others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClickToCall {
    /// The business number that calls; `None`: the trunk's.
    pub number: Option<PhoneNumber>,
    /// A number or a business-scoped user id.
    pub user: Party,
    /// `None`: the only trunk there is, or the business number's.
    pub trunk: Option<String>,
    /// The agent, as dialled on the PBX.
    pub extension: String,
    pub first: First,
}

/// Who is rung first; the other one is called when the first has answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum First {
    Agent,
    User,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OperatorAnswer {
    Calls(Vec<CallSummary>),
    Status(Status),
    Done,
    /// A call was begun.
    Begun(CallRef),
    /// There is no such call, or no more.
    UnknownCall,
    /// Nothing was done, and why, for a person.
    Refused(String),
}

/// A call as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallSummary {
    pub call: CallRef,
    pub direction: CallDirection,
    /// `asking`, `alerting`, `dialling`, `answered`, `talking`, `transferring`, `closing`.
    pub state: &'static str,
    pub user: Party,
    pub number: PhoneNumber,
    pub trunk: Option<String>,
    pub extension: Option<String>,
    pub started: SystemTime,
    pub answered: Option<SystemTime>,
}

/// This process as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub fitness: Fitness,
    /// Calls that are not over.
    pub calls: [(CallDirection, usize); 2],
    pub peers: Vec<PeerStatus>,
    /// Since the start.
    pub no_audio: Vec<NoAudioCount>,
    /// And INVITEs that became no call.
    pub turned_away: TurnedAwayCounts,
}

impl Status {
    /// Of every leg, way and cause there is, also where it never happened.
    pub fn no_audio_of_all(&self) -> impl Iterator<Item = NoAudioCount> {
        let legs = [MissedLeg::User, MissedLeg::Pbx];
        let ways = legs.map(|leg| [(leg, Way::From), (leg, Way::To)]);
        let causes = |(leg, way)| NoAudio::ALL.map(|cause| (leg, way, cause));
        let all = ways.into_iter().flatten().flat_map(causes);
        all.map(|(leg, way, cause)| {
            let is_it =
                |count: &&NoAudioCount| (count.leg, count.way, count.cause) == (leg, way, cause);
            let count = self.no_audio.iter().find(is_it);
            NoAudioCount {
                leg,
                way,
                cause,
                calls: count.map_or(0, |count| count.calls),
            }
        })
    }
}

/// Calls in which audio was missing for one cause.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoAudioCount {
    pub leg: MissedLeg,
    pub way: Way,
    pub cause: NoAudio,
    pub calls: u64,
}

/// Whose leg it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum MissedLeg {
    User,
    Pbx,
}

/// A peer of a trunk; one that is not probed counts as up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerStatus {
    pub trunk: String,
    /// As in logs, `office/192.0.2.20:5060`.
    pub name: String,
    pub health: PeerHealth,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerHealth {
    Up,
    Down,
}
