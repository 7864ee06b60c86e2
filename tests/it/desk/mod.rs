//! The desk's API: people come, answer, note, go; each act once, and only where it is legal.

mod links;
mod races;
mod timers;
mod walks;

use std::time::Duration;

use frontdesk::sandbox::model::Reply;
use serde_json::{Value, json};

use crate::world::{DESK_SECRET, INBOUND_SECRET, World};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// What a customer says who wants a person.
pub(crate) const WISH: &str = "I want to talk to a human";

/// Gives a client that goes to the gateway itself.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// An answer of the desk's API.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) replayed: bool,
}

/// Posts to the gateway as the desk does, perhaps with a key by which it is known again.
pub(crate) async fn post(world: &World, path: &str, body: &Value, key: Option<&str>) -> Answer {
    posted(world, path, body.to_string(), key, DESK_SECRET).await
}

async fn posted(
    world: &World,
    path: &str,
    body: String,
    key: Option<&str>,
    secret: &str,
) -> Answer {
    let mut request = client()
        .post(format!("{}{path}", world.url()))
        .bearer_auth(secret)
        .header("content-type", "application/json")
        .body(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let replayed = response.headers().contains_key("idempotency-replayed");
    let body = response.text().await.unwrap();
    Answer {
        status,
        body: serde_json::from_str(&body).unwrap_or(Value::String(body)),
        replayed,
    }
}

/// Does one act with the conversation of the world's only customer.
pub(crate) async fn act(world: &World, act: &str, body: Value) -> Answer {
    post(world, &path(world, act), &body, None).await
}

/// Gives the path of an act on the conversation of the world's only customer.
pub(crate) fn path(world: &World, act: &str) -> String {
    let ids = world.rows("SELECT lower(hex(id)) FROM conversation ORDER BY key");
    format!("/v1/conversations/{}/{act}", ids[0])
}

/// Gives who has the conversation of the world's only customer.
pub(crate) fn owner(world: &World) -> String {
    world
        .rows("SELECT owner FROM conversation ORDER BY key")
        .remove(0)
}

/// Gives the names of the events that the desk got, oldest first.
pub(crate) fn events(world: &World) -> Vec<String> {
    let received = world.desk.received().into_iter();
    received.map(|event| event.name).collect()
}

fn last_event(world: &World) -> Value {
    world.desk.received().pop().unwrap().body
}

#[tokio::test]
async fn an_agent_comes_answers_and_goes_and_the_assistant_knows_what_was_said() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    let came = act(&world, "ack", json!({ "agent": "bea" })).await;
    assert_eq!((came.status, &came.body["owner"]), (200, &json!("human")));
    assert_eq!(came.body["agent"], "bea");
    let legal = json!(["ack", "replies", "notes", "release"]);
    assert_eq!(came.body["legal"], legal);
    let said = json!({ "text": " Hello, Bea here. {{x}} ", "agent": "bea" });
    let said = act(&world, "replies", said).await;
    assert_eq!(said.status, 202, "{said:?}");
    assert!(said.body["delivery_id"].is_string());
    let noted = act(&world, "notes", json!({ "text": "Wants a refund" })).await;
    assert_eq!((noted.status, &noted.body["owner"]), (200, &json!("human")));
    world.rest().await;
    assert_eq!(
        world.heard("ana").last().unwrap(),
        "Hello, Bea here. { {x} }"
    );
    world.tells("ana", "Thank you, Bea").await;
    let gone = act(&world, "release", json!({})).await;
    assert_eq!(
        (gone.status, &gone.body["owner"]),
        (200, &json!("assistant"))
    );
    world.rest().await;
    assert_eq!(
        events(&world),
        [
            "handoff.requested",
            "handoff.acknowledged",
            "handoff.message",
            "handoff.ended"
        ]
    );
    assert_eq!(last_event(&world)["reason"]["code"], "agent_released");

    world.model.script([Reply::says("Back again.")]);
    world.tells("ana", "And when do you open tomorrow?").await;
    assert_eq!(world.heard("ana").last().unwrap(), "Back again.");
    let asked = world.last_asked();
    let tells = |what: &str| asked.iter().any(|(_, text)| text.contains(what));
    assert!(tells("[a colleague] Hello, Bea here."), "{asked:?}");
    assert!(tells("[note] A colleague has noted: Wants a refund"));
    assert!(tells("[note] The colleague has finished"));
    let lasts = world.rows(
        "SELECT reason || ' ' || agent || ' ' || end_reason FROM handoff WHERE acknowledged_at IS NOT NULL",
    );
    assert_eq!(lasts, ["customer_asked bea agent_released"]);
    world.end().await;
}

#[tokio::test]
async fn what_is_not_legal_is_refused_with_what_is() {
    let world = World::start().await;
    world.tells("ana", "hello").await;
    let refused = async |name: &str, owner: &str, legal: Value| {
        let refused = act(&world, name, json!({})).await;
        assert_eq!(refused.status, 409, "{name} {refused:?}");
        assert_eq!(refused.body["owner"], owner);
        assert_eq!(refused.body["legal"], legal);
    };
    let with_assistant = json!(["handoff", "replies", "notes"]);
    let with_people = json!(["ack", "replies", "notes", "release"]);
    refused("ack", "assistant", with_assistant.clone()).await;
    refused("release", "assistant", with_assistant).await;
    assert_eq!(act(&world, "handoff", json!({})).await.status, 200);
    refused("handoff", "pending", with_people.clone()).await;
    assert_eq!(act(&world, "ack", json!({})).await.status, 200);
    refused("handoff", "human", with_people).await;
    assert_eq!(act(&world, "takeover", json!({})).await.status, 404);
    world.rest().await;
    assert_eq!(
        events(&world),
        ["handoff.requested", "handoff.acknowledged"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_program_can_ask_people_in_by_the_customers_id_with_what_braze_shows() {
    let world = World::start().await;
    world.tells("ana", "I have waited for my parcel").await;
    let heard = world.heard("ana").len();
    let path = "/v1/customers/ana/handoff";
    let body = json!({ "detail": "VIP in the canvas" }).to_string();
    let denied = posted(&world, path, body.clone(), None, "wrong").await;
    assert_eq!(denied.status, 401);
    let asked = posted(&world, path, body, None, INBOUND_SECRET).await;
    assert_eq!(
        (asked.status, &asked.body["owner"]),
        (200, &json!("pending"))
    );
    // What Braze shows asks people in, and does nothing else.
    let ack = posted(
        &world,
        "/v1/customers/ana/ack",
        String::new(),
        None,
        INBOUND_SECRET,
    );
    assert_eq!(ack.await.status, 401);
    world.rest().await;
    let event = last_event(&world);
    assert_eq!(event["reason"]["code"], "api");
    assert_eq!(event["reason"]["detail"], "VIP in the canvas");
    assert_eq!(event["reason"]["evidence"], "I have waited for my parcel");
    assert_eq!(event["transcript"].as_array().unwrap().len(), 2);
    assert_eq!(world.heard("ana").len(), heard + 1, "one notice");
    let nobody = post(&world, "/v1/customers/eve/handoff", &json!({}), None).await;
    assert_eq!(nobody.status, 404);
    let shown = client()
        .get(format!(
            "{}/v1/customers/ana?assistant=support",
            world.url()
        ))
        .bearer_auth(DESK_SECRET)
        .send()
        .await
        .unwrap();
    let shown: Value = serde_json::from_str(&shown.text().await.unwrap()).unwrap();
    assert_eq!(shown["owner"], "pending");
    assert_eq!(shown["can_reply"], true);
    world.end().await;
}

#[tokio::test]
async fn people_can_be_asked_in_without_a_word_to_the_customer() {
    let world = World::start().await;
    world.tells("ana", "hello").await;
    let heard = world.heard("ana").len();
    let asked = act(&world, "handoff", json!({ "notify": false })).await;
    assert_eq!(asked.status, 200);
    world.rest().await;
    assert_eq!(world.heard("ana").len(), heard);
    assert_eq!(events(&world), ["handoff.requested"]);
    world.end().await;
}

#[tokio::test]
async fn who_answers_has_the_conversation_also_without_being_asked() {
    let world = World::start().await;
    world.tells("ana", "hello").await;
    let said = act(&world, "replies", json!({ "text": "It is me, Bea." })).await;
    assert_eq!((said.status, &said.body["owner"]), (202, &json!("human")));
    let asked = world.model.request_count();
    world.tells("ana", "Oh, hello Bea").await;
    assert_eq!(world.model.request_count(), asked);
    assert_eq!(events(&world), ["handoff.acknowledged", "handoff.message"]);
    assert_eq!(world.heard("ana").last().unwrap(), "It is me, Bea.");
    world.end().await;
}

#[tokio::test]
async fn an_act_that_comes_twice_is_done_once_and_answered_as_the_first_time() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    let replies = path(&world, "replies");
    let hello = json!({ "text": "Hello." });
    let first = post(&world, &replies, &hello, Some("key-1")).await;
    let again = post(&world, &replies, &hello, Some("key-1")).await;
    assert_eq!((first.status, first.replayed), (202, false));
    assert_eq!((again.status, again.replayed), (202, true));
    assert_eq!(first.body, again.body);
    let other = json!({ "text": "Another." });
    let reused = post(&world, &replies, &other, Some("key-1")).await;
    assert_eq!(reused.status, 422, "{reused:?}");
    // An act that would not be legal any more is answered as it was.
    let release = path(&world, "release");
    let gone = post(&world, &release, &json!({}), Some("key-2")).await;
    let world = world.restart().await;
    let again = post(&world, &release, &json!({}), Some("key-2")).await;
    assert_eq!((gone.status, again.status), (200, 200));
    assert_eq!(gone.body, again.body);
    world.rest().await;
    let hellos = world.heard("ana");
    let hellos = hellos.iter().filter(|text| *text == "Hello.");
    assert_eq!(hellos.count(), 1);
    // After a week nobody tries again, and the key is free.
    world.clock.advance(Duration::from_hours(7 * 24));
    let free = post(&world, &release, &json!({}), Some("key-2")).await;
    assert_eq!(free.status, 409);
    for bad in ["", "é", &"k".repeat(256)] {
        let answer = client()
            .post(format!("{}{release}", world.url()))
            .bearer_auth(DESK_SECRET)
            .header("idempotency-key", bad.as_bytes())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{bad}");
    }
    world.end().await;
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_and_changes_nothing() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    let fits = "é".repeat(4_096);
    let too_long = "é".repeat(4_097);
    for (name, body, status) in [
        ("replies", json!({ "text": " " }), 422),
        ("replies", json!({ "text": too_long }), 422),
        ("replies", json!({}), 400),
        ("replies", json!({ "text": 7 }), 400),
        ("replies", json!({ "text": "x", "colour": "red" }), 400),
        (
            "replies",
            json!({ "text": "x", "agent": "a".repeat(201) }),
            422,
        ),
        ("notes", json!({ "text": "n".repeat(4_001) }), 422),
        ("notes", json!("private words"), 400),
        ("ack", json!([1]), 400),
    ] {
        let refused = act(&world, name, body.clone()).await;
        assert_eq!(refused.status, status, "{name} {refused:?}");
        assert!(!refused.body.to_string().contains("private words"));
    }
    assert_eq!(owner(&world), "pending");
    assert_eq!(
        act(&world, "replies", json!({ "text": fits })).await.status,
        202
    );
    world.end().await;
}

#[tokio::test]
async fn nothing_is_sent_to_who_said_stop_or_after_the_window() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    act(&world, "ack", json!({})).await;
    world.tells("ana", "STOP").await;
    let heard = world.heard("ana").len();
    let refused = act(&world, "replies", json!({ "text": "Wait!" })).await;
    assert_eq!(refused.status, 409);
    let detail = refused.body["detail"].as_str().unwrap();
    assert!(detail.contains("no more messages"), "{detail}");
    world.clock.advance(30 * SECOND);
    world.tells("ana", "START").await;
    assert_eq!(
        act(&world, "replies", json!({ "text": "Hi" })).await.status,
        202
    );
    world.rest().await;
    assert_eq!(world.heard("ana").len(), heard + 2);
    world.clock.advance(24 * HOUR);
    let late = act(&world, "replies", json!({ "text": "Late" })).await;
    assert_eq!(late.status, 409, "{late:?}");
    assert!(late.body["detail"].as_str().unwrap().contains("24 hours"));
    world.end().await;
}

#[tokio::test]
async fn two_agents_do_not_both_think_that_they_have_it() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    let ack = async |agent: &str| act(&world, "ack", json!({ "agent": agent })).await;
    assert_eq!(ack("bea").await.status, 200);
    assert_eq!(ack("bea").await.status, 200);
    let second = ack("carl").await;
    assert_eq!(second.status, 409);
    assert!(second.body["detail"].as_str().unwrap().contains("bea"));
    // Both may speak, in the order in which they did; the last one has it.
    for (agent, text) in [("carl", "one"), ("bea", "two"), ("carl", "three")] {
        let said = act(&world, "replies", json!({ "text": text, "agent": agent })).await;
        assert_eq!(said.status, 202);
        assert_eq!(said.body["agent"], agent);
    }
    world.rest().await;
    let heard = world.heard("ana");
    assert_eq!(heard[heard.len() - 3..], ["one", "two", "three"]);
    assert_eq!(ack("bea").await.status, 409);
    world.end().await;
}

#[tokio::test]
async fn another_desks_conversations_are_not_there() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    for name in ["ack", "replies", "notes", "release", "handoff"] {
        let path = path(&world, name);
        let body = json!({ "text": "x" }).to_string();
        let denied = posted(&world, &path, body.clone(), None, "wrong").await;
        assert_eq!(denied.status, 401, "{name}");
        let nobody = "00000000-0000-7000-8000-000000000000";
        let path = format!("/v1/conversations/{nobody}/{name}");
        let absent = posted(&world, &path, body, None, DESK_SECRET).await;
        assert_eq!(absent.status, 404, "{name}");
    }
    assert_eq!(owner(&world), "pending");
    world.end().await;
}

#[tokio::test]
async fn an_operator_who_takes_over_is_announced_to_the_desk_that_was_asked() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    let id = path(&world, "").split('/').nth(3).unwrap().to_owned();
    let taken = client()
        .post(format!(
            "http://{}/operator/v1/conversations/{id}/takeover",
            world.app.operator_address()
        ))
        .bearer_auth(crate::world::OPERATOR_SECRET)
        .send()
        .await
        .unwrap();
    assert_eq!(taken.status(), 200);
    world.rest().await;
    assert_eq!(
        events(&world),
        ["handoff.requested", "handoff.acknowledged"]
    );
    assert_eq!(last_event(&world)["by"], "operator");
    world.end().await;
}

#[tokio::test]
async fn the_document_names_what_is_there() {
    let world = World::start().await;
    world.tells("ana", "hello").await;
    let http = client();
    let url = format!("{}/v1/openapi.json", world.url());
    assert_eq!(http.get(&url).send().await.unwrap().status(), 401);
    let shown = http.get(&url).bearer_auth(DESK_SECRET).send().await;
    let text = shown.unwrap().text().await.unwrap();
    for (at, _) in text.match_indices("\"#/components/schemas/") {
        let name = text[at + 22..].split('"').next().unwrap();
        assert!(text.contains(&format!("\"{name}\":{{")), "{name}");
    }
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 13);
    let id = path(&world, "").split('/').nth(3).unwrap().to_owned();
    for (path, item) in paths {
        let path = path.replace("{id}", &id).replace("{external_id}", "ana");
        let url = format!("{}{path}", world.url());
        for method in ["get", "post"]
            .into_iter()
            .filter(|one| item[*one].is_object())
        {
            let method = method.to_uppercase().parse().unwrap();
            let denied = http.request(method, &url).send().await.unwrap();
            assert_eq!(denied.status(), 401, "{path}");
        }
    }
    // What an answer holds is described, and the other way round.
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    let schemas = &document["components"]["schemas"];
    let done = act(&world, "notes", json!({ "text": "A note." })).await;
    assert_eq!(keys(&done.body), keys(&schemas["Done"]["properties"]));
    let problem = act(&world, "release", json!({})).await;
    assert_eq!(keys(&problem.body), keys(&schemas["Problem"]["properties"]));
    let url = format!("{}/v1/customers/ana", world.url());
    let shown = http.get(&url).bearer_auth(DESK_SECRET).send().await;
    let shown: Value = serde_json::from_str(&shown.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(keys(&shown), keys(&schemas["Standing"]["properties"]));
    world.end().await;
}
