//! What operators did.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use uuid::Uuid;

use super::Office;
use super::asked::{Asked, part};
use super::auth::Admin;
use super::shapes::{Act, List};
use crate::http::HttpError;
use crate::store::AuditFilter;

/// Which acts are wanted; what is not said does not matter.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Those of this person.
    actor: Option<String>,
    /// Those of this kind, such as `conversation.takeover`.
    action: Option<String>,
    /// Those about this conversation, delivery, body or erasure.
    subject: Option<Uuid>,
    /// What `next` said.
    #[param(pattern = "^[0-9a-f]{16}$")]
    cursor: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Lists what operators did, the newest first. Acts are kept for 400 days; no customer is named in them.
#[utoipa::path(
    get,
    path = "/operator/v1/audit",
    operation_id = "list_audit",
    tag = "audit",
    params(Wanted),
    responses((status = 200, description = "A part of the list", body = List<Act>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(
    _: Admin,
    State(office): State<Arc<Office>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<List<Act>>, HttpError> {
    let part = part(wanted.cursor.as_deref(), wanted.limit)?;
    let filter = AuditFilter {
        actor: wanted.actor,
        action: wanted.action,
        subject: wanted.subject,
    };
    let page = office.doors.store.operations().audit(filter, part).await?;
    Ok(Json(List::of(page, Act::from)))
}
