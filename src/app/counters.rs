//! What is counted, for what the configuration names.

use std::collections::BTreeMap;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::{Act, EndReason, Guarded, HandoffReason, Outcome, PauseReason, Suppression};
use crate::http_client;
use crate::metrics::{Closed, Metrics, ModelNames, Names};
use crate::model::FaultKind;
use crate::telemetry::gen_ai;

/// Makes the counters for everything that the configuration names.
pub(super) fn of(config: &Config, clock: &Clock) -> Metrics {
    let closed = Closed {
        outcomes: Outcome::ALL.map(Outcome::as_str).to_vec(),
        suppressions: Suppression::ALL.map(Suppression::as_str).to_vec(),
        reasons: HandoffReason::ALL.map(HandoffReason::as_str).to_vec(),
        guards: Guarded::ALL.map(Guarded::as_str).to_vec(),
        ends: EndReason::ALL.map(EndReason::as_str).to_vec(),
        acts: Act::ALL.map(Act::as_str).to_vec(),
        pauses: PauseReason::ALL.map(PauseReason::as_str).to_vec(),
        faults: FaultKind::ALL.map(FaultKind::as_str).to_vec(),
    };
    let models = config.models.iter().map(|(name, target)| ModelNames {
        name,
        labels: gen_ai::labels(
            target.provider(),
            &target.model,
            &http_client::peer(target.base_url().unwrap_or_default()),
        ),
    });
    let models: Vec<_> = models.collect();
    let names = Names {
        assistants: &names(&config.assistants),
        models: &models,
        workspaces: &names(&config.workspaces),
        desks: &names(&config.desks),
    };
    let gen_ai = config.traces.names().measures();
    Metrics::new(names, &closed, gen_ai, clock.now())
}

fn names<T>(named: &BTreeMap<String, T>) -> Vec<&str> {
    named.keys().map(String::as_str).collect()
}
