//! When there is no room for more: too many messages wait, or the disk is full.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::redact::Private;
use frontdesk::store::{Quarantined, StoreSize};

use crate::fire::yard::{Gateway, Yard, tell};
use crate::world::{INBOUND_SECRET, World, soon};

/// The disk of the test, and the mark below which its gateway refuses messages; in MiB.
const DISK_MIB: u64 = 64;
const LOW_MIB: u64 = 32;

const SECOND: Duration = Duration::from_secs(1);

const WITHOUT_OUTCOME: &str = "SELECT count(*) FROM message WHERE turn IS NULL";
const UNDONE: &str = "SELECT (SELECT count(*) FROM message WHERE turn IS NULL)
    + (SELECT count(*) FROM delivery WHERE state IN ('ready', 'sending'))";

/// Set where the test runs in a namespace in which it may mount.
const UNSHARED: &str = "FRONTDESK_TEST_UNSHARED";

#[tokio::test]
async fn beyond_the_backlog_only_copies_are_answered_until_there_is_room_again() {
    let world = World::with("backlog = 3").await;
    for customer in ["ana", "bob", "cid"] {
        world.says(customer, "hello").await;
    }
    let url = format!("{}/v1/inbound/support", world.url());
    let hello = |customer: &str| {
        format!(r#"{{"user_id": "{customer}", "phone_number": "+15550100", "message": "hello"}}"#)
    };
    let refused = [
        post(&url, &hello("dan")).await,
        // A body that cannot be read is no reason for a 400 while it could not be kept.
        post(&url, "nonsense").await,
        get(&format!("{}/readyz", world.url())).await,
    ];
    assert_eq!(refused, [(503, Some(10)), (503, Some(10)), (503, Some(10))]);
    assert_eq!(post(&url, &hello("ana")).await, (200, None), "a copy");
    let counts = world.app.store().counts().await.unwrap();
    assert_eq!((counts.waiting, counts.quarantined), (3, 0));

    world.pass(SECOND).await;
    world.clock.advance(SECOND);
    // The workers look every second, and the store with them.
    soon(async {
        while world.app.store().size().is_backlog_full {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(get(&format!("{}/readyz", world.url())).await, (200, None));
    world.says("dan", "hello").await;
    world.pass(SECOND).await;
    assert_eq!(world.heard("dan").len(), 1);
    world.end().await;
}

#[tokio::test]
async fn the_store_tells_its_size() {
    let world = World::start().await;
    world.says("ana", "hello").await;
    world.clock.advance(SECOND);
    world.app.store().probe().await.unwrap();
    let size: StoreSize = world.app.store().size();
    assert!(
        size.database_bytes >= 4_096 && size.wal_bytes > 0,
        "{size:?}"
    );
    assert!(size.disk_free_bytes > 0 && !size.is_disk_low, "{size:?}");
    let ballast = world.folder().join("frontdesk.db.ballast");
    assert_eq!(
        std::fs::metadata(ballast).unwrap().len(),
        16 * 1_024 * 1_024
    );
    world.rest().await;
    world.end().await;
}

#[tokio::test]
async fn a_log_that_a_reader_has_made_grow_is_cut_when_he_is_gone() {
    let world = World::start().await;
    let reader = rusqlite::Connection::open(world.folder().join("frontdesk.db")).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM message;")
        .unwrap();
    let body = Quarantined {
        assistant: "support".to_owned(),
        body: Private(vec![b'x'; 200_000]),
        error: "a test".to_owned(),
    };
    let log = async || {
        world.clock.advance(SECOND);
        world.app.store().probe().await.unwrap();
        world.app.store().size().wal_bytes / 1_024 / 1_024
    };
    for _ in 0..100 {
        let kept = world.app.store().quarantine(body.clone()).await;
        kept.unwrap();
    }
    assert!(log().await > 16, "the reader holds it");
    reader.execute_batch("COMMIT").unwrap();
    soon(async { while log().await > 0 {} }).await;
    world.end().await;
}

/// A disk of its own for one test; gone with it.
struct Disk(PathBuf);

impl Disk {
    /// Mounts one, where that is allowed.
    fn mount(place: PathBuf) -> Option<Self> {
        std::fs::create_dir(&place).unwrap();
        let size = format!("size={DISK_MIB}m,mode=700");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(&place)
            .stderr(Stdio::null())
            .status();
        mount
            .is_ok_and(|status| status.success())
            .then_some(Self(place))
    }

    /// Fills it with a file, up to so many free MiB.
    fn fill(&self, name: &str, free_mib: u64) {
        let mut file = File::create(self.0.join(name)).unwrap();
        let block = vec![1; 64 * 1_024];
        while self.free() > free_mib * 1_024 * 1_024 && file.write_all(&block).is_ok() {}
    }

    fn empty(&self, name: &str) {
        std::fs::remove_file(self.0.join(name)).unwrap();
    }

    fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.0).unwrap();
        disk.f_bavail * disk.f_frsize
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg(&self.0).status());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_is_new_loses_nothing_and_is_left_behind_by_itself() {
    let yard = Yard::start(&format!(
        "[store]\npath = \"disk/frontdesk.db\"\ndisk_low_mib = {LOW_MIB}"
    ))
    .await;
    let Some(disk) = Disk::mount(yard.folder.path().join("disk")) else {
        return in_a_namespace(
            "room::a_full_disk_refuses_what_is_new_loses_nothing_and_is_left_behind_by_itself",
        );
    };
    let database = disk.0.join("frontdesk.db");
    let ballast = disk.0.join("frontdesk.db.ballast");
    let mut gateway = yard.serve().await;
    let mut accepted = Vec::new();
    for number in 0..20 {
        accepted.extend(say(&gateway, number).await);
    }
    assert_eq!(accepted.len(), 20);
    assert!(ballast.exists(), "there is room for it");

    // Some turns are under way when the disk gets low; they are finished, and nothing new is taken.
    let held = yard.model.hold();
    let asked = yard.model.request_count();
    for number in 20..40 {
        accepted.extend(say(&gateway, number).await);
    }
    soon(yard.model.wait_for(asked + 20)).await;
    disk.fill("most", LOW_MIB - 1);
    until(async || ready(&gateway).await == 503).await;
    assert_eq!(say(&gateway, 40).await, None, "503");
    assert_eq!(
        say(&gateway, 0).await.as_ref(),
        Some(&accepted[0]),
        "a copy"
    );

    // Now it is full to the last byte: the ballast gives way, so that the turns can be written down all the same.
    disk.fill("rest", 0);
    let at_braze = yard.braze.hold();
    drop(held);
    until(async || rows(&database, WITHOUT_OUTCOME) == ["0"]).await;
    assert!(!ballast.exists(), "freed");
    assert_eq!(
        say(&gateway, 40).await,
        None,
        "what was freed is not for new messages"
    );

    // Then even that is gone, while replies are at Braze. What became of them is written when there is room again.
    disk.fill("all", 0);
    drop(at_braze);
    for name in ["all", "rest", "most"] {
        disk.empty(name);
    }
    until(async || ready(&gateway).await == 200).await;
    accepted.extend(say(&gateway, 40).await);
    assert_eq!(accepted.len(), 41);
    until(async || rows(&database, UNDONE) == ["0"] && ballast.exists()).await;
    gateway.terminate();
    let mut log = String::new();
    while let Some(line) = soon(gateway.log.recv()).await {
        log += &line;
    }
    assert_eq!(gateway.end().await, Some(0));
    for once in ["the disk is nearly full", "the ballast is freed"] {
        assert_eq!(log.matches(once).count(), 1, "{once}\n{log}");
    }

    assert_eq!(yard.braze.sent_count(), 41, "each reply left once");
    assert_eq!(rows(&database, "PRAGMA integrity_check"), ["ok"]);
    let mut kept = rows(
        &database,
        "SELECT lower(hex(id)) FROM message WHERE author = 'customer' AND outcome = 'replied'",
    );
    let mut accepted: Vec<String> = accepted.iter().map(|id| id.replace('-', "")).collect();
    kept.sort();
    accepted.sort();
    assert_eq!(kept, accepted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_a_full_disk_gives_up_the_ballast() {
    let yard = Yard::start(&format!(
        "[store]\npath = \"disk/frontdesk.db\"\ndisk_low_mib = {LOW_MIB}"
    ))
    .await;
    let Some(disk) = Disk::mount(yard.folder.path().join("disk")) else {
        return in_a_namespace("room::a_start_on_a_full_disk_gives_up_the_ballast");
    };
    let gateway = yard.serve().await;
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));
    disk.fill("all", 0);
    let gateway = yard.serve().await;
    assert_eq!(ready(&gateway).await, 503);
    disk.empty("all");
    until(async || ready(&gateway).await == 200).await;
    assert!(say(&gateway, 0).await.is_some());
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));
}

/// Runs a test where this user may mount, or says why it does not run.
fn in_a_namespace(test: &str) {
    let unshare = |command: &mut Command| command.stdin(Stdio::null()).status();
    let may = std::env::var_os(UNSHARED).is_none()
        && unshare(Command::new("unshare").args(["-rm", "true"])).is_ok_and(|done| done.success());
    if !may {
        return tell(
            "skipped: neither may this user mount a disk, nor unshare a namespace to do so in",
        );
    }
    let ended = unshare(
        Command::new("unshare")
            .arg("-rm")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(UNSHARED, "1"),
    );
    assert!(ended.unwrap().success(), "{test}");
}

/// Sends a message. Gives its id, where it was taken.
async fn say(gateway: &Gateway, number: usize) -> Option<String> {
    let (customer, text) = (format!("u{number}"), format!("word-{number}-0"));
    let answered = gateway
        .phone()
        .says(&customer, "+1555", &text)
        .await
        .unwrap();
    match answered.status {
        200 | 202 => Some(answered.body["message_id"].as_str().unwrap().to_owned()),
        503 => None,
        _ => panic!("{answered:?}"),
    }
}

async fn ready(gateway: &Gateway) -> u16 {
    get(&format!("http://{}/readyz", gateway.address)).await.0
}

/// Waits for what has to happen by itself, but not for ever.
async fn until(enough: impl AsyncFn() -> bool) {
    let clock = Clock::system();
    soon(async {
        while !enough().await {
            clock.sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

/// Gives the first column of every row, as text.
fn rows(database: &Path, sql: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(database).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map((), |row| {
        let value: rusqlite::types::Value = row.get(0)?;
        Ok(match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Gives the status of a page, and after how many seconds to come again.
async fn get(url: &str) -> (u16, Option<u64>) {
    ask(client().get(url)).await
}

async fn post(url: &str, body: &str) -> (u16, Option<u64>) {
    let request = client().post(url).bearer_auth(INBOUND_SECRET);
    ask(request.body(body.to_owned())).await
}

async fn ask(request: reqwest::RequestBuilder) -> (u16, Option<u64>) {
    let response = request.send().await.unwrap();
    let again = response.headers().get("retry-after");
    let again = again.map(|seconds| seconds.to_str().unwrap().parse().unwrap());
    (response.status().as_u16(), again)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}
