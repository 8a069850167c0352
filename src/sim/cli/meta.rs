//! `wabridge sim meta`.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;

use super::called::{self, CalledArgs};
use super::{Failure, at, entropy, seconds, show};
use crate::sim::fault::Fault;
use crate::sim::media::Codec;
use crate::sim::media::link::Algorithm;
use crate::sim::media::mouth::Says;
use crate::sim::meta::plan::{Caller, Context, Media, Offer, Shape};
use crate::sim::meta::webrtc::{KeyExchange, Webrtc};
use crate::sim::meta::{Endpoint, Expect, Plan, Settings};
use crate::sim::sdp::webrtc::Setup;
use crate::sim::speech::Voice;
use crate::sim::tls::{self, Authority};

/// Places calls over TLS with SRTP by SDES or DTLS, as a WhatsApp user does; with --listen and without --target it takes calls, as
/// wa.meta.vc does. Prints a verdict a line. Exit code 0: every check held; 1: one did not; 2: could not start.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The business's TLS listener
    #[arg(
        long,
        value_name = "HOST:PORT",
        required_unless_present = "listen",
        requires = "ca"
    )]
    target: Option<String>,
    /// Host name of the business's SIP settings, for which its certificate must be [default: the host of --target]
    #[arg(long, required_unless_present = "target")]
    pub(super) host: Option<String>,
    /// PEM file of the authorities that its certificate must chain to
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The business number, as in +17015550100
    #[arg(long)]
    pub(super) number: String,
    /// What WhatsApp generated for the number: the answer to the business's challenge, or to WhatsApp's
    #[arg(
        long,
        env = "WABRIDGE_SIM_PASSWORD",
        hide_env_values = true,
        default_value = ""
    )]
    pub(super) password: String,
    /// Calls to place, one after the other; or to take, and then end [default: 1, or no end]
    #[arg(long)]
    pub(super) calls: Option<u32>,
    /// Place them at the same time instead
    #[arg(long)]
    together: bool,
    /// The user hangs up this long after the answer; 0 waits for the business
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "10")]
    pub(super) talk: Duration,
    /// The user gives up this long after the INVITE
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    cancel: Option<Duration>,
    /// WhatsApp gives up when the business has not answered
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "45")]
    ring_limit: Duration,
    /// Dial digits after the answer, as in 2:4719#
    #[arg(long, value_name = "SECONDS:DIGITS", value_parser = at)]
    pub(super) digits: Option<(Duration, String)>,
    /// What a call should come to: answer, cancel, refuse, or a status such as 486 [default: answer, or what the user that
    /// was called is there for]
    #[arg(long, value_parser = expectation)]
    pub(super) expect: Option<Expect>,
    /// What the user should hear: agent, user (an echo), or nothing
    #[arg(long, default_value = "agent")]
    pub(super) hears: Hears,
    /// Misbehave; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(super) fault: Vec<Fault>,
    /// Write what was heard to this WAV file
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Our media sockets bind here
    #[arg(long, default_value = "127.0.0.1")]
    pub(super) media: IpAddr,
    /// Be wa.meta.vc on this address; beside --target for requests that come on connections of their own
    #[arg(long, value_name = "ADDRESS:PORT", requires = "identity")]
    pub(super) listen: Option<SocketAddr>,
    #[command(flatten)]
    pub(super) certificates: CertificateArgs,
    #[command(flatten)]
    pub(super) user: UserArgs,
    #[command(flatten)]
    pub(super) called: CalledArgs,
    #[command(flatten)]
    pub(super) doubts: DoubtArgs,
    #[command(flatten)]
    pub(super) webrtc: WebrtcArgs,
}

/// Media by ICE and DTLS.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "WebRTC")]
pub(super) struct WebrtcArgs {
    /// How the keys of media are exchanged: sdes, or dtls with ICE
    #[arg(long, value_name = "HOW", default_value = "sdes")]
    pub(super) srtp: KeyExchange,
    /// The certificate shown in DTLS
    #[arg(long, value_name = "ALGORITHM", default_value = "ecdsa")]
    dtls_certificate: Algorithm,
    /// Say this of DTLS in our description [default: actpass in offers, active in answers]
    #[arg(long)]
    setup: Option<Setup>,
    /// Lose each ClientHello that comes so soon after the first; send our own so long after ICE
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "0")]
    dtls_delay: Duration,
    /// Prefer AES-128-GCM
    #[arg(long)]
    gcm: bool,
    /// No a=candidate lines
    #[arg(long)]
    no_candidates: bool,
    /// A second address for media, of the other family
    #[arg(long, value_name = "ADDRESS")]
    media_also: Option<IpAddr>,
    /// Tell of a candidate where nobody is
    #[arg(long, value_name = "ADDRESS:PORT")]
    unreachable: Option<SocketAddr>,
}

/// What wa.meta.vc shows of itself.
#[derive(Debug, clap::Args)]
#[group(id = "identity", multiple = true)]
pub(super) struct CertificateArgs {
    /// Certificate of --listen
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Key of --listen
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// Make a certificate, and write its throw-away authority here: the trust_file of the business
    #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
    authority: Option<PathBuf>,
}

impl CertificateArgs {
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, Failure> {
        match (&self.certificate, &self.key, &self.authority) {
            (Some(chain), Some(key), _) => Ok(tls::acceptor(chain, key)?),
            (_, _, Some(file)) => {
                let authority = Authority::new("simulated WhatsApp")?;
                authority.save(file)?;
                Ok(authority.acceptor(&["wa.meta.vc"])?)
            }
            _ => Err("--listen needs --certificate and --key, or --authority".into()),
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The user")]
pub(super) struct UserArgs {
    /// Number with +, or a business-scoped user id such as US.13491208655302741918
    #[arg(long, default_value = "+12195550714")]
    from: String,
    /// Display name
    #[arg(long)]
    name: Option<String>,
    /// x-wa-meta-user-id
    #[arg(long)]
    pub(super) user_id: Option<String>,
    /// x-wa-meta-username
    #[arg(long)]
    username: Option<String>,
    /// x-wa-meta-country-code
    #[arg(long)]
    country: Option<String>,
    /// x-wa-meta-cta-payload
    #[arg(long)]
    cta_payload: Option<String>,
    /// x-wa-meta-deeplink-payload
    #[arg(long)]
    deeplink_payload: Option<String>,
}

/// What is not documented of WhatsApp, or comes in several forms.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Doubtful or various in WhatsApp")]
pub(super) struct DoubtArgs {
    /// Codecs of the offer, in order; those that the number has when it is called
    #[arg(long, value_delimiter = ',', default_value = "opus")]
    pub(super) codecs: Vec<Codec>,
    /// Profile of the offer's m-line [default: RTP/SAVP, or UDP/TLS/RTP/SAVPF with DTLS]; some captures show the latter beside
    /// a=crypto
    #[arg(long)]
    profile: Option<String>,
    /// A parameter in the user part of the request URI, as in tgrp=wacall; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    user_param: Vec<String>,
    /// The other spelling of the username and country headers
    #[arg(long)]
    other_spelling: bool,
    /// No x-wa-meta headers but the call's id, as in older samples
    #[arg(long)]
    no_context: bool,
    /// One Via in place of three
    #[arg(long)]
    single_via: bool,
    /// Leave a Route of WhatsApp's own in the INVITE
    #[arg(long)]
    foreign_route: bool,
    /// The Call-ID ends with ==
    #[arg(long)]
    padded_call_id: bool,
    /// One connection for all calls
    #[arg(long)]
    reuse_connection: bool,
    /// Send BYE on a connection of its own
    #[arg(long)]
    fresh_connection: bool,
    /// Answer a challenge that says stale=true once more
    #[arg(long)]
    retry_stale: bool,
    /// Answer OPTIONS
    #[arg(long)]
    pub(super) answer_options: bool,
    /// Discontinuous transmission while the user is silent
    #[arg(long)]
    pub(super) dtx: bool,
    /// Send media to where it comes from, not to the address in the SDP
    #[arg(long)]
    pub(super) latch: bool,
    /// RTCP alone keeps a call alive
    #[arg(long)]
    pub(super) rtcp_is_life: bool,
    /// The other wording of the BYE for want of media
    #[arg(long)]
    pub(super) other_reason: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Hears {
    Agent,
    User,
    Nothing,
}

impl Hears {
    pub(super) fn voice(self) -> Option<Voice> {
        match self {
            Self::Agent => Some(Voice::Agent),
            Self::User => Some(Voice::User),
            Self::Nothing => None,
        }
    }
}

pub(super) fn expectation(text: &str) -> Result<Expect, String> {
    match text {
        "answer" => Ok(Expect::Answer),
        "cancel" => Ok(Expect::Cancelled),
        "refuse" => Ok(Expect::Refusal(None)),
        status => match status.parse() {
            Ok(status @ 300..700) => Ok(Expect::Refusal(Some(status))),
            _ => Err("write answer, cancel, refuse, or a status from 300 to 699".into()),
        },
    }
}

/// True when every check of every call held.
pub async fn run(args: Args) -> Result<bool, Failure> {
    match (&args.target, args.listen) {
        (Some(target), _) => call(&args, target).await,
        (None, Some(bind)) => called::run(&args, bind).await,
        (None, None) => Err("--target or --listen is missing".into()),
    }
}

async fn call(args: &Args, target: &str) -> Result<bool, Failure> {
    let endpoint = Endpoint::new(settings(args, target)?, entropy()?)?;
    if let Some(bind) = args.listen {
        let address = endpoint.listen(bind, args.certificates.acceptor()?).await?;
        println!("listening on {address}");
    }
    let calls: Vec<_> = (0..args.calls.unwrap_or(1))
        .map(|_| (endpoint.clone(), plan(args)))
        .map(|(endpoint, plan)| async move { endpoint.call(plan).await })
        .collect();
    let mut held = true;
    let mut running = tokio::task::JoinSet::new();
    for (number, call) in (1..).zip(calls) {
        running.spawn(async move { (number, call.await) });
        if !args.together {
            held &= finish(&mut running, args).await?;
        }
    }
    while !running.is_empty() {
        held &= finish(&mut running, args).await?;
    }
    for note in endpoint.hub.take_notes() {
        println!("note: {note}");
    }
    Ok(held)
}

async fn finish(
    running: &mut tokio::task::JoinSet<(u32, crate::sim::report::Report)>,
    args: &Args,
) -> Result<bool, Failure> {
    let Some(finished) = running.join_next().await else {
        return Ok(true);
    };
    let (number, report) = finished?;
    let record = args
        .record
        .as_deref()
        .map(|path| numbered(path, number, args.calls.unwrap_or(1)));
    show(&format!("call {number}"), &report, record.as_deref())?;
    Ok(report.verdict.held())
}

/// `heard.wav` becomes `heard-3.wav` where there are several.
pub(super) fn numbered(path: &std::path::Path, number: u32, of: u32) -> PathBuf {
    if of == 1 {
        return path.into();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{number}.wav"))
}

fn settings(args: &Args, target: &str) -> Result<Settings, Failure> {
    let address = target.to_socket_addrs()?.next();
    let host = target.rsplit_once(':').map_or("", |(host, _)| host);
    Ok(Settings {
        target: address.ok_or_else(|| format!("{target} has no address"))?,
        host: args.host.clone().unwrap_or_else(|| host.into()),
        ca: args.ca.clone().ok_or("--target needs --ca")?,
        media: args.media,
        reuse_connection: args.doubts.reuse_connection,
        answer_options: args.doubts.answer_options,
    })
}

fn plan(args: &Args) -> Plan {
    let doubts = &args.doubts;
    Plan {
        caller: caller(args),
        number: args.number.clone(),
        password: args.password.clone(),
        shape: Shape {
            user_params: doubts.user_param.clone(),
            single_via: doubts.single_via,
            foreign_route: doubts.foreign_route,
            padded_call_id: doubts.padded_call_id,
            retry_stale: doubts.retry_stale,
            fresh_connection: doubts.fresh_connection,
        },
        offer: Offer {
            codecs: doubts.codecs.clone(),
            keys: args.webrtc.srtp,
            profile: doubts.profile.clone(),
        },
        media: media(args),
        talk: talk(args),
        cancel: args.cancel,
        ring_limit: args.ring_limit,
        digits: args.digits.clone(),
        expect: args.expect.unwrap_or(Expect::Answer),
        faults: args.fault.iter().copied().collect(),
    }
}

pub(super) fn media(args: &Args) -> Media {
    let doubts = &args.doubts;
    let webrtc = &args.webrtc;
    Media {
        says: Says::Voice(Voice::User),
        hears: args.hears.voice(),
        dtx: doubts.dtx,
        latch: doubts.latch,
        rtcp_is_life: doubts.rtcp_is_life,
        other_reason: doubts.other_reason,
        webrtc: Webrtc {
            certificate: webrtc.dtls_certificate,
            setup: webrtc.setup,
            delay: webrtc.dtls_delay,
            gcm: webrtc.gcm,
            no_candidates: webrtc.no_candidates,
            also: webrtc.media_also,
            unreachable: webrtc.unreachable,
        },
    }
}

/// `None`: the business hangs up.
pub(super) fn talk(args: &Args) -> Option<Duration> {
    Some(args.talk).filter(|talk| !talk.is_zero())
}

fn caller(args: &Args) -> Caller {
    let user = &args.user;
    let context = Context {
        user_id: user.user_id.clone(),
        username: user.username.clone(),
        country: user.country.clone(),
        cta_payload: user.cta_payload.clone(),
        deeplink_payload: user.deeplink_payload.clone(),
        other_spelling: args.doubts.other_spelling,
    };
    Caller {
        user: user.from.clone(),
        display_name: user.name.clone(),
        context: (!args.doubts.no_context).then_some(context),
    }
}
