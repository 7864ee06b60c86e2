//! After an outage nobody is answered hours late as if nothing were.

use std::time::Duration;

use frontdesk::sandbox::Plan;

use crate::world::{World, soon};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const LATE: &str = "couldn’t be answered in time";

/// Braze is down, and the customer's answer could not leave.
async fn unanswered(more: &str) -> World {
    let world = World::with(more).await;
    world.braze.misbehave(Plan::status(503));
    world.says("ana", "hello").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    world
        .until("the message to be answered", |counts| counts.waiting == 0)
        .await;
    world
}

/// Lets time go by in steps that upkeep and couriers can follow.
async fn passes(world: &World, time: Duration) {
    const STEPS: u32 = 100;
    for _ in 0..STEPS {
        world.clock.advance(time / STEPS);
        world.breathe().await;
    }
}

#[tokio::test]
async fn who_could_not_be_answered_in_time_hears_so_once() {
    let world = unanswered("").await;
    passes(&world, 3 * HOUR).await;
    assert_eq!(world.outcomes("ana"), ["failed(late)"]);
    let open = world.rows("SELECT state FROM delivery ORDER BY key");
    assert_eq!(open, ["dropped", "ready"], "one apology waits all the time");
    world.braze.behave();
    world.within(10 * MINUTE).await;
    let heard = world.heard("ana");
    assert!(heard.len() == 1 && heard[0].contains(LATE), "{heard:?}");
    assert_eq!(
        world.model.request_count(),
        1,
        "the model is not asked again"
    );

    world.tells("ana", "hello again").await;
    assert_eq!(world.outcomes("ana"), ["failed(late)", "replied"]);
    let asked: String = world
        .last_asked()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert!(asked.contains(LATE), "what was said is remembered: {asked}");
    world.end().await;
}

#[tokio::test]
async fn a_newer_message_in_the_outage_is_answered_and_takes_the_older_along() {
    let world = unanswered("").await;
    passes(&world, HOUR).await;
    world.says("ana", "still there?").await;
    world.clock.advance(SECOND);
    world.breathe().await;
    world.braze.behave();
    world.within(10 * MINUTE).await;
    let heard = world.heard("ana");
    assert!(heard.len() == 1 && !heard[0].contains(LATE), "{heard:?}");
    assert_eq!(world.outcomes("ana"), ["replied", "replied"]);
    let asked = world.last_asked().pop().unwrap().1;
    assert_eq!(asked, "hello\nstill there?");
    world.end().await;
}

#[tokio::test]
async fn people_are_asked_instead_where_the_configuration_says_so() {
    let world = unanswered("[reply]\nlate = \"hand_off\"").await;
    passes(&world, HOUR).await;
    assert_eq!(world.outcomes("ana"), ["handed_off"]);
    let event = world.desk.received().remove(0);
    assert_eq!(event.body["reason"]["code"], "failure");
    assert_eq!(event.body["reason"]["evidence"], "hello");
    world.braze.behave();
    world.within(10 * MINUTE).await;
    assert!(world.heard("ana")[0].contains("colleague"));
    world.end().await;
}

#[tokio::test]
async fn a_message_that_waited_too_long_for_its_turn_is_not_put_to_the_model() {
    let world = World::start().await;
    world.says("ana", "hello").await;
    let world = world.restart().await;
    world.pass(20 * MINUTE).await;
    assert_eq!(world.outcomes("ana"), ["failed(late)"]);
    assert!(world.heard("ana")[0].contains(LATE));
    assert_eq!(world.model.request_count(), 0);
    world.end().await;
}

#[tokio::test]
async fn after_a_day_nothing_is_sent() {
    let world = unanswered("").await;
    passes(&world, 24 * HOUR).await;
    world.braze.behave();
    world.within(10 * MINUTE).await;
    assert_eq!(world.heard("ana").len(), 0);
    assert_eq!(world.outcomes("ana"), ["failed(late)"]);

    world.says("bob", "hello").await;
    let world = world.restart().await;
    world.pass(24 * HOUR).await;
    assert_eq!(world.heard("bob").len(), 0);
    assert_eq!(world.outcomes("bob"), ["suppressed(expired)"]);
    world.end().await;
}
