//! Folding what the model is not shown any more into a running summary, beside any turn.

use std::time::Duration;

use jiff::Timestamp;

use super::Assistant;
use super::ask::{line, newest};
use crate::domain::{Conversation, ConversationId, Day, Message, Summary};
use crate::model::{Asking, Meter, Role, Turn as Line};
use crate::prompts::MemorySummaryContext;
use crate::redact::Private;
use crate::store::{Store, StoreError};

/// How long a summary may be: twice what the shipped prompt asks for. It goes out with every question.
const SUMMARY_CHARS: usize = 2_400;

/// What comes last, so that no server takes the assistant's last words for the beginning of its answer.
const ASKED: &str = "[note] Write the new summary now.";

/// Asks the model for a new summary, of the one so far and the messages that it lacks. Nothing where it gives none in time.
pub async fn fold(
    assistant: &Assistant,
    conversation: &Conversation,
    summary: Option<&Summary>,
    messages: &[Message],
    within: Duration,
    meter: &Meter,
) -> Option<Private<String>> {
    // What crashed the gateway again and again is not shown to a model once more.
    let said = newest(messages, usize::MAX)
        .iter()
        .filter(|message| !message.is_poison);
    let said: Vec<_> = said.map(line).collect();
    if said.is_empty() {
        return None;
    }
    let context = MemorySummaryContext {
        assistant: &assistant.display_name,
        language: conversation.language.unwrap_or(assistant.language),
    };
    let system = assistant.prompts.current().memory_summary(&context);
    let system = system
        .inspect_err(
            |error| tracing::error!(%error, "the running summary's prompt could not be rendered"),
        )
        .ok()?;
    // Last, so that it stays where a question that is too long loses its older half.
    let before = summary.map(noted);
    let asked = Line {
        role: Role::User,
        text: Private(ASKED.to_owned()),
    };
    let lines: Vec<_> = said.into_iter().chain(before).chain([asked]).collect();
    let customer = conversation.customer.key();
    let asking = Asking {
        customer: &customer,
        conversation: conversation.id,
        meter,
    };
    let lineup = &assistant.lineup;
    match lineup
        .complete_aside(&system, &lines, within, &asking)
        .await
    {
        Ok(completed) => Some(clipped(&completed.text)),
        Err(fault) => {
            tracing::warn!(conversation = %conversation.id, %fault, "no running summary");
            None
        }
    }
}

/// Tells whether something may be spent on a conversation today still.
pub async fn may_spend(
    assistant: &Assistant,
    store: &dyn Store,
    conversation: ConversationId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if assistant.limits.is_none() {
        return Ok(true);
    }
    let day = Day::of(now, &assistant.zone);
    let spent = store.spent(conversation, day).await?;
    Ok(assistant.limits.reached(&spent).is_none())
}

/// Writes a summary as the model sees it. It is made of customers' words, so it is theirs.
pub(super) fn noted(summary: &Summary) -> Line {
    Line {
        role: Role::User,
        text: Private(format!(
            "[note] What was said before, in short: {}",
            summary.text.0
        )),
    }
}

fn clipped(text: &str) -> Private<String> {
    Private(text.chars().take(SUMMARY_CHARS).collect())
}
