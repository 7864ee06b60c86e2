//! Governor's view of our clock.

use governor::clock::Clock as GovernorClock;
use governor::nanos::Nanos;

use crate::clock::Clock;

/// Our clock, as governor reads one.
#[derive(Clone, Debug)]
pub(super) struct Ticks(pub(super) Clock);

impl GovernorClock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}
