//! Single oddities of answers that some server or other gives, each as a profile of its own.

use serde_json::{Value, json};

use super::super::refusals;
use super::super::trouble::Trouble;
use super::servers::PLAIN;
use super::{Call, Profile, Reasoning, Usage, Wrap};

/// Makes a profile whose completions differ in one thing.
const fn odd(name: &'static str, about: &'static str, touch: fn(&mut Value)) -> Profile {
    Profile {
        name,
        about,
        touch,
        ..PLAIN
    }
}

/// Makes a profile whose usage differs.
const fn counts(name: &'static str, about: &'static str, usage: Usage) -> Profile {
    Profile {
        name,
        about,
        usage,
        ..PLAIN
    }
}

/// Makes a profile whose tool calls differ.
const fn calls(name: &'static str, about: &'static str, call: Call) -> Profile {
    Profile {
        name,
        about,
        call,
        ..PLAIN
    }
}

#[rustfmt::skip]
pub(super) static ALL: &[Profile] = &[
    odd("odd-finish-empty", "`finish_reason` is empty", |body| finish(body, "")),
    odd("odd-finish-error", "`finish_reason` is `error`", |body| finish(body, "error")),
    odd("odd-finish-model-length", "`finish_reason` is `model_length`", |body| finish(body, "model_length")),
    odd("odd-no-id", "no `id`", |body| remove(body, "id")),
    odd("odd-no-object", "no `object`", |body| remove(body, "object")),
    odd("odd-created-float", "`created` has a fraction", |body| body["created"] = 1_750_000_000.25.into()),
    odd("odd-choices-null", "`choices` is null", |body| body["choices"] = Value::Null),
    odd("odd-choices-empty", "`choices` is empty", |body| body["choices"] = json!([])),
    odd("odd-content-parts", "the content is a list of parts", parts),
    odd("odd-content-null", "the content is null, with `stop`", |body| body["choices"][0]["message"]["content"] = Value::Null),
    odd("odd-error-in-choice", "an error in the choice, with half an answer", error_in_choice),
    counts("odd-usage-missing", "no `usage`", Usage::Missing),
    counts("odd-usage-null", "`usage` is null", Usage::Null),
    counts("odd-usage-no-total", "`usage` without a total", Usage::NoTotal),
    counts("odd-usage-partial", "`usage` with null for the answer", Usage::Partial),
    counts("odd-usage-beside", "what the cache held is counted beside the prompt", Usage::Beside),
    counts("odd-usage-floats", "`usage` in numbers with a fraction", Usage::Floats),
    calls("odd-call-object", "the arguments of a tool call are an object", Call { as_object: true, ..PLAIN.call }),
    calls("odd-call-no-type", "a tool call without `type`", Call { has_type: false, ..PLAIN.call }),
    calls("odd-call-no-id", "a tool call with an empty id", Call { id: "", ..PLAIN.call }),
    calls("odd-call-finish", "tool calls end with `function_calls`", Call { finish: "function_calls", ..PLAIN.call }),
    Profile { name: "odd-fenced", about: "the object in a code fence", wrap: Wrap::Fence, ..PLAIN },
    Profile { name: "odd-chatty", about: "the object with words around it", wrap: Wrap::Words, ..PLAIN },
    Profile { name: "odd-unclosed-think", about: "`<think>` after the answer, never closed", reasoning: Reasoning::Unclosed, ..PLAIN },
    Profile { name: "odd-error-in-200", about: "200 with nothing but an error", always: Some(Trouble::Broken), refusal: refusals::nested_in_200, ..PLAIN },
    Profile { name: "odd-html-in-200", about: "200 with a page of HTML", always: Some(Trouble::Broken), refusal: refusals::html_in_200, ..PLAIN },
    Profile { name: "odd-empty-200", about: "200 with an empty body", always: Some(Trouble::Broken), refusal: refusals::nothing_in_200, ..PLAIN },
];

fn finish(body: &mut Value, reason: &str) {
    body["choices"][0]["finish_reason"] = reason.into();
}

fn remove(body: &mut Value, name: &str) {
    if let Some(fields) = body.as_object_mut() {
        fields.remove(name);
    }
}

fn parts(body: &mut Value) {
    let content = &mut body["choices"][0]["message"]["content"];
    if content.is_string() {
        *content = json!([{"type": "text", "text": content.take()}]);
    }
}

fn error_in_choice(body: &mut Value) {
    let choice = &mut body["choices"][0];
    choice["error"] = json!({"code": 502, "message": "the upstream broke off"});
    choice["finish_reason"] = "error".into();
    choice["message"]["content"] = "{\"reply\": \"We are op".into();
}
