//! Braze's error table, row by row, its rate limit, and what it records.

mod deliveries;
mod endpoints;
mod inbound;
mod tracking;

use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};

use super::super::Plan;
use super::super::call::client;
use super::*;
use crate::clock::Clock;

struct World {
    braze: Braze,
    client: reqwest::Client,
    clock: Clock,
}

impl World {
    async fn new() -> Self {
        let bind = ([127, 0, 0, 1], 0).into();
        let braze = Braze::start(bind, &Shutdown::new()).await.unwrap();
        let clock = Clock::manual(Timestamp::from_second(7_200).unwrap());
        braze.use_clock(&clock);
        braze.require_key("key");
        braze.know_campaigns(["c1"]);
        let client = client().unwrap();
        Self {
            braze,
            client,
            clock,
        }
    }

    fn request(&self, body: impl Into<String>) -> reqwest::RequestBuilder {
        self.client
            .post(format!("{}/campaigns/trigger/send", self.braze.url()))
            .header("content-type", "application/json")
            .bearer_auth("key")
            .body(body.into())
    }

    async fn send(&self, body: &Value) -> (u16, Value) {
        read(self.request(body.to_string())).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.braze.url()));
        read(request.bearer_auth("key").json(body)).await
    }
}

async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

fn one(recipient: &Value) -> Value {
    json!({ "campaign_id": "c1", "recipients": [recipient] })
}

fn good() -> Value {
    one(&json!({ "external_user_id": "u1", "trigger_properties": { "reply": "Hello" } }))
}

#[tokio::test]
async fn a_send_is_taken_and_recorded() {
    let world = World::new().await;
    let body = json!({
        "campaign_id": "c1",
        "trigger_properties": { "reply": "Hello", "n": 1 },
        "recipients": [
            { "external_user_id": "u1", "attributes": { "chat": "on" } },
            { "user_alias": { "alias_name": "+1555", "alias_label": "phone" }, "trigger_properties": { "reply": "Hola" } },
            { "email": "a@example.com", "prioritization": ["identified"] },
        ],
    });
    let (status, answer) = world.send(&body).await;
    assert_eq!((status, &answer["message"]), (201, &json!("success")));
    let id = answer["dispatch_id"].as_str().unwrap();
    assert!(
        id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit()),
        "{id}"
    );

    let sent = world.braze.sent();
    let seen: Vec<_> = sent
        .iter()
        .map(|sent| (sent.recipient.kind(), sent.recipient.value(), sent.text()))
        .collect();
    assert_eq!(
        seen,
        [
            ("external_user_id", "u1", "Hello"),
            ("user_alias", "+1555", "Hola"),
            ("email", "a@example.com", "Hello")
        ]
    );
    assert_eq!(sent[0].attributes["chat"], "on");
    assert_eq!(sent[1].properties["n"], 1);
    assert_eq!(sent[1].property("reply"), Some("Hola"));
    assert_eq!(sent[0].raw, body.to_string());
    assert!(
        sent.iter()
            .all(|sent| sent.dispatch_id == id && sent.at == world.clock.now())
    );
    world.braze.wait_for_sent(3).await;
    world.braze.wait_until_sent(|sent| sent.len() == 3).await;
    world.braze.clear();
    assert_eq!(world.braze.sent_count(), 0);
}

#[rstest]
#[case::no_campaign(json!({ "recipients": [{ "external_user_id": "u" }] }), "Invalid Campaign ID")]
#[case::unknown_campaign(json!({ "campaign_id": "c2", "recipients": [{ "external_user_id": "u" }] }), "Invalid Campaign ID")]
#[case::no_recipients(json!({ "campaign_id": "c1" }), "No Recipients")]
#[case::empty_recipients(json!({ "campaign_id": "c1", "recipients": [] }), "No Recipients")]
#[case::recipients_object(json!({ "campaign_id": "c1", "recipients": {} }), "`recipients`")]
#[case::broadcast_to_some(json!({ "campaign_id": "c1", "broadcast": true, "recipients": [{ "external_user_id": "u" }] }), "exclude")]
#[case::broadcast_to_all(json!({ "campaign_id": "c1", "broadcast": true }), "no segment")]
#[case::broadcast_text(json!({ "campaign_id": "c1", "broadcast": "no", "recipients": [{ "external_user_id": "u" }] }), "`broadcast`")]
#[case::no_identifier(one(&json!({})), "exactly one")]
#[case::two_identifiers(one(&json!({ "external_user_id": "u", "email": "a@example.com" })), "exactly one")]
#[case::foreign_identifier(one(&json!({ "braze_id": "b" })), "`braze_id`")]
#[case::blank_identifier(one(&json!({ "external_user_id": " " })), "`external_user_id`")]
#[case::long_identifier(one(&json!({ "external_user_id": "x".repeat(988) })), "too long")]
#[case::half_alias(one(&json!({ "user_alias": { "alias_name": "a" } })), "`alias_label`")]
#[case::new_alias(one(&json!({ "user_alias": { "alias_name": "a", "alias_label": "b" }, "send_to_existing_only": false })), "`user_alias`")]
#[case::email_alone(one(&json!({ "email": "a@example.com" })), "`prioritization`")]
#[case::new_without_attributes(one(&json!({ "external_user_id": "u", "send_to_existing_only": false })), "`attributes`")]
#[case::recipient_text(one(&json!("u1")), "a recipient")]
#[case::properties_text(one(&json!({ "external_user_id": "u", "trigger_properties": "x" })), "`trigger_properties`")]
#[case::blank_text(one(&json!({ "external_user_id": "u", "trigger_properties": { "reply": "\n" } })), "`reply` is blank")]
#[case::large_properties(one(&json!({ "external_user_id": "u", "trigger_properties": { "reply": "x".repeat(50 * 1024) } })), "50 KB")]
#[case::typing_error(json!({ "campaign_id": "c1", "recipients": [{ "external_user_id": "u" }], "trigger_propertys": {} }), "trigger_propertys")]
#[case::array(json!([]), "the body")]
#[tokio::test]
async fn what_braze_refuses_is_refused(#[case] body: Value, #[case] says: &str) {
    let world = World::new().await;
    let (status, answer) = world.send(&body).await;
    assert_eq!(status, 400, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains(says), "{message}");
    assert_eq!(world.braze.sent_count(), 0);
    assert_eq!(world.braze.refused()[0].status, Some(400));
}

#[tokio::test]
async fn fifty_recipients_are_taken_and_no_more() {
    let world = World::new().await;
    let batch = |count: usize| {
        let recipients: Vec<Value> = (0..count)
            .map(|n| json!({ "external_user_id": n.to_string() }))
            .collect();
        json!({ "campaign_id": "c1", "recipients": recipients })
    };
    assert_eq!(world.send(&batch(50)).await.0, 201);
    let (status, answer) = world.send(&batch(51)).await;
    assert_eq!(status, 400);
    assert!(
        answer["message"].as_str().unwrap().contains("max number"),
        "{answer}"
    );
    assert_eq!(world.braze.sent_count(), 50);
}

#[tokio::test]
async fn what_cannot_be_parsed_is_reported_in_its_own_field() {
    let world = World::new().await;
    let (status, answer) = read(world.request("{\"campaign_id\": ")).await;
    assert_eq!(status, 400);
    assert!(
        answer["error"].as_str().unwrap().contains("syntax") && answer.get("message").is_none(),
        "{answer}"
    );
}

#[rstest]
#[case::missing(None)]
#[case::no_bearer(Some("key"))]
#[case::basic(Some("Basic key"))]
#[case::wrong(Some("Bearer other"))]
#[case::quoted(Some("Bearer \"key\""))]
#[case::lower(Some("bearer key"))]
#[tokio::test]
async fn a_request_without_the_key_is_refused(#[case] authorization: Option<&str>) {
    let world = World::new().await;
    let url = format!("{}/campaigns/trigger/send", world.braze.url());
    let mut request = world.client.post(url).json(&good());
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let (status, answer) = read(request).await;
    assert_eq!(status, 401);
    assert!(answer["message"].is_string());
}

#[tokio::test]
async fn any_key_will_do_where_none_was_named() {
    let braze = Braze::start(([127, 0, 0, 1], 0).into(), &Shutdown::new())
        .await
        .unwrap();
    let send = |key: &'static str| {
        let url = format!("{}/campaigns/trigger/send", braze.url());
        read(client().unwrap().post(url).bearer_auth(key).json(&good()))
    };
    assert_eq!(send("whatever").await.0, 201);
    assert_eq!(send("\"quoted\"").await.0, 401);
}

#[tokio::test]
async fn the_url_and_the_content_type_must_be_right() {
    let world = World::new().await;
    for path in [
        "/campaigns/trigger/send/",
        "/campaigns/trigger",
        "/messages/send/now",
        "/",
    ] {
        let request = world
            .client
            .post(format!("{}{path}", world.braze.url()))
            .bearer_auth("key");
        assert_eq!(read(request.json(&good())).await.0, 404, "{path}");
    }
    let get = world
        .client
        .get(format!("{}/campaigns/trigger/send", world.braze.url()));
    assert_eq!(read(get.bearer_auth("key")).await.0, 404);
    for content_type in ["text/plain", "application/jsonp", ""] {
        let url = format!("{}/campaigns/trigger/send", world.braze.url());
        let request = world
            .client
            .post(url)
            .bearer_auth("key")
            .header("content-type", content_type);
        assert_eq!(
            read(request.body(good().to_string())).await.0,
            415,
            "{content_type}"
        );
    }
    let parameter = world
        .client
        .post(format!("{}/campaigns/trigger/send", world.braze.url()));
    let parameter = parameter
        .header("content-type", "application/json; charset=utf-8")
        .bearer_auth("key");
    assert_eq!(read(parameter.body(good().to_string())).await.0, 201);
}

#[tokio::test]
async fn a_body_above_four_megabytes_is_refused() {
    let world = World::new().await;
    let (status, answer) = read(world.request(" ".repeat(BODY_MAX + 1))).await;
    assert_eq!(status, 413, "{answer}");
    assert_eq!(read(world.request(" ".repeat(BODY_MAX))).await.0, 400);
}

#[tokio::test]
async fn the_limit_answers_429_until_its_reset() {
    let world = World::new().await;
    world.braze.limit(2, Duration::from_secs(10));
    let headers = async || {
        let response = world.request(good().to_string()).send().await.unwrap();
        let header = |name: &str| {
            response.headers()[name]
                .to_str()
                .unwrap()
                .parse::<i64>()
                .unwrap()
        };
        (
            response.status().as_u16(),
            header("x-ratelimit-limit"),
            header("x-ratelimit-remaining"),
            header("x-ratelimit-reset"),
        )
    };
    assert_eq!(headers().await, (201, 2, 1, 7_210));
    assert_eq!(headers().await, (201, 2, 0, 7_210));
    assert_eq!(headers().await, (429, 2, 0, 7_210));
    world.clock.advance(Duration::from_millis(9_999));
    assert_eq!(headers().await, (429, 2, 0, 7_210));
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(headers().await, (201, 2, 1, 7_220));
    assert_eq!(
        (world.braze.answered_with(429), world.braze.sent_count()),
        (2, 3)
    );
    let refused: Vec<i64> = world
        .braze
        .refused()
        .iter()
        .map(|refused| refused.at.as_millisecond())
        .collect();
    assert_eq!(refused, [7_200_000, 7_209_999]);
}

#[tokio::test]
async fn a_429_can_be_forced_in_both_manners() {
    let world = World::new().await;
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    world.braze.misbehave(Plan::rate_limited_for(5).times(1));
    let response = world.request(good().to_string()).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-ratelimit-reset"], "7230");
    assert_eq!(response.headers()["x-ratelimit-remaining"], "0");
    let response = world.request(good().to_string()).send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-ratelimit-retry-after"], "5");
    for name in ["limit", "remaining", "reset"] {
        assert!(
            !response
                .headers()
                .contains_key(format!("x-ratelimit-{name}")),
            "{name}"
        );
    }
    assert_eq!(world.braze.sent_count(), 0);
}

#[tokio::test]
async fn every_answer_tells_the_limit() {
    let world = World::new().await;
    world.braze.misbehave(Plan::status(503).times(1));
    for expected in [503, 400] {
        let response = world.request("{").send().await.unwrap();
        assert_eq!(response.status(), expected);
        assert_eq!(response.headers()["x-ratelimit-limit"], "250000");
    }
}

#[tokio::test]
async fn a_lost_answer_may_still_have_sent() {
    let world = World::new().await;
    world.braze.misbehave(Plan::reset().taken().times(1));
    world.request(good().to_string()).send().await.unwrap_err();
    assert_eq!(world.braze.sent_count(), 1);
    world.braze.misbehave(Plan::reset().times(1));
    world.request(good().to_string()).send().await.unwrap_err();
    assert_eq!(world.braze.sent_count(), 1);
}

#[tokio::test]
async fn without_recording_messages_are_counted() {
    let world = World::new().await;
    world.braze.record(false);
    world.send(&good()).await;
    assert_eq!((world.braze.sent().len(), world.braze.sent_count()), (0, 1));
}

#[tokio::test]
async fn the_event_stream_says_who_gets_what() {
    let world = World::new().await;
    let mut events = world.braze.events();
    world.send(&good()).await;
    assert_eq!(
        events.recv().await.unwrap(),
        "POST /campaigns/trigger/send 201 external_user_id u1: \"Hello\""
    );
}
