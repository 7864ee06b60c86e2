//! What is decided before any model is asked: who has the conversation, and what the phrase rules say.

use crate::domain::{Conversation, HandoffReason, Message, Owner, Suppression};
use crate::redact::Private;
use crate::rules::{Action, Rule, Rules};

use super::judge::Decision;

/// The text of an assistant's folder for messages without words.
const MEDIA: &str = "media";

/// What the screen says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screened {
    /// The model is asked.
    Ask,
    /// It is decided.
    Decided(Decision),
}

/// Decides what can be decided without a model. Rules beat the model; the order of the file beats all else.
pub fn screen(
    conversation: &Conversation,
    waiting: &[Message],
    rules: &Rules,
    has_desk: bool,
) -> Screened {
    let hit = first_hit(waiting, rules);
    let decision = match (hit, conversation.owner) {
        (Some((rule, _)), _) if rule.action == Action::OptIn && conversation.opted_out => {
            Decision::OptIn {
                rule: rule.name.clone(),
            }
        }
        // Who is in the middle of a case with people is still heard by them.
        (_, Owner::Assistant) if conversation.opted_out => {
            Decision::Suppress(Suppression::OptedOut)
        }
        (Some((rule, _)), _) if rule.action == Action::OptOut => Decision::OptOut {
            rule: rule.name.clone(),
        },
        (_, Owner::Pending | Owner::Human) => Decision::Forward,
        (Some((rule, evidence)), Owner::Assistant) => match &rule.action {
            Action::Escalate if has_desk => Decision::HandOff {
                reason: HandoffReason::CustomerAsked,
                rule: Some(rule.name.clone()),
                detail: None,
                evidence: evidence.clone(),
            },
            Action::Reply { text } => Decision::Canned {
                key: text.clone(),
                rule: Some(rule.name.clone()),
            },
            // Without a desk there is nobody to bring in, and who is not opted out needs no way back in.
            Action::Escalate | Action::OptIn | Action::OptOut => return unruled(waiting),
        },
        (None, Owner::Assistant) => return unruled(waiting),
    };
    Screened::Decided(decision)
}

fn unruled(waiting: &[Message]) -> Screened {
    let wordless = waiting.iter().all(|message| message.text.trim().is_empty());
    match wordless {
        true => Screened::Decided(Decision::Canned {
            key: MEDIA.to_owned(),
            rule: None,
        }),
        false => Screened::Ask,
    }
}

/// Gives the rule that stands first in the file among those that any of the messages meets.
fn first_hit<'a>(
    waiting: &'a [Message],
    rules: &'a Rules,
) -> Option<(&'a Rule, &'a Private<String>)> {
    let position = |rule: &Rule| rules.iter().position(|other| other.name == rule.name);
    waiting
        .iter()
        .filter_map(|message| Some((rules.screen(&message.text)?.rule, &message.text)))
        .min_by_key(|(rule, _)| position(rule))
}

#[cfg(test)]
mod tests {
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
    "#;

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
            window_expires_at: Timestamp::UNIX_EPOCH,
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
        };
        texts.iter().map(message).collect()
    }

    /// Gives the decision in a few words.
    fn decided(owner: Owner, opted_out: bool, has_desk: bool, texts: &[&str]) -> String {
        let rules = Rules::parse(RULES).unwrap();
        match screen(
            &conversation(owner, opted_out),
            &messages(texts),
            &rules,
            has_desk,
        ) {
            Screened::Ask => "ask".to_owned(),
            Screened::Decided(Decision::Forward) => "forward".to_owned(),
            Screened::Decided(Decision::Suppress(why)) => format!("suppress {why:?}"),
            Screened::Decided(Decision::OptOut { rule } | Decision::OptIn { rule }) => rule,
            Screened::Decided(Decision::Canned { key, rule }) => format!("{key} {rule:?}"),
            Screened::Decided(Decision::HandOff { evidence, .. }) => {
                format!("hand off: {}", evidence.0)
            }
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
        ] {
            assert_eq!(
                decided(owner, opted_out, has_desk, texts),
                decision,
                "{owner:?} {opted_out} {texts:?}"
            );
        }
    }
}
