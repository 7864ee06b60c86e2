//! What was asked: ids, queries, bodies, and the cursors between the parts of a list.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::http::HttpError;
use crate::store::Part;

/// Items of a part where nothing is said: a screen or two.
const LIMIT: u32 = 50;

/// Items of a part at most: with the longest message in each, an answer stays below 4 MiB.
const LIMIT_MAX: u32 = 200;

/// The id in the path. What is no id names nothing.
pub(super) struct Id(pub(super) Uuid);

/// The query, as the document says.
pub(super) struct Asked<T>(pub(super) T);

/// The body, as the document says.
pub(super) struct Sent<T>(pub(super) T);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let id = Path::<String>::from_request_parts(parts, state).await;
        let id = id.ok().and_then(|Path(id)| Uuid::parse_str(&id).ok());
        id.map(Self).ok_or(HttpError::NotFound)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => Err(HttpError::BadRequest(rejection.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = HttpError;

    async fn from_request(request: Request, state: &S) -> Result<Self, HttpError> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(sent)) => Ok(Self(sent)),
            Err(rejection) => Err(HttpError::BadRequest(rejection.body_text())),
        }
    }
}

/// Reads which part of a list is asked for.
pub(super) fn part(cursor: Option<&str>, limit: Option<u32>) -> Result<Part, HttpError> {
    let limit = limit.unwrap_or(LIMIT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(HttpError::BadRequest(format!(
            "`limit` has to be 1 to {LIMIT_MAX}"
        )));
    }
    let before = cursor.map(read_cursor).transpose()?;
    Ok(Part { before, limit })
}

/// Writes down where a part ended.
pub(super) fn cursor(next: Option<i64>) -> Option<String> {
    next.map(|key| format!("{key:016x}"))
}

fn read_cursor(cursor: &str) -> Result<i64, HttpError> {
    let is_ours = cursor.len() == 16 && cursor.bytes().all(|b| b.is_ascii_hexdigit());
    let key = u64::from_str_radix(cursor, 16).ok().filter(|_| is_ours);
    let key = key.map(|key| i64::try_from(key).unwrap_or(i64::MAX));
    key.ok_or_else(|| {
        HttpError::BadRequest("`cursor` has to be what `next` said before".to_owned())
    })
}
