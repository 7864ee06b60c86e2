//! Bringing in people, and the assistant's silence while they have the conversation.

use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use serde_json::Value;

use crate::world::{DESK_SECRET, SIGNING_KEY_NEXT, START, World, soon};

const SECOND: Duration = Duration::from_secs(1);

fn names(world: &World) -> Vec<String> {
    world
        .desk
        .received()
        .into_iter()
        .map(|event| event.name)
        .collect()
}

fn conversation(world: &World) -> String {
    world.desk.received()[0].conversation_id().to_owned()
}

#[tokio::test]
async fn a_request_for_a_person_reaches_the_desk_and_the_customer_hears_so() {
    let world = World::start().await;
    world.model.script([
        Reply::says("We open at nine."),
        Reply::Text("Ana asks for a person.".to_owned()),
    ]);
    world.tells("ana", "When do you open in the morning?").await;
    // Escalating skips the quiet time.
    world.says("ana", "I want to talk to a human").await;
    world.rest().await;
    let event = world.desk.received().pop().unwrap();
    let body = &event.body;
    assert_eq!(event.name, "handoff.requested");
    assert_eq!(event.id, body["id"].as_str().unwrap());
    assert_eq!(body["reason"]["code"], "customer_asked");
    assert_eq!(body["reason"]["rule_id"], "human_requested");
    assert_eq!(body["reason"]["evidence"], "I want to talk to a human");
    assert_eq!(body["summary"], "Ana asks for a person.");
    assert_eq!(body["user"]["external_id"], "ana");
    assert_eq!(body["last_user_message"], "I want to talk to a human");
    let authors: Vec<_> = body["transcript"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["author"])
        .collect();
    assert_eq!(authors, ["customer", "assistant", "customer"]);
    assert_eq!(body["transcript_truncated"], Value::Bool(false));
    let window = body["conversation"]["window_expires_at"]
        .as_str()
        .unwrap()
        .parse::<jiff::Timestamp>()
        .unwrap();
    let start: jiff::Timestamp = START.parse().unwrap();
    assert_eq!(window.as_second() - start.as_second(), 24 * 3_600 + 1);
    assert_eq!(world.heard("ana").len(), 2);
    world.end().await;
}

#[tokio::test]
async fn the_assistant_stays_quiet_until_the_desk_releases() {
    let world = World::start().await;
    world.tells("ana", "I want to talk to a human").await;
    let heard = world.heard("ana").len();
    let asked = world.model.request_count();
    world.tells("ana", "Are you there?").await;
    world.tells("ana", "It is about my order").await;
    assert_eq!(
        names(&world),
        ["handoff.requested", "handoff.message", "handoff.message"]
    );
    assert_eq!(
        (world.heard("ana").len(), world.model.request_count()),
        (heard, asked)
    );

    let id = conversation(&world);
    let released = world
        .desk
        .release(&world.url(), &id, DESK_SECRET)
        .await
        .unwrap();
    assert_eq!(released.status, 200, "{released:?}");
    let again = world
        .desk
        .release(&world.url(), &id, DESK_SECRET)
        .await
        .unwrap();
    assert_eq!(again.status, 409);
    world.rest().await;
    assert_eq!(names(&world).last().unwrap(), "handoff.ended");

    world.model.script([Reply::says("Back again.")]);
    world.tells("ana", "Thank you very much").await;
    assert_eq!(world.heard("ana").last().unwrap(), "Back again.");
    assert!(
        world
            .last_asked()
            .iter()
            .any(|(_, text)| text.contains("has finished"))
    );
    world.end().await;
}

#[tokio::test]
async fn only_the_desks_own_secret_releases() {
    let world = World::start().await;
    world.tells("ana", "I want to talk to a human").await;
    let id = conversation(&world);
    let release = async |id: &str, secret: &str| {
        world
            .desk
            .release(&world.url(), id, secret)
            .await
            .unwrap()
            .status
    };
    assert_eq!(release(&id, "wrong").await, 401);
    assert_eq!(release("nonsense", "wrong").await, 401);
    assert_eq!(release("nonsense", DESK_SECRET).await, 404);
    assert_eq!(
        release("00000000-0000-7000-8000-000000000000", DESK_SECRET).await,
        404
    );
    world.end().await;
}

#[tokio::test]
async fn a_handoff_that_nobody_ends_ends_by_itself() {
    let world = World::start().await;
    world.tells("ana", "I want to talk to a human").await;
    world.pass(Duration::from_hours(11)).await;
    world.tells("ana", "still there?").await;
    assert_eq!(
        names(&world),
        ["handoff.requested", "handoff.timeout", "handoff.message"]
    );
    // Being heard of starts the time anew.
    world.pass(Duration::from_hours(11)).await;
    world.clock.advance(Duration::from_hours(1));
    let mut rounds = 0;
    while names(&world).last().unwrap() != "handoff.ended" {
        world.pass(Duration::from_secs(10)).await;
        rounds += 1;
        assert!(rounds < 1_000, "the handoff never ended");
    }
    world.model.script([Reply::says("Here I am.")]);
    world.tells("ana", "hello again, nobody answered me").await;
    assert_eq!(world.heard("ana").last().unwrap(), "Here I am.");
    world.end().await;
}

#[tokio::test]
async fn a_desk_that_is_down_gets_the_event_when_it_is_back_under_the_same_id() {
    let world = World::start().await;
    world.desk.misbehave(Plan::status(503).times(2));
    world.says("ana", "I want to talk to a human").await;
    soon(world.desk.wait_for(1)).await;
    // The customer's notice does not wait for the desk.
    soon(world.braze.wait_for_sent(1)).await;
    world
        .until("the first attempt to be recorded", |counts| {
            counts.open_deliveries == [0, 1]
        })
        .await;
    world.within(Duration::from_mins(10)).await;
    let ids: Vec<_> = world
        .desk
        .requests()
        .iter()
        .map(|r| r.header("webhook-id").unwrap().to_owned())
        .collect();
    let signatures: std::collections::BTreeSet<_> = world
        .desk
        .requests()
        .iter()
        .map(|r| r.header("webhook-signature").unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0]) && signatures.len() == 3);
    world.end().await;
}

#[tokio::test]
async fn a_model_may_escalate_by_its_own_choice_or_by_a_rule() {
    let world = World::start().await;
    world
        .model
        .respond_with(|body| match body.get("response_format") {
            Some(_) => Reply::acts("escalate", "One moment."),
            None => Reply::Text("A summary.".to_owned()),
        });
    world
        .tells("ana", "My parcel exploded and I am furious about it")
        .await;
    let event = world.desk.received().pop().unwrap();
    assert_eq!(event.body["reason"]["code"], "model");
    assert!(
        !world.heard("ana").concat().contains("One moment."),
        "one notice, from the folder"
    );
    world.end().await;
}

#[tokio::test]
async fn opting_out_ends_everything_but_the_confirmation() {
    let world = World::start().await;
    world.says("ana", "STOP").await;
    world.rest().await;
    assert_eq!(world.heard("ana").len(), 1);
    world.tells("ana", "Which days is the shop open?").await;
    assert_eq!(
        (world.heard("ana").len(), world.model.request_count()),
        (1, 0)
    );
    world.tells("ana", "START").await;
    assert_eq!(world.heard("ana").len(), 2);
    // The same words count as new ones after half a minute.
    world.clock.advance(Duration::from_secs(30));
    world.tells("ana", "Which days is the shop open?").await;
    assert_eq!(world.heard("ana").len(), 3);
    world.end().await;
}

#[tokio::test]
async fn a_reply_that_waits_is_dropped_when_people_take_over_or_the_customer_opts_out() {
    for word in ["I want to talk to a human", "STOP"] {
        let world = World::start().await;
        world
            .model
            .script([Reply::says("Too late."), Reply::Text("Summary.".to_owned())]);
        world.braze.misbehave(Plan::status(503).times(1));
        world.says("ana", "hello").await;
        world.clock.advance(SECOND);
        soon(world.braze.wait_for(1)).await;
        world
            .until("the reply to wait", |counts| {
                counts.waiting == 0 && counts.claimed == 0
            })
            .await;
        world.says("ana", word).await;
        world
            .until("the word to be heard", |counts| {
                counts.waiting == 0 && counts.claimed == 0
            })
            .await;
        world.within(Duration::from_mins(1)).await;
        let heard = world.heard("ana");
        assert!(
            heard.len() == 1 && !heard.contains(&"Too late.".to_owned()),
            "{heard:?}"
        );
        world.end().await;
    }
}

#[tokio::test]
async fn a_short_word_is_answered_in_its_own_language() {
    let world = World::start().await;
    world.tells("jonas", "Abmelden").await;
    let heard = world.heard("jonas");
    assert!(
        heard.len() == 1 && heard[0].contains("START") && heard[0].contains("Sie"),
        "{heard:?}"
    );
    world.end().await;
}

/// Writes into the database what a crash would leave there.
fn crashed(world: &World, sql: &str) {
    let file = rusqlite::Connection::open(world.folder().join("frontdesk.db")).unwrap();
    file.execute_batch(sql).unwrap();
}

#[tokio::test]
async fn a_summary_leaves_out_what_crashed_the_gateway_and_people_read_it_all() {
    let world = World::start().await;
    world.model.respond_with(|_| Reply::says("Noted."));
    world.tells("ana", "poisonous words").await;
    crashed(
        &world,
        "UPDATE message SET outcome = 'failed(poison)' WHERE seq = 1",
    );
    let world = world.restart().await;
    world.model.clear();
    world.tells("ana", "Where is my parcel?").await;
    world.tells("ana", "I want to talk to a human").await;
    let asked = world.model.requests();
    assert_eq!(asked.len(), 2, "the answer, the summary");
    for asked in asked {
        let asked = asked.json().to_string();
        assert!(asked.contains("Where is my parcel?"), "{asked}");
        assert!(!asked.contains("poisonous"), "{asked}");
    }
    let event = world.desk.received().pop().unwrap();
    assert!(event.body["transcript"].to_string().contains("poisonous"));
    world.end().await;
}

#[tokio::test]
async fn what_crashed_the_gateway_again_and_again_is_handed_off_without_a_summary() {
    let world = World::start().await;
    world.says("ana", "poisonous words").await;
    crashed(&world, "UPDATE conversation SET attempts = 9");
    world.tells("ana", "I want to talk to a human").await;
    assert_eq!(world.outcomes("ana").pop().unwrap(), "handed_off");
    assert_eq!(world.model.request_count(), 0);
    assert!(world.desk.received()[0].body["summary"].is_null());
    world.end().await;
}

#[tokio::test]
async fn a_handoff_waits_for_its_summary_no_longer_than_agreed() {
    let world = World::start().await;
    world.model.misbehave(Plan::hang());
    world.says("ana", "I want to talk to a human").await;
    soon(world.model.wait_for(1)).await;
    world.pass(8 * SECOND).await;
    assert_eq!(world.outcomes("ana"), ["handed_off"]);
    assert!(world.desk.received()[0].body["summary"].is_null());
    world.end().await;
}

#[tokio::test]
async fn while_a_signing_key_is_replaced_both_sign() {
    let both = "signing_key = [\"env::SIGNING_KEY_NEXT\", \"env::SIGNING_KEY\"]";
    let world = World::start().await;
    let world = world
        .restart_replacing("signing_key = \"env::SIGNING_KEY\"", both)
        .await;
    // The stand-in knows the old one alone.
    world.tells("ana", "I want to talk to a human").await;
    let event = world.desk.received().pop().unwrap();
    let signatures = event.headers["webhook-signature"].to_str().unwrap();
    assert_eq!(signatures.split(' ').count(), 2);
    world.desk.check_signatures(SIGNING_KEY_NEXT).unwrap();
    world.tells("ana", "are you there?").await;
    assert_eq!(world.desk.received().len(), 2);
    world.end().await;
}
