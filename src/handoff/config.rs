//! Where people work: `[desks.NAME]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

use super::SigningKey;
use crate::domain::Language;
use crate::http_client::{self, Plain};
use crate::problem::Problem;
use crate::redact::Secret;

/// How long people may be silent: a minute is a mistake already, and a month is no conversation any more.
const IDLE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);

/// How long a conversation stays with people where no desk says otherwise: half a day is a shift and a break.
pub const DEFAULT_IDLE: Duration = Duration::from_hours(12);

/// How long a request may be given.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(1);

/// How long a customer may wait for the notice while the model sums up.
const SUMMARY_AT_MOST: Duration = Duration::from_mins(1);

/// One desk: any help desk behind a webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskConfig {
    /// Where events are posted to.
    pub url: String,
    /// Whether `url` and `server.public_url` may be `http` though they lead to another machine, where all on the way could
    /// read transcripts and the desk's secret. Default no.
    #[serde(default)]
    pub allow_http: bool,
    /// The key that signs the events, `whsec_…`, as a reference.
    pub signing_key: Secret,
    /// What the desk shows to act on a conversation, as bearer token: one or two references, two while one is replaced.
    pub secrets: Vec<Secret>,
    /// How long a conversation stays with people when nothing is heard. Default 12 h.
    #[serde(default = "default_idle", with = "crate::duration")]
    pub idle: Duration,
    /// How long one request may take. Default 15 s.
    #[serde(default = "default_timeout", with = "crate::duration")]
    pub timeout: Duration,
    /// The language that the people read, for the summary. Default: `en`.
    #[serde(default = "default_language")]
    pub language: String,
    /// How long the model may take to sum the conversation up. Default 8 s; 0 s leaves the summary out.
    #[serde(default = "default_summary", with = "crate::duration")]
    pub summary_within: Duration,
}

fn default_idle() -> Duration {
    DEFAULT_IDLE
}

fn default_timeout() -> Duration {
    Duration::from_secs(15)
}

fn default_language() -> String {
    "en".to_owned()
}

fn default_summary() -> Duration {
    Duration::from_secs(8)
}

impl DeskConfig {
    /// Finds what cannot work. Secrets are filled in before.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::from_iter(http_client::check_url(
            "url",
            &self.url,
            Plain::IfAllowed(self.allow_http),
        ));
        let key = self.signing_key.expose();
        if !key.is_empty()
            && let Err(error) = SigningKey::parse(key)
        {
            problems.push(Problem::new("signing_key", error.to_string()));
        }
        if !(1..=2).contains(&self.secrets.len()) {
            problems.push(Problem::new(
                "secrets",
                "expected one secret, or two while one is replaced",
            ));
        }
        for (index, secret) in self.secrets.iter().enumerate() {
            problems.extend(secret.check(&format!("secrets[{index}]")));
        }
        if !IDLE.contains(&self.idle) {
            problems.push(Problem::new("idle", "expected 1 min to 30 days").help("such as `12h`"));
        }
        if !TIMEOUTS.contains(&self.timeout) {
            problems.push(Problem::new("timeout", "expected 1 s to 60 s"));
        }
        if self.summary_within > SUMMARY_AT_MOST {
            problems.push(Problem::new("summary_within", "expected 0 s to 60 s"));
        }
        if let Err(error) = self.language.parse::<Language>() {
            problems.push(Problem::new("language", error.to_string()));
        }
        problems
    }

    /// Gives the language of the summary; a checked configuration has one.
    pub fn language(&self) -> Language {
        self.language.parse().unwrap_or(Language::ENGLISH)
    }

    /// Gives the secrets, to be filled in.
    pub fn all_secrets(&mut self) -> Vec<(String, &mut Secret)> {
        let listed = self.secrets.iter_mut().enumerate();
        let mut all: Vec<_> = listed
            .map(|(i, secret)| (format!("secrets[{i}]"), secret))
            .collect();
        all.push(("signing_key".to_owned(), &mut self.signing_key));
        all
    }
}
