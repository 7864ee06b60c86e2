//! An event of each kind, to try templates with.

use serde_json::{Value, json};

/// Gives the events; what is not always known is left out of one of them.
pub(crate) fn all() -> Vec<Value> {
    let about = |code: &str| json!({ "reason": { "code": code } });
    vec![
        event("handoff.requested", true, requested(true)),
        event(
            "handoff.message",
            true,
            json!({ "messages": [line("customer")] }),
        ),
        event("handoff.requested", false, requested(false)),
        event(
            "handoff.acknowledged",
            true,
            json!({ "by": "agent", "agent": "Jo" }),
        ),
        event("handoff.timeout", true, json!({ "then": "wait" })),
        event("handoff.window_closing", true, json!({})),
        event("handoff.ended", true, about("agent_released")),
    ]
}

fn event(name: &str, is_known: bool, more: Value) -> Value {
    let known = |value: &str| is_known.then(|| value.to_owned());
    let mut event = json!({
        "version": 1,
        "event": name,
        "id": "0198c1f2-0000-7000-8000-000000000001",
        "occurred_at": "2026-03-02T09:00:00Z",
        "handoff_id": "0198c1f2-0000-7000-8000-000000000002",
        "test": false,
        "conversation": {
            "id": "0198c1f2-0000-7000-8000-000000000003",
            "external_id": known("ana"),
            "assistant": "support",
            "channel": "whatsapp",
            "language": known("es"),
            "opened_at": "2026-03-02T08:59:00Z",
            "window_expires_at": "2026-03-03T09:00:00Z",
        },
        "user": {
            "external_id": known("ana"),
            "braze_id": null,
            "phone": "+34600000102",
            "name": known("Ana"),
            "attributes": { "first_name": known("Ana") },
        },
    });
    if name != "handoff.ended" {
        let link = |act: &str| {
            known(&format!(
                "https://frontdesk.example.com/v1/conversations/1/{act}?token=t"
            ))
        };
        event["actions"] = json!({
            "ack_url": link("ack"), "release_url": link("release"), "reply_url": link("replies"),
        });
    }
    if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
        event.extend(more);
    }
    event
}

fn requested(is_known: bool) -> Value {
    let known = |value: &str| is_known.then(|| value.to_owned());
    json!({
        "reason": {
            "code": "customer_asked",
            "rule_id": known("human_requested"),
            "detail": null,
            "evidence": "I want to talk to a human",
        },
        "summary": known("Ana asks for a person."),
        "last_user_message": "I want to talk to a human",
        "transcript": [line("customer"), line("assistant")],
        "transcript_truncated": false,
        "bot": { "model": "gpt", "prompt_version": "0123456789ab" },
    })
}

fn line(author: &str) -> Value {
    json!({
        "id": "0198c1f2-0000-7000-8000-000000000004",
        "at": "2026-03-02T09:00:00Z",
        "author": author,
        "text": "I want to talk to a human",
        "media": ["https://example.com/a.jpg"],
    })
}
