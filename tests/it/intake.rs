//! The inbound door: who may post, what is taken, what is refused and how.

use frontdesk::sandbox::{Answered, Phone};
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::world::{INBOUND_SECRET, World};

const BODY: &str = r#"{"user_id": "u1", "phone_number": "+1555", "message": "hi"}"#;

async fn post(world: &World, path: &str, secret: &str, body: &str) -> (u16, String, Value) {
    let response = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{}{path}", world.url()))
        .bearer_auth(secret)
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    let kind = response
        .headers()
        .get(CONTENT_TYPE)
        .map(|kind| kind.to_str().unwrap().to_owned());
    let body = response.text().await.unwrap();
    (
        status,
        kind.unwrap_or_default(),
        serde_json::from_str(&body).unwrap_or_default(),
    )
}

#[tokio::test]
async fn both_secrets_of_a_rotation_open_the_door_and_nothing_else_does() {
    let world = World::start().await;
    for (secret, status) in [
        (INBOUND_SECRET, 202),
        ("the-next-inbound-secret-of-the-rotation", 200),
        ("wrong", 401),
        ("", 401),
    ] {
        assert_eq!(
            post(&world, "/v1/inbound", secret, BODY).await.0,
            status,
            "{secret}"
        );
    }
    let known = post(&world, "/v1/inbound/support", "wrong", BODY).await;
    let unknown = post(&world, "/v1/inbound/nobody", "wrong", BODY).await;
    assert_eq!(
        known, unknown,
        "a guesser learns which assistants there are"
    );
    assert_eq!(
        post(&world, "/v1/inbound/nobody", INBOUND_SECRET, BODY)
            .await
            .0,
        404
    );
    world.end().await;
}

#[tokio::test]
async fn what_is_refused_is_refused_by_name() {
    let world = World::start().await;
    let long_text = format!(
        r#"{{"user_id": "u1", "phone_number": "+1", "message": "{}"}}"#,
        "x".repeat(20_000)
    );
    let huge = "x".repeat(256 * 1_024 + 1);
    for (path, body, status, names) in [
        ("/v1/inbound", "not json", 400, ""),
        ("/v1/inbound", "", 400, ""),
        (
            "/v1/inbound",
            r#"{"user_id": "u1", "phone_number": "+1"}"#,
            400,
            "message",
        ),
        (
            "/v1/inbound",
            r#"{"user_id": "", "phone_number": "", "message": "hi"}"#,
            400,
            "user_id",
        ),
        ("/v1/inbound", &long_text, 400, "message"),
        ("/v1/inbound", &huge, 413, "server.body_bytes"),
        ("/nowhere", BODY, 404, ""),
        ("/healthz", BODY, 405, ""),
    ] {
        let (got, kind, problem) = post(&world, path, INBOUND_SECRET, body).await;
        assert_eq!(got, status, "{problem}");
        assert_eq!(kind, "application/problem+json");
        assert_eq!(problem["status"], status);
        assert!(
            problem["detail"].as_str().unwrap().contains(names),
            "{problem}"
        );
    }
    let counts = world.app.store().counts().await.unwrap();
    assert_eq!((counts.waiting, counts.quarantined), (0, 5));
    world.end().await;
}

#[tokio::test]
async fn a_message_that_comes_twice_is_answered_once() {
    let world = World::start().await;
    let phone = Phone::new(format!("{}/v1/inbound", world.url()), INBOUND_SECRET).unwrap();
    let posts = (0..50).map(|_| phone.says("u1", "+1555", "yes"));
    let answers: Vec<Answered> = futures_util::future::join_all(posts)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let taken = answers.iter().filter(|answer| answer.status == 202).count();
    let ids: std::collections::BTreeSet<_> = answers
        .iter()
        .map(|a| a.body["message_id"].to_string())
        .collect();
    assert_eq!((taken, ids.len()), (1, 1));
    world.pass(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.heard("u1").len(), 1);
    // Half a minute later the same word is a new one.
    world.clock.advance(std::time::Duration::from_secs(30));
    world.tells("u1", "yes").await;
    assert_eq!(world.heard("u1").len(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_path_that_is_no_text_is_refused_like_any_other() {
    let world = World::start().await;
    let (status, kind, _) = post(&world, "/v1/inbound/%ff", "wrong", BODY).await;
    assert_eq!((status, kind.as_str()), (401, "application/problem+json"));
    let (status, ..) = post(&world, "/v1/inbound/%ff", INBOUND_SECRET, BODY).await;
    assert_eq!(status, 404);
    world.end().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::start().await;
    let mut socket = tokio::net::TcpStream::connect(world.app.address())
        .await
        .unwrap();
    let head = format!(
        "POST /v1/inbound HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {INBOUND_SECRET}\r\n\
         Content-Length: 50\r\n\r\n{{"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let reading = socket.read_to_string(&mut answer);
    let passing = async {
        loop {
            world.clock.advance(std::time::Duration::from_secs(1));
            world.app.store().counts().await.unwrap();
        }
    };
    tokio::select! {
        read = crate::world::soon(reading) => drop(read.unwrap()),
        () = passing => {}
    }
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    world.end().await;
}

#[tokio::test]
async fn health_tells_the_truth() {
    let world = World::start().await;
    let get = async |path: &str| {
        reqwest::get(format!("{}{path}", world.url()))
            .await
            .unwrap()
            .status()
    };
    assert_eq!(get("/healthz").await, 200);
    assert_eq!(get("/readyz").await, 200);
    world.end().await;
}
