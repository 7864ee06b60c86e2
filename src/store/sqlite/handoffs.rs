//! Conversations in people's hands.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, ToSql, params};

use super::super::{Ended, HandoffEnd, StoreError, Unanswered};
use super::Here;
use super::rows::{CONVERSATION, collect, millis, pass_by, read_conversation};
use super::{deliveries, history};
use crate::clock::later;
use crate::domain::{
    Conversation, ConversationId, EndReason, Handoff, HandoffId, NewDelivery, Said,
};
use crate::redact::Private;

/// Records that people are asked to take over.
pub(super) fn begin(
    connection: &Connection,
    now: Timestamp,
    conversation: i64,
    handoff: &Handoff,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO handoff (id, conversation, reason, rule, detail, evidence, requested_at)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            handoff.id.0,
            conversation,
            handoff.reason.as_str(),
            handoff.rule,
            handoff.detail.as_ref().map(|detail| &detail.0),
            handoff.evidence.0,
            millis(now),
        ])?;
    connection
        .prepare_cached(
            "UPDATE conversation SET owner = 'pending', handoff = ?, ack_due_at = ?, returns_at = ?,
                 epoch = epoch + 1, paused_until = NULL, paused_for = NULL
             WHERE key = ?",
        )?
        .execute(params![
            handoff.id.0,
            handoff.ack_due_at.map(millis),
            millis(handoff.returns_at),
            conversation
        ])?;
    Ok(())
}

/// Records that somebody is there. The ground shifts where nobody was: what a turn decides meanwhile is decided anew.
pub(super) fn come(
    connection: &Connection,
    now: Timestamp,
    conversation: i64,
    handoff: HandoffId,
    agent: Option<&Private<String>>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE conversation SET owner = 'human', ack_due_at = NULL, epoch = epoch + (owner <> 'human')
             WHERE key = ?",
        )?
        .execute([conversation])?;
    connection
        .prepare_cached(
            "UPDATE handoff SET acknowledged_at = coalesce(acknowledged_at, ?), agent = coalesce(?, agent)
             WHERE id = ?",
        )?
        .execute(params![millis(now), agent.map(|agent| &agent.0), handoff.0])?;
    Ok(())
}

/// Records that a handoff is over; the ground shifts under a turn that runs meanwhile.
pub(super) fn close(
    connection: &Connection,
    now: Timestamp,
    conversation: i64,
    handoff: Option<HandoffId>,
    reason: EndReason,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE conversation SET owner = 'assistant', handoff = NULL, ack_due_at = NULL, returns_at = NULL,
                 epoch = epoch + 1, paused_until = NULL, paused_for = NULL
             WHERE key = ?",
        )?
        .execute([conversation])?;
    connection
        .prepare_cached(
            "UPDATE handoff SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at IS NULL",
        )?
        .execute(params![
            millis(now),
            reason.as_str(),
            handoff.map(|handoff| handoff.0)
        ])?;
    Ok(())
}

/// How a conversation stands, as far as the end of its handoff needs it.
struct Standing {
    row: i64,
    owner: String,
    handoff: Option<HandoffId>,
    version: i64,
    last_seq: i64,
    epoch: i64,
    ack_due_at: Option<i64>,
    returns_at: Option<i64>,
}

fn standing(connection: &Connection, id: ConversationId) -> Result<Option<Standing>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT key, owner, handoff, version, last_seq, epoch, ack_due_at, returns_at FROM conversation
             WHERE id = ?",
        )?
        .query_row([id.0], |row| {
            Ok(Standing {
                row: row.get(0)?,
                owner: row.get(1)?,
                handoff: row.get::<_, Option<uuid::Uuid>>(2)?.map(HandoffId),
                version: row.get(3)?,
                last_seq: row.get(4)?,
                epoch: row.get(5)?,
                ack_due_at: row.get(6)?,
                returns_at: row.get(7)?,
            })
        });
    Ok(found.optional()?)
}

/// Gives a conversation back to the assistant; the ground shifts under a turn that runs meanwhile.
pub(super) fn end(
    connection: &Connection,
    here: Here,
    end: &HandoffEnd,
) -> Result<Ended, StoreError> {
    let Some(standing) = standing(connection, end.conversation)? else {
        return Ok(Ended::Unknown);
    };
    let not_yet = end.reason == EndReason::TimedOut && standing.returns_at > Some(millis(here.now));
    if standing.owner == "assistant" || standing.handoff != end.handoff || not_yet {
        return Ok(Ended::NotHandedOff);
    }
    close(connection, here.now, standing.row, end.handoff, end.reason)?;
    let said = std::slice::from_ref(&end.note);
    tell(connection, here, &standing, said, end.event.as_slice())?;
    Ok(Ended::Returned)
}

/// Adds words and deliveries to a conversation, beside any turn.
fn tell(
    connection: &Connection,
    here: Here,
    standing: &Standing,
    said: &[Said],
    deliveries: &[NewDelivery],
) -> Result<(), StoreError> {
    let version = standing.version + i64::from(!said.is_empty());
    history::say(
        connection,
        here.now,
        standing.row,
        standing.last_seq,
        version,
        said,
    )?;
    connection
        .prepare_cached("UPDATE conversation SET version = ?, last_seq = ? WHERE key = ?")?
        .execute(params![
            version,
            standing.last_seq + history::count(said),
            standing.row
        ])?;
    for delivery in deliveries {
        let stamp = (version, standing.epoch + 1);
        deliveries::insert(connection, here.now, standing.row, stamp, delivery)?;
    }
    Ok(())
}

/// Gives conversations whose handoff has run out of time, the longest overdue first.
pub(super) fn overdue(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Conversation>, StoreError> {
    let condition = "returns_at <= ? ORDER BY returns_at LIMIT ?";
    find(connection, condition, params![millis(now), limit])
}

/// Gives conversations of the assistant that came back to it from `since` on.
pub(super) fn returned(
    connection: &Connection,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<Conversation>, StoreError> {
    let condition = "owner = 'assistant' AND key IN
         (SELECT conversation FROM handoff INDEXED BY handoff_ended WHERE ended_at >= ? ORDER BY ended_at LIMIT ?)";
    find(connection, condition, params![millis(since), limit])
}

/// Gives conversations that nobody has come to in time, the longest overdue first.
pub(super) fn unanswered(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Conversation>, StoreError> {
    let condition = "ack_due_at <= ? ORDER BY ack_due_at LIMIT ?";
    find(connection, condition, params![millis(now), limit])
}

/// Gives conversations of people whose window closes within `ahead`, of which the desk was not told so.
pub(super) fn closing(
    connection: &Connection,
    now: Timestamp,
    ahead: Duration,
    limit: u32,
) -> Result<Vec<Conversation>, StoreError> {
    let condition = "owner <> 'assistant' AND window_expires_at > ? AND window_expires_at <= ?
         AND warned_of IS NOT window_expires_at ORDER BY window_expires_at LIMIT ?";
    let until = millis(later(now, ahead));
    find(connection, condition, params![millis(now), until, limit])
}

fn find(
    connection: &Connection,
    condition: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<Conversation>, StoreError> {
    let sql = format!("SELECT {CONVERSATION} FROM conversation WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = collect(statement.query(values)?, |row| {
        pass_by(read_conversation(row))
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// Records that nobody has come in time, and does what is to be done about it.
pub(super) fn lapse(
    connection: &Connection,
    here: Here,
    unanswered: &Unanswered,
) -> Result<bool, StoreError> {
    let Some(standing) = standing(connection, unanswered.conversation)? else {
        return Ok(false);
    };
    let is_due = standing
        .ack_due_at
        .is_some_and(|due| due <= millis(here.now));
    if !is_due || standing.owner != "pending" || standing.handoff != unanswered.handoff {
        return Ok(false);
    }
    connection
        .prepare_cached("UPDATE conversation SET ack_due_at = NULL WHERE key = ?")?
        .execute([standing.row])?;
    connection
        .prepare_cached("UPDATE handoff SET unanswered_at = ? WHERE id = ?")?
        .execute(params![
            millis(here.now),
            unanswered.handoff.map(|handoff| handoff.0)
        ])?;
    if unanswered.returns {
        let (row, handoff) = (standing.row, standing.handoff);
        close(connection, here.now, row, handoff, EndReason::TimedOut)?;
    }
    let (said, deliveries) = (&unanswered.said, &unanswered.deliveries);
    tell(connection, here, &standing, said, deliveries)?;
    Ok(true)
}

/// Records that the desk is told of the end of a window, where it is this one still.
pub(super) fn warn(
    connection: &Connection,
    here: Here,
    conversation: &Conversation,
    event: Option<&NewDelivery>,
) -> Result<bool, StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE conversation SET warned_of = ?1
             WHERE id = ?2 AND window_expires_at = ?1 AND owner <> 'assistant' AND warned_of IS NOT ?1",
        )?
        .execute(params![
            millis(conversation.window_expires_at),
            conversation.id.0
        ])?;
    let standing = standing(connection, conversation.id)?.filter(|_| changed > 0);
    let Some(standing) = standing else {
        return Ok(false);
    };
    let events = Vec::from_iter(event.cloned());
    tell(connection, here, &standing, &[], &events)?;
    Ok(true)
}
