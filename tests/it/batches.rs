//! Replies that have to wait: who rides with whom, who goes first, and what becomes of those whom Braze refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::{Json, Router};
use frontdesk::sandbox::Plan;
use frontdesk::sandbox::braze::Sent;
use frontdesk::shutdown::Shutdown;
use serde_json::json;
use tokio::net::TcpListener;

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// A second assistant in the same workspace.
const SALES: &str = r#"
    [assistants.sales]
    secrets = ["env::INBOUND"]
    campaign_id = "campaign-2"
    [assistants.sales.business]
    name = "Acme"
"#;

/// What is to lie in the store when the gateway starts.
struct Backlog {
    assistant: &'static str,
    /// Customers are named by this and a number.
    prefix: &'static str,
    customers: usize,
    /// Replies to each, which are named by their numbers.
    each: usize,
    priority: i64,
}

const PLAIN: Backlog = Backlog {
    assistant: "support",
    prefix: "u",
    customers: 1,
    each: 1,
    priority: 2,
};

/// Starts a world in which replies wait already.
async fn with_backlog(world: World, backlogs: &[Backlog]) -> World {
    let now = world.clock.now().as_millisecond();
    world
        .restart_after(|folder| {
            let mut file = rusqlite::Connection::open(folder.join("frontdesk.db")).unwrap();
            let tx = file.transaction().unwrap();
            for backlog in backlogs {
                fill(&tx, now, backlog);
            }
            tx.commit().unwrap();
        })
        .await
}

fn fill(file: &rusqlite::Connection, now: i64, backlog: &Backlog) {
    for customer in 0..backlog.customers {
        let customer = format!("{}{customer}", backlog.prefix);
        file.prepare_cached(
            "INSERT INTO conversation (id, assistant, customer, external_id, opened_at, window_expires_at)
             VALUES (randomblob(16), ?1, 'external:' || ?2, ?2, ?3, ?3 + 86400000)",
        )
        .unwrap()
        .execute(rusqlite::params![backlog.assistant, customer, now])
        .unwrap();
        let conversation = file.last_insert_rowid();
        for number in 0..backlog.each {
            file.prepare_cached(
                "INSERT INTO delivery (id, conversation, assistant, lane, name, body, priority, not_before, expires_at,
                     epoch, turn, created_at)
                 VALUES (randomblob(16), ?1, ?2, 'braze', 'reply', ?3, ?4, ?5, ?5 + 900000, 0, 1, ?5)",
            )
            .unwrap()
            .execute(rusqlite::params![
                conversation,
                backlog.assistant,
                number.to_string(),
                backlog.priority,
                now
            ])
            .unwrap();
        }
    }
}

/// Waits until what may leave now has left.
async fn quiet(world: &World) {
    let mut last = u64::MAX;
    loop {
        world.breathe().await;
        let now = world.braze.request_count();
        if now == last {
            return;
        }
        last = now;
    }
}

/// How far the clock moves at once: three steps are a little more than a tenth of a second.
const STEP: Duration = Duration::from_millis(34);

/// Moves the clock in steps until `enough`; gives the time that took, `most` at most.
async fn until(world: &World, most: Duration, enough: impl Fn(&World) -> bool) -> Duration {
    let mut took = Duration::ZERO;
    loop {
        quiet(world).await;
        if enough(world) {
            return took;
        }
        assert!(took < most, "{} sent in {most:?}", world.braze.sent_count());
        world.clock.advance(STEP);
        took += STEP;
    }
}

/// Gives who rode in each request that was taken, in the order of the requests.
fn rides(world: &World) -> Vec<Vec<Sent>> {
    let mut rides = BTreeMap::<u64, Vec<Sent>>::new();
    for sent in world.braze.sent() {
        rides.entry(sent.request).or_default().push(sent);
    }
    rides.into_values().collect()
}

fn names(ride: &[Sent]) -> Vec<&str> {
    ride.iter().map(|sent| sent.recipient.value()).collect()
}

#[tokio::test]
async fn two_thousand_replies_leave_in_fifteen_seconds_at_ten_requests_a_second_in_order() {
    let world = World::with_rates(10, 1).await;
    world.braze.limit(10, SECOND);
    let backlog = Backlog {
        customers: 500,
        each: 4,
        ..PLAIN
    };
    let world = with_backlog(world, &[backlog]).await;
    let took = until(&world, SECOND * 15, |world| {
        world.braze.sent_count() == 2_000
    })
    .await;
    assert!(took < SECOND * 15, "{took:?}");
    assert_eq!(world.braze.answered_with(429), 0);
    for customer in 0..500 {
        let heard = world.heard(&format!("u{customer}"));
        assert_eq!(heard, ["0", "1", "2", "3"], "u{customer}");
    }
    for ride in rides(&world) {
        let customers: BTreeSet<_> = names(&ride).into_iter().collect();
        assert!(ride.len() <= 50, "{}", ride.len());
        assert_eq!(customers.len(), ride.len(), "a customer rides once");
    }
    world.end().await;
}

#[tokio::test]
async fn one_poisoned_recipient_is_found_and_all_others_arrive() {
    let world = World::with_rates(10, 1).await;
    world.braze.limit(10, SECOND);
    world.braze.misbehave(Plan::status(400).when("\"u77\""));
    let backlog = Backlog {
        customers: 500,
        each: 4,
        ..PLAIN
    };
    let world = with_backlog(world, &[backlog]).await;
    let dead = |world: &World| {
        world
            .rows("SELECT lower(hex(id)) FROM delivery WHERE state = 'dead'")
            .len()
    };
    let done = |world: &World| world.braze.sent_count() == 4 * 499 && dead(world) == 4;
    until(&world, SECOND * 30, done).await;
    assert_eq!(world.braze.answered_with(429), 0);
    // One of fifty is found in seven requests: 50, 25, 12, 6, 3, 1; with four words to him, four times that.
    let refused = world.braze.answered_with(400);
    assert!(refused <= 4 * 7, "{refused} requests were refused");
    let counted = "SELECT DISTINCT attempts FROM delivery";
    assert_eq!(
        world.rows(&counted.replace("attempts", "CAST(attempts AS TEXT)")),
        ["0"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_campaign_that_is_wrong_is_wrong_for_all_and_costs_one_request() {
    let world = World::with_rates(10, 1).await;
    world.braze.know_campaigns(["another"]);
    let backlog = Backlog {
        customers: 51,
        ..PLAIN
    };
    let world = with_backlog(world, &[backlog]).await;
    let dead = "SELECT name FROM delivery WHERE state = 'dead'";
    until(&world, SECOND * 5, |world| world.rows(dead).len() == 51).await;
    assert_eq!(
        world.braze.request_count(),
        2,
        "the first alone, then the rest"
    );
    world.end().await;
}

#[tokio::test]
async fn what_need_not_wait_rides_alone_and_with_batch_one_everything_does() {
    let backlog = || Backlog {
        customers: 60,
        ..PLAIN
    };
    let world = with_backlog(World::start().await, &[backlog()]).await;
    until(&world, SECOND, |world| world.braze.sent_count() == 60).await;
    assert_eq!(world.braze.request_count(), 60);
    world.end().await;
    let world = World::slow("rate = 20\nburst = 1\nbatch = 1").await;
    let world = with_backlog(world, &[backlog()]).await;
    until(&world, SECOND * 4, |world| world.braze.sent_count() == 60).await;
    assert_eq!(world.braze.request_count(), 60);
    world.end().await;
}

#[tokio::test]
async fn a_notice_overtakes_a_backlog_and_assistants_take_turns() {
    let world = World::paced(1, 1, SALES).await;
    let backlog = Backlog {
        customers: 400,
        ..PLAIN
    };
    let sales = Backlog {
        assistant: "sales",
        prefix: "s",
        customers: 3,
        ..PLAIN
    };
    let notice = Backlog {
        prefix: "n",
        priority: 0,
        ..PLAIN
    };
    let world = with_backlog(world, &[backlog, sales, notice]).await;
    until(&world, SECOND * 4, |world| world.braze.request_count() == 3).await;
    let rides = rides(&world);
    assert_eq!(names(&rides[0]), ["n0"], "before 400 others");
    let by: BTreeSet<_> = rides[1..]
        .iter()
        .map(|ride| ride[0].campaign_id.as_str())
        .collect();
    assert_eq!(by, BTreeSet::from(["campaign-1", "campaign-2"]));
    world.end().await;
}

#[tokio::test]
async fn an_unknown_fate_is_each_riders_own() {
    for (policy, arrivals, held) in [("resend_once", 2, 0), ("hold", 1, 4), ("drop", 1, 0)] {
        let world = World::paced(1, 1, &format!("[reply]\non_unknown = \"{policy}\"")).await;
        world
            .braze
            .misbehave(Plan::reset().taken().when("\"u3\"").times(1));
        let backlog = Backlog {
            customers: 5,
            ..PLAIN
        };
        let world = with_backlog(world, &[backlog]).await;
        until(&world, SECOND, |world| world.braze.request_count() == 2).await;
        for _ in 0..20 {
            world.clock.advance(SECOND);
            quiet(&world).await;
        }
        for customer in 1..5 {
            let heard = world.heard(&format!("u{customer}")).len();
            assert_eq!(heard, arrivals, "{policy} u{customer}");
        }
        assert_eq!(world.heard("u0").len(), 1);
        assert_eq!(world.possible_duplicates(), 4, "{policy}");
        let states = "SELECT state FROM delivery WHERE state = 'held'";
        assert_eq!(world.rows(states).len(), held, "{policy}");
        world.end().await;
    }
}

#[tokio::test]
async fn a_takeover_while_a_reply_waits_for_the_gate_stops_that_reply_alone() {
    let world = World::with_rates(1, 1).await;
    let backlog = Backlog {
        customers: 4,
        ..PLAIN
    };
    world.braze.misbehave(Plan::rate_limited(5).times(1));
    let world = with_backlog(world, &[backlog]).await;
    until(&world, STEP, |world| world.braze.request_count() == 1).await;
    let file = rusqlite::Connection::open(world.folder().join("frontdesk.db")).unwrap();
    let taken =
        "UPDATE conversation SET owner = 'human', epoch = epoch + 1 WHERE external_id = 'u2'";
    assert_eq!(file.execute(taken, ()).unwrap(), 1);
    until(&world, SECOND * 8, |world| world.braze.sent_count() == 3).await;
    quiet(&world).await;
    assert_eq!(world.heard("u2"), Vec::<String>::new());
    world.end().await;
}

#[tokio::test]
async fn one_customers_messages_come_apart_after_a_burst_and_hold_up_nobody() {
    let world = World::start().await;
    let many = Backlog { each: 25, ..PLAIN };
    let other = Backlog {
        prefix: "v",
        ..PLAIN
    };
    let world = with_backlog(world, &[many, other]).await;
    until(&world, STEP, |world| world.heard("u0").len() == 20).await;
    assert_eq!(world.heard("v0").len(), 1);
    for more in 1..=5 {
        world.clock.advance(SECOND * 5);
        quiet(&world).await;
        assert_eq!(world.heard("u0").len(), 19 + more, "not before its time");
        world.clock.advance(SECOND + Duration::from_millis(20));
        quiet(&world).await;
        assert_eq!(world.heard("u0").len(), 20 + more);
    }
    let heard = world.heard("u0");
    let order: Vec<_> = (0..25).map(|number| number.to_string()).collect();
    assert_eq!(heard, order);
    world.end().await;
}

/// Serves an endpoint that takes everything and says that one recipient was wrong.
async fn taking_all_but(customer: &'static str) -> (String, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let answer = move || async move {
        count.fetch_add(1, Ordering::SeqCst);
        let wrong = json!({ "external_user_id": customer, "reason": "invalid" });
        let body = json!({ "message": "success", "dispatch_id": "d", "errors": [wrong] });
        (StatusCode::CREATED, Json(body))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let doors = Router::new().fallback(answer);
    Shutdown::new().spawn(async move { axum::serve(listener, doors).await.unwrap() });
    (url, asked)
}

#[tokio::test]
async fn a_recipient_named_in_the_answer_to_a_batch_is_dead_and_the_others_are_sent() {
    let (url, asked) = taking_all_but("u2").await;
    let world = World::with_rates(1, 1).await;
    let was = world.braze.url();
    let world = world.restart_replacing(&was, &url).await;
    let backlog = Backlog {
        customers: 4,
        ..PLAIN
    };
    let world = with_backlog(world, &[backlog]).await;
    let states = "SELECT c.external_id || ' ' || state FROM delivery d JOIN conversation c ON c.key = d.conversation
                  ORDER BY c.key";
    let over = |world: &World| {
        world
            .rows(states)
            .iter()
            .all(|row| !row.ends_with("ready") && !row.ends_with("sending"))
    };
    until(&world, SECOND * 4, over).await;
    assert_eq!(
        world.rows(states),
        ["u0 sent", "u1 sent", "u2 dead", "u3 sent"]
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    world.end().await;
}

#[tokio::test]
async fn near_its_end_the_hours_pool_is_spread_and_the_next_clock_hour_opens_the_gate() {
    let world = World::slow("rate = 1000\nburst = 1000\nbatch = 1").await;
    // 09:59, and every message a request of its own.
    world.clock.advance(Duration::from_mins(59));
    world.braze.limit(100, Duration::from_hours(1));
    let backlog = Backlog {
        customers: 160,
        ..PLAIN
    };
    let world = with_backlog(world, &[backlog]).await;
    quiet(&world).await;
    let at_once = world.braze.request_count();
    assert!(
        (80..=84).contains(&at_once),
        "{at_once} before it slows down"
    );
    let mut most = 0;
    for _ in 0..59 {
        let before = world.braze.request_count();
        world.clock.advance(SECOND);
        quiet(&world).await;
        most = most.max(world.braze.request_count() - before);
    }
    assert!(most <= 2, "{most} in one second of the last minute");
    let by_the_hour = world.braze.request_count();
    assert!(
        (90..=98).contains(&by_the_hour),
        "{by_the_hour}, and two are kept for notices"
    );
    until(&world, SECOND * 3, |world| world.braze.sent_count() == 160).await;
    assert_eq!(world.braze.answered_with(429), 0);
    world.end().await;
}
