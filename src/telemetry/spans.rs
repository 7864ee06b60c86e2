//! The spans of what the gateway does itself: turns, and requests that carry words out.

use opentelemetry::trace::SpanKind;
use uuid::Uuid;

use super::gen_ai::{CONVERSATION, Generation, PROMPT_NAME, PROMPT_VERSION};
use super::{Span, Tracer};
use crate::http_client;
use crate::metrics::{Code, TurnEnd};

/// Of what we have no convention for.
const ASSISTANT: &str = "frontdesk.assistant";
const DELIVERY: &str = "frontdesk.delivery.id";
const DESK: &str = "frontdesk.desk";
const MESSAGES: &str = "frontdesk.messages";
const OUTCOME: &str = "frontdesk.outcome";
const OWN_PROMPT_VERSION: &str = "frontdesk.prompt.version";
const RESULT: &str = "frontdesk.turn.result";
const RULE: &str = "frontdesk.rule";
const WORKSPACE: &str = "frontdesk.workspace";

/// The convention's names for requests over HTTP.
const METHOD: &str = "http.request.method";
const RESENT: &str = "http.request.resend_count";
const STATUS: &str = "http.response.status_code";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";

impl Tracer {
    /// Begins the span of a turn over so many messages.
    pub fn turn(&self, assistant: &str, conversation: Uuid, messages: usize) -> Span {
        let mut span = self.begin("turn", SpanKind::Internal);
        span.note(ASSISTANT, assistant.to_owned());
        span.note(CONVERSATION, conversation.to_string());
        span.note(MESSAGES, i64::try_from(messages).unwrap_or(i64::MAX));
        span
    }

    /// Traces the sends of a workspace.
    pub fn workspace(&self, name: &str, endpoint: &str) -> Requests {
        self.requests("braze send", (WORKSPACE, name), endpoint)
    }

    /// Traces the posts to a desk.
    pub fn desk(&self, name: &str, url: &str) -> Requests {
        self.requests("desk post", (DESK, name), url)
    }

    fn requests(
        &self,
        span: &'static str,
        (key, name): (&'static str, &str),
        url: &str,
    ) -> Requests {
        Requests {
            tracer: self.clone(),
            span,
            whose: (key, name.to_owned()),
            server: http_client::peer(url),
        }
    }
}

impl Span {
    /// Notes what a turn decided, by which rule and under which version of the assistant's prompts.
    pub fn decided(
        &mut self,
        assistant: &str,
        outcome: &'static str,
        rule: Option<&str>,
        prompt_version: Option<&str>,
    ) {
        self.note(OUTCOME, outcome);
        if let Some(rule) = rule {
            self.note(RULE, rule.to_owned());
        }
        if let Some(version) = prompt_version {
            let key = match self.names() {
                Generation::Published => OWN_PROMPT_VERSION,
                Generation::Latest => {
                    self.note(PROMPT_NAME, assistant.to_owned());
                    PROMPT_VERSION
                }
            };
            self.note(key, version.to_owned());
        }
        if outcome.starts_with("failed") {
            self.fail(outcome);
        }
    }

    /// Notes how a turn ended.
    pub fn turned(&mut self, end: TurnEnd) {
        self.note(RESULT, end.as_str());
    }
}

/// Traces the requests to one server. The default one traces nothing.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    tracer: Tracer,
    span: &'static str,
    whose: (&'static str, String),
    server: (String, u16),
}

/// What a request carries.
#[derive(Clone, Copy)]
pub struct Carried<'a> {
    /// The assistant whose conversation it is.
    pub assistant: &'a str,
    /// The conversation.
    pub conversation: Uuid,
    /// The delivery.
    pub delivery: Uuid,
    /// How often it was tried before.
    pub attempts: u32,
}

/// A request that is under way.
#[derive(Debug)]
pub struct Requesting(Span);

impl Requests {
    /// Begins the span of a request.
    pub fn begin(&self, carried: &Carried<'_>) -> Requesting {
        let mut span = self.tracer.begin(self.span, SpanKind::Client);
        let ((key, name), (host, port)) = (&self.whose, &self.server);
        span.note(key, name.clone());
        span.note(METHOD, "POST");
        span.note(SERVER_ADDRESS, host.clone());
        span.note(SERVER_PORT, i64::from(*port));
        span.note(ASSISTANT, carried.assistant.to_owned());
        span.note(CONVERSATION, carried.conversation.to_string());
        span.note(DELIVERY, carried.delivery.to_string());
        if carried.attempts > 0 {
            span.note(RESENT, i64::from(carried.attempts));
        }
        Requesting(span)
    }
}

impl Requesting {
    /// Ends it.
    pub fn ended(mut self, code: Code) {
        match code {
            Code::Status(status) => {
                self.0.note(STATUS, i64::from(status));
                if status >= 400 {
                    self.0.fail(status.to_string());
                }
            }
            code => self.0.fail(code.as_str()),
        }
    }
}
