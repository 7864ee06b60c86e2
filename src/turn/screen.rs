//! What is decided before any model is asked: who has the conversation, and what the phrase rules say.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::later;
use crate::domain::{
    Aftermath, Conversation, Course, HandoffReason, Help, Message, Offer, Owner, Suppression,
};
use crate::handoff::MayReturn;
use crate::redact::Private;
use crate::rules::{Action, Circumstances, Rule, Rules};

use super::judge::Decision;
use super::media::is_image;
use super::{Instead, joined};

/// The texts of an assistant's folder for messages without words: one, or several.
const MEDIA: &str = "media";
const MEDIA_SEVERAL: &str = "media_several";

/// How often messages are passed on from one assistant to another: more is two that send a customer to and fro, and the one
/// that has him then answers.
const PASSES_MAX: u32 = 3;

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
    /// Whether they are there now.
    pub is_open: bool,
    /// What became of the turns before.
    pub course: Course,
    /// What is known of the turn under way: whether the customer asks what he has asked before.
    pub under_way: Aftermath,
    /// How many assistants have passed the messages on already.
    pub passes: u32,
    /// Whether some model of the assistant can look at pictures.
    pub sees_images: bool,
    /// What becomes of messages that are too old to be answered.
    pub on_late: Instead,
    /// What becomes of messages that no model answered.
    pub on_unanswered: Instead,
    /// How old a reply may be when it leaves; a message that is older already gets none.
    pub reply_ttl: Duration,
    /// When the turn began.
    pub now: Timestamp,
}

impl Terms {
    /// Tells whether word was left for people already: it is not left by every message anew.
    pub(super) fn is_word_left(&self) -> bool {
        self.course.word_left_at.is_some()
    }

    /// Tells whether the messages may be passed on once more.
    pub(super) fn may_pass(&self) -> bool {
        self.passes < PASSES_MAX
    }

    /// Gives what rules may depend on, where the turn under way ends so.
    pub(super) fn circumstances<'a>(
        &self,
        conversation: &'a Conversation,
        help: Help,
    ) -> Circumstances<'a> {
        let under_way = Aftermath {
            help,
            ..self.under_way
        };
        Circumstances {
            profile: &conversation.profile,
            failed_attempts: self.course.failed_attempts(under_way),
            offer: self.course.offer,
            is_open: self.is_open,
        }
    }
}

/// A rule that fits, and the words that it rests on; none where its conditions alone do.
struct Fit<'a> {
    rule: &'a Rule,
    words: Option<&'a Private<String>>,
}

/// Decides what can be decided without a model. Rules beat the model; the order of the file beats all else.
pub fn screen(
    conversation: &Conversation,
    waiting: &[Message],
    rules: &Rules,
    terms: Terms,
) -> Screened {
    let now = terms.circumstances(conversation, Help::Given);
    let fit = fits(waiting, rules, &now)
        .into_iter()
        .find(|fit| is_possible(fit.rule, conversation, terms));
    let is_with_people = conversation.owner != Owner::Assistant;
    let decided = fit.and_then(|fit| match &fit.rule.action {
        Action::OptIn => Some(Decision::OptIn { rule: name(&fit) }),
        // Who is in the middle of a case with people is still heard by them.
        _ if conversation.opted_out && !is_with_people => None,
        Action::OptOut => Some(Decision::OptOut { rule: name(&fit) }),
        Action::Return => Some(Decision::Return { rule: name(&fit) }),
        _ if is_with_people => None,
        action => by_rule(action, &fit, waiting, terms),
    });
    let decision = match decided {
        Some(decision) => decision,
        None if is_with_people => Decision::Forward,
        None if conversation.opted_out => Decision::Suppress(Suppression::OptedOut),
        // Nothing that is said now would arrive.
        None if conversation.window_expires_at <= terms.now => {
            Decision::Suppress(Suppression::Expired)
        }
        None if are_too_old(waiting, terms) => late(waiting, terms),
        None => return unruled(waiting, terms),
    };
    match decision {
        // A text that would come too late is no answer.
        Decision::Canned { .. } | Decision::Offer { .. }
            if conversation.window_expires_at <= terms.now =>
        {
            Screened::Decided(Decision::Suppress(Suppression::Expired))
        }
        Decision::Canned { .. } | Decision::Offer { .. } if are_too_old(waiting, terms) => {
            Screened::Decided(late(waiting, terms))
        }
        decision => Screened::Decided(decision),
    }
}

/// Gives the rules that fit, in the order of the file.
fn fits<'a>(waiting: &'a [Message], rules: &'a Rules, now: &Circumstances<'_>) -> Vec<Fit<'a>> {
    let heard: Vec<_> = waiting
        .iter()
        .map(|message| (rules.heard(&message.text), &message.text))
        .collect();
    let fit = |rule: &'a Rule| {
        let said = heard
            .iter()
            .find(|(hits, _)| hits.iter().any(|hit| std::ptr::eq(hit.rule, rule)));
        let words = said.map(|(_, words)| *words);
        (words.is_some() || rule.is_by_condition()).then_some(Fit { rule, words })
    };
    let applying = rules.iter().filter(|rule| rule.applies(now));
    applying.filter_map(fit).collect()
}

/// Tells whether a rule can do what it says, as things stand: without people there is nobody to bring in, who is not opted
/// out needs no way back in, and who talks to the assistant need not return to it. While people have the conversation, or
/// the customer wants nothing from us, conditions alone decide nothing.
fn is_possible(rule: &Rule, conversation: &Conversation, terms: Terms) -> bool {
    let is_ours = conversation.owner == Owner::Assistant;
    match rule.action {
        Action::OptIn => conversation.opted_out,
        _ if conversation.opted_out && is_ours => false,
        Action::OptOut => !conversation.opted_out,
        Action::Return => !conversation.opted_out && returns(conversation.owner, terms.may_return),
        _ if !is_ours => !rule.is_by_condition(),
        Action::Escalate if rule.is_by_condition() => terms.has_desk && !terms.is_word_left(),
        Action::Escalate | Action::Offer { .. } => terms.has_desk,
        Action::Assistant { ref name } => terms.may_pass() && *name != conversation.assistant,
        Action::Reply { .. } | Action::Ignore => true,
    }
}

fn name(fit: &Fit<'_>) -> String {
    fit.rule.name.clone()
}

/// Gives what a rule decides while the assistant has the conversation.
fn by_rule(action: &Action, fit: &Fit<'_>, waiting: &[Message], terms: Terms) -> Option<Decision> {
    let hand_off = || {
        let reason = match fit.words {
            Some(_) => HandoffReason::CustomerAsked,
            None => HandoffReason::Rule,
        };
        let evidence = fit.words.cloned();
        Decision::HandOff {
            reason,
            rule: Some(name(fit)),
            detail: None,
            evidence: evidence.unwrap_or_else(|| Private(joined(waiting))),
        }
    };
    match action {
        Action::Escalate => Some(hand_off()),
        // Who comes back to it after the offer means it.
        Action::Offer { .. } if terms.course.offer != Offer::None => Some(hand_off()),
        Action::Offer { text } => Some(Decision::Offer {
            text: None,
            key: text.clone(),
            rule: Some(name(fit)),
        }),
        Action::Reply { text } => Some(Decision::Canned {
            key: text.clone(),
            rule: Some(name(fit)),
        }),
        Action::Ignore => Some(Decision::Ignore { rule: name(fit) }),
        Action::Assistant { name: to } => Some(Decision::Pass {
            to: to.clone(),
            rule: name(fit),
        }),
        Action::OptOut | Action::OptIn | Action::Return => None,
    }
}

/// Decides anew once it is known that the turn has not helped: by the rules that count such turns.
pub(super) fn unhelped(
    conversation: &Conversation,
    words: &Private<String>,
    rules: &Rules,
    terms: Terms,
    help: Help,
) -> Option<Decision> {
    let now = terms.circumstances(conversation, help);
    let rule = rules.iter().find(|rule| {
        rule.counts_attempts()
            && rule.is_by_condition()
            && rule.applies(&now)
            && is_possible(rule, conversation, terms)
    })?;
    let fit = Fit { rule, words: None };
    let decision = by_rule(&rule.action, &fit, &[], terms)?;
    Some(match decision {
        Decision::HandOff {
            reason,
            rule,
            detail,
            ..
        } => Decision::HandOff {
            reason,
            rule,
            detail,
            evidence: words.clone(),
        },
        decision => decision,
    })
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

fn unruled(waiting: &[Message], terms: Terms) -> Screened {
    let is_wordless = waiting.iter().all(|message| message.text.trim().is_empty());
    let mut media = waiting.iter().flat_map(|message| &message.media);
    let is_seen = terms.sees_images && media.clone().any(|link| is_image(link));
    if !is_wordless || is_seen {
        return Screened::Ask;
    }
    let key = match media.nth(1) {
        Some(_) => MEDIA_SEVERAL,
        None => MEDIA,
    };
    Screened::Decided(Decision::Canned {
        key: key.to_owned(),
        rule: None,
    })
}

#[cfg(test)]
mod tests;
