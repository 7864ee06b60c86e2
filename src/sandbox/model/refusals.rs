//! How servers word a refusal: one function each.

use serde_json::{Value, json};

use super::super::Answer;
use super::trouble::{Invalid, Trouble};

/// OpenAI: an object under `error`.
pub(super) fn nested(invalid: &Invalid) -> Answer {
    Answer::json(invalid.status, &openai(invalid))
}

/// An object under `error`, in a success.
pub(super) fn nested_in_200(invalid: &Invalid) -> Answer {
    Answer::json(200, &openai(invalid))
}

fn openai(invalid: &Invalid) -> Value {
    json!({ "error": {
        "message": invalid.message, "type": invalid.kind, "param": invalid.param, "code": invalid.code,
    } })
}

/// `DeepSeek`: as OpenAI, but it names no parameter, and its codes say little.
pub(super) fn deepseek(invalid: &Invalid) -> Answer {
    let error = json!({
        "message": invalid.message, "type": invalid.kind, "param": null, "code": "invalid_request_error",
    });
    Answer::json(invalid.status, &json!({"error": error}))
}

/// Anthropic and those who follow it: the error's type, and little else.
pub(super) fn typed(invalid: &Invalid) -> Answer {
    let error = json!({"type": invalid.kind, "message": invalid.message});
    Answer::json(invalid.status, &json!({"type": "error", "error": error}))
}

/// Azure: as OpenAI, but codes are statuses in a text, and a filter says what it found.
pub(super) fn azure(invalid: &Invalid) -> Answer {
    let code = match invalid.trouble {
        None | Some(Trouble::Filtered | Trouble::Overflow { .. }) => {
            invalid.code.map(str::to_owned)
        }
        Some(_) => Some(invalid.status.to_string()),
    };
    let code = code.unwrap_or_else(|| invalid.status.to_string());
    let mut body = json!({ "error": {
        "code": code, "message": invalid.message, "param": invalid.param, "type": null,
    } });
    if invalid.trouble == Some(Trouble::Filtered) {
        let error = &mut body["error"];
        error["message"] = "the prompt goes against the content management policy".into();
        error["status"] = invalid.status.into();
        error["innererror"] = json!({
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {
                "hate": {"filtered": false, "severity": "safe"},
                "violence": {"filtered": true, "severity": "medium"},
                "jailbreak": {"filtered": false, "detected": false},
            },
        });
    }
    Answer::json(invalid.status, &body)
}

/// Mistral: a list of what is wrong, inside the message, with 422; flat otherwise.
pub(super) fn mistral(invalid: &Invalid) -> Answer {
    let (status, message) = match is_about_a_field(invalid) {
        true => (422, json!({"detail": [complaint(invalid)]})),
        false => (invalid.status, json!(invalid.message)),
    };
    let body = json!({
        "object": "error", "message": message, "type": invalid.kind, "param": null, "code": null,
    });
    Answer::json(status, &body)
}

/// `FastAPI`: a bare list of what is wrong, with 422; a text otherwise.
pub(super) fn fastapi(invalid: &Invalid) -> Answer {
    let (status, detail) = match is_about_a_field(invalid) {
        true => (422, json!([complaint(invalid)])),
        false => (invalid.status, json!({"error": invalid.message})),
    };
    Answer::json(status, &json!({"detail": detail}))
}

/// Google: a list of errors, with the status as a word.
pub(super) fn google(invalid: &Invalid) -> Answer {
    let word = match invalid.status {
        401 | 403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    };
    let error = json!({"code": invalid.status, "message": invalid.message, "status": word});
    Answer::json(invalid.status, &json!([{"error": error}]))
}

/// `OpenRouter`: an integer code, and who stood behind it.
pub(super) fn openrouter(invalid: &Invalid) -> Answer {
    Answer::json(invalid.status, &with_metadata(invalid))
}

/// `OpenRouter`, where the model behind it failed: the same with 200. What the caller did wrong keeps its status.
pub(super) fn openrouter_in_200(invalid: &Invalid) -> Answer {
    match invalid.trouble {
        Some(Trouble::Key) | None => openrouter(invalid),
        Some(_) => Answer::json(200, &with_metadata(invalid)),
    }
}

fn with_metadata(invalid: &Invalid) -> Value {
    let metadata = json!({"provider_name": "Sandbox", "raw": openai(invalid).to_string()});
    let error = json!({"code": invalid.status, "message": invalid.message, "metadata": metadata});
    json!({"error": error, "user_id": "user_sandbox"})
}

/// vLLM: an object under `error` whose code is a number.
pub(super) fn integer_code(invalid: &Invalid) -> Answer {
    let error = json!({
        "message": invalid.message, "type": python(invalid), "param": invalid.param, "code": invalid.status,
    });
    Answer::json(invalid.status, &json!({"error": error}))
}

/// vLLM before, and `SGLang`: the same without `error` around it; a field is named in the text alone, as Python prints it.
pub(super) fn flat(invalid: &Invalid) -> Answer {
    let message = match is_about_a_field(invalid) {
        true => {
            let field = invalid.param.as_deref().unwrap_or_default();
            format!(
                "[{{'type': 'extra_forbidden', 'loc': ('body', '{field}'), 'msg': 'Extra inputs are not permitted', 'input': {}}}]",
                invalid.input
            )
        }
        false => invalid.message.clone(),
    };
    let body = json!({
        "object": "error", "message": message, "type": python(invalid), "param": null, "code": invalid.status,
    });
    Answer::json(invalid.status, &body)
}

fn python(invalid: &Invalid) -> &'static str {
    match invalid.status {
        401 => "AuthenticationError",
        404 => "NotFoundError",
        429 => "RateLimitError",
        500.. => "InternalServerError",
        _ => "BadRequestError",
    }
}

/// llama.cpp: a number as code, types of its own, and the sizes where the prompt is too long.
pub(super) fn llama_cpp(invalid: &Invalid) -> Answer {
    Answer::json(invalid.status, &llama(invalid, invalid.status))
}

/// llama.cpp before: the same, with 500 where the prompt is too long.
pub(super) fn llama_cpp_500(invalid: &Invalid) -> Answer {
    match invalid.trouble {
        Some(Trouble::Overflow { .. }) => {
            let message = "the request exceeds the available context size";
            let error = json!({"code": 500, "message": message, "type": "server_error"});
            Answer::json(500, &json!({"error": error}))
        }
        _ => llama_cpp(invalid),
    }
}

fn llama(invalid: &Invalid, status: u16) -> Value {
    let kind = match invalid.status {
        401 => "authentication_error",
        404 => "not_found_error",
        503 => "unavailable_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let mut error = json!({"code": status, "message": invalid.message, "type": kind});
    if let Some(Trouble::Overflow { prompt, context }) = invalid.trouble {
        error["message"] = "the request exceeds the available context size".into();
        error["type"] = "exceed_context_size_error".into();
        error["n_prompt_tokens"] = prompt.into();
        error["n_ctx"] = context.into();
    }
    json!({"error": error})
}

/// mlx: a text under `error`.
pub(super) fn text(invalid: &Invalid) -> Answer {
    Answer::json(invalid.status, &json!({"error": invalid.message}))
}

/// LM Studio: a text under `error`, with 200 where the prompt is too long.
pub(super) fn lmstudio(invalid: &Invalid) -> Answer {
    match invalid.trouble {
        Some(Trouble::Overflow { prompt, context }) => {
            let message = format!(
                "the number of tokens to keep is greater than the context length: {prompt} of {context}"
            );
            Answer::json(200, &json!({"error": message}))
        }
        _ => text(invalid),
    }
}

/// LM Studio with a GGUF model: a completion without text where the prompt is too long.
pub(super) fn lmstudio_gguf(invalid: &Invalid) -> Answer {
    match invalid.trouble {
        Some(Trouble::Overflow { .. }) => {
            let message = json!({"role": "assistant", "content": "", "tool_calls": []});
            let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
            let body =
                json!({"id": "chatcmpl-sandbox", "object": "chat.completion", "choices": [choice]});
            Answer::json(200, &body)
        }
        _ => text(invalid),
    }
}

/// A proxy: a page for people.
pub(super) fn html(invalid: &Invalid) -> Answer {
    page(invalid.status, invalid.status)
}

/// A page for people, in a success: the login of some network.
pub(super) fn html_in_200(invalid: &Invalid) -> Answer {
    page(200, invalid.status)
}

fn page(status: u16, title: u16) -> Answer {
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body><center><h1>{title}</h1></center></body>\r\n</html>\r\n"
    );
    let mut answer = Answer::raw(status, page);
    answer.headers = vec![("content-type".to_owned(), "text/html".to_owned())];
    answer
}

/// A success without a byte.
pub(super) fn nothing_in_200(_: &Invalid) -> Answer {
    Answer::raw(200, "")
}

fn is_about_a_field(invalid: &Invalid) -> bool {
    invalid.trouble.is_none() && invalid.param.is_some()
}

fn complaint(invalid: &Invalid) -> Value {
    let param = invalid.param.as_deref().unwrap_or_default();
    let field = match invalid.code {
        Some("unsupported_parameter" | "unknown_parameter") => {
            ("extra_forbidden", "Extra inputs are not permitted")
        }
        _ => ("value_error", invalid.message.as_str()),
    };
    let parts = param.split(['.', '[', ']']).filter(|part| !part.is_empty());
    let place: Vec<Value> = std::iter::once(json!("body"))
        .chain(parts.map(|part| {
            part.parse::<u64>()
                .map_or_else(|_| json!(part), Value::from)
        }))
        .collect();
    json!({"type": field.0, "loc": place, "msg": field.1, "input": invalid.input})
}
