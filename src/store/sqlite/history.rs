//! What was said, as the store keeps it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::{History, StoreError};
use super::rows::{MESSAGE, MESSAGE_COLUMNS, collect, millis, read_message};
use crate::domain::{ConversationId, Said, new_id};

/// Messages read beyond the limit, since those of one turn may stand a little apart in the order of arrival.
const ORDER_MARGIN: u32 = 16;

/// Gives the last messages that have been dealt with: turn by turn, within a turn as they came.
pub(super) fn last(
    connection: &Connection,
    conversation: ConversationId,
    limit: u32,
) -> Result<History, StoreError> {
    // One read transaction, so that the version and the messages are of the same moment.
    let transaction = connection.unchecked_transaction()?;
    let found = transaction
        .prepare_cached("SELECT key, version FROM conversation WHERE id = ?")?
        .query_row([conversation.0], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((row, version)) = found else {
        return Ok(History {
            messages: Vec::new(),
            version: 0,
        });
    };
    let sql = format!(
        "SELECT {MESSAGE}, turn FROM message WHERE conversation = ? AND turn >= 0 ORDER BY seq DESC LIMIT ?"
    );
    let mut messages = collect(
        transaction
            .prepare_cached(&sql)?
            .query(params![row, limit + ORDER_MARGIN])?,
        |row| Ok((row.get::<_, i64>(MESSAGE_COLUMNS)?, read_message(row)?)),
    )?;
    messages.sort_by_key(|(turn, message)| (*turn, message.seq));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let surplus = messages.len().saturating_sub(limit);
    let messages = messages
        .into_iter()
        .skip(surplus)
        .map(|(_, message)| message)
        .collect();
    Ok(History { messages, version })
}

/// Adds what was said to the history, after `last_seq`.
pub(super) fn say(
    connection: &Connection,
    now: Timestamp,
    conversation: i64,
    last_seq: i64,
    version: i64,
    said: &[Said],
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO message (conversation, seq, id, author, text, at, turn) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    for (seq, said) in (last_seq + 1..).zip(said) {
        insert.execute(params![
            conversation,
            seq,
            new_id(now),
            said.author.as_str(),
            said.text.0,
            millis(now),
            version,
        ])?;
    }
    Ok(())
}

/// Counts what was said, as a step of the sequence.
pub(super) fn count(said: &[Said]) -> i64 {
    i64::try_from(said.len()).unwrap_or(i64::MAX)
}
