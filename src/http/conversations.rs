//! What a desk may do with a conversation.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use serde_json::json;
use uuid::Uuid;

use super::{Doors, HttpError, Shared, auth};
use crate::domain::{Conversation, ConversationId, EndReason};
use crate::handoff;
use crate::metrics::Doorway;
use crate::store::Ended;

/// Gives the conversation back to the assistant.
pub(super) async fn release(
    State(doors): Shared,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, HttpError> {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let conversation = reachable(&doors, &id, &headers).await?;
    let end = handoff::end(
        doors.clock.now(),
        &conversation,
        EndReason::AgentReleased,
        true,
    );
    match doors.store.end_handoff(end).await? {
        Ended::Returned => {
            let ended = EndReason::AgentReleased.as_str();
            doors.metrics.work().handoff_ended(ended);
            let returned = json!({ "conversation_id": conversation.id.0, "owner": "assistant" });
            Ok(Json(returned))
        }
        Ended::NotHandedOff => Err(HttpError::NotHandedOff),
        Ended::Unknown => Err(HttpError::NoConversation),
    }
}

/// Finds a conversation for the desk that asks. Another desk's conversations are not there for it.
async fn reachable(
    doors: &Doors,
    id: &str,
    headers: &HeaderMap,
) -> Result<Conversation, HttpError> {
    let token = auth::bearer(headers).unwrap_or_default();
    let recognises = |name: &str| {
        let desk = doors
            .assistants
            .get(name)
            .and_then(|door| door.desk.as_ref());
        desk.is_some_and(|desk| desk.recognises(token))
    };
    if !doors.assistants.keys().any(|name| recognises(name)) {
        doors.metrics.work().refused(Doorway::Desk);
        return Err(HttpError::Unauthorized);
    }
    let id = Uuid::parse_str(id).map_err(|_| HttpError::NoConversation)?;
    let found = doors.store.conversation(ConversationId(id)).await?;
    found
        .filter(|conversation| recognises(&conversation.assistant))
        .ok_or(HttpError::NoConversation)
}
