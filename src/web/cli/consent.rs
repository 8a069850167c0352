//! `wabridge consent`: what the ledger knows of users, and what the operator knows better.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::{Failure, Reach};
use crate::consent::operator::{Account, CallOutlook, MOST_RECORDS, OperatorFact, RequestOutlook};
use crate::consent::{Absence, Pair, Record};
use crate::web::client::{Place, segment};
use crate::web::words::{Changed, Import, Records};

/// One request's records, bytes: less than the daemon takes.
const BATCH: usize = 128 * 1024;
/// The longest line of an import, bytes.
const LINE: u64 = 128 * 1024;

#[derive(clap::Subcommand)]
pub enum Consent {
    /// Say what is known of a user, and whether a call or a request is allowed now.
    Show(Two),
    /// Print every user that something is known of, a line of JSON each; `import` reads it.
    #[command(alias = "list")]
    Export(Export),
    /// The user allows calls: for as long as a temporary permission lasts, until a time, or for ever.
    Allow(Allow),
    /// The user allows no calls.
    Deny(Two),
    /// The user was asked for permission by other means than ours.
    Requested(Two),
    /// WhatsApp takes no call to this user until a time.
    Barred(Barred),
    /// As if nothing had ever been known of the user.
    Forget(Two),
    /// Take over what `export` wrote; each line replaces what was known of its user.
    Import(ImportFile),
}

/// A business number and a user.
#[derive(clap::Args)]
pub struct Two {
    /// The business number, with +.
    number: String,
    /// The WhatsApp user: a number with +, or a user id.
    user: String,
    #[command(flatten)]
    reach: Reach,
}

#[derive(clap::Args)]
pub struct Allow {
    #[command(flatten)]
    two: Two,
    /// As in 2026-12-01T00:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "for_ever")]
    until: Option<Timestamp>,
    #[arg(long)]
    for_ever: bool,
}

#[derive(clap::Args)]
pub struct Barred {
    #[command(flatten)]
    two: Two,
    /// As in 2026-12-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    until: Timestamp,
}

#[derive(clap::Args)]
pub struct Export {
    /// Of this business number alone.
    #[arg(long)]
    number: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

#[derive(clap::Args)]
pub struct ImportFile {
    /// Lines as `export` writes them; - is the standard input.
    file: PathBuf,
    #[command(flatten)]
    reach: Reach,
}

impl Consent {
    pub(super) async fn run(&self) -> Result<String, Failure> {
        match self {
            Self::Show(two) => two.show().await,
            Self::Export(export) => export.run().await,
            Self::Allow(allow) => allow.two.learn(allow.fact()).await,
            Self::Deny(two) => {
                let why = Absence::Withdrawn;
                two.learn(OperatorFact::NotAllowed { why }).await
            }
            Self::Requested(two) => two.learn(OperatorFact::RequestSent).await,
            Self::Barred(barred) => {
                let until = barred.until;
                barred.two.learn(OperatorFact::BarredUntil { until }).await
            }
            Self::Forget(two) => two.forget().await,
            Self::Import(import) => import.run().await,
        }
    }
}

impl Allow {
    fn fact(&self) -> OperatorFact {
        if self.for_ever {
            OperatorFact::AllowedForEver
        } else {
            OperatorFact::AllowedUntil { until: self.until }
        }
    }
}

impl Two {
    fn path(&self) -> String {
        let (number, user) = (segment(&self.number), segment(&self.user));
        format!("/v1/consent/{number}/{user}")
    }

    async fn show(&self) -> Result<String, Failure> {
        let account: Account = self.reach.place()?.get(&self.path()).await?;
        Ok(self.reach.say(&account, told))
    }

    async fn learn(&self, fact: OperatorFact) -> Result<String, Failure> {
        let changed: Changed = self.reach.place()?.post(&self.path(), &fact).await?;
        Ok(self.reach.say(&changed, |_| String::new()))
    }

    async fn forget(&self) -> Result<String, Failure> {
        self.reach.place()?.delete(&self.path()).await?;
        Ok(String::new())
    }
}

impl Export {
    /// Printed page by page: there may be millions.
    async fn run(&self) -> Result<String, Failure> {
        let place = self.reach.place()?;
        let mut after = None;
        loop {
            let page: Records = place.get(&self.path(after.as_ref())).await?;
            let lines = page.records.iter().map(serde_json::to_string);
            let lines: Vec<String> = lines.collect::<Result<_, _>>().map_err(io::Error::from)?;
            for line in lines {
                writeln!(io::stdout(), "{line}")?;
            }
            match page.records.into_iter().next_back() {
                Some(last) if page.more => after = Some(last.pair),
                Some(_) | None => return Ok(String::new()),
            }
        }
    }

    fn path(&self, after: Option<&Pair>) -> String {
        let mut path = format!("/v1/consent?most={MOST_RECORDS}");
        if let Some(number) = &self.number {
            path += &format!("&number={}", segment(number));
        }
        if let Some(pair) = after {
            let number = segment(pair.number().expose());
            let user = segment(pair.user().expose());
            path += &format!("&after_number={number}&after_user={user}");
        }
        path
    }
}

impl ImportFile {
    /// In batches, each all or none. What went before a mistake stays taken over: to do it again changes nothing.
    async fn run(&self) -> Result<String, Failure> {
        let place = self.reach.place()?;
        let mut lines = Lines::open(&self.file)?;
        let mut pairs = 0;
        loop {
            let records = lines.batch()?;
            if records.is_empty() {
                break;
            }
            pairs += send(&place, records).await?;
        }
        let changed = Changed { pairs };
        Ok(self.reach.say(&changed, |_| format!("{pairs} users\n")))
    }
}

async fn send(place: &Place, records: Vec<Record>) -> Result<usize, Failure> {
    let import = Import { records };
    let changed: Changed = place.post("/v1/consent", &import).await?;
    Ok(changed.pairs)
}

/// A file of records, one a line.
struct Lines {
    name: String,
    file: Box<dyn BufRead>,
    line: usize,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Failure> {
        let file: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            let file = File::open(path).map_err(|error| {
                Failure::Usage(format!("cannot read {}: {error}", path.display()))
            })?;
            Box::new(BufReader::new(file))
        };
        Ok(Self {
            name: path.display().to_string(),
            file,
            line: 0,
        })
    }

    /// The next records, as many as one request takes; none at the end.
    fn batch(&mut self) -> Result<Vec<Record>, Failure> {
        let (mut records, mut size) = (Vec::new(), 0);
        while size < BATCH && records.len() < MOST_RECORDS {
            let mut text = String::new();
            let length = (&mut self.file).take(LINE).read_line(&mut text)?;
            if length == 0 {
                break;
            }
            self.line += 1;
            size += length;
            if text.trim().is_empty() {
                continue;
            }
            records.push(serde_json::from_str(&text).map_err(|error| {
                Failure::Usage(format!("{}:{}: {error}", self.name, self.line))
            })?);
        }
        Ok(records)
    }
}

fn told(account: &Account) -> String {
    let mut text = match &account.call {
        CallOutlook::Allowed => "call: allowed\n".to_owned(),
        CallOutlook::Unknown => "call: nothing is known; calling asks WhatsApp\n".to_owned(),
        CallOutlook::Refused { words, .. } => format!("call: refused: {words}\n"),
    };
    text += &match &account.request {
        RequestOutlook::Allowed {
            free_form_until: Some(until),
        } => format!("request: allowed, as a free-form message until {until:.0}\n"),
        RequestOutlook::Allowed {
            free_form_until: None,
        } => "request: allowed, as a template\n".to_owned(),
        RequestOutlook::Refused { words, until } => {
            let until = until.map(|until| format!("; again from {until:.0}"));
            format!("request: refused: {words}{}\n", until.unwrap_or_default())
        }
    };
    text += &format!(
        "connected within the limit's window: {}\n",
        account.connected
    );
    if let Some(call) = &account.going_on {
        text += &format!("going on: {call}\n");
    }
    let known = serde_json::to_string(&account.known).unwrap_or_default();
    text + &format!("known: {known}\n")
}
