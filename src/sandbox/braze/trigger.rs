//! Whether Braze would take what triggers a campaign or a Canvas.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::fields::{
    alias, body, external_id, flag, known, list, object, only_named, optional, text,
};
use super::refused::Refused;
use super::{Exchange, Recipient, Sent, Way, dispatch_id};

/// Bytes of the properties that one recipient gets, of a campaign's as of a Canvas's.
const PROPERTIES_MAX: usize = 50 * 1024;

const RECIPIENT_FIELDS: [&str; 6] = [
    "external_user_id",
    "user_alias",
    "email",
    "prioritization",
    "send_to_existing_only",
    "attributes",
];

/// How the two endpoints differ.
struct Spelling {
    way: Way,
    id: &'static str,
    /// The properties' name, and the older one that still works.
    properties: &'static [&'static str],
    fields: &'static [&'static str],
    unknown: &'static str,
}

const CAMPAIGN: Spelling = Spelling {
    way: Way::Campaign,
    id: "campaign_id",
    properties: &["trigger_properties"],
    fields: &[
        "send_id",
        "broadcast",
        "audience",
        "recipients",
        "attachments",
    ],
    unknown: "Invalid Campaign ID",
};

const CANVAS: Spelling = Spelling {
    way: Way::Canvas,
    id: "canvas_id",
    properties: &["context", "canvas_entry_properties"],
    fields: &["broadcast", "audience", "recipients"],
    unknown: "Invalid Canvas ID",
};

/// Reads a request to `/campaigns/trigger/send`. Where `campaigns` is empty, any will do.
pub(super) fn campaign(
    exchange: &Exchange,
    campaigns: &BTreeSet<String>,
) -> Result<Vec<Sent>, Refused> {
    read(exchange, &CAMPAIGN, campaigns)
}

/// Reads a request to `/canvas/trigger/send`. Where `canvases` is empty, any will do.
pub(super) fn canvas(
    exchange: &Exchange,
    canvases: &BTreeSet<String>,
) -> Result<Vec<Sent>, Refused> {
    read(exchange, &CANVAS, canvases)
}

fn read(
    exchange: &Exchange,
    spelling: &Spelling,
    ids: &BTreeSet<String>,
) -> Result<Vec<Sent>, Refused> {
    let body = body(exchange)?;
    let names = [spelling.fields, spelling.properties, &[spelling.id]].concat();
    known(&body, &names)?;
    let id = body.get(spelling.id).and_then(Value::as_str);
    let id = id.unwrap_or_default();
    if id.is_empty() || !(ids.is_empty() || ids.contains(id)) {
        return Err(Refused::bad(spelling.unknown));
    }
    let shared = properties(&body, spelling)?;
    let recipients = list(&body, "recipients")?;
    only_named(&body, recipients.len())?;
    let names = [&RECIPIENT_FIELDS, spelling.properties].concat();
    let sent = |recipient: &Value| {
        let fields = object(recipient, "a recipient")?;
        known(fields, &names)?;
        Ok(Sent {
            at: exchange.at,
            request: exchange.number,
            dispatch_id: dispatch_id(exchange),
            way: spelling.way,
            campaign_id: id.to_owned(),
            group_id: String::new(),
            recipient: identifier(fields)?,
            properties: within(shared.clone(), properties(fields, spelling)?)?,
            attributes: attributes(fields)?,
            raw: exchange.raw.clone(),
        })
    };
    recipients.iter().map(sent).collect()
}

fn identifier(fields: &Map<String, Value>) -> Result<Recipient, Refused> {
    let names = ["external_user_id", "user_alias", "email"];
    let given = names.iter().filter(|name| fields.contains_key(**name));
    if given.count() != 1 {
        return Err(Refused::bad(
            "a recipient needs exactly one of external_user_id, user_alias and email",
        ));
    }
    if let Some(value) = fields.get("user_alias") {
        if fields.get("send_to_existing_only") == Some(&Value::Bool(false)) {
            return Err(Refused::bad(
                "`send_to_existing_only` cannot be false with a `user_alias`",
            ));
        }
        return alias(value);
    }
    if fields.contains_key("email") {
        return match fields.get("prioritization") {
            Some(Value::Array(order)) if !order.is_empty() => {
                Ok(Recipient::Email(text(fields, "email")?))
            }
            _ => Err(Refused::bad("`email` needs a `prioritization`")),
        };
    }
    external_id(text(fields, "external_user_id")?)
}

fn properties(
    fields: &Map<String, Value>,
    spelling: &Spelling,
) -> Result<Map<String, Value>, Refused> {
    let mut given = spelling
        .properties
        .iter()
        .filter(|name| fields.contains_key(**name));
    match (given.next(), given.next()) {
        (Some(name), None) => optional(fields, name),
        (None, _) => Ok(Map::new()),
        (Some(name), Some(other)) => {
            Err(Refused::bad(format!("`{name}` and `{other}` are the same")))
        }
    }
}

/// Lays a recipient's properties over those of the request.
fn within(
    mut properties: Map<String, Value>,
    own: Map<String, Value>,
) -> Result<Map<String, Value>, Refused> {
    properties.extend(own);
    // The real one takes it and sends nothing, since a blank variable cannot be rendered; a test wants to know.
    let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
    if let Some((name, _)) = properties.iter().find(|(_, value)| is_blank(value)) {
        return Err(Refused::bad(format!(
            "the trigger property `{name}` is blank"
        )));
    }
    match Value::Object(properties.clone()).to_string().len() {
        0..=PROPERTIES_MAX => Ok(properties),
        _ => Err(Refused::bad("the trigger properties exceed 50 KB")),
    }
}

fn attributes(fields: &Map<String, Value>) -> Result<Map<String, Value>, Refused> {
    let attributes = optional(fields, "attributes")?;
    match flag(fields, "send_to_existing_only")? {
        Some(false) if attributes.is_empty() => Err(Refused::bad(
            "`send_to_existing_only` is false without `attributes`",
        )),
        _ => Ok(attributes),
    }
}
