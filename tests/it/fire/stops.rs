//! Told to stop: under load, with a model that hangs, and told twice.

use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::sandbox::Plan;

use super::ledger::{Audit, tell};
use super::load::{Load, writes};
use super::random::{Random, is_long, seeds};
use super::yard::Yard;
use crate::world::soon;

/// How long the gateway takes to stop at most, where the configuration says nothing.
const DRAIN: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_under_load_lose_nothing_double_nothing_and_leave_no_doubt() {
    for seed in seeds() {
        stops_well(seed).await;
    }
}

async fn stops_well(seed: u64) {
    let stops = if is_long() { 20 } else { 4 };
    let clock = Clock::system();
    let yard = Yard::start("").await;
    yard.dawdle();
    let load = Load::new(60, 10);
    let span = load.messages() / (stops + 1);
    let mut random = Random(seed);
    let lives = async {
        for life in 1..=stops {
            let gateway = yard.serve().await;
            load.opens(life, &gateway);
            load.allow(span);
            load.moment(&mut random, span, &yard).await;
            let stop = Clock::system();
            gateway.stops().await;
            assert!(stop.elapsed() < DRAIN, "{:?}", stop.elapsed());
            load.closes();
            let doubt = "SELECT 1 FROM delivery WHERE state = 'sending' OR possible_duplicate";
            assert!(
                yard.remains(doubt).is_empty(),
                "a stop leaves nothing half done"
            );
        }
        let gateway = yard.serve().await;
        load.opens(stops + 1, &gateway);
        load.allow(load.messages());
        gateway
    };
    let (gateway, ()) = tokio::join!(lives, load.run());
    yard.drained().await;
    gateway.stops().await;

    let audit = Audit::of(&yard, &load);
    tell(
        &format!("seed {seed:#x}, {stops} stops: {audit}"),
        clock.elapsed(),
    );
    assert_eq!((audit.marked.len(), audit.doubles), (0, 0), "{audit}");
    assert_eq!(audit.count("replied"), audit.accepted, "{audit}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_stop_on_nobody_new_is_let_in_and_a_turn_under_way_is_finished() {
    // It would wait for the turn longer than this test waits for a door that does not shut.
    let yard = Yard::start("[server]\nlisten = \"127.0.0.1:0\"\ndrain = \"1m\"").await;
    let held = yard.model.hold();
    let mut gateway = yard.serve().await;
    let (phone, url) = (gateway.phone(), format!("{}/readyz", gateway.url()));
    writes(&phone, 1, "word-1-0").await.unwrap();
    soon(yard.model.wait_for(1)).await;
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);

    gateway.terminate();
    soon(gateway.says("stopping")).await;
    // A door that is open still says no; one that is shut says nothing.
    let closes = async {
        while reqwest::get(&url)
            .await
            .is_ok_and(|answer| answer.status() == 200)
        {}
    };
    soon(closes).await;
    let refused = reqwest::get(&url)
        .await
        .map(|answer| answer.status().as_u16());
    assert!(matches!(refused, Err(_) | Ok(503)), "{refused:?}");
    assert_eq!(
        writes(&gateway.phone(), 2, "word-2-0").await,
        None,
        "a new caller is sent away"
    );

    drop(held);
    assert_eq!(gateway.end().await, Some(0));
    let sent = yard.braze.sent();
    assert_eq!((sent.len(), sent[0].text()), (1, "You said: word-1-0"));
    let left = "SELECT outcome FROM message WHERE author = 'customer' UNION ALL SELECT state FROM delivery";
    assert_eq!(yard.remains(left), ["replied", "sent"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_a_model_that_hangs_no_longer_than_it_may_and_loses_nothing() {
    let yard = Yard::start("[server]\nlisten = \"127.0.0.1:0\"\ndrain = \"2s\"").await;
    yard.model.misbehave(Plan::hang().times(1));
    let gateway = yard.serve().await;
    writes(&gateway.phone(), 1, "word-1-0").await.unwrap();
    soon(yard.model.wait_for(1)).await;
    let clock = Clock::system();
    gateway.stops().await;
    let took = clock.elapsed();
    // Told otherwise, it would have waited to the end of the usual time.
    assert!((Duration::from_secs(1)..DRAIN).contains(&took), "{took:?}");
    waits(&yard);
    let counted = yard.remains("SELECT attempts FROM conversation");
    assert_eq!(counted, ["0"], "a stop is no crash");
    is_answered_in_the_next_life(&yard).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_stop_is_heard_at_once_and_loses_nothing() {
    let yard = Yard::start("").await;
    yard.model.misbehave(Plan::hang().times(1));
    let mut gateway = yard.serve().await;
    writes(&gateway.phone(), 1, "word-1-0").await.unwrap();
    soon(yard.model.wait_for(1)).await;
    gateway.terminate();
    soon(gateway.says("stopping")).await;
    let clock = Clock::system();
    gateway.terminate();
    assert_eq!(
        gateway.end().await,
        Some(1),
        "it says that it did not finish"
    );
    assert!(clock.elapsed() < DRAIN / 2, "{:?}", clock.elapsed());
    waits(&yard);
    is_answered_in_the_next_life(&yard).await;
}

/// The only message waits for a turn.
fn waits(yard: &Yard) {
    assert_eq!(
        yard.remains("SELECT count(*) FROM message WHERE turn IS NULL"),
        ["1"]
    );
}

/// The only message is answered once when the gateway is back.
async fn is_answered_in_the_next_life(yard: &Yard) {
    let gateway = yard.serve().await;
    soon(yard.braze.wait_for_sent(1)).await;
    yard.drained().await;
    gateway.stops().await;
    let sent = yard.braze.sent();
    assert_eq!((sent.len(), sent[0].text()), (1, "You said: word-1-0"));
    assert_eq!(
        yard.rows("SELECT outcome FROM message WHERE author = 'customer'"),
        ["replied"]
    );
}
