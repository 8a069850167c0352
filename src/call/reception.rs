//! From an INVITE that was let in to a call: route, ports, the answer to its offer, the plan.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::call::call::{Call, CallHabits, Candidate, Plan};
use crate::call::cdr::{CallDirection, CallRef};
use crate::call::ending::{Cause, Ending, Party};
use crate::call::identity::Context;
use crate::call::line::{Line, Parts};
use crate::call::moment::Moment;
use crate::call::placing::{Own, advertised, is_readable, negotiation};
use crate::call::plane::PortPair;
use crate::call::record::{Parties, Record};
use crate::call::routing::{Destination, Inquiry, route};
use crate::call::sip_leg::SipLeg;
use crate::call::sip_words::takes_info_digits;
use crate::call::trunk::Trunks;
use crate::config::{Config, Profile};
use crate::entropy::Entropy;
use crate::media::bridge::{BridgeSpec, StreamSpec};
use crate::party::PhoneNumber;
use crate::sdp::{Agreement, Ssrc};
use crate::side::Pair;
use crate::sip::endpoint::InviteId;
use crate::sip::flow::ListenerId;
use crate::sip::message::Request;
use crate::sip::uri::Uri;

/// A WhatsApp user's INVITE that was let in.
pub struct Reception {
    pub now: Moment,
    pub config: Arc<Config>,
    pub call: CallRef,
    pub invite: InviteId,
    pub listener: ListenerId,
    pub request: Box<Request>,
    pub context: Context,
    pub number: PhoneNumber,
}

/// What a new call takes from, and is put together with.
pub struct Supplies<'a> {
    pub ports: &'a mut VecDeque<PortPair>,
    pub trunks: &'a Trunks,
    pub entropy: &'a mut Entropy,
}

/// Where the call goes.
struct Way<'c> {
    destination: Destination,
    profiles: Pair<&'c Profile>,
    candidates: VecDeque<Candidate>,
}

impl Reception {
    /// The call, or why there is none; then nothing was spent.
    pub fn receive(&self, supplies: &mut Supplies<'_>) -> Result<Line, Ending> {
        let way = self.way(supplies)?;
        let ports = take_ports(supplies.ports)?;
        match self.connect(way, ports, supplies.entropy) {
            Ok(line) => Ok(line),
            Err(ending) => {
                supplies.ports.extend([ports.a, ports.b]);
                Err(ending)
            }
        }
    }

    /// For the CDR.
    pub fn parties(&self) -> Parties {
        let destination = self.destination();
        Parties {
            direction: CallDirection::UserInitiated,
            wacid: self.context.wacid(),
            call_id: self.request.headers.call_id().ok().map(str::to_owned),
            user: self.context.user.clone(),
            user_id: self.context.field("user-id"),
            user_country: self.context.field("country-code"),
            number: self.number.clone(),
            trunk: destination.as_ref().map(|to| to.trunk.clone()),
            extension: destination.map(|to| to.extension),
        }
    }

    fn destination(&self) -> Option<Destination> {
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
        let destination = self.destination().ok_or_else(no_route)?;
        let name = &destination.trunk;
        let trunk = self.config.trunks.get(name).ok_or_else(no_route)?;
        let profiles = Pair::new(
            self.own_profile().ok_or_else(no_route)?,
            self.config
                .profiles
                .get(&trunk.profile)
                .ok_or_else(no_route)?,
        );
        let instant = self.now.instant;
        let candidates = supplies
            .trunks
            .candidates(instant, name, trunk, supplies.entropy);
        if candidates.is_empty() {
            return Err(Ending::new(Cause::NoTrunkUp, Party::Bridge));
        }
        Ok(Way {
            destination,
            profiles,
            candidates,
        })
    }

    /// Of WhatsApp's leg: the number's, or the general one.
    fn own_profile(&self) -> Option<&Profile> {
        whatsapp_profile(&self.config, &self.number)
    }

    fn connect(
        &self,
        way: Way<'_>,
        ports: Pair<PortPair>,
        entropy: &mut Entropy,
    ) -> Result<Line, Ending> {
        let own = self.own(ports, entropy);
        let (leg_a, agreed_a) = self.leg_a(way.profiles.a, &own.a, entropy)?;
        let spec = BridgeSpec {
            streams: Pair::new(
                stream(&own.a, way.profiles.a),
                stream(&own.b, way.profiles.b),
            ),
        };
        let plan = Plan {
            record: Record::new(self.now, self.call.clone(), self.parties()),
            ports,
            spec,
            agreed_a: agreed_a.map(Box::new),
            candidates: way.candidates,
            habits: habits(way.profiles),
        };
        Ok(Line::new(Parts {
            call: Call::new(self.now, plan),
            config: self.config.clone(),
            context: self.context.clone(),
            extension: way.destination.extension,
            number: self.number.clone(),
            own_b: own.b,
            leg_a,
        }))
    }

    fn leg_a(
        &self,
        profile: &Profile,
        own: &Own,
        entropy: &mut Entropy,
    ) -> Result<(SipLeg, Option<Agreement>), Ending> {
        let refused = |why: String| Ending::new(Cause::OfferRefused, Party::Caller).because(why);
        let media_type = self.request.headers.media_type();
        if !is_readable(media_type.as_deref(), &self.request.body) {
            return Err(refused(format!("{media_type:?} is no session description")));
        }
        let contact = self
            .contact()
            .ok_or_else(|| Ending::new(Cause::NoRoute, Party::Bridge))?;
        SipLeg::incoming(
            self.invite,
            &self.request,
            profile.sip.clone(),
            contact,
            negotiation(profile, own, entropy),
        )
        .map_err(|refusal| refused(refusal.to_string()))
    }

    /// How WhatsApp reaches this call again: the listener that it came in on.
    fn contact(&self) -> Option<Uri> {
        let (host, port) = advertised(&self.config, self.listener)?;
        let transport = self.config.listeners.get(&self.listener)?.transport;
        Some(Uri::sip(
            Some(self.number.expose()),
            host,
            Some(port),
            transport,
        ))
    }

    fn own(&self, ports: Pair<PortPair>, entropy: &mut Entropy) -> Pair<Own> {
        let media = &self.config.media;
        let mut own = |address, ports| Own {
            address,
            ports,
            ssrc: Ssrc(entropy.u32()),
            cname: entropy.hex(12),
        };
        Pair::new(
            own(media.public_address, ports.a),
            own(media.pbx_address, ports.b),
        )
    }
}

pub fn whatsapp_profile<'c>(config: &'c Config, number: &PhoneNumber) -> Option<&'c Profile> {
    let own = config
        .numbers
        .get(number)
        .and_then(|number| number.profile.as_ref());
    config.profiles.get(own.unwrap_or(&config.whatsapp.profile))
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

fn habits(profiles: Pair<&Profile>) -> CallHabits {
    CallHabits {
        ringing: profiles.a.sip.ringing,
        answer_timeout: profiles.b.sip.answer_timeout,
        digits_by_signalling: takes_info_digits(&profiles.b.sip),
    }
}
