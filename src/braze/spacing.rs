//! The time between two messages to one customer. Meta takes about one in 6 s from a business, and lets it borrow a burst
//! from what is to come; what goes beyond is lost on the way, since Braze's API tells nobody.
//!
//! Who was sent what stands in memory alone: after a start each customer has a full burst again, which is still less than
//! Meta allows. A delivery that has to wait goes back to the store with its time.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Clock, later};

/// Meta's average, and less than its burst of 45 in 6 s: campaigns and people write to the customer as well, and no
/// dialogue comes near.
const PAIR: Pace = Pace {
    every: Duration::from_secs(6),
    burst: 20,
};

/// Braze takes entries of one customer into a Canvas within one second for one.
const CANVAS: Pace = Pace {
    every: Duration::from_secs(1),
    burst: 1,
};

/// Customers that are remembered before those with a full burst are forgotten.
const FORGET_AT: usize = 10_000;

/// So many at once, then one each time.
#[derive(Clone, Copy, Debug)]
struct Pace {
    every: Duration,
    burst: u32,
}

/// Keeps messages to one customer apart.
#[derive(Debug)]
pub(super) struct Spacing {
    known: Mutex<Known>,
    names: RandomState,
    clock: Clock,
}

/// Until when each customer's burst is spoken for, by the clock's own count.
#[derive(Debug, Default)]
struct Known {
    pairs: HashMap<u64, Duration>,
    canvases: HashMap<u64, Duration>,
}

impl Pace {
    /// Tells how long one who is spoken for until `until` has to wait.
    fn wait(self, until: Option<&Duration>, now: Duration) -> Duration {
        let ahead = until.copied().unwrap_or_default().saturating_sub(now);
        ahead.saturating_sub(self.every * (self.burst - 1))
    }

    fn take(self, known: &mut HashMap<u64, Duration>, name: u64, now: Duration) {
        if known.len() >= FORGET_AT {
            known.retain(|_, until| *until > now);
        }
        let until = known.entry(name).or_default();
        *until = (*until).max(now) + self.every;
    }
}

impl Spacing {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            known: Mutex::default(),
            names: RandomState::new(),
            clock: clock.clone(),
        }
    }

    /// Tells when a message to a customer may leave, where that is not now.
    pub(super) fn opens(&self, customer: &str, is_canvas: bool) -> Option<Timestamp> {
        let (name, now) = (self.names.hash_one(customer), self.clock.elapsed());
        let known = self.known();
        let mut wait = PAIR.wait(known.pairs.get(&name), now);
        if is_canvas {
            wait = wait.max(CANVAS.wait(known.canvases.get(&name), now));
        }
        // The clock counts in milliseconds.
        let wait = wait + Duration::from_millis(1);
        (wait > Duration::from_millis(1)).then(|| later(self.clock.now(), wait))
    }

    /// Counts a message that leaves now.
    pub(super) fn take(&self, customer: &str, is_canvas: bool) {
        let (name, now) = (self.names.hash_one(customer), self.clock.elapsed());
        let mut known = self.known();
        PAIR.take(&mut known.pairs, name, now);
        if is_canvas {
            CANVAS.take(&mut known.canvases, name, now);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spacing() -> (Spacing, Clock) {
        let clock = Clock::manual(Timestamp::from_second(2_000_000_000).unwrap());
        (Spacing::new(&clock), clock)
    }

    /// Sends as many messages at once as may leave.
    fn leave(spacing: &Spacing, customer: &str, is_canvas: bool) -> u32 {
        let mut left = 0;
        while spacing.opens(customer, is_canvas).is_none() {
            spacing.take(customer, is_canvas);
            left += 1;
        }
        left
    }

    #[test]
    fn a_customer_gets_a_burst_at_once_and_then_one_message_in_six_seconds() {
        let (spacing, clock) = spacing();
        assert_eq!(leave(&spacing, "ana", false), PAIR.burst);
        let opens = spacing.opens("ana", false).unwrap();
        let wait = Duration::try_from(opens.duration_since(clock.now())).unwrap();
        assert_eq!(wait, PAIR.every + Duration::from_millis(1));
        assert_eq!(spacing.opens("bob", false), None, "another customer");
        for _ in 0..5 {
            clock.advance(wait);
            assert_eq!(leave(&spacing, "ana", false), 1);
        }
        clock.advance(PAIR.every * 100);
        assert_eq!(
            leave(&spacing, "ana", false),
            PAIR.burst,
            "no more for waiting"
        );
    }

    #[test]
    fn a_canvas_is_entered_once_a_second_by_a_customer() {
        let (spacing, clock) = spacing();
        assert_eq!(leave(&spacing, "ana", true), 1);
        assert_eq!(
            spacing.opens("ana", false),
            None,
            "a campaign takes him still"
        );
        assert_eq!(leave(&spacing, "bob", true), 1);
        clock.advance(Duration::from_millis(999));
        assert!(spacing.opens("ana", true).is_some());
        clock.advance(Duration::from_millis(1));
        assert_eq!(leave(&spacing, "ana", true), 1);
    }

    #[test]
    fn customers_with_a_full_burst_are_forgotten() {
        let (spacing, clock) = spacing();
        for customer in 0..FORGET_AT {
            spacing.take(&customer.to_string(), false);
        }
        clock.advance(PAIR.every);
        spacing.take("one more", false);
        assert_eq!(spacing.known().pairs.len(), 1);
    }
}
