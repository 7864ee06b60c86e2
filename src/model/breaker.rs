//! Keeps calls away from a target that fails, and lets it come back a few at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// Failures running that open the breaker: fewer happen by chance, more are customers who wait for nothing.
const FAILURES_MAX: u32 = 5;

/// How long it stays open the first time: about what a restart takes.
const REST_MIN: Duration = Duration::from_secs(5);

/// How long it stays open at most; it doubles each time that a probe fails. A target that is back is found in a minute.
const REST_MAX: Duration = Duration::from_mins(1);

/// Good answers that close it again. Each lets one more call through at a time, so a target that is back gets its load in
/// a few rounds and not at once.
const GOOD_TO_CLOSE: u32 = 16;

/// When to look again while as many probes as may be are under way.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Tells whether a target may be called. Its time is the clock's running time.
#[derive(Debug)]
pub(super) struct Breaker {
    held: Mutex<Held>,
    clock: Clock,
}

#[derive(Debug)]
struct Held {
    state: State,
    /// When a rest ends that the target asked for. It is no failure, so nothing is to be tried out behind it.
    rests_until: Duration,
}

/// What a breaker does just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// A few calls go through, to see whether the target is back.
    HalfOpen,
    /// No call goes through.
    Open,
}

#[derive(Debug)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Duration,
        rest: Duration,
    },
    HalfOpen {
        /// When it began: tells its own probes from those of an earlier time.
        since: Duration,
        good: u32,
        under_way: u32,
        rest: Duration,
    },
}

/// Lets one call through. Whoever drops it without a word learnt nothing about the target.
#[must_use]
#[derive(Debug)]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    /// The half-open time that it is a probe of.
    probe: Option<Duration>,
}

impl Breaker {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            held: Mutex::new(Held {
                state: State::Closed { failures: 0 },
                rests_until: Duration::ZERO,
            }),
            clock,
        }
    }

    /// Lets a call through, or says after which time to look again.
    pub(super) fn pass(&self) -> Result<Pass<'_>, Duration> {
        let now = self.clock.elapsed();
        let mut held = self.lock();
        if let Some(wait) = held.wait(now) {
            return Err(wait);
        }
        let state = &mut held.state;
        if let State::Open { rest, .. } = *state {
            *state = State::HalfOpen {
                since: now,
                good: 0,
                under_way: 0,
                rest,
            };
        }
        let probe = match state {
            State::HalfOpen {
                since, under_way, ..
            } => {
                *under_way += 1;
                Some(*since)
            }
            State::Closed { .. } | State::Open { .. } => None,
        };
        Ok(Pass {
            breaker: self,
            probe,
        })
    }

    /// Tells after which time to look again; `None` where a call would go through.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.lock().wait(self.clock.elapsed())
    }

    /// Lets no call through for `rest`, a minute at most. A longer rest that is under way stays. Gives whether calls went
    /// through until now.
    pub(super) fn open_for(&self, rest: Duration) -> bool {
        let rest = rest.min(REST_MAX);
        let until = self.clock.elapsed().saturating_add(rest);
        let mut held = self.lock();
        match &mut held.state {
            State::Open { until: old, .. } => {
                *old = until.max(*old);
                false
            }
            State::Closed { .. } | State::HalfOpen { .. } => {
                held.state = State::Open {
                    until,
                    rest: REST_MIN,
                };
                true
            }
        }
    }

    /// Lets no call through for the `rest` that the target asks for, a minute at most; then all go on as before.
    pub(super) fn rest_for(&self, rest: Duration) {
        let now = self.clock.elapsed();
        let until = now.saturating_add(rest.min(REST_MAX));
        let mut held = self.lock();
        held.rests_until = held.rests_until.max(until);
    }

    /// Gives the state for who looks at it.
    pub(super) fn state(&self) -> BreakerState {
        let now = self.clock.elapsed();
        let held = self.lock();
        match &held.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { until, .. } if *until > now => BreakerState::Open,
            State::Open { .. } | State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn wait(&self, now: Duration) -> Option<Duration> {
        let asked_for = self.rests_until.checked_sub(now);
        let asked_for = asked_for.filter(|rest| !rest.is_zero());
        self.state.wait(now).max(asked_for)
    }
}

impl State {
    fn wait(&self, now: Duration) -> Option<Duration> {
        match self {
            Self::Closed { .. } => None,
            Self::Open { until, .. } => until.checked_sub(now).filter(|wait| !wait.is_zero()),
            Self::HalfOpen {
                good, under_way, ..
            } => (under_way > good).then_some(LOOK_AGAIN),
        }
    }
}

impl Pass<'_> {
    /// Notes that the target is well. What was let through before it failed says nothing about now. Gives whether that
    /// closed the breaker.
    pub(super) fn good(self) -> bool {
        let state = &mut self.breaker.lock().state;
        match state {
            State::Closed { failures } => *failures = 0,
            State::HalfOpen { since, good, .. } if self.probe == Some(*since) => {
                *good += 1;
                if *good >= GOOD_TO_CLOSE {
                    *state = State::Closed { failures: 0 };
                    return true;
                }
            }
            State::Open { .. } | State::HalfOpen { .. } => {}
        }
        false
    }

    /// Notes that the target failed. Gives whether that opened the breaker.
    pub(super) fn bad(self) -> bool {
        let now = self.breaker.clock.elapsed();
        let state = &mut self.breaker.lock().state;
        let rest = match state {
            State::Closed { failures } => {
                *failures += 1;
                (*failures >= FAILURES_MAX).then_some(REST_MIN)
            }
            State::HalfOpen { since, rest, .. } if self.probe == Some(*since) => {
                Some(rest.saturating_mul(2).min(REST_MAX))
            }
            State::Open { .. } | State::HalfOpen { .. } => None,
        };
        if let Some(rest) = rest {
            let until = now.saturating_add(rest);
            *state = State::Open { until, rest };
        }
        rest.is_some()
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let State::HalfOpen {
            since, under_way, ..
        } = &mut self.breaker.lock().state
            && self.probe == Some(*since)
        {
            *under_way = under_way.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn breaker() -> (Breaker, Clock) {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        (Breaker::new(clock.clone()), clock)
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.pass().unwrap().bad();
        }
    }

    #[test]
    fn five_failures_running_open_it_and_one_success_begins_the_count_anew() {
        let (breaker, _clock) = breaker();
        fail(&breaker, FAILURES_MAX - 1);
        breaker.pass().unwrap().good();
        fail(&breaker, FAILURES_MAX - 1);
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert!(breaker.pass().unwrap().bad(), "the fifth opens it");
        assert_eq!(breaker.state(), BreakerState::Open);
        assert_eq!(breaker.pass().unwrap_err(), REST_MIN);
    }

    #[test]
    fn what_is_dropped_without_a_word_counts_for_nothing() {
        let (breaker, _clock) = breaker();
        fail(&breaker, FAILURES_MAX - 1);
        for _ in 0..100 {
            drop(breaker.pass().unwrap());
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn one_probe_at_first_then_one_more_for_each_good_answer_until_it_closes() {
        let (breaker, clock) = breaker();
        fail(&breaker, FAILURES_MAX);
        clock.advance(REST_MIN);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        let probe = breaker.pass().unwrap();
        assert_eq!(breaker.pass().unwrap_err(), LOOK_AGAIN);
        drop(probe);
        for good in 1..=GOOD_TO_CLOSE {
            let at_once: Vec<_> = std::iter::from_fn(|| breaker.pass().ok())
                .take(99)
                .collect();
            assert_eq!(at_once.len(), good as usize, "before good answer {good}");
            drop(at_once);
            breaker.pass().unwrap().good();
        }
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, FAILURES_MAX);
        assert_eq!(
            breaker.pass().unwrap_err(),
            REST_MIN,
            "the rest is short again"
        );
    }

    #[test]
    fn a_failed_probe_doubles_the_rest_up_to_a_minute() {
        let (breaker, clock) = breaker();
        fail(&breaker, FAILURES_MAX);
        let mut rests = vec![breaker.pass().unwrap_err()];
        for _ in 0..5 {
            clock.advance(*rests.last().unwrap());
            assert!(breaker.pass().unwrap().bad());
            rests.push(breaker.pass().unwrap_err());
        }
        let seconds: Vec<_> = rests.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn calls_from_before_say_nothing_about_a_target_that_is_open() {
        let (breaker, clock) = breaker();
        let mut old = [(); 5].map(|()| breaker.pass().unwrap()).into_iter();
        let mut old = || old.next().unwrap();
        fail(&breaker, FAILURES_MAX);
        old().good();
        assert!(!old().bad());
        assert_eq!(
            breaker.wait(),
            Some(REST_MIN),
            "neither ends it nor adds to it"
        );
        clock.advance(REST_MIN);
        let probe = breaker.pass().unwrap();
        old().good();
        drop(old());
        assert!(breaker.pass().is_err(), "one probe is under way");
        assert!(!old().bad());
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        drop(probe);
        assert!(breaker.pass().is_ok());
    }

    #[test]
    fn probes_of_an_earlier_time_say_nothing_about_this_one() {
        let (breaker, clock) = breaker();
        fail(&breaker, FAILURES_MAX);
        clock.advance(REST_MIN);
        for _ in 0..3 {
            breaker.pass().unwrap().good();
        }
        let [fails, well, dropped, bad] = [(); 4].map(|()| breaker.pass().unwrap());
        assert!(fails.bad());
        clock.advance(2 * REST_MIN);
        let probe = breaker.pass().unwrap();
        well.good();
        drop(dropped);
        assert!(breaker.pass().is_err(), "one probe is under way");
        assert!(!bad.bad());
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        drop(probe);
        assert!(breaker.pass().is_ok());
    }

    #[test]
    fn a_rest_that_is_asked_for_is_kept_and_never_shortened() {
        let (breaker, clock) = breaker();
        breaker.open_for(Duration::from_secs(30));
        breaker.open_for(Duration::from_secs(3));
        assert_eq!(breaker.wait(), Some(Duration::from_secs(30)));
        clock.advance(Duration::from_secs(30));
        breaker.pass().unwrap().bad();
        assert_eq!(
            breaker.wait(),
            Some(2 * REST_MIN),
            "what fails doubles its own rest"
        );
        clock.advance(2 * REST_MIN);
        breaker.pass().unwrap().good();
        breaker.open_for(Duration::from_hours(9));
        assert_eq!(breaker.wait(), Some(REST_MAX));
    }

    #[test]
    fn behind_a_rest_that_the_target_asked_for_all_go_on_as_before() {
        let (breaker, clock) = breaker();
        let before = breaker.pass().unwrap();
        breaker.rest_for(Duration::from_secs(3));
        breaker.rest_for(Duration::from_secs(1));
        assert_eq!(breaker.pass().unwrap_err(), Duration::from_secs(3));
        assert_eq!(breaker.state(), BreakerState::Closed, "it is no failure");
        before.good();
        clock.advance(Duration::from_secs(3));
        let all: Vec<_> = std::iter::from_fn(|| breaker.pass().ok())
            .take(99)
            .collect();
        assert_eq!((all.len(), breaker.state()), (99, BreakerState::Closed));
        breaker.rest_for(Duration::from_hours(9));
        assert_eq!(breaker.wait(), Some(REST_MAX));
    }
}
