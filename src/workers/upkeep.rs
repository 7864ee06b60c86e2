//! What has to happen now and then: handoffs that ran out of time, rows that are over.

use std::time::Duration;

use jiff::Timestamp;

use super::{STORE_REST, Shared, summaries};
use crate::domain::{Conversation, EndReason};
use crate::handoff;
use crate::store::{Ended, StoreError, Unanswered};
use crate::turn;

/// How often it looks. A handoff's time-out is hours, so ten seconds more do not matter.
const EVERY: Duration = Duration::from_secs(10);

/// How long before the end of WhatsApp's window the desk is told: long enough for a person to answer in.
const WARNED: Duration = Duration::from_hours(2);

/// Handoffs ended in one go; the rest waits for the next round.
const HANDOFFS_AT_ONCE: u32 = 100;

/// The name by which the loop is missed.
const NAME: &str = "upkeep";

/// Runs until the stop.
pub(super) async fn run(shared: Shared) {
    let mut looked = shared.clock.now();
    loop {
        shared.watchdog.beat(NAME);
        let now = shared.clock.now();
        if let Err(error) = round(&shared, looked).await {
            tracing::error!(%error, "upkeep failed; trying again");
            shared.clock.sleep(STORE_REST).await;
        } else {
            looked = now;
        }
        tokio::select! {
            biased;
            () = shared.shutdown.stopping() => return,
            () = shared.clock.sleep(EVERY) => {}
        }
    }
}

/// Looks once; the last look was at `looked`.
async fn round(shared: &Shared, looked: Timestamp) -> Result<(), StoreError> {
    while shared.store.purge().await? > 0 && !shared.shutdown.is_stopping() {
        shared.watchdog.beat(NAME);
    }
    for conversation in shared.store.overdue_handoffs(HANDOFFS_AT_ONCE).await? {
        give_back(shared, &conversation).await?;
    }
    for conversation in shared.store.unanswered_handoffs(HANDOFFS_AT_ONCE).await? {
        say_nobody_came(shared, &conversation).await?;
    }
    let closing = shared.store.closing_windows(WARNED, HANDOFFS_AT_ONCE);
    for conversation in closing.await? {
        warn(shared, &conversation).await?;
    }
    summaries::begin_after_people(shared, looked).await
}

/// Tells the customer that nobody has come, once a handoff.
async fn say_nobody_came(shared: &Shared, conversation: &Conversation) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let unanswered = match shared.assistants.get(&conversation.assistant) {
        Some(assistant) => turn::desk::unanswered(assistant, now, conversation),
        // Nobody is left who could say so in words; it is not asked again.
        None => Unanswered {
            conversation: conversation.id,
            handoff: conversation.handoff,
            said: Vec::new(),
            deliveries: Vec::new(),
            returns: false,
        },
    };
    let returns = unanswered.returns;
    if shared.store.unanswered(unanswered).await? {
        shared.metrics.work().handoff_unanswered();
        if returns {
            let why = EndReason::TimedOut.as_str();
            shared.metrics.work().handoff_ended(why);
        }
        tracing::warn!(conversation = %conversation.id, returns, "nobody has come to a handoff in time");
    }
    Ok(())
}

/// Tells the desk that WhatsApp takes no free text soon, once a window.
async fn warn(shared: &Shared, conversation: &Conversation) -> Result<(), StoreError> {
    let assistant = shared.assistants.get(&conversation.assistant);
    let now = shared.clock.now();
    let event =
        assistant.and_then(|assistant| turn::desk::window_closing(assistant, now, conversation));
    shared.store.warn_of_window(conversation, event).await?;
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
