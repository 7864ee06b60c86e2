//! The reading of a body as the customer typed it: no escapes, and whatever he wrote is text.
//!
//! The template stands round the message: fields before it, whose values Braze filled in, and the end of the body. What
//! is between is text, however much it looks like more of the template.

use std::collections::HashSet;

use serde_json::Value;

use super::InboundError;
use super::reading::{Fields, GUIDE, is_space, named};

/// Whether fields are looked for after the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// The message is the last field.
    Never,
    /// It is, if the body begins as the guide's does; else well-known fields may follow it.
    UnlessGuide,
}

/// By any of these the customer is known.
const IDS: [&str; 3] = ["user_id", "braze_id", "phone_number"];

/// What may follow the message. None of it says who the customer is or adds to what the business knows of him.
const FOLLOWING: [&str; 6] = [
    "profile_name",
    "media_urls",
    "language",
    "dispatch_id",
    "campaign_id",
    "channel",
];

/// Reads the fields of a body whose message is not escaped. Ids count only before the message.
pub(super) fn as_typed(body: &str, tail: Tail) -> Result<Fields, InboundError> {
    let (mut fields, rest) = head(body)?;
    let ids = || {
        fields
            .iter()
            .filter(|(name, _)| IDS.contains(&name.as_str()))
    };
    if ids().next().is_none() {
        return Err(InboundError::IdAfterMessage);
    }
    let mut text = rest
        .strip_suffix('}')
        .and_then(|rest| strip_last(rest, '"'))
        .ok_or(InboundError::Unended)?;
    let names = fields.iter().map(|(name, _)| name.as_str());
    if tail == Tail::UnlessGuide && !names.eq(GUIDE.into_iter().take(2)) {
        // A message that needed repair does not prove that the id is not escaped, so a backslash there has two meanings.
        let doubtful = ids().find(|(_, id)| id.as_str().is_some_and(|id| id.contains('\\')));
        if let Some((name, _)) = doubtful {
            return Err(InboundError::DoubtfulId { field: named(name) });
        }
        text = cut_tail(text, &mut fields);
    }
    fields.push(("message".to_owned(), text.into()));
    Ok(fields)
}

/// Gives the fields before the message, and what follows the message's opening quote.
pub(super) fn head(body: &str) -> Result<(Fields, &str), InboundError> {
    let mut fields = Fields::new();
    let mut seen = HashSet::new();
    let mut rest = body.strip_prefix('{').ok_or(InboundError::NotAnObject)?;
    loop {
        let (name, after) = name(rest).ok_or(InboundError::Broken {
            field: fields
                .last()
                .map_or("the first field", |(name, _)| named(name)),
        })?;
        if name == "message" {
            let text = after.strip_prefix('"');
            return Ok((
                fields,
                text.ok_or(InboundError::NotText { field: "message" })?,
            ));
        }
        if !seen.insert(name) {
            return Err(InboundError::Repeated { field: named(name) });
        }
        let field = named(name);
        let read = if IDS.contains(&name) {
            id(after)
        } else {
            value(after)
        };
        let (value, after) = read.ok_or(InboundError::Broken { field })?;
        fields.push((name.to_owned(), value));
        rest = match after.strip_prefix(',') {
            Some(rest) => rest,
            None if after == "}" => return Err(InboundError::NoMessage),
            None => return Err(InboundError::Broken { field }),
        };
    }
}

/// Gives the name that a field starts with, and what follows its colon.
fn name(rest: &str) -> Option<(&str, &str)> {
    let (name, after) = skip(rest).strip_prefix('"')?.split_once('"')?;
    Some((name, skip(skip(after).strip_prefix(':')?)))
}

/// Gives the id at the start, and what follows it. A quote inside is not put up with: it may be the next field's.
fn id(rest: &str) -> Option<(Value, &str)> {
    let Some(inside) = rest.strip_prefix('"') else {
        return value(rest);
    };
    let (id, after) = inside.split_once('"')?;
    Some((id.into(), skip(after)))
}

/// Gives the value at the start, and what follows it.
fn value(rest: &str) -> Option<(Value, &str)> {
    if let Some(inside) = rest.strip_prefix('"') {
        // A quote of the value's own is not followed by a comma, unless somebody means harm.
        return inside.match_indices('"').find_map(|(end, _)| {
            let after = skip(&inside[end + 1..]);
            after
                .starts_with([',', '}'])
                .then(|| (inside[..end].into(), after))
        });
    }
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let value = values.next()?.ok()?;
    Some((value, skip(&rest[values.byte_offset()..])))
}

/// Moves the well-known fields at the end of the text to `fields`, and gives the text before them. Goes from the end of
/// the body, where the template's own fields stand, and stops at the first that is not one.
fn cut_tail<'a>(mut text: &'a str, fields: &mut Fields) -> &'a str {
    let mut seen: Vec<&str> = Vec::new();
    while let Some((before, name, value)) = last_field(text) {
        let known = FOLLOWING.contains(&name) || IDS.contains(&name);
        if !known || seen.contains(&name) || fields.iter().any(|(field, _)| field == name) {
            break;
        }
        seen.push(name);
        if FOLLOWING.contains(&name) {
            fields.push((name.to_owned(), value.into()));
        }
        text = before;
    }
    text
}

/// Gives what stands before the last field, its name and its value; the quotes at both ends are off already.
fn last_field(text: &str) -> Option<(&str, &str, &str)> {
    let (rest, value) = text.rsplit_once('"')?;
    let (rest, name) = strip_last(strip_last(rest, ':')?, '"')?.rsplit_once('"')?;
    let before = strip_last(strip_last(rest, ',')?, '"')?;
    Some((before, name, value))
}

fn strip_last(text: &str, c: char) -> Option<&str> {
    text.trim_end_matches(is_space).strip_suffix(c)
}

fn skip(text: &str) -> &str {
    text.trim_start_matches(is_space)
}
