//! How long the stages of a turn take.

use std::time::Duration;

use crate::clock::Clock;
use crate::metrics::Stage;

/// The stages of a turn before it is settled, in the order of [`Spent`]'s places.
const STAGES: [Stage; 4] = [Stage::Gather, Stage::Screen, Stage::Ask, Stage::Judge];

/// What a turn spent on each stage that it went through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent([Option<Duration>; STAGES.len()]);

impl Spent {
    /// Gives the stages and their times.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> {
        let stages = STAGES.into_iter().zip(self.0);
        stages.filter_map(|(stage, time)| Some((stage, time?)))
    }

    /// Gives what was not spent on waiting for the model.
    pub fn own(&self) -> Duration {
        let own = self.iter().filter(|(stage, _)| *stage != Stage::Ask);
        own.map(|(_, time)| time).sum()
    }
}

/// Measures a turn while it runs.
pub(super) struct Laps<'a> {
    clock: &'a Clock,
    last: Duration,
    spent: Spent,
}

impl<'a> Laps<'a> {
    pub(super) fn start(clock: &'a Clock) -> Self {
        Self {
            clock,
            last: clock.elapsed(),
            spent: Spent::default(),
        }
    }

    /// Counts the time since the last call to a stage; one can come twice.
    pub(super) fn lap(&mut self, stage: Stage) {
        let now = self.clock.elapsed();
        let took = now.saturating_sub(self.last);
        self.last = now;
        let place = STAGES.iter().position(|known| *known == stage);
        if let Some(spent) = place.and_then(|place| self.spent.0.get_mut(place)) {
            *spent = Some(spent.unwrap_or_default().saturating_add(took));
        }
    }

    /// Gives what was spent on asking so far.
    pub(super) fn asked(&self) -> Duration {
        let asked = self.spent.iter().filter(|(stage, _)| *stage == Stage::Ask);
        asked.map(|(_, time)| time).sum()
    }

    pub(super) fn spent(self) -> Spent {
        self.spent
    }
}
