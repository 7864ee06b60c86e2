//! What is decided after the model has answered.

use serde_json::Value;

use super::Instead;
use super::flow::Hold;
use super::screen::Terms;
use crate::domain::{Failure, HandoffReason, Suppression};
use crate::model::{Action as ModelAction, Answer};
use crate::redact::Private;
use crate::rules::{Action, Rule, Rules};

/// What a turn does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Say what the model said.
    Reply {
        /// Its words.
        text: Private<String>,
        /// The rule that it picked, where that changes nothing.
        rule: Option<String>,
        /// The send that it picked in place of the words.
        send: Option<Private<Value>>,
    },
    /// Say a text of the assistant's folder.
    Canned {
        /// The text's key.
        key: String,
        /// The rule that says so.
        rule: Option<String>,
    },
    /// Bring in people.
    HandOff {
        /// Why.
        reason: HandoffReason,
        /// The rule that says so.
        rule: Option<String>,
        /// What the model said about it, where it decided.
        detail: Option<Private<String>>,
        /// The customer's words that it rests on.
        evidence: Private<String>,
    },
    /// Send no more messages.
    OptOut {
        /// The rule that says so.
        rule: String,
    },
    /// Send messages again.
    OptIn {
        /// The rule that says so.
        rule: String,
    },
    /// Take the conversation back from people, as the customer wants.
    Return {
        /// The rule that says so.
        rule: String,
    },
    /// Pass it to the people who have the conversation.
    Forward,
    /// Say nothing.
    Suppress(Suppression),
    /// Say that it is too late for an answer.
    Apologise,
    /// Say that the day's limit is reached.
    Limit,
    /// Say nothing for a while, and that once.
    Hold(Hold),
    /// Say that there is no answer.
    Fail(Failure),
}

impl Decision {
    /// Tells whether it is done however much the customer writes: consent, people, and silence.
    pub(super) fn passes_limits(&self) -> bool {
        match self {
            Self::OptOut { .. }
            | Self::OptIn { .. }
            | Self::HandOff { .. }
            | Self::Forward
            | Self::Return { .. }
            | Self::Suppress(_) => true,
            Self::Reply { .. }
            | Self::Canned { .. }
            | Self::Apologise
            | Self::Limit
            | Self::Hold(_)
            | Self::Fail(_) => false,
        }
    }
}

/// What came of asking the model.
#[derive(Debug)]
pub struct Asked {
    /// What the customer had said.
    pub words: Private<String>,
    /// What the model said to it; else why there is no usable answer.
    pub answer: Result<Answer, Failure>,
}

/// Decides on what the model said. A rule that it picked beats its own choice of action.
pub fn judge(asked: Asked, rules: &Rules, terms: Terms) -> Decision {
    let has_desk = terms.has_desk;
    let (words, answer) = match asked.answer {
        Ok(answer) => (asked.words, answer),
        Err(why) => return unanswered(why, asked.words, terms),
    };
    let picked = answer.rule.as_deref().and_then(|name| rules.get(name));
    let rule = picked.map(|rule| rule.name.clone());
    let hand_off = |reason, rule| Decision::HandOff {
        reason,
        rule,
        detail: answer.reason,
        evidence: words,
    };
    match (picked.map(action), answer.action) {
        (Some(Action::Escalate), _) if has_desk => hand_off(HandoffReason::Rule, rule),
        (Some(Action::Reply { text }), _) => Decision::Canned {
            key: text.clone(),
            rule,
        },
        // Only the customer's own words can end or renew his consent; a model's reading of them cannot.
        (_, ModelAction::Escalate) if has_desk => hand_off(HandoffReason::Model, rule),
        _ if answer.reply.trim().is_empty() => Decision::Fail(Failure::Model),
        _ => Decision::Reply {
            text: answer.reply,
            rule,
            send: answer.send,
        },
    }
}

fn unanswered(why: Failure, words: Private<String>, terms: Terms) -> Decision {
    match terms.on_unanswered {
        Instead::HandOff if terms.has_desk => Decision::HandOff {
            reason: HandoffReason::Failure,
            rule: None,
            detail: None,
            evidence: words,
        },
        Instead::HandOff | Instead::Apologise => Decision::Fail(why),
    }
}

fn action(rule: &Rule) -> &Action {
    &rule.action
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
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
    "#;

    fn terms(on_unanswered: Instead, has_desk: bool) -> Terms {
        Terms {
            has_desk,
            may_return: MayReturn::Never,
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
                judge(asked, &rules, terms(on_unanswered, has_desk)),
                expected
            );
        }
    }

    /// Gives the decision on an answer in a few words.
    fn decided(action: ModelAction, rule: Option<&str>, reply: &str, has_desk: bool) -> String {
        let terms = terms(Instead::Apologise, has_desk);
        let answer = Answer {
            reply: reply.into(),
            action,
            rule: rule.map(str::to_owned),
            reason: None,
            language: None,
            send: None,
            learnt: None,
        };
        let asked = Asked {
            words: "what was said".into(),
            answer: Ok(answer),
        };
        match judge(asked, &Rules::parse(RULES).unwrap(), terms) {
            Decision::Reply { text, .. } => format!("say {}", text.0),
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
            (OfferHuman, None, "A colleague?", true, "say A colleague?"),
            (Escalate, None, "Wait.", true, "model what was said"),
            (Escalate, None, "Wait.", false, "say Wait."),
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
}
