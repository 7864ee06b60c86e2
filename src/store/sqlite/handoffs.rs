//! Conversations in people's hands.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::{Ended, HandoffEnd, StoreError};
use super::Here;
use super::rows::{CONVERSATION, collect, millis, pass_by, read_conversation};
use super::{deliveries, history};
use crate::domain::{Conversation, EndReason, Handoff};

/// Records that people are asked to take over.
pub(super) fn begin(
    connection: &Connection,
    now: Timestamp,
    conversation: i64,
    handoff: &Handoff,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO handoff (id, conversation, reason, rule, evidence, requested_at) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            handoff.id.0,
            conversation,
            handoff.reason.as_str(),
            handoff.rule,
            handoff.evidence.0,
            millis(now),
        ])?;
    connection
        .prepare_cached(
            "UPDATE conversation SET owner = 'pending', handoff = ?, returns_at = ?, epoch = epoch + 1 WHERE key = ?",
        )?
        .execute(params![handoff.id.0, millis(handoff.returns_at), conversation])?;
    Ok(())
}

/// Gives a conversation back to the assistant; the ground shifts under a turn that runs meanwhile.
pub(super) fn end(
    connection: &Connection,
    here: Here,
    end: &HandoffEnd,
) -> Result<Ended, StoreError> {
    let standing = connection
        .prepare_cached(
            "SELECT key, owner, version, last_seq, epoch, handoff, returns_at FROM conversation WHERE id = ?",
        )?
        .query_row([end.conversation.0], |row| {
            let stamps: [i64; 3] = [row.get(2)?, row.get(3)?, row.get(4)?];
            let owner: String = row.get(1)?;
            let handoff: Option<uuid::Uuid> = row.get(5)?;
            Ok((row.get::<_, i64>(0)?, owner, stamps, handoff, row.get::<_, Option<i64>>(6)?))
        })
        .optional()?;
    let Some((row, owner, [version, last_seq, epoch], handoff, returns_at)) = standing else {
        return Ok(Ended::Unknown);
    };
    let another = handoff != end.handoff.map(|id| id.0);
    let not_yet = end.reason == EndReason::TimedOut && returns_at > Some(millis(here.now));
    if owner == "assistant" || another || not_yet {
        return Ok(Ended::NotHandedOff);
    }
    let (version, epoch) = (version + 1, epoch + 1);
    let said = std::slice::from_ref(&end.note);
    history::say(connection, here.now, row, last_seq, version, said)?;
    connection
        .prepare_cached(
            "UPDATE conversation SET owner = 'assistant', handoff = NULL, returns_at = NULL,
                 epoch = ?, version = ?, last_seq = ?
             WHERE key = ?",
        )?
        .execute(params![
            epoch,
            version,
            last_seq + history::count(said),
            row
        ])?;
    connection
        .prepare_cached(
            "UPDATE handoff SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at IS NULL",
        )?
        .execute(params![millis(here.now), end.reason.as_str(), handoff])?;
    if let Some(event) = &end.event {
        deliveries::insert(connection, here.now, row, (version, epoch), event)?;
    }
    Ok(Ended::Returned)
}

/// Gives conversations whose handoff has run out of time, the longest overdue first.
pub(super) fn overdue(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Conversation>, StoreError> {
    let sql = format!(
        "SELECT {CONVERSATION} FROM conversation WHERE returns_at <= ? ORDER BY returns_at LIMIT ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let found = collect(statement.query(params![millis(now), limit])?, |row| {
        pass_by(read_conversation(row))
    })?;
    Ok(found.into_iter().flatten().collect())
}
