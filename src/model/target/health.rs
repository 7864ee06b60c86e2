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

    /// Notes what a call that had so much time told about the target's health.
    pub(in crate::model) fn note(&self, pass: Pass<'_>, fault: Option<&Fault>, limit: Duration) {
        let opened = self.judge(pass, fault, limit);
        self.metrics.state(shown(self.state()));
        if let Some(fault) = fault.filter(|_| opened) {
            self.metrics.opened();
            self.alarm(fault);
        }
    }

    /// Gives whether that opened the breaker.
    fn judge(&self, pass: Pass<'_>, fault: Option<&Fault>, limit: Duration) -> bool {
        let breaker = &self.inner.breaker;
        let Some(fault) = fault else {
            pass.good();
            return false;
        };
        match fault.kind {
            // Who was not given the usual time did not fail.
            FaultKind::Timeout if limit < self.attempt_within(true) => false,
            FaultKind::Quota | FaultKind::Auth => {
                drop(pass);
                breaker.open_for(REFUSED_REST)
            }
            FaultKind::RateLimited => {
                let counted = pass.bad();
                let asked_for = fault.retry_after.is_some_and(|rest| breaker.open_for(rest));
                counted || asked_for
            }
            FaultKind::Overloaded
            | FaultKind::Timeout
            | FaultKind::Connect
            | FaultKind::BadResponse => pass.bad(),
            FaultKind::BadRequest
            | FaultKind::ContextLength
            | FaultKind::Filtered
            | FaultKind::Refused
            | FaultKind::Empty
            | FaultKind::Truncated => {
                pass.good();
                false
            }
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
