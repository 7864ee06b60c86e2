//! The first driver: the HTTP doors. A door verifies, stores and answers; it never works on a message.

mod accept;
mod auth;
mod desk;
mod error;
mod health;
mod inbound;
mod measures;
pub mod operator;
mod peers;
mod pulse;
mod tls;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tower_http::catch_panic::CatchPanicLayer;

use crate::braze::InboundLimits;
use crate::clock::Clock;
use crate::handoff::Desk;
use crate::metrics::{Metrics, Part};
use crate::problem::Problem;
use crate::prompts::Prompts;
use crate::redact::Secret;
use crate::shutdown::Shutdown;
use crate::store::{Burst, Store};
use crate::turn::Assistant;
use crate::watchdog::Watchdog;

pub use accept::{Entrance, Limits};
pub use error::HttpError;
pub use operator::OperatorConfig;
pub use peers::Network;
pub use tls::{Tls, TlsConfig};

/// Where the doors are: `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The address to listen on. Default `127.0.0.1:8080`. Braze calls ports 80 and 443 only, so a proxy stands before.
    pub listen: SocketAddr,
    /// The gateway's own address as a desk reaches it, such as `https://frontdesk.example.com`; for links in events.
    pub public_url: Option<String>,
    /// Bytes of a request's body, 1,024 to 4,194,304. Default 262,144: WhatsApp's longest text is a sixteenth of it.
    pub body_bytes: usize,
    /// Connections at once, 1 to 65,536. Default 1,024: ten times what a burst of Braze brings, and few enough for memory.
    pub connections: usize,
    /// Connections of one address, and its requests under way, 1 to 65,536. Default 256: a quarter of all. Braze posts from
    /// few addresses, each of which may bring a burst.
    pub per_address: usize,
    /// Who may say in `X-Forwarded-For` for whom he asks; his connections do not count as those of one address. Default
    /// `127.0.0.1` and `::1`: who connects from the same machine is the proxy before the gateway.
    pub trusted_proxies: Vec<Network>,
    /// The certificate. Default none: a proxy has it.
    pub tls: Option<TlsConfig>,
    /// How long new connections are still taken after the stop has begun, while `/readyz` says 503 already. Default 0 s:
    /// only a proxy that asks `/readyz` has a use for it.
    #[serde(with = "crate::duration")]
    pub withdraw: Duration,
    /// How long the gateway may take to finish what it holds when it is told to stop. Default 25 s: what orchestrators
    /// wait before they kill is 30 s.
    #[serde(with = "crate::duration")]
    pub drain: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8_080)),
            public_url: None,
            body_bytes: 256 * 1_024,
            connections: limits.connections,
            per_address: limits.per_address,
            trusted_proxies: [
                IpAddr::from(Ipv4Addr::LOCALHOST),
                Ipv6Addr::LOCALHOST.into(),
            ]
            .map(Network::from)
            .to_vec(),
            tls: None,
            withdraw: Duration::ZERO,
            drain: Duration::from_secs(25),
        }
    }
}

/// How long a stop may take: two seconds to write things down, and no longer than any supervisor waits.
const DRAINS: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_mins(10);

/// How many connections can be allowed: as many as one proxy has ports for.
const CONNECTIONS: RangeInclusive<usize> = 1..=65_536;

/// How long a request may take in all, its body included. Nothing that a handler does takes a second; beyond this it is
/// stuck, and Braze, which waits 90 s, should come again rather than wait.
const HANDLED_WITHIN: Duration = Duration::from_secs(30);

/// How long a conversation may be made to wait for more of a burst; then the customer has put the phone away.
const BURST_AT_MOST: Duration = Duration::from_mins(5);

/// How often an answer may be begun anew: each time is paid for, and the customer waits.
const SUPERSEDES_AT_MOST: u32 = 10;

impl ServerConfig {
    /// Gives the way in that it describes, but for the certificate.
    pub fn entrance(&self, tls: Option<Tls>) -> Entrance {
        Entrance {
            limits: Limits {
                connections: self.connections,
                per_address: self.per_address,
                ..Limits::default()
            },
            trusted_proxies: self.trusted_proxies.clone(),
            tls,
        }
    }

    /// Finds what cannot work; but for the public address, which depends on the desks.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !DRAINS.contains(&self.drain) {
            problems.push(Problem::new("drain", "expected 2 s to 10 min"));
        }
        if !(1_024..=4 * 1_024 * 1_024).contains(&self.body_bytes) {
            problems.push(Problem::new("body_bytes", "expected 1,024 to 4,194,304"));
        }
        for (key, value) in [
            ("connections", self.connections),
            ("per_address", self.per_address),
        ] {
            if !CONNECTIONS.contains(&value) {
                problems.push(Problem::new(key, "expected 1 to 65,536"));
            }
        }
        if self.withdraw >= self.drain {
            problems.push(Problem::new(
                "withdraw",
                "has to be shorter than `server.drain`, which it is a part of",
            ));
        }
        if let Some(tls) = &self.tls {
            let found = tls.check().into_iter();
            problems.extend(found.map(|problem| problem.under("tls")));
        }
        problems
    }
}

/// How long to wait for more of a burst: `[burst]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BurstConfig {
    /// After a conversation's last message. Default 1 s: people send thoughts in pieces.
    #[serde(with = "crate::duration")]
    pub quiet: Duration,
    /// After its first message, at most. Default 8 s: nobody should wait longer for having much to say.
    #[serde(with = "crate::duration")]
    pub cap: Duration,
    /// Whether a message that arrives before the answer has left makes the assistant begin again, so that one answer takes
    /// all. Default true.
    pub supersede: bool,
    /// How often running that may happen, 0 to 10. Default 2: who writes without pause still gets an answer.
    pub supersede_max: u32,
}

impl Default for BurstConfig {
    fn default() -> Self {
        Self {
            quiet: Duration::from_secs(1),
            cap: Duration::from_secs(8),
            supersede: true,
            supersede_max: 2,
        }
    }
}

impl BurstConfig {
    /// Finds what cannot work.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.quiet > self.cap {
            problems.push(Problem::new(
                "quiet",
                "is longer than `burst.cap`, which ends every wait",
            ));
        }
        if self.cap > BURST_AT_MOST {
            problems.push(Problem::new("cap", "expected 0 s to 5 min"));
        }
        if self.supersede_max > SUPERSEDES_AT_MOST {
            problems.push(Problem::new("supersede_max", "expected 0 to 10"));
        }
        problems
    }
}

impl From<BurstConfig> for Burst {
    fn from(config: BurstConfig) -> Self {
        Self {
            quiet: config.quiet,
            cap: config.cap,
            supersede_max: match config.supersede {
                true => config.supersede_max,
                false => 0,
            },
        }
    }
}

/// What one assistant's doors know.
#[derive(Debug)]
pub struct Door {
    /// What Braze shows to post here, as bearer token; two while one is replaced.
    pub secrets: Vec<Secret>,
    /// The folder, for rules that make a message urgent.
    pub prompts: Prompts,
    /// The desk that may act on its conversations.
    pub desk: Option<Arc<Desk>>,
    /// What it says when people come and go.
    pub assistant: Arc<Assistant>,
    /// The workspace that its customers are of.
    pub workspace: String,
    /// What the way in is called, for messages that do not say it themselves.
    pub channel: Option<String>,
}

/// What all doors share.
#[derive(Debug)]
pub struct Doors {
    /// The assistants, by name.
    pub assistants: HashMap<String, Door>,
    /// The desks, by name: those that have webhooks.
    pub desks: BTreeMap<String, Arc<Desk>>,
    /// The assistant of `/v1/inbound`, where one is meant.
    pub default_assistant: Option<String>,
    /// How long to wait for more of a burst.
    pub burst: Burst,
    /// What an inbound message may hold.
    pub limits: InboundLimits,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// The time.
    pub clock: Clock,
    /// Whether the workers' loops turn.
    pub watchdog: Arc<Watchdog>,
    /// Whether the stop has begun.
    pub shutdown: Shutdown,
    /// Where messages are kept.
    pub store: Arc<dyn Store>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Pairs of assistants of which the log knows that the same messages come for both.
    pub twins: Mutex<BTreeSet<[String; 2]>>,
}

impl Doors {
    /// Says in the log, once for each pair, that two assistants are sent the same messages.
    fn tell_of_twins(&self, name: &str, other: &str) {
        let mut pair = [name.to_owned(), other.to_owned()];
        pair.sort();
        let mut told = self.twins.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(pair) {
            tracing::warn!(
                assistant = name,
                other,
                "two webhook campaigns post the same messages, and only the assistant that is asked first answers: let no keyword trigger both"
            );
        }
    }
}

type Shared = State<Arc<Doors>>;

/// Ends a request that takes too long. A message that was on its way into the store may get there all the same; when it
/// comes again, it is known.
async fn in_time(State(doors): Shared, request: Request, next: Next) -> Response {
    let answered = doors.clock.timeout(HANDLED_WITHIN, next.run(request)).await;
    answered.unwrap_or_else(|_| HttpError::Slow.into_response())
}

/// Gives all routes.
pub fn router(doors: Arc<Doors>) -> Router {
    let metrics = Arc::clone(&doors.metrics);
    Router::new()
        .route("/v1/inbound", post(inbound::to_default))
        .route("/v1/inbound/{assistant}", post(inbound::to_assistant))
        .merge(desk::routes())
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(async || HttpError::NotFound)
        .method_not_allowed_fallback(async || HttpError::MethodNotAllowed)
        .layer(CatchPanicLayer::custom(move |_| {
            metrics.work().panicked(Part::Door);
            HttpError::Panicked.into_response()
        }))
        .layer(from_fn_with_state(Arc::clone(&doors), in_time))
        .with_state(doors)
}
