//! Bodies that could not be read.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;
use uuid::Uuid;

use super::super::super::{
    Accepted, Actor, NewMessage, Page, Part, QuarantineView, QuarantinedBody, StoreError,
};
use super::super::rows::{collect, time};
use super::super::{Here, intake};
use super::audit;
use super::query::{Query, page};
use crate::redact::Private;

/// Lists bodies, the newest first.
pub(super) fn list(
    connection: &Connection,
    part: Part,
) -> Result<Page<QuarantineView>, StoreError> {
    let query = Query::of(part);
    let sql = format!(
        "SELECT key, id, assistant, length(body), error, at FROM quarantine WHERE {} ORDER BY key DESC LIMIT ?",
        query.conditions()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let found = collect(statement.query(query.values())?, read)?;
    Ok(page(found, part))
}

/// Gives one body.
pub(super) fn one(
    connection: &Connection,
    id: Uuid,
) -> Result<Option<QuarantinedBody>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT key, id, assistant, length(body), error, at, body FROM quarantine WHERE id = ?",
        )?
        .query_row([id], |row| Ok((read(row), Private(row.get(6)?))))
        .optional()?;
    let Some((view, body)) = found else {
        return Ok(None);
    };
    Ok(Some((view?.1, body)))
}

fn read(row: &Row<'_>) -> Result<(i64, QuarantineView), StoreError> {
    let view = QuarantineView {
        id: row.get(1)?,
        assistant: row.get(2)?,
        bytes: u64::try_from(row.get::<_, i64>(3)?).unwrap_or_default(),
        error: row.get(4)?,
        at: time(row.get(5)?)?,
    };
    Ok((row.get(0)?, view))
}

/// Keeps the message that a body holds, instead of the body. Gives also the row under whose turn the ground shifts.
pub(super) fn replay(
    connection: &Connection,
    here: Here,
    id: Uuid,
    message: &NewMessage,
    actor: &Actor,
) -> Result<Option<(Accepted, Option<i64>)>, StoreError> {
    let Some(came) = came(connection, id)? else {
        return Ok(None);
    };
    remove(connection, id)?;
    // It is as old as it is: what was asked yesterday is not answered as if it were asked now.
    let (accepted, shifts) = intake::accept(connection, came, message)?;
    let (message, is_copy) = match &accepted {
        Accepted::New(message) | Accepted::Twin { id: message, .. } => (*message, false),
        Accepted::Duplicate(message) => (*message, true),
    };
    let detail = json!({ "message_id": message.0, "duplicate": is_copy });
    audit::write(
        connection,
        here.now,
        actor,
        "quarantine.replay",
        id,
        &detail,
    )?;
    Ok(Some((accepted, shifts)))
}

/// Removes a body. `false` where there is none.
pub(super) fn discard(
    connection: &Connection,
    here: Here,
    id: Uuid,
    actor: &Actor,
) -> Result<bool, StoreError> {
    let is_gone = remove(connection, id)?;
    if is_gone {
        audit::write(
            connection,
            here.now,
            actor,
            "quarantine.discard",
            id,
            &json!({}),
        )?;
    }
    Ok(is_gone)
}

/// Tells when a body came.
fn came(connection: &Connection, id: Uuid) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = connection
        .prepare_cached("SELECT at FROM quarantine WHERE id = ?")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    at.map(time).transpose()
}

fn remove(connection: &Connection, id: Uuid) -> Result<bool, StoreError> {
    let removed = connection
        .prepare_cached("DELETE FROM quarantine WHERE id = ?")?
        .execute([id])?;
    Ok(removed > 0)
}
