//! Links by which somebody acts whose desk can only follow an address.

use serde_json::Value;

use super::{HOUR, WISH, act, client, events, owner, path};
use crate::world::World;

const GATEWAY: &str = "https://gateway.acme.dev";

async fn world() -> World {
    let world = World::with_server(&format!("public_url = \"{GATEWAY}\"")).await;
    world.tells("ana", WISH).await;
    world
}

/// Gives the links of the last event, by their names, as they lead to the gateway of the test.
fn link(world: &World, name: &str) -> String {
    let event = world.desk.received().pop().unwrap().body;
    let link = event["actions"][name].as_str().unwrap();
    link.replace(GATEWAY, &world.url())
}

async fn get(url: &str) -> (u16, String) {
    let response = reqwest::get(url).await.unwrap();
    let headers = response.headers();
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["cache-control"], "no-store");
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Sends the form of a page, as a browser does.
async fn submit(url: &str, page: &str, text: &str) -> (u16, String) {
    let key = page.split("name=\"key\" value=\"").nth(1).unwrap();
    let key = key.split('"').next().unwrap();
    let response = client()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("text={text}&key={key}"))
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn who_follows_a_link_is_asked_first_and_acts_by_the_button() {
    let world = world().await;
    let ack = link(&world, "ack_url");
    for _ in 0..3 {
        let (status, page) = get(&ack).await;
        assert_eq!(status, 200);
        assert!(page.contains("<form method=\"post\">") && !page.contains("ana"));
    }
    assert_eq!(owner(&world), "pending", "looking changes nothing");
    let (_, page) = get(&ack).await;
    assert_eq!(submit(&ack, &page, "").await.0, 200);
    assert_eq!(owner(&world), "human");

    let reply = link(&world, "reply_url");
    let (_, page) = get(&reply).await;
    for _ in 0..2 {
        let (status, said) = submit(&reply, &page, "Bea+here+%26+ready").await;
        assert_eq!(status, 200, "{said}");
    }
    world.rest().await;
    let heard = world.heard("ana");
    let words = heard.iter().filter(|text| *text == "Bea here & ready");
    assert_eq!(words.count(), 1, "two clicks are one act: {heard:?}");

    let release = link(&world, "release_url");
    let (_, page) = get(&release).await;
    assert_eq!(submit(&release, &page, "").await.0, 200);
    assert_eq!(owner(&world), "assistant");
    world.rest().await;
    assert_eq!(
        events(&world),
        ["handoff.requested", "handoff.acknowledged", "handoff.ended"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_program_may_post_to_a_link_too() {
    let world = world().await;
    let answer = client()
        .post(link(&world, "reply_url"))
        .header("content-type", "application/json")
        .body(r#"{"text": "Hello.", "agent": "bea"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 202);
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(body["agent"], "bea");
    world.end().await;
}

#[tokio::test]
async fn a_link_is_good_for_its_own_act_on_its_own_handoff_while_that_lasts() {
    let world = world().await;
    let ack = link(&world, "ack_url");
    let token = ack.split("token=").nth(1).unwrap().to_owned();
    let post = async |url: &str| {
        let response = client().post(url).send().await.unwrap();
        response.status().as_u16()
    };
    // Another act, another conversation, another letter.
    let release = format!("{}{}?token={token}", world.url(), path(&world, "release"));
    assert_eq!(post(&release).await, 401);
    let other = "/v1/conversations/00000000-0000-7000-8000-000000000000/ack";
    let other = format!("{}{other}?token={token}", world.url());
    assert_eq!(post(&other).await, 401);
    let flipped = if token.starts_with('B') { 'C' } else { 'B' };
    let forged = ack.replace(&token, &format!("{flipped}{}", &token[1..]));
    assert_eq!(post(&forged).await, 401);
    assert_eq!(get(&forged).await.0, 401);
    assert_eq!(post(&ack.replace(&token, "")).await, 401);
    assert_eq!(owner(&world), "pending");

    // The next handoff has links of its own.
    act(&world, "release", serde_json::json!({})).await;
    world
        .tells("ana", "I really want to talk to a human now")
        .await;
    assert_eq!(owner(&world), "pending");
    assert_eq!(post(&ack).await, 409);
    let (status, page) = get(&ack).await;
    assert_eq!(status, 409);
    assert!(page.contains("is over"), "{page}");
    assert_eq!(owner(&world), "pending");
    assert_eq!(post(&link(&world, "ack_url")).await, 200);
    world.end().await;
}

#[tokio::test]
async fn a_link_ends_after_a_week_also_where_the_handoff_does_not() {
    let world = world().await;
    let release = link(&world, "release_url");
    act(&world, "ack", serde_json::json!({})).await;
    for turn in 1..=16 {
        world.clock.advance(11 * HOUR);
        world
            .tells("ana", &format!("still here, turn {turn}"))
            .await;
    }
    assert_eq!(owner(&world), "human");
    assert_eq!(get(&release).await.0, 401);
    // The events since then carry younger ones.
    assert_eq!(get(&link(&world, "release_url")).await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn without_an_address_of_the_gateway_there_are_no_links() {
    let world = World::start().await;
    world.tells("ana", WISH).await;
    let event = world.desk.received().pop().unwrap().body;
    assert!(event["actions"]["ack_url"].is_null(), "{event}");
    let answer = reqwest::get(format!("{}{}", world.url(), path(&world, "ack")));
    assert_eq!(answer.await.unwrap().status(), 405);
    world.end().await;
}
