//! The desk's checks against a signer that is not ours, and what it records.

use rstest::rstest;

use super::super::Plan;
use super::*;
use crate::clock::Clock;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_700_000_000;

struct World {
    desk: Desk,
    client: reqwest::Client,
}

impl World {
    async fn new() -> Self {
        let desk = Desk::start(([127, 0, 0, 1], 0).into(), &Shutdown::new())
            .await
            .unwrap();
        desk.use_clock(&Clock::manual(Timestamp::from_second(NOW).unwrap()));
        desk.check_signatures(SECRET).unwrap();
        let client = client().unwrap();
        Self { desk, client }
    }

    async fn send(&self, id: &str, timestamp: i64, signature: &str, body: &str) -> (u16, Value) {
        let mut request = self.client.post(self.desk.url()).body(body.to_owned());
        for (name, value) in [
            ("webhook-id", id),
            ("webhook-timestamp", &timestamp.to_string()),
            ("webhook-signature", signature),
        ] {
            if !value.is_empty() {
                request = request.header(name, value);
            }
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    async fn signed(&self, id: &str, body: &str) -> (u16, Value) {
        self.send(id, NOW, &sign(id, NOW, body), body).await
    }
}

fn sign(id: &str, timestamp: i64, body: &str) -> String {
    let signer = standardwebhooks::Webhook::new(SECRET).unwrap();
    signer.sign(id, timestamp, body.as_bytes()).unwrap()
}

fn requested() -> String {
    json!({
        "version": 1, "event": "handoff.requested", "id": "h1", "occurred_at": "2026-03-02T10:00:00Z",
        "conversation": { "id": "c1" }, "reason": { "code": "user_request" },
    })
    .to_string()
}

#[tokio::test]
async fn a_signed_event_is_taken_once_and_known_again() {
    let world = World::new().await;
    let mut events = world.desk.events();
    for _ in 0..2 {
        assert_eq!(world.signed("m1", &requested()).await, (200, json!({})));
    }
    let message = json!({ "event": "handoff.message", "id": "h2", "conversation": { "id": "c1" } });
    world.signed("m2", &message.to_string()).await;
    world.desk.wait_for_events(3).await;
    world
        .desk
        .wait_until_events(|events| events.iter().any(|event| event.id == "m2"))
        .await;
    let received = world.desk.received();
    let seen: Vec<_> = received
        .iter()
        .map(|event| (event.name.as_str(), event.is_duplicate))
        .collect();
    assert_eq!(
        seen,
        [
            ("handoff.requested", false),
            ("handoff.requested", true),
            ("handoff.message", false)
        ]
    );
    assert_eq!(
        (
            received[0].conversation_id(),
            &received[0].headers["webhook-id"]
        ),
        ("c1", &"m1".parse().unwrap())
    );
    assert_eq!(
        events.recv().await.unwrap(),
        "POST /handoff 200 handoff.requested c1"
    );
    assert_eq!(
        events.recv().await.unwrap(),
        "POST /handoff 200 handoff.requested c1 (again)"
    );

    world.desk.clear();
    world.signed("m1", &requested()).await;
    assert!(!world.desk.received()[0].is_duplicate);
}

#[tokio::test]
async fn one_good_signature_of_several_will_do() {
    let world = World::new().await;
    let signatures = format!("v1,bm90IHRoaXM= v2,x {}", sign("m1", NOW, &requested()));
    assert_eq!(
        world.send("m1", NOW, &signatures, &requested()).await.0,
        200
    );
}

#[rstest]
#[case::no_id("", NOW, "v1,x")]
#[case::no_signature("m1", NOW, "")]
#[case::other_version("m1", NOW, "v2,x")]
#[case::no_base64("m1", NOW, "v1,???")]
#[case::wrong("m1", NOW, "v1,bm90IHRoaXM=")]
#[case::of_another_id("m1", NOW, &sign("m2", NOW, &requested()))]
#[case::of_another_time("m1", NOW, &sign("m1", NOW + 1, &requested()))]
#[case::of_another_body("m1", NOW, &sign("m1", NOW, "{}"))]
#[case::old("m1", NOW - 301, &sign("m1", NOW - 301, &requested()))]
#[case::early("m1", NOW + 301, &sign("m1", NOW + 301, &requested()))]
#[tokio::test]
async fn what_is_not_signed_well_is_refused(
    #[case] id: &str,
    #[case] timestamp: i64,
    #[case] signature: &str,
) {
    let world = World::new().await;
    let (status, body) = world.send(id, timestamp, signature, &requested()).await;
    assert_eq!(status, 401, "{body}");
    assert!(world.desk.received().is_empty());
}

#[tokio::test]
async fn the_tolerance_is_five_minutes() {
    let world = World::new().await;
    for timestamp in [NOW - 300, NOW + 300] {
        let signature = sign("m1", timestamp, &requested());
        assert_eq!(
            world
                .send("m1", timestamp, &signature, &requested())
                .await
                .0,
            200
        );
    }
}

#[rstest]
#[case("{", "object")]
#[case("[]", "object")]
#[case(r#"{"id":"h1","conversation":{"id":"c1"}}"#, "`event`")]
#[case(r#"{"event":"handoff.message","conversation":{"id":"c1"}}"#, "`id`")]
#[case(
    r#"{"event":"handoff.message","id":"h1","conversation_id":"c1"}"#,
    "`conversation.id`"
)]
#[case(
    r#"{"event":"handoff.requested","id":"h1","occurred_at":"x","conversation":{"id":"c1"}}"#,
    "`reason.code`"
)]
#[tokio::test]
async fn an_event_that_tells_too_little_is_refused(#[case] body: &str, #[case] says: &str) {
    let world = World::new().await;
    let (status, answer) = world.signed("m1", body).await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().contains(says), "{answer}");
}

#[tokio::test]
async fn without_a_secret_the_headers_alone_must_be_there() {
    let desk = Desk::start(([127, 0, 0, 1], 0).into(), &Shutdown::new())
        .await
        .unwrap();
    let world = World {
        desk,
        client: client().unwrap(),
    };
    assert_eq!(
        world.send("m1", 5, "v1,anything", &requested()).await.0,
        200
    );
    assert_eq!(world.send("m1", 5, "", &requested()).await.0, 401);
    for secret in ["MfKQ9r8GKYqr", "whsec_???"] {
        assert!(world.desk.check_signatures(secret).is_err(), "{secret}");
    }
}

#[tokio::test]
async fn only_events_under_handoff_are_taken() {
    let world = World::new().await;
    let post = |path: &str| {
        world
            .client
            .post(format!("http://{}{path}", world.desk.address()))
            .send()
    };
    assert_eq!(post("/handoffs").await.unwrap().status(), 404);
    assert_eq!(post("/handoff/support").await.unwrap().status(), 401);
    assert_eq!(
        world
            .client
            .get(world.desk.url())
            .send()
            .await
            .unwrap()
            .status(),
        405
    );
    world.desk.misbehave(Plan::status(503));
    assert_eq!(world.signed("m1", &requested()).await.0, 503);
}

#[tokio::test]
async fn a_release_goes_to_the_conversation_with_the_secret() {
    let world = World::new().await;
    let gateway = format!("http://{}/handoff", world.desk.address());
    let answered = world.desk.release(&gateway, "c1", "s3cret").await.unwrap();
    assert_eq!(answered.status, 401);
    let request = &world.desk.requests()[0];
    assert_eq!(request.path, "/handoff/v1/conversations/c1/release");
    assert_eq!(request.header("authorization"), Some("Bearer s3cret"));
}

#[test]
fn the_memory_for_ids_is_bounded() {
    let mut seen = Seen::default();
    for id in 0..=SEEN_MAX {
        assert!(seen.add(&id.to_string()));
    }
    assert_eq!((seen.ids.len(), seen.order.len()), (SEEN_MAX, SEEN_MAX));
    assert!(seen.add("0") && !seen.add(&SEEN_MAX.to_string()));
}
