//! Reading the fields of a body. Those that Braze does not know are refused: here, a typing error should show.

use serde_json::{Map, Value};

use super::refused::Refused;
use super::{Exchange, Recipient};

/// People whom one request can name.
pub(super) const RECIPIENTS_MAX: usize = 50;

/// The longest external id, in bytes.
pub(super) const EXTERNAL_ID_MAX: usize = 987;

/// What comes where a request names more people than it may.
const TOO_MANY: &str = "The max number of external_ids and aliases per request was exceeded";

/// Reads a body that has to be an object.
pub(super) fn body(exchange: &Exchange) -> Result<Map<String, Value>, Refused> {
    match serde_json::from_slice(&exchange.raw) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Refused::bad("the body must be an object")),
        Err(_) => Err(Refused::syntax()),
    }
}

pub(super) fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Refused> {
    value
        .as_object()
        .ok_or_else(|| Refused::bad(format!("{what} must be an object")))
}

/// Gives an object that may be missing.
pub(super) fn optional(
    fields: &Map<String, Value>,
    name: &str,
) -> Result<Map<String, Value>, Refused> {
    match fields.get(name) {
        None => Ok(Map::new()),
        Some(value) => Ok(object(value, &format!("`{name}`"))?.clone()),
    }
}

/// Gives a text that is not blank.
pub(super) fn text(fields: &Map<String, Value>, name: &str) -> Result<String, Refused> {
    match fields.get(name).and_then(Value::as_str) {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(Refused::bad(format!(
            "`{name}` must be a text that is not blank"
        ))),
    }
}

/// Gives a list that may be missing.
pub(super) fn list<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], Refused> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(Refused::bad(format!("`{name}` must be an array"))),
    }
}

/// Gives a choice of yes or no that may be missing.
pub(super) fn flag(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refused> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(Refused::bad(format!("`{name}` must be true or false"))),
    }
}

/// Refuses a field that is none of `names`.
pub(super) fn known(fields: &Map<String, Value>, names: &[&str]) -> Result<(), Refused> {
    match fields.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(Refused::bad(format!("there is no field `{name}`"))),
        None => Ok(()),
    }
}

/// Refuses what goes to nobody, to too many, or to a whole segment: the stand-in has none, and a gateway must never try.
pub(super) fn only_named(fields: &Map<String, Value>, people: usize) -> Result<(), Refused> {
    match flag(fields, "broadcast")? {
        Some(true) if people == 0 => {
            return Err(Refused::bad("this stand-in has no segment to broadcast to"));
        }
        Some(true) => {
            return Err(Refused::bad(
                "`broadcast` and `recipients` exclude each other",
            ));
        }
        Some(false) | None => {}
    }
    match people {
        0 => Err(Refused::bad("No Recipients")),
        1..=RECIPIENTS_MAX => Ok(()),
        _ => Err(Refused::bad(TOO_MANY)),
    }
}

pub(super) fn external_id(id: String) -> Result<Recipient, Refused> {
    match id.len() {
        0..=EXTERNAL_ID_MAX => Ok(Recipient::ExternalUserId(id)),
        _ => Err(Refused::bad("`external_user_id` is too long")),
    }
}

pub(super) fn alias(value: &Value) -> Result<Recipient, Refused> {
    let alias = object(value, "`user_alias`")?;
    known(alias, &["alias_name", "alias_label"])?;
    Ok(Recipient::UserAlias {
        name: text(alias, "alias_name")?,
        label: text(alias, "alias_label")?,
    })
}
