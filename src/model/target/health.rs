//! What calls tell about a target's health, and who is told of it.

use std::time::Duration;

use super::Target;
use crate::metrics;
use crate::model::breaker::{BreakerState, Pass};
use crate::model::{Fault, FaultKind};

/// How long a target is left alone whose key or credit was refused: until then no person has mended it.
const REFUSED_REST: Duration = Duration::from_mins(1);

impl Target {
    /// Lets a call through, unless the target rests.
    pub(in crate::model) fn pass(&self) -> Option<Pass<'_>> {
        let pass = self.inner.breaker.pass().ok()?;
        self.metrics.state(shown(self.state()));
        Some(pass)
    }

    /// Notes what a call told about the target's health. `is_fair` says whether it was given about the usual time.
    pub(in crate::model) fn note(&self, pass: Pass<'_>, fault: Option<&Fault>, is_fair: bool) {
        let opened = match fault {
            None => {
                pass.good();
                false
            }
            Some(fault) => self.judge(pass, fault, is_fair),
        };
        self.told(fault.filter(|_| opened));
    }

    /// Notes what a call told that nobody waits for: what all others would be told too, and nothing else.
    pub(in crate::model) fn note_aside(&self, fault: &Fault) {
        let opened = self.heed(fault) == Some(true);
        self.told(Some(fault).filter(|_| opened));
    }

    /// Shows the state, and what has made the target be left alone.
    fn told(&self, opened_by: Option<&Fault>) {
        self.metrics.state(shown(self.state()));
        if let Some(fault) = opened_by {
            self.metrics.opened();
            self.alarm(fault);
        }
    }

    /// Gives whether the target is left alone from now on.
    fn judge(&self, pass: Pass<'_>, fault: &Fault, is_fair: bool) -> bool {
        if let Some(opened) = self.heed(fault) {
            return opened;
        }
        let is_ill = match fault.kind {
            FaultKind::Timeout if !is_fair => return false,
            FaultKind::RateLimited
            | FaultKind::Overloaded
            | FaultKind::Timeout
            | FaultKind::Connect
            | FaultKind::BadResponse => !fault.is_wording,
            FaultKind::Quota
            | FaultKind::Auth
            | FaultKind::BadRequest
            | FaultKind::ContextLength
            | FaultKind::Filtered
            | FaultKind::Refused
            | FaultKind::Empty
            | FaultKind::Truncated => false,
        };
        if is_ill {
            return pass.bad();
        }
        pass.good();
        false
    }

    /// Leaves the target alone where it says so itself, or where all others would be told the same. Gives whether it was
    /// called until now; `None` where there is no reason to.
    fn heed(&self, fault: &Fault) -> Option<bool> {
        let breaker = &self.inner.breaker;
        match (fault.kind, fault.retry_after) {
            (FaultKind::Quota | FaultKind::Auth, _) => Some(breaker.open_for(REFUSED_REST)),
            (FaultKind::RateLimited, Some(rest)) => Some(breaker.rest_for(rest)),
            _ => None,
        }
    }

    fn alarm(&self, fault: &Fault) {
        let model = &self.inner.name;
        match fault.kind {
            FaultKind::Quota => tracing::error!(
                model,
                %fault,
                "the model's account has no credit left; it is left alone for a minute at a time"
            ),
            FaultKind::Auth => tracing::error!(
                model,
                %fault,
                "the model's server does not accept the key; it is left alone for a minute at a time"
            ),
            _ => tracing::warn!(model, %fault, "the model's server is left alone for a while"),
        }
    }
}

fn shown(state: BreakerState) -> metrics::Breaker {
    match state {
        BreakerState::Closed => metrics::Breaker::Closed,
        BreakerState::HalfOpen => metrics::Breaker::HalfOpen,
        BreakerState::Open => metrics::Breaker::Open,
    }
}
