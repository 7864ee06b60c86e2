//! `POST /v1/inbound`: what Braze's webhook campaign posts.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;

use super::{Door, Doors, HttpError, Shared, auth};
use crate::braze::{self, InboundError};
use crate::metrics::{Arrival, Doorway};
use crate::redact::Private;
use crate::rules::Action;
use crate::store::{Accepted, NewMessage, Quarantined};

/// How long a body may take to arrive. Braze sends a few kilobytes at once.
pub(super) const BODY_WITHIN: Duration = Duration::from_secs(15);

/// Takes a message for the default assistant.
pub(super) async fn to_default(
    State(doors): Shared,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, HttpError> {
    if let Some(name) = &doors.default_assistant {
        take(&doors, name, &headers, body).await
    } else {
        // Who is not known here learns nothing of what is configured.
        let known = doors
            .assistants
            .values()
            .any(|door| auth::shows_one_of(&headers, &door.secrets));
        Err(match known {
            true => HttpError::WhichAssistant,
            false => unauthorized(&doors),
        })
    }
}

/// Takes a message for the assistant that the path names.
pub(super) async fn to_assistant(
    State(doors): Shared,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, HttpError> {
    // A name that is no text is no assistant's.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    take(&doors, &name, &headers, body).await
}

/// Takes a message and counts how that went.
async fn take(
    doors: &Doors,
    name: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<serde_json::Value>), HttpError> {
    let came = doors.clock.elapsed();
    let door = authorized(doors, name, headers)?;
    let kept = keep(doors, door, name, headers, body).await;
    let arrival = match &kept {
        Ok(Accepted::New(_)) => Arrival::Accepted,
        Ok(Accepted::Duplicate(_)) => Arrival::Duplicate,
        Err(error) => error.arrival(),
    };
    let took = doors.clock.elapsed().saturating_sub(came);
    doors.metrics.assistant(name).arrived(arrival, took);
    let (status, id) = match kept? {
        Accepted::New(id) => (StatusCode::ACCEPTED, id),
        Accepted::Duplicate(id) => (StatusCode::OK, id),
    };
    Ok((status, Json(json!({ "message_id": id.0 }))))
}

async fn keep(
    doors: &Doors,
    door: &Door,
    name: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Accepted, HttpError> {
    let packed = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding != "identity");
    if packed {
        return Err(HttpError::Packed);
    }
    let body = doors
        .clock
        .timeout(BODY_WITHIN, read(body, doors.body_bytes))
        .await??;
    let inbound = match braze::parse(&body, name, &doors.limits) {
        Ok(inbound) => inbound,
        Err(error) => return Err(quarantine(doors, name, &body, error).await),
    };
    let urgent = is_urgent(door, &inbound.text);
    let message = NewMessage {
        assistant: name.to_owned(),
        inbound,
        burst: doors.burst,
        urgent,
    };
    Ok(doors.store.accept(message).await?)
}

/// Tells whether a message has to be worked on at once: who wants a person or no more messages is not kept waiting.
pub(super) fn is_urgent(door: &Door, text: &str) -> bool {
    let folder = door.prompts.current();
    folder
        .rules()
        .screen(text)
        .is_some_and(|hit| match hit.rule.action {
            Action::OptOut => true,
            Action::Escalate => door.desk.is_some(),
            Action::OptIn
            | Action::Return
            | Action::Offer { .. }
            | Action::Reply { .. }
            | Action::Ignore
            | Action::Assistant { .. } => false,
        })
}

/// Finds the assistant. One that does not exist and a wrong secret look the same from outside.
fn authorized<'a>(
    doors: &'a Doors,
    name: &str,
    headers: &HeaderMap,
) -> Result<&'a Door, HttpError> {
    match doors.assistants.get(name) {
        Some(door) if auth::shows_one_of(headers, &door.secrets) => Ok(door),
        Some(_) => Err(unauthorized(doors)),
        None => {
            let known = doors
                .assistants
                .values()
                .any(|door| auth::shows_one_of(headers, &door.secrets));
            Err(match known {
                true => HttpError::NotFound,
                false => unauthorized(doors),
            })
        }
    }
}

fn unauthorized(doors: &Doors) -> HttpError {
    doors.metrics.work().refused(Doorway::Inbound);
    HttpError::Unauthorized
}

/// Reads a body, up to a length.
pub(super) async fn read(body: Body, limit: usize) -> Result<Bytes, HttpError> {
    let limited = http_body_util::Limited::new(body, limit);
    match http_body_util::BodyExt::collect(limited).await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(HttpError::TooLarge { limit })
        }
        Err(_) => Err(HttpError::BrokenBody),
    }
}

/// Keeps what cannot be read, since Braze will not send it again after a 400.
async fn quarantine(doors: &Doors, name: &str, body: &Bytes, error: InboundError) -> HttpError {
    let quarantined = Quarantined {
        assistant: name.to_owned(),
        body: Private(body.to_vec()),
        error: error.to_string(),
    };
    tracing::warn!(assistant = name, %error, "an unreadable body goes to quarantine");
    match doors.store.quarantine(quarantined).await {
        Ok(()) => HttpError::Unreadable(error),
        // Not kept, so it must come again.
        Err(error) => HttpError::Store(error),
    }
}
