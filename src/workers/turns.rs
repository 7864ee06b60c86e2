//! Claims conversations and runs their turns.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{STORE_REST, Shared, summaries};
use crate::clock::later;
use crate::domain::{Bill, Day, EndReason, Ownership, Settlement, Suppression};
use crate::metrics::{Metrics, Part, Stage, Took, TurnEnd};
use crate::model::Meter;
use crate::problem::Problem;
use crate::store::{Claimed, Settled, StoreError};
use crate::telemetry::Span;
use crate::turn::{self, Assistant, Turn};

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
    let span = shared.tracer.turn(
        &claimed.conversation.assistant,
        claimed.conversation.id.0,
        claimed.waiting.len(),
    );
    let Some(assistant) = shared.assistants.get(&claimed.conversation.assistant) else {
        tracing::error!(
            assistant = claimed.conversation.assistant,
            "a message waits for an assistant that is not configured any more"
        );
        let mut end = End { span, spent: None };
        settle(shared, &claimed, &turn::orphaned(), &mut end).await;
        return;
    };
    let meter = Meter::traced(span.parent(claimed.conversation.id.0));
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
        () = claimed.lease.shifted() => {
            let end = End { span, spent: bill(shared, assistant, &meter) };
            return supersede(shared, &claimed, end).await;
        }
        () = shared.out_of_time() => {
            let end = End { span, spent: bill(shared, assistant, &meter) };
            return give_back(shared, &claimed, end).await;
        }
    };
    let spent = bill(shared, assistant, &meter);
    let mut end = End { span, spent };
    match ended {
        Ok(Ok(turn)) => finish(shared, assistant, claimed, turn, end).await,
        Ok(Err(error)) => {
            tracing::error!(%error, conversation = %claimed.conversation.id, "a turn goes back");
            give_back(shared, &claimed, end).await;
        }
        Err(_panic) => {
            shared.metrics.work().panicked(Part::Turn);
            tracing::error!(conversation = %claimed.conversation.id, "a turn panicked; its messages are given up");
            let settlement = turn::poisoned(assistant, &shared.clock, &claimed);
            settle(shared, &claimed, &settlement, &mut end).await;
        }
    }
}

/// What is told of a turn's end beside what it decided.
struct End {
    span: Span,
    spent: Option<Bill>,
}

/// Counts what asking models took, whatever becomes of the answer, and gives it to be written down.
pub(super) fn bill(shared: &Shared, assistant: &Assistant, meter: &Meter) -> Option<Bill> {
    let spending = meter.total();
    if spending.calls == 0 {
        return None;
    }
    shared.metrics.assistant(&assistant.name).spent(Took {
        input_tokens: spending.input_tokens,
        output_tokens: spending.output_tokens,
        cost: spending.cost.nanos(),
    });
    let day = Day::of(shared.clock.now(), &assistant.zone).date;
    Some(Bill { day, spending })
}

async fn give_back(shared: &Shared, claimed: &Claimed, mut end: End) {
    shared.metrics.work().turned(TurnEnd::GivenBack);
    end.span.turned(TurnEnd::GivenBack);
    let at = later(shared.clock.now(), STORE_REST);
    let back = || shared.store.give_back(&claimed.lease, at, end.spent);
    shared.insist("giving a claim back", back).await;
}

async fn supersede(shared: &Shared, claimed: &Claimed, mut end: End) {
    tracing::info!(
        conversation = %claimed.conversation.id,
        messages = claimed.waiting.len(),
        "turn cut short: the ground has shifted under it"
    );
    shared.metrics.work().turned(TurnEnd::Superseded);
    end.span.turned(TurnEnd::Superseded);
    let back = || shared.store.supersede(&claimed.lease, end.spent);
    shared.insist("superseding a turn", back).await;
}

async fn finish(
    shared: &Shared,
    assistant: &Arc<Assistant>,
    claimed: Claimed,
    turn: Turn,
    mut end: End,
) {
    let decided = shared.clock.elapsed();
    let settled = settle(shared, &claimed, &turn.settlement, &mut end).await;
    drop(end);
    let Some(Settled::Applied { version }) = settled else {
        return;
    };
    if let Some(of) = turn.limited {
        let assistant = &claimed.conversation.assistant;
        shared.metrics.assistant(assistant).limited(of);
    }
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
    let memory = &shared.memory;
    let ruler = assistant.lineup.ruler(&conversation.customer.key());
    let overflow = memory.overflow(&conversation, &window, &ruler, shared.clock.now());
    memory.remember(&conversation, version, window).await;
    if let Some(overflow) = overflow {
        summaries::begin(shared, assistant, conversation, overflow);
    }
}

async fn settle(
    shared: &Shared,
    claimed: &Claimed,
    settlement: &Settlement,
    end: &mut End,
) -> Option<Settled> {
    let settled = shared
        .insist("settling a turn", || {
            shared.store.settle(&claimed.lease, settlement, end.spent)
        })
        .await?;
    let turned = match settled {
        Settled::Applied { .. } => TurnEnd::Settled,
        Settled::Stale => TurnEnd::Stale,
    };
    end.span.turned(turned);
    if turned == TurnEnd::Settled {
        end.span.decided(
            &claimed.conversation.assistant,
            settlement.outcome.as_str(),
            settlement.rule.as_deref(),
            settlement.prompt_version.as_deref(),
        );
    }
    count(&shared.metrics, claimed, settlement, turned);
    Some(settled)
}

fn count(metrics: &Metrics, claimed: &Claimed, settlement: &Settlement, end: TurnEnd) {
    metrics.work().turned(end);
    if end == TurnEnd::Stale {
        return;
    }
    let assistant = metrics.assistant(&claimed.conversation.assistant);
    assistant.settled(settlement.outcome.as_str(), claimed.waiting.len());
    match &settlement.ownership {
        Ownership::HandOff(handoff) => assistant.handed_off(handoff.reason.as_str()),
        Ownership::Return => {
            let why = EndReason::CustomerReturned.as_str();
            metrics.work().handoff_ended(why);
        }
        Ownership::Keep
        | Ownership::Extend { .. }
        | Ownership::OptOut
        | Ownership::OptIn
        | Ownership::Pass(_) => {}
    }
}
