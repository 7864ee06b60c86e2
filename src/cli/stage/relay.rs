//! A relay before a model: it passes on what it gets, and writes down what was asked and answered.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::config::Config;
use crate::http_client::{self, Options, read_bounded};
use crate::sandbox::Exchange;
use crate::shutdown::Shutdown;

/// The longest request and answer that pass: far longer than any conversation.
const BODY_MAX: usize = 16 * 1_024 * 1_024;

/// Exchanges that are kept; the oldest go first. A person who chats for a day has not as many.
const KEPT: usize = 2_000;

/// What holds for one connection alone, and is not passed on.
const OWN: [HeaderName; 5] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    // The answer is written down as it comes, so it must come as it is.
    header::ACCEPT_ENCODING,
];

/// A relay. Cloning gives another handle on the same one.
#[derive(Clone)]
pub(in crate::cli) struct Relay(Arc<Inner>);

struct Inner {
    target: String,
    client: reqwest::Client,
    clock: Clock,
    passed: Mutex<Vec<Passed>>,
}

/// One request, and its answer where one came.
struct Passed {
    exchange: Exchange,
    answer: Option<Value>,
}

/// Puts a relay before each model of a configuration.
pub(super) async fn before_all(
    config: &mut Config,
    shutdown: &Shutdown,
) -> anyhow::Result<Vec<Relay>> {
    let mut relays = Vec::new();
    for (name, model) in &mut config.models {
        let base = model
            .base_url()
            .context(format!("model `{name}` has no address"))?;
        let (relay, url) = Relay::start(base, shutdown).await?;
        model.base_url = Some(url);
        relays.push(relay);
    }
    Ok(relays)
}

impl Relay {
    async fn start(target: &str, shutdown: &Shutdown) -> anyhow::Result<(Self, String)> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let relay = Self(Arc::new(Inner {
            target: target.trim_end_matches('/').to_owned(),
            client: http_client::build(&Options::towards_address(target))?,
            clock: Clock::system(),
            passed: Mutex::default(),
        }));
        let router = Router::new().fallback(take).with_state(relay.clone());
        let stop = shutdown.clone();
        shutdown.spawn(async move {
            let server = axum::serve(listener, router);
            drop(
                server
                    .with_graceful_shutdown(async move { stop.stopping().await })
                    .await,
            );
        });
        Ok((relay, url))
    }

    /// Gives what was asked, oldest first.
    pub(super) fn requests(&self) -> Vec<Exchange> {
        let passed = self.0.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed
            .iter()
            .map(|passed| passed.exchange.clone())
            .collect()
    }

    /// Gives what was answered, with the time and the question, oldest first; nothing for what got no JSON.
    pub(in crate::cli) fn answers(&self) -> Vec<(Exchange, Option<Value>)> {
        let passed = self.0.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed
            .iter()
            .map(|passed| (passed.exchange.clone(), passed.answer.clone()))
            .collect()
    }

    /// Writes a request down. Gives its number.
    fn asked(&self, parts: &axum::http::request::Parts, raw: Bytes) -> u64 {
        let mut passed = self.0.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let number = passed.last().map_or(1, |last| last.exchange.number + 1);
        if passed.len() == KEPT {
            passed.remove(0);
        }
        passed.push(Passed {
            exchange: Exchange {
                number,
                at: self.0.clock.now(),
                method: parts.method.clone(),
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                // The key stays where it is.
                headers: HeaderMap::new(),
                raw,
                status: None,
            },
            answer: None,
        });
        number
    }

    fn answered(&self, number: u64, status: StatusCode, body: &[u8]) {
        let mut passed = self.0.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = passed.iter_mut().rev();
        if let Some(asked) = asked.into_iter().find(|one| one.exchange.number == number) {
            asked.exchange.status = Some(status.as_u16());
            asked.answer = serde_json::from_slice(body).ok();
        }
    }

    async fn pass(&self, request: Request) -> Result<Response, Broken> {
        let (parts, body) = request.into_parts();
        let raw = to_bytes(body, BODY_MAX).await.map_err(|_| Broken)?;
        let number = self.asked(&parts, raw.clone());
        let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
        let mut headers = parts.headers;
        for own in OWN {
            headers.remove(own);
        }
        let asked = self
            .0
            .client
            .request(parts.method, format!("{}{path}", self.0.target))
            .headers(headers)
            .body(raw);
        let answer = asked.send().await.map_err(|_| Broken)?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        let body = read_bounded(answer, BODY_MAX).await.map_err(|_| Broken)?;
        self.answered(number, status, &body);
        for own in OWN {
            headers.remove(own);
        }
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// Says that the model was not reached, or hung up.
struct Broken;

async fn take(State(relay): State<Relay>, request: Request) -> Response {
    match relay.pass(request).await {
        Ok(response) => response,
        Err(Broken) => (StatusCode::BAD_GATEWAY, "the model was not reached").into_response(),
    }
}
