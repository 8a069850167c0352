//! One call: the bridge on one side of the relay, WhatsApp on the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use wabridge::call::cdr::CallRef;
use wabridge::call::plane::PortPair;
use wabridge::entropy::Entropy;
use wabridge::media::bridge::{Command, Event};
use wabridge::media::dtls::Identity;
use wabridge::sdp::{
    Agreement, Candidate, Codec, Direction, DtlsRole, DtlsTerms, DtlsVersion, ExtendedReports,
    Fingerprint, IceCredentials, IceEnd, IceMode, IceRole, IceTerms, OpusLimits, PayloadType,
    Protection,
};
use wabridge::side::{Pair, Side};
use wabridge::sim::fault::Faults;
use wabridge::sim::media::link::{Algorithm, Link, Local};
use wabridge::sim::sdp::webrtc::{Peer, Setup};

use crate::desk::{self, Order, Told};
use crate::relay::{LOCAL, Postman, Relay};
use crate::whatsapp::{Fact, WhatsApp};
use crate::{LANES, ROUND_TRIP};

/// WhatsApp hangs up after so long without media (dossier 3.3).
const PATIENCE: Duration = Duration::from_secs(20);
/// Each stage has ports of its own.
const FIRST_PORTS: u16 = 42_100;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    /// The bridge answers, and its hello is the first: it may leave after the ACK.
    User,
    /// WhatsApp answers as the active one.
    Agent,
}

impl Caller {
    pub const BOTH: [Self; 2] = [Self::User, Self::Agent];

    fn setup(self) -> Setup {
        match self {
            Self::User => Setup::Actpass,
            Self::Agent => Setup::Active,
        }
    }

    fn role(self) -> DtlsRole {
        match self {
            Self::User => DtlsRole::Client,
            Self::Agent => DtlsRole::Server,
        }
    }
}

/// After the answer was written, or read, at the bridge: when there were keys, and when the first packet was heard.
#[derive(Clone, Copy, Default, Debug)]
pub struct Times {
    here: Ends,
    there: Ends,
}

#[derive(Clone, Copy, Default, Debug)]
struct Ends {
    keys: Option<Duration>,
    heard: Option<Duration>,
}

impl Times {
    /// Both ends may send, and can read what comes.
    pub fn ready(&self) -> Duration {
        self.here.keys.max(self.there.keys).unwrap()
    }

    pub fn heard(&self) -> Duration {
        self.here.heard.max(self.there.heard).unwrap()
    }

    fn are_whole(&self) -> bool {
        let ends = [self.here, self.there];
        ends.iter()
            .all(|end| end.keys.is_some() && end.heard.is_some())
    }
}

pub struct Stage {
    desk: mpsc::Sender<Order>,
    certificate: Vec<u8>,
    postman: Postman,
    loss: u32,
}

impl Stage {
    pub fn new(loss: u32) -> Arc<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["bridge".to_owned()]).unwrap();
        let certificate = made.cert.der().to_vec();
        let key = made.signing_key.serialize_der();
        let identity = Identity::new(certificate.clone(), &key).unwrap();
        let calls = 2 * LANES as u16;
        Arc::new(Self {
            desk: desk::start(FIRST_PORTS + 4 * calls * (loss as u16 / 5), calls, identity),
            certificate,
            postman: Postman::start(),
            loss,
        })
    }

    pub async fn play(&self, number: usize, caller: Caller) -> Times {
        let mut seed = [self.loss as u8; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let mut entropy = Entropy::from_seed(seed);
        let socket = UdpSocket::bind((LOCAL, 0)).await.unwrap();
        let network = (ROUND_TRIP / 2, self.loss);
        let at = socket.local_addr().unwrap();
        let relay = Relay::before(at, network, &self.postman, entropy.fork());
        let relay = relay.await.unwrap();
        let whatsapp = Local::new(
            Algorithm::Ecdsa,
            caller.setup(),
            &Faults::new(),
            &mut entropy,
        )
        .unwrap();
        let call = CallRef(format!("{number} at {} %", self.loss));
        let (ports, mut told) = self.open(&call).await;
        let bridge = SocketAddr::new(LOCAL, ports.a.rtp);
        let ours = end(
            ("fragment", "a password of 24 letters"),
            IceMode::Full,
            bridge,
        );
        let peer = self.bridge_as_a_peer(&ours, caller);
        let theirs = end(
            (&whatsapp.ufrag, &whatsapp.password),
            IceMode::Lite,
            relay.told,
        );
        let agreement = agreement(&whatsapp, caller, ours, theirs);

        let answered = Instant::now();
        let (facts, mut learnt) = mpsc::unbounded_channel();
        let party = WhatsApp {
            socket,
            link: Link::new(whatsapp, entropy.fork()),
            meets: match caller {
                Caller::User => (answered + ROUND_TRIP / 2, Some(peer)),
                // It had our offer long before.
                Caller::Agent => (answered, Some(peer)),
            },
            facts,
        };
        let party = tokio::spawn(party.run());
        self.answer(&call, agreement, caller).await;
        let mut times = Times::default();
        let whole = follow(&mut times, answered, &mut told, &mut learnt);
        if tokio::time::timeout(PATIENCE, whole).await.is_err() {
            panic!("{call}, {caller:?} calls: {times:?}");
        }
        party.abort();
        self.order(Order::Close(call)).await;
        times
    }

    async fn order(&self, order: Order) {
        assert!(self.desk.send(order).await.is_ok(), "the desk is gone");
    }

    async fn open(&self, call: &CallRef) -> (Pair<PortPair>, mpsc::UnboundedReceiver<Told>) {
        let (to, ports) = oneshot::channel();
        self.order(Order::Ports(to)).await;
        let ports = ports.await.unwrap();
        let (listener, told) = mpsc::unbounded_channel();
        self.order(Order::Open(call.clone(), ports, listener)).await;
        (ports, told)
    }

    /// As the call room does it: the 200 leaves and checks with it, the hello after the ACK that comes a round trip later; or
    /// the 200 is there, and the ACK leaves at once.
    async fn answer(&self, call: &CallRef, agreement: Agreement, caller: Caller) {
        let side = Side::A;
        let agreement = Box::new(agreement);
        let tell = |command| self.order(Order::Tell(call.clone(), command));
        tell(Command::Agree { side, agreement }).await;
        tell(Command::Start { side }).await;
        if caller == Caller::User {
            tokio::time::sleep(ROUND_TRIP).await;
        }
        tell(Command::Confirm { side }).await;
    }

    fn bridge_as_a_peer(&self, ours: &IceEnd, caller: Caller) -> Peer {
        use sha2::Digest as _;
        let fingerprint = sha2::Sha256::digest(&self.certificate).to_vec();
        Peer {
            ufrag: ours.credentials.ufrag.clone(),
            password: ours.credentials.pwd.clone(),
            fingerprints: vec![("sha-256".to_owned(), fingerprint)],
            setup: match caller {
                Caller::User => Setup::Active,
                Caller::Agent => Setup::Actpass,
            },
            candidates: ours.candidates.iter().map(|one| one.address).collect(),
        }
    }
}

async fn follow(
    times: &mut Times,
    answered: Instant,
    told: &mut mpsc::UnboundedReceiver<Told>,
    learnt: &mut mpsc::UnboundedReceiver<Fact>,
) {
    let after = |at: Instant| at.saturating_duration_since(answered);
    while !times.are_whole() {
        tokio::select! {
            Some((at, event)) = told.recv() => match event {
                Event::DtlsConnected { .. } => times.here.keys = Some(after(at)),
                Event::FirstMedia { .. } => times.here.heard = Some(after(at)),
                Event::NotConnected { cause, .. } => panic!("not connected: {cause:?}"),
                _ => {}
            },
            Some(fact) = learnt.recv() => match fact {
                Fact::Ready(at) => times.there.keys = Some(after(at)),
                Fact::Heard(at) => drop(times.there.heard.get_or_insert(after(at))),
            },
        }
    }
}

fn end((ufrag, pwd): (&str, &str), mode: IceMode, at: SocketAddr) -> IceEnd {
    IceEnd {
        credentials: IceCredentials {
            ufrag: ufrag.into(),
            pwd: pwd.into(),
        },
        mode,
        candidates: vec![Candidate::host(at, 0)],
        complete: true,
    }
}

fn agreement(whatsapp: &Local, caller: Caller, ours: IceEnd, theirs: IceEnd) -> Agreement {
    let certificate = whatsapp.identity.certificate.to_der().unwrap();
    let remote = theirs.candidates.first().map(|one| one.address);
    Agreement {
        remote_rtp: remote,
        remote_rtcp: remote,
        rtcp_mux: true,
        extended_reports: ExtendedReports::default(),
        codec: Codec::Opus,
        send_pt: PayloadType(111),
        receive: vec![(PayloadType(111), Codec::Opus)],
        telephone_event: None,
        direction: Direction::SendRecv,
        packet_time: Duration::from_millis(20),
        protection: Protection::Dtls(DtlsTerms {
            role: caller.role(),
            newest: DtlsVersion::V1_2,
            fingerprints: vec![Fingerprint::of(&certificate)],
        }),
        ice: Some(IceTerms {
            role: IceRole::Controlling,
            ours,
            theirs,
        }),
        remote_ssrc: None,
        opus: OpusLimits::default(),
    }
}
