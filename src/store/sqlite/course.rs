//! What a conversation has come to, told from its messages: so that what is taken back counts no more.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::super::StoreError;
use super::Here;
use super::rows::{time, unreadable};
use crate::clock::later;
use crate::domain::{Aftermath, Course, Help, Offer, Settlement};

/// How long an offer stands: after a day WhatsApp's own window has closed, and who writes then has another matter.
const OFFER_STANDS: Duration = Duration::from_hours(24);

/// Messages that are looked at for turns that did not help: rules count to three, and nobody writes so many in one breath.
const MESSAGES_READ: u32 = 200;

/// Tells what the turns of a conversation came to so far.
pub(super) fn read(connection: &Connection, here: Here, row: i64) -> Result<Course, StoreError> {
    let mut course = Course::default();
    let mut statement = connection.prepare_cached(
        "SELECT turn, help, is_repeat FROM message
         WHERE conversation = ? AND author = 'customer' AND turn IS NOT NULL ORDER BY seq DESC LIMIT ?",
    )?;
    let mut rows = statement.query(params![row, MESSAGES_READ])?;
    let (mut turn, mut is_implied, mut is_latest_offer) = (None, false, false);
    while let Some(row) = rows.next()? {
        let of: i64 = row.get(0)?;
        if turn == Some(of) {
            continue;
        }
        let help: Option<String> = row.get(1)?;
        let aftermath = Aftermath {
            help: Help::from_name(help.as_deref()).ok_or_else(|| unreadable(&"a turn's help"))?,
            is_repeat: row.get(2)?,
        };
        is_latest_offer |= turn.is_none() && aftermath.help == Help::Offered;
        turn = Some(of);
        if !course.goes_back(aftermath, is_implied) {
            break;
        }
        is_implied = aftermath.is_repeat;
    }
    course.offer = match since(connection, row, Help::Offered)? {
        Some(at) if later(at, OFFER_STANDS) > here.now => match is_latest_offer {
            true => Offer::Open,
            false => Offer::Made,
        },
        _ => Offer::None,
    };
    course.word_left_at = since(connection, row, Help::WordLeft)?;
    Ok(course)
}

/// Gives when a turn last ended so, where people have not had the conversation since.
fn since(connection: &Connection, row: i64, help: Help) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = connection
        .prepare_cached(
            "SELECT max(m.at) FROM message m INDEXED BY message_offered
             WHERE m.conversation = ?1 AND m.help = ?2 AND m.help IN ('offered', 'word_left')
               AND NOT EXISTS (SELECT 1 FROM handoff h WHERE h.conversation = ?1 AND h.requested_at >= m.at)",
        )?
        .query_row(params![row, help.as_str()], |row| row.get(0))?;
    at.map(time).transpose()
}

/// Notes how a turn went, with the messages that it took.
pub(super) fn note(
    connection: &Connection,
    (row, version): (i64, i64),
    settlement: &Settlement,
) -> Result<(), StoreError> {
    let Aftermath { help, is_repeat } = settlement.aftermath;
    if settlement.aftermath == Aftermath::default() {
        return Ok(());
    }
    connection
        .prepare_cached(
            "UPDATE message SET help = ?, is_repeat = ?
             WHERE conversation = ? AND turn = ? AND author = 'customer'",
        )?
        .execute(params![help.as_str(), is_repeat, row, version])?;
    Ok(())
}
