//! Bodies that could not be read: looked at, tried again, removed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Office;
use super::asked::{Asked, Id, part};
use super::auth::{Operator, Viewer};
use super::shapes::{List, Quarantined};
use crate::braze;
use crate::http::{HttpError, inbound};
use crate::store::{Accepted, NewMessage};

/// Which part of the list is wanted.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What `next` said.
    #[param(pattern = "^[0-9a-f]{16}$")]
    cursor: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Lists bodies that could not be read, the newest first.
#[utoipa::path(
    get,
    path = "/operator/v1/quarantine",
    operation_id = "list_quarantine",
    tag = "quarantine",
    params(Wanted),
    responses((status = 200, description = "A part of the list", body = List<Quarantined>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn list(
    _: Viewer,
    State(office): State<Arc<Office>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<List<Quarantined>>, HttpError> {
    let part = part(wanted.cursor.as_deref(), wanted.limit)?;
    let page = office.doors.store.operations().quarantined(part).await?;
    Ok(Json(List::of(page, Quarantined::from)))
}

/// A body with what it holds.
#[derive(Serialize, ToSchema)]
pub(super) struct Body {
    #[serde(flatten)]
    about: Quarantined,
    /// What it holds, where that is text.
    text: Option<String>,
    /// What it holds, where that is no text.
    base64: Option<String>,
}

/// Shows one body that could not be read.
#[utoipa::path(
    get,
    path = "/operator/v1/quarantine/{id}",
    operation_id = "show_quarantined_body",
    tag = "quarantine",
    params(("id" = Uuid, Path, description = "The body")),
    responses((status = 200, description = "The body", body = Body)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn one(
    _: Viewer,
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<Body>, HttpError> {
    let found = office.doors.store.operations().quarantined_body(id).await?;
    let (view, body) = found.ok_or(HttpError::Absent("body"))?;
    let (text, base64) = match String::from_utf8(body.0) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(BASE64_STANDARD.encode(error.as_bytes()))),
    };
    Ok(Json(Body {
        about: view.into(),
        text,
        base64,
    }))
}

/// A message that was found in a body.
#[derive(Serialize, ToSchema)]
pub(super) struct Replayed {
    /// The message, or the first copy of it.
    message_id: Uuid,
    /// Whether it had arrived by itself meanwhile.
    duplicate: bool,
}

/// Reads a body anew, with the limits and the escaping of today, and takes the message in as Braze's webhook would. The
/// body is removed where that succeeds.
#[utoipa::path(
    post,
    path = "/operator/v1/quarantine/{id}/replay",
    operation_id = "replay_quarantined_body",
    tag = "quarantine",
    params(("id" = Uuid, Path, description = "The body")),
    responses(
        (status = 202, description = "The message is taken in", body = Replayed),
        (status = 200, description = "It was there already", body = Replayed),
        (status = 409, description = "The assistant is not configured any more"),
        (status = 422, description = "It still cannot be read, and is kept"),
    ),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn replay(
    Operator(actor): Operator,
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<(StatusCode, Json<Replayed>), HttpError> {
    let doors = &office.doors;
    if doors.shutdown.is_stopping() {
        return Err(HttpError::Stopping);
    }
    let found = doors.store.operations().quarantined_body(id).await?;
    let (view, body) = found.ok_or(HttpError::Absent("body"))?;
    let Some(door) = doors.assistants.get(&view.assistant) else {
        return Err(HttpError::Conflict(format!(
            "the assistant `{}` is not configured any more",
            view.assistant
        )));
    };
    let inbound =
        braze::parse(&body, &view.assistant, &doors.limits).map_err(HttpError::StillUnreadable)?;
    let message = NewMessage {
        urgent: inbound::is_urgent(door, &inbound.text),
        assistant: view.assistant,
        inbound,
        burst: doors.burst,
        twin: None,
    };
    let accepted = doors.store.operations().replay(id, message, actor).await?;
    let (status, message, duplicate) = match accepted.ok_or(HttpError::Absent("body"))? {
        Accepted::New(message) | Accepted::Twin { id: message, .. } => {
            (StatusCode::ACCEPTED, message, false)
        }
        Accepted::Duplicate(message) => (StatusCode::OK, message, true),
    };
    Ok((
        status,
        Json(Replayed {
            message_id: message.0,
            duplicate,
        }),
    ))
}

/// Removes a body that could not be read.
#[utoipa::path(
    delete,
    path = "/operator/v1/quarantine/{id}",
    operation_id = "discard_quarantined_body",
    tag = "quarantine",
    params(("id" = Uuid, Path, description = "The body")),
    responses((status = 204, description = "It is removed")),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn discard(
    Operator(actor): Operator,
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<StatusCode, HttpError> {
    match office.doors.store.operations().discard(id, actor).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(HttpError::Absent("body")),
    }
}
