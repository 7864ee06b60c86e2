//! A target: one model endpoint that can be asked.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use serde_json::Value;

use super::lenient::{Opened, open};
use super::transport::{self, Client};
use super::{
    Answered, Completed, Fault, FaultKind, Question, TargetConfig, Turn, format, object, think,
};
use crate::clock::Clock;
use crate::http_client::{self, BuildError, Options};
use crate::metrics;
use crate::problem::Problem;
use crate::redact::Private;

/// One model endpoint. Cloning gives another handle on the same connections.
#[derive(Clone)]
pub struct Target {
    inner: Arc<Inner>,
    metrics: metrics::Model,
}

struct Inner {
    config: TargetConfig,
    client: Client,
    clock: Clock,
}

/// Says why a target cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The settings are wrong; [`TargetConfig::check`] tells all that is.
    #[error("{0}")]
    Config(Problem),
    /// There is no HTTP client to call with.
    #[error(transparent)]
    Client(#[from] BuildError),
}

impl Target {
    /// Makes a target from settings whose key has been filled in. Nothing is called yet.
    pub fn new(config: &TargetConfig, clock: Clock) -> Result<Self, TargetError> {
        if let Some(problem) = config.check().into_iter().next() {
            return Err(TargetError::Config(problem));
        }
        let url = config.endpoint().map_err(TargetError::Config)?;
        let http = http_client::build(&Options {
            http1_only: true,
            ..Options::towards(&url)
        })?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        let client = transport::client(http, clock.clone(), base, bearer(config)?);
        let config = config.clone();
        let inner = Inner {
            config,
            client,
            clock,
        };
        Ok(Self {
            inner: Arc::new(inner),
            metrics: metrics::Model::default(),
        })
    }

    /// Counts its calls from here on.
    #[must_use]
    pub fn measured(self, metrics: metrics::Model) -> Self {
        Self { metrics, ..self }
    }

    /// Gives the model's name, as the configuration has it.
    pub fn model(&self) -> &str {
        &self.inner.config.model
    }

    /// Asks for an answer, within the target's deadline. One request is sent, never a second.
    pub async fn answer(&self, question: Question) -> Result<Answered, Fault> {
        let (body, rules) = self.compose(question);
        let read = |opened: Opened, elapsed| {
            Ok(Answered {
                answer: object::answer(&opened.text, opened.cut, &rules)?,
                usage: opened.usage,
                model: opened.model,
                elapsed,
            })
        };
        self.call(body, self.inner.config.deadline, read).await
    }

    /// Asks for plain text about a conversation, within `limit`. One request is sent, never a second.
    pub async fn complete(
        &self,
        system: &str,
        turns: &[Turn],
        limit: Duration,
    ) -> Result<Completed, Fault> {
        let body = format::text(&self.inner.config, system, turns);
        let read = |opened: Opened, elapsed| {
            let text = think::strip(&opened.text).trim().to_owned();
            if text.is_empty() {
                return Err(FaultKind::Empty.into());
            }
            Ok(Completed {
                text: Private(text),
                usage: opened.usage,
                model: opened.model,
                elapsed,
            })
        };
        self.call(body, limit, read).await
    }

    /// Gives the request's body, and of the question what its answer is read by: the rest need not wait for that.
    fn compose(&self, question: Question) -> (Value, Vec<(String, String)>) {
        let body = format::question(&self.inner.config, &question);
        (body, question.rules)
    }

    /// Makes one call and counts it.
    async fn call<T>(
        &self,
        body: Value,
        limit: Duration,
        read: impl FnOnce(Opened, Duration) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let clock = &self.inner.clock;
        let (calling, started) = (self.metrics.calls(), clock.elapsed());
        let opened = self.exchange(body, limit).await;
        let took = clock.elapsed().saturating_sub(started);
        if let Ok(opened) = &opened {
            let usage = opened.usage;
            self.metrics.used(metrics::Tokens {
                input: usage.input,
                output: usage.output,
                cached: usage.cached,
                reasoning: usage.reasoning,
            });
        }
        let called = opened.and_then(|opened| read(opened, took));
        let fault = called.as_ref().err().map(|fault| fault.kind.as_str());
        calling.ended(took, fault);
        called
    }

    /// Sends one request and opens what comes back; the limit holds from the connection to the last byte.
    async fn exchange(&self, body: Value, limit: Duration) -> Result<Opened, Fault> {
        let Inner { client, clock, .. } = &*self.inner;
        let chat = client.chat();
        let answer = clock
            .timeout(limit, chat.create_byot::<Value, Value>(body))
            .await;
        let body = answer
            .map_err(|_| FaultKind::Timeout)?
            .map_err(transport::fault)?;
        open(&body)
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.inner.config).finish()
    }
}

fn bearer(config: &TargetConfig) -> Result<Option<HeaderValue>, TargetError> {
    let Some(key) = config.key() else {
        return Ok(None);
    };
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| {
        TargetError::Config(Problem::new(
            "api_key",
            "the key cannot be sent in a header",
        ))
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}
