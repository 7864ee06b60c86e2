//! What was said, as the store keeps it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::super::{History, StoreError};
use super::rows::{MESSAGE, MESSAGE_COLUMNS, collect, millis, read_message, time};
use crate::domain::{ConversationId, Lane, NewDelivery, Said, Settlement, new_id};

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
    let carried = said.iter().map(|said| (said, None, false));
    insert(connection, now, conversation, (last_seq, version), carried)
}

/// Adds what a turn said to the history, after `last_seq`: each with the delivery that carries it.
pub(super) fn speak(
    connection: &Connection,
    now: Timestamp,
    conversation: i64,
    last_seq: i64,
    version: i64,
    settlement: &Settlement,
) -> Result<(), StoreError> {
    let words = |delivery: &&NewDelivery| delivery.payload.lane() == Lane::Braze;
    let mut carriers = settlement.deliveries.iter().filter(words);
    let said = settlement.said.iter().enumerate();
    let said = said.map(|(place, said)| {
        let carrier = carriers.next().map(|delivery| delivery.id.0);
        (said, carrier, place == 0 && settlement.discloses)
    });
    insert(connection, now, conversation, (last_seq, version), said)
}

fn insert<'a>(
    connection: &Connection,
    now: Timestamp,
    conversation: i64,
    (last_seq, version): (i64, i64),
    said: impl Iterator<Item = (&'a Said, Option<Uuid>, bool)>,
) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO message (conversation, seq, id, author, text, at, turn, delivery, discloses)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    for (seq, (said, delivery, discloses)) in (last_seq + 1..).zip(said) {
        insert.execute(params![
            conversation,
            seq,
            new_id(now),
            said.author.as_str(),
            said.text.0,
            millis(now),
            version,
            delivery,
            discloses,
        ])?;
    }
    Ok(())
}

/// Tells when the customer last heard that software is speaking; nothing where people have had the conversation since.
pub(super) fn disclosed_at(
    connection: &Connection,
    conversation: i64,
) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = connection
        .prepare_cached(
            "SELECT max(at) FROM message INDEXED BY message_discloses
             WHERE conversation = ?1 AND discloses = 1
               AND at >= coalesce((SELECT max(ended_at) FROM handoff WHERE conversation = ?1), 0)",
        )?
        .query_row([conversation], |row| row.get(0))?;
    at.map(time).transpose()
}

/// Counts what was said, as a step of the sequence.
pub(super) fn count(said: &[Said]) -> i64 {
    i64::try_from(said.len()).unwrap_or(i64::MAX)
}
