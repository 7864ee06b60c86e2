//! What help desks tell us: their webhooks, verified before they are read, and read once.

mod chatwoot;
mod zendesk;

use std::time::Duration;

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::Value;
use sha2::Sha256;

use super::{Desk, Format};
use crate::redact::{Private, Secret};

/// Bytes of a webhook. Chatwoot sends the conversation along, with words of 150,000 letters at most.
pub const WEBHOOK_BYTES: usize = 1_024 * 1_024;

/// How old a signature may be, or how far ahead: what Standard Webhooks advises.
const TOLERANCE: Duration = Duration::from_mins(5);

/// What a help desk told us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The ticket or conversation that it is about, by the desk's own name.
    pub thread: String,
    /// By what it is known again when it comes twice.
    pub id: String,
    /// What happened.
    pub heard: Heard,
}

/// What happened at a help desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// An agent answers the customer.
    Replied {
        /// The words, with links to what came along.
        text: Private<String>,
        /// What the agent is called there.
        agent: Option<Private<String>>,
    },
    /// An agent has taken it.
    Assigned {
        /// What the agent is called there.
        agent: Option<Private<String>>,
    },
    /// Agents are done.
    Resolved,
}

/// Why a webhook is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    /// The desk is of another format, or was given nothing to verify with.
    #[error("this desk listens to no such webhooks")]
    Deaf,
    /// It does not show that it comes from the desk.
    #[error("the webhook does not show that it comes from the desk")]
    Unverified,
    /// It cannot be read.
    #[error("the webhook is not as {0} writes it")]
    Unreadable(&'static str),
}

impl Desk {
    /// Verifies a webhook and reads it. `token` is what its address ends in. Nothing where it is about nothing that
    /// concerns us: what we wrote ourselves, what only agents see, what the customer wrote.
    pub fn hear(
        &self,
        kind: &str,
        token: Option<&str>,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Option<Call>, Unheard> {
        let secret = self.webhook_secret();
        match (self.format(), kind) {
            (Format::Zendesk, "zendesk") => {
                let secret = secret.ok_or(Unheard::Deaf)?;
                zendesk::verify(secret, headers, body, now)?;
                zendesk::read(body)
            }
            (Format::Chatwoot, "chatwoot") => {
                match secret {
                    Some(secret) => chatwoot::verify(secret, headers, body, now)?,
                    None => self.shows_token(token)?,
                }
                chatwoot::read(body)
            }
            _ => Err(Unheard::Deaf),
        }
    }

    fn shows_token(&self, token: Option<&str>) -> Result<(), Unheard> {
        let token = token.unwrap_or_default().as_bytes();
        match self.own_secret(token) {
            true => Ok(()),
            false => Err(Unheard::Unverified),
        }
    }
}

/// Gives what computes and compares a signature, in a time that tells nothing of how much was right.
fn mac(secret: &Secret, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::new_from_slice(secret.expose().trim().as_bytes()).ok()?;
    for part in parts {
        mac.update(part);
    }
    (!secret.expose().trim().is_empty()).then_some(mac)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Tells whether a signature was made about now.
fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    let tolerance = i64::try_from(TOLERANCE.as_secs()).unwrap_or(i64::MAX);
    (at.as_second() - now.as_second()).abs() <= tolerance
}

/// Gives a text that is there and not blank.
fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let text = value.pointer(pointer)?.as_str()?.trim();
    (!text.is_empty()).then_some(text)
}

/// Gives an id, which is a number at some desks and a text at others.
fn id(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::Number(id) => Some(id.to_string()),
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
