//! What of a conversation is mirrored into the customer's Braze profile.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{ConversationId, Customer};
use crate::redact::Private;

/// What is mirrored of an assistant's conversations; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Attributes of the profile.
    pub attributes: Vec<Attribute>,
    /// What is told as an event, and under which name.
    pub events: Vec<(Moment, String)>,
}

/// An attribute of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name in Braze.
    pub name: String,
    /// Where its value comes from.
    pub source: Source,
    /// Whether it rides on replies, to be there before they are shown; else it goes by itself.
    pub with_reply: bool,
}

/// Where an attribute's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The language last spoken.
    Language,
    /// The rule that decided last.
    LastRule,
    /// Who answers: `assistant`, `pending` or `human`.
    Owner,
    /// Whether people have the conversation.
    HasHuman,
    /// How many turns there were.
    Turns,
    /// Why people were asked to take over, the last time.
    HandoffReason,
    /// What a model has understood, by the attribute's name.
    Model,
}

/// What can be told as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Moment {
    /// People were asked to take over.
    Handoff,
    /// The customer wants no more messages.
    OptOut,
    /// The conversation came back from people.
    Resolved,
}

impl Moment {
    /// Every moment there is.
    pub const ALL: [Self; 3] = [Self::Handoff, Self::OptOut, Self::Resolved];

    /// Gives the name that is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handoff => "handoff",
            Self::OptOut => "opt_out",
            Self::Resolved => "resolved",
        }
    }
}

/// What a customer's profile lacks.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileUpdate {
    /// The conversation that it comes from.
    pub conversation: ConversationId,
    /// Whose profile it is.
    pub customer: Customer,
    /// Attributes that have another value than was sent last.
    pub attributes: Private<Map<String, Value>>,
    /// Events that were not sent.
    pub events: Vec<ProfileEvent>,
    /// How many attempts failed.
    pub attempts: u32,
    /// The number of the change that it was read after: one that comes later is not in it.
    pub change: i64,
}

/// An event for a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileEvent {
    /// Its number.
    pub key: i64,
    /// Its name in Braze.
    pub name: String,
    /// When it happened, to the second or so.
    pub at: Timestamp,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirrored {
    /// It was taken, or refused for good: it is not sent again.
    Over,
    /// It was certainly not taken, or attributes do no harm twice: it is sent again at this time.
    Again(Timestamp),
}

impl ProfileUpdate {
    /// Tells how many objects of a request it fills.
    pub fn objects(&self) -> usize {
        usize::from(!self.attributes.is_empty()) + self.events.len()
    }
}
