//! Model targets: one question, one deadline, one answer or a named fault.
//!
//! A `lineup` tries an assistant's targets in order. `verdict` says what is done about a fault, `breaker` keeps calls from
//! a target that fails, `dialect` remembers what a server refuses, `meter` adds up what it all costs.
//!
//! Servers that call themselves compatible differ in all that the API leaves open, and in some that it does not. So what
//! goes out is the common ground of them, and what comes back is read by hand, field by field: `transport` reads bytes,
//! `complaint` names errors, `lenient` opens the envelope, `object` finds the answer in the text, `think` takes
//! reasoning out of it. Nothing of what was said is logged or put into a fault.

mod aside;
mod breaker;
mod complaint;
mod config;
mod dialect;
mod fault;
mod format;
#[cfg(test)]
mod fuzz;
mod lenient;
mod lineup;
mod meter;
mod object;
mod preset;
mod price;
mod target;
mod think;
mod tokens;
mod transport;
mod verdict;
mod wait;

use std::time::Duration;

pub use breaker::BreakerState;
pub use config::TargetConfig;
pub use dialect::{AnswerMode, Dialect, TokenLimitField};
pub use fault::{Fault, FaultKind};
pub use lineup::{Asking, Lineup, Probed, Said, Unanswered};
pub use meter::Meter;
pub use preset::Preset;
pub use price::PriceConfig;
pub use target::{Target, TargetError};
pub use tokens::{Ruler, Scripts};

use crate::domain::Language;
use crate::redact::Private;

/// What a model is asked. Not printable: the prompt holds what is known of the customer.
#[derive(Clone)]
pub struct Question {
    /// The assistant's prompt. How to answer is added to it.
    pub system: String,
    /// What was said so far, oldest first.
    pub turns: Vec<Turn>,
    /// Links to pictures that came with what was said last, for models that can look at them.
    pub images: Vec<Private<String>>,
    /// The rules that the model may pick from: name and description.
    pub rules: Vec<(String, String)>,
}

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which side said it.
    pub role: Role,
    /// The words.
    pub text: Private<String>,
}

/// The sides of a conversation, as a model sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The customer.
    User,
    /// The business: the model itself, or a person.
    Assistant,
}

/// An answer and what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// What the server counted.
    pub usage: Usage,
    /// The model that the server says it used.
    pub model: Option<String>,
    /// How long it took, all attempts together.
    pub elapsed: Duration,
    /// The target that gave it, by its name in the configuration.
    pub target: String,
    /// How many calls it took.
    pub attempts: u32,
    /// Whether another target than the one that was to answer gave it.
    pub is_fallback: bool,
}

/// A plain text and what it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The text, never empty. It ends in mid-sentence where the token limit cut it.
    pub text: Private<String>,
    /// What the server counted.
    pub usage: Usage,
    /// The model that the server says it used.
    pub model: Option<String>,
    /// How long it took, all attempts together.
    pub elapsed: Duration,
}

/// What a model decided and wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The words for the customer. Empty only where the action is [`Action::Escalate`].
    pub reply: Private<String>,
    /// What is to happen.
    pub action: Action,
    /// The rule that the model picked: always one of the question's.
    pub rule: Option<String>,
    /// Why, in the model's words: for the staff, and it may quote the customer.
    pub reason: Option<Private<String>>,
    /// The language that the customer writes.
    pub language: Option<Language>,
}

/// What is to happen with a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The reply answers.
    Answer,
    /// The reply offers a person, and asks.
    OfferHuman,
    /// A person takes over now.
    Escalate,
}

impl Action {
    /// Every action there is.
    pub const ALL: [Self; 3] = [Self::Answer, Self::OfferHuman, Self::Escalate];

    /// Gives the name that the model is to use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::OfferHuman => "offer_human",
            Self::Escalate => "escalate",
        }
    }
}

/// The tokens that the server counted; `None` where it did not say. Nothing is estimated in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// What was read, in all.
    pub input: Option<u64>,
    /// What was written, reasoning included.
    pub output: Option<u64>,
    /// What of the input came out of the server's cache.
    pub cached: Option<u64>,
    /// What of the output was reasoning.
    pub reasoning: Option<u64>,
}

#[cfg(test)]
mod tests;
