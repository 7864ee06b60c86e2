//! Zendesk's Ticketing API, as far as a handoff needs it.

use std::time::Duration;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::Exchange;
use super::super::serve::Answer;
use super::help::{Help, Thread, Writer, asked, parts, text};
use crate::clock::later;

/// The agent whose token it is.
pub(super) const EMAIL: &str = "agent@example.com";

/// The number of the agent who answers.
pub(super) const AGENT: u64 = 77;

/// How long an idempotency key is remembered.
const KEYS_KEPT: Duration = Duration::from_hours(2);

/// What a ticket's status can be set to.
const STATES: [&str; 5] = ["new", "open", "pending", "hold", "solved"];

pub(super) fn answer(help: &mut Help, exchange: &Exchange) -> Answer {
    let basic = |key: &str| format!("Basic {}", STANDARD.encode(format!("{EMAIL}/token:{key}")));
    if !help.knows(exchange, "authorization", basic) {
        return Answer::json(401, &json!({ "error": "Couldn't authenticate you" }));
    }
    let Some((method, path)) = parts(exchange, "/api/v2") else {
        return absent();
    };
    match (method, path.as_slice()) {
        (&Method::POST, ["users", "create_or_update"]) => user(help, &exchange.json()["user"]),
        (&Method::GET, ["tickets"]) => find(help, exchange),
        (&Method::POST, ["tickets"]) => once(help, exchange),
        (&Method::PUT, ["tickets", id]) => update(help, id, &exchange.json()["ticket"]),
        (&Method::GET, ["tickets", id, "comments"]) => comments(help, id, exchange),
        _ => absent(),
    }
}

fn absent() -> Answer {
    Answer::json(
        404,
        &json!({ "error": "RecordNotFound", "description": "Not found" }),
    )
}

fn invalid(field: &str, why: &str) -> Answer {
    let details = json!({ field: [{ "description": why, "error": "InvalidValue" }] });
    Answer::json(
        422,
        &json!({ "error": "RecordInvalid", "description": "Record validation errors", "details": details }),
    )
}

fn user(help: &mut Help, user: &Value) -> Answer {
    if text(user, "name").is_none() {
        return invalid("name", "Name: cannot be blank");
    }
    let known = help.contact("external_id", &user["external_id"]);
    let (id, status) = match known {
        Some(id) => (id, 200),
        None => (help.new_id(), 201),
    };
    let mut kept = user.clone();
    kept["id"] = id.into();
    kept["role"] = "end-user".into();
    help.contacts.insert(id, kept.clone());
    Answer::json(status, &json!({ "user": kept }))
}

fn find(help: &Help, exchange: &Exchange) -> Answer {
    let wanted = asked(exchange, "external_id");
    let threads = help.threads.values();
    let found: Vec<Value> = threads
        .filter(|thread| thread.fields["external_id"].as_str() == wanted.as_deref())
        .map(ticket)
        .collect();
    Answer::json(200, &json!({ "count": found.len(), "tickets": found }))
}

/// Creates a ticket, or gives the one that the same key has created.
fn once(help: &mut Help, exchange: &Exchange) -> Answer {
    let key = exchange.header("idempotency-key").map(str::to_owned);
    if key.as_ref().is_some_and(|key| key.len() > 255) {
        return invalid("base", "Idempotency key is too long");
    }
    let known = key.as_ref().and_then(|key| help.answered.get(key));
    if let Some((until, body, made)) = known
        && *until > exchange.at
    {
        if body.as_slice() != exchange.raw {
            let why = "Request parameters don't match the given idempotency key";
            let body = json!({ "error": "IdempotentRequestError", "description": why });
            return Answer::json(400, &body);
        }
        let mut answer = Answer::json(201, made);
        answer
            .headers
            .push(("x-idempotency-lookup".to_owned(), "hit".to_owned()));
        return answer;
    }
    let mut answer = create(help, &exchange.json()["ticket"]);
    if let Some(key) = key
        && answer.status == 201
    {
        let made = serde_json::from_slice(&answer.body).unwrap_or_default();
        let until = later(exchange.at, KEYS_KEPT);
        help.answered
            .insert(key, (until, exchange.raw.to_vec(), made));
        answer
            .headers
            .push(("x-idempotency-lookup".to_owned(), "miss".to_owned()));
    }
    answer
}

fn create(help: &mut Help, asked: &Value) -> Answer {
    let Some(words) = text(&asked["comment"], "body") else {
        return invalid("base", "Description: cannot be blank");
    };
    let requester = asked["requester_id"].as_u64();
    let Some(requester) = requester.filter(|id| help.contacts.contains_key(id)) else {
        return invalid("requester", "Requester is invalid");
    };
    let is_private = asked["comment"]["public"] == false;
    let id = help.open(requester, "new", asked.clone());
    help.write(id, Writer::Gateway, is_private, words, None);
    let made = help.threads.get(&id).map(ticket).unwrap_or_default();
    Answer::json(
        201,
        &json!({ "ticket": made, "audit": { "id": id, "ticket_id": id } }),
    )
}

fn update(help: &mut Help, id: &str, asked: &Value) -> Answer {
    let id: u64 = id.parse().unwrap_or_default();
    let Some(thread) = help.threads.get(&id) else {
        return absent();
    };
    if thread.status == "closed" {
        return invalid("status", "Status: closed prevents ticket update");
    }
    let (contact, before) = (thread.contact, thread.status.clone());
    let comment = &asked["comment"];
    if !comment.is_null() {
        let Some(words) = text(comment, "body") else {
            return invalid("base", "Comment: cannot be blank");
        };
        let author = comment["author_id"].as_u64();
        let writer = match author {
            None => Writer::Gateway,
            Some(id) if id == contact => Writer::Customer,
            Some(_) => return invalid("author", "Author is invalid"),
        };
        let is_private = comment["public"] == false;
        let written = help.write(id, writer, is_private, words, None);
        let told = comment_added(help, id, written);
        help.told.extend(told);
    }
    if let Some(status) = asked["status"].as_str() {
        if !STATES.contains(&status) {
            return invalid("status", "Status: is not a valid status");
        }
        let told = set_status(help, id, status);
        help.told.extend(told.filter(|_| before != status));
    }
    let made = help.threads.get(&id).map(ticket).unwrap_or_default();
    Answer::json(
        200,
        &json!({ "ticket": made, "audit": { "id": id, "ticket_id": id } }),
    )
}

fn comments(help: &Help, id: &str, exchange: &Exchange) -> Answer {
    let Some(thread) = id.parse().ok().and_then(|id: u64| help.threads.get(&id)) else {
        return absent();
    };
    let mut comments: Vec<Value> = thread
        .written
        .iter()
        .map(|one| {
            json!({
                "id": one.id, "type": "Comment", "author_id": author(thread, one.writer),
                "body": one.text, "plain_body": one.text, "public": !one.is_private,
                "created_at": one.at.to_string(),
            })
        })
        .collect();
    if asked(exchange, "sort_order").as_deref() == Some("desc") {
        comments.reverse();
    }
    comments.truncate(100);
    Answer::json(
        200,
        &json!({ "comments": comments, "count": thread.written.len() }),
    )
}

fn author(thread: &Thread, writer: Writer) -> u64 {
    match writer {
        Writer::Customer => thread.contact,
        Writer::Gateway | Writer::Agent => AGENT,
    }
}

fn ticket(thread: &Thread) -> Value {
    json!({
        "id": thread.id,
        "status": thread.status,
        "subject": thread.fields["subject"],
        "external_id": thread.fields["external_id"],
        "requester_id": thread.contact,
        "assignee_id": thread.assignee,
        "tags": thread.fields["tags"],
    })
}

/// Sets a ticket's status. Gives the webhook that tells so.
pub(super) fn set_status(help: &mut Help, id: u64, status: &str) -> Option<Value> {
    let thread = help.threads.get_mut(&id)?;
    let before = std::mem::replace(&mut thread.status, status.to_owned());
    let change = json!({ "current": status.to_uppercase(), "previous": before.to_uppercase() });
    webhook(help, id, "status_changed", &change)
}

/// Gives the webhook about something written.
pub(super) fn comment_added(help: &mut Help, id: u64, written: u64) -> Option<Value> {
    let thread = help.threads.get(&id)?;
    let one = thread.written.iter().find(|one| one.id == written)?;
    let author = author(thread, one.writer).to_string();
    let comment = json!({ "comment": {
        "author": { "id": author, "is_staff": one.writer != Writer::Customer, "name": "Someone" },
        "body": one.text,
        "id": one.id.to_string(),
        "is_public": !one.is_private,
    } });
    webhook(help, id, "comment_added", &comment)
}

/// Gives a ticket to the agent. Gives the webhook that tells so.
pub(super) fn assign(help: &mut Help, id: u64) -> Option<Value> {
    help.threads.get_mut(&id)?.assignee = Some(AGENT);
    let change = json!({ "current": AGENT.to_string(), "previous": null });
    webhook(help, id, "agent_assignment_changed", &change)
}

/// Gives a webhook as Zendesk's event subscriptions send it.
fn webhook(help: &mut Help, id: u64, name: &str, event: &Value) -> Option<Value> {
    let number = help.new_id();
    let thread = help.threads.get(&id)?;
    Some(json!({
        "account_id": 12_345,
        "detail": {
            "actor_id": AGENT.to_string(),
            "assignee_id": thread.assignee.map(|id| id.to_string()),
            "created_at": help.now.to_string(),
            "external_id": thread.fields["external_id"],
            "id": id.to_string(),
            "is_public": true,
            "requester_id": thread.contact.to_string(),
            "status": thread.status.to_uppercase(),
            "subject": thread.fields["subject"],
            "tags": thread.fields["tags"],
            "updated_at": help.now.to_string(),
            "via": { "channel": "web_service" },
        },
        "event": event,
        "id": format!("00000000-0000-4000-8000-{number:012}"),
        "subject": format!("zen:ticket:{id}"),
        "time": help.now.to_string(),
        "type": format!("zen:event-type:ticket.{name}"),
        "zendesk_event_version": "2022-11-06",
    }))
}
