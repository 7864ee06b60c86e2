//! What goes out.

use jiff::Timestamp;

use super::{Conversation, DeliveryId, MessageId};
use crate::redact::Private;

/// Where a delivery goes. Order holds for a conversation within a lane, so that a desk that is down delays no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    /// To the customer, by Braze.
    Braze,
    /// To the people, by the desk's webhook.
    Desk,
}

impl Lane {
    /// Gives the name that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Braze => "braze",
            Self::Desk => "desk",
        }
    }
}

/// What goes first when not everything can go at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// What the customer must hear whatever else happens: opt-out and handoff notices.
    Notice = 0,
    /// What a person at the desk says.
    Agent = 1,
    /// What the assistant says.
    Assistant = 2,
}

/// What a delivery carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Words for the customer. The request around them is made when they are sent.
    Reply {
        /// The words, ready for WhatsApp.
        text: Private<String>,
    },
    /// An event for the desk: its body, made once, so that every attempt carries the same.
    Event {
        /// The event's name, such as `handoff.requested`.
        name: String,
        /// The JSON body.
        body: Private<String>,
    },
}

impl Payload {
    /// Tells where it goes.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Reply { .. } => Lane::Braze,
            Self::Event { .. } => Lane::Desk,
        }
    }
}

/// A delivery to be stored with a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Its name, known before it is stored so that a payload can carry it.
    pub id: DeliveryId,
    /// What it carries.
    pub payload: Payload,
    /// What goes before it.
    pub priority: Priority,
    /// When it is no longer worth sending.
    pub expires_at: Timestamp,
}

/// A delivery that this node has claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Its name.
    pub id: DeliveryId,
    /// The conversation it belongs to, as it stood at the claim.
    pub conversation: Conversation,
    /// What it carries.
    pub payload: Payload,
    /// How often it was tried before.
    pub attempts: u32,
    /// When it was stored.
    pub created_at: Timestamp,
    /// The newest customer message that it answers, for the record of what became of it.
    pub answers: Option<MessageId>,
}

/// How an attempt to send ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// It was taken.
    Sent,
    /// It was certainly not taken; try again at this time.
    Retry {
        /// When.
        at: Timestamp,
        /// What the other side said.
        error: String,
    },
    /// It may have been taken. It is tried once more, marked as a possible duplicate.
    Unknown {
        /// When it is tried again.
        at: Timestamp,
        /// What happened.
        error: String,
    },
    /// It will never be taken.
    Dead {
        /// What kind of end it is.
        reason: DeadReason,
        /// What the other side said.
        error: String,
    },
}

/// Why a delivery is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// The other side refused it for good, or all attempts were used up.
    Refused,
    /// Whether it arrived is not known, and it is not to be sent twice.
    Unknown,
}
