//! Consent that an operator writes down.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;

use super::super::super::{Actor, StoreError};
use super::super::{Here, deliveries};
use super::audit;
use crate::domain::{ConversationId, NewDelivery};

/// Writes down whether a customer wants no more messages; what says so already is left alone. `false` where there is no
/// such conversation.
pub(super) fn set(
    connection: &Connection,
    here: Here,
    id: ConversationId,
    (opted_out, told): (bool, Option<&NewDelivery>),
    actor: &Actor,
) -> Result<bool, StoreError> {
    let standing = connection
        .prepare_cached("SELECT key, opted_out, version, epoch FROM conversation WHERE id = ?")?
        .query_row([id.0], |row| {
            let stamp: [i64; 3] = [row.get(0)?, row.get(2)?, row.get(3)?];
            Ok((stamp, row.get::<_, bool>(1)?))
        })
        .optional()?;
    let Some(([row, version, epoch], standing)) = standing else {
        return Ok(false);
    };
    if standing == opted_out {
        return Ok(true);
    }
    connection
        .prepare_cached("UPDATE conversation SET opted_out = ?, epoch = epoch + 1 WHERE id = ?")?
        .execute(params![opted_out, id.0])?;
    if let Some(told) = told {
        deliveries::insert(connection, here.now, row, (version, epoch + 1), told)?;
    }
    let action = match opted_out {
        true => "conversation.opt_out",
        false => "conversation.opt_in",
    };
    audit::write(connection, here.now, actor, action, id.0, &json!({}))?;
    Ok(true)
}
