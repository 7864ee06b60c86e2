//! Which of the readings of a body is meant, and the strict one.

use std::collections::HashSet;
use std::fmt::{self, Write};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::repair::{self, Tail};
use super::{Escaping, InboundError};

/// The fields of a body in the order in which they stand, none of them twice.
pub(super) type Fields = Vec<(String, Value)>;

/// The fields of the body in Braze's guide, in its order.
pub(super) const GUIDE: [&str; 3] = ["user_id", "phone_number", "message"];

/// The fields that have a meaning of their own; all others are profile.
const KNOWN: [&str; 10] = [
    "user_id",
    "phone_number",
    "message",
    "braze_id",
    "profile_name",
    "media_urls",
    "language",
    "dispatch_id",
    "campaign_id",
    "channel",
];

/// Reads the fields of a body that starts with a brace and ends without white space.
pub(super) fn read(body: &str, escaping: Escaping) -> Result<Fields, InboundError> {
    let fields = match escaping {
        Escaping::JsonEscape => as_json(body)?,
        Escaping::None => repair::as_typed(body, Tail::Never)?,
        Escaping::Auto => by_form(body)?,
    };
    if fields
        .iter()
        .any(|(name, value)| name.contains('\0') || has_nul(value))
    {
        return Err(InboundError::Nul);
    }
    Ok(fields)
}

/// Gives the field's name for an error. A name that is not ours is not repeated: the customer may have typed it.
pub(super) fn named(field: &str) -> &'static str {
    KNOWN
        .into_iter()
        .find(|known| *known == field)
        .unwrap_or("a profile field")
}

/// Takes off JSON's own white space: any other could be the customer's.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\n' | '\r' | '\t')
}

fn by_form(body: &str) -> Result<Fields, InboundError> {
    let Ok(mut fields) = as_json(body) else {
        return repair::as_typed(body, Tail::UnlessGuide);
    };
    if !begins_as_guide(&fields) {
        return Ok(fields);
    }
    // The words can tip the scales between two readings, so they must not be able to tip the ids with them.
    let (ids, _) = repair::head(body)?;
    let same_ids = fields.starts_with(&ids);
    if fields.len() == GUIDE.len() {
        if same_ids && by_library(body, &fields) {
            return Ok(fields);
        }
        return repair::as_typed(body, Tail::UnlessGuide);
    }
    if !same_ids {
        return Err(InboundError::DoubtfulId {
            field: "`user_id` or `phone_number`",
        });
    }
    // Either a longer template, or the guide's and a customer who typed this. Of the ids, the one that the guide's body
    // does not have is the only one that he could add without its standing twice.
    fields.retain(|(name, _)| name != "braze_id");
    Ok(fields)
}

fn begins_as_guide(fields: &Fields) -> bool {
    let names = fields.iter().map(|(name, _)| name.as_str());
    names.take(GUIDE.len()).eq(GUIDE) && fields[GUIDE.len() - 1].1.is_string()
}

/// Tells whether a JSON library wrote the body: it is printable ASCII on one line, which the guide's is not, though the
/// words are not ASCII.
fn by_library(body: &str, fields: &Fields) -> bool {
    let words = fields.last().and_then(|(_, value)| value.as_str());
    body.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && words.is_some_and(|words| !words.is_ascii())
}

fn as_json(body: &str) -> Result<Fields, InboundError> {
    let read = serde_json::from_str(&escape_controls(body));
    // Of the library's error only the place is used: its words may quote the body.
    let Pairs(fields) = read.map_err(|error| InboundError::NotJson { line: error.line() })?;
    let mut seen = HashSet::new();
    for (name, _) in &fields {
        if !seen.insert(name) {
            return Err(InboundError::Repeated { field: named(name) });
        }
    }
    Ok(fields)
}

/// Escapes control characters inside strings: whether `json_escape` does so is not documented.
fn escape_controls(body: &str) -> String {
    let mut out = String::with_capacity(body.len());
    let (mut inside, mut escaped) = (false, false);
    for c in body.chars() {
        if inside && !escaped && c < ' ' {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = inside,
            '"' => inside = !inside,
            _ => {}
        }
    }
    out
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// An object as its pairs: a map would keep the last of two fields of one name, which is the one that a customer forges.
struct Pairs(Fields);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Object).map(Pairs)
    }
}
