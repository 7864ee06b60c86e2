//! Everything outside: the clients of models, desks and workspaces, and the ways out that lead to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StartError;
use crate::braze::Workspace;
use crate::clock::Clock;
use crate::config::{AssistantConfig, Config, meant};
use crate::handoff::Desk;
use crate::metrics::{self, Metrics};
use crate::model::{Lineup, Target};
use crate::telemetry::Tracer;
use crate::workers::Route;

/// The clients of everything outside, by their names in the configuration.
pub(super) struct Outside {
    clock: Clock,
    targets: BTreeMap<String, Target>,
    pub(super) desks: BTreeMap<String, Arc<Desk>>,
    workspaces: BTreeMap<String, Arc<Workspace>>,
}

impl Outside {
    /// Makes the clients. Nothing is called yet.
    pub(super) fn connect(
        config: &Config,
        clock: &Clock,
        metrics: &Metrics,
        tracer: &Tracer,
    ) -> Result<Self, StartError> {
        let mut outside = Self {
            clock: clock.clone(),
            targets: BTreeMap::new(),
            desks: BTreeMap::new(),
            workspaces: BTreeMap::new(),
        };
        for (name, model) in &config.models {
            let target =
                Target::new(name, model, clock.clone()).map_err(|source| StartError::Model {
                    name: name.clone(),
                    source: Box::new(source),
                })?;
            let target = target.measured(metrics.model(name));
            outside.targets.insert(name.clone(), target);
        }
        outside.connect_desks(config, metrics, tracer)?;
        for (name, workspace) in &config.workspaces {
            let on_unknown = config.reply.on_unknown.into();
            let requests = tracer.workspace(name, &workspace.endpoint);
            let workspace =
                Workspace::new(workspace, on_unknown, clock.clone()).map_err(|source| {
                    StartError::Workspace {
                        name: name.clone(),
                        source,
                    }
                })?;
            let workspace = workspace.measured(metrics.workspace(name));
            let workspace = workspace.traced(requests);
            outside.workspaces.insert(name.clone(), Arc::new(workspace));
        }
        Ok(outside)
    }

    /// Makes the desks' clients; those that stand behind others first.
    fn connect_desks(
        &mut self,
        config: &Config,
        metrics: &Metrics,
        tracer: &Tracer,
    ) -> Result<(), StartError> {
        let (first, second): (Vec<_>, Vec<_>) = config
            .desks
            .iter()
            .partition(|(_, desk)| desk.fallback.is_some());
        for (name, desk) in second.into_iter().chain(first) {
            let requests = tracer.desk(name, desk.url.as_str());
            let made = Desk::new(name, desk, self.clock.clone());
            let made = made.map_err(|source| StartError::Desk {
                name: name.clone(),
                source,
            })?;
            let made = made.measured(metrics.desk(name)).traced(requests);
            let second = desk
                .fallback
                .as_ref()
                .and_then(|second| self.desks.get(second));
            let made = match second {
                Some(second) => made.backed_by(Arc::clone(second), desk.fallback_after),
                None => made,
            };
            self.desks.insert(name.clone(), Arc::new(made));
        }
        Ok(())
    }

    /// Gives the targets of an assistant, in its order.
    pub(super) fn lineup(
        &self,
        config: &Config,
        assistant: &AssistantConfig,
        metrics: &metrics::Assistant,
    ) -> Lineup {
        let names = config.models_of(assistant);
        let targets = names.iter().filter_map(|name| self.targets.get(*name));
        let share = |(place, name): (usize, &&str)| Some((place, *assistant.shares.get(*name)?));
        Lineup::new(
            targets.cloned().collect(),
            names.iter().enumerate().filter_map(share).collect(),
            assistant.deadline,
            self.clock.clone(),
        )
        .measured(metrics.clone())
    }

    /// Gives the ways out, each with the assistants that take it.
    pub(super) fn routes(&self, config: &Config) -> Vec<Route> {
        let workspaces = self.workspaces.iter().map(|(name, workspace)| {
            let speakers = config.assistants.iter().filter(|(_, assistant)| {
                meant(assistant.workspace.as_deref(), &config.workspaces) == Some(name)
            });
            Route::Workspace {
                name: name.clone(),
                workspace: Arc::clone(workspace),
                speakers: Arc::new(
                    speakers
                        .map(|(name, assistant)| (name.clone(), assistant.speaker()))
                        .collect(),
                ),
            }
        });
        let desks = self.desks.iter().map(|(name, desk)| {
            let users = config.assistants.iter();
            let users = users.filter(|(_, assistant)| assistant.desk.as_ref() == Some(name));
            Route::Desk {
                name: name.clone(),
                desk: Arc::clone(desk),
                assistants: users.map(|(name, _)| name.clone()).collect(),
            }
        });
        workspaces.chain(desks).collect()
    }
}
