//! The desk's API: what people do with a conversation.
//!
//! An act is written out for how the conversation stands ([`crate::turn::desk`]) and applied in one transaction, which
//! refuses it where that has changed meanwhile; then it is written out anew.

mod access;
mod asked;
mod calls;
mod openapi;
mod pages;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Doors, HttpError, Shared, inbound};
use crate::domain::{
    Act, Conversation, ConversationId, EndReason, HandoffId, HandoffReason, Owner,
};
use crate::handoff::{Permit, TRANSCRIPT_MESSAGES};
use crate::store::{Acted, Receipted};
use crate::turn::desk::{self, Wish};

/// How often an act is written out anew, because the conversation has changed hands meanwhile. That takes a customer, an
/// agent and a timer at the same moment; whoever meets more may come again.
const TRIES: u32 = 5;

/// Says that an act had been done before, with the same key.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What stands behind the path.
#[derive(Default, Deserialize)]
struct Asking {
    /// What a link carries.
    token: Option<String>,
    /// Whose conversation with the customer is meant.
    assistant: Option<String>,
}

/// Gives the routes.
pub(super) fn routes() -> Router<Arc<Doors>> {
    Router::new()
        .route("/v1/openapi.json", get(document))
        .route("/v1/conversations/{id}", get(show))
        .route("/v1/conversations/{id}/{act}", get(ask).post(act))
        .route("/v1/desks/{name}/{kind}", post(calls::signed))
        .route("/v1/desks/{name}/{kind}/{token}", post(calls::with_token))
        .route("/v1/customers/{id}", get(show_of_customer))
        .route("/v1/customers/{id}/{act}", post(act_on_customer))
}

/// Shows the document of this API, to who may use it.
async fn document(State(doors): Shared, headers: HeaderMap) -> Result<Json<Value>, HttpError> {
    access::check(&doors, &headers)?;
    Ok(Json(openapi::document()))
}

/// Shows how a conversation stands.
async fn show(
    State(doors): Shared,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Json<Value>, HttpError> {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let conversation = access::by_id(&doors, &headers, None, &id).await?;
    Ok(Json(standing(&doors, &conversation)))
}

/// Shows how a customer's conversation stands.
async fn show_of_customer(
    State(doors): Shared,
    id: Result<Path<String>, PathRejection>,
    asking: Result<Query<Asking>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Json<Value>, HttpError> {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let asking = said(asking);
    let name = asking.assistant.as_deref();
    let conversation = access::by_customer(&doors, &headers, None, &id, name).await?;
    Ok(Json(standing(&doors, &conversation)))
}

fn standing(doors: &Doors, conversation: &Conversation) -> Value {
    let is_open = conversation.window_expires_at > doors.clock.now();
    json!({
        "conversation_id": conversation.id.0,
        "assistant": conversation.assistant,
        "external_id": conversation.customer.external_id().map(|id| &id.0),
        "owner": conversation.owner.as_str(),
        "handoff_id": conversation.handoff.map(|id| id.0),
        "legal": names(&Act::legal(conversation.owner)),
        "language": conversation.language.map(|language| language.to_string()),
        "opted_out": conversation.opted_out,
        "window_expires_at": conversation.window_expires_at,
        "can_reply": is_open && !conversation.opted_out,
    })
}

/// Does what is wanted with the conversation of this id.
async fn act(
    State(doors): Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    asking: Result<Query<Asking>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let (asking, as_page) = (said(asking), asked::is_form(&headers));
    let done = async {
        let (id, act) = named(path)?;
        let link = access::link(&doors, &headers, asking.token.as_deref(), act)?;
        let conversation = match link {
            Some(permit) => access::by_link(&doors, permit, &id).await?,
            None => access::by_id(&doors, &headers, Some(act), &id).await?,
        };
        let wish = asked::wish(&doors, act, &headers, body).await?;
        perform(&doors, conversation.id, link, wish)
            .await
            .map(|done| (act, conversation.id, done))
    };
    match (done.await, as_page) {
        (Ok((act, _, _)), true) => pages::done(act),
        (Err(error), true) => pages::refused(&error),
        (Ok((act, id, done)), false) => answer(act, id, &done),
        (Err(error), false) => error.into_response(),
    }
}

/// Does what is wanted with the conversation of this customer.
async fn act_on_customer(
    State(doors): Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    asking: Result<Query<Asking>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, HttpError> {
    let (id, act) = named(path)?;
    let asking = said(asking);
    let name = asking.assistant.as_deref();
    let conversation = access::by_customer(&doors, &headers, Some(act), &id, name).await?;
    let wish = asked::wish(&doors, act, &headers, body).await?;
    let done = perform(&doors, conversation.id, None, wish).await?;
    Ok(answer(act, conversation.id, &done))
}

/// Asks who has followed a link whether he means it: whatever looks at links before people do must not act.
async fn ask(
    State(doors): Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    asking: Result<Query<Asking>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let asking = said(asking);
    let found = async {
        let (id, act) = named(path)?;
        let link = access::link(&doors, &headers, asking.token.as_deref(), act)?;
        let permit = link.ok_or(HttpError::MethodNotAllowed)?;
        let conversation = access::by_link(&doors, permit, &id).await?;
        match conversation.handoff == Some(permit.handoff) {
            true => Ok(act),
            false => Err(HttpError::LinkOver),
        }
    };
    match found.await {
        Ok(act) => pages::confirm(act, doors.clock.now()),
        Err(error) => pages::refused(&error),
    }
}

/// Gives what stands behind the path; what cannot be read says nothing.
fn said(asking: Result<Query<Asking>, QueryRejection>) -> Asking {
    asking.map(|Query(asking)| asking).unwrap_or_default()
}

fn named(path: Result<Path<(String, String)>, PathRejection>) -> Result<(String, Act), HttpError> {
    let (id, act) = path.map(|Path(path)| path).unwrap_or_default();
    let act = Act::from_name(&act).ok_or(HttpError::NotFound)?;
    Ok((id, act))
}

/// Does what is wanted, once; `true` where it had been done before.
pub(super) async fn perform(
    doors: &Doors,
    id: ConversationId,
    link: Option<Permit>,
    wish: Wish,
) -> Result<(Receipted, bool), HttpError> {
    for _ in 0..TRIES {
        if let Some(once) = wish.once
            && let Some(before) = doors.store.acted(id, once).await?
        {
            return before_or_not(before);
        }
        let conversation = doors.store.conversation(id).await?;
        let conversation = conversation.ok_or(HttpError::NoConversation)?;
        check(&conversation, link.map(|permit| permit.handoff), wish.act)?;
        let Some(door) = doors.assistants.get(&conversation.assistant) else {
            return Err(HttpError::NoConversation);
        };
        let transcript = match wish.act {
            Act::HandOff => {
                let limit = u32::try_from(TRANSCRIPT_MESSAGES).unwrap_or(u32::MAX);
                doors.store.history(id, limit).await?.messages
            }
            Act::Acknowledge | Act::Reply | Act::Note | Act::Release => Vec::new(),
        };
        let now = doors.clock.now();
        let assistant = &door.assistant;
        let act = desk::act(assistant, now, &conversation, &transcript, wish.clone());
        match doors.store.act(act).await? {
            Acted::Shifted => {}
            Acted::Done(receipt) => {
                count(doors, &conversation, wish.act);
                return Ok((receipt, false));
            }
            other => return before_or_not(other),
        }
    }
    Err(HttpError::Slow)
}

/// Refuses what is not legal as the conversation stands.
fn check(
    conversation: &Conversation,
    handoff: Option<HandoffId>,
    act: Act,
) -> Result<(), HttpError> {
    let owner = conversation.owner;
    if handoff.is_some() && conversation.handoff != handoff {
        return Err(HttpError::LinkOver);
    }
    act.leads(owner)
        .map(drop)
        .ok_or(HttpError::IllegalAct { act, owner })
}

fn before_or_not(acted: Acted) -> Result<(Receipted, bool), HttpError> {
    match acted {
        Acted::Done(receipt) => Ok((receipt, false)),
        Acted::Before(receipt) => Ok((receipt, true)),
        Acted::KeyReused => Err(HttpError::KeyReused),
        Acted::Shifted => Err(HttpError::Slow),
        Acted::Taken(agent) => Err(HttpError::Taken(agent)),
        Acted::OptedOut => Err(HttpError::CustomerOptedOut),
        Acted::WindowOver => Err(HttpError::WindowOver),
        Acted::Unknown => Err(HttpError::NoConversation),
    }
}

fn count(doors: &Doors, before: &Conversation, act: Act) {
    doors.metrics.work().desk_acted(act.as_str());
    match act {
        Act::HandOff | Act::Reply if before.owner == Owner::Assistant => {
            let assistant = doors.metrics.assistant(&before.assistant);
            assistant.handed_off(HandoffReason::Api.as_str());
        }
        Act::Release => {
            let why = EndReason::AgentReleased.as_str();
            doors.metrics.work().handoff_ended(why);
        }
        Act::HandOff | Act::Acknowledge | Act::Reply | Act::Note => {}
    }
    tracing::info!(conversation = %before.id, act = act.as_str(), "the desk has acted");
}

fn answer(act: Act, id: ConversationId, (receipt, before): &(Receipted, bool)) -> Response {
    let status = match act {
        // It is kept, and leaves when its turn comes.
        Act::Reply => StatusCode::ACCEPTED,
        Act::HandOff | Act::Acknowledge | Act::Note | Act::Release => StatusCode::OK,
    };
    let body = json!({
        "conversation_id": id.0,
        "owner": receipt.owner.as_str(),
        "handoff_id": receipt.handoff.map(|id| id.0),
        "agent": receipt.agent.as_ref().map(|agent| &agent.0),
        "delivery_id": receipt.delivery.map(|id| id.0),
        "legal": names(&Act::legal(receipt.owner)),
    });
    let mut response = (status, Json(body)).into_response();
    if *before {
        let headers = response.headers_mut();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

fn names(acts: &[Act]) -> Vec<&'static str> {
    acts.iter().copied().map(Act::as_str).collect()
}

/// Reads an id; what is none names nothing.
fn read_id(id: &str) -> Result<ConversationId, HttpError> {
    let id = Uuid::parse_str(id).map_err(|_| HttpError::NoConversation)?;
    Ok(ConversationId(id))
}
