//! Claims conversations and runs their turns.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{STORE_REST, Shared};
use crate::clock::later;
use crate::domain::{Ownership, Settlement, Suppression};
use crate::metrics::{Metrics, Part, Stage, TurnEnd};
use crate::model::Meter;
use crate::problem::Problem;
use crate::store::{Claimed, Settled, StoreError};
use crate::turn::{self, Turn};

/// Conversations claimed at once; more would keep the store's writer from others for long.
const CLAIM_AT_ONCE: u32 = 256;

/// How much is worked on at once: `[turns]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TurnsConfig {
    /// Turns under way at once, 1 to 50,000. Default 2,000: nearly all of them wait for a model, and each waiting one
    /// holds a connection to it, so the process must be allowed as many open files.
    pub in_flight: usize,
}

impl Default for TurnsConfig {
    fn default() -> Self {
        Self { in_flight: 2_000 }
    }
}

impl TurnsConfig {
    /// Finds what cannot work.
    pub fn check(&self) -> Vec<Problem> {
        match self.in_flight {
            1..=50_000 => Vec::new(),
            _ => vec![Problem::new("in_flight", "expected 1 to 50,000")],
        }
    }
}

/// The name by which the loop is missed.
const NAME: &str = "turns";

/// Runs until the stop: what is under way then is finished, nothing new is claimed.
pub(super) async fn run(shared: Shared, config: TurnsConfig) {
    let slots = Arc::new(Semaphore::new(config.in_flight));
    claim(&shared, &slots).await;
    // Every slot is free again when the last turn has ended.
    let all = u32::try_from(config.in_flight).unwrap_or(u32::MAX);
    drop(slots.acquire_many(all).await);
    shared.turns_over.cancel();
    // The couriers look a last time.
    shared.store.wake().braze.ring();
    shared.store.wake().desk.ring();
}

async fn claim(shared: &Shared, slots: &Arc<Semaphore>) {
    let mut bell = shared.store.wake().turns.listen();
    let stopping = || shared.shutdown.stopping();
    while let Some(room) = shared.room(NAME, slots, stopping()).await {
        bell.enrol();
        let limit = room.min(CLAIM_AT_ONCE);
        let batch = match shared.store.claim(limit).await {
            Ok(batch) => batch,
            Err(StoreError::Closed) => {
                tracing::error!("the store has ended by itself");
                return shared.shutdown.crash();
            }
            Err(error) => {
                tracing::error!(%error, "could not claim conversations; trying again");
                shared.clock.sleep(STORE_REST).await;
                continue;
            }
        };
        let all_taken = batch.items.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        for claimed in batch.items {
            let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
                return;
            };
            let shared = shared.clone();
            drop(shared.shutdown.clone().spawn_contained(async move {
                work(&shared, claimed).await;
                drop(slot);
            }));
        }
        if all_taken && !shared.rest(&mut bell, batch.next_due, stopping()).await {
            return;
        }
    }
}

/// Runs one turn and settles it. A panic in it gives the messages up; nothing else notices.
async fn work(shared: &Shared, claimed: Claimed) {
    let superseded = Suppression::Superseded.as_str();
    shared
        .metrics
        .store()
        .dropped(superseded, claimed.overtaken);
    if claimed.crashes > 0 {
        tracing::warn!(
            conversation = %claimed.conversation.id,
            crashes = claimed.crashes,
            is_poison = claimed.is_poison,
            "a turn that the gateway's end cut short is begun again"
        );
    }
    let Some(assistant) = shared.assistants.get(&claimed.conversation.assistant) else {
        tracing::error!(
            assistant = claimed.conversation.assistant,
            "a message waits for an assistant that is not configured any more"
        );
        settle(shared, &claimed, &turn::orphaned()).await;
        return;
    };
    let meter = Meter::default();
    let running = turn::run(
        assistant,
        &shared.memory,
        &*shared.store,
        &shared.clock,
        &claimed,
        &meter,
    );
    let ended = tokio::select! {
        biased;
        ended = AssertUnwindSafe(running).catch_unwind() => ended,
        () = claimed.lease.shifted() => return supersede(shared, &claimed).await,
        () = shared.out_of_time() => return give_back(shared, &claimed).await,
    };
    match ended {
        Ok(Ok(turn)) => finish(shared, claimed, turn).await,
        Ok(Err(error)) => {
            tracing::error!(%error, conversation = %claimed.conversation.id, "a turn goes back");
            give_back(shared, &claimed).await;
        }
        Err(_panic) => {
            shared.metrics.work().panicked(Part::Turn);
            tracing::error!(conversation = %claimed.conversation.id, "a turn panicked; its messages are given up");
            let settlement = turn::poisoned(assistant, &shared.clock, &claimed);
            settle(shared, &claimed, &settlement).await;
        }
    }
}

async fn give_back(shared: &Shared, claimed: &Claimed) {
    shared.metrics.work().turned(TurnEnd::GivenBack);
    let at = later(shared.clock.now(), STORE_REST);
    let back = || shared.store.give_back(&claimed.lease, at);
    shared.insist("giving a claim back", back).await;
}

async fn supersede(shared: &Shared, claimed: &Claimed) {
    tracing::info!(
        conversation = %claimed.conversation.id,
        messages = claimed.waiting.len(),
        "turn cut short: the ground has shifted under it"
    );
    shared.metrics.work().turned(TurnEnd::Superseded);
    let back = || shared.store.supersede(&claimed.lease);
    shared.insist("superseding a turn", back).await;
}

async fn finish(shared: &Shared, claimed: Claimed, turn: Turn) {
    let decided = shared.clock.elapsed();
    let Some(Settled::Applied { version }) = settle(shared, &claimed, &turn.settlement).await
    else {
        return;
    };
    let settling = shared.clock.elapsed().saturating_sub(decided);
    let work = shared.metrics.work();
    for (stage, took) in turn.spent.iter().chain([(Stage::Settle, settling)]) {
        work.stage(stage, took);
    }
    work.turn_overhead(turn.spent.own().saturating_add(settling));
    tracing::info!(
        conversation = %claimed.conversation.id,
        assistant = claimed.conversation.assistant,
        outcome = turn.settlement.outcome.as_str(),
        rule = turn.settlement.rule,
        messages = claimed.waiting.len(),
        "turn settled"
    );
    let conversation = claimed.conversation.clone();
    let window = turn.window(claimed, &shared.clock);
    shared.memory.remember(&conversation, version, window).await;
}

async fn settle(shared: &Shared, claimed: &Claimed, settlement: &Settlement) -> Option<Settled> {
    let settled = shared
        .insist("settling a turn", || {
            shared.store.settle(&claimed.lease, settlement)
        })
        .await?;
    count(&shared.metrics, claimed, settlement, settled);
    Some(settled)
}

fn count(metrics: &Metrics, claimed: &Claimed, settlement: &Settlement, settled: Settled) {
    if settled == Settled::Stale {
        return metrics.work().turned(TurnEnd::Stale);
    }
    metrics.work().turned(TurnEnd::Settled);
    let assistant = metrics.assistant(&claimed.conversation.assistant);
    assistant.settled(settlement.outcome.as_str(), claimed.waiting.len());
    if let Ownership::HandOff(handoff) = &settlement.ownership {
        assistant.handed_off(handoff.reason.as_str());
    }
}
