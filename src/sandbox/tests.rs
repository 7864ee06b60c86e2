//! What all stand-ins do alike, tried on the model.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use serde_json::json;

use super::model::Reply;
use super::*;

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

struct World {
    shutdown: Shutdown,
    model: Model,
    client: reqwest::Client,
}

impl World {
    async fn new() -> Self {
        let shutdown = Shutdown::new();
        let model = Model::start(LOOPBACK.into(), &shutdown).await.unwrap();
        let client = call::client().unwrap();
        Self {
            shutdown,
            model,
            client,
        }
    }

    async fn ask(&self, text: &str) -> Result<reqwest::Response, reqwest::Error> {
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": text }] });
        let url = format!("{}/chat/completions", self.model.url());
        let request = self.client.post(url).bearer_auth("my-key").json(&body);
        request.send().await
    }

    async fn status(&self, text: &str) -> u16 {
        self.ask(text).await.unwrap().status().as_u16()
    }

    fn control(&self, method: &str, what: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}/_sandbox/{what}", self.model.address());
        self.client.request(method.parse().unwrap(), url)
    }

    async fn control_json(&self, method: &str, what: &str) -> Value {
        let response = self.control(method, what).send().await.unwrap();
        response.json().await.unwrap()
    }
}

#[tokio::test]
async fn a_status_comes_as_often_as_planned_and_in_the_service_s_own_shape() {
    let world = World::new().await;
    world.model.misbehave(Plan::status(503).times(2));
    let refused = world.ask("a").await.unwrap();
    assert_eq!(refused.status(), 503);
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["code"], "server_is_overloaded");
    assert_eq!(world.status("b").await, 503);
    assert_eq!(world.status("c").await, 200);
    assert_eq!(world.model.answered_with(503), 2);
    let statuses: Vec<_> = world
        .model
        .requests()
        .iter()
        .map(|kept| kept.status)
        .collect();
    assert_eq!(statuses, [Some(503), Some(503), Some(200)]);
}

#[tokio::test]
async fn a_plan_can_be_for_some_requests_alone() {
    let world = World::new().await;
    world.model.misbehave(Plan::status(500).when("boom"));
    assert_eq!(world.status("all well").await, 200);
    assert_eq!(world.status("boom").await, 500);
    world.model.behave();
    assert_eq!(world.status("boom").await, 200);
}

#[tokio::test]
async fn garbage_is_no_json() {
    let world = World::new().await;
    world.model.misbehave(Plan::garbage());
    let response = world.ask("a").await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.json::<Value>().await.unwrap_err().is_decode());
}

#[tokio::test]
async fn a_reset_closes_the_connection_after_the_request_was_read() {
    let world = World::new().await;
    world.model.misbehave(Plan::reset().times(1));
    let error = world.ask("a").await.unwrap_err();
    assert!(
        error.is_request() && !error.is_timeout() && !error.is_connect(),
        "{error:?}"
    );
    let kept = &world.model.requests()[0];
    assert_eq!(
        (kept.status, &kept.json()["messages"][0]["content"]),
        (None, &json!("a"))
    );
    assert_eq!(world.status("b").await, 200);
}

#[tokio::test]
async fn a_drip_sends_the_headers_at_once_and_then_a_byte_a_second() {
    let world = World::new().await;
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    world.model.use_clock(&clock);
    world.model.misbehave(Plan::drip().times(1));
    let mut response = world.ask("a").await.unwrap();
    assert_eq!(response.status(), 200);
    let whole = {
        let body = world.ask("a").await.unwrap().text().await.unwrap();
        body.replace("sandbox2", "sandbox1")
    };
    for expected in whole.bytes().take(3) {
        {
            let chunk = response.chunk();
            tokio::pin!(chunk);
            clock.advance(Duration::from_millis(999));
            // A request that is answered shows that the stand-in had its chance.
            world.control_json("GET", "requests").await;
            assert!(poll!(&mut chunk).is_pending());
            clock.advance(Duration::from_millis(1));
            let chunk = chunk.await.unwrap().unwrap();
            assert_eq!(chunk, [expected][..]);
        }
    }
    clock.advance(Duration::from_hours(24));
    assert_eq!(response.text().await.unwrap(), whole[3..]);
}

#[tokio::test]
async fn a_stall_sends_the_headers_and_nothing_else() {
    let world = World::new().await;
    world.model.misbehave(Plan::stall());
    let response = world.ask("a").await.unwrap();
    assert_eq!(response.status(), 200);
    let body = response.bytes();
    tokio::pin!(body);
    world.control_json("GET", "requests").await;
    assert!(poll!(&mut body).is_pending());
    world.shutdown.stop();
    body.await.unwrap_err();
}

#[tokio::test]
async fn a_cut_breaks_the_connection_in_the_middle_of_the_body() {
    let world = World::new().await;
    world.model.misbehave(Plan::cut());
    let mut response = world.ask("a").await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => panic!("the body ended well"),
            Err(_) => break,
        }
    }
    let text = String::from_utf8(body).unwrap();
    assert!(text.starts_with("{\"choices\""), "{text}");
    assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
}

#[tokio::test]
async fn the_model_s_character_is_set_over_http() {
    let world = World::new().await;
    let put = |body: &'static str| world.control("PUT", "model").body(body).send();
    let set = put(
        r#"{"profile":"groq","context":9000,"refuses":["seed"],"latency":"0","failing":"100:529","windows":["0:5"],"seed":7}"#,
    );
    let shown: Value = set.await.unwrap().json().await.unwrap();
    assert_eq!(shown["profile"], "groq");
    let character = world.model.character();
    assert_eq!((character.context, character.seed), (Some(9_000), 7));
    assert_eq!(
        (character.refuses, character.windows.len()),
        (vec!["seed".to_owned()], 1)
    );
    assert_eq!(world.status("a").await, 429);
    put(r#"{"failing":"100:529"}"#).await.unwrap();
    assert_eq!(world.status("a").await, 529);
    put("{}").await.unwrap();
    assert_eq!(world.status("a").await, 200);
    let shown = world.control_json("GET", "model").await;
    assert_eq!(shown["profile"], "openai");
    assert!(
        shown["profiles"]
            .as_array()
            .unwrap()
            .contains(&json!("ollama"))
    );
    for wrong in [
        r#"{"profile":"closedai"}"#,
        r#"{"latency":"fast"}"#,
        r#"{"failing":"101"}"#,
        r#"{"windows":["1"]}"#,
        r#"{"wow":1}"#,
        "5",
    ] {
        assert_eq!(put(wrong).await.unwrap().status(), 400, "{wrong}");
    }
    assert_eq!(world.model.character().profile.name, "openai");
}

#[tokio::test]
async fn a_latency_is_in_the_stand_in_s_time() {
    let world = World::new().await;
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    world.model.use_clock(&clock);
    world.model.use_character(Character {
        latency: Some("2000".parse().unwrap()),
        ..Character::default()
    });
    let asking = world.ask("a");
    tokio::pin!(asking);
    tokio::select! {
        _ = &mut asking => panic!("answered too soon"),
        () = world.model.wait_for(1) => {}
    }
    clock.advance(Duration::from_millis(1_999));
    world.control_json("GET", "requests").await;
    assert!(poll!(&mut asking).is_pending());
    clock.advance(Duration::from_millis(1));
    assert_eq!(asking.await.unwrap().status(), 200);
}

#[tokio::test]
async fn headers_are_set_and_taken_off() {
    let world = World::new().await;
    let mut plan = Plan::status(429).header("Retry-After", "2");
    plan.headers.insert("Content-Type".to_owned(), None);
    world.model.misbehave(plan);
    let response = world.ask("a").await.unwrap();
    assert_eq!(response.headers()["retry-after"], "2");
    assert!(!response.headers().contains_key("content-type"));
}

#[tokio::test]
async fn a_delay_is_in_the_stand_in_s_time() {
    let world = World::new().await;
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    world.model.use_clock(&clock);
    world.model.misbehave(Plan::delay(Duration::from_mins(1)));
    let asking = world.ask("a");
    tokio::pin!(asking);
    tokio::select! {
        _ = &mut asking => panic!("answered too soon"),
        () = world.model.wait_for(1) => {}
    }
    clock.advance(Duration::from_secs(59));
    // A request that is answered shows that the stand-in had its chance.
    world.control_json("GET", "requests").await;
    assert!(poll!(&mut asking).is_pending());
    clock.advance(Duration::from_secs(1));
    assert_eq!(asking.await.unwrap().status(), 200);
    assert_eq!(world.model.requests()[0].at, Timestamp::UNIX_EPOCH);
}

#[tokio::test]
async fn a_hanging_request_ends_with_the_stop() {
    let world = World::new().await;
    world.model.misbehave(Plan::hang());
    let mut events = world.model.events();
    let asking = world.ask("a");
    tokio::pin!(asking);
    tokio::select! {
        _ = &mut asking => panic!("answered"),
        line = events.recv() => assert!(line.unwrap().contains("hanging")),
    }
    assert!(poll!(&mut asking).is_pending());
    world.shutdown.stop();
    asking.await.unwrap_err();
    let cut = world
        .shutdown
        .drain(&Clock::system(), Duration::from_secs(30))
        .await;
    assert_eq!(cut, 0);
    assert!(world.ask("b").await.unwrap_err().is_connect());
}

#[tokio::test]
async fn held_requests_wait_for_each_other() {
    let world = World::new().await;
    let hold = world.model.hold();
    let asking = join_all(["a", "b"].map(|text| world.status(text)));
    tokio::pin!(asking);
    tokio::select! {
        _ = &mut asking => panic!("answered while held"),
        () = world.model.wait_for(2) => {}
    }
    assert!(
        world
            .model
            .requests()
            .iter()
            .all(|kept| kept.status.is_none())
    );
    drop(hold);
    assert_eq!(asking.await, [200, 200]);
}

#[tokio::test]
async fn waiting_looks_at_what_came() {
    let world = World::new().await;
    let answered = world
        .model
        .wait_until(|kept| kept.iter().any(|kept| kept.status == Some(200)));
    tokio::pin!(answered);
    assert!(poll!(&mut answered).is_pending());
    world.status("a").await;
    answered.await;
}

#[tokio::test]
async fn faults_and_requests_are_served_over_http_too() {
    let world = World::new().await;
    let post = |body: &'static str| world.control("POST", "faults").body(body).send();
    assert_eq!(
        post(r#"{"status":503,"times":1}"#).await.unwrap().status(),
        200
    );
    assert_eq!(world.status("a").await, 503);
    let refused = post(r#"{"sttaus":503}"#).await.unwrap();
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("sttaus"));
    post(r#"{"status":500}"#).await.unwrap();
    assert_eq!(world.control_json("DELETE", "faults").await["plans"], 0);
    assert_eq!(world.status("b").await, 200);

    let shown = world.control_json("GET", "requests").await;
    assert_eq!(shown["count"], 2);
    let first = &shown["requests"][0];
    assert_eq!(
        (&first["status"], &first["path"]),
        (&json!(503), &json!("/v1/chat/completions"))
    );
    assert_eq!(first["body"]["messages"][0]["content"], "a");
    assert!(!shown.to_string().contains("my-key"), "{shown}");
    let azure = world
        .control("POST", "x?api-version=1")
        .header("api-key", "my-key");
    azure.send().await.unwrap();
    let shown = world.control_json("GET", "requests").await;
    assert_eq!(shown["requests"][2]["query"], "api-version=1");
    assert!(!shown.to_string().contains("my-key"), "{shown}");

    world.control_json("DELETE", "requests").await;
    assert_eq!(world.control_json("GET", "requests").await["count"], 0);
    assert_eq!(world.model.answered_with(200), 0);
}

#[tokio::test]
async fn a_stand_in_that_does_not_record_counts() {
    let world = World::new().await;
    world.model.record(false);
    world.status("a").await;
    assert!(world.model.requests().is_empty());
    assert_eq!(
        (world.model.request_count(), world.model.answered_with(200)),
        (1, 1)
    );
}

#[tokio::test]
async fn the_event_stream_has_a_line_for_each_request() {
    let world = World::new().await;
    let mut events = world.model.events();
    world.model.script([Reply::Text("Moin".to_owned())]);
    world.status("hello\nthere").await;
    assert_eq!(
        events.recv().await.unwrap(),
        "POST /v1/chat/completions 200 \"hello there\" -> \"Moin\""
    );
}

#[tokio::test]
async fn a_phone_posts_with_its_secret() {
    let world = World::new().await;
    let phone = Phone::new(format!("{}/inbound", world.model.url()), "s3cret").unwrap();
    let answered = phone.says("u1", "+15550100", "say \"hi\"").await.unwrap();
    assert_eq!(answered.status, 404);
    assert_eq!(answered.body["error"]["code"], "unknown_url");
    let kept = &world.model.requests()[0];
    assert_eq!(kept.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(
        kept.raw,
        r#"{"user_id": "u1", "phone_number": "+15550100", "message": "say "hi""}"#
    );
}

#[test]
fn excerpts_are_one_line_and_cut_between_characters() {
    assert_eq!(excerpt(" a\n\tb "), "a b");
    assert_eq!(excerpt(&"é".repeat(81)), format!("{}…", "é".repeat(80)));
}
