//! The names of OpenTelemetry's conventions for generative AI, and nothing else that knows them.
//!
//! They are still being worked on, and have moved to a repository of their own where measures have other names. So there
//! are two generations: what was published last (v1.41), which dashboards know, and what comes next.

use std::time::Duration;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Array, StringValue, Value as Attribute};
use serde_json::{Value, json};

use super::spans::{SERVER_ADDRESS, SERVER_PORT};
use super::{Parent, Span};
use crate::metrics::{GenAi, Tokens};

/// The environment variable by which one asks for names that are not settled.
pub const OPT_IN: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";

/// The word in its list that asks for the newest names.
const LATEST: &str = "gen_ai_latest_experimental";

/// The provider where nothing tells which one it is: the API is OpenAI's.
pub const UNKNOWN_PROVIDER: &str = "openai";

/// The one operation that we ask for.
const CHAT: &str = "chat";

/// The names of a span's facts.
pub(super) const CONVERSATION: &str = "gen_ai.conversation.id";
pub(super) const PROMPT_NAME: &str = "gen_ai.prompt.name";
pub(super) const PROMPT_VERSION: &str = "gen_ai.prompt.version";
const CACHED_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
const INPUT_MESSAGES: &str = "gen_ai.input.messages";
const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
const MAX_TOKENS: &str = "gen_ai.request.max_tokens";
const OPERATION: &str = "gen_ai.operation.name";
const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
const OUTPUT_TYPE: &str = "gen_ai.output.type";
const PROVIDER: &str = "gen_ai.provider.name";
const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
const REQUEST_MODEL: &str = "gen_ai.request.model";
const RESPONSE_ID: &str = "gen_ai.response.id";
const RESPONSE_MODEL: &str = "gen_ai.response.model";
const SYSTEM: &str = "gen_ai.system_instructions";
const TEMPERATURE: &str = "gen_ai.request.temperature";

/// Of what the conventions have no name for: the model's name in our configuration, which call of its turn it is, and what
/// it cost.
const OWN_MODEL: &str = "frontdesk.model";
const OWN_CALL: &str = "frontdesk.call";
const OWN_COST: &str = "frontdesk.cost";

/// What a call counts as where nobody waited for its end.
const CANCELLED: &str = "cancelled";

/// What is believed of a name that a server gives: longer ones are none, and may quote what it was sent.
const TOLD_BYTES: usize = 128;

/// How much of what was said stands in a span: as much as the newest turns of a long conversation.
const CONTENT_BYTES: usize = 32 * 1_024;

/// The label of the fault that a call ended with.
const ERROR_TYPE: &str = "error_type";

/// The label that tells input from output, and its values.
const TOKEN_TYPE: &str = "gen_ai_token_type";

/// Which names are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// Those of v1.41.
    #[default]
    Published,
    /// Those of the conventions' own repository.
    Latest,
}

impl Generation {
    /// Reads the value of [`OPT_IN`], a list with commas.
    pub fn asked_for(value: Option<&str>) -> Self {
        let mut words = value.into_iter().flat_map(|value| value.split(','));
        match words.any(|word| word.trim() == LATEST) {
            true => Self::Latest,
            false => Self::Published,
        }
    }

    /// Gives the address of what defines the names.
    pub(super) const fn schema_url(self) -> &'static str {
        match self {
            Self::Published => "https://opentelemetry.io/schemas/1.41.0",
            Self::Latest => "https://opentelemetry.io/schemas/gen-ai/1.42.0",
        }
    }

    /// Gives the names of the measures, as Prometheus spells them.
    pub const fn measures(self) -> GenAi {
        match self {
            Self::Published => GenAi {
                duration: "gen_ai_client_operation_duration",
                error_type: ERROR_TYPE,
                sizes: [
                    ("gen_ai_client_token_usage", Some((TOKEN_TYPE, "input"))),
                    ("gen_ai_client_token_usage", Some((TOKEN_TYPE, "output"))),
                ],
                counts: None,
            },
            Self::Latest => GenAi {
                duration: "gen_ai_client_inference_duration",
                error_type: ERROR_TYPE,
                sizes: [
                    ("gen_ai_client_inference_operation_input_tokens", None),
                    ("gen_ai_client_inference_operation_output_tokens", None),
                ],
                counts: Some([
                    "gen_ai_client_inference_usage_input_tokens",
                    "gen_ai_client_inference_usage_output_tokens",
                    "gen_ai_client_inference_usage_cache_read_input_tokens",
                    "gen_ai_client_inference_usage_reasoning_output_tokens",
                ]),
            },
        }
    }
}

/// Gives the labels of a model's measures: all calls are chats, so what tells them apart is the provider, the model's
/// name and the server.
pub fn labels(provider: &str, model: &str, server: &(String, u16)) -> Vec<(&'static str, String)> {
    let (host, port) = server;
    [
        ("gen_ai_operation_name", CHAT),
        ("gen_ai_provider_name", provider),
        ("gen_ai_request_model", model),
        ("server_address", host),
        ("server_port", &port.to_string()),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .to_vec()
}

/// What is asked of a model.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The model's name in the configuration.
    pub target: &'a str,
    /// Who serves it, by the conventions' list.
    pub provider: &'a str,
    /// The model's name at its server.
    pub model: &'a str,
    /// The server's host and port.
    pub server: &'a (String, u16),
    /// The request's body.
    pub body: &'a Value,
}

/// What a model's server told. Names are left out that look like anything else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told<'a> {
    /// The answer's id.
    pub id: Option<&'a str>,
    /// The model that answered.
    pub model: Option<&'a str>,
    /// Why it stopped; empty where that is not told.
    pub finish_reason: &'a str,
    /// What it counted.
    pub tokens: Tokens,
    /// What that costs, in billionths of a unit of money.
    pub cost_nanos: u64,
    /// What it wrote.
    pub text: Option<&'a str>,
}

/// The span of a call that is under way. One that is dropped was cancelled.
#[derive(Debug)]
pub struct Call(Option<Span>);

impl Parent {
    /// Begins the span of a call as a part of the turn.
    pub fn chat(&self, asked: &Asked<'_>) -> Call {
        let name = || format!("{CHAT} {}", asked.model);
        let Some((mut span, conversation, number)) = self.part(name, SpanKind::Client) else {
            return Call(None);
        };
        let ((host, port), body) = (asked.server, asked.body);
        let field = |names: &[&str]| names.iter().find_map(|name| body.get(*name));
        let is_object = field(&["response_format", "tools"]).is_some();
        span.note(OPERATION, CHAT);
        span.note(PROVIDER, asked.provider.to_owned());
        span.note(REQUEST_MODEL, asked.model.to_owned());
        span.note(SERVER_ADDRESS, host.clone());
        span.note(SERVER_PORT, i64::from(*port));
        span.note(CONVERSATION, conversation.to_string());
        span.note(OUTPUT_TYPE, if is_object { "json" } else { "text" });
        span.note(OWN_MODEL, asked.target.to_owned());
        span.note(OWN_CALL, i64::from(number));
        if let Some(limit) = field(&["max_tokens", "max_completion_tokens"]) {
            span.note(MAX_TOKENS, limit.as_i64().unwrap_or_default());
        }
        if let Some(temperature) = field(&["temperature"]) {
            span.note(TEMPERATURE, temperature.as_f64().unwrap_or_default());
        }
        if span.shows_content() {
            say(&mut span, body);
        }
        Call(Some(span))
    }
}

impl Call {
    /// Notes what the server told.
    pub fn told(&mut self, told: &Told<'_>) {
        let Some(span) = &mut self.0 else {
            return;
        };
        for (key, name) in [(RESPONSE_ID, told.id), (RESPONSE_MODEL, told.model)] {
            if let Some(name) = name.filter(|name| is_name(name)) {
                span.note(key, name.to_owned());
            }
        }
        if is_name(told.finish_reason) {
            let reasons = vec![StringValue::from(told.finish_reason.to_owned())];
            span.note(FINISH_REASONS, Attribute::Array(Array::String(reasons)));
        }
        for (key, tokens) in [
            (INPUT_TOKENS, told.tokens.input),
            (OUTPUT_TOKENS, told.tokens.output),
            (CACHED_TOKENS, told.tokens.cached),
            (REASONING_TOKENS, told.tokens.reasoning),
        ] {
            if let Some(tokens) = tokens {
                span.note(key, i64::try_from(tokens).unwrap_or(i64::MAX));
            }
        }
        if told.cost_nanos > 0 {
            span.note(
                OWN_COST,
                Duration::from_nanos(told.cost_nanos).as_secs_f64(),
            );
        }
        if let Some(text) = told.text.filter(|_| span.shows_content()) {
            let message = message("assistant", clipped(text));
            span.note(OUTPUT_MESSAGES, json!([message]).to_string());
        }
    }

    /// Ends it, with the name of the fault where it failed.
    pub fn ended(mut self, fault: Option<&'static str>) {
        if let Some(mut span) = self.0.take()
            && let Some(fault) = fault
        {
            span.fail(fault);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(span) = &mut self.0 {
            span.fail(CANCELLED);
        }
    }
}

/// Notes the prompt and what was said, of that the newest.
fn say(span: &mut Span, body: &Value) {
    let messages = body["messages"].as_array().into_iter().flatten();
    let said = messages.filter_map(|message| {
        let text = message["content"].as_str()?;
        Some((message["role"].as_str()?, text))
    });
    let (system, turns): (Vec<_>, Vec<_>) = said.partition(|(role, _)| *role == "system");
    let mut room = CONTENT_BYTES;
    let newest = turns.into_iter().rev().map_while(|(role, text)| {
        room = room.checked_sub(text.len())?;
        Some(message(role, text))
    });
    let mut newest: Vec<_> = newest.collect();
    newest.reverse();
    let system = system.iter().map(|(_, text)| text_part(clipped(text)));
    span.note(SYSTEM, Value::Array(system.collect()).to_string());
    span.note(INPUT_MESSAGES, Value::Array(newest).to_string());
}

/// Tells whether a text is a name as servers give them: one word.
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/@+".contains(&byte);
    (1..=TOLD_BYTES).contains(&text.len()) && text.bytes().all(is_part)
}

fn message(role: &str, text: &str) -> Value {
    json!({ "role": role, "parts": [text_part(text)] })
}

fn text_part(text: &str) -> Value {
    json!({ "type": "text", "content": text })
}

/// Gives the beginning of a text, as much as a span may hold.
fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(CONTENT_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_names_are_asked_for_by_their_word_in_a_list() {
        for (value, latest) in [
            (None, false),
            (Some(""), false),
            (Some("http"), false),
            (Some("gen_ai_latest_experimental"), true),
            (Some("http/dup, gen_ai_latest_experimental"), true),
            (Some("gen_ai_latest_experimental_too"), false),
        ] {
            let generation = Generation::asked_for(value);
            assert_eq!(generation == Generation::Latest, latest, "{value:?}");
        }
    }
}
