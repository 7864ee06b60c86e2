//! Customers who are passed on from one assistant to another.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::super::{Lease, StoreError};
use super::Here;
use super::history;
use super::rows::millis;
use crate::domain::{Passing, new_id};

/// How far an inbound message follows those that passed its customer on. Each of them points at one that has him, so there
/// is no circle; the bound is against a file that somebody else has written to.
const FOLLOWED: usize = 8;

/// Gives the assistant that has a customer who writes to `assistant`: another one, while the customer has not been quiet
/// there for as long as WhatsApp's window.
pub(super) fn follow(
    connection: &Connection,
    now: Timestamp,
    assistant: &str,
    customer: &str,
) -> Result<String, StoreError> {
    let mut has = assistant.to_owned();
    for _ in 0..FOLLOWED {
        let next = connection
            .prepare_cached(
                "SELECT c.passed_to, other.window_expires_at FROM conversation c
                 LEFT JOIN conversation other ON other.assistant = c.passed_to AND other.customer = c.customer
                 WHERE c.assistant = ? AND c.customer = ? AND c.passed_to IS NOT NULL",
            )?
            .query_row(params![has, customer], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?))
            })
            .optional()?;
        match next {
            Some((to, until)) if until > Some(millis(now)) => has = to,
            Some(_) => {
                forget(connection, &has, customer)?;
                break;
            }
            None => break,
        }
    }
    Ok(has)
}

fn forget(connection: &Connection, assistant: &str, customer: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE conversation SET passed_to = NULL WHERE assistant = ? AND customer = ?",
        )?
        .execute([assistant, customer])?;
    Ok(())
}

/// Lets every customer whom others have passed on to this conversation's assistant go back: it is configured no more.
pub(super) fn undo(connection: &Connection, lease: &Lease) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE conversation SET passed_to = NULL
             WHERE customer = (SELECT customer FROM conversation WHERE key = ?) AND passed_to = ?",
        )?
        .execute(params![lease.row, lease.assistant])?;
    Ok(())
}

/// Gives what waits in a conversation to another assistant's conversation with the same customer, which is made where there
/// is none. The messages end here and begin there, each with a name of its own. `turn` is what they ended in.
pub(super) fn pass(
    connection: &Connection,
    here: Here,
    lease: &Lease,
    turn: i64,
    passing: &Passing,
) -> Result<(), StoreError> {
    let Passing { to, note } = passing;
    let other = other(connection, here, lease, to)?;
    let (version, last_seq): (i64, i64) = connection
        .prepare_cached("SELECT version + 1, last_seq FROM conversation WHERE key = ?")?
        .query_row([other], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let said = std::slice::from_ref(note);
    history::say(connection, here.now, other, last_seq, version, said)?;
    let mut seq = last_seq + history::count(said);
    let mut passed = connection.prepare_cached(
        "SELECT seq FROM message WHERE conversation = ? AND turn = ? AND author = 'customer' ORDER BY seq",
    )?;
    let passed = passed.query_map(params![lease.row, turn], |row| row.get::<_, i64>(0))?;
    for from in passed.collect::<Result<Vec<_>, _>>()? {
        seq += 1;
        connection
            .prepare_cached(
                "INSERT INTO message (conversation, seq, id, author, text, media, at, passes)
                 SELECT ?1, ?2, ?3, author, text, media, at, passes + 1 FROM message WHERE conversation = ?4 AND seq = ?5",
            )?
            .execute(params![other, seq, new_id(here.now), lease.row, from])?;
    }
    connection
        .prepare_cached(
            "UPDATE conversation SET version = ?1, last_seq = ?2, waiting_since = coalesce(waiting_since, ?3),
                 due_at = min(coalesce(due_at, ?3), ?3), epoch = epoch + (owner = 'assistant'), passed_to = NULL
             WHERE key = ?4",
        )?
        .execute(params![version, seq, millis(here.now), other])?;
    connection
        .prepare_cached("UPDATE conversation SET passed_to = ? WHERE key = ?")?
        .execute(params![to, lease.row])?;
    Ok(())
}

/// Gives the row of the other assistant's conversation, with what is known of the customer by now.
fn other(connection: &Connection, here: Here, lease: &Lease, to: &str) -> Result<i64, StoreError> {
    let row = connection
        .prepare_cached(
            "INSERT INTO conversation (id, assistant, customer, external_id, braze_id, phone, language, profile,
                 opened_at, window_expires_at)
             SELECT ?1, ?2, customer, external_id, braze_id, phone, language, profile, ?3, window_expires_at
             FROM conversation WHERE key = ?4
             ON CONFLICT (assistant, customer) DO UPDATE SET
                 external_id = coalesce(excluded.external_id, external_id),
                 braze_id = coalesce(excluded.braze_id, braze_id),
                 phone = coalesce(excluded.phone, phone),
                 language = coalesce(excluded.language, language),
                 profile = excluded.profile,
                 window_expires_at = max(window_expires_at, excluded.window_expires_at)
             RETURNING key",
        )?
        .query_row(params![new_id(here.now), to, millis(here.now), lease.row], |row| row.get(0))?;
    Ok(row)
}
