//! Chatwoot's webhooks of an API inbox.

use axum::http::HeaderMap;
use hmac::Mac;
use jiff::Timestamp;
use serde_json::Value;

use super::{Call, Heard, Unheard, header, id, is_fresh, mac, text};
use crate::redact::{Private, Secret};

/// Verifies `X-Chatwoot-Signature`, which newer versions send: `sha256=` and hex of HMAC-SHA256 over `time.body`.
pub(super) fn verify(
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Unheard> {
    let signature = header(headers, "x-chatwoot-signature");
    let time = header(headers, "x-chatwoot-timestamp");
    let (Some(signature), Some(time)) = (signature, time) else {
        return Err(Unheard::Unverified);
    };
    let digest = signature
        .strip_prefix("sha256=")
        .and_then(unhex)
        .ok_or(Unheard::Unverified)?;
    let mac = mac(secret, &[time.as_bytes(), b".", body]).ok_or(Unheard::Unverified)?;
    mac.verify_slice(&digest).map_err(|_| Unheard::Unverified)?;
    let at = time
        .parse()
        .ok()
        .and_then(|at| Timestamp::from_second(at).ok());
    match at.is_some_and(|at| is_fresh(at, now)) {
        true => Ok(()),
        false => Err(Unheard::Unverified),
    }
}

/// Reads an event. Notes, what the customer wrote, greetings that Chatwoot makes, what bots say, and whatever else happens
/// to conversations concerns nobody here.
pub(super) fn read(body: &[u8]) -> Result<Option<Call>, Unheard> {
    let unreadable = Unheard::Unreadable("Chatwoot");
    let event: Value = serde_json::from_slice(body).map_err(|_| unreadable)?;
    match text(&event, "/event").ok_or(unreadable)? {
        "message_created" => {
            let is_agents = event["message_type"] == "outgoing"
                && event["private"] != true
                && event["sender"]["type"] == "user";
            let words = words(&event);
            if !is_agents || words.is_empty() {
                return Ok(None);
            }
            let message = id(&event, "/id").ok_or(unreadable)?;
            Ok(Some(Call {
                thread: id(&event, "/conversation/id").ok_or(unreadable)?,
                id: format!("message-{message}"),
                heard: Heard::Replied {
                    text: words.into(),
                    agent: text(&event, "/sender/name").map(Private::from),
                },
            }))
        }
        "conversation_status_changed" if event["status"] == "resolved" => {
            about(&event, "resolved", Heard::Resolved)
        }
        "conversation_updated" if is_assigned(&event) => {
            let agent = text(&event, "/meta/assignee/name").map(Private::from);
            about(&event, "assigned", Heard::Assigned { agent })
        }
        _ => Ok(None),
    }
}

/// Gives a call about a conversation. Chatwoot has no name for such an event, but to hear it twice changes nothing.
fn about(event: &Value, what: &str, heard: Heard) -> Result<Option<Call>, Unheard> {
    let thread = id(event, "/id").ok_or(Unheard::Unreadable("Chatwoot"))?;
    let id = format!("{what}-{thread}");
    Ok(Some(Call { thread, id, heard }))
}

/// Tells whether an event says that an agent was given the conversation.
fn is_assigned(event: &Value) -> bool {
    let changes = event["changed_attributes"].as_array();
    let mut changes = changes.into_iter().flatten();
    changes.any(|change| {
        let now = &change["assignee_id"]["current_value"];
        !now.is_null()
    })
}

/// Gives the words of a message, and links to what came along.
fn words(event: &Value) -> String {
    let files = event["attachments"].as_array().into_iter().flatten();
    let links = files.filter_map(|file| text(file, "/data_url"));
    let parts: Vec<&str> = text(event, "/content").into_iter().chain(links).collect();
    parts.join("\n")
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let is_hex = text.is_ascii() && digits.len().is_multiple_of(2);
    is_hex.then(|| {
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect::<Option<Vec<u8>>>()
    })?
}
