//! Stand-ins for the services around Frontdesk, served over real HTTP: a model, Braze, a helpdesk, and a phone.
//!
//! They check what they are sent as the real ones would, answer well enough for a demonstration, remember what they
//! got, and misbehave on demand. They write their own JSON and share no type with the gateway, so that a wrong field
//! cannot agree with itself.
//!
//! Each stand-in also listens to its user, over HTTP:
//!
//! | request | effect |
//! | --- | --- |
//! | `POST /_sandbox/faults` | adds a plan: `{"status":503,"times":3}`, `{"delay_ms":2000}`, `{"hang":true}`, `{"garbage":true}`, `{"reset":true}`, `{"drip":true}`, `{"stall":true}`, `{"cut":true}`, `{"headers":{"retry-after":"2"}}`, `{"status":429,"reset_in_s":30}`; with `"when":"text"` only for bodies that have it, with `"taken":true` only the answer is spoilt |
//! | `DELETE /_sandbox/faults` | drops all plans |
//! | `GET /_sandbox/requests` | shows what arrived |
//! | `DELETE /_sandbox/requests` | forgets it |
//! | `POST /_sandbox/agent` | a desk that is a help desk alone: its agent acts, `{"thread":10003,"take":true,"say":"Hello!","resolve":true}` |
//! | `GET /_sandbox/deliveries` | Braze alone: shows what became of what it took, on the phone or not |
//! | `GET`, `PUT` `/_sandbox/model` | the model alone: shows and sets what it is and how it behaves ([`model::Character`]) |

pub mod braze;
pub mod desk;
pub mod misbehave;
pub mod model;
pub mod phone;

mod call;
mod control;
mod log;
mod serve;

pub use braze::Braze;
pub use call::Answered;
pub use desk::{Desk, HelpDesk};
pub use misbehave::{Fault, Hold, Plan};
pub use model::{Character, Model, Profile};
pub use phone::Phone;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use axum::serve::ListenerExt;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use crate::clock::Clock;
use crate::shutdown::Shutdown;
use log::Log;
use serve::Answer;

/// Lines that a slow reader of the event stream may lag behind before it loses the oldest.
const EVENTS_MAX: usize = 1_024;

/// A running stand-in. Cloning gives another handle on the same one.
pub struct StandIn<S>(Arc<Shared<S>>);

struct Shared<S> {
    role: Role<S>,
    state: S,
    address: SocketAddr,
    clock: Mutex<Clock>,
    shutdown: Shutdown,
    numbers: AtomicU64,
    requests: Log<Exchange>,
    answered: Mutex<BTreeMap<u16, u64>>,
    faults: misbehave::Faults,
    events: broadcast::Sender<String>,
}

/// What makes a stand-in the one that it is.
struct Role<S> {
    /// The largest body that the real service takes, in bytes.
    body_max: usize,
    /// Answers one request.
    answer: fn(&StandIn<S>, &Exchange) -> Answer,
    /// Gives the body and headers that the service gives with a status.
    refuse: fn(&StandIn<S>, u16) -> Answer,
    /// Says whether to keep what is recorded beside the requests.
    keep: fn(&S, bool),
    /// Forgets what was recorded beside the requests.
    clear: fn(&S),
    /// Gives the doors under `/_sandbox/` that this stand-in alone has.
    doors: fn() -> Router<StandIn<S>>,
}

/// One request as it arrived, and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its number in the order of arrival, from 1.
    pub number: u64,
    /// When it was read, by the stand-in's clock.
    pub at: Timestamp,
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The query, as it was written, without the question mark; empty where there is none.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub raw: Bytes,
    /// The status that it was answered with; `None` while it waits, and where it got no answer.
    pub status: Option<u16>,
}

impl Exchange {
    /// Gives the body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.raw).unwrap_or_default()
    }

    /// Gives a header, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Gives a parameter of the query, as it was written.
    pub fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Gives what follows `Bearer ` in the `Authorization` header.
    fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }
}

impl<S> Clone for StandIn<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Send + Sync + 'static> StandIn<S> {
    async fn open(
        bind: SocketAddr,
        shutdown: &Shutdown,
        role: Role<S>,
        state: S,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let stand_in = Self(Arc::new(Shared {
            role,
            state,
            address: listener.local_addr()?,
            clock: Mutex::new(Clock::system()),
            shutdown: shutdown.clone(),
            numbers: AtomicU64::default(),
            requests: Log::new(),
            answered: Mutex::default(),
            faults: misbehave::Faults::default(),
            events: broadcast::Sender::new(EVENTS_MAX),
        }));
        let router = control::router()
            .merge((stand_in.0.role.doors)())
            .fallback(serve::take)
            .with_state(stand_in.clone());
        let stop = shutdown.clone();
        // Without it, an answer in two packets waits for the caller's delayed acknowledgement.
        let listener = listener.tap_io(|tcp| drop(tcp.set_nodelay(true)));
        shutdown.spawn(async move {
            let server = axum::serve(listener, router)
                .with_graceful_shutdown(async move { stop.stopping().await });
            drop(server.await);
        });
        Ok(stand_in)
    }

    /// Gives the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Makes it tell the time by `clock`; it starts with the system's.
    pub fn use_clock(&self, clock: &Clock) {
        *lock(&self.0.clock) = clock.clone();
    }

    /// Makes something go wrong; several plans are used in the order in which they came.
    pub fn misbehave(&self, plan: Plan) {
        self.0.faults.add(plan);
    }

    /// Drops all plans.
    pub fn behave(&self) {
        self.0.faults.clear();
    }

    /// Keeps every request waiting, before it has any effect, until the guard is dropped.
    pub fn hold(&self) -> Hold {
        self.0.faults.hold()
    }

    /// Says whether what arrives is recorded, or only counted: for long and for fast runs.
    pub fn record(&self, record: bool) {
        self.0.requests.keep(record);
        (self.0.role.keep)(&self.0.state, record);
    }

    /// Gives the recorded requests, oldest first.
    pub fn requests(&self) -> Vec<Exchange> {
        self.0.requests.all()
    }

    /// Tells how many requests arrived, recorded or not.
    pub fn request_count(&self) -> u64 {
        self.0.requests.count()
    }

    /// Tells how many requests were answered with `status`, recorded or not.
    pub fn answered_with(&self, status: u16) -> u64 {
        lock(&self.0.answered)
            .get(&status)
            .copied()
            .unwrap_or_default()
    }

    /// Forgets all that was recorded and counted.
    pub fn clear(&self) {
        self.0.requests.clear();
        lock(&self.0.answered).clear();
        (self.0.role.clear)(&self.0.state);
    }

    /// Waits until `count` requests have arrived, answered or not.
    pub async fn wait_for(&self, count: u64) {
        self.0.requests.wait_for(count).await;
    }

    /// Waits until the recorded requests are as `enough` wants them; it must not call the stand-in.
    pub async fn wait_until(&self, enough: impl FnMut(&VecDeque<Exchange>) -> bool) {
        self.0.requests.wait_until(enough).await;
    }

    /// Gives a stream with one line for people for each request, as it is answered.
    pub fn events(&self) -> broadcast::Receiver<String> {
        self.0.events.subscribe()
    }

    fn now(&self) -> Timestamp {
        lock(&self.0.clock).now()
    }

    /// Tells whether somebody reads the event stream.
    fn is_watched(&self) -> bool {
        self.0.events.receiver_count() > 0
    }
}

/// Cuts a text for one line of the event stream.
fn excerpt(text: &str) -> String {
    /// Characters shown: what fits beside the rest on a wide terminal.
    const SHOWN_MAX: usize = 80;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Locks; a panic elsewhere leaves the stand-in usable, since each change under a lock is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
