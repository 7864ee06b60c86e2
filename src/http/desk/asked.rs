//! What a desk asks for: bodies, and the keys by which an act is known again.

use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::super::{Doors, HttpError};
use super::inbound::{BODY_WITHIN, read};
use crate::domain::Act;
use crate::redact::Private;
use crate::reply;
use crate::store::Once;
use crate::turn::desk::Wish;

/// Letters of a note, or of the reason why people are asked in: what a person reads before he takes over.
pub(super) const NOTE_CHARS: usize = 4_000;

/// Letters of an agent's name: longer than any, and than the ids that desks have for them.
pub(super) const AGENT_CHARS: usize = 200;

/// Letters of an idempotency key: as many as others take.
pub(super) const KEY_CHARS: usize = 255;

/// The body of `ack` and `release`, which need none.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    agent: Option<String>,
}

/// The body of `replies` and `notes`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    text: String,
    agent: Option<String>,
}

/// The body of `handoff`, which needs none.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    detail: Option<String>,
    notify: Option<bool>,
}

/// What the form of a link's page sends.
#[derive(Deserialize)]
struct Form {
    #[serde(default)]
    text: String,
    #[serde(default)]
    key: String,
}

/// Tells whether a page's form is sent.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| {
        kind.as_bytes()
            .starts_with(b"application/x-www-form-urlencoded")
    })
}

/// Reads what is wanted.
pub(super) async fn wish(
    doors: &Doors,
    act: Act,
    headers: &HeaderMap,
    body: Body,
) -> Result<Wish, HttpError> {
    let packed = headers.get(CONTENT_ENCODING);
    if packed.is_some_and(|coding| coding != "identity") {
        return Err(HttpError::Packed);
    }
    let body = doors
        .clock
        .timeout(BODY_WITHIN, read(body, doors.body_bytes))
        .await??;
    let (text, agent, notify, key) = if is_form(headers) {
        let form: Form = parse_form(&body)?;
        let key = Some(form.key).filter(|key| !key.is_empty());
        let text = (act == Act::Reply).then_some(form.text);
        (text, None, true, key)
    } else {
        let (text, agent, notify) = fields(act, &body)?;
        (text, agent, notify, header_key(headers)?)
    };
    let once = key.map(|key| once(act, &key, &body)).transpose()?;
    Ok(Wish {
        act,
        agent: agent
            .map(|name| bounded("agent", &name, AGENT_CHARS))
            .transpose()?,
        text: text.map(|text| words(act, &text)).transpose()?,
        notify,
        once,
    })
}

fn fields(act: Act, body: &Bytes) -> Result<(Option<String>, Option<String>, bool), HttpError> {
    Ok(match act {
        Act::Acknowledge | Act::Release => {
            let Agent { agent } = parse_or_default(body)?;
            (None, agent, true)
        }
        Act::Reply | Act::Note => {
            let Words { text, agent } = parse(body)?;
            (Some(text), agent, true)
        }
        Act::HandOff => {
            let Reason { detail, notify } = parse_or_default(body)?;
            (detail, None, notify.unwrap_or(true))
        }
    })
}

/// Makes words fit for where they go.
pub(super) fn words(act: Act, text: &str) -> Result<Private<String>, HttpError> {
    if act != Act::Reply {
        let name = match act {
            Act::HandOff => "detail",
            _ => "text",
        };
        return bounded(name, text, NOTE_CHARS);
    }
    let empty = || HttpError::Unprocessable("`text` is empty".to_owned());
    let typed = reply::typed(text).ok_or_else(empty)?;
    let units = typed.encode_utf16().count();
    match units <= reply::WHATSAPP_TEXT {
        true => Ok(typed.into()),
        false => Err(HttpError::Unprocessable(format!(
            "`text` is longer than the {} characters that WhatsApp takes",
            reply::WHATSAPP_TEXT
        ))),
    }
}

fn bounded(name: &str, text: &str, limit: usize) -> Result<Private<String>, HttpError> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(HttpError::Unprocessable(format!("`{name}` is empty"))),
        chars if chars <= limit => Ok(text.into()),
        _ => Err(HttpError::Unprocessable(format!(
            "`{name}` is longer than {limit} characters"
        ))),
    }
}

fn header_key(headers: &HeaderMap) -> Result<Option<String>, HttpError> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = key.to_str().map(str::trim).ok();
    match text.filter(|text| !text.is_empty()) {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(HttpError::BadRequest(
            "`Idempotency-Key` has to be printable ASCII".to_owned(),
        )),
    }
}

/// Gives by what the act is known again: digests alone, since keys may be made of anything.
fn once(act: Act, key: &str, body: &Bytes) -> Result<Once, HttpError> {
    if key.chars().count() > KEY_CHARS {
        return Err(HttpError::BadRequest(format!(
            "`Idempotency-Key` is longer than {KEY_CHARS} characters"
        )));
    }
    let request = Sha256::new()
        .chain_update(act.as_str())
        .chain_update([0])
        .chain_update(body);
    Ok(Once {
        key: Sha256::digest(key.as_bytes()).into(),
        request: request.finalize().into(),
    })
}

fn parse_or_default<T: DeserializeOwned + Default>(body: &Bytes) -> Result<T, HttpError> {
    match body.trim_ascii().is_empty() {
        true => Ok(T::default()),
        false => parse(body),
    }
}

fn parse<T: DeserializeOwned>(body: &Bytes) -> Result<T, HttpError> {
    serde_json::from_slice(body).map_err(|error| HttpError::BadRequest(plain(&error)))
}

/// Says what is wrong without a word of what was sent: a value could be a customer's.
fn plain(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data => {
            let text = error.to_string();
            // Names of fields stand in backticks and are ours or the sender's; values stand in quotation marks.
            let is_about_field =
                text.starts_with("missing field") || text.starts_with("unknown field");
            match is_about_field {
                true => text,
                false => format!("a field of the body has the wrong type, at {place}"),
            }
        }
        _ => format!("the body is no JSON, at {place}"),
    }
}

fn parse_form(body: &Bytes) -> Result<Form, HttpError> {
    serde_urlencoded::from_bytes(body)
        .map_err(|_| HttpError::BadRequest("the form cannot be read".to_owned()))
}
