//! Writes down what the calls of one turn take, and keeps it where the turn is dropped.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::{Money, Spending};
use crate::telemetry::Parent;

/// A call of which nobody heard what it took.
const UNTOLD: Spending = Spending {
    calls: 1,
    untold: 1,
    input_tokens: 0,
    output_tokens: 0,
    cost: Money::ZERO,
};

/// What was spent so far. Cloning gives another handle on the same sum.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    total: Arc<Mutex<Spending>>,
    parent: Parent,
}

/// A call under way. It is added up when this is dropped: as untold where nobody waited for its end.
#[derive(Debug)]
pub(super) struct Metered<'a> {
    meter: &'a Meter,
    took: Spending,
}

impl Meter {
    /// Makes one whose calls are parts of a turn that is traced.
    pub fn traced(parent: Parent) -> Self {
        Self {
            parent,
            ..Self::default()
        }
    }

    /// Gives what the calls are parts of.
    pub(super) fn parent(&self) -> &Parent {
        &self.parent
    }

    /// Gives the sum.
    pub fn total(&self) -> Spending {
        *self.total.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call.
    pub(super) fn begin(&self) -> Metered<'_> {
        Metered {
            meter: self,
            took: UNTOLD,
        }
    }
}

impl Metered<'_> {
    /// Ends the call, with what it took.
    pub(super) fn end(mut self, took: Spending) {
        self.took = took;
    }
}

impl Drop for Metered<'_> {
    fn drop(&mut self) {
        let total = self.meter.total.lock();
        let mut total = total.unwrap_or_else(PoisonError::into_inner);
        *total = total.plus(self.took);
    }
}
