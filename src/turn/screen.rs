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
        _ if conversation.opted_out => Decision::Suppress(Suppression::OptedOut),
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
