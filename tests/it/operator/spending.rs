//! What asking models took, as operators see it.

use std::time::Duration;

use frontdesk::sandbox::model::Reply;
use serde_json::{Value, json};

use super::{conversation_of, each, read};
use crate::world::World;

const DAY: Duration = Duration::from_hours(24);

/// Gives a world whose model takes 1,000 tokens for each answer, 0.0036 in money.
async fn world() -> World {
    let world = World::with("[models.main.price]\ninput = 2\noutput = 10").await;
    let text = json!({ "reply": "Here you are.", "action": "answer" }).to_string();
    let body = json!({
        "choices": [{ "finish_reason": "stop", "message": { "role": "assistant", "content": text } }],
        "usage": { "prompt_tokens": 800, "completion_tokens": 200 },
    });
    world
        .model
        .respond_with(move |_| Reply::Raw(200, body.to_string()));
    world
}

fn shown(day: &str, calls: u64) -> Value {
    json!({
        "assistant": "support",
        "day": day,
        "calls": calls,
        "untold": 0,
        "input_tokens": 800 * calls,
        "output_tokens": 200 * calls,
        "cost": f64::from(u32::try_from(36 * calls).unwrap()) / 10_000.0,
    })
}

#[tokio::test]
async fn each_day_of_an_assistant_is_shown_and_those_of_a_conversation_with_it() {
    let world = world().await;
    let nothing = read(&world, "/operator/v1/spending").await;
    assert_eq!(nothing, json!({ "items": [] }));
    world.tells("ana", "hello").await;
    world.tells("bob", "hello").await;
    world.pass(DAY).await;
    world.tells("ana", "hello again").await;

    let days = read(&world, "/operator/v1/spending").await;
    let expected = [shown("2026-03-03", 1), shown("2026-03-02", 2)];
    assert_eq!(days, json!({ "items": expected }));
    let support = read(&world, "/operator/v1/spending?assistant=support").await;
    assert_eq!(support, days);
    let nobody = read(&world, "/operator/v1/spending?assistant=sales").await;
    assert_eq!(nobody, nothing);

    for (customer, days) in [
        ("ana", &["2026-03-03", "2026-03-02"][..]),
        ("bob", &["2026-03-02"]),
    ] {
        let id = conversation_of(&world, customer).await;
        let conversation = read(&world, &format!("/operator/v1/conversations/{id}")).await;
        let spending = json!({ "items": conversation["spending"] });
        assert_eq!(each(&spending, "day"), days);
        assert_eq!(spending["items"][0], shown(days[0], 1));
    }
    world.end().await;
}

#[tokio::test]
async fn what_a_day_takes_is_measured_and_so_are_turns_at_the_limit() {
    let world = world().await;
    let limits = "limits = { customer_tokens_a_day = 1000, assistant_tokens_a_day = 2000 }";
    let world = world.restart_with(&format!("[assistants.sales]\nsecrets = [\"env::INBOUND\"]\ncampaign_id = \"c\"\nmodels = [\"main\"]\nbusiness = {{ name = \"Acme\" }}\n{limits}")).await;
    for (customer, text) in [
        ("ana", "one"),
        ("ana", "two"),
        ("bob", "one"),
        ("eve", "one"),
    ] {
        let sales = world.phone("sales");
        sales.says(customer, "+15550100", text).await.unwrap();
        world.pass(Duration::from_secs(1)).await;
    }
    let scrape = super::client()
        .get(format!("http://{}/metrics", world.app.operator_address()))
        .send();
    let scrape = scrape.await.unwrap().text().await.unwrap();
    for line in [
        r#"frontdesk_spent_tokens_total{assistant="sales",direction="input"} 1600"#,
        r#"frontdesk_spent_tokens_total{assistant="sales",direction="output"} 400"#,
        r#"frontdesk_spent_tokens_total{assistant="support",direction="input"} 0"#,
        r#"frontdesk_spent_cost_total{assistant="sales"} 0.0072"#,
        r#"frontdesk_limit_reached_total{assistant="sales",of="customer"} 1"#,
        r#"frontdesk_limit_reached_total{assistant="sales",of="assistant"} 1"#,
        r#"frontdesk_messages_total{assistant="sales",outcome="failed(limit)"} 2"#,
    ] {
        assert!(scrape.contains(line), "{line}\n{scrape}");
    }
    world.end().await;
}
