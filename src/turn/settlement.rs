//! Decisions written out: what enters the history, what goes out, who may speak.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::clock::later;
use crate::domain::{
    Aftermath, Author, DeliveryId, EndReason, Failure, Handoff, HandoffReason, Message,
    NewDelivery, Outcome, Owner, Ownership, Passing, PauseReason, Payload, Priority, Said,
    Settlement, Suppression, new_id,
};
use crate::handoff::{self, Facts, Requested};
use crate::redact::Private;
use crate::store::Claimed;

use super::flow::Hold;
use super::gather::Gathered;
use super::sends::Send;
use super::{Assistant, WhenClosed, desk};

/// The texts that every assistant's folder has.
const DISCLOSURE: &str = "disclosure";
const FALLBACK: &str = "fallback";
const LATE: &str = "late";
const LIMIT: &str = "limit";
const LOOP: &str = "loop";
const SLOW_DOWN: &str = "slow_down";
const HANDOFF_CLOSED: &str = "handoff_closed";
const HANDOFF_MESSAGE: &str = "handoff_message";
const HANDOFF_STARTED: &str = "handoff_started";
const OPTED_OUT: &str = "opted_out";
const OPTED_IN: &str = "opted_in";
const RETURNED: &str = "returned";

/// How long a customer is taken to know that software is speaking: who comes back after a month may expect a person.
const DISCLOSED_FOR: Duration = Duration::from_hours(30 * 24);

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
        guards: Vec::new(),
        discloses: false,
        prompt_version: None,
        said: Vec::new(),
        deliveries: Vec::new(),
        ownership: Ownership::Keep,
        language: None,
        learnt: Private::default(),
        pause: None,
        aftermath: Aftermath::default(),
    }
}

impl Writer<'_> {
    /// The model's words leave, as the fence has shaped them; where nothing of them is left, the customer hears that instead.
    /// A send that the model picked leaves in their place.
    pub(super) fn reply(
        &self,
        text: &Private<String>,
        rule: Option<String>,
        picked: Option<&Private<Value>>,
    ) -> Settlement {
        let sends = &self.assistant.sends;
        if let Some((send, values)) = picked.and_then(|picked| Send::picked(sends, picked)) {
            let rule = rule.or_else(|| Some(["send:", &send.name].concat()));
            return self.send(Outcome::Replied, rule, send, values);
        }
        match self.assistant.form.messages(text).is_empty() {
            false => self.answer(Outcome::Replied, rule, text),
            true => self.failed(Failure::Model),
        }
    }

    /// A text of the folder leaves, or the send that answers the rule.
    pub(super) fn canned(&self, key: &str, rule: Option<String>) -> Settlement {
        if let Some(send) = Send::answering(&self.assistant.sends, rule.as_deref()) {
            return self.send(Outcome::Canned, rule, send, Map::new());
        }
        self.answer(Outcome::Canned, rule, self.text(key))
    }

    /// An answer leaves: the first one after the line that tells who speaks.
    fn answer(&self, outcome: Outcome, rule: Option<String>, text: &str) -> Settlement {
        if !self.discloses() {
            return self.speak(outcome, rule, text, Priority::Assistant);
        }
        let text = [self.text(DISCLOSURE), text].join("\n\n");
        Settlement {
            discloses: true,
            ..self.speak(outcome, rule, &text, Priority::Assistant)
        }
    }

    /// Tells whether the customer has yet to hear that software is speaking, or may have forgotten.
    fn discloses(&self) -> bool {
        let told = self.claimed.disclosed_at;
        self.assistant.discloses && told.is_none_or(|at| later(at, DISCLOSED_FOR) <= self.now)
    }

    /// The customer is asked whether people are to take over: in the model's words where there are some fit to leave.
    pub(super) fn offer(
        &self,
        text: Option<&Private<String>>,
        key: &str,
        rule: Option<String>,
    ) -> Settlement {
        let is_fit = |text: &&Private<String>| !self.assistant.form.messages(text).is_empty();
        match text.filter(is_fit) {
            Some(text) => self.answer(Outcome::Replied, rule, text),
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

    /// The customer hears once that nothing is answered for a while, and then nothing. It is no reply to the latest words,
    /// so none that comes after it takes it back.
    pub(super) fn held(&self, hold: Hold) -> Settlement {
        let (silence, told, key) = match hold.why {
            PauseReason::RateLimited => (Suppression::RateLimited, Failure::RateLimited, SLOW_DOWN),
            PauseReason::Loop => (Suppression::Loop, Failure::Loop, LOOP),
        };
        let settlement = if hold.is_told {
            self.stamped(Outcome::Suppressed(silence), None)
        } else {
            let outcome = Outcome::Failed(told);
            self.speak(outcome, None, self.text(key), Priority::Notice)
        };
        Settlement {
            pause: hold.pause,
            ..settlement
        }
    }

    /// The customer hears once more from us: that it was the last time.
    pub(super) fn opt_out(&self, rule: String) -> Settlement {
        let mut settlement = self.notice(OPTED_OUT, rule);
        if self.claimed.conversation.owner != Owner::Assistant {
            settlement.deliveries.extend(self.message_to_desk());
        }
        settlement.ownership = Ownership::OptOut;
        settlement
    }

    /// The customer hears from us again.
    pub(super) fn opt_in(&self, rule: String) -> Settlement {
        Settlement {
            ownership: Ownership::OptIn,
            ..self.notice(OPTED_IN, rule)
        }
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
        let text = text
            .as_deref()
            .unwrap_or_else(|| self.text(HANDOFF_STARTED));
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
        let text = text
            .as_deref()
            .unwrap_or_else(|| self.text(HANDOFF_STARTED));
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

    fn notice(&self, key: &str, rule: String) -> Settlement {
        self.speak(
            Outcome::Canned,
            Some(rule),
            self.text(key),
            Priority::Notice,
        )
    }

    fn send(
        &self,
        outcome: Outcome,
        rule: Option<String>,
        send: &Send,
        values: Map<String, Value>,
    ) -> Settlement {
        let payload = send.payload(values);
        let said = match &payload {
            Payload::Send { said, .. } => said.clone(),
            Payload::Reply { text } | Payload::Event { body: text, .. } => text.clone(),
        };
        self.carry(outcome, rule, vec![(said, payload)], Priority::Assistant)
    }

    fn speak(
        &self,
        outcome: Outcome,
        rule: Option<String>,
        text: &str,
        priority: Priority,
    ) -> Settlement {
        let messages = self.assistant.form.messages(text).into_iter();
        let carried = messages.map(Private).map(|text| {
            let payload = Payload::Reply { text: text.clone() };
            (text, payload)
        });
        self.carry(outcome, rule, carried.collect(), priority)
    }

    fn carry(
        &self,
        outcome: Outcome,
        rule: Option<String>,
        carried: Vec<(Private<String>, Payload)>,
        priority: Priority,
    ) -> Settlement {
        let expires_at = match priority {
            Priority::Assistant => later(self.now, self.assistant.reply_ttl),
            // What must be heard is worth sending as long as WhatsApp takes it.
            Priority::Notice | Priority::Agent | Priority::Apology => {
                self.claimed.conversation.window_expires_at
            }
        };
        let mut settlement = self.stamped(outcome, rule);
        for (text, payload) in carried {
            settlement.said.push(Said {
                author: Author::Assistant,
                text,
            });
            settlement.deliveries.push(NewDelivery {
                id: DeliveryId(new_id(self.now)),
                payload,
                priority,
                expires_at,
            });
        }
        settlement
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

    fn text(&self, key: &str) -> &str {
        self.gathered.folder.text(key, self.gathered.language)
    }

    /// Gives a text that says when people are back; nothing while they are there, or where nobody can say when.
    fn text_when_back(&self, key: &str) -> Option<String> {
        let Gathered {
            folder, language, ..
        } = self.gathered;
        let hours = &self.assistant.hours;
        folder.text_when_back(key, *language, self.now, hours)
    }
}
