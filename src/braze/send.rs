//! `POST /campaigns/trigger/send`: words for one customer, through an API-triggered campaign.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::config::WorkspaceConfig;
use super::gate::Gate;
use crate::clock::{Clock, Elapsed, later};
use crate::domain::{Attempted, Delivery, OnUnknown, Payload, Recipient};
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

/// The trigger property that names the reply: the same in each attempt, so that a campaign's Liquid or an export can tell
/// a second copy from a second reply.
pub const REPLY_ID: &str = "frontdesk_reply_id";

/// Where a campaign is sent from.
const TRIGGER: &str = "/campaigns/trigger/send";

/// What is read of an answer. Braze's are a few hundred bytes.
const ANSWER_BYTES: usize = 64 * 1_024;

/// Sends for one workspace.
#[derive(Debug)]
pub struct Workspace {
    http: reqwest::Client,
    endpoint: String,
    key: Secret,
    gate: Gate,
    on_unknown: OnUnknown,
    gateway_errors_in_doubt: bool,
    concurrency: NonZeroU32,
    timeout: Duration,
    clock: Clock,
    metrics: metrics::Workspace,
    traces: Requests,
}

/// The campaign that carries an assistant's words.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The API-triggered campaign's id.
    pub id: String,
    /// The trigger property that its message body shows.
    pub property: String,
}

/// The body of the request.
#[derive(Serialize)]
struct SendRequest<'a> {
    campaign_id: &'a str,
    recipients: [SendRecipient<'a>; 1],
}

#[derive(Serialize)]
struct SendRecipient<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    external_user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_alias: Option<UserAlias<'a>>,
    trigger_properties: Map<String, Value>,
}

#[derive(Serialize)]
struct UserAlias<'a> {
    alias_name: &'a str,
    alias_label: &'static str,
}

impl Workspace {
    /// Makes the client; nothing is sent.
    pub fn new(
        config: &WorkspaceConfig,
        on_unknown: OnUnknown,
        clock: Clock,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            http: http_client::build(&Options::towards_address(&config.endpoint))?,
            endpoint: config.endpoint.trim_end_matches('/').to_owned(),
            key: config.api_key.clone(),
            gate: Gate::new(config.rate, config.burst, clock.clone()),
            on_unknown,
            gateway_errors_in_doubt: config.gateway_errors_in_doubt,
            concurrency: config.concurrency,
            timeout: config.timeout,
            clock,
            metrics: metrics::Workspace::default(),
            traces: Requests::default(),
        })
    }

    /// Counts its requests, and what happens at its gate, from here on.
    #[must_use]
    pub fn measured(self, metrics: metrics::Workspace) -> Self {
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

    /// Tells how many requests may be under way at once.
    pub fn concurrency(&self) -> NonZeroU32 {
        self.concurrency
    }

    /// Sends words to the delivery's customer. The gate was passed and the delivery is `sending`.
    pub async fn send(&self, delivery: &Delivery, campaign: &Campaign, text: &str) -> Attempted {
        let recipient = delivery.conversation.customer.recipient();
        let body = body(delivery, &recipient, campaign, text);
        self.post(delivery, TRIGGER, &body).await
    }

    /// Posts what a delivery carries, and tells what became of it.
    pub(super) async fn post(
        &self,
        delivery: &Delivery,
        path: &str,
        body: &impl Serialize,
    ) -> Attempted {
        let request = self
            .http
            .post([self.endpoint.as_str(), path].concat())
            .bearer_auth(self.key.expose())
            .json(body);
        match self.ask(delivery, request).await {
            Ok(Ok((status, answer))) => self.judge(delivery, status, &answer),
            Ok(Err(error)) if error.is_connect() || error.is_builder() => retry(
                delivery,
                self.clock.now(),
                "could not connect to Braze".to_owned(),
            ),
            Ok(Err(_)) => self.doubt("the connection broke after the request had left"),
            Err(Elapsed) => self.doubt("no answer in time"),
        }
    }

    /// Makes one request, counts it and traces it.
    async fn ask(
        &self,
        delivery: &Delivery,
        request: reqwest::RequestBuilder,
    ) -> Result<Result<(u16, Vec<u8>), reqwest::Error>, Elapsed> {
        let (span, started) = (self.traces.begin(&carried(delivery)), self.clock.elapsed());
        let exchange = self.exchange(request);
        let answered = self.clock.timeout(self.timeout, exchange).await;
        let took = self.clock.elapsed().saturating_sub(started);
        let code = match &answered {
            Ok(Ok((status, _))) => Code::Status(*status),
            Ok(Err(error)) if error.is_connect() || error.is_builder() => Code::Unconnected,
            Ok(Err(_)) => Code::Broken,
            Err(Elapsed) => Code::Timeout,
        };
        self.metrics.asked(took, code);
        span.ended(code);
        answered
    }

    async fn exchange(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<(u16, Vec<u8>), reqwest::Error> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        self.gate.heard(status, response.headers());
        // The status is the answer; a body that breaks off changes nothing about it.
        let answer = http_client::read_bounded(response, ANSWER_BYTES)
            .await
            .unwrap_or_default();
        Ok((status, answer))
    }

    /// Says of an attempt that Braze may have taken it, or not.
    pub fn doubt(&self, error: &str) -> Attempted {
        Attempted::Unknown {
            policy: self.on_unknown,
            at: later(self.clock.now(), RESEND_AFTER),
            error: error.to_owned(),
        }
    }

    /// Tells what an answer means. Braze sends nothing where it answers with an error.
    fn judge(&self, delivery: &Delivery, status: u16, answer: &[u8]) -> Attempted {
        let now = self.clock.now();
        let recipient = delivery.conversation.customer.recipient();
        let (Recipient::ExternalUserId(recipient) | Recipient::PhoneAlias(recipient)) = &recipient;
        let words = match &delivery.payload {
            Payload::Reply { text } | Payload::Event { body: text, .. } => text.as_str(),
            Payload::Subscription { .. } => "",
        };
        let sent = [recipient.as_str(), words, self.key.expose()];
        let error = format!("{status}: {}", braze_message(answer, &sent));
        match status {
            200..=299 if names_recipient(answer, delivery) => Attempted::Dead { error },
            200..=299 => Attempted::Sent,
            // The key may lack this one permission: that is no reason to hold replies back.
            401 | 403 if matches!(delivery.payload, Payload::Subscription { .. }) => {
                tracing::error!(
                    status,
                    "Braze refused to set a subscription: the API key needs the permission subscription.status.set"
                );
                retry(delivery, now, error)
            }
            401 | 403 => {
                let at = later(now, REST_AFTER_REFUSED_KEY);
                self.gate.shut(at);
                tracing::error!(
                    status,
                    "Braze refused the API key: check the key, its permissions and the endpoint's region"
                );
                Attempted::Retry {
                    at,
                    counts: false,
                    error,
                }
            }
            429 => Attempted::Retry {
                at: self.gate.shut_until().unwrap_or(now),
                counts: false,
                error,
            },
            502 | 504 if self.gateway_errors_in_doubt => self.doubt(&error),
            408 | 500..=599 => retry(delivery, now, error),
            _ => Attempted::Dead { error },
        }
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

fn retry(delivery: &Delivery, now: Timestamp, error: String) -> Attempted {
    Attempted::Retry {
        at: later(now, RETRIES.after(delivery.attempts + 1, delivery.id.0)),
        counts: true,
        error,
    }
}

fn body<'a>(
    delivery: &Delivery,
    recipient: &'a Recipient,
    campaign: &'a Campaign,
    text: &str,
) -> SendRequest<'a> {
    let (external_user_id, user_alias) = match recipient {
        Recipient::ExternalUserId(id) => (Some(id.as_str()), None),
        Recipient::PhoneAlias(phone) => (
            None,
            Some(UserAlias {
                alias_name: phone.as_str(),
                alias_label: "phone",
            }),
        ),
    };
    let properties = [
        (campaign.property.clone(), Value::from(text)),
        (REPLY_ID.to_owned(), Value::from(delivery.id.to_string())),
    ];
    SendRequest {
        campaign_id: &campaign.id,
        recipients: [SendRecipient {
            external_user_id,
            user_alias,
            trigger_properties: properties.into_iter().collect(),
        }],
    }
}

/// Shorter words of a message are taken for Braze's own: they are in any text.
const ECHO_BYTES: usize = 4;

/// Gives Braze's own short message, which is about the request. Whatever stands between may answer with what it was sent,
/// so words of that are left out.
fn braze_message(answer: &[u8], sent: &[&str]) -> String {
    let parsed: Value = serde_json::from_slice(answer).unwrap_or_default();
    let message = parsed
        .get("message")
        .or_else(|| parsed.get("error"))
        .and_then(Value::as_str);
    let is_between = |letter: char| letter.is_whitespace() || "\"',;{}[]()\\".contains(letter);
    let told = message.unwrap_or("no message").split_inclusive(is_between);
    let told = told.map(|piece| {
        let word = piece.trim_end_matches(is_between);
        let is_sent = word.len() >= ECHO_BYTES && sent.iter().any(|sent| sent.contains(word));
        if is_sent { "… " } else { piece }
    });
    told.flat_map(str::chars).take(200).collect()
}

/// Tells whether an accepted request lists this very recipient among its errors.
fn names_recipient(answer: &[u8], delivery: &Delivery) -> bool {
    let parsed: Value = serde_json::from_slice(answer).unwrap_or_default();
    let Some(errors) = parsed.get("errors").and_then(Value::as_array) else {
        return false;
    };
    let errors: String = errors.iter().map(Value::to_string).collect();
    let customer = &delivery.conversation.customer;
    let ids = [customer.external_id(), customer.phone()];
    ids.into_iter().flatten().any(|id| stands_in(&errors, id))
}

/// Tells whether an id stands in a text as a whole: `7` is not named by an error about `u-17`.
fn stands_in(text: &str, id: &str) -> bool {
    let part_of_id =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '+' | '.' | '@');
    text.match_indices(id).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + id.len()..].chars().next();
        !before.is_some_and(part_of_id) && !after.is_some_and(part_of_id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_an_id_only_as_a_whole() {
        for (text, id, named) in [
            (r#"{"external_ids":["7"]}"#, "7", true),
            (r#""no such user: u-17""#, "u-17", true),
            (r#""no such user: u-17""#, "7", false),
            (r#""u-171""#, "u-17", false),
            (r#""u-171 u-17""#, "u-17", true),
            ("", "u", false),
        ] {
            assert_eq!(stands_in(text, id), named, "{text} {id}");
        }
    }
}
