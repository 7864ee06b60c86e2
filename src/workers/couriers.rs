//! Claims deliveries and sends them: cleared at the last step, recorded afterwards. Events for a desk leave here, one by one;
//! words for customers leave by [`trips`], through the gate.

mod hall;
mod trips;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::{Route, STORE_REST, Shared};
use crate::domain::{Attempted, Clearance, Delivery, Lane, Payload};
use crate::handoff::Desk;
use crate::metrics::{Attempt, Part};
use crate::store::Batch;

/// Requests to a desk under way at once; a help desk's own limits are far lower than Braze's.
const DESK_CONCURRENCY: usize = 4;

/// Runs until the stop, and on until the last turn's words have left or no request may begin any more. What is being sent
/// then is finished, what waits goes back.
pub(super) async fn run(shared: Shared, route: Route) {
    match route {
        Route::Workspace {
            name,
            workspace,
            speakers,
        } => trips::run(shared, format!("workspace {name}"), workspace, speakers).await,
        Route::Desk {
            name,
            desk,
            assistants,
        } => run_desk(shared, format!("desk {name}"), desk, &assistants).await,
    }
}

async fn run_desk(shared: Shared, name: String, desk: Arc<Desk>, assistants: &[String]) {
    let slots = Arc::new(Semaphore::new(DESK_CONCURRENCY));
    let mut bell = shared.store.wake().lane(Lane::Desk).listen();
    while let Some(limit) = shared.room(&name, &slots, shared.closing()).await {
        bell.enrol();
        let is_last_look = shared.turns_over.is_cancelled();
        let Some(batch) = claim(&shared, Lane::Desk, assistants, limit).await else {
            continue;
        };
        let all_taken = batch.items.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        for delivery in batch.items {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let (shared, desk) = (shared.clone(), Arc::clone(&desk));
            drop(shared.shutdown.clone().spawn_contained(async move {
                deliver(&shared, &desk, &delivery).await;
                drop(slot);
            }));
        }
        if !all_taken {
            continue;
        }
        // What is being sent may have others behind it, which its end lets go.
        let is_over = is_last_look && slots.available_permits() == DESK_CONCURRENCY;
        if is_over
            || !shared
                .rest(&mut bell, batch.next_due, shared.closing())
                .await
        {
            return;
        }
    }
}

/// Claims up to `limit` deliveries. Where the store fails, it gets its rest first.
async fn claim(
    shared: &Shared,
    lane: Lane,
    assistants: &[String],
    limit: u32,
) -> Option<Batch<Delivery>> {
    let claimed = shared.store.claim_deliveries(lane, assistants, limit);
    match claimed.await {
        Ok(batch) => Some(batch),
        Err(error) => {
            tracing::error!(%error, "could not claim deliveries; trying again");
            shared.clock.sleep(STORE_REST).await;
            None
        }
    }
}

/// Delivers, or not. A panic ends this delivery alone; whether it left before, nobody knows.
async fn deliver(shared: &Shared, desk: &Desk, delivery: &Delivery) {
    let leaves = AtomicBool::new(false);
    let delivering = AssertUnwindSafe(attempt(shared, desk, delivery, &leaves));
    if delivering.catch_unwind().await.is_err() {
        shared.metrics.work().panicked(Part::Delivery);
        let error = "sending it panicked";
        let attempted = match leaves.into_inner() {
            true => desk.doubt(STORE_REST, error),
            false => Attempted::Dead {
                error: error.to_owned(),
            },
        };
        shared.record(delivery.id, attempted).await;
    }
}

async fn attempt(shared: &Shared, desk: &Desk, delivery: &Delivery, leaves: &AtomicBool) {
    let passed = shared.clock.elapsed();
    if !clear(shared, delivery).await {
        return;
    }
    leaves.store(true, Ordering::Relaxed);
    let left = shared.clock.elapsed();
    let attempted = match &delivery.payload {
        Payload::Event { body, .. } => desk.send(delivery, body, shared.store.as_ref()).await,
        Payload::Reply { .. } | Payload::Send { .. } => misrouted(),
    };
    let answered = shared.clock.elapsed();
    tell(shared, delivery, attempted).await;
    let after = shared.clock.elapsed().saturating_sub(answered);
    let own = left.saturating_sub(passed).saturating_add(after);
    shared.metrics.work().delivery_overhead(own);
}

/// Asks for the last time whether a delivery may leave.
async fn clear(shared: &Shared, delivery: &Delivery) -> bool {
    let cleared = shared
        .insist("clearing a delivery", || shared.store.clear(delivery.id))
        .await;
    if let Some(Clearance::Dropped(why)) = cleared {
        tracing::info!(
            delivery = %delivery.id,
            conversation = %delivery.conversation.id,
            ?why,
            "a delivery was dropped at the last step"
        );
    }
    cleared == Some(Clearance::Go)
}

/// Logs, counts and records how an attempt ended.
async fn tell(shared: &Shared, delivery: &Delivery, attempted: Attempted) {
    report(delivery, &attempted);
    count(shared, delivery, &attempted);
    shared.record(delivery.id, attempted).await;
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
