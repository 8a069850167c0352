//! The lab's Asterisk and its phones.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs one of the lab's scripts and waits for it.
fn script(name: &str, arguments: &[&str]) -> Output {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/lab")
        .join(name);
    Command::new(path)
        .args(arguments)
        .output()
        .expect("the lab's script")
}

fn root() -> PathBuf {
    let lab = std::env::var_os("WABRIDGE_LAB").unwrap_or_else(|| "/var/cache/wabridge-lab".into());
    Path::new(&lab).join("sid")
}

/// What Asterisk answers on its console.
pub fn cli(command: &str) -> String {
    String::from_utf8_lossy(&script("asterisk.sh", &["cli", command]).stdout).into_owned()
}

/// Waits until Asterisk has logged `text`, at most ten seconds.
pub fn wait_for_log(text: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        let log = std::fs::read_to_string(root().join("run/lab/log/messages")).unwrap_or_default();
        if log.contains(text) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

/// Hangs up the channels whose names have this in them.
pub fn hang_up(part: &str) {
    for line in cli("core show channels concise").lines() {
        let name = line.split('!').next().unwrap_or_default();
        if name.contains(part) {
            cli(&format!("channel request hangup {name}"));
        }
    }
}

/// The last line of Asterisk's log with `text`, without what follows it in quotes or colours.
pub fn log_line(text: &str) -> String {
    let log = std::fs::read_to_string(root().join("run/lab/log/messages")).unwrap_or_default();
    let lines = log.lines().filter(|line| line.contains(text));
    lines.last().unwrap_or_default().trim().to_owned()
}

/// A recording that comes with Asterisk.
pub fn recording(name: &str) -> PathBuf {
    root()
        .join("usr/share/asterisk/sounds/en_US_f_Allison")
        .join(format!("{name}.wav"))
}

/// An agent's phone, registered at Asterisk, answering by itself.
pub struct Phone {
    extension: &'static str,
}

impl Phone {
    pub fn register(extension: &'static str) -> Self {
        let output = script("phone.sh", &["start", extension]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self { extension }
    }

    pub fn hold(&self) {
        self.tell(&["hold"]);
    }

    pub fn resume(&self) {
        self.tell(&["resume"]);
    }

    pub fn transfer(&self, extension: &str) {
        self.tell(&["transfer", &format!("sip:{extension}@127.0.0.1:5060")]);
    }

    fn tell(&self, words: &[&str]) {
        let output = script("phone.sh", &[&["do", self.extension], words].concat());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The files of what the agent heard, one for each time the phone's media was set up.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let directory = root().join(format!("run/lab/phone-{}", self.extension));
        let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        files.sort();
        files
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        script("phone.sh", &["stop", self.extension]);
    }
}

/// sipp as the called party, sending back the audio that it gets.
pub struct Sipp {
    process: Child,
}

impl Sipp {
    pub fn answering(port: u16) -> Self {
        let process = Command::new("chroot")
            .arg(root())
            .args([
                "/usr/bin/sipp",
                "-sn",
                "uas",
                "-rtp_echo",
                "-nostdin",
                "-i",
                "127.0.0.1",
            ])
            .args(["-p", &port.to_string(), "-mp", &(port + 10_000).to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp");
        Self { process }
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
