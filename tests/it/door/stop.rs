//! The stop: who is sent away, who is waited for, and until when.

use std::time::Duration;

use frontdesk::clock::Clock;
use tokio::net::TcpStream;

use super::{BRIEF, House, QUICK, SLOW, limits, ok};
use crate::world::{INBOUND_SECRET, World, soon};

#[tokio::test]
async fn a_stop_sends_away_who_asks_nothing_and_waits_for_who_was_promised_an_answer() {
    let house = House::open(limits(), &[]).await;
    let mut silent = house.enter("127.0.0.1").await;
    let mut half = house.enter("127.0.0.1").await;
    half.send("GET /quick HTTP/1.1\r\n").await;
    let mut idle = house.enter("127.0.0.1").await;
    assert_eq!(idle.asks(QUICK).await, Some(ok("ok")));
    let mut working = house.enter("127.0.0.1").await;
    working.send(SLOW).await;
    house.has_begun(1).await;
    house.shutdown.stop();
    for guest in [&mut silent, &mut half, &mut idle] {
        guest.is_closed().await;
    }
    let refused = TcpStream::connect(house.address).await;
    assert_eq!(
        refused.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert!(working.waits());
    house.go.add_permits(1);
    assert_eq!(working.answer().await, Some(ok("done")));
    working.is_closed().await;
    house.end().await;
}

#[tokio::test]
async fn a_stop_has_a_hard_end() {
    let house = House::open(limits(), &[]).await;
    let mut working = house.enter("127.0.0.1").await;
    working.send(SLOW).await;
    house.has_begun(1).await;
    let clock = Clock::system();
    assert_eq!(soon(house.shutdown.drain(&clock, BRIEF)).await, 1);
    working.is_closed().await;
}

#[tokio::test]
async fn a_gateway_withdraws_before_it_refuses() {
    let world = World::with_server("withdraw = \"5s\"").await;
    let (url, clock, phone) = (world.url(), world.clock.clone(), world.phone("support"));
    let address = world.app.address();
    let store = std::sync::Arc::clone(world.app.store());
    // No connection is kept, so that each request needs a new one.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0);
    let client = client.build().unwrap();
    let ready = async || {
        let response = client.get(format!("{url}/readyz")).send().await;
        response.unwrap().status()
    };
    assert_eq!(ready().await, 200);
    let leaving = async {
        while ready().await != 503 {}
        // Who has not noticed yet loses nothing: the next start goes on with it.
        let taken = phone.says("u1", "+15550100", "still there?").await.unwrap();
        assert_eq!(taken.status, 202);
        assert_eq!(ready().await, 503);
        clock.advance(Duration::from_secs(5));
        while TcpStream::connect(address).await.is_ok() {}
    };
    let (ended_well, ()) = soon(async { tokio::join!(world.app.stop(), leaving) }).await;
    assert!(ended_well);
    assert_eq!(store.counts().await.unwrap().waiting, 1);
}

/// A handler that is stuck ends; what it had handed over is kept, and known when it comes again.
#[tokio::test]
async fn a_request_that_takes_too_long_is_asked_to_come_again_and_loses_nothing() {
    let world = World::start().await;
    let post = async || {
        let body = r#"{"user_id": "u1", "dispatch_id": "d1", "message": "hi"}"#;
        let request = reqwest::Client::builder().build().unwrap();
        let request = request.post(format!("{}/v1/inbound", world.url()));
        let request = request.bearer_auth(INBOUND_SECRET).body(body);
        request.send().await.unwrap()
    };
    // The file is held, so that the store cannot answer.
    let other = rusqlite::Connection::open(world.folder().join("frontdesk.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let passing = async {
        loop {
            world.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let response = tokio::select! {
        response = soon(post()) => response,
        () = passing => unreachable!("it goes on until it is dropped"),
    };
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let said = response.text().await.unwrap();
    assert!(said.contains("in time"), "{said}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(
        post().await.status(),
        200,
        "it was on its way, and is known"
    );
    world.end().await;
}
