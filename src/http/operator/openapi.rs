//! The document of the API, made from the handlers themselves.

use std::convert::Infallible;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema,
};

use super::auth::Viewer;
use crate::http::error::ProblemDetails;

/// The head of the document: what is common to all routes.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Frontdesk: the operator's API",
        description = "Conversations, deliveries, unreadable bodies, spending, erasures and the audit log. Lists are newest first; \
            `next` is the `cursor` of the part that follows. Times are RFC 3339 in UTC. Each operation names under \
            `security` the least role that it needs: `viewer`, `operator`, `admin`.",
        license(name = "see the project")
    ),
    components(schemas(ProblemDetails))
)]
struct Head;

/// The document's text, as every request has it at hand.
#[derive(Clone)]
pub(super) struct Document(pub(super) Bytes);

impl<S: Send + Sync> FromRequestParts<S> for Document {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let document = parts.extensions.get::<Self>().cloned();
        Ok(document.unwrap_or(Self(Bytes::new())))
    }
}

/// Gives the document to which the routes are added.
pub(super) fn head() -> OpenApi {
    let mut document = Head::openapi();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("One of the person's secrets of `operator.people`."))
        .build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}

/// Adds to every operation how it can fail, and gives the document's text.
pub(super) fn finish(mut document: OpenApi) -> Document {
    document.components.iter_mut().for_each(close_choices);
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            add_failures(operation);
        }
    }
    Document(document.to_json().unwrap_or_default().into())
}

/// Says of each choice between objects what is so by the way they are read: a choice holds nothing besides.
fn close_choices(components: &mut Components) {
    for schema in components.schemas.values_mut() {
        let RefOr::T(Schema::OneOf(choices)) = schema else {
            continue;
        };
        for choice in &mut choices.items {
            if let RefOr::T(Schema::Object(object)) = choice {
                let nothing = AdditionalProperties::FreeForm(false);
                object.additional_properties = Some(Box::new(nothing));
            }
        }
    }
}

fn add_failures(operation: &mut Operation) {
    let parameters = operation.parameters.iter().flatten();
    let has = |place: ParameterIn| {
        let mut found = parameters.clone();
        found.any(|parameter| match parameter {
            RefOr::T(parameter) => parameter.parameter_in == place,
            RefOr::Ref(_) => false,
        })
    };
    let takes_words = has(ParameterIn::Query) || operation.request_body.is_some();
    let failures = [
        (
            "400",
            takes_words,
            "The query or the body is not as it has to be",
        ),
        ("401", true, "No known secret was shown"),
        ("403", true, "The role is too small"),
        ("404", has(ParameterIn::Path), "There is no such thing"),
        ("500", true, "Something went wrong inside the gateway"),
        ("503", true, "The store does not answer now; come again"),
    ];
    let responses = &mut operation.responses.responses;
    for (status, can_be, description) in failures {
        if can_be {
            responses.insert(status.to_owned(), RefOr::T(problem(description)));
        }
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && status.starts_with('4')
        {
            *response = problem(&response.description);
        }
    }
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}

/// Shows this document.
#[utoipa::path(
    get,
    path = "/operator/v1/openapi.json",
    operation_id = "show_document",
    tag = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn document(_: Viewer, Document(document): Document) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], document)
}
