//! Time as an argument: the system's clock, or one that a test moves by hand.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

/// Tells the time and waits for it. Cloning gives another handle on the same clock.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System(Instant),
    /// The machine's own, and how far it is set ahead.
    Ahead(Instant, Arc<watch::Sender<Duration>>),
    Manual(Timestamp, Arc<watch::Sender<Timestamp>>),
}

/// Says that the time allowed for something ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("time ran out")]
pub struct Elapsed;

impl Clock {
    /// Gives the machine's own clock.
    pub fn system() -> Self {
        Self(Kind::System(Instant::now()))
    }

    /// Gives the machine's own clock, which [`Clock::advance`] sets ahead: for people who try what comes later.
    pub fn settable() -> Self {
        Self(Kind::Ahead(
            Instant::now(),
            Arc::new(watch::channel(Duration::ZERO).0),
        ))
    }

    /// Gives a clock that stands at `start` until [`Clock::advance`] moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(start, Arc::new(watch::channel(start).0)))
    }

    /// Tells the time, rounded down to the millisecond that the store keeps.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    pub fn now(&self) -> Timestamp {
        let now = match &self.0 {
            Kind::System(_) => Timestamp::now(),
            Kind::Ahead(_, ahead) => later(Timestamp::now(), *ahead.borrow()),
            Kind::Manual(_, time) => *time.borrow(),
        };
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    /// Tells how long this clock has run. Unlike the time of day, it never goes back.
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Kind::System(start) => start.elapsed(),
            Kind::Ahead(start, ahead) => start.elapsed().saturating_add(*ahead.borrow()),
            Kind::Manual(start, time) => {
                Duration::try_from(time.borrow().duration_since(*start)).unwrap_or_default()
            }
        }
    }

    /// Moves a manual or settable clock forward and wakes who waited for the time between; a system clock stays as it is.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Kind::System(_) => {}
            Kind::Ahead(_, ahead) => ahead.send_modify(|ahead| *ahead = ahead.saturating_add(by)),
            Kind::Manual(_, time) => time.send_modify(|now| *now = later(*now, by)),
        }
    }

    /// Waits for `duration` of this clock's time, counted from this call and not from when it is first awaited.
    pub fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + '_ {
        self.sleep_until(later(self.now(), duration))
    }

    /// Waits until this clock shows `deadline`.
    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
    pub async fn sleep_until(&self, deadline: Timestamp) {
        match &self.0 {
            Kind::System(_) => {
                let left = deadline.duration_since(self.now());
                tokio::time::sleep(Duration::try_from(left).unwrap_or_default()).await;
            }
            Kind::Ahead(_, ahead) => {
                let mut moved = ahead.subscribe();
                loop {
                    moved.mark_unchanged();
                    let left = deadline.duration_since(self.now());
                    let left = Duration::try_from(left).unwrap_or_default();
                    if left.is_zero() {
                        return;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(left) => {}
                        _ = moved.changed() => {}
                    }
                }
            }
            // The sender lives in this very clock, so the wait cannot end by its loss.
            Kind::Manual(_, time) => drop(time.subscribe().wait_for(|now| *now >= deadline).await),
        }
    }

    /// Runs `future`, but for no longer than `limit` of this clock's time.
    pub fn timeout<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Elapsed>> {
        let over = self.sleep(limit);
        async move {
            tokio::select! {
                biased;
                value = future => Ok(value),
                () = over => Err(Elapsed),
            }
        }
    }
}

/// Adds a duration to a time; the far end of time is where it stops.
pub fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Takes a duration from a time; the far beginning of time is where it stops.
pub fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_sleepers_when_it_is_moved() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let sleeper = clock.sleep(Duration::from_secs(5));
        tokio::pin!(sleeper);
        clock.advance(Duration::from_secs(4));
        assert!(futures_util::poll!(&mut sleeper).is_pending());
        clock.advance(Duration::from_secs(1));
        sleeper.await;
        assert_eq!(clock.now().as_second(), 5);
    }

    #[tokio::test]
    async fn a_settable_clock_runs_and_wakes_sleepers_when_it_is_set_ahead() {
        let clock = Clock::settable();
        let (began, ran) = (clock.now(), clock.elapsed());
        let sleeper = clock.sleep(Duration::from_hours(5));
        tokio::pin!(sleeper);
        clock.advance(Duration::from_hours(4));
        assert!(futures_util::poll!(&mut sleeper).is_pending());
        clock.advance(Duration::from_hours(1));
        sleeper.await;
        assert!(clock.now().duration_since(began) >= jiff::SignedDuration::from_hours(5));
        assert!(clock.elapsed().saturating_sub(ran) >= Duration::from_hours(5));
        clock.sleep(Duration::from_millis(1)).await;
    }

    #[tokio::test]
    async fn a_timeout_ends_when_the_clock_says_so() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let waiting = clock.timeout(Duration::from_secs(1), std::future::pending::<()>());
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        clock.advance(Duration::from_secs(1));
        assert_eq!(waiting.await, Err(Elapsed));
    }
}
