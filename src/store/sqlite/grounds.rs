//! What the turns under way stand on, and how they hear that it shifts.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::super::Lease;

/// What the turns under way stand on, by the row of their conversation.
#[derive(Debug, Default)]
pub(super) struct Grounds(Mutex<HashMap<i64, CancellationToken>>);

impl Grounds {
    /// Notes what a claimed conversation stands on.
    pub(super) fn hold(&self, lease: &Lease) {
        self.all().insert(lease.row, lease.ground.clone());
    }

    /// Tells the turn of a conversation, where one is under way.
    pub(super) fn shift(&self, row: i64) {
        if let Some(ground) = self.all().get(&row) {
            ground.cancel();
        }
    }

    /// Forgets a turn that has come to its end.
    pub(super) fn leave(&self, lease: &Lease) {
        self.all().remove(&lease.row);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<i64, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
