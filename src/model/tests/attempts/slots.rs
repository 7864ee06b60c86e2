//! Calls wait for a slot where a target takes few at once.

use super::*;

#[tokio::test]
async fn to_wait_for_a_slot_is_a_part_of_the_attempt() {
    let clock = clock();
    let go = Arc::new(Notify::new());
    let script = [when_told(go.clone(), GOOD), silent()];
    let (first, first_config) = scripted(script, "concurrency = 1").await;
    let (_second, second_config) = scripted([], "").await;
    let target = both(&first_config, &second_config, &clock);
    let (one, other) = (target.answer(), target.answer());
    tokio::pin!(one, other);
    breathe(&mut one).await;
    breathe(&mut other).await;
    clock.advance(5 * SECOND);
    go.notify_one();
    assert_eq!(now(one).await.unwrap().target, "first");
    breathe(&mut other).await;
    assert_eq!(first.calls(), 2);
    clock.advance(3 * SECOND);
    assert_eq!(now(other).await.unwrap().target, "second");
}

#[tokio::test]
async fn a_slot_that_comes_too_late_is_not_used() {
    let clock = clock();
    let (_first, first_config) = scripted([silent()], "concurrency = 1").await;
    let (_second, second_config) = scripted([], "").await;
    let target = both(&first_config, &second_config, &clock);
    let (one, other) = (target.answer(), target.answer());
    tokio::pin!(one, other);
    breathe(&mut one).await;
    breathe(&mut other).await;
    clock.advance(8 * SECOND);
    assert_eq!(now(one).await.unwrap().attempts, 2);
    assert_eq!(now(other).await.unwrap().attempts, 1);
}

#[tokio::test]
async fn who_gets_no_slot_at_all_says_so() {
    let clock = clock();
    let (server, config) = scripted([silent()], "concurrency = 1").await;
    let target = Alone::new(&config, &clock);
    let (one, other) = (target.answer(), target.answer());
    tokio::pin!(one, other);
    breathe(&mut one).await;
    breathe(&mut other).await;
    clock.advance(25 * SECOND);
    let fault = now(other).await.unwrap_err();
    assert_eq!(fault.to_string(), "overloaded (`no_slot`)");
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn who_gets_a_slot_of_a_target_that_rests_by_now_waits_until_it_is_back() {
    let clock = clock();
    let go = Arc::new(Notify::new());
    let (parts, _) = refusal(429, 3).into_parts();
    let refusal = Response::from_parts(parts, when_told(go.clone(), GOOD).into_body());
    let (server, config) = scripted([refusal], "concurrency = 1").await;
    let target = Alone::new(&config, &clock);
    let (one, other) = (target.answer(), target.answer());
    tokio::pin!(one, other);
    breathe(&mut one).await;
    breathe(&mut other).await;
    go.notify_one();
    assert_eq!(now(one).await.unwrap_err().kind, FaultKind::RateLimited);
    breathe(&mut other).await;
    assert_eq!(server.calls(), 1);
    clock.advance(4 * SECOND);
    assert_eq!(now(other).await.unwrap().attempts, 1);
}

#[tokio::test]
async fn who_waits_to_ask_again_holds_no_slot() {
    let clock = clock();
    let busy = Response::builder().status(503).body(Body::empty()).unwrap();
    let (server, config) = scripted([busy], "concurrency = 1\nretries = 1").await;
    let target = Alone::new(&config, &clock);
    let one = target.answer();
    tokio::pin!(one);
    breathe(&mut one).await;
    assert_eq!(server.calls(), 1);
    now(target.answer()).await.unwrap();
    clock.advance(SECOND);
    assert_eq!(now(one).await.unwrap().attempts, 2);
}

#[tokio::test]
async fn who_waits_behind_one_with_more_time_asks_the_next_target_in_time() {
    let clock = clock();
    let script = [refusal(400, 1), silent()];
    let (first, first_config) = scripted(script, "concurrency = 1").await;
    let (_second, second_config) = scripted([refusal(429, 3)], "").await;
    let target = both(&first_config, &second_config, &clock);
    target.answer().await.unwrap_err();
    // While the second rests, the first has all the time.
    let (one, other) = (target.answer(), target.answer());
    tokio::pin!(one, other);
    breathe(&mut one).await;
    clock.advance(4 * SECOND);
    breathe(&mut other).await;
    clock.advance(8 * SECOND);
    assert_eq!(now(other).await.unwrap().target, "second");
    breathe(&mut one).await;
    assert_eq!(first.calls(), 2);
}
