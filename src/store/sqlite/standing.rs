//! What stands in the store, for each scrape of the measures. Every query runs along an index that holds only what is
//! not over, so a long history costs nothing.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::super::StoreError;
use super::rows::{collect, count, time};
use crate::domain::Lane;
use crate::metrics::Standing;

/// The states of deliveries that are not over.
const STATES: [&str; 4] = ["ready", "sending", "held", "dead"];

/// Looks at the rows; the files and what waits for the writer are for others to tell.
pub(super) fn look(connection: &Connection) -> Result<Standing, StoreError> {
    let count = |sql| count(connection, sql);
    let (waiting, oldest): (i64, Option<i64>) = connection
        .prepare_cached(
            "SELECT count(*), min(at) FROM message INDEXED BY message_waiting WHERE turn IS NULL",
        )?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Standing {
        waiting: waiting.unsigned_abs(),
        oldest_waiting: oldest.map(time).transpose()?,
        claimed: count("SELECT count(*) FROM conversation WHERE node IS NOT NULL")?,
        handed_off: count("SELECT count(*) FROM conversation WHERE returns_at IS NOT NULL")?,
        deliveries: deliveries(connection)?,
        replies: replies(connection)?,
        quarantined: count("SELECT count(*) FROM quarantine")?,
        ..Standing::default()
    })
}

/// Counts the replies of each assistant that wait to leave.
fn replies(connection: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT assistant, sum(rows) FROM (
             SELECT assistant, count(*) AS rows FROM delivery INDEXED BY delivery_ready
             WHERE lane = 'braze' AND state = 'ready' AND node IS NULL GROUP BY assistant
             UNION ALL
             SELECT assistant, count(*) FROM delivery INDEXED BY delivery_held
             WHERE lane = 'braze' AND state = 'ready' AND node IS NOT NULL GROUP BY assistant)
         GROUP BY assistant",
    )?;
    collect(statement.query(())?, |row| {
        Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
    })
}

/// Counts deliveries by lane and state. Those that wait are counted in their index alone; those in hand are few.
fn deliveries(
    connection: &Connection,
) -> Result<Vec<(&'static str, &'static str, u64)>, StoreError> {
    let mut rows = BTreeMap::new();
    for sql in [
        "SELECT lane, 'ready', count(*) FROM delivery INDEXED BY delivery_ready WHERE state = 'ready' AND node IS NULL GROUP BY lane",
        "SELECT lane, state, count(*) FROM delivery INDEXED BY delivery_held WHERE node IS NOT NULL GROUP BY 1, 2",
        "SELECT lane, state, count(*) FROM delivery INDEXED BY delivery_dead WHERE state IN ('dead', 'held') GROUP BY 1, 2",
    ] {
        let mut statement = connection.prepare_cached(sql)?;
        let found = collect(statement.query(())?, |row| {
            let key: (String, String) = (row.get(0)?, row.get(1)?);
            Ok((key, row.get::<_, i64>(2)?.unsigned_abs()))
        })?;
        for (key, count) in found {
            *rows.entry(key).or_insert(0) += count;
        }
    }
    let lanes = [Lane::Braze, Lane::Desk].map(Lane::as_str).into_iter();
    let places = lanes.flat_map(|lane| STATES.map(|state| (lane, state)));
    let counted = places.map(|(lane, state)| {
        let rows = rows.get(&(lane.to_owned(), state.to_owned()));
        (lane, state, rows.copied().unwrap_or_default())
    });
    Ok(counted.collect())
}
