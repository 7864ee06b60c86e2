//! The bodies of requests that send. Each names its recipients, and there is no way to write one that does not: whoever
//! makes one has a first [`Rider`]. The field `broadcast`, which would send to everybody, is never written.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::way::{Load, Sender, Speaker, Vehicle};
use crate::domain::{Delivery, Recipient};

/// One customer's words in a request.
#[derive(Debug)]
pub(super) struct Rider<'a> {
    pub(super) delivery: &'a Delivery,
    recipient: Recipient,
    load: Load,
}

/// Those whose words leave in one request: at least one.
#[derive(Debug)]
pub(super) struct Riders<'a> {
    vehicle: Vehicle<'a>,
    first: Rider<'a>,
    rest: Vec<Rider<'a>>,
}

/// What is posted, and where.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) path: &'static str,
    pub(super) body: Value,
}

#[derive(Serialize)]
struct Named<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    external_user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_alias: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trigger_properties: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    attributes: &'a Map<String, Value>,
}

impl<'a> Rider<'a> {
    /// Gives a delivery as it rides; nothing where it is for nobody, or nothing of it can be written.
    fn of(speaker: &Speaker, delivery: &'a Delivery) -> Option<Self> {
        let recipient = delivery.conversation.customer.recipient();
        let (Recipient::ExternalUserId(id) | Recipient::PhoneAlias(id)) = &recipient;
        if id.trim().is_empty() {
            return None;
        }
        Some(Self {
            delivery,
            load: speaker.load(delivery)?,
            recipient,
        })
    }

    fn alias(&self) -> Option<Value> {
        match &self.recipient {
            Recipient::ExternalUserId(_) => None,
            Recipient::PhoneAlias(phone) => {
                Some(json!({ "alias_name": phone.as_str(), "alias_label": "phone" }))
            }
        }
    }

    fn external_id(&self) -> Option<&str> {
        match &self.recipient {
            Recipient::ExternalUserId(id) => Some(id.as_str()),
            Recipient::PhoneAlias(_) => None,
        }
    }

    fn named(&self, is_canvas: bool) -> Value {
        let properties = match &self.load {
            Load::Properties(properties) => Some(properties),
            Load::Message { .. } => None,
        };
        let named = Named {
            external_user_id: self.external_id(),
            user_alias: self.alias(),
            trigger_properties: properties.filter(|_| !is_canvas),
            context: properties.filter(|_| is_canvas),
            attributes: &self.delivery.attributes.0,
        };
        serde_json::to_value(named).unwrap_or_default()
    }
}

impl<'a> Riders<'a> {
    /// Takes the first delivery that can be sent, and with it all others that go where it goes. Nothing where none can.
    pub(super) fn of(
        speaker: &'a Speaker,
        deliveries: impl IntoIterator<Item = &'a Delivery>,
    ) -> Option<Self> {
        let mut riders = deliveries.into_iter().filter_map(|delivery| {
            let vehicle = speaker.vehicle(&delivery.payload)?;
            Some((vehicle, Rider::of(speaker, delivery)?))
        });
        let (vehicle, first) = riders.next()?;
        let rest = riders.filter(|(other, _)| vehicle.carries_many() && *other == vehicle);
        Some(Self {
            vehicle,
            first,
            rest: rest.map(|(_, rider)| rider).collect(),
        })
    }

    pub(super) fn vehicle(&self) -> Vehicle<'a> {
        self.vehicle
    }

    pub(super) fn count(&self) -> usize {
        self.rest.len() + 1
    }

    pub(super) fn first(&self) -> &'a Delivery {
        self.first.delivery
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rider<'a>> {
        std::iter::once(&self.first).chain(&self.rest)
    }

    /// Writes the request.
    pub(super) fn request(&self) -> Request {
        let recipients =
            |is_canvas| -> Vec<Value> { self.iter().map(|rider| rider.named(is_canvas)).collect() };
        match self.vehicle {
            Vehicle::Campaign(id) => Request {
                path: "/campaigns/trigger/send",
                body: json!({ "campaign_id": id, "recipients": recipients(false) }),
            },
            Vehicle::Canvas(id) => Request {
                path: "/canvas/trigger/send",
                body: json!({ "canvas_id": id, "recipients": recipients(true) }),
            },
            Vehicle::Message(sender) => Request {
                path: "/messages/send",
                body: message(&self.first, sender),
            },
        }
    }
}

fn message(rider: &Rider<'_>, sender: &Sender) -> Value {
    let mut whats_app = json!({
        "app_id": sender.app_id,
        "subscription_group_id": sender.subscription_group_id,
    });
    if let Load::Message { kind, message } = &rider.load {
        whats_app["message_type"] = kind.as_str().into();
        whats_app["message"] = message.clone();
    }
    let mut body = json!({ "messages": { "whats_app": whats_app } });
    match rider.alias() {
        Some(alias) => body["user_aliases"] = json!([alias]),
        None => body["external_user_ids"] = json!([rider.external_id()]),
    }
    body
}

#[cfg(test)]
mod tests;
