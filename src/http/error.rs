//! The one place where an error becomes a status.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::braze::InboundError;
use crate::clock::Elapsed;
use crate::domain::{Act, Owner};
use crate::metrics::Arrival;
use crate::redact::Private;
use crate::store::StoreError;

/// Seconds after which Braze may come again when nothing could be stored; its own retries wait about as long.
const RETRY_SECONDS: u64 = 10;

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The bearer token is missing or wrong.
    #[error("the bearer token is missing or not accepted")]
    Unauthorized,
    /// The role is too small.
    #[error("this needs the role `{needed}`")]
    Forbidden {
        /// The least role that may do it.
        needed: &'static str,
    },
    /// The query or the body is not as the document says.
    #[error("{0}")]
    BadRequest(String),
    /// What the path names is not there.
    #[error("there is no such {0}")]
    Absent(&'static str),
    /// It does not stand so that this could be done.
    #[error("{0}")]
    Conflict(String),
    /// A body in quarantine cannot be read today either.
    #[error("it still cannot be read, and is kept: {0}")]
    StillUnreadable(InboundError),
    /// Nothing is at this path.
    #[error("there is nothing at this path")]
    NotFound,
    /// The path takes another method.
    #[error("this path does not take this method")]
    MethodNotAllowed,
    /// `/v1/inbound` with several assistants and no default.
    #[error(
        "several assistants are configured: post to /v1/inbound/{{assistant}}, or name one as `default_assistant`"
    )]
    WhichAssistant,
    /// There is no such conversation.
    #[error("there is no such conversation")]
    NoConversation,
    /// The assistant has the conversation already.
    #[error("the conversation is not with people: the assistant has it already")]
    NotHandedOff,
    /// What is wanted is not legal while this one has the conversation.
    #[error("`{}` is not possible: {}", .act.as_str(), has(*.owner))]
    IllegalAct {
        /// What is wanted.
        act: Act,
        /// Who has the conversation.
        owner: Owner,
    },
    /// Another agent has the conversation.
    #[error("another agent has the conversation: {}", .0.0)]
    Taken(Private<String>),
    /// The handoff that a link was made for is over.
    #[error("the handoff that this link was made for is over")]
    LinkOver,
    /// The customer wants no messages.
    #[error("the customer has asked for no more messages, so nothing can be sent")]
    CustomerOptedOut,
    /// WhatsApp takes nothing any more.
    #[error(
        "WhatsApp's 24 hours after the customer's last message are over, so nothing can be sent until the customer writes"
    )]
    WindowOver,
    /// A key came again with something else.
    #[error("this `Idempotency-Key` came before with another request")]
    KeyReused,
    /// What is said cannot be used.
    #[error("{0}")]
    Unprocessable(String),
    /// The body is too long.
    #[error("the body is longer than {limit} bytes (`server.body_bytes`)")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The body broke off.
    #[error("the body broke off before its end")]
    BrokenBody,
    /// The body took too long.
    #[error("the body did not arrive in time; come again")]
    SlowBody(#[from] Elapsed),
    /// The body is packed.
    #[error("the body is packed (Content-Encoding); send it as it is")]
    Packed,
    /// The body cannot be read.
    #[error("{0}")]
    Unreadable(#[from] InboundError),
    /// The gateway itself is at fault.
    #[error("something went wrong inside the gateway; its log has more")]
    Panicked,
    /// The gateway stops.
    #[error("the gateway is stopping; come again")]
    Stopping,
    /// One client has too much under way.
    #[error("too many requests of one address are under way (`server.per_address`); come again")]
    Crowded,
    /// The request took too long.
    #[error("the request could not be finished in time; come again")]
    Slow,
    /// Nothing can be stored now.
    #[error("nothing can be stored now{}; come again", reason(.0))]
    Store(#[from] StoreError),
}

/// What went wrong, by RFC 9457.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDetails {
    /// Always `about:blank`: the status says it all.
    #[schema(value_type = String)]
    r#type: &'static str,
    /// The status in words.
    #[schema(value_type = String)]
    title: &'static str,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What to look at.
    detail: String,
    /// Who has the conversation, where that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'static str>,
    /// What is possible instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    legal: Option<Vec<&'static str>>,
}

/// Says who has a conversation.
fn has(owner: Owner) -> &'static str {
    match owner {
        Owner::Assistant => "the assistant has the conversation",
        Owner::Pending => "people have been asked to take the conversation",
        Owner::Human => "a person has the conversation",
    }
}

/// Gives the reason why nothing can be stored, where it is one of ours; a database's own words are for the log.
fn reason(error: &StoreError) -> String {
    match error {
        StoreError::Backlog | StoreError::DiskLow | StoreError::Busy => format!(": {error}"),
        StoreError::Closed | StoreError::Database(_) | StoreError::Unreadable(_) => String::new(),
    }
}

impl HttpError {
    /// Tells what a message that was not kept counts as.
    pub(super) fn arrival(&self) -> Arrival {
        match self {
            Self::Unreadable(_) => Arrival::Quarantined,
            Self::TooLarge { .. } => Arrival::TooLarge,
            Self::SlowBody(_) => Arrival::Slow,
            Self::Packed => Arrival::Packed,
            _ if self.status().is_server_error() => Arrival::Unavailable,
            _ => Arrival::Broken,
        }
    }

    /// Gives who has the conversation, where that is why.
    fn owner(&self) -> Option<Owner> {
        match self {
            Self::IllegalAct { owner, .. } => Some(*owner),
            Self::NotHandedOff => Some(Owner::Assistant),
            Self::Taken(_) => Some(Owner::Human),
            _ => None,
        }
    }

    /// Gives the status.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::Absent(_) | Self::NotFound | Self::NoConversation | Self::WhichAssistant => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotHandedOff
            | Self::Conflict(_)
            | Self::IllegalAct { .. }
            | Self::Taken(_)
            | Self::LinkOver
            | Self::CustomerOptedOut
            | Self::WindowOver => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::BadRequest(_) | Self::BrokenBody | Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::StillUnreadable(_) | Self::KeyReused | Self::Unprocessable(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Packed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Stopping | Self::Crowded | Self::Slow | Self::Store(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let status = self.status();
        match &self {
            // The store has said so once, when it began.
            Self::Store(StoreError::Backlog | StoreError::DiskLow) => {}
            Self::Store(error) => tracing::error!(%error, "a request could not be stored"),
            _ => {}
        }
        let details = ProblemDetails {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.to_string(),
            owner: self.owner().map(Owner::as_str),
            legal: self.owner().map(|owner| {
                let legal = Act::legal(owner).into_iter();
                legal.map(Act::as_str).collect()
            }),
        };
        let mut response = (status, Json(details)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                drop(headers.insert(RETRY_AFTER, RETRY_SECONDS.into()));
            }
            StatusCode::UNAUTHORIZED => {
                drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            _ => {}
        }
        response
    }
}
