//! Where people work: `[desks.NAME]`.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{self, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::address::Address;
use super::format::{self, Format};
use crate::domain::Language;
use crate::http_client::Plain;
use crate::problem::Problem;
use crate::redact::Secret;

/// How long people may be silent: a minute is a mistake already, and a month is no conversation any more.
const IDLE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);

/// How long a conversation stays with people where no desk says otherwise: half a day is a shift and a break.
pub const DEFAULT_IDLE: Duration = Duration::from_hours(12);

/// How long a customer may wait for somebody: in less than a minute nobody comes, and after a week nobody will.
const ACK_WITHIN: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(7 * 24);

/// How long a request may be given.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(1);

/// How long a customer may wait for the notice while the model sums up.
const SUMMARY_AT_MOST: Duration = Duration::from_mins(1);

/// How long the first desk may be down before the second is told instead.
const FALLBACK_AFTER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_hours(24);

/// One desk: any help desk behind a webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeskConfig {
    /// What the desk understands. Default `standard`: our own signed JSON.
    #[serde(default)]
    pub format: Format,
    /// Where events are posted to; for a help desk, its own address. A reference where the address is itself a secret.
    pub url: Address,
    /// Whether `url` and `server.public_url` may be `http` though they lead to another machine, where all on the way could
    /// read transcripts and the desk's secret. Default no.
    #[serde(default)]
    pub allow_http: bool,
    /// The key that signs the events, `whsec_…`, as a reference; two while one is replaced, and both sign then. The
    /// formats `standard` and `template` alone sign.
    pub signing_key: Option<SigningKeys>,
    /// What the desk shows to act on a conversation, as bearer token: one or two references, two while one is replaced.
    #[serde(default)]
    pub secrets: Vec<Secret>,
    /// The key that a help desk wants to see: Zendesk's API token, Freshdesk's API key, Chatwoot's access token.
    pub api_key: Option<Secret>,
    /// The agent whose API token it is; Zendesk alone.
    pub email: Option<String>,
    /// The number of the account; Chatwoot alone.
    pub account_id: Option<u64>,
    /// The number of the API inbox; Chatwoot alone.
    pub inbox_id: Option<u64>,
    /// What the help desk signs its webhooks with; Zendesk and Chatwoot.
    pub webhook_secret: Option<Secret>,
    /// The file that makes the JSON; the format `template` alone.
    pub template: Option<PathBuf>,
    /// The desk that is told what this one does not take. Default none.
    pub fallback: Option<String>,
    /// How long this one may be down before the other is told. Default 2 min: longer than a restart.
    #[serde(default = "default_fallback_after", with = "crate::duration")]
    pub fallback_after: Duration,
    /// How long a conversation stays with people when nothing is heard. Default 12 h.
    #[serde(default = "default_idle", with = "crate::duration")]
    pub idle: Duration,
    /// How long the customer waits until it is said that nobody has come. Default 15 min; 0 s never says so.
    #[serde(default = "default_ack", with = "crate::duration")]
    pub ack_within: Duration,
    /// What happens then. Default `wait`.
    #[serde(default)]
    pub on_timeout: OnTimeout,
    /// Whether the customer can ask for the assistant again. Default `pending`.
    #[serde(default)]
    pub customer_may_return: MayReturn,
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

/// What happens when nobody has acknowledged a handoff in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// The customer is told to wait on, and the desk is told once more.
    #[default]
    Wait,
    /// The assistant answers again.
    Return,
}

impl OnTimeout {
    /// Gives the name that is configured and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Return => "return",
        }
    }
}

/// When a customer can ask for the assistant again, by the phrases of rules whose action is `return`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MayReturn {
    /// Never: people decide.
    Never,
    /// While nobody is there yet.
    #[default]
    Pending,
    /// Also while a person has the conversation.
    Always,
}

/// The keys that sign events: one, or two while one is replaced.
#[derive(Clone, Debug)]
pub struct SigningKeys(pub Vec<Secret>);

impl<'de> Deserialize<'de> for SigningKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = SigningKeys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a reference to a secret, or a list of two")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SigningKeys, E> {
                let secret = Secret::deserialize(text.into_deserializer())?;
                Ok(SigningKeys(vec![secret]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<SigningKeys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = all.next_element()? {
                    keys.push(key);
                }
                Ok(SigningKeys(keys))
            }
        }

        deserializer.deserialize_any(Keys)
    }
}

fn default_ack() -> Duration {
    Duration::from_mins(15)
}

fn default_fallback_after() -> Duration {
    Duration::from_mins(2)
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
        let mut problems = Vec::from_iter(self.url.check(Plain::IfAllowed(self.allow_http)));
        problems.extend(format::check(self));
        for (index, secret) in self.secrets.iter().enumerate() {
            problems.extend(secret.check(&format!("secrets[{index}]")));
        }
        if !FALLBACK_AFTER.contains(&self.fallback_after) {
            problems.push(Problem::new("fallback_after", "expected 0 s to 24 h"));
        }
        if !IDLE.contains(&self.idle) {
            problems.push(Problem::new("idle", "expected 1 min to 30 days").help("such as `12h`"));
        }
        if !self.ack_within.is_zero() && !ACK_WITHIN.contains(&self.ack_within) {
            let message = "expected 1 min to 7 days, or 0 s for never";
            problems.push(Problem::new("ack_within", message));
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

    /// Makes a path in it start from the folder of the file that it stands in.
    pub fn resolve(&mut self, folder: &Path) {
        self.template = self.template.take().map(|path| folder.join(path));
    }

    /// Gives the secrets, to be filled in.
    pub fn all_secrets(&mut self) -> Vec<(String, &mut Secret)> {
        let listed = self.secrets.iter_mut().enumerate();
        let mut all: Vec<_> = listed
            .map(|(i, secret)| (format!("secrets[{i}]"), secret))
            .collect();
        let keys = self.signing_key.as_mut().map(|keys| keys.0.as_mut_slice());
        match keys {
            None => {}
            Some([only]) => all.push(("signing_key".to_owned(), only)),
            Some(several) => {
                let several = several.iter_mut().enumerate();
                all.extend(several.map(|(i, key)| (format!("signing_key[{i}]"), key)));
            }
        }
        let single = [
            ("api_key", &mut self.api_key),
            ("webhook_secret", &mut self.webhook_secret),
        ];
        let single = single.into_iter();
        all.extend(single.filter_map(|(key, secret)| Some((key.to_owned(), secret.as_mut()?))));
        if let Address::Secret(secret) = &mut self.url {
            all.push(("url".to_owned(), secret));
        }
        all
    }
}
