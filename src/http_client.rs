//! HTTP clients for everything outside: models, Braze, desks.

mod address;
mod hints;
mod line;
mod patient;
mod wire;

use std::time::Duration;

pub use address::{Plain, check_url, peer};
pub use hints::retry_after;
pub use patient::{CallError, Patient};

use reqwest::Url;

/// What our requests say about who sends them.
const OURSELVES: &str = concat!("frontdesk/", env!("CARGO_PKG_VERSION"));

/// How a client connects and what it keeps open.
///
/// No option bounds a whole call: its caller does that by the clock that it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a connection may take, name lookup and TLS included. Default 5 s: a host that needs more is not there.
    pub connect: Duration,
    /// How long a connection without a call is kept. Default 4 s: the most common model servers hang up after 5, and a
    /// request that crosses with their good-bye is lost.
    pub idle: Duration,
    /// How many connections without a call are kept for a host. Default 256: what a busy second takes up again.
    pub idle_per_host: usize,
    /// Speaks HTTP/1.1 alone. For hosts with many slow calls at a time: over HTTP/2 the calls after the hundredth or so
    /// wait for the others to end, and nothing shows it. Default no.
    pub http1_only: bool,
    /// Goes through the proxy that `HTTPS_PROXY` and its kin name. Default yes.
    pub proxy: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(4),
            idle_per_host: 256,
            http1_only: false,
            proxy: true,
        }
    }
}

impl Options {
    /// Gives the options for calls to a host that is named by a text; a checked configuration holds a URL there.
    pub fn towards_address(url: &str) -> Self {
        Url::parse(url).map_or_else(|_| Self::default(), |url| Self::towards(&url))
    }

    /// Gives the options for calls to one host: the default ones, and no proxy on the way to this very machine.
    pub fn towards(url: &Url) -> Self {
        Self {
            proxy: !is_loopback(url),
            ..Self::default()
        }
    }
}

/// Reads a body of at most `limit` bytes; what is longer is cut.
pub async fn read_bounded(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == limit {
            break;
        }
    }
    Ok(body)
}

/// Says that no client could be made. A machine without any CA certificate is the usual cause.
#[derive(Debug, thiserror::Error)]
#[error("cannot make an HTTP client (are CA certificates installed?): {0}")]
pub enum BuildError {
    /// The usual client.
    Client(#[from] reqwest::Error),
    /// The patient one's TLS.
    Tls(#[from] rustls::Error),
    /// No certificate can be for the URL's host, so nobody could tell whether it is the right one.
    #[error("cannot make an HTTP client: no certificate can name the host")]
    Name(#[from] rustls::pki_types::InvalidDnsNameError),
}

/// Makes a client. It follows no redirects, since none of our peers has a reason to send one and a key would travel
/// along, and it sends each request once.
pub fn build(options: &Options) -> Result<reqwest::Client, BuildError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(OURSELVES)
        .connect_timeout(options.connect)
        .pool_idle_timeout(options.idle)
        .pool_max_idle_per_host(options.idle_per_host)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false);
    if options.http1_only {
        builder = builder.http1_only();
    }
    if !options.proxy {
        builder = builder.no_proxy();
    }
    Ok(builder.build()?)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse()
            .is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::get;

    use super::*;
    use crate::shutdown::Shutdown;

    #[tokio::test]
    async fn a_client_says_who_it_is_and_follows_nobody() {
        let router = axum::Router::new()
            .route(
                "/who",
                get(|headers: HeaderMap| async move {
                    headers["user-agent"]
                        .to_str()
                        .unwrap_or_default()
                        .to_owned()
                }),
            )
            .route(
                "/away",
                get(|| async { (StatusCode::TEMPORARY_REDIRECT, [("location", "/who")]) }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        Shutdown::new().spawn(async move { axum::serve(listener, router).await.unwrap() });

        let client = build(&Options::towards(&Url::parse(&base).unwrap())).unwrap();
        let who = client.get(format!("{base}/who")).send().await.unwrap();
        assert_eq!(
            who.text().await.unwrap(),
            format!("frontdesk/{}", env!("CARGO_PKG_VERSION"))
        );
        let away = client.get(format!("{base}/away")).send().await.unwrap();
        assert_eq!(away.status(), StatusCode::TEMPORARY_REDIRECT);
    }

    #[test]
    fn a_proxy_is_not_asked_for_this_machine() {
        for (url, proxy) in [
            ("http://127.0.0.1:8080/v1", false),
            ("http://127.8.9.1/", false),
            ("http://localhost:1234", false),
            ("http://[::1]:80/", false),
            ("http://10.0.0.1/", true),
            ("https://localhost.example.com", true),
        ] {
            assert_eq!(
                Options::towards(&Url::parse(url).unwrap()).proxy,
                proxy,
                "{url}"
            );
        }
    }
}
