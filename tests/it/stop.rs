//! How the gateway stops: what it holds is finished, and what it cannot finish is left to the next start.

use std::time::Duration;

use frontdesk::sandbox::Plan;

use crate::world::{World, rows, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Lets each task hear that the stop has begun, so that it counts its time from there. All run on this thread.
async fn all_have_heard() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_that_comes_during_the_stop_still_leaves() {
    let world = World::start().await;
    let hold = world.model.hold();
    world.says("ana", "hello").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    let stopping = world.app.stop();
    tokio::pin!(stopping);
    assert!(futures_util::poll!(&mut stopping).is_pending());
    drop(hold);
    assert!(soon(stopping).await);
    assert_eq!(world.braze.sent_count(), 1);
}

#[tokio::test]
async fn a_reply_that_could_not_be_finished_before_the_end_is_not_begun() {
    let world = World::start().await;
    world.braze.misbehave(Plan::rate_limited(10).times(1));
    world.says("ana", "hello").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    world.breathe().await;
    let stopping = world.app.stop();
    tokio::pin!(stopping);
    assert!(futures_util::poll!(&mut stopping).is_pending());
    // With 25 s to stop and 20 s for a request, nothing may begin any more.
    world.clock.advance(4 * SECOND);
    assert!(soon(stopping).await, "it does not wait for the gate");
    assert_eq!(
        (world.braze.sent_count(), world.braze.request_count()),
        (0, 1)
    );
}

#[tokio::test]
async fn a_reply_that_waits_at_the_gate_when_its_time_is_over_goes_back() {
    let world = World::paced(1, 1, "").await;
    world.braze.misbehave(Plan::rate_limited(60).times(1));
    let hold = world.braze.hold();
    for customer in ["ana", "bob"] {
        world.says(customer, "hello").await;
    }
    world.clock.advance(SECOND);
    // One has passed the gate and waits for its answer, the other waits at the gate.
    soon(world.braze.wait_for(1)).await;
    world
        .until("both to be answered", |counts| counts.waiting == 0)
        .await;
    world.breathe().await;
    drop(hold);
    soon(world.braze.wait_until(|all| all[0].status == Some(429))).await;
    world.breathe().await;
    let claimed = "SELECT state FROM delivery WHERE node IS NOT NULL";
    assert_eq!(world.rows(claimed), ["ready"], "it waits at the gate");
    let folder = world.folder().to_owned();
    let stopping = world.app.stop();
    tokio::pin!(stopping);
    assert!(futures_util::poll!(&mut stopping).is_pending());
    all_have_heard().await;
    world.clock.advance(4 * SECOND);
    assert!(soon(stopping).await, "it does not wait for the gate");
    assert_eq!(rows(&folder, claimed).len(), 0);
    assert_eq!(world.braze.request_count(), 1);
}
