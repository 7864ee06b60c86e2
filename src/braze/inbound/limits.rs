//! How bodies are read, and how large their parts may be: the config of this module.

use std::time::Duration;

use serde::Deserialize;

use crate::problem::Problem;

/// How the webhook campaign's template writes what the customer typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escaping {
    /// Goes by the form of each body, as the module's table says.
    #[default]
    Auto,
    /// As it is. `message` must be the last field of the template, and nothing that a customer can write may stand before
    /// it: then no text can add to the body or take from it.
    None,
    /// Through the `json_escape` filter, every field. A body that is not JSON, or has a field twice, is refused.
    JsonEscape,
}

/// How a webhook's body is read, and how large its parts may be. All sizes are bytes of UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InboundLimits {
    /// How the template writes what the customer typed: `auto` (the default), `none` or `json_escape`.
    pub escaping: Escaping,
    /// The longest message. Default 16,384: WhatsApp's 4,096 characters at 4 bytes each.
    pub text_bytes: usize,
    /// The longest `user_id`, `braze_id`, `phone_number` or `dispatch_id`. Default 987: what Braze allows an external id.
    pub id_bytes: usize,
    /// How many fields a body may have. Default 64: a template is written by hand, and none so long is known.
    pub fields: usize,
    /// The longest name of a profile field. Default 255, the characters that Braze allows an attribute's name.
    pub name_bytes: usize,
    /// The longest text in a profile field; a longer one is cut. Default 1,024: Braze's 255 characters at 4 bytes each.
    pub value_bytes: usize,
    /// The largest list or object in a profile field, written as JSON; a larger one is left out. Default 4,096: more would
    /// crowd the conversation out of the prompt.
    pub nested_bytes: usize,
    /// How many media links a message may have. Default 16: WhatsApp sends one, the rest is room.
    pub media: usize,
    /// The longest media link. Default 2,048: signed links of object stores reach half of it.
    pub media_bytes: usize,
    /// How long after a message the same words of the same customer for another assistant count as the same message, which
    /// only the first one answers; 0 s to 1 min. Default 2 s: two webhook campaigns fire together. `0s` lets both answer.
    #[serde(with = "crate::duration")]
    pub one_answer_within: Duration,
}

impl Default for InboundLimits {
    fn default() -> Self {
        Self {
            escaping: Escaping::default(),
            text_bytes: 16_384,
            id_bytes: 987,
            fields: 64,
            name_bytes: 255,
            value_bytes: 1_024,
            nested_bytes: 4_096,
            media: 16,
            media_bytes: 2_048,
            one_answer_within: Duration::from_secs(2),
        }
    }
}

/// A customer who writes the same to two numbers a minute later means it.
const ONE_ANSWER_MAX: Duration = Duration::from_mins(1);

/// No part of a body can be longer than the longest body that the door takes.
const BYTES_MAX: usize = 4 * 1_024 * 1_024;

impl InboundLimits {
    /// Finds what cannot work.
    pub fn check(&self) -> Vec<Problem> {
        let limits = [
            ("text_bytes", self.text_bytes),
            ("id_bytes", self.id_bytes),
            ("fields", self.fields),
            ("name_bytes", self.name_bytes),
            ("value_bytes", self.value_bytes),
            ("nested_bytes", self.nested_bytes),
            ("media", self.media),
            ("media_bytes", self.media_bytes),
        ];
        let mut problems: Vec<Problem> = limits
            .into_iter()
            .filter(|(_, limit)| !(1..=BYTES_MAX).contains(limit))
            .map(|(key, _)| Problem::new(key, "expected 1 to 4,194,304"))
            .collect();
        if self.one_answer_within > ONE_ANSWER_MAX {
            let expected = "expected 0 s to 1 min";
            problems.push(Problem::new("one_answer_within", expected));
        }
        problems
    }
}
