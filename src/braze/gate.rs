//! What paces the sends of a workspace: governor's quota, plus what Braze's own headers say.
//!
//! Whether a request may go is asked in two steps. [`Standing::step`] is a pure function of what Braze last said and of
//! the time; where it lets a request go, governor's quota has the last word.

mod standing;

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;
use reqwest::header::HeaderMap;

use super::ticks::Ticks;
use crate::clock::{Clock, later};
use crate::domain::Priority;
use crate::metrics;
use standing::{Pool, Standing, reopening};

pub use standing::Step;

/// Lets one request pass at a time, no faster than agreed and not at all while Braze says so.
#[derive(Debug)]
pub struct Gate {
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Nanos>>,
    rate: NonZeroU32,
    standing: Mutex<Standing>,
    queue: tokio::sync::Mutex<()>,
    clock: Clock,
    metrics: metrics::Workspace,
}

impl Gate {
    /// Makes an open gate for `rate` requests a second, of which `burst` may go at once after a quiet time.
    pub fn new(rate: NonZeroU32, burst: NonZeroU32, clock: Clock) -> Self {
        let quota = Quota::per_second(rate).allow_burst(burst);
        Self {
            limiter: RateLimiter::direct_with_clock(quota, Ticks(clock.clone())),
            rate,
            standing: Mutex::default(),
            queue: tokio::sync::Mutex::new(()),
            clock,
            metrics: metrics::Workspace::default(),
        }
    }

    /// Shows how it stands in the measures from here on.
    #[must_use]
    pub fn measured(self, metrics: metrics::Workspace) -> Self {
        let measured = Self { metrics, ..self };
        measured.show(&measured.standing());
        measured
    }

    /// Lets one request with words of this priority pass, or tells when to ask again.
    pub fn try_pass(&self, priority: Priority) -> Step {
        let mut standing = self.standing();
        let now = self.clock.now();
        if let Step::WaitUntil(opens) = standing.step(priority, now) {
            return Step::WaitUntil(opens);
        }
        match self.limiter.check() {
            Ok(()) => {
                standing.passed(now);
                self.show(&standing);
                Step::Go
            }
            Err(too_early) => {
                let wait = too_early.wait_time_from(self.clock.elapsed().into());
                // The clock counts in milliseconds; waking a little early would only mean to wait again.
                Step::WaitUntil(later(now, wait + Duration::from_millis(1)))
            }
        }
    }

    /// Waits for the turn to send one request; who came first goes first.
    pub async fn pass(&self, priority: Priority) {
        let _turn = self.queue.lock().await;
        while let Step::WaitUntil(opens) = self.try_pass(priority) {
            self.clock.sleep_until(opens).await;
        }
    }

    /// Tells until when the gate is shut, if it is.
    pub fn shut_until(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        self.standing().shut_until.filter(|until| *until > now)
    }

    /// Shuts the gate for everyone until `time`, unless it is shut for longer already.
    pub fn shut(&self, time: Timestamp) {
        let mut standing = self.standing();
        standing.shut(time);
        self.show(&standing);
    }

    /// Learns from an answer of Braze's: a 429 or a spent quota shuts the gate until the reset, one that is nearly spent
    /// slows it down.
    pub fn heard(&self, status: u16, headers: &HeaderMap) {
        let now = self.clock.now();
        let mut standing = self.standing();
        if let Some(pool) = Pool::read(headers, now) {
            standing.heard(pool, now);
        }
        if let Some(until) = reopening(status, headers, now) {
            standing.shut(until);
        }
        self.show(&standing);
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, standing: &Standing) {
        let now = self.clock.now();
        if let Some(until) = standing.shut_until {
            self.metrics.shut(until);
        }
        self.metrics.headroom(standing.headroom(now));
        let pace = standing.pace(now).unwrap_or(f64::INFINITY);
        self.metrics.pace(pace.min(f64::from(self.rate.get())));
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
        let pass = gate.pass(Priority::Assistant);
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
