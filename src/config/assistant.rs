//! One assistant: `[assistants.NAME]`, and what holds for the replies of all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::hours::HoursConfig;
use super::limits::{LimitPolicy, LimitsConfig};
use super::opt_out::OptOutConfig;
use crate::braze;
use crate::domain::{Hours, Language, OnUnknown};
use crate::problem::Problem;
use crate::redact::Secret;
use crate::turn::{Instead, WhenClosed};

/// One assistant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssistantConfig {
    /// Its folder of prompts, relative to this file. Default: the one that is built in.
    pub prompts: Option<PathBuf>,
    /// What it calls itself. Default: its name in this file.
    pub display_name: Option<String>,
    /// The language to speak when nothing tells another: a code such as `en`. Default `en`.
    #[serde(default = "default_language")]
    pub language: String,
    /// Where the business is, for the time of day in prompts: a name such as `Europe/Madrid`. Default `UTC`.
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
    /// What Braze shows to post here, as bearer token: one or two references, two while one is replaced.
    pub secrets: Vec<Secret>,
    /// The workspace that it answers through. Default: the only one.
    pub workspace: Option<String>,
    /// The API-triggered campaign that carries its words.
    pub campaign_id: String,
    /// The trigger property that the campaign's message shows. Default `external_system_msg_body`.
    #[serde(default = "default_property")]
    pub message_property: String,
    /// The models that answer: each turn asks the first, and the next where that one fails. Default: the only one.
    #[serde(default)]
    pub models: Vec<String>,
    /// Models that some customers' turns ask first, by name, with their share of customers in percent: the same customers
    /// each time. Default: none, and the first model begins with all.
    #[serde(default)]
    pub shares: BTreeMap<String, u64>,
    /// How long a turn may take to find an answer, over all models and attempts, 1 s to 5 min. Default 25 s: by then a
    /// customer has looked at the phone twice.
    #[serde(default = "default_deadline", with = "crate::duration")]
    pub deadline: Duration,
    /// The desk that takes over. Default: none, and nobody can be brought in.
    pub desk: Option<String>,
    /// When people are there. Default: always.
    pub hours: Option<HoursConfig>,
    /// What follows when a customer wants no more messages. Default: the assistant keeps to it, and Braze is told nothing.
    #[serde(default)]
    pub opt_out: OptOutConfig,
    /// What it may spend a day. Default: as much as it takes.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// What prompts may say about the business: any keys; `name` is the one that the built-in prompts need.
    #[serde(default)]
    pub business: Map<String, Value>,
}

/// A second is what a fast model needs; five minutes is what a customer surely does not wait.
const DEADLINE_RANGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_mins(5);

/// All customers, in percent.
const ALL: u64 = 100;

fn default_deadline() -> Duration {
    Duration::from_secs(25)
}

fn default_language() -> String {
    "en".to_owned()
}

fn default_time_zone() -> String {
    "UTC".to_owned()
}

fn default_property() -> String {
    "external_system_msg_body".to_owned()
}

impl AssistantConfig {
    /// Finds what cannot work. Secrets are filled in before.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = self.language.parse::<Language>() {
            problems.push(Problem::new("language", error.to_string()));
        }
        if TimeZone::get(&self.time_zone).is_err() {
            problems.push(
                Problem::new("time_zone", format!("`{}` is no time zone", self.time_zone))
                    .help("a name such as `Europe/Madrid`"),
            );
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
        problems.extend(self.check_models());
        if self.campaign_id.trim().is_empty() {
            problems.push(
                Problem::new("campaign_id", "is empty")
                    .help("copy the id of the API-triggered campaign from its page in Braze"),
            );
        }
        if self.message_property.trim().is_empty() {
            problems.push(
                Problem::new("message_property", "is empty")
                    .help("leave it out for `external_system_msg_body`"),
            );
        }
        let blank =
            |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
        if blank(&self.display_name) {
            problems.push(
                Problem::new("display_name", "is empty")
                    .help("leave it out for the assistant's name"),
            );
        }
        let name = self.business.get("name");
        if name.is_some_and(|name| name.as_str().is_none_or(|name| name.trim().is_empty())) {
            problems.push(
                Problem::new("business.name", "expected a text that is not empty")
                    .help("it is the name of the business, as customers know it"),
            );
        }
        let limits = self.limits.check().into_iter();
        problems.extend(limits.map(|problem| problem.under("limits")));
        let opt_out = self.opt_out.check().into_iter();
        problems.extend(opt_out.map(|problem| problem.under("opt_out")));
        let hours = self.hours.iter().flat_map(HoursConfig::check);
        problems.extend(hours.map(|problem| problem.under("hours")));
        if self.desk.is_none() && self.limits.at_limit == LimitPolicy::HandOff {
            problems.push(
                Problem::new(
                    "limits.at_limit",
                    "hands over to people, and the assistant has no `desk`",
                )
                .help("name a desk, or write `reply`"),
            );
        }
        if self.message_property == braze::REPLY_ID {
            problems.push(Problem::new(
                "message_property",
                "is the name of the property that carries the reply's id",
            ));
        }
        problems
    }

    fn check_models(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (place, name) in self.models.iter().enumerate() {
            if self.models.iter().take(place).any(|other| other == name) {
                let key = format!("models[{place}]");
                problems.push(Problem::new(&key, format!("`{name}` is named twice")));
            }
        }
        for (name, share) in &self.shares {
            let key = format!("shares.{name}");
            if !self.models.contains(name) {
                problems.push(
                    Problem::new(&key, "is not among this assistant's `models`")
                        .help("name it there too; where it stands, it is tried when others fail"),
                );
            }
            if !(1..=ALL).contains(share) {
                problems.push(Problem::new(&key, "expected 1 to 100, in percent"));
            }
        }
        let sum = self
            .shares
            .values()
            .fold(0, |sum: u64, share| sum.saturating_add(*share));
        if sum > ALL {
            problems.push(Problem::new("shares", "are more than 100 % together"));
        }
        if !DEADLINE_RANGE.contains(&self.deadline) {
            problems.push(Problem::new("deadline", "expected 1 s to 5 min"));
        }
        problems
    }

    /// Gives the language; a checked configuration has one.
    pub fn language(&self) -> Language {
        self.language.parse().unwrap_or(Language::ENGLISH)
    }

    /// Gives the time zone; a checked configuration has one.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// Gives when people are there; always, where nothing is said.
    pub fn hours(&self) -> Hours {
        match &self.hours {
            Some(hours) => hours.hours(self.zone()),
            None => Hours::always(self.zone()),
        }
    }

    /// Tells what becomes of a handoff while nobody is there.
    pub fn when_closed(&self) -> WhenClosed {
        self.hours
            .as_ref()
            .map_or_else(WhenClosed::default, |hours| hours.closed.into())
    }
}

/// What may leave, and until when: `[reply]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplyConfig {
    /// How old a reply may be when it leaves. Default 15 min: later, it answers a question that nobody asks any more.
    #[serde(with = "crate::duration")]
    pub ttl: Duration,
    /// What to do about a reply of which nobody knows whether it arrived: `resend_once` (default) sends it one more time,
    /// marked; `hold` keeps it for an operator; `drop` gives it up.
    pub on_unknown: UnknownPolicy,
    /// What becomes of a message that is older than `ttl` before it could be answered: `apologise` (default) tells the
    /// customer once that it is too late; `hand_off` asks the desk to take over.
    pub late: InsteadPolicy,
    /// What becomes of a message that no model answered: `apologise` (default) sends the text `fallback`; `hand_off` asks
    /// the desk to take over.
    pub unanswered: InsteadPolicy,
}

/// What a customer gets instead of an answer, as the file spells it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsteadPolicy {
    /// Tell the customer.
    #[default]
    Apologise,
    /// Ask people to take over.
    HandOff,
}

impl From<InsteadPolicy> for Instead {
    fn from(policy: InsteadPolicy) -> Self {
        match policy {
            InsteadPolicy::Apologise => Self::Apologise,
            InsteadPolicy::HandOff => Self::HandOff,
        }
    }
}

/// What to do about a reply of unknown fate, as the file spells it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPolicy {
    /// Send it one more time.
    #[default]
    ResendOnce,
    /// Keep it for an operator.
    Hold,
    /// Give it up.
    Drop,
}

impl From<UnknownPolicy> for OnUnknown {
    fn from(policy: UnknownPolicy) -> Self {
        match policy {
            UnknownPolicy::ResendOnce => Self::ResendOnce,
            UnknownPolicy::Hold => Self::Hold,
            UnknownPolicy::Drop => Self::Drop,
        }
    }
}

impl Default for ReplyConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_mins(15),
            on_unknown: UnknownPolicy::ResendOnce,
            late: InsteadPolicy::Apologise,
            unanswered: InsteadPolicy::Apologise,
        }
    }
}

impl ReplyConfig {
    /// Finds what cannot work.
    pub fn check(&self) -> Vec<Problem> {
        const WINDOW: Duration = Duration::from_hours(23);
        match self.ttl {
            ttl if ttl.is_zero() => {
                vec![Problem::new("ttl", "no reply would ever leave").help("such as `15m`")]
            }
            ttl if ttl > WINDOW => {
                vec![
                    Problem::new(
                        "ttl",
                        "is longer than 23 h; WhatsApp takes no replies after 24 h",
                    )
                    .help("such as `15m`"),
                ]
            }
            _ => Vec::new(),
        }
    }
}
