//! The desks that speak for themselves: the whole life of a handoff at each, both ways where they can be heard.

mod second;

use std::time::Duration;

use frontdesk::sandbox::desk::{Thread, Writer};
use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::{Desk, HelpDesk, Plan};
use rstest::rstest;
use serde_json::{Value, json};

use crate::desk::{WISH, act, owner};
use crate::world::{DESK_KEY, DESK_SECRET, World, soon};

/// Gives the only ticket.
fn thread(world: &World) -> Thread {
    let mut threads = world.desk.threads();
    assert_eq!(threads.len(), 1, "{threads:?}");
    threads.remove(0)
}

/// Gives what was written in the only ticket: by whom, whether agents alone see it, and the words.
fn written(world: &World) -> Vec<(Writer, bool, String)> {
    let written = thread(world).written.into_iter();
    written
        .map(|one| (one.writer, one.is_private, one.text))
        .collect()
}

/// Tells what the desk heard last, whatever it is.
fn last(world: &World) -> String {
    world.desk.requests().pop().unwrap().json().to_string()
}

async fn handed_over(desk: HelpDesk) -> World {
    let world = World::at_help_desk(desk, "").await;
    world
        .model
        .respond_with(|body| match body.get("response_format") {
            Some(_) => Reply::says("Here I am again."),
            None => Reply::Text("Ana's lamp is broken.".to_owned()),
        });
    world.tells("ana", WISH).await;
    world
}

#[rstest]
#[case::zendesk(HelpDesk::Zendesk)]
#[case::chatwoot(HelpDesk::Chatwoot)]
#[tokio::test]
async fn agents_take_answer_and_solve_in_their_own_help_desk(#[case] desk: HelpDesk) {
    let world = handed_over(desk).await;
    let opened = written(&world);
    let (writer, is_private, brief) = &opened[0];
    assert_eq!((*writer, *is_private), (Writer::Gateway, true));
    assert!(
        brief.contains("Ana's lamp is broken.") && brief.contains(WISH),
        "{brief}"
    );
    world.tells("ana", "It is about my order").await;
    let said = written(&world).pop().unwrap();
    assert_eq!(
        said,
        (Writer::Customer, false, "It is about my order".to_owned())
    );

    let id = thread(&world).id;
    assert_eq!(owner(&world), "pending");
    let (_, taken) = world.desk.agent_takes(id).await.unwrap();
    assert_eq!(
        (taken.status, taken.body),
        (200, json!({ "heard": "assignment" }))
    );
    assert_eq!(owner(&world), "human");
    let (webhook, said) = world
        .desk
        .agent_says(id, "A new lamp is on its way.")
        .await
        .unwrap();
    assert_eq!((said.status, said.body), (200, json!({ "heard": "reply" })));
    world.rest().await;
    assert_eq!(
        world.heard("ana").last().unwrap(),
        "A new lamp is on its way."
    );
    // A webhook that comes twice is heard once.
    let heard = world.heard("ana").len();
    assert_eq!(world.desk.call(&webhook).await.unwrap().status, 200);
    world.rest().await;
    assert_eq!(world.heard("ana").len(), heard);

    let (_, solved) = world.desk.agent_resolves(id).await.unwrap();
    assert_eq!(
        (solved.status, solved.body),
        (200, json!({ "heard": "end" }))
    );
    assert_eq!(owner(&world), "assistant");
    world.tells("ana", "Thank you very much").await;
    assert_eq!(world.heard("ana").last().unwrap(), "Here I am again.");
    assert!(
        world
            .last_asked()
            .iter()
            .any(|(_, text)| text.contains("A new lamp is on its way."))
    );
    // Solved twice is solved once.
    let (_, again) = world.desk.agent_resolves(id).await.unwrap();
    assert_eq!(
        (again.status, again.body),
        (200, json!({ "heard": "nothing" }))
    );
    world.end().await;
}

#[rstest]
#[case::slack(HelpDesk::Slack)]
#[case::freshdesk(HelpDesk::Freshdesk)]
#[tokio::test]
async fn a_desk_that_only_listens_hears_it_all_and_acts_by_the_api(#[case] desk: HelpDesk) {
    let world = handed_over(desk).await;
    let asked = last(&world);
    for shown in [
        "Ana's lamp is broken.",
        WISH,
        "/ack?token=",
        "/release?token=",
    ] {
        assert!(asked.contains(shown), "{shown}: {asked}");
    }
    world.tells("ana", "It is about <my> order").await;
    assert!(last(&world).contains("It is about &lt;my&gt; order"));
    assert_eq!(
        act(&world, "ack", json!({ "agent": "bea" })).await.status,
        200
    );
    let said = act(
        &world,
        "replies",
        json!({ "text": "A new lamp is on its way." }),
    )
    .await;
    assert_eq!(said.status, 202);
    world.rest().await;
    assert_eq!(
        world.heard("ana").last().unwrap(),
        "A new lamp is on its way."
    );
    assert_eq!(act(&world, "release", json!({})).await.status, 200);
    world.rest().await;
    assert!(last(&world).contains("the assistant answers again"));
    world.tells("ana", "Thank you very much").await;
    assert_eq!(world.heard("ana").last().unwrap(), "Here I am again.");
    let requests = world.desk.requests();
    assert!(
        requests.iter().all(|request| request.status < Some(300)),
        "{requests:?}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_handoff_that_ends_by_itself_closes_what_it_opened() {
    for desk in [HelpDesk::Zendesk, HelpDesk::Chatwoot] {
        let world = handed_over(desk).await;
        let closed = if desk == HelpDesk::Zendesk {
            "solved"
        } else {
            "resolved"
        };
        assert_ne!(thread(&world).status, closed);
        let mut rounds = 0;
        while owner(&world) != "assistant" {
            world.pass(Duration::from_mins(10)).await;
            rounds += 1;
            assert!(rounds < 200, "the handoff never ended");
        }
        world.rest().await;
        assert_eq!(thread(&world).status, closed);
        world.end().await;
    }
}

#[rstest]
#[case::zendesk(HelpDesk::Zendesk, &["\"user\"", "\"subject\""], "\"author_id\"")]
#[case::freshdesk(HelpDesk::Freshdesk, &["\"subject\""], "\"incoming\":true")]
#[case::chatwoot(
    HelpDesk::Chatwoot,
    &["\"phone_number\"", "\"contact_id\"", "\"private\":true", "\"incoming\""],
    "\"incoming\"",
)]
#[tokio::test]
async fn what_is_tried_again_is_made_once(
    #[case] desk: HelpDesk,
    #[case] opening: &[&str],
    #[case] later: &str,
) {
    let world = World::at_help_desk(desk, "").await;
    // Each request that makes something is taken and its answer lost; then it is asked again.
    for body in opening {
        world
            .desk
            .misbehave(Plan::reset().taken().when(body).times(1));
    }
    world.says("ana", WISH).await;
    world.within(Duration::from_hours(1)).await;
    let before = written(&world).len();
    assert_eq!(before, if desk == HelpDesk::Chatwoot { 2 } else { 1 });
    world
        .desk
        .misbehave(Plan::reset().taken().when(later).times(1));
    world.says("ana", "It is about my order").await;
    world.within(Duration::from_hours(1)).await;
    let said: Vec<_> = written(&world).into_iter().skip(before).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(world.desk.threads().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn a_desk_that_says_wait_is_waited_for() {
    let world = World::at_help_desk(HelpDesk::Zendesk, "").await;
    world.desk.misbehave(Plan::status(429).times(1));
    world.says("ana", WISH).await;
    soon(world.desk.wait_for(1)).await;
    world
        .until("the refusal to be recorded", |counts| {
            counts.open_deliveries == [0, 1]
        })
        .await;
    world.clock.advance(Duration::from_secs(6));
    world.breathe().await;
    assert_eq!(world.desk.request_count(), 1);
    world.within(Duration::from_mins(1)).await;
    assert_eq!(world.desk.threads().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn an_event_that_a_help_desk_will_never_take_is_given_up_and_the_next_one_is_told() {
    let world = handed_over(HelpDesk::Chatwoot).await;
    world.desk.misbehave(Plan::status(422).times(1));
    world.tells("ana", "One").await;
    world.tells("ana", "Two").await;
    let counts = world.app.store().counts().await.unwrap();
    assert_eq!(counts.dead_deliveries, 1);
    assert_eq!(written(&world).pop().unwrap().2, "Two");
    world.end().await;
}

#[rstest]
#[case::zendesk(HelpDesk::Zendesk, "zendesk", [
    include_str!("samples/zendesk_agent_assignment_changed.json"),
    include_str!("samples/zendesk_comment_added.json"),
    include_str!("samples/zendesk_status_changed.json"),
])]
#[case::chatwoot(HelpDesk::Chatwoot, "chatwoot", [
    include_str!("samples/chatwoot_conversation_updated.json"),
    include_str!("samples/chatwoot_message_created.json"),
    include_str!("samples/chatwoot_conversation_status_changed.json"),
])]
#[tokio::test]
async fn webhooks_as_they_are_documented_are_heard(
    #[case] desk: HelpDesk,
    #[case] kind: &str,
    #[case] samples: [&str; 3],
) {
    let world = handed_over(desk).await;
    let thread = thread(&world).id.to_string();
    let sample =
        |text: &str| -> Value { serde_json::from_str(&text.replace("THREAD", &thread)).unwrap() };
    let [assigned, replied, solved] = samples.map(sample);
    for (webhook, heard, owned) in [
        (assigned, "assignment", "human"),
        (replied, "reply", "human"),
        (solved, "end", "assistant"),
    ] {
        let answered = world.desk.call(&webhook).await.unwrap();
        assert_eq!(
            (answered.status, answered.body),
            (200, json!({ "heard": heard }))
        );
        assert_eq!(owner(&world), owned, "{heard}");
    }
    world.rest().await;
    assert!(
        world
            .heard("ana")
            .last()
            .unwrap()
            .starts_with("Hello from the ")
    );

    // Of another ticket nothing is known; and nobody is heard without the secret, or at another desk.
    let foreign: Value = serde_json::from_str(&samples[1].replace("THREAD", "999")).unwrap();
    let answered = world.desk.call(&foreign).await.unwrap();
    assert_eq!(
        (answered.status, answered.body),
        (200, json!({ "heard": "nothing" }))
    );
    let url = world.url();
    for (path, secret) in [
        (
            format!("/v1/desks/main/{kind}"),
            "another-secret-of-24-chars-or-more",
        ),
        (
            format!("/v1/desks/other/{kind}"),
            crate::world::WEBHOOK_SECRET,
        ),
        (
            "/v1/desks/main/standard".to_owned(),
            crate::world::WEBHOOK_SECRET,
        ),
        (
            format!("/v1/desks/main/{kind}/{DESK_SECRET}"),
            "another-secret-of-24-chars-or-more",
        ),
    ] {
        world.desk.call_back(&format!("{url}{path}"), secret);
        assert_eq!(
            world.desk.call(&foreign).await.unwrap().status,
            401,
            "{path}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn a_chatwoot_that_signs_nothing_is_known_by_its_address() {
    let world = World::at_help_desk(HelpDesk::Chatwoot, "").await;
    let world = world
        .restart_replacing(
            "webhook_secret = \"env::WEBHOOK_SECRET\"",
            "secrets = [\"env::DESK_SECRET\"]",
        )
        .await;
    world.tells("ana", WISH).await;
    let id = thread(&world).id;
    for (token, status) in [
        ("", 401),
        ("/wrong", 401),
        (&*format!("/{DESK_SECRET}"), 200),
    ] {
        let url = format!("{}/v1/desks/main/chatwoot{token}", world.url());
        world.desk.call_back(&url, "not-checked");
        let (_, said) = world.desk.agent_says(id, "Hello!").await.unwrap();
        assert_eq!(said.status, status, "{token}");
    }
    world.rest().await;
    assert_eq!(world.heard("ana").last().unwrap(), "Hello!");
    world.end().await;
}

#[tokio::test]
async fn words_that_cannot_be_sent_are_refused_so_that_the_agent_sees_it() {
    let world = handed_over(HelpDesk::Chatwoot).await;
    let id = thread(&world).id;
    let (_, long) = world.desk.agent_says(id, &"x".repeat(5_000)).await.unwrap();
    assert_eq!(long.status, 422);
    world.tells("ana", "STOP").await;
    let (_, stopped) = world.desk.agent_says(id, "Hello?").await.unwrap();
    assert_eq!(stopped.status, 409, "{stopped:?}");
    world.end().await;
}

#[tokio::test]
async fn an_agent_who_writes_after_the_end_gets_the_answer_in_the_same_ticket() {
    let world = handed_over(HelpDesk::Chatwoot).await;
    let id = thread(&world).id;
    world.desk.agent_resolves(id).await.unwrap();
    let (_, said) = world
        .desk
        .agent_says(id, "One more thing: did it arrive?")
        .await
        .unwrap();
    assert_eq!(said.status, 200);
    assert_eq!(owner(&world), "human");
    world.rest().await;
    world.tells("ana", "Yes, it did").await;
    assert_eq!(thread(&world).id, id, "no second conversation");
    assert_eq!(written(&world).pop().unwrap().2, "Yes, it did");
    world.end().await;
}

#[tokio::test]
async fn the_stand_ins_take_what_is_documented_and_refuse_the_rest() {
    let samples: Vec<Value> = serde_json::from_str(include_str!("samples/requests.json")).unwrap();
    let world = World::start().await;
    let mut now = None;
    for sample in samples {
        let name = sample["desk"].as_str().unwrap();
        let (_, desk) = HelpDesk::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .unwrap();
        if now != Some(desk) {
            world.desk.become_one(desk);
            now = Some(desk);
        }
        let method = sample["method"].as_str().unwrap().parse().unwrap();
        let url = format!("{}{}", world.desk.url(), sample["path"].as_str().unwrap());
        let request = reqwest::Client::builder()
            .build()
            .unwrap()
            .request(method, url);
        let request = match desk {
            HelpDesk::Zendesk => request.basic_auth("agent@example.com/token", Some(DESK_KEY)),
            HelpDesk::Freshdesk => request.basic_auth(DESK_KEY, Some("X")),
            _ => request.header("api_access_token", DESK_KEY),
        };
        let answered = request
            .body(sample["body"].to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(
            u64::from(answered.status().as_u16()),
            sample["status"].as_u64().unwrap(),
            "{sample}"
        );
    }
    world.end().await;
}

#[tokio::test]
async fn the_stand_ins_refuse_who_shows_no_key() {
    let world = World::start().await;
    for (desk, path) in [
        (HelpDesk::Zendesk, "/api/v2/tickets.json"),
        (HelpDesk::Freshdesk, "/api/v2/tickets"),
        (HelpDesk::Chatwoot, "/api/v1/accounts/3/conversations"),
    ] {
        world.desk.become_one(desk);
        for key in ["wrong", ""] {
            let request = reqwest::Client::builder()
                .build()
                .unwrap()
                .post(format!("{}{path}", world.desk.url()));
            let request = request
                .basic_auth(key, Some("X"))
                .header("api_access_token", key);
            assert_eq!(
                request.body("{}").send().await.unwrap().status(),
                401,
                "{desk:?}"
            );
        }
        assert!(world.desk.threads().is_empty());
    }
    world.end().await;
}

#[tokio::test]
async fn the_same_key_opens_one_zendesk_ticket_for_two_hours() {
    let world = World::start().await;
    world.desk.become_one(HelpDesk::Zendesk);
    let post = async |path: &str, key: &str, body: Value| {
        let request = reqwest::Client::builder()
            .build()
            .unwrap()
            .post(format!("{}{path}", world.desk.url()));
        let request = request.basic_auth("agent@example.com/token", Some(DESK_KEY));
        let request = request
            .header("idempotency-key", key)
            .body(body.to_string());
        let answered = request.send().await.unwrap();
        let lookup = answered.headers().get("x-idempotency-lookup");
        let lookup = lookup.map(|value| value.to_str().unwrap().to_owned());
        (answered.status().as_u16(), lookup)
    };
    let user = json!({ "user": { "name": "Ana", "external_id": "ana" } });
    post("/api/v2/users/create_or_update.json", "u", user).await;
    let ticket =
        |words: &str| json!({ "ticket": { "comment": { "body": words }, "requester_id": 10_002 } });
    let some = |text: &str| Some(text.to_owned());
    let path = "/api/v2/tickets.json";
    assert_eq!(post(path, "k", ticket("a")).await, (201, some("miss")));
    assert_eq!(post(path, "k", ticket("a")).await, (201, some("hit")));
    assert_eq!(post(path, "k", ticket("b")).await, (400, None));
    world.clock.advance(Duration::from_hours(2));
    assert_eq!(post(path, "k", ticket("a")).await, (201, some("miss")));
    assert_eq!(world.desk.threads().len(), 2);
    world.end().await;
}

#[tokio::test]
async fn what_your_own_template_makes_is_signed_and_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("desk.json");
    let text = r#"{% if event != "handoff.message" %}{
        "event": {{ event }}, "id": {{ id }}, "occurred_at": {{ occurred_at }}, "reason": {{ reason }},
        "conversation": {"id": {{ conversation.id }}}, "greeting": {{ "Hi " ~ user.external_id }}
    }{% endif %}"#;
    let text = text.replace(
        "{{ reason }}",
        "{{ reason if reason is defined else none }}",
    );
    std::fs::write(&file, text).unwrap();
    let keys = format!("format = \"template\"\ntemplate = \"{}\"", file.display());
    let world = World::with_desk(&keys).await;
    world.tells("ana", WISH).await;
    world.tells("ana", "It is about my order").await;
    let received = world.desk.received();
    assert_eq!(received.len(), 1, "the template makes nothing of messages");
    assert_eq!(received[0].body["greeting"], "Hi ana");
    assert_eq!(received[0].body.as_object().unwrap().len(), 6);
    world.end().await;
}

#[test]
fn the_configuration_of_a_stand_in_is_what_its_format_needs() {
    for (name, desk) in HelpDesk::ALL.into_iter().skip(1) {
        assert!(Desk::keys(desk).contains(&format!("format = \"{name}\"")));
    }
}
