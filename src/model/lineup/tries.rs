//! The targets that a turn still has to try, and how each is asked next.

use std::time::Duration;

use crate::model::dialect::Dialect;
use crate::model::verdict::{LEAST, Left, Verdict, verdict};
use crate::model::{Fault, FaultKind, Target, Turn};
use crate::redact::Private;

/// A target that is still to be tried, and how.
pub(in crate::model) struct Try<'a> {
    pub(in crate::model) target: &'a Target,
    pub(super) retries: u32,
    pub(in crate::model) is_shrunk: bool,
    pub(in crate::model) is_roomy: bool,
}

impl<'a> Try<'a> {
    pub(in crate::model) fn new(target: &'a Target) -> Self {
        Self {
            target,
            retries: target.retries(),
            is_shrunk: false,
            is_roomy: false,
        }
    }

    /// Changes the request so that this fault does not come again. Each change is made once.
    pub(in crate::model) fn mend(&mut self, fault: &Fault, dialect: Dialect) -> bool {
        match fault.kind {
            FaultKind::BadRequest => {
                let refused = dialect.refused_by(fault.named);
                // More than the usual room may be more than the server has; that says nothing about the field.
                let refused = refused.filter(|field| !(self.is_roomy && field.is_limit()));
                refused.map(|field| self.target.do_without(field)).is_some()
            }
            FaultKind::ContextLength => !std::mem::replace(&mut self.is_shrunk, true),
            FaultKind::Empty | FaultKind::Truncated => {
                let is_limited = fault.is_cut && dialect.token_limit_field.is_some();
                is_limited && !std::mem::replace(&mut self.is_roomy, true)
            }
            _ => false,
        }
    }

    /// Gives what is done about a fault. Where a change of the request mends it, that is tried at once and is no retry.
    pub(in crate::model) fn after(
        &mut self,
        fault: &Fault,
        dialect: Dialect,
        left: Left,
    ) -> Verdict {
        if left.time >= LEAST && self.mend(fault, dialect) {
            return Verdict::Again(Duration::ZERO);
        }
        let verdict = verdict(fault, left);
        if let Verdict::Again(_) = verdict {
            self.retries = self.retries.saturating_sub(1);
        }
        verdict
    }
}

/// Tells of the targets beside the one at `place` whether one could be asked now, and whether there is any.
pub(super) fn others(queue: &[Try<'_>], place: usize) -> (bool, bool) {
    let mut others = queue.iter().enumerate();
    let another = others.any(|(other, next)| other != place && next.target.rests().is_none());
    (another, queue.len() > 1)
}

/// Drops the older half of what was said, by length; of one thing alone, its end.
pub(in crate::model) fn halve(turns: &mut Vec<Turn>) {
    let length: usize = turns.iter().map(|turn| turn.text.len()).sum();
    let mut kept = 0;
    let fits = |turn: &&Turn| {
        kept += turn.text.len();
        kept <= length / 2
    };
    let count = turns.iter().rev().take_while(fits).count();
    let surplus = turns.len() - count.clamp(1, turns.len().max(1)).min(turns.len());
    turns.drain(..surplus);
    if count == 0
        && let Some(turn) = turns.last_mut()
    {
        let half = turn.text.chars().count() / 2;
        turn.text = Private(turn.text.chars().take(half.max(1)).collect());
    }
}
