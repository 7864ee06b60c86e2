//! Conversations: found, read, taken over, given back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Office;
use super::asked::{Asked, Id, cursor, part};
use super::auth::{Operator, Viewer};
use super::shapes::{Conversation, Delivery, Handoff, List, Message, Owner};
use super::spending::Spent;
use crate::domain::{self, ConversationId, EndReason, HandoffReason};
use crate::handoff;
use crate::http::HttpError;
use crate::redact::Private;
use crate::store::{ConversationFilter, Ended};
use crate::turn;

/// Which conversations are wanted; what is not said does not matter.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Those of this assistant.
    assistant: Option<String>,
    /// Those that this one has.
    #[param(inline)]
    owner: Option<Owner>,
    /// Those of the customer with this id.
    external_id: Option<String>,
    /// Those of customers with this number, however its digits are set apart.
    phone: Option<String>,
    /// Whether messages wait for an outcome.
    waiting: Option<bool>,
    /// Whether the customer has asked for no more messages.
    opted_out: Option<bool>,
    /// What `next` said.
    #[param(pattern = "^[0-9a-f]{16}$")]
    cursor: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// Lists conversations, those begun last first.
#[utoipa::path(
    get,
    path = "/operator/v1/conversations",
    operation_id = "list_conversations",
    tag = "conversations",
    params(Wanted),
    responses((status = 200, description = "A part of the list", body = List<Conversation>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn list(
    _: Viewer,
    State(office): State<Arc<Office>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<List<Conversation>>, HttpError> {
    let part = part(wanted.cursor.as_deref(), wanted.limit)?;
    let filter = ConversationFilter {
        assistant: wanted.assistant,
        owner: wanted.owner.map(Into::into),
        external_id: wanted.external_id.map(Private),
        phone: wanted.phone.map(Private),
        waiting: wanted.waiting,
        opted_out: wanted.opted_out,
    };
    let page = office
        .doors
        .store
        .operations()
        .conversations(filter, part)
        .await?;
    Ok(Json(List::of(page, Conversation::from)))
}

/// Which part of what was said is wanted.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Lines {
    /// What `next` said.
    #[param(pattern = "^[0-9a-f]{16}$")]
    cursor: Option<String>,
    /// Messages at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A conversation with what was said, sent and decided in it.
#[derive(Serialize, ToSchema)]
pub(super) struct Transcript {
    conversation: Conversation,
    /// What the assistant keeps of older messages, where it keeps a summary.
    summary: Option<String>,
    /// What was said, newest first.
    messages: Vec<Message>,
    /// The `cursor` of earlier messages; null at the first.
    #[schema(pattern = "^[0-9a-f]{16}$")]
    next: Option<String>,
    /// Its 50 newest deliveries; `/operator/v1/deliveries?conversation=…` has all.
    deliveries: Vec<Delivery>,
    /// Its 50 newest handoffs.
    handoffs: Vec<Handoff>,
    /// What its turns took today and on the two days before, newest first; a day without calls is left out.
    spending: Vec<Spent>,
}

/// Shows one conversation, with its transcript, deliveries and handoffs.
#[utoipa::path(
    get,
    path = "/operator/v1/conversations/{id}",
    operation_id = "show_conversation",
    tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation"), Lines),
    responses((status = 200, description = "The conversation", body = Transcript)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn one(
    _: Viewer,
    State(office): State<Arc<Office>>,
    Id(id): Id,
    Asked(lines): Asked<Lines>,
) -> Result<Json<Transcript>, HttpError> {
    let part = part(lines.cursor.as_deref(), lines.limit)?;
    let found = office
        .doors
        .store
        .operations()
        .transcript(ConversationId(id), part);
    let found = found.await?.ok_or(HttpError::NoConversation)?;
    let summary = found.view.conversation.summary.as_ref();
    Ok(Json(Transcript {
        summary: summary.map(|summary| summary.text.0.clone()),
        conversation: found.view.into(),
        next: cursor(found.messages.next),
        messages: found.messages.items.into_iter().map(Into::into).collect(),
        deliveries: found.deliveries.into_iter().map(Into::into).collect(),
        handoffs: found.handoffs.into_iter().map(Into::into).collect(),
        spending: found.spending.into_iter().map(Into::into).collect(),
    }))
}

/// A conversation in people's hands.
#[derive(Serialize, ToSchema)]
pub(super) struct TakenOver {
    conversation_id: Uuid,
    owner: Owner,
    handoff_id: Uuid,
    /// When it goes back to the assistant by itself.
    #[schema(value_type = String, format = DateTime)]
    returns_at: jiff::Timestamp,
    /// Replies of the assistant that Braze was being sent at that moment, and has not answered: these may still arrive.
    /// No other can.
    on_their_way: u64,
}

/// Takes a conversation over: from now on no reply of the assistant leaves. Doing it twice is as doing it once.
#[utoipa::path(
    post,
    path = "/operator/v1/conversations/{id}/takeover",
    operation_id = "take_over_conversation",
    tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation")),
    responses((status = 200, description = "People have it", body = TakenOver)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn take_over(
    Operator(actor): Operator,
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<TakenOver>, HttpError> {
    let store = &office.doors.store;
    let id = ConversationId(id);
    let conversation = store.conversation(id).await?;
    let conversation = conversation.ok_or(HttpError::NoConversation)?;
    let idle = office.idle.get(&conversation.assistant).copied();
    let idle = idle.unwrap_or(handoff::DEFAULT_IDLE);
    let door = office.doors.assistants.get(&conversation.assistant);
    let now = office.doors.clock.now();
    let event =
        door.and_then(|door| turn::desk::taken_by_operator(&door.assistant, now, &conversation));
    let taken = store.operations().take_over(id, idle, event, actor).await?;
    let taken = taken.ok_or(HttpError::NoConversation)?;
    if conversation.owner == domain::Owner::Assistant {
        let assistant = office.doors.metrics.assistant(&conversation.assistant);
        assistant.handed_off(HandoffReason::Operator.as_str());
    }
    Ok(Json(TakenOver {
        conversation_id: id.0,
        owner: Owner::Human,
        handoff_id: taken.handoff.0,
        returns_at: taken.returns_at,
        on_their_way: taken.on_their_way,
    }))
}

/// A conversation in the assistant's hands.
#[derive(Serialize, ToSchema)]
pub(super) struct Released {
    conversation_id: Uuid,
    owner: Owner,
}

/// Gives a conversation back to the assistant. Where it has a desk, the desk hears so.
#[utoipa::path(
    post,
    path = "/operator/v1/conversations/{id}/release",
    operation_id = "release_conversation",
    tag = "conversations",
    params(("id" = Uuid, Path, description = "The conversation")),
    responses(
        (status = 200, description = "The assistant has it", body = Released),
        (status = 409, description = "The assistant has it already"),
    ),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn release(
    Operator(actor): Operator,
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<Released>, HttpError> {
    let doors = &office.doors;
    let conversation = doors.store.conversation(ConversationId(id)).await?;
    let conversation = conversation.ok_or(HttpError::NoConversation)?;
    let door = doors.assistants.get(&conversation.assistant);
    let has_desk = door.is_some_and(|door| door.desk.is_some());
    let now = doors.clock.now();
    let end = handoff::end(now, &conversation, EndReason::Operator, has_desk);
    match doors.store.operations().release(end, actor).await? {
        Ended::Returned => {
            let ended = EndReason::Operator.as_str();
            doors.metrics.work().handoff_ended(ended);
            Ok(Json(Released {
                conversation_id: id,
                owner: Owner::Assistant,
            }))
        }
        Ended::NotHandedOff => Err(HttpError::NotHandedOff),
        Ended::Unknown => Err(HttpError::NoConversation),
    }
}
