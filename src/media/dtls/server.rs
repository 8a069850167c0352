//! The server's side (RFC 5246 §7.3): our flight after the client's hello, and our Finished after its own.

use std::time::Instant;

use super::Failure;
use super::certificate::PeerKey;
use super::conversation::{Conversation, Secrets, Terms};
use super::exchange::Exchange;
use super::messages::{
    CertificateRequest, ClientHello, ServerHello, ServerKeyExchange, Signed, kind,
    read_client_key_exchange, write_certificate,
};
use super::reassembly::Message;
use super::record::Epoch;
use super::secrets::{End, Randoms, held_back};
use super::suite::{CipherSuite, srtp_profile};
use crate::sdp::{CryptoPair, DtlsVersion};

/// Suites for our kind of key.
const SUITES: [CipherSuite; 2] = [CipherSuite::EcdsaAes128, CipherSuite::EcdsaAes256];

/// Which message is awaited.
pub enum Server {
    ClientHello,
    Certificate {
        terms: Terms,
        exchange: Exchange,
    },
    ClientKeyExchange {
        terms: Terms,
        exchange: Exchange,
        peer: PeerKey,
    },
    CertificateVerify {
        secrets: Secrets,
        peer: PeerKey,
    },
    Finished(Secrets),
    /// None any more; what comes is the client's Finished again.
    Done,
}

impl Server {
    /// Whether the message is a hello that is to be answered in 1.3.
    pub fn is_newer(&self, talk: &Conversation, message: &Message<Epoch>) -> bool {
        let offers = |hello: ClientHello<'_>| hello.offers_version(DtlsVersion::V1_3);
        matches!(self, Self::ClientHello)
            && talk.party.newest == DtlsVersion::V1_3
            && (message.kind, message.epoch) == (kind::CLIENT_HELLO, Epoch::Clear)
            && ClientHello::parse(&message.body).is_ok_and(offers)
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
            (Self::ClientHello, kind::CLIENT_HELLO, Epoch::Clear) => answer(now, talk, body)?,
            (Self::Certificate { terms, exchange }, kind::CERTIFICATE, Epoch::Clear) => {
                Self::ClientKeyExchange {
                    terms,
                    exchange,
                    peer: talk.peer_key(body)?,
                }
            }
            (
                Self::ClientKeyExchange {
                    terms,
                    exchange,
                    peer,
                },
                kind::CLIENT_KEY_EXCHANGE,
                Epoch::Clear,
            ) => {
                let premaster = exchange.agree(read_client_key_exchange(body)?)?;
                let secrets = talk.secrets(terms, &premaster);
                Self::CertificateVerify { secrets, peer }
            }
            (Self::CertificateVerify { secrets, peer }, kind::CERTIFICATE_VERIFY, Epoch::Clear) => {
                let Signed { scheme, signature } = Signed::parse(body)?;
                peer.verify(scheme, talk.transcript_before(), signature)?;
                talk.set_keys(End::Server, &secrets)?;
                Self::Finished(secrets)
            }
            (Self::Finished(secrets), kind::FINISHED, Epoch::Sealed) => {
                talk.check_finished(End::Client, &secrets, body)?;
                talk.flight.clear();
                talk.say_finished(End::Server, &secrets);
                talk.flight.send_once(now);
                return Ok((Self::Done, Some(secrets.srtp_keys(End::Server))));
            }
            // A wish to begin anew, which we do not grant.
            (Self::Done, _, _) => Self::Done,
            (
                Self::ClientHello
                | Self::Certificate { .. }
                | Self::ClientKeyExchange { .. }
                | Self::CertificateVerify { .. }
                | Self::Finished(_),
                _,
                _,
            ) => return Err(Failure::Malformed),
        };
        Ok((next, None))
    }
}

fn answer(now: Instant, talk: &mut Conversation, body: &[u8]) -> Result<Server, Failure> {
    let hello = ClientHello::parse(body)?;
    if !hello.offers_version(DtlsVersion::V1_2) {
        return Err(Failure::NoCommonVersion);
    }
    let suite = SUITES
        .into_iter()
        .find(|suite| hello.offers_suite(suite.code()));
    let group = hello.group().ok_or(Failure::NoCommonSuite)?;
    let profile = talk.party.profile(|number| hello.offers_profile(number));
    let terms = Terms {
        suite: suite.ok_or(Failure::NoCommonSuite)?,
        profile: profile.ok_or(Failure::NoCommonProfile)?,
        randoms: Randoms {
            client: hello.random,
            server: server_random(talk),
        },
        extended_master_secret: hello.extended_master_secret,
    };
    let exchange = Exchange::new(group)?;
    talk.flight.clear();
    say_terms(talk, &terms, &hello);
    let certificate = write_certificate(talk.party.identity.certificate());
    talk.say(Epoch::Clear, kind::CERTIFICATE, certificate);
    say_key(talk, &terms, &exchange)?;
    talk.say(
        Epoch::Clear,
        kind::CERTIFICATE_REQUEST,
        CertificateRequest::write(),
    );
    talk.say(Epoch::Clear, kind::SERVER_HELLO_DONE, Vec::new());
    talk.send(now);
    Ok(Server::Certificate { terms, exchange })
}

/// One that speaks more than it was asked for says so (RFC 8446 §4.1.3).
fn server_random(talk: &mut Conversation) -> [u8; 32] {
    let random = talk.party.entropy.bytes();
    match talk.party.newest {
        DtlsVersion::V1_2 => random,
        DtlsVersion::V1_3 => held_back(random),
    }
}

fn say_terms(talk: &mut Conversation, terms: &Terms, hello: &ClientHello<'_>) {
    let answer = ServerHello {
        random: terms.randoms.server,
        suite: terms.suite.code(),
        profile: srtp_profile(terms.profile),
        extended_master_secret: hello.extended_master_secret,
        point_formats: hello.point_formats,
        renegotiation_info: hello.renegotiation_info,
        version: None,
    };
    talk.say(Epoch::Clear, kind::SERVER_HELLO, answer.write());
}

fn say_key(talk: &mut Conversation, terms: &Terms, exchange: &Exchange) -> Result<(), Failure> {
    let mut body = ServerKeyExchange::write_parameters(exchange.group(), exchange.public());
    let Randoms { client, server } = &terms.randoms;
    let covered = [&client[..], &server[..], &body].concat();
    let signature = talk.party.identity.sign(&covered)?;
    Signed::write(&mut body, talk.party.identity.scheme(), &signature);
    talk.say(Epoch::Clear, kind::SERVER_KEY_EXCHANGE, body);
    Ok(())
}
