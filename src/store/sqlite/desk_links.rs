//! What desks call what they made for a handoff.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::{DeskLink, StoreError};
use super::rows::{collect, millis};
use crate::domain::{ConversationId, HandoffId};

/// Gives what is known of a handoff, desk by desk.
pub(super) fn of(connection: &Connection, handoff: HandoffId) -> Result<Vec<DeskLink>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT desk, contact, thread FROM desk_link WHERE handoff = ? ORDER BY desk",
    )?;
    collect(statement.query([handoff.0])?, |row| {
        Ok(DeskLink {
            desk: row.get(0)?,
            contact: row.get(1)?,
            thread: row.get(2)?,
        })
    })
}

/// Keeps what a desk calls its own; what it was called before and is not told again stays. Of a handoff that was erased
/// meanwhile nothing is kept.
pub(super) fn keep(
    connection: &Connection,
    now: Timestamp,
    handoff: HandoffId,
    link: &DeskLink,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO desk_link (handoff, desk, contact, thread, at)
             SELECT id, ?2, ?3, ?4, ?5 FROM handoff WHERE id = ?1
             ON CONFLICT (handoff, desk) DO UPDATE SET
                 contact = coalesce(excluded.contact, contact), thread = coalesce(excluded.thread, thread)",
        )?
        .execute(params![
            handoff.0,
            link.desk,
            link.contact,
            link.thread,
            millis(now)
        ])?;
    Ok(())
}

/// Finds what a desk's ticket or conversation is about; the newest handoff where it is about several.
pub(super) fn about(
    connection: &Connection,
    desk: &str,
    thread: &str,
) -> Result<Option<(ConversationId, HandoffId)>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT c.id, h.id FROM desk_link l JOIN handoff h ON h.id = l.handoff
             JOIN conversation c ON c.key = h.conversation
             WHERE l.desk = ? AND l.thread = ? ORDER BY l.at DESC, h.id DESC LIMIT 1",
        )?
        .query_row([desk, thread], |row| {
            Ok((ConversationId(row.get(0)?), HandoffId(row.get(1)?)))
        })
        .optional()?;
    Ok(found)
}
