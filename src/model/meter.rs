//! Adds up what the calls of one turn take, and keeps it where the turn is dropped.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::Spending;

/// What was spent so far. Cloning gives another handle on the same sum.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Spending>>);

impl Meter {
    /// Gives the sum.
    pub fn total(&self) -> Spending {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the sum.
    pub(super) fn add(&self, spending: Spending) {
        let mut total = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *total = total.plus(spending);
    }
}
