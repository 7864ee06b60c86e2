//! The servers, one row each. What a row does not name is as OpenAI has it.

use serde_json::{Value, json};

use super::super::hint::Hint;
use super::super::refusals;
use super::super::trouble::Trouble;
use super::{ApiVersion, Call, Key, Profile, Reasoning, Unknown, Usage, Wrap};

/// Tokens that a reasoning model thinks before it says a word: more than a cap for a short answer leaves.
const HIDDEN_TOKENS: u64 = 1_024;

const ROLES: &[&str] = &["system", "user", "assistant", "developer", "tool"];
const NO_DEVELOPER: &[&str] = &["system", "user", "assistant", "tool"];
const FORMATS: &[&str] = &["text", "json_object", "json_schema"];

pub(super) static OPENAI: Profile = PLAIN;

/// The profile that all others vary.
pub(super) const PLAIN: Profile = Profile {
    name: "openai",
    about: "as the schema says; x-ratelimit-reset-* as spans",
    base: "/v1",
    api_version: ApiVersion::Ignored,
    key: Key::Bearer,
    roles: ROLES,
    formats: FORMATS,
    unknown: Unknown::Refused,
    lacks: &[],
    extra: &[],
    fixed_temperature: false,
    refusal: refusals::nested,
    always: None,
    hints: &[Hint::ResetSpans],
    wrap: Wrap::Nothing,
    reasoning: Reasoning::None,
    call: Call {
        id: "call_sandbox",
        has_type: true,
        as_object: false,
        finish: "tool_calls",
    },
    usage: Usage::Full,
    touch: |_| (),
};

const AZURE: Profile = Profile {
    refusal: refusals::azure,
    hints: &[Hint::Useless],
    touch: azure,
    ..PLAIN
};

const OPENROUTER: Profile = Profile {
    base: "/api/v1",
    unknown: Unknown::Ignored,
    extra: &["provider", "models", "reasoning", "usage", "transforms"],
    refusal: refusals::openrouter,
    hints: &[Hint::ResetEpoch],
    touch: openrouter,
    ..PLAIN
};

const VLLM: Profile = Profile {
    unknown: Unknown::Ignored,
    extra: &[
        "top_k",
        "min_p",
        "repetition_penalty",
        "chat_template_kwargs",
    ],
    refusal: refusals::integer_code,
    reasoning: Reasoning::Field("reasoning"),
    call: Call {
        finish: "stop",
        ..PLAIN.call
    },
    hints: &[],
    touch: vllm,
    ..PLAIN
};

const LLAMA_CPP: Profile = Profile {
    unknown: Unknown::Ignored,
    extra: &["top_k", "min_p", "cache_prompt", "grammar"],
    refusal: refusals::llama_cpp,
    hints: &[],
    touch: |body| body["timings"] = json!({"prompt_n": 1, "predicted_per_second": 40.5}),
    ..PLAIN
};

const LMSTUDIO: Profile = Profile {
    formats: &["text", "json_schema"],
    refusal: refusals::lmstudio,
    hints: &[],
    touch: |body| body["stats"] = json!({}),
    ..LLAMA_CPP
};

pub(super) static ALL: &[Profile] = &[
    PLAIN,
    Profile {
        name: "openai-reasoning",
        about: "refuses `max_tokens` and every temperature but 1; hidden reasoning takes 1,024 tokens of the cap",
        lacks: &["max_tokens"],
        fixed_temperature: true,
        reasoning: Reasoning::Hidden(HIDDEN_TOKENS),
        ..PLAIN
    },
    Profile {
        name: "openai-refusal",
        about: "refuses to answer, in `message.refusal`",
        touch: refuse,
        ..PLAIN
    },
    Profile {
        name: "openai-filter",
        about: "its filter ends every answer: `finish_reason` is `content_filter`",
        touch: filter,
        ..PLAIN
    },
    Profile {
        name: "openai-quota",
        about: "429 `insufficient_quota`",
        always: Some(Trouble::Quota),
        ..PLAIN
    },
    Profile {
        name: "openai-slow-down",
        about: "429 `slow_down`, `Retry-After` as a date",
        always: Some(Trouble::SlowDown),
        hints: &[Hint::Date],
        ..PLAIN
    },
    Profile {
        name: "openai-overloaded",
        about: "503 `server_is_overloaded`",
        always: Some(Trouble::Overloaded),
        ..PLAIN
    },
    Profile {
        name: "overloaded-529",
        about: "529 `overloaded_error`, `retry-after-ms`",
        always: Some(Trouble::Crowded),
        refusal: refusals::typed,
        hints: &[Hint::Millis],
        ..PLAIN
    },
    Profile {
        name: "azure-classic",
        about: "deployment in the path, `api-version` and the header `api-key` needed; waits of -1 and 0",
        base: "/openai/deployments/*",
        api_version: ApiVersion::Needed,
        key: Key::OwnHeader,
        ..AZURE
    },
    Profile {
        name: "azure-v1",
        about: "`/openai/v1`, no `api-version`; the key in `api-key` or as a bearer",
        base: "/openai/v1",
        api_version: ApiVersion::Forbidden,
        key: Key::Either,
        ..AZURE
    },
    Profile {
        name: "azure-filter",
        about: "`azure-v1` whose filter refuses every prompt: 400 with `innererror`",
        base: "/openai/v1",
        api_version: ApiVersion::Forbidden,
        key: Key::Either,
        always: Some(Trouble::Filtered),
        ..AZURE
    },
    Profile {
        name: "mistral",
        about: "422 with a list for `max_completion_tokens` and every unknown field",
        roles: NO_DEVELOPER,
        lacks: &["max_completion_tokens", "user", "store", "logprobs"],
        extra: &["safe_prompt", "random_seed", "prompt_mode"],
        refusal: refusals::mistral,
        ..PLAIN
    },
    Profile {
        name: "groq",
        about: "`service_tier` is `on_demand`; \"try again in 7.6s\" in the text; `x-ratelimit-reset-*` as `6m0s`",
        base: "/openai/v1",
        hints: &[Hint::Text, Hint::ResetSpans],
        touch: groq,
        ..PLAIN
    },
    Profile {
        name: "openrouter",
        about: "integer codes and `metadata` in errors; a `provider` and more in answers",
        ..OPENROUTER
    },
    Profile {
        name: "openrouter-200-error",
        about: "200 with an error of its upstream in the body",
        always: Some(Trouble::Upstream),
        refusal: refusals::openrouter_in_200,
        ..OPENROUTER
    },
    Profile {
        name: "openrouter-no-credit",
        about: "402, with `Retry-After`",
        always: Some(Trouble::NoCredit),
        hints: &[Hint::Seconds],
        ..OPENROUTER
    },
    Profile {
        name: "deepseek",
        about: "no `json_schema`, no `developer`; `reasoning_content`; hits of its cache in the usage",
        roles: NO_DEVELOPER,
        formats: &["text", "json_object"],
        reasoning: Reasoning::Field("reasoning_content"),
        usage: Usage::HitsAndMisses,
        refusal: refusals::deepseek,
        hints: &[],
        ..PLAIN
    },
    Profile {
        name: "deepinfra",
        about: "422 with a bare list, also for `developer`",
        base: "/v1/openai",
        roles: NO_DEVELOPER,
        refusal: refusals::fastapi,
        hints: &[Hint::ResetSeconds],
        ..PLAIN
    },
    Profile {
        name: "vertex",
        about: "errors in a list, with a `status`; 429 without any hint",
        base: "/v1beta/openai",
        refusal: refusals::google,
        hints: &[],
        ..PLAIN
    },
    Profile {
        name: "vllm",
        about: "`reasoning`; nested errors with an integer code; `stop` though there are tool calls",
        ..VLLM
    },
    Profile {
        name: "vllm-old",
        about: "`reasoning_content`; flat errors; refuses `max_completion_tokens`, naming it in the text alone",
        unknown: Unknown::Refused,
        lacks: &["max_completion_tokens", "store", "metadata", "service_tier"],
        refusal: refusals::flat,
        reasoning: Reasoning::Field("reasoning_content"),
        ..VLLM
    },
    Profile {
        name: "vllm-no-parser",
        about: "reasoning in the content, in `<think>`",
        reasoning: Reasoning::Tags,
        ..VLLM
    },
    Profile {
        name: "vllm-no-parser-unopened",
        about: "reasoning in the content, with `</think>` alone",
        reasoning: Reasoning::Unopened,
        ..VLLM
    },
    Profile {
        name: "sglang-old",
        about: "flat errors, no `developer`",
        roles: NO_DEVELOPER,
        refusal: refusals::flat,
        reasoning: Reasoning::None,
        ..VLLM
    },
    Profile {
        name: "ollama",
        about: "overlooks `max_completion_tokens`; tool calls with `stop`, an empty id, arguments as an object",
        unknown: Unknown::Ignored,
        lacks: &["max_completion_tokens"],
        extra: &["keep_alive", "options"],
        hints: &[],
        call: Call {
            id: "",
            as_object: true,
            finish: "stop",
            ..PLAIN.call
        },
        touch: |body| body["system_fingerprint"] = "fp_ollama".into(),
        ..PLAIN
    },
    Profile {
        name: "llama.cpp",
        about: "integer codes; overflow with `n_prompt_tokens` and `n_ctx`",
        ..LLAMA_CPP
    },
    Profile {
        name: "llama.cpp-500",
        about: "500 for an overflow",
        refusal: refusals::llama_cpp_500,
        ..LLAMA_CPP
    },
    Profile {
        name: "lmstudio",
        about: "400 for `json_object`; errors are `{\"error\":\"text\"}`, with 200 for an overflow",
        ..LMSTUDIO
    },
    Profile {
        name: "lmstudio-gguf",
        about: "200 without text for an overflow",
        refusal: refusals::lmstudio_gguf,
        ..LMSTUDIO
    },
    Profile {
        name: "mlx",
        about: "overlooks `response_format`; tool calls end with `tool_call`",
        unknown: Unknown::Ignored,
        lacks: &["response_format"],
        hints: &[],
        refusal: refusals::text,
        call: Call {
            finish: "tool_call",
            ..PLAIN.call
        },
        ..PLAIN
    },
    Profile {
        name: "gateway-html",
        about: "a proxy that answers every question with 502 and a page of HTML",
        always: Some(Trouble::Upstream),
        refusal: refusals::html,
        ..PLAIN
    },
];

fn refuse(body: &mut Value) {
    let message = &mut body["choices"][0]["message"];
    message["content"] = Value::Null;
    message["refusal"] = "I cannot help with that.".into();
    message["tool_calls"] = Value::Null;
}

fn filter(body: &mut Value) {
    let choice = &mut body["choices"][0];
    choice["message"]["content"] = Value::Null;
    choice["message"]["tool_calls"] = Value::Null;
    choice["finish_reason"] = "content_filter".into();
}

fn azure(body: &mut Value) {
    let safe = json!({"hate": {"filtered": false, "severity": "safe"}});
    body["prompt_filter_results"] = json!([{"prompt_index": 0, "content_filter_results": safe}]);
    body["choices"][0]["content_filter_results"] = safe;
}

fn groq(body: &mut Value) {
    body["service_tier"] = "on_demand".into();
    body["x_groq"] = json!({"id": "req_sandbox"});
    body["usage"]["total_time"] = 0.125.into();
}

fn openrouter(body: &mut Value) {
    body["provider"] = "Sandbox".into();
    body["usage"]["cost"] = 0.000_012.into();
    let choice = &mut body["choices"][0];
    choice["native_finish_reason"] = "STOP".into();
    choice["message"]["reasoning"] = Value::Null;
}

fn vllm(body: &mut Value) {
    body["prompt_logprobs"] = Value::Null;
    let choice = &mut body["choices"][0];
    choice["stop_reason"] = Value::Null;
    if choice["message"]["tool_calls"].is_null() {
        choice["message"]["tool_calls"] = json!([]);
    }
}
