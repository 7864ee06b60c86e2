//! Keeps the running summaries of long conversations, beside the replies' path.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Shared;
use super::turns::bill;
use crate::domain::{Conversation, ConversationId, Message, Summary};
use crate::memory::{Memory, Overflow};
use crate::model::Meter;
use crate::store::{Outgrown, StoreError};
use crate::turn::{self, Assistant};

/// Summaries that are made at once. Nobody waits for one, so they take little from the turns, of which thousands run.
const SUMMARIES_AT_ONCE: usize = 16;

/// How long a model may take for one. Nobody waits for it, and on a laptop it takes that long.
const SUMMARY_WITHIN: Duration = Duration::from_mins(1);

/// Messages that one summary takes in; of more, the newest. As many as the largest window holds.
const FOLDED_MESSAGES: u32 = 200;

/// Who makes summaries just now.
#[derive(Clone, Debug)]
pub struct Summaries {
    slots: Arc<Semaphore>,
    under_way: Arc<Mutex<HashSet<ConversationId>>>,
}

impl Default for Summaries {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(SUMMARIES_AT_ONCE)),
            under_way: Arc::default(),
        }
    }
}

/// The right to make the summary of a conversation, which nobody else has meanwhile.
struct Right {
    conversation: ConversationId,
    summaries: Summaries,
    _slot: OwnedSemaphorePermit,
}

impl Summaries {
    /// Gives the right, where there is room and nobody has it. Where not, the next turn asks again.
    fn begin(&self, conversation: ConversationId) -> Option<Right> {
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        self.under_way().insert(conversation).then(|| Right {
            conversation,
            summaries: self.clone(),
            _slot: slot,
        })
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashSet<ConversationId>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Right {
    fn drop(&mut self) {
        self.summaries.under_way().remove(&self.conversation);
    }
}

/// Begins to sum up what has fallen out of a conversation's window, and waits for nothing. The stop ends it at once.
pub(super) fn begin(
    shared: &Shared,
    assistant: &Arc<Assistant>,
    conversation: Conversation,
    overflow: Overflow,
) {
    let Some(right) = shared.summaries.begin(conversation.id) else {
        return tracing::debug!(conversation = %conversation.id, "no room for a running summary; the next turn asks again");
    };
    let (job, assistant) = (shared.clone(), Arc::clone(assistant));
    drop(shared.shutdown.spawn_contained(async move {
        if let Err(error) = make(&job, &assistant, &conversation, overflow).await {
            tracing::warn!(%error, conversation = %conversation.id, "no running summary");
        }
        drop(right);
    }));
}

/// Begins to sum up what people said in conversations that have come back since a moment, where it crowds the window: so
/// that the assistant knows it by the customer's next message.
pub(super) async fn begin_after_people(
    shared: &Shared,
    since: Timestamp,
) -> Result<(), StoreError> {
    if !shared.memory.sums_up() {
        return Ok(());
    }
    let limit = u32::try_from(SUMMARIES_AT_ONCE).unwrap_or(u32::MAX);
    for conversation in shared.store.returned_since(since, limit).await? {
        let Some(assistant) = shared.assistants.get(&conversation.assistant) else {
            continue;
        };
        let ruler = assistant.lineup.ruler(&conversation.customer.key());
        let (memory, now) = (&shared.memory, shared.clock.now());
        let window = memory.recall(&*shared.store, &conversation, &ruler, now);
        let window = window.await?;
        if let Some(overflow) = memory.overflow(&conversation, &window, &ruler, now) {
            begin(shared, assistant, conversation, overflow);
        }
    }
    Ok(())
}

async fn make(
    shared: &Shared,
    assistant: &Assistant,
    conversation: &Conversation,
    overflow: Overflow,
) -> Result<(), StoreError> {
    let (store, memory) = (&shared.store, &shared.memory);
    let outgrown = store.outgrown(conversation.id, overflow.fold_before, FOLDED_MESSAGES);
    let Some(mut outgrown) = outgrown.await? else {
        return Ok(());
    };
    let Some((up_to, newest)) = due(&mut outgrown, memory, overflow, shared.clock.now()) else {
        return Ok(());
    };
    if !turn::may_spend(assistant, &**store, conversation.id, shared.clock.now()).await? {
        return Ok(());
    }
    let (before, messages) = (outgrown.summary.as_ref(), &outgrown.messages);
    let meter = Meter::default();
    let folding = turn::fold(
        assistant,
        conversation,
        before,
        messages,
        SUMMARY_WITHIN,
        &meter,
    );
    // The stop cuts the call short; what it has cost by then is written down all the same.
    let text = tokio::select! {
        biased;
        () = shared.shutdown.stopping() => None,
        text = folding => text,
    };
    let summary = text.map(|text| Summary {
        text,
        up_to,
        expires_at: memory.forgotten_at(newest),
    });
    let spent = bill(shared, assistant, &meter);
    let kept = store.summarise(&outgrown, summary.as_ref(), spent).await?;
    tracing::debug!(conversation = %conversation.id, kept, "a running summary was asked for");
    Ok(())
}

/// Leaves what is not too old, and gives the place of the newest message and when the newest of the rest was said. Nothing
/// where the next turn lacks none of it: that may be forgotten already, or in a summary made since the turn began.
fn due(
    outgrown: &mut Outgrown,
    memory: &Memory,
    overflow: Overflow,
    now: Timestamp,
) -> Option<(i64, Timestamp)> {
    let messages = &mut outgrown.messages;
    let up_to = messages.iter().map(|message| message.seq).max()?;
    messages.retain(|message| memory.forgotten_at(message.at) > now);
    let newest = messages.iter().map(|message| message.at).max()?;
    let is_lost = |message: &Message| message.seq < overflow.kept_from;
    messages.iter().any(is_lost).then_some((up_to, newest))
}
