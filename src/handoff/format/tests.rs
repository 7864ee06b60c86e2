//! What each format asks of a desk, event for event.

use rstest::rstest;
use serde_json::json;

use super::*;
use plan::Step::{
    Close, FindByPhone, FindContact, FindPost, FindThread, MakeContact, MakeThread, Note, Post,
};

const CHATWOOT: Dialect = Dialect::Chatwoot(Chatwoot {
    account: 1,
    inbox: 7,
});

/// Gives a sample event, under an id of its own.
fn told(index: usize, again: bool) -> Told {
    Told::read(
        format!("evt-{index}"),
        &samples::all()[index].to_string(),
        again,
    )
}

/// Gives what a help desk that does what it is asked answers.
fn answer(step: Step) -> Value {
    match step {
        MakeContact => json!({ "user": { "id": 41 }, "payload": { "contact": { "id": 41 } } }),
        MakeThread => json!({ "id": 42, "ticket": { "id": 42 } }),
        _ => json!({ "payload": [], "tickets": [], "results": [], "comments": [] }),
    }
}

fn ended(code: &str) -> Told {
    let mut told = told(6, false);
    told.body["reason"]["code"] = code.into();
    told
}

/// Plays a plan to its end. Gives its steps.
fn play(dialect: &Dialect, told: &Told, progress: &mut Progress) -> Vec<Step> {
    let mut steps = Vec::new();
    while let Some(request) = next(dialect, told, progress) {
        let learnt = dialect.learn(told, request.step, 200, &answer(request.step), progress);
        assert_eq!(learnt, Learnt::Goes, "{request:?}");
        steps.push(request.step);
        assert!(steps.len() < 12, "{steps:?}");
    }
    steps
}

fn next(dialect: &Dialect, told: &Told, progress: &Progress) -> Option<Request> {
    dialect
        .next(
            told,
            &told.body.to_string(),
            Timestamp::UNIX_EPOCH,
            progress,
        )
        .unwrap()
}

fn body(request: &Request) -> Value {
    serde_json::from_str(request.body.as_deref().unwrap_or_default()).unwrap_or_default()
}

fn opened() -> Progress {
    Progress {
        contact: Some("41".to_owned()),
        thread: Some("42".to_owned()),
        ..Progress::default()
    }
}

#[rstest]
#[case::slack(Dialect::Slack, &[Post], Post)]
#[case::zendesk(Dialect::Zendesk, &[MakeContact, MakeThread], Post)]
#[case::freshdesk(Dialect::Freshdesk, &[MakeThread], Post)]
#[case::chatwoot(CHATWOOT, &[FindContact, FindByPhone, MakeContact, MakeThread, Note, Post], Note)]
fn a_whole_life_takes_these_steps(
    #[case] dialect: Dialect,
    #[case] opening: &[Step],
    #[case] note: Step,
) {
    let mut link = Progress::default();
    let events = [
        (told(0, false), opening),
        (told(1, false), &[Post]),
        (told(4, false), &[note]),
        (ended("agent_released"), &[note]),
    ];
    for (event, expected) in &events {
        let mut progress = Progress {
            contact: link.contact.clone(),
            thread: link.thread.clone(),
            ..Progress::default()
        };
        let steps = play(&dialect, event, &mut progress);
        assert_eq!(steps, *expected, "{:?}", event.text("/event"));
        link = progress;
    }
}

#[rstest]
#[case::zendesk(Dialect::Zendesk, &[MakeContact, FindThread, MakeThread])]
#[case::freshdesk(Dialect::Freshdesk, &[FindThread, MakeThread])]
#[case::chatwoot(CHATWOOT, &[
    FindContact, FindByPhone, MakeContact, FindThread, MakeThread, FindPost, Note, Post,
])]
fn after_a_doubt_it_is_looked_for_what_is_there(
    #[case] dialect: Dialect,
    #[case] expected: &[Step],
) {
    assert_eq!(
        play(&dialect, &told(0, true), &mut Progress::default()),
        expected
    );
    let later = play(&dialect, &told(1, true), &mut opened());
    assert_eq!(later, [FindPost, Post]);
}

#[test]
fn what_an_earlier_attempt_left_is_not_made_again() {
    let event = told(1, true);
    let said = "I want to talk to a human\nhttps://example.com/a.jpg";
    let at = "2026-03-02T09:00:01Z";
    for (dialect, left) in [
        (
            Dialect::Zendesk,
            json!({ "comments": [{ "author_id": 41, "body": said, "created_at": at }] }),
        ),
        (
            Dialect::Freshdesk,
            json!([{ "body_text": said.replace('\n', " "), "created_at": at }]),
        ),
        (
            CHATWOOT,
            json!({ "payload": [{ "message_type": 0, "private": false, "content": said, "created_at": 1_772_442_001 }] }),
        ),
        (
            CHATWOOT,
            json!({ "payload": [{ "source_id": "evt-1", "created_at": 1_772_442_001 }] }),
        ),
    ] {
        let mut progress = opened();
        dialect.learn(&event, FindPost, 200, &left, &mut progress);
        assert!(progress.has(Post), "{left}");
        assert_eq!(next(&dialect, &event, &progress), None, "{left}");
        // The same words of an hour before are another message.
        let earlier = left
            .to_string()
            .replace(at, "2026-03-02T08:00:00Z")
            .replace("1772442001", "1772438400");
        let mut progress = opened();
        dialect.learn(
            &event,
            FindPost,
            200,
            &serde_json::from_str(&earlier).unwrap(),
            &mut progress,
        );
        assert!(!progress.has(Post), "{earlier}");
    }
    for (dialect, found) in [
        (Dialect::Zendesk, json!({ "tickets": [{ "id": 42 }] })),
        (
            Dialect::Freshdesk,
            json!({ "results": [{ "id": 42 }], "total": 1 }),
        ),
        (
            CHATWOOT,
            json!({ "payload": [
            { "id": 40, "custom_attributes": {} },
            { "id": 42, "custom_attributes": { "frontdesk_handoff": "0198c1f2-0000-7000-8000-000000000002" } },
        ] }),
        ),
    ] {
        let mut progress = Progress::default();
        dialect.learn(&told(0, true), FindThread, 200, &found, &mut progress);
        assert_eq!(progress.thread.as_deref(), Some("42"), "{found}");
    }
}

#[test]
fn a_number_that_the_desk_will_not_take_is_left_out() {
    for (dialect, step, pointer) in [
        (Dialect::Zendesk, MakeContact, "/user/phone"),
        (Dialect::Freshdesk, MakeThread, "/phone"),
        (CHATWOOT, MakeContact, "/phone_number"),
    ] {
        let event = told(0, false);
        let mut progress = Progress::default();
        progress.did(FindContact);
        progress.did(FindByPhone);
        let request = next(&dialect, &event, &progress).unwrap();
        assert_eq!(
            (request.step, body(&request).pointer(pointer)),
            (step, Some(&json!("+34600000102")))
        );
        let status = if step == MakeThread { 400 } else { 422 };
        let learnt = dialect.learn(&event, step, status, &json!({}), &mut progress);
        assert_eq!(learnt, Learnt::Goes);
        let again = next(&dialect, &event, &progress).unwrap();
        assert_eq!((again.step, body(&again).pointer(pointer)), (step, None));
        let learnt = dialect.learn(&event, step, status, &json!({}), &mut progress);
        assert_eq!(learnt, Learnt::Refused);
    }
}

#[test]
fn a_ticket_is_solved_when_the_handoff_ends_by_itself_but_not_at_any_price() {
    let mut progress = opened();
    let event = ended("timed_out");
    let request = next(&Dialect::Zendesk, &event, &progress).unwrap();
    assert_eq!(body(&request)["ticket"]["status"], "solved");
    let learnt = Dialect::Zendesk.learn(&event, Post, 422, &json!({}), &mut progress);
    assert_eq!(learnt, Learnt::Goes);
    let request = next(&Dialect::Zendesk, &event, &progress).unwrap();
    assert_eq!(body(&request)["ticket"].get("status"), None);
    assert_eq!(play(&CHATWOOT, &event, &mut opened()), [Note, Close]);
    let released = next(&Dialect::Zendesk, &ended("agent_released"), &opened()).unwrap();
    assert_eq!(body(&released)["ticket"].get("status"), None);
}

#[test]
fn an_end_that_no_ticket_was_opened_for_asks_nothing() {
    for dialect in [Dialect::Zendesk, Dialect::Freshdesk, CHATWOOT] {
        for event in [told(3, false), told(4, false), ended("timed_out")] {
            assert_eq!(next(&dialect, &event, &Progress::default()), None);
        }
    }
}

#[test]
fn an_answer_without_the_name_of_what_was_made_is_no_answer() {
    for (dialect, step) in [
        (Dialect::Zendesk, MakeContact),
        (Dialect::Zendesk, MakeThread),
        (Dialect::Freshdesk, MakeThread),
        (CHATWOOT, MakeContact),
        (CHATWOOT, MakeThread),
    ] {
        let learnt = dialect.learn(
            &told(0, false),
            step,
            201,
            &json!({}),
            &mut Progress::default(),
        );
        assert_eq!(learnt, Learnt::Unreadable, "{step:?}");
    }
}

#[test]
fn zendesk_gets_a_private_brief_and_public_words_of_the_customer() {
    let event = told(0, false);
    let contact = next(&Dialect::Zendesk, &event, &Progress::default()).unwrap();
    assert_eq!(contact.path, "/api/v2/users/create_or_update.json");
    assert_eq!(
        body(&contact),
        json!({ "user": { "name": "Ana", "external_id": "ana", "phone": "+34600000102" } })
    );
    let progress = Progress {
        contact: Some("41".to_owned()),
        ..Progress::default()
    };
    let ticket = next(&Dialect::Zendesk, &event, &progress).unwrap();
    assert_eq!(ticket.headers, [("idempotency-key", "evt-0".to_owned())]);
    let made = &body(&ticket)["ticket"];
    assert_eq!(made["requester_id"], 41);
    assert_eq!(made["external_id"], "0198c1f2-0000-7000-8000-000000000002");
    assert_eq!(made["comment"]["public"], false);
    assert_eq!(
        made["tags"],
        json!(["frontdesk", "customer_asked", "es", "support"])
    );
    assert_eq!(made["subject"], "WhatsApp: Ana: I want to talk to a human");
    let brief = made["comment"]["body"].as_str().unwrap();
    for says in [
        "Ana asks for a person.",
        "Phone: +34600000102",
        "Customer: I want to",
        "Give back: https://",
    ] {
        assert!(brief.contains(says), "{says}: {brief}");
    }
    let comment = next(&Dialect::Zendesk, &told(1, false), &opened()).unwrap();
    assert_eq!(
        (comment.method.as_str(), comment.path.as_str()),
        ("PUT", "/api/v2/tickets/42.json")
    );
    assert_eq!(body(&comment)["ticket"]["comment"]["author_id"], 41);
    assert_eq!(body(&comment)["ticket"]["comment"]["public"], true);
}

#[test]
fn freshdesk_gets_html_that_shows_what_was_written() {
    let mut event = told(0, false);
    event.body["summary"] = "<b>5 > 3 & \"so\"</b>".into();
    let ticket = next(&Dialect::Freshdesk, &event, &Progress::default()).unwrap();
    let made = body(&ticket);
    let shown = made["description"].as_str().unwrap();
    assert!(
        shown.contains("&lt;b&gt;5 &gt; 3 &amp; &quot;so&quot;&lt;/b&gt;<br>"),
        "{shown}"
    );
    assert_eq!(made["unique_external_id"], "ana");
    assert_eq!(made["tags"][1].as_str().unwrap().len(), 32);
    let note = next(&Dialect::Freshdesk, &told(1, false), &opened()).unwrap();
    assert_eq!(body(&note)["private"], true);
    assert_eq!(body(&note)["incoming"], true);
}

#[test]
fn chatwoot_hears_the_customer_and_nobody_hears_the_note() {
    let event = told(0, false);
    let mut progress = opened();
    progress.did(MakeThread);
    let note = body(&next(&CHATWOOT, &event, &progress).unwrap());
    assert_eq!(
        (&note["private"], &note["message_type"]),
        (&json!(true), &json!("outgoing"))
    );
    progress.did(Note);
    let said = next(&CHATWOOT, &event, &progress).unwrap();
    assert_eq!(said.path, "/api/v1/accounts/1/conversations/42/messages");
    let said = body(&said);
    assert_eq!(
        (&said["private"], &said["message_type"]),
        (&json!(false), &json!("incoming"))
    );
}

#[test]
fn slack_gets_blocks_within_its_limits_and_no_markup_of_the_customers() {
    let mut event = told(0, false);
    let long = format!("<!channel> & <@U1> {}", "&<>".repeat(1_300));
    let line = json!({ "author": "customer", "text": long, "media": [] });
    event.body["transcript"] = vec![line; 50].into();
    event.body["summary"] = long.clone().into();
    event.body["user"]["name"] = format!("<!here>{}", "x".repeat(5_000)).into();
    event.body["actions"]["ack_url"] = "https://frontdesk.example.com/a?t=1&x=2".into();
    let made = body(&next(&Dialect::Slack, &event, &Progress::default()).unwrap());
    let blocks = made["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50, "{}", blocks.len());
    for block in blocks {
        let fields = block["fields"].as_array().cloned().unwrap_or_default();
        let texts = fields.iter().chain([&block["text"]]);
        for text in texts.filter_map(|text| text["text"].as_str()) {
            let most = if block["type"] == "header" {
                150
            } else {
                3_000
            };
            assert!(!text.is_empty() && text.chars().count() <= most, "{text}");
            if block["type"] == "section" {
                let markup = text
                    .replace("&lt;", "")
                    .replace("&gt;", "")
                    .replace("&amp;", "");
                let markup = markup.replace("<https://", "");
                assert!(!markup.contains('<') && !markup.contains('&'), "{markup}");
            }
        }
    }
    let shown = made.to_string();
    assert!(
        shown.contains("<https://frontdesk.example.com/a?t=1&amp;x=2|Take over>"),
        "{shown}"
    );
    assert_eq!(made["unfurl_links"], false);
}

#[test]
fn a_long_conversation_shows_its_newest_messages() {
    let mut event = told(0, false);
    let line = |number: usize| json!({ "author": "customer", "text": format!("{number} {}", "x".repeat(4_000)) });
    event.body["transcript"] = (0..50).map(line).collect();
    let brief = words::brief(&event);
    assert!(brief.chars().count() <= words::NOTE_CHARS + 40);
    assert!(brief.contains("Customer: 49 ") && !brief.contains("Customer: 0 "));
    assert!(brief.contains("(earlier messages are left out)"));
}

#[test]
fn only_a_number_is_a_number() {
    let mut event = told(0, false);
    for (text, number) in [
        ("+34 600-000 102", Some("+34600000102")),
        ("34600000102", Some("+34600000102")),
        ("0600000102", None),
        ("ana", None),
        ("+1", None),
    ] {
        event.body["user"]["phone"] = text.into();
        assert_eq!(event.phone().as_deref(), number, "{text}");
    }
}
