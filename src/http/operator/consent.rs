//! Consent, as an operator writes it down: who asked elsewhere for no more messages, or for messages again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Office;
use super::asked::Id;
use super::auth::Operator;
use crate::domain::{ConversationId, NewDelivery};
use crate::http::HttpError;
use crate::store::Actor;

/// Whether a customer gets messages.
#[derive(Serialize, ToSchema)]
pub(super) struct Consent {
    conversation_id: Uuid,
    opted_out: bool,
}

/// Sends the customer nothing more from the assistant, and says nothing about it. Doing it twice is as doing it once.
#[utoipa::path(
    post,
    path = "/operator/v1/conversations/{id}/opt_out",
    operation_id = "opt_out_conversation",
    tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation")),
    responses((status = 200, description = "The customer gets no more messages", body = Consent)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn opt_out(
    Operator(actor): Operator,
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<Consent>, HttpError> {
    decide(&office, id, true, actor).await
}

/// Lets the assistant answer the customer again, who has to have asked for it. Nothing is said about it. Doing it twice is
/// as doing it once.
#[utoipa::path(
    post,
    path = "/operator/v1/conversations/{id}/opt_in",
    operation_id = "opt_in_conversation",
    tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation")),
    responses((status = 200, description = "The customer gets messages again", body = Consent)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn opt_in(
    Operator(actor): Operator,
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<Consent>, HttpError> {
    decide(&office, id, false, actor).await
}

async fn decide(
    office: &Office,
    id: Uuid,
    opted_out: bool,
    actor: Actor,
) -> Result<Json<Consent>, HttpError> {
    let store = &office.doors.store;
    let conversation = store.conversation(ConversationId(id)).await?;
    let conversation = conversation.ok_or(HttpError::NoConversation)?;
    let group = office.subscription_groups.get(&conversation.assistant);
    let now = office.doors.clock.now();
    let told = group.map(|group| NewDelivery::subscription(now, group, !opted_out));
    let operations = store.operations();
    let is_known = operations
        .consent(conversation.id, opted_out, told, actor)
        .await?;
    match is_known {
        true => Ok(Json(Consent {
            conversation_id: id,
            opted_out,
        })),
        false => Err(HttpError::NoConversation),
    }
}
