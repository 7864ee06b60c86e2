//! The document of the desk's API, as `OpenAPI` 3.1.

use serde_json::{Map, Value, json};

use super::asked::{AGENT_CHARS, KEY_CHARS, NOTE_CHARS};
use crate::domain::Act;
use crate::reply;

/// Gives the document.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for (base, parameters) in [
        ("/v1/conversations/{id}", json!([id()])),
        (
            "/v1/customers/{external_id}",
            json!([external_id(), assistant()]),
        ),
    ] {
        let shown = json!({ "parameters": parameters, "get": show() });
        paths.insert(base.to_owned(), shown);
        for act in Act::ALL {
            let item = json!({ "parameters": parameters, "post": does(act) });
            paths.insert(format!("{base}/{}", act.as_str()), item);
        }
    }
    let own = json!({ "get": {
        "operationId": "show_document", "summary": "Shows this document.",
        "responses": { "200": { "description": "OpenAPI 3.1" }, "401": problem("No known secret was shown") },
    } });
    paths.insert("/v1/openapi.json".to_owned(), own);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Frontdesk: the desk's API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What people do with conversations: come, answer, note, go, and be asked in. Times are RFC 3339 in UTC.",
        },
        "paths": paths,
        "security": [{ "bearer": [] }],
        "components": {
            "securitySchemes": { "bearer": {
                "type": "http", "scheme": "bearer",
                "description": "One of the secrets of `desks.NAME.secrets`; for `handoff` also one of the assistant's own.",
            } },
            "schemas": { "Done": done(), "Standing": standing(), "Problem": problem_schema() },
        },
    })
}

fn id() -> Value {
    json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" },
        "description": "`conversation.id` of an event" })
}

fn external_id() -> Value {
    json!({ "name": "external_id", "in": "path", "required": true, "schema": { "type": "string" },
        "description": "The customer's id in the business's own systems" })
}

fn assistant() -> Value {
    json!({ "name": "assistant", "in": "query", "schema": { "type": "string" },
        "description": "Whose conversation is meant, where the secret opens several assistants'" })
}

fn show() -> Value {
    json!({
        "summary": "Shows how a conversation stands.",
        "responses": {
            "200": content("How it stands", "Standing"),
            "401": problem("No known secret was shown"),
            "404": problem("There is no such conversation for this desk"),
        },
    })
}

fn does(act: Act) -> Value {
    let (summary, status) = match act {
        Act::HandOff => ("Asks people in.", "200"),
        Act::Acknowledge => ("Says that somebody is there.", "200"),
        Act::Reply => (
            "Sends words to the customer; who does has the conversation.",
            "202",
        ),
        Act::Note => (
            "Notes something that the model reads and the customer does not see.",
            "200",
        ),
        Act::Release => ("Gives the conversation back to the assistant.", "200"),
    };
    let mut responses = Map::new();
    responses.insert(status.to_owned(), content("Done, or done before", "Done"));
    for (status, description) in [
        ("400", "The body is not as it has to be"),
        ("401", "No known secret was shown"),
        ("404", "There is no such conversation for this desk"),
        (
            "409",
            "It is not possible as the conversation stands; `legal` says what is",
        ),
        ("413", "The body is too long"),
        (
            "422",
            "The words cannot be used, or the key came before with another request",
        ),
        ("503", "Nothing can be stored now; come again"),
    ] {
        responses.insert(status.to_owned(), problem(description));
    }
    json!({
        "summary": summary,
        "parameters": [{
            "name": "Idempotency-Key", "in": "header",
            "schema": { "type": "string", "minLength": 1, "maxLength": KEY_CHARS },
            "description": "What comes again with the same key within 7 days is done once",
        }],
        "requestBody": {
            "required": matches!(act, Act::Reply | Act::Note),
            "content": { "application/json": { "schema": body(act) } },
        },
        "responses": responses,
    })
}

fn body(act: Act) -> Value {
    let agent = json!({ "type": ["string", "null"], "minLength": 1, "maxLength": AGENT_CHARS,
        "description": "Who acts, by the desk's name for him" });
    let text = |limit: usize| json!({ "type": "string", "minLength": 1, "maxLength": limit });
    let (properties, required) = match act {
        Act::HandOff => (
            json!({
                "detail": { "type": ["string", "null"], "minLength": 1, "maxLength": NOTE_CHARS, "description": "Why" },
                "notify": { "type": ["boolean", "null"], "default": true, "description": "Whether the customer hears so" },
            }),
            json!([]),
        ),
        Act::Acknowledge | Act::Release => (json!({ "agent": agent }), json!([])),
        Act::Reply => (
            json!({ "text": text(reply::WHATSAPP_TEXT), "agent": agent }),
            json!(["text"]),
        ),
        Act::Note => (
            json!({ "text": text(NOTE_CHARS), "agent": agent }),
            json!(["text"]),
        ),
    };
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn done() -> Value {
    json!({
        "type": "object",
        "required": ["conversation_id", "owner", "handoff_id", "agent", "delivery_id", "legal"],
        "properties": {
            "conversation_id": uuid(false),
            "owner": owner(),
            "handoff_id": uuid(true),
            "agent": { "type": ["string", "null"], "description": "Who has it, where he gave a name" },
            "delivery_id": uuid(true),
            "legal": legal(),
        },
    })
}

fn standing() -> Value {
    json!({
        "type": "object",
        "required": ["conversation_id", "assistant", "owner", "legal", "opted_out", "window_expires_at", "can_reply"],
        "properties": {
            "conversation_id": uuid(false),
            "assistant": { "type": "string" },
            "external_id": { "type": ["string", "null"] },
            "owner": owner(),
            "handoff_id": uuid(true),
            "legal": legal(),
            "language": { "type": ["string", "null"] },
            "opted_out": { "type": "boolean" },
            "window_expires_at": { "type": "string", "format": "date-time" },
            "can_reply": { "type": "boolean" },
        },
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "owner": owner(),
            "legal": legal(),
        },
    })
}

fn uuid(or_null: bool) -> Value {
    match or_null {
        true => json!({ "type": ["string", "null"], "format": "uuid" }),
        false => json!({ "type": "string", "format": "uuid" }),
    }
}

fn owner() -> Value {
    json!({ "type": "string", "enum": ["assistant", "pending", "human"] })
}

fn legal() -> Value {
    let acts = Act::ALL.map(Act::as_str);
    json!({ "type": "array", "items": { "type": "string", "enum": acts }, "description": "What is possible now" })
}

fn content(description: &str, schema: &str) -> Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
    json!({ "description": description, "content": { "application/json": { "schema": schema } } })
}

fn problem(description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": description, "content": { "application/problem+json": { "schema": schema } } })
}
