//! Several assistants on several paths: who writes to two of them is answered by both, unless it was one message.

use std::time::Duration;

use frontdesk::sandbox::Answered;

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

const SALES: &str = "[assistants.sales]\nsecrets = [\"env::INBOUND\"]\ncampaign_id = \"campaign-2\"\nworkspace = \"main\"\nchannel = \"the sales line\"\nbusiness = { name = \"Acme\" }\n";

/// Says something to an assistant.
async fn says(world: &World, assistant: &str, customer: &str, text: &str) -> Answered {
    let phone = world.phone(assistant);
    let answered = phone.says(customer, "+15550100", text).await.unwrap();
    assert_eq!(answered.status, 202, "{answered:?}");
    answered
}

/// Gives what became of a customer's messages with an assistant.
fn outcomes(world: &World, assistant: &str, customer: &str) -> Vec<String> {
    world.rows(&format!(
        "SELECT coalesce(outcome, 'waiting') FROM message m JOIN conversation c ON c.key = m.conversation
         WHERE m.author = 'customer' AND c.assistant = '{assistant}' AND c.external_id = '{customer}' ORDER BY seq"
    ))
}

#[tokio::test]
async fn one_message_on_two_paths_is_answered_by_the_first() {
    let world = World::with(SALES).await;
    says(&world, "sales", "ana", "When do you open?").await;
    says(&world, "support", "ana", " When do you open? ").await;
    world.pass(SECOND).await;
    assert_eq!(outcomes(&world, "sales", "ana"), ["replied"]);
    assert_eq!(
        outcomes(&world, "support", "ana"),
        ["suppressed(duplicate)"]
    );
    assert_eq!(world.heard("ana").len(), 1);
    assert_eq!(world.braze.sent()[0].campaign_id, "campaign-2");
    assert_eq!(world.model.request_count(), 1);
    // The assistant that did not answer goes on as if it had not been asked.
    world.tells_to("support", "ana", "And on Sundays?").await;
    assert_eq!(
        outcomes(&world, "support", "ana"),
        ["suppressed(duplicate)", "replied"]
    );
    let asked = world.last_asked();
    assert!(
        !asked
            .iter()
            .any(|(_, text)| text.contains("When do you open?"))
    );
    world.end().await;
}

impl World {
    async fn tells_to(&self, assistant: &str, customer: &str, text: &str) {
        says(self, assistant, customer, text).await;
        self.pass(SECOND).await;
    }
}

#[tokio::test]
async fn what_is_meant_for_both_is_answered_by_both() {
    let world = World::with(SALES).await;
    for (customer, first, second, later) in [
        ("other words", "When do you open?", "When do you close?", 0),
        ("later", "When do you open?", "When do you open?", 2),
    ] {
        says(&world, "sales", customer, first).await;
        world.clock.advance(Duration::from_secs(later));
        says(&world, "support", customer, second).await;
        world.pass(SECOND).await;
        for assistant in ["sales", "support"] {
            assert_eq!(
                outcomes(&world, assistant, customer),
                ["replied"],
                "{customer}"
            );
        }
    }
    // Two customers are two, whatever they say.
    says(&world, "sales", "bob", "When do you open?").await;
    says(&world, "support", "eve", "When do you open?").await;
    world.pass(SECOND).await;
    assert_eq!(outcomes(&world, "sales", "bob"), ["replied"]);
    assert_eq!(outcomes(&world, "support", "eve"), ["replied"]);
    world.end().await;
}

#[tokio::test]
async fn what_one_assistant_is_told_twice_is_no_twin() {
    let world = World::with(SALES).await;
    for dispatch_id in ["d1", "d2"] {
        let body = format!(
            r#"{{ "user_id": "ana", "dispatch_id": "{dispatch_id}", "first_name": "Ana", "message": "yes" }}"#
        );
        let answered = world.phone("support").posts(body).await.unwrap();
        assert_eq!(answered.status, 202);
    }
    world.pass(SECOND).await;
    assert_eq!(outcomes(&world, "support", "ana"), ["replied", "replied"]);
    world.end().await;
}

#[tokio::test]
async fn both_hear_who_wants_no_more_messages() {
    let world = World::with(SALES).await;
    says(&world, "sales", "ana", "STOP").await;
    says(&world, "support", "ana", "STOP").await;
    world.pass(SECOND).await;
    let left = world.rows("SELECT assistant FROM conversation WHERE opted_out ORDER BY assistant");
    assert_eq!(left, ["sales", "support"]);
    world.end().await;
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let world = World::with(&format!("[inbound]\none_answer_within = \"0s\"\n{SALES}")).await;
    says(&world, "sales", "ana", "When do you open?").await;
    says(&world, "support", "ana", "When do you open?").await;
    world.pass(SECOND).await;
    assert_eq!(world.heard("ana").len(), 2);
    world.end().await;
}

#[tokio::test]
async fn the_first_one_is_known_after_a_restart() {
    let world = World::with(SALES).await;
    says(&world, "sales", "ana", "When do you open?").await;
    let world = world.restart().await;
    says(&world, "support", "ana", "When do you open?").await;
    world.pass(SECOND).await;
    assert_eq!(outcomes(&world, "sales", "ana"), ["replied"]);
    assert_eq!(
        outcomes(&world, "support", "ana"),
        ["suppressed(duplicate)"]
    );
    world.end().await;
}

#[tokio::test]
async fn customers_of_two_workspaces_are_not_the_same() {
    let world = World::start().await;
    let other = format!(
        "[workspaces.other]\nendpoint = \"{}\"\napi_key = \"env::BRAZE_KEY\"\n{}",
        world.braze.url(),
        SALES.replace("workspace = \"main\"", "workspace = \"other\"")
    );
    let world = world
        .restart_replacing("desk = \"main\"", "desk = \"main\"\nworkspace = \"main\"")
        .await;
    let world = world.restart_with(&other).await;
    says(&world, "sales", "ana", "When do you open?").await;
    says(&world, "support", "ana", "When do you open?").await;
    world.pass(SECOND).await;
    assert_eq!(world.heard("ana").len(), 2);
    world.end().await;
}

#[tokio::test]
async fn an_assistant_knows_its_way_in() {
    let world = World::with(SALES).await;
    world.tells_to("sales", "ana", "When do you open?").await;
    let told = |world: &World, channel: &str| {
        let asked = world.last_asked();
        asked.iter().any(|(_, text)| text.contains(channel))
    };
    assert!(told(&world, "the sales line"), "{:?}", world.last_asked());
    // A body that says it knows better.
    let body = r#"{ "user_id": "bob", "first_name": "Bob", "channel": "the fair", "message": "When do you open?" }"#;
    world.phone("sales").posts(body).await.unwrap();
    world.pass(SECOND).await;
    assert!(told(&world, "the fair") && !told(&world, "the sales line"));
    world.tells_to("support", "eve", "When do you open?").await;
    assert!(!told(&world, "the sales line"));
    world.end().await;
}
