//! INVITEs of ours, written fresh: nothing of a caller's message is in them but what [`Context`] lets through.

use std::net::SocketAddr;
use std::time::Duration;

use crate::call::identity::Context;
use crate::call::plane::PortPair;
use crate::call::sip_words::{SDP, sdp_body, session_timer, takes_info_digits};
use crate::call::trunk::PeerId;
use crate::config::{
    Addresses, Config, DigestUsername, Faces, Number, OwnSecurity, Profile, SipHabits, TrunkPeer,
};
use crate::entropy::Entropy;
use crate::media::gain::Levels;
use crate::party::Party;
use crate::sdp::{
    Candidate, Direction, Fingerprint, IceCredentials, Local, MasterKey, Negotiation, Ssrc,
};
use crate::sip::endpoint::{Credentials, OutgoingInvite};
use crate::sip::flow::{Host, ListenerId, NextHop, Transport};
use crate::sip::message::{Headers, Name, NameAddr};
use crate::sip::refer::Refer;
use crate::sip::uri::Uri;

/// Where a call of ours goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    Peer(PeerId),
    /// To the user, by WhatsApp.
    WhatsApp,
}

/// Of a leg, for its whole life: what our descriptions say about us.
#[derive(Clone)]
pub struct Own {
    pub addresses: Addresses,
    pub ports: PortPair,
    pub ssrc: Ssrc,
    pub cname: String,
    /// Of this process' certificate.
    pub fingerprint: Fingerprint,
}

impl Own {
    /// With a key and session id of this attempt alone: a forked or failed peer learns nothing about the next one's.
    pub fn local(&self, entropy: &mut Entropy) -> Local {
        let at = |(address, place)| {
            let address = SocketAddr::new(address, self.ports.rtp);
            Candidate::host(address, place)
        };
        Local {
            address: self.addresses.first,
            rtp_port: self.ports.rtp,
            rtcp_port: self.ports.rtcp,
            ssrc: self.ssrc,
            cname: self.cname.clone(),
            key: MasterKey(entropy.bytes::<46>().to_vec()),
            ice: IceCredentials::new(&entropy.bytes()),
            candidates: self.addresses.iter().zip(0..).map(at).collect(),
            fingerprint: self.fingerprint.clone(),
            // Fits the 63 bits that every peer can read.
            session_id: u64::from(entropy.u32()),
        }
    }
}

/// A call that is about to be placed.
pub struct Placing<'a> {
    pub config: &'a Config,
    pub profile: &'a Profile,
    pub own: &'a Own,
}

/// Everything that the leg begins with.
pub struct Placed {
    pub invite: OutgoingInvite,
    pub contact: Uri,
    pub negotiation: Negotiation,
}

/// Who calls whom, as the INVITE says it.
struct Address {
    hop: NextHop,
    /// Of the request.
    uri: Uri,
    from: String,
    to: String,
    contact: Uri,
    headers: Headers,
    credentials: Option<Credentials>,
}

impl Placing<'_> {
    /// To an extension of a PBX, on behalf of a user.
    pub fn at_pbx(
        &self,
        peer: &TrunkPeer,
        user: &Context,
        extension: &str,
        entropy: &mut Entropy,
    ) -> Option<Placed> {
        let (host, port) = advertised(self.config, peer.hop.listener)?;
        let hop = &peer.hop;
        let (caller, transport) = (user.user.expose(), hop.transport);
        let record = Uri::sip(Some(extension), &hop.host, None, Transport::Udp);
        let address = Address {
            uri: Uri::sip(Some(extension), &hop.host, hop.port, transport),
            from: user.name_addr(host),
            to: NameAddr::new(record).to_value(),
            contact: Uri::sip(Some(caller), host, Some(port), transport),
            headers: user.headers_toward(host, &self.profile.sip),
            credentials: credentials(peer),
            hop: peer.hop.clone(),
        };
        Some(self.place(address, &peer.security, entropy))
    }

    /// To whom a PBX referred us, by one of its peers (RFC 3515). Of the URI it gave, a user at our own address is an
    /// extension of the peer; any other is left as it is, for the peer to route.
    pub fn as_referred(
        &self,
        peer: &TrunkPeer,
        user: &Context,
        refer: &Refer,
        entropy: &mut Entropy,
    ) -> Option<Placed> {
        let extension = refer.target.user_name().unwrap_or_default();
        let mut placed = self.at_pbx(peer, user, &extension, entropy)?;
        let invite = &mut placed.invite;
        if !is_ours(self.config, &refer.target) {
            invite.uri = refer.target.clone();
            invite.to = NameAddr::new(refer.target.clone()).to_value();
        }
        if let Some(referred_by) = &refer.referred_by {
            invite.headers.push(Name::ReferredBy, referred_by.clone());
        }
        if let Some(replaces) = &refer.replaces {
            invite.headers.push(Name::Replaces, replaces.to_string());
            invite.headers.push(Name::Require, "replaces");
        }
        Some(placed)
    }

    /// To a user, on behalf of a business number (dossier 2.7: R-URI, To and digest URI name the same user at WhatsApp's
    /// host, From the number at the host that is configured for it).
    pub fn at_whatsapp(
        &self,
        number: &Number,
        user: &Party,
        entropy: &mut Entropy,
    ) -> Option<Placed> {
        let whatsapp = &self.config.whatsapp;
        let listener = whatsapp_listener(self.config)?;
        let (host, port) = advertised(self.config, listener)?;
        let (caller, callee) = (number.number.expose(), user.expose());
        let name_addr = |user, host| {
            let uri = Uri::sip(Some(user), host, None, Transport::Udp);
            NameAddr::new(uri).to_value()
        };
        let address = Address {
            hop: NextHop {
                listener,
                transport: Transport::Tls,
                host: whatsapp.host.clone(),
                port: Some(whatsapp.port),
            },
            uri: Uri::sip(Some(callee), &whatsapp.host, None, Transport::Tls),
            from: name_addr(caller, &whatsapp.from_host),
            to: name_addr(callee, &whatsapp.host),
            contact: Uri::sip(Some(caller), host, Some(port), Transport::Tls),
            headers: Headers::default(),
            credentials: Some(own_credentials(number, &self.profile.sip)),
        };
        Some(self.place(address, &number.security, entropy))
    }

    fn place(&self, address: Address, security: &OwnSecurity, entropy: &mut Entropy) -> Placed {
        let mut negotiation = negotiation(self.profile, security, self.own, entropy);
        let offer = negotiation.offer(Direction::SendRecv);
        let habits = &self.profile.sip;
        let invite = OutgoingInvite {
            hop: address.hop,
            uri: address.uri,
            from: address.from,
            to: address.to,
            contact: address.contact.clone(),
            route: Vec::new(),
            headers: address.headers,
            body: Some(sdp_body(&offer)),
            credentials: address.credentials,
            login: habits.login,
            session_timer: session_timer(habits),
            reliable_provisionals: habits.reliable_provisionals,
            answer_within: patience(habits),
        };
        Placed {
            invite,
            contact: address.contact,
            negotiation,
        }
    }
}

/// The peer that a referral leads to: the one whose host it names, one of the referrer's trunk before others; else the
/// referrer itself. No other host is ever called, whoever asks.
pub fn referred_peer(config: &Config, refer: &Refer, referrer: &PeerId) -> PeerId {
    let host = refer.target.host.as_ref();
    let mut named: Vec<PeerId> = PeerId::all(config)
        .filter(|(_, _, peer)| Some(&peer.hop.host) == host)
        .map(|(id, _, _)| id)
        .collect();
    named.sort_by_key(|id| id.trunk != referrer.trunk);
    let is_referrer = named.contains(referrer);
    match named.into_iter().next() {
        Some(peer) if !is_referrer => peer,
        Some(_) | None => referrer.clone(),
    }
}

/// Whether a URI names us: a listener's address, or no host at all (`tel:`).
fn is_ours(config: &Config, uri: &Uri) -> bool {
    let Some(host) = &uri.host else {
        return true;
    };
    let mut listeners = config.listeners.values();
    listeners.any(|listener| listener.advertise.0 == *host)
}

/// A leg's negotiation by its profile, and what its number or peer has for itself. Where digits go by INFO, RTP carries
/// none, or they would be heard twice.
pub fn negotiation(
    profile: &Profile,
    security: &OwnSecurity,
    own: &Own,
    entropy: &mut Entropy,
) -> Negotiation {
    let mut policy = security.policy(profile);
    if takes_info_digits(&profile.sip) {
        policy.telephone_event = Default::default();
    }
    Negotiation::new(policy, own.local(entropy))
}

/// How loud a peer is made: as it has it for itself, or as its trunk's profile says.
pub fn peer_levels(config: &Config, peer: &PeerId) -> Option<Levels> {
    let (trunk, configured) = peer.find(config)?;
    let profile = config.profiles.get(&trunk.profile)?;
    Some(configured.levels.levels(profile))
}

/// What a listener calls itself.
pub fn advertised(config: &Config, listener: ListenerId) -> Option<(&Host, u16)> {
    let (host, port) = &config.listeners.get(&listener)?.advertise;
    Some((host, *port))
}

/// The one whose name and certificate our calls to WhatsApp carry.
fn whatsapp_listener(config: &Config) -> Option<ListenerId> {
    let mut listeners = config.listeners.iter();
    let facing = listeners.find(|(_, listener)| listener.faces == Faces::WhatsApp);
    facing.map(|(id, _)| *id)
}

pub fn credentials(peer: &TrunkPeer) -> Option<Credentials> {
    peer.credentials.as_ref().map(|credentials| Credentials {
        username: credentials.username.clone(),
        password: credentials.password.clone(),
    })
}

/// The name is the number, in all of WhatsApp's samples without `+` (dossier 2.3).
fn own_credentials(number: &Number, habits: &SipHabits) -> Credentials {
    let username = match habits.digest_username {
        DigestUsername::Digits | DigestUsername::Either => number.number.expose_digits(),
        DigestUsername::Plus => number.number.expose(),
    };
    Credentials {
        username: username.to_owned(),
        password: number.password.clone(),
    }
}

fn patience(habits: &SipHabits) -> Option<Duration> {
    Some(habits.first_response_timeout).filter(|timeout| !timeout.is_zero())
}

/// Whether an INVITE's body is one that we read; none at all is a late offer.
pub fn is_readable(media_type: Option<&str>, body: &[u8]) -> bool {
    body.is_empty() || media_type.is_none_or(|media_type| media_type == SDP)
}
