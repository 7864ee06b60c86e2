//! The settings of a target: `[models.NAME]`.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;

use crate::http_client::{self, Plain};
use crate::problem::Problem;
use crate::redact::Secret;

/// One model endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// Where the API begins, `http` or `https`, without the `/chat/completions` that is added to it:
    /// `https://api.openai.com/v1`. A slash at its end does not matter.
    pub base_url: String,
    /// Whether `base_url` may be `http` though it leads to another machine, where all on the way could read what
    /// customers write. Default no.
    #[serde(default)]
    pub allow_http: bool,
    /// The model's name, as the server knows it.
    pub model: String,
    /// The key that is sent as a bearer token. Default: none is sent, as local servers like it.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// How the server is made to answer with an object. Default `json_schema`.
    #[serde(default)]
    pub answer: AnswerMode,
    /// How long a whole answer may take, from the connection to its last byte, 1 s to 5 min. Default 25 s: by then a
    /// customer has looked at the phone twice.
    #[serde(default = "default_deadline", with = "crate::duration")]
    pub deadline: Duration,
    /// How many tokens an answer may have, 16 to 100,000, or 0 to send no limit. Default 800: the longest WhatsApp
    /// message in any language, and the fields around it. Models that reason need more, since that counts too.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: u32,
    /// How freely the model words its answers, 0 to 2. Default: none is sent, and the server's own holds.
    #[serde(default)]
    pub temperature: Option<f64>,
}

/// How the server is made to answer with an object. What comes back is read leniently in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// By a JSON schema: the surest way, where the server knows it.
    #[default]
    JsonSchema,
    /// By asking for some JSON object; its fields are told in the prompt.
    JsonObject,
    /// By the prompt alone.
    Text,
}

/// A second is what a fast model needs; five minutes is what a customer surely does not wait.
const DEADLINE_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_mins(5);
/// Below 16 not even the empty object fits; no model writes more than 100,000 in one answer.
const MAX_TOKENS_RANGE: std::ops::RangeInclusive<u32> = 16..=100_000;
/// What the API itself allows.
const TEMPERATURE_RANGE: std::ops::RangeInclusive<f64> = 0.0..=2.0;

fn default_deadline() -> Duration {
    Duration::from_secs(25)
}

fn default_max_tokens() -> u32 {
    800
}

impl TargetConfig {
    /// Gives everything that is wrong with the settings. The key is looked at once it is filled in.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(self.endpoint().err());
        if self.model.trim().is_empty() {
            problems.push(Problem::new("model", "the model's name is empty"));
        }
        problems.extend(
            self.api_key
                .as_ref()
                .and_then(|key| key.check_sent("api_key")),
        );
        if !DEADLINE_RANGE.contains(&self.deadline) {
            problems.push(Problem::new("deadline", "expected 1 s to 5 min"));
        }
        if self.max_tokens != 0 && !MAX_TOKENS_RANGE.contains(&self.max_tokens) {
            problems.push(
                Problem::new("max_tokens", "expected 16 to 100,000 tokens")
                    .help("0 leaves the limit to the server"),
            );
        }
        if self
            .temperature
            .is_some_and(|value| !TEMPERATURE_RANGE.contains(&value))
        {
            problems.push(Problem::new("temperature", "expected 0 to 2"));
        }
        problems
    }

    /// Gives the secrets, each with the key that it stands under, for the one who fills them in.
    pub fn secrets(&mut self) -> Vec<(&'static str, &mut Secret)> {
        self.api_key
            .iter_mut()
            .map(|key| ("api_key", key))
            .collect()
    }

    /// Gives the checked base URL.
    pub(super) fn endpoint(&self) -> Result<Url, Problem> {
        let plain = Plain::IfAllowed(self.allow_http);
        if let Some(problem) = http_client::check_url("base_url", &self.base_url, plain) {
            return Err(problem);
        }
        let wrong = |message: &str| Problem::new("base_url", message);
        let url = Url::parse(&self.base_url).map_err(|error| wrong(&error.to_string()))?;
        if url
            .path()
            .trim_end_matches('/')
            .ends_with("/chat/completions")
        {
            return Err(wrong("`/chat/completions` is added by itself").help("leave it out"));
        }
        Ok(url)
    }

    /// Gives the key without the white space around it; `None` where there is nothing to send.
    pub(super) fn key(&self) -> Option<&str> {
        let key = self.api_key.as_ref()?.expose().trim();
        (!key.is_empty()).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn config(toml: &str) -> TargetConfig {
        toml::from_str(toml).unwrap()
    }

    fn keys(config: &TargetConfig) -> Vec<String> {
        config
            .check()
            .into_iter()
            .map(|problem| problem.key)
            .collect()
    }

    #[test]
    fn two_fields_are_enough() {
        let config = config("base_url = 'http://localhost:8080/v1'\nmodel = 'm'");
        assert_eq!(keys(&config), [""; 0]);
        assert_eq!(config.answer, AnswerMode::JsonSchema);
        assert_eq!(
            (config.deadline, config.max_tokens),
            (Duration::from_secs(25), 800)
        );
        assert!(config.temperature.is_none() && config.key().is_none());
    }

    #[test]
    fn unknown_fields_and_literal_keys_are_refused() {
        for more in [
            "colour = 'red'",
            "api_key = 'sk-123'",
            "answer = 'xml'",
            "deadline = '-1s'",
        ] {
            let text = format!("base_url = 'https://h/v1'\nmodel = 'm'\n{more}");
            assert!(toml::from_str::<TargetConfig>(&text).is_err(), "{more}");
        }
    }

    #[rstest]
    #[case("https://api.acme.dev/v1", true)]
    #[case("https://api.acme.dev/v1/", true)]
    #[case("http://127.0.0.1:8000", true)]
    #[case("http://10.0.0.1:8000", false)]
    #[case("https://acme.dev/v1/chat/completions/", false)]
    #[case("", false)]
    fn base_urls(#[case] base_url: &str, #[case] good: bool) {
        let mut config = config("base_url = ''\nmodel = 'm'");
        base_url.clone_into(&mut config.base_url);
        assert_eq!(keys(&config).is_empty(), good, "{:?}", config.check());
    }

    #[test]
    fn all_problems_are_told_together() {
        let mut config = config(
            "base_url = 'x'\nmodel = ' '\napi_key = 'env::K'\ndeadline = '0s'\nmax_tokens = 3\ntemperature = 3",
        );
        for (name, secret) in config.secrets() {
            assert_eq!(name, "api_key");
            secret.fill("sk\u{7}1");
        }
        let expected = [
            "base_url",
            "model",
            "api_key",
            "deadline",
            "max_tokens",
            "temperature",
        ];
        assert_eq!(keys(&config), expected);
        assert!(!format!("{:?} {config:?}", config.check()).contains("sk\u{7}1"));
    }

    #[test]
    fn a_key_is_trimmed() {
        let mut config = config("base_url = 'https://h'\nmodel = 'm'\nmax_tokens = 0");
        config.api_key = Some(Secret::from_value("  sk-1\n"));
        assert_eq!(config.key(), Some("sk-1"));
    }
}
