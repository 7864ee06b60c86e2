//! What profiles in Braze lack: computed from what stands, compared with what was sent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

use super::super::{Batch, StoreError};
use super::Here;
use super::rows::{CONVERSATION, collect, millis, read_conversation, time};
use crate::clock::later;
use crate::domain::{
    Attribute, Conversation, Mirror, Mirrored, Moment, Owner, ProfileEvent, ProfileUpdate, Source,
};
use crate::redact::Private;

/// The time between two updates of one profile: Braze does not keep the order of requests that follow closely.
const APART: std::time::Duration = std::time::Duration::from_secs(10);

/// The longest text that Braze keeps in an attribute, in characters.
const TEXT_CHARS_MAX: usize = 255;

/// What is mirrored, by assistant.
pub(super) type Mirrors = BTreeMap<String, Mirror>;

/// Notes what is mirrored, for the triggers that see what changes.
pub(super) fn declare(connection: &Connection, mirrors: &Mirrors) -> Result<(), StoreError> {
    connection.execute("DELETE FROM mirrored", ())?;
    let mut insert =
        connection.prepare_cached("INSERT INTO mirrored (assistant, what) VALUES (?, ?)")?;
    for (assistant, mirror) in mirrors {
        if !mirror.attributes.is_empty() {
            insert.execute([assistant.as_str(), "attributes"])?;
        }
        for (moment, _) in &mirror.events {
            insert.execute([assistant.as_str(), moment.as_str()])?;
        }
    }
    Ok(())
}

/// Keeps what a model has learnt.
pub(super) fn learn(
    connection: &Connection,
    conversation: i64,
    learnt: &Map<String, Value>,
) -> Result<(), StoreError> {
    for (name, value) in learnt {
        connection
            .prepare_cached(
                "INSERT INTO profile_value (conversation, name, learnt) VALUES (?, ?, ?)
                 ON CONFLICT (conversation, name) DO UPDATE SET learnt = excluded.learnt",
            )?
            .execute(params![conversation, name, value.to_string()])?;
    }
    Ok(())
}

/// Gives the updates that are due, with up to `objects` objects together but for the first, and when the next one is. Events
/// that are seen for the first time have happened now.
pub(super) fn due(
    connection: &Connection,
    here: Here,
    mirrors: &Mirrors,
    assistants: &[String],
    objects: usize,
) -> Result<Batch<ProfileUpdate>, StoreError> {
    let mut items = Vec::new();
    let mut next_due: Option<Timestamp> = None;
    let mut room = objects;
    for (assistant, mirror) in assistants
        .iter()
        .filter_map(|name| mirrors.get_key_value(name))
    {
        for key in waiting(connection, here, assistant, objects)? {
            let update = update(connection, here, mirror, key)?;
            let size = update.objects();
            if size == 0 {
                over(connection, here, &update, key)?;
            } else if size <= room || items.is_empty() {
                room = room.saturating_sub(size);
                items.push(update);
            } else {
                next_due = Some(here.now);
                break;
            }
        }
        let later: Option<i64> = connection
            .prepare_cached(
                "SELECT min(not_before) FROM profile_due WHERE assistant = ? AND changes > seen AND not_before > ?",
            )?
            .query_row(params![assistant, millis(here.now)], |row| row.get(0))?;
        next_due = next_due
            .into_iter()
            .chain(later.map(time).transpose()?)
            .min();
    }
    Ok(Batch { items, next_due })
}

fn waiting(
    connection: &Connection,
    here: Here,
    assistant: &str,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT conversation FROM profile_due WHERE assistant = ? AND changes > seen AND not_before <= ?
         ORDER BY not_before LIMIT ?",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query(params![assistant, millis(here.now), limit])?;
    collect(rows, |row| Ok(row.get(0)?))
}

fn update(
    connection: &Connection,
    here: Here,
    mirror: &Mirror,
    key: i64,
) -> Result<ProfileUpdate, StoreError> {
    let sql = format!("SELECT {CONVERSATION} FROM conversation WHERE key = ?");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([key])?;
    let row = rows
        .next()?
        .ok_or_else(|| StoreError::Unreadable("a profile without conversation".to_owned()))?;
    let conversation = read_conversation(row)?;
    let (change, attempts) = connection
        .prepare_cached("SELECT changes, attempts FROM profile_due WHERE conversation = ?")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let alone = mirror.attributes.iter().filter(|one| !one.with_reply);
    Ok(ProfileUpdate {
        attributes: deltas(connection, &conversation, key, alone)?,
        events: events(connection, here, mirror, key)?,
        conversation: conversation.id,
        customer: conversation.customer,
        attempts,
        change,
    })
}

fn events(
    connection: &Connection,
    here: Here,
    mirror: &Mirror,
    key: i64,
) -> Result<Vec<ProfileEvent>, StoreError> {
    connection
        .prepare_cached("UPDATE profile_event SET at = ? WHERE conversation = ? AND at IS NULL")?
        .execute(params![millis(here.now), key])?;
    let mut statement = connection.prepare_cached(
        "SELECT key, moment, at FROM profile_event WHERE conversation = ? ORDER BY key",
    )?;
    let read = |row: &Row<'_>| {
        let at = time(row.get(2)?)?;
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, at))
    };
    let found = collect(statement.query([key])?, read)?;
    let named = |(key, moment, at): (i64, String, Timestamp)| {
        let moment = Moment::ALL.into_iter().find(|one| one.as_str() == moment)?;
        let (_, name) = mirror.events.iter().find(|(one, _)| *one == moment)?;
        let name = name.clone();
        Some(ProfileEvent { key, name, at })
    };
    Ok(found.into_iter().filter_map(named).collect())
}

/// Gives the attributes that ride on replies and have another value than was sent last.
pub(super) fn riding(
    connection: &Connection,
    mirrors: &Mirrors,
    conversation: &Conversation,
    key: i64,
) -> Result<Private<Map<String, Value>>, StoreError> {
    let Some(mirror) = mirrors.get(&conversation.assistant) else {
        return Ok(Private::default());
    };
    let riding = mirror.attributes.iter().filter(|one| one.with_reply);
    deltas(connection, conversation, key, riding)
}

fn deltas<'a>(
    connection: &Connection,
    conversation: &Conversation,
    key: i64,
    attributes: impl Iterator<Item = &'a Attribute>,
) -> Result<Private<Map<String, Value>>, StoreError> {
    let mut deltas = Map::new();
    for attribute in attributes {
        let (learnt, sent): (Option<String>, Option<String>) = connection
            .prepare_cached(
                "SELECT learnt, sent FROM profile_value WHERE conversation = ? AND name = ?",
            )?
            .query_row(params![key, attribute.name], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?
            .unwrap_or_default();
        let value = match attribute.source {
            Source::Model => learnt.and_then(|value| serde_json::from_str(&value).ok()),
            source => value(connection, conversation, key, source)?,
        };
        let Some(value) = value.map(bounded) else {
            continue;
        };
        if sent.as_deref() != Some(&value.to_string()) {
            deltas.insert(attribute.name.clone(), value);
        }
    }
    Ok(Private(deltas))
}

fn value(
    connection: &Connection,
    conversation: &Conversation,
    key: i64,
    source: Source,
) -> Result<Option<Value>, StoreError> {
    let text = |sql: &str| -> Result<Option<Value>, StoreError> {
        let found: Option<String> = connection
            .prepare_cached(sql)?
            .query_row([key], |row| row.get(0))
            .optional()?;
        Ok(found.map(Value::from))
    };
    Ok(match source {
        Source::Language => conversation.language.map(|one| one.code().into()),
        Source::Owner => Some(conversation.owner.as_str().into()),
        Source::HasHuman => Some((conversation.owner != Owner::Assistant).into()),
        Source::LastRule => text(
            "SELECT rule FROM message WHERE conversation = ? AND rule IS NOT NULL ORDER BY seq DESC LIMIT 1",
        )?,
        Source::HandoffReason => text(
            "SELECT reason FROM handoff WHERE conversation = ? ORDER BY requested_at DESC LIMIT 1",
        )?,
        Source::Turns => {
            let turns: i64 = connection
                .prepare_cached(
                    "SELECT count(DISTINCT turn) FROM message WHERE conversation = ? AND author = 'customer'",
                )?
                .query_row([key], |row| row.get(0))?;
            Some(turns.into())
        }
        Source::Model => None,
    })
}

fn bounded(value: Value) -> Value {
    match value {
        Value::String(text) => text.chars().take(TEXT_CHARS_MAX).collect::<String>().into(),
        value => value,
    }
}

/// Notes what became of updates.
pub(super) fn mirrored(
    connection: &Connection,
    here: Here,
    updates: &[ProfileUpdate],
    fate: Mirrored,
) -> Result<(), StoreError> {
    for update in updates {
        let key: Option<i64> = connection
            .prepare_cached("SELECT key FROM conversation WHERE id = ?")?
            .query_row([update.conversation.0], |row| row.get(0))
            .optional()?;
        let Some(key) = key else {
            continue;
        };
        match fate {
            Mirrored::Over => over(connection, here, update, key)?,
            Mirrored::Again(at) => {
                connection
                    .prepare_cached(
                        "UPDATE profile_due SET not_before = ?, attempts = attempts + 1 WHERE conversation = ?",
                    )?
                    .execute(params![millis(at), key])?;
            }
        }
    }
    Ok(())
}

fn over(
    connection: &Connection,
    here: Here,
    update: &ProfileUpdate,
    key: i64,
) -> Result<(), StoreError> {
    sent(connection, key, &update.attributes)?;
    for event in &update.events {
        connection
            .prepare_cached("DELETE FROM profile_event WHERE key = ?")?
            .execute([event.key])?;
    }
    connection
        .prepare_cached(
            "UPDATE profile_due SET seen = ?, attempts = 0, not_before = ? WHERE conversation = ?",
        )?
        .execute(params![update.change, millis(later(here.now, APART)), key])?;
    Ok(())
}

/// Notes that attributes rode on a reply that was taken.
pub(super) fn rode(connection: &Connection, delivery: i64) -> Result<(), StoreError> {
    let (conversation, riding): (i64, Option<String>) = connection
        .prepare_cached("SELECT conversation, riding FROM delivery WHERE key = ?")?
        .query_row([delivery], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let riding = riding.and_then(|riding| serde_json::from_str(&riding).ok());
    let riding: Map<String, Value> = riding.unwrap_or_default();
    sent(connection, conversation, &riding)
}

fn sent(
    connection: &Connection,
    conversation: i64,
    values: &Map<String, Value>,
) -> Result<(), StoreError> {
    for (name, value) in values {
        connection
            .prepare_cached(
                "INSERT INTO profile_value (conversation, name, sent) VALUES (?, ?, ?)
                 ON CONFLICT (conversation, name) DO UPDATE SET sent = excluded.sent",
            )?
            .execute(params![conversation, name, value.to_string()])?;
    }
    Ok(())
}
