//! Deliveries: found, and decided about where they were given up or are held.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use serde::Deserialize;
use uuid::Uuid;

use super::Office;
use super::asked::{Asked, Id, part};
use super::auth::{Operator, Viewer};
use super::shapes::{Delivery, LaneName, List, State};
use crate::domain::{ConversationId, DeliveryId};
use crate::handoff;
use crate::http::HttpError;
use crate::store::{Actor, Decided, Decision, DeliveryFilter};

/// Which deliveries are wanted; what is not said does not matter.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Those in this state.
    #[param(inline)]
    state: Option<State>,
    /// Those that go this way.
    #[param(inline)]
    lane: Option<LaneName>,
    /// Those of this assistant.
    assistant: Option<String>,
    /// Those of this conversation.
    conversation: Option<Uuid>,
    /// Whether an earlier attempt may have arrived.
    possible_duplicate: Option<bool>,
    /// What `next` said.
    #[param(pattern = "^[0-9a-f]{16}$")]
    cursor: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Lists deliveries, the newest first.
#[utoipa::path(
    get,
    path = "/operator/v1/deliveries",
    operation_id = "list_deliveries",
    tag = "deliveries",
    params(Wanted),
    responses((status = 200, description = "A part of the list", body = List<Delivery>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn list(
    _: Viewer,
    Shared(office): Shared<Arc<Office>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<List<Delivery>>, HttpError> {
    let part = part(wanted.cursor.as_deref(), wanted.limit)?;
    let filter = DeliveryFilter {
        state: wanted.state.map(Into::into),
        lane: wanted.lane.map(Into::into),
        assistant: wanted.assistant,
        conversation: wanted.conversation.map(ConversationId),
        possible_duplicate: wanted.possible_duplicate,
    };
    let page = office
        .doors
        .store
        .operations()
        .deliveries(filter, part)
        .await?;
    Ok(Json(List::of(page, Delivery::from)))
}

/// Shows one delivery.
#[utoipa::path(
    get,
    path = "/operator/v1/deliveries/{id}",
    operation_id = "show_delivery",
    tag = "deliveries",
    params(("id" = Uuid, Path, description = "The delivery")),
    responses((status = 200, description = "The delivery", body = Delivery)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn one(
    _: Viewer,
    Shared(office): Shared<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<Delivery>, HttpError> {
    shown(&office, id).await
}

async fn shown(office: &Office, id: Uuid) -> Result<Json<Delivery>, HttpError> {
    let found = office
        .doors
        .store
        .operations()
        .delivery(DeliveryId(id))
        .await?;
    let found = found.ok_or(HttpError::Absent("delivery"))?;
    Ok(Json(found.into()))
}

/// Sends a delivery once more, from `dead` or `held`. A reply gets a fresh time to live within WhatsApp's window; who may
/// speak is asked again when it leaves.
#[utoipa::path(
    post,
    path = "/operator/v1/deliveries/{id}/retry",
    operation_id = "retry_delivery",
    tag = "deliveries",
    params(("id" = Uuid, Path, description = "The delivery")),
    responses(
        (status = 200, description = "It is ready again, or was", body = Delivery),
        (status = 409, description = "It is in another state, or WhatsApp's window is over"),
    ),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn retry(
    Operator(actor): Operator,
    Shared(office): Shared<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<Delivery>, HttpError> {
    let decision = Decision::Retry {
        reply: office.reply_ttl,
        event: handoff::KEEP_TRYING,
    };
    decide(&office, id, decision, actor).await
}

/// Marks a delivery as sent, from `dead` or `held`: somebody found out that it arrived.
#[utoipa::path(
    post,
    path = "/operator/v1/deliveries/{id}/sent",
    operation_id = "mark_delivery_sent",
    tag = "deliveries",
    params(("id" = Uuid, Path, description = "The delivery")),
    responses(
        (status = 200, description = "It counts as sent, or did", body = Delivery),
        (status = 409, description = "It is in another state"),
    ),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn sent(
    Operator(actor): Operator,
    Shared(office): Shared<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<Delivery>, HttpError> {
    decide(&office, id, Decision::Sent, actor).await
}

/// Drops a delivery, from `dead` or `held`: nobody is to send it any more.
#[utoipa::path(
    post,
    path = "/operator/v1/deliveries/{id}/drop",
    operation_id = "drop_delivery",
    tag = "deliveries",
    params(("id" = Uuid, Path, description = "The delivery")),
    responses(
        (status = 200, description = "It is dropped, or was", body = Delivery),
        (status = 409, description = "It is in another state"),
    ),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn discard(
    Operator(actor): Operator,
    Shared(office): Shared<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<Delivery>, HttpError> {
    decide(&office, id, Decision::Drop, actor).await
}

async fn decide(
    office: &Office,
    id: Uuid,
    decision: Decision,
    actor: Actor,
) -> Result<Json<Delivery>, HttpError> {
    let store = &office.doors.store;
    match store.operations().decide(DeliveryId(id), decision, actor).await? {
        Decided::Done => shown(office, id).await,
        Decided::Unknown => Err(HttpError::Absent("delivery")),
        Decided::NotIn(state) => Err(HttpError::Conflict(format!(
            "the delivery is `{}`; this can be done with one that is `dead` or `held`",
            state.as_str()
        ))),
        Decided::WindowOver => Err(HttpError::Conflict(
            "WhatsApp takes no free text for this customer any more: 24 h have passed since his last message"
                .to_owned(),
        )),
    }
}
