//! B's INVITE, written fresh: nothing of A's message is in it but what [`Context`] lets through.

use std::net::IpAddr;

use crate::call::identity::Context;
use crate::call::plane::PortPair;
use crate::call::sip_words::{SDP, sdp_body, session_timer, takes_info_digits};
use crate::config::{Config, Profile, SipHabits, TrunkPeer};
use crate::entropy::Entropy;
use crate::sdp::{Direction, Local, MasterKey, Negotiation, Ssrc};
use crate::sip::endpoint::{Credentials, OutgoingInvite};
use crate::sip::flow::{Host, ListenerId, Transport};
use crate::sip::message::NameAddr;
use crate::sip::uri::Uri;

/// Of a leg, for its whole life: what our descriptions say about us.
#[derive(Clone)]
pub struct Own {
    pub address: IpAddr,
    pub ports: PortPair,
    pub ssrc: Ssrc,
    pub cname: String,
}

impl Own {
    /// With a key and session id of this attempt alone: a forked or failed peer learns nothing about the next one's.
    pub fn local(&self, entropy: &mut Entropy) -> Local {
        Local {
            address: self.address,
            rtp_port: self.ports.rtp,
            rtcp_port: self.ports.rtcp,
            ssrc: self.ssrc,
            cname: self.cname.clone(),
            key: MasterKey(entropy.bytes::<46>().to_vec()),
            // Fits the 63 bits that every peer can read.
            session_id: u64::from(entropy.u32()),
        }
    }
}

/// A call toward a PBX that is about to be placed.
pub struct Placing<'a> {
    pub config: &'a Config,
    pub profile: &'a Profile,
    pub peer: &'a TrunkPeer,
    pub context: &'a Context,
    pub extension: &'a str,
    pub own: &'a Own,
}

/// Everything B's leg begins with.
pub struct Placed {
    pub invite: OutgoingInvite,
    pub contact: Uri,
    pub negotiation: Negotiation,
}

impl Placing<'_> {
    pub fn place(&self, entropy: &mut Entropy) -> Option<Placed> {
        let (host, port) = advertised(self.config, self.peer.hop.listener)?;
        let transport = self.peer.hop.transport;
        let contact = Uri::sip(
            Some(self.context.user.expose()),
            host,
            Some(port),
            transport,
        );
        let mut negotiation = negotiation(self.profile, self.own, entropy);
        let offer = negotiation.offer(Direction::SendRecv);
        let habits = &self.profile.sip;
        let invite = OutgoingInvite {
            hop: self.peer.hop.clone(),
            uri: self.target(),
            from: self.context.name_addr(host),
            to: NameAddr::new(self.address_of_record()).to_value(),
            contact: contact.clone(),
            route: Vec::new(),
            headers: self.context.headers_toward(host, habits),
            body: Some(sdp_body(&offer)),
            credentials: credentials(self.peer),
            session_timer: session_timer(habits),
            reliable_provisionals: habits.reliable_provisionals,
            answer_within: patience(habits),
        };
        Some(Placed {
            invite,
            contact,
            negotiation,
        })
    }

    fn target(&self) -> Uri {
        let hop = &self.peer.hop;
        Uri::sip(Some(self.extension), &hop.host, hop.port, hop.transport)
    }

    fn address_of_record(&self) -> Uri {
        let host = &self.peer.hop.host;
        Uri::sip(Some(self.extension), host, None, Transport::Udp)
    }
}

/// A leg's negotiation by its profile. Where digits go by INFO, RTP carries none, or they would be heard twice.
pub fn negotiation(profile: &Profile, own: &Own, entropy: &mut Entropy) -> Negotiation {
    let mut policy = profile.sdp.clone();
    if takes_info_digits(&profile.sip) {
        policy.telephone_event = Default::default();
    }
    Negotiation::new(policy, own.local(entropy))
}

/// What a listener calls itself.
pub fn advertised(config: &Config, listener: ListenerId) -> Option<(&Host, u16)> {
    let (host, port) = &config.listeners.get(&listener)?.advertise;
    Some((host, *port))
}

pub fn credentials(peer: &TrunkPeer) -> Option<Credentials> {
    peer.credentials.as_ref().map(|credentials| Credentials {
        username: credentials.username.clone(),
        password: credentials.password.clone(),
    })
}

fn patience(habits: &SipHabits) -> Option<std::time::Duration> {
    Some(habits.first_response_timeout).filter(|timeout| !timeout.is_zero())
}

/// Whether an INVITE's body is one that we read; none at all is a late offer.
pub fn is_readable(media_type: Option<&str>, body: &[u8]) -> bool {
    body.is_empty() || media_type.is_none_or(|media_type| media_type == SDP)
}
