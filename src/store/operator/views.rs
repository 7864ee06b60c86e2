//! What operators see.

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;
use uuid::Uuid;

use super::Page;
use crate::domain::{
    Conversation, ConversationId, DeliveryId, Guarded, HandoffId, Lane, Message, Outcome, Owner,
    Spending,
};
use crate::redact::Private;

/// Which conversations are wanted; what is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// Those of this assistant.
    pub assistant: Option<String>,
    /// Those that this one has.
    pub owner: Option<Owner>,
    /// Those of the customer with this id.
    pub external_id: Option<Private<String>>,
    /// Those of customers with this number, by its digits.
    pub phone: Option<Private<String>>,
    /// Whether messages wait for an outcome.
    pub waiting: Option<bool>,
    /// Whether the customer has asked for no more messages.
    pub opted_out: Option<bool>,
}

/// A conversation, and what operators want to know beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversationView {
    /// The conversation.
    pub conversation: Conversation,
    /// Customer messages without an outcome.
    pub waiting: u64,
    /// When the customer is told that nobody has come, where nobody has.
    pub ack_due_at: Option<Timestamp>,
    /// When it goes back to the assistant by itself, where people have it.
    pub returns_at: Option<Timestamp>,
}

/// One conversation with what was said, sent and decided in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transcript {
    /// The conversation.
    pub view: ConversationView,
    /// What was said, newest first.
    pub messages: Page<MessageView>,
    /// Its newest deliveries.
    pub deliveries: Vec<DeliveryView>,
    /// Its newest handoffs.
    pub handoffs: Vec<HandoffView>,
    /// What its turns took on the days that are kept, the newest first.
    pub spending: Vec<SpendingView>,
}

/// What asking models took on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpendingView {
    /// The assistant.
    pub assistant: String,
    /// The day, where the business is.
    pub day: Date,
    /// What it took.
    pub spending: Spending,
}

/// A message, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageView {
    /// The message.
    pub message: Message,
    /// The outcome of a customer's message; nothing while it waits.
    pub outcome: Option<Outcome>,
    /// The rule that decided, where one did.
    pub rule: Option<String>,
    /// What guards did about the answer.
    pub guards: Vec<Guarded>,
    /// The content hash of the prompt folder that was in force.
    pub prompt_version: Option<String>,
}

/// One time that people were asked to take over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoffView {
    /// Its name.
    pub id: HandoffId,
    /// Why it began.
    pub reason: String,
    /// The rule that decided it, where one did.
    pub rule: Option<String>,
    /// Why, in the words of who decided it, where there are some.
    pub detail: Option<Private<String>>,
    /// When it began.
    pub requested_at: Timestamp,
    /// When the customer was told that nobody had come in time.
    pub unanswered_at: Option<Timestamp>,
    /// When somebody came.
    pub acknowledged_at: Option<Timestamp>,
    /// Who, by the desk's name for him.
    pub agent: Option<Private<String>>,
    /// When it ended, where it has.
    pub ended_at: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<String>,
}

/// Which deliveries are wanted; what is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Those in this state.
    pub state: Option<DeliveryState>,
    /// Those that go this way.
    pub lane: Option<Lane>,
    /// Those of this assistant.
    pub assistant: Option<String>,
    /// Those of this conversation.
    pub conversation: Option<ConversationId>,
    /// Whether an earlier attempt may have arrived.
    pub possible_duplicate: Option<bool>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It waits to be sent.
    Ready,
    /// It is on its way.
    Sending,
    /// It was taken.
    Sent,
    /// It was not sent, on purpose.
    Dropped,
    /// Whether it arrived is not known; an operator decides.
    Held,
    /// It was given up.
    Dead,
}

impl DeliveryState {
    /// Every state there is.
    pub const ALL: [Self; 6] = [
        Self::Ready,
        Self::Sending,
        Self::Sent,
        Self::Dropped,
        Self::Held,
        Self::Dead,
    ];

    /// Gives the name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Held => "held",
            Self::Dead => "dead",
        }
    }

    /// Reads the name back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// A delivery as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct DeliveryView {
    /// Its name.
    pub id: DeliveryId,
    /// The conversation that it belongs to.
    pub conversation: ConversationId,
    /// The assistant.
    pub assistant: String,
    /// Where it goes.
    pub lane: Lane,
    /// `reply`, or the name of the desk's event.
    pub name: String,
    /// The words, or the event's body.
    pub body: Private<String>,
    /// Where it stands.
    pub state: DeliveryState,
    /// How many attempts failed that count against it.
    pub attempts: u32,
    /// Whether an earlier attempt may have arrived.
    pub possible_duplicate: bool,
    /// What went wrong last.
    pub error: Option<String>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it is tried next, at the earliest.
    pub not_before: Timestamp,
    /// When it is no longer worth sending.
    pub expires_at: Timestamp,
    /// When it ended, where it has.
    pub ended_at: Option<Timestamp>,
}

/// A body that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineView {
    /// Its name.
    pub id: Uuid,
    /// The assistant that it was for.
    pub assistant: String,
    /// How long it is, in bytes.
    pub bytes: u64,
    /// Why it could not be read.
    pub error: String,
    /// When it came.
    pub at: Timestamp,
}

/// A body that could not be read, with what it holds.
pub type QuarantinedBody = (QuarantineView, Private<Vec<u8>>);

/// One act of an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who, by his name in the configuration.
    pub actor: String,
    /// What he was allowed to do.
    pub role: String,
    /// What he did.
    pub action: String,
    /// The conversation, delivery, body or erasure that it was about.
    pub subject: Uuid,
    /// What came of it.
    pub detail: Value,
}

/// Which acts are wanted; what is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Those of this person.
    pub actor: Option<String>,
    /// Those of this kind.
    pub action: Option<String>,
    /// Those about this one.
    pub subject: Option<Uuid>,
}
