//! Between a test and a peer that is a browser or a script: the peer asks by HTTP what to do, and tells what became of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use wabridge::sim::wav::{self, Audio};

/// A browser takes its time to start.
const PATIENCE: Duration = Duration::from_secs(40);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Chromium,
    Aiortc,
}

/// A peer that is started and asks what to do.
pub struct Peer {
    process: Child,
    said: mpsc::Receiver<(String, Vec<u8>)>,
    questions: Arc<Questions>,
}

/// What the peer may ask, once each.
#[derive(Default)]
struct Questions {
    task: Question,
    answer: Question,
    over: Question,
}

type Answer = (
    Option<oneshot::Sender<String>>,
    Option<oneshot::Receiver<String>>,
);

struct Question(Mutex<Answer>);

impl Default for Question {
    fn default() -> Self {
        let (sender, receiver) = oneshot::channel();
        Self(Mutex::new((Some(sender), Some(receiver))))
    }
}

impl Question {
    async fn answer(&self, text: String) {
        if let Some(sender) = self.0.lock().await.0.take() {
            let _ = sender.send(text);
        }
    }

    async fn ask(&self) -> Option<String> {
        let receiver = self.0.lock().await.1.take();
        receiver?.await.ok()
    }
}

impl Peer {
    pub async fn start(kind: Kind, says: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, said) = mpsc::channel(8);
        let questions = Arc::new(Questions::default());
        tokio::spawn(serve(listener, questions.clone(), tell));
        Self {
            process: spawn(kind, address, says),
            said,
            questions,
        }
    }

    /// Its offer.
    pub async fn offer(&mut self) -> String {
        let task = description("none", "");
        self.questions.task.answer(task).await;
        self.local().await
    }

    /// Its answer to this.
    pub async fn answer(&mut self, offer: &str) -> String {
        let task = description("offer", offer);
        self.questions.task.answer(task).await;
        self.local().await
    }

    /// The answer to its offer.
    pub async fn accept(&mut self, answer: &str) {
        let answer = description("answer", answer);
        self.questions.answer.answer(answer).await;
    }

    /// What it heard.
    pub async fn hang_up(mut self) -> Audio {
        self.questions.over.answer("true".into()).await;
        wav::read(&self.next("/heard").await).unwrap()
    }

    async fn local(&mut self) -> String {
        String::from_utf8(self.next("/local").await).unwrap()
    }

    async fn next(&mut self, path: &str) -> Vec<u8> {
        let said = timeout(PATIENCE, self.said.recv()).await;
        let (given, body) = said.expect("the peer says something").unwrap();
        assert_eq!(given, path, "{}", String::from_utf8_lossy(&body));
        body
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // With all that it started.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).status();
        let _ = self.process.wait();
    }
}

fn description(kind: &str, sdp: &str) -> String {
    serde_json::json!({ "type": kind, "sdp": sdp }).to_string()
}

fn lab() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab")
}

fn spawn(kind: Kind, address: SocketAddr, says: &Path) -> Child {
    use std::os::unix::process::CommandExt as _;
    let name = match kind {
        Kind::Chromium => "chromium",
        Kind::Aiortc => "aiortc",
    };
    let mut command = Command::new(lab().join("peer.sh"));
    command
        .args([name, &format!("http://{address}")])
        .arg(says)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0);
    if std::env::var_os("LAB_NOISE").is_none() {
        command.stderr(Stdio::null());
    }
    command.spawn().unwrap()
}

async fn serve(
    listener: TcpListener,
    questions: Arc<Questions>,
    tell: mpsc::Sender<(String, Vec<u8>)>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(exchange(stream, questions.clone(), tell.clone()));
    }
}

/// One request, one response, and the end of the connection.
async fn exchange(
    stream: TcpStream,
    questions: Arc<Questions>,
    tell: mpsc::Sender<(String, Vec<u8>)>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut first = String::new();
    stream.read_line(&mut first).await.ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = first.split(' ');
    let (kind, content) = match (words.next()?, words.next()?) {
        ("GET", "/") => {
            let page = std::fs::read_to_string(lab().join("webrtc/page.html"));
            ("text/html", page.ok()?)
        }
        ("GET", "/task") => ("application/json", questions.task.ask().await?),
        ("GET", "/answer") => ("application/json", questions.answer.ask().await?),
        ("GET", "/over") => ("application/json", questions.over.ask().await?),
        ("POST", path) => {
            tell.send((path.into(), body)).await.ok()?;
            ("text/plain", String::new())
        }
        _ => return None,
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(content.as_bytes()).await.ok()
}
