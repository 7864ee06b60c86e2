//! Space held in reserve: freed when the disk is full, so that what makes room can still be written.

use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::open::{private_file, with_suffix};

/// How much is held: four times what the log grows by until SQLite moves it into the database, so that it can do so and
/// go on.
pub(super) const BALLAST: u64 = 16 * 1_024 * 1_024;

/// A file of no use but its size.
#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Held,
    Free,
    /// The file system cannot hold space in reserve.
    Impossible,
}

impl Ballast {
    /// Finds the one that an earlier process left beside the database.
    pub(super) fn beside(database: &Path) -> Self {
        let path = with_suffix(database, ".ballast");
        let state = match std::fs::metadata(&path) {
            Ok(file) if file.len() == BALLAST => State::Held,
            _ => State::Free,
        };
        Self { path, state }
    }

    /// Takes the space, where it is not held yet.
    pub(super) fn load(&mut self) {
        if self.state != State::Free {
            return;
        }
        let held = private_file(&self.path)
            .and_then(|file| Ok(fallocate(file, FallocateFlags::empty(), 0, BALLAST)?));
        self.state = match held {
            Ok(()) => State::Held,
            Err(error) => {
                tracing::warn!(%error, "no space can be held in reserve for a full disk");
                // A part of it would only be in the way.
                drop(std::fs::remove_file(&self.path));
                State::Impossible
            }
        };
    }

    /// Frees the space. Tells whether there was any to free.
    pub(super) fn free(&mut self) -> bool {
        if self.state != State::Held {
            return false;
        }
        match std::fs::remove_file(&self.path) {
            Ok(()) => {
                self.state = State::Free;
                true
            }
            Err(error) => {
                tracing::error!(%error, "the ballast could not be freed");
                false
            }
        }
    }
}
