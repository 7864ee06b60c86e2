//! Whether Braze would take a message whose content comes with the request: `/messages/send` with its WhatsApp object.

use serde_json::{Map, Value};

use super::fields::{alias, body, external_id, flag, known, list, object, only_named, text};
use super::refused::Refused;
use super::{Exchange, MessageKind, Recipient, Sent, Way, dispatch_id};

mod content;

const REQUEST_FIELDS: [&str; 9] = [
    "external_user_ids",
    "user_aliases",
    "broadcast",
    "campaign_id",
    "send_id",
    "override_frequency_capping",
    "recipient_subscription_state",
    "audience",
    "messages",
];

const OBJECT_FIELDS: [&str; 5] = [
    "app_id",
    "subscription_group_id",
    "message_variation_id",
    "message_type",
    "message",
];

const STATES: [&str; 3] = ["opted_in", "subscribed", "all"];

/// Reads a request to `/messages/send`.
pub(super) fn read(exchange: &Exchange) -> Result<Vec<Sent>, Refused> {
    let body = body(exchange)?;
    known(&body, &REQUEST_FIELDS)?;
    let people = recipients(&body)?;
    only_named(&body, people.len())?;
    flag(&body, "override_frequency_capping")?;
    let state = body.get("recipient_subscription_state");
    if state.is_some_and(|state| !STATES.iter().any(|known| state == known)) {
        return Err(Refused::bad(
            "`recipient_subscription_state` must be opted_in, subscribed or all",
        ));
    }
    let whats_app = whats_app(&body)?;
    known(whats_app, &OBJECT_FIELDS)?;
    text(whats_app, "app_id")?;
    let group_id = text(whats_app, "subscription_group_id")?;
    let campaign_id = match body.get("campaign_id") {
        None => String::new(),
        Some(_) if !whats_app.contains_key("message_variation_id") => {
            return Err(Refused::bad("Message Variant Unspecified"));
        }
        Some(_) => text(&body, "campaign_id")?,
    };
    let kind = text(whats_app, "message_type")?;
    let kind = MessageKind::named(&kind)
        .ok_or_else(|| Refused::bad(format!("there is no message type `{kind}`")))?;
    let message = whats_app.get("message").unwrap_or(&Value::Null);
    let message = object(message, "`message`")?;
    content::check(kind, message)?;
    let sent = people.into_iter().map(|recipient| Sent {
        at: exchange.at,
        request: exchange.number,
        dispatch_id: dispatch_id(exchange),
        way: Way::Message(kind),
        campaign_id: campaign_id.clone(),
        group_id: group_id.clone(),
        recipient,
        properties: message.clone(),
        attributes: Map::new(),
        raw: exchange.raw.clone(),
    });
    Ok(sent.collect())
}

fn recipients(body: &Map<String, Value>) -> Result<Vec<Recipient>, Refused> {
    let ids = list(body, "external_user_ids")?
        .iter()
        .map(|id| match id.as_str() {
            Some(id) if !id.trim().is_empty() => external_id(id.to_owned()),
            _ => Err(Refused::bad(
                "`external_user_ids` must hold texts that are not blank",
            )),
        });
    let aliases = list(body, "user_aliases")?.iter().map(alias);
    ids.chain(aliases).collect()
}

fn whats_app(body: &Map<String, Value>) -> Result<&Map<String, Value>, Refused> {
    let messages = match body.get("messages") {
        None | Some(Value::Null) => return Err(Refused::bad("No message to send")),
        Some(messages) => object(messages, "`messages`")?,
    };
    match messages.get("whats_app") {
        Some(whats_app) if messages.len() == 1 => object(whats_app, "`whats_app`"),
        None if messages.is_empty() => Err(Refused::bad("No message to send")),
        _ => Err(Refused::bad("this stand-in sends WhatsApp messages alone")),
    }
}
