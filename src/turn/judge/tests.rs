use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::domain::{ConversationId, Course, Customer, Owner, new_id};
use crate::handoff::MayReturn;

const RULES: &str = r#"
    [[rule]]
    name = "refund"
    action = "escalate"
    description = "Wants money back"
    [[rule]]
    name = "hours"
    action = "reply"
    text = "hours"
    description = "Asks for opening hours"
    [[rule]]
    name = "bye"
    action = "opt_out"
    description = "Wants no messages"
    [[rule]]
    name = "hint"
    action = "offer"
    description = "Hints at a person"
    [[rule]]
    name = "spam"
    action = "ignore"
    description = "Advertises"
    [[rule]]
    name = "bills"
    action = "assistant"
    assistant = "billing"
    description = "Asks about money"
    [[rule]]
    name = "rich"
    action = "escalate"
    description = "Asks for a discount"
    when = { profile.vip = true }
    [[rule]]
    name = "trouble"
    action = "escalate"
    when = { failed_attempts = ">=3" }
"#;

fn conversation() -> Conversation {
    Conversation {
        id: ConversationId(new_id(Timestamp::UNIX_EPOCH)),
        assistant: "support".to_owned(),
        customer: Customer::new(Some("u1".to_owned()), None, None).unwrap(),
        owner: Owner::Assistant,
        handoff: None,
        opted_out: false,
        epoch: 0,
        version: 0,
        language: None,
        profile: crate::domain::Profile::default(),
        opened_at: Timestamp::UNIX_EPOCH,
        window_expires_at: Timestamp::UNIX_EPOCH,
        summary: None,
    }
}

fn terms(on_unanswered: Instead, has_desk: bool) -> Terms {
    Terms {
        has_desk,
        may_return: MayReturn::Never,
        is_open: true,
        course: Course::default(),
        under_way: crate::domain::Aftermath::default(),
        passes: 0,
        sees_images: false,
        on_late: Instead::Apologise,
        on_unanswered,
        reply_ttl: Duration::ZERO,
        now: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn without_an_answer_people_take_over_where_that_is_wanted_and_there_are_some() {
    for (on_unanswered, has_desk, handed_off) in [
        (Instead::Apologise, true, false),
        (Instead::HandOff, false, false),
        (Instead::HandOff, true, true),
    ] {
        let asked = Asked {
            words: "what was said".into(),
            answer: Err(Failure::Refused),
        };
        let rules = Rules::parse(RULES).unwrap();
        let expected = match handed_off {
            true => Decision::HandOff {
                reason: HandoffReason::Failure,
                rule: None,
                detail: None,
                evidence: "what was said".into(),
            },
            false => Decision::Fail(Failure::Refused),
        };
        assert_eq!(
            judge(
                asked,
                &conversation(),
                &rules,
                terms(on_unanswered, has_desk)
            ),
            expected
        );
    }
}

/// Gives the decision on an answer in a few words, at the beginning of a conversation.
fn decided(action: ModelAction, rule: Option<&str>, reply: &str, has_desk: bool) -> String {
    in_words(action, rule, reply, terms(Instead::Apologise, has_desk))
}

fn in_words(action: ModelAction, rule: Option<&str>, reply: &str, terms: Terms) -> String {
    let answer = Answer {
        reply: reply.into(),
        action,
        rule: rule.map(str::to_owned),
        reason: None,
        language: None,
    };
    let asked = Asked {
        words: "what was said".into(),
        answer: Ok(answer),
    };
    match judge(asked, &conversation(), &Rules::parse(RULES).unwrap(), terms) {
        Decision::Reply { text, help, .. } => match help {
            Help::Given => format!("say {}", text.0),
            help => format!("say {} ({help:?})", text.0),
        },
        Decision::Offer { text, key, .. } => match text {
            Some(text) => format!("offer {}", text.0),
            None => format!("offer by {key}"),
        },
        Decision::Ignore { rule } => format!("ignore {rule}"),
        Decision::Pass { to, .. } => format!("to {to}"),
        Decision::Canned { key, .. } => format!("canned {key}"),
        Decision::HandOff {
            reason, evidence, ..
        } => format!("{} {}", reason.as_str(), evidence.0),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_rule_beats_the_models_own_choice_and_consent_is_not_the_models_to_give() {
    use ModelAction::{Answer as Say, Escalate, OfferHuman};
    for (action, rule, reply, has_desk, decision) in [
        (Say, None, "Hi.", true, "say Hi."),
        (OfferHuman, None, "A colleague?", true, "offer A colleague?"),
        (OfferHuman, None, "", true, "offer by offer"),
        (
            OfferHuman,
            None,
            "No idea.",
            false,
            "say No idea. (Missing)",
        ),
        (
            Say,
            Some("hint"),
            "A colleague?",
            true,
            "offer A colleague?",
        ),
        (Say, Some("hint"), "Hi.", false, "say Hi."),
        (Say, Some("spam"), "Hi.", true, "ignore spam"),
        (Say, Some("bills"), "Hi.", true, "to billing"),
        // Its condition does not hold, so it was no choice.
        (Say, Some("rich"), "Hi.", true, "say Hi."),
        (Escalate, None, "Wait.", true, "model what was said"),
        (Escalate, None, "Wait.", false, "say Wait. (Missing)"),
        (Escalate, None, "", false, "Fail(Model)"),
        (Say, Some("refund"), "Hi.", true, "rule what was said"),
        (Say, Some("refund"), "Hi.", false, "say Hi."),
        (Escalate, Some("hours"), "Hi.", true, "canned hours"),
        (Say, Some("bye"), "Goodbye.", true, "say Goodbye."),
        (Say, Some("unheard of"), "Hi.", true, "say Hi."),
        (Say, None, " ", true, "Fail(Model)"),
    ] {
        assert_eq!(
            decided(action, rule, reply, has_desk),
            decision,
            "{action:?} {rule:?} {has_desk}"
        );
    }
}

#[test]
fn what_came_before_decides_too() {
    use ModelAction::{Answer as Say, OfferHuman};
    for (unhelped, offer, action, reply, decision) in [
        (
            0,
            Offer::Made,
            OfferHuman,
            "A colleague?",
            "say A colleague? (Missing)",
        ),
        (0, Offer::Open, OfferHuman, "", "Fail(Model)"),
        (
            2,
            Offer::Made,
            OfferHuman,
            "A colleague?",
            "rule what was said",
        ),
        (
            2,
            Offer::None,
            OfferHuman,
            "A colleague?",
            "rule what was said",
        ),
        (2, Offer::None, Say, "", "rule what was said"),
        (2, Offer::None, Say, "Hi.", "say Hi."),
        (1, Offer::None, Say, "", "Fail(Model)"),
    ] {
        let terms = Terms {
            course: Course {
                unhelped,
                offer,
                word_left_at: None,
            },
            ..terms(Instead::Apologise, true)
        };
        let decided = in_words(action, None, reply, terms);
        assert_eq!(decided, decision, "{unhelped} {offer:?} {action:?} {reply}");
    }
}
