//! `wabridge sim meta --listen`: WhatsApp that is called.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::meta::{Args, media, numbered, talk};
use super::{Failure, entropy, seconds, show};
use crate::sim::media::Codec;
use crate::sim::meta::gateway::account::Algorithm;
use crate::sim::meta::gateway::{Account, Answer, Business, Challenges, Gateway, Refusal, User};
use crate::sim::meta::{Expect, checks};
use crate::sim::report::Report;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Being called: --listen without --target")]
pub(super) struct CalledArgs {
    /// What happens to calls to this number: answer, never, a status such as 486, redirect:URI, or why WhatsApp refuses it (asset,
    /// server, digest, digest-uri, app, billing, permission, daily-limit, duplicate, concurrency, sdp); may be given several
    /// times
    #[arg(long = "callee", value_name = "NUMBER=FATE", value_parser = callee)]
    callees: Vec<(String, Fate)>,
    /// What happens to all other calls
    #[arg(long, value_name = "FATE", value_parser = fate, default_value = "answer")]
    others: Fate,
    /// Ring this long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    ring: Duration,
    /// Ask for credentials by these, in order
    #[arg(long, value_delimiter = ',', default_value = "md5")]
    algorithms: Vec<Algorithm>,
    /// A nonce is good for one call
    #[arg(long)]
    spent_nonces: bool,
    /// The digest's user name may have its +
    #[arg(long)]
    accept_plus: bool,
    /// Calls that the number may have at the same time
    #[arg(long, value_name = "CALLS", default_value_t = 1_000)]
    concurrency: usize,
    /// The status of those above it
    #[arg(long, value_name = "STATUS", default_value_t = 503, value_parser = clap::value_parser!(u16).range(400..700))]
    over_limit: u16,
}

/// What a user is there for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Fate {
    Answer,
    Never,
    Status(u16),
    /// 302 with this URI as its Contact.
    Redirect(String),
    Refused(Refusal),
}

fn callee(text: &str) -> Result<(String, Fate), String> {
    let (number, what) = text.split_once('=').ok_or("write NUMBER=FATE")?;
    Ok((number.into(), fate(what)?))
}

fn fate(text: &str) -> Result<Fate, String> {
    if let Some(uri) = text.strip_prefix("redirect:") {
        return Ok(Fate::Redirect(uri.into()));
    }
    match text {
        "answer" => Ok(Fate::Answer),
        "never" => Ok(Fate::Never),
        word => match word.parse() {
            Ok(status @ 400..700) => Ok(Fate::Status(status)),
            Ok(_) => Err("write a status from 400 to 699".into()),
            Err(_) => {
                let refusal: Result<Refusal, _> = clap::ValueEnum::from_str(word, true);
                refusal.map(Fate::Refused)
            }
        },
    }
}

/// True when every check of every call held. Without a number of calls it runs until it is stopped.
pub(super) async fn run(args: &Args, bind: SocketAddr) -> Result<bool, Failure> {
    let options = args.doubts.answer_options;
    let (gateway, mut reports) = Gateway::start(args.media, account(args), options, entropy()?);
    let address = gateway.listen(bind, args.certificates.acceptor()?).await?;
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
        let Some((number, mut report)) = report else {
            break;
        };
        judge(args, &number, &mut report);
        let record = args.record.as_deref();
        let record = record.map(|path| numbered(path, call, args.calls.unwrap_or(u32::MAX)));
        let title = format!("call {call} to {number}");
        show(&title, &report, record.as_deref())?;
        held &= report.verdict.held();
    }
    for note in gateway.hub.take_notes() {
        println!("note: {note}");
    }
    Ok(held)
}

/// A call came to what it should, or to what its callee is there for.
fn judge(args: &Args, number: &str, report: &mut Report) {
    let mut callees = args.called.callees.iter();
    let callee = callees.find(|(one, _)| one == number);
    let fate = callee.map_or(&args.called.others, |(_, fate)| fate);
    let expect = args.expect.unwrap_or(match fate {
        Fate::Answer => Expect::Answer,
        Fate::Never => Expect::Cancelled,
        Fate::Status(status) => Expect::Refusal(Some(*status)),
        Fate::Redirect(_) => Expect::Refusal(Some(302)),
        Fate::Refused(_) => Expect::Refusal(None),
    });
    checks::outcome(report, expect, talk(args));
}

fn account(args: &Args) -> Account {
    let called = &args.called;
    let host = args.host.as_deref().unwrap_or_default();
    let codecs = args.doubts.codecs.iter().copied();
    let business = Business {
        additional_codecs: codecs.filter(|codec| *codec != Codec::Opus).collect(),
        keys: args.webrtc.srtp,
        concurrency: called.concurrency,
        over_limit: called.over_limit,
        ..Business::new(host, &args.password)
    };
    let users = called.callees.iter();
    Account {
        businesses: BTreeMap::from([(args.number.clone(), business)]),
        users: users
            .map(|(number, fate)| (number.clone(), user(args, fate)))
            .collect(),
        otherwise: Some(user(args, &called.others)),
    }
}

fn user(args: &Args, fate: &Fate) -> User {
    let called = &args.called;
    let (refusal, answer) = match fate {
        Fate::Answer => (None, Answer::Yes),
        Fate::Never => (None, Answer::Never),
        Fate::Status(status) => (None, Answer::No(*status)),
        Fate::Redirect(uri) => (None, Answer::Redirect(format!("<{uri}>"))),
        Fate::Refused(refusal) => (Some(*refusal), Answer::Yes),
    };
    let default = User::default();
    User {
        refusal,
        answer,
        challenges: Challenges {
            algorithms: called.algorithms.clone(),
            nonce_lives: !called.spent_nonces,
            plus_is_accepted: called.accept_plus,
        },
        ring: match fate {
            Fate::Never => User::never().ring,
            Fate::Answer | Fate::Status(_) | Fate::Redirect(_) | Fate::Refused(_) => called.ring,
        },
        talk: talk(args),
        digits: args.digits.clone(),
        media: media(args),
        user_id: args.user.user_id.clone().or(default.user_id.clone()),
        answer_options: args.doubts.answer_options,
        faults: args.fault.iter().copied().collect(),
        ..default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_are_read() {
        for (text, wanted) in [
            ("answer", Some(Fate::Answer)),
            ("never", Some(Fate::Never)),
            ("486", Some(Fate::Status(486))),
            ("200", None),
            ("redirect:sip:a@b", Some(Fate::Redirect("sip:a@b".into()))),
            ("daily-limit", Some(Fate::Refused(Refusal::DailyLimit))),
            ("nonsense", None),
        ] {
            assert_eq!(fate(text).ok(), wanted, "{text}");
        }
        let callee = callee("+12195550714=permission");
        let refused = Fate::Refused(Refusal::Permission);
        assert_eq!(callee, Ok(("+12195550714".into(), refused)));
    }
}
