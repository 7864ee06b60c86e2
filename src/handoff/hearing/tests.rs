//! What is heard of a webhook, and what is not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rstest::rstest;
use serde_json::json;

use super::*;

const NOW: &str = "2026-03-02T09:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn zendesk(kind: &str, event: &Value) -> Value {
    json!({
        "account_id": 1, "detail": { "id": "35", "status": "OPEN", "requester_id": "9" }, "event": event,
        "id": "evt-1", "subject": "zen:ticket:35", "time": NOW, "type": format!("zen:event-type:ticket.{kind}"),
        "zendesk_event_version": "2022-11-06",
    })
}

fn comment(is_staff: bool, is_public: bool, body: &str) -> Value {
    let author = json!({ "id": "9", "is_staff": is_staff, "name": "Jo" });
    let comment = json!({ "id": "4", "author": author, "body": body, "is_public": is_public });
    zendesk("comment_added", &json!({ "comment": comment }))
}

fn message(changes: &Value) -> Value {
    let mut message = json!({
        "event": "message_created", "id": 12, "content": "Hello!", "message_type": "outgoing", "private": false,
        "sender": { "id": 5, "name": "Jo", "type": "user" }, "conversation": { "id": 8, "status": "open" },
    });
    message
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    message
}

fn conversation(event: &str, status: &str, changed: &Value) -> Value {
    json!({
        "event": event, "id": 8, "status": status, "meta": { "assignee": { "id": 5, "name": "Jo" } },
        "changed_attributes": [changed],
    })
}

fn replied(text: &str) -> Heard {
    Heard::Replied {
        text: text.into(),
        agent: Some("Jo".into()),
    }
}

#[test]
fn an_agents_public_words_are_heard_and_no_others() {
    let heard = |body: &Value| zendesk::read(body.to_string().as_bytes()).unwrap();
    let call = heard(&comment(true, true, " Hello! ")).unwrap();
    assert_eq!((call.thread.as_str(), call.id.as_str()), ("35", "evt-1"));
    assert_eq!(call.heard, replied("Hello!"));
    for body in [
        comment(true, false, "note"),
        comment(false, true, "customer"),
        comment(true, true, " "),
    ] {
        assert_eq!(heard(&body), None, "{body}");
    }
    let heard = |body: &Value| chatwoot::read(body.to_string().as_bytes()).unwrap();
    let call = heard(&message(&json!({}))).unwrap();
    assert_eq!(
        (call.thread.as_str(), call.id.as_str()),
        ("8", "message-12")
    );
    assert_eq!(call.heard, replied("Hello!"));
    let with_file =
        json!({ "content": null, "attachments": [{ "data_url": "https://desk.dev/a.pdf" }] });
    assert_eq!(
        heard(&message(&with_file)).unwrap().heard,
        replied("https://desk.dev/a.pdf")
    );
    for changes in [
        json!({ "private": true }),
        json!({ "message_type": "incoming", "sender": { "type": "contact" } }),
        json!({ "message_type": "template" }),
        json!({ "sender": { "type": "agent_bot" } }),
        json!({ "sender": null }),
        json!({ "content": null }),
    ] {
        assert_eq!(heard(&message(&changes)), None, "{changes}");
    }
}

#[test]
fn taking_and_solving_are_heard() {
    let heard = |body: &Value| {
        let body = body.to_string();
        let read = match body.contains("zen:") {
            true => zendesk::read(body.as_bytes()),
            false => chatwoot::read(body.as_bytes()),
        };
        read.unwrap().map(|call| call.heard)
    };
    let changed = |now: Value| json!({ "current": now, "previous": null });
    let assignee =
        |now: Value| json!({ "assignee_id": { "previous_value": null, "current_value": now } });
    let jo = Heard::Assigned {
        agent: Some("Jo".into()),
    };
    for (body, expected) in [
        (
            zendesk("status_changed", &changed("SOLVED".into())),
            Some(Heard::Resolved),
        ),
        (
            zendesk("status_changed", &changed("CLOSED".into())),
            Some(Heard::Resolved),
        ),
        (zendesk("status_changed", &changed("OPEN".into())), None),
        (
            zendesk("agent_assignment_changed", &changed("5".into())),
            Some(Heard::Assigned { agent: None }),
        ),
        (
            zendesk("agent_assignment_changed", &changed(Value::Null)),
            None,
        ),
        (zendesk("priority_changed", &changed("HIGH".into())), None),
        (
            conversation("conversation_status_changed", "resolved", &json!({})),
            Some(Heard::Resolved),
        ),
        (
            conversation("conversation_status_changed", "open", &json!({})),
            None,
        ),
        (
            conversation("conversation_updated", "open", &assignee(5.into())),
            Some(jo),
        ),
        (
            conversation("conversation_updated", "open", &assignee(Value::Null)),
            None,
        ),
        (
            conversation("conversation_updated", "open", &json!({ "priority": {} })),
            None,
        ),
        (
            conversation("conversation_created", "open", &json!({})),
            None,
        ),
    ] {
        assert_eq!(heard(&body), expected, "{body}");
    }
}

#[test]
fn what_is_not_as_the_desk_writes_it_is_told_so() {
    for body in ["", "nonsense", "[]", "{}", r#"{"type": 1, "event": 2}"#] {
        let (zendesk, chatwoot) = (
            zendesk::read(body.as_bytes()),
            chatwoot::read(body.as_bytes()),
        );
        assert_eq!(zendesk, Err(Unheard::Unreadable("Zendesk")), "{body}");
        assert_eq!(chatwoot, Err(Unheard::Unreadable("Chatwoot")), "{body}");
    }
    let mut nameless = comment(true, true, "Hello!");
    nameless["detail"]["id"] = Value::Null;
    assert!(zendesk::read(nameless.to_string().as_bytes()).is_err());
    assert!(chatwoot::read(message(&json!({ "id": null })).to_string().as_bytes()).is_err());
}

/// Gives the headers of a signature over a body, as the desk makes them.
fn signed(desk: &str, secret: &str, time: &str, body: &[u8]) -> HeaderMap {
    let secret = Secret::from_value(secret);
    let mut headers = HeaderMap::new();
    if desk == "zendesk" {
        let mac = mac(&secret, &[time.as_bytes(), body]).unwrap();
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        headers.insert("x-zendesk-webhook-signature", signature.parse().unwrap());
        headers.insert(
            "x-zendesk-webhook-signature-timestamp",
            time.parse().unwrap(),
        );
    } else {
        let mac = mac(&secret, &[time.as_bytes(), b".", body]).unwrap();
        let digest = mac.finalize().into_bytes();
        let hex = |hex: String, byte: &u8| hex + &format!("{byte:02x}");
        let hex = digest.iter().fold(String::new(), hex);
        headers.insert(
            "x-chatwoot-signature",
            format!("sha256={hex}").parse().unwrap(),
        );
        headers.insert("x-chatwoot-timestamp", time.parse().unwrap());
    }
    headers
}

#[rstest]
#[case::zendesk("zendesk", [NOW, "2026-03-02T08:54:59Z", "2026-03-02T09:05:01Z"])]
#[case::chatwoot("chatwoot", ["1772442000", "1772441699", "1772442301"])]
fn only_a_fresh_signature_over_this_very_body_counts(#[case] desk: &str, #[case] times: [&str; 3]) {
    let secret = Secret::from_value("desk-webhook-secret");
    let verify = |headers: &HeaderMap, body: &[u8]| match desk {
        "zendesk" => zendesk::verify(&secret, headers, body, now()),
        _ => chatwoot::verify(&secret, headers, body, now()),
    };
    let [time, too_old, too_new] = times;
    let sign = |time| signed(desk, "desk-webhook-secret", time, b"{}");
    assert_eq!(verify(&sign(time), b"{}"), Ok(()));
    let refused = Err(Unheard::Unverified);
    assert_eq!(verify(&sign(time), b"{ }"), refused, "another body");
    assert_eq!(verify(&sign(too_old), b"{}"), refused, "too old");
    assert_eq!(verify(&sign(too_new), b"{}"), refused, "from the future");
    assert_eq!(
        verify(&signed(desk, "another", time, b"{}"), b"{}"),
        refused,
        "another secret"
    );
    assert_eq!(verify(&HeaderMap::new(), b"{}"), refused, "no signature");
    let mut moved = sign(too_old);
    moved.extend(sign(time).into_iter().filter(|(name, _)| {
        name.as_ref()
            .is_some_and(|n| n.as_str().contains("timestamp"))
    }));
    assert_eq!(
        verify(&moved, b"{}"),
        refused,
        "an old signature under a new time"
    );
    for garbage in ["", "sha256=", "sha256=zz", "%%%", "sha256=€"] {
        let mut headers = sign(time);
        let value = axum::http::HeaderValue::from_bytes(garbage.as_bytes()).unwrap();
        let name = format!(
            "x-{desk}-{}signature",
            if desk == "zendesk" { "webhook-" } else { "" }
        );
        headers.insert(axum::http::HeaderName::try_from(name).unwrap(), value);
        assert_eq!(verify(&headers, b"{}"), refused, "{garbage}");
    }
}

#[test]
fn a_secret_that_was_never_filled_verifies_nothing() {
    let empty = Secret::from_value("");
    assert!(mac(&empty, &[b"x"]).is_none());
}
