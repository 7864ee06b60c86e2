//! What is counted for each workspace and desk.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::gauge::Gauge;

use super::parts::{Book, Counters, Gauges, OUTSIDE, Tally, Timing, Timings};

/// The ways in which a request over HTTP can end.
const CODES: [&str; 10] = [
    "2xx",
    "3xx",
    "401",
    "403",
    "429",
    "4xx",
    "5xx",
    "timeout",
    "broken",
    "unconnected",
];

/// How a request to Braze or to a desk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// With this status.
    Status(u16),
    /// Without an answer in time.
    Timeout,
    /// The connection broke after the request had left.
    Broken,
    /// There was no connection, so nothing left.
    Unconnected,
}

impl Code {
    /// Gives the status' class; those that say something of their own stand alone.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Status(401) => "401",
            Self::Status(403) => "403",
            Self::Status(429) => "429",
            Self::Status(500..) => "5xx",
            Self::Status(400..) => "4xx",
            Self::Status(300..) => "3xx",
            Self::Status(_) => "2xx",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Unconnected => "unconnected",
        }
    }
}

/// Counts for one workspace. Cloning gives another handle on the same counters; the default one counts for nobody.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    requests: Tally,
    seconds: Timing,
    waits: Timing,
    waiting: Gauge,
    standing: Arc<GateStanding>,
}

/// How a gate stands, as its last change left it.
#[derive(Debug, Default)]
struct GateStanding {
    shut_until: AtomicI64,
    /// Requests that are left, plus one; 0 where nobody knows.
    headroom: AtomicU64,
    /// Requests a second, as the bits of a floating point number.
    pace: AtomicU64,
    /// Replies that a request can carry.
    batch: AtomicU64,
    /// The assistants that speak through it.
    speakers: OnceLock<Vec<String>>,
}

impl Workspace {
    /// Counts a request.
    pub fn asked(&self, took: Duration, code: Code) {
        self.requests.add(code.as_str(), 1);
        self.seconds.took(took);
    }

    /// Notes how many deliveries wait at the gate.
    pub fn waiting(&self, deliveries: usize) {
        self.waiting
            .set(i64::try_from(deliveries).unwrap_or(i64::MAX));
    }

    /// Notes which assistants speak through it; the first word counts.
    pub fn speaks_for(&self, assistants: &[String]) {
        let _ = self.standing.speakers.set(assistants.to_vec());
    }

    /// Notes how long a delivery waited at the gate.
    pub fn waited(&self, time: Duration) {
        self.waits.took(time);
    }

    /// Notes how many requests Braze has left, where it has told.
    pub fn headroom(&self, left: Option<u64>) {
        let left = left.map_or(0, |left| left.saturating_add(1));
        self.standing.headroom.store(left, Ordering::Relaxed);
    }

    /// Notes how many requests a second may go now.
    pub fn pace(&self, requests: f64) {
        let bits = requests.to_bits();
        self.standing.pace.store(bits, Ordering::Relaxed);
    }

    /// Notes how many replies a request can carry.
    pub fn batch(&self, most: usize) {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        self.standing.batch.store(most, Ordering::Relaxed);
    }

    /// Gives how many requests Braze has left, where it has told.
    pub(super) fn left(&self) -> Option<u64> {
        self.standing
            .headroom
            .load(Ordering::Relaxed)
            .checked_sub(1)
    }

    /// Estimates in how many seconds the replies that wait will have left, given how many each assistant has.
    pub(super) fn empty_in(&self, now: Timestamp, waiting: &[(String, u64)]) -> f64 {
        let speakers = self.standing.speakers.get();
        let waiting = waiting
            .iter()
            .filter(|(assistant, _)| speakers.is_some_and(|speakers| speakers.contains(assistant)));
        let batch = self.standing.batch.load(Ordering::Relaxed).max(1);
        let requests = waiting.fold(0_u64, |sum, (_, replies)| {
            sum.saturating_add(replies.div_ceil(batch))
        });
        let pace = f64::from_bits(self.standing.pace.load(Ordering::Relaxed));
        match u32::try_from(requests).unwrap_or(u32::MAX) {
            0 => 0.0,
            requests => self.shut_seconds(now) + f64::from(requests) / pace.max(f64::EPSILON),
        }
    }

    /// Notes until when the gate is shut.
    pub fn shut(&self, until: Timestamp) {
        self.standing
            .shut_until
            .store(until.as_millisecond(), Ordering::Relaxed);
    }

    /// Gives the seconds until the gate opens; zero while it is open.
    pub(super) fn shut_seconds(&self, now: Timestamp) -> f64 {
        let until = self.standing.shut_until.load(Ordering::Relaxed);
        let left = until.saturating_sub(now.as_millisecond());
        Duration::from_millis(u64::try_from(left).unwrap_or_default()).as_secs_f64()
    }
}

/// Is counted among those that wait, until it is dropped.
#[derive(Debug)]
pub struct Waiting(Gauge);

impl Waiting {
    pub(super) fn counted(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts for one desk. Cloning gives another handle on the same counters; the default one counts for nobody.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    requests: Tally,
    seconds: Timing,
    off: Gauge,
}

impl Desk {
    /// Notes that nothing is sent to it any more.
    pub fn is_off(&self) {
        self.off.set(1);
    }

    /// Counts a request.
    pub fn asked(&self, took: Duration, code: Code) {
        self.requests.add(code.as_str(), 1);
        self.seconds.took(took);
    }
}

/// The measures that everything outside shares.
#[derive(Debug)]
pub(super) struct Outside {
    braze_requests: Counters,
    braze_seconds: Timings,
    gate_waits: Timings,
    gate_waiting: Gauges,
    desk_requests: Counters,
    desk_seconds: Timings,
    desk_off: Gauges,
}

impl Outside {
    pub(super) fn register(book: &mut Book) -> Self {
        Self {
            braze_requests: book.counters(
                "braze_requests",
                "Requests to Braze by class of status, or by how they failed without one",
            ),
            braze_seconds: book.timings("braze", "Whole requests to Braze", OUTSIDE),
            gate_waits: book.timings(
                "gate_wait",
                "How long replies waited at a workspace's gate, for the rate or while it was shut",
                OUTSIDE,
            ),
            gate_waiting: book.gauges(
                "gate_waiting",
                "Replies that wait at a workspace's gate now",
            ),
            desk_requests: book.counters(
                "desk_requests",
                "Requests to a desk by class of status, or by how they failed without one",
            ),
            desk_seconds: book.timings("desk", "Whole requests to a desk", OUTSIDE),
            desk_off: book.gauges(
                "desk_off",
                "1 where a desk answered 410 and nothing is sent to it until the next start",
            ),
        }
    }

    pub(super) fn workspace(&self, name: &str) -> Workspace {
        let labels = vec![("workspace", name.to_owned())];
        Workspace {
            requests: Tally::new(
                &self.braze_requests,
                Some(("workspace", name)),
                "code",
                &CODES,
            ),
            seconds: Timing::new(&self.braze_seconds, "workspace", name),
            waits: Timing::new(&self.gate_waits, "workspace", name),
            waiting: self.gate_waiting.get_or_create_owned(&labels),
            standing: Arc::default(),
        }
    }

    pub(super) fn desk(&self, name: &str) -> Desk {
        Desk {
            requests: Tally::new(&self.desk_requests, Some(("desk", name)), "code", &CODES),
            seconds: Timing::new(&self.desk_seconds, "desk", name),
            off: self
                .desk_off
                .get_or_create_owned(&vec![("desk", name.to_owned())]),
        }
    }
}
