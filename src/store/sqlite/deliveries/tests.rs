//! What may be claimed, and what it costs to find it.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rusqlite::StatementStatus;

use super::*;
use crate::fuzz;
use crate::store::sqlite::open;

fn connection() -> (tempfile::TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let connection = open::open_writer(&folder.path().join("frontdesk.db")).unwrap();
    (folder, connection)
}

fn conversation(connection: &Connection, name: &str) -> i64 {
    connection
        .prepare_cached(
            "INSERT INTO conversation (id, assistant, customer, external_id, opened_at, window_expires_at)
             VALUES (randomblob(16), 'support', ?1, ?1, 0, 86400000)",
        )
        .unwrap()
        .execute([name])
        .unwrap();
    connection.last_insert_rowid()
}

fn put(
    connection: &Connection,
    conversation: i64,
    lane: &str,
    priority: i64,
    not_before: i64,
) -> i64 {
    connection
        .prepare_cached(
            "INSERT INTO delivery (id, conversation, assistant, lane, name, body, priority, not_before, expires_at, epoch,
                 turn, created_at)
             VALUES (randomblob(16), ?, 'support', ?, 'reply', 'Hi.', ?, ?, 9000, 0, 1, 0)",
        )
        .unwrap()
        .execute(params![conversation, lane, priority, not_before])
        .unwrap();
    connection.last_insert_rowid()
}

/// Gives what may be claimed at a time, as the marks on the rows have it.
fn marked(connection: &Connection, lane: &str, now: i64) -> BTreeSet<i64> {
    let mut found = BTreeSet::new();
    for priority in Priority::ALL {
        let mut due = connection.prepare_cached(DUE).unwrap();
        let rows = due
            .query(params![lane, "support", priority as i64, now, -1])
            .unwrap();
        found.extend(collect(rows, |row| Ok(row.get::<_, i64>(0)?)).unwrap());
    }
    found
}

/// Gives what may be claimed at a time, as the rule has it: the oldest that is open, and nothing else under way.
fn ruled(connection: &Connection, lane: &str, now: i64) -> BTreeSet<i64> {
    let mut statement = connection
        .prepare_cached(
            "SELECT d.key FROM delivery d
             WHERE d.lane = ?1 AND d.state = 'ready' AND d.node IS NULL AND d.not_before <= ?2
               AND NOT EXISTS (SELECT 1 FROM delivery e WHERE e.conversation = d.conversation AND e.lane = d.lane
                               AND e.key <> d.key AND (e.key < d.key OR e.node IS NOT NULL)
                               AND e.state IN ('ready', 'sending'))",
        )
        .unwrap();
    let rows = statement.query(params![lane, now]).unwrap();
    collect(rows, |row| Ok(row.get::<_, i64>(0)?))
        .unwrap()
        .into_iter()
        .collect()
}

/// What can happen to a row.
const MOVES: [&str; 8] = [
    "UPDATE delivery SET node = x'01' WHERE key = ? AND state = 'ready' AND node IS NULL AND head = 1",
    "UPDATE delivery SET state = 'sending' WHERE key = ? AND state = 'ready' AND node IS NOT NULL",
    "UPDATE delivery SET state = 'sent', node = NULL, ended_at = 1 WHERE key = ? AND state = 'sending'",
    "UPDATE delivery SET state = 'ready', node = NULL, not_before = 5 WHERE key = ? AND state = 'sending'",
    "UPDATE delivery SET state = 'dead', node = NULL, ended_at = 1 WHERE key = ? AND state IN ('ready', 'sending')",
    "UPDATE delivery SET state = 'dropped', node = NULL, ended_at = 1 WHERE key = ? AND state = 'ready'",
    "UPDATE delivery SET state = 'ready', node = NULL, ended_at = NULL WHERE key = ? AND state IN ('dead', 'dropped')",
    "UPDATE delivery SET node = NULL WHERE key = ? AND state = 'ready'",
];

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn the_marks_say_what_the_rule_says_whatever_happens(
        moves in prop::collection::vec((0..MOVES.len() + 2, 0..12_i64, 0..3_usize, 0..10_i64), 1..40),
    ) {
        let (_folder, connection) = connection();
        let conversations = ["a", "b", "c"].map(|name| conversation(&connection, name));
        for (what, row, who, at) in moves {
            if let Some(sql) = MOVES.get(what) {
                connection.execute(sql, [row + 1]).unwrap();
            } else {
                let lane = if at % 2 == 0 { "braze" } else { "desk" };
                put(&connection, conversations[who], lane, at % 4, at);
            }
            for lane in ["braze", "desk"] {
                prop_assert_eq!(marked(&connection, lane, 5), ruled(&connection, lane, 5));
            }
        }
    }
}

/// Gives the steps that SQLite's machine takes to find what may be claimed among so many that wait, are waited for, or wait
/// for their time.
fn steps(backlog: usize) -> i32 {
    let (_folder, mut connection) = connection();
    let tx = connection.transaction().unwrap();
    for number in 0..backlog {
        let key = conversation(&tx, &number.to_string());
        put(&tx, key, "braze", 2, 1);
        put(&tx, key, "braze", 2, 1);
        let later = conversation(&tx, &format!("later {number}"));
        put(&tx, later, "braze", 2, 8_000);
    }
    tx.commit().unwrap();
    let mut due = connection.prepare(DUE).unwrap();
    let rows = due
        .query(params!["braze", "support", 2, 5_000, 50])
        .unwrap();
    let found = collect(rows, |row| Ok(row.get::<_, i64>(0)?)).unwrap();
    assert_eq!(found.len(), 50);
    due.get_status(StatementStatus::VmStep)
}

#[test]
fn a_claim_costs_the_same_whatever_waits() {
    let few = steps(100);
    let many = steps(5_000);
    assert!(many <= few + 10, "{few} steps of 100, {many} of 5,000");
}

#[test]
#[ignore = "measures: a claim of 50 with little and with much that waits"]
fn a_claim_measured() {
    for backlog in [100, 100_000] {
        let (_folder, mut connection) = connection();
        let tx = connection.transaction().unwrap();
        for number in 0..backlog {
            let key = conversation(&tx, &number.to_string());
            put(&tx, key, "braze", 2, 1);
        }
        tx.commit().unwrap();
        let here = Here {
            now: Timestamp::from_millisecond(5_000).unwrap(),
            node: crate::domain::NodeId(crate::domain::new_id(Timestamp::UNIX_EPOCH)),
        };
        let assistants = ["support".to_owned()];
        let terms = Terms {
            lane: Lane::Braze,
            assistants: &assistants,
            mirrors: None,
        };
        let started = crate::clock::Clock::system();
        let tx = connection.transaction().unwrap();
        let batch = claim(&tx, here, &terms, 50).unwrap();
        let took = started.elapsed();
        assert_eq!(batch.items.len(), 50);
        tx.commit().unwrap();
        anstream::eprintln!("a claim of 50 among {backlog}: {took:?}");
    }
}
