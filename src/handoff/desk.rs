//! The client of a desk's webhook.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;

use super::{DeskConfig, SigningKey, SigningKeyError};
use crate::clock::{Clock, Elapsed, later};
use crate::domain::{Attempted, Delivery, OnUnknown};
use crate::http_client::{self, BuildError, Options};
use crate::redact::{Private, Secret};
use crate::retry::Schedule;

/// The waits between attempts: about 28 hours in all, so that a desk may be down for a night and a morning.
const RETRIES: Schedule = Schedule(&[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
]);

/// How long a `Retry-After` can make us wait; a desk that asks for more is asked again all the same.
const WAIT_AT_MOST: Duration = Duration::from_hours(1);

/// Tells one desk what happens.
#[derive(Debug)]
pub struct Desk {
    http: reqwest::Client,
    url: String,
    key: SigningKey,
    secrets: Vec<Secret>,
    timeout: Duration,
    clock: Clock,
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
        Ok(Self {
            http: http_client::build(&Options::towards_address(&config.url))?,
            url: config.url.clone(),
            key: SigningKey::parse(config.signing_key.expose())?,
            secrets: config.secrets.clone(),
            timeout: config.timeout,
            clock,
        })
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
            .header("webhook-timestamp", now.as_second().to_string())
            .header("webhook-signature", self.key.sign(&id, now, body))
            .body(body.0.clone());
        let attempt = delivery.attempts + 1;
        let wait = RETRIES.after(attempt, delivery.id.0);
        let (error, asked) = match self.clock.timeout(self.timeout, request.send()).await {
            Ok(Ok(response)) if response.status().is_success() => return Attempted::Sent,
            Ok(Ok(response)) => {
                let asked = http_client::retry_after(response.headers(), now);
                (
                    format!("the desk answered {}", response.status().as_u16()),
                    asked,
                )
            }
            // The desk knows a second copy by its id, so doubt is no reason to hold back.
            Ok(Err(error)) if error.is_connect() => {
                ("could not connect to the desk".to_owned(), None)
            }
            Ok(Err(_)) => ("the connection to the desk broke".to_owned(), None),
            Err(Elapsed) => ("the desk did not answer in time".to_owned(), None),
        };
        match wait {
            None => Attempted::Dead { error },
            Some(wait) => {
                let wait = asked.map_or(wait, |asked| asked.min(WAIT_AT_MOST).max(wait));
                Attempted::Unknown {
                    policy: OnUnknown::ResendOnce,
                    at: later(self.clock.now(), wait),
                    error,
                }
            }
        }
    }
}
