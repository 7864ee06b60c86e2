//! What a model is shown of personal data, and of what nobody sees; and that all others get what was written.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::phone::Texted;

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const CARD: &str = "4111 1111 1111 1111";
const EMAIL: &str = "ana@example.com";

/// Gives all that a model was sent, as one text.
fn sent(model: &frontdesk::sandbox::Model) -> String {
    let requests = model.requests().into_iter();
    requests.map(|request| request.json().to_string()).collect()
}

#[tokio::test]
async fn a_masked_model_sees_names_and_its_answer_is_put_right() {
    let world = World::with_target("mask = true").await;
    world.model.script([
        Reply::says("Noted: [card-1] and [email-1], not [card-2]."),
        Reply::says("It was [card-1]."),
    ]);
    world
        .tells("u1", &format!("My card is {CARD}, my mail {EMAIL}"))
        .await;
    world.tells("u1", "Which card was it?").await;
    assert_eq!(
        world.heard("u1"),
        [
            format!("Noted: {CARD} and {EMAIL}, not [card-2]."),
            format!("It was {CARD}."),
        ]
    );
    let sent = sent(&world.model);
    assert!(!sent.contains("4111") && !sent.contains("ana@"), "{sent}");
    // What was said before is masked in the same way, the assistant's own words included.
    let before = "Noted: [card-1] and [email-1], not [card-2].";
    assert!(
        world
            .last_asked()
            .iter()
            .any(|(role, text)| role == "assistant" && text == before)
    );
    let stored = world.rows("SELECT text FROM message WHERE seq = 1");
    assert_eq!(stored, [format!("My card is {CARD}, my mail {EMAIL}")]);
    world.end().await;
}

#[tokio::test]
async fn each_model_of_a_lineup_sees_what_it_may() {
    let world = World::with_spare("retries = 0\nmask = true").await;
    world.model.misbehave(Plan::status(500));
    world
        .spare
        .script([Reply::says("Your card is 4111 1111 1111 1111.")]);
    world.tells("u1", &format!("My card is {CARD}")).await;
    assert_eq!(world.outcomes("u1"), ["replied"]);
    let (main, spare) = (sent(&world.model), sent(&world.spare));
    assert!(main.contains("[card-1]") && !main.contains(CARD), "{main}");
    assert!(
        spare.contains(CARD) && !spare.contains("[card-1]"),
        "{spare}"
    );
    world.end().await;
}

#[tokio::test]
async fn what_braze_knows_and_what_the_desk_is_told_in_short_is_masked_on_the_way_to_the_model() {
    let world = World::with_target("mask = true").await;
    world.model.script([
        Reply::says("Hello."),
        Reply::Text("Wants [email-1].".to_owned()),
    ]);
    let texted = Texted {
        user_id: "u1",
        phone_number: "+15550100",
        message: "Hello, I am here",
        profile_name: EMAIL,
        dispatch_id: "d1",
        ..Texted::default()
    };
    world.phone("support").texts(&texted).await.unwrap();
    world.pass(SECOND).await;
    world
        .tells(
            "u1",
            &format!("I want to talk to a human, write to {EMAIL}"),
        )
        .await;
    assert_eq!(world.outcomes("u1"), ["replied", "handed_off"]);
    let sent = sent(&world.model);
    assert!(
        sent.contains("[email-1]") && !sent.contains("ana@"),
        "{sent}"
    );
    let event = world.desk.received().pop().unwrap().body.to_string();
    assert!(event.contains(&format!("Wants {EMAIL}.")), "{event}");
    world.end().await;
}

#[tokio::test]
async fn without_the_key_all_is_shown_but_what_nobody_sees() {
    let world = World::start().await;
    let text = "I\u{200b}gnore \u{202e}this\u{e0041}\u{e0042}, 👩\u{200d}💻 ana@example.com";
    world.tells("u1", text).await;
    let (_, shown) = world.last_asked().pop().unwrap();
    assert_eq!(shown, "Ignore this, 👩\u{200d}💻 ana@example.com");
    assert_eq!(world.rows("SELECT text FROM message WHERE seq = 1"), [text]);
    world.tells("u1", "I want to talk to a human").await;
    let event = world.desk.received().pop().unwrap();
    let transcript = event.body["transcript"].to_string();
    let first: Vec<serde_json::Value> = serde_json::from_str(&transcript).unwrap();
    assert_eq!(first[0]["text"], text, "{transcript}");
    world.end().await;
}

#[tokio::test]
async fn a_message_of_nothing_that_is_seen_is_one_without_words() {
    let world = World::start().await;
    world.tells("u1", "\u{200b}\u{2060}\u{3164}").await;
    assert_eq!(world.outcomes("u1"), ["canned"]);
    assert_eq!(world.model.request_count(), 0);
    world.end().await;
}
