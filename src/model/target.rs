//! A target: one model endpoint that can be asked.

mod health;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::breaker::{Breaker, BreakerState};
use super::config::MAX_TOKENS_RANGE;
use super::dialect::{Dialect, Field, Refused};
use super::format::Manner;
use super::lenient::{Opened, Text, open};
use super::meter::Metered;
use super::transport::{self, Client, Endpoint};
use super::{Fault, FaultKind, Meter, Ruler, Scripts, TargetConfig, Usage};
use crate::clock::Clock;
use crate::domain::{Money, Spending};
use crate::http_client::{self, BuildError, Options, Patient};
use crate::metrics;
use crate::problem::Problem;
use crate::telemetry::gen_ai::{Asked, Call, Told};

/// How much more room an answer gets that the token limit cut off.
const MORE_ROOM: u32 = 4;

/// One model endpoint. Cloning gives another handle on the same connections.
#[derive(Clone)]
pub struct Target {
    inner: Arc<Inner>,
    metrics: metrics::Model,
}

struct Inner {
    name: String,
    server: (String, u16),
    config: TargetConfig,
    client: Client,
    clock: Clock,
    breaker: Breaker,
    refused: Refused,
    slots: Semaphore,
    ruler: Ruler,
    /// Whether an answer needed more room than `max_tokens` gives, and fitted into more.
    needs_room: AtomicBool,
    /// The place of the kind of fault that it was left alone for last.
    rests_for: AtomicUsize,
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

/// What one call gave.
pub(super) struct Got<T> {
    pub(super) read: T,
    pub(super) usage: Usage,
    pub(super) model: Option<String>,
}

impl Target {
    /// Makes a target from settings whose key has been filled in. Nothing is called yet.
    pub fn new(name: &str, config: &TargetConfig, clock: Clock) -> Result<Self, TargetError> {
        if let Some(problem) = config.check().into_iter().next() {
            return Err(TargetError::Config(problem));
        }
        let url = config.endpoint().map_err(TargetError::Config)?;
        let options = Options {
            http1_only: true,
            connect: config.connect_within,
            ..Options::towards(&url)
        };
        let http = http_client::build(&options)?;
        let patient = Patient::new(&url, options, clock.clone())?;
        let endpoint = Endpoint {
            base: url.as_str().trim_end_matches('/').to_owned(),
            headers: headers(config)?,
            query: config.query.clone().into_iter().collect(),
            no_key: SecretString::default(),
        };
        let first_byte = config.first_byte_within;
        let inner = Inner {
            name: name.to_owned(),
            server: http_client::peer(url.as_str()),
            client: transport::client(http, patient, clock.clone(), endpoint, first_byte),
            breaker: Breaker::new(clock.clone()),
            refused: Refused::default(),
            slots: Semaphore::new(config.concurrency()),
            ruler: Ruler::default(),
            needs_room: AtomicBool::new(false),
            rests_for: AtomicUsize::new(0),
            config: config.clone(),
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

    /// Gives its name in the configuration.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Gives the model's name, as the configuration has it.
    pub fn model(&self) -> &str {
        &self.inner.config.model
    }

    /// Gives what estimates its tokens.
    pub fn ruler(&self) -> &Ruler {
        &self.inner.ruler
    }

    /// Gives the fields that requests to it use, by what it has refused so far.
    pub fn dialect(&self) -> Dialect {
        Dialect::of(&self.inner.config, &self.inner.refused)
    }

    /// Tells whether calls go through to it.
    pub fn state(&self) -> BreakerState {
        self.inner.breaker.state()
    }

    /// Tells after which time a call may go through to it; `None` where one would now.
    pub(super) fn rests(&self) -> Option<Duration> {
        self.inner.breaker.wait()
    }

    /// Gives a slot for a call, in the order in which they were asked for; `None` where none became free within `limit`.
    pub(super) async fn slot(&self, limit: Duration) -> Option<SemaphorePermit<'_>> {
        let Inner { slots, clock, .. } = &*self.inner;
        if let Ok(slot) = slots.try_acquire() {
            return Some(slot);
        }
        let _waits = self.metrics.waits();
        clock.timeout(limit, slots.acquire()).await.ok()?.ok()
    }

    /// Gives a slot for a call that nobody waits for, while more than half of them are free and one is left for those who
    /// do wait.
    pub(super) fn spare_slot(&self) -> Option<SemaphorePermit<'_>> {
        let Inner { slots, config, .. } = &*self.inner;
        let is_spare = slots.available_permits() > (config.concurrency() / 2).max(1);
        slots.try_acquire().ok().filter(|_| is_spare)
    }

    /// Gives how long one call may take, where it is configured.
    pub(super) fn attempt_within(&self) -> Option<Duration> {
        self.inner.config.attempt_within
    }

    /// Gives how often a turn may ask it again.
    pub(super) fn retries(&self) -> u32 {
        self.inner.config.retries
    }

    /// Gives how to write a request to it, with more room for the answer or with the usual.
    pub(super) fn manner(&self, dialect: Dialect, is_roomy: bool) -> Manner<'_> {
        let config = &self.inner.config;
        let more = config.max_tokens.saturating_mul(MORE_ROOM);
        Manner {
            config,
            dialect,
            max_tokens: match is_roomy {
                true => more.min(*MAX_TOKENS_RANGE.end()),
                false => config.max_tokens,
            },
        }
    }

    /// Tells whether it looks at pictures.
    pub(super) fn sees_images(&self) -> bool {
        self.inner.config.images
    }

    /// Tells whether its answers need more room than is configured.
    pub(super) fn needs_room(&self) -> bool {
        self.inner.needs_room.load(Ordering::Relaxed)
    }

    /// Notes that an answer that was cut off fitted into more room: so that the next one need not be cut off first.
    pub(super) fn fitted(&self) {
        if !self.inner.needs_room.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                model = self.inner.name,
                max_tokens = self.inner.config.max_tokens,
                "the model's answers are cut off at `max_tokens`; it is given four times as many from now on: raise it"
            );
        }
    }

    /// Notes that the target does not take a field that it was sent.
    pub(super) fn do_without(&self, field: Field) {
        self.inner.refused.learn(field);
        tracing::info!(
            model = self.inner.name,
            field = field.as_str(),
            "the model's server refuses a field; it is asked without from now on"
        );
    }

    /// Makes one call, counts it and traces it. The limit holds from the connection to the last byte.
    pub(super) async fn call<T>(
        &self,
        body: Value,
        limit: Duration,
        meter: &Meter,
        read: impl FnOnce(&Text) -> Result<T, FaultKind>,
    ) -> Result<Got<T>, Fault> {
        let calling = self.metrics.calls();
        self.counted(body, limit, meter, calling, read).await
    }

    /// Makes one call that no customer waits for.
    pub(super) async fn call_aside<T>(
        &self,
        body: Value,
        limit: Duration,
        meter: &Meter,
        read: impl FnOnce(&Text) -> Result<T, FaultKind>,
    ) -> Result<Got<T>, Fault> {
        let calling = self.metrics.calls().aside();
        self.counted(body, limit, meter, calling, read).await
    }

    async fn counted<T>(
        &self,
        body: Value,
        limit: Duration,
        meter: &Meter,
        calling: metrics::Calling,
        read: impl FnOnce(&Text) -> Result<T, FaultKind>,
    ) -> Result<Got<T>, Fault> {
        let clock = &self.inner.clock;
        let scripts = scripts(&body);
        let mut traced = self.trace(&body, meter);
        let (metered, started) = (meter.begin(), clock.elapsed());
        let opened = self.exchange(body, limit).await;
        let took = clock.elapsed().saturating_sub(started);
        let spending = self.spending(&opened);
        self.count(spending, opened.is_ok(), metered);
        if let Ok(opened) = &opened {
            traced.told(&told(opened, spending));
        }
        let got = opened.and_then(|opened| {
            self.metrics.used(tokens(&opened.usage));
            if let Some(input) = opened.usage.input {
                self.inner.ruler.learn(&scripts, input);
            }
            let text = opened.said?;
            let fault = |kind| Fault {
                is_cut: text.is_cut,
                is_wording: true,
                ..Fault::from(kind)
            };
            Ok(Got {
                read: read(&text).map_err(fault)?,
                usage: opened.usage,
                model: opened.model,
            })
        });
        let fault = got.as_ref().err().map(|fault| fault.kind.as_str());
        calling.ended(took, fault);
        traced.ended(fault);
        got
    }

    fn trace(&self, body: &Value, meter: &Meter) -> Call {
        meter.parent().chat(&Asked {
            target: &self.inner.name,
            provider: self.inner.config.provider(),
            model: &self.inner.config.model,
            server: &self.inner.server,
            body,
        })
    }

    fn count(&self, spending: Spending, is_answer: bool, metered: Metered<'_>) {
        metered.end(spending);
        self.metrics.cost(spending.cost.nanos());
        if is_answer && spending.untold > 0 {
            self.metrics.untold();
        }
    }

    /// Gives what a call took.
    fn spending(&self, opened: &Result<Opened, Fault>) -> Spending {
        let (usage, is_untold) = match opened {
            Ok(opened) => (
                opened.usage,
                opened.usage.input.is_none() && opened.usage.output.is_none(),
            ),
            // A request that was refused, or never arrived, took nothing.
            Err(fault) => (
                Usage::default(),
                fault.status.is_none() && fault.kind != FaultKind::Connect,
            ),
        };
        let price = self.inner.config.price;
        Spending {
            calls: 1,
            untold: u32::from(is_untold),
            input_tokens: usage.input.unwrap_or_default(),
            output_tokens: usage.output.unwrap_or_default(),
            cost: price.map_or(Money::ZERO, |price| price.cost(&usage)),
        }
    }

    /// Sends one request and opens what comes back.
    async fn exchange(&self, body: Value, limit: Duration) -> Result<Opened, Fault> {
        let Inner { client, clock, .. } = &*self.inner;
        let chat = client.chat();
        let answer = clock
            .timeout(limit, chat.create_byot::<Value, Value>(body))
            .await;
        let body = answer
            .map_err(|_| FaultKind::Timeout)?
            .map_err(transport::fault)?;
        Ok(open(&body))
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.inner.config).finish()
    }
}

fn told(opened: &Opened, spending: Spending) -> Told<'_> {
    Told {
        id: opened.id.as_deref(),
        model: opened.model.as_deref(),
        finish_reason: &opened.finish,
        tokens: tokens(&opened.usage),
        cost_nanos: spending.cost.nanos(),
        text: opened.said.as_ref().ok().map(|text| text.text.as_str()),
    }
}

fn tokens(usage: &Usage) -> metrics::Tokens {
    metrics::Tokens {
        input: usage.input,
        output: usage.output,
        cached: usage.cached,
        reasoning: usage.reasoning,
    }
}

/// Counts what the server will count: the messages, and the schema where there is one.
fn scripts(body: &Value) -> Scripts {
    let messages = body["messages"].as_array().into_iter().flatten();
    let contents = messages.filter_map(|message| message["content"].as_str());
    let schemas = ["response_format", "tools"].map(|field| &body[field]);
    let schemas = schemas.into_iter().filter(|schema| !schema.is_null());
    let schemas = schemas.map(|schema| Scripts::of(&schema.to_string()));
    contents.map(Scripts::of).chain(schemas).sum()
}

fn headers(config: &TargetConfig) -> Result<HeaderMap, TargetError> {
    let unsendable =
        |key: &str| TargetError::Config(Problem::new(key, "cannot be sent in a header"));
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        let name: HeaderName = name.parse().map_err(|_| unsendable("headers"))?;
        headers.insert(name, value.parse().map_err(|_| unsendable("headers"))?);
    }
    if let Some(key) = config.key() {
        let (name, text) = match config.key_header() {
            Some(name) => {
                let name = name.parse().map_err(|_| unsendable("key_header"))?;
                (name, key.to_owned())
            }
            None => (AUTHORIZATION, format!("Bearer {key}")),
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| unsendable("api_key"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}
