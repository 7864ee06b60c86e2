//! Looking at deliveries, and deciding about those that were given up or are held.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::json;

use super::super::super::{
    Actor, Decided, Decision, DeliveryFilter, DeliveryState, DeliveryView, Page, Part, StoreError,
};
use super::super::Here;
use super::super::deliveries::finish;
use super::super::rows::{collect, millis, time, unreadable};
use super::audit;
use super::query::{Query, page};
use crate::clock::later;
use crate::domain::{ConversationId, DeliveryId, Lane, new_id};
use crate::redact::Private;

const VIEW: &str = "SELECT delivery.key, delivery.id, conversation.id, delivery.assistant, lane, name, body, state,
     delivery.attempts, possible_duplicate, error, created_at, not_before, expires_at, ended_at";

/// Lists deliveries, the newest first.
pub(super) fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    part: Part,
) -> Result<Page<DeliveryView>, StoreError> {
    let (sql, query) = statement(filter, part);
    let mut statement = connection.prepare_cached(&sql)?;
    let found = collect(statement.query(query.values())?, read)?;
    Ok(page(found, part))
}

/// Gives the statement of a list, with what it wants.
pub(super) fn statement(filter: &DeliveryFilter, part: Part) -> (String, Query) {
    let mut query = Query::of(part);
    let conversation = filter.conversation.map(|id| id.0.as_bytes().to_vec());
    query.and(
        "delivery.conversation = (SELECT key FROM conversation WHERE id = ?)",
        conversation,
    );
    query.and("delivery.assistant = ?", filter.assistant.clone());
    match filter.state {
        Some(DeliveryState::Dead | DeliveryState::Held) => {
            query.and_fixed("state IN ('dead', 'held')");
        }
        Some(DeliveryState::Ready | DeliveryState::Sending) => {
            query.and_fixed("state IN ('ready', 'sending')");
        }
        _ => {}
    }
    if let Some(state) = filter.state {
        query.and_fixed(&format!("state = '{}'", state.as_str()));
    }
    if let Some(lane) = filter.lane {
        query.and_fixed(&format!("lane = '{}'", lane.as_str()));
    }
    if let Some(doubted) = filter.possible_duplicate {
        query.and_fixed(&format!("possible_duplicate = {}", u8::from(doubted)));
    }
    let sql = format!(
        "{VIEW} FROM delivery {} CROSS JOIN conversation ON conversation.key = delivery.conversation
         WHERE {} ORDER BY delivery.key DESC LIMIT ?",
        index(filter),
        query.conditions().replacen("key <", "delivery.key <", 1)
    );
    (sql, query)
}

/// Chooses the index that leaves the fewest rows, since the planner does not know how rare a value is.
fn index(filter: &DeliveryFilter) -> &'static str {
    if filter.conversation.is_some() {
        return "INDEXED BY delivery_conversation";
    }
    match (filter.state, filter.possible_duplicate, filter.lane) {
        (Some(DeliveryState::Dead | DeliveryState::Held), ..) => "INDEXED BY delivery_dead",
        (Some(DeliveryState::Ready | DeliveryState::Sending), ..) => "INDEXED BY delivery_unsent",
        (Some(DeliveryState::Dropped), ..) => "INDEXED BY delivery_dropped",
        (_, Some(true), _) => "INDEXED BY delivery_doubted",
        (_, _, Some(Lane::Desk)) => "INDEXED BY delivery_events",
        _ if filter.assistant.is_some() => "INDEXED BY delivery_assistant",
        _ => "",
    }
}

/// Gives one delivery as it stands.
pub(super) fn one(
    connection: &Connection,
    id: DeliveryId,
) -> Result<Option<DeliveryView>, StoreError> {
    let sql = format!(
        "{VIEW} FROM delivery JOIN conversation ON conversation.key = delivery.conversation WHERE delivery.id = ?"
    );
    let found = connection
        .prepare_cached(&sql)?
        .query_row([id.0], |row| Ok(read(row)))
        .optional()?;
    Ok(found.transpose()?.map(|(_, view)| view))
}

fn read(row: &Row<'_>) -> Result<(i64, DeliveryView), StoreError> {
    let lane: String = row.get(4)?;
    let state: String = row.get(7)?;
    let ended_at: Option<i64> = row.get(14)?;
    let view = DeliveryView {
        id: DeliveryId(row.get(1)?),
        conversation: ConversationId(row.get(2)?),
        assistant: row.get(3)?,
        lane: [Lane::Braze, Lane::Desk]
            .into_iter()
            .find(|known| known.as_str() == lane)
            .ok_or_else(|| unreadable(&lane))?,
        name: row.get(5)?,
        body: Private(row.get(6)?),
        state: DeliveryState::from_name(&state).ok_or_else(|| unreadable(&state))?,
        attempts: row.get(8)?,
        possible_duplicate: row.get(9)?,
        error: row.get(10)?,
        created_at: time(row.get(11)?)?,
        not_before: time(row.get(12)?)?,
        expires_at: time(row.get(13)?)?,
        ended_at: ended_at.map(time).transpose()?,
    };
    Ok((row.get(0)?, view))
}

/// Does with a delivery what an operator decided. Gives the lane that has something to send again, where one has.
pub(super) fn decide(
    connection: &Connection,
    here: Here,
    id: DeliveryId,
    decision: Decision,
    actor: &Actor,
) -> Result<(Decided, Option<Lane>), StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT d.key, d.state, d.lane = 'braze' AND d.name <> 'subscription', c.window_expires_at, d.lane = 'braze'
             FROM delivery d
             JOIN conversation c ON c.key = d.conversation WHERE d.id = ?",
        )?
        .query_row([id.0], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, bool>(2)?,
                row.get::<_, i64>(3)?,
                row.get::<_, bool>(4)?,
            ))
        })
        .optional()?;
    let Some((key, state, is_reply, window, to_braze)) = found else {
        return Ok((Decided::Unknown, None));
    };
    let state = DeliveryState::from_name(&state).ok_or_else(|| unreadable(&state))?;
    if is_so(decision, state) {
        return Ok((Decided::Done, None));
    }
    if !matches!(state, DeliveryState::Dead | DeliveryState::Held) {
        return Ok((Decided::NotIn(state), None));
    }
    let mut lane = None;
    let action = match decision {
        Decision::Retry { reply, event } => {
            let expires_at = match is_reply {
                true => millis(later(here.now, reply)).min(window),
                false => millis(later(here.now, event)),
            };
            if expires_at <= millis(here.now) {
                return Ok((Decided::WindowOver, None));
            }
            retry(connection, here, key, expires_at)?;
            lane = Some(if to_braze { Lane::Braze } else { Lane::Desk });
            "delivery.retry"
        }
        Decision::Sent => {
            finish(connection, here, key, "sent", None)?;
            answer(connection, here, key)?;
            "delivery.sent"
        }
        Decision::Drop => {
            finish(
                connection,
                here,
                key,
                "dropped",
                Some("dropped by an operator"),
            )?;
            "delivery.drop"
        }
    };
    let detail = json!({ "from": state.as_str() });
    audit::write(connection, here.now, actor, action, id.0, &detail)?;
    Ok((Decided::Done, lane))
}

/// Tells whether the delivery stands already where the decision would bring it: a request that came twice.
fn is_so(decision: Decision, state: DeliveryState) -> bool {
    matches!(
        (decision, state),
        (
            Decision::Retry { .. },
            DeliveryState::Ready | DeliveryState::Sending
        ) | (Decision::Sent, DeliveryState::Sent)
            | (Decision::Drop, DeliveryState::Dropped)
    )
}

/// Makes a delivery ready anew. It gets the epoch of now, since who decides so knows what has happened since; who may
/// speak is asked again when it leaves.
fn retry(connection: &Connection, here: Here, key: i64, expires_at: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE delivery SET state = 'ready', node = NULL, attempts = 0, not_before = ?1, expires_at = ?2,
                 error = NULL, ended_at = NULL,
                 epoch = (SELECT epoch FROM conversation WHERE conversation.key = delivery.conversation)
             WHERE key = ?3",
        )?
        .execute(params![millis(here.now), expires_at, key])?;
    answer(connection, here, key)
}

/// Lets a reply count as one again: its messages are answered by it, and the history has its words.
fn answer(connection: &Connection, here: Here, key: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE message SET outcome = 'replied' FROM delivery d
             WHERE d.key = ? AND d.lane = 'braze' AND d.name <> 'subscription' AND message.conversation = d.conversation
               AND message.turn = d.turn AND message.author = 'customer'
               AND message.outcome IN ('failed(delivery)', 'failed(delivery_unknown)')",
        )?
        .execute([key])?;
    let said = connection
        .prepare_cached(
            "INSERT INTO message (conversation, seq, id, author, text, at, turn)
             SELECT c.key, c.last_seq + 1, ?2, 'assistant', d.body, ?3, d.turn
             FROM delivery d JOIN conversation c ON c.key = d.conversation
             WHERE d.key = ?1 AND d.lane = 'braze' AND d.name <> 'subscription' AND NOT EXISTS (
                 SELECT 1 FROM message m WHERE m.conversation = c.key AND m.turn = d.turn AND m.author = 'assistant')",
        )?
        .execute(params![key, new_id(here.now), millis(here.now)])?;
    if said > 0 {
        connection
            .prepare_cached(
                "UPDATE conversation SET last_seq = last_seq + 1, version = version + 1
                 WHERE key = (SELECT conversation FROM delivery WHERE key = ?)",
            )?
            .execute([key])?;
    }
    Ok(())
}
