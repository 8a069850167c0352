//! `wabridge sim pbx`.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use super::meta::expectation;
use super::{Failure, at, entropy, seconds, show};
use crate::sim::fault::Fault;
use crate::sim::media::Codec;
use crate::sim::media::crypto::Suite;
use crate::sim::media::mouth::Says;
use crate::sim::meta::Expect;
use crate::sim::pbx::behaviour::{Credentials, How, ReferTo, Security, Then, Transfer};
use crate::sim::pbx::{Act, Answer, Behaviour, Exchange, Offer, Plan, Target, Transport};
use crate::sim::sdp::Direction;
use crate::sim::sip::wire::Protocol;
use crate::sim::speech::Voice;
use crate::sim::tls;

/// Answers every call that comes in, or places one, and prints a verdict a line when it is over. Exit code 0: every check
/// held; 1: one did not; 2: could not start.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5060")]
    listen: SocketAddr,
    /// Transport of --listen
    #[arg(long, default_value = "udp")]
    transport: Protocol,
    /// Certificate, for TLS
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Key, for TLS
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// End after so many calls that came in [default: no end; with --call those that --transfer and --pick-up make]
    #[arg(long)]
    calls: Option<u32>,
    /// Write what was heard to FILE-N.wav
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    dialing: DialArgs,
    #[command(flatten)]
    call: CallArgs,
    #[command(flatten)]
    media: MediaArgs,
    #[command(flatten)]
    script: ScriptArgs,
    /// Misbehave; may be given several times
    #[arg(long, value_name = "NAME")]
    fault: Vec<Fault>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Placing a call")]
struct DialArgs {
    /// Place one call there; what it makes comes back to --listen
    #[arg(long, value_name = "HOST:PORT", requires = "dial")]
    call: Option<String>,
    /// What is dialled: a user part or a URI
    #[arg(long, value_name = "NUMBER", requires = "call")]
    dial: Option<String>,
    /// The extension that calls
    #[arg(long, default_value = "100")]
    from: String,
    /// Display name
    #[arg(long)]
    name: Option<String>,
    /// P-Asserted-Identity
    #[arg(long, value_name = "VALUE")]
    asserted: Option<String>,
    /// A further header of the INVITE, as in "X-Queue: sales"; may be given several times
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// Host of the request URI [default: the address of --call]
    #[arg(long)]
    host: Option<String>,
    /// INVITE without an offer; the answer goes in the ACK
    #[arg(long, conflicts_with = "offer_srtp")]
    late_offer: bool,
    /// Offer SRTP with this suite
    #[arg(long, value_name = "SUITE")]
    offer_srtp: Option<Suite>,
    /// The answer to a challenge
    #[arg(long, value_name = "USER:PASSWORD", value_parser = credentials)]
    credentials: Option<Credentials>,
    /// Give up this long after the INVITE
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    cancel: Option<Duration>,
    /// What the call should come to: answer, cancel, refuse, or a status such as 486
    #[arg(long, value_parser = expectation, default_value = "answer")]
    expect: Expect,
    /// PEM file of the authorities that the far side's certificate must chain to, for TLS
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Taking the call")]
struct CallArgs {
    /// Ring this long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    ring: Duration,
    /// Then refuse with this status
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(300..700))]
    reject: Option<u16>,
    /// Never answer
    #[arg(long, conflicts_with = "reject")]
    never: bool,
    /// 183 with a description, and speech while ringing
    #[arg(long)]
    early_media: bool,
    /// Provisional responses are reliable (PRACK)
    #[arg(long)]
    reliable: bool,
    /// Session-Expires of the answer
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    session_expires: Option<Duration>,
    /// Challenge each INVITE, as in bridge:secret
    #[arg(long, value_name = "USER:PASSWORD", value_parser = credentials)]
    challenge: Option<Credentials>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Media")]
struct MediaArgs {
    /// In order of preference
    #[arg(long, value_delimiter = ',', default_value = "pcmu,pcma,opus")]
    codecs: Vec<Codec>,
    /// Milliseconds a packet
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(10..=120))]
    ptime: u64,
    /// SRTP
    #[arg(long, default_value = "if-offered")]
    srtp: Security,
    /// What is said
    #[arg(long, default_value = "agent")]
    says: Speech,
    /// What should be heard
    #[arg(long, default_value = "user")]
    hears: Hears,
    /// Digits that should be heard
    #[arg(long, value_name = "DIGITS")]
    expect_digits: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "During the call (seconds after the answer)")]
struct ScriptArgs {
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    hang_up: Option<Duration>,
    /// Hold by re-INVITE, as in 5:sendonly or 5:inactive
    #[arg(long, value_name = "SECONDS:DIRECTION", value_parser = at)]
    hold: Vec<(Duration, String)>,
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    resume: Vec<Duration>,
    /// Hold and resume by UPDATE
    #[arg(long)]
    by_update: bool,
    #[arg(long, value_name = "SECONDS:DIGITS", value_parser = at)]
    digits: Vec<(Duration, String)>,
    /// The same by SIP INFO
    #[arg(long, value_name = "SECONDS:DIGITS", value_parser = at)]
    digits_by_info: Vec<(Duration, String)>,
    /// Move the media to another port (direct media)
    #[arg(long = "move", value_name = "SECONDS", value_parser = seconds)]
    move_media: Vec<Duration>,
    /// Change to this codec alone, as in 5:pcma
    #[arg(long, value_name = "SECONDS:CODEC", value_parser = at)]
    change: Vec<(Duration, String)>,
    /// Refresh the session by re-INVITE, or by UPDATE with --by-update
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    refresh: Vec<Duration>,
    /// REFER to an extension of ours or a URI, as in 5:200
    #[arg(long, value_name = "SECONDS:WHERE", value_parser = at)]
    transfer: Option<(Duration, String)>,
    /// The extension of --transfer was consulted before (Replaces)
    #[arg(long, requires = "transfer")]
    attended: bool,
    /// What we do after --transfer
    #[arg(long, default_value = "hang-up-when-done", requires = "transfer")]
    then: Then,
    /// Status that the transfer should come to
    #[arg(long, default_value_t = 200, requires = "transfer")]
    transfer_expects: u16,
    /// Another extension of ours takes the call over (INVITE with Replaces), as in 5:300
    #[arg(long, value_name = "SECONDS:EXTENSION", value_parser = at)]
    pick_up: Option<(Duration, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Speech {
    Agent,
    User,
    Colleague,
    Echo,
    Silence,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Hears {
    User,
    Agent,
    Colleague,
    Nothing,
}

fn credentials(text: &str) -> Result<Credentials, String> {
    let (username, password) = text.split_once(':').ok_or("write USER:PASSWORD")?;
    Ok(Credentials {
        username: username.into(),
        password: password.into(),
        realm: "pbx".into(),
    })
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE")?;
    Ok((name.trim().into(), value.trim().into()))
}

/// True when every check of every call held. Without a number of calls it runs until it is stopped.
pub async fn run(args: Args) -> Result<bool, Failure> {
    let behaviour = behaviour(&args)?;
    let media = args.listen.ip();
    if media.is_unspecified() {
        return Err("--listen needs the address that callers reach, not a wildcard".into());
    }
    let colleagues = colleagues(&args.script, &behaviour);
    let made = u32::try_from(colleagues.len())?;
    let (exchange, mut reports) =
        Exchange::start(media, colleagues, Some(behaviour.clone()), entropy()?);
    let tls = match (&args.certificate, &args.key) {
        (Some(chain), Some(key)) => Some(tls::acceptor(chain, key)?),
        _ => None,
    };
    let address = exchange.listen(args.transport, args.listen, tls).await?;
    println!("listening on {address}");
    let mut held = true;
    let mut calls = args.calls;
    if let Some(call) = &args.dialing.call {
        let target = target(&args, call)?;
        let report = exchange.call(&target, plan(&args, behaviour)).await;
        show("our call", &report, record(&args, 0).as_deref())?;
        held &= report.verdict.held();
        // After a failure there may be nothing more to wait for.
        calls = calls.or(Some(if held { made } else { 0 }));
    }
    for call in 1..=calls.unwrap_or(u32::MAX) {
        let report = tokio::select! {
            report = reports.recv() => report,
            stopped = tokio::signal::ctrl_c() => {
                stopped?;
                break;
            }
        };
        let Some((number, report)) = report else {
            break;
        };
        let title = format!("call {call} of {number}");
        show(&title, &report, record(&args, call).as_deref())?;
        held &= report.verdict.held();
    }
    for note in exchange.hub.take_notes() {
        println!("note: {note}");
    }
    Ok(held)
}

/// `heard.wav` becomes `heard-3.wav`; our own call has number 0.
fn record(args: &Args, call: u32) -> Option<PathBuf> {
    args.record.as_ref().map(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        path.with_file_name(format!("{stem}-{call}.wav"))
    })
}

/// Extensions of ours that a call is given to: they speak with a voice of their own until the far side hangs up.
fn colleagues(args: &ScriptArgs, behaviour: &Behaviour) -> BTreeMap<String, Behaviour> {
    let named = args.transfer.iter().chain(&args.pick_up);
    let extensions = named.filter(|(_, place)| !place.contains(':'));
    extensions
        .map(|(_, extension)| {
            let colleague = Behaviour {
                says: Says::Voice(Voice::Colleague),
                script: Vec::new(),
                digits: None,
                ..behaviour.clone()
            };
            (extension.clone(), colleague)
        })
        .collect()
}

fn target(args: &Args, call: &str) -> Result<Target, Failure> {
    let address = call.to_socket_addrs()?.next();
    let address = address.ok_or_else(|| format!("{call} has no address"))?;
    let transport = match args.transport {
        Protocol::Udp => Transport::Udp,
        Protocol::Tcp => Transport::Tcp,
        Protocol::Tls => Transport::Tls {
            host: call.rsplit_once(':').map_or("", |(host, _)| host).into(),
            ca: args.dialing.ca.clone().ok_or("--call by TLS needs --ca")?,
        },
    };
    Ok(Target { address, transport })
}

fn plan(args: &Args, behaviour: Behaviour) -> Plan {
    let dialing = &args.dialing;
    Plan {
        dial: dialing.dial.clone().unwrap_or_default(),
        from: dialing.from.clone(),
        display_name: dialing.name.clone(),
        asserted: dialing.asserted.clone(),
        headers: dialing.header.clone(),
        host: dialing.host.clone(),
        offer: match (dialing.late_offer, dialing.offer_srtp) {
            (true, _) => Offer::Late,
            (false, Some(suite)) => Offer::Srtp(suite),
            (false, None) => Offer::Rtp,
        },
        credentials: dialing.credentials.clone(),
        cancel: dialing.cancel,
        replaces: None,
        expect: dialing.expect,
        behaviour,
    }
}

fn behaviour(args: &Args) -> Result<Behaviour, Failure> {
    let (call, media) = (&args.call, &args.media);
    Ok(Behaviour {
        ring: call.ring,
        answer: match (call.reject, call.never) {
            (Some(status), _) => Answer::No(status),
            (None, true) => Answer::Never,
            (None, false) => Answer::Yes,
        },
        says: match media.says {
            Speech::Agent => Says::Voice(Voice::Agent),
            Speech::User => Says::Voice(Voice::User),
            Speech::Colleague => Says::Voice(Voice::Colleague),
            Speech::Echo => Says::Echo,
            Speech::Silence => Says::Silence,
        },
        hears: match media.hears {
            Hears::User => Some(Voice::User),
            Hears::Agent => Some(Voice::Agent),
            Hears::Colleague => Some(Voice::Colleague),
            Hears::Nothing => None,
        },
        digits: media.expect_digits.clone(),
        codecs: media.codecs.clone(),
        ptime: Duration::from_millis(media.ptime),
        security: media.srtp,
        early_media: call.early_media,
        reliable: call.reliable,
        session_expires: call.session_expires,
        credentials: call.challenge.clone(),
        script: script(&args.script)?,
        faults: args.fault.iter().copied().collect(),
    })
}

fn script(args: &ScriptArgs) -> Result<Vec<(Duration, Act)>, Failure> {
    let how = if args.by_update {
        How::Update
    } else {
        How::Reinvite
    };
    let mut script = Vec::new();
    for (time, direction) in &args.hold {
        let direction: Direction = word(direction)?;
        script.push((*time, Act::Turn(direction, how)));
    }
    for (time, codec) in &args.change {
        script.push((*time, Act::Change(word(codec)?)));
    }
    let resumes = args.resume.iter();
    script.extend(resumes.map(|time| (*time, Act::Turn(Direction::Sendrecv, how))));
    let dials = args.digits.iter();
    script.extend(dials.map(|(time, digits)| (*time, Act::Dial(digits.clone()))));
    let dials = args.digits_by_info.iter();
    script.extend(dials.map(|(time, digits)| (*time, Act::DialByInfo(digits.clone()))));
    script.extend(args.move_media.iter().map(|time| (*time, Act::Move)));
    script.extend(args.refresh.iter().map(|time| (*time, Act::Refresh(how))));
    script.extend(transfer(args));
    let pick_up = args.pick_up.clone();
    script.extend(pick_up.map(|(time, extension)| (time, Act::PickUp(extension))));
    script.extend(args.hang_up.iter().map(|time| (*time, Act::HangUp)));
    Ok(script)
}

fn transfer(args: &ScriptArgs) -> Option<(Duration, Act)> {
    let (time, place) = args.transfer.clone()?;
    let to = match args.attended {
        true => ReferTo::Consulted(place),
        false => ReferTo::Blind(place),
    };
    let transfer = Transfer {
        to,
        then: args.then,
        expects: args.transfer_expects,
    };
    Some((time, Act::Transfer(transfer)))
}

fn word<T: clap::ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, true).map_err(|_| format!("`{text}` is not understood"))
}
