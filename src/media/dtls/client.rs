//! The client's side (RFC 5246 §7.3): hello, and after the server's flight our certificate, key and Finished.

use std::time::Instant;

use super::Failure;
use super::certificate::PeerKey;
use super::conversation::{Conversation, Secrets, Terms};
use super::exchange::Exchange;
use super::messages::{
    CertificateRequest, ClientHello, DTLS_1_3, Newer, ServerHello, ServerKeyExchange, Signed,
    client_key_exchange, hello_verify_cookie, kind, write_certificate,
};
use super::reassembly::Message;
use super::record::Epoch;
use super::secrets::{End, Randoms, is_held_back};
use super::suite::{CipherSuite, Group};
use crate::sdp::{CryptoPair, DtlsVersion};

/// Which message is awaited.
pub enum Client {
    ServerHello {
        random: [u8; 32],
        cookie: Cookie,
        offer: Option<Box<Offer>>,
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

/// Of 1.3, in our hello.
pub struct Offer {
    pub random: [u8; 32],
    pub exchanges: Vec<Exchange>,
    /// The hello itself.
    pub hello: Vec<u8>,
}

/// Groups of which a hello of ours has our half already: what everybody has, and small enough for one datagram.
const SHARED: [Group; 2] = [Group::X25519, Group::P256];

/// Our certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    No,
    Yes,
}

impl Offer {
    fn new(random: [u8; 32]) -> Result<Self, Failure> {
        Ok(Self {
            random,
            exchanges: SHARED
                .into_iter()
                .map(Exchange::new)
                .collect::<Result<_, _>>()?,
            hello: Vec::new(),
        })
    }
}

impl Client {
    /// Says hello.
    pub fn start(now: Instant, talk: &mut Conversation) -> Result<Self, Failure> {
        let random = talk.party.entropy.bytes();
        let mut offer = match talk.party.newest {
            DtlsVersion::V1_2 => None,
            DtlsVersion::V1_3 => Some(Box::new(Offer::new(random)?)),
        };
        say_hello(now, talk, &random, &[], offer.as_deref_mut());
        Ok(Self::ServerHello {
            random,
            cookie: Cookie::NotSeen,
            offer,
        })
    }

    /// Our offer of 1.3, if the message takes it up. A server that asked for a cookie in the way of 1.2 cannot.
    pub fn taken_offer(&mut self, message: &Message<Epoch>) -> Option<Offer> {
        let Self::ServerHello {
            offer,
            cookie: Cookie::NotSeen,
            ..
        } = self
        else {
            return None;
        };
        if (message.kind, message.epoch) != (kind::SERVER_HELLO, Epoch::Clear) {
            return None;
        }
        let hello = ServerHello::parse(&message.body).ok()?;
        offer
            .take_if(|_| hello.version == Some(DTLS_1_3))
            .map(|offer| *offer)
    }

    /// The next state, and keys when it is the last one.
    pub fn handle_message(
        self,
        now: Instant,
        talk: &mut Conversation,
        message: &Message<Epoch>,
    ) -> Result<(Self, Option<CryptoPair>), Failure> {
        let body = &message.body;
        let next = match (self, message.kind, message.epoch) {
            (
                Self::ServerHello {
                    random,
                    cookie: Cookie::NotSeen,
                    offer,
                },
                kind::HELLO_VERIFY_REQUEST,
                Epoch::Clear,
            ) => return_cookie(now, talk, random, offer, body)?,
            (Self::ServerHello { random, offer, .. }, kind::SERVER_HELLO, Epoch::Clear) => {
                Self::Certificate(settle(talk, random, offer.is_some(), body)?)
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

fn say_hello(
    now: Instant,
    talk: &mut Conversation,
    random: &[u8; 32],
    cookie: &[u8],
    offer: Option<&mut Offer>,
) {
    let profiles = talk.party.profile_numbers();
    let newer = offer.as_ref().map(|offer| Newer {
        shares: &offer.exchanges,
        cookie: &[],
    });
    let body = ClientHello::write(random, cookie, &profiles, newer.as_ref());
    if let Some(offer) = offer {
        offer.hello.clone_from(&body);
    }
    talk.flight.clear();
    talk.say(Epoch::Clear, kind::CLIENT_HELLO, body);
    talk.send(now);
}

fn return_cookie(
    now: Instant,
    talk: &mut Conversation,
    random: [u8; 32],
    mut offer: Option<Box<Offer>>,
    body: &[u8],
) -> Result<Client, Failure> {
    let cookie = hello_verify_cookie(body)?;
    talk.forget_transcript();
    say_hello(now, talk, &random, cookie, offer.as_deref_mut());
    Ok(Client::ServerHello {
        random,
        cookie: Cookie::Returned,
        offer,
    })
}

/// `offered_more`: we speak 1.3, too.
fn settle(
    talk: &Conversation,
    client: [u8; 32],
    offered_more: bool,
    body: &[u8],
) -> Result<Terms, Failure> {
    let hello = ServerHello::parse(body)?;
    if hello.version.is_some() {
        return Err(Failure::Malformed);
    }
    if offered_more && is_held_back(&hello.random) {
        return Err(Failure::Downgraded);
    }
    let chosen = hello.profile.ok_or(Failure::NoCommonProfile)?;
    let profile = talk.party.profile(|number| number == chosen);
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
        let certificate = write_certificate(talk.party.identity.certificate());
        talk.say(Epoch::Clear, kind::CERTIFICATE, certificate);
    }
    let exchange = Exchange::new(group)?;
    let key = client_key_exchange(exchange.public());
    talk.say(Epoch::Clear, kind::CLIENT_KEY_EXCHANGE, key);
    let premaster = exchange.agree(theirs)?;
    let secrets = talk.secrets(terms, &premaster);
    if ours == Wanted::Yes {
        let signature = talk.party.identity.sign(talk.transcript())?;
        let mut body = Vec::with_capacity(signature.len() + 4);
        Signed::write(&mut body, talk.party.identity.scheme(), &signature);
        talk.say(Epoch::Clear, kind::CERTIFICATE_VERIFY, body);
    }
    talk.set_keys(End::Client, &secrets)?;
    talk.say_finished(End::Client, &secrets);
    talk.send(now);
    Ok(Client::Finished(secrets))
}
