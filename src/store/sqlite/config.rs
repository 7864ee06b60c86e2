//! The settings of the SQLite store.

use std::path::PathBuf;

use serde::Deserialize;

use super::ballast::BALLAST;
use crate::problem::Problem;

/// The least `disk_low_mib`: twice the ballast, so that what the ballast frees is left to the work under way.
const DISK_LOW_MIB_MIN: u64 = 2 * BALLAST / 1_024 / 1_024;

/// Where the SQLite store is: `[store]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SqliteConfig {
    /// The database file, relative to the configuration file. Default: `frontdesk.db`. On a local disk: SQLite's locks
    /// do not hold on network file systems.
    pub path: PathBuf,
    /// Customer messages without an outcome at which new ones are refused; 1 or more. Default 100,000: some 100 MB on
    /// disk, and far more than can be answered before the replies are too old.
    pub backlog: u64,
    /// Free disk in MiB below which new messages are refused, 32 or more. Default 512: room for a backlog of the default
    /// size to be worked off.
    pub disk_low_mib: u64,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self {
            path: "frontdesk.db".into(),
            backlog: 100_000,
            disk_low_mib: 512,
        }
    }
}

impl SqliteConfig {
    /// Finds what cannot work.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.backlog == 0 {
            problems.push(Problem::new("backlog", "expected 1 or more"));
        }
        if self.disk_low_mib < DISK_LOW_MIB_MIN {
            let expected = format!("expected {DISK_LOW_MIB_MIN} or more");
            problems.push(Problem::new("disk_low_mib", expected));
        }
        problems
    }
}
