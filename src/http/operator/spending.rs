//! What asking models took.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Office;
use super::asked::Asked;
use super::auth::Viewer;
use crate::http::HttpError;
use crate::store::SpendingView;

/// What asking models took on one day, by what their servers told.
#[derive(Serialize, ToSchema)]
pub(super) struct Spent {
    assistant: String,
    /// A day in the assistant's time zone.
    #[schema(value_type = String, format = Date, example = "2026-03-02")]
    day: Date,
    /// Calls that came to an end, also those that failed or were cut short.
    calls: u32,
    /// Those of them whose server told no tokens: they count for nothing in what follows.
    untold: u32,
    /// Tokens read.
    input_tokens: u64,
    /// Tokens written, reasoning included.
    output_tokens: u64,
    /// What they cost, in the currency of the configured prices.
    cost: f64,
}

impl From<SpendingView> for Spent {
    fn from(view: SpendingView) -> Self {
        let spending = view.spending;
        Self {
            assistant: view.assistant,
            day: view.day,
            calls: spending.calls,
            untold: spending.untold,
            input_tokens: spending.input_tokens,
            output_tokens: spending.output_tokens,
            cost: spending.cost.units(),
        }
    }
}

/// Whose days are wanted.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Those of this assistant; of all where nothing is said.
    assistant: Option<String>,
}

/// All days that are kept, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct Days {
    /// One for each assistant and day with calls.
    items: Vec<Spent>,
}

/// Shows what each assistant's turns took, day by day: today and the 35 days before.
#[utoipa::path(
    get,
    path = "/operator/v1/spending",
    operation_id = "list_spending",
    tag = "spending",
    params(Wanted),
    responses((status = 200, description = "The days", body = Days)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn list(
    _: Viewer,
    State(office): State<Arc<Office>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Days>, HttpError> {
    let operations = office.doors.store.operations();
    let days = operations.spending(wanted.assistant).await?;
    Ok(Json(Days {
        items: days.into_iter().map(Spent::from).collect(),
    }))
}
