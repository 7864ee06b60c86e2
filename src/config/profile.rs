//! What of conversations goes to customers' profiles: `[assistants.NAME.attributes.NAME]` and `[assistants.NAME.events]`.

use serde::Deserialize;

use super::sends::{NAMES, ValueType, check_kind, is_name};
use crate::domain::{Attribute, Moment, Source};
use crate::model::Field;
use crate::problem::Problem;

/// Attributes of one assistant: each of those that a model is to learn costs words in every prompt.
pub(super) const ATTRIBUTES_MAX: usize = 32;

/// The longest text that Braze keeps in an attribute.
const TEXT_CHARS_MAX: usize = 255;

/// Names that Braze has for something else.
const RESERVED: [&str; 22] = [
    "alias_label",
    "alias_name",
    "braze_id",
    "country",
    "dob",
    "email",
    "email_subscribe",
    "external_id",
    "first_name",
    "gender",
    "home_city",
    "language",
    "last_name",
    "phone",
    "push_subscribe",
    "push_token_import",
    "push_tokens",
    "subscription_groups",
    "time_zone",
    "twitter",
    "user_alias",
    "current_location",
];

/// An attribute of the profile.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeConfig {
    /// Where its value comes from.
    pub source: AttributeSource,
    /// Whether it rides on replies, so that it is there before they are shown. Default false: it is written by itself.
    #[serde(default)]
    pub with_reply: bool,
    /// What it means, for the model.
    pub description: Option<String>,
    /// What kind of value a model gives. Default: a text.
    #[serde(default, rename = "type")]
    pub(super) kind: ValueType,
    /// The texts that it may be. Default: any.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// The longest text, in characters, 1 to 255. Default 255.
    pub max: Option<usize>,
}

/// Where an attribute's value comes from, as the file spells it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum AttributeSource {
    /// The language last spoken.
    Language,
    /// The rule that decided last.
    LastRule,
    /// Who answers: `assistant`, `pending` or `human`.
    Owner,
    /// Whether people have the conversation, or were asked to take it.
    HasHuman,
    /// How many turns there were.
    Turns,
    /// Why people were asked to take over, the last time.
    HandoffReason,
    /// What the model understands of what the customer says.
    Model,
}

/// What is told as an event, and under which name. Default: nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventsConfig {
    /// People were asked to take over.
    pub handoff: Option<String>,
    /// The customer wants no more messages.
    pub opt_out: Option<String>,
    /// The conversation came back from people.
    pub resolved: Option<String>,
}

impl AttributeConfig {
    /// Finds what cannot work.
    pub(super) fn check(&self, name: &str, can_ride: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !is_name(name) || name.starts_with('_') {
            problems.push(Problem::new("", NAMES));
        }
        if RESERVED.contains(&name) {
            problems.push(
                Problem::new("", "is a name that Braze has for something else")
                    .help("put something before it, such as `chat_`"),
            );
        }
        if self.with_reply && !can_ride {
            problems.push(
                Problem::new("with_reply", "a message of its own carries no attributes")
                    .help("leave it out, or answer through a campaign or a Canvas"),
            );
        }
        let is_model = self.source == AttributeSource::Model;
        let is_blank = |text: &String| text.trim().is_empty();
        if is_model && self.description.as_ref().is_none_or(is_blank) {
            problems.push(
                Problem::new(
                    "description",
                    "the model is asked for it, and not told what it is",
                )
                .help("say in a few words what it means"),
            );
        }
        let says_kind = self.kind != ValueType::String || self.max.is_some();
        if !is_model && (self.description.is_some() || says_kind || !self.one_of.is_empty()) {
            let message = "`description`, `type`, `one_of` and `max` are for the source `model`";
            problems.push(Problem::new("source", message));
        }
        problems.extend(check_kind(self.kind, &self.one_of, self.max));
        if self.max.is_some_and(|max| max > TEXT_CHARS_MAX) {
            problems.push(Problem::new("max", "Braze keeps 255 characters"));
        }
        if self
            .one_of
            .iter()
            .any(|text| text.chars().count() > TEXT_CHARS_MAX)
        {
            problems.push(Problem::new("one_of", "Braze keeps 255 characters"));
        }
        problems
    }

    /// Gives it as it is mirrored.
    pub(super) fn attribute(&self, name: &str) -> Attribute {
        Attribute {
            name: name.to_owned(),
            source: match self.source {
                AttributeSource::Language => Source::Language,
                AttributeSource::LastRule => Source::LastRule,
                AttributeSource::Owner => Source::Owner,
                AttributeSource::HasHuman => Source::HasHuman,
                AttributeSource::Turns => Source::Turns,
                AttributeSource::HandoffReason => Source::HandoffReason,
                AttributeSource::Model => Source::Model,
            },
            with_reply: self.with_reply,
        }
    }

    /// Gives what the model is asked for, where it is.
    pub(super) fn field(&self, name: &str) -> Option<Field> {
        (self.source == AttributeSource::Model).then(|| Field {
            name: name.to_owned(),
            description: self.description.clone().unwrap_or_default(),
            kind: self
                .kind
                .kind(&self.one_of, self.max.unwrap_or(TEXT_CHARS_MAX)),
            is_required: false,
        })
    }
}

impl EventsConfig {
    fn named(&self) -> [(Moment, &Option<String>); 3] {
        [
            (Moment::Handoff, &self.handoff),
            (Moment::OptOut, &self.opt_out),
            (Moment::Resolved, &self.resolved),
        ]
    }

    /// Finds what cannot work.
    pub(super) fn check(&self) -> Vec<Problem> {
        let is_wrong = |name: &String| {
            name.trim().is_empty() || name.starts_with('$') || name.chars().count() > TEXT_CHARS_MAX
        };
        let named = self.named().into_iter();
        let wrong = named.filter(|(_, name)| name.as_ref().is_some_and(is_wrong));
        wrong
            .map(|(moment, _)| {
                let message = "expected an event's name, of up to 255 characters and without `$`";
                Problem::new(moment.as_str(), message)
            })
            .collect()
    }

    /// Gives the moments that are told.
    pub(super) fn moments(&self) -> Vec<(Moment, String)> {
        let named = self.named().into_iter();
        named
            .filter_map(|(moment, name)| Some((moment, name.clone()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::fine("chat_language", "source = 'language'", "")]
    #[case::reserved("language", "source = 'language'", "something else")]
    #[case::dashes("a-b", "source = 'language'", "letters, digits")]
    #[case::own("_update_existing_only", "source = 'turns'", "letters, digits")]
    #[case::untold("size", "source = 'model'", "not told what it is")]
    #[case::typed(
        "turns",
        "source = 'turns'\ntype = 'integer'",
        "for the source `model`"
    )]
    #[case::long(
        "size",
        "source = 'model'\ndescription = 'd'\nmax = 300",
        "255 characters"
    )]
    #[case::cannot_ride("x", "source = 'turns'\nwith_reply = true", "carries no attributes")]
    fn what_braze_would_not_keep_is_refused(
        #[case] name: &str,
        #[case] toml: &str,
        #[case] says: &str,
    ) {
        let attribute: AttributeConfig = toml::from_str(toml).unwrap();
        let found = attribute.check(name, false);
        match says {
            "" => assert!(found.is_empty(), "{found:?}"),
            says => assert!(
                found.iter().any(|one| one.message.contains(says)),
                "{found:?}"
            ),
        }
    }

    #[test]
    fn events_have_names() {
        let events: EventsConfig =
            toml::from_str("handoff = 'a'\nopt_out = ''\nresolved = '$b'").unwrap();
        let keys: Vec<_> = events.check().into_iter().map(|one| one.key).collect();
        assert_eq!(keys, ["opt_out", "resolved"]);
        assert_eq!(EventsConfig::default().moments(), []);
    }
}
