//! A copy of the store, taken while a gateway works on it.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::StoreError;
use super::open::{OpenError, check_identity, open_reader};
use super::{SqliteConfig, upkeep};

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The length of the copy.
    pub bytes: u64,
    /// Messages in it.
    pub messages: u64,
    /// Customer messages in it that have no outcome.
    pub waiting: u64,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to copy.
    #[error("there is no store at {path}")]
    Missing {
        /// The database file.
        path: PathBuf,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Something has the copy's name already.
    #[error("{path} is there already; a backup overwrites nothing")]
    Exists {
        /// The copy.
        path: PathBuf,
    },
    /// The copy cannot be written.
    #[error("cannot write {path}: {source}")]
    Io {
        /// The copy.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The copy broke off, or cannot be read again.
    #[error("the copy failed: {0}")]
    Copy(#[from] StoreError),
    /// What was copied is damaged.
    #[error("the store is damaged: {found}")]
    Damaged {
        /// The first thing that is wrong.
        found: String,
    },
}

/// Copies the store as it stands at this moment to a new file, whole, readable for its owner alone; then reads the copy
/// through. Nobody who works on the store waits for it, though its log grows meanwhile. A copy that failed is removed.
pub fn backup(config: &SqliteConfig, to: &Path) -> Result<Backup, BackupError> {
    let path = config.path.clone();
    // A connection that only reads would not make it, but would not say so plainly either.
    if !path.exists() {
        return Err(BackupError::Missing { path });
    }
    let source = open_reader(&path)?;
    check_identity(&source, &path)?;
    let io = |source| BackupError::Io {
        path: to.to_owned(),
        source,
    };
    let file = new_private_file(to).map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => BackupError::Exists {
            path: to.to_owned(),
        },
        _ => io(source),
    })?;
    let copied = copy(&source, to).and_then(|()| {
        file.sync_all().map_err(io)?;
        look_through(to, file.metadata().map_err(io)?.len())
    });
    if copied.is_err() {
        // The first error is the one to tell.
        drop(std::fs::remove_file(to));
    }
    copied
}

fn copy(source: &Connection, to: &Path) -> Result<(), BackupError> {
    let name = to.to_str().ok_or_else(|| BackupError::Io {
        path: to.to_owned(),
        source: ErrorKind::InvalidFilename.into(),
    })?;
    // The connection is read-only all the same, by the way it was opened; this would keep it from writing the copy too.
    source
        .execute_batch("PRAGMA query_only = OFF")
        .and_then(|()| source.execute("VACUUM INTO ?", [name]))
        .map_err(StoreError::from)?;
    Ok(())
}

/// Reads every page of the copy.
fn look_through(copy: &Path, bytes: u64) -> Result<Backup, BackupError> {
    let connection = open_reader(copy)?;
    let found: String = connection
        .query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))
        .map_err(StoreError::from)?;
    if found != "ok" {
        return Err(BackupError::Damaged { found });
    }
    let messages: i64 = connection
        .query_row("SELECT count(*) FROM message", (), |row| row.get(0))
        .map_err(StoreError::from)?;
    Ok(Backup {
        bytes,
        messages: u64::try_from(messages).unwrap_or_default(),
        waiting: upkeep::counts(&connection)?.waiting,
    })
}

fn new_private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
