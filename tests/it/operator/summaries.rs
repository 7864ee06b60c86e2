//! Running summaries, as operators see them and end them.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use reqwest::Method;
use serde_json::json;

use super::{act, ask, conversation_of, read};
use crate::summaries::{ON, TEMPLATE, answers, asked, kept, quiet, wait_for_asked, wait_for_kept};
use crate::world::{ADMIN_SECRET, World};

const SECOND: Duration = Duration::from_secs(1);

/// What a summary takes, so that something can happen meanwhile.
const SLOW: Duration = Duration::from_secs(5);

/// Gives a world where Ana's window has just overflowed.
async fn overflowed(plan: Option<Plan>) -> World {
    let world = World::with(ON).await;
    answers(&world.model);
    if let Some(plan) = plan {
        world.model.misbehave(plan.when(TEMPLATE).times(1));
    }
    for text in ["one", "two", "three"] {
        world.tells("ana", text).await;
    }
    wait_for_asked(&world, 1).await;
    world
}

#[tokio::test]
async fn a_summary_is_shown_with_its_conversation_and_erased_with_it() {
    let world = overflowed(None).await;
    wait_for_kept(&world, "ana", Some("Ana likes tulips. No. 1.")).await;
    let id = conversation_of(&world, "ana").await;
    let path = format!("/operator/v1/conversations/{id}");
    let shown = read(&world, &path).await["summary"].clone();
    assert_eq!(shown, "Ana likes tulips. No. 1.");
    let body = json!({ "external_id": "ana" });
    let erased = ask(
        &world,
        ADMIN_SECRET,
        Method::POST,
        "/operator/v1/erasures",
        Some(&body),
    )
    .await;
    assert_eq!(erased.status, 201, "{erased:?}");
    for entry in std::fs::read_dir(world.folder()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let trace = b"tulips".as_slice();
        assert!(!bytes.windows(trace.len()).any(|window| window == trace));
    }
    world.end().await;
}

#[tokio::test]
async fn a_customer_who_is_erased_while_a_summary_is_made_leaves_none() {
    let world = overflowed(Some(Plan::delay(SLOW))).await;
    let body = json!({ "external_id": "ana" });
    let erased = ask(
        &world,
        ADMIN_SECRET,
        Method::POST,
        "/operator/v1/erasures",
        Some(&body),
    )
    .await;
    assert_eq!(erased.status, 201, "{erased:?}");
    // The same customer comes back, in the same row.
    world.tells("ana", "hello").await;
    world.pass(SLOW).await;
    quiet(&world).await;
    assert_eq!(kept(&world, "ana"), None);
    world.tells("ana", "hello again").await;
    assert_eq!(world.last_asked()[1].1, "hello");
    world.end().await;
}

#[tokio::test]
async fn a_takeover_while_a_summary_is_made_leaves_none() {
    let world = overflowed(Some(Plan::delay(SLOW))).await;
    let id = conversation_of(&world, "ana").await;
    let path = format!("/operator/v1/conversations/{id}");
    assert_eq!(act(&world, &format!("{path}/takeover")).await.status, 200);
    world.pass(SLOW).await;
    quiet(&world).await;
    assert_eq!(kept(&world, "ana"), None);
    // What people do is summed up when the assistant has the conversation again.
    world.tells("ana", "to a person").await;
    quiet(&world).await;
    assert_eq!(asked(&world).len(), 1);
    assert_eq!(act(&world, &format!("{path}/release")).await.status, 200);
    world.tells("ana", "four").await;
    wait_for_kept(&world, "ana", Some("Ana likes tulips. No. 2.")).await;
    let again = asked(&world).pop().unwrap();
    assert!(again[1].1.starts_with("one"), "{again:?}");
    world.pass(SECOND).await;
    world.end().await;
}

#[tokio::test]
async fn who_says_stop_while_a_summary_is_made_is_not_summed_up() {
    let world = overflowed(Some(Plan::delay(SLOW))).await;
    world.tells("ana", "stop").await;
    world.pass(SLOW).await;
    quiet(&world).await;
    assert_eq!(world.outcomes("ana").pop().as_deref(), Some("canned"));
    assert_eq!(kept(&world, "ana"), None);
    world.end().await;
}
