//! What asking models took, by day: for each conversation and for each assistant.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use uuid::Uuid;

use super::super::{Lease, SpendingView, StoreError};
use super::Here;
use super::rows::{collect, millis, unreadable};
use crate::clock::earlier;
use crate::domain::{Bill, ConversationId, Day, Money, Spending, SpentToday};

/// Days for which an assistant's sums are kept: a month can be looked at until the one after it has begun.
const KEEP_ASSISTANT_DAYS: u64 = 35;

/// Days for which a conversation's sums are kept: today's is what a limit needs, and somewhere it is still yesterday.
const KEEP_CONVERSATION_DAYS: u64 = 2;

/// The customer's newest messages among which it is looked for one that ended at a limit. Each that did counts, so only
/// as many answers by rules between two of them make it be told again.
const LOOKED_AT: i64 = 100;

/// The largest sum, since a server can tell any number: beyond the largest integer a row would be refused, and the turn
/// could never end.
const LARGEST: i64 = i64::MAX / 4;

/// The table of conversations' sums; whose they are and the day come first.
const CONVERSATION: &str = "conversation_spending";

/// The table of assistants' sums, as that of conversations.
const ASSISTANT: &str = "assistant_spending";

/// The columns that [`read`] takes.
const SUMS: &str = "calls, untold, input_tokens, output_tokens, cost";

/// Writes down what a turn took, whatever becomes of it. Whose claim has ended before has written it down then, and a
/// customer who was erased meanwhile gets no row.
pub(super) fn book(
    connection: &Connection,
    here: Here,
    lease: &Lease,
    spent: Option<Bill>,
) -> Result<(), StoreError> {
    let Some(Bill { day, spending }) = spent else {
        return Ok(());
    };
    let holder = connection
        .prepare_cached("SELECT node FROM conversation WHERE key = ? AND id = ?")?
        .query_row(params![lease.row, lease.conversation.0], |row| {
            row.get::<_, Option<Uuid>>(0)
        })
        .optional()?;
    match holder {
        Some(holder) if holder != Some(here.node.0) => return Ok(()),
        Some(_) => add(connection, CONVERSATION, &lease.row, day, &spending)?,
        None => {}
    }
    add(connection, ASSISTANT, &lease.assistant, day, &spending)
}

/// Writes down what was spent on a conversation that nobody had to hold for it.
pub(super) fn book_aside(
    connection: &Connection,
    conversation: ConversationId,
    assistant: &str,
    spent: Option<Bill>,
) -> Result<(), StoreError> {
    let Some(Bill { day, spending }) = spent else {
        return Ok(());
    };
    let row = connection
        .prepare_cached("SELECT key FROM conversation WHERE id = ?")?
        .query_row([conversation.0], |row| row.get::<_, i64>(0))
        .optional()?;
    if let Some(row) = row {
        add(connection, CONVERSATION, &row, day, &spending)?;
    }
    add(connection, ASSISTANT, &assistant, day, &spending)
}

fn add(
    connection: &Connection,
    table: &str,
    whose: &dyn ToSql,
    day: Date,
    spending: &Spending,
) -> Result<(), StoreError> {
    let sums = SUMS.split(", ");
    let sums = sums.map(|sum| format!("{sum} = min({sum} + excluded.{sum}, {LARGEST})"));
    let sums = sums.collect::<Vec<_>>().join(", ");
    let sql = format!(
        "INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET {sums}"
    );
    let [calls, untold, input, output, cost] = numbers(spending);
    let day = day.to_string();
    connection
        .prepare_cached(&sql)?
        .execute(params![whose, day, calls, untold, input, output, cost])?;
    Ok(())
}

/// Gives what was spent on a day, and whether the customer was told of a limit on it.
pub(super) fn today(
    connection: &Connection,
    conversation: ConversationId,
    day: Day,
) -> Result<SpentToday, StoreError> {
    let found = connection
        .prepare_cached("SELECT key, assistant FROM conversation WHERE id = ?")?
        .query_row([conversation.0], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })
        .optional()?;
    let Some((key, assistant)) = found else {
        return Ok(SpentToday::default());
    };
    let date = day.date.to_string();
    let of = |table: &str, column: &str, whose: &dyn ToSql| {
        let sql = format!("SELECT {SUMS} FROM {table} WHERE {column} = ? AND day = ?");
        let mut statement = connection.prepare_cached(&sql)?;
        let found = statement.query_row(params![whose, date], |row| read(row, 0));
        found.optional().map(Option::unwrap_or_default)
    };
    Ok(SpentToday {
        customer: of(CONVERSATION, "conversation", &key)?,
        assistant: of(ASSISTANT, "assistant", &assistant)?,
        is_told: is_told(connection, key, day.begins)?,
    })
}

fn is_told(connection: &Connection, key: i64, since: Timestamp) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT EXISTS (
                 SELECT 1 FROM (SELECT at, outcome FROM message WHERE conversation = ? AND author = 'customer'
                                ORDER BY seq DESC LIMIT ?)
                 WHERE at >= ? AND outcome IN ('failed(limit)', 'suppressed(limit)'))",
        )?
        .query_row(params![key, LOOKED_AT, millis(since)], |row| row.get(0))?)
}

/// Gives what a conversation's turns took on the days that are kept, the newest first.
pub(super) fn of_conversation(
    connection: &Connection,
    key: i64,
) -> Result<Vec<SpendingView>, StoreError> {
    let sql = format!(
        "SELECT assistant, day, {SUMS} FROM conversation_spending
         JOIN conversation ON key = conversation WHERE conversation = ? ORDER BY day DESC"
    );
    collect(connection.prepare_cached(&sql)?.query([key])?, view)
}

/// Gives what an assistant's turns took, or those of all, on the days that are kept, the newest first.
pub(super) fn of_assistants(
    connection: &Connection,
    assistant: Option<&str>,
) -> Result<Vec<SpendingView>, StoreError> {
    let sql = format!(
        "SELECT assistant, day, {SUMS} FROM assistant_spending
         WHERE ?1 IS NULL OR assistant = ?1 ORDER BY day DESC, assistant"
    );
    collect(connection.prepare_cached(&sql)?.query([assistant])?, view)
}

/// Removes the sums of days that are long over. The date is that of UTC, from which no place is a whole day away.
pub(super) fn purge(connection: &Connection, here: Here, rows: i64) -> Result<usize, StoreError> {
    let before = |days: u64| {
        let day = earlier(here.now, Duration::from_hours(days * 24));
        TimeZone::UTC.to_datetime(day).date().to_string()
    };
    let conversations = connection
        .prepare_cached(
            "DELETE FROM conversation_spending WHERE (conversation, day) IN (
                 SELECT conversation, day FROM conversation_spending WHERE day < ? LIMIT ?)",
        )?
        .execute(params![before(KEEP_CONVERSATION_DAYS), rows])?;
    let assistants = connection
        .prepare_cached(
            "DELETE FROM assistant_spending WHERE (assistant, day) IN (
                 SELECT assistant, day FROM assistant_spending WHERE day < ? LIMIT ?)",
        )?
        .execute(params![before(KEEP_ASSISTANT_DAYS), rows])?;
    Ok(conversations + assistants)
}

fn view(row: &Row<'_>) -> Result<SpendingView, StoreError> {
    let day: String = row.get(1)?;
    Ok(SpendingView {
        assistant: row.get(0)?,
        day: day.parse::<Date>().map_err(|error| unreadable(&error))?,
        spending: read(row, 2)?,
    })
}

/// Reads [`SUMS`] from a row, beginning with column `first`.
fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Spending> {
    let number = |column: usize| Ok(row.get::<_, i64>(first + column)?.unsigned_abs());
    let count = |column: usize| {
        let number: rusqlite::Result<u64> = number(column);
        number.map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    };
    Ok(Spending {
        calls: count(0)?,
        untold: count(1)?,
        input_tokens: number(2)?,
        output_tokens: number(3)?,
        cost: Money::from_nanos(number(4)?),
    })
}

/// Gives the numbers of [`SUMS`], none of them too large to be added up.
fn numbers(spending: &Spending) -> [i64; 5] {
    let numbers = [
        u64::from(spending.calls),
        u64::from(spending.untold),
        spending.input_tokens,
        spending.output_tokens,
        spending.cost.nanos(),
    ];
    numbers.map(|number| i64::try_from(number).map_or(LARGEST, |number| number.min(LARGEST)))
}
