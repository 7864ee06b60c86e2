//! Health: alive tells whether to restart the process, ready whether to send it requests.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::{HttpError, Shared};
use crate::store::StoreError;

/// How long the store may take to answer; beyond it, Braze's requests would wait as long.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// Answers as long as the process turns. It asks nobody: restarting it cures no other's illness.
pub(super) async fn alive(State(doors): Shared) -> impl IntoResponse {
    let broken = |why: String| (StatusCode::INTERNAL_SERVER_ERROR, why);
    match (doors.shutdown.has_crashed(), doors.watchdog.missed()) {
        (true, _) => broken("a worker died\n".to_owned()),
        // At the stop the loops end one after the other.
        (false, Some(name)) if !doors.shutdown.is_stopping() => {
            broken(format!("the worker `{name}` stands still\n"))
        }
        (false, _) => (StatusCode::OK, "ok\n".to_owned()),
    }
}

/// Answers whether messages can be stored. A model or Braze that is down is no reason to refuse them.
pub(super) async fn ready(State(doors): Shared) -> Result<&'static str, HttpError> {
    if doors.shutdown.is_stopping() {
        return Err(HttpError::Stopping);
    }
    let probed = doors.clock.timeout(STORE_WITHIN, doors.store.probe()).await;
    probed
        .unwrap_or(Err(StoreError::Busy))
        .map(|()| "ready\n")
        .map_err(HttpError::Store)
}
