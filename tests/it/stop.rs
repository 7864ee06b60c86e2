//! How the gateway stops: what it holds is finished, and what it cannot finish is left to the next start.

use std::time::Duration;

use frontdesk::sandbox::Plan;

use crate::world::{World, soon};

const SECOND: Duration = Duration::from_secs(1);

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
