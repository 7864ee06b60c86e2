//! Looking at conversations, and taking them over.

use std::time::Duration;

use frontdesk::sandbox::model::Reply;
use reqwest::Method;
use serde_json::{Value, json};

use super::{act, ask, conversation_of, each, read};
use crate::world::{DESK_SECRET, START, VIEWER_SECRET, World};

fn customers(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["customer"]["external_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn conversations_are_found_by_what_is_known_of_them() {
    let world = World::start().await;
    world.tells("ana", "Where is my parcel today?").await;
    world.tells("bob", "I want to talk to a human").await;
    world.tells("cid", "STOP").await;
    world.says("dot", "Still waiting here").await;
    for (filter, expected) in [
        ("", vec!["dot", "cid", "bob", "ana"]),
        ("?assistant=support", vec!["dot", "cid", "bob", "ana"]),
        ("?assistant=sales", vec![]),
        ("?owner=pending", vec!["bob"]),
        ("?owner=human", vec![]),
        ("?owner=assistant", vec!["dot", "cid", "ana"]),
        ("?opted_out=true", vec!["cid"]),
        ("?opted_out=false&owner=assistant", vec!["dot", "ana"]),
        ("?waiting=true", vec!["dot"]),
        ("?waiting=true&opted_out=true", vec![]),
        ("?waiting=false", vec!["cid", "bob", "ana"]),
        ("?external_id=bob", vec!["bob"]),
        ("?external_id=bob&owner=assistant", vec![]),
        ("?phone=%2B1%20555-0100", vec!["dot", "cid", "bob", "ana"]),
        ("?phone=%2B1%20555-0101", vec![]),
        ("?limit=2", vec!["dot", "cid"]),
    ] {
        let list = read(&world, &format!("/operator/v1/conversations{filter}")).await;
        assert_eq!(customers(&list), expected, "{filter}");
    }
    let bob = &read(&world, "/operator/v1/conversations?external_id=bob").await["items"][0];
    assert_eq!(bob["customer"]["phone"], "+15550100");
    assert_eq!(
        (&bob["owner"], &bob["waiting"], &bob["language"]),
        (&json!("pending"), &json!(0), &json!("en"))
    );
    // What is urgent does not wait for the clock, so it was settled before or after the second.
    let until = bob["returns_at"].as_str().unwrap();
    assert!(until.starts_with("2026-03-02T21:00:0"), "{until}");
    world.end().await;
}

#[tokio::test]
async fn parts_of_a_list_make_the_whole_whatever_comes_between() {
    let world = World::start().await;
    for customer in 0..7 {
        world.says(&format!("u{customer}"), "hello there").await;
    }
    for filter in ["", "&waiting=true", "&assistant=support", "&phone=15550100"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/operator/v1/conversations?limit=3{filter}{cursor}");
            let list = read(&world, &path).await;
            seen.extend(customers(&list));
            world
                .says(&format!("new{filter}{}", seen.len()), "hello there")
                .await;
            match list["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.retain(|customer| customer.starts_with('u'));
        assert_eq!(seen, ["u6", "u5", "u4", "u3", "u2", "u1", "u0"], "{filter}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_conversation_shows_what_was_said_sent_and_decided() {
    let world = World::start().await;
    world.model.script([Reply::says("We open at nine.")]);
    world.tells("ana", "When do you open?").await;
    world.tells("ana", "I want to talk to a human").await;
    let path = format!(
        "/operator/v1/conversations/{}",
        conversation_of(&world, "ana").await
    );
    let whole = read(&world, &path).await;
    let said: Vec<_> = whole["messages"].as_array().unwrap().iter().collect();
    let line = |line: &Value| format!("{}: {}", line["author"], line["outcome"]);
    assert_eq!(
        said.iter().map(|message| line(message)).collect::<Vec<_>>(),
        [
            r#""assistant": null"#,
            r#""customer": "handed_off""#,
            r#""assistant": null"#,
            r#""customer": "replied""#
        ]
    );
    assert_eq!(said[1]["rule"], "human_requested");
    assert!(said[3]["prompt_version"].is_string());
    assert_eq!(said[2]["text"], "We open at nine.");
    let sent = json!({ "items": whole["deliveries"] });
    assert_eq!(each(&sent, "name"), ["handoff.requested", "reply", "reply"]);
    assert_eq!(each(&sent, "state"), ["sent", "sent", "sent"]);
    assert_eq!(whole["handoffs"][0]["reason"], "customer_asked");
    assert_eq!(
        whole["conversation"]["handoff_id"],
        whole["handoffs"][0]["id"]
    );

    let first = read(&world, &format!("{path}?limit=3")).await;
    assert_eq!(first["messages"].as_array().unwrap().len(), 3);
    let next = first["next"].as_str().unwrap();
    let rest = read(&world, &format!("{path}?limit=3&cursor={next}")).await;
    assert_eq!(rest["messages"][0]["text"], "When do you open?");
    assert_eq!(rest["next"], Value::Null);
    world.end().await;
}

#[tokio::test]
async fn a_takeover_silences_the_assistant_until_it_is_released() {
    let world = World::start().await;
    world.tells("ana", "Where is my parcel today?").await;
    let heard = world.heard("ana").len();
    let path = format!(
        "/operator/v1/conversations/{}",
        conversation_of(&world, "ana").await
    );
    let taken = act(&world, &format!("{path}/takeover")).await;
    assert_eq!(taken.status, 200, "{taken:?}");
    assert_eq!(
        (&taken.body["owner"], &taken.body["on_their_way"]),
        (&json!("human"), &json!(0))
    );
    assert_eq!(taken.body["returns_at"], "2026-03-02T21:00:01Z");
    let again = act(&world, &format!("{path}/takeover")).await;
    assert_eq!(again.body, taken.body, "twice is as once");

    world.tells("ana", "Is anybody there?").await;
    assert_eq!(world.heard("ana").len(), heard);
    let whole = read(&world, &path).await;
    assert_eq!(whole["messages"][0]["outcome"], "forwarded");
    assert_eq!(whole["handoffs"][0]["reason"], "operator");
    let names: Vec<_> = world
        .desk
        .received()
        .into_iter()
        .map(|event| event.name)
        .collect();
    assert_eq!(
        names,
        ["handoff.message"],
        "the desk was asked nothing, and hears the customer"
    );

    let released = act(&world, &format!("{path}/release")).await;
    assert_eq!(
        (released.status, &released.body["owner"]),
        (200, &json!("assistant"))
    );
    assert_eq!(act(&world, &format!("{path}/release")).await.status, 409);
    world.model.script([Reply::says("Back again.")]);
    world.tells("ana", "Thank you very much").await;
    assert_eq!(world.heard("ana").last().unwrap(), "Back again.");

    let acts = read(&world, "/operator/v1/audit").await;
    assert_eq!(
        each(&acts, "action"),
        ["conversation.release", "conversation.takeover"]
    );
    assert_eq!(each(&acts, "actor"), ["ole", "ole"]);
    assert_eq!(each(&acts, "role"), ["operator", "operator"]);
    assert_eq!(acts["items"][1]["subject"], whole["conversation"]["id"]);
    world.end().await;
}

#[tokio::test]
async fn who_has_no_desk_can_be_taken_over_as_well() {
    let more = r#"
        [assistants.plain]
        secrets = ["env::INBOUND"]
        campaign_id = "campaign-2"
        [assistants.plain.business]
        name = "Acme"
        "#;
    let world = World::with(more).await;
    let says = async |text: &str| {
        let answered = world.phone("plain").says("ana", "+15550100", text).await;
        assert_eq!(answered.unwrap().status, 202);
        world.pass(Duration::from_secs(1)).await;
    };
    says("Where is my parcel today?").await;
    let path = format!(
        "/operator/v1/conversations/{}",
        conversation_of(&world, "ana").await
    );
    assert_eq!(act(&world, &format!("{path}/takeover")).await.status, 200);
    world.clock.advance(Duration::from_hours(3));
    says("Is anybody there?").await;
    says("STOP").await;
    let whole = read(&world, &path).await;
    let messages = json!({ "items": whole["messages"] });
    let outcomes = each(&messages, "outcome");
    assert_eq!(outcomes[2], "forwarded", "{outcomes:?}");
    assert_eq!(
        each(&json!({ "items": whole["deliveries"] }), "lane"),
        ["braze", "braze"]
    );
    let start: jiff::Timestamp = START.parse().unwrap();
    let until: jiff::Timestamp = whole["conversation"]["returns_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        until.as_second() - start.as_second(),
        15 * 3_600 + 2,
        "12 h from the last word"
    );
    assert_eq!(act(&world, &format!("{path}/release")).await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn a_takeover_goes_on_with_the_handoff_that_the_desk_was_asked_for() {
    let world = World::start().await;
    world.tells("ana", "I want to talk to a human").await;
    let id = conversation_of(&world, "ana").await;
    let path = format!("/operator/v1/conversations/{id}");
    let asked = read(&world, &path).await["handoffs"].clone();
    let taken = act(&world, &format!("{path}/takeover")).await;
    assert_eq!(taken.body["handoff_id"], asked[0]["id"]);
    let whole = read(&world, &path).await;
    assert_eq!(whole["conversation"]["owner"], "human");
    assert_eq!(whole["handoffs"].as_array().unwrap().len(), 1);
    assert_eq!(whole["handoffs"][0]["id"], asked[0]["id"]);
    assert!(asked[0]["acknowledged_at"].is_null());
    assert!(whole["handoffs"][0]["acknowledged_at"].is_string());
    let released = world.desk.release(&world.url(), &id, DESK_SECRET).await;
    assert_eq!(
        released.unwrap().status,
        200,
        "the desk may give it back all the same"
    );
    world.end().await;
}

#[tokio::test]
async fn what_is_not_there_or_not_well_asked_is_said() {
    let world = World::start().await;
    let nobody = "00000000-0000-7000-8000-000000000000";
    for (path, status) in [
        (format!("/operator/v1/conversations/{nobody}"), 404),
        ("/operator/v1/conversations/nonsense".to_owned(), 404),
        (format!("/operator/v1/deliveries/{nobody}"), 404),
        (format!("/operator/v1/quarantine/{nobody}"), 404),
        ("/operator/v1/nothing".to_owned(), 404),
        ("/operator/v1/conversations?limit=0".to_owned(), 400),
        ("/operator/v1/conversations?limit=201".to_owned(), 400),
        ("/operator/v1/conversations?limit=200".to_owned(), 200),
        ("/operator/v1/conversations?limit=many".to_owned(), 400),
        ("/operator/v1/conversations?owner=nobody".to_owned(), 400),
        ("/operator/v1/conversations?colour=red".to_owned(), 400),
        ("/operator/v1/conversations?cursor=1".to_owned(), 400),
        (
            "/operator/v1/conversations?cursor=ffffffffffffffff".to_owned(),
            200,
        ),
        ("/operator/v1/deliveries?state=lost".to_owned(), 400),
        (
            "/operator/v1/deliveries?conversation=nonsense".to_owned(),
            400,
        ),
        ("/healthz".to_owned(), 200),
        ("/readyz".to_owned(), 200),
    ] {
        let answer = ask(&world, VIEWER_SECRET, Method::GET, &path, None).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        if status >= 400 {
            assert_eq!(answer.kind, "application/problem+json", "{path}");
            assert_eq!(answer.body["status"], status, "{path}");
        }
    }
    world.end().await;
}

#[tokio::test]
async fn consent_that_was_given_elsewhere_is_written_down_once_and_said_by_nobody() {
    let world = World::start().await;
    world.model.respond_with(|_| Reply::says("Hello."));
    world.tells("ana", "good morning to you").await;
    let id = conversation_of(&world, "ana").await;
    let path = format!("/operator/v1/conversations/{id}");
    for _ in 0..2 {
        let answer = act(&world, &format!("{path}/opt_out")).await;
        assert_eq!(
            (answer.status, &answer.body["opted_out"]),
            (200, &true.into())
        );
    }
    world.tells("ana", "are you still there").await;
    assert_eq!(world.outcomes("ana"), ["replied", "suppressed(opted_out)"]);
    assert_eq!(world.heard("ana"), ["Hello."]);
    let answer = act(&world, &format!("{path}/opt_in")).await;
    assert_eq!(
        (answer.status, &answer.body["opted_out"]),
        (200, &false.into())
    );
    world.tells("ana", "and now, are you there").await;
    assert_eq!(world.heard("ana").len(), 2);
    let audit = read(&world, &format!("/operator/v1/audit?subject={id}")).await;
    assert_eq!(
        each(&audit, "action"),
        ["conversation.opt_in", "conversation.opt_out"]
    );
    let nobody = "/operator/v1/conversations/00000000-0000-7000-8000-000000000000/opt_out";
    assert_eq!(act(&world, nobody).await.status, 404);
    world.end().await;
}
