//! Customers who write too much, and machines that write to each other: who is told, who is silent, and what goes on.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use rstest::rstest;

use crate::metrics::Scrape;
use crate::world::{OPERATOR_SECRET, World, soon};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const SLOW_DOWN: &str = "more messages than I can answer";
const LOOP: &str = "another automatic system";
const AWAY: &str = "I am out of office until Monday.";

/// Sentences that no two of are alike.
const SENTENCES: [&str; 6] = [
    "Where is my parcel, please?",
    "It was to come on Monday.",
    "No, the blue one from May",
    "And what does express cost then",
    "Can you send it elsewhere?",
    "Great, thank you so much",
];

/// Gives a world whose assistant has these limits.
async fn limited(limits: &str) -> World {
    World::with(&format!("[assistants.support.limits]\n{limits}")).await
}

/// Tells how often a customer heard something with these words.
fn told(world: &World, customer: &str, words: &str) -> usize {
    let heard = world.heard(customer);
    heard.iter().filter(|text| text.contains(words)).count()
}

/// Gives the view of the only conversation.
async fn view(world: &World) -> serde_json::Value {
    let url = format!(
        "http://{}/operator/v1/conversations",
        world.app.operator_address()
    );
    let client = reqwest::Client::builder().build().unwrap();
    let answer = client
        .get(url)
        .bearer_auth(OPERATOR_SECRET)
        .send()
        .await
        .unwrap();
    let body: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    body["items"][0].clone()
}

#[tokio::test]
async fn who_writes_more_than_a_minute_allows_is_told_once_until_a_minute_of_peace() {
    let world = limited("customer_messages_a_minute = 3").await;
    for text in ["one", "two", "three", "four", "five", "six"] {
        world.tells("u1", text).await;
    }
    let outcomes = ["replied", "replied", "replied", "failed(rate_limited)"];
    assert_eq!(world.outcomes("u1")[..4], outcomes);
    assert_eq!(world.outcomes("u1")[4..], ["suppressed(rate_limited)"; 2]);
    assert_eq!(
        (world.heard("u1").len(), told(&world, "u1", SLOW_DOWN)),
        (4, 1)
    );
    world.tells("u2", "another customer").await;
    assert_eq!(
        world.outcomes("u2"),
        ["replied"],
        "the limit is each customer's own"
    );
    // Who goes on at that pace is not answered after a minute, nor told again.
    for _ in 0..90 {
        world.tells("u1", "more").await;
    }
    assert_eq!(told(&world, "u1", SLOW_DOWN), 1);
    assert_eq!(
        world.outcomes("u1").last().unwrap(),
        "suppressed(rate_limited)"
    );
    world.clock.advance(MINUTE);
    world.tells("u1", "peace").await;
    assert_eq!(world.outcomes("u1").last().unwrap(), "replied");
    let paused = r#"conversations_paused_total{assistant="support",reason="rate_limited"}"#;
    Scrape::of(&world).await.shows(&[(paused, 1.0)]);
    world.end().await;
}

#[tokio::test]
async fn a_day_has_room_for_so_many_messages_and_the_rest_waits_for_the_next_one() {
    let world = limited("customer_messages_a_day = 4").await;
    for text in ["one", "two", "three", "four", "five"] {
        world.tells("u1", text).await;
        world.clock.advance(10 * MINUTE);
    }
    assert_eq!(world.outcomes("u1").last().unwrap(), "failed(rate_limited)");
    world.clock.advance(12 * 60 * MINUTE);
    world.tells("u1", "still today").await;
    assert_eq!(
        world.outcomes("u1").last().unwrap(),
        "suppressed(rate_limited)"
    );
    world.clock.advance(3 * 60 * MINUTE);
    world.tells("u1", "tomorrow").await;
    assert_eq!(world.outcomes("u1").last().unwrap(), "replied");
    world.end().await;
}

#[tokio::test]
async fn a_burst_counts_by_its_messages_and_a_turn_that_begins_again_counts_once() {
    let world = limited("customer_messages_a_minute = 4").await;
    for text in ["one", "two"] {
        world.says("u1", text).await;
    }
    let hold = world.model.hold();
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    // The turn is cut short by a third message, and begins again with all.
    world.says("u1", "three").await;
    drop(hold);
    world.pass(SECOND).await;
    assert_eq!(world.outcomes("u1"), ["replied"; 3]);
    world.tells("u1", "four").await;
    assert_eq!(world.outcomes("u1").last().unwrap(), "replied");
    world.tells("u1", "five").await;
    assert_eq!(world.outcomes("u1").last().unwrap(), "failed(rate_limited)");
    for text in ["one", "two", "three", "four", "five"] {
        world.says("u2", text).await;
    }
    world.pass(SECOND).await;
    assert_eq!(world.outcomes("u2"), ["failed(rate_limited)"; 5]);
    assert_eq!(world.heard("u2").len(), 1);
    world.end().await;
}

#[rstest]
#[case::near_identical(&["Your request 1 was received, thanks."; 4], 2)]
#[case::looking_automatic(&[AWAY, "This is an automated message.", SENTENCES[0], SENTENCES[1]], 1)]
#[tokio::test]
async fn two_machines_are_stopped_and_the_operator_sees_it(
    #[case] texts: &[&str],
    #[case] answered: usize,
) {
    let brake = "brake = { repeats = 3, automatic = 2, pause = \"10m\" }";
    let world = limited(brake).await;
    for text in texts {
        world.tells("u1", text).await;
    }
    let outcomes = world.outcomes("u1");
    assert_eq!(outcomes[..answered], vec!["replied"; answered]);
    assert_eq!(outcomes[answered], "failed(loop)");
    assert_eq!(
        outcomes[answered + 1..],
        vec!["suppressed(loop)"; 3 - answered]
    );
    assert_eq!(told(&world, "u1", LOOP), 1);
    assert_eq!(
        world.model.request_count(),
        u64::try_from(answered).unwrap()
    );
    let pause = view(&world).await["pause"].clone();
    assert_eq!(pause["reason"], "loop");
    assert!(
        pause["until"].as_str().unwrap() > "2026-03-02T09:10:00Z",
        "{pause}"
    );
    let paused = r#"conversations_paused_total{assistant="support",reason="loop"}"#;
    Scrape::of(&world).await.shows(&[(paused, 1.0)]);
    // It is on record: a restart forgets what was counted, and neither the pause nor that it was told.
    let world = world.restart().await;
    world.tells("u1", SENTENCES[2]).await;
    assert_eq!(world.outcomes("u1").last().unwrap(), "suppressed(loop)");
    world.clock.advance(10 * MINUTE);
    world.tells("u1", SENTENCES[3]).await;
    assert_eq!(world.outcomes("u1").last().unwrap(), "replied");
    world.end().await;
}

#[tokio::test]
async fn turns_that_come_faster_than_a_person_writes_are_a_loop() {
    let world = limited("brake.turns = 10").await;
    for number in 0..11 {
        let sentence = format!("{} {}", SENTENCES[number % 6], "so ".repeat(number));
        world.tells("u1", &sentence).await;
    }
    let outcomes = world.outcomes("u1");
    assert_eq!(outcomes[..9], ["replied"; 9]);
    assert_eq!(outcomes[9..], ["failed(loop)", "suppressed(loop)"]);
    world.end().await;
}

#[rstest]
#[case::one_away_message(&[SENTENCES[0], AWAY, SENTENCES[1], AWAY, SENTENCES[2]])]
#[case::a_short_word_again(&["hello?"; 5])]
#[tokio::test]
async fn a_person_is_not_taken_for_a_machine(#[case] texts: &[&str]) {
    let world = limited("brake = {}").await;
    for text in texts {
        world.tells("u1", text).await;
    }
    assert_eq!(world.outcomes("u1"), vec!["replied"; texts.len()]);
    assert_eq!(view(&world).await["pause"], serde_json::Value::Null);
    world.end().await;
}

#[rstest]
#[case::stop("STOP", "canned")]
#[case::a_person("I want to talk to a human", "handed_off")]
#[tokio::test]
async fn who_is_limited_can_still_say_stop_and_reach_people(
    #[case] words: &str,
    #[case] outcome: &str,
) {
    let world = limited("customer_messages_a_minute = 1").await;
    for text in ["one", "two", "three", words] {
        world.tells("u1", text).await;
    }
    assert_eq!(world.outcomes("u1").last().unwrap(), outcome);
    if outcome == "handed_off" {
        // With people the pause is over, and what is written to them is passed on.
        assert_eq!(view(&world).await["pause"], serde_json::Value::Null);
        world.tells("u1", "four").await;
        assert_eq!(world.outcomes("u1").last().unwrap(), "forwarded");
    }
    world.end().await;
}

#[tokio::test]
async fn what_a_rule_answers_and_what_has_no_words_is_limited_too() {
    let world = limited("customer_messages_a_minute = 1").await;
    // Nobody sees anything in these.
    for _ in 0..3 {
        world.tells("u1", "\u{200b}").await;
    }
    let outcomes = ["canned", "failed(rate_limited)", "suppressed(rate_limited)"];
    assert_eq!(world.outcomes("u1"), outcomes);
    world.end().await;
}

#[tokio::test]
async fn the_notice_leaves_though_more_messages_have_come_meanwhile() {
    let world = limited("customer_messages_a_minute = 1").await;
    world.tells("u1", "one").await;
    world.braze.misbehave(Plan::rate_limited(5).times(1));
    world.says("u1", "two").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(2)).await;
    world.says("u1", "three").await;
    world.within(MINUTE).await;
    assert_eq!(told(&world, "u1", SLOW_DOWN), 1);
    assert_eq!(
        world.outcomes("u1"),
        [
            "replied",
            "failed(rate_limited)",
            "suppressed(rate_limited)"
        ]
    );
    world.end().await;
}
