//! What goes out: claimed, cleared, and what became of it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::json;

use super::super::{Batch, StoreError};
use super::Here;
use super::rows::{
    CONVERSATION, CONVERSATION_COLUMNS, collect, millis, pass_by, read_conversation, time,
    unreadable,
};
use super::unsent::{give_up, set_outcome, unsay};
use crate::domain::{
    Attempted, Clearance, Delivery, DeliveryId, Failure, Lane, NewDelivery, OnUnknown, Outcome,
    Payload, Priority, Suppression,
};
use crate::redact::Private;

/// The stored name of words for the customer; any other name is a desk event's.
const REPLY: &str = "reply";

/// The stored name of what Braze is to know of the customer's consent: no words, so nothing of what holds for those does.
pub(super) const SUBSCRIPTION: &str = "subscription";

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
    let (name, body) = match &delivery.payload {
        Payload::Reply { text } => (REPLY, text.0.clone()),
        Payload::Subscription {
            group,
            is_subscribed,
        } => (SUBSCRIPTION, json!([group, is_subscribed]).to_string()),
        Payload::Event { name, body } => (name.as_str(), body.0.clone()),
    };
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

/// Claims deliveries that may go now: the oldest open one of each conversation in the lane, by priority. `assistants`
/// is a JSON array of names.
pub(super) fn claim(
    connection: &Connection,
    here: Here,
    lane: Lane,
    assistants: &str,
    limit: u32,
) -> Result<Batch<Delivery>, StoreError> {
    let mut pick = connection.prepare_cached(
        "UPDATE delivery SET node = ?1 WHERE key IN (
             SELECT d.key FROM delivery d
             WHERE d.lane = ?2 AND d.state = 'ready' AND d.node IS NULL AND +d.not_before <= ?3
               AND d.assistant IN (SELECT value FROM json_each(?5))
               AND NOT EXISTS (SELECT 1 FROM delivery e WHERE e.conversation = d.conversation AND e.lane = d.lane
                               AND e.key <> d.key AND (e.key < d.key OR e.node IS NOT NULL)
                               AND e.state IN ('ready', 'sending'))
             ORDER BY d.priority, d.key LIMIT ?4)
         RETURNING key",
    )?;
    let rows = pick.query(params![
        here.node.0,
        lane.as_str(),
        millis(here.now),
        limit,
        assistants
    ])?;
    let keys: Vec<i64> = collect(rows, |row| Ok(row.get(0)?))?;
    let items = keys
        .into_iter()
        .map(|key| pass_by(claimed(connection, lane, key)))
        .collect::<Result<Vec<_>, _>>()?;
    let mut items: Vec<_> = items.into_iter().flatten().collect();
    items.sort_by_key(|(priority, key, _)| (*priority, *key));
    // What is due but stands behind another is woken by that other's end, so only later times count.
    let next_due = connection
        .prepare_cached(
            "SELECT min(not_before) FROM delivery
             WHERE lane = ? AND state = 'ready' AND node IS NULL AND not_before > ?",
        )?
        .query_row(params![lane.as_str(), millis(here.now)], |row| {
            row.get::<_, Option<i64>>(0)
        })?;
    Ok(Batch {
        items: items.into_iter().map(|(_, _, delivery)| delivery).collect(),
        next_due: next_due.map(time).transpose()?,
    })
}

fn claimed(
    connection: &Connection,
    lane: Lane,
    key: i64,
) -> Result<(i64, i64, Delivery), StoreError> {
    let sql = format!(
        "SELECT {CONVERSATION}, d.id, d.name, d.body, d.attempts, d.created_at, d.possible_duplicate, d.expires_at, d.priority
         FROM delivery d JOIN conversation ON conversation.key = d.conversation WHERE d.key = ?"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([key])?;
    let row = rows
        .next()?
        .ok_or_else(|| unreadable(&"a delivery without conversation"))?;
    let delivery = read_delivery(row, lane)?;
    Ok((row.get(CONVERSATION_COLUMNS + 7)?, key, delivery))
}

fn read_delivery(row: &Row<'_>, lane: Lane) -> Result<Delivery, StoreError> {
    let column = |offset| CONVERSATION_COLUMNS + offset;
    let name: String = row.get(column(1))?;
    let body: String = row.get(column(2))?;
    Ok(Delivery {
        id: DeliveryId(row.get(column(0))?),
        conversation: read_conversation(row)?,
        payload: match lane {
            Lane::Braze if name == SUBSCRIPTION => {
                let (group, is_subscribed) =
                    serde_json::from_str(&body).map_err(|error| unreadable(&error))?;
                Payload::Subscription {
                    group,
                    is_subscribed,
                }
            }
            Lane::Braze => Payload::Reply {
                text: Private(body),
            },
            Lane::Desk => Payload::Event {
                name,
                body: Private(body),
            },
        },
        attempts: row.get(column(3))?,
        created_at: time(row.get(column(4))?)?,
        possible_duplicate: row.get(column(5))?,
        expires_at: time(row.get(column(6))?)?,
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
                 WHEN d.expires_at <= ?3 OR (d.lane = 'braze' AND d.name <> 'subscription' AND c.window_expires_at <= ?3)
                     THEN 'expired'
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
        Attempted::Sent => finish(connection, here, key, "sent", None)?,
        Attempted::Retry { at, counts, error } => {
            again(connection, key, *at, error, (*counts, false))?;
        }
        Attempted::Unknown { policy, at, error } => {
            unknown(connection, here, key, *policy, *at, error)?;
        }
        Attempted::Dead { error } => {
            finish(connection, here, key, "dead", Some(error))?;
            unsay(connection, key, Outcome::Failed(Failure::Delivery))?;
        }
    }
    Ok(Some(if lane == "braze" {
        Lane::Braze
    } else {
        Lane::Desk
    }))
}

/// Does with a delivery of unknown fate what the policy says. A desk knows duplicates by their id, and consent is the same
/// said twice, so these go again.
pub(super) fn unknown(
    connection: &Connection,
    here: Here,
    key: i64,
    policy: OnUnknown,
    at: Timestamp,
    error: &str,
) -> Result<(), StoreError> {
    let (is_words, doubted): (bool, bool) = connection
        .prepare_cached("SELECT lane = 'braze' AND name <> 'subscription', possible_duplicate FROM delivery WHERE key = ?")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let end = match policy {
        _ if !is_words => return again(connection, key, at, error, (true, true)),
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
