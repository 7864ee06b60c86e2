//! What becomes of words that never left: they are taken back, and where an answer is still due, it is begun anew.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::StoreError;
use super::Here;
use super::deliveries::finish;
use super::rows::{collect, millis};
use crate::domain::{Failure, Outcome, Priority, Suppression};

/// Takes back the replies of a conversation that still wait to leave although a newer message has come, and every apology:
/// whatever is said next is better than both. Gives how many there were.
pub(super) fn overtake(
    connection: &Connection,
    here: Here,
    conversation: i64,
) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT d.key FROM delivery d JOIN conversation c ON c.key = d.conversation
         WHERE d.conversation = ?1 AND d.lane = 'braze' AND d.state IN ('ready', 'sending') AND d.state = 'ready'
           AND c.owner = 'assistant' AND NOT c.opted_out
           AND (d.priority = ?2 AND d.epoch < c.epoch OR d.priority = ?3)",
    )?;
    let priorities = (Priority::Assistant as i64, Priority::Apology as i64);
    let rows = statement.query(params![conversation, priorities.0, priorities.1])?;
    let keys: Vec<i64> = collect(rows, |row| Ok(row.get(0)?))?;
    for key in &keys {
        give_up(connection, here, *key, Suppression::Superseded)?;
    }
    Ok(u64::try_from(keys.len()).unwrap_or(u64::MAX))
}

/// Takes back what the assistant had still to say, now that people have the conversation: nothing of theirs waits behind it.
/// What is on its way to the gate already is dropped there. Gives how many deliveries that were.
pub(super) fn silence(
    connection: &Connection,
    here: Here,
    conversation: i64,
) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT key FROM delivery
         WHERE conversation = ? AND lane = 'braze' AND state IN ('ready', 'sending') AND state = 'ready'
           AND node IS NULL AND priority >= ?",
    )?;
    let rows = statement.query(params![conversation, Priority::Assistant as i64])?;
    let keys: Vec<i64> = collect(rows, |row| Ok(row.get(0)?))?;
    for key in &keys {
        give_up(connection, here, *key, Suppression::HumanTookOver)?;
    }
    Ok(u64::try_from(keys.len()).unwrap_or(u64::MAX))
}

/// Gives up deliveries that are too old, whoever could have sent them: also those whose way out is configured no more.
pub(super) fn expire(connection: &Connection, here: Here, limit: i64) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT key FROM delivery WHERE state = 'ready' AND node IS NULL AND expires_at <= ? LIMIT ?",
    )?;
    let keys: Vec<i64> = collect(statement.query(params![millis(here.now), limit])?, |row| {
        Ok(row.get(0)?)
    })?;
    for key in &keys {
        give_up(connection, here, *key, Suppression::Expired)?;
    }
    Ok(keys.len())
}

/// Ends a delivery that may not leave. Words are dropped; what the desk or Braze never came to know is kept for an operator.
pub(super) fn give_up(
    connection: &Connection,
    here: Here,
    key: i64,
    why: Suppression,
) -> Result<(), StoreError> {
    let are_words: bool = connection
        .prepare_cached(
            "SELECT lane = 'braze' AND name <> 'subscription' FROM delivery WHERE key = ?",
        )?
        .query_row([key], |row| row.get(0))?;
    let state = match are_words {
        true => "dropped",
        false => "dead",
    };
    let outcome = Outcome::Suppressed(why);
    finish(connection, here, key, state, Some(outcome.as_str()))?;
    match answer_is_due(connection, here, key, why)? {
        Some((conversation, turn)) => reopen(connection, here, conversation, turn, why),
        None => unsay(connection, key, outcome),
    }
}

/// Takes back words that never left: the messages get another outcome, and the history forgets the words. Words of which
/// an earlier attempt may have arrived cannot be taken back.
pub(super) fn unsay(connection: &Connection, key: i64, outcome: Outcome) -> Result<(), StoreError> {
    let doubted: bool = connection
        .prepare_cached("SELECT possible_duplicate FROM delivery WHERE key = ?")?
        .query_row([key], |row| row.get(0))?;
    if doubted {
        return set_outcome(connection, key, Outcome::Failed(Failure::DeliveryUnknown));
    }
    set_outcome(connection, key, outcome)?;
    let (conversation, turn, is_reply): (i64, i64, bool) = connection
        .prepare_cached("SELECT conversation, turn, lane = 'braze' AND name <> 'subscription' FROM delivery WHERE key = ?")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if is_reply && forget(connection, conversation, turn)? > 0 {
        connection
            .prepare_cached("UPDATE conversation SET version = version + 1 WHERE key = ?")?
            .execute([conversation])?;
    }
    Ok(())
}

/// Changes the outcome of the messages that a reply answered; a desk event's messages keep theirs.
pub(super) fn set_outcome(
    connection: &Connection,
    key: i64,
    outcome: Outcome,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE message SET outcome = ?1 FROM delivery d
             WHERE d.key = ?2 AND d.lane = 'braze' AND d.name <> 'subscription' AND message.conversation = d.conversation
               AND message.turn = d.turn AND message.author = 'customer'
               AND message.outcome IN ('replied', 'canned')",
        )?
        .execute(params![outcome.as_str(), key])?;
    Ok(())
}

/// Tells whose messages a dropped reply leaves without an answer that could still be given: the conversation and the turn.
/// Where people had the conversation meanwhile, they have seen the messages; and what crashed the gateway is not tried again.
fn answer_is_due(
    connection: &Connection,
    here: Here,
    key: i64,
    why: Suppression,
) -> Result<Option<(i64, i64)>, StoreError> {
    if !matches!(why, Suppression::Superseded | Suppression::Expired) {
        return Ok(None);
    }
    // An apology that could not leave in time is followed by no other.
    let again = match why {
        Suppression::Expired => Priority::Assistant,
        _ => Priority::Apology,
    };
    let found = connection
        .prepare_cached(
            "SELECT d.conversation, d.turn FROM delivery d JOIN conversation c ON c.key = d.conversation
             WHERE d.key = ?1 AND d.lane = 'braze' AND d.priority BETWEEN ?2 AND ?3 AND NOT d.possible_duplicate
               AND c.owner = 'assistant' AND NOT c.opted_out AND c.window_expires_at > ?4
               AND NOT EXISTS (SELECT 1 FROM handoff h WHERE h.conversation = c.key AND h.requested_at >= d.created_at)
               AND NOT EXISTS (SELECT 1 FROM message m WHERE m.conversation = c.key AND m.turn = d.turn
                               AND m.outcome = 'failed(poison)')",
        )?
        .query_row(
            params![key, Priority::Assistant as i64, again as i64, millis(here.now)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(found)
}

/// Makes the messages of a turn wait again, as if it had never been. A turn that is under way finds its ground shifted; one
/// that is being claimed takes them.
fn reopen(
    connection: &Connection,
    here: Here,
    conversation: i64,
    turn: i64,
    why: Suppression,
) -> Result<(), StoreError> {
    forget(connection, conversation, turn)?;
    connection
        .prepare_cached(
            "UPDATE message SET turn = NULL, outcome = NULL, rule = NULL, prompt_version = NULL, help = NULL, is_repeat = 0
             WHERE conversation = ? AND turn = ? AND author = 'customer'",
        )?
        .execute([conversation, turn])?;
    connection
        .prepare_cached(
            "UPDATE conversation SET version = version + 1, superseded = superseded + ?1,
                 due_at = coalesce(due_at, ?2),
                 waiting_since = CASE WHEN node IS NULL THEN coalesce(waiting_since, ?2) ELSE waiting_since END
             WHERE key = ?3",
        )?
        .execute(params![
            why == Suppression::Superseded,
            millis(here.now),
            conversation
        ])?;
    Ok(())
}

/// Takes the words of a turn out of the history. Gives how many messages that were.
fn forget(connection: &Connection, conversation: i64, turn: i64) -> Result<usize, StoreError> {
    Ok(connection
        .prepare_cached(
            "DELETE FROM message WHERE conversation = ? AND turn = ? AND author IN ('assistant', 'agent')",
        )?
        .execute([conversation, turn])?)
}
