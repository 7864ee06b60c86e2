//! What a store is opened on: older files are brought up to date, damaged ones are refused and left as they are.

use std::path::{Path, PathBuf};

use frontdesk::clock::Clock;
use frontdesk::domain::{MessageId, Outcome};
use frontdesk::store::{OpenError, Sqlite, SqliteConfig, Store};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use crate::backup::damage;

/// What the first version made.
const FIRST: &str = include_str!("../../src/store/sqlite/schema/0001.sql");

fn open(path: &Path) -> Result<Sqlite, OpenError> {
    let config = SqliteConfig {
        path: path.to_owned(),
        ..SqliteConfig::default()
    };
    Sqlite::open(
        &config,
        Clock::system(),
        frontdesk::metrics::Store::default(),
    )
}

/// Makes a file as the first version left it, with so many answered messages, and one that waits.
fn first_version(messages: u32) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frontdesk.db");
    let connection = Connection::open(&path).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL; BEGIN; {FIRST}
             PRAGMA application_id = {}; PRAGMA user_version = 1;
             INSERT INTO conversation (key, id, assistant, customer, external_id, opened_at, window_expires_at,
                 waiting_since, due_at, last_seq)
             VALUES (1, randomblob(16), 'support', 'external:ana', 'ana', 0, 86400000, 1, 1, {messages});
             WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {messages})
             INSERT INTO message (conversation, seq, id, author, text, at, turn, outcome)
             SELECT 1, x, randomblob(16), 'customer', hex(randomblob(400)), 1, x, 'replied' FROM n;
             UPDATE message SET turn = NULL, outcome = NULL WHERE seq = {messages}; COMMIT;",
            0x4644_534b
        ))
        .unwrap();
    (folder, path)
}

#[tokio::test]
async fn an_older_file_is_brought_up_to_date_with_all_that_is_in_it() {
    let (_folder, path) = first_version(3);
    let connection = Connection::open(&path).unwrap();
    let ids = "SELECT group_concat(hex(id)) FROM (SELECT id FROM message ORDER BY seq)";
    let before: String = connection.query_row(ids, (), |row| row.get(0)).unwrap();
    let first: Uuid = connection
        .query_row("SELECT id FROM message WHERE seq = 1", (), |row| row.get(0))
        .unwrap();
    drop(connection);

    let store = open(&path).unwrap();
    let fate = store.fate(MessageId(first)).await.unwrap().unwrap();
    assert_eq!(fate.outcome, Some(Outcome::Replied));
    let claimed = store.claim(10).await.unwrap().items;
    assert_eq!((claimed.len(), claimed[0].waiting.len()), (1, 1));
    drop(store);
    let connection = Connection::open(&path).unwrap();
    let after: String = connection.query_row(ids, (), |row| row.get(0)).unwrap();
    assert_eq!(after, before);
    let version: u32 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert!(version > 1, "{version}");
    drop(connection);
    open(&path).unwrap();
}

#[test]
fn a_file_with_a_damaged_middle_is_refused_and_left_as_it_is() {
    let (_folder, path) = first_version(2_000);
    drop(open(&path).unwrap());
    damage(&path);
    let before = std::fs::read(&path).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    let message = refused.to_string();
    assert!(message.contains("frontdesk.db is damaged") && message.contains("restore a backup"));
    assert!(
        std::fs::read(&path).unwrap() == before,
        "the file was changed"
    );
}

#[test]
fn a_file_whose_header_is_overwritten_is_refused_and_left_as_it_is() {
    let (_folder, path) = first_version(10);
    drop(open(&path).unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..100].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(refused.to_string().contains("not a database"), "{refused}");
    assert!(
        std::fs::read(&path).unwrap() == bytes,
        "the file was changed"
    );
}

#[test]
fn a_file_that_lacks_a_table_is_refused() {
    let (_folder, path) = first_version(10);
    Connection::open(&path)
        .unwrap()
        .execute_batch("DROP TABLE seen")
        .unwrap();
    let refused = open(&path).unwrap_err();
    assert!(
        refused.to_string().contains("no such table: seen"),
        "{refused}"
    );
}
