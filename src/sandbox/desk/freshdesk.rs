//! Freshdesk's API, as far as a handoff needs it. It refuses every field that it does not know.

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::Exchange;
use super::super::serve::Answer;
use super::help::{Help, Thread, Writer, asked, parts, text};

/// Letters of a tag.
const TAG_CHARS: usize = 32;

/// What a ticket may be created with.
const TICKET: [&str; 18] = [
    "name",
    "requester_id",
    "email",
    "phone",
    "unique_external_id",
    "subject",
    "type",
    "status",
    "priority",
    "description",
    "responder_id",
    "custom_fields",
    "due_by",
    "group_id",
    "product_id",
    "source",
    "tags",
    "company_id",
];

/// What a note may have.
const NOTE: [&str; 5] = ["body", "private", "incoming", "notify_emails", "user_id"];

pub(super) fn answer(help: &mut Help, exchange: &Exchange) -> Answer {
    let basic = |key: &str| format!("Basic {}", STANDARD.encode(format!("{key}:X")));
    if !help.knows(exchange, "authorization", basic) {
        let message = "You have to be logged in to perform this action.";
        return Answer::json(
            401,
            &json!({ "code": "invalid_credentials", "message": message }),
        );
    }
    let Some((method, path)) = parts(exchange, "/api/v2") else {
        return Answer::raw(404, "");
    };
    match (method, path.as_slice()) {
        (&Method::GET, ["search", "tickets"]) => search(help, exchange),
        (&Method::POST, ["tickets"]) => create(help, &exchange.json()),
        (&Method::POST, ["tickets", id, "notes"]) => note(help, id, &exchange.json()),
        (&Method::GET, ["tickets", id, "conversations"]) => notes(help, id, exchange),
        _ => Answer::raw(404, ""),
    }
}

fn invalid(field: &str, code: &str, message: &str) -> Answer {
    let errors = json!([{ "field": field, "message": message, "code": code }]);
    Answer::json(
        400,
        &json!({ "description": "Validation failed", "errors": errors }),
    )
}

/// Refuses a body with a field that is not known.
fn unknown(body: &Value, known: &[&str]) -> Option<Answer> {
    let fields = body.as_object()?;
    let field = fields
        .keys()
        .find(|field| !known.contains(&field.as_str()))?;
    Some(invalid(
        field,
        "invalid_field",
        "Unexpected/invalid field in request",
    ))
}

fn search(help: &Help, exchange: &Exchange) -> Answer {
    let query = asked(exchange, "query").unwrap_or_default();
    let tag = query
        .strip_prefix("\"tag:'")
        .and_then(|rest| rest.strip_suffix("'\""));
    let Some(tag) = tag else {
        return invalid("query", "invalid_value", "Given query is invalid.");
    };
    let has = |thread: &&Thread| {
        let tags = thread.fields["tags"].as_array();
        tags.is_some_and(|tags| tags.iter().any(|one| one == tag))
    };
    let found: Vec<Value> = help.threads.values().filter(has).map(ticket).collect();
    Answer::json(200, &json!({ "total": found.len(), "results": found }))
}

fn create(help: &mut Help, body: &Value) -> Answer {
    if let Some(refusal) = unknown(body, &TICKET) {
        return refusal;
    }
    for field in ["subject", "description"] {
        if text(body, field).is_none() {
            return invalid(field, "missing_field", "It should be a/an String");
        }
    }
    let requesters = ["requester_id", "email", "phone", "unique_external_id"];
    if requesters.iter().all(|field| body[field].is_null()) {
        return invalid(
            "requester_id",
            "missing_field",
            "At least one of the requester's fields is needed",
        );
    }
    if !body["phone"].is_null() && body["email"].is_null() && text(body, "name").is_none() {
        return invalid("name", "missing_field", "It should be a/an String");
    }
    for (field, least, most) in [("status", 2, 7), ("priority", 1, 4), ("source", 1, 10)] {
        if !body[field].is_null()
            && body[field]
                .as_u64()
                .is_none_or(|n| !(least..=most).contains(&n))
        {
            return invalid(field, "invalid_value", "It should be one of these values");
        }
    }
    let tags = body["tags"].as_array().cloned().unwrap_or_default();
    let fits = |tag: &Value| {
        tag.as_str()
            .is_some_and(|tag| tag.chars().count() <= TAG_CHARS)
    };
    if !tags.iter().all(fits) {
        return invalid(
            "tags",
            "invalid_value",
            "It should have at most 32 characters",
        );
    }
    let known = help.contact("unique_external_id", &body["unique_external_id"]);
    let contact = known.unwrap_or_else(|| help.new_id());
    let kept = json!({
        "id": contact, "name": body["name"], "phone": body["phone"],
        "unique_external_id": body["unique_external_id"],
    });
    help.contacts.insert(contact, kept);
    let id = help.open(contact, "open", body.clone());
    let description = text(body, "description").unwrap_or_default();
    help.write(id, Writer::Gateway, true, &shown(description), None);
    Answer::json(201, &help.threads.get(&id).map(ticket).unwrap_or_default())
}

fn note(help: &mut Help, id: &str, body: &Value) -> Answer {
    let id: u64 = id.parse().unwrap_or_default();
    if !help.threads.contains_key(&id) {
        return Answer::raw(404, "");
    }
    if let Some(refusal) = unknown(body, &NOTE) {
        return refusal;
    }
    let Some(words) = text(body, "body") else {
        return invalid("body", "missing_field", "It should be a/an String");
    };
    let writer = match body["incoming"] == true {
        true => Writer::Customer,
        false => Writer::Gateway,
    };
    let is_private = body["private"] != false;
    let written = help.write(id, writer, is_private, &shown(words), None);
    let made = json!({ "id": written, "ticket_id": id, "body": words, "private": is_private });
    Answer::json(201, &made)
}

fn notes(help: &Help, id: &str, exchange: &Exchange) -> Answer {
    let Some(thread) = id.parse().ok().and_then(|id: u64| help.threads.get(&id)) else {
        return Answer::raw(404, "");
    };
    let page = asked(exchange, "per_page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(30);
    if page > 100 {
        return invalid(
            "per_page",
            "invalid_value",
            "It should be a Positive Integer less than or equal to 100",
        );
    }
    // The first thing written is the description, which is no conversation.
    let notes = thread.written.iter().skip(1).take(page).map(|one| {
        json!({
            "id": one.id, "body": one.text, "body_text": one.text, "private": one.is_private,
            "incoming": one.writer == Writer::Customer, "created_at": one.at.to_string(),
        })
    });
    Answer::json(200, &notes.collect())
}

fn ticket(thread: &Thread) -> Value {
    json!({
        "id": thread.id,
        "status": 2,
        "subject": thread.fields["subject"],
        "requester_id": thread.contact,
        "tags": thread.fields["tags"],
    })
}

/// Gives what a browser shows of simple HTML.
fn shown(html: &str) -> String {
    let mut text = html.replace("<br>", "\n");
    for (entity, letter) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, letter);
    }
    text
}
