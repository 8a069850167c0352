//! One TCP or TLS connection: messages cut from what comes in, messages written in order, keep-alives, and its end.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsStream;
use tracing::debug;

use super::Patience;
use super::limits::{Counters, count};
use super::notice::{FlowOrders, Notice, Notices, Outgoing};
use crate::sip::flow::{Source, TransportError};
use crate::sip::framing::{Frame, Framer, FramingError, PING, PONG};

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Who opened the connection. That one sends the pings of RFC 5626 §3.5.1, the other the pongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Opener {
    Peer,
    Us,
}

pub(super) struct Context {
    pub(super) opener: Opener,
    pub(super) notices: Notices,
    pub(super) counters: Arc<Counters>,
    pub(super) patience: Patience,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("closed by the peer")]
    ByPeer,
    #[error("{0}")]
    Broken(io::Error),
    #[error("not SIP: {0}")]
    Unframeable(FramingError),
    #[error("nothing came after the connection was opened")]
    Silent,
    #[error("a message was begun and not finished")]
    Unfinished,
    #[error("idle")]
    Idle,
    #[error("the peer does not read")]
    Stalled,
    #[error("the peer does not answer keep-alives any more")]
    Unanswered,
    #[error("closed by us")]
    Released,
}

/// Runs a connection to its end, and tells the network what did not leave.
pub(super) async fn run(stream: Stream, source: Source, orders: FlowOrders, context: Context) {
    debug!(flow = source.flow.0, local = %source.local, "connection open");
    match stream {
        Stream::Plain(stream) => run_on(stream, source, orders, context).await,
        Stream::Tls(stream) => run_on(*stream, source, orders, context).await,
    }
}

async fn run_on<S>(stream: S, source: Source, mut orders: FlowOrders, context: Context)
where
    S: AsyncRead + AsyncWrite + Send,
{
    let (incoming, outgoing) = tokio::io::split(stream);
    let (pong, answered) = (Notify::new(), Notify::new());
    let mut reader = Reader {
        stream: incoming,
        source,
        context: &context,
        pong: &pong,
        answered: &answered,
    };
    let mut writer = Writer {
        stream: outgoing,
        unwritten: None,
        context: &context,
        pong: &pong,
        answered: &answered,
    };
    let end = tokio::select! {
        end = reader.run() => end,
        end = writer.run(&mut orders.queue) => end,
        () = FlowOrders::aborted(&mut orders.abort) => End::Stalled,
    };
    debug!(flow = source.flow.0, reason = %end, "connection ends");
    context.count(&end);
    let unwritten = writer.unwritten.take();
    drop(reader);
    let _ = timeout(context.patience.write, writer.stream.shutdown()).await;
    drop(writer);
    context.close(source, unwritten, orders).await;
}

impl Context {
    fn count(&self, end: &End) {
        match end {
            End::Unframeable(_) => count(&self.counters.unframeable),
            End::Stalled => count(&self.counters.stalled),
            End::ByPeer
            | End::Broken(_)
            | End::Silent
            | End::Unfinished
            | End::Idle
            | End::Unanswered
            | End::Released => {}
        }
    }

    async fn close(&self, source: Source, unwritten: Option<Outgoing>, mut orders: FlowOrders) {
        let error = TransportError::Closed;
        if let Some(message) = unwritten {
            let error = error.clone();
            // Nobody listens any more: the process is closing the network.
            let _ = self
                .notices
                .send(Notice::Undelivered { message, error })
                .await;
        }
        orders.give_back(&self.notices, &error).await;
        let _ = self
            .notices
            .send(Notice::Closed { flow: source.flow })
            .await;
    }
}

struct Reader<'a, S> {
    stream: ReadHalf<S>,
    source: Source,
    context: &'a Context,
    pong: &'a Notify,
    answered: &'a Notify,
}

impl<S: AsyncRead> Reader<'_, S> {
    async fn run(&mut self) -> End {
        let patience = &self.context.patience;
        let mut framer = Framer::new();
        let mut chunk = [0; 4096];
        let mut wait = match self.context.opener {
            Opener::Peer => Wait::FirstByte,
            Opener::Us => Wait::Idle,
        };
        let mut deadline = Instant::now() + wait.limit(patience);
        loop {
            let read = match timeout_at(deadline, self.stream.read(&mut chunk)).await {
                Ok(Ok(0)) => return End::ByPeer,
                Ok(Ok(read)) => read,
                Ok(Err(error)) => return broken(error),
                Err(_) => return wait.ended(),
            };
            framer.push(chunk.get(..read).unwrap_or_default());
            if let Err(end) = self.hand_on(&mut framer).await {
                return end;
            }
            let next = Wait::after(&framer);
            // A message has one deadline, from its first byte, however often a byte of it arrives.
            if next == Wait::Idle || wait != Wait::Message {
                deadline = Instant::now() + next.limit(patience);
            }
            wait = next;
        }
    }

    async fn hand_on(&mut self, framer: &mut Framer) -> Result<(), End> {
        while let Some(frame) = framer.poll().map_err(End::Unframeable)? {
            match frame {
                Frame::Message(bytes) => {
                    let source = self.source;
                    let received = Notice::Received { source, bytes };
                    if self.context.notices.send(received).await.is_err() {
                        return Err(End::Released);
                    }
                }
                Frame::Ping => self.pong.notify_one(),
                Frame::Pong => self.answered.notify_one(),
            }
        }
        Ok(())
    }
}

/// What the reader waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wait {
    FirstByte,
    /// The rest of a message.
    Message,
    Idle,
}

impl Wait {
    fn after(framer: &Framer) -> Self {
        if framer.is_within_message() {
            Self::Message
        } else {
            Self::Idle
        }
    }

    fn limit(self, patience: &Patience) -> std::time::Duration {
        match self {
            Self::FirstByte => patience.first_byte,
            Self::Message => patience.message,
            Self::Idle => patience.idle,
        }
    }

    fn ended(self) -> End {
        match self {
            Self::FirstByte => End::Silent,
            Self::Message => End::Unfinished,
            Self::Idle => End::Idle,
        }
    }
}

struct Writer<'a, S> {
    stream: WriteHalf<S>,
    /// Taken from the queue, not yet written in full.
    unwritten: Option<Outgoing>,
    context: &'a Context,
    pong: &'a Notify,
    answered: &'a Notify,
}

impl<S: AsyncWrite> Writer<'_, S> {
    async fn run(&mut self, queue: &mut mpsc::Receiver<Outgoing>) -> End {
        let Patience {
            keep_alive, pong, ..
        } = self.context.patience;
        let mut written = Instant::now();
        let mut pulse = Pulse::Unknown;
        loop {
            let due = written + keep_alive;
            let result = tokio::select! {
                message = queue.recv() => match message {
                    Some(message) => self.write_message(message).await,
                    None => return End::Released,
                },
                () = self.pong.notified() => self.write(PONG).await,
                () = self.answered.notified() => {
                    pulse = Pulse::Answers;
                    continue;
                }
                () = sleep_until(pulse.due().unwrap_or(due)), if pulse.due().is_some() => {
                    return End::Unanswered;
                }
                () = sleep_until(due), if self.context.opener == Opener::Us => {
                    pulse = pulse.after_ping(Instant::now() + pong);
                    self.write(PING).await
                }
            };
            if let Err(end) = result {
                return end;
            }
            written = Instant::now();
        }
    }

    async fn write_message(&mut self, message: Outgoing) -> Result<(), End> {
        let message = self.unwritten.insert(message);
        let written = write(
            &mut self.stream,
            &message.bytes,
            self.context.patience.write,
        )
        .await;
        if written.is_ok() {
            self.unwritten = None;
        }
        written
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        write(&mut self.stream, bytes, self.context.patience.write).await
    }
}

/// Whether the peer answers our pings. Only one that has done so once is given up for not doing it: of the others TCP's own
/// probes tell whether they are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pulse {
    Unknown,
    Answers,
    /// It has to, until then.
    Due(Instant),
}

impl Pulse {
    fn due(self) -> Option<Instant> {
        match self {
            Self::Due(by) => Some(by),
            Self::Unknown | Self::Answers => None,
        }
    }

    fn after_ping(self, by: Instant) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Answers => Self::Due(by),
            Self::Due(earlier) => Self::Due(earlier),
        }
    }
}

async fn write<S: AsyncWrite>(
    stream: &mut WriteHalf<S>,
    bytes: &[u8],
    within: std::time::Duration,
) -> Result<(), End> {
    let all = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    match timeout(within, all).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(broken(error)),
        Err(_) => Err(End::Stalled),
    }
}

/// Peers close TLS without saying goodbye; that is their way to say it.
fn broken(error: io::Error) -> End {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => End::ByPeer,
        _ => End::Broken(error),
    }
}
