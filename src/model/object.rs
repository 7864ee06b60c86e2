//! Finds the answer in a text: the object that was asked for, wherever it stands, or else the text itself.
//!
//! The one thing that must not happen is that a customer reads JSON. So a text that holds an object gone wrong is a
//! fault, never a reply.

use serde_json::{Deserializer, Map, Value};

use super::think::{has_tag, strip};
use super::{Action, Answer, FaultKind};
use crate::redact::Private;

/// How deep an answer may be wrapped: an object in a string in an object. More is a game, not a mistake.
const DEPTH_MAX: usize = 3;
/// The longest reason that is kept: the staff reads it at a glance.
const REASON_CHARS_MAX: usize = 500;

type Object = Map<String, Value>;

/// Reads an answer out of a text. `cut` says that the token limit ended the text.
pub(super) fn answer(
    text: &str,
    cut: bool,
    rules: &[(String, String)],
) -> Result<Answer, FaultKind> {
    let answer = match find(text, 0) {
        Found::Object(object) => from_object(&object, rules),
        Found::Text(text) => from_text(text),
        Found::Broken if cut => return Err(FaultKind::Truncated),
        Found::Broken => return Err(FaultKind::BadResponse),
    };
    match answer.action {
        Action::Answer | Action::OfferHuman if answer.reply.is_empty() => Err(FaultKind::Empty),
        _ => Ok(answer),
    }
}

/// Tells whether the answer stands in an object, or is the text itself.
pub(super) fn is_object(text: &str) -> bool {
    matches!(find(text, 0), Found::Object(_))
}

enum Found {
    /// The answer object.
    Object(Object),
    /// No object: the text without its reasoning.
    Text(String),
    /// Something of an object, which nobody may read as a text.
    Broken,
}

fn find(text: &str, depth: usize) -> Found {
    if depth > DEPTH_MAX {
        return Found::Broken;
    }
    // A text that is JSON from end to end is read as it is: tags in it stand inside its strings.
    if let Some(found) = whole(text.trim(), depth) {
        return found;
    }
    let text = match has_tag(text) {
        true => strip(&with_tags_hidden(text)),
        false => text.to_owned(),
    };
    let text = text.trim();
    match whole(text, depth).unwrap_or_else(|| scan(text, depth)) {
        Found::Broken if text.contains(char::is_control) => {
            match scan(&with_escapes(text), depth) {
                Found::Text(_) => Found::Broken,
                found => found,
            }
        }
        found => found,
    }
}

/// Writes the tags inside whole objects as JSON can, with an escape: they belong to a string, which is read by itself
/// later, and must not tear its object apart.
fn with_tags_hidden(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        hidden.push_str(&rest[..start]);
        rest = &rest[start..];
        let mut objects = Deserializer::from_str(rest).into_iter::<Object>();
        if let Some(Ok(_)) = objects.next() {
            let (object, after) = rest.split_at(objects.byte_offset());
            object.char_indices().for_each(|(at, c)| match c {
                '<' => hidden.push_str("\\u003c"),
                '◁' => hidden.push_str("\\u25c1"),
                '[' if is_bracket_tag(&object[at..]) => hidden.push_str("\\u005b"),
                _ => hidden.push(c),
            });
            rest = after;
        } else if opens_object(rest) {
            break;
        } else {
            hidden.push('{');
            rest = &rest[1..];
        }
    }
    hidden + rest
}

/// Tells whether a bracket begins a tag and no list.
fn is_bracket_tag(text: &str) -> bool {
    ["[think]", "[/think]"].iter().any(|tag| {
        let begin = text.get(..tag.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(tag))
    })
}

/// Writes the line breaks and tabs inside strings as JSON wants them: the mistake that models make most.
fn with_escapes(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let (mut in_string, mut after_backslash) = (false, false);
    for c in text.chars() {
        match c {
            '\n' if in_string => escaped.push_str("\\n"),
            '\t' if in_string => escaped.push_str("\\t"),
            '\r' if in_string => {}
            _ => escaped.push(c),
        }
        in_string ^= c == '"' && !after_backslash;
        after_backslash = in_string && c == '\\' && !after_backslash;
    }
    escaped
}

/// Reads a text that is JSON from end to end; `None` where it is not, or is a mere number or word.
fn whole(text: &str, depth: usize) -> Option<Found> {
    let value = match serde_json::from_str(text).ok()? {
        Value::Array(mut list) if list.len() == 1 => list.remove(0),
        value => value,
    };
    match value {
        Value::Object(object) => Some(unwrap(object, depth)),
        Value::String(inner) => Some(find(&inner, depth + 1)),
        _ => None,
    }
}

/// Looks for answer objects inside a text and takes the last: what stands before it is a draft, or an example.
fn scan(text: &str, depth: usize) -> Found {
    let first = text.trim_start_matches(|c: char| c == '[' || c.is_whitespace());
    let mut broken = first.starts_with('{') || text.starts_with("```json");
    let mut last = None;
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        rest = &rest[start..];
        let mut objects = Deserializer::from_str(rest).into_iter::<Object>();
        if let Some(Ok(object)) = objects.next() {
            rest = &rest[objects.byte_offset()..];
            last = is_answer(&object).then_some(object).or(last);
        } else if opens_object(rest) {
            broken = true;
            break;
        } else {
            rest = &rest[1..];
        }
    }
    match last {
        Some(object) => unwrap(object, depth),
        None if broken || names_field(text) => Found::Broken,
        None => Found::Text(text.to_owned()),
    }
}

/// Gives the answer object in an object: itself, one of its values, or one written out in its reply.
fn unwrap(object: Object, depth: usize) -> Found {
    if !is_answer(&object) {
        let inner = object.into_iter().find_map(|(_, value)| match value {
            Value::Object(inner) if is_answer(&inner) => Some(inner),
            _ => None,
        });
        return inner.map_or(Found::Broken, |inner| unwrap(inner, depth + 1));
    }
    let reply = text_of(field(&object, "reply"));
    let is_wrapped =
        reply.starts_with(['{', '"']) || reply.starts_with("```") || names_field(&reply);
    if !is_wrapped {
        return Found::Object(object);
    }
    match find(&reply, depth + 1) {
        Found::Text(_) => Found::Object(object),
        found => found,
    }
}

fn is_answer(object: &Object) -> bool {
    field(object, "reply").is_some() || field(object, "action").is_some()
}

fn field<'a>(object: &'a Object, name: &str) -> Option<&'a Value> {
    let mut fields = object.iter();
    let found = || {
        fields
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    };
    object.get(name).or_else(found)
}

/// Tells whether what begins with a brace goes on as an object does, or ends there.
fn opens_object(text: &str) -> bool {
    let inside = text[1..].trim_start();
    inside.is_empty() || inside.starts_with(['"', '\''])
}

/// Tells whether a text names a field of the answer as only an object would.
fn names_field(text: &str) -> bool {
    ["\"reply\"", "\"action\"", "'reply'", "'action'"]
        .iter()
        .any(|name| {
            text.split(name)
                .skip(1)
                .any(|after| after.trim_start().starts_with(':'))
        })
}

fn from_text(text: String) -> Answer {
    Answer {
        reply: Private(text),
        action: Action::Answer,
        rule: None,
        reason: None,
        language: None,
        send: None,
        learnt: None,
    }
}

fn from_object(object: &Object, rules: &[(String, String)]) -> Answer {
    let word = |name| field(object, name).and_then(Value::as_str).map(str::trim);
    let rule = word("rule").and_then(|rule| {
        rules
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(rule))
    });
    let reason = text_of(field(object, "reason"));
    let inner = |name| {
        let found = field(object, name).filter(|value| value.is_object());
        found.cloned().map(Private)
    };
    Answer {
        reply: Private(text_of(field(object, "reply"))),
        action: word("action").map_or(Action::Answer, action),
        rule: rule.map(|(name, _)| name.clone()),
        reason: (!reason.is_empty())
            .then(|| Private(reason.chars().take(REASON_CHARS_MAX).collect())),
        language: word("language").and_then(|tag| tag.parse().ok()),
        send: inner("send"),
        learnt: inner("learnt"),
    }
}

/// Gives the text of a field, without reasoning: a string, a number, or the lines of a list.
fn text_of(value: Option<&Value>) -> String {
    let text = match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Array(lines)) => lines
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    };
    strip(&text).trim().to_owned()
}

/// Reads an action's name, whatever its case and dashes. One that nobody knows does nothing.
fn action(name: &str) -> Action {
    let letters = |name: &str| {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters.collect::<String>().to_ascii_lowercase()
    };
    let known = Action::ALL
        .into_iter()
        .find(|action| letters(action.as_str()) == letters(name));
    known.unwrap_or(Action::Answer)
}

#[cfg(test)]
mod tests;
