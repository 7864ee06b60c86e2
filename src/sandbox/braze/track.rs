//! What Braze takes in `/users/track` and in `/v2/subscription/status/set`.

use std::str::FromStr;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::fields::{EXTERNAL_ID_MAX, alias, body, known, list, object, text};
use super::people::People;
use super::refused::Refused;
use super::{Exchange, Recipient, Tracked, TrackedKind};

/// Objects of one request, of all three lists together.
const OBJECTS_MAX: usize = 75;

/// Characters of a name, and of a text value.
const CHARS_MAX: usize = 255;

/// Items of a list.
const ITEMS_MAX: usize = 25;

/// Bytes of an event's properties.
const EVENT_BYTES_MAX: usize = 100 * 1024;

/// People whom one subscription group names.
const PEOPLE_MAX: usize = 50;

const STATES: [&str; 2] = ["subscribed", "unsubscribed"];

/// What came of a request: what was taken, and the body of the answer.
pub(super) struct Processed {
    pub(super) tracked: Vec<Tracked>,
    pub(super) answer: Value,
}

/// Reads a request to `/users/track`: each object is taken or refused by itself.
pub(super) fn track(exchange: &Exchange, people: &People) -> Result<Processed, Refused> {
    let body = body(exchange)?;
    known(&body, &["attributes", "events", "purchases"])?;
    let lists = [
        ("attributes", TrackedKind::Attributes),
        ("events", TrackedKind::Event),
        ("purchases", TrackedKind::Purchase),
    ];
    let mut count = 0;
    for (name, _) in lists {
        count += list(&body, name)?.len();
    }
    match count {
        0 => {
            return Err(Refused::bad(
                "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields.",
            ));
        }
        1..=OBJECTS_MAX => {}
        _ => return Err(Refused::bad("Max Input Length Exceeded")),
    }
    let (mut tracked, mut errors) = (Vec::new(), Vec::new());
    let mut answer = json!({ "message": "success" });
    for (name, kind) in lists {
        let items = list(&body, name)?;
        let before = tracked.len();
        for (index, item) in items.iter().enumerate() {
            match one(kind, item, people) {
                Ok((user, fields)) => tracked.push(Tracked {
                    at: exchange.at,
                    request: exchange.number,
                    kind,
                    user,
                    fields,
                }),
                Err(error) => {
                    errors.push(json!({ "type": error, "input_array": name, "index": index }));
                }
            }
        }
        if !items.is_empty() {
            answer[format!("{name}_processed")] = (tracked.len() - before).into();
        }
    }
    if !errors.is_empty() {
        answer["errors"] = errors.into();
    }
    Ok(Processed { tracked, answer })
}

fn one(
    kind: TrackedKind,
    item: &Value,
    people: &People,
) -> Result<(Recipient, Map<String, Value>), String> {
    let fields = item.as_object().ok_or("must be an object")?;
    let user = user(fields)?;
    if let Recipient::ExternalUserId(id) = &user {
        if id.len() > EXTERNAL_ID_MAX {
            return Err("EXTERNAL_USER_ID_TOO_LARGE".to_owned());
        }
        if people.is_blocked(id) {
            return Err("BLACKLISTED_EXTERNAL_USER_ID".to_owned());
        }
    }
    match kind {
        TrackedKind::Attributes => attributes(fields)?,
        TrackedKind::Event => event(fields)?,
        TrackedKind::Purchase => purchase(fields)?,
    }
    Ok((user, fields.clone()))
}

/// Gives whom an object is about; an e-mail address goes before a phone number.
fn user(fields: &Map<String, Value>) -> Result<Recipient, String> {
    let id = |name: &str| {
        let value = fields.get(name)?.as_str()?;
        (!value.trim().is_empty()).then(|| value.to_owned())
    };
    if let Some(value) = fields.get("user_alias") {
        return alias(value).map_err(|refused| refused.1);
    }
    id("external_id")
        .map(Recipient::ExternalUserId)
        .or_else(|| id("braze_id").map(Recipient::BrazeId))
        .or_else(|| id("email").map(Recipient::Email))
        .or_else(|| id("phone").map(Recipient::Phone))
        .ok_or_else(|| {
            "an external_id, user_alias, braze_id, email or phone is required".to_owned()
        })
}

fn attributes(fields: &Map<String, Value>) -> Result<(), String> {
    if let Some(email) = fields.get("email")
        && !email.is_null()
        && !email.as_str().is_some_and(|email| email.contains('@'))
    {
        return Err("EMAIL_BAD_FORMAT".to_owned());
    }
    for (name, value) in fields {
        match name.as_str() {
            "subscription_groups" => groups(value)?,
            "user_alias" => {}
            _ => {
                custom_name(name)?;
                custom_value(name, value)?;
            }
        }
    }
    Ok(())
}

fn groups(value: &Value) -> Result<(), String> {
    let groups = value.as_array().ok_or("BAD_SUBSCRIPTION_GROUP_ARRAY")?;
    for group in groups {
        let group = group.as_object().ok_or("BAD_SUBSCRIPTION_GROUP_HASH")?;
        let field = |name: &str| group.get(name).and_then(Value::as_str);
        if field("subscription_group_id").is_none_or(str::is_empty) {
            return Err("BAD_SUBSCRIPTION_GROUP_ID".to_owned());
        }
        if !field("subscription_state").is_some_and(|state| STATES.contains(&state)) {
            return Err("BAD_SUBSCRIPTION_GROUP_STATE".to_owned());
        }
    }
    Ok(())
}

fn custom_name(name: &str) -> Result<(), String> {
    match name.chars().count() {
        1..=CHARS_MAX if !name.starts_with('$') => Ok(()),
        _ => Err(
            "the name of an attribute must have 1 to 255 characters, the first not `$`".to_owned(),
        ),
    }
}

/// One value in it that cannot be drops the whole.
fn custom_value(name: &str, value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) if text.chars().count() > CHARS_MAX => {
            Err(format!("`{name}` is longer than {CHARS_MAX} characters"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        Value::Array(items) if items.len() > ITEMS_MAX => {
            Err(format!("`{name}` has more than {ITEMS_MAX} items"))
        }
        Value::Array(items) => items.iter().try_for_each(|item| custom_value(name, item)),
        Value::Object(fields) => fields.iter().try_for_each(|(key, value)| {
            if key == "inc" && !value.is_number() {
                return Err(format!("`{name}` cannot be counted up by that"));
            }
            if ["add", "remove"].contains(&key.as_str()) && !value.is_array() {
                return Err(format!("`{name}` takes a list to `{key}`"));
            }
            custom_value(name, value)
        }),
    }
}

fn event(fields: &Map<String, Value>) -> Result<(), String> {
    let name = required(fields, "name")?;
    if name.chars().count() > CHARS_MAX {
        return Err(format!("`name` is longer than {CHARS_MAX} characters"));
    }
    time(fields)?;
    let Some(properties) = fields.get("properties") else {
        return Ok(());
    };
    let properties = properties
        .as_object()
        .ok_or("`properties` must be an object")?;
    for (name, value) in properties {
        if ["time", "event_name"].contains(&name.as_str()) {
            return Err(format!("no property can be called `{name}`"));
        }
        custom_name(name)?;
        custom_value(name, value)?;
    }
    match Value::Object(properties.clone()).to_string().len() {
        0..=EVENT_BYTES_MAX => Ok(()),
        _ => Err("the properties exceed 100 KB".to_owned()),
    }
}

fn purchase(fields: &Map<String, Value>) -> Result<(), String> {
    required(fields, "product_id")?;
    required(fields, "currency")?;
    time(fields)?;
    match fields.get("price").is_some_and(Value::is_number) {
        true => Ok(()),
        false => Err("`price` is required".to_owned()),
    }
}

fn required<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, String> {
    match fields.get(name).and_then(Value::as_str) {
        Some(text) if !text.trim().is_empty() => Ok(text),
        _ => Err(format!("`{name}` is required")),
    }
}

fn time(fields: &Map<String, Value>) -> Result<(), String> {
    match Timestamp::from_str(required(fields, "time")?) {
        Ok(_) => Ok(()),
        Err(_) => Err("`time` must be a time in ISO 8601".to_owned()),
    }
}

/// Reads a request to `/v2/subscription/status/set`; each person of each group is an update of his profile.
pub(super) fn subscribe(exchange: &Exchange) -> Result<Processed, Refused> {
    let body = body(exchange)?;
    known(&body, &["subscription_groups"])?;
    let groups = list(&body, "subscription_groups")?;
    if groups.is_empty() {
        return Err(Refused::bad("`subscription_groups` must not be empty"));
    }
    let mut tracked = Vec::new();
    for group in groups {
        let group = object(group, "a subscription group")?;
        known(
            group,
            &[
                "subscription_group_id",
                "subscription_state",
                "external_ids",
                "emails",
                "phones",
                "use_double_opt_in_logic",
            ],
        )?;
        let id = text(group, "subscription_group_id")?;
        let state = text(group, "subscription_state")?;
        if !STATES.contains(&state.as_str()) {
            return Err(Refused::bad(
                "`subscription_state` must be subscribed or unsubscribed",
            ));
        }
        let update = json!([{ "subscription_group_id": id, "subscription_state": state }]);
        tracked.extend(named(group)?.into_iter().map(|user| Tracked {
            at: exchange.at,
            request: exchange.number,
            kind: TrackedKind::Attributes,
            user,
            fields: Map::from_iter([("subscription_groups".to_owned(), update.clone())]),
        }));
    }
    Ok(Processed {
        tracked,
        answer: json!({ "message": "success" }),
    })
}

/// Makes a recipient of an id.
type Named = fn(String) -> Recipient;

fn named(group: &Map<String, Value>) -> Result<Vec<Recipient>, Refused> {
    let kinds: [(&str, Named); 3] = [
        ("external_ids", Recipient::ExternalUserId),
        ("emails", Recipient::Email),
        ("phones", Recipient::Phone),
    ];
    let mut people = Vec::new();
    for (name, make) in kinds {
        for id in list(group, name)? {
            match id.as_str() {
                Some(id) if name == "phones" && !is_e164(id) => {
                    return Err(Refused::bad("`phones` must be in E.164"));
                }
                Some(id) if !id.trim().is_empty() => people.push(make(id.to_owned())),
                _ => {
                    let message = format!("`{name}` must hold texts that are not blank");
                    return Err(Refused::bad(message));
                }
            }
        }
    }
    match people.len() {
        0 => Err(Refused::bad(
            "`external_ids`, `emails` or `phones` is required",
        )),
        1..=PEOPLE_MAX => Ok(people),
        _ => Err(Refused::bad(
            "The max number of ids per request was exceeded",
        )),
    }
}

fn is_e164(phone: &str) -> bool {
    phone.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}
