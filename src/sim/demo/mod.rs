//! `wabridge demo`: a throw-away certificate authority, a configuration, the real daemon as a child process, both simulators,
//! and a handful of calls through all of it; then what each party heard and what was written down.

mod daemon;
mod printing;
mod records;
mod stage;
mod stories;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::sim::cli::{Failure, entropy, runtime};
use crate::sim::fault::{Fault, Faults};
use crate::sim::meta::{Endpoint, Settings};
use crate::sim::pbx::Exchange;
use crate::sim::report::Report;
use crate::sim::sip::wire::Protocol;
use daemon::Daemon;
use stage::{HOST, LOCAL, Stage};
use stories::Story;

/// How long a PBX may take to report after the user's side is done.
const PATIENCE: Duration = Duration::from_secs(40);
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
    user: Report,
    /// `None`: the call never came to the PBX.
    agent: Option<Report>,
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
    let (exchange, mut agents) = pbx(&stage, stories.clone()).await?;
    let daemon = Daemon::start(&stage).await?;
    let meta = Endpoint::new(settings(&stage), entropy()?)?;
    printing::opening(&stage, stories.len());

    let (mut open, mut held) = (stories.len(), true);
    let (repeats, mut performances) = lanes(&meta, stories);
    let mut unclaimed = Vec::new();
    while open > 0 {
        let Some((story, user)) = performances.recv().await else {
            break;
        };
        let agent = agent_of(&user, &story, &mut agents, &mut unclaimed).await;
        let record = records::find(&stage.records, &user.call_id).await;
        let mut performance = Performance {
            story,
            user,
            agent,
            record,
        };
        performance.judge().await;
        if performance.deserves_another() {
            printing::again(&performance);
            performance.story.attempts += 1;
            tokio::spawn(play(meta.clone(), vec![performance.story], repeats.clone()));
            continue;
        }
        open -= 1;
        performance.save(&args.out)?;
        held &= performance.held();
        printing::performance(&performance);
    }
    let notes = [meta.hub.take_notes(), exchange.hub.take_notes()].concat();
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
        story.plan.faults.extend(&user);
        story.behaviour.faults.extend(&agent);
    }
    Ok(stories)
}

async fn pbx(
    stage: &Stage,
    stories: Vec<Story>,
) -> Result<(Arc<Exchange>, mpsc::Receiver<(String, Report)>), Failure> {
    let numbers = stories
        .into_iter()
        .map(|story| (story.extension().to_owned(), story.behaviour))
        .collect();
    let (exchange, reports) = Exchange::start(LOCAL, numbers, None, entropy()?);
    exchange.listen(Protocol::Udp, stage.pbx, None).await?;
    Ok((exchange, reports))
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

type Played = (Story, Report);

/// Calls of a lane follow each other; lanes run side by side.
fn lanes(
    meta: &Arc<Endpoint>,
    stories: Vec<Story>,
) -> (mpsc::Sender<Played>, mpsc::Receiver<Played>) {
    let (sender, receiver) = mpsc::channel(stories.len().max(1));
    for lane in 0..stories::LANES {
        let mine: Vec<Story> = stories.iter().filter(|s| s.lane == lane).cloned().collect();
        tokio::spawn(play(meta.clone(), mine, sender.clone()));
    }
    (sender, receiver)
}

async fn play(meta: Arc<Endpoint>, stories: Vec<Story>, played: mpsc::Sender<Played>) {
    for story in stories {
        let report = meta.call(story.plan.clone()).await;
        let _ = played.send((story, report)).await;
    }
}

/// The PBX's report of a call. Those of others are kept.
async fn agent_of(
    user: &Report,
    story: &Story,
    agents: &mut mpsc::Receiver<(String, Report)>,
    unclaimed: &mut Vec<(String, Report)>,
) -> Option<Report> {
    // Refused before the PBX was asked.
    let asked = user.setup.is_some() || user.outcome == crate::sim::report::Outcome::Cancelled;
    let deadline = Instant::now()
        + if asked {
            PATIENCE
        } else {
            Duration::from_secs(1)
        };
    loop {
        if let Some(at) = unclaimed
            .iter()
            .position(|(number, _)| number == story.extension())
        {
            return Some(unclaimed.swap_remove(at).1);
        }
        let next = tokio::time::timeout_at(deadline.into(), agents.recv());
        unclaimed.push(next.await.ok().flatten()?);
    }
}

impl Performance {
    /// What neither party can judge alone.
    async fn judge(&mut self) {
        if let Some(after) = self.story.late {
            let voice = self.story.plan.media.hears;
            if let Some(voice) = voice {
                self.user.listen_late_for(voice, after).await;
            }
            if let (Some(voice), Some(agent)) = (self.story.behaviour.hears, &mut self.agent) {
                agent.listen_late_for(voice, after).await;
            }
        }
        if let Some(agent) = &mut self.agent {
            stories::check_identity(&self.story, agent);
        }
        records::check(self.record.as_deref(), &mut self.user, self.agent.as_ref());
    }

    /// It failed while this machine had no time for it. What a fault breaks is broken the second time too.
    fn deserves_another(&self) -> bool {
        let mut parties = self.agent.iter().chain([&self.user]);
        let unfair = parties.any(|party| party.is_unfair());
        let faults = self.story.plan.faults.union(&self.story.behaviour.faults);
        let broken = faults.into_iter().any(|fault| fault.breaks_audio());
        !self.held() && unfair && !broken && self.story.attempts < ATTEMPTS
    }

    fn held(&self) -> bool {
        let agent = self
            .agent
            .as_ref()
            .is_some_and(|agent| agent.verdict.held());
        self.user.verdict.held() && agent
    }

    /// What each party heard, as WAV.
    fn save(&self, out: &std::path::Path) -> std::io::Result<()> {
        let agent = self.agent.iter().map(|agent| ("agent", agent));
        for (party, report) in agent.chain([("user", &self.user)]) {
            if report.heard.packets > 0 {
                let file = format!("{}-{party}-heard.wav", self.story.name);
                crate::sim::wav::save(&out.join(file), &report.heard.audio)?;
            }
        }
        Ok(())
    }
}
