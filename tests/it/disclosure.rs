//! The customer is told once that software is speaking, and again where he could have forgotten.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;

use crate::world::{World, soon};

const LINE: &str = "You’re writing with our automated assistant.";
const SECOND: Duration = Duration::from_secs(1);

async fn world() -> World {
    let world = World::start().await;
    world.restart_replacing("disclosure = false", "").await
}

/// Tells which of the texts that a customer got begin with the line.
fn disclosed(world: &World) -> Vec<bool> {
    let heard = world.heard("ana").into_iter();
    heard
        .map(|text| text.starts_with(&format!("{LINE}\n\n")))
        .collect()
}

#[tokio::test]
async fn the_first_answer_tells_that_software_is_speaking_and_the_next_ones_do_not() {
    let world = world().await;
    world
        .model
        .script([Reply::says("First."), Reply::says("Second.")]);
    world.tells("ana", "hello, is somebody there?").await;
    // Nothing of that is in memory alone.
    let world = world.restart().await;
    world.tells("ana", "and what are your opening hours?").await;
    assert_eq!(
        world.heard("ana"),
        [format!("{LINE}\n\nFirst."), "Second.".to_owned()]
    );
    world.end().await;
}

#[tokio::test]
async fn it_is_told_with_the_first_answer_that_is_heard() {
    let world = world().await;
    world
        .model
        .script([Reply::says("Never heard."), Reply::says("Heard.")]);
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    world.says("ana", "hello, is somebody there?").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    world.says("ana", "hello?").await;
    world.within(Duration::from_mins(1)).await;
    assert_eq!(world.heard("ana"), [format!("{LINE}\n\nHeard.")]);
    world.end().await;
}

#[tokio::test]
async fn notices_and_apologies_do_not_tell_it_and_do_not_count() {
    let world = world().await;
    world.model.misbehave(Plan::status(400).times(1));
    world.tells("ana", "hello, is somebody there?").await;
    world.tells("ana", "STOP").await;
    world.tells("ana", "START").await;
    world.tells("ana", "what are your opening hours?").await;
    assert_eq!(disclosed(&world), [false, false, false, true]);
    world.end().await;
}

#[tokio::test]
async fn it_is_told_again_after_people_had_the_conversation_and_after_a_month() {
    let world = world().await;
    let day = Duration::from_hours(24);
    for (pause, told) in [
        (SECOND, true),
        (29 * day, false),
        (day, false),
        (30 * day, true),
        (SECOND, false),
    ] {
        world.pass(pause).await;
        world.tells("ana", "what are your opening hours?").await;
        assert_eq!(disclosed(&world).pop(), Some(told), "after {pause:?}");
    }
    world.tells("ana", "I want to talk to a human").await;
    world.pass(Duration::from_hours(13)).await;
    world.tells("ana", "what are your opening hours?").await;
    assert_eq!(disclosed(&world).pop(), Some(true));
    world.end().await;
}
