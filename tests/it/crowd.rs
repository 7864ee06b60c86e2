//! Many customers, and one who writes for many: nobody waits for another, and the machine stays as it is.

use std::time::{Duration, Instant};

use frontdesk::braze::{self, InboundLimits};
use frontdesk::clock::Clock;
use frontdesk::http::BurstConfig;
use frontdesk::sandbox::{Phone, Plan};
use frontdesk::store::{NewMessage, Sqlite, SqliteConfig, Store};
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;

use crate::fire::yard::{Yard, tell};
use crate::world::{START, World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Memory that the gateway may use with any number of customers on disk, in KiB.
const RSS_KIB: u64 = 300 * 1_024;

/// Whether the long form is asked for: `tests/run --long`.
fn long() -> bool {
    std::env::var_os("FRONTDESK_FIRE").is_some_and(|form| form == "long")
}

#[tokio::test]
async fn nobody_waits_for_a_customer_who_floods_and_his_turns_are_bounded() {
    let world = World::start().await;
    world
        .model
        .misbehave(Plan::delay(Duration::from_secs(5)).when("flood"));
    let start = world.clock.now();
    for second in 0..10 {
        let flood = (0..100).map(|number| format!("flood {second} {number}"));
        let flood = flood.map(async |text| world.says("flooder", &text).await);
        let others = (0..20).map(|number| format!("u{}", second * 20 + number));
        let others = others.map(async |customer| world.says(&customer, "hello").await);
        let (_, _) = tokio::join!(join_all(flood), join_all(others));
        // A second later, all of these are due; the flooder's model takes longer than that.
        world.clock.advance(SECOND);
        let until = (second + 1) * 20;
        soon(world.braze.wait_until_sent(|sent| {
            let others = sent
                .iter()
                .filter(|sent| sent.recipient.value() != "flooder");
            others.count() == until
        }))
        .await;
    }
    for sent in world.braze.sent() {
        let customer = sent.recipient.value().strip_prefix('u');
        let Some(number) = customer.and_then(|number| number.parse::<i64>().ok()) else {
            continue;
        };
        assert_eq!(sent.at.duration_since(start).as_secs(), number / 20 + 1);
    }
    world.within(Duration::from_mins(1)).await;
    let answers = world.heard("flooder").len();
    assert!((1..=4).contains(&answers), "{answers} answers");
    let questions = world.model.requests().into_iter();
    let questions = questions.map(|request| request.json()["messages"].to_string());
    let his: Vec<String> = questions.filter(|text| text.contains("flood ")).collect();
    let shown = his.iter().map(|text| text.matches("flood ").count());
    let most = shown.max().unwrap();
    // Those of this turn, and those that he is remembered by.
    assert!((20..=70).contains(&most), "{most} messages in one question");
    let last = his.last().unwrap();
    assert!(last.contains("flood 9 "), "the newest are shown: {last}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_customers_is_answered_in_bounded_memory() {
    let customers = if long() { 100_000 } else { 1_000 };
    let yard = Yard::start("[turns]\nin_flight = 2000").await;
    let text = std::fs::read_to_string(&yard.config).unwrap();
    std::fs::write(&yard.config, text.replace("= 1000", "= 10000")).unwrap();
    yard.model.record(false);
    yard.braze.record(false);
    let gateway = yard.serve().await;
    let phone = gateway.phone();
    let clock = Clock::system();
    stream::iter(0..customers)
        .for_each_concurrent(64, |number| say(&phone, format!("u{number}"), number))
        .await;
    let taken = clock.elapsed();
    until_sent(&yard, customers).await;
    let answered = clock.elapsed();
    let status = format!("/proc/{}/status", gateway.child.id());
    let peak = || kib(&std::fs::read_to_string(&status).unwrap(), "VmHWM:");
    let crowd = peak();
    stream::iter(0..1_000)
        .for_each_concurrent(64, |number| say(&phone, "flooder".to_owned(), number))
        .await;
    yard.drained().await;
    let flood = peak();
    tell(&format!(
        "{customers} customers: taken in {taken:?}, answered in {answered:?}, peak {crowd} KiB, after a flood {flood} KiB"
    ));
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));
    let kept = "SELECT count(*) FROM message JOIN conversation ON key = conversation
        WHERE author = 'customer' AND outcome = 'replied' AND external_id LIKE 'u%'";
    assert_eq!(yard.rows(kept), [customers.to_string()]);
    assert!(crowd < RSS_KIB, "{crowd} KiB");
    assert!(flood < crowd + 20 * 1_024, "{crowd} KiB, then {flood} KiB");
}

/// Claims cost the same however many conversations there are: judged by the middle of many, in shares of one run.
#[tokio::test]
async fn a_claim_costs_the_same_with_a_crowd_waiting() {
    let customers = if long() { 100_000 } else { 10_000 };
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START.parse().unwrap());
    let config = SqliteConfig {
        path: folder.path().join("frontdesk.db"),
        backlog: 1_000_000,
        ..SqliteConfig::default()
    };
    let store = Sqlite::open(&config, clock.clone(), frontdesk::metrics::Store::default()).unwrap();
    let accepting = stream::iter(0..customers).for_each_concurrent(256, async |number: u32| {
        let accepted = store.accept(message(number)).await;
        accepted.unwrap();
    });
    accepting.await;
    clock.advance(SECOND);
    let mut costs = Vec::new();
    let mut claimed = 0;
    while claimed < customers {
        let started = Instant::now();
        let batch = store.claim(100).await.unwrap();
        costs.push(started.elapsed());
        claimed += u32::try_from(batch.items.len()).unwrap();
        assert_eq!(batch.items.len(), 100);
    }
    let quarter = costs.len() / 4;
    let [first, last] = [&costs[..quarter], &costs[3 * quarter..]].map(|costs| {
        let mut costs = costs.to_vec();
        costs.sort_unstable();
        costs[costs.len() / 2]
    });
    let bytes = store.size().database_bytes + store.size().wal_bytes;
    tell(&format!(
        "{customers} waiting in {bytes} bytes: 100 claims take {first:?}, with most of them held {last:?}"
    ));
    // Only a long run is long enough to judge by the clock.
    assert!(!long() || last < 4 * first, "{first:?} {last:?}");
}

fn message(number: u32) -> NewMessage {
    let body = format!(r#"{{"user_id": "u{number}", "phone_number": "+1555", "message": "hi"}}"#);
    NewMessage {
        assistant: "support".to_owned(),
        inbound: braze::parse(body.as_bytes(), "support", &InboundLimits::default()).unwrap(),
        burst: BurstConfig::default().into(),
        urgent: false,
        twin: None,
    }
}

async fn say(phone: &Phone, customer: String, number: u32) {
    let text = format!("Hello, when do you open? My order is number {number}.");
    let answered = phone.says(&customer, "+1555", &text).await.unwrap();
    assert_eq!(answered.status, 202, "{answered:?}");
}

/// Waits until so many replies arrived, as long as some still do.
async fn until_sent(yard: &Yard, count: u32) {
    let clock = Clock::system();
    let mut sent = 0;
    while sent < u64::from(count) {
        let more = yard
            .braze
            .wait_for_sent((sent + 1_000).min(u64::from(count)));
        soon(more).await;
        sent = yard.braze.sent_count();
        clock.sleep(Duration::from_millis(10)).await;
    }
}

fn kib(status: &str, name: &str) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
