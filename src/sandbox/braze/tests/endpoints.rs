//! What each endpoint beside the triggered campaign takes and refuses.

use super::*;

fn entry(recipient: &Value) -> Value {
    json!({ "canvas_id": "v1", "recipients": [recipient] })
}

async fn refused(world: &World, path: &str, body: &Value, says: &str) {
    let (status, answer) = world.post(path, body).await;
    assert_eq!(status, 400, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains(says), "{message}");
    assert_eq!(world.braze.sent_count() + world.braze.tracked_count(), 0);
}

#[tokio::test]
async fn a_canvas_is_triggered_with_its_context() {
    let world = World::new().await;
    world.braze.know_canvases(["v1"]);
    let body = json!({
        "canvas_id": "v1",
        "context": { "reply": "Hello", "n": 1 },
        "recipients": [
            { "external_user_id": "u1", "context": { "reply": "Hola" }, "attributes": { "chat": "on" } },
            { "external_user_id": "u2" },
        ],
    });
    let (status, answer) = world.post("/canvas/trigger/send", &body).await;
    assert_eq!((status, &answer["message"]), (201, &json!("success")));
    assert!(answer.get("notice").is_none());
    let sent = world.braze.sent();
    let seen: Vec<_> = sent
        .iter()
        .map(|sent| (sent.way, sent.campaign_id.as_str(), sent.text()))
        .collect();
    assert_eq!(
        seen,
        [(Way::Canvas, "v1", "Hola"), (Way::Canvas, "v1", "Hello")]
    );
    assert_eq!(sent[0].attributes["chat"], "on");
    let old = json!({ "canvas_id": "v1", "recipients": [{ "external_user_id": "u", "canvas_entry_properties": { "reply": "a" } }] });
    assert_eq!(world.post("/canvas/trigger/send", &old).await.0, 201);
}

#[rstest]
#[case::unknown(json!({ "canvas_id": "v2", "recipients": [{ "external_user_id": "u" }] }), "Invalid Canvas ID")]
#[case::a_campaign(json!({ "campaign_id": "v1", "recipients": [{ "external_user_id": "u" }] }), "`campaign_id`")]
#[case::nobody(json!({ "canvas_id": "v1" }), "No Recipients")]
#[case::everybody(json!({ "canvas_id": "v1", "broadcast": true }), "no segment")]
#[case::trigger_properties(entry(&json!({ "external_user_id": "u", "trigger_properties": {} })), "`trigger_properties`")]
#[case::both_names(entry(&json!({ "external_user_id": "u", "context": {}, "canvas_entry_properties": {} })), "the same")]
#[case::large(entry(&json!({ "external_user_id": "u", "context": { "reply": "x".repeat(50 * 1024) } })), "50 KB")]
#[tokio::test]
async fn what_no_canvas_takes_is_refused(#[case] body: Value, #[case] says: &str) {
    let world = World::new().await;
    world.braze.know_canvases(["v1"]);
    refused(&world, "/canvas/trigger/send", &body, says).await;
}

fn direct(kind: &str, message: &Value) -> Value {
    json!({
        "external_user_ids": ["u1"],
        "messages": { "whats_app": {
            "app_id": "app", "subscription_group_id": "g1", "message_type": kind, "message": message,
        } },
    })
}

fn rows(sections: usize, rows: usize) -> Value {
    let row = |n: usize| json!({ "row_title": format!("Row {n}"), "row_description": "More" });
    let rows: Vec<Value> = (0..rows).map(row).collect();
    let section = json!({ "section_title": "All", "list_rows": rows });
    let sections = vec![section; sections];
    json!({ "header": "H", "body": "B", "footer": "F", "list": { "list_button_text": "Choose", "list_sections": sections } })
}

fn buttons(labels: &[&str]) -> Value {
    let buttons: Vec<Value> = labels.iter().map(|text| json!({ "text": text })).collect();
    json!({ "body": "B", "buttons": buttons })
}

fn card() -> Value {
    json!({ "media_uri": "https://x.example/a.png", "media_type": "image", "body_text": "T" })
}

#[rstest]
#[case::text("text_response_message", json!({ "body": "Hello", "preview_url": true }), "Hello", &[])]
#[case::longest("text_response_message", json!({ "body": "x".repeat(4_096) }), "", &[])]
#[case::image("text_image_response_message", json!({ "image_uri": "https://x.example/a.png", "caption": "A" }), "A", &[])]
#[case::quick_reply("quick_reply_response_message", buttons(&["Yes", "No"]), "B", &["Yes", "No"])]
#[case::list("list_response_message", rows(1, 10), "B", &["Row 0", "Row 1"])]
#[case::flow("flow_response_message", json!({ "body": "B", "flow_button": { "caption": "Begin", "flow_id": "f" } }), "B", &[])]
#[case::carousel("carousel_response_message", json!({ "body": "B", "carousel_button_type": "url", "cards": [card(), card()] }), "B", &[])]
#[case::template("template_message", json!({ "template_name": "t", "template_language_code": "en", "body_variables": { "0": "Ana" } }), "t", &[])]
#[tokio::test]
async fn each_kind_of_message_is_taken(
    #[case] kind: &str,
    #[case] message: Value,
    #[case] text: &str,
    #[case] choices: &[&str],
) {
    let world = World::new().await;
    let (status, answer) = world.post("/messages/send", &direct(kind, &message)).await;
    assert_eq!(status, 201, "{answer}");
    let sent = &world.braze.sent()[0];
    assert!(matches!(sent.way, Way::Message(_)));
    assert_eq!(
        (sent.group_id.as_str(), sent.recipient.value()),
        ("g1", "u1")
    );
    assert!(sent.text().contains(text), "{}", sent.text());
    let offered = sent.choices();
    assert!(choices.iter().eq(offered.iter().take(choices.len())));
    assert_eq!(Value::Object(sent.properties.clone()), message);
}

#[rstest]
#[case::no_body("text_response_message", json!({ "preview_url": true }), "`body`")]
#[case::long_body("text_response_message", json!({ "body": "x".repeat(4_097) }), "longer than 4096")]
#[case::emoji_count_twice("text_response_message", json!({ "body": "🙂".repeat(2_049) }), "longer than 4096")]
#[case::typing_error("text_response_message", json!({ "body": "a", "preview": true }), "`preview`")]
#[case::no_link("text_image_response_message", json!({ "image_uri": "a.png" }), "URL")]
#[case::no_buttons("quick_reply_response_message", buttons(&[]), "1 to 3")]
#[case::four_buttons("quick_reply_response_message", buttons(&["a", "b", "c", "d"]), "1 to 3")]
#[case::long_button("quick_reply_response_message", buttons(&["123456789012345678901"]), "longer than 20")]
#[case::same_buttons("quick_reply_response_message", buttons(&["a", "a"]), "read the same")]
#[case::two_headers("quick_reply_response_message", json!({ "body": "B", "header_text": "H", "header_image_uri": "https://x.example", "buttons": [{ "text": "a" }] }), "exclude")]
#[case::long_quick_body("quick_reply_response_message", json!({ "body": "x".repeat(1_025), "buttons": [{ "text": "a" }] }), "1024")]
#[case::no_rows("list_response_message", rows(1, 0), "`list_rows`")]
#[case::no_sections("list_response_message", rows(0, 1), "`list_sections`")]
#[case::eleven_rows("list_response_message", rows(1, 11), "`list_rows`")]
#[case::twelve_rows_in_two("list_response_message", rows(2, 6), "in all")]
#[case::no_flow("flow_response_message", json!({ "body": "B" }), "`flow_button`")]
#[case::one_card("carousel_response_message", json!({ "body": "B", "carousel_button_type": "url", "cards": [card()] }), "2 to 10")]
#[case::variable_with_a_line_break("template_message", json!({ "template_name": "t", "template_language_code": "en", "body_variables": { "0": "a\nb" } }), "new-line")]
#[case::variable_by_name("template_message", json!({ "template_name": "t", "template_language_code": "en", "body_variables": { "name": "a" } }), "by number")]
#[case::kind("audio_response_message", json!({ "body": "a" }), "`audio_response_message`")]
#[tokio::test]
async fn what_no_message_can_be_is_refused(
    #[case] kind: &str,
    #[case] message: Value,
    #[case] says: &str,
) {
    let world = World::new().await;
    refused(&world, "/messages/send", &direct(kind, &message), says).await;
}

#[rstest]
#[case::nobody("external_user_ids", json!([]), "No Recipients")]
#[case::too_many("external_user_ids", json!((0..51).map(|n| n.to_string()).collect::<Vec<_>>()), "max number")]
#[case::everybody("broadcast", json!(true), "exclude")]
#[case::properties("trigger_properties", json!({}), "`trigger_properties`")]
#[case::no_variant("campaign_id", json!("c1"), "Message Variant Unspecified")]
#[case::no_messages("messages", json!({}), "No message to send")]
#[case::other_channel("messages", json!({ "email": {} }), "WhatsApp")]
#[case::no_app("messages", json!({ "whats_app": {} }), "`app_id`")]
#[case::state("recipient_subscription_state", json!("some"), "recipient_subscription_state")]
#[tokio::test]
async fn a_message_needs_people_and_a_content(
    #[case] field: &str,
    #[case] value: Value,
    #[case] says: &str,
) {
    let world = World::new().await;
    let mut body = direct("text_response_message", &json!({ "body": "a" }));
    body[field] = value;
    refused(&world, "/messages/send", &body, says).await;
}

#[tokio::test]
async fn a_key_does_what_it_is_permitted_alone() {
    let world = World::new().await;
    world.braze.permit(["campaigns.trigger.send"]);
    assert_eq!(world.send(&good()).await.0, 201);
    for path in [
        "/canvas/trigger/send",
        "/messages/send",
        "/users/track",
        "/v2/subscription/status/set",
    ] {
        let answer = world.post(path, &json!({})).await;
        assert_eq!(
            answer,
            (403, json!({ "message": "Access Denied" })),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_campaign_tells_what_it_is() {
    let world = World::new().await;
    let details = |id: &str| {
        let url = format!("{}/campaigns/details?campaign_id={id}", world.braze.url());
        read(world.client.get(url).bearer_auth("key"))
    };
    let (status, answer) = details("c1").await;
    assert_eq!((status, &answer["enabled"]), (200, &json!(true)));
    assert_eq!(details("c2").await.0, 400);
    world.braze.pause_campaign("c1");
    assert_eq!(details("c1").await.1["enabled"], false);
}

#[tokio::test]
async fn each_pool_of_requests_has_its_limit() {
    let world = World::new().await;
    world.braze.limit(1, Duration::from_mins(1));
    world.braze.limit_track(1, Duration::from_secs(3));
    let track = json!({ "attributes": [{ "external_id": "u", "a": 1 }] });
    assert_eq!(world.send(&good()).await.0, 201);
    assert_eq!(world.send(&good()).await.0, 429);
    assert_eq!(world.post("/users/track", &track).await.0, 201);
    assert_eq!(world.post("/users/track", &track).await.0, 429);
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(world.post("/users/track", &track).await.0, 201);
    assert_eq!(world.send(&good()).await.0, 429);
}

#[tokio::test]
async fn limits_can_be_told_in_seconds_left() {
    let world = World::new().await;
    world.braze.limit(1, Duration::from_mins(1));
    world.braze.count_down(true);
    world.clock.advance(Duration::from_secs(20));
    let response = world.request(good().to_string()).send().await.unwrap();
    assert_eq!(response.headers()["x-ratelimit-reset"], "40");
    let response = world.request(good().to_string()).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-ratelimit-retry-after"], "40");
    assert!(!response.headers().contains_key("x-ratelimit-reset"));
}
