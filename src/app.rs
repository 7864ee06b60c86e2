//! The composition root: a configuration in, a running gateway out. It alone knows every part.

mod counters;
mod entrances;
mod outside;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::handoff::{DeskError, Links};
use crate::http::{Door, Doors};
use crate::http_client::BuildError;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::model::TargetError;
use crate::problem::Problem;
use crate::prompts::{self, Prompts, Source};
use crate::shutdown::Shutdown;
use crate::store::{OpenError, Sqlite, Store, StoreError};
use crate::telemetry::{Traces, TracesError};
use crate::turn::{Assistant, DeskTerms, Noticed};
use crate::watchdog::Watchdog;
use crate::workers::{self, Shared, Summaries};
use entrances::Entrances;
use outside::Outside;

/// What is left of the time to stop when turns are cut short: enough to write down where they stood.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// A running gateway.
#[derive(Debug)]
pub struct App {
    address: SocketAddr,
    operator_address: SocketAddr,
    prompts: Vec<(String, Prompts)>,
    store: Arc<dyn Store>,
    shutdown: Shutdown,
    traces: Traces,
    clock: Clock,
    drain: Duration,
}

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Prompt folders have problems.
    #[error("the prompts have problems")]
    Prompts(Vec<Problem>),
    /// The store could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store does not work.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A model's client could not be made.
    #[error("model `{name}`: {source}")]
    Model {
        /// Its name in the configuration.
        name: String,
        /// Why.
        source: Box<TargetError>,
    },
    /// A desk's client could not be made.
    #[error("desk `{name}`: {source}")]
    Desk {
        /// Its name in the configuration.
        name: String,
        /// Why.
        source: DeskError,
    },
    /// A workspace's client could not be made.
    #[error("workspace `{name}`: {source}")]
    Workspace {
        /// Its name in the configuration.
        name: String,
        /// Why.
        source: BuildError,
    },
    /// Nothing can send traces.
    #[error("traces: {0}")]
    Traces(#[from] TracesError),
    /// The certificate cannot be used, though it could when it was checked.
    #[error("{0}")]
    Tls(Problem),
    /// The address is taken or not ours.
    #[error("cannot listen on {address} (`{key}`): {source}")]
    Listen {
        /// The key that names it.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl App {
    /// Starts everything. Requests are taken, and work goes on, when this returns.
    pub async fn start(config: &Config, clock: Clock) -> Result<Self, StartError> {
        let metrics = Arc::new(counters::of(config, &clock));
        let store = Sqlite::open(&config.store, clock.clone(), metrics.store().clone())?;
        Self::start_with(Arc::new(store), metrics, config, clock).await
    }

    /// Starts everything on a store that is open already.
    pub async fn start_on(
        store: Arc<dyn Store>,
        config: &Config,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let metrics = Arc::new(counters::of(config, &clock));
        Self::start_with(store, metrics, config, clock).await
    }

    async fn start_with(
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        config: &Config,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let prompts = load_prompts(config).map_err(StartError::Prompts)?;
        let traces = Traces::start(&config.traces, &clock, metrics.spans())?;
        let outside = Outside::connect(config, &clock, &metrics, traces.tracer())?;
        let shutdown = Shutdown::new();
        let entrances = Entrances::open(config, &clock, &shutdown).await?;
        let (address, operator_address) = entrances.addresses();
        let shared = Shared {
            store: Arc::clone(&store),
            assistants: Arc::new(assistants(config, &prompts, &outside, &metrics)),
            memory: Arc::new(Memory::new(config.memory.clone())),
            summaries: Summaries::default(),
            metrics,
            tracer: traces.tracer().clone(),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
            watchdog: Arc::new(Watchdog::new(clock.clone())),
            turns_end: config.server.drain.saturating_sub(LAST_WRITES),
            sends_end: sends_end(config),
            stop_began: Arc::default(),
            turns_over: CancellationToken::new(),
        };
        let doors = doors(config, &prompts, &outside, &shared);
        let memory = Arc::clone(&shared.memory);
        let ways_out = outside.routes(config);
        workers::start(
            shared,
            config.turns,
            ways_out,
            config.reply.on_unknown.into(),
        )
        .await?;
        for (_, prompts) in &prompts {
            prompts::watch(prompts.clone(), clock.clone(), &shutdown);
        }
        entrances.serve(config, doors, memory);
        Ok(Self {
            address,
            operator_address,
            prompts,
            store,
            shutdown,
            traces,
            clock,
            drain: config.server.drain,
        })
    }

    /// Gives the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the address that the operator's API listens on.
    pub fn operator_address(&self) -> SocketAddr {
        self.operator_address
    }

    /// Gives the store, for who asks what became of things.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Waits until something inside starts the stop: a worker that died.
    pub async fn stopping(&self) {
        self.shutdown.stopping().await;
    }

    /// Reads all prompt folders again; a broken one stays as it was.
    pub fn reload(&self) {
        for (_, prompts) in &self.prompts {
            prompts::report(prompts, &prompts.reload());
        }
    }

    /// Stops: no new work, what is under way is finished or left to the store. `true` if all of it ended well.
    pub async fn stop(self) -> bool {
        let cut_short = self.shutdown.drain(&self.clock, self.drain).await;
        if cut_short > 0 {
            tracing::warn!(
                cut_short,
                "stopped before everything had finished; the store knows the rest"
            );
        }
        self.traces.flush(&self.clock).await;
        if let Ok(counts) = self.store.counts().await {
            let waiting = counts.waiting;
            let deliveries: u64 = counts.open_deliveries.iter().sum();
            tracing::info!(
                waiting,
                deliveries,
                "stopped; this much is left to the next start"
            );
        }
        !self.shutdown.has_crashed()
    }
}

/// Loads the folder of each assistant, or says everything that is wrong with any.
pub fn load_prompts(config: &Config) -> Result<Vec<(String, Prompts)>, Vec<Problem>> {
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    for (name, assistant) in &config.assistants {
        let source = assistant
            .prompts
            .clone()
            .map_or(Source::BuiltIn, Source::Directory);
        let peers = config.peers_of(name);
        match Prompts::open_among(
            source,
            assistant.language(),
            assistant.business.clone(),
            peers,
        ) {
            Ok(prompts) => loaded.push((name.clone(), prompts)),
            Err(found) => problems.extend(found),
        }
    }
    // Two assistants may share a folder; its problems are told once.
    problems.dedup();
    if problems.is_empty() {
        Ok(loaded)
    } else {
        Err(problems)
    }
}

/// Tells how long into the stop a request may begin so that even the slowest is answered before its end: what is cut
/// short would be in doubt.
fn sends_end(config: &Config) -> Duration {
    let workspaces = config.workspaces.values().map(|one| one.timeout);
    let desks = config.desks.values().map(|one| one.timeout);
    let slowest = workspaces.chain(desks).max().unwrap_or_default();
    config.server.drain.saturating_sub(slowest + LAST_WRITES)
}

fn assistants(
    config: &Config,
    prompts: &[(String, Prompts)],
    outside: &Outside,
    metrics: &Metrics,
) -> HashMap<String, Arc<Assistant>> {
    let assistants = prompts.iter().filter_map(|(name, prompts)| {
        let assistant = config.assistants.get(name)?;
        let desk = assistant
            .desk
            .as_ref()
            .and_then(|desk| config.desks.get(desk));
        let assistant = Assistant {
            name: name.clone(),
            display_name: assistant
                .display_name
                .clone()
                .unwrap_or_else(|| name.clone()),
            prompts: prompts.clone(),
            language: assistant.language(),
            zone: assistant.zone(),
            lineup: outside.lineup(config, assistant, metrics.assistant(name)),
            reply_ttl: config.reply.ttl,
            on_late: config.reply.late.into(),
            on_unanswered: config.reply.unanswered.into(),
            limits: assistant.limits.into(),
            noticed: Noticed::default(),
            subscription_group: assistant.opt_out.subscription_group.clone(),
            hours: assistant.hours(),
            when_closed: assistant.when_closed(),
            links: desk.map(|desk| {
                let public_url = config.server.public_url.as_deref();
                Links::new(&desk.secrets, public_url)
            }),
            desk: desk.map(|desk| DeskTerms {
                idle: desk.idle,
                ack_within: desk.ack_within,
                on_timeout: desk.on_timeout,
                may_return: desk.customer_may_return,
                language: desk.language(),
                summary_within: desk.summary_within,
            }),
        };
        Some((name.clone(), Arc::new(assistant)))
    });
    assistants.collect()
}

fn doors(
    config: &Config,
    prompts: &[(String, Prompts)],
    outside: &Outside,
    shared: &Shared,
) -> Doors {
    let assistants = prompts.iter().filter_map(|(name, prompts)| {
        let assistant = config.assistants.get(name)?;
        let desk = assistant
            .desk
            .as_ref()
            .and_then(|desk| outside.desks.get(desk));
        let door = Door {
            secrets: assistant.secrets.clone(),
            prompts: prompts.clone(),
            desk: desk.map(Arc::clone),
            assistant: Arc::clone(shared.assistants.get(name)?),
        };
        Some((name.clone(), door))
    });
    Doors {
        assistants: assistants.collect(),
        default_assistant: config.inbound_default().map(str::to_owned),
        burst: config.burst.into(),
        limits: config.inbound.clone(),
        body_bytes: config.server.body_bytes,
        clock: shared.clock.clone(),
        watchdog: Arc::clone(&shared.watchdog),
        shutdown: shared.shutdown.clone(),
        store: Arc::clone(&shared.store),
        metrics: Arc::clone(&shared.metrics),
    }
}
