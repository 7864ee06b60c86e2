//! Taking up what others left, removing what is over, counting.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::super::{Counts, StoreError};
use super::Here;
use super::rows::{collect, count, millis};
use super::turns::CONVICTED;
use super::{acts, deliveries, operator, spending, summaries, unsent};
use crate::clock::{earlier, later};
use crate::domain::OnUnknown;

/// Rows that one purge removes from a table; the writer must not stand still for it.
const PURGE_ROWS: i64 = 500;

/// How long finished deliveries are kept, for those who ask what happened.
const KEEP_DELIVERIES: Duration = Duration::from_hours(168);

/// How long deliveries that were given up or held are kept, for an operator to decide: as long as unreadable bodies.
const KEEP_UNDECIDED: Duration = Duration::from_hours(30 * 24);

/// How long bodies that could not be read are kept: long enough to mend a template, and no longer than a conversation's
/// text should lie about unlooked at.
const KEEP_QUARANTINE: Duration = Duration::from_hours(30 * 24);

/// When a reply that was under way at a crash is sent again: the answer may still be on its way to the customer.
const RESEND_AFTER: Duration = Duration::from_secs(10);

/// Takes up what other nodes had in hand. The file's lock says that none of them lives.
pub(super) fn recover(
    connection: &Connection,
    here: Here,
    policy: OnUnknown,
) -> Result<u64, StoreError> {
    let now = millis(here.now);
    convict(connection, here)?;
    let claims = connection
        .prepare_cached(
            "UPDATE conversation SET node = NULL, due_at = coalesce(due_at, ?1),
                 waiting_since = coalesce(waiting_since, ?1)
             WHERE node IS NOT NULL AND node <> ?2",
        )?
        .execute(params![now, here.node.0])?;
    let ready = connection
        .prepare_cached(
            "UPDATE delivery SET node = NULL WHERE node IS NOT NULL AND node <> ? AND state = 'ready'",
        )?
        .execute([here.node.0])?;
    let keys: Vec<i64> = {
        let mut statement = connection.prepare_cached(
            "SELECT key FROM delivery WHERE node IS NOT NULL AND node <> ? AND state = 'sending'",
        )?;
        collect(statement.query([here.node.0])?, |row| Ok(row.get(0)?))?
    };
    let at = later(here.now, RESEND_AFTER);
    for key in &keys {
        deliveries::unknown(
            connection,
            here,
            *key,
            policy,
            at,
            "the gateway stopped while it was sent",
        )?;
    }
    Ok(u64::try_from(claims + ready + keys.len()).unwrap_or(u64::MAX))
}

/// Finds guilty the conversation that was the only suspect under way at the crash. Where there were several, each has to
/// be alone next time.
fn convict(connection: &Connection, here: Here) -> Result<(), StoreError> {
    let sql = format!(
        "UPDATE conversation SET attempts = {CONVICTED}
         WHERE node IS NOT NULL AND node <> ?1 AND attempts = {CONVICTED} - 1
           AND 1 = (SELECT count(*) FROM conversation
                    WHERE node IS NOT NULL AND node <> ?1 AND attempts = {CONVICTED} - 1)"
    );
    connection.prepare_cached(&sql)?.execute([here.node.0])?;
    Ok(())
}

/// What a purge did.
pub(super) struct Purged {
    /// Rows that it removed or gave up.
    pub(super) rows: u64,
    /// Deliveries among them that were too old.
    pub(super) expired: u64,
}

/// Removes what is over: dedupe keys, what desks did, sent deliveries, unreadable bodies, sums of past days, old summaries; and gives up
/// deliveries that are too old.
pub(super) fn purge(connection: &Connection, here: Here) -> Result<Purged, StoreError> {
    let seen = connection
        .prepare_cached(
            "DELETE FROM seen WHERE digest IN (SELECT digest FROM seen WHERE expires_at <= ? LIMIT ?)",
        )?
        .execute(params![millis(here.now), PURGE_ROWS])?;
    let ended = |states: &str, keep: Duration| {
        connection
            .prepare_cached(&format!(
                "DELETE FROM delivery WHERE key IN (SELECT key FROM delivery
                 WHERE ended_at <= ? AND state IN ({states}) LIMIT ?)"
            ))?
            .execute(params![millis(earlier(here.now, keep)), PURGE_ROWS])
    };
    let over = ended("'sent', 'dropped'", KEEP_DELIVERIES)?;
    let undecided = ended("'dead', 'held'", KEEP_UNDECIDED)?;
    let unread = connection
        .prepare_cached(
            "DELETE FROM quarantine WHERE key IN (SELECT key FROM quarantine WHERE at <= ? LIMIT ?)",
        )?
        .execute(params![millis(earlier(here.now, KEEP_QUARANTINE)), PURGE_ROWS])?;
    let expired = unsent::expire(connection, here, PURGE_ROWS)?;
    let audit = operator::purge(connection, here, PURGE_ROWS)?;
    let spent = spending::purge(connection, here, PURGE_ROWS)?;
    let forgotten = summaries::expire(connection, here, PURGE_ROWS)?;
    let done = acts::expire(connection, here, PURGE_ROWS)?;
    let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
    Ok(Purged {
        rows: count(seen + over + undecided + unread + expired + audit + spent + forgotten + done),
        expired: count(expired),
    })
}

/// Proves that the database takes writes.
pub(super) fn probe(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO probe (key, at) VALUES (1, ?)")?
        .execute([millis(now)])?;
    Ok(())
}

/// Counts what stands in the store.
pub(super) fn counts(connection: &Connection) -> Result<Counts, StoreError> {
    let count = |sql: &str| count(connection, sql);
    let open = |lane: &str| {
        count(&format!(
            "SELECT count(*) FROM delivery WHERE state IN ('ready', 'sending') AND lane = '{lane}'"
        ))
    };
    Ok(Counts {
        waiting: count("SELECT count(*) FROM message WHERE turn IS NULL")?,
        claimed: count("SELECT count(*) FROM conversation WHERE node IS NOT NULL")?,
        open_deliveries: [open("braze")?, open("desk")?],
        dead_deliveries: count("SELECT count(*) FROM delivery WHERE state IN ('dead', 'held')")?,
        quarantined: count("SELECT count(*) FROM quarantine")?,
    })
}
