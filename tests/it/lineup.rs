//! Which model is asked, how often, and what then: every fault, alone and with a second model behind the first.

use std::time::Duration;

use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::{Model, Plan};
use rstest::rstest;
use serde_json::{Value, json};

use crate::metrics::Scrape;
use crate::world::{World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// What the main model does in a test.
#[derive(Clone, Copy)]
enum Does {
    /// Answers with this status and body.
    Says(u16, &'static str),
    /// Closes the connection.
    Resets,
    /// Answers what nobody can read.
    Babbles,
    /// Never answers.
    Hangs,
}

impl Does {
    fn to(self, model: &Model) {
        match self {
            Self::Says(status, body) => {
                model.respond_with(move |_| Reply::Raw(status, body.to_owned()));
            }
            Self::Resets => model.misbehave(Plan::reset()),
            Self::Babbles => model.misbehave(Plan::garbage()),
            Self::Hangs => model.misbehave(Plan::hang()),
        }
    }

    /// Has it done once.
    fn once(self, model: &Model) {
        match self {
            Self::Says(status, body) => model.script([Reply::Raw(status, body.to_owned())]),
            Self::Resets => model.misbehave(Plan::reset().times(1)),
            Self::Babbles => model.misbehave(Plan::garbage().times(1)),
            Self::Hangs => model.misbehave(Plan::hang().times(1)),
        }
    }
}

const RATE_LIMITED: Does = Does::Says(429, r#"{"error":{"code":"rate_limit_exceeded"}}"#);
const OVERLOADED: Does = Does::Says(503, r#"{"error":{"message":"busy"}}"#);
const QUOTA: Does = Does::Says(429, r#"{"error":{"code":"insufficient_quota"}}"#);
const AUTH: Does = Does::Says(401, r#"{"error":{"code":"invalid_api_key"}}"#);
const BAD_REQUEST: Does = Does::Says(404, r#"{"error":{"code":"model_not_found"}}"#);
const TOO_LONG: Does = Does::Says(400, r#"{"error":{"code":"context_length_exceeded"}}"#);
const FILTERED: Does = Does::Says(400, r#"{"error":{"code":"content_filter"}}"#);
const REFUSED: Does = Does::Says(200, r#"{"choices":[{"message":{"refusal":"I cannot."}}]}"#);
const EMPTY: Does = Does::Says(200, r#"{"choices":[{"message":{"content":" "}}]}"#);
const TRUNCATED: Does = Does::Says(
    200,
    r#"{"choices":[{"message":{"content":"{\"reply\":\"Well, I"},"finish_reason":"length"}]}"#,
);

/// Tells how many calls of a model ended, by what they ended in.
async fn ended(world: &World, model: &str, fault: &str) -> u64 {
    let series = format!("model_requests_total{{model=\"{model}\",result=\"{fault}\"}}");
    Scrape::of(world).await.count(&series)
}

/// Lets time go by until everything is done, but never while a model thinks: it has all the time it needs.
pub(crate) async fn finish(world: &World) {
    for _ in 0..400 {
        let counts = world.app.store().counts().await.unwrap();
        if counts.waiting == 0 && counts.open_deliveries == [0, 0] {
            return world.told().await;
        }
        if Scrape::of(world).await.sum("model_calls{") < 0.5 {
            world.clock.advance(Duration::from_millis(250));
        }
        world.breathe().await;
    }
    panic!("not everything was done");
}

/// Lets time go by while a model hangs.
async fn wait_out(world: &World, time: Duration) {
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    world.clock.advance(time);
    finish(world).await;
}

/// Waits until a gauge of the main model stands as it should.
async fn gauge(world: &World, name: &str, expected: u64) {
    let series = format!("{name}{{model=\"main\"}}");
    let reached = async {
        while Scrape::of(world).await.count(&series) != expected {
            tokio::task::yield_now().await;
        }
    };
    soon(reached).await;
}

fn says(text: &str) -> impl Fn(&Value) -> Reply + Send + Sync + 'static {
    let text = text.to_owned();
    move |_| Reply::says(&text)
}

#[rstest]
#[case::rate_limited("rate_limited", RATE_LIMITED, 2, 2, 1)]
#[case::overloaded("overloaded", OVERLOADED, 2, 2, 1)]
#[case::quota("quota", QUOTA, 1, 1, 1)]
#[case::auth("auth", AUTH, 1, 1, 1)]
#[case::bad_request("bad_request", BAD_REQUEST, 1, 1, 1)]
#[case::context_length("context_length", TOO_LONG, 2, 2, 1)]
#[case::filtered("filtered", FILTERED, 1, 1, 1)]
#[case::refused("refused", REFUSED, 1, 1, 0)]
#[case::empty("empty", EMPTY, 2, 2, 1)]
#[case::truncated("truncated", TRUNCATED, 2, 2, 1)]
#[case::timeout("timeout", Does::Hangs, 1, 1, 1)]
#[case::connect("connect", Does::Resets, 2, 1, 1)]
#[case::bad_response("bad_response", Does::Babbles, 2, 2, 1)]
#[tokio::test]
async fn every_fault_has_its_action(
    #[case] fault: &str,
    #[case] does: Does,
    #[case] alone: u64,
    #[case] main: u64,
    #[case] spare: u64,
) {
    for has_spare in [false, true] {
        let world = World::with_models(has_spare, "", "").await;
        world.spare.respond_with(says("I am the spare one."));
        does.to(&world.model);
        world.says("u1", "Where is my parcel?").await;
        match (does, has_spare) {
            (Does::Hangs, false) => wait_out(&world, 25 * SECOND).await,
            (Does::Hangs, true) => wait_out(&world, 8 * SECOND).await,
            _ => finish(&world).await,
        }
        let calls = (world.model.request_count(), world.spare.request_count());
        let (expected, outcome) = match has_spare {
            false if matches!(fault, "refused" | "filtered") => ((alone, 0), "failed(refused)"),
            false => ((alone, 0), "failed(model)"),
            true if spare == 0 => ((main, 0), "failed(refused)"),
            true => ((main, spare), "replied"),
        };
        assert_eq!(calls, expected, "with a spare model: {has_spare}");
        assert_eq!(world.outcomes("u1"), [outcome]);
        assert_eq!(world.heard("u1").len(), 1, "one word, whatever happened");
        let counted = ended(&world, "main", fault).await;
        assert_eq!(counted, calls.0, "calls that ended in {fault}");
        let by_fallback = "replies_by_fallback_total{assistant=\"support\"}";
        let by_fallback = Scrape::of(&world).await.count(by_fallback);
        assert_eq!(by_fallback, calls.1);
        world.end().await;
    }
}

#[rstest]
#[case::rate_limited(RATE_LIMITED)]
#[case::overloaded(OVERLOADED)]
#[case::context_length(TOO_LONG)]
#[case::empty(EMPTY)]
#[case::truncated(TRUNCATED)]
#[case::connect(Does::Resets)]
#[case::bad_response(Does::Babbles)]
#[tokio::test]
async fn what_passes_is_not_noticed(#[case] does: Does) {
    let world = World::with_models(true, "", "").await;
    world.model.respond_with(says("Here I am."));
    world.spare.respond_with(says("Here I am."));
    does.once(&world.model);
    world.says("u1", "Where is my parcel?").await;
    finish(&world).await;
    assert_eq!(world.heard("u1"), ["Here I am."]);
    assert_eq!(world.outcomes("u1"), ["replied"]);
    world.end().await;
}

#[rstest]
#[case::told("", "failed(model)")]
#[case::handed_over("[reply]\nunanswered = \"hand_off\"", "handed_off")]
#[tokio::test]
async fn without_an_answer_the_customer_hears_so_or_people_take_over(
    #[case] reply: &str,
    #[case] outcome: &str,
) {
    let world = World::with_models(false, "", &format!("\n{reply}")).await;
    OVERLOADED.to(&world.model);
    world.says("u1", "Where is my parcel?").await;
    finish(&world).await;
    assert_eq!(world.outcomes("u1"), [outcome]);
    assert_eq!(world.heard("u1").len(), 1);
    let events = world.desk.requests();
    assert_eq!(events.len(), usize::from(outcome == "handed_off"));
    assert!(
        events
            .iter()
            .all(|event| event.json()["reason"]["code"] == "failure")
    );
    world.end().await;
}

#[rstest]
#[case::says_nothing(Plan::hang())]
#[case::drips_a_byte_a_second(Plan::drip())]
#[case::sends_headers_and_stops(Plan::stall())]
#[tokio::test]
async fn the_deadline_holds_and_nobody_else_is_slowed(#[case] plan: Plan) {
    let world = World::with_models(false, "", "").await;
    world.model.misbehave(plan.times(1));
    world.says("u1", "Hello?").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    world.says("u2", "Hello?").await;
    world.clock.advance(SECOND);
    let heard = |customer: &'static str| {
        world
            .braze
            .wait_until_sent(move |sent| sent.iter().any(|sent| sent.recipient.value() == customer))
    };
    soon(heard("u2")).await;
    // The turn began when the first second was over.
    for _ in 0..23 {
        world.clock.advance(SECOND);
        world.breathe().await;
    }
    world.clock.advance(Duration::from_millis(750));
    world.breathe().await;
    assert_eq!(world.heard("u1"), [""; 0], "given up too early");
    world.clock.advance(Duration::from_millis(250));
    soon(heard("u1")).await;
    world.rest().await;
    assert_eq!(world.outcomes("u1"), ["failed(model)"]);
    assert_eq!(world.outcomes("u2"), ["replied"]);
    assert_eq!(world.model.request_count(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_model_that_needs_more_room_is_given_it_from_then_on() {
    let world = World::with_models(false, "", "").await;
    TRUNCATED.once(&world.model);
    world.tells("u1", "Tell me everything.").await;
    world.tells("u2", "Hello?").await;
    let asked = world.model.requests();
    let rooms = asked.iter().map(|asked| asked.json()["max_tokens"].clone());
    let expected = [json!(800), json!(3_200), json!(3_200)];
    assert_eq!(rooms.collect::<Vec<_>>(), expected);
    world.end().await;
}

#[tokio::test]
async fn within_a_short_deadline_the_second_model_has_its_time_too() {
    let world = World::with_models(true, "deadline = \"5s\"", "").await;
    world.model.misbehave(Plan::hang());
    for number in 0..5_u64 {
        world.says(&format!("u{number}"), "Hello?").await;
        world.clock.advance(SECOND);
        soon(world.model.wait_for(number + 1)).await;
        world.clock.advance(Duration::from_millis(2_500));
        world.rest().await;
        assert_eq!(world.outcomes(&format!("u{number}")), ["replied"]);
    }
    // Half of a deadline is a fair time for a model, so it is left alone by now.
    world.tells("u9", "Hello?").await;
    assert_eq!(
        (world.model.request_count(), world.spare.request_count()),
        (5, 6)
    );
    world.end().await;
}

#[tokio::test]
async fn while_the_first_model_rests_the_other_has_all_the_time() {
    let world = World::with_models(true, "", "").await;
    AUTH.to(&world.model);
    world.tells("u0", "Hello?").await;
    world.spare.misbehave(Plan::delay(12 * SECOND));
    world.says("u1", "Hello?").await;
    world.clock.advance(SECOND);
    soon(world.spare.wait_for(2)).await;
    world.clock.advance(12 * SECOND);
    world.rest().await;
    assert_eq!(world.outcomes("u1"), ["replied"]);
    assert_eq!(
        (world.model.request_count(), world.spare.request_count()),
        (1, 2)
    );
    world.end().await;
}

#[tokio::test]
async fn one_who_is_asked_to_wait_a_second_does_not_slow_the_others_for_longer() {
    let world = World::with_models(false, "", "").await;
    world
        .model
        .misbehave(Plan::status(429).header("retry-after", "1").times(1));
    world.model.misbehave(Plan::delay(6 * SECOND));
    // All have asked before the first is answered, so that only that one can be missing.
    let hold = world.model.hold();
    for number in 0..20 {
        world.says(&format!("u{number}"), "Hello?").await;
    }
    world.clock.advance(SECOND);
    soon(world.model.wait_for(20)).await;
    drop(hold);
    gauge(&world, "model_calls", 19).await;
    world.clock.advance(2 * SECOND);
    gauge(&world, "model_calls", 20).await;
    world.clock.advance(6 * SECOND);
    world.rest().await;
    for number in 0..20 {
        assert_eq!(world.outcomes(&format!("u{number}")), ["replied"]);
    }
    let opened = "model_breaker_opened_total{model=\"main\"}";
    assert_eq!(Scrape::of(&world).await.count(opened), 0, "no failure");
    world.end().await;
}

#[tokio::test]
async fn a_server_that_has_no_more_room_is_not_thought_to_refuse_the_field() {
    let world = World::with_models(false, "", "").await;
    let too_large = r#"{"error":{"message":"max_tokens is too large: 3200","param":"max_tokens"}}"#;
    let too_large = Reply::Raw(400, too_large.to_owned());
    TRUNCATED.once(&world.model);
    world.model.script([too_large]);
    world.says("u1", "Tell me everything.").await;
    finish(&world).await;
    world.tells("u2", "Hello?").await;
    let asked = world.model.requests();
    let rooms = asked.iter().map(|asked| asked.json()["max_tokens"].clone());
    assert_eq!(
        rooms.collect::<Vec<_>>(),
        [json!(800), json!(3_200), json!(800)]
    );
    world.end().await;
}

#[rstest]
#[case::a_wall_before_it(Does::Says(403, "<html>blocked</html>"))]
#[case::half_an_object(Does::Says(200, r#"{"choices":[{"message":{"content":"{\"reply\":"}}]}"#))]
#[tokio::test]
async fn what_one_customer_causes_costs_no_other_the_model(#[case] does: Does) {
    let world = World::with_models(true, "", "").await;
    for number in 0..6 {
        does.once(&world.model);
        does.once(&world.model);
        world.says(&format!("u{number}"), "<script>").await;
        finish(&world).await;
    }
    world.model.clear();
    world.tells("u9", "Hello?").await;
    assert_eq!(world.model.request_count(), 1);
    world.end().await;
}

#[tokio::test]
async fn who_is_handed_over_for_want_of_an_answer_does_not_wait_for_a_summary() {
    let world = World::with_models(false, "", "[reply]\nunanswered = \"hand_off\"").await;
    world.model.misbehave(Plan::hang());
    world.says("u1", "Hello?").await;
    wait_out(&world, 25 * SECOND).await;
    assert_eq!(world.outcomes("u1"), ["handed_off"]);
    assert_eq!(world.model.request_count(), 1);
    world.end().await;
}

#[tokio::test]
async fn what_is_too_long_is_asked_again_without_its_older_half_and_the_latest_words_stay() {
    let world = World::with_models(false, "", "").await;
    for number in 0..6 {
        world
            .tells("u1", &format!("This is question number {number}."))
            .await;
    }
    world.model.clear();
    TOO_LONG.once(&world.model);
    world.says("u1", "And this is the last question.").await;
    finish(&world).await;
    let said = |at: usize| {
        let body = world.model.requests()[at].json();
        body["messages"].as_array().unwrap()[1..].to_vec()
    };
    let length = |said: &[Value]| -> usize {
        let lengths = said
            .iter()
            .map(|one| one["content"].as_str().unwrap().len());
        lengths.sum()
    };
    let (whole, half) = (said(0), said(1));
    let (whole_length, half_length) = (length(&whole), length(&half));
    assert!(
        half_length * 2 <= whole_length + 20,
        "{half_length} of {whole_length}"
    );
    assert_eq!(whole.last(), half.last());
    assert_eq!(world.model.request_count(), 2);
    world.end().await;
}

#[tokio::test]
async fn an_answer_that_was_cut_off_gets_more_room_once() {
    let world = World::with_models(false, "", "").await;
    TRUNCATED.to(&world.model);
    world.says("u1", "Tell me everything.").await;
    finish(&world).await;
    let asked = world.model.requests();
    let rooms: Vec<_> = asked
        .iter()
        .map(|asked| asked.json()["max_tokens"].clone())
        .collect();
    assert_eq!(rooms, [json!(800), json!(3_200)]);
    world.end().await;
}

#[rstest]
#[case::in_seconds("retry-after", "3")]
#[case::in_milliseconds("retry-after-ms", "3000")]
#[case::as_a_date("retry-after", "Mon, 02 Mar 2026 09:00:04 GMT")]
#[case::as_a_reset("x-ratelimit-reset-requests", "3s")]
#[tokio::test]
async fn a_wait_that_is_asked_for_is_kept_when_there_is_no_other(
    #[case] header: &str,
    #[case] value: &str,
) {
    let world = World::with_models(false, "", "").await;
    world
        .model
        .misbehave(Plan::status(429).header(header, value).times(1));
    world.says("u1", "Hello?").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    gauge(&world, "model_calls", 0).await;
    world.clock.advance(Duration::from_millis(2_990));
    world.breathe().await;
    assert_eq!(world.model.request_count(), 1, "asked again too early");
    finish(&world).await;
    assert_eq!(
        (world.model.request_count(), world.outcomes("u1")),
        (2, vec!["replied".to_owned()])
    );
    world.end().await;
}

#[rstest]
#[case::longer_than_the_turn_has(false, "60", "failed(model)", 0)]
#[case::longer_than_a_customer_should_wait(true, "2", "replied", 1)]
#[tokio::test]
async fn a_wait_that_is_too_long_is_not_waited_for(
    #[case] has_spare: bool,
    #[case] seconds: &str,
    #[case] outcome: &str,
    #[case] spare: u64,
) {
    let world = World::with_models(has_spare, "", "").await;
    world
        .model
        .misbehave(Plan::status(429).header("retry-after", seconds));
    // No time passes at all.
    world.tells("u1", "Hello?").await;
    assert_eq!(world.outcomes("u1"), [outcome]);
    assert_eq!(
        (world.model.request_count(), world.spare.request_count()),
        (1, spare)
    );
    world.end().await;
}

#[tokio::test]
async fn a_model_that_is_gone_is_left_alone_and_found_again() {
    let world = World::with_models(true, "", "").await;
    world.model.misbehave(Plan::reset());
    for number in 0..9 {
        world.tells(&format!("u{number}"), "Hello?").await;
    }
    assert_eq!(world.model.request_count(), 5, "five failures are enough");
    assert_eq!(world.spare.request_count(), 9);
    let breaker = "model_breaker{model=\"main\"}";
    assert_eq!(Scrape::of(&world).await.count(breaker), 2);
    world.model.behave();
    world.clock.advance(5 * SECOND);
    world.tells("u9", "Hello?").await;
    assert_eq!(
        (world.model.request_count(), world.spare.request_count()),
        (6, 9)
    );
    assert_eq!(Scrape::of(&world).await.count(breaker), 1);
    for number in 0..15 {
        world.tells(&format!("v{number}"), "Hello?").await;
    }
    assert_eq!(Scrape::of(&world).await.count(breaker), 0);
    assert_eq!(world.spare.request_count(), 9);
    world.end().await;
}

#[tokio::test]
async fn a_turn_waits_for_its_only_model_where_that_is_in_time() {
    let world = World::with_models(false, "", "").await;
    world.model.misbehave(Plan::reset());
    for number in 0..3 {
        world.says(&format!("u{number}"), "Hello?").await;
        finish(&world).await;
    }
    let asked = world.model.request_count();
    assert_eq!(
        asked, 6,
        "the fifth opened the breaker, and a probe was worth the wait"
    );
    world.model.behave();
    world.says("u9", "Hello?").await;
    world.clock.advance(SECOND);
    world.breathe().await;
    assert_eq!(world.model.request_count(), asked);
    finish(&world).await;
    assert_eq!(world.outcomes("u9"), ["replied"]);
    world.end().await;
}

#[rstest]
#[case::key(AUTH)]
#[case::credit(QUOTA)]
#[tokio::test]
async fn a_key_that_is_refused_is_shown_once_a_minute(#[case] does: Does) {
    let world = World::with_models(true, "", "").await;
    does.to(&world.model);
    let opened = "model_breaker_opened_total{model=\"main\"}";
    // Those who ask at once are refused at once, and one of them says so.
    let hold = world.model.hold();
    for number in 0..3 {
        world.says(&format!("u{number}"), "Hello?").await;
    }
    world.clock.advance(SECOND);
    soon(world.model.wait_for(3)).await;
    drop(hold);
    world.rest().await;
    Scrape::of(&world).await.shows(&[(opened, 1.0)]);
    for number in 3..9 {
        world.tells(&format!("u{number}"), "Hello?").await;
    }
    assert_eq!(
        (world.model.request_count(), world.spare.request_count()),
        (3, 9)
    );
    world.clock.advance(54 * SECOND);
    world.tells("u9", "Hello?").await;
    world.tells("u10", "Hello?").await;
    assert_eq!(
        (world.model.request_count(), world.spare.request_count()),
        (4, 11)
    );
    Scrape::of(&world).await.shows(&[(opened, 2.0)]);
    world.end().await;
}

#[tokio::test]
async fn those_who_wait_for_a_slot_are_counted_and_served_in_turn() {
    let world = World::with_target("concurrency = 1\nattempt_within = \"20s\"").await;
    let hold = world.model.hold();
    for number in 0..3 {
        world
            .says(&format!("u{number}"), &format!("question {number}"))
            .await;
        world.clock.advance(SECOND);
        gauge(&world, "model_waiting", number).await;
    }
    assert_eq!(world.model.request_count(), 1);
    drop(hold);
    world.rest().await;
    let asked = world.model.requests();
    let asked = asked.iter().map(|asked| {
        let body = asked.json();
        body["messages"].as_array().unwrap().last().unwrap()["content"].clone()
    });
    assert_eq!(
        asked.collect::<Vec<_>>(),
        ["question 0", "question 1", "question 2"]
    );
    world.end().await;
}

#[tokio::test]
async fn who_waits_for_a_slot_too_long_asks_the_next_model() {
    let world = World::with_spare("concurrency = 1").await;
    let hold = world.model.hold();
    for number in 0..7 {
        world.says(&format!("u{number}"), "Hello?").await;
    }
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    gauge(&world, "model_waiting", 6).await;
    world.clock.advance(8 * SECOND);
    soon(world.spare.wait_for(7)).await;
    world.rest().await;
    assert_eq!(
        (world.model.request_count(), world.spare.request_count()),
        (1, 7)
    );
    assert_eq!(
        ended(&world, "main", "timeout").await,
        1,
        "a wait is no fault of the model's"
    );
    gauge(&world, "model_breaker", 0).await;
    drop(hold);
    world.end().await;
}

#[tokio::test]
async fn a_share_of_the_customers_begins_with_another_model_and_always_the_same_ones() {
    let world = World::with_models(true, "shares = { spare = 20 }", "").await;
    world.model.respond_with(says("I am the main one."));
    world.spare.respond_with(says("I am the spare one."));
    let customers: Vec<_> = (0..60).map(|number| format!("u{number}")).collect();
    for round in 0..2 {
        for customer in &customers {
            world.says(customer, &format!("round {round}")).await;
        }
        world.pass(SECOND).await;
    }
    let heard: Vec<_> = customers.iter().map(|one| world.heard(one)).collect();
    assert!(
        heard.iter().all(|heard| heard[0] == heard[1]),
        "the same ones each time"
    );
    let by_spare = heard.iter().filter(|heard| heard[0].contains("spare"));
    let count = by_spare.count();
    assert!((4..=22).contains(&count), "{count} of 60 at 20 %");
    let by_fallback = "replies_by_fallback_total{assistant=\"support\"}";
    assert_eq!(Scrape::of(&world).await.count(by_fallback), 0);
    world.end().await;
}

#[tokio::test]
async fn the_first_byte_has_a_time_of_its_own() {
    let world = World::with_target("first_byte_within = \"2s\"").await;
    world.model.misbehave(Plan::hang());
    world.says("u1", "Hello?").await;
    wait_out(&world, 2 * SECOND).await;
    assert_eq!(world.outcomes("u1"), ["failed(model)"]);
    assert_eq!(ended(&world, "main", "timeout").await, 1);
    world.end().await;
}

#[tokio::test]
async fn a_turn_takes_no_longer_than_its_assistant_lets_it() {
    let world = World::with_models(false, "deadline = \"5s\"", "").await;
    world.model.misbehave(Plan::hang());
    world.says("u1", "Hello?").await;
    wait_out(&world, 5 * SECOND).await;
    assert_eq!(world.outcomes("u1"), ["failed(model)"]);
    world.end().await;
}
