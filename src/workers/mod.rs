//! The second driver: works on what the store holds, at its own pace.
//!
//! Each worker enrols for the bell before it looks, claims what it has room for, and sleeps until the bell rings, the
//! next thing falls due, or a little while has passed: the bell is a hint, the look is the truth.

mod couriers;
mod turns;
mod upkeep;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::braze::{Campaign, Workspace};
use crate::clock::{Clock, later};
use crate::domain::{DeliveryId, OnUnknown};
use crate::handoff::Desk;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::store::{Listener, Store, StoreError};
use crate::turn::Assistant;

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
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
    /// When to stop, and who waits for the workers.
    pub shutdown: Shutdown,
    /// How long turns may go on once the stop has begun; then they go back to the store.
    pub turns_end: Duration,
}

/// One way out: a workspace with the assistants that speak through it, or a desk with those that hand over to it.
#[derive(Clone, Debug)]
pub enum Route {
    /// To customers.
    Workspace {
        /// The client.
        workspace: Arc<Workspace>,
        /// The campaign of each assistant.
        campaigns: Arc<HashMap<String, Campaign>>,
    },
    /// To people.
    Desk {
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
    policy: OnUnknown,
) -> Result<(), StoreError> {
    let recovered = shared.store.recover(policy).await?;
    if recovered > 0 {
        shared.metrics.work().recovered(recovered);
        tracing::info!(recovered, "took up what an earlier process had in hand");
    }
    shared.shutdown.spawn(turns::run(shared.clone(), turns));
    for route in routes {
        shared.shutdown.spawn(couriers::run(shared.clone(), route));
    }
    shared.shutdown.spawn(upkeep::run(shared.clone()));
    Ok(())
}

impl Shared {
    /// Waits for a free slot. `None` when the stop has begun.
    async fn room(&self, slots: &Arc<Semaphore>) -> Option<u32> {
        tokio::select! {
            biased;
            () = self.shutdown.stopping() => None,
            slot = slots.acquire() => {
                drop(slot);
                u32::try_from(slots.available_permits()).ok()
            }
        }
    }

    /// Waits until the stop has begun and the time for turns is over.
    async fn out_of_time(&self) {
        self.shutdown.stopping().await;
        self.clock.sleep(self.turns_end).await;
    }

    /// Sleeps until there may be work again. `false` when the stop has begun.
    async fn rest(&self, bell: &mut Listener, next_due: Option<Timestamp>) -> bool {
        let look = later(self.clock.now(), POLL);
        let until = next_due.map_or(look, |due| due.min(look));
        tokio::select! {
            biased;
            () = self.shutdown.stopping() => false,
            () = bell.heard() => true,
            () = self.clock.sleep_until(until) => true,
        }
    }

    /// Asks the store until it answers. `None` when the stop has begun: what it does not know is taken up at the start.
    async fn insist<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        what: &'static str,
        ask: impl Fn() -> F,
    ) -> Option<T> {
        loop {
            match ask().await {
                Ok(value) => return Some(value),
                Err(error) => tracing::error!(%error, what, "the store failed; trying again"),
            }
            if self.shutdown.is_stopping() {
                return None;
            }
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
