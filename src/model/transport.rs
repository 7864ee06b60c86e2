//! The bytes under async-openai: one request, one bounded answer, and every refusal turned into a fault.
//!
//! The client's own way would retry behind our back, read answers of any size, lose the status of half of the refusals
//! and log bodies that it cannot read. So it is given this service instead, which hands up only what is JSON.

use std::time::Duration;

use async_openai::config::Config;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::Value;

use super::complaint::Complaint;
use super::wait::wait;
use super::{Fault, FaultKind};
use crate::clock::Clock;
use crate::http_client::Patient;

/// The largest answer that is read: a thousand times a long reply, so nothing real is lost to it.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How much of a refusal is read: its names stand at the beginning, and the rest is often an echo of the request.
const REFUSAL_BYTES_MAX: usize = 2 << 10;

/// The client, with its own retries and its reading of the environment left out.
pub(super) type Client = async_openai::Client<Endpoint>;

/// Makes a client that calls `endpoint`. `first_byte` bounds the time from the call to the answer's headers.
pub(super) fn client(
    http: reqwest::Client,
    patient: Patient,
    clock: Clock,
    endpoint: Endpoint,
    first_byte: Option<Duration>,
) -> Client {
    let service = tower::service_fn(move |request: HttpRequestFactory| {
        let (patient, clock) = (patient.clone(), clock.clone());
        async move { exchange(&patient, &clock, first_byte, request).await }
    });
    async_openai::Client::build(http, endpoint).with_http_service(service)
}

/// Gives the fault behind an error of the client's. Its own errors may quote the answer, so nothing of them is kept.
pub(super) fn fault(error: OpenAIError) -> Fault {
    let unreadable = || Fault::from(FaultKind::BadResponse);
    match error {
        OpenAIError::Boxed(error) => error
            .downcast::<Fault>()
            .map_or_else(|_| unreadable(), |fault| *fault),
        _ => unreadable(),
    }
}

/// Where to call and what to send along. The crate's own type takes what is missing from the environment.
pub(super) struct Endpoint {
    /// Where the API begins, without a slash at its end.
    pub(super) base: String,
    /// Sent with each request.
    pub(super) headers: HeaderMap,
    /// Added to the URL of each request.
    pub(super) query: Vec<(String, String)>,
    /// Satisfies the crate: the key is in the headers already, and nothing that is called asks for it here.
    pub(super) no_key: SecretString,
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        let pairs = self.query.iter();
        pairs
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.no_key
    }
}

async fn exchange(
    patient: &Patient,
    clock: &Clock,
    first_byte: Option<Duration>,
    factory: HttpRequestFactory,
) -> Result<reqwest::Response, OpenAIError> {
    let request = factory.build().await?;
    drop(factory);
    let answer = patient.execute(request);
    let answer = match first_byte {
        Some(limit) => {
            let late = |_| boxed(named(FaultKind::Timeout, "first_byte"));
            clock.timeout(limit, answer).await.map_err(late)?
        }
        None => answer.await,
    };
    // A connection that broke off before the answer is a connection fault too.
    let response = answer.map_err(|_| boxed(FaultKind::Connect.into()))?;
    if !response.status().is_success() {
        return Err(boxed(refusal(response, clock).await));
    }
    let body = whole(response).await.map_err(boxed)?;
    // The crate logs what it cannot parse, so it is not given any such thing.
    if serde_json::from_slice::<Value>(&body).is_err() {
        return Err(boxed(named(FaultKind::BadResponse, "not_json")));
    }
    Ok(axum::http::Response::new(body).into())
}

fn boxed(fault: Fault) -> OpenAIError {
    OpenAIError::Boxed(Box::new(fault))
}

fn named(kind: FaultKind, code: &str) -> Fault {
    Fault {
        code: Some(code.to_owned()),
        ..kind.into()
    }
}

async fn refusal(mut response: reqwest::Response, clock: &Clock) -> Fault {
    let mut body = Vec::new();
    while body.len() < REFUSAL_BYTES_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(REFUSAL_BYTES_MAX);
    let complaint = Complaint::from_body(&body);
    let status = response.status().as_u16();
    Fault {
        status: Some(status),
        code: complaint.code(),
        retry_after: wait(response.headers(), complaint.message(), clock.now()),
        named: complaint.named(),
        ..complaint.kind(status).into()
    }
}

async fn whole(mut response: reqwest::Response) -> Result<Vec<u8>, Fault> {
    let too_large = || named(FaultKind::BadResponse, "too_large");
    if response
        .content_length()
        .is_some_and(|length| length > ANSWER_BYTES_MAX as u64)
    {
        return Err(too_large());
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES_MAX => {
                return Err(too_large());
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err(named(FaultKind::BadResponse, "cut_off")),
        }
    }
}
