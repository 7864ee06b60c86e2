//! Erasing a customer, whatever is under way.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, ask, client, conversation_of, each, read};
use crate::world::{ADMIN_SECRET, INBOUND_SECRET, World};

const ERASURES: &str = "/operator/v1/erasures";

/// What the customer who is erased is known by, and a word that everything of hers holds.
const ANA: &str = "ana-7731";
const PHONE: &str = "+15557731";
const WORD: &str = "zanzibar";

async fn erase(world: &World, body: &Value) -> Answer {
    ask(world, ADMIN_SECRET, Method::POST, ERASURES, Some(body)).await
}

/// Counts where in the database's files a text stands.
fn traces(world: &World, text: &str) -> usize {
    let mut found = 0;
    for entry in std::fs::read_dir(world.folder()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        found += bytes
            .windows(text.len())
            .filter(|window| *window == text.as_bytes())
            .count();
    }
    found
}

/// Fails if anything is left of Ana.
fn gone(world: &World) {
    for text in [ANA, "15557731", WORD] {
        assert_eq!(traces(world, text), 0, "{text}");
    }
}

const THREE: &str = r#"
    [assistants.sales]
    secrets = ["env::INBOUND"]
    campaign_id = "campaign-2"
    [assistants.sales.business]
    name = "Acme"
    [assistants.care]
    secrets = ["env::INBOUND"]
    campaign_id = "campaign-3"
    desk = "main"
    [assistants.care.business]
    name = "Acme"
    "#;

async fn says(world: &World, assistant: &str, customer: &str, phone: &str, text: &str) {
    let answered = world
        .phone(assistant)
        .says(customer, phone, text)
        .await
        .unwrap();
    assert_eq!(answered.status, 202, "{answered:?}");
}

#[tokio::test]
async fn a_customer_with_twenty_messages_in_flight_is_gone_without_a_trace() {
    let world = World::with(THREE).await;
    let second = Duration::from_secs(1);
    world.model.respond_with(|asked| {
        let about_it = asked.to_string().contains(WORD);
        Reply::says(if about_it {
            "I have heard of zanzibar."
        } else {
            "It is on its way."
        })
    });
    // Said and answered, handed over, unreadable.
    says(&world, "care", ANA, PHONE, "Tell me of zanzibar").await;
    world.pass(second).await;
    says(&world, "care", ANA, PHONE, "I want to talk to a human").await;
    world.rest().await;
    let unreadable = format!(r#"{{"user_id": "{ANA}", "text": "{WORD}"}}"#);
    let post = client().post(format!("{}/v1/inbound/support", world.url()));
    let refused = post
        .bearer_auth(INBOUND_SECRET)
        .body(unreadable)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 400);
    // On its way to Braze.
    let hold = world.braze.hold();
    let arrived = world.braze.request_count();
    says(&world, "sales", ANA, PHONE, "zanzibar, where is it?").await;
    world.clock.advance(second);
    world.braze.wait_for(arrived + 1).await;
    // Waiting behind the desk that is down.
    world.desk.misbehave(Plan::status(503));
    says(&world, "care", ANA, PHONE, "still about zanzibar").await;
    // Asked of the model, and waiting behind that.
    let thinking = world.model.hold();
    let asked = world.model.request_count();
    for number in 0..8 {
        says(
            &world,
            "support",
            ANA,
            PHONE,
            &format!("zanzibar number {number}"),
        )
        .await;
    }
    says(&world, "support", "bob", "+15550199", "Where is my parcel?").await;
    world.clock.advance(second);
    world.model.wait_for(asked + 2).await;
    for number in 8..18 {
        says(
            &world,
            "support",
            ANA,
            PHONE,
            &format!("zanzibar number {number}"),
        )
        .await;
    }
    assert!(traces(&world, WORD) > 20);

    let erased = erase(&world, &json!({ "external_id": ANA })).await;
    assert_eq!(erased.status, 201, "{erased:?}");
    gone(&world);
    let removed = &erased.body["removed"];
    assert_eq!(
        (&removed["conversations"], &removed["quarantine"]),
        (&json!(3), &json!(1)),
        "{erased:?}"
    );
    assert_eq!(erased.body["on_their_way"], 1);
    assert!(removed["messages"].as_u64() >= Some(20), "{erased:?}");

    drop(thinking);
    drop(hold);
    world.desk.behave();
    let heard = world.heard(ANA).len();
    world.within(Duration::from_mins(20)).await;
    world.rest().await;
    gone(&world);
    assert!(
        world.heard(ANA).len() <= heard + 1,
        "nothing but what was on its way"
    );
    assert_eq!(world.heard("bob").len(), 1, "others are answered");
    for customer in [ANA, "bob"] {
        let list = read(
            &world,
            &format!("/operator/v1/conversations?external_id={customer}"),
        )
        .await;
        assert_eq!(each(&list, "id").len(), usize::from(customer == "bob"));
    }

    let receipt = read(
        &world,
        &format!("{ERASURES}/{}", erased.body["id"].as_str().unwrap()),
    )
    .await;
    assert_eq!(receipt, erased.body);
    let acts = read(&world, "/operator/v1/audit").await;
    assert_eq!(each(&acts, "action"), ["customer.erase"]);
    assert_eq!(
        (each(&acts, "actor"), &acts["items"][0]["subject"]),
        (vec!["ada".to_owned()], &receipt["id"])
    );
    world.end().await;
}

#[tokio::test]
async fn who_comes_after_an_erased_customer_gets_nothing_of_hers() {
    let world = World::start().await;
    world
        .model
        .respond_with(|_| Reply::says("I have heard of zanzibar."));
    let thinking = world.model.hold();
    says(&world, "support", ANA, PHONE, "Tell me of zanzibar").await;
    world.clock.advance(Duration::from_secs(1));
    world.model.wait_for(1).await;
    assert_eq!(
        erase(&world, &json!({ "external_id": ANA })).await.status,
        201
    );
    // The next conversation may stand where hers stood.
    says(&world, "support", "bob", "+15550199", "Where is my parcel?").await;
    world.clock.advance(Duration::from_secs(1));
    world.model.wait_for(2).await;
    drop(thinking);
    world.rest().await;
    assert_eq!((world.heard(ANA).len(), world.heard("bob").len()), (0, 1));
    let bob = conversation_of(&world, "bob").await;
    let whole = read(&world, &format!("/operator/v1/conversations/{bob}")).await;
    assert_eq!(whole["messages"].as_array().unwrap().len(), 2, "{whole}");
    world.end().await;
}

#[tokio::test]
async fn a_retry_of_braze_does_not_bring_an_erased_customer_back() {
    let world = World::start().await;
    let body = format!(
        r#"{{"user_id": "{ANA}", "phone_number": "{PHONE}", "dispatch_id": "d-1", "message": "{WORD}"}}"#
    );
    let post = async || {
        let post = client().post(format!("{}/v1/inbound/support", world.url()));
        let posted = post
            .bearer_auth(INBOUND_SECRET)
            .body(body.clone())
            .send()
            .await;
        posted.unwrap().status().as_u16()
    };
    assert_eq!(post().await, 202);
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(
        erase(&world, &json!({ "phone": "+1 (555) 77-31" }))
            .await
            .status,
        201
    );
    assert_eq!(post().await, 200);
    world.rest().await;
    gone(&world);
    world.end().await;
}

#[tokio::test]
async fn an_erasure_finds_what_was_said_under_other_names_and_nobody_else() {
    let world = World::start().await;
    let post = async |body: &str| {
        let post = client().post(format!("{}/v1/inbound/support", world.url()));
        let posted = post
            .bearer_auth(INBOUND_SECRET)
            .body(body.to_owned())
            .send()
            .await;
        assert_eq!(posted.unwrap().status(), 202);
    };
    // Before Braze knew her, before the business did, and since; and her mother with the same phone.
    post(r#"{"phone_number": "+15557731", "message": "one"}"#).await;
    post(r#"{"braze_id": "b-1", "phone_number": "+1 555-7731", "message": "two"}"#).await;
    post(r#"{"user_id": "ana-7731", "braze_id": "b-1", "phone_number": "+15557731", "message": "three"}"#).await;
    post(r#"{"user_id": "eva", "phone_number": "+15557731", "message": "four"}"#).await;
    post(r#"{"user_id": "bob", "phone_number": "+15550199", "message": "five"}"#).await;
    world.pass(Duration::from_secs(1)).await;
    let erased = erase(&world, &json!({ "external_id": ANA })).await;
    assert_eq!(erased.body["removed"]["conversations"], 3, "{erased:?}");
    let left = read(&world, "/operator/v1/conversations").await;
    assert_eq!(each(&left, "id").len(), 2);
    let erased = erase(&world, &json!({ "phone": PHONE })).await;
    assert_eq!(
        erased.body["removed"]["conversations"], 1,
        "who is named by the number: {erased:?}"
    );
    let again = erase(&world, &json!({ "phone": PHONE })).await;
    assert_eq!(
        (again.status, &again.body["removed"]["conversations"]),
        (201, &json!(0))
    );
    world.end().await;
}

#[tokio::test]
async fn an_erasure_that_names_nobody_or_too_much_is_refused() {
    let world = World::start().await;
    world.tells("ana", "Where is my parcel?").await;
    for body in [
        json!({}),
        json!({ "external_id": "" }),
        json!({ "phone": "+" }),
        json!({ "phone": "" }),
        json!({ "phone": "none" }),
        json!({ "external_id": "ana", "phone": "+15550100" }),
        json!({ "name": "ana" }),
        json!({ "external_id": 5 }),
        json!(["ana"]),
        json!(null),
    ] {
        let refused = erase(&world, &body).await;
        assert_eq!(refused.status, 400, "{body}: {refused:?}");
    }
    let left = read(&world, "/operator/v1/conversations").await;
    assert_eq!(each(&left, "id").len(), 1);
    world.end().await;
}

#[tokio::test]
async fn nothing_of_an_erased_customer_is_left_between_the_rows_of_others() {
    let world = World::start().await;
    let about = |round: usize, customer: usize| {
        let words = format!("question{round} of customer-{customer}-");
        format!(
            "{words} {}",
            format!("word{customer}x ").repeat(round * 7 % 40 + 1)
        )
    };
    world.model.respond_with(|asked| {
        let last = asked["messages"].as_array().unwrap().last().unwrap();
        Reply::says(&format!("You said: {}", last["content"].as_str().unwrap()))
    });
    for round in 0..10 {
        let says = (0..30).map(|customer| {
            let (name, text) = (format!("customer-{customer}-"), about(round, customer));
            let phone = format!("+1555{customer:04}");
            let world = &world;
            async move { says(world, "support", &name, &phone, &text).await }
        });
        futures_util::future::join_all(says).await;
        world.pass(Duration::from_secs(1)).await;
    }
    for customer in [3, 17, 29] {
        let (id, said) = (format!("customer-{customer}-"), format!("word{customer}x"));
        assert!(traces(&world, &id) > 10 && traces(&world, &said) > 100);
        let erased = erase(&world, &json!({ "external_id": id })).await;
        assert_eq!(erased.body["removed"]["messages"], 20, "{erased:?}");
        assert_eq!((traces(&world, &id), traces(&world, &said)), (0, 0));
    }
    assert!(traces(&world, "word4x") > 100, "others stay");
    world.end().await;
}
