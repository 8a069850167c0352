//! The real daemon, as a child process of its own executable.

use std::fs::File;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::sim::cli::Failure;
use crate::sim::demo::stage::{HOST, Stage};
use crate::sim::tls;

const READY_WITHIN: Duration = Duration::from_secs(10);
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

pub struct Daemon {
    child: Child,
}

impl Daemon {
    /// Returns when its listener speaks TLS.
    pub async fn start(stage: &Stage) -> Result<Self, Failure> {
        let connector = tls::connector(&stage.authority, Arc::default())?;
        let name = ServerName::try_from(HOST)?;
        let log = File::create(&stage.log)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("run")
            .arg("-c")
            .arg(&stage.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut daemon = Self { child };
        let started = Instant::now();
        while !is_ready(stage, &connector, &name).await {
            let ended = daemon.child.try_wait()?;
            if ended.is_some() || started.elapsed() > READY_WITHIN {
                let log = std::fs::read_to_string(&stage.log).unwrap_or_default();
                return Err(format!("the daemon did not start:\n{log}").into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(daemon)
    }

    /// SIGTERM, as a service manager does. True when it ended well.
    pub async fn stop(mut self) -> io::Result<bool> {
        let still_ran = self.child.try_wait()?.is_none();
        self.terminate();
        let asked = Instant::now();
        while asked.elapsed() < STOPPED_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                return Ok(still_ran && ExitStatus::success(&status));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(false)
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}

async fn is_ready(stage: &Stage, connector: &TlsConnector, name: &ServerName<'static>) -> bool {
    let Ok(stream) = TcpStream::connect(stage.whatsapp).await else {
        return false;
    };
    connector.connect(name.clone(), stream).await.is_ok()
}

/// However the demo ends, its child does not stay.
impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
