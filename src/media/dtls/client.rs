//! The client's side (RFC 5246 §7.3): hello, and after the server's flight our certificate, key and Finished.

use std::time::Instant;

use super::Failure;
use super::certificate::PeerKey;
use super::conversation::{Conversation, Secrets, Terms};
use super::exchange::Exchange;
use super::messages::{
    CertificateRequest, ClientHello, ServerHello, ServerKeyExchange, Signed, client_key_exchange,
    hello_verify_cookie, kind, write_certificate,
};
use super::reassembly::Message;
use super::record::Epoch;
use super::secrets::{End, Randoms};
use super::suite::{CipherSuite, Group};
use crate::sdp::CryptoPair;

/// Which message is awaited.
pub enum Client {
    ServerHello {
        random: [u8; 32],
        cookie: Cookie,
    },
    Certificate(Terms),
    ServerKeyExchange {
        terms: Terms,
        peer: PeerKey,
    },
    /// A CertificateRequest may come before it.
    ServerHelloDone {
        terms: Terms,
        group: Group,
        public: Vec<u8>,
        ours: Wanted,
    },
    Finished(Secrets),
    /// None any more.
    Done,
}

/// Whether a server wanted a cookie already: a second wish would never end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    NotSeen,
    Returned,
}

/// Our certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    No,
    Yes,
}

impl Client {
    /// Says hello.
    pub fn start(now: Instant, talk: &mut Conversation) -> Self {
        let random = talk.entropy.bytes();
        say_hello(now, talk, &random, &[]);
        Self::ServerHello {
            random,
            cookie: Cookie::NotSeen,
        }
    }

    /// The next state, and keys when it is the last one.
    pub fn handle_message(
        self,
        now: Instant,
        talk: &mut Conversation,
        message: &Message,
    ) -> Result<(Self, Option<CryptoPair>), Failure> {
        let body = &message.body;
        let next = match (self, message.kind, message.epoch) {
            (
                Self::ServerHello {
                    random,
                    cookie: Cookie::NotSeen,
                },
                kind::HELLO_VERIFY_REQUEST,
                Epoch::Clear,
            ) => return_cookie(now, talk, random, body)?,
            (Self::ServerHello { random, .. }, kind::SERVER_HELLO, Epoch::Clear) => {
                Self::Certificate(settle(talk, random, body)?)
            }
            (Self::Certificate(terms), kind::CERTIFICATE, Epoch::Clear) => {
                let peer = talk.peer_key(body)?;
                if peer.kind() != terms.suite.key_kind() {
                    return Err(Failure::Certificate);
                }
                Self::ServerKeyExchange { terms, peer }
            }
            (Self::ServerKeyExchange { terms, peer }, kind::SERVER_KEY_EXCHANGE, Epoch::Clear) => {
                believe_key(terms, &peer, body)?
            }
            (
                Self::ServerHelloDone {
                    terms,
                    group,
                    public,
                    ours: Wanted::No,
                },
                kind::CERTIFICATE_REQUEST,
                Epoch::Clear,
            ) => {
                CertificateRequest::parse(body)?;
                Self::ServerHelloDone {
                    terms,
                    group,
                    public,
                    ours: Wanted::Yes,
                }
            }
            (
                Self::ServerHelloDone {
                    terms,
                    group,
                    public,
                    ours,
                },
                kind::SERVER_HELLO_DONE,
                Epoch::Clear,
            ) => answer(now, talk, terms, group, &public, ours)?,
            (Self::Finished(secrets), kind::FINISHED, Epoch::Sealed) => {
                talk.check_finished(End::Server, &secrets, body)?;
                talk.flight.clear();
                return Ok((Self::Done, Some(secrets.srtp_keys(End::Client))));
            }
            // A wish to begin anew, which we do not grant (RFC 5246 §7.4.1.1), or a ticket that we did not ask for.
            (Self::Done, _, _) => Self::Done,
            (
                Self::ServerHello { .. }
                | Self::Certificate(_)
                | Self::ServerKeyExchange { .. }
                | Self::ServerHelloDone { .. }
                | Self::Finished(_),
                _,
                _,
            ) => return Err(Failure::Malformed),
        };
        Ok((next, None))
    }
}

fn say_hello(now: Instant, talk: &mut Conversation, random: &[u8; 32], cookie: &[u8]) {
    let profiles = talk.profile_numbers();
    let body = ClientHello::write(random, cookie, &profiles);
    talk.flight.clear();
    talk.say(Epoch::Clear, kind::CLIENT_HELLO, body);
    talk.send(now);
}

fn return_cookie(
    now: Instant,
    talk: &mut Conversation,
    random: [u8; 32],
    body: &[u8],
) -> Result<Client, Failure> {
    let cookie = hello_verify_cookie(body)?;
    talk.forget_transcript();
    say_hello(now, talk, &random, cookie);
    Ok(Client::ServerHello {
        random,
        cookie: Cookie::Returned,
    })
}

fn settle(talk: &Conversation, client: [u8; 32], body: &[u8]) -> Result<Terms, Failure> {
    let hello = ServerHello::parse(body)?;
    let chosen = hello.profile.ok_or(Failure::NoCommonProfile)?;
    let profile = talk.profile(|number| number == chosen);
    Ok(Terms {
        suite: CipherSuite::from_code(hello.suite).ok_or(Failure::NoCommonSuite)?,
        profile: profile.ok_or(Failure::NoCommonProfile)?,
        randoms: Randoms {
            client,
            server: hello.random,
        },
        extended_master_secret: hello.extended_master_secret,
    })
}

fn believe_key(terms: Terms, peer: &PeerKey, body: &[u8]) -> Result<Client, Failure> {
    let key = ServerKeyExchange::parse(body)?;
    let Randoms { client, server } = &terms.randoms;
    let covered = [client, server, key.parameters].concat();
    peer.verify(key.signed.scheme, &covered, key.signed.signature)?;
    Ok(Client::ServerHelloDone {
        terms,
        group: key.group,
        public: key.public.to_vec(),
        ours: Wanted::No,
    })
}

fn answer(
    now: Instant,
    talk: &mut Conversation,
    terms: Terms,
    group: Group,
    theirs: &[u8],
    ours: Wanted,
) -> Result<Client, Failure> {
    talk.flight.clear();
    if ours == Wanted::Yes {
        let certificate = write_certificate(talk.identity.certificate());
        talk.say(Epoch::Clear, kind::CERTIFICATE, certificate);
    }
    let exchange = Exchange::new(group)?;
    let key = client_key_exchange(exchange.public());
    talk.say(Epoch::Clear, kind::CLIENT_KEY_EXCHANGE, key);
    let premaster = exchange.agree(theirs)?;
    let secrets = talk.secrets(terms, &premaster);
    if ours == Wanted::Yes {
        let signature = talk.identity.sign(talk.transcript())?;
        let mut body = Vec::with_capacity(signature.len() + 4);
        Signed::write(&mut body, &signature);
        talk.say(Epoch::Clear, kind::CERTIFICATE_VERIFY, body);
    }
    talk.set_keys(End::Client, &secrets)?;
    talk.say_finished(End::Client, &secrets);
    talk.send(now);
    Ok(Client::Finished(secrets))
}
