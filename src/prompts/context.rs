//! What each template is told: one typed context a template, and samples of it to check a template with.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::languages;
use super::template::Template;
use crate::domain::{HandoffReason, Language, Profile};
use crate::rules::Rules;

/// What the operator says of his business: a free table with at least a `name`.
pub type Business = serde_json::Map<String, serde_json::Value>;

/// What differs from turn to turn in the system prompt. Nothing here comes from the customer.
#[derive(Clone, Copy, Debug)]
pub struct SystemContext<'a> {
    /// The name by which the assistant goes.
    pub assistant: &'a str,
    /// The language in which the customer is to be answered.
    pub language: Language,
    /// The time of the turn.
    pub now: Timestamp,
    /// Where the business is.
    pub zone: &'a TimeZone,
}

/// What is known of the customer.
#[derive(Clone, Copy, Debug)]
pub struct CustomerContext<'a> {
    /// What Braze knows of the customer; untrusted.
    pub profile: &'a Profile,
    /// The language that the customer speaks.
    pub language: Option<Language>,
}

/// What differs from one summary to the next. The conversation itself is sent apart, as data.
#[derive(Clone, Copy, Debug)]
pub struct SummaryContext<'a> {
    /// The name by which the assistant goes.
    pub assistant: &'a str,
    /// The language of the people who read the summary.
    pub language: Language,
    /// Why the conversation is handed over: one of a closed set, so that no customer's word gets in.
    pub reason: HandoffReason,
}

/// What differs from one running summary to the next. What is summed up is sent apart, as data.
#[derive(Clone, Copy, Debug)]
pub struct MemorySummaryContext<'a> {
    /// The name by which the assistant goes.
    pub assistant: &'a str,
    /// The language that the customer speaks.
    pub language: Language,
}

/// What stays the same as long as the folder does.
pub(super) struct Constants {
    business: Value,
    rules: Value,
}

/// A longer name is no name; WhatsApp itself allows 25 characters, Braze 255.
const NAME_CHARS_MAX: usize = 100;

/// About 1,000 tokens for what Braze knows of a customer; what does not fit is left out.
const PROFILE_BYTES_MAX: usize = 4 * 1024;

/// The profile fields that hold a name, the one that the business recorded first.
const NAME_FIELDS: [&str; 2] = ["first_name", "profile_name"];

/// The tables whose keys are not fixed, so that a key which is not there is no misspelling.
pub(super) const OPEN: [&str; 2] = ["business", "customer.profile"];

#[derive(Serialize)]
struct System<'a> {
    assistant: Named<'a>,
    business: &'a Value,
    channel: &'a str,
    language: Tongue<'a>,
    now: Now,
    rules: &'a Value,
}

#[derive(Serialize)]
struct Summary<'a> {
    assistant: Named<'a>,
    business: &'a Value,
    language: Tongue<'a>,
    reason: &'a str,
}

#[derive(Serialize)]
struct MemorySummary<'a> {
    assistant: Named<'a>,
    business: &'a Value,
    language: Tongue<'a>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Tongue<'a> {
    code: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Now {
    date: String,
    time: String,
    weekday: String,
    zone: String,
}

#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    description: &'a str,
}

#[derive(Serialize)]
struct Customer<'a> {
    customer: Known<'a>,
}

#[derive(Serialize)]
struct Known<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<Tongue<'a>>,
    profile: BTreeMap<&'a str, &'a serde_json::Value>,
}

impl Constants {
    /// Keeps the business and those rules that the model is told about; none where they could not be read.
    pub(super) fn new(business: &Business, rules: Option<&Rules>) -> Self {
        let rules = rules.into_iter().flat_map(Rules::iter);
        let described = rules.filter_map(|rule| {
            Some(Described {
                name: &rule.name,
                description: rule
                    .description
                    .as_deref()
                    .filter(|text| !text.trim().is_empty())?,
            })
        });
        Self {
            business: Value::from(Serde(business)),
            rules: Value::from(Serde(described.collect::<Vec<_>>())),
        }
    }

    /// Gives what `system.md` sees.
    pub(super) fn system(&self, context: &SystemContext<'_>) -> Value {
        Value::from(Serde(System {
            assistant: Named {
                name: context.assistant,
            },
            business: &self.business,
            channel: "WhatsApp",
            language: tongue(&context.language),
            now: now(context.now, context.zone),
            rules: &self.rules,
        }))
    }

    /// Gives what `summary.md` sees.
    pub(super) fn summary(&self, context: &SummaryContext<'_>) -> Value {
        Value::from(Serde(Summary {
            assistant: Named {
                name: context.assistant,
            },
            business: &self.business,
            language: tongue(&context.language),
            reason: context.reason.as_str(),
        }))
    }

    /// Gives what `memory_summary.md` sees.
    pub(super) fn memory_summary(&self, context: &MemorySummaryContext<'_>) -> Value {
        Value::from(Serde(MemorySummary {
            assistant: Named {
                name: context.assistant,
            },
            business: &self.business,
            language: tongue(&context.language),
        }))
    }

    /// Gives contexts to check a template with: one with everything that it `mentions`, then those with less.
    pub(super) fn samples(&self, template: Template, mentions: &[String]) -> Vec<Value> {
        let language = Language::ENGLISH;
        match template {
            Template::System => {
                let context = SystemContext {
                    assistant: "Sample",
                    language,
                    now: Timestamp::UNIX_EPOCH,
                    zone: &TimeZone::UTC,
                };
                vec![self.system(&context), self.without_rules().system(&context)]
            }
            Template::Summary => REASONS
                .map(|reason| {
                    let assistant = "Sample";
                    self.summary(&SummaryContext {
                        assistant,
                        language,
                        reason,
                    })
                })
                .to_vec(),
            Template::MemorySummary => {
                let assistant = "Sample";
                vec![self.memory_summary(&MemorySummaryContext {
                    assistant,
                    language,
                })]
            }
            Template::Customer => {
                let mut profile = Profile::default();
                profile.0.insert("field".to_owned(), "sample".into());
                let less = customer(&CustomerContext {
                    profile: &profile,
                    language: None,
                });
                for field in mentions.iter().filter_map(|name| profile_field(name)) {
                    profile.0.insert(field.to_owned(), "sample".into());
                }
                profile.0.insert(NAME_FIELDS[0].to_owned(), "Sample".into());
                let language = Some(language);
                let full = customer(&CustomerContext {
                    profile: &profile,
                    language,
                });
                full.into_iter().chain(less).collect()
            }
        }
    }

    fn without_rules(&self) -> Self {
        Self {
            business: self.business.clone(),
            rules: Value::from(Serde([(); 0])),
        }
    }
}

/// Every reason that a summary can be asked for.
const REASONS: [HandoffReason; 4] = [
    HandoffReason::CustomerAsked,
    HandoffReason::Rule,
    HandoffReason::Model,
    HandoffReason::Failure,
];

/// Gives what `customer.md` sees; nothing where nothing is known.
pub(super) fn customer(context: &CustomerContext<'_>) -> Option<Value> {
    let profile = context.profile;
    let name = NAME_FIELDS.iter().find_map(|field| {
        let name = profile.get(*field)?.as_str()?.trim();
        (!name.is_empty()).then(|| name.chars().take(NAME_CHARS_MAX).collect::<String>())
    });
    let mut room = PROFILE_BYTES_MAX;
    let fields = profile
        .iter()
        .filter(|(field, value)| !NAME_FIELDS.contains(&field.as_str()) && !is_blank(value))
        .filter(|(field, value)| {
            let left = room.checked_sub(field.len() + value.to_string().len());
            room = left.unwrap_or(room);
            left.is_some()
        })
        .map(|(field, value)| (field.as_str(), value))
        .collect::<BTreeMap<_, _>>();
    if name.is_none() && fields.is_empty() {
        return None;
    }
    Some(Value::from(Serde(Customer {
        customer: Known {
            name,
            language: context.language.as_ref().map(tongue),
            profile: fields,
        },
    })))
}

/// Tells whether a field says nothing: Braze renders what it does not know as an empty text.
fn is_blank(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Null => true,
        serde_json::Value::String(text) => text.trim().is_empty(),
        serde_json::Value::Array(items) => items.is_empty(),
        serde_json::Value::Object(fields) => fields.is_empty(),
        serde_json::Value::Bool(_) | serde_json::Value::Number(_) => false,
    }
}

fn profile_field(mention: &str) -> Option<&str> {
    mention.strip_prefix("customer.profile.")?.split('.').next()
}

fn tongue(language: &Language) -> Tongue<'_> {
    Tongue {
        code: language.code(),
        name: languages::name(language),
    }
}

fn now(time: Timestamp, zone: &TimeZone) -> Now {
    let local = time.to_zoned(zone.clone());
    Now {
        date: local.strftime("%Y-%m-%d").to_string(),
        time: local.strftime("%H:%M").to_string(),
        weekday: local.strftime("%A").to_string(),
        zone: match zone.iana_name() {
            Some(name) => name.to_owned(),
            None => local.strftime("UTC%:z").to_string(),
        },
    }
}
