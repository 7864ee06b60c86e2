//! What the desk is told, as JSON with stable names.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

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

/// What is told when people are asked to take over.
#[derive(Debug)]
pub struct Requested<'a> {
    /// The conversation, before the handoff.
    pub conversation: &'a Conversation,
    /// The handoff that begins.
    pub handoff: &'a Handoff,
    /// What was said, oldest first, up to and with the messages that led to it.
    pub transcript: &'a [&'a Message],
    /// The model's summary, where it came in time.
    pub summary: Option<&'a Private<String>>,
    /// The model that the assistant asks.
    pub model: &'a str,
    /// The prompt folder's version in force.
    pub prompt_version: &'a str,
    /// The gateway's own address, as the desk reaches it, where it is configured.
    pub public_url: Option<&'a str>,
}

/// Makes `handoff.requested`.
pub fn requested(now: Timestamp, requested: &Requested<'_>) -> NewDelivery {
    let Requested {
        conversation,
        handoff,
        transcript,
        ..
    } = requested;
    let hidden = transcript.len().saturating_sub(TRANSCRIPT_MESSAGES);
    let last = transcript
        .iter()
        .rev()
        .find(|message| message.author == Author::Customer);
    let release = requested.public_url.map(|url| {
        format!(
            "{}/v1/conversations/{}/release",
            url.trim_end_matches('/'),
            conversation.id
        )
    });
    let body = json!({
        "reason": {
            "code": handoff.reason.as_str(),
            "rule_id": handoff.rule,
            "detail": handoff.detail.as_ref().map(|detail| &detail.0),
            "evidence": handoff.evidence.0,
        },
        "summary": requested.summary.map(|summary| &summary.0),
        "last_user_message": last.map(|message| &message.text.0),
        "transcript": transcript[hidden..].iter().map(|message| line(message)).collect::<Vec<_>>(),
        "transcript_truncated": hidden > 0,
        "bot": { "model": requested.model, "prompt_version": requested.prompt_version },
        "actions": { "release_url": release },
    });
    event(
        "handoff.requested",
        now,
        conversation,
        Some(handoff.id),
        body,
    )
}

/// Makes `handoff.message`: what the customer says while people have the conversation.
pub fn message(now: Timestamp, conversation: &Conversation, messages: &[Message]) -> NewDelivery {
    let lines: Vec<Value> = messages.iter().map(line).collect();
    event(
        "handoff.message",
        now,
        conversation,
        conversation.handoff,
        json!({ "messages": lines }),
    )
}

/// Makes the end of a handoff: the note that tells the assistant, and the event that tells the desk.
pub fn end(
    now: Timestamp,
    conversation: &Conversation,
    reason: EndReason,
    has_desk: bool,
) -> HandoffEnd {
    let text = match reason {
        EndReason::AgentReleased => "The colleague has finished; the assistant answers again.",
        EndReason::TimedOut => "The handoff has ended by itself; the assistant answers again.",
    };
    HandoffEnd {
        conversation: conversation.id,
        handoff: conversation.handoff,
        reason,
        note: Said {
            author: Author::System,
            text: text.into(),
        },
        event: has_desk.then(|| ended(now, conversation, reason)),
    }
}

/// Makes `handoff.ended`.
fn ended(now: Timestamp, conversation: &Conversation, reason: EndReason) -> NewDelivery {
    let body = json!({ "reason": { "code": reason.as_str() } });
    event(
        "handoff.ended",
        now,
        conversation,
        conversation.handoff,
        body,
    )
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

fn event(
    name: &str,
    now: Timestamp,
    conversation: &Conversation,
    handoff: Option<HandoffId>,
    rest: Value,
) -> NewDelivery {
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
