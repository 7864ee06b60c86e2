//! How the neighbours of the gateway call it.

use std::time::Duration;

use axum::http::header;
use serde_json::Value;

/// How long a helper of the stand-ins waits for the gateway: it answers in milliseconds or something is wrong.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What a caller of a helper got back.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The body as JSON; as a string where it is none.
    pub body: Value,
}

/// Makes the client with which the gateway's neighbours call it; no proxy, since all of them are on this machine.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    client_for(CALL_TIMEOUT)
}

/// Makes such a client that waits so long. It follows no redirect, as no neighbour of the gateway does.
pub(super) fn client_for(timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
}

/// Posts a body to the gateway.
pub(super) async fn post(
    client: &reqwest::Client,
    url: &str,
    secret: &str,
    body: impl Into<reqwest::Body>,
) -> Result<Answered, reqwest::Error> {
    let response = client
        .post(url)
        .bearer_auth(secret)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answered { status, body })
}
