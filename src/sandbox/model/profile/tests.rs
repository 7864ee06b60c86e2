//! Each profile over raw HTTP: what it takes, what it refuses and how, what it answers.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};

use super::super::super::call::client;
use super::super::{Character, Model, REASONING, Reply};
use super::*;
use crate::clock::Clock;
use crate::shutdown::Shutdown;

struct Server {
    model: Model,
    client: reqwest::Client,
}

/// What came back: the status, the body, and the headers that say how long to wait.
struct Got {
    status: u16,
    text: String,
    headers: reqwest::header::HeaderMap,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    fn at(&self, path: &str) -> Value {
        self.json().pointer(path).cloned().unwrap_or_default()
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    async fn start(name: &str) -> Self {
        let profile = Profile::named(name).expect(name);
        Self::with(profile.into()).await
    }

    async fn with(character: Character) -> Self {
        let bind = ([127, 0, 0, 1], 0).into();
        let model = Model::start(bind, &Shutdown::new()).await.unwrap();
        model.use_character(character);
        Self {
            model,
            client: client().unwrap(),
        }
    }

    /// Asks as the server wants to be asked: at its URL, with its key, in its query.
    async fn ask(&self, more: Value) -> Got {
        let profile = self.model.character().profile;
        let query = match profile.api_version {
            ApiVersion::Needed => "?api-version=2024-10-21",
            _ => "",
        };
        let url = format!("{}/chat/completions{query}", self.model.url());
        let key = match profile.key {
            Key::Bearer => ("authorization", "Bearer key"),
            Key::OwnHeader | Key::Either => ("api-key", "key"),
        };
        self.send(&url, Some(key), more).await
    }

    async fn send(&self, url: &str, key: Option<(&str, &str)>, more: Value) -> Got {
        let mut body = json!({ "model": "m", "messages": [
            { "role": "system", "content": "Answer with a JSON object." },
            { "role": "user", "content": "Hello, when do you open?" },
        ] });
        let fields = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        let mut request = self.client.post(url).json(&body);
        if let Some((name, value)) = key {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        Got {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }
}

fn tools() -> Value {
    let function = json!({ "name": "answer", "parameters": { "type": "object" } });
    json!({
        "tools": [{ "type": "function", "function": function }],
        "tool_choice": "required",
    })
}

fn json_object() -> Value {
    json!({ "response_format": { "type": "json_object" } })
}

#[test]
fn names_are_told_apart() {
    let names: BTreeSet<_> = Profile::all().map(|profile| profile.name).collect();
    assert_eq!(names.len(), Profile::all().count());
    assert!(Profile::named("openai").is_some() && Profile::named("closedai").is_none());
}

/// What each profile says to a plain question: the status, and something in the body or its absence.
#[rstest]
#[case("openai", 200, "/usage/prompt_tokens_details/cached_tokens", json!(0))]
#[case("openai-refusal", 200, "/choices/0/message/refusal", json!("I cannot help with that."))]
#[case("openai-refusal", 200, "/choices/0/message/content", Value::Null)]
#[case("openai-filter", 200, "/choices/0/finish_reason", json!("content_filter"))]
#[case("openai-quota", 429, "/error/code", json!("insufficient_quota"))]
#[case("openai-slow-down", 429, "/error/code", json!("slow_down"))]
#[case("openai-overloaded", 503, "/error/code", json!("server_is_overloaded"))]
#[case("overloaded-529", 529, "/error/type", json!("overloaded_error"))]
#[case("azure-classic", 200, "/choices/0/content_filter_results/hate/filtered", json!(false))]
#[case("azure-v1", 200, "/prompt_filter_results/0/prompt_index", json!(0))]
#[case("azure-filter", 400, "/error/code", json!("content_filter"))]
#[case("azure-filter", 400, "/error/innererror/content_filter_result/violence/filtered", json!(true))]
#[case("mistral", 200, "/choices/0/finish_reason", json!("stop"))]
#[case("groq", 200, "/service_tier", json!("on_demand"))]
#[case("openrouter", 200, "/provider", json!("Sandbox"))]
#[case("openrouter-200-error", 200, "/error/code", json!(502))]
#[case("openrouter-no-credit", 402, "/error/code", json!(402))]
#[case("deepseek", 200, "/choices/0/message/reasoning_content", json!(REASONING))]
#[case("deepseek", 200, "/usage/prompt_cache_hit_tokens", json!(16))]
#[case("deepinfra", 200, "/object", json!("chat.completion"))]
#[case("vertex", 200, "/object", json!("chat.completion"))]
#[case("vllm", 200, "/choices/0/message/reasoning", json!(REASONING))]
#[case("vllm-old", 200, "/choices/0/message/reasoning_content", json!(REASONING))]
#[case("sglang-old", 200, "/choices/0/message/tool_calls", json!([]))]
#[case("ollama", 200, "/system_fingerprint", json!("fp_ollama"))]
#[case("llama.cpp", 200, "/timings/prompt_n", json!(1))]
#[case("llama.cpp-500", 200, "/timings/prompt_n", json!(1))]
#[case("lmstudio", 200, "/stats", json!({}))]
#[case("lmstudio-gguf", 200, "/stats", json!({}))]
#[case("mlx", 200, "/choices/0/finish_reason", json!("stop"))]
#[case("odd-finish-empty", 200, "/choices/0/finish_reason", json!(""))]
#[case("odd-finish-error", 200, "/choices/0/finish_reason", json!("error"))]
#[case("odd-finish-model-length", 200, "/choices/0/finish_reason", json!("model_length"))]
#[case("odd-no-id", 200, "/id", Value::Null)]
#[case("odd-no-object", 200, "/object", Value::Null)]
#[case("odd-created-float", 200, "/created", json!(1_750_000_000.25))]
#[case("odd-choices-null", 200, "/choices", Value::Null)]
#[case("odd-choices-empty", 200, "/choices", json!([]))]
#[case("odd-content-parts", 200, "/choices/0/message/content/0/type", json!("text"))]
#[case("odd-content-null", 200, "/choices/0/message/content", Value::Null)]
#[case("odd-error-in-choice", 200, "/choices/0/error/code", json!(502))]
#[case("odd-usage-missing", 200, "/usage", Value::Null)]
#[case("odd-usage-null", 200, "/usage", Value::Null)]
#[case("odd-usage-no-total", 200, "/usage/total_tokens", Value::Null)]
#[case("odd-usage-partial", 200, "/usage/completion_tokens", Value::Null)]
#[case("odd-usage-beside", 200, "/usage/cache_read_input_tokens", json!(16))]
#[case("odd-error-in-200", 200, "/error/type", json!("server_error"))]
#[tokio::test]
async fn a_plain_question_is_answered_in_the_server_s_way(
    #[case] name: &str,
    #[case] status: u16,
    #[case] path: &str,
    #[case] value: Value,
) {
    let got = Server::start(name).await.ask(json!({})).await;
    assert_eq!((got.status, got.at(path)), (status, value), "{}", got.text);
}

#[rstest]
#[case("gateway-html", 502, "<html>", "text/html")]
#[case("odd-html-in-200", 200, "<html>", "text/html")]
#[case("odd-empty-200", 200, "", "application/json")]
#[case("vllm-no-parser", 200, "\"<think>\\nLet me", "application/json")]
#[case(
    "vllm-no-parser-unopened",
    200,
    "\"content\":\"Let me",
    "application/json"
)]
#[case(
    "odd-unclosed-think",
    200,
    "18:00.\\n<think>\\nLet me",
    "application/json"
)]
#[case("odd-fenced", 200, "```json\\n{", "application/json")]
#[case("odd-chatty", 200, "\"content\":\"Sure, here", "application/json")]
#[case("odd-usage-floats", 200, ".0", "application/json")]
#[tokio::test]
async fn a_body_may_be_odd_as_a_whole(
    #[case] name: &str,
    #[case] status: u16,
    #[case] part: &str,
    #[case] kind: &str,
) {
    let got = Server::start(name).await.ask(json!({})).await;
    assert_eq!(got.status, status);
    assert!(got.text.contains(part), "{}", got.text);
    assert_eq!(got.header("content-type"), kind);
}

#[tokio::test]
async fn what_is_said_once_in_an_odd_body_is_there_in_a_usual_one() {
    let got = Server::start("openai").await.ask(json!({})).await;
    for path in [
        "/id",
        "/object",
        "/choices/0/message/content",
        "/usage/total_tokens",
    ] {
        assert!(!got.at(path).is_null(), "{path}");
    }
    assert!(!got.text.contains("think") && got.at("/choices/0/message/tool_calls").is_null());
}

/// What each server refuses, and where it names it.
#[rstest]
#[case("openai", json!({ "wow": 1 }), 400, "/error/param", json!("wow"))]
#[case("openai-reasoning", json!({ "max_tokens": 800 }), 400, "/error/code", json!("unsupported_parameter"))]
#[case("openai-reasoning", json!({ "max_tokens": 800 }), 400, "/error/param", json!("max_tokens"))]
#[case("openai-reasoning", json!({ "temperature": 0.3 }), 400, "/error/code", json!("unsupported_value"))]
#[case("mistral", json!({ "max_completion_tokens": 800 }), 422, "/message/detail/0/loc", json!(["body", "max_completion_tokens"]))]
#[case("mistral", json!({ "wow": 1 }), 422, "/message/detail/0/type", json!("extra_forbidden"))]
#[case("mistral", json!({ "messages": [{ "role": "developer", "content": "x" }] }), 422, "/message/detail/0/loc", json!(["body", "messages", 0, "role"]))]
#[case("deepinfra", json!({ "messages": [{ "role": "developer", "content": "x" }] }), 422, "/detail/0/loc", json!(["body", "messages", 0, "role"]))]
#[case("deepseek", json!({ "messages": [{ "role": "developer", "content": "x" }] }), 400, "/error/code", json!("invalid_request_error"))]
#[case("sglang-old", json!({ "messages": [{ "role": "developer", "content": "x" }] }), 400, "/object", json!("error"))]
#[case("deepseek", json!({ "response_format": { "type": "json_schema" } }), 400, "/error/type", json!("invalid_request_error"))]
#[case("lmstudio", json_object(), 400, "/error", json!("'response_format.type' must be 'text' or 'json_schema': this response_format type is unavailable now"))]
#[case("vllm-old", json!({ "max_completion_tokens": 800 }), 400, "/message", json!("[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted', 'input': 800}]"))]
#[case("vllm", json!({ "temperature": 9 }), 400, "/error/code", json!(400))]
#[case("llama.cpp", json!({ "temperature": 9 }), 400, "/error/code", json!(400))]
#[case("openrouter", json!({ "temperature": 9 }), 400, "/error/metadata/provider_name", json!("Sandbox"))]
#[case("vertex", json!({ "temperature": 9 }), 400, "/0/error/status", json!("INVALID_ARGUMENT"))]
#[case("azure-v1", json!({ "wow": 9 }), 400, "/error/param", json!("wow"))]
#[case("mlx", json!({ "temperature": 9 }), 400, "/error", json!("invalid value for 'temperature'"))]
#[tokio::test]
async fn what_a_server_refuses_is_refused_in_its_way(
    #[case] name: &str,
    #[case] more: Value,
    #[case] status: u16,
    #[case] path: &str,
    #[case] value: Value,
) {
    let got = Server::start(name).await.ask(more).await;
    assert_eq!((got.status, got.at(path)), (status, value), "{}", got.text);
}

/// What a server takes though another does not, and what it makes of it.
#[rstest]
#[case("openai-reasoning", json!({ "max_completion_tokens": 4_000, "temperature": 1 }), None)]
#[case("mistral", json!({ "max_tokens": 800, "safe_prompt": true }), None)]
#[case("vllm", json!({ "top_k": 3 }), None)]
#[case("vllm", json!({ "wow": 3 }), Some("'wow' means nothing to vllm"))]
#[case("ollama", json!({ "max_completion_tokens": 1 }), Some("'max_completion_tokens' means nothing to ollama"))]
#[case("mlx", json!({ "response_format": { "type": "json_object" } }), Some("'response_format' means nothing to mlx"))]
#[case("deepseek", json!({ "response_format": { "type": "json_object" } }), None)]
#[case("openrouter", json!({ "provider": { "order": ["x"] } }), None)]
#[tokio::test]
async fn what_a_server_overlooks_is_noted(
    #[case] name: &str,
    #[case] more: Value,
    #[case] found: Option<&str>,
) {
    let server = Server::start(name).await;
    let got = server.ask(more).await;
    assert_eq!(
        (got.status, got.at("/choices/0/finish_reason")),
        (200, json!("stop")),
        "{}",
        got.text
    );
    assert_eq!(server.model.findings(), Vec::from_iter(found));
    server.model.clear();
    assert!(server.model.findings().is_empty());
}

#[tokio::test]
async fn hidden_reasoning_eats_the_cap() {
    let server = Server::start("openai-reasoning").await;
    let small = server.ask(json!({ "max_completion_tokens": 800 })).await;
    assert_eq!(small.at("/choices/0/message/content"), "");
    assert_eq!(small.at("/choices/0/finish_reason"), "length");
    let large = server.ask(json!({ "max_completion_tokens": 1_600 })).await;
    assert_eq!(large.at("/choices/0/finish_reason"), "stop");
    let usage = "/usage/completion_tokens_details/reasoning_tokens";
    assert_eq!(large.at(usage), 1_024);
    assert!(large.at("/usage/completion_tokens").as_u64().unwrap() > 1_024);
}

#[tokio::test]
async fn a_cap_cuts_what_the_model_says_by_itself() {
    let server = Server::start("openai").await;
    let got = server.ask(json!({ "max_tokens": 2 })).await;
    assert_eq!(got.at("/choices/0/message/content"), "Hello! W");
    assert_eq!(got.at("/choices/0/finish_reason"), "length");
    server
        .model
        .script([Reply::Text("Hello! We are open".to_owned())]);
    let got = server.ask(json!({ "max_tokens": 2 })).await;
    assert_eq!(got.at("/choices/0/finish_reason"), "stop");
}

#[rstest]
#[case("openai", json!("tool_calls"), json!("call_sandbox1"), json!("function"), true)]
#[case("vllm", json!("stop"), json!("call_sandbox1"), json!("function"), true)]
#[case("ollama", json!("stop"), json!(""), json!("function"), false)]
#[case("mlx", json!("tool_call"), json!("call_sandbox1"), json!("function"), true)]
#[case("odd-call-object", json!("tool_calls"), json!("call_sandbox1"), json!("function"), false)]
#[case("odd-call-no-type", json!("tool_calls"), json!("call_sandbox1"), Value::Null, true)]
#[case("odd-call-no-id", json!("tool_calls"), json!(""), json!("function"), true)]
#[case("odd-call-finish", json!("function_calls"), json!("call_sandbox1"), json!("function"), true)]
#[tokio::test]
async fn a_tool_call_holds_the_object(
    #[case] name: &str,
    #[case] finish: Value,
    #[case] id: Value,
    #[case] kind: Value,
    #[case] is_text: bool,
) {
    let got = Server::start(name).await.ask(tools()).await;
    let call = "/choices/0/message/tool_calls/0";
    assert_eq!(got.at("/choices/0/finish_reason"), finish);
    assert_eq!(got.at("/choices/0/message/content"), Value::Null);
    assert_eq!(got.at(&format!("{call}/id")), id);
    assert_eq!(got.at(&format!("{call}/type")), kind);
    assert_eq!(got.at(&format!("{call}/function/name")), "answer");
    let arguments = got.at(&format!("{call}/function/arguments"));
    assert_eq!(arguments.is_string(), is_text);
    let object = match arguments {
        Value::String(text) => serde_json::from_str(&text).unwrap(),
        object => object,
    };
    assert_eq!(object["action"], "answer");
}

#[tokio::test]
async fn a_call_that_is_demanded_by_name_ends_as_an_answer_and_none_comes_unwanted() {
    let server = Server::start("openai").await;
    let mut named = tools();
    named["tool_choice"] = json!({ "type": "function", "function": { "name": "answer" } });
    let got = server.ask(named).await;
    assert_eq!(got.at("/choices/0/finish_reason"), "stop");
    assert!(got.at("/choices/0/message/tool_calls").is_array());
    let mut none = tools();
    none["tool_choice"] = "none".into();
    let got = server.ask(none).await;
    assert!(got.at("/choices/0/message/content").is_string());
}

#[rstest]
#[case("openai", 400, "/error/code", json!("context_length_exceeded"))]
#[case("azure-v1", 400, "/error/code", json!("context_length_exceeded"))]
#[case("mistral", 400, "/object", json!("error"))]
#[case("vllm", 400, "/error/code", json!(400))]
#[case("vllm-old", 400, "/code", json!(400))]
#[case("llama.cpp", 400, "/error/n_ctx", json!(20))]
#[case("llama.cpp-500", 500, "/error/code", json!(500))]
#[case("lmstudio", 200, "/choices", Value::Null)]
#[case("lmstudio-gguf", 200, "/choices/0/message/content", json!(""))]
#[case("openrouter", 400, "/error/code", json!(400))]
#[tokio::test]
async fn a_prompt_that_is_too_long_is_told_in_the_server_s_way(
    #[case] name: &str,
    #[case] status: u16,
    #[case] path: &str,
    #[case] value: Value,
) {
    let server = Server::with(Character {
        context: Some(20),
        ..Profile::named(name).unwrap().into()
    })
    .await;
    let got = server.ask(json!({})).await;
    assert_eq!((got.status, got.at(path)), (status, value), "{}", got.text);
    server.model.use_character(Character {
        context: Some(2_000),
        ..Profile::named(name).unwrap().into()
    });
    let got = server.ask(json!({})).await;
    assert!(
        got.at("/choices/0/message/content")
            .as_str()
            .unwrap()
            .contains("9:00")
    );
}

#[tokio::test]
async fn azure_wants_its_path_its_version_and_its_key() {
    let server = Server::start("azure-classic").await;
    let base = server.model.url();
    assert!(base.ends_with("/openai/deployments/stand-in"), "{base}");
    let url = format!("{base}/chat/completions?api-version=2024-10-21");
    let key = Some(("api-key", "key"));
    assert_eq!(server.send(&url, key, json!({})).await.status, 200);
    let other = url.replace("stand-in", "other");
    assert_eq!(server.send(&other, key, json!({})).await.status, 200);
    let bearer = Some(("authorization", "Bearer key"));
    let got = server.send(&url, bearer, json!({})).await;
    assert_eq!((got.status, got.at("/error/code")), (401, json!("401")));
    let (plain, _) = url.split_once('?').unwrap();
    assert_eq!(server.send(plain, key, json!({})).await.status, 404);
    let usual = format!("http://{}/v1/chat/completions", server.model.address());
    assert_eq!(server.send(&usual, key, json!({})).await.status, 404);
    let kept = &server.model.requests()[0];
    assert_eq!(kept.query("api-version"), Some("2024-10-21"));

    let server = Server::start("azure-v1").await;
    let url = format!("{}/chat/completions", server.model.url());
    assert_eq!(server.send(&url, key, json!({})).await.status, 200);
    assert_eq!(server.send(&url, bearer, json!({})).await.status, 200);
    assert_eq!(server.send(&url, None, json!({})).await.status, 401);
    let versioned = format!("{url}?api-version=2024-10-21");
    let got = server.send(&versioned, key, json!({})).await;
    assert_eq!(
        (got.status, got.at("/error/param")),
        (400, json!("api-version"))
    );
    server.model.require_key("another");
    assert_eq!(server.send(&url, key, json!({})).await.status, 401);
}

#[rstest]
#[case("groq", "/openai/v1")]
#[case("openrouter", "/api/v1")]
#[case("deepinfra", "/v1/openai")]
#[tokio::test]
async fn a_server_lives_at_its_own_path(#[case] name: &str, #[case] base: &str) {
    let server = Server::start(name).await;
    let url = server.model.url();
    assert!(url.ends_with(base), "{url}");
    let elsewhere = format!("http://{}/v1/chat/completions", server.model.address());
    assert_eq!(server.send(&elsewhere, None, json!({})).await.status, 404);
}

/// How each says to wait: by a header, in the text, or not at all.
#[rstest]
#[case("openai", "x-ratelimit-reset-requests", "7.6s")]
#[case("openai-slow-down", "retry-after", "Thu, 01 Jan 1970 00:00:08 GMT")]
#[case("overloaded-529", "retry-after-ms", "7600")]
#[case("azure-v1", "retry-after", "-1")]
#[case("openrouter", "x-ratelimit-reset", "7600")]
#[case("openrouter-no-credit", "retry-after", "8")]
#[case("deepinfra", "x-ratelimit-reset", "8")]
#[case("vertex", "retry-after", "")]
#[tokio::test]
async fn a_wait_is_told_in_the_server_s_way(
    #[case] name: &str,
    #[case] header: &str,
    #[case] value: &str,
) {
    let server = Server::start(name).await;
    server
        .model
        .use_clock(&Clock::manual(Timestamp::UNIX_EPOCH));
    server.model.script([Reply::Trouble(Trouble::RateLimited)]);
    let got = server.ask(json!({})).await;
    assert_ne!(got.status, 200);
    assert_eq!(got.header(header), value);
    if value.is_empty() {
        let mut names = got.headers.keys().map(reqwest::header::HeaderName::as_str);
        assert!(!names.any(|name| name.contains("retry") || name.contains("ratelimit")));
    }
}

#[tokio::test]
async fn groq_tells_the_wait_in_its_text_too() {
    let server = Server::start("groq").await;
    server.model.script([Reply::Trouble(Trouble::RateLimited)]);
    let got = server.ask(json!({})).await;
    let message = got.at("/error/message");
    assert!(
        message.as_str().unwrap().contains("try again in 7.6s"),
        "{message}"
    );
    assert_eq!(got.header("x-ratelimit-reset-tokens"), "7.6s");
}

#[tokio::test]
async fn a_window_is_shut_in_the_stand_in_s_time_and_says_how_long() {
    let server = Server::start("openai").await;
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    server.model.use_clock(&clock);
    server.model.use_character(Character {
        windows: vec!["10:60:429:seconds".parse().unwrap()],
        ..Character::default()
    });
    assert_eq!(server.ask(json!({})).await.status, 200);
    clock.advance(Duration::from_secs(25));
    let got = server.ask(json!({})).await;
    assert_eq!((got.status, got.header("retry-after")), (429, "45"));
    assert_eq!(got.header("x-ratelimit-reset-requests"), "");
    clock.advance(Duration::from_secs(45));
    assert_eq!(server.ask(json!({})).await.status, 200);
}

#[tokio::test]
async fn a_field_can_be_refused_by_any_server() {
    let server = Server::with(Character {
        refuses: vec!["seed".to_owned()],
        ..Profile::named("vllm").unwrap().into()
    })
    .await;
    let got = server.ask(json!({ "seed": 1 })).await;
    assert_eq!((got.status, got.at("/error/param")), (400, json!("seed")));
    assert_eq!(server.ask(json!({})).await.status, 200);
}
