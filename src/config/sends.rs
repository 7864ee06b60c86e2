//! What an assistant can send besides plain words: `[assistants.NAME.sends.NAME]`.

mod message;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::braze::{NamedSend, REPLY_ID, Sender};
use crate::model::{Field, FieldKind, Offer};
use crate::problem::Problem;
use crate::turn;

pub use message::{ListConfig, MessageConfig, RowConfig, SectionConfig};

/// The longest text of a property: Braze takes 50 KB of them together, and a name or number is far shorter.
const TEXT_CHARS_MAX: usize = 1_024;

/// How long a text may be where nothing is said.
const TEXT_CHARS: usize = 255;

/// Sends of one assistant: all that have a description stand in the model's prompt, and it picks badly from a longer list.
pub(super) const SENDS_MAX: usize = 32;

/// Properties of one send.
const PROPERTIES_MAX: usize = 32;

/// The longest name of a send or a property.
const NAME_CHARS_MAX: usize = 64;

/// One send. It has exactly one of `campaign_id`, `canvas_id` and `message`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendConfig {
    /// When the model is to pick it. Default: it is no choice of the model's.
    pub description: Option<String>,
    /// The rules that it answers, by name, in place of their texts. Default: none.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The API-triggered campaign that shows the properties.
    pub campaign_id: Option<String>,
    /// The API-triggered Canvas that shows the properties.
    pub canvas_id: Option<String>,
    /// A message that needs nothing in Braze's dashboard.
    pub message: Option<MessageConfig>,
    /// How the assistant remembers it. Default: the message's words, else its name and properties.
    pub said: Option<String>,
    /// The values that the campaign or the Canvas shows.
    #[serde(default)]
    pub properties: BTreeMap<String, PropertyConfig>,
}

/// One value.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyConfig {
    /// A value that is always the same. Default: the model gives it.
    pub value: Option<Value>,
    /// What kind of value the model gives. Default: a text.
    #[serde(default, rename = "type")]
    pub(super) kind: ValueType,
    /// What it means, for the model.
    pub description: Option<String>,
    /// The texts that it may be. Default: any.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// The longest text, in characters, 1 to 1,024. Default 255.
    pub max: Option<usize>,
    /// Whether it may be left out. Default false.
    #[serde(default)]
    pub optional: bool,
}

/// What kind of value a model gives.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// A text.
    #[default]
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
}

impl ValueType {
    /// Gives what a model may answer with.
    pub(super) fn kind(self, one_of: &[String], max: usize) -> FieldKind {
        match self {
            Self::String if one_of.is_empty() => FieldKind::Text(max),
            Self::String => FieldKind::OneOf(one_of.to_vec()),
            Self::Integer => FieldKind::Whole,
            Self::Number => FieldKind::Number,
            Self::Boolean => FieldKind::Flag,
        }
    }
}

impl SendConfig {
    /// Finds what cannot work.
    pub fn check(&self, has_sender: bool) -> Vec<Problem> {
        let mut problems = self.check_way(has_sender);
        let blank =
            |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
        for (key, is_blank) in [
            ("description", blank(&self.description)),
            ("said", blank(&self.said)),
        ] {
            if is_blank {
                problems.push(Problem::new(key, "is empty").help("leave it out"));
            }
        }
        if self.description.is_none() && self.rules.is_empty() {
            problems.push(
                Problem::new("", "nothing would ever send it")
                    .help("name `rules` that it answers, or give a `description` for the model"),
            );
        }
        if self.message.is_some() && !self.properties.is_empty() {
            problems.push(
                Problem::new("properties", "a message has none")
                    .help("show properties with a campaign or a Canvas"),
            );
        }
        if self.properties.len() > PROPERTIES_MAX {
            let message = format!("expected {PROPERTIES_MAX} at most");
            problems.push(Problem::new("properties", message));
        }
        for (name, property) in &self.properties {
            let found = property.check(name, self.description.is_some());
            let key = format!("properties.{name}");
            problems.extend(found.into_iter().map(|problem| problem.under(&key)));
            if property.value.is_none() && !property.optional && !self.rules.is_empty() {
                problems.push(
                    Problem::new(&key, "a rule cannot tell it, and it is required")
                        .help("give a `value`, or make it `optional`"),
                );
            }
        }
        problems
    }

    fn check_way(&self, has_sender: bool) -> Vec<Problem> {
        let ids = [&self.campaign_id, &self.canvas_id];
        let given = ids.iter().filter(|id| id.is_some()).count();
        let mut problems = Vec::new();
        if given + usize::from(self.message.is_some()) != 1 {
            problems.push(Problem::new(
                "",
                "expected exactly one of `campaign_id`, `canvas_id` and `message`",
            ));
        }
        for (key, id) in ["campaign_id", "canvas_id"].into_iter().zip(ids) {
            if id.as_ref().is_some_and(|id| id.trim().is_empty()) {
                problems.push(Problem::new(key, "is empty"));
            }
        }
        if let Some(message) = &self.message {
            let found = message.check().into_iter();
            problems.extend(found.map(|problem| problem.under("message")));
            if !has_sender {
                problems.push(
                    Problem::new("message", "nobody is named who sends it")
                        .help("give the assistant an `app_id` and a `subscription_group_id`"),
                );
            }
        }
        problems
    }

    /// Gives it as its workspace sends it; a checked one is one.
    pub fn named(&self, sender: Option<&Sender>) -> Option<NamedSend> {
        match (&self.campaign_id, &self.canvas_id, &self.message) {
            (Some(id), None, None) => Some(NamedSend::Campaign(id.clone())),
            (None, Some(id), None) => Some(NamedSend::Canvas(id.clone())),
            (None, None, Some(message)) => {
                let (kind, message) = message.written();
                Some(NamedSend::Message {
                    sender: sender?.clone(),
                    kind: kind.to_owned(),
                    message,
                })
            }
            _ => None,
        }
    }

    /// Gives it as a turn chooses it.
    pub fn terms(&self, name: &str) -> turn::Send {
        let asked = self.properties.iter();
        let asked = asked.filter(|(_, property)| property.value.is_none());
        let fixed = self.properties.iter();
        let fixed =
            fixed.filter_map(|(name, property)| Some((name.clone(), property.value.clone()?)));
        turn::Send {
            name: name.to_owned(),
            offer: self.description.as_ref().map(|description| Offer {
                name: name.to_owned(),
                description: description.clone(),
                fields: asked.map(|(name, property)| property.field(name)).collect(),
            }),
            fixed: fixed.collect(),
            rules: self.rules.clone(),
            said: self
                .said
                .clone()
                .or_else(|| self.message.as_ref().map(MessageConfig::words)),
        }
    }
}

impl PropertyConfig {
    fn check(&self, name: &str, is_offered: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        if name == REPLY_ID {
            let message = "is the name of the property that carries the reply's id";
            problems.push(Problem::new("", message));
        }
        if !is_name(name) {
            problems.push(Problem::new("", NAMES));
        }
        if self.value.as_ref().is_some_and(is_blank) {
            let message = "expected a text that is not empty, a number, true or false";
            problems.push(Problem::new("value", message));
        }
        if self.value.is_none() && is_offered && self.description.is_none() {
            problems.push(
                Problem::new(
                    "description",
                    "the model is asked for it, and not told what it is",
                )
                .help("say in a few words what it means"),
            );
        }
        problems.extend(check_kind(self.kind, &self.one_of, self.max));
        problems
    }

    fn field(&self, name: &str) -> Field {
        Field {
            name: name.to_owned(),
            description: self.description.clone().unwrap_or_default(),
            kind: self.kind.kind(&self.one_of, self.max.unwrap_or(TEXT_CHARS)),
            is_required: !self.optional,
        }
    }
}

/// Tells whether Braze could not show a value: it sends nothing for a blank one.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim().is_empty() || text.chars().count() > TEXT_CHARS_MAX,
        Value::Number(_) | Value::Bool(_) => false,
        Value::Null | Value::Array(_) | Value::Object(_) => true,
    }
}

/// What a name has to be.
pub(super) const NAMES: &str = "expected a name of letters, digits and `_`, up to 64";

/// Tells whether Liquid and a schema can both write a name.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(fits)
}

/// Finds what is wrong with the kind of a value.
pub(super) fn check_kind(kind: ValueType, one_of: &[String], max: Option<usize>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let is_text = kind == ValueType::String;
    if !is_text && (!one_of.is_empty() || max.is_some()) {
        let message = "`one_of` and `max` are for texts alone";
        problems.push(Problem::new("type", message));
    }
    if one_of
        .iter()
        .any(|text| text.trim() != text || text.is_empty())
    {
        problems.push(Problem::new(
            "one_of",
            "expected texts without white space around them",
        ));
    }
    if one_of.iter().collect::<BTreeSet<_>>().len() < one_of.len() {
        problems.push(Problem::new("one_of", "names one twice"));
    }
    if max.is_some_and(|max| !(1..=TEXT_CHARS_MAX).contains(&max)) {
        problems.push(Problem::new("max", "expected 1 to 1024"));
    }
    problems
}

#[cfg(test)]
mod tests;
