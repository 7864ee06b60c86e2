//! Requests that send: words for one customer, or for several, through whatever way an assistant has.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;

use super::answer::{braze_message, brought, concerns_all, names_recipient, warn_of};
use super::body::{Request, Riders};
use super::config::WorkspaceConfig;
use super::gate::Gate;
use super::shy::Shy;
use super::spacing::Spacing;
use super::track::{self, Judged, Pace};
use super::way::{Speaker, Vehicle};
use crate::clock::{Clock, Elapsed, later};
use crate::domain::{Attempted, Delivery, DeliveryId, Mirrored, OnUnknown, ProfileUpdate};
use crate::http_client::{self, BuildError, Options};
use crate::metrics::{self, Code};
use crate::redact::Secret;
use crate::retry::Schedule;
use crate::telemetry::{Carried, Requests};

/// The waits between attempts at a reply that Braze certainly did not take, until it is too old.
const RETRIES: Schedule = Schedule(&[
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(5),
]);

/// How long a workspace rests after Braze refused its key: sending on would only fill Braze's log.
const REST_AFTER_REFUSED_KEY: Duration = Duration::from_secs(30);

/// When a reply of unknown fate is sent again, where that is the policy. Its answer may still come into the log.
const RESEND_AFTER: Duration = Duration::from_secs(10);

/// What is read of an answer. Braze's are a few hundred bytes; one about fifty customers is some kilobytes.
const ANSWER_BYTES: usize = 64 * 1_024;

/// Sends for one workspace.
#[derive(Debug)]
pub struct Workspace {
    http: reqwest::Client,
    base: String,
    key: Secret,
    gate: Gate,
    spacing: Spacing,
    shy: Shy,
    track: Pace,
    on_unknown: OnUnknown,
    gateway_errors_in_doubt: bool,
    concurrency: NonZeroU32,
    batch: usize,
    timeout: Duration,
    clock: Clock,
    metrics: metrics::Workspace,
    traces: Requests,
}

/// How a request ended: a status with the answer's first bytes, or why there is neither.
type Exchanged = Result<Result<(u16, Vec<u8>), reqwest::Error>, Elapsed>;

impl Workspace {
    /// Makes the client; nothing is sent.
    pub fn new(
        config: &WorkspaceConfig,
        on_unknown: OnUnknown,
        clock: Clock,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            http: http_client::build(&Options::towards_address(&config.endpoint))?,
            base: config.endpoint.trim_end_matches('/').to_owned(),
            key: config.api_key.clone(),
            gate: Gate::new(config.rate, config.burst, clock.clone()),
            spacing: Spacing::new(&clock),
            shy: Shy::default(),
            track: Pace::new(&clock),
            on_unknown,
            gateway_errors_in_doubt: config.gateway_errors_in_doubt,
            concurrency: config.concurrency,
            batch: usize::try_from(config.batch.get()).unwrap_or(1),
            timeout: config.timeout,
            clock,
            metrics: metrics::Workspace::default(),
            traces: Requests::default(),
        })
    }

    /// Counts its requests, and what happens at its gate, from here on.
    #[must_use]
    pub fn measured(self, metrics: metrics::Workspace) -> Self {
        metrics.batch(self.batch);
        Self {
            gate: self.gate.measured(metrics.clone()),
            metrics,
            ..self
        }
    }

    /// Traces its requests from here on.
    #[must_use]
    pub fn traced(self, traces: Requests) -> Self {
        Self { traces, ..self }
    }

    /// Gives the gate that every send of this workspace passes.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Gives what is counted of it.
    pub fn metrics(&self) -> &metrics::Workspace {
        &self.metrics
    }

    /// Tells how many requests may be under way at once.
    pub fn concurrency(&self) -> NonZeroU32 {
        self.concurrency
    }

    /// Tells in how large a company a delivery may ride.
    pub fn company(&self, delivery: DeliveryId) -> usize {
        self.shy.company(delivery, self.batch)
    }

    /// Makes deliveries that came to grief together ride apart.
    pub fn part(&self, deliveries: &[DeliveryId]) {
        for delivery in deliveries {
            self.shy.refused(std::iter::once(*delivery));
        }
    }

    /// Tells when a message to the delivery's customer may leave, where that is not now: WhatsApp takes only so many from
    /// one business to one customer.
    pub fn spaced(&self, delivery: &Delivery, vehicle: Vehicle<'_>) -> Option<Timestamp> {
        let customer = delivery.conversation.customer.key();
        self.spacing.opens(&customer, vehicle.is_canvas())
    }

    /// Counts a message that leaves to the delivery's customer.
    pub fn leaves(&self, delivery: &Delivery, vehicle: Vehicle<'_>) {
        let customer = delivery.conversation.customer.key();
        self.spacing.take(&customer, vehicle.is_canvas());
    }

    /// Sends these deliveries of one assistant in one request, and tells how it went for each, in their order. The gate was
    /// passed and all of them are `sending`.
    pub async fn send(&self, speaker: &Speaker, deliveries: &[Delivery]) -> Vec<Attempted> {
        let Some(riders) = Riders::of(speaker, deliveries) else {
            return deliveries.iter().map(|_| unsendable()).collect();
        };
        let Request { path, body } = riders.request();
        let request = self
            .http
            .post([self.base.as_str(), path].concat())
            .bearer_auth(self.key.expose())
            .json(&body);
        let exchanged = self.ask(riders.first(), request).await;
        let fates = self.judge(&riders, exchanged);
        let fate = |delivery: &Delivery| {
            let mut aboard = riders.iter().zip(&fates);
            aboard.find(|(rider, _)| rider.delivery.id == delivery.id)
        };
        deliveries
            .iter()
            .map(|delivery| match fate(delivery) {
                Some((_, fate)) => self.told(delivery.id, fate.clone()),
                None => unsendable(),
            })
            .collect()
    }

    /// Waits for the turn to write to profiles.
    pub async fn may_track(&self) {
        self.track.pass().await;
    }

    /// Writes what profiles lack in one request, and tells what became of it: the same for all, or nothing where each is to
    /// be written by itself.
    pub async fn track(&self, updates: &[ProfileUpdate]) -> Option<Mirrored> {
        let request = self
            .http
            .post([self.base.as_str(), "/users/track"].concat())
            .bearer_auth(self.key.expose())
            .json(&track::body(updates));
        let started = self.clock.elapsed();
        let exchange = exchange(&self.track.0, request);
        let answered = self.clock.timeout(self.timeout, exchange).await;
        let took = self.clock.elapsed().saturating_sub(started);
        self.metrics.asked(took, code(&answered));
        let answer = match &answered {
            Ok(Ok((status, answer))) => Some((*status, answer.as_slice())),
            Ok(Err(_)) | Err(Elapsed) => None,
        };
        match track::judge(&self.track, updates, answer, self.clock.now()) {
            Judged::All(fate) => Some(fate),
            Judged::Apart => None,
        }
    }

    fn told(&self, delivery: DeliveryId, fate: Attempted) -> Attempted {
        if matches!(fate, Attempted::Sent | Attempted::Dead { .. }) {
            self.shy.forget(delivery);
        }
        fate
    }

    /// Makes one request, counts it and traces it.
    async fn ask(&self, first: &Delivery, request: reqwest::RequestBuilder) -> Exchanged {
        let (span, started) = (self.traces.begin(&carried(first)), self.clock.elapsed());
        let exchange = exchange(&self.gate, request);
        let answered = self.clock.timeout(self.timeout, exchange).await;
        let took = self.clock.elapsed().saturating_sub(started);
        let code = code(&answered);
        self.metrics.asked(took, code);
        span.ended(code);
        answered
    }

    /// Says of an attempt that Braze may have taken it, or not.
    pub fn doubt(&self, error: &str) -> Attempted {
        Attempted::Unknown {
            policy: self.on_unknown,
            at: later(self.clock.now(), RESEND_AFTER),
            error: error.to_owned(),
        }
    }

    /// Tells of each rider how it went.
    fn judge(&self, riders: &Riders<'_>, exchanged: Exchanged) -> Vec<Attempted> {
        let all = |fate: Attempted| vec![fate; riders.count()];
        match exchanged {
            Ok(Ok((status, answer))) => self.judge_answer(riders, status, &answer),
            Ok(Err(error)) if error.is_connect() || error.is_builder() => {
                let now = self.clock.now();
                let again = |delivery| retry(delivery, now, "could not connect to Braze");
                riders.iter().map(|rider| again(rider.delivery)).collect()
            }
            Ok(Err(_)) => all(self.doubt("the connection broke after the request had left")),
            Err(Elapsed) => all(self.doubt("no answer in time")),
        }
    }

    /// Tells what an answer means. Braze sends nothing where it answers with an error.
    fn judge_answer(&self, riders: &Riders<'_>, status: u16, answer: &[u8]) -> Vec<Attempted> {
        let now = self.clock.now();
        let brought: Vec<String> = riders
            .iter()
            .flat_map(|rider| brought(rider.delivery))
            .collect();
        let sent = brought.iter().map(String::as_str);
        let sent: Vec<&str> = sent.chain([self.key.expose()]).collect();
        let error = format!("{status}: {}", braze_message(answer, &sent));
        let all = |fate: Attempted| vec![fate; riders.count()];
        let uncounted = |at, error| Attempted::Retry {
            at,
            counts: false,
            error,
        };
        match status {
            200..=299 => {
                warn_of(answer);
                riders
                    .iter()
                    .map(|rider| accepted(rider.delivery, answer, &error))
                    .collect()
            }
            401 | 403 => {
                let at = later(now, REST_AFTER_REFUSED_KEY);
                self.gate.shut(at);
                tracing::error!(
                    status,
                    permission = riders.vehicle().permission(),
                    "Braze refused the API key: check the key, its permission and the endpoint's region"
                );
                all(uncounted(at, error))
            }
            429 => all(uncounted(self.gate.shut_until().unwrap_or(now), error)),
            502 | 504 if self.gateway_errors_in_doubt => all(self.doubt(&error)),
            408 | 500..=599 => riders
                .iter()
                .map(|rider| retry(rider.delivery, now, &error))
                .collect(),
            _ if riders.count() > 1 && !concerns_all(status, answer) => {
                let ids: Vec<_> = riders.iter().map(|rider| rider.delivery.id).collect();
                self.shy.refused(ids.into_iter());
                all(uncounted(now, format!("refused with others: {error}")))
            }
            _ => all(Attempted::Dead { error }),
        }
    }
}

/// Makes one request; the gate hears what its answer says of limits.
async fn exchange(
    gate: &Gate,
    request: reqwest::RequestBuilder,
) -> Result<(u16, Vec<u8>), reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    gate.heard(status, response.headers());
    // The status is the answer; a body that breaks off changes nothing about it.
    let answer = http_client::read_bounded(response, ANSWER_BYTES)
        .await
        .unwrap_or_default();
    Ok((status, answer))
}

fn code(answered: &Exchanged) -> Code {
    match answered {
        Ok(Ok((status, _))) => Code::Status(*status),
        Ok(Err(error)) if error.is_connect() || error.is_builder() => Code::Unconnected,
        Ok(Err(_)) => Code::Broken,
        Err(Elapsed) => Code::Timeout,
    }
}

/// Tells what became of one customer's words in a request that was taken.
fn accepted(delivery: &Delivery, answer: &[u8], error: &str) -> Attempted {
    match names_recipient(answer, &delivery.conversation.customer) {
        true => Attempted::Dead {
            error: error.to_owned(),
        },
        false => Attempted::Sent,
    }
}

fn unsendable() -> Attempted {
    Attempted::Dead {
        error: "it names no customer, or a send that is no longer configured".to_owned(),
    }
}

fn carried(delivery: &Delivery) -> Carried<'_> {
    Carried {
        assistant: &delivery.conversation.assistant,
        conversation: delivery.conversation.id.0,
        delivery: delivery.id.0,
        attempts: delivery.attempts,
    }
}

fn retry(delivery: &Delivery, now: Timestamp, error: &str) -> Attempted {
    Attempted::Retry {
        at: later(now, RETRIES.after(delivery.attempts + 1, delivery.id.0)),
        counts: true,
        error: error.to_owned(),
    }
}
