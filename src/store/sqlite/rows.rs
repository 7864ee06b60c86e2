//! Rows to domain types and back.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;
use uuid::Uuid;

use super::super::{Fate, StoreError};
use crate::domain::{
    Author, Conversation, ConversationId, Customer, HandoffId, Message, MessageId, Outcome, Owner,
    Pause, PauseReason, Summary,
};
use crate::redact::Private;

/// The columns that [`read_conversation`] takes.
pub(super) const CONVERSATION: &str = "conversation.id, conversation.assistant, external_id, braze_id, phone, owner, handoff, opted_out, \
     conversation.epoch, version, language, profile, opened_at, window_expires_at, \
     summary, summarised_to, summary_expires_at, paused_until, paused_for";

/// How many columns [`CONVERSATION`] has.
pub(super) const CONVERSATION_COLUMNS: usize = 19;

/// The columns that [`read_message`] takes.
pub(super) const MESSAGE: &str =
    "id, seq, author, text, media, at, outcome IS NOT NULL AND outcome = 'failed(poison)'";

/// How many columns [`MESSAGE`] has.
pub(super) const MESSAGE_COLUMNS: usize = 7;

/// Reads a conversation from a row that begins with [`CONVERSATION`].
pub(super) fn read_conversation(row: &Row<'_>) -> Result<Conversation, StoreError> {
    let owner: String = row.get(5)?;
    let profile: String = row.get(11)?;
    let language: Option<String> = row.get(10)?;
    Ok(Conversation {
        id: ConversationId(row.get(0)?),
        assistant: row.get(1)?,
        customer: Customer::new(row.get(2)?, row.get(3)?, row.get(4)?)
            .map_err(|error| unreadable(&error))?,
        owner: Owner::from_name(&owner).ok_or_else(|| unreadable(&owner))?,
        handoff: row.get::<_, Option<Uuid>>(6)?.map(HandoffId),
        opted_out: row.get(7)?,
        epoch: row.get(8)?,
        version: row.get(9)?,
        language: language.and_then(|language| language.parse().ok()),
        profile: Private(serde_json::from_str(&profile).map_err(|error| unreadable(&error))?),
        opened_at: time(row.get(12)?)?,
        window_expires_at: time(row.get(13)?)?,
        summary: read_summary(row, 14)?,
        pause: read_pause(row, 17)?,
    })
}

/// Reads a pause from two columns: its end and why.
fn read_pause(row: &Row<'_>, first: usize) -> Result<Option<Pause>, StoreError> {
    let until: Option<i64> = row.get(first)?;
    let reason: Option<String> = row.get(first + 1)?;
    let Some((until, reason)) = until.zip(reason) else {
        return Ok(None);
    };
    Ok(Some(Pause {
        reason: PauseReason::from_name(&reason).ok_or_else(|| unreadable(&reason))?,
        until: time(until)?,
    }))
}

/// Reads a summary from three columns: its words, the place of its newest message, its end.
pub(super) fn read_summary(row: &Row<'_>, first: usize) -> Result<Option<Summary>, StoreError> {
    let text: Option<String> = row.get(first)?;
    let expires_at: Option<i64> = row.get(first + 2)?;
    let Some((text, expires_at)) = text.zip(expires_at) else {
        return Ok(None);
    };
    Ok(Some(Summary {
        text: Private(text),
        up_to: row.get(first + 1)?,
        expires_at: time(expires_at)?,
    }))
}

/// Reads a message from a row that begins with [`MESSAGE`].
pub(super) fn read_message(row: &Row<'_>) -> Result<Message, StoreError> {
    let author: String = row.get(2)?;
    let media: String = row.get(4)?;
    let media: Vec<String> = serde_json::from_str(&media).map_err(|error| unreadable(&error))?;
    Ok(Message {
        id: MessageId(row.get(0)?),
        seq: row.get(1)?,
        author: Author::from_name(&author).ok_or_else(|| unreadable(&author))?,
        text: Private(row.get(3)?),
        media: media.into_iter().map(Private).collect(),
        at: time(row.get(5)?)?,
        is_poison: row.get(6)?,
    })
}

/// Gives one conversation as it stands.
pub(super) fn conversation(
    connection: &Connection,
    id: ConversationId,
) -> Result<Option<Conversation>, StoreError> {
    let sql = format!("SELECT {CONVERSATION} FROM conversation WHERE id = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement
        .query_row([id.0], |row| Ok(read_conversation(row)))
        .optional()?;
    row.transpose()
}

/// Gives an assistant's conversation with the customer of this id, the newest where there are several.
pub(super) fn conversation_with(
    connection: &Connection,
    assistant: &str,
    external_id: &str,
) -> Result<Option<Conversation>, StoreError> {
    let sql = format!(
        "SELECT {CONVERSATION} FROM conversation INDEXED BY conversation_external
         WHERE external_id = ? AND assistant = ? ORDER BY key DESC LIMIT 1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement
        .query_row([external_id, assistant], |row| Ok(read_conversation(row)))
        .optional()?;
    row.transpose()
}

/// Tells what became of a customer's message.
pub(super) fn fate(connection: &Connection, id: MessageId) -> Result<Option<Fate>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT conversation.id, outcome, rule, prompt_version FROM message
         JOIN conversation ON conversation.key = message.conversation
         WHERE message.id = ? AND author = 'customer'",
    )?;
    let row = statement
        .query_row([id.0], |row| {
            let outcome: Option<String> = row.get(1)?;
            Ok((row.get(0)?, outcome, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((conversation, outcome, rule, prompt_version)) = row else {
        return Ok(None);
    };
    let read = |name: String| Outcome::from_name(&name).ok_or_else(|| unreadable(&name));
    Ok(Some(Fate {
        conversation: ConversationId(conversation),
        outcome: outcome.map(read).transpose()?,
        rule,
        prompt_version,
    }))
}

/// Gives the number that a query counts.
pub(super) fn count(connection: &Connection, sql: &str) -> Result<u64, StoreError> {
    let rows: i64 = connection
        .prepare_cached(sql)?
        .query_row((), |row| row.get(0))?;
    Ok(rows.unsigned_abs())
}

/// Reads every row with `read`.
pub(super) fn collect<T>(
    mut rows: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(read(row)?);
    }
    Ok(items)
}

/// Lets one row that cannot be read stand in nobody's way: it stays claimed, so that it is met once a start.
pub(super) fn pass_by<T>(read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match read {
        Err(StoreError::Unreadable(what)) => {
            tracing::error!(
                what,
                "a row cannot be read; it is left as it is until the next start"
            );
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// Gives links as they are stored: a JSON array.
pub(super) fn media_column(media: &[Private<String>]) -> String {
    media
        .iter()
        .map(|link| link.0.as_str())
        .collect::<Value>()
        .to_string()
}

/// Reads a time.
pub(super) fn time(millis: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(millis).map_err(|error| unreadable(&error))
}

/// Gives the milliseconds of a time.
pub(super) fn millis(time: Timestamp) -> i64 {
    time.as_millisecond()
}

/// Says that a column does not hold what this version writes.
pub(super) fn unreadable(what: &impl ToString) -> StoreError {
    StoreError::Unreadable(what.to_string())
}
