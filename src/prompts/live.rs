//! The folder in force, and exchanging it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::{Business, Folder, Source};
use crate::domain::Language;
use crate::metrics;
use crate::problem::Problem;

/// Holds the folder in force. Cloning gives another handle on the same one.
#[derive(Clone, Debug)]
pub struct Prompts {
    inner: Arc<Inner>,
    metrics: metrics::Assistant,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    default_language: Language,
    business: Business,
    current: watch::Sender<Arc<Folder>>,
    /// Held while a folder is read, so that of two reloads the later look wins.
    reloading: Mutex<()>,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The folder is what it was.
    Unchanged,
    /// Another version is in force.
    Swapped {
        /// The version before.
        from: String,
        /// The version now.
        to: String,
    },
}

impl Prompts {
    /// Loads a folder for the first time.
    pub fn open(
        source: Source,
        default_language: Language,
        business: Business,
    ) -> Result<Self, Vec<Problem>> {
        let folder = Folder::load(&source, default_language, &business)?;
        let inner = Inner {
            source,
            default_language,
            business,
            current: watch::Sender::new(Arc::new(folder)),
            reloading: Mutex::new(()),
        };
        Ok(Self {
            inner: Arc::new(inner),
            metrics: metrics::Assistant::default(),
        })
    }

    /// Counts its reloads for an assistant from here on.
    #[must_use]
    pub fn measured(self, metrics: metrics::Assistant) -> Self {
        Self { metrics, ..self }
    }

    /// Gives the folder in force. Whoever works on a turn keeps his until the turn is done.
    pub fn current(&self) -> Arc<Folder> {
        self.inner.current.borrow().clone()
    }

    /// Tells where the folder comes from.
    pub fn source(&self) -> &Source {
        &self.inner.source
    }

    /// Lets a task wait for the next version.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Folder>> {
        self.inner.current.subscribe()
    }

    /// Reads the folder again and puts it in force if it is in order; else the old one stays. Blocks on the disk.
    pub fn reload(&self) -> Result<Reloaded, Vec<Problem>> {
        let reloaded = self.read_again();
        match &reloaded {
            Ok(Reloaded::Unchanged) => self.metrics.prompts_are(true),
            Ok(Reloaded::Swapped { .. }) => self.metrics.prompts_swapped(),
            Err(_) => self.metrics.prompts_refused(),
        }
        reloaded
    }

    fn read_again(&self) -> Result<Reloaded, Vec<Problem>> {
        let inner = &*self.inner;
        let _one_at_a_time = inner
            .reloading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let folder = Folder::load(&inner.source, inner.default_language, &inner.business)?;
        let from = self.current().version().to_owned();
        let to = folder.version().to_owned();
        if from == to {
            return Ok(Reloaded::Unchanged);
        }
        inner.current.send_replace(Arc::new(folder));
        Ok(Reloaded::Swapped { from, to })
    }
}
