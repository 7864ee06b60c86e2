//! The operator's API, on a listener of its own: what stands in the store, and the few things that people decide.
//!
//! Each handler names the role that it needs as its first argument, so none can forget to ask.

mod auth;
mod config;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

use super::{Doors, HttpError, health, measures};
use crate::metrics::Part;

pub use config::{OperatorConfig, PersonConfig, Role};

/// What the operator's routes share.
#[derive(Debug)]
pub struct Office {
    /// Who may use them, by name.
    pub people: BTreeMap<String, PersonConfig>,
    /// The public doors: a body that is replayed goes in through them.
    pub doors: Arc<Doors>,
}

/// Gives all routes: the API, the measures, and health as the public listener has it.
pub fn router(office: Arc<Office>) -> Router {
    let metrics = Arc::clone(&office.doors.metrics);
    let measures = measures::router(Arc::clone(&office.doors));
    let health = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(Arc::clone(&office.doors));
    Router::new()
        .route(
            "/operator/v1/openapi.json",
            get(async |_: auth::Viewer| "{}"),
        )
        .with_state(office)
        .merge(health)
        .merge(measures)
        .fallback(async || HttpError::NotFound)
        .method_not_allowed_fallback(async || HttpError::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(move |_| {
            metrics.work().panicked(Part::Door);
            HttpError::Panicked.into_response()
        }))
}

/// Serves until the gateway stops, then until the requests under way are answered.
pub async fn serve(listener: TcpListener, office: Arc<Office>) {
    let stop = office.doors.shutdown.clone();
    let server = axum::serve(listener, router(office))
        .with_graceful_shutdown(async move { stop.stopping().await });
    if let Err(error) = server.await {
        tracing::error!(%error, "the operator's server ended");
    }
}
