//! What people do with a conversation, and what becomes of a handoff by itself, written out beside any turn: what enters
//! the history, what goes out. Pure, as all that decides.

use std::time::Duration;

use jiff::Timestamp;

use super::{Assistant, DeskTerms};
use crate::clock::later;
use crate::domain::{
    Act, Author, Conversation, DeliveryId, EndReason, Handoff, HandoffId, HandoffReason, Message,
    NewDelivery, Owner, Payload, Priority, Said, new_id,
};
use crate::handoff::{self, Facts, OnTimeout, Requested};
use crate::prompts::key;
use crate::redact::Private;
use crate::store::{DeskAct, Once, Unanswered};

/// What somebody at a desk wants.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is to be done.
    pub act: Act,
    /// Who wants it, by the name that the desk has for him.
    pub agent: Option<Private<String>>,
    /// The words: of a reply ready to leave, of a note, or why people are asked in.
    pub text: Option<Private<String>>,
    /// Whether the customer hears that people are asked in.
    pub notify: bool,
    /// By what it is known again when it comes twice.
    pub once: Option<Once>,
}

/// Writes out what somebody wants with a conversation as it stands. `transcript` is what was said, for those who are asked
/// in.
pub fn act(
    assistant: &Assistant,
    now: Timestamp,
    conversation: &Conversation,
    transcript: &[Message],
    wish: Wish,
) -> DeskAct {
    let desk = Desk {
        assistant,
        now,
        conversation,
    };
    let mut act = desk.bare(&wish);
    match wish.act {
        Act::HandOff => desk.hand_off(&mut act, transcript, &wish),
        Act::Acknowledge => act.deliveries.extend(desk.acknowledged(&act)),
        Act::Reply => desk.reply(&mut act, wish.text),
        Act::Note => {
            act.said = wish.text.map(|text| Said {
                author: Author::System,
                text: Private(format!("A colleague has noted: {}", text.0)),
            });
        }
        Act::Release => {
            let why = EndReason::AgentReleased;
            act.said = Some(handoff::note_of_end(why));
            act.deliveries.push(handoff::ended(now, conversation, why));
        }
    }
    act
}

/// Writes out what is done about a handoff that nobody has acknowledged in time.
pub fn unanswered(
    assistant: &Assistant,
    now: Timestamp,
    conversation: &Conversation,
) -> Unanswered {
    let desk = Desk {
        assistant,
        now,
        conversation,
    };
    let on_timeout = desk
        .terms()
        .map_or(OnTimeout::Wait, |terms| terms.on_timeout);
    let (key, returns) = match on_timeout {
        OnTimeout::Wait => (key::NO_AGENT_YET, false),
        OnTimeout::Return => (key::NO_AGENT, true),
    };
    let mut said = Vec::new();
    let mut deliveries = Vec::new();
    if desk.terms().is_some() {
        deliveries.push(handoff::timeout(desk.facts(), on_timeout));
    }
    if returns {
        let why = EndReason::TimedOut;
        said.push(handoff::note_of_end(why));
        if desk.terms().is_some() {
            deliveries.push(handoff::ended(now, conversation, why));
        }
    }
    if let Some((words, notice)) = desk.notice(key) {
        said.push(words);
        deliveries.push(notice);
    }
    Unanswered {
        conversation: conversation.id,
        handoff: conversation.handoff,
        said,
        deliveries,
        returns,
    }
}

/// Writes out what the desk is told when WhatsApp's window closes soon; nothing where there is no desk.
pub fn window_closing(
    assistant: &Assistant,
    now: Timestamp,
    conversation: &Conversation,
) -> Option<NewDelivery> {
    let desk = Desk {
        assistant,
        now,
        conversation,
    };
    desk.terms()?;
    Some(handoff::window_closing(desk.facts()))
}

/// Writes out what the desk is told when an operator takes a conversation that it was asked to take.
pub fn taken_by_operator(
    assistant: &Assistant,
    now: Timestamp,
    conversation: &Conversation,
) -> Option<NewDelivery> {
    let desk = Desk {
        assistant,
        now,
        conversation,
    };
    let handoff = conversation.handoff?;
    desk.terms()?;
    let is_new = conversation.owner == Owner::Pending;
    is_new.then(|| handoff::acknowledged(desk.facts(), handoff, "operator", None))
}

/// Gives a handoff that begins now.
pub(super) fn handoff(assistant: &Assistant, now: Timestamp, reason: HandoffReason) -> Handoff {
    let ack_within = assistant.desk.map(|desk| desk.ack_within);
    let ack_within = ack_within.filter(|within| !within.is_zero());
    Handoff {
        id: HandoffId(new_id(now)),
        reason,
        rule: None,
        detail: None,
        evidence: Private::default(),
        ack_due_at: ack_within.and_then(|within| assistant.hours.after_open_time(now, within)),
        returns_at: later(now, idle(assistant)),
    }
}

fn idle(assistant: &Assistant) -> Duration {
    assistant
        .desk
        .map_or(handoff::DEFAULT_IDLE, |desk| desk.idle)
}

/// Writes out one thing.
struct Desk<'a> {
    assistant: &'a Assistant,
    now: Timestamp,
    conversation: &'a Conversation,
}

impl Desk<'_> {
    fn terms(&self) -> Option<DeskTerms> {
        self.assistant.desk
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            now: self.now,
            conversation: self.conversation,
            links: self.assistant.links.as_ref(),
        }
    }

    /// Gives an act that says and sends nothing. Whoever says something to a customer has to have the conversation, so a
    /// handoff begins where none is under way.
    fn bare(&self, wish: &Wish) -> DeskAct {
        let begins = self.conversation.owner == Owner::Assistant
            && matches!(wish.act, Act::HandOff | Act::Reply);
        let reason = HandoffReason::Api;
        DeskAct {
            conversation: self.conversation.id,
            standing: (self.conversation.owner, self.conversation.handoff),
            act: wish.act,
            agent: wish.agent.clone(),
            said: None,
            deliveries: Vec::new(),
            begins: begins.then(|| handoff(self.assistant, self.now, reason)),
            returns_at: later(self.now, idle(self.assistant)),
            once: wish.once,
        }
    }

    fn hand_off(&self, act: &mut DeskAct, transcript: &[Message], wish: &Wish) {
        let Some(begins) = &mut act.begins else {
            return;
        };
        let mut said = transcript.iter().rev();
        let last = said.find(|message| message.author == Author::Customer);
        begins.detail.clone_from(&wish.text);
        begins.evidence = last.map(|message| message.text.clone()).unwrap_or_default();
        let customer = self.conversation.customer.key();
        let model = self.assistant.lineup.model(&customer);
        let folder = self.assistant.prompts.current();
        let event = handoff::requested(&Requested {
            facts: self.facts(),
            handoff: begins,
            is_message: false,
            transcript: &transcript.iter().collect::<Vec<_>>(),
            summary: None,
            model: model.unwrap_or_default(),
            prompt_version: folder.version(),
        });
        if wish.notify
            && let Some((words, notice)) = self.notice(key::HANDOFF_STARTED)
        {
            act.said = Some(words);
            act.deliveries.push(notice);
        }
        act.deliveries.push(event);
    }

    fn reply(&self, act: &mut DeskAct, text: Option<Private<String>>) {
        let text = text.unwrap_or_default();
        act.said = Some(Said {
            author: Author::Agent,
            text: text.clone(),
        });
        act.deliveries.push(self.words(text, Priority::Agent));
        act.deliveries.extend(self.acknowledged(act));
    }

    /// Gives what the desk is told when somebody comes; nothing where somebody was there.
    fn acknowledged(&self, act: &DeskAct) -> Option<NewDelivery> {
        let begins = act.begins.as_ref().map(|handoff| handoff.id);
        let handoff = begins.or(self.conversation.handoff)?;
        let is_new = self.conversation.owner != Owner::Human;
        let agent = act.agent.as_ref();
        is_new.then(|| handoff::acknowledged(self.facts(), handoff, "agent", agent))
    }

    /// Gives a text of the folder for the customer; nothing where it would not reach him or he wants none.
    fn notice(&self, key: &str) -> Option<(Said, NewDelivery)> {
        let conversation = self.conversation;
        if conversation.opted_out || conversation.window_expires_at <= self.now {
            return None;
        }
        let language = conversation.language.unwrap_or(self.assistant.language);
        let folder = self.assistant.prompts.current();
        let text = Private(folder.text(key, language).to_owned());
        let said = Said {
            author: Author::Assistant,
            text: text.clone(),
        };
        Some((said, self.words(text, Priority::Notice)))
    }

    fn words(&self, text: Private<String>, priority: Priority) -> NewDelivery {
        NewDelivery {
            id: DeliveryId(new_id(self.now)),
            payload: Payload::Reply { text },
            priority,
            expires_at: self.conversation.window_expires_at,
        }
    }
}
