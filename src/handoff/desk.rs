//! The client of a desk's webhook.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::CONTENT_TYPE;

use super::{DeskConfig, SigningKey, SigningKeyError};
use crate::clock::{Clock, Elapsed, later};
use crate::domain::{Attempted, Delivery, OnUnknown};
use crate::http_client::{self, BuildError, Options};
use crate::metrics::{self, Code};
use crate::redact::{Private, Secret};
use crate::retry::Schedule;
use crate::telemetry::{Carried, Requests};

/// The waits between attempts: short ones for a desk that is away for a moment; one that was down for a night hears within
/// a quarter of an hour.
const RETRIES: Schedule = Schedule(&[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(5),
    Duration::from_mins(15),
]);

/// How long a `Retry-After` can make us wait; a desk that asks for more is asked again all the same.
const WAIT_AT_MOST: Duration = Duration::from_hours(1);

/// Tells one desk what happens.
#[derive(Debug)]
pub struct Desk {
    http: reqwest::Client,
    url: String,
    keys: Vec<SigningKey>,
    secrets: Vec<Secret>,
    timeout: Duration,
    clock: Clock,
    metrics: metrics::Desk,
    traces: Requests,
}

/// Why a desk's client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The signing key is none.
    #[error("signing key: {0}")]
    Key(#[from] SigningKeyError),
    /// The HTTP client could not be made.
    #[error(transparent)]
    Http(#[from] BuildError),
}

impl Desk {
    /// Makes the client; nothing is sent.
    pub fn new(config: &DeskConfig, clock: Clock) -> Result<Self, DeskError> {
        let keys = config.signing_key.0.iter();
        let keys = keys.map(|key| SigningKey::parse(key.expose()));
        Ok(Self {
            http: http_client::build(&Options::towards_address(&config.url))?,
            url: config.url.clone(),
            keys: keys.collect::<Result<_, _>>()?,
            secrets: config.secrets.clone(),
            timeout: config.timeout,
            clock,
            metrics: metrics::Desk::default(),
            traces: Requests::default(),
        })
    }

    /// Counts its requests from here on.
    #[must_use]
    pub fn measured(self, metrics: metrics::Desk) -> Self {
        Self { metrics, ..self }
    }

    /// Traces its requests from here on.
    #[must_use]
    pub fn traced(self, traces: Requests) -> Self {
        Self { traces, ..self }
    }

    /// Tells whether a caller's token is one of this desk's.
    pub fn recognises(&self, token: &[u8]) -> bool {
        self.secrets
            .iter()
            .fold(false, |known, secret| secret.matches(token) | known)
    }

    /// Posts an event. The id is the same over all attempts, the time and the signature are this attempt's.
    pub async fn send(&self, delivery: &Delivery, body: &Private<String>) -> Attempted {
        let id = delivery.id.to_string();
        let now = self.clock.now();
        let request = self
            .http
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("idempotency-key", &id)
            .header("webhook-timestamp", now.as_second().to_string())
            .header("webhook-signature", self.sign(&id, now, body))
            .body(body.0.clone());
        let wait = RETRIES.after(delivery.attempts + 1, delivery.id.0);
        let retry = |wait, error: String| Attempted::Retry {
            at: later(self.clock.now(), wait),
            counts: true,
            error,
        };
        match self.exchange(delivery, request).await {
            Ok(Ok(response)) if response.status().is_success() => Attempted::Sent,
            Ok(Ok(response)) => {
                let asked = http_client::retry_after(response.headers(), now, WAIT_AT_MOST);
                let error = format!("the desk answered {}", response.status().as_u16());
                retry(asked.unwrap_or_default().max(wait), error)
            }
            Ok(Err(error)) if error.is_connect() => {
                retry(wait, "could not connect to the desk".to_owned())
            }
            // The desk knows a second copy by its id, so doubt is no reason to hold back.
            Ok(Err(_)) => self.doubt(wait, "the connection to the desk broke"),
            Err(Elapsed) => self.doubt(wait, "the desk did not answer in time"),
        }
    }

    /// Gives the signatures of all keys, as Standard Webhooks has it while one is replaced.
    fn sign(&self, id: &str, now: Timestamp, body: &str) -> String {
        let signatures = self.keys.iter().map(|key| key.sign(id, now, body));
        signatures.collect::<Vec<_>>().join(" ")
    }

    /// Makes one request, counts it and traces it.
    async fn exchange(
        &self,
        delivery: &Delivery,
        request: reqwest::RequestBuilder,
    ) -> Result<Result<reqwest::Response, reqwest::Error>, Elapsed> {
        let carried = Carried {
            assistant: &delivery.conversation.assistant,
            conversation: delivery.conversation.id.0,
            delivery: delivery.id.0,
            attempts: delivery.attempts,
        };
        let (span, started) = (self.traces.begin(&carried), self.clock.elapsed());
        let answered = self.clock.timeout(self.timeout, request.send()).await;
        let took = self.clock.elapsed().saturating_sub(started);
        let code = match &answered {
            Ok(Ok(response)) => Code::Status(response.status().as_u16()),
            Ok(Err(error)) if error.is_connect() => Code::Unconnected,
            Ok(Err(_)) => Code::Broken,
            Err(Elapsed) => Code::Timeout,
        };
        self.metrics.asked(took, code);
        span.ended(code);
        answered
    }

    /// Says of an attempt that it may have arrived. A desk knows a second copy by its id.
    pub fn doubt(&self, wait: Duration, error: &str) -> Attempted {
        Attempted::Unknown {
            policy: OnUnknown::ResendOnce,
            at: later(self.clock.now(), wait),
            error: error.to_owned(),
        }
    }
}
