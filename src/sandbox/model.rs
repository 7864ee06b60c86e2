//! A stand-in for an OpenAI-compatible model: strict about requests, obedient about answers.

mod check;
mod clerk;
mod words;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::http::Method;
use serde_json::{Value, json};

use super::{Answer, Exchange, Plan, Role, StandIn, excerpt, lock};
use crate::shutdown::Shutdown;
use check::Invalid;

/// The largest request: far above any conversation that the gateway sends, and small enough to read at once.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// Characters to a token, as a rule of thumb for the usage numbers.
const CHARS_PER_TOKEN: usize = 4;

/// A stand-in for a model. Answers what it was told to, in this order: the script, the custom responder, its own wits.
pub type Model = StandIn<ModelState>;

/// What a model stand-in knows.
#[derive(Default)]
pub struct ModelState {
    key: Mutex<Option<String>>,
    script: Mutex<VecDeque<Reply>>,
    responder: Mutex<Option<Arc<Responder>>>,
}

type Responder = dyn Fn(&Value) -> Reply + Send + Sync;

/// One answer of the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// A completion with this text.
    Text(String),
    /// A completion whose text is this value as JSON.
    Object(Value),
    /// This status and body, and no completion.
    Raw(u16, String),
    /// What the stand-in would have answered by itself, with this going wrong; `when`, `times` and `taken` mean nothing here.
    Fault(Plan),
}

impl Reply {
    /// Gives the object that an assistant is asked for, with the action `answer`.
    pub fn says(reply: &str) -> Self {
        Self::acts("answer", reply)
    }

    /// Gives the object that an assistant is asked for, with another action.
    pub fn acts(action: &str, reply: &str) -> Self {
        Self::Object(json!({
            "reply": reply, "action": action, "rule": null, "reason": "as scripted", "language": "en",
        }))
    }
}

impl Model {
    /// Starts a stand-in on `bind`; port 0 takes a free one.
    pub async fn start(bind: SocketAddr, shutdown: &Shutdown) -> io::Result<Self> {
        let role = Role {
            body_max: BODY_MAX,
            answer,
            refuse: |_, status| refusal(&Invalid::forced(status)),
            keep: |_, _| (),
            clear: |_| (),
        };
        Self::open(bind, shutdown, role, ModelState::default()).await
    }

    /// Gives the base URL, as an OpenAI client wants it.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address())
    }

    /// Refuses requests without this key.
    pub fn require_key(&self, key: &str) {
        *lock(&self.0.state.key) = Some(key.to_owned());
    }

    /// Adds answers to the script; each is given once, in order.
    pub fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        lock(&self.0.state.script).extend(replies);
    }

    /// Tells how many answers of the script are still to be given.
    pub fn script_left(&self) -> usize {
        lock(&self.0.state.script).len()
    }

    /// Answers by `responder`, which gets the request's body, where the script is at its end.
    pub fn respond_with(&self, responder: impl Fn(&Value) -> Reply + Send + Sync + 'static) {
        *lock(&self.0.state.responder) = Some(Arc::new(responder));
    }

    fn next_reply(&self, request: &Value) -> Reply {
        let scripted = lock(&self.0.state.script).pop_front();
        if let Some(reply) = scripted {
            return reply;
        }
        let responder = lock(&self.0.state.responder).clone();
        match responder {
            Some(responder) => responder(request),
            None => own_reply(request),
        }
    }
}

fn own_reply(request: &Value) -> Reply {
    let answer = clerk::answer(request);
    match request["response_format"]["type"].as_str() {
        Some("json_schema" | "json_object") => Reply::Object(answer.object()),
        _ => Reply::Text(answer.reply),
    }
}

fn answer(model: &Model, exchange: &Exchange) -> Answer {
    let key = lock(&model.0.state.key).clone();
    if let Some(key) = key
        && exchange.bearer() != Some(key.as_str())
    {
        return refusal(&Invalid::key());
    }
    match (&exchange.method, exchange.path.trim_start_matches("/v1")) {
        (&Method::GET, "/models") => Answer::json(200, &models(exchange)),
        (&Method::POST, "/chat/completions") => match check::request(exchange) {
            Ok(request) => complete(model, exchange, &request),
            Err(invalid) => refusal(&invalid),
        },
        (_, "/models" | "/chat/completions") => refusal(&Invalid::forced(405)),
        _ => refusal(&Invalid::forced(404)),
    }
}

fn complete(model: &Model, exchange: &Exchange, request: &Value) -> Answer {
    let (reply, plan) = match model.next_reply(request) {
        Reply::Fault(plan) => (own_reply(request), Some(plan)),
        reply => (reply, None),
    };
    let content = match reply {
        Reply::Text(text) => text,
        Reply::Object(object) => object.to_string(),
        Reply::Raw(status, body) => return Answer::raw(status, body),
        Reply::Fault(_) => String::new(),
    };
    let mut answer = Answer::json(200, &completion(exchange, request, &content));
    answer.plan = plan;
    if model.is_watched() {
        let asked = clerk::last_said(request);
        answer.note = format!("\"{}\" -> \"{}\"", excerpt(&asked), excerpt(&content));
    }
    answer
}

fn completion(exchange: &Exchange, request: &Value, content: &str) -> Value {
    let prompt_tokens = exchange.raw.len().div_ceil(CHARS_PER_TOKEN);
    let completion_tokens = content.chars().count().div_ceil(CHARS_PER_TOKEN);
    json!({
        "id": format!("chatcmpl-sandbox{}", exchange.number),
        "object": "chat.completion",
        "created": exchange.at.as_second(),
        "model": request["model"],
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": content, "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    })
}

fn models(exchange: &Exchange) -> Value {
    let created = exchange.at.as_second();
    json!({
        "object": "list",
        "data": [{ "id": "sandbox", "object": "model", "created": created, "owned_by": "sandbox" }],
    })
}

fn refusal(invalid: &Invalid) -> Answer {
    let mut answer = Answer::json(invalid.status, &invalid.body());
    answer.note.clone_from(&invalid.message);
    answer
}

#[cfg(test)]
mod tests;
