//! Two who act at once: whoever comes second finds what the first has done, and nobody's words are lost or said twice.

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use serde_json::json;

use super::{SECOND, WISH, act, events, owner, path, post};
use crate::world::{World, soon};

#[tokio::test]
async fn what_the_assistant_had_still_to_say_is_taken_back_when_a_person_comes() {
    let world = World::start().await;
    world.model.script([Reply::says("Too late.")]);
    world.braze.misbehave(Plan::status(503).times(1));
    world.says("ana", "hello").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    world
        .until("the reply to wait for its next attempt", |counts| {
            counts.waiting == 0 && counts.claimed == 0
        })
        .await;
    // The agent's words do not wait behind it.
    let said = act(&world, "replies", json!({ "text": "Bea here." })).await;
    assert_eq!(said.status, 202);
    world.rest().await;
    assert_eq!(world.heard("ana"), ["Bea here."]);
    assert_eq!(world.outcomes("ana"), ["suppressed(human_took_over)"]);
    let dropped = world.rows("SELECT error FROM delivery WHERE state = 'dropped'");
    assert_eq!(dropped, ["suppressed(human_took_over)"]);
    world.end().await;
}

#[tokio::test]
async fn a_turn_under_way_is_cut_short_when_a_person_comes() {
    let world = World::start().await;
    world.model.misbehave(Plan::hang());
    world.says("ana", "Where is my parcel?").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    act(&world, "replies", json!({ "text": "Bea here." })).await;
    world.rest().await;
    assert_eq!(world.heard("ana"), ["Bea here."]);
    assert_eq!(world.outcomes("ana"), ["forwarded"]);
    assert_eq!(events(&world), ["handoff.acknowledged", "handoff.message"]);
    world.end().await;
}

#[tokio::test]
async fn two_who_ask_people_in_at_once_ask_once() {
    let world = World::start().await;
    world.tells("ana", "hello").await;
    world.model.misbehave(Plan::hang());
    world.says("ana", WISH).await;
    // The turn waits for its summary when a program asks people in as well.
    soon(world.model.wait_for(2)).await;
    let asked = act(&world, "handoff", json!({})).await;
    assert_eq!(asked.status, 200);
    world.rest().await;
    assert_eq!(events(&world), ["handoff.requested", "handoff.message"]);
    let notices = world.heard("ana").into_iter();
    let notices = notices
        .filter(|text| text.contains("passing you on"))
        .count();
    assert_eq!(notices, 1);
    world.end().await;
}

#[tokio::test]
async fn an_agent_and_a_customer_who_speak_at_once_are_both_heard() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    act(&world, "ack", json!({})).await;
    for round in 0..10 {
        let agent = json!({ "text": format!("agent {round}") });
        let customer = format!("customer {round}");
        let (said, _) = tokio::join!(act(&world, "replies", agent), world.says("ana", &customer));
        assert_eq!(said.status, 202);
        world.pass(SECOND).await;
    }
    let heard = world.heard("ana");
    let agents: Vec<_> = (0..10).map(|round| format!("agent {round}")).collect();
    assert_eq!(heard[heard.len() - 10..], agents);
    let events = world.desk.received().into_iter();
    let messages = events.filter(|event| event.name == "handoff.message");
    let told: Vec<_> = messages
        .flat_map(|event| event.body["messages"].as_array().unwrap().clone())
        .map(|message| message["text"].as_str().unwrap().to_owned())
        .collect();
    let customers: Vec<_> = (0..10).map(|round| format!("customer {round}")).collect();
    assert_eq!(told, customers);
    world.end().await;
}

#[tokio::test]
async fn a_message_that_waits_when_the_person_goes_is_the_assistants() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    act(&world, "ack", json!({})).await;
    world.model.script([Reply::says("At nine.")]);
    world.says("ana", "When do you open in the morning?").await;
    assert_eq!(act(&world, "release", json!({})).await.status, 200);
    world.pass(SECOND).await;
    assert_eq!(world.heard("ana").pop().unwrap(), "At nine.");
    assert_eq!(world.outcomes("ana"), ["handed_off", "replied"]);
    world.end().await;
}

#[tokio::test]
async fn of_two_agents_who_come_at_once_one_has_it() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    let came = futures_util::future::join_all(
        ["bea", "carl", "dora", "emil"].map(|agent| act(&world, "ack", json!({ "agent": agent }))),
    )
    .await;
    let mut statuses: Vec<_> = came.iter().map(|came| came.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
    world.rest().await;
    assert_eq!(
        events(&world),
        ["handoff.requested", "handoff.acknowledged"]
    );
    world.end().await;
}

#[tokio::test]
async fn the_same_act_at_the_same_moment_is_done_once() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    let (path, hello) = (path(&world, "replies"), json!({ "text": "Hello." }));
    let said = futures_util::future::join_all(
        (0..8).map(|_| post(&world, &path, &hello, Some("the-same"))),
    )
    .await;
    let bodies: Vec<_> = said.iter().map(|said| said.body.clone()).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(said.iter().filter(|said| !said.replayed).count(), 1);
    world.rest().await;
    let hellos = world.heard("ana");
    assert_eq!(hellos.iter().filter(|text| *text == "Hello.").count(), 1);
    world.end().await;
}

#[tokio::test]
async fn an_event_that_comes_twice_leads_to_one_act_where_its_id_is_the_key() {
    let world = World::start().await;
    // The desk has it, and its answer is lost.
    world.desk.misbehave(Plan::status(503).times(1));
    world.says("ana", WISH).await;
    soon(world.desk.wait_for(1)).await;
    world.within(std::time::Duration::from_mins(1)).await;
    let ids: Vec<_> = world
        .desk
        .requests()
        .iter()
        .map(|request| request.header("webhook-id").unwrap().to_owned())
        .collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    let path = path(&world, "ack");
    for (id, replayed) in ids.iter().zip([false, true]) {
        let came = post(&world, &path, &json!({}), Some(id)).await;
        assert_eq!((came.status, came.replayed), (200, replayed));
    }
    world.end().await;
}

#[tokio::test]
async fn every_step_of_a_handoff_outlives_the_process() {
    let mut world = World::start().await;
    world.says("ana", WISH).await;
    world = world.restart().await;
    world.rest().await;
    assert_eq!(owner(&world), "pending");
    for (name, body, status, has) in [
        ("ack", json!({ "agent": "bea" }), 200, "human"),
        ("replies", json!({ "text": "Bea here." }), 202, "human"),
        ("notes", json!({ "text": "A note." }), 200, "human"),
        ("release", json!({}), 200, "assistant"),
        ("handoff", json!({}), 200, "pending"),
    ] {
        assert_eq!(act(&world, name, body).await.status, status, "{name}");
        world = world.restart().await;
        world.within(std::time::Duration::from_mins(1)).await;
        assert_eq!(owner(&world), has, "{name}");
    }
    assert_eq!(
        events(&world),
        [
            "handoff.requested",
            "handoff.acknowledged",
            "handoff.ended",
            "handoff.requested"
        ]
    );
    let heard = world.heard("ana");
    assert_eq!(heard.iter().filter(|text| *text == "Bea here.").count(), 1);
    world.end().await;
}
