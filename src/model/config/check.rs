//! What can be wrong with the settings of a target.

use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};

use super::TargetConfig;
use crate::model::PriceConfig;
use crate::problem::Problem;

/// Headers that carry keys.
const SECRET_HEADERS: [&str; 5] = [
    "authorization",
    "proxy-authorization",
    "api-key",
    "x-api-key",
    "cookie",
];
/// More calls at once than that no machine has ports for.
pub(super) const CONCURRENCY_RANGE: std::ops::RangeInclusive<usize> = 1..=50_000;
/// A tenth of a second is what a far continent takes; half a minute is all that a customer has.
const CONNECT_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(30);
/// From what a fast server takes to what no customer waits for.
const FIRST_BYTE_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_mins(5);
/// A second is what a fast model needs; five minutes is what a customer surely does not wait.
const ATTEMPT_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_mins(5);
/// More would be a storm against a server that is down.
const RETRIES_MAX: u32 = 5;
/// Below 16 not even the empty object fits; no model writes more than 100,000 in one answer.
pub(in crate::model) const MAX_TOKENS_RANGE: std::ops::RangeInclusive<u32> = 16..=100_000;
/// What the API itself allows.
const TEMPERATURE_RANGE: std::ops::RangeInclusive<f64> = 0.0..=2.0;

impl TargetConfig {
    /// Gives everything that is wrong with the settings. The key is looked at once it is filled in.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(self.endpoint().err());
        if self.model.trim().is_empty() {
            problems.push(Problem::new("model", "the model's name is empty"));
        }
        problems.extend(self.check_key());
        problems.extend(self.check_extras());
        problems.extend(self.check_times());
        if self.retries > RETRIES_MAX {
            problems.push(Problem::new("retries", "expected 0 to 5"));
        }
        if !CONCURRENCY_RANGE.contains(&self.concurrency()) {
            problems.push(Problem::new("concurrency", "expected 1 to 50,000"));
        }
        if self.max_tokens != 0 && !MAX_TOKENS_RANGE.contains(&self.max_tokens) {
            problems.push(
                Problem::new("max_tokens", "expected 16 to 100,000 tokens")
                    .help("0 leaves the limit to the server"),
            );
        }
        let temperature = self.temperature;
        if temperature.is_some_and(|value| !TEMPERATURE_RANGE.contains(&value)) {
            problems.push(Problem::new("temperature", "expected 0 to 2"));
        }
        let price = self.price.iter().flat_map(PriceConfig::check);
        problems.extend(price.map(|problem| problem.under("price")));
        problems
    }

    fn check_key(&self) -> Option<Problem> {
        match &self.api_key {
            Some(key) => key.check_sent("api_key"),
            None if self.ways().needs_key => Some(
                Problem::new("api_key", "is missing, and this preset's server needs one")
                    .help("a reference such as `env::MODEL_API_KEY`"),
            ),
            None => None,
        }
    }

    fn check_extras(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let is_name = |name: &str| name.parse::<HeaderName>().is_ok();
        if self
            .key_header
            .as_deref()
            .is_some_and(|name| !is_name(name))
        {
            problems.push(Problem::new("key_header", "is no name of a header"));
        }
        for (name, value) in &self.headers {
            let key = format!("headers.{name}");
            if !is_name(name) || value.parse::<HeaderValue>().is_err() {
                problems.push(Problem::new(&key, "cannot be sent as a header"));
            } else if SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
                problems.push(
                    Problem::new(&key, "would stand in the file for all to read")
                        .help("name the header in `key_header`, and the key's place in `api_key`"),
                );
            }
        }
        let ours = ["messages", "stream", "n"];
        let taken = self
            .body
            .keys()
            .filter(|name| ours.contains(&name.as_str()));
        problems.extend(
            taken.map(|name| Problem::new(format!("body.{name}"), "is the gateway's own to set")),
        );
        problems
    }

    fn check_times(&self) -> Vec<Problem> {
        let times = [
            (
                "connect_within",
                Some(self.connect_within),
                CONNECT_RANGE,
                "expected 100 ms to 30 s",
            ),
            (
                "first_byte_within",
                self.first_byte_within,
                FIRST_BYTE_RANGE,
                "expected 100 ms to 5 min",
            ),
            (
                "attempt_within",
                self.attempt_within,
                ATTEMPT_RANGE,
                "expected 1 s to 5 min",
            ),
        ];
        let wrong = times
            .into_iter()
            .filter(|(_, time, range, _)| time.is_some_and(|time| !range.contains(&time)));
        let mut problems: Vec<_> = wrong
            .map(|(key, _, _, expected)| Problem::new(key, expected))
            .collect();
        if self
            .attempt_within
            .is_some_and(|limit| self.first_byte_within > Some(limit))
        {
            problems.push(
                Problem::new("first_byte_within", "is longer than `attempt_within`")
                    .help("leave it out: the attempt bounds it, too"),
            );
        }
        problems
    }
}
