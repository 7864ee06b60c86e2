//! What is counted and timed, for Prometheus.
//!
//! Whatever works holds a handle of its own and adds to it; [`Metrics::render`] writes everything down, together with what
//! holds at this very moment. Every label's value is a name of the configuration or a word of a closed list: nothing
//! that a customer sends can become one, and the number of series is known at the start.

mod assistant;
mod moment;
mod outside;
mod parts;
mod process;
mod work;

use std::collections::BTreeMap;

use jiff::Timestamp;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use parts::Book;

pub use assistant::{Arrival, Assistant, LimitOf, Took};
pub use moment::{Folder, Standing};
pub use outside::{Code, Desk, Model, Waiting, Workspace};
pub use work::{Attempt, Doorway, Part, Stage, Store, TurnEnd, Work};

/// The media type of what [`Metrics::render`] gives.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The name under which messages for an assistant count that is configured no more.
const NOBODY: &str = "(none)";

/// The names of the configuration that stand in labels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// The assistants.
    pub assistants: &'a [&'a str],
    /// The models.
    pub models: &'a [&'a str],
    /// The workspaces.
    pub workspaces: &'a [&'a str],
    /// The desks.
    pub desks: &'a [&'a str],
}

/// The closed lists whose words stand in labels. The terms live above this module, so it is told them.
#[derive(Clone, Debug, Default)]
pub struct Closed {
    /// What can become of a message.
    pub outcomes: Vec<&'static str>,
    /// Why a delivery can be held back.
    pub suppressions: Vec<&'static str>,
    /// Why people can be asked to take over.
    pub reasons: Vec<&'static str>,
    /// How a handoff can end.
    pub ends: Vec<&'static str>,
    /// What can go wrong with a call of a model.
    pub faults: Vec<&'static str>,
}

/// All counters of one gateway. Several in one process share nothing.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    assistants: BTreeMap<String, Assistant>,
    nobody: Assistant,
    models: BTreeMap<String, Model>,
    workspaces: BTreeMap<String, Workspace>,
    desks: BTreeMap<String, Desk>,
    work: Work,
    store: Store,
    started: Timestamp,
}

impl Metrics {
    /// Makes the counters, all at zero.
    pub fn new(names: Names<'_>, closed: &Closed, started: Timestamp) -> Self {
        let mut book = Book::new();
        let assistants = assistant::Assistants::register(&mut book);
        let outside = outside::Outside::register(&mut book);
        let work = Work::register(&mut book, closed);
        let store = Store::register(&mut book, closed);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        book.0.register("build", "The version that runs", build);
        Self {
            assistants: each(names.assistants, |name| assistants.handle(name, closed)),
            nobody: assistants.handle(NOBODY, closed),
            models: each(names.models, |name| outside.model(name, closed)),
            workspaces: each(names.workspaces, |name| outside.workspace(name)),
            desks: each(names.desks, |name| outside.desk(name)),
            work,
            store,
            started,
            registry: book.0,
        }
    }

    /// Gives the counters of an assistant; for one that is configured no more, those of nobody.
    pub fn assistant(&self, name: &str) -> &Assistant {
        self.assistants.get(name).unwrap_or(&self.nobody)
    }

    /// Gives the counters of a model.
    pub fn model(&self, name: &str) -> Model {
        self.models.get(name).cloned().unwrap_or_default()
    }

    /// Gives the counters of a workspace.
    pub fn workspace(&self, name: &str) -> Workspace {
        self.workspaces.get(name).cloned().unwrap_or_default()
    }

    /// Gives the counters of a desk.
    pub fn desk(&self, name: &str) -> Desk {
        self.desks.get(name).cloned().unwrap_or_default()
    }

    /// Gives the counters of the gateway's own work.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// Gives the counters of the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Writes everything down as `OpenMetrics` text. Without what stands in the store its series are missing, so that an
    /// alert on their absence fires.
    pub fn render(
        &self,
        now: Timestamp,
        standing: Option<&Standing>,
        folders: &[Folder<'_>],
    ) -> String {
        let moment = moment::registry(self, now, standing, folders);
        let mut text = String::new();
        let written = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, &moment))
            .and_then(|()| encode_eof(&mut text));
        if written.is_err() {
            tracing::error!("the measures could not be written down");
        }
        text
    }
}

fn each<T>(names: &[&str], make: impl Fn(&str) -> T) -> BTreeMap<String, T> {
    let pairs = names.iter().map(|name| ((*name).to_owned(), make(name)));
    pairs.collect()
}
