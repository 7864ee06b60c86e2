//! Whether a request is one that OpenAI's chat completions would take.

use serde_json::{Map, Value, json};

use super::Exchange;

/// Why a request is refused, in the terms of OpenAI's error object.
pub(super) struct Invalid {
    pub(super) status: u16,
    pub(super) message: String,
    kind: &'static str,
    param: Option<String>,
    code: Option<&'static str>,
}

impl Invalid {
    fn at(param: &str, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            message: message.into(),
            kind: "invalid_request_error",
            param: Some(param.to_owned()),
            code: None,
        }
    }

    /// Says that the key is missing or wrong.
    pub(super) fn key() -> Self {
        Self {
            status: 401,
            message: "the API key is missing or wrong".to_owned(),
            kind: "invalid_request_error",
            param: None,
            code: Some("invalid_api_key"),
        }
    }

    /// Gives what comes with a status that has nothing to do with what the request says.
    pub(super) fn forced(status: u16) -> Self {
        let (message, kind, code) = match status {
            401 => return Self::key(),
            404 => (
                "there is nothing at this URL",
                "invalid_request_error",
                Some("unknown_url"),
            ),
            405 => (
                "this URL takes another method",
                "invalid_request_error",
                None,
            ),
            413 => ("the request is too large", "invalid_request_error", None),
            429 => (
                "too many requests for now",
                "requests",
                Some("rate_limit_exceeded"),
            ),
            503 => (
                "the server is overloaded",
                "server_error",
                Some("server_is_overloaded"),
            ),
            500.. => ("the server had an error", "server_error", None),
            _ => (
                "the request cannot be served",
                "invalid_request_error",
                None,
            ),
        };
        Self {
            status,
            message: message.to_owned(),
            kind,
            param: None,
            code,
        }
    }

    pub(super) fn body(&self) -> Value {
        json!({ "error": {
            "message": self.message, "type": self.kind, "param": self.param, "code": self.code,
        } })
    }
}

/// Reads and checks a request.
pub(super) fn request(exchange: &Exchange) -> Result<Value, Invalid> {
    let content_type = exchange.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/json") {
        return Err(Invalid::at("", "the content type must be application/json"));
    }
    let request: Value = serde_json::from_slice(&exchange.raw)
        .map_err(|_| Invalid::at("", "the body is not valid JSON"))?;
    let Some(fields) = request.as_object() else {
        return Err(Invalid::at("", "the body must be a JSON object"));
    };
    if !fields.get("model").is_some_and(is_name) {
        return Err(Invalid::at("model", "you must provide a model"));
    }
    messages(fields)?;
    for (name, value) in fields {
        let Some(fits) = parameter(name) else {
            return Err(Invalid::at(name, format!("unknown parameter: '{name}'")));
        };
        if !value.is_null() && !fits(value) {
            return Err(Invalid::at(name, format!("invalid value for '{name}'")));
        }
    }
    if fields.get("stream") == Some(&Value::Bool(true)) {
        return Err(Invalid::at("stream", "this stand-in does not stream"));
    }
    response_format(fields)?;
    Ok(request)
}

/// Gives the test that a parameter's value has to pass; `None` for one that does not exist.
fn parameter(name: &str) -> Option<fn(&Value) -> bool> {
    Some(match name {
        "model" | "user" | "safety_identifier" | "prompt_cache_key" | "service_tier"
        | "reasoning_effort" | "verbosity" => Value::is_string,
        "messages" | "tools" | "functions" | "modalities" => Value::is_array,
        "temperature" => |value| within(value, 0.0, 2.0),
        "top_p" => |value| within(value, 0.0, 1.0),
        "presence_penalty" | "frequency_penalty" => |value| within(value, -2.0, 2.0),
        "max_tokens" | "max_completion_tokens" | "n" => {
            |value| value.as_u64().is_some_and(|n| n > 0)
        }
        "top_logprobs" => |value| value.as_u64().is_some_and(|n| n <= 20),
        "seed" => Value::is_i64,
        "stream" | "logprobs" | "store" | "parallel_tool_calls" => Value::is_boolean,
        "stop" => |value| value.is_string() || value.is_array(),
        "tool_choice" | "function_call" => |value| value.is_string() || value.is_object(),
        "response_format" | "metadata" | "logit_bias" | "stream_options" | "prediction"
        | "audio" | "web_search_options" => Value::is_object,
        _ => return None,
    })
}

fn within(value: &Value, low: f64, high: f64) -> bool {
    value
        .as_f64()
        .is_some_and(|number| (low..=high).contains(&number))
}

fn is_name(value: &Value) -> bool {
    value.as_str().is_some_and(|name| !name.trim().is_empty())
}

fn messages(fields: &Map<String, Value>) -> Result<(), Invalid> {
    let messages = fields
        .get("messages")
        .and_then(Value::as_array)
        .ok_or_else(|| Invalid::at("messages", "`messages` must be an array"))?;
    if messages.is_empty() {
        return Err(Invalid::at("messages", "`messages` must not be empty"));
    }
    for (index, message) in messages.iter().enumerate() {
        let param = format!("messages[{index}]");
        let role = message["role"].as_str().unwrap_or_default();
        if !["system", "user", "assistant", "developer", "tool"].contains(&role) {
            let message = format!(
                "'{role}' is not one of 'system', 'user', 'assistant', 'developer', 'tool'"
            );
            return Err(Invalid::at(&format!("{param}.role"), message));
        }
        let is_call =
            role == "assistant" && message["tool_calls"].is_array() && message["content"].is_null();
        if !is_call && !is_content(&message["content"]) {
            let message = "the content must be a string or an array of parts";
            return Err(Invalid::at(&format!("{param}.content"), message));
        }
        if role == "tool" && !is_name(&message["tool_call_id"]) {
            let message = "a tool's message must name the call that it answers";
            return Err(Invalid::at(&format!("{param}.tool_call_id"), message));
        }
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

fn response_format(fields: &Map<String, Value>) -> Result<(), Invalid> {
    let format = match fields.get("response_format") {
        None | Some(Value::Null) => return Ok(()),
        Some(format) => format,
    };
    match format["type"].as_str() {
        Some("text") => Ok(()),
        // The real one refuses it too: without the word, models ramble in white space.
        Some("json_object") => {
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
        Some("json_schema") => json_schema(&format["json_schema"]),
        _ => Err(Invalid::at(
            "response_format.type",
            "the type must be 'text', 'json_object' or 'json_schema'",
        )),
    }
}

fn json_schema(format: &Value) -> Result<(), Invalid> {
    /// The longest name of a schema.
    const NAME_MAX: usize = 64;
    let name = format["name"].as_str().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(fits) {
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
