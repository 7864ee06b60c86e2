//! A client for a host that takes long to answer and is asked by thousands at a time.
//!
//! Each call that waits has a connection of its own, as with any HTTP/1.1 client. The usual one keeps some 25 KB of
//! buffers for it, and 10 KB for what redirects, retries and HTTP/2 could need; this one has none of those, and while it
//! waits it holds the connection and nothing else.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::Uri;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Request, Response, Url};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_rustls::TlsConnector;
use tower::ServiceExt;

use super::line::Line;
use super::wire::{self, Framing, WireError};
use super::{BuildError, Options};
use crate::clock::Clock;

/// Calls one host over HTTP/1.1. Cloning gives another handle on the same connections.
#[derive(Clone)]
pub struct Patient(Way);

#[derive(Clone)]
enum Way {
    Straight(Arc<Host>),
    /// A proxy stands between, which the usual client knows how to talk to.
    Proxied(reqwest::Client),
}

/// The host and the connections to it that are out of use.
struct Host {
    uri: Uri,
    tls: Option<(ServerName<'static>, Arc<ClientConfig>)>,
    connector: HttpConnector,
    options: Options,
    clock: Clock,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    line: Line,
    since: Duration,
}

/// Says why a call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection came about in time.
    #[error("no connection in time")]
    Late,
    /// No connection came about.
    #[error("no connection: {0}")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What came back is no answer.
    #[error(transparent)]
    Unreadable(#[from] WireError),
    /// The proxy gave none.
    #[error(transparent)]
    Proxied(#[from] reqwest::Error),
}

impl Patient {
    /// Makes a client for the host of `url`. Nothing is called yet.
    pub fn new(url: &Url, options: Options, clock: Clock) -> Result<Self, BuildError> {
        Self::among(&Matcher::from_env(), url, options, clock)
    }

    fn among(
        proxies: &Matcher,
        url: &Url,
        options: Options,
        clock: Clock,
    ) -> Result<Self, BuildError> {
        let uri: Uri = url.as_str().parse().unwrap_or_default();
        if options.proxy && proxies.intercept(&uri).is_some() {
            return Ok(Self(Way::Proxied(super::build(&options)?)));
        }
        let tls = match url.scheme() {
            "https" => Some(tls()?),
            _ => None,
        };
        Self::straight(url, uri, tls, options, clock)
    }

    fn straight(
        url: &Url,
        uri: Uri,
        tls: Option<ClientConfig>,
        options: Options,
        clock: Clock,
    ) -> Result<Self, BuildError> {
        let host = url.host_str().unwrap_or_default();
        let name = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        // A host without a name for TLS is an error, never a reason to do without TLS.
        let tls = match tls {
            Some(config) => Some((ServerName::try_from(name)?, Arc::new(config))),
            None => None,
        };
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        Ok(Self(Way::Straight(Arc::new(Host {
            uri,
            connector,
            tls,
            options,
            clock,
            idle: Mutex::default(),
        }))))
    }

    /// Sends a request, whose body must be in one piece, and whose method is neither HEAD nor CONNECT. The answer comes
    /// with its head; dropping the call or the answer closes the connection.
    ///
    /// It is sent once, also where a host hangs up on a connection that had served before: to send it again it would have
    /// to be kept for as long as the host thinks, by each of the thousands.
    pub async fn execute(&self, mut request: Request) -> Result<Response, CallError> {
        let host = match &self.0 {
            Way::Proxied(client) => {
                // Like this the body is gone when it has been written, instead of being kept for a second time.
                let body = request.body_mut().take();
                *request.body_mut() = body.map(reqwest::Body::wrap);
                return Ok(client.execute(request).await?);
            }
            Way::Straight(host) => host,
        };
        let bytes = wire::request(&request);
        drop(request);
        let mut line = match host.idle().await {
            Some(line) => line,
            // On the heap, since connecting needs more room than waiting does, and for a moment only.
            None => Box::pin(host.connect()).await?,
        };
        let head = line.exchange(bytes).await?;
        let (parts, ()) = head.answer.into_parts();
        let body = Reading {
            line: Some(line),
            framing: head.framing,
            back: head.stays.then(|| Arc::clone(host)),
        };
        let body = reqwest::Body::wrap(body);
        Ok(axum::http::Response::from_parts(parts, body).into())
    }
}

impl Host {
    /// Gives a connection that is still good.
    async fn idle(&self) -> Option<Line> {
        loop {
            let Idle { mut line, since } = self.kept().pop()?;
            let rested = self.clock.elapsed().saturating_sub(since);
            if rested < self.options.idle && poll_fn(|cx| Poll::Ready(line.is_quiet(cx))).await {
                return Some(line);
            }
        }
    }

    fn keep(&self, line: Line) {
        let since = self.clock.elapsed();
        let mut kept = self.kept();
        kept.retain(|idle| since.saturating_sub(idle.since) < self.options.idle);
        if kept.len() < self.options.idle_per_host {
            kept.push(Idle { line, since });
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connect(&self) -> Result<Line, CallError> {
        let connected = self.clock.timeout(self.options.connect, self.dial()).await;
        connected.map_err(|_| CallError::Late)?
    }

    async fn dial(&self) -> Result<Line, CallError> {
        let connected = self.connector.clone().oneshot(self.uri.clone()).await;
        let stream = connected.map_err(|error| CallError::Unreachable(error.into()))?;
        let stream = stream.into_inner();
        let Some((name, config)) = &self.tls else {
            return Ok(Line::new(stream));
        };
        let connector = TlsConnector::from(Arc::clone(config));
        let encrypted = connector.connect(name.clone(), stream).await;
        encrypted
            .map(Line::new)
            .map_err(|error| CallError::Unreachable(error.into()))
    }
}

/// The body of an answer. The connection goes back where it came from when all has been read.
struct Reading {
    line: Option<Line>,
    framing: Framing,
    back: Option<Arc<Host>>,
}

impl Body for Reading {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let this = self.get_mut();
        let Some(line) = &mut this.line else {
            return Poll::Ready(None);
        };
        let piece = ready!(line.poll_body(cx, &mut this.framing));
        if let Ok(Some(data)) = piece {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let done = this.line.take().zip(this.back.take());
        if let Err(error) = piece {
            return Poll::Ready(Some(Err(error)));
        }
        if let Some((line, host)) = done {
            host.keep(line);
        }
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(left) => SizeHint::with_exact(left),
            _ => SizeHint::default(),
        }
    }
}

/// Trusts whom the machine trusts, as the usual client does.
fn tls() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

impl std::fmt::Debug for Patient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patient").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
