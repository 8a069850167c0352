//! From what begins a call (an INVITE that was let in, or an order) to the call: where it goes, ports, the answer to an
//! offer, the plan.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::call::call::{Beginning, Call, CallHabits, Candidate, Plan};
use crate::call::cdr::{CallDirection, CallRef};
use crate::call::ending::{Cause, Ending, Party};
use crate::call::identity::Context;
use crate::call::line::{Line, Parts};
use crate::call::moment::Moment;
use crate::call::operator::First;
use crate::call::placing::{Own, Target, advertised, is_readable, negotiation, peer_levels};
use crate::call::plane::PortPair;
use crate::call::record::{Parties, Record};
use crate::call::routing::{Destination, Inquiry, route};
use crate::call::sip_leg::SipLeg;
use crate::call::sip_words::{rejection, takes_info_digits};
use crate::call::trunk::{PeerId, Trunks};
use crate::config::{Config, OwnSecurity, Profile};
use crate::consent;
use crate::entropy::Entropy;
use crate::media::bridge::{BridgeSpec, StreamSpec};
use crate::party::PhoneNumber;
use crate::sdp::{Agreement, Fingerprint, Ssrc};
use crate::side::{Pair, Side};
use crate::sip::endpoint::{InviteId, Reply};
use crate::sip::flow::ListenerId;
use crate::sip::message::Request;
use crate::sip::uri::Uri;

/// A call that is to be.
pub struct Reception {
    pub now: Moment,
    pub config: Arc<Config>,
    pub call: CallRef,
    pub number: PhoneNumber,
    /// The user, with what WhatsApp told of them.
    pub context: Context,
    pub origin: Origin,
}

/// Who wants it.
pub enum Origin {
    /// The user called.
    User(Arrival),
    /// An agent called.
    Agent {
        arrival: Arrival,
        peer: PeerId,
        /// As the PBX shows the caller.
        extension: String,
        /// Why what was dialled is no user.
        objection: Option<String>,
    },
    /// Somebody else: both are called.
    Order {
        trunk: String,
        extension: String,
        first: First,
    },
}

/// An INVITE that was let in.
pub struct Arrival {
    pub invite: InviteId,
    pub listener: ListenerId,
    pub request: Box<Request>,
}

/// What a new call takes from, and is put together with.
pub struct Supplies<'a> {
    pub ports: &'a mut VecDeque<PortPair>,
    pub trunks: &'a Trunks,
    pub entropy: &'a mut Entropy,
    pub fingerprint: &'a Fingerprint,
    /// Calls that the business number has already.
    pub other_calls: u32,
}

/// Where the call goes.
struct Way<'c> {
    extension: String,
    /// The side that WhatsApp is on.
    user: Side,
    profiles: Pair<&'c Profile>,
    candidates: Pair<VecDeque<Candidate>>,
}

impl Origin {
    pub fn arrival(&self) -> Option<&Arrival> {
        match self {
            Self::User(arrival) | Self::Agent { arrival, .. } => Some(arrival),
            Self::Order { .. } => None,
        }
    }

    pub fn direction(&self) -> CallDirection {
        match self {
            Self::User(_) => CallDirection::UserInitiated,
            Self::Agent { .. } | Self::Order { .. } => CallDirection::BusinessInitiated,
        }
    }

    fn user_side(&self) -> Side {
        match self {
            Self::User(_) => Side::A,
            Self::Agent { .. } => Side::B,
            Self::Order { first, .. } => match first {
                First::Agent => Side::B,
                First::User => Side::A,
            },
        }
    }

    /// The PBX's leg, when it called us.
    fn peer(&self) -> Option<PeerId> {
        match self {
            Self::Agent { peer, .. } => Some(peer.clone()),
            Self::User(_) | Self::Order { .. } => None,
        }
    }
}

impl Reception {
    /// The call, or why there is none; then nothing was spent.
    pub fn receive(&self, supplies: &mut Supplies<'_>) -> Result<Line, Ending> {
        let way = self.way(supplies)?;
        let ports = take_ports(supplies.ports)?;
        match self.connect(way, ports, supplies) {
            Ok(line) => Ok(line),
            Err(ending) => {
                supplies.ports.extend([ports.a, ports.b]);
                Err(ending)
            }
        }
    }

    /// To a caller whose call is refused.
    pub fn rejection(&self, ending: &Ending) -> Reply {
        match self.caller_profile() {
            Some(profile) => rejection(ending, &profile.sip),
            None => Reply::status(ending.status()),
        }
    }

    fn caller_profile(&self) -> Option<&Profile> {
        match &self.origin {
            Origin::User(_) => whatsapp_profile(&self.config, &self.number),
            Origin::Agent { peer, .. } => {
                let (trunk, _) = peer.find(&self.config)?;
                self.config.profiles.get(&trunk.profile)
            }
            Origin::Order { .. } => None,
        }
    }

    /// The calling number's or peer's own.
    fn caller_security(&self) -> OwnSecurity {
        let configured = match &self.origin {
            Origin::User(_) => self
                .config
                .numbers
                .get(&self.number)
                .map(|number| &number.security),
            Origin::Agent { peer, .. } => peer.find(&self.config).map(|(_, peer)| &peer.security),
            Origin::Order { .. } => None,
        };
        configured.cloned().unwrap_or_default()
    }

    /// For the CDR.
    pub fn parties(&self) -> Parties {
        let destination = self.destination();
        let arrival = self.origin.arrival();
        let call_id = arrival.and_then(|arrival| arrival.request.headers.call_id().ok());
        Parties {
            direction: self.origin.direction(),
            wacid: self.context.wacid(),
            call_id: call_id.map(str::to_owned),
            user: self.context.user.clone(),
            user_id: self.context.field("user-id"),
            user_country: self.context.field("country-code"),
            number: self.number.clone(),
            trunk: destination.as_ref().map(|to| to.trunk.clone()),
            extension: destination.map(|to| to.extension),
        }
    }

    /// The PBX's side.
    fn destination(&self) -> Option<Destination> {
        match &self.origin {
            Origin::User(_) => self.routed(),
            Origin::Agent {
                peer, extension, ..
            } => Some(Destination {
                trunk: peer.trunk.clone(),
                extension: extension.clone(),
            }),
            Origin::Order {
                trunk, extension, ..
            } => Some(Destination {
                trunk: trunk.clone(),
                extension: extension.clone(),
            }),
        }
    }

    fn routed(&self) -> Option<Destination> {
        let payload = self.context.payload();
        let country = self.context.field("country-code");
        let inquiry = Inquiry {
            number: &self.number,
            payload: payload.as_deref(),
            country: country.as_deref(),
            wall: self.now.wall,
        };
        route(&self.config, inquiry)
    }

    fn way(&self, supplies: &mut Supplies<'_>) -> Result<Way<'_>, Ending> {
        let no_route = || Ending::new(Cause::NoRoute, Party::Bridge);
        if let Origin::Agent {
            objection: Some(why),
            ..
        } = &self.origin
        {
            return Err(Ending::new(Cause::NotDialable, Party::Caller).because(why));
        }
        let Destination { trunk, extension } = self.destination().ok_or_else(no_route)?;
        let user = self.origin.user_side();
        let whatsapp = whatsapp_profile(&self.config, &self.number).ok_or_else(no_route)?;
        let configured = self.config.trunks.get(&trunk).ok_or_else(no_route)?;
        let pbx = self.config.profiles.get(&configured.profile);
        let mut candidates = Pair::default();
        candidates[user] = VecDeque::from([to_whatsapp()]);
        candidates[!user] =
            supplies
                .trunks
                .candidates(self.now.instant, &trunk, configured, supplies.entropy);
        let calls_pbx = self.origin.peer().is_none();
        if calls_pbx && candidates[!user].is_empty() {
            return Err(Ending::new(Cause::NoTrunkUp, Party::Bridge));
        }
        Ok(Way {
            extension,
            user,
            profiles: by_side(user, whatsapp, pbx.ok_or_else(no_route)?),
            candidates,
        })
    }

    fn connect(
        &self,
        way: Way<'_>,
        ports: Pair<PortPair>,
        supplies: &mut Supplies<'_>,
    ) -> Result<Line, Ending> {
        let own = self.own(way.user, ports, supplies);
        let (leg_a, beginning) = self.beginning(way.profiles.a, &own.a, supplies.entropy)?;
        let mut streams = Pair::new(
            stream(&own.a, way.profiles.a),
            stream(&own.b, way.profiles.b),
        );
        let caller = self.origin.peer();
        if let Some(levels) = caller.and_then(|peer| peer_levels(&self.config, &peer)) {
            let habits = &mut streams[!way.user].habits;
            habits.gain_from = levels.from;
            habits.gain_to = levels.to;
        }
        let plan = Plan {
            record: Record::new(self.now, self.call.clone(), self.parties()),
            ports,
            spec: BridgeSpec { streams },
            beginning,
            candidates: way.candidates,
            habits: self.habits(way.profiles),
            user: way.user,
            pair: consent::Pair::new(self.number.clone(), self.context.user.clone()),
            other_calls: supplies.other_calls,
        };
        let mut peers = Pair::default();
        peers[!way.user] = self.origin.peer();
        Ok(Line::new(Parts {
            call: Call::new(self.now, plan),
            config: self.config.clone(),
            context: self.context.clone(),
            extension: way.extension,
            number: self.number.clone(),
            own,
            leg_a,
            peers,
        }))
    }

    fn beginning(
        &self,
        profile: &Profile,
        own: &Own,
        entropy: &mut Entropy,
    ) -> Result<(Option<SipLeg>, Beginning), Ending> {
        let Some(arrival) = self.origin.arrival() else {
            return Ok((None, Beginning::Ordered));
        };
        let (leg, agreed) = self.leg_a(arrival, profile, own, entropy)?;
        Ok((Some(leg), Beginning::Called(agreed.map(Box::new))))
    }

    fn leg_a(
        &self,
        arrival: &Arrival,
        profile: &Profile,
        own: &Own,
        entropy: &mut Entropy,
    ) -> Result<(SipLeg, Option<Agreement>), Ending> {
        let refused = |why: String| Ending::new(Cause::OfferRefused, Party::Caller).because(why);
        let media_type = arrival.request.headers.media_type();
        if !is_readable(media_type.as_deref(), &arrival.request.body) {
            return Err(refused(format!("{media_type:?} is no session description")));
        }
        let contact = self
            .contact(arrival)
            .ok_or_else(|| Ending::new(Cause::NoRoute, Party::Bridge))?;
        SipLeg::incoming(
            arrival.invite,
            &arrival.request,
            profile.sip.clone(),
            contact,
            negotiation(profile, &self.caller_security(), own, entropy),
        )
        .map_err(|refusal| refused(refusal.to_string()))
    }

    /// How the caller reaches this call again: the listener that it came in on, as the one it called.
    fn contact(&self, arrival: &Arrival) -> Option<Uri> {
        let (host, port) = advertised(&self.config, arrival.listener)?;
        let transport = self.config.listeners.get(&arrival.listener)?.transport;
        let called = match &self.origin {
            Origin::User(_) => self.number.expose(),
            Origin::Agent { .. } | Origin::Order { .. } => self.context.user.expose(),
        };
        Some(Uri::sip(Some(called), host, Some(port), transport))
    }

    fn own(&self, user: Side, ports: Pair<PortPair>, supplies: &mut Supplies<'_>) -> Pair<Own> {
        let media = &self.config.media;
        let addresses = by_side(user, media.public_address, media.pbx_address);
        let mut own = |side| Own {
            addresses: addresses[side],
            ports: ports[side],
            ssrc: Ssrc(supplies.entropy.u32()),
            cname: supplies.entropy.hex(12),
            fingerprint: supplies.fingerprint.clone(),
        };
        Pair::new(own(Side::A), own(Side::B))
    }

    fn habits(&self, profiles: Pair<&Profile>) -> CallHabits {
        CallHabits {
            ringing: profiles.a.sip.ringing,
            early_description: profiles.a.sip.early_description,
            client_hello: profiles.a.sip.client_hello,
            answer_timeout: profiles.map(|profile| profile.sip.answer_timeout),
            digits_by_signalling: profiles.map(|profile| takes_info_digits(&profile.sip)),
            when_unknown: self.config.consent_rules(&self.number).when_unknown,
            declined_is_unanswered: self.config.consent.declined_is_unanswered,
        }
    }
}

pub fn whatsapp_profile<'c>(config: &'c Config, number: &PhoneNumber) -> Option<&'c Profile> {
    let own = config
        .numbers
        .get(number)
        .and_then(|number| number.profile.as_ref());
    config.profiles.get(own.unwrap_or(&config.whatsapp.profile))
}

fn to_whatsapp() -> Candidate {
    Candidate {
        target: Target::WhatsApp,
        name: "whatsapp".to_owned(),
    }
}

fn by_side<T>(user: Side, whatsapp: T, pbx: T) -> Pair<T> {
    match user {
        Side::A => Pair::new(whatsapp, pbx),
        Side::B => Pair::new(pbx, whatsapp),
    }
}

fn take_ports(stock: &mut VecDeque<PortPair>) -> Result<Pair<PortPair>, Ending> {
    match (stock.pop_front(), stock.pop_front()) {
        (Some(a), Some(b)) => Ok(Pair::new(a, b)),
        (only, _) => {
            stock.extend(only);
            Err(Ending::new(Cause::NoPorts, Party::Bridge))
        }
    }
}

fn stream(own: &Own, profile: &Profile) -> StreamSpec {
    StreamSpec {
        ssrc: own.ssrc,
        cname: own.cname.clone(),
        habits: profile.media.clone(),
    }
}
