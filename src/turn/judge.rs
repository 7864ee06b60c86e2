//! What is decided after the model has answered.

use super::Instead;
use super::screen::{self, Terms};
use crate::domain::{Conversation, Failure, HandoffReason, Help, Offer, Suppression};
use crate::model::{Action as ModelAction, Answer};
use crate::redact::Private;
use crate::rules::{Action, Rule, Rules};

/// The text of a folder that asks whether people are to take over.
const OFFER: &str = "offer";

/// What a turn does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Say what the model said.
    Reply {
        /// Its words.
        text: Private<String>,
        /// The rule that it picked, where that changes nothing.
        rule: Option<String>,
        /// Whether that helps.
        help: Help,
    },
    /// Ask whether people are to take over.
    Offer {
        /// The model's words for it; else the text of the folder is said.
        text: Option<Private<String>>,
        /// The text's key.
        key: String,
        /// The rule that says so.
        rule: Option<String>,
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
    /// Say nothing, since a rule says so.
    Ignore {
        /// The rule.
        rule: String,
    },
    /// Pass it on to another assistant.
    Pass {
        /// Its name.
        to: String,
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
    /// Say that there is no answer.
    Fail(Failure),
}

/// What came of asking the model.
#[derive(Debug)]
pub struct Asked {
    /// What the customer had said.
    pub words: Private<String>,
    /// What the model said to it; else why there is no usable answer.
    pub answer: Result<Answer, Failure>,
}

/// Decides on what the model said. A rule that it picked beats its own choice of action, and one that counts in vain turns
/// beats both.
pub fn judge(asked: Asked, conversation: &Conversation, rules: &Rules, terms: Terms) -> Decision {
    let words = asked.words.clone();
    let decision = judged(asked, conversation, rules, terms);
    let help = decision.help();
    if help == Help::Given {
        return decision;
    }
    screen::unhelped(conversation, &words, rules, terms, help).unwrap_or(decision)
}

fn judged(asked: Asked, conversation: &Conversation, rules: &Rules, terms: Terms) -> Decision {
    // Word that was left once is there: the assistant goes on.
    let has_desk = terms.has_desk && !terms.is_word_left();
    let (words, answer) = match asked.answer {
        Ok(answer) => (asked.words, answer),
        Err(why) => return unanswered(why, asked.words, terms),
    };
    let now = terms.circumstances(conversation, Help::Given);
    let picked = answer.rule.as_deref().and_then(|name| rules.get(name));
    let picked = picked.filter(|rule| rule.applies(&now));
    let rule = picked.map(|rule| rule.name.clone());
    let hand_off = |reason, rule| Decision::HandOff {
        reason,
        rule,
        detail: answer.reason.clone(),
        evidence: words,
    };
    let is_silent = answer.reply.trim().is_empty();
    let may_offer = has_desk && terms.course.offer == Offer::None;
    let offer = |key: &str, rule| Decision::Offer {
        text: (!is_silent).then(|| answer.reply.clone()),
        key: key.to_owned(),
        rule,
    };
    match (picked.map(action), answer.action) {
        (Some(Action::Escalate), _) if has_desk => hand_off(HandoffReason::Rule, rule),
        (Some(Action::Reply { text }), _) => Decision::Canned {
            key: text.clone(),
            rule,
        },
        (Some(Action::Ignore), _) => Decision::Ignore {
            rule: rule.unwrap_or_default(),
        },
        (Some(Action::Assistant { name }), _)
            if terms.may_pass() && *name != conversation.assistant =>
        {
            Decision::Pass {
                to: name.clone(),
                rule: rule.unwrap_or_default(),
            }
        }
        // Only the customer's own words can end or renew his consent; a model's reading of them cannot.
        (_, ModelAction::Escalate) if has_desk => hand_off(HandoffReason::Model, rule),
        (Some(Action::Offer { text }), _) if may_offer => offer(text, rule),
        (_, ModelAction::OfferHuman) if may_offer => offer(OFFER, rule),
        _ if is_silent => Decision::Fail(Failure::Model),
        (_, chosen) => Decision::Reply {
            help: match chosen {
                ModelAction::Answer => Help::Given,
                ModelAction::OfferHuman | ModelAction::Escalate => Help::Missing,
            },
            text: answer.reply,
            rule,
        },
    }
}

impl Decision {
    /// Tells whether it helps the customer, as far as that can be told.
    pub(super) fn help(&self) -> Help {
        match self {
            Self::Reply { help, .. } => *help,
            Self::Offer { .. } => Help::Offered,
            Self::Apologise | Self::Fail(_) => Help::Missing,
            Self::Canned { .. }
            | Self::HandOff { .. }
            | Self::OptOut { .. }
            | Self::OptIn { .. }
            | Self::Return { .. }
            | Self::Ignore { .. }
            | Self::Pass { .. }
            | Self::Forward
            | Self::Suppress(_)
            | Self::Limit => Help::Given,
        }
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
mod tests;
