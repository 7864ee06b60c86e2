//! Zendesk's event subscriptions for tickets.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::Mac;
use jiff::Timestamp;
use serde_json::Value;

use super::{Call, Heard, Unheard, header, id, is_fresh, mac, text};
use crate::redact::{Private, Secret};

/// Verifies `X-Zendesk-Webhook-Signature`: base64 of HMAC-SHA256 over the time and the body, with nothing between them.
pub(super) fn verify(
    secret: &Secret,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<(), Unheard> {
    let signature = header(headers, "x-zendesk-webhook-signature");
    let time = header(headers, "x-zendesk-webhook-signature-timestamp");
    let (Some(signature), Some(time)) = (signature, time) else {
        return Err(Unheard::Unverified);
    };
    let signature = STANDARD
        .decode(signature)
        .map_err(|_| Unheard::Unverified)?;
    let mac = mac(secret, &[time.as_bytes(), body]).ok_or(Unheard::Unverified)?;
    mac.verify_slice(&signature)
        .map_err(|_| Unheard::Unverified)?;
    let at: Timestamp = time.parse().map_err(|_| Unheard::Unverified)?;
    match is_fresh(at, now) {
        true => Ok(()),
        false => Err(Unheard::Unverified),
    }
}

/// Reads an event. What is private, what the requester wrote, and whatever else happens to tickets concerns nobody here.
pub(super) fn read(body: &[u8]) -> Result<Option<Call>, Unheard> {
    let unreadable = Unheard::Unreadable("Zendesk");
    let event: Value = serde_json::from_slice(body).map_err(|_| unreadable)?;
    let kind = text(&event, "/type").ok_or(unreadable)?;
    let heard = match kind.strip_prefix("zen:event-type:ticket.") {
        Some("comment_added") => {
            let comment = event.pointer("/event/comment").ok_or(unreadable)?;
            // What the gateway itself writes is private, or the requester's.
            let is_agents = comment["is_public"] == true && comment["author"]["is_staff"] == true;
            if !is_agents {
                return Ok(None);
            }
            let Some(words) = text(comment, "/body") else {
                return Ok(None);
            };
            Heard::Replied {
                text: words.into(),
                agent: agent(text(comment, "/author/name")),
            }
        }
        Some("agent_assignment_changed") => match id(&event, "/event/current") {
            Some(_) => Heard::Assigned { agent: None },
            None => return Ok(None),
        },
        Some("status_changed") => match text(&event, "/event/current") {
            Some("SOLVED" | "CLOSED") => Heard::Resolved,
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(Call {
        thread: id(&event, "/detail/id").ok_or(unreadable)?,
        id: id(&event, "/id").ok_or(unreadable)?,
        heard,
    }))
}

fn agent(name: Option<&str>) -> Option<Private<String>> {
    name.map(Private::from)
}
