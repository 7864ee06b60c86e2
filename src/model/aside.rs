//! Asking for what nobody waits for, without taking anything from those who do.

use std::time::Duration;

use super::breaker::BreakerState;
use super::lineup::{Try, halve, no_slot, plain};
use super::{Asking, Completed, Fault, Lineup, Turn, format};
use crate::redact::Private;

impl Lineup {
    /// Asks for plain text that nobody waits for, within `limit`: the first target of this customer's turns alone, while it
    /// is well and has more than half of its slots free. How the call ends does not open the breaker for others.
    pub async fn complete_aside(
        &self,
        system: &str,
        turns: &[Turn],
        limit: Duration,
        asking: &Asking<'_>,
    ) -> Result<Completed, Fault> {
        let started = self.clock.elapsed();
        let taken = || self.clock.elapsed().saturating_sub(started);
        let mut turns = turns.to_vec();
        let first = self.order(asking.customer).next();
        let mut next = first.map(Try::new).ok_or_else(no_slot)?;
        let target = next.target;
        loop {
            if target.rests().is_some() || target.state() != BreakerState::Closed {
                return Err(target.resting());
            }
            let slot = target.spare_slot().ok_or_else(no_slot)?;
            let dialect = target.dialect();
            let manner = target.manner(dialect, next.is_roomy);
            let (body, mask) = format::text(manner, system, &turns);
            let left = limit.saturating_sub(taken());
            let called = target.call_aside(body, left, asking.meter, plain).await;
            drop(slot);
            let fault = match called {
                Ok(got) => {
                    return Ok(Completed {
                        text: Private(mask.lifted(got.read)),
                        usage: got.usage,
                        model: got.model,
                        elapsed: taken(),
                    });
                }
                Err(fault) => fault,
            };
            // Each change is made once, so there are few.
            let was_shrunk = next.is_shrunk;
            if !next.mend(&fault, dialect) {
                target.note_aside(&fault);
                return Err(fault);
            }
            if next.is_shrunk && !was_shrunk {
                halve(&mut turns);
            }
        }
    }
}
