//! The folder in force, and exchanging it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::source::RULES;
use super::{Business, Folder, Source};
use crate::domain::Language;
use crate::problem::Problem;
use crate::rules::Action;

/// Holds the folder in force. Cloning gives another handle on the same one.
#[derive(Clone, Debug)]
pub struct Prompts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    default_language: Language,
    business: Business,
    /// The assistants that a rule may pass a customer on to.
    peers: Vec<String>,
    current: watch::Sender<Arc<Folder>>,
    reloads: watch::Sender<Reloads>,
    /// Held while a folder is read, so that of two reloads the later look wins.
    reloading: Mutex<()>,
}

/// What became of the reloads since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reloads {
    /// How often another version was put in force.
    pub swapped: u64,
    /// How often the folder was broken when it was looked at, and the old one stayed.
    pub refused: u64,
    /// Whether the folder was broken at the last look: then what is in force is not what stands on disk.
    pub is_broken: bool,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The folder is what it was.
    Unchanged,
    /// The folder was broken at the look before, and is again the one in force.
    Mended,
    /// Another version is in force.
    Swapped {
        /// The version before.
        from: String,
        /// The version now.
        to: String,
    },
}

impl Prompts {
    /// Loads a folder for the first time, for an assistant that has no other to pass a customer on to.
    pub fn open(
        source: Source,
        default_language: Language,
        business: Business,
    ) -> Result<Self, Vec<Problem>> {
        Self::open_among(source, default_language, business, Vec::new())
    }

    /// Loads a folder for the first time, whose rules may pass a customer on to one of `peers`.
    pub fn open_among(
        source: Source,
        default_language: Language,
        business: Business,
        peers: Vec<String>,
    ) -> Result<Self, Vec<Problem>> {
        let folder = load(&source, default_language, &business, &peers)?;
        Ok(Self(Arc::new(Inner {
            source,
            default_language,
            business,
            peers,
            current: watch::Sender::new(Arc::new(folder)),
            reloads: watch::Sender::default(),
            reloading: Mutex::new(()),
        })))
    }

    /// Gives the folder in force. Whoever works on a turn keeps his until the turn is done.
    pub fn current(&self) -> Arc<Folder> {
        self.0.current.borrow().clone()
    }

    /// Tells where the folder comes from.
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// Lets a task wait for the next version.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Folder>> {
        self.0.current.subscribe()
    }

    /// Reads the folder again and puts it in force if it is in order; else the old one stays. Blocks on the disk.
    pub fn reload(&self) -> Result<Reloaded, Vec<Problem>> {
        let inner = &*self.0;
        let _one_at_a_time = inner
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let was_broken = self.reloads().is_broken;
        let outcome = self.exchange().map(|reloaded| match reloaded {
            Reloaded::Unchanged if was_broken => Reloaded::Mended,
            reloaded => reloaded,
        });
        inner.reloads.send_modify(|reloads| {
            reloads.is_broken = outcome.is_err();
            match outcome {
                Ok(Reloaded::Swapped { .. }) => reloads.swapped += 1,
                Ok(Reloaded::Unchanged | Reloaded::Mended) => {}
                Err(_) => reloads.refused += 1,
            }
        });
        outcome
    }

    /// Tells what became of the reloads, without waiting for one that is under way.
    pub fn reloads(&self) -> Reloads {
        *self.0.reloads.borrow()
    }

    fn exchange(&self) -> Result<Reloaded, Vec<Problem>> {
        let inner = &*self.0;
        let folder = load(
            &inner.source,
            inner.default_language,
            &inner.business,
            &inner.peers,
        )?;
        let from = self.current().version().to_owned();
        let to = folder.version().to_owned();
        if from == to {
            return Ok(Reloaded::Unchanged);
        }
        inner.current.send_replace(Arc::new(folder));
        Ok(Reloaded::Swapped { from, to })
    }
}

/// Loads a folder, and checks that its rules lead somewhere.
fn load(
    source: &Source,
    default_language: Language,
    business: &Business,
    peers: &[String],
) -> Result<Folder, Vec<Problem>> {
    let folder = Folder::load(source, default_language, business)?;
    let file = source.name_of(RULES);
    let astray = folder.rules().iter().enumerate().filter_map(|(place, rule)| {
        let Action::Assistant { name } = &rule.action else {
            return None;
        };
        (!peers.contains(name)).then(|| {
            let key = format!("rule[{place}].assistant");
            let message = format!("the rule `{}` passes customers on to `{name}`, which is no other assistant of this workspace", rule.name);
            let known = match peers {
                [] => "there is none in the configuration".to_owned(),
                peers => format!("there are: {}", peers.join(", ")),
            };
            let problem = Problem::new(key, message).help(known);
            problem.at(Some(rule.place())).in_file(&file)
        })
    });
    match astray.collect::<Vec<_>>() {
        astray if astray.is_empty() => Ok(folder),
        astray => Err(astray),
    }
}
