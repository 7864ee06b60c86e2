//! Decisions written out: what enters the history, what goes out, who may speak.

use jiff::Timestamp;

use crate::clock::later;
use crate::domain::{
    Aftermath, Author, DeliveryId, EndReason, Failure, Handoff, HandoffReason, Message,
    NewDelivery, Outcome, Owner, Ownership, Passing, Payload, Priority, Said, Settlement,
    Suppression, new_id,
};
use crate::handoff::{self, Facts, Requested};
use crate::redact::Private;
use crate::reply;
use crate::store::Claimed;

use super::gather::Gathered;
use super::{Assistant, WhenClosed, desk};

/// The texts that every assistant's folder has.
const FALLBACK: &str = "fallback";
const LATE: &str = "late";
const LIMIT: &str = "limit";
const HANDOFF_CLOSED: &str = "handoff_closed";
const HANDOFF_MESSAGE: &str = "handoff_message";
const HANDOFF_STARTED: &str = "handoff_started";
const OPTED_OUT: &str = "opted_out";
const OPTED_IN: &str = "opted_in";
const RETURNED: &str = "returned";

/// Writes the settlement of one turn.
pub(super) struct Writer<'a> {
    pub(super) assistant: &'a Assistant,
    pub(super) claimed: &'a Claimed,
    pub(super) gathered: &'a Gathered,
    /// Whether word was left for people already.
    pub(super) is_word_left: bool,
    pub(super) now: Timestamp,
}

/// Gives a settlement that says and sends nothing.
pub(super) fn silent(outcome: Outcome) -> Settlement {
    Settlement {
        outcome,
        rule: None,
        prompt_version: None,
        said: Vec::new(),
        deliveries: Vec::new(),
        ownership: Ownership::Keep,
        language: None,
        aftermath: Aftermath::default(),
    }
}

impl Writer<'_> {
    /// The model's words leave; where nothing of them is fit to leave, the customer hears that instead.
    pub(super) fn reply(&self, text: &Private<String>, rule: Option<String>) -> Settlement {
        match reply::prepare(text) {
            Some(text) => self.speak(Outcome::Replied, rule, Private(text), Priority::Assistant),
            None => self.failed(Failure::Model),
        }
    }

    /// A text of the folder leaves.
    pub(super) fn canned(&self, key: &str, rule: Option<String>) -> Settlement {
        self.speak(Outcome::Canned, rule, self.text(key), Priority::Assistant)
    }

    /// The customer is asked whether people are to take over: in the model's words where there are some fit to leave.
    pub(super) fn offer(
        &self,
        text: Option<&Private<String>>,
        key: &str,
        rule: Option<String>,
    ) -> Settlement {
        match text.and_then(|text| reply::prepare(text)) {
            Some(text) => self.speak(Outcome::Replied, rule, Private(text), Priority::Assistant),
            None => self.canned(key, rule),
        }
    }

    /// Nobody answers, since a rule says so.
    pub(super) fn ignore(&self, rule: String) -> Settlement {
        self.stamped(Outcome::Suppressed(Suppression::Ignored), Some(rule))
    }

    /// Another assistant gets the messages, and those that come later.
    pub(super) fn pass(&self, to: String, rule: String) -> Settlement {
        let from = &self.assistant.name;
        let note =
            format!("The assistant “{from}” has passed this customer on, by its rule “{rule}”.");
        Settlement {
            ownership: Ownership::Pass(Passing {
                to,
                note: Said {
                    author: Author::System,
                    text: Private(note),
                },
            }),
            ..self.stamped(Outcome::PassedOn, Some(rule))
        }
    }

    /// The customer hears that there is no answer now. While people have the conversation, they hear it instead.
    pub(super) fn failed(&self, why: Failure) -> Settlement {
        let conversation = &self.claimed.conversation;
        let mut settlement = match conversation.owner {
            _ if conversation.opted_out => silent(Outcome::Failed(why)),
            Owner::Assistant => self.speak(
                Outcome::Failed(why),
                None,
                self.text(FALLBACK),
                Priority::Assistant,
            ),
            Owner::Pending | Owner::Human => self.forward(),
        };
        settlement.outcome = Outcome::Failed(why);
        settlement
    }

    /// The customer hears that it is too late for an answer.
    pub(super) fn apologise(&self) -> Settlement {
        let outcome = Outcome::Failed(Failure::Late);
        self.speak(outcome, None, self.text(LATE), Priority::Apology)
    }

    /// The customer hears that there are no more answers today.
    pub(super) fn limited(&self) -> Settlement {
        let outcome = Outcome::Failed(Failure::Limit);
        self.speak(outcome, None, self.text(LIMIT), Priority::Assistant)
    }

    /// The customer hears once more from us: that it was the last time.
    pub(super) fn opt_out(&self, rule: String) -> Settlement {
        let mut settlement = self.notice(OPTED_OUT, rule);
        if self.claimed.conversation.owner != Owner::Assistant {
            settlement.deliveries.extend(self.message_to_desk());
        }
        // Behind the goodbye: who has left the group gets nothing more.
        settlement.deliveries.extend(self.subscription(false));
        settlement.ownership = Ownership::OptOut;
        settlement
    }

    /// The customer hears from us again.
    pub(super) fn opt_in(&self, rule: String) -> Settlement {
        let mut settlement = self.notice(OPTED_IN, rule);
        // Before the welcome, which only members of the group get.
        let told = self.subscription(true).into_iter();
        settlement.deliveries = told.chain(settlement.deliveries).collect();
        settlement.ownership = Ownership::OptIn;
        settlement
    }

    /// The people who have the conversation get the messages.
    pub(super) fn forward(&self) -> Settlement {
        let idle = self
            .assistant
            .desk
            .map_or(handoff::DEFAULT_IDLE, |desk| desk.idle);
        Settlement {
            deliveries: Vec::from_iter(self.message_to_desk()),
            ownership: Ownership::Extend {
                returns_at: later(self.now, idle),
            },
            ..self.stamped(Outcome::Forwarded, None)
        }
    }

    /// The assistant has the conversation again, and the customer hears so.
    pub(super) fn back(&self, rule: String) -> Settlement {
        let conversation = &self.claimed.conversation;
        let reason = EndReason::CustomerReturned;
        let mut settlement = self.notice(RETURNED, rule);
        settlement.said.insert(0, handoff::note_of_end(reason));
        if self.assistant.desk.is_some() {
            // The desk reads the words before it hears that the conversation is gone.
            settlement.deliveries.extend(self.message_to_desk());
            settlement
                .deliveries
                .push(handoff::ended(self.now, conversation, reason));
        }
        settlement.ownership = Ownership::Return;
        settlement
    }

    /// Gives the handoff that begins now.
    pub(super) fn handoff(
        &self,
        reason: HandoffReason,
        rule: Option<String>,
        detail: Option<Private<String>>,
        evidence: Private<String>,
    ) -> Handoff {
        Handoff {
            rule,
            detail,
            evidence,
            ..desk::handoff(self.assistant, self.now, reason)
        }
    }

    /// People are asked to take over, and the customer hears so: one notice, one event. While none are there, it says when
    /// they are back.
    pub(super) fn hand_off(
        &self,
        handoff: Handoff,
        transcript: &[Message],
        summary: Option<&Private<String>>,
    ) -> Settlement {
        let event = self.requested(&handoff, transcript, summary, false);
        let text = self.text_when_back(HANDOFF_CLOSED);
        let text = text.unwrap_or_else(|| self.text(HANDOFF_STARTED));
        let rule = handoff.rule.clone();
        let mut settlement = self.speak(Outcome::HandedOff, rule, text, Priority::Notice);
        settlement.deliveries.push(event);
        settlement.ownership = Ownership::HandOff(handoff);
        settlement
    }

    /// Tells whether word is left for people instead: while none are there, and the assistant can go on.
    pub(super) fn leaves_word(&self, reason: HandoffReason) -> bool {
        let can_go_on = !matches!(reason, HandoffReason::Failure | HandoffReason::Limit);
        let is_wanted = self.assistant.when_closed == WhenClosed::TakeMessage;
        can_go_on && is_wanted && !self.assistant.hours.is_open(self.now)
    }

    /// People find word of it when they come, the customer hears when that is, and the assistant goes on. What was left once
    /// is not left again.
    pub(super) fn leave_word(
        &self,
        handoff: &Handoff,
        transcript: &[Message],
        summary: Option<&Private<String>>,
    ) -> Settlement {
        let text = self.text_when_back(HANDOFF_MESSAGE);
        let text = text.unwrap_or_else(|| self.text(HANDOFF_STARTED));
        let rule = handoff.rule.clone();
        let mut settlement = self.speak(Outcome::HandedOff, rule, text, Priority::Notice);
        if !self.is_word_left {
            let event = self.requested(handoff, transcript, summary, true);
            settlement.deliveries.push(event);
        }
        settlement
    }

    /// Gives the event that asks people in.
    fn requested(
        &self,
        handoff: &Handoff,
        transcript: &[Message],
        summary: Option<&Private<String>>,
        is_message: bool,
    ) -> NewDelivery {
        let customer = self.claimed.conversation.customer.key();
        let model = self.assistant.lineup.model(&customer);
        handoff::requested(&Requested {
            facts: self.facts(),
            handoff,
            is_message,
            transcript: &transcript.iter().collect::<Vec<_>>(),
            summary,
            model: model.unwrap_or_default(),
            prompt_version: self.gathered.folder.version(),
        })
    }

    /// Gives what Braze is to know of the customer's consent, where it is told.
    fn subscription(&self, is_subscribed: bool) -> Option<NewDelivery> {
        let group = self.assistant.subscription_group.as_deref()?;
        Some(NewDelivery::subscription(self.now, group, is_subscribed))
    }

    fn notice(&self, key: &str, rule: String) -> Settlement {
        self.speak(
            Outcome::Canned,
            Some(rule),
            self.text(key),
            Priority::Notice,
        )
    }

    fn speak(
        &self,
        outcome: Outcome,
        rule: Option<String>,
        text: Private<String>,
        priority: Priority,
    ) -> Settlement {
        let expires_at = match priority {
            Priority::Assistant => later(self.now, self.assistant.reply_ttl),
            // What must be heard is worth sending as long as WhatsApp takes it.
            Priority::Notice | Priority::Agent | Priority::Apology => {
                self.claimed.conversation.window_expires_at
            }
        };
        let delivery = NewDelivery {
            id: DeliveryId(new_id(self.now)),
            payload: Payload::Reply { text: text.clone() },
            priority,
            expires_at,
        };
        Settlement {
            said: vec![Said {
                author: Author::Assistant,
                text,
            }],
            deliveries: vec![delivery],
            ..self.stamped(outcome, rule)
        }
    }

    fn stamped(&self, outcome: Outcome, rule: Option<String>) -> Settlement {
        Settlement {
            rule,
            prompt_version: Some(self.gathered.folder.version().to_owned()),
            language: self.gathered.heard,
            ..silent(outcome)
        }
    }

    /// Gives the messages as the desk hears them. People may have the conversation without one: an operator took it.
    fn message_to_desk(&self) -> Option<NewDelivery> {
        self.assistant
            .desk
            .map(|_| handoff::message(self.facts(), &self.claimed.waiting))
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            now: self.now,
            conversation: &self.claimed.conversation,
            links: self.assistant.links.as_ref(),
        }
    }

    fn text(&self, key: &str) -> Private<String> {
        Private(
            self.gathered
                .folder
                .text(key, self.gathered.language)
                .to_owned(),
        )
    }

    /// Gives a text that says when people are back; nothing while they are there, or where nobody can say when.
    fn text_when_back(&self, key: &str) -> Option<Private<String>> {
        let Gathered {
            folder, language, ..
        } = self.gathered;
        let hours = &self.assistant.hours;
        folder
            .text_when_back(key, *language, self.now, hours)
            .map(Private)
    }
}
