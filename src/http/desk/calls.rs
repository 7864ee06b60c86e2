//! The webhooks of help desks: what agents do there comes to the same acts as the desk's API.

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::inbound::{BODY_WITHIN, read};
use super::super::{Doors, HttpError, Shared};
use super::asked::{self, AGENT_CHARS};
use super::perform;
use crate::domain::{Act, ConversationId, HandoffId};
use crate::handoff::{Call, Heard, Permit, Unheard, WEBHOOK_BYTES};
use crate::metrics::Doorway;
use crate::redact::Private;
use crate::store::{DeskLink, Once, Receipted};
use crate::turn::desk::Wish;

/// Hears a webhook that is signed.
pub(super) async fn signed(
    State(doors): Shared,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, HttpError> {
    let (desk, kind) = path.map(|Path(path)| path).unwrap_or_default();
    hear(
        &doors,
        &Line {
            desk,
            kind,
            token: None,
        },
        &headers,
        body,
    )
    .await
}

/// Hears a webhook whose address ends in a secret.
pub(super) async fn with_token(
    State(doors): Shared,
    path: Result<Path<(String, String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, HttpError> {
    let (desk, kind, token) = path.map(|Path(path)| path).unwrap_or_default();
    let token = Some(token);
    hear(&doors, &Line { desk, kind, token }, &headers, body).await
}

/// Which desk calls, and how.
struct Line {
    desk: String,
    kind: String,
    token: Option<String>,
}

async fn hear(
    doors: &Doors,
    line: &Line,
    headers: &HeaderMap,
    body: Body,
) -> Result<Json<Value>, HttpError> {
    let desk = doors.desks.get(&line.desk).ok_or_else(|| refused(doors))?;
    let reading = read(body, WEBHOOK_BYTES);
    let body = doors.clock.timeout(BODY_WITHIN, reading).await??;
    let (token, now) = (line.token.as_deref(), doors.clock.now());
    let call = match desk.hear(&line.kind, token, headers, &body, now) {
        Ok(Some(call)) => call,
        Ok(None) => return Ok(heard("nothing")),
        Err(Unheard::Deaf | Unheard::Unverified) => return Err(refused(doors)),
        Err(error @ Unheard::Unreadable(_)) => {
            return Err(HttpError::BadRequest(error.to_string()));
        }
    };
    // Agents have tickets that are none of ours.
    let about = doors.store.linked(&line.desk, &call.thread).await?;
    let Some((conversation, handoff)) = about else {
        return Ok(heard("nothing"));
    };
    let (wish, what) = wish(&line.desk, &call)?;
    let (act, is_reply) = (wish.act, wish.act == Act::Reply);
    // An agent's words reach the customer whenever they come; the rest is about the handoff that the ticket was opened for.
    let permit = (!is_reply).then_some(Permit {
        act,
        conversation,
        handoff,
    });
    match perform(doors, conversation, permit, wish).await {
        Ok((receipt, _)) => {
            follow(doors, &line.desk, &call, handoff, &receipt).await?;
            Ok(heard(what))
        }
        Err(error) if is_reply || error.status().is_server_error() => {
            if is_reply {
                tell(conversation, &line.desk, &error);
            }
            Err(error)
        }
        // It stands so already, or something newer does.
        Err(_) => Ok(heard("nothing")),
    }
}

/// Gives what an agent wants by what he did.
fn wish(desk: &str, call: &Call) -> Result<(Wish, &'static str), HttpError> {
    let wish = |act, agent: Option<&Private<String>>| Wish {
        act,
        agent: agent.map(|name| Private(name.0.chars().take(AGENT_CHARS).collect())),
        text: None,
        notify: true,
        once: None,
    };
    Ok(match &call.heard {
        Heard::Replied { text, agent } => {
            let reply = Wish {
                text: Some(asked::words(Act::Reply, text)?),
                once: Some(once(desk, &call.id)),
                ..wish(Act::Reply, agent.as_ref())
            };
            (reply, "reply")
        }
        Heard::Assigned { agent } => (wish(Act::Acknowledge, agent.as_ref()), "assignment"),
        Heard::Resolved => (wish(Act::Release, None), "end"),
    })
}

/// Gives by what words are known again: the desk's own name for them, whatever else differs when they come twice.
fn once(desk: &str, id: &str) -> Once {
    let digest = Sha256::new()
        .chain_update(b"webhook")
        .chain_update([0])
        .chain_update(desk)
        .chain_update([0])
        .chain_update(id)
        .finalize();
    Once {
        key: digest.into(),
        request: digest.into(),
    }
}

/// Ties a handoff that an agent's words began to the ticket that he wrote them in: what the customer answers goes there.
async fn follow(
    doors: &Doors,
    desk: &str,
    call: &Call,
    before: HandoffId,
    receipt: &Receipted,
) -> Result<(), HttpError> {
    let Some(begun) = receipt.handoff.filter(|handoff| *handoff != before) else {
        return Ok(());
    };
    let links = doors.store.desk_links(before).await?;
    let link = links.into_iter().find(|link| link.desk == desk);
    let link = DeskLink {
        desk: desk.to_owned(),
        contact: link.and_then(|link| link.contact),
        thread: Some(call.thread.clone()),
    };
    Ok(doors.store.link_desk(begun, link).await?)
}

fn heard(what: &str) -> Json<Value> {
    Json(json!({ "heard": what }))
}

fn tell(conversation: ConversationId, desk: &str, error: &HttpError) {
    tracing::warn!(%conversation, desk, %error, "an agent's words cannot be sent to the customer");
}

fn refused(doors: &Doors) -> HttpError {
    doors.metrics.work().refused(Doorway::Desk);
    HttpError::Unauthorized
}
