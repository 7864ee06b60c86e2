//! A backup, taken while the real program works, and what starts on it.

use std::path::Path;

use frontdesk::sandbox::Phone;
use futures_util::future::join_all;
use rusqlite::{Connection, OpenFlags};

use crate::fire::yard::{Yard, run, tell};
use crate::world::soon;

const CUSTOMERS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_taken_under_load_holds_what_was_acknowledged_and_is_gone_on_with() {
    let yard = Yard::start("[reply]\non_unknown = \"hold\"").await;
    let gateway = yard.serve().await;
    let phone = gateway.phone();
    // Some replies are on their way to Braze for as long as the backup takes.
    let at_braze = yard.braze.hold();
    let wave = async |wave: usize| {
        let messages = (0..CUSTOMERS).map(|customer| say(&phone, customer, wave));
        join_all(messages).await
    };
    let mut before = wave(0).await;
    soon(yard.braze.wait_for(1)).await;
    before.extend(wave(1).await);
    let copy = yard.folder.path().join("copy.db");
    let taken = tokio::task::spawn_blocking({
        let (config, copy) = (yard.config.clone(), copy.clone());
        move || run(&["backup", copy.to_str().unwrap()], &config)
    });
    let (taken, _) = tokio::join!(taken, wave(2));
    assert_eq!(taken.unwrap(), (Some(0), String::new()));
    let doubtful = count(
        &copy,
        "SELECT count(*) FROM delivery WHERE state = 'sending'",
    );
    drop(at_braze);
    yard.drained().await;
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));

    assert_eq!(text(&copy, "PRAGMA integrity_check"), "ok");
    for id in &before {
        let found = format!("SELECT count(*) FROM message WHERE lower(hex(id)) = '{id}'");
        assert_eq!(
            count(&copy, &found),
            1,
            "{id} was acknowledged before the copy"
        );
    }
    assert!(doubtful > 0, "replies were on their way");
    tell(&format!("{doubtful} replies were on their way at the copy"));

    // A start on the copy, beside Braze as it stands now.
    let restored = Yard::start("[reply]\non_unknown = \"hold\"").await;
    std::fs::copy(&copy, restored.folder.path().join("frontdesk.db")).unwrap();
    let gateway = restored.serve().await;
    let (held, sent) = (
        "SELECT count(*) FROM delivery WHERE state = 'held' AND possible_duplicate",
        "SELECT count(*) FROM delivery WHERE state = 'sent'",
    );
    restored.drained().await;
    assert_eq!(restored.rows(held), [doubtful.to_string()]);
    assert_eq!(
        restored.rows(sent),
        [restored.braze.sent_count().to_string()]
    );
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_needs_no_secret_overwrites_nothing_and_says_what_it_did() {
    let yard = Yard::start("").await;
    let nothing = run(&["backup", "copy.db"], &yard.config);
    assert_eq!(nothing.0, Some(1), "{nothing:?}");
    assert!(nothing.1.contains("there is no store at"), "{nothing:?}");
    let gateway = yard.serve().await;
    let answered = gateway.phone().says("ana", "+1555", "hello").await.unwrap();
    assert_eq!(answered.status, 202);
    yard.drained().await;
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));

    let copy = yard.folder.path().join("copy.db");
    let backup = |to: &Path| {
        let done = std::process::Command::new(env!("CARGO_BIN_EXE_frontdesk"))
            .args(["backup", "--config"])
            .args([&yard.config, to])
            .env_clear()
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let (code, said, wrong) = backup(&copy);
    assert_eq!((code, wrong.as_str()), (Some(0), ""));
    assert!(
        said.contains("2 messages, 0 of them without an outcome"),
        "{said}"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{mode:o}");
    }
    let beside = std::fs::read_dir(yard.folder.path()).unwrap();
    let beside = beside.map(|file| file.unwrap().file_name().into_string().unwrap());
    let left: Vec<_> = beside.filter(|name| name.starts_with("copy.db-")).collect();
    assert_eq!(left, Vec::<String>::new(), "the copy is one file");

    let before = std::fs::read(&copy).unwrap();
    for there in [copy.as_path(), &yard.folder.path().join("frontdesk.db")] {
        let (code, _, wrong) = backup(there);
        assert_eq!(code, Some(1));
        assert!(wrong.contains("is there already"), "{wrong}");
    }
    assert!(std::fs::read(&copy).unwrap() == before);
    let (code, _, wrong) = backup(&yard.folder.path().join("missing/copy.db"));
    assert_eq!(code, Some(1));
    assert!(wrong.contains("cannot write"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_gives_no_copy_that_looks_whole() {
    let yard = Yard::start("").await;
    let gateway = yard.serve().await;
    let phone = gateway.phone();
    for number in 0..50 {
        let text = format!("word-{number}-0 {}", "and so on ".repeat(100));
        phone
            .says(&format!("u{number}"), "+1555", &text)
            .await
            .unwrap();
    }
    yard.drained().await;
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));
    damage(&yard.folder.path().join("frontdesk.db"));
    let copy = yard.folder.path().join("copy.db");
    let (code, said) = run(&["backup", copy.to_str().unwrap()], &yard.config);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("malformed") || said.contains("damaged"),
        "{said}"
    );
    assert!(
        !copy.exists(),
        "nothing is left that could be taken for a copy"
    );
}

/// Sends a message that is taken. Gives its id as the database has it.
async fn say(phone: &Phone, customer: usize, wave: usize) -> String {
    let text = format!("word-{customer}-{wave}");
    let answered = phone.says(&format!("u{customer}"), "+1555", &text).await;
    let answered = answered.unwrap();
    assert_eq!(answered.status, 202);
    answered.body["message_id"]
        .as_str()
        .unwrap()
        .replace('-', "")
}

/// Writes over a part of a closed database's middle.
pub(crate) fn damage(database: &Path) {
    use std::io::{Seek, SeekFrom, Write};
    let length = std::fs::metadata(database).unwrap().len();
    assert!(length > 10 * 4_096, "{length}");
    let mut file = std::fs::File::options().write(true).open(database).unwrap();
    // From the fourth page on: the first three hold no rows yet.
    file.seek(SeekFrom::Start(3 * 4_096)).unwrap();
    file.write_all(&vec![0xa5; usize::try_from(length / 2).unwrap()])
        .unwrap();
}

/// Opens a copy as it lies, so that looking changes nothing.
fn open(copy: &Path) -> Connection {
    Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn count(copy: &Path, sql: &str) -> i64 {
    open(copy).query_row(sql, (), |row| row.get(0)).unwrap()
}

fn text(copy: &Path, sql: &str) -> String {
    open(copy).query_row(sql, (), |row| row.get(0)).unwrap()
}
