//! What people do with a conversation, and what becomes of a handoff by itself.

use jiff::Timestamp;

use crate::domain::{
    Act, ConversationId, DeliveryId, EndReason, Handoff, HandoffId, NewDelivery, Owner, Said,
};
use crate::redact::Private;

/// The end of a handoff.
#[derive(Clone, Debug)]
pub struct HandoffEnd {
    /// The conversation that goes back to the assistant.
    pub conversation: ConversationId,
    /// The handoff that is meant; another that has begun meanwhile goes on.
    pub handoff: Option<HandoffId>,
    /// Why. A time-out counts only if it is one still.
    pub reason: EndReason,
    /// What enters the history, so that the assistant knows.
    pub note: Said,
    /// What the desk is told.
    pub event: Option<NewDelivery>,
}

/// What became of the end of a handoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The assistant has the conversation again.
    Returned,
    /// The assistant had it already.
    NotHandedOff,
    /// There is no such conversation.
    Unknown,
}

/// What somebody at a desk does with a conversation, written out for how it stood when it was read.
#[derive(Clone, Debug)]
pub struct DeskAct {
    /// The conversation.
    pub conversation: ConversationId,
    /// Who had it, and the handoff under way. Where that is no longer so, nothing is done.
    pub standing: (Owner, Option<HandoffId>),
    /// What is done.
    pub act: Act,
    /// Who does it, by the name that the desk has for him.
    pub agent: Option<Private<String>>,
    /// What enters the history.
    pub said: Option<Said>,
    /// What goes out, in this order.
    pub deliveries: Vec<NewDelivery>,
    /// The handoff that begins, where none is under way.
    pub begins: Option<Handoff>,
    /// When the conversation goes back to the assistant if nothing more is heard.
    pub returns_at: Timestamp,
    /// By what it is known again when it comes twice.
    pub once: Option<Once>,
}

/// By what an act is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Once {
    /// The digest of the key that was given for it.
    pub key: [u8; 32],
    /// The digest of all that was asked.
    pub request: [u8; 32],
}

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done.
    Done(Receipted),
    /// It had been done before.
    Before(Receipted),
    /// Something else was asked before with the same key.
    KeyReused,
    /// The conversation does not stand any more as it stood when it was read; read it anew.
    Shifted,
    /// Another agent has the conversation.
    Taken(Private<String>),
    /// The customer has asked for no more messages.
    OptedOut,
    /// WhatsApp takes no free text for this customer any more.
    WindowOver,
    /// There is no such conversation.
    Unknown,
}

/// How a conversation stood after an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipted {
    /// Who had it.
    pub owner: Owner,
    /// The handoff under way.
    pub handoff: Option<HandoffId>,
    /// The agent who had it, where one gave a name.
    pub agent: Option<Private<String>>,
    /// The words that were to be sent.
    pub delivery: Option<DeliveryId>,
}

/// A handoff that nobody has acknowledged in time.
#[derive(Clone, Debug)]
pub struct Unanswered {
    /// The conversation.
    pub conversation: ConversationId,
    /// The handoff that is meant.
    pub handoff: Option<HandoffId>,
    /// What enters the history.
    pub said: Vec<Said>,
    /// What goes out, in this order.
    pub deliveries: Vec<NewDelivery>,
    /// Whether the conversation goes back to the assistant.
    pub returns: bool,
}
