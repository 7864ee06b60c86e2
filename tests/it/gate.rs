//! The gate towards Braze, and what becomes of deliveries that meet trouble.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;

use crate::world::{World, soon};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn sixty_replies_leave_at_the_rate_and_braze_never_has_to_refuse() {
    let world = World::with_rates(5, 1).await;
    world.braze.limit(6, SECOND);
    for customer in 0..60 {
        world.says(&format!("u{customer}"), "hello").await;
    }
    world.clock.advance(SECOND);
    world
        .until("all to be answered", |counts| counts.waiting == 0)
        .await;
    let mut seconds = 0;
    while world.braze.sent_count() < 60 {
        let before = world.braze.sent_count();
        for _ in 0..10 {
            world.clock.advance(SECOND / 10);
            quiet(&world).await;
        }
        let sent = world.braze.sent_count() - before;
        assert!(sent <= 6, "{sent} in one second");
        seconds += 1;
        assert!(seconds < 20, "it took too long");
    }
    assert!(
        seconds >= 11,
        "60 replies at 5/s cannot leave in {seconds} s"
    );
    assert_eq!(world.braze.answered_with(429), 0);
    world.end().await;
}

/// The customer `u1` writes, and the reply has been tried once.
async fn first_attempt(world: &World) {
    world.says("u1", "hello").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    world
        .until("the message to be answered", |counts| counts.waiting == 0)
        .await;
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

#[tokio::test]
async fn nothing_leaves_between_a_429_and_the_reset() {
    let world = World::start().await;
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    first_attempt(&world).await;
    for customer in 2..10 {
        world.says(&format!("u{customer}"), "more").await;
    }
    world.clock.advance(SECOND);
    world
        .until("all to be answered", |counts| counts.waiting == 0)
        .await;
    for _ in 0..28 {
        world.clock.advance(SECOND);
        quiet(&world).await;
        assert_eq!(
            world.braze.request_count(),
            1,
            "something left before the reset"
        );
    }
    world.within(Duration::from_mins(1)).await;
    assert_eq!(world.braze.sent_count(), 9);
    assert_eq!(world.heard("u1").len(), 1);
    world.end().await;
}

#[tokio::test]
async fn what_braze_certainly_did_not_take_is_sent_again_and_arrives_once() {
    for plan in [Plan::status(500), Plan::status(503), Plan::status(408)] {
        let world = World::start().await;
        world.braze.misbehave(plan.times(2));
        first_attempt(&world).await;
        world.within(Duration::from_mins(1)).await;
        assert_eq!(
            (world.braze.request_count(), world.heard("u1").len()),
            (3, 1)
        );
        world.end().await;
    }
}

#[tokio::test]
async fn what_braze_refuses_for_good_is_kept_as_dead_and_forgotten_by_the_memory() {
    let world = World::start().await;
    world
        .model
        .script([Reply::says("Never heard."), Reply::says("Heard.")]);
    world.braze.misbehave(Plan::status(400).times(1));
    world.tells("u1", "hello").await;
    let counts = world.app.store().counts().await.unwrap();
    assert_eq!(
        (counts.dead_deliveries, world.braze.request_count()),
        (1, 1)
    );
    world.tells("u1", "again").await;
    let texts: Vec<_> = world
        .last_asked()
        .into_iter()
        .skip(1)
        .map(|(_, text)| text)
        .collect();
    assert_eq!(texts, ["hello\nagain"]);
    world.end().await;
}

#[tokio::test]
async fn a_refused_key_loses_nothing_and_rests_the_workspace() {
    let world = World::start().await;
    world.braze.misbehave(Plan::status(401).times(1));
    first_attempt(&world).await;
    quiet(&world).await;
    world.clock.advance(Duration::from_secs(29));
    quiet(&world).await;
    assert_eq!(world.braze.request_count(), 1);
    world.within(Duration::from_mins(2)).await;
    assert_eq!(world.heard("u1").len(), 1);
    world.end().await;
}

#[tokio::test]
async fn refused_keys_do_not_use_up_the_attempts_of_a_reply() {
    let world = World::start().await;
    world.braze.misbehave(Plan::status(401).times(8));
    first_attempt(&world).await;
    world.within(Duration::from_mins(10)).await;
    assert_eq!(
        (world.braze.answered_with(401), world.heard("u1").len()),
        (8, 1)
    );
    world.end().await;
}

#[tokio::test]
async fn replies_that_are_too_old_do_not_keep_fresh_ones_waiting() {
    let world = World::with_rates(1, 1).await;
    world.braze.misbehave(Plan::rate_limited(16 * 60).times(1));
    for customer in 0..60 {
        world.says(&format!("u{customer}"), "hello").await;
    }
    world.clock.advance(SECOND);
    world
        .until("all to be answered", |counts| counts.waiting == 0)
        .await;
    soon(world.braze.wait_for(1)).await;
    quiet(&world).await;
    world.clock.advance(Duration::from_mins(16));
    world.says("fresh", "hello").await;
    world.clock.advance(SECOND);
    world
        .until("the last to be answered", |counts| counts.waiting == 0)
        .await;
    // The others are told that it is too late for them, but not before the fresh one is answered.
    for _ in 0..20 {
        world.clock.advance(SECOND);
        quiet(&world).await;
    }
    assert_eq!(world.heard("fresh").len(), 1);
    world.within(Duration::from_mins(2)).await;
    assert_eq!(
        (world.braze.sent_count(), world.heard("u59").len()),
        (61, 1)
    );
    world.end().await;
}

#[tokio::test]
async fn a_reply_of_unknown_fate_follows_the_policy() {
    for (policy, arrivals, dead) in [("resend_once", 2, 0), ("hold", 1, 1), ("drop", 1, 1)] {
        let world = World::with(&format!("[reply]\non_unknown = \"{policy}\"")).await;
        world.braze.misbehave(Plan::reset().taken().times(1));
        first_attempt(&world).await;
        world.within(Duration::from_mins(1)).await;
        let counts = world.app.store().counts().await.unwrap();
        assert_eq!(
            (world.heard("u1").len(), counts.dead_deliveries),
            (arrivals, dead),
            "{policy}"
        );
        world.end().await;
    }
}

#[tokio::test]
async fn a_gateways_error_is_in_doubt_only_where_the_configuration_says_so() {
    for (doubt, status, marked) in [
        (false, 504, 0),
        (true, 504, 1),
        (true, 502, 1),
        (true, 503, 0),
    ] {
        let keys = format!("gateway_errors_in_doubt = {doubt}");
        let world = World::with_workspace(&keys).await;
        world.braze.misbehave(Plan::status(status).taken().times(1));
        first_attempt(&world).await;
        world.within(Duration::from_mins(1)).await;
        assert_eq!(world.heard("u1").len(), 2, "the stand-in took both");
        assert_eq!(world.possible_duplicates(), marked, "{doubt} {status}");
        world.end().await;
    }
}
