//! What is decided before any model is asked: who has the conversation, and what the phrase rules say.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::later;
use crate::domain::{Conversation, HandoffReason, Message, Owner, Suppression};
use crate::handoff::MayReturn;
use crate::model::visible;
use crate::redact::Private;
use crate::rules::{Action, Rule, Rules};

use super::judge::Decision;
use super::{Instead, joined};

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

/// What the screen has to know besides what was said.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Whether there are people to bring in.
    pub has_desk: bool,
    /// Whether a customer whom people have can ask for the assistant again.
    pub may_return: MayReturn,
    /// What becomes of messages that are too old to be answered.
    pub on_late: Instead,
    /// What becomes of messages that no model answered.
    pub on_unanswered: Instead,
    /// How old a reply may be when it leaves; a message that is older already gets none.
    pub reply_ttl: Duration,
    /// When the turn began.
    pub now: Timestamp,
}

/// Decides what can be decided without a model. Rules beat the model; the order of the file beats all else.
pub fn screen(
    conversation: &Conversation,
    waiting: &[Message],
    rules: &Rules,
    terms: Terms,
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
        (Some((rule, _)), owner)
            if rule.action == Action::Return
                && returns(owner, terms.may_return)
                && !conversation.opted_out =>
        {
            Decision::Return {
                rule: rule.name.clone(),
            }
        }
        (_, Owner::Pending | Owner::Human) => Decision::Forward,
        (Some((rule, evidence)), _) if rule.action == Action::Escalate && terms.has_desk => {
            Decision::HandOff {
                reason: HandoffReason::CustomerAsked,
                rule: Some(rule.name.clone()),
                detail: None,
                evidence: evidence.clone(),
            }
        }
        // Nothing that is said now would arrive.
        _ if conversation.window_expires_at <= terms.now => {
            Decision::Suppress(Suppression::Expired)
        }
        _ if are_too_old(waiting, terms) => late(waiting, terms),
        (Some((rule, _)), Owner::Assistant) => match &rule.action {
            Action::Reply { text } => Decision::Canned {
                key: text.clone(),
                rule: Some(rule.name.clone()),
            },
            // Without a desk there is nobody to bring in, who is not opted out needs no way back in, and who talks to the
            // assistant need not return to it.
            Action::Escalate | Action::OptIn | Action::OptOut | Action::Return => {
                return unruled(waiting);
            }
        },
        (None, Owner::Assistant) => return unruled(waiting),
    };
    Screened::Decided(decision)
}

/// Tells whether a customer can leave those who have the conversation.
fn returns(owner: Owner, may_return: MayReturn) -> bool {
    match may_return {
        MayReturn::Never => false,
        MayReturn::Pending => owner == Owner::Pending,
        MayReturn::Always => owner != Owner::Assistant,
    }
}

/// Tells whether even the newest message waits for longer than its answer may be old.
fn are_too_old(waiting: &[Message], terms: Terms) -> bool {
    waiting
        .iter()
        .all(|message| later(message.at, terms.reply_ttl) <= terms.now)
}

fn late(waiting: &[Message], terms: Terms) -> Decision {
    match terms.on_late {
        Instead::HandOff if terms.has_desk => Decision::HandOff {
            reason: HandoffReason::Failure,
            rule: None,
            detail: None,
            evidence: Private(joined(waiting)),
        },
        Instead::HandOff | Instead::Apologise => Decision::Apologise,
    }
}

fn unruled(waiting: &[Message]) -> Screened {
    let wordless = waiting
        .iter()
        .all(|message| visible(&message.text).trim().is_empty());
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
            pause: None,
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

    /// Gives the decision in a few words, right after the messages came.
    fn decided(owner: Owner, opted_out: bool, has_desk: bool, texts: &[&str]) -> String {
        let terms = Terms {
            has_desk,
            may_return: MayReturn::Pending,
            on_late: Instead::Apologise,
            on_unanswered: Instead::Apologise,
            reply_ttl: Duration::from_mins(15),
            now: at(0),
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
            (Assistant, false, true, &["\u{200b}\u{2060}"], "media None"),
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
            (Pending, false, true, &["bot"], "machine"),
            (Pending, false, true, &["bot", "stop"], "bye"),
            (Human, false, true, &["bot"], "forward"),
            (Assistant, false, true, &["bot"], "ask"),
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
                may_return: MayReturn::Pending,
                on_late,
                on_unanswered: Apologise,
                reply_ttl: Duration::from_mins(15),
                now: at(minutes),
            };
            let conversation = conversation(Owner::Assistant, false);
            let decided = in_words(&conversation, &[text], terms);
            assert_eq!(decided, decision, "{minutes} {on_late:?} {text}");
        }
    }

    #[test]
    fn one_fresh_message_makes_all_worth_an_answer() {
        let terms = Terms {
            has_desk: true,
            may_return: MayReturn::Pending,
            on_late: Instead::Apologise,
            on_unanswered: Instead::Apologise,
            reply_ttl: Duration::from_mins(15),
            now: at(20),
        };
        let mut waiting = messages(&["hello", "anybody there?"]);
        waiting[1].at = at(6);
        let rules = Rules::parse(RULES).unwrap();
        let conversation = conversation(Owner::Assistant, false);
        let screened = screen(&conversation, &waiting, &rules, terms);
        assert_eq!(screened, Screened::Ask);
    }
}
