//! The composition root: a configuration in, a running gateway out. It alone knows every part.

mod counters;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::braze::{Campaign, Workspace};
use crate::clock::Clock;
use crate::config::{AssistantConfig, Config, meant};
use crate::handoff::{Desk, DeskError};
use crate::http::operator::{self, Office};
use crate::http::{self, Door, Doors, Tls, TlsConfig};
use crate::http_client::BuildError;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::model::{Target, TargetError};
use crate::problem::Problem;
use crate::prompts::{self, Prompts, Source};
use crate::shutdown::Shutdown;
use crate::store::{OpenError, Sqlite, Store, StoreError};
use crate::turn::{Assistant, DeskTerms};
use crate::watchdog::Watchdog;
use crate::workers::{self, Route, Shared};

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

/// The clients of everything outside, by their names in the configuration.
struct Outside {
    targets: BTreeMap<String, Target>,
    desks: BTreeMap<String, Arc<Desk>>,
    workspaces: BTreeMap<String, Arc<Workspace>>,
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
        let outside = Outside::connect(config, &clock, &metrics)?;
        let shutdown = Shutdown::new();
        let (listener, address) = listen("server.listen", config.server.listen).await?;
        let (back_office, operator_address) =
            listen("operator.listen", config.operator.listen).await?;

        let certificate = |tls: Option<&TlsConfig>| certificate(tls, &clock, &shutdown);
        let tls = certificate(config.server.tls.as_ref())?;
        let back_tls = certificate(config.operator.tls.as_ref())?;

        let memory = Arc::new(Memory::new(config.memory.clone()));
        let watchdog = Arc::new(Watchdog::new(clock.clone()));
        let shared = Shared {
            store: Arc::clone(&store),
            assistants: Arc::new(assistants(config, &prompts, &outside)),
            memory: Arc::clone(&memory),
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            shutdown: shutdown.clone(),
            watchdog: Arc::clone(&watchdog),
            turns_end: config.server.drain.saturating_sub(LAST_WRITES),
            sends_end: sends_end(config),
            stop_began: Arc::default(),
            turns_over: CancellationToken::new(),
        };
        let doors = Arc::new(doors(config, &prompts, &outside, &shared));
        let ways = outside.routes(config);
        workers::start(shared, config.turns, ways, config.reply.on_unknown.into()).await?;
        for (_, prompts) in &prompts {
            prompts::watch(prompts.clone(), clock.clone(), &shutdown);
        }
        let (stop, time, withdraw) = (shutdown.clone(), clock.clone(), config.server.withdraw);
        let stop = async move {
            stop.stopping().await;
            time.sleep(withdraw).await;
        };
        let public = http::router(Arc::clone(&doors));
        let entrance = config.server.entrance(tls);
        shutdown.spawn(entrance.serve(listener, public, shutdown.clone(), stop));
        let office = Office {
            people: config.operator.people.clone(),
            doors,
            memory,
            reply_ttl: config.reply.ttl,
            idle: idle(config),
        };
        let private = operator::router(Arc::new(office));
        let (entrance, stop) = (config.operator.entrance(back_tls), shutdown.clone());
        shutdown.spawn(
            entrance.serve(back_office, private, shutdown.clone(), async move {
                stop.stopping().await;
            }),
        );
        Ok(Self {
            address,
            operator_address,
            prompts,
            store,
            shutdown,
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
        !self.shutdown.has_crashed()
    }
}

async fn listen(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen {
        key,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn certificate(
    tls: Option<&TlsConfig>,
    clock: &Clock,
    shutdown: &Shutdown,
) -> Result<Option<Tls>, StartError> {
    let tls = tls.cloned().map(Tls::open).transpose();
    let tls = tls.map_err(StartError::Tls)?;
    if let Some(tls) = &tls {
        tls.watch(clock.clone(), shutdown);
    }
    Ok(tls)
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
        match Prompts::open(source, assistant.language(), assistant.business.clone()) {
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

impl Outside {
    fn connect(config: &Config, clock: &Clock, metrics: &Metrics) -> Result<Self, StartError> {
        let mut outside = Self {
            targets: BTreeMap::new(),
            desks: BTreeMap::new(),
            workspaces: BTreeMap::new(),
        };
        for (name, model) in &config.models {
            let target = Target::new(model, clock.clone()).map_err(|source| StartError::Model {
                name: name.clone(),
                source: Box::new(source),
            })?;
            let target = target.measured(metrics.model(name));
            outside.targets.insert(name.clone(), target);
        }
        for (name, desk) in &config.desks {
            let desk = Desk::new(desk, clock.clone()).map_err(|source| StartError::Desk {
                name: name.clone(),
                source,
            })?;
            let desk = desk.measured(metrics.desk(name));
            outside.desks.insert(name.clone(), Arc::new(desk));
        }
        for (name, workspace) in &config.workspaces {
            let on_unknown = config.reply.on_unknown.into();
            let workspace =
                Workspace::new(workspace, on_unknown, clock.clone()).map_err(|source| {
                    StartError::Workspace {
                        name: name.clone(),
                        source,
                    }
                })?;
            let workspace = workspace.measured(metrics.workspace(name));
            outside.workspaces.insert(name.clone(), Arc::new(workspace));
        }
        Ok(outside)
    }

    fn routes(&self, config: &Config) -> Vec<Route> {
        let workspaces = self.workspaces.iter().map(|(name, workspace)| {
            let speakers = config.assistants.iter().filter(|(_, assistant)| {
                meant(assistant.workspace.as_deref(), &config.workspaces) == Some(name)
            });
            let campaign = |assistant: &AssistantConfig| Campaign {
                id: assistant.campaign_id.clone(),
                property: assistant.message_property.clone(),
            };
            Route::Workspace {
                name: name.clone(),
                workspace: Arc::clone(workspace),
                campaigns: Arc::new(
                    speakers
                        .map(|(name, assistant)| (name.clone(), campaign(assistant)))
                        .collect(),
                ),
            }
        });
        let desks = self.desks.iter().map(|(name, desk)| {
            let users = config.assistants.iter();
            let users = users.filter(|(_, assistant)| assistant.desk.as_ref() == Some(name));
            Route::Desk {
                name: name.clone(),
                desk: Arc::clone(desk),
                assistants: users.map(|(name, _)| name.clone()).collect(),
            }
        });
        workspaces.chain(desks).collect()
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
) -> HashMap<String, Arc<Assistant>> {
    let assistants = prompts.iter().filter_map(|(name, prompts)| {
        let assistant = config.assistants.get(name)?;
        let model = meant(assistant.model.as_deref(), &config.models)?;
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
            target: outside.targets.get(model)?.clone(),
            reply_ttl: config.reply.ttl,
            on_late: config.reply.late.into(),
            desk: desk.map(|desk| DeskTerms {
                idle: desk.idle,
                language: desk.language(),
                summary_within: desk.summary_within,
            }),
            public_url: config.server.public_url.clone(),
        };
        Some((name.clone(), Arc::new(assistant)))
    });
    assistants.collect()
}

/// Gives how long people may be silent, for the assistants that have a desk.
fn idle(config: &Config) -> BTreeMap<String, Duration> {
    let assistants = config.assistants.iter();
    let idle = assistants.filter_map(|(name, assistant)| {
        let desk = config.desks.get(assistant.desk.as_ref()?)?;
        Some((name.clone(), desk.idle))
    });
    idle.collect()
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
