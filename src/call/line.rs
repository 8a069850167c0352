//! A call on the wire: a [`Call`] with the SIP legs that carry out its commands and tell it what happens.

mod succession;

use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, warn};

use crate::call::call::Call;
use crate::call::cdr::CallRef;
use crate::call::identity::Context;
use crate::call::leg::{LegCommand, LegEvent};
use crate::call::leg_end::LegEnd;
use crate::call::moment::Moment;
use crate::call::placing::{Own, Placing, Target, peer_levels};
use crate::call::reception::whatsapp_profile;
use crate::call::sip_leg::SipLeg;
use crate::call::trunk::{PeerId, Trunks};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::party::PhoneNumber;
use crate::side::{Pair, Side};
use crate::sip::endpoint::{Endpoint, Event, Failure, InviteId, RequestId};
use crate::sip::message::Response;

pub struct Line {
    pub call: Call,
    /// For which the switchboard has set its alarm.
    pub deadline: Option<Instant>,
    /// As it was when the call was let in.
    config: Arc<Config>,
    context: Context,
    extension: String,
    number: PhoneNumber,
    own: Pair<Own>,
    legs: Pair<Option<SipLeg>>,
    /// The PBX peer that a side is, or is being tried at.
    peers: Pair<Option<PeerId>>,
    /// The leg that is to take the PBX's side.
    successor: Option<Successor>,
    /// The leg that gave its place away and is to hear of it before it is hung up.
    former: Option<Former>,
    /// The NOTIFY that told a referrer of its success.
    last_told: Option<RequestId>,
    /// Every usage this call ever had.
    invites: Vec<InviteId>,
}

struct Successor {
    leg: SipLeg,
    peer: PeerId,
}

struct Former {
    leg: SipLeg,
    /// Its last NOTIFY.
    told: RequestId,
}

/// What a usage is to the call.
enum Place {
    Leg(Side),
    Successor,
    Former,
}

/// The rooms that a line works with, lent for one step.
pub struct Rooms<'a> {
    pub endpoint: &'a mut Endpoint,
    pub trunks: &'a mut Trunks,
    pub entropy: &'a mut Entropy,
}

/// What a line was made of.
pub struct Parts {
    pub call: Call,
    pub config: Arc<Config>,
    pub context: Context,
    pub extension: String,
    pub number: PhoneNumber,
    pub own: Pair<Own>,
    /// When A called us.
    pub leg_a: Option<SipLeg>,
    pub peers: Pair<Option<PeerId>>,
}

impl Line {
    pub fn new(parts: Parts) -> Self {
        Self {
            invites: parts.leg_a.iter().map(SipLeg::invite).collect(),
            call: parts.call,
            deadline: None,
            config: parts.config,
            context: parts.context,
            extension: parts.extension,
            number: parts.number,
            own: parts.own,
            legs: Pair::new(parts.leg_a, None),
            peers: parts.peers,
            successor: None,
            former: None,
            last_told: None,
        }
    }

    pub fn call_ref(&self) -> &CallRef {
        self.call.call()
    }

    pub fn number(&self) -> &PhoneNumber {
        &self.number
    }

    pub fn invites(&self) -> &[InviteId] {
        &self.invites
    }

    /// Whether a usage is part of the call now; it is not when its attempt was given up.
    pub fn has(&self, invite: InviteId) -> bool {
        self.place_of(invite).is_some()
    }

    /// Which side a usage is now.
    pub fn side_of(&self, invite: InviteId) -> Option<Side> {
        match self.place_of(invite)? {
            Place::Leg(side) => Some(side),
            Place::Successor | Place::Former => None,
        }
    }

    fn place_of(&self, invite: InviteId) -> Option<Place> {
        let is = |leg: &SipLeg| leg.invite() == invite;
        let of_side = |side: &Side| self.legs[*side].as_ref().is_some_and(is);
        if let Some(side) = Side::BOTH.into_iter().find(of_side) {
            return Some(Place::Leg(side));
        }
        if self
            .successor
            .as_ref()
            .is_some_and(|successor| is(&successor.leg))
        {
            return Some(Place::Successor);
        }
        let former = self.former.as_ref();
        former
            .filter(|former| is(&former.leg))
            .map(|_| Place::Former)
    }

    pub fn handle_event(
        &mut self,
        now: Moment,
        invite: InviteId,
        event: Event,
        rooms: &mut Rooms<'_>,
    ) {
        match self.place_of(invite) {
            Some(Place::Leg(side)) => {
                let span = self.call.leg_span(side);
                let Some(leg) = self.legs[side].as_mut() else {
                    return;
                };
                let events = span.in_scope(|| leg.handle_event(now.instant, rooms.endpoint, event));
                self.tell(now, side, events, rooms);
            }
            Some(Place::Successor) => self.successor_event(now, event, rooms),
            Some(Place::Former) => self.former_event(now, event, rooms),
            None => {}
        }
    }

    /// Asks the peer to keep the session.
    pub fn refresh(&mut self, now: Moment, side: Side, rooms: &mut Rooms<'_>) -> Option<RequestId> {
        let leg = self.legs[side].as_mut()?;
        leg.refresh(now.instant, rooms.endpoint)
            .inspect_err(|error| debug!(%error, %side, "session not refreshed"))
            .ok()
    }

    pub fn refreshed(
        &mut self,
        now: Moment,
        side: Side,
        outcome: Result<Box<Response>, Failure>,
        rooms: &mut Rooms<'_>,
    ) {
        if let Some(leg) = self.legs[side].as_mut() {
            let events = leg.refreshed(outcome);
            self.tell(now, side, events, rooms);
        }
    }

    /// Carries out what the call wants of its legs.
    pub fn settle(&mut self, now: Moment, rooms: &mut Rooms<'_>) {
        while let Some((side, command)) = self.call.poll_command() {
            self.carry_out(now, side, command, rooms);
        }
    }

    fn tell(&mut self, now: Moment, side: Side, events: Vec<LegEvent>, rooms: &mut Rooms<'_>) {
        for event in events {
            self.rate_peer(now, side, &event, rooms.trunks);
            self.call.handle_leg(now, side, event);
        }
        self.settle(now, rooms);
    }

    /// A peer that failed this call is tried last for the next ones.
    fn rate_peer(&self, now: Moment, side: Side, event: &LegEvent, trunks: &mut Trunks) {
        let Some(peer) = &self.peers[side] else {
            return;
        };
        match event {
            LegEvent::Ended(end) if end.is_peers_fault() => {
                trunks.call_failed(now.instant, peer);
            }
            LegEvent::Ended(LegEnd::Rejected { .. }) => trunks.call_answered(peer),
            LegEvent::Answered(_) | LegEvent::Ringing => trunks.call_answered(peer),
            LegEvent::Named(_)
            | LegEvent::UserNamed(_)
            | LegEvent::EarlyMedia(_)
            | LegEvent::Confirmed(_)
            | LegEvent::Reagreed(_)
            | LegEvent::Digit(_)
            | LegEvent::Referred(_)
            | LegEvent::Ended(_) => {}
        }
    }

    fn carry_out(&mut self, now: Moment, side: Side, command: LegCommand, rooms: &mut Rooms<'_>) {
        let span = self.call.leg_span(side);
        let _guard = span.enter();
        let command = match command {
            LegCommand::Dial(target) => return self.dial(now, side, target, rooms),
            LegCommand::TakeReferral => return self.take_referral(now, side, rooms),
            LegCommand::Succeed => return self.succeed(now, side, rooms),
            LegCommand::DropSuccessor(ending) => return self.drop_successor(now, &ending, rooms),
            other => other,
        };
        let Some(leg) = self.legs[side].as_mut() else {
            return debug!(?command, "no leg");
        };
        let (instant, endpoint) = (now.instant, &mut *rooms.endpoint);
        let done = match command {
            LegCommand::RefuseReferral => {
                leg.refuse_referral(instant, endpoint);
                Ok(())
            }
            LegCommand::TellReferrer(status) => {
                let told = leg.tell_referrer(instant, endpoint, status);
                told.map(|request| self.last_told = (200..300).contains(&status).then_some(request))
            }
            LegCommand::Dial(_)
            | LegCommand::TakeReferral
            | LegCommand::Succeed
            | LegCommand::DropSuccessor(_) => Ok(()),
            LegCommand::Ring => leg.ring(instant, endpoint),
            LegCommand::Answer => leg.answer(instant, endpoint),
            LegCommand::Digit(digit) => leg.send_digit(instant, endpoint, digit),
            LegCommand::HangUp(ending) => leg.hang_up(instant, endpoint, &ending),
        };
        if let Err(error) = done {
            debug!(%error, "command came too late");
        }
    }

    /// A peer that cannot even be written to fails like one that cannot be reached.
    fn dial(&mut self, now: Moment, side: Side, target: Target, rooms: &mut Rooms<'_>) {
        let leg = self.placed(now, side, &target, rooms);
        self.peers[side] = match target {
            Target::Peer(peer) => Some(peer),
            Target::WhatsApp => None,
        };
        self.level(side);
        match leg {
            Some(leg) => {
                self.invites.push(leg.invite());
                self.legs[side] = Some(leg);
            }
            None => {
                warn!("peer is not configured");
                let end = LegEnd::Unreachable("not configured".to_owned());
                self.call.handle_leg(now, side, LegEvent::Ended(end));
            }
        }
    }

    /// The peer that is on this side now may have levels of its own.
    fn level(&mut self, side: Side) {
        let peer = self.peers[side].as_ref();
        if let Some(levels) = peer.and_then(|peer| peer_levels(&self.config, peer)) {
            self.call.set_levels(side, levels);
        }
    }

    fn placed(
        &self,
        now: Moment,
        side: Side,
        target: &Target,
        rooms: &mut Rooms<'_>,
    ) -> Option<SipLeg> {
        let (config, own, entropy) = (&*self.config, &self.own[side], &mut *rooms.entropy);
        let (profile, placed) = match target {
            Target::Peer(id) => {
                let (trunk, peer) = id.find(config)?;
                let profile = config.profiles.get(&trunk.profile)?;
                let placing = Placing {
                    config,
                    profile,
                    own,
                };
                let placed = placing.at_pbx(peer, &self.context, &self.extension, entropy)?;
                (profile, placed)
            }
            Target::WhatsApp => {
                let number = config.numbers.get(&self.number)?;
                let profile = whatsapp_profile(config, &self.number)?;
                let placing = Placing {
                    config,
                    profile,
                    own,
                };
                let placed = placing.at_whatsapp(number, &self.context.user, entropy)?;
                (profile, placed)
            }
        };
        let invite = rooms.endpoint.invite(now.instant, placed.invite);
        let habits = profile.sip.clone();
        Some(SipLeg::outgoing(
            invite,
            habits,
            placed.contact,
            placed.negotiation,
        ))
    }
}
