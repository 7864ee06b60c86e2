//! Opens the envelope of an answer: which text, which counts, and whether there is a fault in its place.

use serde_json::Value;

use super::complaint::{Complaint, is_said};
use super::{Fault, FaultKind, Usage};

/// The longest name of a model or an answer that is kept; it goes into logs and records, and real ones are far shorter.
const NAME_CHARS_MAX: usize = 100;
/// The longest reason for an answer's end that is kept; the known ones are words.
const FINISH_CHARS_MAX: usize = 40;

/// What an answer's envelope holds.
#[derive(Debug, PartialEq)]
pub(super) struct Opened {
    /// The text, or the fault that stands in its place.
    pub(super) said: Result<Text, Fault>,
    /// What the server counted, for an answer or for a fault.
    pub(super) usage: Usage,
    /// The name that the server gives to the answer.
    pub(super) id: Option<String>,
    /// The model that the server says it used.
    pub(super) model: Option<String>,
    /// Why the server says that the answer ended; empty where it does not.
    pub(super) finish: String,
}

/// The text of an answer.
#[derive(Debug, PartialEq)]
pub(super) struct Text {
    /// The text as it came, reasoning tags and all; possibly empty.
    pub(super) text: String,
    /// Whether the token limit cut it off.
    pub(super) is_cut: bool,
}

/// Opens the envelope. Nothing in it has to be there but a text, and that may stand in several places.
pub(super) fn open(body: &Value) -> Opened {
    let finish = body.pointer("/choices/0/finish_reason");
    let finish = finish.and_then(Value::as_str).unwrap_or_default();
    let finish = finish.chars().take(FINISH_CHARS_MAX).collect::<String>();
    let finish = finish.to_ascii_lowercase();
    Opened {
        said: said(body, &finish),
        usage: usage(body),
        id: name(body, "id"),
        model: name(body, "model"),
        finish,
    }
}

fn said(body: &Value, finish: &str) -> Result<Text, Fault> {
    complaint(body)?;
    let choice = match body.get("choices") {
        Some(Value::Array(choices)) => choices.first(),
        Some(_) => None,
        None => return Err(FaultKind::BadResponse.into()),
    };
    let choice = choice.ok_or(FaultKind::Empty)?;
    complaint(choice)?;
    match finish {
        "content_filter" | "safety" | "sensitive" => return Err(FaultKind::Filtered.into()),
        "refusal" => return Err(FaultKind::Refused.into()),
        "error" => return Err(FaultKind::BadResponse.into()),
        _ => {}
    }
    let message = choice.get("message").unwrap_or(choice);
    let content = message.get("content").or_else(|| choice.get("text"));
    let content = content.unwrap_or(&Value::Null);
    if refuses(message, content) {
        return Err(FaultKind::Refused.into());
    }
    Ok(Text {
        text: called(message).unwrap_or_else(|| text(content)),
        is_cut: matches!(finish, "length" | "max_tokens" | "model_length"),
    })
}

/// Gives the fault that an `error` field stands for: some servers answer 200 and put it there.
fn complaint(part: &Value) -> Result<(), Fault> {
    match part.get("error") {
        Some(error) if is_said(error) => {
            let complaint = Complaint::from_value(error);
            Err(Fault {
                code: complaint.code(),
                named: complaint.named(),
                ..complaint.kind(200).into()
            })
        }
        _ => Ok(()),
    }
}

/// Gives what the first tool was called with: a string that holds JSON, or what a server made of it. Whether a tool was
/// called is seen by the call alone, since servers give any reason for the end.
fn called(message: &Value) -> Option<String> {
    let calls = message.get("tool_calls").or(message.get("function_calls"));
    let call = calls.and_then(|calls| calls.get(0));
    let function = call.map(|call| call.get("function").unwrap_or(call));
    let arguments = function
        .or(message.get("function_call"))?
        .get("arguments")?;
    match arguments {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Object(fields) if !fields.is_empty() => Some(arguments.to_string()),
        _ => None,
    }
}

fn refuses(message: &Value, content: &Value) -> bool {
    let said = |value: Option<&Value>| {
        value
            .and_then(Value::as_str)
            .is_some_and(|text| !text.trim().is_empty())
    };
    let mut parts = content.as_array().into_iter().flatten();
    said(message.get("refusal")) || parts.any(|part| said(part.get("refusal")))
}

/// Gives the text of a content: a string, parts, or what a server made of the object that the string should have held.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(parts) => parts.iter().map(part).collect(),
        Value::Object(fields) => match fields.get("text") {
            Some(Value::String(text)) => text.clone(),
            _ => content.to_string(),
        },
        Value::Null | Value::Bool(_) => String::new(),
    }
}

/// Gives the text of one part; parts of reasoning have none for us.
fn part(part: &Value) -> String {
    let kind = part.get("type").and_then(Value::as_str).unwrap_or("text");
    match (part, part.get("text")) {
        (Value::String(text), _) => text.clone(),
        (_, Some(Value::String(text))) if matches!(kind, "text" | "output_text") => text.clone(),
        _ => String::new(),
    }
}

/// Reads what was counted. Most servers count what their cache held within the input; who names it in this other way
/// counts it beside.
fn usage(body: &Value) -> Usage {
    let count = |places: &[&str]| {
        let usage = body.get("usage")?;
        places
            .iter()
            .find_map(|place| tokens(usage.pointer(place)?))
    };
    let input = count(&["/prompt_tokens", "/input_tokens"]);
    let within = count(&[
        "/prompt_tokens_details/cached_tokens",
        "/input_tokens_details/cached_tokens",
        "/prompt_cache_hit_tokens",
    ]);
    let beside = count(&["/cache_read_input_tokens"]).filter(|_| within.is_none());
    Usage {
        input: input.map(|input| input.saturating_add(beside.unwrap_or_default())),
        output: count(&["/completion_tokens", "/output_tokens"]),
        cached: within.or(beside),
        reasoning: count(&[
            "/completion_tokens_details/reasoning_tokens",
            "/output_tokens_details/reasoning_tokens",
        ]),
    }
}

/// Gives a count of tokens: whole, or written as a float.
fn tokens(value: &Value) -> Option<u64> {
    let whole = |float: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count within the range that a float holds exactly"
        )]
        (0.0..=9e15).contains(&float).then_some(float as u64)
    };
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

fn name(body: &Value, field: &str) -> Option<String> {
    let name = body.get(field)?.as_str()?.trim();
    (!name.is_empty()).then(|| name.chars().take(NAME_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests;
