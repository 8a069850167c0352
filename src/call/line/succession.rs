//! One leg of the PBX gives its place to another: the successor is called, or comes by itself; the former leg hears how it
//! went before it is hung up.

use tracing::{debug, info, warn};

use crate::call::ending::{Cause, Ending, Party};
use crate::call::leg::LegEvent;
use crate::call::leg_end::LegEnd;
use crate::call::line::{Former, Line, Rooms, Successor};
use crate::call::moment::Moment;
use crate::call::placing::{Placing, advertised, is_readable, negotiation, referred_peer};
use crate::call::reception::Arrival;
use crate::call::sip_leg::SipLeg;
use crate::call::sip_words::not_acceptable;
use crate::call::trunk::PeerId;
use crate::sdp::Agreement;
use crate::side::Side;
use crate::sip::endpoint::{Event, Reply, RequestId};
use crate::sip::refer::Refer;
use crate::sip::uri::Uri;

impl Line {
    /// The leg of `side` referred us: its target is called, as successor.
    pub(super) fn take_referral(&mut self, now: Moment, side: Side, rooms: &mut Rooms<'_>) {
        let leg = self.legs[side].as_mut();
        let refer = leg.and_then(|leg| leg.take_referral(now.instant, rooms.endpoint));
        let successor = refer.and_then(|refer| self.place_successor(now, side, &refer, rooms));
        match successor {
            Some(successor) => {
                self.invites.push(successor.leg.invite());
                self.successor = Some(successor);
            }
            None => {
                warn!("the referral leads nowhere");
                let end = LegEnd::Unreachable("not configured".to_owned());
                self.call.handle_successor(now, LegEvent::Ended(end));
            }
        }
    }

    fn place_successor(
        &self,
        now: Moment,
        side: Side,
        refer: &Refer,
        rooms: &mut Rooms<'_>,
    ) -> Option<Successor> {
        let peer = referred_peer(&self.config, refer, self.peers[side].as_ref()?);
        let (trunk, configured) = peer.find(&self.config)?;
        let profile = self.config.profiles.get(&trunk.profile)?;
        let placing = Placing {
            config: &self.config,
            profile,
            own: &self.own[side],
        };
        let placed = placing.as_referred(configured, &self.context, refer, rooms.entropy)?;
        let invite = rooms.endpoint.invite(now.instant, placed.invite);
        let habits = profile.sip.clone();
        let leg = SipLeg::outgoing(invite, habits, placed.contact, placed.negotiation);
        Some(Successor { leg, peer })
    }

    pub(super) fn successor_event(&mut self, now: Moment, event: Event, rooms: &mut Rooms<'_>) {
        let Some(successor) = self.successor.as_mut() else {
            return;
        };
        let leg = &mut successor.leg;
        let events = leg.handle_event(now.instant, rooms.endpoint, event);
        for event in events {
            if let LegEvent::Ended(_) = event {
                self.successor = None;
            }
            self.call.handle_successor(now, event);
        }
        self.settle(now, rooms);
    }

    pub(super) fn drop_successor(&mut self, now: Moment, ending: &Ending, rooms: &mut Rooms<'_>) {
        if let Some(mut successor) = self.successor.take()
            && let Err(error) = successor.leg.hang_up(now.instant, rooms.endpoint, ending)
        {
            debug!(%error, "successor is gone");
        }
    }

    /// Who waits for a last NOTIFY gets its BYE after that; one that was replaced, at once.
    pub(super) fn succeed(&mut self, now: Moment, side: Side, rooms: &mut Rooms<'_>) {
        let Some(Successor { leg, peer }) = self.successor.take() else {
            return warn!("nobody is there to succeed");
        };
        self.end_former(now, rooms);
        let former = self.legs[side].replace(leg);
        self.peers[side] = Some(peer);
        self.level(side);
        self.former = match (former, self.last_told.take()) {
            (Some(leg), Some(told)) => Some(Former { leg, told }),
            (Some(mut leg), None) => {
                hang_up(now, &mut leg, rooms);
                None
            }
            (None, _) => None,
        };
    }

    pub(super) fn former_event(&mut self, now: Moment, event: Event, rooms: &mut Rooms<'_>) {
        let Some(former) = self.former.as_mut() else {
            return;
        };
        let leg = &mut former.leg;
        let events = leg.handle_event(now.instant, rooms.endpoint, event);
        if events
            .iter()
            .any(|event| matches!(event, LegEvent::Ended(_)))
        {
            self.former = None;
        }
    }

    /// A request of ours is done. It may be what the former leg waited for.
    pub fn completed(&mut self, now: Moment, request: RequestId, rooms: &mut Rooms<'_>) {
        let is_it = self
            .former
            .as_ref()
            .is_some_and(|former| former.told == request);
        if is_it {
            self.end_former(now, rooms);
        }
    }

    /// The NOTIFY after which the former leg is hung up.
    pub fn awaited(&self) -> Option<RequestId> {
        self.former.as_ref().map(|former| former.told)
    }

    fn end_former(&mut self, now: Moment, rooms: &mut Rooms<'_>) {
        if let Some(mut former) = self.former.take() {
            hang_up(now, &mut former.leg, rooms);
        }
    }

    /// The call is over: nothing that hangs on it is left behind.
    pub fn abandon(&mut self, now: Moment, rooms: &mut Rooms<'_>) {
        self.end_former(now, rooms);
        let ending = Ending::new(Cause::HungUp, Party::Bridge);
        self.drop_successor(now, &ending, rooms);
    }

    /// An INVITE of the PBX replaces the leg of `side` (RFC 3891 §3). The answer to an INVITE that cannot.
    pub fn take_over(
        &mut self,
        now: Moment,
        side: Side,
        peer: PeerId,
        arrival: &Arrival,
        rooms: &mut Rooms<'_>,
    ) -> Result<(), Reply> {
        if self.peers[side].as_ref().map(|known| &known.trunk) != Some(&peer.trunk) {
            info!("not taken over: another trunk's call");
            return Err(Reply::status(403));
        }
        let (leg, agreement) = self.incoming(side, &peer, arrival, rooms)?;
        let name = arrival.request.headers.call_id().ok().map(str::to_owned);
        self.invites.push(leg.invite());
        self.successor = Some(Successor { leg, peer });
        if !self.call.take_over(side, name, agreement.map(Box::new)) {
            self.successor = None;
            return Err(Reply::status(491));
        }
        if let Some(successor) = self.successor.as_mut()
            && let Err(error) = successor.leg.answer(now.instant, rooms.endpoint)
        {
            debug!(%error, "too late to be taken over");
        }
        self.settle(now, rooms);
        Ok(())
    }

    fn incoming(
        &self,
        side: Side,
        peer: &PeerId,
        arrival: &Arrival,
        rooms: &mut Rooms<'_>,
    ) -> Result<(SipLeg, Option<Agreement>), Reply> {
        let request = &arrival.request;
        let media_type = request.headers.media_type();
        if !is_readable(media_type.as_deref(), &request.body) {
            return Err(Reply::status(415));
        }
        let unfit = || Reply::status(500);
        let (trunk, configured) = peer.find(&self.config).ok_or_else(unfit)?;
        let profile = self.config.profiles.get(&trunk.profile).ok_or_else(unfit)?;
        let (host, port) = advertised(&self.config, arrival.listener).ok_or_else(unfit)?;
        let listener = self.config.listeners.get(&arrival.listener);
        let transport = listener.ok_or_else(unfit)?.transport;
        let user = self.context.user.expose();
        let contact = Uri::sip(Some(user), host, Some(port), transport);
        let negotiation = negotiation(
            profile,
            &configured.security,
            &self.own[side],
            rooms.entropy,
        );
        let habits = profile.sip.clone();
        SipLeg::incoming(arrival.invite, request, habits, contact, negotiation)
            .map_err(|refusal| not_acceptable(&refusal))
    }
}

fn hang_up(now: Moment, leg: &mut SipLeg, rooms: &mut Rooms<'_>) {
    let ending = Ending::new(Cause::HungUp, Party::Bridge);
    if let Err(error) = leg.hang_up(now.instant, rooms.endpoint, &ending) {
        debug!(%error, "the former leg is gone");
    }
}
