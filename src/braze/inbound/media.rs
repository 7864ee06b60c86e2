//! Links to what was sent along. How Braze renders them is not documented, so every likely form is read.

use serde_json::Value;

use super::{InboundError, InboundLimits, within};
use crate::redact::Private;

const FIELD: &str = "media_urls";

/// Gives the links of a list, of a list written into a text, or of a text with commas.
pub(super) fn links(
    value: Option<Value>,
    limits: &InboundLimits,
) -> Result<Vec<Private<String>>, InboundError> {
    let links = match value.unwrap_or_default() {
        Value::Null => Vec::new(),
        Value::Array(items) => texts(items)?,
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(Value::Array(items)) => texts(items)?,
            _ => split(&text),
        },
        _ => return Err(InboundError::NotText { field: FIELD }),
    };
    let links: Vec<_> = links
        .into_iter()
        .map(|link| Private(link.trim_matches([' ', '\n', '\r', '\t', ',']).to_owned()))
        .filter(|link| !link.is_empty())
        .collect();
    if links.len() > limits.media {
        return Err(InboundError::TooMany {
            what: "media links",
            limit: limits.media,
        });
    }
    for link in &links {
        within(FIELD, link.len(), limits.media_bytes)?;
    }
    Ok(links)
}

fn texts(items: Vec<Value>) -> Result<Vec<String>, InboundError> {
    items
        .into_iter()
        .map(|item| match item {
            Value::String(link) => Ok(link),
            _ => Err(InboundError::NotText { field: FIELD }),
        })
        .collect()
}

/// Splits at the commas that a new link follows: a link may hold commas of its own.
fn split(text: &str) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    for part in text.split(',') {
        match links.last_mut() {
            Some(link) if !part.trim_start().starts_with("http") => {
                link.push(',');
                link.push_str(part);
            }
            _ => links.push(part.to_owned()),
        }
    }
    links
}
