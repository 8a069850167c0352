//! The server's side (RFC 8446 §2): our flight after the client's hello; its Finished is the last word.

use std::time::Instant;

use super::conversation::Conversation;
use super::messages::{Answer, CertificateRequest, Hello, write_extensions};
use super::record::Epoch;
use super::schedule::{Application, Handshake};
use super::suite::CipherSuite;
use crate::media::dtls::Failure;
use crate::media::dtls::certificate::PeerKey;
use crate::media::dtls::exchange::Exchange;
use crate::media::dtls::messages::hello::NO_COMPRESSION;
use crate::media::dtls::messages::{ClientHello, kind};
use crate::media::dtls::reassembly::Message;
use crate::media::dtls::secrets::End;
use crate::media::dtls::suite::{Group, srtp_profile};
use crate::sdp::{self, CryptoPair, DtlsVersion};

/// Which message is awaited.
pub enum Server {
    ClientHello(Option<Retried>),
    Certificate(Box<Terms>),
    CertificateVerify {
        terms: Box<Terms>,
        peer: PeerKey,
    },
    Finished(Box<Terms>),
    /// None any more; what comes is the client's last flight again.
    Done,
}

pub struct Terms {
    secrets: Handshake,
    application: Application,
    profile: sdp::Suite,
}

/// What the first hello had, and what we wanted besides.
#[derive(Clone, Copy)]
pub struct Retried {
    random: [u8; 32],
    suite: CipherSuite,
    group: Group,
}

impl Server {
    /// The next state, and keys when it is the last one.
    pub fn handle_message(
        self,
        now: Instant,
        talk: &mut Conversation,
        message: &Message<Epoch>,
    ) -> Result<(Self, Option<CryptoPair>), Failure> {
        let body = &message.body;
        let next = match (self, message.kind, message.epoch) {
            (Self::ClientHello(retried), kind::CLIENT_HELLO, Epoch::Clear) => {
                handle_hello(now, talk, retried, body)?
            }
            (Self::Certificate(terms), kind::CERTIFICATE, Epoch::Handshake) => {
                let peer = talk.peer_key(body)?;
                Self::CertificateVerify { terms, peer }
            }
            (
                Self::CertificateVerify { terms, peer },
                kind::CERTIFICATE_VERIFY,
                Epoch::Handshake,
            ) => {
                talk.check_signature(terms.secrets.suite().hash(), &peer, body)?;
                Self::Finished(terms)
            }
            (Self::Finished(terms), kind::FINISHED, Epoch::Handshake) => {
                talk.check_finished(&terms.secrets, body)?;
                let keys = terms.application.srtp_keys(End::Server, terms.profile)?;
                talk.flight.clear();
                talk.set_receiving(terms.application)?;
                return Ok((Self::Done, Some(keys)));
            }
            (
                Self::ClientHello(_)
                | Self::Certificate(_)
                | Self::CertificateVerify { .. }
                | Self::Finished(_)
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
    retried: Option<Retried>,
    body: &[u8],
) -> Result<Server, Failure> {
    let hello = ClientHello::parse(body)?;
    // RFC 9147 §5.3, RFC 8446 §4.1.2.
    if !hello.offers_version(DtlsVersion::V1_3)
        || !hello.cookie.is_empty()
        || hello.compressions != [NO_COMPRESSION]
    {
        return Err(Failure::Malformed);
    }
    let suite = CipherSuite::ALL
        .into_iter()
        .find(|suite| hello.offers_suite(suite.code()));
    let suite = suite.ok_or(Failure::NoCommonSuite)?;
    // Before another hello is asked for: it would have the same.
    let profile = talk.party.profile(|number| hello.offers_profile(number));
    let profile = profile.ok_or(Failure::NoCommonProfile)?;
    if !hello.offers_scheme(talk.party.identity.scheme()) {
        return Err(Failure::NoCommonSuite);
    }
    match (best_share(&hello)?, retried) {
        ((group, Some(share)), retried) => {
            let is_wanted = |before: Retried| {
                (before.random, before.suite, before.group) == (hello.random, suite, group)
            };
            if !retried.is_none_or(is_wanted) {
                return Err(Failure::Malformed);
            }
            answer(now, talk, suite, profile, group, share)
        }
        ((_, None), Some(_)) => Err(Failure::Malformed),
        ((group, None), None) => Ok(retry(now, talk, hello.random, suite, group)),
    }
}

/// The best group of which the client has sent its half; or else the best that it knows.
fn best_share<'a>(hello: &ClientHello<'a>) -> Result<(Group, Option<&'a [u8]>), Failure> {
    for group in hello.groups() {
        if let Some(share) = hello.share(group)? {
            return Ok((group, Some(share)));
        }
    }
    let best = hello.groups().next().ok_or(Failure::NoCommonSuite)?;
    Ok((best, None))
}

/// Wants the other half of an exchange. There is no cookie: ICE has proven the client's address.
fn retry(
    now: Instant,
    talk: &mut Conversation,
    random: [u8; 32],
    suite: CipherSuite,
    group: Group,
) -> Server {
    let first = talk.transcript().len();
    talk.condense_hello(suite.hash(), first);
    let answer = Answer::Retry {
        group: Some(group.code()),
        cookie: Vec::new(),
    };
    let hello = Hello {
        suite: suite.code(),
        answer,
    };
    talk.say(Epoch::Clear, kind::SERVER_HELLO, &hello.write());
    // It is the client that repeats itself (RFC 9147 §3.1).
    talk.flight.send_once(now);
    Server::ClientHello(Some(Retried {
        random,
        suite,
        group,
    }))
}

fn answer(
    now: Instant,
    talk: &mut Conversation,
    suite: CipherSuite,
    profile: sdp::Suite,
    group: Group,
    share: &[u8],
) -> Result<Server, Failure> {
    let exchange = Exchange::new(group)?;
    let hello = Hello {
        suite: suite.code(),
        answer: Answer::Hello {
            random: talk.party.entropy.bytes(),
            group: group.code(),
            public: exchange.public().to_vec(),
        },
    };
    let secret = exchange.agree(share)?;
    let profile_number = srtp_profile(profile).ok_or(Failure::NoCommonProfile)?;
    talk.flight.clear();
    talk.say(Epoch::Clear, kind::SERVER_HELLO, &hello.write());
    let secrets = Handshake::new(suite, &secret, talk.transcript())?;
    talk.set_handshake(&secrets)?;
    let extensions = write_extensions(profile_number);
    talk.say(Epoch::Handshake, kind::ENCRYPTED_EXTENSIONS, &extensions);
    let request = CertificateRequest::write();
    talk.say(Epoch::Handshake, kind::CERTIFICATE_REQUEST, &request);
    talk.say_certificate(suite.hash())?;
    talk.say_finished(&secrets)?;
    let application = secrets.application(talk.transcript())?;
    talk.set_sending(&application)?;
    talk.flight.send(now);
    Ok(Server::Certificate(Box::new(Terms {
        secrets,
        application,
        profile,
    })))
}
