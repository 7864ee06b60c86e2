//! Waiting until nothing is left to do, though nobody knows how long that takes and the clock stands still.
//!
//! Who waits for the clock would wait for ever, so time has to go by where work is left that needs it. But as long as
//! work goes on that needs none, the clock must not move: a model that is about to answer would be late. So the clock
//! is moved only when nothing has moved for a while, a little at first and then more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::anyhow;

use super::Stage;
use crate::clock::Clock;
use crate::sandbox::{Exchange, StandIn};
use crate::store::Counts;

/// Looks that find the same before the gateway counts as still.
const SAME_LOOKS: u32 = 4;

/// Commits of the store that go by between two looks: under load they take longer, as everything does.
const COMMITS: u32 = 4;

/// Real time that goes by between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(8);

/// By how much the clock is moved at first; each time it is doubled.
const STEP_MIN: Duration = Duration::from_millis(100);

/// By how much it is moved at most: less than any limit of a call.
const STEP_MAX: Duration = Duration::from_secs(5);

/// Real time in which all has to be done that the clock does not keep.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where everything stands.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    counts: Counts,
    requests: [u64; 3],
    open: usize,
}

impl Stage {
    /// Gives the count of requests that are never answered, for who tells the model to leave them so.
    pub(in crate::cli) fn unanswered(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.unanswered)
    }

    /// Waits until every message has an outcome and every delivery has left. Where that needs time, a manual clock is
    /// moved, by `most` in all.
    pub(in crate::cli) async fn rest(&self, most: Duration, is_manual: bool) -> anyhow::Result<()> {
        let real = Clock::system();
        let (began, mut step, mut passed) = (real.elapsed(), STEP_MIN, Duration::ZERO);
        let patience = if is_manual { PATIENCE } else { most };
        loop {
            let counts = self.app.store().counts().await?;
            if counts.is_all_done() {
                // The store answers in order, so whoever wrote something has heard by then that it is on disk.
                return Ok(self.app.store().probe().await?);
            }
            if passed > most || real.elapsed().saturating_sub(began) > patience {
                return Err(anyhow!(
                    "not everything was done in time: {} messages wait, {} deliveries are open",
                    counts.waiting,
                    counts.open_deliveries.iter().sum::<u64>()
                ));
            }
            if !is_manual {
                real.sleep(LOOK_EVERY).await;
            } else if !self.is_still(false).await? {
                self.clock.advance(step);
                passed = passed.saturating_add(step);
                step = step.saturating_mul(2).min(STEP_MAX);
            }
        }
    }

    /// Waits until the gateway has done what it can do at this time, also what nobody counts.
    pub(in crate::cli) async fn breathe(&self) -> anyhow::Result<()> {
        self.is_still(true).await.map(drop)
    }

    /// Waits until nothing moves any more. `true` at once when all is done, unless stillness is wanted `even_then`.
    async fn is_still(&self, even_then: bool) -> anyhow::Result<bool> {
        let real = Clock::system();
        let began = real.elapsed();
        let (mut last, mut same) = (self.look().await?, 0);
        while same < SAME_LOOKS && real.elapsed().saturating_sub(began) < PATIENCE {
            for _ in 0..COMMITS {
                self.app.store().probe().await?;
            }
            real.sleep(LOOK_EVERY).await;
            let look = self.look().await?;
            if look.counts.is_all_done() && !even_then {
                return Ok(true);
            }
            let is_awaited = look.open <= self.unanswered.load(Ordering::Relaxed);
            same = if look == last && is_awaited {
                same + 1
            } else {
                0
            };
            last = look;
        }
        Ok(last.counts.is_all_done())
    }

    async fn look(&self) -> anyhow::Result<Look> {
        Ok(Look {
            counts: self.app.store().counts().await?,
            requests: [
                self.model.request_count(),
                self.braze.request_count(),
                self.desk.request_count(),
            ],
            open: open(&self.model) + open(&self.braze) + open(&self.desk),
        })
    }
}

/// Counts the requests that are not answered yet.
fn open<S: Send + Sync + 'static>(stand_in: &StandIn<S>) -> usize {
    let is_open = |exchange: &&Exchange| exchange.status.is_none();
    stand_in.requests().iter().filter(is_open).count()
}
