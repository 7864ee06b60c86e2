//! Whether the loops that have to turn still turn.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;

/// How long a loop may be silent. Each beats about once a second, and no call that it waits for takes as long.
const SILENCE: Duration = Duration::from_secs(30);

/// Hears the beats of loops, by their names.
#[derive(Debug)]
pub struct Watchdog {
    clock: Clock,
    beats: Mutex<BTreeMap<String, Duration>>,
    held: AtomicUsize,
}

/// Keeps a watchdog from missing anybody while it lives, and makes every loop count as heard at its end.
#[derive(Debug)]
pub struct Hold<'a>(&'a Watchdog);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let now = self.0.clock.elapsed();
        let mut beats = self.0.beats();
        beats.values_mut().for_each(|last| *last = now);
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watchdog {
    /// Makes one that has heard nothing, and so misses nothing.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            beats: Mutex::default(),
            held: AtomicUsize::new(0),
        }
    }

    /// Hears that a loop turns. From then on it is missed when it does not.
    pub fn beat(&self, name: &str) {
        let now = self.clock.elapsed();
        let mut beats = self.beats();
        match beats.get_mut(name) {
            Some(last) => *last = now,
            None => drop(beats.insert(name.to_owned(), now)),
        }
    }

    /// Expects nothing of anybody as long as what this gives lives: for work that makes all loops wait.
    pub fn hold(&self) -> Hold<'_> {
        self.held.fetch_add(1, Ordering::Relaxed);
        Hold(self)
    }

    /// Gives a loop that stands still, if one does.
    pub fn missed(&self) -> Option<String> {
        if self.held.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let now = self.clock.elapsed();
        let beats = self.beats();
        let silent = |last: &Duration| now.saturating_sub(*last) > SILENCE;
        let mut missed = beats.iter().filter(|(_, last)| silent(last));
        missed.next().map(|(name, _)| name.clone())
    }

    fn beats(&self) -> MutexGuard<'_, BTreeMap<String, Duration>> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn a_loop_is_missed_when_it_was_heard_and_then_was_not() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let watchdog = Watchdog::new(clock.clone());
        clock.advance(Duration::from_hours(1));
        assert_eq!(watchdog.missed(), None);
        watchdog.beat("turns");
        watchdog.beat("upkeep");
        clock.advance(SILENCE);
        assert_eq!(watchdog.missed(), None);
        watchdog.beat("upkeep");
        clock.advance(Duration::from_millis(1));
        assert_eq!(watchdog.missed().as_deref(), Some("turns"));
        watchdog.beat("turns");
        assert_eq!(watchdog.missed(), None);

        let held = watchdog.hold();
        clock.advance(2 * SILENCE);
        assert_eq!(watchdog.missed(), None);
        drop(held);
        assert_eq!(watchdog.missed(), None, "each has its time again");
        clock.advance(SILENCE + Duration::from_millis(1));
        assert!(watchdog.missed().is_some());
    }
}
