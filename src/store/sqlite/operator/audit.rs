//! What operators did.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::Value;
use uuid::Uuid;

use super::super::super::{Actor, AuditEntry, AuditFilter, Page, Part, StoreError};
use super::super::Here;
use super::super::rows::{collect, millis, time, unreadable};
use super::query::{Query, page};
use crate::clock::earlier;

/// How long the audit log and receipts are kept: a year, and the month in which somebody asks about it.
const KEEP_AUDIT: Duration = Duration::from_hours(400 * 24);

/// Writes down an act, in the transaction that does it.
pub(super) fn write(
    connection: &Connection,
    now: Timestamp,
    actor: &Actor,
    action: &str,
    subject: Uuid,
    detail: &Value,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO audit (at, actor, role, action, subject, detail) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            millis(now),
            actor.name,
            actor.role,
            action,
            subject,
            detail.to_string(),
        ])?;
    Ok(())
}

/// Lists acts, the newest first.
pub(super) fn list(
    connection: &Connection,
    filter: AuditFilter,
    part: Part,
) -> Result<Page<AuditEntry>, StoreError> {
    let mut query = Query::of(part);
    query.and("actor = ?", filter.actor);
    query.and("action = ?", filter.action);
    query.and(
        "subject = ?",
        filter.subject.map(|id| id.as_bytes().to_vec()),
    );
    let sql = format!(
        "SELECT key, at, actor, role, action, subject, detail FROM audit WHERE {} ORDER BY key DESC LIMIT ?",
        query.conditions()
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let entries = collect(statement.query(query.values())?, |row| {
        let detail: String = row.get(6)?;
        let entry = AuditEntry {
            at: time(row.get(1)?)?,
            actor: row.get(2)?,
            role: row.get(3)?,
            action: row.get(4)?,
            subject: row.get(5)?,
            detail: serde_json::from_str(&detail).map_err(|error| unreadable(&error))?,
        };
        Ok((row.get(0)?, entry))
    })?;
    Ok(page(entries, part))
}

/// Removes what has been kept long enough. Gives how many rows.
pub(in super::super) fn purge(
    connection: &Connection,
    here: Here,
    limit: i64,
) -> Result<usize, StoreError> {
    let oldest = millis(earlier(here.now, KEEP_AUDIT));
    let acts = connection
        .prepare_cached(
            "DELETE FROM audit WHERE key IN (SELECT key FROM audit WHERE at <= ? LIMIT ?)",
        )?
        .execute(params![oldest, limit])?;
    let receipts = connection
        .prepare_cached(
            "DELETE FROM erasure WHERE id IN (SELECT id FROM erasure WHERE at <= ? LIMIT ?)",
        )?
        .execute(params![oldest, limit])?;
    Ok(acts + receipts)
}
