//! The one task that owns all calls: inputs in, polls out.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::time::sleep_until;
use tracing::{debug, error, info, warn};

use super::health::{Health, Signs};
use super::log::LogControl;
use super::plane::MediaPlane;
use super::reload;
use super::scrape;
use super::service::{self, Watchdog};
use super::signals::{Order, Signals};
use super::stage::{Stage, Step};
use super::tally::{self, Tally};
use super::usage;
use crate::call::ledger::LedgerEvent;
use crate::call::switchboard::{MediaEvent, Moment, Switchboard};
use crate::config::Config;
use crate::entropy::Entropy;
use crate::net::{NetEvent, Network};
use crate::sdp::Fingerprint;
use crate::store::{Keeper, Store};
use crate::web::metrics::Metrics;
use crate::web::{self, Orders, Web};

/// For what was handed over when the process leaves: messages in queues, CDRs and facts on their way to the disk.
const LAST_WRITES: Duration = Duration::from_secs(3);

/// For CDRs on their way to the disk, when they are read from there at once.
const FRESH_WRITES: Duration = Duration::from_millis(200);

/// Everything that is open, as `start` opened it.
pub(super) struct World {
    /// The configuration file, for SIGHUP.
    pub(super) path: PathBuf,
    pub(super) config: Arc<Config>,
    pub(super) network: Network,
    pub(super) plane: MediaPlane,
    pub(super) store: Store,
    pub(super) keeper: Keeper,
    pub(super) web: Web,
    pub(super) orders: Orders,
    pub(super) signals: Signals,
    pub(super) log: LogControl,
}

pub(super) struct Signalling {
    world: World,
    switchboard: Switchboard,
    health: Health,
    watchdog: Watchdog,
    tally: Tally,
    metrics: Metrics,
    stage: Stage,
}

/// Whatever happens to the task.
enum Input {
    Net(NetEvent),
    Media(MediaEvent),
    Ledger(LedgerEvent),
    Order(Order),
    Asked(web::Order),
    Deadline,
}

impl Signalling {
    pub(super) fn new(world: World, fingerprint: Fingerprint, entropy: Entropy) -> Self {
        let now = moment();
        let config = &world.config;
        let mut switchboard = Switchboard::new(now, config.clone(), fingerprint, entropy);
        let (rates, database) = (config.rates.as_ref(), &config.cdr.database);
        usage::restore(now.wall, rates, database, &mut switchboard);
        Self {
            switchboard,
            health: Health::new(now.instant),
            watchdog: Watchdog::new(now.instant),
            tally: Tally::new(now.instant),
            metrics: Metrics::new(now.wall),
            stage: Stage::Serving,
            world,
        }
    }

    /// Until nothing is left to be done.
    pub(super) async fn run(mut self) {
        while self.stage != Stage::Gone {
            let now = moment();
            self.handle_timeout(now);
            self.settle(now);
            let input = self.input().await;
            let now = moment();
            self.supply_ports(now);
            self.handle(now, input);
            self.settle(now);
        }
        self.leave().await;
    }

    async fn input(&mut self) -> Input {
        let deadline = self.poll_timeout();
        let world = &mut self.world;
        tokio::select! {
            event = world.network.next() => Input::Net(event),
            event = world.plane.event() => Input::Media(event),
            event = world.keeper.event() => Input::Ledger(event),
            order = world.signals.next() => Input::Order(order),
            order = world.orders.next() => Input::Asked(order),
            () = sleep_until(deadline.into()) => Input::Deadline,
        }
    }

    fn handle(&mut self, now: Moment, input: Input) {
        match input {
            Input::Net(event) => self.handle_network(now, event),
            Input::Media(event) => self.switchboard.handle_media(now, event),
            Input::Ledger(event) => self.switchboard.handle_ledger(now, event),
            Input::Order(Order::Stop) => {
                let step = self.stage.stop(now.instant, self.world.config.limits.drain);
                self.take(now, step);
            }
            Input::Order(Order::Reload) => self.reload(now),
            Input::Asked(web::Order::Operator(question)) => {
                question.answer(|command| self.switchboard.handle_operator(now, command));
            }
            Input::Asked(web::Order::Scrape(question)) => {
                let live = scrape::live(&self.world, &self.switchboard);
                question.answer(|()| self.metrics.scrape(live));
            }
            // The head of the loop looks at every clock.
            Input::Deadline => {}
        }
    }

    fn handle_network(&mut self, now: Moment, event: NetEvent) {
        match event {
            NetEvent::Received { source, bytes } => {
                self.switchboard.handle_received(now, source, &bytes);
            }
            NetEvent::FlowClosed { flow } => self.switchboard.handle_flow_closed(now, flow),
            NetEvent::TransmitFailed { tag, error } => {
                debug!(%error, "a message did not leave");
                self.switchboard.handle_transmit_failed(now, tag, error);
            }
        }
    }

    /// Every clock that ran out.
    fn handle_timeout(&mut self, now: Moment) {
        let due = self.switchboard.poll_timeout();
        if due.is_some_and(|due| due <= now.instant) {
            self.supply_ports(now);
            self.switchboard.handle_timeout(now);
        }
        self.watchdog.handle_timeout(now.instant);
        if self.health.poll_timeout() <= now.instant {
            self.look_after_health(now);
        }
        self.tally.handle_timeout(now.instant, &self.world);
        let step = self
            .stage
            .handle_timeout(now.instant, self.switchboard.is_quiet());
        self.take(now, step);
    }

    fn poll_timeout(&self) -> Instant {
        let deadlines = [
            self.switchboard.poll_timeout(),
            self.watchdog.poll_timeout(),
            self.stage.poll_timeout(),
        ];
        let beat = self.health.poll_timeout().min(self.tally.poll_timeout());
        deadlines.into_iter().flatten().fold(beat, Instant::min)
    }

    /// The law of the doors: everything the switchboard wants done is done before the next input.
    fn settle(&mut self, now: Moment) {
        self.carry_out(now);
        if self.switchboard.is_idle() {
            let step = self.stage.idle(now.instant);
            self.take(now, step);
            self.carry_out(now);
        }
    }

    fn carry_out(&mut self, now: Moment) {
        while let Some(command) = self.switchboard.poll_ledger() {
            self.world.keeper.handle_command(command);
        }
        while let Some(transmit) = self.switchboard.poll_transmit() {
            self.world.network.send(transmit);
        }
        while let Some(command) = self.switchboard.poll_media() {
            self.world.plane.handle_command(now.instant, command);
        }
        while let Some(cdr) = self.switchboard.poll_cdr() {
            self.metrics.count(&cdr);
            self.world.store.keep(&cdr);
        }
    }

    fn supply_ports(&mut self, now: Moment) {
        let wanted = self.switchboard.ports_wanted();
        if wanted > 0 {
            let ports = self.world.plane.bind_ports(now.instant, wanted);
            self.switchboard.handle_ports(&ports);
        }
    }

    fn look_after_health(&mut self, now: Moment) {
        let signs = Signs {
            listeners: self.world.network.listeners(),
            workers_gone: self.world.plane.workers_gone(),
            utilisation: self.world.plane.utilisation(),
        };
        if let Some(condition) = self.health.look(now.instant, now.wall, &signs) {
            self.switchboard.handle_condition(now, condition);
        }
    }

    fn take(&mut self, now: Moment, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Drain => {
                info!("stopping: no new calls");
                service::stopping();
                self.switchboard.drain(now);
            }
            Step::SignOff => self.switchboard.sign_off(now),
            Step::EndAll => {
                warn!("stopping: every call is ended");
                self.switchboard.end_all(now);
            }
        }
    }

    /// The files are opened anew whatever the configuration says; a wrong one changes nothing else.
    fn reload(&mut self, now: Moment) {
        service::reloading();
        self.world.store.reopen();
        match reload::read(&self.world.path, &self.world.config) {
            Ok(config) => self.follow(now, config),
            Err(error) => error!(%error, "the old configuration stays"),
        }
        service::ready();
    }

    fn follow(&mut self, now: Moment, config: Config) {
        let world = &mut self.world;
        let knew_rates = world.config.rates.is_some();
        world.config = Arc::new(config);
        if let Err(error) = world.log.follow(&world.config.log) {
            error!(%error, "the old log filter stays");
        }
        // What it could not read it has logged itself, and kept what it had.
        world
            .network
            .reload(&world.config.listeners, &world.config.hosts);
        world.keeper.follow(world.config.clone());
        world.web.follow(&world.config.admin);
        self.switchboard.handle_config(now, world.config.clone());
        if !knew_rates {
            self.begin_to_count(now);
        }
        self.health.look_again(now.instant);
        info!("configuration reloaded");
    }

    /// Rates are new: the calls that had no price yet move the tiers of the next ones.
    fn begin_to_count(&mut self, now: Moment) {
        let World { config, store, .. } = &self.world;
        if config.rates.is_some()
            && let Err(error) = store.flush(FRESH_WRITES)
        {
            error!(%error, "the last calls may not be counted");
        }
        let (rates, database) = (config.rates.as_ref(), &config.cdr.database);
        usage::restore(now.wall, rates, database, &mut self.switchboard);
    }

    async fn leave(self) {
        tally::tell(&self.world);
        let World {
            network,
            store,
            keeper,
            ..
        } = self.world;
        let deadline = tokio::time::Instant::now() + LAST_WRITES;
        network.close(deadline).await;
        if let Err(error) = store.close(LAST_WRITES) {
            error!(%error, "stopping");
        }
        if let Err(error) = keeper.close(LAST_WRITES) {
            error!(%error, "stopping");
        }
        info!("stopped");
    }
}

fn moment() -> Moment {
    Moment {
        instant: Instant::now(),
        wall: SystemTime::now(),
    }
}
