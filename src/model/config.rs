//! The settings of a target: `[models.NAME]`.

mod check;

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

pub(super) use check::MAX_TOKENS_RANGE;

use super::preset::{Preset, Ways};
use super::{AnswerMode, PriceConfig, TokenLimitField};
use crate::http_client::{self, Plain};
use crate::problem::Problem;
use crate::redact::Secret;

/// One model endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// The server's kind: `openai`, `azure`, `mistral`, `groq`, `openrouter`, `deepseek`, `vllm`, `ollama`, `llama.cpp` or
    /// `lmstudio`. It changes the defaults of the keys below and nothing else. Default: none, for any other server.
    #[serde(default)]
    pub preset: Option<Preset>,
    /// Where the API begins, `http` or `https`, without the `/chat/completions` that is added to it:
    /// `https://api.openai.com/v1`. A slash at its end does not matter. Presets know it, but for `azure`.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Whether `base_url` may be `http` though it leads to another machine, where all on the way could read what
    /// customers write. Default no.
    #[serde(default)]
    pub allow_http: bool,
    /// The model's name, as the server knows it.
    pub model: String,
    /// The key that is sent. Default: none is, as local servers like it.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// The header that carries the key by itself, such as `api-key`. Default: `Authorization`, as a bearer token.
    #[serde(default)]
    pub key_header: Option<String>,
    /// More headers, by name. They are not secret.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// What is added to the URL, by name, such as `api-version`. It is not secret.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// More fields of the request's body, by name; one that the gateway sends itself is replaced.
    #[serde(default)]
    pub body: Map<String, Value>,
    /// How the server is made to answer with an object: `json_schema`, `json_object`, `tools` or `text`. Default
    /// `json_schema`. Where the server refuses it by name, the next simpler one is taken.
    #[serde(default)]
    pub answer: Option<AnswerMode>,
    /// The field that carries `max_tokens`: `max_tokens` or `max_completion_tokens`. Default `max_tokens`. Where the
    /// server refuses it by name, the other one is taken.
    #[serde(default)]
    pub token_limit_field: Option<TokenLimitField>,
    /// How many tokens an answer may have, 16 to 100,000, or 0 to send no limit. Default 800: the longest WhatsApp
    /// message in any language, and the fields around it. Models that reason need more, since that counts too.
    #[serde(default = "default_max_tokens")]
    pub max_tokens: u32,
    /// How freely the model words its answers, 0 to 2. Default: none is sent, and the server's own holds.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// Whether the model looks at pictures: it then gets the links to those that customers send, and has to fetch them.
    /// Default no.
    #[serde(default)]
    pub images: bool,
    /// How long a connection may take, 100 ms to 30 s. Default 3 s: a server that is up takes a tenth of that.
    #[serde(default = "default_connect_within", with = "crate::duration")]
    pub connect_within: Duration,
    /// How long the answer's first byte may take, 100 ms to 5 min. Default: as long as the attempt, since most servers
    /// send it with the whole answer.
    #[serde(default, with = "crate::duration::optional")]
    pub first_byte_within: Option<Duration>,
    /// How long one whole call may take, 1 s to 5 min. Default: 8 s where another target follows, so that it has time
    /// too, else what is left of the turn's deadline.
    #[serde(default, with = "crate::duration::optional")]
    pub attempt_within: Option<Duration>,
    /// How often a turn asks this target again after a fault that may pass, 0 to 5. Default 1.
    #[serde(default = "default_retries")]
    pub retries: u32,
    /// Calls at once, 1 to 50,000; the others wait in turn. Default: as many as there are turns (`turns.in_flight`); 4 for
    /// `ollama`, `llama.cpp` and `lmstudio`, where more would wait inside the server.
    #[serde(default)]
    pub concurrency: Option<usize>,
    /// What its tokens cost. Default: nothing is known of that.
    #[serde(default)]
    pub price: Option<PriceConfig>,
}

/// As many as there are turns under way at once by default; see [`TargetConfig::follow`].
const CONCURRENCY: usize = 2_000;

fn default_max_tokens() -> u32 {
    800
}

fn default_connect_within() -> Duration {
    Duration::from_secs(3)
}

fn default_retries() -> u32 {
    1
}

impl TargetConfig {
    fn ways(&self) -> Ways {
        Preset::ways(self.preset)
    }

    pub(super) fn answer_mode(&self) -> AnswerMode {
        self.answer.unwrap_or(self.ways().answer)
    }

    pub(super) fn token_limit_field(&self) -> TokenLimitField {
        self.token_limit_field
            .unwrap_or(self.ways().token_limit_field)
    }

    /// Gives the header that carries the key by itself; `None` for a bearer token.
    pub(super) fn key_header(&self) -> Option<&str> {
        self.key_header.as_deref().or(self.ways().key_header)
    }

    /// Lets as many calls be under way at once as there are turns, where neither the file nor the preset says a number.
    pub fn follow(&mut self, turns: usize) {
        let known = self.concurrency.or(self.ways().concurrency);
        // A number of turns that cannot be is told where it stands, and not here once more.
        let turns = Some(turns).filter(|turns| check::CONCURRENCY_RANGE.contains(turns));
        self.concurrency = known.or(turns);
    }

    /// Gives the calls that may be under way at once.
    pub(super) fn concurrency(&self) -> usize {
        let known = self.concurrency.or(self.ways().concurrency);
        known.unwrap_or(CONCURRENCY)
    }

    /// Gives where the API begins, as it is written; `None` where neither the file nor the preset says.
    pub fn base_url(&self) -> Option<&str> {
        self.base_url.as_deref().or(self.ways().base_url)
    }

    /// Gives the name that telemetry has for the server.
    pub fn provider(&self) -> &'static str {
        self.ways().provider
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
        let Some(base_url) = self.base_url() else {
            let missing = Problem::new("base_url", "is missing");
            return Err(missing.help("where the API begins, such as `https://host/v1`"));
        };
        let plain = Plain::IfAllowed(self.allow_http);
        if let Some(problem) = http_client::check_url("base_url", base_url, plain) {
            return Err(problem);
        }
        let wrong = |message: &str| Problem::new("base_url", message);
        let url = Url::parse(base_url).map_err(|error| wrong(&error.to_string()))?;
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
mod tests;
