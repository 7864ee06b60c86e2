//! The operator's API, on a listener of its own: what stands in the store, and the few things that people decide.
//!
//! Each handler names the role that it needs as its first argument, so none can forget to ask.

mod asked;
mod audit;
mod auth;
mod config;
mod consent;
mod conversations;
mod deliveries;
mod erasures;
mod openapi;
mod quarantine;
mod shapes;
mod spending;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Doors, HttpError, health, measures};
use crate::memory::Memory;
use crate::metrics::Part;

pub use config::{OperatorConfig, PersonConfig, Role};

/// What the operator's routes share.
#[derive(Debug)]
pub struct Office {
    /// Who may use them, by name.
    pub people: BTreeMap<String, PersonConfig>,
    /// The public doors: a body that is replayed goes in through them.
    pub doors: Arc<Doors>,
    /// What is remembered of conversations, which has to forget those that are erased.
    pub memory: Arc<Memory>,
    /// How long a reply is worth sending.
    pub reply_ttl: Duration,
    /// How long a conversation stays with people, by assistant; those without a desk are left out.
    pub idle: BTreeMap<String, Duration>,
    /// The subscription group in Braze that follows consent, by assistant, where one does.
    pub subscription_groups: BTreeMap<String, String>,
}

/// Gives all routes: the API, the measures, and health as the public listener has it.
pub fn router(office: Arc<Office>) -> Router {
    let metrics = Arc::clone(&office.doors.metrics);
    let measures = measures::router(Arc::clone(&office.doors));
    let health = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .with_state(Arc::clone(&office.doors));
    let (api, document) = api().split_for_parts();
    api.layer(Extension(openapi::finish(document)))
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

/// Gives the API, each route with its part of the document.
fn api() -> OpenApiRouter<Arc<Office>> {
    OpenApiRouter::with_openapi(openapi::head())
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::one))
        .routes(routes!(conversations::take_over))
        .routes(routes!(conversations::release))
        .routes(routes!(consent::opt_out))
        .routes(routes!(consent::opt_in))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::one))
        .routes(routes!(deliveries::retry))
        .routes(routes!(deliveries::sent))
        .routes(routes!(deliveries::discard))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::one, quarantine::discard))
        .routes(routes!(quarantine::replay))
        .routes(routes!(erasures::erase))
        .routes(routes!(erasures::one))
        .routes(routes!(spending::list))
        .routes(routes!(audit::list))
        .routes(routes!(openapi::document))
}
