//! By which of Braze's endpoints an assistant's words leave, and what they become there.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::domain::{Delivery, Payload};

/// The trigger property that names the reply: the same in each attempt, so that a campaign's Liquid or an export can tell
/// a second copy from a second reply.
pub const REPLY_ID: &str = "frontdesk_reply_id";

/// The message type of plain words in `/messages/send`.
const TEXT: &str = "text_response_message";

/// How an assistant's words leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Through an API-triggered campaign.
    Campaign {
        /// The campaign's id.
        id: String,
        /// The trigger property that its message shows.
        property: String,
    },
    /// Through an API-triggered Canvas.
    Canvas {
        /// The Canvas' id.
        id: String,
        /// The context variable that its message shows.
        property: String,
    },
    /// As a message of its own, without anything in Braze's dashboard.
    Message(Sender),
}

/// From whom a message of its own comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The app's id in Braze.
    pub app_id: String,
    /// The WhatsApp subscription group, which stands for the number.
    pub subscription_group_id: String,
}

/// What an assistant can send besides plain words, by the name that rules and models call it by.
#[derive(Clone, Debug, PartialEq)]
pub enum NamedSend {
    /// An API-triggered campaign of its own; its message shows the properties.
    Campaign(String),
    /// An API-triggered Canvas of its own; its steps show the properties.
    Canvas(String),
    /// A message that stands in the configuration.
    Message {
        /// From whom.
        sender: Sender,
        /// Braze's name for the kind of message.
        kind: String,
        /// The message object.
        message: Value,
    },
}

/// One assistant, as its workspace speaks for it.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// How plain words leave.
    pub way: Way,
    /// What else it can send.
    pub sends: BTreeMap<String, NamedSend>,
}

/// What a request is addressed to. Deliveries that share it can share a request, unless each is a message of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vehicle<'a> {
    /// `/campaigns/trigger/send`.
    Campaign(&'a str),
    /// `/canvas/trigger/send`.
    Canvas(&'a str),
    /// `/messages/send`.
    Message(&'a Sender),
}

/// What of a delivery stands in a request.
#[derive(Debug)]
pub(super) enum Load {
    /// Values for the message that a campaign or a Canvas has.
    Properties(Map<String, Value>),
    /// The message.
    Message { kind: String, message: Value },
}

impl Vehicle<'_> {
    /// Tells whether one request can carry several customers' words, each their own.
    pub fn carries_many(self) -> bool {
        !matches!(self, Self::Message(_))
    }

    /// Tells whether it is a Canvas, which a customer enters once a second.
    pub(super) fn is_canvas(self) -> bool {
        matches!(self, Self::Canvas(_))
    }

    /// Gives the permission that the API key needs for it.
    pub(super) fn permission(self) -> &'static str {
        match self {
            Self::Campaign(_) => "campaigns.trigger.send",
            Self::Canvas(_) => "canvas.trigger.send",
            Self::Message(_) => "messages.send",
        }
    }
}

impl Speaker {
    /// Tells what a delivery is addressed to; nothing where it names a send that is no longer configured, or is none for a
    /// customer.
    pub fn vehicle(&self, payload: &Payload) -> Option<Vehicle<'_>> {
        match payload {
            Payload::Reply { .. } => Some(match &self.way {
                Way::Campaign { id, .. } => Vehicle::Campaign(id),
                Way::Canvas { id, .. } => Vehicle::Canvas(id),
                Way::Message(sender) => Vehicle::Message(sender),
            }),
            Payload::Send { name, .. } => Some(match self.sends.get(name)? {
                NamedSend::Campaign(id) => Vehicle::Campaign(id),
                NamedSend::Canvas(id) => Vehicle::Canvas(id),
                NamedSend::Message { sender, .. } => Vehicle::Message(sender),
            }),
            Payload::Event { .. } => None,
        }
    }

    /// Gives what of a delivery stands in its request.
    pub(super) fn load(&self, delivery: &Delivery) -> Option<Load> {
        let stamped = |mut properties: Map<String, Value>| {
            properties.insert(REPLY_ID.to_owned(), delivery.id.to_string().into());
            Load::Properties(properties)
        };
        match &delivery.payload {
            Payload::Reply { text } => Some(match &self.way {
                Way::Campaign { property, .. } | Way::Canvas { property, .. } => {
                    let words = (property.clone(), Value::from(text.as_str()));
                    stamped(Map::from_iter([words]))
                }
                Way::Message(_) => Load::Message {
                    kind: TEXT.to_owned(),
                    message: json!({ "body": text.as_str() }),
                },
            }),
            Payload::Send {
                name, properties, ..
            } => Some(match self.sends.get(name)? {
                NamedSend::Campaign(_) | NamedSend::Canvas(_) => stamped(properties.0.clone()),
                NamedSend::Message { kind, message, .. } => Load::Message {
                    kind: kind.clone(),
                    message: message.clone(),
                },
            }),
            Payload::Event { .. } => None,
        }
    }
}
