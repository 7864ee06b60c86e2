//! One customer with one assistant: the unit of order, memory and ownership.

use jiff::Timestamp;

use super::{ConversationId, Customer, HandoffId, Language, Profile};
use crate::redact::Private;

/// Who answers a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The assistant.
    Assistant,
    /// Nobody yet: people were asked to take over.
    Pending,
    /// A person at the desk.
    Human,
}

impl Owner {
    /// Gives the name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Assistant => "assistant",
            Self::Pending => "pending",
            Self::Human => "human",
        }
    }

    /// Reads the name back.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Assistant, Self::Pending, Self::Human]
            .into_iter()
            .find(|owner| owner.as_str() == name)
    }
}

/// One customer with one assistant, as it stood when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    /// Its name.
    pub id: ConversationId,
    /// The name of the assistant in the configuration.
    pub assistant: String,
    /// Who writes.
    pub customer: Customer,
    /// Who answers.
    pub owner: Owner,
    /// The handoff under way, where people have the conversation or were asked to.
    pub handoff: Option<HandoffId>,
    /// Whether the customer has asked for no more messages.
    pub opted_out: bool,
    /// Grows whenever the ground shifts under a turn.
    pub epoch: i64,
    /// Grows with everything that enters the history; what a cached window is checked against.
    pub version: i64,
    /// The language last spoken.
    pub language: Option<Language>,
    /// What Braze knows of the customer.
    pub profile: Profile,
    /// When it began.
    pub opened_at: Timestamp,
    /// When WhatsApp stops taking free-form replies: 24 h after the customer's last message.
    pub window_expires_at: Timestamp,
    /// What older messages came to, where there is a summary of them.
    pub summary: Option<Summary>,
    /// The last time that the assistant was to say nothing for a while; it may be over.
    pub pause: Option<Pause>,
}

/// A while in which the assistant answers nothing but what a rule decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Why.
    pub reason: PauseReason,
    /// When it is over.
    pub until: Timestamp,
}

/// Why the assistant says nothing for a while: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// The customer writes more than is answered.
    RateLimited,
    /// What is written looks like another machine's.
    Loop,
}

impl PauseReason {
    /// Every reason there is.
    pub const ALL: [Self; 2] = [Self::RateLimited, Self::Loop];

    /// Gives the name that is stored, counted and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Loop => "loop",
        }
    }

    /// Reads the name back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

/// What older messages of a conversation came to, in a model's words: data, as the customer's own are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The words.
    pub text: Private<String>,
    /// The place of the newest message in it.
    pub up_to: i64,
    /// When it is forgotten: as soon as that message would be.
    pub expires_at: Timestamp,
}

/// Why people were asked to take over: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandoffReason {
    /// The customer asked for a person, and a phrase rule heard it.
    CustomerAsked,
    /// A rule that the model picked says so.
    Rule,
    /// The model itself chose to.
    Model,
    /// The assistant could not answer.
    Failure,
    /// The day's limit of tokens or money is reached.
    Limit,
    /// An operator took the conversation.
    Operator,
    /// Another program asked for it, or somebody at the desk wrote first.
    Api,
}

impl HandoffReason {
    /// Every reason there is.
    pub const ALL: [Self; 7] = [
        Self::CustomerAsked,
        Self::Rule,
        Self::Model,
        Self::Failure,
        Self::Limit,
        Self::Operator,
        Self::Api,
    ];

    /// Gives the name that is stored, sent and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CustomerAsked => "customer_asked",
            Self::Rule => "rule",
            Self::Model => "model",
            Self::Failure => "failure",
            Self::Limit => "limit",
            Self::Operator => "operator",
            Self::Api => "api",
        }
    }
}

/// Why a handoff ended: a closed set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The desk gave the conversation back.
    AgentReleased,
    /// An operator gave it back.
    Operator,
    /// The customer asked for the assistant again.
    CustomerReturned,
    /// Nobody came in time, or nothing was heard for too long.
    TimedOut,
}

impl EndReason {
    /// Every reason there is.
    pub const ALL: [Self; 4] = [
        Self::AgentReleased,
        Self::Operator,
        Self::CustomerReturned,
        Self::TimedOut,
    ];

    /// Gives the name that is stored, sent and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentReleased => "agent_released",
            Self::Operator => "operator",
            Self::CustomerReturned => "customer_returned",
            Self::TimedOut => "timed_out",
        }
    }
}

/// One time that people are asked to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// Its name.
    pub id: HandoffId,
    /// Why.
    pub reason: HandoffReason,
    /// The rule that decided it, where one did.
    pub rule: Option<String>,
    /// What the model said about it, where it decided.
    pub detail: Option<Private<String>>,
    /// The customer's words that it rests on.
    pub evidence: Private<String>,
    /// When it is said that nobody has come, where nobody has by then.
    pub ack_due_at: Option<Timestamp>,
    /// When the conversation goes back to the assistant if nothing more is heard.
    pub returns_at: Timestamp,
}
