//! A side whose peer ICE has to find and whose keys DTLS has to make: what its transport comes to becomes the address and
//! the keys of its stream. Of a side with keys in its description, or with none, nothing here costs anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::media::bridge::lane::push;
use crate::media::bridge::no_audio::Setup;
use crate::media::bridge::{Bridge, Channel, Event, NotConnected, Stream};
use crate::media::dtls::Identity;
use crate::media::ice;
use crate::media::outbox::Destination;
use crate::media::rtp::Kind;
use crate::media::transport::{self, Failure, Terms, Transport};
use crate::sdp::Agreement;
use crate::side::Side;

impl Bridge {
    /// With what we are in DTLS. A bridge without it carries no side that wants DTLS.
    #[must_use]
    pub fn with_identity(mut self, identity: Arc<Identity>) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Before the stream takes up the agreement's address.
    pub(super) fn agree_transport(&mut self, now: Instant, side: Side, agreement: &Agreement) {
        let stream = &mut self.streams[side];
        let Some(dtls) = agreement.protection.dtls() else {
            stream.transport = None;
            return;
        };
        let terms = Terms {
            ice: agreement.ice.clone(),
            described: agreement.remote_rtp,
            dtls: dtls.clone(),
        };
        let known = stream.transport.as_mut();
        if !known.is_some_and(|transport| transport.agree(now, &terms)) {
            stream.transport = self.identity.clone().map(|identity| {
                let entropy = self.entropy.fork();
                Box::new(Transport::new(now, terms, identity, entropy))
            });
        }
        match &mut stream.transport {
            Some(transport) if stream.egress.started().is_some() => transport.start(now),
            Some(_) => {}
            None => tracing::error!(%side, "DTLS was agreed, and this bridge has no certificate"),
        }
        stream.follow_transport(now);
    }

    /// Our description is on its way to the side.
    pub(super) fn check_transport(&mut self, now: Instant, side: Side) {
        if let Some(transport) = &mut self.streams[side].transport {
            transport.check(now);
            self.run_transport(now, side);
        }
    }

    /// The side has it.
    pub(super) fn start_transport(&mut self, now: Instant, side: Side) {
        if let Some(transport) = &mut self.streams[side].transport {
            transport.start(now);
            self.run_transport(now, side);
        }
    }

    /// STUN and DTLS; of a side that speaks neither, noise.
    pub(super) fn handle_setup(
        &mut self,
        now: Instant,
        side: Side,
        kind: Kind,
        from: SocketAddr,
        datagram: &[u8],
    ) {
        let Stream {
            ingress, transport, ..
        } = &mut self.streams[side];
        let Some(transport) = transport else {
            ingress.rejected().not_rtp += 1;
            return;
        };
        let accepted = match kind {
            Kind::Stun => transport.handle_stun(now, from, datagram),
            Kind::Dtls => transport.handle_dtls(now, from, datagram),
            Kind::Rtp | Kind::Rtcp | Kind::Unknown => false,
        };
        if !accepted {
            ingress.rejected().forged_setup += 1;
        }
        self.run_transport(now, side);
    }

    pub(super) fn handle_transport_timeout(&mut self, now: Instant, side: Side) {
        if let Some(transport) = &mut self.streams[side].transport
            && transport.poll_timeout().is_some_and(|due| due <= now)
        {
            transport.handle_timeout(now);
            self.run_transport(now, side);
        }
    }

    /// What the transport has to tell and to send.
    pub(super) fn run_transport(&mut self, now: Instant, side: Side) {
        let stream = &mut self.streams[side];
        let Some(transport) = &mut stream.transport else {
            return;
        };
        let channel = Channel::Rtp;
        while self.outbox.push_where(|room| {
            let (to, len) = transport.poll_transmit(room)?;
            Some((Destination { side, channel, to }, len))
        }) {}
        while let Some(event) = stream.transport.as_mut().and_then(|t| t.poll_event()) {
            stream.follow_transport(now);
            if let Some(told) = stream.take_up(now, side, event) {
                push(&mut self.events, told);
            }
        }
    }
}

impl Stream {
    /// Whether a packet may be the peer's, as far as its source tells. Once there are keys they tell it better: a peer whose
    /// packets come from elsewhere is heard, and a stranger's do not authenticate.
    pub(super) fn takes_from(&self, from: SocketAddr) -> bool {
        match &self.transport {
            None => true,
            Some(transport) => transport.times().secured_after.is_some() || transport.is_peer(from),
        }
    }

    pub(super) fn setup(&self) -> Setup {
        match &self.transport {
            None => Setup::Done,
            Some(transport) => match (transport.target(), transport.times().secured_after) {
                (None, _) => Setup::NoWay,
                (Some(_), None) => Setup::NoKeys,
                (Some(_), Some(_)) => Setup::Done,
            },
        }
    }

    fn follow_transport(&mut self, now: Instant) {
        if let Some(transport) = &self.transport {
            self.ingress.follow(transport.target());
            self.egress.set_target(now, transport.target());
        }
    }

    fn take_up(&mut self, now: Instant, side: Side, event: transport::Event) -> Option<Event> {
        match event {
            transport::Event::Found { remote, after } => {
                tracing::debug!(%side, %remote, "the peer is found");
                Some(Event::IceConnected { side, after })
            }
            transport::Event::Secured { keys, after } => {
                tracing::debug!(%side, suite = keys.suite.name(), "keys of the handshake");
                self.ingress.set_keys(&keys);
                self.egress.set_keys(now, &keys);
                Some(Event::DtlsConnected { side, after })
            }
            transport::Event::Moved { remote } => {
                tracing::info!(%side, %remote, "the peer is elsewhere now");
                None
            }
            transport::Event::Failed(failure) => Some(Event::NotConnected {
                side,
                cause: failure.into(),
            }),
        }
    }
}

impl From<Failure> for NotConnected {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Ice(ice::Failure::NothingReached | ice::Failure::NothingNominated) => {
                Self::NoPath
            }
            Failure::Ice(ice::Failure::ConsentLost) => Self::ConsentLost,
            Failure::Dtls(failure) => Self::NoKeys(failure.to_string()),
        }
    }
}
