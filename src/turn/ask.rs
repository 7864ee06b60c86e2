//! Asking the model: for an answer, and for the summary that people get.

use crate::domain::{Author, Failure, HandoffReason, Help, Message};
use crate::handoff::TRANSCRIPT_MESSAGES;
use crate::model::{Answered, Asking, Meter, Question, Role, Turn as Line, Unanswered};
use crate::prompts::{CustomerContext, PromptError, SummaryContext, SystemContext};
use crate::redact::Private;
use crate::store::{Claimed, Store, StoreError};

use super::fold::noted;
use super::gather::Gathered;
use super::judge::Asked;
use super::media;
use super::screen::Terms;
use super::settlement::Writer;
use super::{Assistant, joined};

/// Messages that the model is shown of those that wait; all of them are answered with it. A person types one in a second
/// or two, so only a machine sends more within a burst.
const SHOWN_MESSAGES: usize = 50;

/// Their length at most, in bytes: some 16,000 tokens, which the smaller models take with all that is around them.
const SHOWN_BYTES: usize = 64 * 1_024;

/// Asks the model for an answer to the waiting messages.
pub(super) async fn answer(
    assistant: &Assistant,
    gathered: &Gathered,
    claimed: &Claimed,
    terms: Terms,
    meter: &Meter,
) -> Asked {
    let customer = claimed.conversation.customer.key();
    let asking = asking(claimed, &customer, meter);
    let compose = || question(assistant, gathered, claimed, terms);
    let answered = assistant.lineup.answer(compose, &asking).await;
    Asked {
        words: Private(joined(&claimed.waiting)),
        answer: answered
            .inspect(|answered| note(claimed, answered))
            .map(|answered| answered.answer)
            .map_err(|unanswered| failure(assistant, claimed, &unanswered)),
    }
}

/// Logs an answer that did not come as it should.
fn note(claimed: &Claimed, answered: &Answered) {
    if answered.is_fallback || answered.attempts > 1 {
        tracing::info!(
            conversation = %claimed.conversation.id,
            model = answered.target,
            attempts = answered.attempts,
            is_fallback = answered.is_fallback,
            "answered, though not at once"
        );
    }
}

fn failure(
    assistant: &Assistant,
    claimed: &Claimed,
    unanswered: &Unanswered<PromptError>,
) -> Failure {
    let assistant = &assistant.name;
    match unanswered {
        Unanswered::Composing(error) => {
            tracing::error!(assistant, %error, "the prompt could not be rendered");
            Failure::Prompt
        }
        Unanswered::Fault(fault) => {
            let conversation = claimed.conversation.id;
            tracing::warn!(assistant, %conversation, %fault, "no model gave an answer");
            match fault.is_refusal() {
                true => Failure::Refused,
                false => Failure::Model,
            }
        }
    }
}

fn asking<'a>(claimed: &Claimed, customer: &'a str, meter: &'a Meter) -> Asking<'a> {
    Asking {
        customer,
        conversation: claimed.conversation.id,
        meter,
    }
}

fn question(
    assistant: &Assistant,
    gathered: &Gathered,
    claimed: &Claimed,
    terms: Terms,
) -> Result<Question, PromptError> {
    let folder = &gathered.folder;
    let system = folder.system(&SystemContext {
        assistant: &assistant.display_name,
        language: gathered.language,
        now: gathered.now,
        zone: &assistant.zone,
    })?;
    let customer = folder.customer(&CustomerContext {
        profile: &claimed.conversation.profile,
        language: claimed.conversation.language,
    })?;
    let block = customer.map(|text| Line {
        role: Role::User,
        text: Private(text),
    });
    let summary = gathered.summary.as_ref().map(noted);
    let waiting = newest(&claimed.waiting, SHOWN_MESSAGES);
    let images = media::images(waiting);
    let is_shown = |message: &&Message| !message.is_poison;
    let before = gathered.remembered.iter().filter(is_shown).map(line);
    let asked = waiting.iter().filter(is_shown);
    let said = before.chain(asked.map(|message| line_beside(message, &images)));
    let now = terms.circumstances(&claimed.conversation, Help::Given);
    let described = folder.rules().iter().filter(|rule| rule.applies(&now));
    Ok(Question {
        system,
        turns: block.into_iter().chain(summary).chain(said).collect(),
        rules: described
            .filter_map(|rule| Some((rule.name.clone(), rule.description.clone()?)))
            .collect(),
        images: images.clone(),
    })
}

/// Gives the newest messages that the model can be shown; at least the last one.
pub(super) fn newest(messages: &[Message], most: usize) -> &[Message] {
    let mut room = SHOWN_BYTES;
    let fits = |message: &&Message| {
        let left = room.checked_sub(message.text.len());
        room = left.unwrap_or_default();
        left.is_some()
    };
    let latest = messages.iter().rev().take(most);
    let count = latest.take_while(fits).count().max(1);
    &messages[messages.len().saturating_sub(count)..]
}

/// Writes a message as the model sees it. What the gateway itself notes stands in brackets.
pub(super) fn line(message: &Message) -> Line {
    line_beside(message, &[])
}

/// The same, where some pictures are shown beside it.
fn line_beside(message: &Message, shown: &[Private<String>]) -> Line {
    let (role, text) = match message.author {
        Author::Customer => (Role::User, with_note(message, shown)),
        Author::Assistant => (Role::Assistant, message.text.clone()),
        Author::Agent => (
            Role::Assistant,
            Private(format!("[a colleague] {}", message.text.0)),
        ),
        Author::System => (Role::User, Private(format!("[note] {}", message.text.0))),
    };
    Line { role, text }
}

fn with_note(message: &Message, shown: &[Private<String>]) -> Private<String> {
    match media::note(message, shown) {
        None => message.text.clone(),
        Some(note) => Private(
            format!("{}\n{note}", message.text.0)
                .trim_start()
                .to_owned(),
        ),
    }
}

/// Gives what was said, for people: longer than what the model is reminded of.
pub(super) async fn transcript(
    store: &dyn Store,
    claimed: &Claimed,
) -> Result<Vec<Message>, StoreError> {
    let limit = u32::try_from(TRANSCRIPT_MESSAGES).unwrap_or(u32::MAX);
    let history = store.history(claimed.conversation.id, limit).await?;
    Ok(history
        .messages
        .into_iter()
        .chain(claimed.waiting.iter().cloned())
        .collect())
}

/// Asks the model for a summary, within its own short time. A handoff never waits for more, nor fails for it.
pub(super) async fn summary(
    writer: &Writer<'_>,
    transcript: &[Message],
    reason: HandoffReason,
    meter: &Meter,
) -> Option<Private<String>> {
    let (assistant, folder) = (writer.assistant, &writer.gathered.folder);
    // What crashed the gateway again and again is not shown to a model once more.
    let desk = assistant
        .desk
        .filter(|desk| !desk.summary_within.is_zero() && !writer.claimed.is_poison)?;
    let system = folder
        .summary(&SummaryContext {
            assistant: &assistant.display_name,
            language: desk.language,
            reason,
        })
        .inspect_err(|error| tracing::error!(%error, "the summary's prompt could not be rendered"))
        .ok()?;
    let shown = newest(transcript, SHOWN_MESSAGES).iter();
    let shown = shown.filter(|message| !message.is_poison);
    let lines: Vec<Line> = shown.map(line).collect();
    let customer = writer.claimed.conversation.customer.key();
    let asking = asking(writer.claimed, &customer, meter);
    let (lineup, limit) = (&assistant.lineup, desk.summary_within);
    match lineup.complete(&system, &lines, limit, &asking).await {
        Ok(completed) => Some(completed.text),
        Err(fault) => {
            tracing::warn!(conversation = %writer.claimed.conversation.id, %fault, "no summary for the desk");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::{MessageId, new_id};

    fn shown(lengths: &[usize]) -> usize {
        let messages: Vec<_> = lengths.iter().map(|length| message(*length)).collect();
        newest(&messages, SHOWN_MESSAGES).len()
    }

    fn message(length: usize) -> Message {
        Message {
            id: MessageId(new_id(Timestamp::UNIX_EPOCH)),
            seq: 1,
            author: Author::Customer,
            text: Private("x".repeat(length)),
            media: Vec::new(),
            at: Timestamp::UNIX_EPOCH,
            is_poison: false,
        }
    }

    #[test]
    fn the_model_is_shown_the_newest_messages_that_fit_and_the_last_one_always() {
        assert_eq!(shown(&[]), 0);
        assert_eq!(shown(&[5; 50]), 50);
        assert_eq!(shown(&[5; 51]), SHOWN_MESSAGES);
        assert_eq!(shown(&[SHOWN_BYTES / 4; 5]), 4);
        assert_eq!(
            shown(&[1, SHOWN_BYTES, 1]),
            1,
            "nothing is left out between"
        );
        assert_eq!(shown(&[SHOWN_BYTES + 1]), 1);
    }
}
