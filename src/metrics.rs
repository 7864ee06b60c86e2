//! What is counted and timed, for Prometheus.
//!
//! Whatever works holds a handle of its own and adds to it; [`Metrics::render`] writes everything down, together with what
//! holds at this very moment. Every label's value is a name of the configuration or a word of a closed list: nothing
//! that a customer sends can become one, and the number of series is known at the start.

mod assistant;
mod model;
mod moment;
mod outside;
mod parts;
mod process;
mod spans;
mod work;

use std::collections::BTreeMap;

use jiff::Timestamp;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use parts::Book;

pub use assistant::{Arrival, Assistant, LimitOf, Took};
pub use model::{Breaker, Calling, Model, Tokens};
pub use moment::{Folder, Standing};
pub use outside::{Code, Desk, Waiting, Workspace};
pub use spans::{SpanEnd, Spans};
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
    pub models: &'a [ModelNames<'a>],
    /// The workspaces.
    pub workspaces: &'a [&'a str],
    /// The desks.
    pub desks: &'a [&'a str],
}

/// A model, by its name in the configuration and by what the convention for such measures says of it.
#[derive(Clone, Debug)]
pub struct ModelNames<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// The convention's labels of its calls.
    pub labels: Vec<(&'static str, String)>,
}

/// The names that a convention gives to the measures of a model's calls.
#[derive(Clone, Copy, Debug)]
pub struct GenAi {
    /// How long calls took; `_seconds` is added.
    pub duration: &'static str,
    /// The label of the fault that a call ended with.
    pub error_type: &'static str,
    /// The tokens of each call, input and output: the measure, and the label that tells them apart where it is one for both.
    pub sizes: [(&'static str, Option<(&'static str, &'static str)>); 2],
    /// The sums of tokens where there are such: input, output, and of these what was cached and what was reasoning.
    pub counts: Option<[&'static str; 4]>,
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
    /// What guards can do about an answer.
    pub guards: Vec<&'static str>,
    /// How a handoff can end.
    pub ends: Vec<&'static str>,
    /// What a desk can do with a conversation.
    pub acts: Vec<&'static str>,
    /// Why a conversation can be paused.
    pub pauses: Vec<&'static str>,
    /// What can go wrong with a call of a model.
    pub faults: Vec<&'static str>,
}

/// All counters of one gateway. Several in one process share nothing.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Those that have the names of a convention.
    shared: Registry,
    assistants: BTreeMap<String, Assistant>,
    nobody: Assistant,
    models: BTreeMap<String, Model>,
    workspaces: BTreeMap<String, Workspace>,
    desks: BTreeMap<String, Desk>,
    work: Work,
    store: Store,
    spans: Spans,
    started: Timestamp,
}

impl Metrics {
    /// Makes the counters, all at zero.
    pub fn new(names: Names<'_>, closed: &Closed, gen_ai: GenAi, started: Timestamp) -> Self {
        let (mut book, mut shared) = (Book::new(), Book::without_prefix());
        let assistants = assistant::Assistants::register(&mut book);
        let models = model::Models::register(&mut book, &mut shared, gen_ai);
        let outside = outside::Outside::register(&mut book);
        let work = Work::register(&mut book, closed);
        let store = Store::register(&mut book, closed);
        let spans = Spans::register(&mut book);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        book.0.register("build", "The version that runs", build);
        Self {
            assistants: each(names.assistants, |name| assistants.handle(name, closed)),
            nobody: assistants.handle(NOBODY, closed),
            models: names
                .models
                .iter()
                .map(|model| (model.name.to_owned(), models.handle(model, closed)))
                .collect(),
            workspaces: each(names.workspaces, |name| outside.workspace(name)),
            desks: each(names.desks, |name| outside.desk(name)),
            work,
            store,
            spans,
            started,
            registry: book.0,
            shared: shared.0,
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

    /// Gives the counters of the traces.
    pub fn spans(&self) -> &Spans {
        &self.spans
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
            .and_then(|()| encode_registry(&mut text, &self.shared))
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
