//! The second driver: works on what the store holds, at its own pace.
//!
//! Each worker enrols for the bell before it looks, claims what it has room for, and sleeps until the bell rings, the
//! next thing falls due, or a little while has passed: the bell is a hint, the look is the truth.

mod couriers;
mod profiles;
mod summaries;
mod turns;
mod upkeep;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::braze::{Speaker, Workspace};
use crate::clock::{Clock, later};
use crate::domain::{DeliveryId, Mirror, OnUnknown};
use crate::handoff::Desk;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::store::{Listener, Store, StoreError};
use crate::telemetry::Tracer;
use crate::turn::Assistant;
use crate::watchdog::Watchdog;

pub use summaries::Summaries;
pub use turns::TurnsConfig;

/// How long a worker sleeps at most. It bounds what a lost bell costs.
const POLL: Duration = Duration::from_secs(1);

/// How long to wait before asking again a store that failed.
const STORE_REST: Duration = Duration::from_millis(500);

/// Everything that the workers share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where the work is.
    pub store: Arc<dyn Store>,
    /// The assistants, by name.
    pub assistants: Arc<HashMap<String, Arc<Assistant>>>,
    /// The windows of live conversations.
    pub memory: Arc<Memory>,
    /// Who sums up long conversations.
    pub summaries: Summaries,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is traced.
    pub tracer: Tracer,
    /// The time.
    pub clock: Clock,
    /// When to stop, and who waits for the workers.
    pub shutdown: Shutdown,
    /// Hears that the loops of the workers turn.
    pub watchdog: Arc<Watchdog>,
    /// How long turns may go on once the stop has begun; then they go back to the store.
    pub turns_end: Duration,
    /// How long requests may still begin once the stop has begun, so that each can end before it does.
    pub sends_end: Duration,
    /// When the stop began.
    pub stop_began: Arc<OnceLock<Timestamp>>,
    /// Cancelled when the stop has begun and no turn is under way any more.
    pub turns_over: CancellationToken,
}

/// One way out: a workspace with the assistants that speak through it, or a desk with those that hand over to it.
#[derive(Clone, Debug)]
pub enum Route {
    /// To customers.
    Workspace {
        /// Its name in the configuration.
        name: String,
        /// The client.
        workspace: Arc<Workspace>,
        /// The assistants that speak through it.
        speakers: Arc<HashMap<String, Speaker>>,
    },
    /// To people.
    Desk {
        /// Its name in the configuration.
        name: String,
        /// The client.
        desk: Arc<Desk>,
        /// The names of the assistants.
        assistants: Vec<String>,
    },
}

/// Starts all workers, after taking up what an earlier process left.
pub async fn start(
    shared: Shared,
    turns: TurnsConfig,
    routes: Vec<Route>,
    mirrors: BTreeMap<String, Mirror>,
    policy: OnUnknown,
) -> Result<(), StoreError> {
    let recovered = shared.store.recover(policy).await?;
    if recovered > 0 {
        shared.metrics.work().recovered(recovered);
        tracing::info!(recovered, "took up what an earlier process had in hand");
    }
    shared.shutdown.spawn(turns::run(shared.clone(), turns));
    shared.store.mirror(mirrors.clone()).await?;
    for route in &routes {
        if let Route::Workspace {
            name,
            workspace,
            speakers,
        } = route
        {
            let mirrored = speakers.keys().filter(|name| mirrors.contains_key(*name));
            let mirrored: Vec<String> = mirrored.cloned().collect();
            if !mirrored.is_empty() {
                let (name, workspace) = (name.clone(), Arc::clone(workspace));
                let profiles = profiles::run(shared.clone(), name, workspace, mirrored);
                shared.shutdown.spawn(profiles);
            }
        }
    }
    for route in routes {
        shared.shutdown.spawn(couriers::run(shared.clone(), route));
    }
    shared.shutdown.spawn(upkeep::run(shared.clone()));
    Ok(())
}

impl Shared {
    /// Waits for a free slot, and beats meanwhile. `None` when it is time to end.
    async fn room(
        &self,
        name: &str,
        slots: &Semaphore,
        end: impl Future<Output = ()>,
    ) -> Option<u32> {
        let mut end = pin!(end);
        loop {
            self.watchdog.beat(name);
            tokio::select! {
                biased;
                () = &mut end => return None,
                slot = slots.acquire() => {
                    drop(slot);
                    return u32::try_from(slots.available_permits()).ok();
                }
                () = self.clock.sleep(POLL) => {}
            }
        }
    }

    /// Waits until no request may begin any more.
    async fn closing(&self) {
        self.shutdown.stopping().await;
        let began = *self.stop_began.get_or_init(|| self.clock.now());
        self.clock.sleep_until(later(began, self.sends_end)).await;
    }

    /// Waits until the stop has begun and the time for turns is over.
    async fn out_of_time(&self) {
        self.shutdown.stopping().await;
        self.clock.sleep(self.turns_end).await;
    }

    /// Sleeps until there may be work again. `false` when it is time to end.
    async fn rest(
        &self,
        bell: &mut Listener,
        next_due: Option<Timestamp>,
        end: impl Future<Output = ()>,
    ) -> bool {
        let look = later(self.clock.now(), POLL);
        let until = next_due.map_or(look, |due| due.min(look));
        tokio::select! {
            biased;
            () = end => false,
            () = bell.heard() => true,
            () = self.clock.sleep_until(until) => true,
        }
    }

    /// Asks the store until it answers; the stop's end cuts that short, and what the store does not know is taken up at the
    /// start. `None` when the store has ended by itself.
    async fn insist<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        what: &'static str,
        ask: impl Fn() -> F,
    ) -> Option<T> {
        let mut told = false;
        loop {
            match ask().await {
                Ok(value) => return Some(value),
                Err(StoreError::Closed) => return None,
                // Thousands can be asking, twice a second for as long as a disk is full.
                Err(error) if told => tracing::debug!(%error, what, "the store fails still"),
                Err(error) => tracing::error!(%error, what, "the store failed; trying again"),
            }
            told = true;
            self.clock.sleep(STORE_REST).await;
        }
    }

    /// Records how an attempt to send ended.
    async fn record(&self, id: DeliveryId, attempted: crate::domain::Attempted) {
        self.insist("recording an attempt", || {
            self.store.attempted(id, attempted.clone())
        })
        .await;
    }
}
