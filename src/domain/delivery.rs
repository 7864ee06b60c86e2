//! What goes out.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Conversation, DeliveryId, Suppression};
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
    /// An apology for an answer that never came. It waits for answers to leave, and is dropped for one.
    Apology = 3,
}

impl Priority {
    /// Every priority there is, the first to go first.
    pub const ALL: [Self; 4] = [Self::Notice, Self::Agent, Self::Assistant, Self::Apology];

    /// Reads the number back that is stored.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|priority| *priority as i64 == number)
    }
}

/// What a delivery carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Words for the customer. The request around them is made when they are sent.
    Reply {
        /// The words, ready for WhatsApp.
        text: Private<String>,
    },
    /// One of the sends that the assistant has besides plain words.
    Send {
        /// Its name in the configuration.
        name: String,
        /// What it comes to in words, as the history has it.
        said: Private<String>,
        /// The values that its message shows.
        properties: Private<Map<String, Value>>,
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
            Self::Reply { .. } | Self::Send { .. } => Lane::Braze,
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
    /// What goes before it.
    pub priority: Priority,
    /// How many attempts failed that count against it.
    pub attempts: u32,
    /// When it is no longer worth sending.
    pub expires_at: Timestamp,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Whether an earlier attempt may have arrived.
    pub possible_duplicate: bool,
    /// What is to be written to the customer's profile before the words are shown.
    pub attributes: Private<Map<String, Value>>,
}

/// Whether a claimed delivery may leave, asked at the last step before it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clearance {
    /// It may, and the store knows that it is on its way.
    Go,
    /// It may not any more; the messages it answered have this as their outcome.
    Dropped(Suppression),
    /// It is no longer this node's to send.
    Lost,
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
        /// Whether the attempt counts against it: not where it was never its turn, or anybody's.
        counts: bool,
        /// What the other side said.
        error: String,
    },
    /// It may have been taken.
    Unknown {
        /// What to do about it.
        policy: OnUnknown,
        /// When it is tried again, where the policy says so.
        at: Timestamp,
        /// What happened.
        error: String,
    },
    /// It was refused for good, or all attempts were used up.
    Dead {
        /// What the other side said.
        error: String,
    },
}

/// What to do about a delivery of which nobody knows whether it arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Send it one more time, marked as a possible duplicate; give it up if that ends the same way.
    #[default]
    ResendOnce,
    /// Keep it for an operator to decide.
    Hold,
    /// Give it up.
    Drop,
}
