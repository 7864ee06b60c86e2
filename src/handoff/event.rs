//! What the desk is told, as JSON with stable names.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Links, OnTimeout};
use crate::clock::later;
use crate::domain::{
    Author, Conversation, DeliveryId, EndReason, Handoff, HandoffId, Message, NewDelivery, Payload,
    Priority, Said, new_id,
};
use crate::redact::Private;
use crate::store::HandoffEnd;

/// The version of the payload: it changes when a field changes its meaning, not when one is added.
const VERSION: u32 = 1;

/// How long an event is tried for: a desk may be down for a weekend's night and day. What it never took is kept as dead.
pub const KEEP_TRYING: Duration = Duration::from_hours(48);

/// Messages of the transcript; more would hide the last ones, which matter most to who takes over.
pub const TRANSCRIPT_MESSAGES: usize = 50;

/// What every event tells.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// When it happens.
    pub now: Timestamp,
    /// The conversation, as it stood before.
    pub conversation: &'a Conversation,
    /// Makes the links by which the desk can act, where there is a desk.
    pub links: Option<&'a Links>,
}

/// What is told when people are asked to take over.
#[derive(Debug)]
pub struct Requested<'a> {
    /// What every event tells.
    pub facts: Facts<'a>,
    /// The handoff that begins.
    pub handoff: &'a Handoff,
    /// Whether it is word for later: nobody is there, and the assistant goes on.
    pub is_message: bool,
    /// What was said, oldest first, up to and with the messages that led to it.
    pub transcript: &'a [&'a Message],
    /// The model's summary, where it came in time.
    pub summary: Option<&'a Private<String>>,
    /// The model that the assistant asks.
    pub model: &'a str,
    /// The prompt folder's version in force.
    pub prompt_version: &'a str,
}

/// Makes `handoff.requested`.
pub fn requested(requested: &Requested<'_>) -> NewDelivery {
    let Requested {
        handoff,
        transcript,
        ..
    } = requested;
    let hidden = transcript.len().saturating_sub(TRANSCRIPT_MESSAGES);
    let last = transcript
        .iter()
        .rev()
        .find(|message| message.author == Author::Customer);
    let body = json!({
        "reason": {
            "code": handoff.reason.as_str(),
            "rule_id": handoff.rule,
            "detail": handoff.detail.as_ref().map(|detail| &detail.0),
            "evidence": handoff.evidence.0,
        },
        "message_only": requested.is_message,
        "summary": requested.summary.map(|summary| &summary.0),
        "last_user_message": last.map(|message| &message.text.0),
        "transcript": transcript[hidden..].iter().map(|message| line(message)).collect::<Vec<_>>(),
        "transcript_truncated": hidden > 0,
        "bot": { "model": requested.model, "prompt_version": requested.prompt_version },
    });
    event("handoff.requested", requested.facts, Some(handoff.id), body)
}

/// Makes `handoff.message`: what the customer says while people have the conversation.
pub fn message(facts: Facts<'_>, messages: &[Message]) -> NewDelivery {
    let lines: Vec<Value> = messages.iter().map(line).collect();
    let handoff = facts.conversation.handoff;
    event(
        "handoff.message",
        facts,
        handoff,
        json!({ "messages": lines }),
    )
}

/// Makes `handoff.acknowledged`: somebody is there, by the desk's name for him; or an operator is.
pub fn acknowledged(
    facts: Facts<'_>,
    handoff: HandoffId,
    by: &str,
    agent: Option<&Private<String>>,
) -> NewDelivery {
    let body = json!({ "by": by, "agent": agent.map(|agent| &agent.0) });
    event("handoff.acknowledged", facts, Some(handoff), body)
}

/// Makes `handoff.timeout`: nobody has come in time, and what is done about it.
pub fn timeout(facts: Facts<'_>, then: OnTimeout) -> NewDelivery {
    let body = json!({ "then": then.as_str() });
    event("handoff.timeout", facts, facts.conversation.handoff, body)
}

/// Makes `handoff.window_closing`: WhatsApp takes no free text soon, unless the customer writes.
pub fn window_closing(facts: Facts<'_>) -> NewDelivery {
    let handoff = facts.conversation.handoff;
    event("handoff.window_closing", facts, handoff, json!({}))
}

/// Makes the end of a handoff: the note that tells the assistant, and the event that tells the desk.
pub fn end(
    now: Timestamp,
    conversation: &Conversation,
    reason: EndReason,
    has_desk: bool,
) -> HandoffEnd {
    HandoffEnd {
        conversation: conversation.id,
        handoff: conversation.handoff,
        reason,
        note: note_of_end(reason),
        event: has_desk.then(|| ended(now, conversation, reason)),
    }
}

/// Gives the note that tells the assistant that it speaks again. What led to the handoff stands before it in the history,
/// so it says that this is settled: else the same words would make a model hand over once more.
pub fn note_of_end(reason: EndReason) -> Said {
    let text = match reason {
        EndReason::AgentReleased | EndReason::Operator => {
            "The colleague has finished; the assistant answers again. What was asked of a colleague before is dealt with: \
             hand over again only if the customer's new messages call for it."
        }
        EndReason::CustomerReturned => {
            "The customer wants the assistant again; it answers. Hand over again only if the customer's new messages call \
             for it."
        }
        EndReason::TimedOut => {
            "The handoff has ended by itself; the assistant answers again. Hand over again only if the customer's new \
             messages call for it."
        }
    };
    Said {
        author: Author::System,
        text: text.into(),
    }
}

/// Makes `handoff.ended`.
pub fn ended(now: Timestamp, conversation: &Conversation, reason: EndReason) -> NewDelivery {
    let facts = Facts {
        now,
        conversation,
        links: None,
    };
    let body = json!({ "reason": { "code": reason.as_str() } });
    event("handoff.ended", facts, conversation.handoff, body)
}

fn line(message: &Message) -> Value {
    json!({
        "id": message.id.0,
        "at": message.at,
        "author": message.author.as_str(),
        "text": message.text.0,
        "media": message.media.iter().map(|link| &link.0).collect::<Vec<_>>(),
    })
}

fn event(name: &str, facts: Facts<'_>, handoff: Option<HandoffId>, rest: Value) -> NewDelivery {
    let Facts {
        now, conversation, ..
    } = facts;
    let id = DeliveryId(new_id(now));
    let mut body = json!({
        "version": VERSION,
        "event": name,
        "id": id.0,
        "occurred_at": now,
        "handoff_id": handoff.map(|id| id.0),
        "test": false,
        "conversation": {
            "id": conversation.id.0,
            "external_id": conversation.customer.external_id().map(|id| &id.0),
            "assistant": conversation.assistant,
            "channel": "whatsapp",
            "language": conversation.language.map(|language| language.to_string()),
            "opened_at": conversation.opened_at,
            "window_expires_at": conversation.window_expires_at,
        },
        "user": user(conversation),
    });
    let actions = facts.links.zip(handoff);
    if let Some((links, handoff)) = actions {
        body["actions"] = links.of(now, conversation.id, handoff);
    }
    if let (Value::Object(body), Value::Object(rest)) = (&mut body, rest) {
        body.extend(rest);
    }
    NewDelivery {
        id,
        payload: Payload::Event {
            name: name.to_owned(),
            body: Private(body.to_string()),
        },
        priority: Priority::Notice,
        expires_at: later(now, KEEP_TRYING),
    }
}

fn user(conversation: &Conversation) -> Value {
    let customer = &conversation.customer;
    let profile: &Map<String, Value> = &conversation.profile;
    json!({
        "external_id": customer.external_id().map(|id| &id.0),
        "braze_id": customer.braze_id().map(|id| &id.0),
        "phone": customer.phone().map(|phone| &phone.0),
        "name": profile.get("profile_name").or_else(|| profile.get("first_name")),
        "attributes": profile,
    })
}
