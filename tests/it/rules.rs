//! What is offered, what escalates, and what rules do, through the real doors.

use std::path::Path;
use std::time::Duration;

use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::phone::Texted;

use crate::prompts::copy;
use crate::world::World;

const HOUR: Duration = Duration::from_hours(1);

/// Tells who has the customer's conversation.
fn owner(world: &World, customer: &str) -> String {
    let owners = world.rows(&format!(
        "SELECT assistant || ':' || owner FROM conversation WHERE external_id = '{customer}' ORDER BY key"
    ));
    owners.join(" ")
}

/// Gives what became of a customer's messages, each with the rule that decided.
fn decided(world: &World, customer: &str) -> Vec<String> {
    world.rows(&format!(
        "SELECT coalesce(outcome, 'waiting') || ' ' || coalesce(rule, '-') FROM message m
         JOIN conversation c ON c.key = m.conversation
         WHERE m.author = 'customer' AND c.external_id = '{customer}' ORDER BY c.key, seq"
    ))
}

fn desk(world: &World) -> Vec<String> {
    let events = world.desk.received().into_iter();
    events.map(|event| event.name).collect()
}

/// Starts a world whose assistant has these rules and no others, and more in its configuration.
async fn ruled(folder: &Path, rules: &str, more: &str) -> World {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/support");
    copy(&shipped, folder);
    std::fs::write(folder.join("rules.toml"), rules).unwrap();
    let prompts = format!("prompts = \"{}\"", folder.display());
    World::with_models(false, &prompts, more).await
}

fn offers(text: &str) -> Reply {
    Reply::acts("offer_human", text)
}

#[tokio::test]
async fn a_person_is_offered_once_and_a_yes_right_after_it_brings_one() {
    let world = World::start().await;
    world.model.script([
        offers("I don't know. Shall I get a colleague?"),
        Reply::says("You're welcome."),
        offers("I can't tell. Shall I get a colleague?"),
    ]);
    world.tells("ana", "Is the blue one out of stock?").await;
    assert_eq!(
        world.heard("ana"),
        ["I don't know. Shall I get a colleague?"]
    );
    // An answer to something else lets the offer rest, and a yes is none to it any more.
    world.tells("ana", "No, thank you very much for that").await;
    world.model.script([Reply::says("Yes to what?")]);
    world.tells("ana", "yes").await;
    assert_eq!(owner(&world, "ana"), "support:assistant");

    world.model.script([offers("No idea. A colleague?")]);
    world.tells("bob", "Is the red one out of stock?").await;
    world.tells("bob", "Yes, please").await;
    assert_eq!(owner(&world, "bob"), "support:pending");
    assert_eq!(
        decided(&world, "bob"),
        ["replied -", "handed_off offer_accepted"]
    );
    world.end().await;
}

#[tokio::test]
async fn a_second_offer_of_the_models_stands_as_plain_words_until_people_had_it_or_a_day_passed() {
    let world = World::start().await;
    let offered = || world.rows("SELECT help FROM message WHERE help IS NOT NULL ORDER BY seq");
    world.model.script([
        offers("A colleague?"),
        Reply::says("Fine."),
        offers("A colleague, really?"),
    ]);
    world.tells("ana", "Is the blue one out of stock?").await;
    world.tells("ana", "Never mind, when do you close?").await;
    world
        .tells("ana", "And what about the green one then?")
        .await;
    assert_eq!(world.heard("ana").last().unwrap(), "A colleague, really?");
    assert_eq!(offered(), ["offered", "missing"]);
    // It was no offer, so a yes goes to the model.
    world.model.script([Reply::says("Yes?")]);
    world.tells("ana", "yes").await;
    assert_eq!(owner(&world, "ana"), "support:assistant");
    // A day later it is another matter.
    world.pass(HOUR * 25).await;
    world.model.script([offers("A colleague, perhaps?")]);
    world
        .tells("ana", "Do you have it in grey this week?")
        .await;
    assert_eq!(offered(), ["offered", "missing", "offered"]);
    world.tells("ana", "ok").await;
    assert_eq!(owner(&world, "ana"), "support:pending");
    world.end().await;
}

#[tokio::test]
async fn a_vague_word_is_offered_a_person_and_said_again_it_brings_one() {
    let world = World::start().await;
    world.tells("ana", "Agent").await;
    assert!(world.heard("ana")[0].starts_with("Would you like me to bring in a colleague?"));
    assert_eq!(world.model.request_count(), 0);
    world.tells("ana", "representative").await;
    assert_eq!(
        decided(&world, "ana"),
        ["canned human_hinted", "handed_off human_hinted"]
    );
    let event = world.desk.received().pop().unwrap();
    assert_eq!(event.body["reason"]["rule_id"], "human_hinted");
    // In the customer's language, and anger without a question is offered as well.
    world.tells("eva", "Das ist doch eine Frechheit!").await;
    assert!(world.heard("eva")[0].starts_with("Soll ich einen Kollegen dazuholen?"));
    assert_eq!(decided(&world, "eva"), ["canned upset"]);
    world.end().await;
}

#[tokio::test]
async fn without_people_nobody_is_offered() {
    let world = World::start().await;
    let world = world.restart_replacing("desk = \"main\"", "").await;
    world
        .model
        .script([offers("I can't say."), Reply::says("Yes?")]);
    world.tells("ana", "Is the blue one out of stock?").await;
    world.tells("ana", "Agent").await;
    assert_eq!(world.heard("ana"), ["I can't say.", "Yes?"]);
    assert_eq!(decided(&world, "ana"), ["replied -", "replied -"]);
    world.end().await;
}

#[tokio::test]
async fn the_third_turn_running_that_does_not_help_brings_people() {
    let world = World::start().await;
    world.model.misbehave(Plan::status(400).times(1));
    world.tells("ana", "Is the blue one out of stock?").await;
    world.model.script([offers("A colleague?")]);
    world.tells("ana", "Can I see it in a shop nearby?").await;
    assert_eq!(owner(&world, "ana"), "support:assistant");
    world
        .model
        .script([offers("A colleague?"), Reply::Text("A summary.".to_owned())]);
    world
        .tells("ana", "Then what about the sandals of last year?")
        .await;
    assert_eq!(owner(&world, "ana"), "support:pending");
    assert_eq!(
        decided(&world, "ana"),
        ["failed(refused) -", "replied -", "handed_off no_help"]
            .map(|line| line.replace("refused", "model"))
    );
    let event = world.desk.received().pop().unwrap();
    assert_eq!(event.body["reason"]["code"], "rule");
    // One that helps in between begins the count anew.
    world.model.misbehave(Plan::status(400).times(2));
    world.tells("bob", "Is the blue one out of stock?").await;
    world.tells("bob", "Can I see it in a shop nearby?").await;
    world.model.script([Reply::says("Yes, in Rome.")]);
    world.tells("bob", "Which shop of yours has it?").await;
    world.model.misbehave(Plan::status(400).times(1));
    world
        .tells("bob", "Then what about the sandals of last year?")
        .await;
    assert_eq!(owner(&world, "bob"), "support:assistant");
    world.end().await;
}

#[tokio::test]
async fn the_same_question_a_third_time_brings_people() {
    let world = World::start().await;
    world
        .model
        .respond_with(|_| Reply::says("It is on its way."));
    world.tells("ana", "Where is my parcel?").await;
    world.tells("ana", "Where is my parcel???").await;
    assert_eq!(owner(&world, "ana"), "support:assistant");
    world.tells("ana", "WHERE IS MY PARCEL").await;
    assert_eq!(
        decided(&world, "ana"),
        ["replied -", "replied -", "handed_off no_help"]
    );
    world.end().await;
}

#[tokio::test]
async fn an_offer_that_never_left_was_none() {
    let world = World::with_rates(1, 1).await;
    world.model.respond_with(|_| offers("A colleague?"));
    world.braze.misbehave(Plan::status(503).times(1));
    world.says("ana", "Is the blue one out of stock?").await;
    world.clock.advance(Duration::from_secs(1));
    world
        .until("the offer to wait for another attempt", |counts| {
            counts.waiting == 0 && counts.claimed == 0 && counts.open_deliveries[0] == 1
        })
        .await;
    world.breathe().await;
    // A newer message takes it back: this yes answers nothing that was heard.
    world.says("ana", "yes").await;
    world.within(Duration::from_mins(1)).await;
    assert_eq!(owner(&world, "ana"), "support:assistant");
    assert_eq!(world.heard("ana"), ["A colleague?"]);
    world.end().await;
}

const CLOSED: &str = r#"
time_zone = "Europe/Madrid"
[assistants.support.hours]
tuesday = ["09:00-17:00"]
"#;

#[tokio::test]
async fn while_nobody_is_there_a_handoff_says_when_people_are_back() {
    let world = World::with_assistant(CLOSED).await;
    // It is Monday; the assistant goes on.
    world.model.script([Reply::says("It is blue.")]);
    world.tells("ana", "What colour is it?").await;
    world.tells("ana", "I want to talk to a human").await;
    let heard = world.heard("ana");
    assert_eq!(heard.len(), 2);
    assert!(
        heard[1].contains("they are back tomorrow at 9:00 am"),
        "{heard:?}"
    );
    world
        .tells("eva", "Ich möchte mit einem Menschen sprechen")
        .await;
    let heard = world.heard("eva");
    assert!(
        heard[0].contains("das Team ist morgen um 9 Uhr wieder für Sie da"),
        "{heard:?}"
    );
    // On Tuesday at ten somebody is.
    world.pass(HOUR * 24).await;
    world.tells("bob", "I want to talk to a human").await;
    assert!(world.heard("bob")[0].starts_with("I’m passing you on"));
    world.end().await;
}

#[tokio::test]
async fn where_word_is_left_the_assistant_goes_on_until_people_come() {
    let message = format!("{CLOSED}\nclosed = \"message\"\n");
    let world = World::with_assistant(&message).await;
    world.tells("ana", "I want to talk to a human").await;
    let heard = world.heard("ana");
    assert!(
        heard[0].contains("who are back tomorrow at 9:00 am"),
        "{heard:?}"
    );
    assert_eq!(owner(&world, "ana"), "support:assistant");
    let event = world.desk.received().pop().unwrap();
    assert_eq!(
        (event.name.as_str(), &event.body["message_only"]),
        ("handoff.requested", &true.into())
    );
    // Said again, it is there already.
    world.tells("ana", "I want to talk to a human!").await;
    assert_eq!(world.heard("ana").len(), 2);
    assert_eq!(desk(&world).len(), 1);
    // What else is asked is answered, even by a model that would escalate.
    world
        .model
        .script([Reply::acts("escalate", "It is blue, I think.")]);
    world.tells("ana", "What colour is it?").await;
    assert_eq!(world.heard("ana").last().unwrap(), "It is blue, I think.");
    assert_eq!(desk(&world).len(), 1);
    // On Tuesday at ten they are there.
    world.pass(HOUR * 24).await;
    world.tells("ana", "I want to talk to a human").await;
    assert_eq!(owner(&world, "ana"), "support:pending");
    let event = world.desk.received().pop().unwrap();
    assert_eq!(event.body["message_only"], false);
    world.end().await;
}

const CONDITIONS: &str = r#"
[[rule]]
name = "newsletter"
action = "ignore"
phrases.en = ["out of office"]

[[rule]]
name = "vip"
action = "escalate"
when = { profile = { tier = ["gold", "platinum"] }, hours = "open" }

[[rule]]
name = "poor"
action = "reply"
text = "late"
when = { profile.orders = "<1" }
phrases.en = ["discount"]
"#;

fn texted<'a>(user_id: &'a str, message: &'a str) -> Texted<'a> {
    Texted {
        user_id,
        message,
        phone_number: "+15550100",
        ..Texted::default()
    }
}

/// A customer writes, and more is known of him.
async fn writes(world: &World, customer: &str, text: &str, more: &str) {
    let body = texted(customer, text).escaped();
    let body = body.replacen('{', &format!("{{ {more}, "), 1);
    let answered = world.phone("support").posts(body).await.unwrap();
    assert_eq!(answered.status, 202, "{answered:?}");
    world.pass(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn rules_depend_on_what_is_known_of_the_customer() {
    let folder = tempfile::tempdir().unwrap();
    let world = ruled(folder.path(), CONDITIONS, "").await;
    world.model.respond_with(|_| Reply::says("Hello."));
    writes(&world, "ana", "hello", r#""tier": "Gold""#).await;
    writes(&world, "bob", "hello", r#""tier": "silver""#).await;
    writes(&world, "cem", "a discount please", r#""orders": "0""#).await;
    writes(&world, "dan", "a discount please", r#""orders": "7""#).await;
    writes(&world, "eva", "I am out of office", r#""orders": "7""#).await;
    for (customer, outcome) in [
        ("ana", "handed_off vip"),
        ("bob", "replied -"),
        ("cem", "canned poor"),
        ("dan", "replied -"),
        ("eva", "suppressed(ignored) newsletter"),
    ] {
        assert_eq!(decided(&world, customer), [outcome], "{customer}");
    }
    assert!(world.heard("eva").is_empty());
    assert_eq!(desk(&world), ["handoff.requested"]);
    world.end().await;
}

const PASSING: &str = r#"
[[rule]]
name = "money"
action = "assistant"
assistant = "billing"
phrases.en = ["invoice"]
"#;

const RETURNING: &str = r#"
[[rule]]
name = "not_money"
action = "assistant"
assistant = "support"
phrases.en = ["parcel"]
"#;

fn billing(folder: &Path) -> String {
    format!(
        r#"
        [assistants.billing]
        secrets = ["env::INBOUND"]
        campaign_id = "campaign-2"
        prompts = "{}"
        [assistants.billing.business]
        name = "Acme"
        "#,
        folder.display()
    )
}

#[tokio::test]
async fn a_customer_is_passed_on_with_what_waits_and_what_comes() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/support");
    copy(&shipped, other.path());
    std::fs::write(other.path().join("rules.toml"), RETURNING).unwrap();
    let world = ruled(folder.path(), PASSING, &billing(other.path())).await;
    world.model.respond_with(|_| Reply::says("Here you are."));
    world.tells("ana", "hello to all of you").await;
    world.tells("ana", "my invoice is wrong").await;
    assert_eq!(
        decided(&world, "ana"),
        ["replied -", "passed_on money", "replied -"]
    );
    let asked = world.last_asked();
    let told = |words: &str| asked.iter().any(|(_, text)| text.contains(words));
    assert!(told("has passed this customer on") && told("my invoice is wrong"));
    assert!(!told("hello to all of you"));
    // What comes later goes there at once, also after a restart.
    let world = world.restart().await;
    world.tells("ana", "and another thing about it").await;
    let campaigns: Vec<_> = world
        .braze
        .sent()
        .into_iter()
        .map(|sent| sent.campaign_id)
        .collect();
    assert_eq!(campaigns, ["campaign-1", "campaign-2", "campaign-2"]);
    // Passed back, he is where he began.
    world.tells("ana", "it is about my parcel now").await;
    world.tells("ana", "can you tell me where it is").await;
    assert_eq!(
        world.rows(
            "SELECT assistant || ' ' || coalesce(passed_to, '-') FROM conversation ORDER BY key"
        ),
        ["support -", "billing support"]
    );
    let campaigns: Vec<_> = world
        .braze
        .sent()
        .into_iter()
        .map(|sent| sent.campaign_id)
        .collect();
    assert_eq!(campaigns[3..], ["campaign-1", "campaign-1"]);
    world.end().await;
}

#[tokio::test]
async fn two_assistants_do_not_send_a_customer_to_and_fro_for_ever() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/support");
    copy(&shipped, other.path());
    std::fs::write(other.path().join("rules.toml"), RETURNING).unwrap();
    let world = ruled(folder.path(), PASSING, &billing(other.path())).await;
    world.model.respond_with(|_| Reply::says("Here you are."));
    world.tells("ana", "the invoice of my parcel").await;
    let mut outcomes = decided(&world, "ana");
    outcomes.sort();
    assert_eq!(
        outcomes,
        [
            "passed_on money",
            "passed_on money",
            "passed_on not_money",
            "replied -"
        ]
    );
    assert_eq!(world.heard("ana").len(), 1);
    // After a day of silence he begins at the door that he writes to.
    world.pass(HOUR * 25).await;
    world.tells("ana", "hello to all of you").await;
    assert_eq!(world.braze.sent().pop().unwrap().campaign_id, "campaign-1");
    world.end().await;
}

#[test]
fn a_rule_that_passes_a_customer_on_to_nobody_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/support");
    copy(&shipped, folder.path());
    std::fs::write(folder.path().join("rules.toml"), PASSING).unwrap();
    let source = frontdesk::prompts::Source::Directory(folder.path().to_owned());
    let business = serde_json::json!({"name": "Acme"})
        .as_object()
        .unwrap()
        .clone();
    let open = |peers: &[&str]| {
        let peers = peers.iter().map(|&peer| peer.to_owned()).collect();
        let language = frontdesk::domain::Language::ENGLISH;
        frontdesk::prompts::Prompts::open_among(source.clone(), language, business.clone(), peers)
    };
    assert!(open(&["billing"]).is_ok());
    for (peers, cure) in [(&["sales"][..], "there are: sales"), (&[], "there is none")] {
        let problems = open(peers).unwrap_err();
        assert_eq!(problems.len(), 1);
        let shown = problems[0].to_string();
        assert!(
            shown.contains("`billing`") && shown.contains(cure),
            "{shown}"
        );
        let span = problems[0].span.clone().unwrap();
        assert_eq!(&PASSING[span], "\"billing\"");
    }
}

#[tokio::test]
async fn pictures_go_to_models_that_look_at_them_and_others_are_told_of_them() {
    for (images, is_seen) in [("images = true", true), ("", false)] {
        let world = World::with_target(images).await;
        world.model.respond_with(|_| Reply::says("A shoe."));
        let sent = Texted {
            media_urls: "https://cdn.acme.dev/1.jpg,https://cdn.acme.dev/2.ogg,https://cdn.acme.dev/3.png",
            ..texted("ana", "What is this, please?")
        };
        world.phone("support").texts(&sent).await.unwrap();
        world.pass(Duration::from_secs(1)).await;
        let request = world.model.requests().pop().unwrap().json();
        let last = request["messages"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        let shown = last["content"].to_string();
        assert!(
            shown.contains("sent a file along, which you cannot see or hear"),
            "{shown}"
        );
        match is_seen {
            true => {
                let parts = last["content"].as_array().unwrap();
                let links: Vec<_> = parts
                    .iter()
                    .filter_map(|part| part["image_url"]["url"].as_str())
                    .collect();
                assert_eq!(
                    links,
                    ["https://cdn.acme.dev/1.jpg", "https://cdn.acme.dev/3.png"]
                );
                assert!(
                    parts[0]["text"]
                        .as_str()
                        .unwrap()
                        .starts_with("What is this")
                );
            }
            false => assert!(
                shown.contains("2 pictures along, which you cannot see"),
                "{shown}"
            ),
        }
        // Without words: a picture is looked at, else the customer hears what is true.
        let asked = world.model.request_count();
        let sent = Texted {
            media_urls: "https://cdn.acme.dev/1.jpg,https://cdn.acme.dev/2.jpg",
            ..texted("bob", "")
        };
        world.phone("support").texts(&sent).await.unwrap();
        world.pass(Duration::from_secs(1)).await;
        assert_eq!(world.model.request_count() - asked, u64::from(is_seen));
        let heard = world.heard("bob").pop().unwrap();
        assert_eq!(
            heard.starts_with("Thank you, I’ve received your files."),
            !is_seen,
            "{heard}"
        );
        // The desk gets the links in any case.
        world.tells("bob", "I want to talk to a human").await;
        let event = world.desk.received().pop().unwrap();
        let transcript = event.body["transcript"].to_string();
        assert!(
            transcript.contains("https://cdn.acme.dev/2.jpg"),
            "{transcript}"
        );
        world.end().await;
    }
}

/// Gives what Braze was asked for by path, in order.
fn asked_of_braze(world: &World) -> Vec<String> {
    let requests = world.braze.requests().into_iter();
    requests.map(|request| request.path).collect()
}

#[tokio::test]
async fn braze_follows_the_customers_consent_behind_the_goodbye_and_before_the_welcome() {
    let world = World::with_assistant("opt_out.subscription_group = \"group-1\"").await;
    // The endpoint is down for a while: the goodbye has left, and the state follows.
    world.tells("ana", "STOP").await;
    assert_eq!(world.heard("ana").len(), 1);
    assert_eq!(
        asked_of_braze(&world),
        ["/campaigns/trigger/send", "/v2/subscription/status/set"]
    );
    // Said again, it is so already, and nobody answers.
    world.tells("ana", "STOP").await;
    world.tells("ana", "hello to all of you").await;
    assert_eq!(asked_of_braze(&world).len(), 2);
    world.tells("ana", "START").await;
    assert_eq!(
        asked_of_braze(&world)[2..],
        ["/v2/subscription/status/set", "/campaigns/trigger/send"]
    );
    let states: Vec<_> = world
        .braze
        .tracked()
        .into_iter()
        .map(|tracked| {
            let group = &tracked.fields["subscription_groups"][0];
            assert_eq!(group["subscription_group_id"], "group-1");
            format!("{} {}", tracked.user.value(), group["subscription_state"])
        })
        .collect();
    assert_eq!(states, ["ana \"unsubscribed\"", "ana \"subscribed\""]);
    assert_eq!(
        world.outcomes("ana"),
        [
            "canned",
            "suppressed(opted_out)",
            "suppressed(opted_out)",
            "canned"
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn a_state_that_braze_does_not_take_at_once_is_told_again_and_takes_no_words_back() {
    let world = World::with_assistant("opt_out.subscription_group = \"group-1\"").await;
    let down = Plan::status(500).times(2);
    world.braze.misbehave(down.when("subscription_state"));
    world.says("ana", "STOP").await;
    world.within(Duration::from_mins(2)).await;
    assert_eq!(world.heard("ana").len(), 1);
    assert_eq!(world.outcomes("ana"), ["canned"]);
    assert_eq!(world.braze.tracked_count(), 1);
    // Refused for good, it waits for an operator, and the goodbye was said all the same.
    world
        .braze
        .misbehave(Plan::status(400).when("subscription_state").times(1));
    world.tells("bob", "STOP").await;
    assert_eq!(world.outcomes("bob"), ["canned"]);
    assert_eq!(
        world.rows("SELECT name || ' ' || state FROM delivery ORDER BY key"),
        [
            "reply sent",
            "subscription sent",
            "reply sent",
            "subscription dead"
        ]
    );
    assert_eq!(
        world.rows("SELECT count(*) || '' FROM message WHERE author = 'assistant'"),
        ["2"]
    );
    world.end().await;
}
