//! What happens when nobody comes, when the window closes, and when the customer has waited enough.

use std::time::Duration;

use frontdesk::sandbox::model::Reply;
use serde_json::json;

use super::{HOUR, SECOND, WISH, act, events, last_event, owner};
use crate::summaries;
use crate::world::World;

const MINUTE: Duration = Duration::from_mins(1);

/// Lets time go by, and the gateway look once more.
async fn wait(world: &World, time: Duration) {
    world.clock.advance(time);
    world.breathe().await;
    world.pass(10 * SECOND).await;
    world.breathe().await;
    world.rest().await;
}

#[tokio::test]
async fn a_customer_whom_nobody_comes_to_is_told_so_once_and_waits_on() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    let heard = world.heard("ana").len();
    wait(&world, 14 * MINUTE).await;
    assert_eq!(world.heard("ana").len(), heard);
    wait(&world, MINUTE).await;
    let words = world.heard("ana").pop().unwrap();
    assert!(words.contains("taking so long"), "{words}");
    assert_eq!(events(&world), ["handoff.requested", "handoff.timeout"]);
    assert_eq!(last_event(&world)["then"], "wait");
    assert_eq!(owner(&world), "pending");
    let world = world.restart().await;
    wait(&world, HOUR).await;
    assert_eq!(world.heard("ana").len(), heard + 1, "once");
    // Who comes late comes still.
    assert_eq!(act(&world, "ack", json!({})).await.status, 200);
    assert_eq!(owner(&world), "human");
    world.end().await;
}

#[tokio::test]
async fn where_it_is_wanted_the_assistant_answers_again_when_nobody_comes() {
    let world = World::with_desk("ack_within = \"5m\"\non_timeout = \"return\"").await;
    world.tells("ana", WISH).await;
    wait(&world, 5 * MINUTE).await;
    let words = world.heard("ana").pop().unwrap();
    assert!(words.contains("here for you again"), "{words}");
    assert_eq!(
        events(&world),
        ["handoff.requested", "handoff.timeout", "handoff.ended"]
    );
    assert_eq!(last_event(&world)["reason"]["code"], "timed_out");
    assert_eq!(owner(&world), "assistant");
    // Who comes too late hears that it is the assistant's.
    let late = act(&world, "ack", json!({})).await;
    assert_eq!(
        (late.status, &late.body["owner"]),
        (409, &json!("assistant"))
    );
    world.model.script([Reply::says("Here I am.")]);
    world.tells("ana", "When do you open in the morning?").await;
    assert_eq!(world.heard("ana").pop().unwrap(), "Here I am.");
    world.end().await;
}

#[tokio::test]
async fn who_comes_in_time_ends_the_wait() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    act(&world, "ack", json!({})).await;
    let heard = world.heard("ana").len();
    wait(&world, HOUR).await;
    assert_eq!(world.heard("ana").len(), heard);
    assert_eq!(
        events(&world),
        ["handoff.requested", "handoff.acknowledged"]
    );
    world.end().await;
}

#[tokio::test]
async fn zero_says_nothing_at_all() {
    let world = World::with_desk("ack_within = \"0s\"").await;
    world.tells("ana", WISH).await;
    wait(&world, 2 * HOUR).await;
    assert_eq!(events(&world), ["handoff.requested"]);
    world.end().await;
}

#[tokio::test]
async fn what_people_do_starts_the_idle_time_anew() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    act(&world, "ack", json!({})).await;
    wait(&world, 11 * HOUR).await;
    act(&world, "replies", json!({ "text": "I am on it." })).await;
    wait(&world, 11 * HOUR).await;
    assert_eq!(owner(&world), "human");
    wait(&world, HOUR).await;
    assert_eq!(owner(&world), "assistant");
    assert_eq!(last_event(&world)["reason"]["code"], "timed_out");
    world.end().await;
}

#[tokio::test]
async fn the_desk_is_told_two_hours_before_the_window_closes_once_a_window() {
    let world = World::with_desk("idle = \"48h\"\nack_within = \"0s\"").await;
    world.tells("ana", WISH).await;
    act(&world, "ack", json!({})).await;
    wait(&world, 21 * HOUR + 59 * MINUTE).await;
    assert_eq!(events(&world).len(), 2);
    wait(&world, MINUTE).await;
    assert_eq!(events(&world).last().unwrap(), "handoff.window_closing");
    assert!(last_event(&world)["conversation"]["window_expires_at"].is_string());
    wait(&world, HOUR).await;
    assert_eq!(events(&world).len(), 3, "once");
    // The customer writes, and that window closes too.
    world.tells("ana", "hello?").await;
    wait(&world, 22 * HOUR).await;
    let warnings = events(&world);
    let warnings = warnings
        .iter()
        .filter(|name| *name == "handoff.window_closing");
    assert_eq!(warnings.count(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_customer_who_has_waited_enough_gets_the_assistant_back_by_a_word() {
    for (wish, word, said) in [
        (WISH, "bot", "here for you again"),
        (
            "Ich möchte bitte mit einem Menschen sprechen",
            "zurück zum Bot",
            "wieder für Sie da",
        ),
    ] {
        let world = World::start().await;
        world.tells("ana", wish).await;
        world.tells("ana", word).await;
        assert_eq!(owner(&world), "assistant", "{word}");
        let words = world.heard("ana").pop().unwrap();
        assert!(words.contains(said), "{words}");
        assert_eq!(
            events(&world),
            ["handoff.requested", "handoff.message", "handoff.ended"]
        );
        assert_eq!(last_event(&world)["reason"]["code"], "customer_returned");
        world.model.script([Reply::says("At nine.")]);
        world.tells("ana", "When do you open in the morning?").await;
        assert_eq!(world.heard("ana").pop().unwrap(), "At nine.");
        world.end().await;
    }
}

#[tokio::test]
async fn whether_a_customer_may_leave_is_for_the_business_to_say() {
    for (keys, is_there, returns) in [
        ("", true, false),
        ("customer_may_return = \"never\"", false, false),
        ("customer_may_return = \"always\"", true, true),
    ] {
        let world = World::with_desk(keys).await;
        world.tells("ana", WISH).await;
        if is_there {
            act(&world, "ack", json!({})).await;
        }
        world.tells("ana", "bot").await;
        assert_eq!(owner(&world) == "assistant", returns, "{keys}");
        world.end().await;
    }
}

#[tokio::test]
async fn what_led_to_a_handoff_leads_to_no_other_after_it() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    act(&world, "ack", json!({})).await;
    act(&world, "release", json!({})).await;
    // The rules look at what is new alone.
    world.model.script([Reply::says("Gladly.")]);
    world.tells("ana", "thanks a lot").await;
    assert_eq!(owner(&world), "assistant");
    let asked = world.last_asked();
    let note = asked
        .iter()
        .position(|(_, text)| text.contains("is dealt with"));
    let wish = asked.iter().position(|(_, text)| text.contains(WISH));
    assert!(wish.is_some() && wish < note, "{asked:?}");
    // A model that hands over all the same rests on new words.
    world
        .model
        .respond_with(|body| match body.get("response_format") {
            Some(_) => Reply::acts("escalate", "One moment."),
            None => Reply::Text("A summary.".to_owned()),
        });
    world.tells("ana", "My parcel is on fire").await;
    assert_eq!(
        last_event(&world)["reason"]["evidence"],
        "My parcel is on fire"
    );
    world.end().await;
}

#[tokio::test]
async fn what_people_said_at_length_is_summed_up_once_they_have_gone() {
    let world = World::with(summaries::ON).await;
    summaries::answers(&world.model);
    world.tells("ana", WISH).await;
    for text in ["one", "two", "three", "four", "five", "six"] {
        let said = act(&world, "replies", json!({ "text": text })).await;
        assert_eq!(said.status, 202);
    }
    world.pass(20 * SECOND).await;
    assert!(summaries::asked(&world).is_empty(), "people need none");
    act(&world, "release", json!({})).await;
    world.clock.advance(10 * SECOND);
    summaries::wait_for_asked(&world, 1).await;
    summaries::wait_for_kept(&world, "ana", Some("Ana likes tulips. No. 1.")).await;
    let asked = summaries::asked(&world).remove(0);
    let tells = |what: &str| asked.iter().any(|(_, text)| text.contains(what));
    assert!(tells("[a colleague] one"), "{asked:?}");
    // The next question brings it along.
    world.tells("ana", "When do you open?").await;
    let asked = world.last_asked();
    assert!(
        asked
            .iter()
            .any(|(_, text)| text.contains("Ana likes tulips")),
        "{asked:?}"
    );
    world.end().await;
}
