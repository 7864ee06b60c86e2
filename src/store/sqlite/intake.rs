//! Keeping what arrives.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::super::{Accepted, NewMessage, Quarantined, StoreError};
use super::passes;
use super::rows::{media_column, millis, unreadable};
use crate::clock::later;
use crate::domain::{MessageId, new_id};

/// WhatsApp takes free-form replies for 24 hours after the customer's last message.
const WHATSAPP_WINDOW: Duration = Duration::from_hours(24);

/// Keeps a message and makes its conversation due; a copy of one that was kept before changes nothing. Gives the row of
/// the conversation too, where the message shifts the ground under a turn of it.
pub(super) fn accept(
    connection: &Connection,
    now: Timestamp,
    message: &NewMessage,
) -> Result<(Accepted, Option<i64>), StoreError> {
    let id = MessageId(new_id(now));
    if let Some(first) = seen_before(connection, now, message, id)? {
        return Ok((Accepted::Duplicate(first), None));
    }
    let (conversation, seq, shifts) = touch_conversation(connection, now, message)?;
    connection
        .prepare_cached(
            "INSERT INTO message (conversation, seq, id, author, text, media, at)
             VALUES (?, ?, ?, 'customer', ?, ?, ?)",
        )?
        .execute(params![
            conversation,
            seq,
            id.0,
            message.inbound.text.0,
            media_column(&message.inbound.media),
            millis(now),
        ])?;
    Ok((Accepted::New(id), shifts.then_some(conversation)))
}

/// Keeps a body that could not be read.
pub(super) fn quarantine(
    connection: &Connection,
    now: Timestamp,
    body: &Quarantined,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO quarantine (id, assistant, body, error, at) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            new_id(now),
            body.assistant,
            body.body.0,
            body.error,
            millis(now)
        ])?;
    Ok(())
}

/// Gives the first copy's name where the digest is known and still counts.
pub(super) fn known(
    connection: &Connection,
    now: Timestamp,
    digest: &[u8; 32],
) -> Result<Option<MessageId>, StoreError> {
    let first = connection
        .prepare_cached("SELECT message FROM seen WHERE digest = ? AND expires_at > ?")?
        .query_row(params![digest, millis(now)], |row| row.get::<_, Uuid>(0))
        .optional()?;
    Ok(first.map(MessageId))
}

/// Remembers the message's digest. Gives the first copy's name where the digest was known and still counts.
fn seen_before(
    connection: &Connection,
    now: Timestamp,
    message: &NewMessage,
    id: MessageId,
) -> Result<Option<MessageId>, StoreError> {
    let dedupe = message.inbound.dedupe;
    let first = known(connection, now, &dedupe.key)?;
    if first.is_none() {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO seen (digest, message, expires_at) VALUES (?, ?, ?)",
            )?
            .execute(params![dedupe.key, id.0, millis(later(now, dedupe.window))])?;
    }
    Ok(first)
}

/// Makes the conversation where it is new, and due in any case. Gives its row, the message's place in it, and whether a
/// turn is under way that the message supersedes. People who have the conversation are not interrupted by its messages.
fn touch_conversation(
    connection: &Connection,
    now: Timestamp,
    message: &NewMessage,
) -> Result<(i64, i64, bool), StoreError> {
    let inbound = &message.inbound;
    let customer = inbound.customer.key();
    // Who was passed on to another assistant is that one's, whoever he writes to.
    let assistant = passes::follow(connection, now, &message.assistant, &customer)?;
    let burst = message.burst;
    let (quiet, cap) = match message.urgent {
        true => (now, now),
        false => (later(now, burst.quiet), later(now, burst.cap)),
    };
    let span = millis(cap) - millis(now);
    let profile = serde_json::to_string(&inbound.profile.0).map_err(|error| unreadable(&error))?;
    let mut statement = connection.prepare_cached(
        "INSERT INTO conversation (id, assistant, customer, external_id, braze_id, phone, language, profile,
             opened_at, window_expires_at, waiting_since, due_at, last_seq)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?9, ?11, 1)
         ON CONFLICT (assistant, customer) DO UPDATE SET
             external_id = coalesce(excluded.external_id, external_id),
             braze_id = coalesce(excluded.braze_id, braze_id),
             phone = coalesce(excluded.phone, phone),
             language = coalesce(language, excluded.language),
             profile = CASE excluded.profile WHEN '{}' THEN profile ELSE json_patch(profile, excluded.profile) END,
             window_expires_at = max(window_expires_at, excluded.window_expires_at),
             waiting_since = coalesce(waiting_since, excluded.waiting_since),
             due_at = CASE WHEN waiting_since IS NOT NULL AND due_at <= ?9 THEN due_at
                           ELSE min(excluded.due_at, coalesce(waiting_since + ?12, excluded.due_at)) END,
             last_seq = last_seq + 1,
             epoch = epoch + (owner = 'assistant' AND superseded < ?13)
         RETURNING key, last_seq, node IS NOT NULL AND owner = 'assistant' AND superseded < ?13",
    )?;
    let row = statement.query_row(
        params![
            new_id(now),
            assistant,
            customer.0,
            inbound.customer.external_id().map(|id| &id.0),
            inbound.customer.braze_id().map(|id| &id.0),
            inbound.customer.phone().map(|phone| &phone.0),
            inbound.language.map(|language| language.to_string()),
            profile,
            millis(now),
            millis(later(now, WHATSAPP_WINDOW)),
            millis(quiet),
            span,
            burst.supersede_max,
        ],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    Ok(row)
}
