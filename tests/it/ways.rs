//! Ways out: campaign, Canvas and messages of their own; sends in place of plain words; what goes to profiles.

use std::path::Path;
use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::braze::{MessageKind, Tracked, TrackedKind, Way};
use frontdesk::sandbox::model::Reply;
use serde_json::{Value, json};

use crate::prompts::copy;
use crate::world::{World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Who sends messages of their own.
const SENDER: &str = "app_id = \"app-1\"\nsubscription_group_id = \"group-1\"";

/// Rules that answer with a text of the folder, which a send takes the place of.
const RULES: &str = r#"
[[rule]]
name = "menu"
action = "reply"
text = "media"
[rule.phrases]
en = ["=help menu"]

[[rule]]
name = "order"
action = "reply"
text = "media"
[rule.phrases]
en = ["=my order"]
"#;

const SENDS: &str = r#"
[assistants.support.sends.menu]
rules = ["menu"]
[assistants.support.sends.menu.message]
text = "What is it about?"
header = "Acme"
footer = "Tap one."
buttons = ["My order", "Something else"]

[assistants.support.sends.order_form]
rules = ["order"]
campaign_id = "campaign-order"
said = "Please send us your order number."
[assistants.support.sends.order_form.properties.kind]
value = "order"

[assistants.support.sends.order_status]
description = "The customer wants to know where an order is and has told its number"
campaign_id = "campaign-status"
[assistants.support.sends.order_status.properties.order]
description = "the order's number"
max = 20
[assistants.support.sends.order_status.properties.express]
type = "boolean"
description = "whether it was ordered as express"
optional = true
[assistants.support.sends.order_status.properties.shop]
value = "main street"
"#;

/// Starts a world whose assistant has such rules besides the shipped ones.
async fn with_rules(folder: &Path, more: &str) -> World {
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/support"),
        folder,
    );
    let file = folder.join("rules.toml");
    let shipped = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{shipped}\n{RULES}")).unwrap();
    let keys = format!("prompts = \"{}\"\n{SENDER}", folder.display());
    World::equipped(&keys, more).await
}

/// Gives what a send looks like from outside: its way, its campaign or Canvas, its values.
fn last_sent(world: &World) -> (Way, String, Value) {
    let sent = world.braze.sent().pop().unwrap();
    let mut properties = sent.properties;
    properties.remove("frontdesk_reply_id");
    (sent.way, sent.campaign_id, Value::Object(properties))
}

#[tokio::test]
async fn words_leave_through_a_canvas_once_a_second_for_each_customer() {
    let world = World::with_assistant("way = \"canvas\"\ncanvas_id = \"canvas-1\"").await;
    world
        .model
        .script([Reply::says("Hi."), Reply::says("Hi again.")]);
    world.tells("u1", "hello").await;
    let expected = json!({ "external_system_msg_body": "Hi." });
    assert_eq!(
        last_sent(&world),
        (Way::Canvas, "canvas-1".to_owned(), expected)
    );
    assert_eq!(world.braze.refused().len(), 0);
    world.says("u1", "hello?").await;
    world.within(SECOND * 5).await;
    let at: Vec<_> = world.braze.sent().into_iter().map(|sent| sent.at).collect();
    assert!(
        at[1].duration_since(at[0]) >= SECOND.try_into().unwrap(),
        "{at:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn words_leave_as_a_message_of_their_own() {
    let world = World::with_assistant(&format!("way = \"message\"\n{SENDER}")).await;
    world.model.script([Reply::says("Hi.")]);
    world.tells("u1", "hello").await;
    let sent = world.braze.sent().pop().unwrap();
    assert_eq!(
        (sent.way, sent.group_id.as_str()),
        (Way::Message(MessageKind::Text), "group-1")
    );
    assert_eq!((sent.text(), sent.recipient.value()), ("Hi.", "u1"));
    let body: Value = serde_json::from_slice(&sent.raw).unwrap();
    let expected = json!({
        "external_user_ids": ["u1"],
        "messages": { "whats_app": {
            "app_id": "app-1",
            "subscription_group_id": "group-1",
            "message_type": "text_response_message",
            "message": { "body": "Hi." },
        } },
    });
    assert_eq!(body, expected);
    assert_eq!(world.outcomes("u1"), ["replied"]);
    world.end().await;
}

#[tokio::test]
async fn a_flow_of_two_steps_goes_by_buttons() {
    let folder = tempfile::tempdir().unwrap();
    let world = with_rules(folder.path(), SENDS).await;
    world.tells("u1", "help menu").await;
    let menu = world.braze.sent().pop().unwrap();
    assert_eq!(menu.way, Way::Message(MessageKind::QuickReply));
    assert_eq!(menu.text(), "What is it about?");
    assert_eq!(menu.choices(), ["My order", "Something else"]);
    // A tap comes back as a message with the button's words.
    world.tells("u1", &menu.choices()[0]).await;
    let form = (
        Way::Campaign,
        "campaign-order".to_owned(),
        json!({ "kind": "order" }),
    );
    assert_eq!(last_sent(&world), form);
    assert_eq!(world.outcomes("u1"), ["canned", "canned"]);
    assert_eq!(world.model.request_count(), 0, "rules decided");
    let rules = "SELECT rule FROM message WHERE author = 'customer' ORDER BY seq";
    assert_eq!(world.rows(rules), ["menu", "order"]);
    // The assistant knows what was sent when the model is asked.
    world.model.script([Reply::says("One moment.")]);
    world.tells("u1", "it is A-17").await;
    let said: Vec<_> = world
        .last_asked()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    assert!(
        said.contains(&"What is it about?\n[My order | Something else]".to_owned()),
        "{said:?}"
    );
    assert!(
        said.contains(&"Please send us your order number.".to_owned()),
        "{said:?}"
    );
    assert_eq!(world.braze.refused().len(), 0);
    world.end().await;
}

/// What a model answers that picks a send.
fn picks(send: &Value) -> Reply {
    Reply::Object(json!({
        "reply": "It is on its way.", "action": "answer", "rule": null, "reason": null, "language": "en", "send": send,
    }))
}

#[tokio::test]
async fn a_model_picks_a_send_from_the_list_and_fills_it_in() {
    let folder = tempfile::tempdir().unwrap();
    let world = with_rules(folder.path(), SENDS).await;
    let picked =
        json!({ "name": "order_status", "properties": { "order": "{{A-17}}", "express": null } });
    world.model.script([picks(&picked)]);
    world.tells("u1", "where is my order {{A-17}}?").await;
    let properties = json!({ "order": "{ {A-17} }", "shop": "main street" });
    assert_eq!(
        last_sent(&world),
        (Way::Campaign, "campaign-status".to_owned(), properties)
    );
    assert_eq!(world.outcomes("u1"), ["replied"]);
    let rules = "SELECT rule FROM message WHERE author = 'customer'";
    assert_eq!(world.rows(rules), ["send:order_status"]);
    let request = world.model.requests().pop().unwrap().json();
    let schema =
        &request["response_format"]["json_schema"]["schema"]["properties"]["send"]["anyOf"];
    let names = &schema[0]["properties"]["name"]["enum"];
    assert_eq!(
        (names, schema.as_array().unwrap().len()),
        (&json!(["order_status"]), 2)
    );
    world.model.script([Reply::says("Anything else?")]);
    world.tells("u1", "thanks").await;
    let said: Vec<_> = world
        .last_asked()
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    let words = "[sent: order_status, order: { {A-17} }, shop: main street]".to_owned();
    assert!(said.contains(&words), "{said:?}");
    world.end().await;
}

#[tokio::test]
async fn what_a_model_fills_in_wrongly_is_said_in_plain_words() {
    let folder = tempfile::tempdir().unwrap();
    let world = with_rules(folder.path(), SENDS).await;
    for (customer, send) in [
        ("u1", json!({ "name": "order_status", "properties": {} })),
        (
            "u2",
            json!({ "name": "order_status", "properties": { "order": "x".repeat(21) } }),
        ),
        ("u3", json!({ "name": "menu", "properties": {} })),
        (
            "u4",
            json!({ "name": "order_status", "properties": { "order": "A-1", "shop": "mine" } }),
        ),
        ("u5", json!("order_status")),
        ("u6", Value::Null),
    ] {
        world.model.script([picks(&send)]);
        world.tells(customer, "where is it?").await;
        let expected = json!({ "external_system_msg_body": "It is on its way." });
        let plain = (Way::Campaign, "campaign-1".to_owned(), expected);
        assert_eq!(last_sent(&world), plain, "{send}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_send_that_is_no_longer_configured_is_dead_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let world = with_rules(folder.path(), SENDS).await;
    world.braze.misbehave(Plan::status(503).times(1));
    world.says("u1", "my order").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    let world = world
        .restart_replacing("sends.order_form", "sends.gone")
        .await;
    world.within(SECOND * 10).await;
    assert_eq!(world.rows("SELECT state FROM delivery"), ["dead"]);
    world.tells("u1", "my order").await;
    assert_eq!(last_sent(&world).1, "campaign-order");
    world.end().await;
}

const PROFILE: &str = r#"
[assistants.support.attributes.chat_language]
source = "language"
with_reply = true
[assistants.support.attributes.chat_owner]
source = "owner"
[assistants.support.attributes.chat_has_human]
source = "has_human"
[assistants.support.attributes.chat_turns]
source = "turns"
[assistants.support.attributes.chat_rule]
source = "last_rule"
[assistants.support.attributes.chat_reason]
source = "handoff_reason"
[assistants.support.attributes.shoe_size]
source = "model"
type = "integer"
description = "the customer's shoe size"
[assistants.support.events]
handoff = "Chat handed over"
opt_out = "Chat opted out"
resolved = "Chat resolved"
"#;

/// Waits until so many objects have been taken for profiles, and gives the last ones after `skip`.
async fn tracked(world: &World, count: u64) -> Vec<Tracked> {
    for _ in 0..40 {
        world.breathe().await;
        if world.braze.tracked_count() >= count {
            break;
        }
        world.clock.advance(SECOND);
    }
    let tracked = world.braze.tracked();
    assert_eq!(u64::try_from(tracked.len()).unwrap(), count, "{tracked:?}");
    tracked
}

fn values(tracked: &Tracked) -> Value {
    let mut fields = tracked.fields.clone();
    assert_eq!(
        fields.remove("_update_existing_only"),
        Some(Value::Bool(true))
    );
    assert_eq!(fields.remove("external_id"), Some("u1".into()));
    Value::Object(fields)
}

#[tokio::test]
async fn what_is_declared_goes_to_the_profile_and_only_what_has_changed() {
    let world = World::with(PROFILE).await;
    let learns = |reply: &str, size: Value| {
        Reply::Object(json!({
            "reply": reply, "action": "answer", "rule": null, "reason": null, "language": "es",
            "learnt": { "shoe_size": size },
        }))
    };
    world.model.script([
        learns("Muy bien.", json!(42)),
        learns("De nada.", json!("big")),
    ]);
    world
        .tells(
            "u1",
            "quiero unos zapatos nuevos de la talla cuarenta y dos, por favor",
        )
        .await;
    let sent = world.braze.sent().pop().unwrap();
    assert_eq!(
        Value::Object(sent.attributes),
        json!({ "chat_language": "es" }),
        "it rides on the reply"
    );
    let first = tracked(&world, 1).await;
    let expected = json!({
        "chat_owner": "assistant", "chat_has_human": false, "chat_turns": 1, "shoe_size": 42,
    });
    assert_eq!(values(&first[0]), expected);
    world
        .tells("u1", "muchas gracias por la ayuda con los zapatos")
        .await;
    let sent = world.braze.sent().pop().unwrap();
    assert!(sent.attributes.is_empty(), "the language is known there");
    let second = tracked(&world, 2).await;
    assert_eq!(
        values(&second[1]),
        json!({ "chat_turns": 2 }),
        "and no size that is none"
    );
    world.end().await;
}

#[tokio::test]
async fn a_handoff_and_its_end_are_told_and_marketers_can_see_who_has_a_human() {
    let world = World::with(PROFILE).await;
    world.tells("u1", "I want to talk to a human").await;
    let first = tracked(&world, 2).await;
    let event = first
        .iter()
        .find(|one| one.kind == TrackedKind::Event)
        .unwrap();
    assert_eq!(event.fields["name"], "Chat handed over");
    let attributes = first
        .iter()
        .find(|one| one.kind == TrackedKind::Attributes)
        .unwrap();
    let values = values(attributes);
    assert_eq!(
        (&values["chat_has_human"], &values["chat_owner"]),
        (&json!(true), &json!("pending"))
    );
    assert_eq!(values["chat_reason"], "customer_asked");
    // Nothing is heard of it for so long that it comes back.
    world.clock.advance(Duration::from_hours(48));
    world.rest().await;
    let second = tracked(&world, 4).await;
    let event = second[2..]
        .iter()
        .find(|one| one.kind == TrackedKind::Event)
        .unwrap();
    assert_eq!(event.fields["name"], "Chat resolved");
    world.end().await;
}

#[tokio::test]
async fn an_opt_out_is_told() {
    let world = World::with(PROFILE).await;
    world.tells("u1", "stop").await;
    let told = tracked(&world, 2).await;
    let events: Vec<_> = told
        .iter()
        .filter(|one| one.kind == TrackedKind::Event)
        .collect();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].fields["name"], "Chat opted out");
    world.end().await;
}

#[tokio::test]
async fn profiles_survive_trouble_and_what_is_refused_of_one_harms_no_other() {
    let world = World::with(PROFILE).await;
    world.braze.block("u2");
    for status in [503, 400] {
        let plan = Plan::status(status).when("chat_turns").times(1);
        world.braze.misbehave(plan);
    }
    for customer in ["u1", "u2", "u3", "u4"] {
        world.says(customer, "hello there").await;
    }
    world.pass(SECOND).await;
    for _ in 0..60 {
        world.breathe().await;
        world.clock.advance(SECOND);
    }
    let users: Vec<_> = world
        .braze
        .tracked()
        .into_iter()
        .map(|one| one.user.value().to_owned())
        .collect();
    let names: std::collections::BTreeSet<_> = users.iter().map(String::as_str).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["u1", "u3", "u4"]);
    assert_eq!(
        world.rows("SELECT 'due' FROM profile_due WHERE changes > seen"),
        Vec::<String>::new()
    );
    world.end().await;
}

#[tokio::test]
async fn what_is_not_declared_goes_nowhere() {
    let world = World::start().await;
    world.tells("u1", "I want to talk to a human").await;
    for _ in 0..5 {
        world.pass(SECOND).await;
    }
    assert_eq!(world.braze.tracked_count(), 0);
    assert_eq!(
        world.rows("SELECT 'due' FROM profile_due"),
        Vec::<String>::new()
    );
    world.end().await;
}
