//! A day's limits of tokens and money: what is counted, what happens when they are reached, and when the day is over.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use jiff::Timestamp;
use serde_json::json;

use crate::world::{START, World, soon};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
const LIMIT: &str = "can’t answer any more messages today";
const PRICE: &str = "[models.main.price]\ninput = 2\noutput = 10";

/// Gives the answer of a server that counts so many tokens.
fn counted(usage: &serde_json::Value) -> Reply {
    let text = json!({
        "reply": "Here you are.", "action": "answer", "rule": null, "reason": null, "language": "en",
    });
    let body = json!({
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{
            "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": text.to_string() },
        }],
        "usage": usage,
    });
    Reply::Raw(200, body.to_string())
}

/// Gives the answer of a server that keeps its words to itself, and has counted 100 tokens.
fn filtered() -> Reply {
    let body = json!({
        "choices": [{"message": {"role": "assistant", "content": null}, "finish_reason": "content_filter"}],
        "usage": {"prompt_tokens": 90, "completion_tokens": 10},
    });
    Reply::Raw(200, body.to_string())
}

/// Gives a world whose model takes 1,000 tokens for each answer, 0.0036 in money, with these limits of the assistant.
async fn limited(limits: &str) -> World {
    let more = format!("{PRICE}\n[assistants.support.limits]\nbrake.pause = \"0s\"\n{limits}");
    let world = World::with(&more).await;
    world.model.respond_with(|_| {
        counted(&json!({"prompt_tokens": 800, "completion_tokens": 200, "total_tokens": 1000}))
    });
    world
}

/// Moves the clock to a time of day, seen from UTC, in steps that the upkeep can follow.
async fn until(world: &World, time: &str) {
    let time: Timestamp = time.parse().unwrap();
    let wait = time.duration_since(world.clock.now());
    world.clock.advance(Duration::try_from(wait).unwrap());
    world.breathe().await;
}

/// Gives the sums in the store: calls, calls of which nothing is known, tokens, cost in billionths.
fn sums(world: &World, table: &str) -> Vec<String> {
    world.rows(&format!(
        "SELECT day || ' ' || calls || ' ' || untold || ' ' || (input_tokens + output_tokens) || ' ' || cost
         FROM {table} ORDER BY day"
    ))
}

#[tokio::test]
async fn tokens_and_money_are_counted_by_what_the_server_tells() {
    let world = limited("").await;
    world.tells("ana", "hello").await;
    world.tells("bob", "hello").await;
    world.tells("ana", "hello again").await;
    assert_eq!(
        sums(&world, "conversation_spending"),
        ["2026-03-02 2 0 2000 7200000", "2026-03-02 1 0 1000 3600000"]
    );
    assert_eq!(
        sums(&world, "assistant_spending"),
        ["2026-03-02 3 0 3000 10800000"]
    );
    let world = world.restart().await;
    world.tells("bob", "hello again").await;
    assert_eq!(
        sums(&world, "assistant_spending"),
        ["2026-03-02 4 0 4000 14400000"]
    );
    world.end().await;
}

#[tokio::test]
async fn what_nobody_told_is_counted_as_such_and_costs_nothing() {
    let world = limited("").await;
    world.model.script([
        counted(&json!(null)),
        // Words that nobody can use took their tokens all the same.
        filtered(),
    ]);
    world.tells("ana", "hello").await;
    assert_eq!(sums(&world, "assistant_spending"), ["2026-03-02 1 1 0 0"]);
    world.tells("ana", "hello again").await;
    assert_eq!(
        sums(&world, "assistant_spending"),
        ["2026-03-02 2 1 100 280000"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_call_that_is_cut_short_is_counted_with_its_turn() {
    let world = limited("").await;
    let hold = world.model.hold();
    world.says("ana", "one").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    world.says("ana", "two").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(2)).await;
    assert_eq!(sums(&world, "assistant_spending"), ["2026-03-02 1 1 0 0"]);
    drop(hold);
    world.rest().await;
    assert_eq!(
        sums(&world, "conversation_spending"),
        ["2026-03-02 2 1 1000 3600000"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_superseded_turn_is_charged_for_what_its_first_model_took() {
    let world = World::with_models(true, "", "").await;
    world.model.script([filtered()]);
    let hold = world.spare.hold();
    world.says("ana", "one").await;
    world.clock.advance(SECOND);
    soon(world.spare.wait_for(1)).await;
    world.model.script([counted(
        &json!({"prompt_tokens": 7, "completion_tokens": 3}),
    )]);
    world.says("ana", "two").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(2)).await;
    drop(hold);
    world.rest().await;
    assert_eq!(
        sums(&world, "conversation_spending"),
        ["2026-03-02 3 1 110 0"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_customer_at_the_limit_hears_so_once_a_day_and_others_are_answered() {
    let world = limited("customer_tokens_a_day = 1_500").await;
    for text in ["one", "two", "three", "four"] {
        world.tells("ana", text).await;
    }
    let heard = world.heard("ana");
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[2].contains(LIMIT), "{heard:?}");
    assert_eq!(
        world.outcomes("ana"),
        ["replied", "replied", "failed(limit)", "suppressed(limit)"]
    );
    world.tells("bob", "hello").await;
    assert_eq!(world.outcomes("bob"), ["replied"]);
    assert_eq!(world.model.request_count(), 3);

    // What costs nothing goes on: rules, and the wish to stop or for a person.
    world.tells("ana", "STOP").await;
    world.tells("ana", "START").await;
    world.tells("ana", "I want to talk to a human").await;
    assert_eq!(
        world.outcomes("ana")[4..],
        ["canned", "canned", "handed_off"]
    );
    world.tells("ana", "hello?").await;
    assert_eq!(world.outcomes("ana").pop().unwrap(), "forwarded");
    let summary = &world.desk.received()[0].body["summary"];
    assert!(summary.is_null(), "a summary costs, too: {summary}");
    assert_eq!(world.model.request_count(), 3);
    world.end().await;
}

#[tokio::test]
async fn the_sums_of_a_day_outlive_the_process_and_end_at_midnight_where_the_business_is() {
    let world = limited("customer_cost_a_day = 0.0036").await;
    let world = world
        .restart_with("[assistants.sales]\nsecrets = [\"env::INBOUND\"]\ncampaign_id = \"c\"\nmodels = [\"main\"]\ntime_zone = \"America/New_York\"\nlimits = { assistant_tokens_a_day = 1000 }\nbusiness = { name = \"Acme\" }\n")
        .await;
    // The clocks of New York are put forward on the 8th at two, so this Sunday has 23 hours.
    until(&world, "2026-03-08T05:00:00Z").await;
    world.tells("ana", "hello").await;
    let world = world.restart().await;
    world.tells("ana", "still there?").await;
    assert_eq!(world.outcomes("ana"), ["replied", "failed(limit)"]);

    // Each assistant has days of its own: those of support are UTC's.
    until(&world, "2026-03-09T00:00:00Z").await;
    world.tells("ana", "good morning").await;
    assert_eq!(world.outcomes("ana").pop().unwrap(), "replied");
    let sales = world.phone("sales");
    sales.says("eve", "+15550101", "hello").await.unwrap();
    world.pass(SECOND).await;
    until(&world, "2026-03-09T03:59:58Z").await;
    sales.says("eve", "+15550101", "hello?").await.unwrap();
    world.pass(SECOND).await;
    assert_eq!(world.outcomes("eve"), ["replied", "failed(limit)"]);
    until(&world, "2026-03-09T04:00:00Z").await;
    sales.says("eve", "+15550101", "hello again").await.unwrap();
    world.pass(SECOND).await;
    assert_eq!(world.outcomes("eve").pop().unwrap(), "replied");
    assert_eq!(
        world.rows("SELECT assistant || ' ' || day FROM assistant_spending ORDER BY 1"),
        [
            "sales 2026-03-08",
            "sales 2026-03-09",
            "support 2026-03-08",
            "support 2026-03-09"
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn the_assistants_limit_holds_for_all_customers_and_each_hears_so_again_the_next_day() {
    let world = limited("assistant_cost_a_day = 0.007").await;
    for (customer, text) in [
        ("ana", "one"),
        ("bob", "one"),
        ("eve", "one"),
        ("eve", "two"),
    ] {
        world.tells(customer, text).await;
    }
    assert_eq!(world.outcomes("bob"), ["replied"]);
    assert_eq!(
        world.outcomes("eve"),
        ["failed(limit)", "suppressed(limit)"]
    );
    until(&world, "2026-03-03T00:00:00Z").await;
    for customer in ["ana", "bob", "eve"] {
        world.tells(customer, "hello").await;
    }
    assert_eq!(world.outcomes("eve").pop().unwrap(), "failed(limit)");
    assert_eq!(world.heard("eve").len(), 2);
    world.end().await;
}

#[tokio::test]
async fn people_are_asked_at_the_limit_where_the_configuration_says_so() {
    let world = limited("customer_tokens_a_day = 1000\nat_limit = \"hand_off\"").await;
    world.tells("ana", "hello").await;
    world.tells("ana", "my parcel is lost").await;
    assert_eq!(world.outcomes("ana"), ["replied", "handed_off"]);
    let event = world.desk.received().pop().unwrap();
    assert_eq!(event.body["reason"]["code"], "limit");
    assert_eq!(event.body["reason"]["evidence"], "my parcel is lost");
    assert!(event.body["summary"].is_null());
    assert_eq!(world.model.request_count(), 1);
    assert!(world.heard("ana")[1].contains("colleague"));
    world.end().await;
}

#[tokio::test]
async fn a_summary_is_left_out_where_the_turn_itself_has_reached_the_limit() {
    let world = limited("customer_tokens_a_day = 1000").await;
    world.model.respond_with(|_| {
        let mut answer = counted(&json!({"prompt_tokens": 900, "completion_tokens": 100}));
        if let Reply::Raw(_, body) = &mut answer {
            *body = body.replace("\\\"answer\\\"", "\\\"escalate\\\"");
        }
        answer
    });
    world.tells("ana", "hello").await;
    assert_eq!(world.outcomes("ana"), ["handed_off"]);
    assert_eq!(world.model.request_count(), 1);
    assert!(world.desk.received()[0].body["summary"].is_null());
    world.end().await;
}

#[tokio::test]
async fn an_outage_of_braze_does_not_hide_that_the_limit_is_reached() {
    let world = limited("customer_tokens_a_day = 1000").await;
    world.tells("ana", "hello").await;
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    world.says("ana", "one").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(2)).await;
    world.says("ana", "two").await;
    world.within(Duration::from_mins(1)).await;
    // The words that never left were not said, so they are said to both.
    assert_eq!(world.heard("ana").len(), 2);
    assert_eq!(
        world.outcomes("ana"),
        ["replied", "failed(limit)", "failed(limit)"]
    );
    world.clock.advance(HOUR);
    assert!(world.clock.now() > START.parse().unwrap());
    world.end().await;
}
