//! DTLS 1.2 by OpenSSL, datagram by datagram, for the keys of SRTP (RFC 5764).

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::mem;
use std::sync::{Arc, Mutex};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::ssl::{
    HandshakeError, MidHandshakeSslStream, Ssl, SslContext, SslMethod, SslOptions, SslStream,
    SslVerifyMode, SslVersion,
};

use crate::sim::media::crypto::{Key, Suite};
use crate::sim::media::link::identity::{Identity, hex};

/// Below any path's.
const MTU: u32 = 1_100;
const LABEL: &str = "EXTRACTOR-dtls_srtp";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Sends the ClientHello.
    Client,
    Server,
}

/// What a handshake gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    pub send: Key,
    pub receive: Key,
}

pub struct Tunnel {
    role: Role,
    state: State,
    /// What is wrong with the certificate that was shown.
    objection: Objection,
}

type Objection = Arc<Mutex<Option<String>>>;

enum State {
    New(Box<Ssl>),
    Handshaking(Box<MidHandshakeSslStream<Datagrams>>),
    Connected(Box<SslStream<Datagrams>>),
    Over,
}

/// What has happened to a tunnel, said once.
#[derive(Debug)]
pub enum Step {
    Nothing,
    Connected(Box<Keys>),
    Failed(String),
}

impl Tunnel {
    /// `expected` are SHA-256 fingerprints.
    pub fn new(
        role: Role,
        identity: &Identity,
        suites: &[Suite],
        expected: Vec<Vec<u8>>,
    ) -> Result<Self, ErrorStack> {
        let mut context = SslContext::builder(SslMethod::dtls())?;
        context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
        context.set_options(SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET);
        context.set_certificate(&identity.certificate)?;
        context.set_private_key(&identity.key)?;
        let objection = Objection::default();
        let written = objection.clone();
        let mode = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        context.set_verify_callback(mode, move |_, shown| {
            let shown = shown.current_cert();
            let shown = shown.and_then(|one| one.digest(MessageDigest::sha256()).ok());
            let shown = shown.as_deref().unwrap_or_default();
            let held = expected.iter().any(|one| one == shown);
            if !held && let Ok(mut why) = written.lock() {
                let shown = hex(shown);
                *why = Some(format!(
                    "its certificate's fingerprint is {shown}, not that of its SDP"
                ));
            }
            held
        });
        let profiles: Vec<&str> = suites.iter().map(|suite| profile(*suite)).collect();
        context.set_tlsext_use_srtp(&profiles.join(":"))?;
        let mut ssl = Ssl::new(&context.build())?;
        ssl.set_mtu(MTU)?;
        Ok(Self {
            role,
            state: State::New(Box::new(ssl)),
            objection,
        })
    }

    /// With a datagram, or only because time has passed: OpenSSL repeats its flight after a second, then two, four ...
    pub fn step(&mut self, datagram: Option<&[u8]>) -> (Step, Vec<Vec<u8>>) {
        let (state, step) = match mem::replace(&mut self.state, State::Over) {
            State::New(ssl) => {
                let datagrams = Datagrams::holding(datagram);
                let begun = match self.role {
                    Role::Client => ssl.connect(datagrams),
                    Role::Server => ssl.accept(datagrams),
                };
                self.reached(begun)
            }
            State::Handshaking(mut stream) => {
                stream.get_mut().incoming.extend(datagram.map(Vec::from));
                self.reached(stream.handshake())
            }
            State::Connected(mut stream) => {
                stream.get_mut().incoming.extend(datagram.map(Vec::from));
                // Nothing is ever said in here; a repeated flight is answered.
                let _ = stream.ssl_read(&mut [0; 64]);
                (State::Connected(stream), Step::Nothing)
            }
            State::Over => (State::Over, Step::Nothing),
        };
        self.state = state;
        let outgoing = self.datagrams().map(|one| mem::take(&mut one.outgoing));
        (step, outgoing.unwrap_or_default())
    }

    fn datagrams(&mut self) -> Option<&mut Datagrams> {
        match &mut self.state {
            State::Handshaking(stream) => Some(stream.get_mut()),
            State::Connected(stream) => Some(stream.get_mut()),
            State::New(_) | State::Over => None,
        }
    }

    fn reached(
        &self,
        reached: Result<SslStream<Datagrams>, HandshakeError<Datagrams>>,
    ) -> (State, Step) {
        match reached {
            Ok(stream) => match self.keys(&stream) {
                Ok(keys) => (
                    State::Connected(Box::new(stream)),
                    Step::Connected(Box::new(keys)),
                ),
                Err(why) => (State::Over, Step::Failed(why)),
            },
            Err(HandshakeError::WouldBlock(stream)) => {
                (State::Handshaking(Box::new(stream)), Step::Nothing)
            }
            // An alert may be waiting to leave.
            Err(HandshakeError::Failure(stream)) => {
                let objection = self.objection.lock().ok().and_then(|why| why.clone());
                let why = objection.unwrap_or_else(|| stream.error().to_string());
                (State::Handshaking(Box::new(stream)), Step::Failed(why))
            }
            Err(HandshakeError::SetupFailure(error)) => {
                (State::Over, Step::Failed(error.to_string()))
            }
        }
    }

    fn keys(&self, stream: &SslStream<Datagrams>) -> Result<Keys, String> {
        let ssl = stream.ssl();
        let chosen = ssl
            .selected_srtp_profile()
            .ok_or("use_srtp was not agreed")?;
        let suite = [Suite::Cm128Sha80, Suite::Gcm128].into_iter();
        let mut suite = suite.filter(|suite| profile(*suite) == chosen.name());
        let suite = suite.next().ok_or("an SRTP profile of nobody's")?;
        let (key, salt) = suite.lengths();
        let mut material = vec![0; 2 * (key + salt)];
        let exported = ssl.export_keying_material(&mut material, LABEL, None);
        exported.map_err(|error| error.to_string())?;
        let (keys, salts) = material.split_at(2 * key);
        let of = |side: usize| {
            let mut bytes = keys[side * key..(side + 1) * key].to_vec();
            bytes.extend(&salts[side * salt..(side + 1) * salt]);
            Key::of(suite, bytes).ok_or("key length")
        };
        let (client, server) = (of(0)?, of(1)?);
        Ok(match self.role {
            Role::Client => Keys {
                send: client,
                receive: server,
            },
            Role::Server => Keys {
                send: server,
                receive: client,
            },
        })
    }
}

fn profile(suite: Suite) -> &'static str {
    match suite {
        Suite::Gcm128 => "SRTP_AEAD_AES_128_GCM",
        _ => "SRTP_AES128_CM_SHA1_80",
    }
}

/// Where OpenSSL reads and writes.
#[derive(Debug, Default)]
struct Datagrams {
    incoming: VecDeque<Vec<u8>>,
    outgoing: Vec<Vec<u8>>,
}

impl Datagrams {
    fn holding(datagram: Option<&[u8]>) -> Self {
        Self {
            incoming: datagram.map(Vec::from).into_iter().collect(),
            outgoing: Vec::new(),
        }
    }
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(datagram) = self.incoming.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        Ok(length)
    }
}

impl Write for Datagrams {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push(datagram.into());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::media::link::identity::Algorithm;

    const SUITES: [Suite; 2] = [Suite::Gcm128, Suite::Cm128Sha80];

    fn ends(client: Algorithm, server: Algorithm, told: bool) -> (Vec<Step>, Vec<Step>) {
        let identities = [client, server].map(|one| Identity::shared(one).unwrap());
        let told = |of: usize| match told {
            true => vec![identities[of].fingerprint.clone()],
            false => vec![vec![7; 32]],
        };
        let mut client = Tunnel::new(Role::Client, &identities[0], &SUITES, told(1)).unwrap();
        let mut server = Tunnel::new(Role::Server, &identities[1], &SUITES, told(0)).unwrap();
        let mut steps = (Vec::new(), Vec::new());
        let (_, mut to_server) = client.step(None);
        while !to_server.is_empty() {
            let mut to_client = Vec::new();
            for datagram in to_server.drain(..) {
                assert!(datagram.len() <= MTU as usize);
                let (step, out) = server.step(Some(&datagram));
                steps.1.push(step);
                to_client.extend(out);
            }
            for datagram in to_client {
                let (step, out) = client.step(Some(&datagram));
                steps.0.push(step);
                to_server.extend(out);
            }
        }
        steps
    }

    fn keys(steps: Vec<Step>) -> Keys {
        let mut keys = steps.into_iter().filter_map(|step| match step {
            Step::Connected(keys) => Some(*keys),
            Step::Nothing | Step::Failed(_) => None,
        });
        keys.next().unwrap()
    }

    #[test]
    fn both_sides_get_the_same_keys() {
        for server in [Algorithm::Ecdsa, Algorithm::Rsa] {
            let (client, server) = ends(Algorithm::Ecdsa, server, true);
            let (client, server) = (keys(client), keys(server));
            assert_eq!(client.send, server.receive);
            assert_eq!(client.receive, server.send);
            assert_ne!(client.send, client.receive);
            assert_eq!(client.send.suite(), Suite::Gcm128);
        }
    }

    #[test]
    fn another_certificate_than_the_one_told_is_refused() {
        let (client, _) = ends(Algorithm::Ecdsa, Algorithm::Ecdsa, false);
        let why = client.iter().find_map(|step| match step {
            Step::Failed(why) => Some(why.as_str()),
            Step::Nothing | Step::Connected(_) => None,
        });
        assert!(why.unwrap().contains("not that of its SDP"));
    }
}
