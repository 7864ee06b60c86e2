//! Deciding about deliveries that were given up or are held.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use serde_json::{Value, json};

use super::{Answer, act, conversation_of, each, read};
use crate::world::World;

const HOLD: &str = "[reply]\non_unknown = \"hold\"";

/// Ana asks, and the reply comes to a bad end.
async fn spoilt(world: &World, plan: Plan) -> String {
    world.braze.misbehave(plan.times(1));
    world.model.script([Reply::says("We open at nine.")]);
    world.tells("ana", "When do you open?").await;
    let list = read(world, "/operator/v1/deliveries").await;
    list["items"][0]["id"].as_str().unwrap().to_owned()
}

/// Starts a world in which a reply to Ana was refused for good.
async fn with_dead() -> (World, String) {
    let world = World::start().await;
    let id = spoilt(&world, Plan::status(400)).await;
    (world, id)
}

/// Starts a world in which nobody knows whether a reply to Ana arrived. It did.
async fn with_held() -> (World, String) {
    let world = World::with(HOLD).await;
    let id = spoilt(&world, Plan::reset().taken()).await;
    (world, id)
}

async fn decide(world: &World, id: &str, what: &str) -> Answer {
    act(world, &format!("/operator/v1/deliveries/{id}/{what}")).await
}

/// Gives the outcome of Ana's first message, and the authors of the whole conversation, oldest first.
async fn outcome(world: &World) -> (Value, Vec<String>) {
    let id = conversation_of(world, "ana").await;
    let whole = read(world, &format!("/operator/v1/conversations/{id}")).await;
    let mut messages = whole["messages"].as_array().unwrap().clone();
    messages.reverse();
    let authors = each(&json!({ "items": messages }), "author");
    (messages[0]["outcome"].clone(), authors)
}

async fn acts(world: &World) -> Vec<String> {
    each(&read(world, "/operator/v1/audit").await, "action")
}

#[tokio::test]
async fn deliveries_are_found_by_where_they_stand() {
    let (world, held) = with_held().await;
    world.tells("bob", "I want to talk to a human").await;
    world.braze.misbehave(Plan::status(503).times(1));
    world.says("cid", "When do you open?").await;
    world.clock.advance(Duration::from_secs(1));
    world
        .until("a reply to wait", |counts| {
            counts.waiting == 0 && counts.open_deliveries[0] == 1
        })
        .await;
    let conversation = conversation_of(&world, "ana").await;
    for (filter, expected) in [
        ("", vec!["cid", "bob", "bob", "ana"]),
        ("?state=held", vec!["ana"]),
        ("?state=dead", vec![]),
        ("?state=sent", vec!["bob", "bob"]),
        ("?state=dropped", vec![]),
        ("?lane=desk", vec!["bob"]),
        ("?lane=braze&state=sent", vec!["bob"]),
        ("?possible_duplicate=true", vec!["ana"]),
        ("?possible_duplicate=false", vec!["cid", "bob", "bob"]),
        ("?assistant=support&limit=1", vec!["cid"]),
        ("?assistant=sales", vec![]),
        (&format!("?conversation={conversation}"), vec!["ana"]),
        ("?conversation=00000000-0000-7000-8000-000000000000", vec![]),
    ] {
        let list = read(&world, &format!("/operator/v1/deliveries{filter}")).await;
        let mut whose = Vec::new();
        for id in each(&list, "conversation_id") {
            let one = read(&world, &format!("/operator/v1/conversations/{id}")).await;
            let customer = &one["conversation"]["customer"]["external_id"];
            whose.push(customer.as_str().unwrap().to_owned());
        }
        assert_eq!(whose, expected, "{filter}");
    }
    let one = read(&world, &format!("/operator/v1/deliveries/{held}")).await;
    assert_eq!(
        (&one["state"], &one["possible_duplicate"]),
        (&json!("held"), &json!(true))
    );
    assert_eq!(one["body"], "We open at nine.");
    world.within(Duration::from_mins(5)).await;
    world.end().await;
}

#[tokio::test]
async fn a_dead_reply_goes_again_and_then_counts_as_a_reply() {
    let (world, id) = with_dead().await;
    assert_eq!(
        outcome(&world).await,
        (json!("failed(delivery)"), vec!["customer".to_owned()])
    );
    world.clock.advance(Duration::from_hours(2));
    let retried = decide(&world, &id, "retry").await;
    assert_eq!(
        (retried.status, &retried.body["attempts"]),
        (200, &json!(0)),
        "{retried:?}"
    );
    assert_eq!(retried.body["expires_at"], "2026-03-02T11:15:01Z");
    world.rest().await;
    assert_eq!(world.heard("ana"), ["We open at nine."]);
    let one = read(&world, &format!("/operator/v1/deliveries/{id}")).await;
    assert_eq!(
        (&one["state"], &one["error"]),
        (&json!("sent"), &Value::Null)
    );
    let authors = ["customer", "assistant"].map(str::to_owned).to_vec();
    assert_eq!(outcome(&world).await, (json!("replied"), authors));
    assert_eq!(acts(&world).await, ["delivery.retry"]);
    // The assistant remembers what it has said after all.
    world.tells("ana", "And on Sundays, please?").await;
    assert!(
        world
            .last_asked()
            .iter()
            .any(|(role, text)| role == "assistant" && text == "We open at nine.")
    );
    world.end().await;
}

#[tokio::test]
async fn a_held_reply_is_marked_as_sent_dropped_or_sent_again() {
    for (what, state, outcome_after, copies) in [
        ("sent", "sent", "replied", 1),
        ("drop", "dropped", "failed(delivery_unknown)", 1),
        ("retry", "sent", "replied", 2),
    ] {
        let (world, id) = with_held().await;
        assert_eq!(outcome(&world).await.0, "failed(delivery_unknown)");
        assert_eq!(decide(&world, &id, what).await.status, 200, "{what}");
        world.rest().await;
        let one = read(&world, &format!("/operator/v1/deliveries/{id}")).await;
        assert_eq!(
            (&one["state"], &one["possible_duplicate"]),
            (&json!(state), &json!(true))
        );
        assert_eq!(world.heard("ana").len(), copies, "{what}");
        assert_eq!(outcome(&world).await.0, outcome_after, "{what}");
        assert_eq!(acts(&world).await, [format!("delivery.{what}")]);
        world.end().await;
    }
}

#[tokio::test]
async fn a_decision_that_came_twice_counts_once_and_another_is_refused() {
    for (first, other) in [
        ("drop", "retry"),
        ("drop", "sent"),
        ("sent", "drop"),
        ("sent", "retry"),
    ] {
        let (world, id) = with_held().await;
        assert_eq!(decide(&world, &id, first).await.status, 200);
        assert_eq!(decide(&world, &id, first).await.status, 200);
        let refused = decide(&world, &id, other).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("`dead` or `held`"), "{detail}");
        assert_eq!(acts(&world).await.len(), 1);
        world.end().await;
    }
}

#[tokio::test]
async fn nothing_is_sent_again_to_who_has_people_or_said_stop_or_is_beyond_the_window() {
    let (world, id) = with_dead().await;
    let conversation = conversation_of(&world, "ana").await;
    act(
        &world,
        &format!("/operator/v1/conversations/{conversation}/takeover"),
    )
    .await;
    assert_eq!(decide(&world, &id, "retry").await.status, 200);
    world.rest().await;
    assert_eq!(outcome(&world).await.0, "suppressed(human_took_over)");
    assert_eq!(world.heard("ana").len(), 0);
    world.end().await;

    let (world, id) = with_dead().await;
    world.tells("ana", "STOP").await;
    assert_eq!(decide(&world, &id, "retry").await.status, 200);
    world.rest().await;
    assert_eq!(outcome(&world).await.0, "suppressed(opted_out)");
    assert_eq!(
        world.heard("ana").len(),
        1,
        "what said that it was the last"
    );
    world.end().await;

    let (world, id) = with_dead().await;
    world
        .clock
        .advance(Duration::from_hours(23) + Duration::from_mins(50));
    let retried = decide(&world, &id, "retry").await;
    assert_eq!(
        retried.body["expires_at"], "2026-03-03T09:00:00Z",
        "no longer than the window"
    );
    world.end().await;

    let (world, id) = with_dead().await;
    world.clock.advance(Duration::from_hours(24));
    let refused = decide(&world, &id, "retry").await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert_eq!(acts(&world).await.len(), 0);
    world.end().await;
}

#[tokio::test]
async fn an_event_that_the_desk_refused_goes_again() {
    let world = World::start().await;
    world.desk.misbehave(Plan::status(400));
    world.says("ana", "I want to talk to a human").await;
    world
        .until("the reply to leave", |counts| {
            counts.open_deliveries[0] == 0 && counts.waiting == 0
        })
        .await;
    for _ in 0..60 {
        world.clock.advance(Duration::from_hours(1));
        world.breathe().await;
    }
    // What was asked first, that nobody came, and the end of it.
    world
        .until("the events to be given up", |counts| {
            counts.dead_deliveries == 3
        })
        .await;
    world.desk.behave();
    let dead = read(&world, "/operator/v1/deliveries?state=dead").await;
    assert_eq!(
        each(&dead, "name"),
        ["handoff.ended", "handoff.timeout", "handoff.requested"]
    );
    assert_eq!(
        decide(&world, &each(&dead, "id")[2], "retry").await.status,
        200
    );
    world.rest().await;
    assert_eq!(world.desk.received()[0].name, "handoff.requested");
    world.end().await;
}
