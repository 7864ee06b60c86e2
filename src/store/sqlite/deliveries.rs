//! What goes out: claimed, cleared, and what became of it.

use std::borrow::Cow;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value, json};

use super::super::{Batch, StoreError};
use super::Here;
use super::profiles::{self, Mirrors};
use super::rows::{
    CONVERSATION, CONVERSATION_COLUMNS, collect, millis, pass_by, read_conversation, time,
    unreadable,
};
use super::unsent::{give_up, give_up_rest, set_outcome, unsay};
use crate::domain::{
    Attempted, Clearance, Delivery, DeliveryId, Failure, Lane, NewDelivery, OnUnknown, Outcome,
    Payload, Priority, Suppression,
};
use crate::redact::Private;

/// The stored name of words for the customer; any other name is a desk event's.
const REPLY: &str = "reply";

/// What the stored name of a named send begins with.
const SEND: &str = "send:";

/// What an error message keeps of the other side's words.
const ERROR_CHARS: usize = 500;

/// Puts a delivery into the outbox; `stamp` is the history's version and the epoch that it belongs to.
pub(super) fn insert(
    connection: &Connection,
    now: Timestamp,
    conversation: i64,
    stamp: (i64, i64),
    delivery: &NewDelivery,
) -> Result<(), StoreError> {
    let (name, body) = written(&delivery.payload);
    connection
        .prepare_cached(
            "INSERT INTO delivery (id, conversation, assistant, lane, name, body, priority, not_before, expires_at,
                 epoch, turn, created_at)
             SELECT ?1, key, assistant, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?7 FROM conversation WHERE key = ?2",
        )?
        .execute(params![
            delivery.id.0,
            conversation,
            delivery.payload.lane().as_str(),
            name,
            body,
            delivery.priority as i64,
            millis(now),
            millis(delivery.expires_at),
            stamp.1,
            stamp.0,
        ])?;
    Ok(())
}

/// What is claimed, and for whom.
pub(super) struct Terms<'a> {
    pub(super) lane: Lane,
    pub(super) assistants: &'a [String],
    /// What rides on replies, where anything does.
    pub(super) mirrors: Option<&'a Mirrors>,
}

/// Claims deliveries that may go now: the oldest open one of each conversation in the lane, by priority, and within a
/// priority in turns between the assistants, in their order here.
pub(super) fn claim(
    connection: &Connection,
    here: Here,
    terms: &Terms<'_>,
    limit: u32,
) -> Result<Batch<Delivery>, StoreError> {
    let lane = terms.lane;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut keys = Vec::new();
    for priority in Priority::ALL {
        let left = limit.saturating_sub(keys.len());
        if left == 0 {
            break;
        }
        let queues = terms
            .assistants
            .iter()
            .map(|assistant| due(connection, here, lane, assistant, priority, left))
            .collect::<Result<Vec<_>, _>>()?;
        keys.extend(in_turns(&queues).into_iter().take(left));
    }
    let mut hold = connection.prepare_cached("UPDATE delivery SET node = ? WHERE key = ?")?;
    let mut items = Vec::with_capacity(keys.len());
    for key in keys {
        hold.execute(params![here.node.0, key])?;
        items.extend(pass_by(claimed(connection, terms, key))?);
    }
    // What is due but stands behind another is woken by that other's end, so only later times count.
    let next_due = connection
        .prepare_cached(
            "SELECT min(not_before) FROM delivery INDEXED BY delivery_later
             WHERE lane = ? AND head = 1 AND state = 'ready' AND node IS NULL AND not_before > ?",
        )?
        .query_row(params![lane.as_str(), millis(here.now)], |row| {
            row.get::<_, Option<i64>>(0)
        })?;
    Ok(Batch {
        items,
        next_due: next_due.map(time).transpose()?,
    })
}

/// What is due, along an index that holds only what can be claimed.
const DUE: &str = "SELECT key FROM delivery INDEXED BY delivery_due
     WHERE lane = ? AND assistant = ? AND priority = ? AND not_before <= ?
       AND head = 1 AND state = 'ready' AND node IS NULL
     ORDER BY not_before, key LIMIT ?";

/// Gives what an assistant has due in a lane, longest due first.
fn due(
    connection: &Connection,
    here: Here,
    lane: Lane,
    assistant: &str,
    priority: Priority,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let mut statement = connection.prepare_cached(DUE)?;
    let rows = statement.query(params![
        lane.as_str(),
        assistant,
        priority as i64,
        millis(here.now),
        i64::try_from(limit).unwrap_or(i64::MAX)
    ])?;
    collect(rows, |row| Ok(row.get(0)?))
}

/// Takes one of each queue in turn, until all are empty.
fn in_turns(queues: &[Vec<i64>]) -> Vec<i64> {
    let longest = queues.iter().map(Vec::len).max().unwrap_or_default();
    let turn = |round| {
        queues
            .iter()
            .filter_map(move |queue| queue.get(round).copied())
    };
    (0..longest).flat_map(turn).collect()
}

fn claimed(connection: &Connection, terms: &Terms<'_>, key: i64) -> Result<Delivery, StoreError> {
    let sql = format!(
        "SELECT {CONVERSATION}, d.id, d.name, d.body, d.attempts, d.created_at, d.possible_duplicate, d.expires_at, d.priority,
             d.conversation
         FROM delivery d JOIN conversation ON conversation.key = d.conversation WHERE d.key = ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([key])?;
    let row = rows
        .next()?
        .ok_or_else(|| unreadable(&"a delivery without conversation"))?;
    let mut delivery = read_delivery(row, terms.lane)?;
    let conversation: i64 = row.get(CONVERSATION_COLUMNS + 8)?;
    if let Some(mirrors) = terms.mirrors.filter(|_| terms.lane == Lane::Braze) {
        let riding = profiles::riding(connection, mirrors, &delivery.conversation, conversation)?;
        connection
            .prepare_cached("UPDATE delivery SET riding = ?1 WHERE key = ?2 AND (?1 IS NOT NULL OR riding IS NOT NULL)")?
            .execute(params![
                (!riding.is_empty()).then(|| Value::Object(riding.0.clone()).to_string()),
                key
            ])?;
        delivery.attributes = riding;
    }
    Ok(delivery)
}

fn read_delivery(row: &Row<'_>, lane: Lane) -> Result<Delivery, StoreError> {
    let column = |offset| CONVERSATION_COLUMNS + offset;
    let name: String = row.get(column(1))?;
    let body: String = row.get(column(2))?;
    Ok(Delivery {
        id: DeliveryId(row.get(column(0))?),
        conversation: read_conversation(row)?,
        payload: read_payload(lane, name, body)?,
        attempts: row.get(column(3))?,
        created_at: time(row.get(column(4))?)?,
        possible_duplicate: row.get(column(5))?,
        expires_at: time(row.get(column(6))?)?,
        priority: Priority::from_number(row.get(column(7))?)
            .ok_or_else(|| unreadable(&"a delivery of no known priority"))?,
        attributes: Private::default(),
    })
}

/// Gives the name and the body under which a payload is stored.
fn written(payload: &Payload) -> (Cow<'_, str>, Cow<'_, str>) {
    match payload {
        Payload::Reply { text } => (REPLY.into(), text.as_str().into()),
        Payload::Event { name, body } => (name.into(), body.as_str().into()),
        Payload::Send {
            name,
            said,
            properties,
        } => (
            [SEND, name].concat().into(),
            json!({ "said": said.0, "properties": properties.0 })
                .to_string()
                .into(),
        ),
    }
}

fn read_payload(lane: Lane, name: String, body: String) -> Result<Payload, StoreError> {
    if lane == Lane::Desk {
        let body = Private(body);
        return Ok(Payload::Event { name, body });
    }
    let Some(send) = name.strip_prefix(SEND) else {
        let text = Private(body);
        return Ok(Payload::Reply { text });
    };
    let mut body: Map<String, Value> =
        serde_json::from_str(&body).map_err(|_| unreadable(&"the body of a named send"))?;
    let said = body.get("said").and_then(Value::as_str).unwrap_or_default();
    Ok(Payload::Send {
        name: send.to_owned(),
        said: said.into(),
        properties: match body.remove("properties") {
            Some(Value::Object(properties)) => Private(properties),
            _ => Private::default(),
        },
    })
}

/// Asks whether a claimed delivery may leave. If so, it is `sending` when this commits, before the request begins.
pub(super) fn clear(
    connection: &Connection,
    here: Here,
    id: DeliveryId,
) -> Result<Clearance, StoreError> {
    // Only the assistant's own words can be out of place, and after a stop people's too; whatever is too old is.
    let objection = connection
        .prepare_cached(
            "SELECT d.key, c.key, c.superseded * (d.lane = 'braze' AND d.priority >= ?4), CASE
                 WHEN d.lane = 'braze' AND d.priority >= ?5 AND c.opted_out THEN 'opted_out'
                 WHEN d.lane = 'braze' AND d.priority >= ?4 AND c.owner <> 'assistant' THEN 'human_took_over'
                 WHEN d.lane = 'braze' AND d.priority >= ?4 AND d.epoch < c.epoch THEN 'superseded'
                 WHEN d.expires_at <= ?3 OR (d.lane = 'braze' AND c.window_expires_at <= ?3) THEN 'expired'
             END
             FROM delivery d JOIN conversation c ON c.key = d.conversation
             WHERE d.id = ?1 AND d.node = ?2 AND d.state = 'ready'",
        )?
        .query_row(
            params![
                id.0,
                here.node.0,
                millis(here.now),
                Priority::Assistant as i64,
                Priority::Agent as i64
            ],
            |row| {
                let keys: [i64; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
                Ok((keys, row.get::<_, Option<String>>(3)?))
            },
        )
        .optional()?;
    let Some(([key, conversation, superseded], objection)) = objection else {
        return Ok(Clearance::Lost);
    };
    let Some(objection) = objection else {
        connection
            .prepare_cached("UPDATE delivery SET state = 'sending' WHERE key = ?")?
            .execute([key])?;
        if superseded > 0 {
            // The customer gets an answer, so the next message may supersede again.
            connection
                .prepare_cached("UPDATE conversation SET superseded = 0 WHERE key = ?")?
                .execute([conversation])?;
        }
        return Ok(Clearance::Go);
    };
    let why = match objection.as_str() {
        "opted_out" => Suppression::OptedOut,
        "human_took_over" => Suppression::HumanTookOver,
        "superseded" => Suppression::Superseded,
        _ => Suppression::Expired,
    };
    give_up(connection, here, key, why)?;
    Ok(Clearance::Dropped(why))
}

/// Records how an attempt ended. Gives the lane, where the delivery was this node's.
pub(super) fn attempted(
    connection: &Connection,
    here: Here,
    id: DeliveryId,
    attempted: &Attempted,
) -> Result<Option<Lane>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT key, lane FROM delivery WHERE id = ? AND node = ? AND state IN ('ready', 'sending')",
        )?
        .query_row(params![id.0, here.node.0], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let Some((key, lane)) = found else {
        return Ok(None);
    };
    match attempted {
        Attempted::Sent => {
            finish(connection, here, key, "sent", None)?;
            profiles::rode(connection, key)?;
        }
        Attempted::Retry { at, counts, error } => {
            again(connection, key, *at, error, (*counts, false))?;
        }
        Attempted::Unknown { policy, at, error } => {
            unknown(connection, here, key, *policy, *at, error)?;
        }
        Attempted::Dead { error } => {
            finish(connection, here, key, "dead", Some(error))?;
            unsay(connection, key, Outcome::Failed(Failure::Delivery))?;
            give_up_rest(connection, here, key, error)?;
        }
    }
    Ok(Some(if lane == "braze" {
        Lane::Braze
    } else {
        Lane::Desk
    }))
}

/// Does with a delivery of unknown fate what the policy says. A desk knows duplicates by their id, so it gets another.
pub(super) fn unknown(
    connection: &Connection,
    here: Here,
    key: i64,
    policy: OnUnknown,
    at: Timestamp,
    error: &str,
) -> Result<(), StoreError> {
    let (braze, doubted): (bool, bool) = connection
        .prepare_cached("SELECT lane = 'braze', possible_duplicate FROM delivery WHERE key = ?")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let end = match policy {
        _ if !braze => return again(connection, key, at, error, (true, true)),
        OnUnknown::ResendOnce if !doubted => {
            return again(connection, key, at, error, (true, true));
        }
        OnUnknown::ResendOnce | OnUnknown::Drop => "dead",
        OnUnknown::Hold => "held",
    };
    finish(connection, here, key, end, Some(error))?;
    connection
        .prepare_cached("UPDATE delivery SET possible_duplicate = 1 WHERE key = ?")?
        .execute([key])?;
    set_outcome(connection, key, Outcome::Failed(Failure::DeliveryUnknown))
}

fn again(
    connection: &Connection,
    key: i64,
    at: Timestamp,
    error: &str,
    (counts, doubt): (bool, bool),
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE delivery SET state = 'ready', node = NULL, not_before = ?, error = ?, attempts = attempts + ?,
                 possible_duplicate = possible_duplicate OR ? WHERE key = ?",
        )?
        .execute(params![millis(at), bounded(error), counts, doubt, key])?;
    Ok(())
}

/// Ends a delivery.
pub(super) fn finish(
    connection: &Connection,
    here: Here,
    key: i64,
    state: &str,
    error: Option<&str>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE delivery SET state = ?, node = NULL, error = ?, ended_at = ? WHERE key = ?",
        )?
        .execute(params![state, error.map(bounded), millis(here.now), key])?;
    Ok(())
}

fn bounded(error: &str) -> String {
    error.chars().take(ERROR_CHARS).collect()
}

#[cfg(test)]
mod tests;
