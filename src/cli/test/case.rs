//! A conversation test, as it was read.

use std::ops::Range;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value};

/// One file of tests.
#[derive(Clone, Debug)]
pub(in crate::cli) struct File {
    /// Its name, as the operator knows it.
    pub(in crate::cli) name: String,
    /// What stands in it.
    pub(in crate::cli) text: String,
}

/// One test: a customer, what is said, and what has to come of it.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// The file that it stands in.
    pub(super) file: String,
    /// The line that it begins in.
    pub(super) line: usize,
    /// What it is about.
    pub(super) description: String,
    /// Who writes.
    pub(super) user: User,
    /// What the clock shows at its beginning.
    pub(super) clock: Timestamp,
    /// What the model answers, in order; without it the stand-in answers by its own wits.
    pub(super) model: Option<Vec<Answer>>,
    /// What the model answers when it is asked to sum up.
    pub(super) summary: Option<String>,
    /// Keys of the configuration that are otherwise for this test.
    pub(super) settings: Vec<Setting>,
    /// Whether it is run with the real model.
    pub(super) live: Live,
    /// What happens, in order.
    pub(super) turns: Vec<Turn>,
}

/// Whether a test is run with the real model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Live {
    /// With it and without.
    #[default]
    Also,
    /// Only without it.
    Never,
    /// Only with it.
    Only,
}

/// A key of the configuration, with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The key as a path; `assistant` stands for the assistant's own table.
    pub(super) key: String,
    /// The value, as TOML has it.
    pub(super) value: String,
    /// Where it stands.
    pub(super) span: Range<usize>,
}

/// Who writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::cli) struct User {
    /// The id that the business gave.
    pub(in crate::cli) external_id: String,
    /// The number.
    pub(in crate::cli) phone: String,
    /// The language of the profile.
    pub(in crate::cli) language: Option<String>,
    /// What else is known.
    pub(in crate::cli) attributes: Map<String, Value>,
}

/// One answer of the scripted model.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) enum Answer {
    /// The object that an assistant is asked for.
    Object(Map<String, Value>),
    /// Words that are no object.
    Text(String),
    /// A fault.
    Fault(Fault),
}

/// What goes wrong with a call of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Fault {
    /// No answer comes.
    Timeout,
    /// The connection breaks.
    Connect,
    /// Too many calls.
    RateLimited,
    /// The server has no room.
    Overloaded,
    /// What comes back cannot be read.
    BadResponse,
    /// There is no text.
    Empty,
    /// The prompt is too long.
    ContextLength,
    /// The request is not taken.
    BadRequest,
    /// The key is refused.
    Auth,
    /// The credit is used up.
    Quota,
    /// A filter held it back.
    Filtered,
}

impl Fault {
    /// Every fault with its name, which is that of the log and of `frontdesk models`.
    pub(in crate::cli) const ALL: [(&'static str, Self); 11] = [
        ("auth", Self::Auth),
        ("bad_request", Self::BadRequest),
        ("bad_response", Self::BadResponse),
        ("connect", Self::Connect),
        ("context_length", Self::ContextLength),
        ("empty", Self::Empty),
        ("filtered", Self::Filtered),
        ("overloaded", Self::Overloaded),
        ("quota", Self::Quota),
        ("rate_limited", Self::RateLimited),
        ("timeout", Self::Timeout),
    ];
}

/// Something that happens, and what has to come of it.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// What happens.
    pub(super) step: Step,
    /// What has to come of it.
    pub(super) asserts: Vec<Assert>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// The customer writes.
    Says {
        /// What, one message after the other.
        texts: Vec<String>,
        /// The time between two of them.
        gap: Duration,
        /// Links to what comes with the first of them.
        media: Vec<String>,
    },
    /// Time goes by.
    Advance(Duration),
    /// An agent gives the conversation back.
    Release,
    /// A neighbour fails from now on.
    Down(Neighbour),
    /// A neighbour works again.
    Up(Neighbour),
    /// Nothing: what came of the step before is looked at again.
    Nothing,
}

/// Who can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Neighbour {
    /// Braze.
    Braze,
    /// The help desk.
    Desk,
    /// The model.
    Model,
}

impl Neighbour {
    /// Every neighbour with its name.
    pub(super) const ALL: [(&'static str, Self); 3] = [
        ("braze", Self::Braze),
        ("desk", Self::Desk),
        ("model", Self::Model),
    ];
}

/// Something that has to be so.
#[derive(Clone, Debug)]
pub(super) struct Assert {
    /// Its type, as it is written, with `not-`.
    pub(super) name: String,
    /// Whether it must not be so.
    pub(super) is_negated: bool,
    /// The line that it stands in.
    pub(super) line: usize,
    /// What is looked at.
    pub(super) check: Check,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// The words that the customer got since the step before.
    Words(Words),
    /// How many messages the customer got.
    Sends(u64),
    /// The longest time that it may take.
    Latency(Duration),
    /// The most that it may cost, in units of money.
    Cost(f64),
    /// That people were asked to take over, with this in the event.
    Handoff(Option<Value>),
    /// Who has the conversation.
    State(String),
    /// That the desk got an event of this name.
    Event(String),
    /// The rule that decided; nothing for none.
    Rule(Option<String>),
    /// The fixed text that was sent.
    TextKey(String),
    /// The language that the customer is spoken to in.
    Language(String),
    /// What the model was shown.
    Prompt(String),
    /// What became of the customer's last message.
    Outcome(String),
    /// What another model judges by.
    Rubric {
        /// What has to be so, in words.
        rubric: String,
        /// The score that is enough, 0 to 1.
        threshold: Option<f64>,
    },
}

/// What words have to be like.
#[derive(Clone, Debug)]
pub(super) enum Words {
    /// These.
    Equals(String),
    /// These are among them.
    Contains {
        /// What is looked for.
        values: Vec<String>,
        /// Whether one of them is enough.
        any: bool,
        /// Whether capitals make a difference.
        exact: bool,
    },
    /// They are of this pattern.
    Regex(Regex),
    /// They begin so.
    StartsWith(String),
    /// They are these but for so many letters.
    Levenshtein {
        /// What they are compared with.
        value: String,
        /// The letters that may be otherwise.
        threshold: usize,
    },
}
