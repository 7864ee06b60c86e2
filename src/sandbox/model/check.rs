//! Whether a request is one that OpenAI's chat completions would take.

mod tools;

use serde_json::{Map, Value};

use super::Exchange;
use super::character::Character;
use super::profile::{Profile, Unknown};
use super::trouble::Invalid;

/// Reads and checks a request. What this server overlooks though OpenAI does not have it goes to `findings`.
pub(super) fn request(
    exchange: &Exchange,
    character: &Character,
    findings: &mut Vec<String>,
) -> Result<Value, Invalid> {
    let profile = character.profile;
    let content_type = exchange.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/json") {
        return Err(Invalid::at("", "the content type must be application/json"));
    }
    let request: Value = serde_json::from_slice(&exchange.raw)
        .map_err(|_| Invalid::at("", "the body is not valid JSON"))?;
    let Some(fields) = request.as_object() else {
        return Err(Invalid::at("", "the body must be a JSON object"));
    };
    let names_model = fields.get("model").is_some_and(is_name);
    if !names_model && !profile.has_deployments() {
        return Err(Invalid::at("model", "you must provide a model"));
    }
    messages(fields, profile.roles)?;
    for (name, value) in fields {
        field(character, name, value, findings)?;
    }
    if fields.get("stream") == Some(&Value::Bool(true)) {
        return Err(Invalid::at("stream", "this stand-in does not stream"));
    }
    if fields.contains_key("max_tokens") && fields.contains_key("max_completion_tokens") {
        let message = "'max_tokens' and 'max_completion_tokens' cannot be set both";
        return Err(Invalid::at("max_tokens", message));
    }
    if let Some(temperature) = fields.get("temperature").and_then(Value::as_f64)
        && profile.fixed_temperature
        && (temperature - 1.0).abs() > f64::EPSILON
    {
        let message = "unsupported value: 'temperature' can only be 1 with this model";
        return Err(Invalid::value(
            "temperature",
            message,
            &fields["temperature"],
        ));
    }
    if !profile.lacks.contains(&"response_format") {
        response_format(fields, profile)?;
    }
    tools::check(fields)?;
    Ok(request)
}

fn field(
    character: &Character,
    name: &str,
    value: &Value,
    findings: &mut Vec<String>,
) -> Result<(), Invalid> {
    let profile = character.profile;
    if character.refuses.iter().any(|refused| refused == name) {
        return Err(Invalid::unsupported(name, value));
    }
    let fits = match parameter(name) {
        Some(_) if profile.lacks.contains(&name) => None,
        None if profile.extra.contains(&name) => return Ok(()),
        known => known,
    };
    match (fits, profile.unknown) {
        (Some(fits), _) if value.is_null() || fits(value) => Ok(()),
        (Some(_), _) => Err(Invalid::at(name, format!("invalid value for '{name}'"))),
        (None, Unknown::Ignored) => {
            findings.push(format!("'{name}' means nothing to {}", profile.name));
            Ok(())
        }
        (None, Unknown::Refused) if parameter(name).is_some() => {
            Err(Invalid::unsupported(name, value))
        }
        (None, Unknown::Refused) => Err(Invalid::unknown(name, value)),
    }
}

/// Gives the test that a parameter's value has to pass; `None` for one that does not exist.
fn parameter(name: &str) -> Option<fn(&Value) -> bool> {
    Some(match name {
        "model" | "user" | "safety_identifier" | "prompt_cache_key" => Value::is_string,
        "service_tier" => {
            |value| is_one_of(value, &["auto", "default", "flex", "scale", "priority"])
        }
        "reasoning_effort" => |value| {
            is_one_of(
                value,
                &["none", "minimal", "low", "medium", "high", "xhigh"],
            )
        },
        "verbosity" => |value| is_one_of(value, &["low", "medium", "high"]),
        "messages" | "tools" | "functions" | "modalities" => Value::is_array,
        "temperature" => |value| within(value, 0.0, 2.0),
        "top_p" => |value| within(value, 0.0, 1.0),
        "presence_penalty" | "frequency_penalty" => |value| within(value, -2.0, 2.0),
        "max_tokens" | "max_completion_tokens" => |value| value.as_u64().is_some_and(|n| n > 0),
        "n" => |value| value.as_u64().is_some_and(|n| (1..=128).contains(&n)),
        "top_logprobs" => |value| value.as_u64().is_some_and(|n| n <= 20),
        "seed" => Value::is_i64,
        "stream" | "logprobs" | "store" | "parallel_tool_calls" => Value::is_boolean,
        "stop" => |value| {
            let is_list = |list: &Vec<Value>| list.len() <= 4 && list.iter().all(Value::is_string);
            value.is_string() || value.as_array().is_some_and(is_list)
        },
        "tool_choice" | "function_call" => |value| value.is_string() || value.is_object(),
        "metadata" => |value| {
            let is_short =
                |map: &Map<String, Value>| map.len() <= 16 && map.values().all(Value::is_string);
            value.as_object().is_some_and(is_short)
        },
        "response_format" | "logit_bias" | "stream_options" | "prediction" | "audio"
        | "web_search_options" => Value::is_object,
        _ => return None,
    })
}

fn within(value: &Value, low: f64, high: f64) -> bool {
    value
        .as_f64()
        .is_some_and(|number| (low..=high).contains(&number))
}

fn is_one_of(value: &Value, words: &[&str]) -> bool {
    value.as_str().is_some_and(|word| words.contains(&word))
}

fn is_name(value: &Value) -> bool {
    value.as_str().is_some_and(|name| !name.trim().is_empty())
}

fn messages(fields: &Map<String, Value>, roles: &[&str]) -> Result<(), Invalid> {
    let messages = fields
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| Invalid::at("messages", "`messages` must be an array"))?;
    if messages.is_empty() {
        return Err(Invalid::at("messages", "`messages` must not be empty"));
    }
    let mut indexed = messages.iter().enumerate();
    indexed.try_for_each(|(index, one)| message(&format!("messages[{index}]"), one, roles))
}

fn message(param: &str, message: &Value, roles: &[&str]) -> Result<(), Invalid> {
    /// What OpenAI lets a message hold.
    const FIELDS: [&str; 8] = [
        "role",
        "content",
        "name",
        "refusal",
        "audio",
        "tool_calls",
        "tool_call_id",
        "function_call",
    ];
    let wrong = |field: &str, message: &str| Err(Invalid::at(&format!("{param}.{field}"), message));
    let role = message["role"].as_str().unwrap_or_default();
    if !roles.contains(&role) {
        let message = format!("'{role}' is not one of '{}'", roles.join("', '"));
        return wrong("role", &message);
    }
    let names = message.as_object().map(Map::keys).into_iter().flatten();
    if let Some(name) = names
        .map(String::as_str)
        .find(|name| !FIELDS.contains(name))
    {
        return wrong(name, "no message has this field");
    }
    let is_call = role == "assistant" && message["tool_calls"].is_array();
    if is_call
        && !message["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
            .all(tools::is_call)
    {
        return wrong(
            "tool_calls",
            "a call needs an id, a name, and arguments in a string",
        );
    }
    let content = &message["content"];
    let has_content = is_content(content) || (is_call && content.is_null());
    if !has_content {
        return wrong(
            "content",
            "the content must be a string or an array of parts",
        );
    }
    if role == "tool" && !is_name(&message["tool_call_id"]) {
        return wrong(
            "tool_call_id",
            "a tool's message must name the call that it answers",
        );
    }
    Ok(())
}

fn is_content(content: &Value) -> bool {
    let is_part = |part: &Value| match part["type"].as_str() {
        Some("text") => part["text"].is_string(),
        Some(kind) => part[kind].is_object() || part[kind].is_string(),
        None => false,
    };
    match content {
        Value::String(_) => true,
        Value::Array(parts) => !parts.is_empty() && parts.iter().all(is_part),
        _ => false,
    }
}

fn response_format(fields: &Map<String, Value>, profile: &Profile) -> Result<(), Invalid> {
    let format = match fields.get("response_format") {
        None | Some(Value::Null) => return Ok(()),
        Some(format) => format,
    };
    let kind = format["type"].as_str().unwrap_or_default();
    if !profile.takes_format(kind) {
        let types = profile.formats.join("' or '");
        let message = format!(
            "'response_format.type' must be '{types}': this response_format type is unavailable now"
        );
        return Err(Invalid::value(
            "response_format.type",
            &message,
            &format["type"],
        ));
    }
    match kind {
        // The real one refuses it too: without the word, models ramble in white space.
        "json_object" => {
            let messages = fields
                .get("messages")
                .map(Value::to_string)
                .unwrap_or_default();
            if messages.to_lowercase().contains("json") {
                return Ok(());
            }
            let message = "`messages` must mention the word 'json'";
            Err(Invalid::at("messages", message))
        }
        "json_schema" => json_schema(&format["json_schema"]),
        _ => Ok(()),
    }
}

fn json_schema(format: &Value) -> Result<(), Invalid> {
    if !is_identifier(&format["name"]) {
        let message = "the name must be 1 to 64 of a-z, A-Z, 0-9, '_' and '-'";
        return Err(Invalid::at("response_format.json_schema.name", message));
    }
    let schema = &format["schema"];
    if !schema.is_object() {
        return Err(Invalid::at(
            "response_format.json_schema.schema",
            "the schema must be an object",
        ));
    }
    match &format["strict"] {
        Value::Null | Value::Bool(false) => Ok(()),
        Value::Bool(true) => strict(schema),
        _ => Err(Invalid::at(
            "response_format.json_schema.strict",
            "`strict` must be true or false",
        )),
    }
}

/// Tells whether a schema or a function may have this name.
fn is_identifier(name: &Value) -> bool {
    /// The longest name.
    const NAME_MAX: usize = 64;
    let name = name.as_str().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(fits)
}

/// Checks what strict schemas have to promise: each object is closed, and requires all that it names.
fn strict(schema: &Value) -> Result<(), Invalid> {
    let none = Map::new();
    let properties = schema["properties"].as_object();
    if schema["type"] == "object" || properties.is_some() {
        let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
        let missing = properties
            .unwrap_or(&none)
            .keys()
            .find(|name| !required.iter().any(|required| required == name.as_str()));
        if let Some(name) = missing {
            let message = format!("a strict schema must require '{name}'");
            return Err(Invalid::at("response_format", message));
        }
        if schema["additionalProperties"] != false {
            let message = "a strict schema must set 'additionalProperties' to false";
            return Err(Invalid::at("response_format", message));
        }
    }
    let branches = schema["anyOf"].as_array().into_iter().flatten();
    properties
        .unwrap_or(&none)
        .values()
        .chain(schema.get("items"))
        .chain(branches)
        .try_for_each(strict)
}
