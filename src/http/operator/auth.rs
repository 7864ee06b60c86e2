//! Who asks, and whether he may.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::{Office, Role};
use crate::http::{HttpError, auth};
use crate::metrics::Doorway;
use crate::store::Actor;

/// Somebody who may look.
pub(super) struct Viewer;

/// Somebody who may act.
pub(super) struct Operator(pub(super) Actor);

/// Somebody who may erase, and see what the others did.
pub(super) struct Admin(pub(super) Actor);

/// Finds who shows one of the secrets, if his role is enough.
fn known(office: &Office, headers: &HeaderMap, needed: Role) -> Result<Actor, HttpError> {
    // Each is compared, whoever matches first, so that the time tells nothing.
    let mut found = None;
    for (name, person) in &office.people {
        if auth::shows_one_of(headers, &person.secrets) {
            found = Some((name, person.role));
        }
    }
    let Some((name, role)) = found else {
        office.doors.metrics.work().refused(Doorway::Operator);
        return Err(HttpError::Unauthorized);
    };
    if role < needed {
        return Err(HttpError::Forbidden {
            needed: needed.as_str(),
        });
    }
    Ok(Actor {
        name: name.clone(),
        role: role.as_str(),
    })
}

impl FromRequestParts<Arc<Office>> for Viewer {
    type Rejection = HttpError;

    async fn from_request_parts(
        parts: &mut Parts,
        office: &Arc<Office>,
    ) -> Result<Self, HttpError> {
        known(office, &parts.headers, Role::Viewer).map(|_| Self)
    }
}

impl FromRequestParts<Arc<Office>> for Operator {
    type Rejection = HttpError;

    async fn from_request_parts(
        parts: &mut Parts,
        office: &Arc<Office>,
    ) -> Result<Self, HttpError> {
        known(office, &parts.headers, Role::Operator).map(Self)
    }
}

impl FromRequestParts<Arc<Office>> for Admin {
    type Rejection = HttpError;

    async fn from_request_parts(
        parts: &mut Parts,
        office: &Arc<Office>,
    ) -> Result<Self, HttpError> {
        known(office, &parts.headers, Role::Admin).map(Self)
    }
}
