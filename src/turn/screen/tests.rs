use super::*;
use crate::domain::{Author, ConversationId, Customer, MessageId, new_id};
use jiff::Timestamp;

const RULES: &str = r#"
    [[rule]]
    name = "bye"
    action = "opt_out"
    [rule.phrases]
    en = ["=stop"]
    [[rule]]
    name = "back"
    action = "opt_in"
    [rule.phrases]
    en = ["=start"]
    [[rule]]
    name = "machine"
    action = "return"
    [rule.phrases]
    en = ["=bot"]
    [[rule]]
    name = "person"
    action = "escalate"
    [rule.phrases]
    en = ["want a person"]
    [[rule]]
    name = "hours"
    action = "reply"
    text = "hours"
    [rule.phrases]
    en = ["opening hours"]
    [[rule]]
    name = "hint"
    action = "offer"
    [rule.phrases]
    en = ["=agent"]
    [[rule]]
    name = "robot"
    action = "ignore"
    [rule.phrases]
    en = ["out of office"]
    [[rule]]
    name = "bills"
    action = "assistant"
    assistant = "billing"
    [rule.phrases]
    en = ["invoice"]
    [[rule]]
    name = "trouble"
    action = "escalate"
    when = { failed_attempts = ">=3" }
"#;

fn at(minutes: u64) -> Timestamp {
    later(Timestamp::UNIX_EPOCH, Duration::from_mins(minutes))
}

fn conversation(owner: Owner, opted_out: bool) -> Conversation {
    Conversation {
        id: ConversationId(new_id(Timestamp::UNIX_EPOCH)),
        assistant: "support".to_owned(),
        customer: Customer::new(Some("u1".to_owned()), None, None).unwrap(),
        owner,
        handoff: None,
        opted_out,
        epoch: 0,
        version: 0,
        language: None,
        profile: crate::domain::Profile::default(),
        opened_at: Timestamp::UNIX_EPOCH,
        window_expires_at: at(24 * 60),
        summary: None,
    }
}

fn messages(texts: &[&str]) -> Vec<Message> {
    let message = |text: &&str| Message {
        id: MessageId(new_id(Timestamp::UNIX_EPOCH)),
        seq: 1,
        author: Author::Customer,
        text: (*text).into(),
        media: Vec::new(),
        at: Timestamp::UNIX_EPOCH,
        is_poison: false,
    };
    texts.iter().map(message).collect()
}

/// Gives the terms of an assistant with a desk, at the beginning of time.
fn terms() -> Terms {
    Terms {
        has_desk: true,
        may_return: MayReturn::Pending,
        is_open: true,
        course: Course::default(),
        under_way: Aftermath::default(),
        passes: 0,
        sees_images: false,
        on_late: Instead::Apologise,
        on_unanswered: Instead::Apologise,
        reply_ttl: Duration::from_mins(15),
        now: at(0),
    }
}

/// Gives the decision in a few words, right after the messages came.
fn decided(owner: Owner, opted_out: bool, has_desk: bool, texts: &[&str]) -> String {
    let terms = Terms {
        has_desk,
        ..terms()
    };
    in_words(&conversation(owner, opted_out), texts, terms)
}

fn in_words(conversation: &Conversation, texts: &[&str], terms: Terms) -> String {
    let rules = Rules::parse(RULES).unwrap();
    match screen(conversation, &messages(texts), &rules, terms) {
        Screened::Ask => "ask".to_owned(),
        Screened::Decided(Decision::Forward) => "forward".to_owned(),
        Screened::Decided(Decision::Suppress(why)) => format!("suppress {why:?}"),
        Screened::Decided(
            Decision::OptOut { rule } | Decision::OptIn { rule } | Decision::Return { rule },
        ) => rule,
        Screened::Decided(Decision::Canned { key, rule }) => format!("{key} {rule:?}"),
        Screened::Decided(Decision::Offer { key, rule, .. }) => format!("ask {key} {rule:?}"),
        Screened::Decided(Decision::Ignore { rule }) => format!("ignore {rule}"),
        Screened::Decided(Decision::Pass { to, rule }) => format!("to {to} by {rule}"),
        Screened::Decided(Decision::HandOff {
            evidence, reason, ..
        }) => match reason {
            HandoffReason::CustomerAsked => format!("hand off: {}", evidence.0),
            reason => format!("hand off for {}: {}", reason.as_str(), evidence.0),
        },
        Screened::Decided(other) => format!("{other:?}"),
    }
}

#[test]
fn what_is_decided_without_a_model() {
    use Owner::{Assistant, Human, Pending};
    for (owner, opted_out, has_desk, texts, decision) in [
        (Assistant, false, true, &["hello"][..], "ask"),
        (
            Assistant,
            false,
            true,
            &["I want a person now"],
            "hand off: I want a person now",
        ),
        (
            Assistant,
            false,
            true,
            &["hi", "I want a person", "ok?"],
            "hand off: I want a person",
        ),
        (Assistant, false, false, &["I want a person"], "ask"),
        (
            Assistant,
            false,
            true,
            &["opening hours?"],
            "hours Some(\"hours\")",
        ),
        (
            Assistant,
            false,
            true,
            &["opening hours?", "I want a person"],
            "hand off: I want a person",
        ),
        (Assistant, false, true, &["I want a person", "stop"], "bye"),
        (Assistant, false, true, &["", " "], "media None"),
        (Assistant, false, true, &["", "hello"], "ask"),
        (Assistant, false, true, &["start"], "ask"),
        (Assistant, true, true, &["hello"], "suppress OptedOut"),
        (
            Assistant,
            true,
            true,
            &["I want a person"],
            "suppress OptedOut",
        ),
        (Assistant, true, true, &["start"], "back"),
        (Pending, false, true, &["hello"], "forward"),
        (Human, false, true, &["opening hours?"], "forward"),
        (Human, false, true, &["I want a person"], "forward"),
        (Human, false, true, &["stop"], "bye"),
        (Human, true, true, &["hello"], "forward"),
        (Human, true, true, &["stop"], "forward"),
        (Pending, false, true, &["bot"], "machine"),
        (Pending, true, true, &["bot"], "forward"),
        (Pending, false, true, &["bot", "stop"], "bye"),
        (Human, false, true, &["bot"], "forward"),
        (Assistant, false, true, &["bot"], "ask"),
        (Human, false, true, &["agent"], "forward"),
        (Human, false, true, &["out of office"], "forward"),
        (
            Assistant,
            false,
            true,
            &["agent"],
            "ask offer Some(\"hint\")",
        ),
        (Assistant, false, false, &["agent"], "ask"),
        (Assistant, false, true, &["out of office"], "ignore robot"),
        (
            Assistant,
            true,
            true,
            &["out of office"],
            "suppress OptedOut",
        ),
        (
            Assistant,
            false,
            true,
            &["my invoice"],
            "to billing by bills",
        ),
        // Two rules fit, and the first cannot be done.
        (
            Assistant,
            false,
            false,
            &["I want a person", "my invoice"],
            "to billing by bills",
        ),
    ] {
        assert_eq!(
            decided(owner, opted_out, has_desk, texts),
            decision,
            "{owner:?} {opted_out} {texts:?}"
        );
    }
}

#[test]
fn what_is_too_old_gets_no_answer_and_after_a_day_nothing_at_all() {
    use Instead::{Apologise, HandOff};
    for (minutes, on_late, has_desk, text, decision) in [
        (14, Apologise, true, "hello", "ask"),
        (15, Apologise, true, "hello", "Apologise"),
        (15, HandOff, true, "hello", "hand off for failure: hello"),
        (15, HandOff, false, "hello", "Apologise"),
        (15, Apologise, true, "opening hours?", "Apologise"),
        (
            15,
            Apologise,
            true,
            "I want a person",
            "hand off: I want a person",
        ),
        (15, Apologise, true, "stop", "bye"),
        (24 * 60 - 1, Apologise, true, "hello", "Apologise"),
        (24 * 60, Apologise, true, "hello", "suppress Expired"),
        (24 * 60, HandOff, true, "hello", "suppress Expired"),
        (
            24 * 60,
            Apologise,
            true,
            "I want a person",
            "hand off: I want a person",
        ),
    ] {
        let terms = Terms {
            has_desk,
            on_late,
            now: at(minutes),
            ..terms()
        };
        let conversation = conversation(Owner::Assistant, false);
        let decided = in_words(&conversation, &[text], terms);
        assert_eq!(decided, decision, "{minutes} {on_late:?} {text}");
    }
}

#[test]
fn one_fresh_message_makes_all_worth_an_answer() {
    let terms = Terms {
        now: at(20),
        ..terms()
    };
    let mut waiting = messages(&["hello", "anybody there?"]);
    waiting[1].at = at(6);
    let rules = Rules::parse(RULES).unwrap();
    let conversation = conversation(Owner::Assistant, false);
    let screened = screen(&conversation, &waiting, &rules, terms);
    assert_eq!(screened, Screened::Ask);
}

#[test]
fn what_came_before_decides_too() {
    let course = |unhelped, offer| Course {
        unhelped,
        offer,
        word_left_at: None,
    };
    for (course, is_repeat, passes, text, decision) in [
        (course(0, Offer::Made), false, 2, "agent", "hand off: agent"),
        (course(1, Offer::Open), false, 2, "agent", "hand off: agent"),
        (course(2, Offer::None), false, 2, "hello", "ask"),
        (
            course(2, Offer::None),
            true,
            2,
            "hello",
            "hand off for rule: hello",
        ),
        (
            course(3, Offer::None),
            false,
            2,
            "hello",
            "hand off for rule: hello",
        ),
        (course(0, Offer::None), true, 2, "hello", "ask"),
        (course(0, Offer::None), false, 3, "my invoice", "ask"),
    ] {
        let terms = Terms {
            course,
            under_way: Aftermath {
                is_repeat,
                ..Aftermath::default()
            },
            passes,
            ..terms()
        };
        let conversation = conversation(Owner::Assistant, false);
        let decided = in_words(&conversation, &[text], terms);
        assert_eq!(decided, decision, "{course:?} {is_repeat} {text}");
    }
}

#[test]
fn nobody_passes_a_customer_on_to_himself() {
    let mut conversation = conversation(Owner::Assistant, false);
    conversation.assistant = "billing".to_owned();
    assert_eq!(in_words(&conversation, &["my invoice"], terms()), "ask");
}

#[test]
fn what_comes_without_words_is_answered_by_rote_unless_some_model_looks_at_it() {
    let of = |links: &[&str]| {
        let mut messages = messages(&[""]);
        messages[0].media = links.iter().map(|&link| link.into()).collect();
        messages
    };
    for (links, sees_images, key) in [
        (&["https://a/1.jpg"][..], false, Some("media")),
        (&["https://a/1.jpg"], true, None),
        (&["https://a/1.ogg"], true, Some("media")),
        (
            &["https://a/1.ogg", "https://a/2.ogg"],
            true,
            Some("media_several"),
        ),
        (&["https://a/1.ogg", "https://a/2.png"], true, None),
        (&[], true, Some("media")),
    ] {
        let terms = Terms {
            sees_images,
            ..terms()
        };
        let rules = Rules::parse(RULES).unwrap();
        let conversation = conversation(Owner::Assistant, false);
        let expected = key.map_or(Screened::Ask, |key| {
            Screened::Decided(Decision::Canned {
                key: key.to_owned(),
                rule: None,
            })
        });
        let screened = screen(&conversation, &of(links), &rules, terms);
        assert_eq!(screened, expected, "{links:?}");
    }
}
