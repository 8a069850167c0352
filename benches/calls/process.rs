//! A process under load on a core of its own, and what /proc says of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Failure;

/// /proc counts processor time in these (USER_HZ of Linux on every architecture).
const CLOCK_TICK: Duration = Duration::from_millis(10);
/// utime is field 14 of /proc/PID/stat, the 12th behind the name (proc_pid_stat(5)).
const UTIME: usize = 11;
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Process {
    child: Child,
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

impl Process {
    /// Pinned to its core. The child inherits our affinity; the caller moves away afterwards.
    pub fn start(core: usize, command: &mut Command, log: PathBuf) -> Result<Self, Failure> {
        pin(core)?;
        let output = fs::File::create(&log)?;
        let child = command.stdout(output.try_clone()?).stderr(output).spawn()?;
        pin(other_core(core))?;
        Ok(Self { child, core, log })
    }

    pub fn usage(&self) -> io::Result<Usage> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
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
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        Ok(kilobytes.ok_or("no VmRSS")?.parse::<u64>()? * 1024)
    }

    /// SIGTERM, and what it comes to.
    pub fn stop(mut self) -> Result<(), Failure> {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            kill_process(pid, Signal::TERM)?;
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(self.explain(status.to_string().into())),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        Err("it did not end after SIGTERM".into())
    }

    /// With the end of its log.
    pub fn explain(&self, error: Failure) -> Failure {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(15)..];
        format!("{error}\nits last words:\n{}", last.join("\n")).into()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
