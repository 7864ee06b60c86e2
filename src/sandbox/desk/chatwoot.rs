//! Chatwoot's application API, as far as an API inbox needs it.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::Exchange;
use super::super::serve::Answer;
use super::help::{Help, Thread, Writer, Written, asked, parts, text};

/// The number of the account.
pub(super) const ACCOUNT: u64 = 3;

/// The number of the API inbox.
pub(super) const INBOX: u64 = 7;

/// The number of the agent who answers.
const AGENT: u64 = 5;

/// Letters of a message.
const CONTENT_CHARS: usize = 150_000;

/// Messages that a look at a conversation shows.
const SHOWN: usize = 20;

/// What a conversation's status can be.
const STATES: [&str; 4] = ["open", "resolved", "pending", "snoozed"];

pub(super) fn answer(help: &mut Help, exchange: &Exchange) -> Answer {
    if !help.knows(exchange, "api_access_token", str::to_owned) {
        return Answer::json(401, &json!({ "error": "Invalid Access Token" }));
    }
    let Some((method, path)) = parts(exchange, &format!("/api/v1/accounts/{ACCOUNT}/")) else {
        return absent();
    };
    let body = exchange.json();
    match (method, path.as_slice()) {
        (&Method::GET, ["contacts", "search"]) => search(help, exchange),
        (&Method::POST, ["contacts"]) => contact(help, &body),
        (&Method::GET, ["contacts", id, "conversations"]) => conversations(help, id),
        (&Method::POST, ["conversations"]) => open(help, &body),
        (&Method::GET, ["conversations", id, "messages"]) => messages(help, id),
        (&Method::POST, ["conversations", id, "messages"]) => message(help, id, &body),
        (&Method::POST, ["conversations", id, "toggle_status"]) => toggle(help, id, &body),
        _ => absent(),
    }
}

fn absent() -> Answer {
    Answer::json(404, &json!({ "error": "Resource could not be found" }))
}

fn invalid(attribute: &str, why: &str) -> Answer {
    Answer::json(422, &json!({ "message": why, "attributes": [attribute] }))
}

fn search(help: &Help, exchange: &Exchange) -> Answer {
    let Some(wanted) = asked(exchange, "q").filter(|text| !text.trim().is_empty()) else {
        return Answer::json(
            422,
            &json!({ "error": "Specify search string with parameter q" }),
        );
    };
    let has = |contact: &&Value| {
        let mut fields = ["name", "identifier", "phone_number"].iter();
        fields.any(|field| {
            contact[field]
                .as_str()
                .is_some_and(|text| text.contains(wanted.trim()))
        })
    };
    let found: Vec<Value> = help
        .contacts
        .values()
        .filter(has)
        .take(15)
        .cloned()
        .collect();
    let meta = json!({ "count": found.len(), "current_page": 1 });
    Answer::json(200, &json!({ "meta": meta, "payload": found }))
}

fn contact(help: &mut Help, body: &Value) -> Answer {
    if body["inbox_id"].as_u64() != Some(INBOX) {
        return absent();
    }
    for (field, name) in [
        ("identifier", "Identifier"),
        ("phone_number", "Phone number"),
    ] {
        if help.contact(field, &body[field]).is_some() {
            return invalid(field, &format!("{name} has already been taken"));
        }
    }
    let is_e164 = |phone: &str| {
        phone.strip_prefix('+').is_some_and(|rest| {
            (2..=15).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    if body["phone_number"]
        .as_str()
        .is_some_and(|phone| !is_e164(phone))
    {
        return invalid("phone_number", "Phone number should be in e164 format");
    }
    let id = help.new_id();
    let kept = json!({
        "id": id,
        "name": body["name"],
        "identifier": body["identifier"],
        "phone_number": body["phone_number"],
        "email": null,
        "custom_attributes": body["custom_attributes"],
    });
    help.contacts.insert(id, kept.clone());
    let inbox = json!({ "inbox": { "id": INBOX }, "source_id": format!("source-{id}") });
    Answer::json(
        200,
        &json!({ "payload": { "contact": kept, "contact_inbox": inbox } }),
    )
}

fn conversations(help: &Help, contact: &str) -> Answer {
    let contact: u64 = contact.parse().unwrap_or_default();
    if !help.contacts.contains_key(&contact) {
        return absent();
    }
    let threads = help
        .threads
        .values()
        .filter(|thread| thread.contact == contact);
    let found: Vec<Value> = threads.map(conversation).collect();
    Answer::json(200, &json!({ "payload": found }))
}

fn open(help: &mut Help, body: &Value) -> Answer {
    let contact = body["contact_id"].as_u64().unwrap_or_default();
    if body["inbox_id"].as_u64() != Some(INBOX) || !help.contacts.contains_key(&contact) {
        return absent();
    }
    let source = &body["source_id"];
    let is_taken = |thread: &Thread| {
        !source.is_null() && thread.fields["source_id"] == *source && thread.contact != contact
    };
    if help.threads.values().any(is_taken) {
        return Answer::json(422, &json!({ "error": "source_id should be unique" }));
    }
    let status = body["status"].as_str().unwrap_or("open");
    if !STATES.contains(&status) {
        return invalid("status", "Status is not included in the list");
    }
    let id = help.open(contact, status, body.clone());
    let made = help.threads.get(&id).map(conversation).unwrap_or_default();
    tell(help, id, "conversation_created", json!({}));
    Answer::json(200, &made)
}

fn messages(help: &Help, id: &str) -> Answer {
    let Some(thread) = id.parse().ok().and_then(|id: u64| help.threads.get(&id)) else {
        return absent();
    };
    let from = thread.written.len().saturating_sub(SHOWN);
    let shown: Vec<Value> = thread.written[from..]
        .iter()
        .map(|one| {
            json!({
                "id": one.id, "content": one.text, "message_type": i32::from(one.writer != Writer::Customer),
                "private": one.is_private, "source_id": one.source, "created_at": one.at.as_second(),
                "conversation_id": thread.id, "content_type": "text",
            })
        })
        .collect();
    Answer::json(200, &json!({ "meta": {}, "payload": shown }))
}

fn message(help: &mut Help, id: &str, body: &Value) -> Answer {
    let id: u64 = id.parse().unwrap_or_default();
    if !help.threads.contains_key(&id) {
        return absent();
    }
    let Some(content) = text(body, "content") else {
        return invalid("content", "Content can't be blank");
    };
    if content.chars().count() > CONTENT_CHARS {
        return invalid(
            "content",
            "Content is too long (maximum is 150000 characters)",
        );
    }
    let writer = match body["message_type"].as_str().unwrap_or("outgoing") {
        "incoming" => Writer::Customer,
        "outgoing" => Writer::Gateway,
        _ => return Answer::json(422, &json!({ "error": "is not a valid message_type" })),
    };
    let is_private = body["private"] == true;
    let written = help.write(id, writer, is_private, content, body["source_id"].as_str());
    if writer == Writer::Customer {
        // A customer who writes opens what was resolved.
        if let Some(thread) = help.threads.get_mut(&id) {
            "open".clone_into(&mut thread.status);
        }
    }
    let told = message_created(help, id, written);
    help.told.extend(told);
    Answer::json(
        200,
        &json!({ "id": written, "content": content, "private": is_private }),
    )
}

fn toggle(help: &mut Help, id: &str, body: &Value) -> Answer {
    let id: u64 = id.parse().unwrap_or_default();
    let Some(thread) = help.threads.get(&id) else {
        return absent();
    };
    let (before, status) = (
        thread.status.clone(),
        body["status"].as_str().unwrap_or("resolved"),
    );
    if !STATES.contains(&status) {
        return invalid("status", "Status is not included in the list");
    }
    let told = set_status(help, id, status);
    help.told.extend(told.filter(|_| before != status));
    let payload = json!({ "success": true, "current_status": status, "conversation_id": id });
    Answer::json(200, &json!({ "meta": {}, "payload": payload }))
}

fn conversation(thread: &Thread) -> Value {
    json!({
        "id": thread.id,
        "inbox_id": INBOX,
        "status": thread.status,
        "contact_inbox": { "source_id": thread.fields["source_id"], "inbox_id": INBOX, "contact_id": thread.contact },
        "custom_attributes": thread.fields["custom_attributes"],
        "channel": "Channel::Api",
        "can_reply": true,
        "meta": {
            "sender": { "id": thread.contact, "type": "contact" },
            "assignee": thread.assignee.map(|id| json!({ "id": id, "name": "Jo", "type": "user" })),
        },
    })
}

/// Sets a conversation's status. Gives the webhook that tells so.
pub(super) fn set_status(help: &mut Help, id: u64, status: &str) -> Option<Value> {
    let thread = help.threads.get_mut(&id)?;
    let before = std::mem::replace(&mut thread.status, status.to_owned());
    let changed = json!([{ "status": { "previous_value": before, "current_value": status } }]);
    about(
        help,
        id,
        "conversation_status_changed",
        json!({ "changed_attributes": changed }),
    )
}

/// Gives a conversation to the agent. Gives the webhook that tells so.
pub(super) fn assign(help: &mut Help, id: u64) -> Option<Value> {
    help.threads.get_mut(&id)?.assignee = Some(AGENT);
    let changed = json!([{ "assignee_id": { "previous_value": null, "current_value": AGENT } }]);
    about(
        help,
        id,
        "conversation_updated",
        json!({ "changed_attributes": changed }),
    )
}

/// Gives the webhook about something written.
pub(super) fn message_created(help: &Help, id: u64, written: u64) -> Option<Value> {
    let thread = help.threads.get(&id)?;
    let one = thread.written.iter().find(|one| one.id == written)?;
    let (kind, sender) = sender(thread, one);
    Some(json!({
        "event": "message_created",
        "id": one.id,
        "content": one.text,
        "content_type": "text",
        "content_attributes": {},
        "message_type": kind,
        "private": one.is_private,
        "source_id": one.source,
        "created_at": one.at.to_string(),
        "sender": sender,
        "account": { "id": ACCOUNT, "name": "Acme" },
        "inbox": { "id": INBOX, "name": "WhatsApp" },
        "conversation": conversation(thread),
    }))
}

fn sender(thread: &Thread, one: &Written) -> (&'static str, Value) {
    match one.writer {
        Writer::Customer => (
            "incoming",
            json!({ "id": thread.contact, "type": "contact" }),
        ),
        Writer::Gateway | Writer::Agent => (
            "outgoing",
            json!({ "id": AGENT, "name": "Jo", "email": "jo@example.com", "type": "user" }),
        ),
    }
}

fn tell(help: &mut Help, id: u64, event: &str, more: Value) {
    let told = about(help, id, event, more);
    help.told.extend(told);
}

/// Gives a webhook about a conversation.
fn about(help: &Help, id: u64, event: &str, more: Value) -> Option<Value> {
    let mut webhook = conversation(help.threads.get(&id)?);
    webhook["event"] = event.into();
    webhook["account"] = json!({ "id": ACCOUNT, "name": "Acme" });
    if let (Value::Object(webhook), Value::Object(more)) = (&mut webhook, more) {
        webhook.extend(more);
    }
    Some(webhook)
}
