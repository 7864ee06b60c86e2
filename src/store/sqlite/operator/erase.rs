//! Erasing a customer: everywhere, in one transaction.

mod names;

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::super::{Actor, Receipt, Removed, StoreError, Subject};
use super::super::Here;
use super::super::rows::{collect, millis, time, unreadable};
use super::audit;
use super::conversations::{PHONE, bare_number};
use crate::domain::{ConversationId, new_id};
use names::Names;

/// What was found before the transaction, so that it need not read every body again.
#[derive(Debug)]
pub(super) struct Looked {
    names: Names,
    bodies: Vec<i64>,
    up_to: i64,
}

/// A customer's conversations by their keys, and the names that they know him by.
#[derive(Default)]
struct Found {
    conversations: BTreeMap<i64, Uuid>,
    names: Names,
}

/// Finds the bodies that name the customer.
pub(super) fn look(connection: &Connection, subject: &Subject) -> Result<Looked, StoreError> {
    let names = find(connection, subject)?.names;
    let (bodies, up_to) = bodies(connection, &names, 0)?;
    Ok(Looked {
        names,
        bodies,
        up_to,
    })
}

/// Removes every row of a customer, and writes down that it was done. Gives also the rows and ids of the conversations.
pub(super) fn erase(
    connection: &Connection,
    here: Here,
    subject: &Subject,
    looked: &Looked,
    actor: &Actor,
) -> Result<(Receipt, Vec<(i64, ConversationId)>), StoreError> {
    let found = find(connection, subject)?;
    let mut named: BTreeSet<i64> = looked.bodies.iter().copied().collect();
    // Bodies that came since, and all of them again where the customer is known by more names by now.
    let is_known = looked.names.covers(&found.names);
    let after = if is_known { looked.up_to } else { 0 };
    named.extend(bodies(connection, &found.names, after)?.0);
    let mut removed = Removed::default();
    for key in &named {
        // Another body may have come under the same key since.
        if found.names.stand_in(&body(connection, *key)?) {
            let delete = "DELETE FROM quarantine WHERE key = ?";
            removed.quarantined += count(connection.prepare_cached(delete)?.execute([key])?);
        }
    }
    for key in found.conversations.keys() {
        remove(connection, *key, &mut removed)?;
    }
    let receipt = Receipt {
        id: new_id(here.now),
        at: here.now,
        removed,
    };
    let detail = written(&removed);
    connection
        .prepare_cached("INSERT INTO erasure (id, at, receipt) VALUES (?, ?, ?)")?
        .execute(params![receipt.id, millis(receipt.at), detail.to_string()])?;
    audit::write(
        connection,
        here.now,
        actor,
        "customer.erase",
        receipt.id,
        &detail,
    )?;
    let gone = found.conversations.into_iter();
    let gone = gone.map(|(key, id)| (key, ConversationId(id)));
    Ok((receipt, gone.collect()))
}

fn remove(connection: &Connection, key: i64, removed: &mut Removed) -> Result<(), StoreError> {
    let sending: i64 = connection
        .prepare_cached(
            "SELECT count(*) FROM delivery
             WHERE conversation = ? AND state IN ('ready', 'sending') AND state = 'sending'",
        )?
        .query_row([key], |row| row.get(0))?;
    removed.on_their_way += u64::try_from(sending).unwrap_or_default();
    let delete = |sql: &str| -> Result<u64, StoreError> {
        Ok(count(connection.prepare_cached(sql)?.execute([key])?))
    };
    removed.deliveries += delete("DELETE FROM delivery WHERE conversation = ?")?;
    // A name of a ticket is no row that anybody asks for.
    delete(
        "DELETE FROM desk_link WHERE handoff IN (SELECT id FROM handoff WHERE conversation = ?)",
    )?;
    removed.handoffs += delete("DELETE FROM handoff WHERE conversation = ?")?;
    delete("DELETE FROM desk_act WHERE conversation = ?")?;
    removed.messages += delete("DELETE FROM message WHERE conversation = ?")?;
    removed.spending += delete("DELETE FROM conversation_spending WHERE conversation = ?")?;
    removed.conversations += delete("DELETE FROM conversation WHERE key = ?")?;
    Ok(())
}

/// Finds all conversations of a customer. An id of Braze's leads to what was said before the business gave him one, and
/// so does his number where the conversation has no other name for him.
fn find(connection: &Connection, subject: &Subject) -> Result<Found, StoreError> {
    let mut found = Found::default();
    match subject {
        Subject::ExternalId(id) => {
            found.names.add(Some(id.0.clone()), None, None);
            found.add(connection, "external_id = ?", id)?;
        }
        Subject::BrazeId(id) => {
            found.names.add(None, Some(id.0.clone()), None);
            found.add(connection, "braze_id = ?", id)?;
        }
        Subject::Phone(phone) => {
            found.names.add(None, None, Some(phone.0.clone()));
            found.add(
                connection,
                &format!("phone IS NOT NULL AND {PHONE} = ?"),
                &bare_number(phone),
            )?;
        }
    }
    let mut known = usize::MAX;
    while known != found.conversations.len() {
        known = found.conversations.len();
        for id in found.names.braze_ids() {
            found.add(connection, "braze_id = ?", &id)?;
        }
        for phone in found.names.phones() {
            let anonymous = format!("phone IS NOT NULL AND {PHONE} = ? AND external_id IS NULL");
            found.add(connection, &anonymous, &bare_number(&phone))?;
        }
    }
    Ok(found)
}

impl Found {
    fn add(
        &mut self,
        connection: &Connection,
        condition: &str,
        value: &str,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT key, id, external_id, braze_id, phone FROM conversation WHERE {condition}"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = collect(statement.query([value])?, |row| {
            Ok((
                (row.get::<_, i64>(0)?, row.get::<_, Uuid>(1)?),
                [row.get(2)?, row.get(3)?, row.get(4)?],
            ))
        })?;
        for ((key, id), [external_id, braze_id, phone]) in rows {
            self.conversations.insert(key, id);
            self.names.add(external_id, braze_id, phone);
        }
        Ok(())
    }
}

fn body(connection: &Connection, key: i64) -> Result<Vec<u8>, StoreError> {
    let mut read = connection.prepare_cached("SELECT body FROM quarantine WHERE key = ?")?;
    let body = read.query_row([key], |row| row.get(0)).optional()?;
    Ok(body.unwrap_or_default())
}

/// Gives the bodies after `after` that name the customer, and the last one that was looked at.
fn bodies(
    connection: &Connection,
    names: &Names,
    after: i64,
) -> Result<(Vec<i64>, i64), StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT key, body FROM quarantine WHERE key > ? ORDER BY key")?;
    let mut rows = statement.query([after])?;
    let (mut hits, mut up_to) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        up_to = row.get(0)?;
        if names.stand_in(row.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?) {
            hits.push(up_to);
        }
    }
    Ok((hits, up_to))
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

/// Gives the receipt of an erasure.
pub(super) fn receipt(connection: &Connection, id: Uuid) -> Result<Option<Receipt>, StoreError> {
    let found = connection
        .prepare_cached("SELECT at, receipt FROM erasure WHERE id = ?")?
        .query_row([id], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    let Some((at, receipt)) = found else {
        return Ok(None);
    };
    let receipt: Value = serde_json::from_str(&receipt).map_err(|error| unreadable(&error))?;
    Ok(Some(Receipt {
        id,
        at: time(at)?,
        removed: read(&receipt),
    }))
}

fn written(removed: &Removed) -> Value {
    json!({
        "conversations": removed.conversations,
        "messages": removed.messages,
        "deliveries": removed.deliveries,
        "handoffs": removed.handoffs,
        "spending": removed.spending,
        "quarantined": removed.quarantined,
        "on_their_way": removed.on_their_way,
    })
}

fn read(receipt: &Value) -> Removed {
    let rows = |table: &str| receipt[table].as_u64().unwrap_or_default();
    Removed {
        conversations: rows("conversations"),
        messages: rows("messages"),
        deliveries: rows("deliveries"),
        handoffs: rows("handoffs"),
        spending: rows("spending"),
        quarantined: rows("quarantined"),
        on_their_way: rows("on_their_way"),
    }
}
