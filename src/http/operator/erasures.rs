//! Erasing customers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Office;
use super::asked::{Id, Sent};
use super::auth::Admin;
use crate::http::HttpError;
use crate::redact::Private;
use crate::store::{Actor, Receipt, StoreError, Subject};

/// Characters of an id or a number that is asked for; the longest that can have come in are shorter.
const NAME_CHARS_MAX: usize = 1_024;

/// By what the customer is known: one of three.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(example = json!({ "external_id": "ana" }))]
pub(super) enum Erase {
    /// The id that the business gave.
    ExternalId(CustomerId),
    /// The id that Braze gave.
    BrazeId(CustomerId),
    /// The number, however its digits are set apart.
    Phone(Phone),
}

/// A customer's id.
#[derive(Deserialize, ToSchema)]
#[schema(min_length = 1, max_length = 1024)]
pub(super) struct CustomerId(String);

/// A customer's number.
#[derive(Deserialize, ToSchema)]
#[schema(pattern = r"^[+(]?[0-9][0-9 ().-]{0,63}$", example = "+15550100")]
pub(super) struct Phone(String);

/// The proof that a customer was erased. Nothing in it leads back to him.
#[derive(Serialize, ToSchema)]
pub(super) struct ReceiptShown {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    removed: Removed,
    /// Of the deliveries, those on their way at that moment: they may have arrived afterwards. No other can.
    on_their_way: u64,
}

/// Rows that were removed, by table.
#[derive(Serialize, ToSchema)]
pub(super) struct Removed {
    conversations: u64,
    messages: u64,
    deliveries: u64,
    handoffs: u64,
    /// Days' sums of tokens and money.
    spending: u64,
    /// Unreadable bodies that named the customer.
    quarantine: u64,
}

impl From<Receipt> for ReceiptShown {
    fn from(receipt: Receipt) -> Self {
        let removed = receipt.removed;
        Self {
            id: receipt.id,
            at: receipt.at,
            removed: Removed {
                conversations: removed.conversations,
                messages: removed.messages,
                deliveries: removed.deliveries,
                handoffs: removed.handoffs,
                spending: removed.spending,
                quarantine: removed.quarantined,
            },
            on_their_way: removed.on_their_way,
        }
    }
}

impl Erase {
    fn subject(self) -> Result<Subject, HttpError> {
        let wrong = |what: &str| Err(HttpError::BadRequest(what.to_owned()));
        match self {
            Self::ExternalId(CustomerId(id)) | Self::BrazeId(CustomerId(id))
                if !(1..=NAME_CHARS_MAX).contains(&id.chars().count()) =>
            {
                wrong("an id has 1 to 1,024 characters")
            }
            Self::Phone(Phone(phone)) if !is_number(&phone) => {
                wrong("`phone` has to be a number, such as +15550100")
            }
            Self::ExternalId(CustomerId(id)) => Ok(Subject::ExternalId(Private(id))),
            Self::BrazeId(CustomerId(id)) => Ok(Subject::BrazeId(Private(id))),
            Self::Phone(Phone(phone)) => Ok(Subject::Phone(Private(phone))),
        }
    }
}

/// Tells whether a text is a number, as the document's pattern says it.
fn is_number(phone: &str) -> bool {
    let rest = phone.strip_prefix(['+', '(']).unwrap_or(phone);
    rest.starts_with(|first: char| first.is_ascii_digit())
        && rest.len() <= 64
        && rest
            .bytes()
            .all(|b| b.is_ascii_digit() || b" ().-".contains(&b))
}

/// Erases a customer: every conversation with every assistant, what was said, sent and decided in it, and unreadable
/// bodies that name him; in the database, in its log and in memory. What was said before the business gave him an id goes
/// too, where Braze's id or the number leads to it. When this answers, it is done.
#[utoipa::path(
    post,
    path = "/operator/v1/erasures",
    operation_id = "erase_customer",
    tag = "erasures",
    request_body = Erase,
    responses((status = 201, description = "The receipt", body = ReceiptShown)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn erase(
    Admin(actor): Admin,
    State(office): State<Arc<Office>>,
    Sent(asked): Sent<Erase>,
) -> Result<(StatusCode, Json<ReceiptShown>), HttpError> {
    let subject = asked.subject()?;
    // Begun, it comes to its end, whether or not somebody still waits for the receipt.
    let shutdown = office.doors.shutdown.clone();
    let erasing = shutdown.spawn_contained(async move { office.erase(subject, actor).await });
    let erased = erasing.await.map_err(|_| HttpError::Panicked)?;
    let receipt = erased.ok_or(HttpError::Stopping)??;
    Ok((StatusCode::CREATED, Json(receipt.into())))
}

impl Office {
    async fn erase(&self, subject: Subject, actor: Actor) -> Result<Receipt, StoreError> {
        let operations = self.doors.store.operations();
        let (receipt, conversations) = operations.erase(subject, actor).await?;
        for conversation in conversations {
            self.memory.forget(conversation).await;
        }
        // Who waits for the store meanwhile is not dead.
        let _held = self.doors.watchdog.hold();
        operations.scrub().await?;
        Ok(receipt)
    }
}

/// Shows the receipt of an erasure. Receipts are kept for 400 days.
#[utoipa::path(
    get,
    path = "/operator/v1/erasures/{id}",
    operation_id = "show_erasure",
    tag = "erasures",
    params(("id" = Uuid, Path, description = "The erasure")),
    responses((status = 200, description = "The receipt", body = ReceiptShown)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn one(
    _: Admin,
    State(office): State<Arc<Office>>,
    Id(id): Id,
) -> Result<Json<ReceiptShown>, HttpError> {
    let receipt = office.doors.store.operations().receipt(id).await?;
    let receipt = receipt.ok_or(HttpError::Absent("erasure"))?;
    Ok(Json(receipt.into()))
}
