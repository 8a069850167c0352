//! `wabridge sim pbx`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Failure, at, entropy, seconds, show};
use crate::sim::fault::Fault;
use crate::sim::media::Codec;
use crate::sim::media::mouth::Says;
use crate::sim::pbx::behaviour::{Credentials, How, Security};
use crate::sim::pbx::{Act, Answer, Behaviour, Exchange};
use crate::sim::sdp::Direction;
use crate::sim::sip::wire::Protocol;
use crate::sim::speech::Voice;
use crate::sim::tls;

/// Answers every call that comes in and prints a verdict a line when it is over. Exit code 0: every check held; 1: one did
/// not; 2: could not start.
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
    /// End after so many calls
    #[arg(long)]
    calls: Option<u32>,
    /// Write what was heard to FILE-N.wav
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
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
    dial: Vec<(Duration, String)>,
    /// The same by SIP INFO
    #[arg(long, value_name = "SECONDS:DIGITS", value_parser = at)]
    dial_by_info: Vec<(Duration, String)>,
    /// Move the media to another port (direct media)
    #[arg(long = "move", value_name = "SECONDS", value_parser = seconds)]
    move_media: Vec<Duration>,
    /// Change to this codec alone, as in 5:pcma
    #[arg(long, value_name = "SECONDS:CODEC", value_parser = at)]
    change: Vec<(Duration, String)>,
    /// Refresh the session by re-INVITE, or by UPDATE with --by-update
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    refresh: Vec<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Speech {
    Agent,
    User,
    Echo,
    Silence,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Hears {
    User,
    Agent,
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

/// True when every check of every call held. Without a number of calls it runs until it is stopped.
pub async fn run(args: Args) -> Result<bool, Failure> {
    let behaviour = behaviour(&args)?;
    let media = args.listen.ip();
    if media.is_unspecified() {
        return Err("--listen needs the address that callers reach, not a wildcard".into());
    }
    let (exchange, mut reports) =
        Exchange::start(media, BTreeMap::new(), Some(behaviour), entropy()?);
    let tls = match (&args.certificate, &args.key) {
        (Some(chain), Some(key)) => Some(tls::acceptor(chain, key)?),
        _ => None,
    };
    let address = exchange.listen(args.transport, args.listen, tls).await?;
    println!("listening on {address}");
    let mut held = true;
    for call in 1..=args.calls.unwrap_or(u32::MAX) {
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
        let record = args.record.as_ref().map(|path| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{stem}-{call}.wav"))
        });
        show(
            &format!("call {call} to {number}"),
            &report,
            record.as_deref(),
        )?;
        held &= report.verdict.held();
    }
    for note in exchange.hub.take_notes() {
        println!("note: {note}");
    }
    Ok(held)
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
            Speech::Echo => Says::Echo,
            Speech::Silence => Says::Silence,
        },
        hears: match media.hears {
            Hears::User => Some(Voice::User),
            Hears::Agent => Some(Voice::Agent),
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
    let dials = args.dial.iter();
    script.extend(dials.map(|(time, digits)| (*time, Act::Dial(digits.clone()))));
    let dials = args.dial_by_info.iter();
    script.extend(dials.map(|(time, digits)| (*time, Act::DialByInfo(digits.clone()))));
    script.extend(args.move_media.iter().map(|time| (*time, Act::Move)));
    script.extend(args.refresh.iter().map(|time| (*time, Act::Refresh(how))));
    script.extend(args.hang_up.iter().map(|time| (*time, Act::HangUp)));
    Ok(script)
}

fn word<T: clap::ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, true).map_err(|_| format!("`{text}` is not understood"))
}
