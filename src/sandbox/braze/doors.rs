//! What this stand-in alone tells over HTTP.

use axum::Router;
use axum::extract::State;
use axum::response::Json;
use axum::routing::get;
use serde_json::{Value, json};

use super::delivery::Delivery;
use super::{Braze, BrazeState};
use crate::sandbox::StandIn;

/// Gives the routes under `/_sandbox/`.
pub(super) fn router() -> Router<StandIn<BrazeState>> {
    Router::new().route("/_sandbox/deliveries", get(deliveries))
}

async fn deliveries(State(braze): State<Braze>) -> Json<Value> {
    let deliveries: Vec<Value> = braze.deliveries().iter().map(show).collect();
    Json(json!({ "deliveries": deliveries }))
}

fn show(delivery: &Delivery) -> Value {
    json!({
        "at": delivery.at.to_string(),
        "request": delivery.request,
        "dispatch_id": delivery.dispatch_id,
        "campaign_id": delivery.campaign_id,
        "recipient": { (delivery.recipient.kind()): delivery.recipient.value() },
        "text": delivery.text,
        "choices": delivery.choices,
        "withheld": delivery.withheld.map(super::Withheld::as_str),
    })
}
