//! Claiming conversations and settling what their turns decided.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::{Batch, Claimed, Lease, Settled, StoreError};
use super::Here;
use super::rows::{
    CONVERSATION, CONVERSATION_COLUMNS, MESSAGE, collect, millis, pass_by, read_conversation,
    read_message, time,
};
use super::{course, deliveries, handoffs, history, passes, unsent};
use crate::domain::{
    Conversation, EndReason, Failure, HandoffId, Outcome, Ownership, Priority, Settlement,
};

/// Claims of a conversation that ended in a crash before it is under suspicion: it is worked on with few others.
const SUSPECT: i64 = 2;

/// The same, where it was not the only suspect at the last crash: it is worked on while no other suspect is.
const ALONE: i64 = 3;

/// The same, where it was: its messages are given up. A crash convicts one conversation at most, however many it cut short.
pub(super) const CONVICTED: i64 = 4;

/// Suspects that are worked on at once. Two seconds each, a thousand of them are through in four minutes; those of a
/// crash, one by one, in sixteen seconds.
const SUSPECTS: i64 = 8;

/// Claims conversations that are due. The attempt is counted here, since a crash could not count it.
pub(super) fn claim(
    connection: &Connection,
    here: Here,
    limit: u32,
) -> Result<Batch<Claimed>, StoreError> {
    // The quiet time of what arrives from now on is its own, so `waiting_since` begins anew.
    let (suspicion, suspects) = room_for_suspects(connection, here)?;
    let sql = format!(
        "UPDATE conversation SET node = ?1, attempts = attempts + 1, waiting_since = NULL
         WHERE key IN (
             SELECT key FROM conversation
             WHERE node IS NULL AND due_at <= ?2 AND (attempts < {SUSPECT} OR attempts >= {CONVICTED} OR key IN (
                 SELECT key FROM conversation
                 WHERE attempts >= {SUSPECT} AND attempts = ?4 AND node IS NULL AND due_at <= ?2
                 ORDER BY due_at LIMIT ?5))
             ORDER BY due_at LIMIT ?3)
         RETURNING {CONVERSATION}, key, attempts, due_at"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query(params![
        here.node.0,
        millis(here.now),
        limit,
        suspicion,
        suspects
    ])?;
    let held = collect(rows, |row| {
        let Some(conversation) = pass_by(read_conversation(row))? else {
            return Ok(None);
        };
        let row_key: i64 = row.get(CONVERSATION_COLUMNS)?;
        let attempts: i64 = row.get(CONVERSATION_COLUMNS + 1)?;
        let due_at: i64 = row.get(CONVERSATION_COLUMNS + 2)?;
        Ok(Some((due_at, row_key, attempts, conversation)))
    })?;
    // What an update returns has no order.
    let mut held: Vec<_> = held.into_iter().flatten().collect();
    held.sort_by_key(|(due_at, row, ..)| (*due_at, *row));
    let items = held
        .into_iter()
        .map(|(_, row, attempts, conversation)| {
            pass_by(claimed(connection, here, conversation, row, attempts))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let items = items.into_iter().flatten().flatten().collect();
    // What is due and was left behind waits for a suspect's end, which rings.
    let next_due = connection
        .prepare_cached("SELECT min(due_at) FROM conversation WHERE node IS NULL AND due_at > ?")?
        .query_row([millis(here.now)], |row| row.get::<_, Option<i64>>(0))?;
    Ok(Batch {
        items,
        next_due: next_due.map(time).transpose()?,
    })
}

/// Tells how many suspects may be claimed now, and with how many crashes. Those that have to be alone go first.
fn room_for_suspects(connection: &Connection, here: Here) -> Result<(i64, i64), StoreError> {
    // The claim under way is counted in already.
    let sql = format!(
        "SELECT count(*) FILTER (WHERE node IS NOT NULL AND attempts BETWEEN {SUSPECT} + 1 AND {ALONE} + 1),
                count(*) FILTER (WHERE node IS NOT NULL AND attempts = {ALONE} + 1
                                    OR node IS NULL AND attempts = {ALONE} AND due_at <= ?)
         FROM conversation WHERE attempts >= {SUSPECT} AND due_at IS NOT NULL"
    );
    let (under_way, alone): (i64, i64) = connection
        .prepare_cached(&sql)?
        .query_row([millis(here.now)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(match alone {
        0 => (SUSPECT, (SUSPECTS - under_way).max(0)),
        _ => (ALONE, (1 - under_way).max(0)),
    })
}

fn claimed(
    connection: &Connection,
    here: Here,
    mut conversation: Conversation,
    row: i64,
    attempts: i64,
) -> Result<Option<Claimed>, StoreError> {
    // Replies that still wait answer less than what is known now; the messages that they were for are answered anew.
    let overtaken = unsent::overtake(connection, here, row)?;
    if overtaken > 0 {
        conversation.version = connection
            .prepare_cached("SELECT version FROM conversation WHERE key = ?")?
            .query_row([row], |row| row.get(0))?;
    }
    let sql = format!(
        "SELECT {MESSAGE} FROM message INDEXED BY message_waiting
         WHERE conversation = ? AND turn IS NULL ORDER BY seq"
    );
    let waiting = collect(connection.prepare_cached(&sql)?.query([row])?, read_message)?;
    if waiting.is_empty() {
        // What it was due for has been dealt with otherwise.
        connection
            .prepare_cached(
                "UPDATE conversation SET node = NULL, due_at = NULL, attempts = attempts - 1 WHERE key = ?",
            )?
            .execute([row])?;
        return Ok(None);
    }
    let passes = connection
        .prepare_cached("SELECT max(passes) FROM message WHERE conversation = ? AND turn IS NULL")?
        .query_row([row], |row| row.get(0))?;
    let lease = Lease {
        conversation: conversation.id,
        assistant: conversation.assistant.clone(),
        row,
        epoch: conversation.epoch,
        version: conversation.version,
        up_to: waiting.last().map_or(0, |message| message.seq),
        ground: CancellationToken::new(),
    };
    Ok(Some(Claimed {
        course: course::read(connection, here, row)?,
        passes,
        conversation,
        waiting,
        crashes: u32::try_from(attempts - 1).unwrap_or_default(),
        is_poison: attempts > CONVICTED,
        overtaken,
        lease,
    }))
}

/// Applies a settlement in whole, unless the ground shifted since the claim. The row alone would not tell: when a customer
/// is erased, another's conversation can get the same.
pub(super) fn settle(
    connection: &Connection,
    here: Here,
    lease: &Lease,
    settlement: &Settlement,
) -> Result<Settled, StoreError> {
    let standing = connection
        .prepare_cached(
            "SELECT version, last_seq, epoch FROM conversation WHERE key = ? AND id = ? AND node = ?",
        )?
        .query_row(params![lease.row, lease.conversation.0, here.node.0], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
            ))
        })
        .optional()?;
    let Some((version, last_seq, epoch)) = standing else {
        return Ok(Settled::Stale);
    };
    if (epoch, version) != (lease.epoch, lease.version) {
        supersede(connection, here, lease)?;
        return Ok(Settled::Stale);
    }
    let version = version + 1;
    record_outcome(connection, lease, settlement, version)?;
    course::note(connection, (lease.row, version), settlement)?;
    history::say(
        connection,
        here.now,
        lease.row,
        last_seq,
        version,
        &settlement.said,
    )?;
    let epoch = change_ownership(connection, here, lease, (settlement, version))?;
    if settlement.outcome == Outcome::Failed(Failure::NoAssistant) {
        passes::undo(connection, lease)?;
    }
    // Messages that crash the gateway are not tried again for the sake of a newer one, so nothing supersedes the apology.
    let epoch = match settlement.outcome {
        Outcome::Failed(Failure::Poison) => i64::MAX,
        _ => epoch,
    };
    for delivery in &settlement.deliveries {
        deliveries::insert(connection, here.now, lease.row, (version, epoch), delivery)?;
    }
    connection
        .prepare_cached(
            "UPDATE conversation SET node = NULL, attempts = 0, version = ?, last_seq = ?,
                 language = coalesce(?, language), superseded = superseded * ?,
                 due_at = CASE WHEN waiting_since IS NULL THEN NULL ELSE due_at END
             WHERE key = ?",
        )?
        .execute(params![
            version,
            last_seq + history::count(&settlement.said),
            settlement.language.map(|language| language.to_string()),
            awaits_leave(settlement),
            lease.row,
        ])?;
    Ok(Settled::Applied { version })
}

/// Puts a claimed conversation back without counting the claim.
pub(super) fn give_back(
    connection: &Connection,
    here: Here,
    lease: &Lease,
    at: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE conversation SET node = NULL, attempts = attempts - 1, due_at = ?1,
                 waiting_since = coalesce(waiting_since, ?1)
             WHERE key = ?2 AND id = ?4 AND node = ?3",
        )?
        .execute(params![
            millis(at),
            lease.row,
            here.node.0,
            lease.conversation.0
        ])?;
    Ok(())
}

/// Puts a claimed conversation back without counting the claim, due as its newest message says.
pub(super) fn supersede(
    connection: &Connection,
    here: Here,
    lease: &Lease,
) -> Result<(), StoreError> {
    // Only a message that came since the claim is one that the turn was superseded by.
    connection
        .prepare_cached(
            "UPDATE conversation SET node = NULL, attempts = attempts - 1,
                 superseded = superseded + (waiting_since IS NOT NULL),
                 waiting_since = coalesce(waiting_since, ?1)
             WHERE key = ?2 AND id = ?4 AND node = ?3",
        )?
        .execute(params![
            millis(here.now),
            lease.row,
            here.node.0,
            lease.conversation.0
        ])?;
    Ok(())
}

/// Tells whether the assistant's answer has still to leave: until it has, the customer has none.
fn awaits_leave(settlement: &Settlement) -> bool {
    settlement
        .deliveries
        .iter()
        .any(|delivery| delivery.priority == Priority::Assistant)
}

fn record_outcome(
    connection: &Connection,
    lease: &Lease,
    settlement: &Settlement,
    version: i64,
) -> Result<(), StoreError> {
    let up_to = match settlement.ownership {
        // Who is passed on takes all with him, also what has come meanwhile.
        Ownership::Pass(_) => i64::MAX,
        _ => lease.up_to,
    };
    connection
        .prepare_cached(
            "UPDATE message INDEXED BY message_waiting SET turn = ?, outcome = ?, rule = ?, prompt_version = ?
             WHERE conversation = ? AND seq <= ? AND turn IS NULL",
        )?
        .execute(params![
            version,
            settlement.outcome.as_str(),
            settlement.rule,
            settlement.prompt_version,
            lease.row,
            up_to,
        ])?;
    Ok(())
}

/// Applies what changes about who may speak. Gives the epoch after it: a change shifts the ground.
fn change_ownership(
    connection: &Connection,
    here: Here,
    lease: &Lease,
    (settlement, version): (&Settlement, i64),
) -> Result<i64, StoreError> {
    let set = |column: &str, value: bool| {
        connection
            .prepare_cached(&format!(
                "UPDATE conversation SET {column} = ?, epoch = epoch + 1 WHERE key = ?"
            ))?
            .execute(params![value, lease.row])
    };
    match &settlement.ownership {
        Ownership::Keep => return Ok(lease.epoch),
        Ownership::Extend { returns_at } => {
            connection
                .prepare_cached("UPDATE conversation SET returns_at = ? WHERE key = ?")?
                .execute(params![millis(*returns_at), lease.row])?;
            return Ok(lease.epoch);
        }
        Ownership::Return => {
            let handoff = connection
                .prepare_cached("SELECT handoff FROM conversation WHERE key = ?")?
                .query_row([lease.row], |row| row.get::<_, Option<Uuid>>(0))?;
            let reason = EndReason::CustomerReturned;
            handoffs::close(
                connection,
                here.now,
                lease.row,
                handoff.map(HandoffId),
                reason,
            )?;
        }
        Ownership::OptOut => drop(set("opted_out", true)?),
        Ownership::OptIn => drop(set("opted_out", false)?),
        Ownership::HandOff(handoff) => handoffs::begin(connection, here.now, lease.row, handoff)?,
        Ownership::Pass(passing) => {
            passes::pass(connection, here, lease, version, passing)?;
            return Ok(lease.epoch);
        }
    }
    Ok(lease.epoch + 1)
}
