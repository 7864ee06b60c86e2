//! The body of a Braze webhook, read into one inbound message.
//!
//! Braze fills a template that somebody wrote by hand, and by default it escapes nothing: what the customer typed stands
//! in the body as it is, whether or not that leaves it JSON. So the same bytes can mean two texts. A template after
//! Braze's guide holds `C:\new` where the customer typed that; one that uses the `json_escape` filter holds the same for
//! `C:`, a line break and `ew`. And a customer can type what looks like further fields of the body.
//! [`Escaping`] says who decides; its default goes by the form of the body:
//!
//! | body | read as |
//! | --- | --- |
//! | the guide's three fields in the guide's order | typed: the words are what stands between the first quote of `message` and the last quote of the body |
//! | the same on one line, in ASCII alone though the words are not | JSON: no keyboard writes `\u30aa`, many JSON libraries do |
//! | any other valid JSON, no field twice | JSON |
//! | begins as the guide's body, but is no valid JSON or has a field twice | typed |
//! | anything else that is no valid JSON or has a field twice | typed, less the well-known fields that follow the message |
//!
//! **Who the customer is, no text changes.** A field that the template has cannot be forged: it would stand twice, which
//! makes the body one of the last two rows, and there only ids before the message are believed; where none stands there,
//! the body is refused. Behind the guide's three fields a `braze_id`, which its template does not have, is not believed
//! either. What no default can tell is an unescaped template whose customer types a whole field that it does *not* have,
//! `", "tier": "gold`, from a template that has it. With the guide's body that reaches his own profile alone, which
//! prompts treat as his own words. Setting [`Escaping`] to what the template does closes that too; do so for a template
//! of your own that escapes nothing.

mod dedupe;
mod error;
#[cfg(test)]
mod fuzz;
mod limits;
mod media;
mod reading;
mod repair;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

pub use dedupe::twin;
pub use error::InboundError;
pub use limits::{Escaping, InboundLimits};

use crate::domain::{Customer, Inbound, Language, Profile};
use crate::redact::Private;

/// What Braze renders for the dispatch id in a preview or a test send: the same for all, so no id.
const PREVIEW_DISPATCH: &str = "dispatch_id_for_unsent_campaign";

/// Reads the body of a webhook for the assistant of that name, whatever its content type.
///
/// Refuses what cannot be read for certain, above all where it is not certain who the customer is; the error says what to
/// change in the webhook campaign, and holds nothing that the customer wrote.
pub fn parse(
    body: &[u8],
    assistant: &str,
    limits: &InboundLimits,
) -> Result<Inbound, InboundError> {
    let read = reading::read(plain(body)?, limits.escaping)?;
    if read.len() > limits.fields {
        return Err(InboundError::TooMany {
            what: "fields",
            limit: limits.fields,
        });
    }
    let mut fields: Map<String, Value> = read.into_iter().collect();
    let text = text(&mut fields, limits)?;
    let customer = customer(&mut fields, limits)?;
    let media = media::links(fields.remove("media_urls"), limits)?;
    let language = language(fields.remove("language"));
    let dispatch = id(&mut fields, "dispatch_id", limits)?.filter(|id| id != PREVIEW_DISPATCH);
    // It names our own webhook campaign: the same for every message, and of no use to a prompt.
    fields.remove("campaign_id");
    let dedupe = dedupe::dedupe(assistant, &customer, dispatch.as_deref(), &text, &media);
    Ok(Inbound {
        customer,
        text,
        media,
        language,
        profile: profile(fields, limits)?,
        dedupe,
    })
}

/// Gives the body as text, without byte-order mark and outer white space.
fn plain(body: &[u8]) -> Result<&str, InboundError> {
    let body = std::str::from_utf8(body).map_err(|_| InboundError::NotUtf8)?;
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    let body = reading::trim(body);
    if body.contains('\0') {
        return Err(InboundError::Nul);
    }
    if !body.starts_with('{') {
        return Err(InboundError::NotAnObject);
    }
    Ok(body)
}

fn text(
    fields: &mut Map<String, Value>,
    limits: &InboundLimits,
) -> Result<Private<String>, InboundError> {
    let value = fields.remove("message").ok_or(InboundError::NoMessage)?;
    let text = plain_value("message", value)?.unwrap_or_default();
    within("message", text.len(), limits.text_bytes)?;
    Ok(Private(text))
}

fn customer(
    fields: &mut Map<String, Value>,
    limits: &InboundLimits,
) -> Result<Customer, InboundError> {
    let external_id = id(fields, "user_id", limits)?;
    let braze_id = id(fields, "braze_id", limits)?;
    let phone = id(fields, "phone_number", limits)?;
    // Conversations are kept by the phone's digits: all who have none would share one.
    let phone = phone.filter(|phone| phone.contains(|c: char| c.is_ascii_digit()));
    Ok(Customer::new(external_id, braze_id, phone)?)
}

/// Takes the id of that name; none where it is missing, `null` or blank.
fn id(
    fields: &mut Map<String, Value>,
    name: &'static str,
    limits: &InboundLimits,
) -> Result<Option<String>, InboundError> {
    let value = fields.remove(name).unwrap_or_default();
    let id = plain_value(name, value)?.filter(|id| !id.trim().is_empty());
    if let Some(id) = &id {
        within(name, id.len(), limits.id_bytes)?;
        // The name of the variable instead of its value: the same for every customer.
        if id.contains("{{") {
            return Err(InboundError::NotRendered { field: name });
        }
    }
    Ok(id)
}

/// Gives a text as it is, and a whole number or truth value as text: templates forget the quotes round an id.
fn plain_value(field: &'static str, value: Value) -> Result<Option<String>, InboundError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Bool(value) => Ok(Some(value.to_string())),
        // Any other number has lost digits by now: two customers could become one.
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
        _ => Err(InboundError::NotText { field }),
    }
}

fn within(field: &'static str, bytes: usize, limit: usize) -> Result<(), InboundError> {
    if bytes > limit {
        return Err(InboundError::TooLong {
            field,
            bytes,
            limit,
        });
    }
    Ok(())
}

fn language(value: Option<Value>) -> Option<Language> {
    value?.as_str()?.parse().ok()
}

/// Keeps what is left. A value that is too long is cut or left out: what a customer's profile holds in Braze must never
/// cost him the answer.
fn profile(fields: Map<String, Value>, limits: &InboundLimits) -> Result<Profile, InboundError> {
    let mut kept = Map::new();
    for (name, value) in fields {
        within("the name of a field", name.len(), limits.name_bytes)?;
        let value = match value {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(mut text) => {
                text.truncate(text.floor_char_boundary(limits.value_bytes));
                Value::String(text)
            }
            nested @ (Value::Array(_) | Value::Object(_))
                if nested.to_string().len() > limits.nested_bytes =>
            {
                continue;
            }
            value => value,
        };
        kept.insert(name, value);
    }
    Ok(Private(kept))
}
