//! Writes down what the calls of one turn take, and keeps it where the turn is dropped.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::Spending;
use crate::telemetry::Parent;

/// What was spent so far. Cloning gives another handle on the same sum.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    total: Arc<Mutex<Spending>>,
    parent: Parent,
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

    /// Adds to the sum.
    pub(super) fn add(&self, spending: Spending) {
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        *total = total.plus(spending);
    }
}
