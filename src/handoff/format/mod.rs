//! What desks understand: our own signed JSON, and what help desks speak.
//!
//! A delivery is stored as our own JSON, whatever the desk's format; what is asked of the desk is made when it is sent.
//! So another format takes over at the next start, and the store knows of none.

mod chatwoot;
mod freshdesk;
mod keys;
mod plan;
mod samples;
mod slack;
mod template;
mod told;
mod words;
mod zendesk;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;

use super::{DeskConfig, SigningKey, SigningKeyError};
use chatwoot::Chatwoot;
use template::Template;

pub(crate) use keys::check;
pub(crate) use plan::{Learnt, Progress, Request, Step};
pub use template::TemplateError;
pub(crate) use told::Told;

/// What a desk understands: `desks.NAME.format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Our own JSON, signed.
    #[default]
    Standard,
    /// Slack's incoming webhooks.
    Slack,
    /// Zendesk's tickets.
    Zendesk,
    /// Freshdesk's tickets.
    Freshdesk,
    /// Chatwoot's API inbox.
    Chatwoot,
    /// JSON by your own template, signed where there is a key.
    Template,
}

/// A format with what it needs.
#[derive(Clone, Debug)]
pub(crate) enum Dialect {
    Standard(Vec<SigningKey>),
    Slack,
    Zendesk,
    Freshdesk,
    Chatwoot(Chatwoot),
    Template(Template, Vec<SigningKey>),
}

/// Why a desk's format cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The signing key is none.
    #[error("signing key: {0}")]
    Key(#[from] SigningKeyError),
    /// The template cannot be used.
    #[error("template: {0}")]
    Template(#[from] TemplateError),
    /// A secret cannot be sent.
    #[error("`api_key` or `email` holds what no header carries")]
    Unsent,
}

impl Dialect {
    /// Makes ready what the format needs; a checked configuration has all of it.
    pub(crate) fn new(config: &DeskConfig) -> Result<Self, FormatError> {
        let keys = config.signing_key.iter().flat_map(|keys| &keys.0);
        let keys = keys.map(|key| SigningKey::parse(key.expose()));
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        Ok(match config.format {
            Format::Standard => Self::Standard(keys),
            Format::Slack => Self::Slack,
            Format::Zendesk => Self::Zendesk,
            Format::Freshdesk => Self::Freshdesk,
            Format::Chatwoot => Self::Chatwoot(Chatwoot {
                account: config.account_id.unwrap_or_default(),
                inbox: config.inbox_id.unwrap_or_default(),
            }),
            Format::Template => Self::Template(
                Template::open(config.template.as_deref().unwrap_or_else(|| "".as_ref()))?,
                keys,
            ),
        })
    }

    /// Gives the next request for an event; nothing when the event is told.
    pub(crate) fn next(
        &self,
        told: &Told,
        raw: &str,
        now: Timestamp,
        progress: &Progress,
    ) -> Result<Option<Request>, String> {
        Ok(match self {
            Self::Standard(_) if progress.has(Step::Post) => None,
            Self::Standard(keys) => {
                let request = Request {
                    body: Some(raw.to_owned()),
                    ..Request::post(Step::Post, String::new(), &Value::Null)
                };
                Some(signed(request, keys, told, now))
            }
            Self::Template(template, keys) => {
                let request = template.next(told, progress)?;
                request.map(|request| signed(request, keys, told, now))
            }
            Self::Slack => slack::next(told, progress),
            Self::Zendesk => zendesk::next(told, progress),
            Self::Freshdesk => freshdesk::next(told, progress),
            Self::Chatwoot(chatwoot) => chatwoot.next(told, progress),
        })
    }

    /// Takes in an answer.
    pub(crate) fn learn(
        &self,
        told: &Told,
        step: Step,
        status: u16,
        answer: &Value,
        progress: &mut Progress,
    ) -> Learnt {
        match self {
            Self::Standard(_) | Self::Slack | Self::Template(..) => {
                if !(200..300).contains(&status) {
                    return Learnt::Refused;
                }
                progress.did(step);
                Learnt::Goes
            }
            Self::Zendesk => zendesk::learn(told, step, status, answer, progress),
            Self::Freshdesk => freshdesk::learn(told, step, status, answer, progress),
            Self::Chatwoot(_) => chatwoot::learn(told, step, status, answer, progress),
        }
    }

    /// Tells whether a refusal is about what was sent, so that to send it again is in vain.
    pub(crate) fn is_final(&self, status: u16) -> bool {
        match self {
            // Who reads our own JSON may refuse it until it is mended.
            Self::Standard(_) => false,
            _ => matches!(status, 400 | 413 | 422),
        }
    }

    /// Tells whether its answers are read.
    pub(crate) fn reads(&self) -> bool {
        matches!(self, Self::Zendesk | Self::Freshdesk | Self::Chatwoot(_))
    }
}

/// Adds what Standard Webhooks wants, with the signatures of all keys while one is replaced; without a key, the event's id
/// alone.
fn signed(request: Request, keys: &[SigningKey], told: &Told, now: Timestamp) -> Request {
    let body = request.body.clone().unwrap_or_default();
    let request = request
        .header("webhook-id", told.id.clone())
        .header("idempotency-key", told.id.clone())
        .header("webhook-timestamp", now.as_second().to_string());
    let signatures = keys.iter().map(|key| key.sign(&told.id, now, &body));
    match keys {
        [] => request,
        _ => request.header(
            "webhook-signature",
            signatures.collect::<Vec<_>>().join(" "),
        ),
    }
}

/// Gives the headers by which the desk knows us.
pub(crate) fn credentials(config: &DeskConfig) -> Result<HeaderMap, FormatError> {
    let mut headers = HeaderMap::new();
    let Some(key) = config.api_key.as_ref().map(|key| key.expose().trim()) else {
        return Ok(headers);
    };
    let basic = |user: &str, password: &str| {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    };
    let (name, value) = match config.format {
        Format::Zendesk => {
            let email = config.email.as_deref().unwrap_or_default().trim();
            (AUTHORIZATION, basic(&format!("{email}/token"), key))
        }
        // Freshdesk looks at the key alone.
        Format::Freshdesk => (AUTHORIZATION, basic(key, "X")),
        Format::Chatwoot => (HeaderName::from_static("api_access_token"), key.to_owned()),
        Format::Standard | Format::Slack | Format::Template => {
            (AUTHORIZATION, format!("Bearer {key}"))
        }
    };
    let mut value = HeaderValue::from_str(&value).map_err(|_| FormatError::Unsent)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

#[cfg(test)]
mod tests;
