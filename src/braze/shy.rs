//! Deliveries that Braze refused together with others. One of them is to blame, and which one is found out by sending fewer
//! together each time, half as many, until each stands alone.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::DeliveryId;

/// Deliveries that are known as such. More are forgotten, and ride with as many as any again: some 600 refused requests
/// would have to be under way at once.
const KNOWN_MAX: usize = 10_000;

/// How many others each may ride with. In memory alone: after a start all of them ride as at first.
#[derive(Debug, Default)]
pub(super) struct Shy(Mutex<HashMap<DeliveryId, usize>>);

impl Shy {
    /// Notes that these were refused together.
    pub(super) fn refused(&self, deliveries: impl ExactSizeIterator<Item = DeliveryId>) {
        let half = (deliveries.len() / 2).max(1);
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.extend(deliveries.map(|delivery| (delivery, half)));
    }

    /// Tells in how large a company a delivery may ride, `most` where nothing is known against it.
    pub(super) fn company(&self, delivery: DeliveryId, most: usize) -> usize {
        self.known().get(&delivery).copied().unwrap_or(most)
    }

    /// Forgets a delivery that is over.
    pub(super) fn forget(&self, delivery: DeliveryId) {
        self.known().remove(&delivery);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<DeliveryId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
