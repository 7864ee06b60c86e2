//! What paces the sends of a workspace: governor's quota, plus what Braze's own headers say.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;
use reqwest::header::HeaderMap;

use crate::clock::{Clock, later};
use crate::metrics;

/// How long the gate stays shut after a 429 that does not say. Braze's shortest window is 3 s; this is a safe few.
const SHUT_UNTOLD: Duration = Duration::from_secs(10);

/// How long a 429 shuts the gate at least.
const SHUT_AT_LEAST: Duration = Duration::from_secs(1);

/// How long a header can shut the gate: Braze's longest window is the clock hour.
const SHUT_AT_MOST: Duration = Duration::from_hours(1);

/// Beyond this, `x-ratelimit-reset` is seconds since 1970; below, seconds from now.
const EPOCH_FROM: i64 = 1_000_000_000;

/// Lets one request pass at a time, no faster than agreed and not at all while Braze says so.
#[derive(Debug)]
pub struct Gate {
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>,
    shut_until: Mutex<Option<Timestamp>>,
    queue: tokio::sync::Mutex<()>,
    clock: Clock,
    metrics: metrics::Workspace,
}

/// Governor's view of our clock.
#[derive(Clone, Debug)]
struct Ticks(Clock);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

impl Gate {
    /// Makes an open gate for `rate` requests a second, of which `burst` may go at once after a quiet time.
    pub fn new(rate: NonZeroU32, burst: NonZeroU32, clock: Clock) -> Self {
        let quota = Quota::per_second(rate).allow_burst(burst);
        Self {
            limiter: RateLimiter::direct_with_clock(quota, Ticks(clock.clone())),
            shut_until: Mutex::new(None),
            queue: tokio::sync::Mutex::new(()),
            clock,
            metrics: metrics::Workspace::default(),
        }
    }

    /// Counts who waits, and for how long it is shut, from here on.
    #[must_use]
    pub fn measured(self, metrics: metrics::Workspace) -> Self {
        Self { metrics, ..self }
    }

    /// Waits for the turn to send one request; who came first goes first.
    pub async fn pass(&self) {
        let (waiting, since) = (self.metrics.waits(), self.clock.elapsed());
        self.wait().await;
        drop(waiting);
        let waited = self.clock.elapsed().saturating_sub(since);
        self.metrics.waited(waited);
    }

    async fn wait(&self) {
        let _turn = self.queue.lock().await;
        loop {
            if let Some(opens) = self.shut_until() {
                self.clock.sleep_until(opens).await;
                continue;
            }
            match self.limiter.check() {
                Ok(()) => return,
                Err(too_early) => {
                    let wait = too_early.wait_time_from(self.clock.elapsed().into());
                    // The clock counts in milliseconds; waking a little early would only mean to wait again.
                    self.clock.sleep(wait + Duration::from_millis(1)).await;
                }
            }
        }
    }

    /// Tells until when the gate is shut, if it is.
    pub fn shut_until(&self) -> Option<Timestamp> {
        let mut shut = self
            .shut_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *shut = shut.filter(|until| *until > self.clock.now());
        *shut
    }

    /// Shuts the gate for everyone until `time`, unless it is shut for longer already.
    pub fn shut(&self, time: Timestamp) {
        let mut shut = self
            .shut_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let until = shut.map_or(time, |until| until.max(time));
        self.metrics.shut(until);
        *shut = Some(until);
    }

    /// Learns from an answer of Braze's: a 429 or a spent quota shuts the gate until the reset.
    pub fn heard(&self, status: u16, headers: &HeaderMap) {
        if let Some(until) = reopening(status, headers, self.clock.now()) {
            self.shut(until);
        }
    }
}

/// Tells until when an answer shuts the gate.
fn reopening(status: u16, headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let spent = number("x-ratelimit-remaining") == Some(0);
    if status != 429 && !spent {
        return None;
    }
    let told = [
        "x-ratelimit-retry-after",
        "retry-after",
        "x-ratelimit-reset",
    ]
    .into_iter()
    .find_map(number)
    .and_then(|value| from_header(value, now));
    match (told, status) {
        (None, 429) => Some(later(now, SHUT_UNTOLD)),
        // A reset that is over, or clocks that differ, must not make us ask again at once.
        (Some(until), 429) => {
            Some(until.clamp(later(now, SHUT_AT_LEAST), later(now, SHUT_AT_MOST)))
        }
        (told, _) => told
            .filter(|until| *until > now)
            .map(|until| until.min(later(now, SHUT_AT_MOST))),
    }
}

/// Reads seconds from now, or seconds since 1970 where they are too many for that.
fn from_header(value: i64, now: Timestamp) -> Option<Timestamp> {
    match value {
        EPOCH_FROM.. => Timestamp::from_second(value).ok(),
        0.. => Some(later(now, Duration::from_secs(value.unsigned_abs()))),
        _ => None,
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests {
    use super::*;

    fn gate(rate: u32, burst: u32) -> (Gate, Clock) {
        let clock = Clock::manual(Timestamp::from_second(2_000_000_000).unwrap());
        let some = |n| NonZeroU32::new(n).unwrap();
        (Gate::new(some(rate), some(burst), clock.clone()), clock)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    async fn passes(gate: &Gate) -> bool {
        let pass = gate.pass();
        tokio::pin!(pass);
        futures_util::poll!(&mut pass).is_ready()
    }

    #[tokio::test]
    async fn after_the_burst_requests_leave_at_the_rate() {
        let (gate, clock) = gate(5, 2);
        assert!(passes(&gate).await && passes(&gate).await);
        for _ in 0..20 {
            assert!(!passes(&gate).await);
            clock.advance(Duration::from_millis(201));
            assert!(passes(&gate).await);
        }
    }

    #[tokio::test]
    async fn a_429_shuts_the_gate_until_the_reset() {
        let now = Timestamp::from_second(2_000_000_000).unwrap();
        for (pairs, seconds) in [
            (vec![("x-ratelimit-reset", "2000000030")], 30),
            (vec![("x-ratelimit-reset", "7")], 7),
            (
                vec![
                    ("x-ratelimit-retry-after", "4"),
                    ("x-ratelimit-reset", "900"),
                ],
                4,
            ),
            (vec![("retry-after", "12")], 12),
            (vec![("x-ratelimit-reset", "soon")], 10),
            (vec![("x-ratelimit-reset", "-5")], 10),
            (vec![("x-ratelimit-reset", "9999999999")], 3_600),
            (vec![("x-ratelimit-reset", "0")], 1),
            (vec![("x-ratelimit-reset", "1900000000")], 1),
            (vec![], 10),
        ] {
            let until = reopening(429, &headers(&pairs), now);
            assert_eq!(
                until,
                Some(later(now, Duration::from_secs(seconds))),
                "{pairs:?}"
            );
        }
        let (gate, clock) = gate(100, 100);
        gate.heard(429, &headers(&[("x-ratelimit-reset", "30")]));
        clock.advance(Duration::from_secs(29));
        assert!(!passes(&gate).await);
        clock.advance(Duration::from_secs(1));
        assert!(passes(&gate).await);
    }

    #[test]
    fn a_spent_quota_shuts_the_gate_before_braze_has_to_refuse() {
        let now = Timestamp::from_second(2_000_000_000).unwrap();
        let spent = headers(&[
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "2000000060"),
        ]);
        assert_eq!(
            reopening(201, &spent, now),
            Some(later(now, Duration::from_mins(1)))
        );
        let left = headers(&[
            ("x-ratelimit-remaining", "9"),
            ("x-ratelimit-reset", "2000000060"),
        ]);
        assert_eq!(reopening(201, &left, now), None);
        let over = headers(&[
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1999999999"),
        ]);
        assert_eq!(reopening(201, &over, now), None);
        assert_eq!(reopening(500, &headers(&[]), now), None);
    }
}
