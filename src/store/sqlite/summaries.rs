//! Running summaries: what they lack, and what they came to.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::{Outgrown, StoreError};
use super::rows::{MESSAGE, MESSAGE_COLUMNS, collect, millis, read_message, read_summary};
use super::{Here, spending};
use crate::domain::{Bill, ConversationId, Summary};

/// Who may be summarised: people need no summary of what they do, and who said stop is left alone.
const ITS_OWN: &str = "owner = 'assistant' AND NOT opted_out";

/// Gives the summary that counts at `now`, and what it lacks before the place `before`: turn by turn, as it was said.
pub(super) fn outgrown(
    connection: &Connection,
    now: Timestamp,
    conversation: ConversationId,
    before: i64,
    limit: u32,
) -> Result<Option<Outgrown>, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    let sql = format!(
        "SELECT summary, summarised_to, summary_expires_at, key, assistant FROM conversation WHERE id = ? AND {ITS_OWN}"
    );
    let found = transaction
        .prepare_cached(&sql)?
        .query_row([conversation.0], |row| {
            Ok((
                read_summary(row, 0),
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(3)?,
                row.get(4)?,
            ))
        })
        .optional()?;
    let Some((summary, up_to, row, assistant)) = found else {
        return Ok(None);
    };
    // What waits still, or again, is no history yet: nothing behind it may count as summarised.
    let sql = format!(
        "SELECT {MESSAGE}, turn FROM message
         WHERE conversation = ?1 AND seq > ?2 AND turn >= 0
           AND seq < min(?3, coalesce((SELECT min(seq) FROM message INDEXED BY message_waiting
                                       WHERE conversation = ?1 AND turn IS NULL), ?3))
         ORDER BY seq DESC LIMIT ?4"
    );
    let mut messages = collect(
        transaction
            .prepare_cached(&sql)?
            .query(params![row, up_to, before, limit])?,
        |row| Ok((row.get::<_, i64>(MESSAGE_COLUMNS)?, read_message(row)?)),
    )?;
    messages.sort_by_key(|(turn, message)| (*turn, message.seq));
    Ok(Some(Outgrown {
        conversation,
        assistant,
        up_to,
        summary: summary?.filter(|summary| summary.expires_at > now),
        messages: messages.into_iter().map(|(_, message)| message).collect(),
    }))
}

/// Replaces a summary, where it is still the one that was read and its conversation still the assistant's. Writes down what
/// was spent, whatever becomes of it.
pub(super) fn replace(
    connection: &Connection,
    outgrown: &Outgrown,
    summary: Option<&Summary>,
    spent: Option<Bill>,
) -> Result<bool, StoreError> {
    spending::book_aside(
        connection,
        outgrown.conversation,
        &outgrown.assistant,
        spent,
    )?;
    let Some(summary) = summary else {
        return Ok(false);
    };
    let sql = format!(
        "UPDATE conversation SET summary = ?, summarised_to = ?, summary_expires_at = ?
         WHERE id = ? AND summarised_to = ? AND {ITS_OWN}"
    );
    let changed = connection.prepare_cached(&sql)?.execute(params![
        summary.text.0,
        summary.up_to,
        millis(summary.expires_at),
        outgrown.conversation.0,
        outgrown.up_to,
    ])?;
    Ok(changed > 0)
}

/// Forgets summaries whose newest message would be forgotten by now. Gives how many.
pub(super) fn expire(connection: &Connection, here: Here, limit: i64) -> Result<usize, StoreError> {
    Ok(connection
        .prepare_cached(
            "UPDATE conversation SET summary = NULL, summary_expires_at = NULL
             WHERE key IN (SELECT key FROM conversation WHERE summary_expires_at <= ? LIMIT ?)",
        )?
        .execute(params![millis(here.now), limit])?)
}
