//! A completion: the envelope, and what each server makes of it.

use serde_json::{Value, json};

use super::super::Exchange;
use super::profile::{Call, Profile, Reasoning, Usage, Wrap};

/// What a model that reasons aloud thinks before each answer. No customer should ever read it.
pub const REASONING: &str =
    "Let me think. The customer wants something, and this thought is for nobody else.";

/// Bytes to a token, as a rule of thumb for the usage numbers.
const BYTES_PER_TOKEN: usize = 4;

/// Tokens of a prompt that a cache held.
const CACHED_TOKENS: u64 = 16;

/// What the model says.
pub(super) struct Said {
    /// The words, or the object written out.
    pub(super) text: String,
    /// Whether it is an object.
    pub(super) is_object: bool,
    /// Whether the cap may cut it; what a test wrote down comes as it stands.
    pub(super) may_be_cut: bool,
}

/// Counts tokens.
pub(super) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN) as u64
}

/// Gives the body of a completion, as `profile` writes it.
pub(super) fn completion(
    profile: &Profile,
    exchange: &Exchange,
    request: &Value,
    said: Said,
) -> Value {
    let function = function(request).filter(|_| said.is_object);
    let text = match function {
        Some(_) => said.text,
        None => aloud(profile, wrapped(profile, said.text, said.is_object)),
    };
    let hidden = match profile.reasoning {
        Reasoning::Hidden(tokens) => tokens,
        _ => 0,
    };
    let room = cap(profile, request).map(|cap| cap.saturating_sub(hidden));
    let needed = tokens(text.len());
    let room = room.filter(|room| *room < needed && (said.may_be_cut || *room == 0));
    let text = match room {
        Some(room) => cut(text, room),
        None => text,
    };
    let mut message = match function {
        Some(name) if !text.is_empty() => call(&profile.call, exchange.number, name, &text),
        _ => json!({ "role": "assistant", "content": text, "refusal": null }),
    };
    if let Reasoning::Field(name) = profile.reasoning {
        message[name] = REASONING.into();
    }
    let finish = match (room, function) {
        (Some(_), _) => "length",
        (None, None) => "stop",
        // A call that was demanded by name ends as an answer does.
        (None, Some(_)) if profile.call.finish == "tool_calls" && is_demanded(request) => "stop",
        (None, Some(_)) => profile.call.finish,
    };
    let mut body = json!({
        "id": format!("chatcmpl-sandbox{}", exchange.number),
        "object": "chat.completion",
        "created": exchange.at.as_second(),
        "model": request["model"],
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish }],
    });
    let written = tokens(text.len()) + hidden;
    if let Some(usage) = usage(profile.usage, tokens(exchange.raw.len()), written, hidden) {
        body["usage"] = usage;
    }
    (profile.touch)(&mut body);
    body
}

/// Tells whether the model answers with an object: the request has a format or a tool for it, or its words ask for JSON
/// and the model heeds them.
pub(super) fn wants_object(profile: &Profile, request: &Value) -> bool {
    let format = request["response_format"]["type"].as_str();
    let has_format = matches!(format, Some("json_schema" | "json_object"))
        && !profile.lacks.contains(&"response_format");
    let heeds_words = profile.wrap != Wrap::Nothing;
    let speaks_of_json = || {
        request["messages"]
            .to_string()
            .to_lowercase()
            .contains("json")
    };
    has_format || function(request).is_some() || (heeds_words && speaks_of_json())
}

/// Gives the function that the model calls.
fn function(request: &Value) -> Option<&str> {
    let tools = request["tools"].as_array()?;
    if request["tool_choice"] == "none" {
        return None;
    }
    let demanded = &request["tool_choice"]["function"]["name"];
    demanded
        .as_str()
        .or_else(|| tools.first()?["function"]["name"].as_str())
}

fn is_demanded(request: &Value) -> bool {
    request["tool_choice"].is_object()
}

fn wrapped(profile: &Profile, text: String, is_object: bool) -> String {
    match profile.wrap {
        Wrap::Fence if is_object => format!("```json\n{text}\n```"),
        Wrap::Words if is_object => {
            format!(
                "Sure, here is the {{answer}} that you asked for:\n\n{text}\n\nI hope this helps!"
            )
        }
        _ => text,
    }
}

fn aloud(profile: &Profile, text: String) -> String {
    match profile.reasoning {
        Reasoning::Tags => format!("<think>\n{REASONING}\n</think>\n\n{text}"),
        Reasoning::Unopened => format!("{REASONING}\n</think>\n\n{text}"),
        Reasoning::Unclosed => format!("{text}\n<think>\n{REASONING}"),
        Reasoning::None | Reasoning::Field(_) | Reasoning::Hidden(_) => text,
    }
}

/// Gives the cap that the server heeds.
fn cap(profile: &Profile, request: &Value) -> Option<u64> {
    let heeded = ["max_completion_tokens", "max_tokens"].into_iter();
    let mut heeded = heeded.filter(|field| !profile.lacks.contains(field));
    heeded.find_map(|field| request[field].as_u64())
}

fn cut(mut text: String, room: u64) -> String {
    let bytes = usize::try_from(room)
        .unwrap_or(usize::MAX)
        .saturating_mul(BYTES_PER_TOKEN);
    text.truncate(text.floor_char_boundary(bytes));
    text
}

fn call(call: &Call, number: u64, name: &str, arguments: &str) -> Value {
    let id = match call.id {
        "" => String::new(),
        start => format!("{start}{number}"),
    };
    let object = serde_json::from_str(arguments)
        .ok()
        .filter(|_| call.as_object);
    let arguments = object.unwrap_or_else(|| Value::from(arguments));
    let mut made = json!({ "id": id, "function": { "name": name, "arguments": arguments } });
    if call.has_type {
        made["type"] = "function".into();
    }
    json!({ "role": "assistant", "content": null, "refusal": null, "tool_calls": [made] })
}

fn usage(usage: Usage, prompt: u64, written: u64, hidden: u64) -> Option<Value> {
    let total = prompt + written;
    let cached = CACHED_TOKENS.min(prompt);
    let mut counts = json!({
        "prompt_tokens": prompt, "completion_tokens": written, "total_tokens": total,
    });
    match usage {
        Usage::Full => {
            counts["prompt_tokens_details"] = json!({ "cached_tokens": 0 });
            counts["completion_tokens_details"] = json!({ "reasoning_tokens": hidden });
        }
        Usage::HitsAndMisses => {
            counts["prompt_cache_hit_tokens"] = cached.into();
            counts["prompt_cache_miss_tokens"] = (prompt - cached).into();
        }
        Usage::Beside => {
            counts["prompt_tokens"] = (prompt - cached).into();
            counts["cache_read_input_tokens"] = cached.into();
        }
        Usage::Partial => counts["completion_tokens"] = Value::Null,
        Usage::NoTotal => {
            return Some(json!({ "prompt_tokens": prompt, "completion_tokens": written }));
        }
        Usage::Floats => {
            return serde_json::from_str(&format!(
                "{{\"prompt_tokens\": {prompt}.0, \"completion_tokens\": {written}.0, \"total_tokens\": {total}.0}}"
            ))
            .ok();
        }
        Usage::Null => return Some(Value::Null),
        Usage::Missing => return None,
    }
    Some(counts)
}
