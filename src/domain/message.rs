//! What was said.

use jiff::Timestamp;

use super::MessageId;
use crate::redact::Private;

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The person on WhatsApp.
    Customer,
    /// The model, or a canned text in its place.
    Assistant,
    /// A person at the desk.
    Agent,
    /// Nobody: a note of the gateway's, such as the end of a handoff.
    System,
}

impl Author {
    /// Gives the name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Assistant => "assistant",
            Self::Agent => "agent",
            Self::System => "system",
        }
    }

    /// Reads the name back.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Customer, Self::Assistant, Self::Agent, Self::System]
            .into_iter()
            .find(|author| author.as_str() == name)
    }
}

/// One thing said in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// Its place in the order of arrival, from 1.
    pub seq: i64,
    /// Who said it.
    pub author: Author,
    /// The words.
    pub text: Private<String>,
    /// Links to what was sent along.
    pub media: Vec<Private<String>>,
    /// When it was stored.
    pub at: Timestamp,
    /// Whether it was given up for crashing the gateway: people may read it, a model is not shown it again.
    pub is_poison: bool,
}

/// One thing that a turn says; it becomes a [`Message`] when the turn is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who says it.
    pub author: Author,
    /// The words.
    pub text: Private<String>,
}
