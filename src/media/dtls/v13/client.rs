//! The client's side (RFC 8446 §2): after the server's flight our certificate and Finished, and then there are keys.

use std::time::Instant;

use super::conversation::Conversation;
use super::messages::{Answer, CertificateRequest, Hello, read_extensions};
use super::record::Epoch;
use super::schedule::Handshake;
use super::suite::CipherSuite;
use crate::media::dtls::Failure;
use crate::media::dtls::certificate::PeerKey;
use crate::media::dtls::client::{Offer, Wanted};
use crate::media::dtls::exchange::Exchange;
use crate::media::dtls::messages::{ClientHello, Newer, kind};
use crate::media::dtls::reassembly::Message;
use crate::media::dtls::secrets::End;
use crate::media::dtls::suite::Group;
use crate::sdp::{self, CryptoPair};

/// Which message is awaited.
pub enum Client {
    ServerHello {
        offer: Offer,
        /// What a HelloRetryRequest has settled.
        retried: Option<Retried>,
    },
    EncryptedExtensions(Box<Handshake>),
    /// A CertificateRequest may come before it.
    Certificate {
        terms: Terms,
        ours: Wanted,
    },
    CertificateVerify {
        terms: Terms,
        ours: Wanted,
        peer: PeerKey,
    },
    Finished {
        terms: Terms,
        ours: Wanted,
    },
    /// None any more.
    Done,
}

pub struct Terms {
    secrets: Box<Handshake>,
    profile: sdp::Suite,
}

/// Another one would never end.
#[derive(Clone, Copy)]
pub struct Retried {
    suite: CipherSuite,
}

impl Client {
    /// The next state, and keys when it is the last one.
    pub fn handle_message(
        self,
        now: Instant,
        talk: &mut Conversation,
        message: &Message<Epoch>,
    ) -> Result<(Self, Option<CryptoPair>), Failure> {
        let body = &message.body;
        let next = match (self, message.kind, message.epoch) {
            (Self::ServerHello { offer, retried }, kind::SERVER_HELLO, Epoch::Clear) => {
                handle_hello(now, talk, offer, retried, body)?
            }
            (Self::EncryptedExtensions(secrets), kind::ENCRYPTED_EXTENSIONS, Epoch::Handshake) => {
                let chosen = read_extensions(body)?.ok_or(Failure::NoCommonProfile)?;
                let profile = talk.party.profile(|number| number == chosen);
                let profile = profile.ok_or(Failure::NoCommonProfile)?;
                Self::Certificate {
                    terms: Terms { secrets, profile },
                    ours: Wanted::No,
                }
            }
            (
                Self::Certificate {
                    terms,
                    ours: Wanted::No,
                },
                kind::CERTIFICATE_REQUEST,
                Epoch::Handshake,
            ) => {
                if !CertificateRequest::parse(body)?.takes(talk.party.identity.scheme()) {
                    return Err(Failure::NoCommonSuite);
                }
                let ours = Wanted::Yes;
                Self::Certificate { terms, ours }
            }
            (Self::Certificate { terms, ours }, kind::CERTIFICATE, Epoch::Handshake) => {
                let peer = talk.peer_key(body)?;
                Self::CertificateVerify { terms, ours, peer }
            }
            (
                Self::CertificateVerify { terms, ours, peer },
                kind::CERTIFICATE_VERIFY,
                Epoch::Handshake,
            ) => {
                talk.check_signature(terms.secrets.suite().hash(), &peer, body)?;
                Self::Finished { terms, ours }
            }
            (Self::Finished { terms, ours }, kind::FINISHED, Epoch::Handshake) => {
                talk.check_finished(&terms.secrets, body)?;
                let keys = finish(now, talk, &terms, ours)?;
                return Ok((Self::Done, Some(keys)));
            }
            (
                Self::ServerHello { .. }
                | Self::EncryptedExtensions(_)
                | Self::Certificate { .. }
                | Self::CertificateVerify { .. }
                | Self::Finished { .. }
                | Self::Done,
                _,
                _,
            ) => return Err(Failure::Malformed),
        };
        Ok((next, None))
    }
}

fn handle_hello(
    now: Instant,
    talk: &mut Conversation,
    offer: Offer,
    retried: Option<Retried>,
    body: &[u8],
) -> Result<Client, Failure> {
    let hello = Hello::parse(body)?;
    let suite = CipherSuite::from_code(hello.suite).ok_or(Failure::NoCommonSuite)?;
    match (hello.answer, retried) {
        (Answer::Retry { group, cookie }, None) => retry(now, talk, offer, suite, group, &cookie),
        (Answer::Retry { .. }, Some(_)) => Err(Failure::Malformed),
        (Answer::Hello { .. }, Some(before)) if before.suite != suite => Err(Failure::Malformed),
        (Answer::Hello { group, public, .. }, _) => {
            let secret = agree(offer, group, &public)?;
            settle(talk, suite, &secret)
        }
    }
}

/// RFC 8446 §4.1.2: the same hello, with what the server wants to see.
fn retry(
    now: Instant,
    talk: &mut Conversation,
    mut offer: Offer,
    suite: CipherSuite,
    group: Option<u16>,
    cookie: &[u8],
) -> Result<Client, Failure> {
    if let Some(code) = group {
        let group = Group::from_code(code).ok_or(Failure::KeyExchange)?;
        // It has that half already (RFC 8446 §4.2.8).
        if offer.exchanges.iter().any(|half| half.group() == group) {
            return Err(Failure::KeyExchange);
        }
        offer.exchanges = vec![Exchange::new(group)?];
    }
    let first = talk.transcript_before().len();
    talk.condense_hello(suite.hash(), first);
    let shares = &offer.exchanges;
    let newer = Newer { shares, cookie };
    let profiles = talk.party.profile_numbers();
    let hello = ClientHello::write(&offer.random, &[], &profiles, Some(&newer));
    talk.flight.clear();
    talk.say(Epoch::Clear, kind::CLIENT_HELLO, &hello);
    talk.flight.send(now);
    Ok(Client::ServerHello {
        offer,
        retried: Some(Retried { suite }),
    })
}

fn agree(offer: Offer, group: u16, public: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, Failure> {
    let mut exchanges = offer.exchanges.into_iter();
    let ours = exchanges.find(|half| half.group().code() == group);
    ours.ok_or(Failure::KeyExchange)?.agree(public)
}

fn settle(talk: &mut Conversation, suite: CipherSuite, secret: &[u8]) -> Result<Client, Failure> {
    let secrets = Handshake::new(suite, secret, talk.transcript())?;
    talk.set_handshake(&secrets)?;
    talk.flight.clear();
    Ok(Client::EncryptedExtensions(Box::new(secrets)))
}

/// Everything of the server is there and right.
fn finish(
    now: Instant,
    talk: &mut Conversation,
    terms: &Terms,
    ours: Wanted,
) -> Result<CryptoPair, Failure> {
    let application = terms.secrets.application(talk.transcript())?;
    let keys = application.srtp_keys(End::Client, terms.profile)?;
    talk.flight.clear();
    if ours == Wanted::Yes {
        talk.say_certificate(terms.secrets.suite().hash())?;
    }
    talk.say_finished(&terms.secrets)?;
    talk.set_sending(&application)?;
    talk.set_receiving(application)?;
    talk.flight.send(now);
    Ok(keys)
}
