//! The process as the system sees it, under the names that every exporter uses. What the system does not tell is left out.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::page::Page;

#[derive(Debug)]
pub(super) struct Process {
    started: SystemTime,
    /// Processor time of all threads.
    busy: Duration,
    resident_bytes: Option<u64>,
    open_files: Option<u64>,
    most_files: Option<u64>,
}

impl Process {
    pub(super) fn read(started: SystemTime) -> Self {
        let busy = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            started,
            busy: Duration::try_from(busy).unwrap_or_default(),
            resident_bytes: fs::read_to_string("/proc/self/status")
                .ok()
                .and_then(|status| resident(&status)),
            open_files: open_files(),
            most_files: getrlimit(Resource::Nofile).current,
        }
    }

    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        page.gauges(
            "wabridge_build_info",
            "Always 1; the label says which version runs",
            [([("version", env!("CARGO_PKG_VERSION"))], 1u64)],
        )?;
        page.counters(
            "process_cpu_seconds",
            "Processor time that the process has used",
            [([], self.busy.as_secs_f64())],
        )?;
        page.gauges(
            "process_resident_memory_bytes",
            "Memory of the process that is in RAM",
            self.resident_bytes.map(|bytes| ([], bytes)),
        )?;
        page.gauges(
            "process_open_fds",
            "Open files and sockets",
            self.open_files.map(|files| ([], files)),
        )?;
        page.gauges(
            "process_max_fds",
            "How many may be open; a call needs up to six",
            self.most_files.map(|files| ([], files)),
        )?;
        page.gauges(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970",
            [([], started.as_secs_f64())],
        )
    }
}

/// `VmRSS:    12345 kB` of /proc/PID/status.
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

/// Less the one that looks.
fn open_files() -> Option<u64> {
    let entries = fs::read_dir("/proc/self/fd").ok()?.count();
    u64::try_from(entries).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_its_line() {
        let status = "VmPeak:\t  9 kB\nVmRSS:\t   12345 kB\nRssAnon:\t  1 kB\n";
        assert_eq!(resident(status), Some(12_345 * 1_024));
        assert_eq!(resident("VmRSS:\t1 MB\n"), None);
        assert_eq!(resident(""), None);
    }

    #[test]
    fn this_process_is_there() {
        let process = Process::read(SystemTime::now());
        assert!(process.busy > Duration::ZERO);
        assert!(process.resident_bytes.unwrap() > 1_000_000);
        assert!(process.open_files.unwrap() >= 3);
    }
}
