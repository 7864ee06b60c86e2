//! A newer message takes the ground from under an answer that has not left: one answer takes all.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;

use crate::world::{World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// The customer writes; the model has been asked about it and does not answer yet.
async fn asks(world: &World, text: &str) {
    let asked = world.model.request_count();
    world.says("ana", text).await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(asked + 1)).await;
}

/// Gives what the customer had said in the last question to the model.
fn question(world: &World) -> Vec<String> {
    let asked = world.last_asked().into_iter().skip(1);
    asked.map(|(_, text)| text).collect()
}

#[tokio::test]
async fn a_message_that_comes_while_the_model_is_asked_cancels_the_call_and_one_answer_takes_all() {
    let world = World::start().await;
    world.model.script([Reply::says("Both.")]);
    let hold = world.model.hold();
    asks(&world, "one").await;
    asks(&world, "two").await;
    drop(hold);
    world.rest().await;
    assert_eq!(world.heard("ana"), ["Both."]);
    assert_eq!(question(&world), ["one\ntwo"]);
    assert_eq!(world.outcomes("ana"), ["replied", "replied"]);
    world.end().await;
}

#[tokio::test]
async fn nothing_is_superseded_where_the_configuration_says_so() {
    let world = World::with("[burst]\nsupersede = false").await;
    world
        .model
        .script([Reply::says("First."), Reply::says("Second.")]);
    let hold = world.model.hold();
    asks(&world, "one").await;
    world.says("ana", "two").await;
    drop(hold);
    world.pass(SECOND).await;
    assert_eq!(world.heard("ana"), ["First.", "Second."]);
    assert_eq!(question(&world), ["one", "First.", "two"]);
    world.end().await;
}

#[tokio::test]
async fn who_writes_without_pause_is_answered_after_two_supersedes() {
    let world = World::start().await;
    let hold = world.model.hold();
    asks(&world, "one").await;
    asks(&world, "two").await;
    asks(&world, "three").await;
    world.says("ana", "four").await;
    world.clock.advance(SECOND);
    world.breathe().await;
    assert_eq!(world.model.request_count(), 3, "the third call goes on");
    assert_eq!(question(&world), ["one\ntwo\nthree"]);
    drop(hold);
    world.rest().await;
    assert_eq!(world.heard("ana").len(), 2);

    // An answer has left, so the count begins anew.
    let hold = world.model.hold();
    asks(&world, "five").await;
    asks(&world, "six").await;
    drop(hold);
    world.rest().await;
    assert_eq!(world.heard("ana").len(), 3);
    world.end().await;
}

#[tokio::test]
async fn a_reply_that_waits_to_leave_gives_way_to_one_that_answers_the_newer_message_too() {
    let world = World::start().await;
    world
        .model
        .script([Reply::says("Never heard."), Reply::says("Both.")]);
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    world.says("ana", "one").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    asks(&world, "two").await;
    assert_eq!(question(&world), ["one\ntwo"]);
    world.within(Duration::from_mins(1)).await;
    assert_eq!(world.heard("ana"), ["Both."]);
    assert_eq!(world.outcomes("ana"), ["replied", "replied"]);
    world.end().await;
}

#[tokio::test]
async fn a_reply_does_not_leave_in_the_moment_between_a_newer_message_and_its_turn() {
    let world = World::start().await;
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    world.says("ana", "one").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    world.breathe().await;
    world.clock.advance(Duration::from_millis(29_500));
    world.says("ana", "two").await;
    world.clock.advance(Duration::from_millis(600));
    world.breathe().await;
    assert_eq!(
        world.heard("ana").len(),
        0,
        "the gate is open, the turn is not due"
    );
    world.within(Duration::from_mins(1)).await;
    assert_eq!(question(&world), ["one\ntwo"]);
    assert_eq!(world.heard("ana").len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_reply_that_may_have_arrived_is_not_sent_again_after_a_newer_message() {
    let world = World::start().await;
    world
        .model
        .script([Reply::says("Perhaps heard."), Reply::says("Heard.")]);
    world.braze.misbehave(Plan::reset().taken().times(1));
    world.says("ana", "one").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    world.tells("ana", "two").await;
    world.within(Duration::from_mins(1)).await;
    assert_eq!(world.heard("ana"), ["Perhaps heard.", "Heard."]);
    let outcomes = world.outcomes("ana");
    assert_eq!(outcomes, ["failed(delivery_unknown)", "replied"]);
    assert_eq!(world.possible_duplicates(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_wish_to_stop_supersedes_an_answer_at_once() {
    let world = World::start().await;
    let hold = world.model.hold();
    asks(&world, "one").await;
    world.says("ana", "STOP").await;
    // No quiet time passes, and the model never answers.
    world.rest().await;
    assert_eq!(world.heard("ana").len(), 1, "the goodbye alone");
    drop(hold);
    world.rest().await;
    assert_eq!(world.heard("ana").len(), 1);
    assert_eq!(world.outcomes("ana"), ["canned", "canned"]);
    world.end().await;
}

#[tokio::test]
async fn five_messages_within_two_seconds_get_one_answer_to_all() {
    let world = World::start().await;
    world.model.script([Reply::says("All five.")]);
    let words = ["hi", "I ordered", "a jacket", "where is it", "please"];
    for word in words {
        world.says("ana", word).await;
        world.clock.advance(Duration::from_millis(400));
        world.breathe().await;
    }
    world.pass(SECOND).await;
    assert_eq!(world.heard("ana"), ["All five."]);
    assert_eq!(world.model.request_count(), 1);
    assert_eq!(question(&world), [words.join("\n")]);
    assert_eq!(world.outcomes("ana"), ["replied"; 5]);
    world.end().await;
}

#[tokio::test]
async fn who_never_pauses_is_answered_within_the_cap_and_two_supersedes() {
    /// `burst.cap`: a burst that goes on is answered that long after it began.
    const CAP: Duration = Duration::from_secs(8);
    /// What the model takes for an answer.
    const THINKS: Duration = Duration::from_secs(2);
    const PAUSE: Duration = Duration::from_millis(500);
    let world = World::start().await;
    world.model.misbehave(Plan::delay(THINKS));
    let began = world.clock.elapsed();
    let mut said = 0;
    // Each of the two supersedes begins another burst, and the answer after them stands.
    let most = CAP * 3 + THINKS + PAUSE * 2;
    while world.heard("ana").is_empty() {
        let passed = world.clock.elapsed().saturating_sub(began);
        assert!(passed <= most, "no answer after {passed:?}");
        said += 1;
        world.says("ana", &format!("message {said}")).await;
        world.clock.advance(PAUSE);
        world.breathe().await;
    }
    assert!(
        world.model.request_count() <= 3,
        "two were superseded at most"
    );
    let answered = world.outcomes("ana");
    let replied = answered.iter().filter(|outcome| *outcome == "replied");
    assert!(
        replied.count() >= 16,
        "the answer is to all that came before the call: {answered:?}"
    );
    world.within(Duration::from_mins(1)).await;
    assert_eq!(world.outcomes("ana"), vec!["replied"; said]);
    world.end().await;
}
