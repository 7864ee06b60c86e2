//! Taking conversations over, and giving them back.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use uuid::Uuid;

use super::super::super::{Actor, Ended, HandoffEnd, StoreError, TakenOver};
use super::super::rows::{millis, time};
use super::super::{Here, deliveries, handoffs, unsent};
use super::audit;
use crate::clock::later;
use crate::domain::{
    ConversationId, Handoff, HandoffId, HandoffReason, NewDelivery, Priority, new_id,
};
use crate::redact::Private;

/// A conversation that was taken over; its row, and how many replies of the assistant were taken back, where the ground has
/// shifted under a turn.
type Taken = (TakenOver, Option<(i64, u64)>);

/// How a conversation stands.
struct Standing {
    key: i64,
    owner: String,
    handoff: Option<HandoffId>,
    returns_at: Option<i64>,
    stamp: (i64, i64),
}

/// Gives a conversation to people. A handoff that the desk was asked for goes on as this one; a takeover that came twice
/// changes nothing.
pub(super) fn take_over(
    connection: &Connection,
    here: Here,
    id: ConversationId,
    idle: Duration,
    event: Option<&NewDelivery>,
    actor: &Actor,
) -> Result<Option<Taken>, StoreError> {
    let Some(standing) = standing(connection, id)? else {
        return Ok(None);
    };
    let on_their_way = on_their_way(connection, standing.key)?;
    let handoff = standing.handoff.unwrap_or(HandoffId(new_id(here.now)));
    let mut taken = TakenOver {
        handoff,
        returns_at: later(here.now, idle),
        on_their_way,
    };
    if standing.owner == "human" {
        let until = standing.returns_at.map(time).transpose()?;
        taken.returns_at = until.unwrap_or(taken.returns_at);
        return Ok(Some((taken, None)));
    }
    if standing.handoff.is_none() {
        let begins = Handoff {
            id: handoff,
            reason: HandoffReason::Operator,
            rule: None,
            detail: None,
            evidence: Private::default(),
            ack_due_at: None,
            returns_at: taken.returns_at,
        };
        handoffs::begin(connection, here.now, standing.key, &begins)?;
    }
    handoffs::come(connection, here.now, standing.key, handoff, None)?;
    connection
        .prepare_cached("UPDATE conversation SET returns_at = ? WHERE key = ?")?
        .execute(params![millis(taken.returns_at), standing.key])?;
    // Whether the desk waits for somebody is certain only here.
    if let Some(event) = event.filter(|_| standing.owner == "pending") {
        deliveries::insert(connection, here.now, standing.key, standing.stamp, event)?;
    }
    let silenced = unsent::silence(connection, here, standing.key)?;
    let detail = json!({ "handoff_id": handoff.0, "on_their_way": on_their_way });
    let action = "conversation.takeover";
    audit::write(connection, here.now, actor, action, id.0, &detail)?;
    Ok(Some((taken, Some((standing.key, silenced)))))
}

fn standing(connection: &Connection, id: ConversationId) -> Result<Option<Standing>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT key, owner, handoff, returns_at, version, epoch FROM conversation WHERE id = ?",
        )?
        .query_row([id.0], |row| {
            Ok(Standing {
                key: row.get(0)?,
                owner: row.get(1)?,
                handoff: row.get::<_, Option<Uuid>>(2)?.map(HandoffId),
                returns_at: row.get(3)?,
                stamp: (row.get(4)?, row.get(5)?),
            })
        });
    Ok(found.optional()?)
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
