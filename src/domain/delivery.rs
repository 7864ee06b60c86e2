//! What goes out.

use std::time::Duration;

use jiff::Timestamp;

use super::{Conversation, DeliveryId, Suppression, new_id};
use crate::clock::later;
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

/// What a delivery carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Words for the customer. The request around them is made when they are sent.
    Reply {
        /// The words, ready for WhatsApp.
        text: Private<String>,
    },
    /// Whether the customer gets messages, as Braze is to know it. To say it twice is as to say it once.
    Subscription {
        /// The subscription group.
        group: String,
        /// Whether he does.
        is_subscribed: bool,
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
            Self::Reply { .. } | Self::Subscription { .. } => Lane::Braze,
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

/// How long Braze is told of a customer's consent where it does not listen: a weekend, and then somebody has to look.
const SUBSCRIPTION_WITHIN: Duration = Duration::from_hours(72);

impl NewDelivery {
    /// Makes what Braze is to know of a customer's consent.
    pub fn subscription(now: Timestamp, group: &str, is_subscribed: bool) -> Self {
        Self {
            id: DeliveryId(new_id(now)),
            payload: Payload::Subscription {
                group: group.to_owned(),
                is_subscribed,
            },
            priority: Priority::Notice,
            expires_at: later(now, SUBSCRIPTION_WITHIN),
        }
    }
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
    /// How many attempts failed that count against it.
    pub attempts: u32,
    /// When it is no longer worth sending.
    pub expires_at: Timestamp,
    /// When it was stored.
    pub created_at: Timestamp,
    /// Whether an earlier attempt may have arrived.
    pub possible_duplicate: bool,
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
