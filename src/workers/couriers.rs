//! Claims deliveries and sends them: through the gate, cleared at the last step, recorded afterwards.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::{Route, STORE_REST, Shared};
use crate::domain::{Attempted, Clearance, Delivery, Lane, Payload};
use crate::metrics::{Attempt, Part};

/// Requests to a desk under way at once; a help desk's own limits are far lower than Braze's.
const DESK_CONCURRENCY: usize = 4;

/// Runs until the stop, and on until the last turn's words have left or no request may begin any more. What is being sent
/// then is finished, what waits goes back.
pub(super) async fn run(shared: Shared, route: Route) {
    let slots = Arc::new(Semaphore::new(route.concurrency()));
    let (name, lane, assistants) = (route.name(), route.lane(), route.assistants());
    let mut bell = shared.store.wake().lane(lane).listen();
    while let Some(limit) = shared.room(&name, &slots, shared.closing()).await {
        bell.enrol();
        let is_last_look = shared.turns_over.is_cancelled();
        let batch = match shared
            .store
            .claim_deliveries(lane, &assistants, limit)
            .await
        {
            Ok(batch) => batch,
            Err(error) => {
                tracing::error!(%error, "could not claim deliveries; trying again");
                shared.clock.sleep(STORE_REST).await;
                continue;
            }
        };
        let all_taken = batch.items.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        for delivery in batch.items {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let (shared, route) = (shared.clone(), route.clone());
            drop(shared.shutdown.clone().spawn_contained(async move {
                deliver(&shared, &route, &delivery).await;
                drop(slot);
            }));
        }
        if !all_taken {
            continue;
        }
        // What is being sent may have others behind it, which its end lets go.
        let is_over = is_last_look && slots.available_permits() == route.concurrency();
        if is_over
            || !shared
                .rest(&mut bell, batch.next_due, shared.closing())
                .await
        {
            return;
        }
    }
}

/// Delivers, or not. A panic ends this delivery alone; whether it left before, nobody knows.
async fn deliver(shared: &Shared, route: &Route, delivery: &Delivery) {
    let leaves = AtomicBool::new(false);
    let delivering = AssertUnwindSafe(attempt(shared, route, delivery, &leaves));
    if delivering.catch_unwind().await.is_err() {
        shared.metrics.work().panicked(Part::Delivery);
        let error = "sending it panicked";
        let attempted = match leaves.into_inner() {
            true => route.doubt(error),
            false => Attempted::Dead {
                error: error.to_owned(),
            },
        };
        shared.record(delivery.id, attempted).await;
    }
}

async fn attempt(shared: &Shared, route: &Route, delivery: &Delivery, leaves: &AtomicBool) {
    if !route.opens(shared, delivery.expires_at).await {
        let error = "the gateway is stopping".to_owned();
        return shared
            .record(
                delivery.id,
                Attempted::Retry {
                    at: shared.clock.now(),
                    counts: false,
                    error,
                },
            )
            .await;
    }
    let passed = shared.clock.elapsed();
    let cleared = shared
        .insist("clearing a delivery", || shared.store.clear(delivery.id))
        .await;
    match cleared {
        Some(Clearance::Go) => {}
        Some(Clearance::Dropped(why)) => {
            return tracing::info!(
                delivery = %delivery.id,
                conversation = %delivery.conversation.id,
                ?why,
                "a delivery was dropped at the last step"
            );
        }
        Some(Clearance::Lost) | None => return,
    }
    // Another request may have been refused since this one passed the gate.
    if let Some(opens) = route.shut_until() {
        let error = "the gate was shut before it left".to_owned();
        let attempted = Attempted::Retry {
            at: opens,
            counts: false,
            error,
        };
        return shared.record(delivery.id, attempted).await;
    }
    leaves.store(true, Ordering::Relaxed);
    let left = shared.clock.elapsed();
    let attempted = route.send(delivery).await;
    let answered = shared.clock.elapsed();
    report(delivery, &attempted);
    count(shared, delivery, &attempted);
    shared.record(delivery.id, attempted).await;
    let after = shared.clock.elapsed().saturating_sub(answered);
    let own = left.saturating_sub(passed).saturating_add(after);
    shared.metrics.work().delivery_overhead(own);
}

impl Route {
    /// Gives the name by which the loop is missed.
    fn name(&self) -> String {
        match self {
            Self::Workspace { name, .. } => format!("workspace {name}"),
            Self::Desk { name, .. } => format!("desk {name}"),
        }
    }

    fn lane(&self) -> Lane {
        match self {
            Self::Workspace { .. } => Lane::Braze,
            Self::Desk { .. } => Lane::Desk,
        }
    }

    fn concurrency(&self) -> usize {
        match self {
            Self::Workspace { workspace, .. } => {
                usize::try_from(workspace.concurrency().get()).unwrap_or(DESK_CONCURRENCY)
            }
            Self::Desk { .. } => DESK_CONCURRENCY,
        }
    }

    fn assistants(&self) -> Vec<String> {
        match self {
            Self::Workspace { campaigns, .. } => campaigns.keys().cloned().collect(),
            Self::Desk { assistants, .. } => assistants.clone(),
        }
    }

    /// Waits until one more request may leave, or until it is too late for it: what is too old needs no place at the gate
    /// to hear so. `false` when it is time to end.
    async fn opens(&self, shared: &Shared, too_late: Timestamp) -> bool {
        let Self::Workspace { workspace, .. } = self else {
            return true;
        };
        tokio::select! {
            biased;
            () = shared.closing() => false,
            () = shared.clock.sleep_until(too_late) => true,
            () = workspace.gate().pass() => true,
        }
    }

    /// Says of an attempt that it may have arrived.
    fn doubt(&self, error: &str) -> Attempted {
        match self {
            Self::Workspace { workspace, .. } => workspace.doubt(error),
            Self::Desk { desk, .. } => desk.doubt(STORE_REST, error),
        }
    }

    fn shut_until(&self) -> Option<Timestamp> {
        match self {
            Self::Workspace { workspace, .. } => workspace.gate().shut_until(),
            Self::Desk { .. } => None,
        }
    }

    async fn send(&self, delivery: &Delivery) -> Attempted {
        match (self, &delivery.payload) {
            (
                Self::Workspace {
                    workspace,
                    campaigns,
                    ..
                },
                Payload::Reply { text },
            ) => match campaigns.get(&delivery.conversation.assistant) {
                Some(campaign) => workspace.send(delivery, campaign, text).await,
                None => misrouted(),
            },
            (
                Self::Workspace { workspace, .. },
                Payload::Subscription {
                    group,
                    is_subscribed,
                },
            ) => workspace.subscribe(delivery, group, *is_subscribed).await,
            (Self::Desk { desk, .. }, Payload::Event { body, .. }) => {
                desk.send(delivery, body).await
            }
            _ => misrouted(),
        }
    }
}

/// Each route claims its own lane and its own assistants, so this says that the store gave us another's.
fn misrouted() -> Attempted {
    Attempted::Dead {
        error: "claimed by a route that cannot carry it".to_owned(),
    }
}

fn count(shared: &Shared, delivery: &Delivery, attempted: &Attempted) {
    let attempt = match attempted {
        Attempted::Sent => Attempt::Sent,
        Attempted::Retry { .. } => Attempt::Retry,
        Attempted::Unknown { .. } => Attempt::Unknown,
        Attempted::Dead { .. } => Attempt::Dead,
    };
    let lane = delivery.payload.lane().as_str();
    let again = delivery.possible_duplicate;
    shared.metrics.work().attempted(lane, attempt, again);
}

fn report(delivery: &Delivery, attempted: &Attempted) {
    let (delivery, conversation) = (delivery.id, delivery.conversation.id);
    match attempted {
        Attempted::Sent => tracing::debug!(%delivery, %conversation, "sent"),
        Attempted::Retry { error, .. } => {
            tracing::warn!(%delivery, %conversation, error, "not sent; it will be tried again");
        }
        Attempted::Unknown { error, .. } => {
            tracing::warn!(%delivery, %conversation, error, "it is not known whether it arrived");
        }
        Attempted::Dead { error } => {
            tracing::error!(%delivery, %conversation, error, "given up");
        }
    }
}
