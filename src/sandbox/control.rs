//! How the user of a stand-in talks to it over HTTP: faults to come, requests that came.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use super::misbehave::PlanJson;
use super::{Exchange, StandIn};

/// Gives the routes under `/_sandbox/`.
pub(super) fn router<S: Send + Sync + 'static>() -> Router<StandIn<S>> {
    Router::new()
        .route("/_sandbox/faults", post(add_fault).delete(clear_faults))
        .route("/_sandbox/requests", get(requests).delete(clear_requests))
}

async fn add_fault<S: Send + Sync + 'static>(
    State(stand_in): State<StandIn<S>>,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let plan = serde_json::from_slice::<PlanJson>(&body)
        .map_err(|error| error.to_string())
        .and_then(|plan| plan.plan().map_err(str::to_owned));
    match plan {
        Ok(plan) => {
            stand_in.misbehave(plan);
            let waiting = stand_in.0.faults.count();
            (StatusCode::OK, Json(json!({ "plans": waiting })))
        }
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))),
    }
}

async fn clear_faults<S: Send + Sync + 'static>(State(stand_in): State<StandIn<S>>) -> Json<Value> {
    stand_in.behave();
    Json(json!({ "plans": 0 }))
}

async fn requests<S: Send + Sync + 'static>(State(stand_in): State<StandIn<S>>) -> Json<Value> {
    let requests: Vec<Value> = stand_in.requests().iter().map(show).collect();
    Json(json!({ "count": stand_in.request_count(), "requests": requests }))
}

async fn clear_requests<S: Send + Sync + 'static>(
    State(stand_in): State<StandIn<S>>,
) -> Json<Value> {
    stand_in.clear();
    Json(json!({ "count": 0, "requests": [] }))
}

fn show(exchange: &Exchange) -> Value {
    let headers: Map<String, Value> = exchange
        .headers
        .iter()
        .map(|(name, value)| {
            // The key of whoever tries the stand-in stays his own.
            let shown = match name.as_str() {
                "authorization" | "api-key" | "x-api-key" => "(not shown)".into(),
                _ => String::from_utf8_lossy(value.as_bytes()).into_owned(),
            };
            (name.to_string(), Value::String(shown))
        })
        .collect();
    let body = serde_json::from_slice(&exchange.raw)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&exchange.raw).into_owned()));
    json!({
        "number": exchange.number,
        "at": exchange.at.to_string(),
        "method": exchange.method.as_str(),
        "path": exchange.path,
        "query": exchange.query,
        "status": exchange.status,
        "headers": headers,
        "body": body,
    })
}
