//! `wabridge demo`: a throw-away certificate authority, a configuration, the real daemon as a child process, both simulators,
//! and a handful of calls both ways through all of it; then what each party heard and what was written down.

mod daemon;
mod parties;
mod printing;
mod records;
mod stage;
mod stories;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::sim::cli::{Failure, entropy, runtime};
use crate::sim::fault::{Fault, Faults};
use crate::sim::meta::gateway::{Account, Business};
use crate::sim::meta::{Endpoint, Gateway, Settings};
use crate::sim::pbx::{Exchange, Target, Transport};
use crate::sim::report::Report;
use crate::sim::sip::wire::Protocol;
use crate::sim::tls;
use daemon::Daemon;
use parties::{Callees, Callers, lanes};
use stage::{HOST, LOCAL, Stage};
use stories::{Call, PASSWORD, Story};

/// A call is placed so often while the machine is too busy for it.
const ATTEMPTS: u32 = 3;

/// Places calls through the bridge with the two simulators, and prints what each party heard. Exit code 0 when every
/// check of every call held.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the recordings, the log and the call records go
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    out: PathBuf,
    /// Place this call alone; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Name the calls and stop
    #[arg(long)]
    list: bool,
    /// The WhatsApp user's side misbehaves; may be given several times
    #[arg(long, value_name = "NAME")]
    fault: Vec<Fault>,
    /// The PBX misbehaves; may be given several times
    #[arg(long, value_name = "NAME")]
    pbx_fault: Vec<Fault>,
}

/// One call, seen from everywhere.
struct Performance {
    story: Story,
    caller: Report,
    /// `None`: the call never came to it.
    callee: Option<Report>,
    /// The line that was written about it, as it stands in the file.
    record: Option<String>,
}

/// 0 when all held, 1 when something did not, 2 when the demo could not be set up.
pub fn run(args: &Args) -> ExitCode {
    match runtime().and_then(|runtime| runtime.block_on(perform(args))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

async fn perform(args: &Args) -> Result<bool, Failure> {
    let stories = chosen(args)?;
    if args.list {
        printing::list(&stories);
        return Ok(true);
    }
    let started = Instant::now();
    std::fs::create_dir_all(&args.out)?;
    let stage = Stage::build(&args.out, &stories).await?;
    let (exchange, agents) = pbx(&stage, &stories).await?;
    let (gateway, users) = whatsapp(&stage, &stories).await?;
    let daemon = Daemon::start(&stage).await?;
    let meta = Endpoint::beside(gateway.hub.clone(), settings(&stage), entropy()?)?;
    printing::opening(&stage, stories.len());

    let (mut open, mut held) = (stories.len(), true);
    let trunk = Target {
        address: stage.trunk,
        transport: Transport::Udp,
    };
    let callers = Callers {
        meta,
        exchange,
        trunk,
    };
    let (repeats, mut performances) = lanes(&callers, stories);
    let mut callees = Callees::new(agents, users);
    while open > 0 {
        let Some((story, caller)) = performances.recv().await else {
            break;
        };
        let callee = callees.report_of(&caller, &story).await;
        let record = records::find(&stage.records, &caller.call_id).await;
        let mut performance = Performance {
            story,
            caller,
            callee,
            record,
        };
        performance.judge().await;
        if performance.deserves_another() {
            printing::again(&performance);
            performance.story.attempts += 1;
            tokio::spawn(
                callers
                    .clone()
                    .play(vec![performance.story], repeats.clone()),
            );
            continue;
        }
        open -= 1;
        performance.save(&args.out)?;
        held &= performance.held();
        printing::performance(&performance);
    }
    let hubs = [&gateway.hub, &callers.exchange.hub];
    let notes = hubs.map(|hub| hub.take_notes()).concat();
    held &= daemon.stop().await?;
    printing::closing(held, started.elapsed(), &args.out, &notes);
    Ok(held)
}

/// With the faults that were asked for.
fn chosen(args: &Args) -> Result<Vec<Story>, Failure> {
    let mut stories = stories::all();
    if let Some(unknown) = args
        .only
        .iter()
        .find(|name| !stories.iter().any(|s| s.name == **name))
    {
        return Err(format!("there is no call named `{unknown}`; --list names them").into());
    }
    if !args.only.is_empty() {
        stories.retain(|story| args.only.iter().any(|name| name == story.name));
    }
    let user: Faults = args.fault.iter().copied().collect();
    let agent: Faults = args.pbx_fault.iter().copied().collect();
    for story in &mut stories {
        story.spoil(&user, &agent);
    }
    Ok(stories)
}

async fn pbx(
    stage: &Stage,
    stories: &[Story],
) -> Result<(Arc<Exchange>, mpsc::Receiver<(String, Report)>), Failure> {
    let numbers = stories.iter().filter_map(|story| match &story.call {
        Call::ByUser(call) => Some((story.called(), call.1.clone())),
        Call::ByAgent(_) => None,
    });
    let (exchange, reports) = Exchange::start(LOCAL, numbers.collect(), None, entropy()?);
    exchange.listen(Protocol::Udp, stage.pbx, None).await?;
    Ok((exchange, reports))
}

async fn whatsapp(
    stage: &Stage,
    stories: &[Story],
) -> Result<(Arc<Gateway>, mpsc::Receiver<(String, Report)>), Failure> {
    let mut account = Account::default();
    for story in stories {
        let business = Business {
            keys: story.keys,
            ..Business::new(HOST, PASSWORD)
        };
        account.businesses.insert(story.number.clone(), business);
        if let Call::ByAgent(call) = &story.call {
            account.users.insert(story.called(), call.1.clone());
        }
    }
    let (gateway, reports) = Gateway::start(LOCAL, account, false, entropy()?);
    let [chain, key] = &stage.gateway_certificate;
    let acceptor = tls::acceptor(chain, key)?;
    gateway.listen(stage.gateway, acceptor).await?;
    Ok((gateway, reports))
}

fn settings(stage: &Stage) -> Settings {
    Settings {
        target: stage.whatsapp,
        host: HOST.into(),
        ca: stage.authority.clone(),
        media: LOCAL,
        reuse_connection: false,
        answer_options: false,
    }
}

impl Performance {
    /// What neither party can judge alone.
    async fn judge(&mut self) {
        let Self {
            story,
            caller,
            callee,
            record,
        } = self;
        if let Some(after) = story.late {
            let parties = [Some(&mut *caller), callee.as_mut()];
            for (party, voice) in parties.into_iter().zip(story.hears()) {
                if let (Some(party), Some(voice)) = (party, voice) {
                    party.listen_late_for(voice, after).await;
                }
            }
        }
        if let (Call::ByUser(call), Some(agent)) = (&story.call, callee.as_mut()) {
            stories::check_identity(&call.0, agent);
        }
        records::check(record.as_deref(), caller, callee.as_ref());
    }

    fn parties(&self) -> impl Iterator<Item = &Report> {
        self.callee.iter().chain([&self.caller])
    }

    /// The user's side and the agent's side.
    fn sides(&self) -> (Option<&Report>, Option<&Report>) {
        match self.story.call {
            Call::ByUser(_) => (Some(&self.caller), self.callee.as_ref()),
            Call::ByAgent(_) => (self.callee.as_ref(), Some(&self.caller)),
        }
    }

    /// It failed while this machine had no time for it. What a fault breaks is broken the second time too.
    fn deserves_another(&self) -> bool {
        let unfair = self.parties().any(Report::is_unfair);
        let mut faults = self.story.faults().into_iter().flatten();
        let broken = faults.any(|fault| fault.breaks_audio());
        !self.held() && unfair && !broken && self.story.attempts < ATTEMPTS
    }

    fn held(&self) -> bool {
        self.callee.is_some() && self.parties().all(|party| party.verdict.held())
    }

    /// What each party heard, as WAV.
    fn save(&self, out: &std::path::Path) -> std::io::Result<()> {
        let (user, agent) = self.sides();
        let agent = agent.map(|agent| ("agent", agent));
        let user = user.map(|user| ("user", user));
        for (party, report) in agent.into_iter().chain(user) {
            if report.heard.packets > 0 {
                let file = format!("{}-{party}-heard.wav", self.story.name);
                crate::sim::wav::save(&out.join(file), &report.heard.audio)?;
            }
        }
        Ok(())
    }
}
