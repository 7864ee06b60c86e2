//! Bodies that could not be read, tried again.

use frontdesk::braze::InboundLimits;
use reqwest::Method;
use serde_json::Value;

use super::{Answer, act, ask, client, each, read};
use crate::world::{INBOUND_SECRET, OPERATOR_SECRET, World, soon};

/// Posts a body as Braze would. Gives the status.
async fn post(world: &World, body: impl Into<reqwest::Body>) -> u16 {
    let request = client()
        .post(format!("{}/v1/inbound/support", world.url()))
        .bearer_auth(INBOUND_SECRET)
        .body(body);
    soon(request.send()).await.unwrap().status().as_u16()
}

async fn replay(world: &World, id: &str) -> Answer {
    act(world, &format!("/operator/v1/quarantine/{id}/replay")).await
}

fn long_text() -> String {
    let text = "word ".repeat(InboundLimits::default().text_bytes / 5 + 1);
    format!(r#"{{"user_id": "ana", "phone_number": "+15550100", "message": "{text}"}}"#)
}

#[tokio::test]
async fn a_body_is_shown_as_what_it_is() {
    let world = World::start().await;
    assert_eq!(post(&world, r#"{"message": "who am I?"}"#).await, 400);
    assert_eq!(post(&world, b"\xff\xfe\x00".to_vec()).await, 400);
    let list = read(&world, "/operator/v1/quarantine").await;
    assert_eq!(each(&list, "bytes"), ["3", "24"]);
    assert_eq!(each(&list, "assistant"), ["support", "support"]);
    let ids = each(&list, "id");
    let binary = read(&world, &format!("/operator/v1/quarantine/{}", ids[0])).await;
    assert_eq!(
        (&binary["text"], &binary["base64"]),
        (&Value::Null, &"//4A".into())
    );
    let text = read(&world, &format!("/operator/v1/quarantine/{}", ids[1])).await;
    assert_eq!(text["text"], r#"{"message": "who am I?"}"#);
    assert!(
        text["error"].as_str().unwrap().contains("user_id"),
        "{text}"
    );
    let first = read(&world, "/operator/v1/quarantine?limit=1").await;
    let next = first["next"].as_str().unwrap();
    let rest = read(
        &world,
        &format!("/operator/v1/quarantine?limit=1&cursor={next}"),
    )
    .await;
    assert_eq!(
        (each(&rest, "id"), &rest["next"]),
        (vec![ids[1].clone()], &Value::Null)
    );
    world.end().await;
}

#[tokio::test]
async fn what_still_cannot_be_read_is_kept_until_it_is_discarded() {
    let world = World::start().await;
    post(&world, r#"{"message": "who am I?"}"#).await;
    let id = each(&read(&world, "/operator/v1/quarantine").await, "id").remove(0);
    let refused = replay(&world, &id).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(
        refused.body["detail"].as_str().unwrap().contains("user_id"),
        "{refused:?}"
    );
    let path = format!("/operator/v1/quarantine/{id}");
    read(&world, &path).await;
    let discard = async || {
        ask(&world, OPERATOR_SECRET, Method::DELETE, &path, None)
            .await
            .status
    };
    assert_eq!((discard().await, discard().await), (204, 404));
    assert_eq!(replay(&world, &id).await.status, 404);
    let acts = read(&world, "/operator/v1/audit").await;
    assert_eq!(each(&acts, "action"), ["quarantine.discard"]);
    assert_eq!(each(&acts, "subject"), [id]);
    world.end().await;
}

#[tokio::test]
async fn a_body_that_can_be_read_by_now_is_answered_as_any_message() {
    let world = World::start().await;
    assert_eq!(post(&world, long_text()).await, 400);
    let world = world.restart_with("[inbound]\ntext_bytes = 100000").await;
    let id = each(&read(&world, "/operator/v1/quarantine").await, "id").remove(0);
    let replayed = replay(&world, &id).await;
    assert_eq!(
        (replayed.status, &replayed.body["duplicate"]),
        (202, &false.into()),
        "{replayed:?}"
    );
    world.pass(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.heard("ana").len(), 1);
    assert_eq!(replay(&world, &id).await.status, 404, "it is a message now");
    let acts = read(&world, "/operator/v1/audit").await;
    assert_eq!(each(&acts, "action"), ["quarantine.replay"]);
    assert_eq!(
        acts["items"][0]["detail"]["message_id"],
        replayed.body["message_id"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_body_whose_message_came_meanwhile_is_a_copy() {
    let world = World::start().await;
    assert_eq!(post(&world, long_text()).await, 400);
    let world = world.restart_with("[inbound]\ntext_bytes = 100000").await;
    assert_eq!(post(&world, long_text()).await, 202);
    let id = each(&read(&world, "/operator/v1/quarantine").await, "id").remove(0);
    let replayed = replay(&world, &id).await;
    assert_eq!(
        (replayed.status, &replayed.body["duplicate"]),
        (200, &true.into()),
        "{replayed:?}"
    );
    world.pass(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.heard("ana").len(), 1);
    world.end().await;
}

#[tokio::test]
async fn of_two_who_replay_one_body_one_does() {
    let world = World::start().await;
    assert_eq!(post(&world, long_text()).await, 400);
    let world = world.restart_with("[inbound]\ntext_bytes = 100000").await;
    let id = each(&read(&world, "/operator/v1/quarantine").await, "id").remove(0);
    let (a, b) = tokio::join!(replay(&world, &id), replay(&world, &id));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 404]);
    assert_eq!(
        each(&read(&world, "/operator/v1/audit").await, "action").len(),
        1
    );
    world.pass(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.heard("ana").len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_body_that_is_read_late_is_answered_as_what_it_is() {
    const HOUR: std::time::Duration = std::time::Duration::from_hours(1);
    for (wait, outcome) in [(HOUR, "failed(late)"), (24 * HOUR, "suppressed(expired)")] {
        let world = World::start().await;
        assert_eq!(post(&world, long_text()).await, 400);
        let world = world.restart_with("[inbound]\ntext_bytes = 100000").await;
        world.pass(wait).await;
        let id = each(&read(&world, "/operator/v1/quarantine").await, "id").remove(0);
        assert_eq!(replay(&world, &id).await.status, 202);
        world.pass(std::time::Duration::from_secs(1)).await;
        assert_eq!(world.outcomes("ana"), [outcome]);
        world.end().await;
    }
}
