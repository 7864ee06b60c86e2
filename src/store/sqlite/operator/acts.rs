//! Taking conversations over, and giving them back.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use uuid::Uuid;

use super::super::super::{Actor, Ended, HandoffEnd, StoreError, TakenOver};
use super::super::rows::{millis, time};
use super::super::{Here, handoffs};
use super::audit;
use crate::clock::later;
use crate::domain::{ConversationId, HandoffId, HandoffReason, Priority, new_id};

/// Gives a conversation to people. A handoff that the desk was asked for goes on as this one; a takeover that came twice
/// changes nothing.
pub(super) fn take_over(
    connection: &Connection,
    here: Here,
    id: ConversationId,
    idle: Duration,
    actor: &Actor,
) -> Result<Option<TakenOver>, StoreError> {
    let standing = connection
        .prepare_cached(
            "SELECT key, owner = 'human', handoff, returns_at FROM conversation WHERE id = ?",
        )?
        .query_row([id.0], |row| {
            let handoff: Option<Uuid> = row.get(2)?;
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, bool>(1)?,
                handoff,
                row.get::<_, Option<i64>>(3)?,
            ))
        })
        .optional()?;
    let Some((key, is_taken, under_way, standing_until)) = standing else {
        return Ok(None);
    };
    let handoff = under_way.unwrap_or_else(|| new_id(here.now));
    let on_their_way = on_their_way(connection, key)?;
    let mut returns_at = later(here.now, idle);
    if is_taken {
        returns_at = standing_until.map(time).transpose()?.unwrap_or(returns_at);
    } else {
        if under_way.is_none() {
            begin(connection, here, key, handoff)?;
        }
        connection
            .prepare_cached(
                "UPDATE conversation SET owner = 'human', handoff = ?, returns_at = ?, epoch = epoch + 1 WHERE key = ?",
            )?
            .execute(params![handoff, millis(returns_at), key])?;
        let detail = json!({ "handoff_id": handoff, "on_their_way": on_their_way });
        audit::write(
            connection,
            here.now,
            actor,
            "conversation.takeover",
            id.0,
            &detail,
        )?;
    }
    Ok(Some(TakenOver {
        handoff: HandoffId(handoff),
        returns_at,
        on_their_way,
    }))
}

fn begin(connection: &Connection, here: Here, key: i64, handoff: Uuid) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO handoff (id, conversation, reason, evidence, requested_at) VALUES (?, ?, ?, '', ?)",
        )?
        .execute(params![
            handoff,
            key,
            HandoffReason::Operator.as_str(),
            millis(here.now)
        ])?;
    Ok(())
}

/// Counts the assistant's replies that have left and are not answered: nothing can call them back.
fn on_their_way(connection: &Connection, key: i64) -> Result<u64, StoreError> {
    let sending: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM delivery
             WHERE conversation = ? AND lane = 'braze' AND state IN ('ready', 'sending') AND state = 'sending'
               AND priority >= ?",
        )?
        .query_row(params![key, Priority::Assistant as i64], |row| row.get(0))?;
    Ok(u64::try_from(sending).unwrap_or_default())
}

/// Gives a conversation back to the assistant.
pub(super) fn release(
    connection: &Connection,
    here: Here,
    end: &HandoffEnd,
    actor: &Actor,
) -> Result<Ended, StoreError> {
    let ended = handoffs::end(connection, here, end)?;
    if ended == Ended::Returned {
        let detail = json!({ "handoff_id": end.handoff.map(|id| id.0) });
        let subject = end.conversation.0;
        audit::write(
            connection,
            here.now,
            actor,
            "conversation.release",
            subject,
            &detail,
        )?;
    }
    Ok(ended)
}
