//! One bridge between one WhatsApp and one PBX; each case has a business number of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use wabridge::entropy::Entropy;
use wabridge::sim::fault::{Fault, Faults};
use wabridge::sim::media::Codec;
use wabridge::sim::meta::gateway::{Account, Business, Gateway, User};
use wabridge::sim::meta::plan::Media;
use wabridge::sim::meta::webrtc::{KeyExchange, Webrtc};
use wabridge::sim::meta::{Endpoint, Plan, Settings};
use wabridge::sim::pbx::{self, Act, Behaviour, Exchange, Target};
use wabridge::sim::report::Report;
use wabridge::sim::sip::wire::Protocol;
use wabridge::sim::tls::Authority;

use crate::bridge::{Bridge, HOST, Number, PASSWORD, Wish};

/// Between the ends of the two sides.
const PATIENCE: Duration = Duration::from_secs(15);
pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Who calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    User,
    Agent,
}

/// A case: how WhatsApp is, in a call of so many seconds.
#[derive(Clone)]
pub struct Case {
    pub name: &'static str,
    pub webrtc: Webrtc,
    pub faults: Faults,
    pub talk: u64,
}

impl Case {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            webrtc: Webrtc::default(),
            faults: Faults::new(),
            talk: 10,
        }
    }

    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.insert(fault);
        self
    }

    #[must_use]
    pub fn lasting(mut self, seconds: u64) -> Self {
        self.talk = seconds;
        self
    }

    #[must_use]
    pub fn webrtc(mut self, change: impl FnOnce(&mut Webrtc)) -> Self {
        change(&mut self.webrtc);
        self
    }

    fn media(&self) -> Media {
        Media {
            webrtc: self.webrtc.clone(),
            ..Media::default()
        }
    }
}

pub struct Stage {
    pub bridge: Bridge,
    exchange: Arc<Exchange>,
    trunk: Target,
    endpoint: Arc<Endpoint>,
    users: Reports,
    agents: Reports,
}

/// What the callees of one side say, by the number or extension that was called.
struct Reports(Mutex<(mpsc::Receiver<Named>, Vec<Named>)>);

type Named = (String, Report);

impl Reports {
    fn new(queue: mpsc::Receiver<Named>) -> Self {
        Self(Mutex::new((queue, Vec::new())))
    }

    async fn of(&self, called: &str) -> Report {
        let waited = tokio::time::timeout(PATIENCE, self.wait_for(called)).await;
        waited.unwrap_or_else(|_| panic!("{called} was not called"))
    }

    async fn wait_for(&self, called: &str) -> Report {
        loop {
            let mut reports = self.0.lock().await;
            let (queue, unclaimed) = &mut *reports;
            let mut all = unclaimed.iter();
            if let Some(at) = all.position(|(number, _)| number == called) {
                return unclaimed.swap_remove(at).1;
            }
            let next = tokio::time::timeout(Duration::from_millis(50), queue.recv());
            if let Ok(next) = next.await {
                unclaimed.push(next.unwrap());
            }
        }
    }
}

/// The business number of the n-th case, its extension, and the user that it calls.
fn names(case: usize) -> (String, String, String) {
    (
        format!("+4930231250{case:02}"),
        format!("case-{case}"),
        format!("+4477009000{case:02}"),
    )
}

impl Stage {
    /// All of it at this address, with business numbers for these cases.
    pub async fn new(ip: IpAddr, cases: &[Case]) -> Self {
        Self::with_media(ip, ip, cases).await
    }

    /// As [`new`](Self::new), but WhatsApp's media is at an address of its own; of another family, the bridge has both.
    pub async fn with_media(ip: IpAddr, media: IpAddr, cases: &[Case]) -> Self {
        let authority = Authority::new("test").unwrap();
        let mut account = Account::default();
        let mut agents = BTreeMap::new();
        let mut numbers = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            let (number, extension, user) = names(at);
            let business = Business {
                keys: KeyExchange::Dtls,
                ..Business::new(HOST, PASSWORD)
            };
            account.businesses.insert(number.clone(), business);
            account.users.insert(user, user_of(case));
            agents.insert(extension.clone(), agent());
            numbers.push(Number {
                number,
                extension,
                security: "dtls",
            });
        }
        let seed = |byte| Entropy::from_seed([byte; 32]);
        let (gateway, users) = Gateway::start(media, account, false, seed(4));
        let any = SocketAddr::new(ip, 0);
        let acceptor = authority.acceptor(&["wa.meta.vc"]).unwrap();
        let at_gateway = gateway.listen(any, acceptor).await.unwrap();
        let (exchange, called) = Exchange::start(ip, agents, None, seed(5));
        let at_pbx = exchange.listen(Protocol::Udp, any, None).await.unwrap();
        let also = cases.iter().find_map(|case| case.webrtc.also);
        let wish = Wish {
            ip,
            both_families: media.is_ipv4() != ip.is_ipv4() || also.is_some(),
            numbers: &numbers,
            gateway: at_gateway,
            pbx: at_pbx,
            pbx_security: "plain",
            pbx_codecs: "\"pcmu\"",
            trunk: any,
        };
        let bridge = Bridge::start(&wish, &authority);
        let settings = Settings {
            target: bridge.facing_whatsapp,
            host: HOST.into(),
            ca: bridge.ca(),
            media,
            reuse_connection: false,
            answer_options: false,
        };
        let trunk = Target {
            address: bridge.facing_pbx,
            transport: pbx::Transport::Udp,
        };
        Self {
            endpoint: Endpoint::beside(gateway.hub.clone(), settings, seed(6)).unwrap(),
            bridge,
            exchange,
            trunk,
            users: Reports::new(users),
            agents: Reports::new(called),
        }
    }

    /// The n-th case: what WhatsApp says of it, and the PBX.
    pub async fn play(&self, at: usize, case: &Case, caller: Caller) -> (Report, Report) {
        let (number, extension, user) = names(at);
        let (whatsapp, agent) = match caller {
            Caller::User => {
                let plan = Plan {
                    talk: Some(Duration::from_secs(case.talk)),
                    faults: case.faults.clone(),
                    media: case.media(),
                    ..plan(&number)
                };
                let user = self.endpoint.call(plan).await;
                println!("--- {} {}\n{}", case.name, user.outcome, user.verdict);
                (user, self.agents.of(&extension).await)
            }
            Caller::Agent => {
                let mut plan = pbx::Plan::new(&number, &user);
                plan.behaviour = agent();
                let agent = self.exchange.call(&self.trunk, plan).await;
                (self.users.of(&user).await, agent)
            }
        };
        println!("--- {} ({caller:?} calls) {}", case.name, whatsapp.outcome);
        println!("{}{}\n{}", whatsapp.verdict, agent.outcome, agent.verdict);
        (whatsapp, agent)
    }
}

fn plan(number: &str) -> Plan {
    let mut plan = Plan::new(number, PASSWORD);
    plan.offer.keys = KeyExchange::Dtls;
    plan
}

/// Takes the call at once.
fn user_of(case: &Case) -> User {
    User {
        ring: Duration::from_millis(300),
        talk: Some(Duration::from_secs(case.talk)),
        media: case.media(),
        faults: case.faults.clone(),
        ..User::default()
    }
}

fn agent() -> Behaviour {
    Behaviour {
        ring: Duration::from_millis(300),
        codecs: vec![Codec::Pcmu],
        script: Vec::<(Duration, Act)>::new(),
        ..Behaviour::default()
    }
}
