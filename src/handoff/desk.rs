//! The client of a desk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;

use super::format::{self, Dialect, FormatError};
use super::{DeskConfig, Format};
use crate::clock::Clock;
use crate::http_client::{self, BuildError, Options};
use crate::metrics;
use crate::redact::{Private, Secret};
use crate::telemetry::Requests;

/// Tells one desk what happens.
#[derive(Debug)]
pub struct Desk {
    pub(super) name: String,
    pub(super) http: reqwest::Client,
    pub(super) address: Private<String>,
    format: Format,
    pub(super) dialect: Dialect,
    pub(super) credentials: HeaderMap,
    secrets: Vec<Secret>,
    webhook_secret: Option<Secret>,
    pub(super) timeout: Duration,
    pub(super) second: Option<Second>,
    pub(super) state: State,
    pub(super) clock: Clock,
    pub(super) metrics: metrics::Desk,
    pub(super) traces: Requests,
}

/// The desk that is told what the first one does not take.
#[derive(Debug)]
pub(super) struct Second {
    pub(super) desk: Arc<Desk>,
    pub(super) after: Duration,
}

/// How the desk stands, as far as this process has seen.
#[derive(Debug, Default)]
pub(super) struct State {
    /// It answered 410: nothing is sent to it any more.
    pub(super) is_off: AtomicBool,
    /// Since when nothing was taken, by the clock that only goes forward.
    down_since: Mutex<Option<Duration>>,
}

/// Why a desk's client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// Its format cannot be spoken.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The HTTP client could not be made.
    #[error(transparent)]
    Http(#[from] BuildError),
}

impl Desk {
    /// Makes the client; nothing is sent.
    pub fn new(name: &str, config: &DeskConfig, clock: Clock) -> Result<Self, DeskError> {
        let address = config.url.as_str();
        Ok(Self {
            name: name.to_owned(),
            http: http_client::build(&Options::towards_address(address))?,
            address: Private::from(address),
            format: config.format,
            dialect: Dialect::new(config)?,
            credentials: format::credentials(config)?,
            secrets: config.secrets.clone(),
            webhook_secret: config.webhook_secret.clone(),
            timeout: config.timeout,
            second: None,
            state: State::default(),
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

    /// Tells another desk what this one does not take, once this one has been down for so long.
    #[must_use]
    pub fn backed_by(self, desk: Arc<Self>, after: Duration) -> Self {
        let second = Some(Second { desk, after });
        Self { second, ..self }
    }

    /// Gives its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives what it understands.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Gives the desk that is told what this one does not take.
    pub fn second(&self) -> Option<&Arc<Self>> {
        self.second.as_ref().map(|second| &second.desk)
    }

    /// Tells whether it is switched off, since it answered 410.
    pub fn is_off(&self) -> bool {
        self.state.is_off.load(Ordering::Relaxed)
    }

    /// Tells whether a caller's token is one of this desk's, or of the one behind it.
    pub fn recognises(&self, token: &[u8]) -> bool {
        let own = self.own_secret(token);
        let seconds = self.second.as_ref();
        own | seconds.is_some_and(|second| second.desk.recognises(token))
    }

    /// Tells whether a token is one of this very desk's.
    pub(super) fn own_secret(&self, token: &[u8]) -> bool {
        let secrets = self.secrets.iter();
        secrets.fold(false, |known, secret| secret.matches(token) | known)
    }

    /// Gives what signs its webhooks.
    pub(super) fn webhook_secret(&self) -> Option<&Secret> {
        self.webhook_secret.as_ref()
    }
}

impl State {
    /// Gives since when nothing was taken.
    pub(super) fn down(&self) -> MutexGuard<'_, Option<Duration>> {
        self.down_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
