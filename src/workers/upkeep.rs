//! What has to happen now and then: handoffs that ran out of time, rows that are over.

use std::time::Duration;

use super::{STORE_REST, Shared};
use crate::domain::{Conversation, EndReason};
use crate::handoff;
use crate::store::{Ended, StoreError};

/// How often it looks. A handoff's time-out is hours, so ten seconds more do not matter.
const EVERY: Duration = Duration::from_secs(10);

/// Handoffs ended in one go; the rest waits for the next round.
const HANDOFFS_AT_ONCE: u32 = 100;

/// The name by which the loop is missed.
const NAME: &str = "upkeep";

/// Runs until the stop.
pub(super) async fn run(shared: Shared) {
    loop {
        shared.watchdog.beat(NAME);
        if let Err(error) = round(&shared).await {
            tracing::error!(%error, "upkeep failed; trying again");
            shared.clock.sleep(STORE_REST).await;
        }
        tokio::select! {
            biased;
            () = shared.shutdown.stopping() => return,
            () = shared.clock.sleep(EVERY) => {}
        }
    }
}

async fn round(shared: &Shared) -> Result<(), StoreError> {
    while shared.store.purge().await? > 0 && !shared.shutdown.is_stopping() {
        shared.watchdog.beat(NAME);
    }
    for conversation in shared.store.overdue_handoffs(HANDOFFS_AT_ONCE).await? {
        give_back(shared, &conversation).await?;
    }
    Ok(())
}

async fn give_back(shared: &Shared, conversation: &Conversation) -> Result<(), StoreError> {
    let has_desk = shared
        .assistants
        .get(&conversation.assistant)
        .is_some_and(|a| a.desk.is_some());
    let end = handoff::end(
        shared.clock.now(),
        conversation,
        EndReason::TimedOut,
        has_desk,
    );
    let ended = shared.store.end_handoff(end).await?;
    if ended == Ended::Returned {
        let why = EndReason::TimedOut.as_str();
        shared.metrics.work().handoff_ended(why);
    }
    tracing::info!(conversation = %conversation.id, ?ended, "a handoff ran out of time");
    Ok(())
}
