//! Whether Braze would take a triggered send. Fields that it does not know are refused: here, a typing error should show.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Exchange, Recipient, Sent, dispatch_id};

/// Recipients of one request.
const RECIPIENTS_MAX: usize = 50;

/// Bytes of the trigger properties that one recipient gets.
const PROPERTIES_MAX: usize = 50 * 1024;

/// The longest external id, in bytes.
const EXTERNAL_ID_MAX: usize = 987;

const REQUEST_FIELDS: [&str; 7] = [
    "campaign_id",
    "send_id",
    "trigger_properties",
    "broadcast",
    "audience",
    "recipients",
    "attachments",
];

const RECIPIENT_FIELDS: [&str; 7] = [
    "external_user_id",
    "user_alias",
    "email",
    "prioritization",
    "trigger_properties",
    "send_to_existing_only",
    "attributes",
];

/// Why nothing was sent: a status and a message.
#[derive(Debug)]
pub(super) struct Refused(pub(super) u16, pub(super) String);

impl Refused {
    fn bad(message: impl Into<String>) -> Self {
        Self(400, message.into())
    }

    /// Gives what comes with a status that has nothing to do with what the request says.
    pub(super) fn forced(status: u16) -> Self {
        let message = match status {
            400 => "Bad Request",
            401 => {
                "Invalid API key: check the key, the word `Bearer` before it, and the host of its region"
            }
            403 => "Access Denied",
            404 => "Not Found",
            413 => "Payload Too Large",
            429 => "Rate Limited",
            500.. => "Server Error",
            _ => "The request was not taken",
        };
        Self(status, message.to_owned())
    }

    /// Gives the body; what Braze cannot parse, it reports in a field of its own.
    pub(super) fn body(&self) -> Value {
        match self.1.as_str() {
            SYNTAX => json!({ "error": SYNTAX }),
            message => json!({ "message": message }),
        }
    }
}

const SYNTAX: &str = "Error while parsing request body. Please check your syntax.";

/// Reads a request to `/campaigns/trigger/send`. Where `campaigns` is empty, any will do.
pub(super) fn trigger(
    exchange: &Exchange,
    campaigns: &BTreeSet<String>,
) -> Result<Vec<Sent>, Refused> {
    let body: Value = serde_json::from_slice(&exchange.raw).map_err(|_| Refused::bad(SYNTAX))?;
    let body = object(&body, "the body")?;
    known(body, &REQUEST_FIELDS)?;
    let campaign_id = body
        .get("campaign_id")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if campaign_id.is_empty() || !(campaigns.is_empty() || campaigns.contains(campaign_id)) {
        return Err(Refused::bad("Invalid Campaign ID"));
    }
    let shared = optional(body, "trigger_properties")?;
    recipients(body)?
        .iter()
        .map(|recipient| {
            let fields = object(recipient, "a recipient")?;
            known(fields, &RECIPIENT_FIELDS)?;
            Ok(Sent {
                at: exchange.at,
                request: exchange.number,
                dispatch_id: dispatch_id(exchange),
                campaign_id: campaign_id.to_owned(),
                recipient: identifier(fields)?,
                properties: properties(&shared, fields)?,
                attributes: attributes(fields)?,
                raw: exchange.raw.clone(),
            })
        })
        .collect()
}

fn recipients(body: &Map<String, Value>) -> Result<&[Value], Refused> {
    let recipients = match body.get("recipients") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(recipients)) => recipients,
        Some(_) => return Err(Refused::bad("`recipients` must be an array")),
    };
    match body.get("broadcast") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) if recipients.is_empty() => {
            return Err(Refused::bad("this stand-in has no segment to broadcast to"));
        }
        Some(Value::Bool(true)) => {
            return Err(Refused::bad(
                "`broadcast` and `recipients` exclude each other",
            ));
        }
        Some(_) => return Err(Refused::bad("`broadcast` must be true or false")),
    }
    match recipients.len() {
        0 => Err(Refused::bad("No Recipients")),
        1..=RECIPIENTS_MAX => Ok(recipients),
        _ => Err(Refused::bad(
            "The max number of external_ids and aliases per request was exceeded",
        )),
    }
}

fn identifier(fields: &Map<String, Value>) -> Result<Recipient, Refused> {
    let names = ["external_user_id", "user_alias", "email"];
    if names
        .iter()
        .filter(|name| fields.contains_key(**name))
        .count()
        != 1
    {
        return Err(Refused::bad(
            "a recipient needs exactly one of external_user_id, user_alias and email",
        ));
    }
    if let Some(alias) = fields.get("user_alias") {
        let alias = object(alias, "`user_alias`")?;
        known(alias, &["alias_name", "alias_label"])?;
        if fields.get("send_to_existing_only") == Some(&Value::Bool(false)) {
            return Err(Refused::bad(
                "`send_to_existing_only` cannot be false with a `user_alias`",
            ));
        }
        return Ok(Recipient::UserAlias {
            name: text(alias, "alias_name")?,
            label: text(alias, "alias_label")?,
        });
    }
    if fields.contains_key("email") {
        return match fields.get("prioritization") {
            Some(Value::Array(order)) if !order.is_empty() => {
                Ok(Recipient::Email(text(fields, "email")?))
            }
            _ => Err(Refused::bad("`email` needs a `prioritization`")),
        };
    }
    let id = text(fields, "external_user_id")?;
    match id.len() {
        0..=EXTERNAL_ID_MAX => Ok(Recipient::ExternalUserId(id)),
        _ => Err(Refused::bad("`external_user_id` is too long")),
    }
}

fn properties(
    shared: &Map<String, Value>,
    fields: &Map<String, Value>,
) -> Result<Map<String, Value>, Refused> {
    let mut properties = shared.clone();
    properties.extend(optional(fields, "trigger_properties")?);
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
    match fields.get("send_to_existing_only") {
        None | Some(Value::Bool(true)) => Ok(attributes),
        Some(Value::Bool(false)) if !attributes.is_empty() => Ok(attributes),
        Some(Value::Bool(false)) => Err(Refused::bad(
            "`send_to_existing_only` is false without `attributes`",
        )),
        Some(_) => Err(Refused::bad(
            "`send_to_existing_only` must be true or false",
        )),
    }
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Refused> {
    value
        .as_object()
        .ok_or_else(|| Refused::bad(format!("{what} must be an object")))
}

fn optional(fields: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, Refused> {
    match fields.get(name) {
        None => Ok(Map::new()),
        Some(value) => Ok(object(value, &format!("`{name}`"))?.clone()),
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<String, Refused> {
    match fields.get(name).and_then(Value::as_str) {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(Refused::bad(format!(
            "`{name}` must be a text that is not blank"
        ))),
    }
}

fn known(fields: &Map<String, Value>, names: &[&str]) -> Result<(), Refused> {
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Refused::bad(format!("there is no field `{name}`"))),
        None => Ok(()),
    }
}
