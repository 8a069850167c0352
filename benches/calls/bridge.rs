//! The bridge under load: its configuration, its process, and what /proc says of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::Value;
use wabridge::sim::tls::Authority;

use crate::{Arguments, Failure};

pub const HOST: &str = "localhost";
pub const NUMBER: &str = "+17015550100";
pub const PASSWORD: &str = "a-password-for-this-run-alone";

/// /proc counts processor time in these (USER_HZ of Linux on every architecture).
const CLOCK_TICK: Duration = Duration::from_millis(10);
/// utime is field 14 of /proc/PID/stat, the 12th behind the name (proc_pid_stat(5)).
const UTIME: usize = 11;
const PATIENCE: Duration = Duration::from_secs(20);

/// Addresses and files of one run.
pub struct Place {
    folder: Folder,
    pub tls: SocketAddr,
    /// The bridge's side towards the PBX.
    sip: SocketAddr,
    pub pbx: SocketAddr,
    pub authority: PathBuf,
}

enum Folder {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Place {
    pub fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let folder = match &arguments.keep {
            Some(path) => {
                fs::create_dir_all(path)?;
                Folder::Kept(path.canonicalize()?)
            }
            None => Folder::Temporary(tempfile::tempdir()?),
        };
        let place = Self {
            tls: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?,
            sip: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?,
            pbx: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?,
            authority: folder.path().join("authority.pem"),
            folder,
        };
        let authority = Authority::new("load test")?;
        authority.save(&place.authority)?;
        authority.issue(&[HOST], &place.file("chain.pem"), &place.file("key.pem"))?;
        fs::create_dir_all(place.file("profiles"))?;
        fs::write(place.file("profiles/pbx.toml"), PROFILE)?;
        fs::write(place.file("wabridge.toml"), place.configuration(arguments))?;
        Ok(place)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn configuration(&self, arguments: &Arguments) -> String {
        let (tls, sip, pbx) = (self.tls, self.sip, self.pbx);
        let first_port = arguments.first_port;
        let last_port = usize::from(first_port) + 4 * arguments.calls + 39;
        let calls = arguments.calls + 10;
        let pbx_port = pbx.port();
        format!(
            r#"
profile_dir = "profiles"

[listeners.whatsapp]
faces = "whatsapp"
bind = "{tls}"
advertise = "{HOST}:{tls_port}"
certificate = "chain.pem"
private_key = "key.pem"

[listeners.pbx]
faces = "pbx"
bind = "{sip}"

[media]
bind = "127.0.0.1"
public_address = "127.0.0.1"
first_port = {first_port}
last_port = {last_port}
workers = 1

[whatsapp]
source_prefixes = ["127.0.0.0/8"]

[numbers."{NUMBER}"]
password = "{PASSWORD}"
trunk = "pbx"

[trunks.pbx]
profile = "pbx"
probe_interval_s = 0
peers = [{{ host = "127.0.0.1", port = {pbx_port} }}]

[cdr]
json_lines = "calls.jsonl"
database = "calls.db"

[limits]
calls = {calls}
invites_per_second = 10000
"#,
            tls_port = tls.port(),
        )
    }
}

const PROFILE: &str = r#"
based_on = "generic"

[media]
codecs = ["pcmu"]
security = "plain"
"#;

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

pub struct Bridge {
    process: Child,
    core: usize,
    log: PathBuf,
}

/// Since the process (or the machine) began.
pub struct Usage {
    pub processor: Duration,
    pub threads: BTreeMap<String, Duration>,
    /// For the core, while something else ran on it; all threads together.
    pub waited: Duration,
    /// Of the whole core, whoever used it.
    pub core_busy: Duration,
}

impl Bridge {
    /// Pinned to its core. The child inherits our affinity; the caller moves away afterwards.
    pub fn start(place: &Place, arguments: &Arguments) -> Result<Self, Failure> {
        pin(arguments.core)?;
        let log = place.file("log.txt");
        let output = fs::File::create(&log)?;
        let process = Command::new(env!("CARGO_BIN_EXE_wabridge"))
            .args(["run", "--config"])
            .arg(place.file("wabridge.toml"))
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self {
            process,
            core: arguments.core,
            log,
        })
    }

    pub fn usage(&self) -> io::Result<Usage> {
        let process = PathBuf::from(format!("/proc/{}", self.process.id()));
        let mut threads = BTreeMap::new();
        let mut waited = Duration::ZERO;
        for thread in fs::read_dir(process.join("task"))? {
            let thread = thread?.path();
            let (name, time) = stat(&thread)?;
            *threads.entry(name).or_default() += time;
            waited += run_delay(&thread);
        }
        Ok(Usage {
            processor: stat(&process)?.1,
            threads,
            waited,
            core_busy: core_busy(self.core)?,
        })
    }

    /// Resident, in bytes.
    pub fn memory(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kilobytes.ok_or("no VmRSS")?.parse::<u64>()? * 1024)
    }

    /// Ends it and reads the record of each call.
    pub fn stop(mut self, place: &Place, calls: usize) -> Result<Vec<Value>, Failure> {
        let records = wait_for_records(&place.file("calls.jsonl"), calls)?;
        if let Some(pid) = Pid::from_raw(self.process.id().cast_signed()) {
            kill_process(pid, Signal::TERM)?;
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(records),
                Some(status) => return Err(self.explain(status.to_string().into())),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err("the bridge did not end after SIGTERM".into())
    }

    /// With the end of its log.
    pub fn explain(&self, error: Failure) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(15)..];
        format!("{error}\nthe bridge's last words:\n{}", last.join("\n")).into()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Usage {
    pub fn since(&self, before: &Self) -> Self {
        let threads = self.threads.iter().map(|(name, time)| {
            let before = before.threads.get(name).copied().unwrap_or_default();
            (name.clone(), time.saturating_sub(before))
        });
        Self {
            processor: self.processor.saturating_sub(before.processor),
            threads: threads.collect(),
            waited: self.waited.saturating_sub(before.waited),
            core_busy: self.core_busy.saturating_sub(before.core_busy),
        }
    }
}

/// This thread, and those that it starts.
pub fn pin(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// The next one, if there is one.
pub fn other_core(core: usize) -> usize {
    let cores = fs::read_to_string("/proc/stat").unwrap_or_default();
    let next = format!("cpu{} ", core + 1);
    match cores.lines().any(|line| line.starts_with(&next)) {
        true => core + 1,
        false if core > 0 => core - 1,
        false => core,
    }
}

/// Name and processor time of a process or thread.
fn stat(folder: &Path) -> io::Result<(String, Duration)> {
    let stat = fs::read_to_string(folder.join("stat"))?;
    let (before, fields) = stat.rsplit_once(") ").unwrap_or_default();
    let name = before.split_once('(').unwrap_or_default().1;
    let ticks = fields.split(' ').skip(UTIME).take(2);
    let ticks: u32 = ticks.filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    Ok((name.into(), CLOCK_TICK * ticks))
}

/// The second field of schedstat, in ns; zero where the kernel does not count it.
fn run_delay(thread: &Path) -> Duration {
    let schedstat = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
    let field = schedstat.split_whitespace().nth(1);
    let nanoseconds = field.and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// Everything but idle and waiting for disks.
fn core_busy(core: usize) -> io::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name));
    let fields = line.unwrap_or_default().split_whitespace();
    let ticks = fields.enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
    let ticks: u32 = ticks
        .filter_map(|(_, ticks)| ticks.parse::<u32>().ok())
        .sum();
    Ok(CLOCK_TICK * ticks)
}

fn wait_for_records(file: &Path, calls: usize) -> Result<Vec<Value>, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let lines = fs::read_to_string(file).unwrap_or_default();
        if lines.lines().count() >= calls || Instant::now() > deadline {
            let records = lines.lines().map(serde_json::from_str);
            return Ok(records.collect::<Result<_, _>>()?);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
