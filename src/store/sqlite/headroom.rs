//! Room for more: how many messages wait, how much disk is left, and what is refused while either has run out.
//!
//! The writer looks once a second. Copies and workers' writes are never refused here: they are what makes room again.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::super::{StoreError, StoreSize};
use super::SqliteConfig;
use super::ballast::{BALLAST, Ballast};
use super::open::{BUSY, folder, with_suffix};
use super::rows::count;
use crate::clock::Clock;

/// How often the writer looks. A disk that is written to at 100 MB/s loses a fifth of the default mark between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Intake resumes a tenth beyond the limit that stopped it, so that it does not flap at the limit.
const MARGIN: u64 = 10;

/// Less free disk than this frees the ballast, before a write fails for it: what the log grows by until SQLite moves it
/// into the database.
const NEARLY_FULL: u64 = 4 * MIB;

/// A longer log is cut when the writer rests. SQLite lets it grow to 4 MiB by itself; beyond, a reader or a wave of
/// writes was in the way.
const LOG_AT_REST: u64 = 16 * MIB;

const WAITING: &str = "SELECT count(*) FROM message INDEXED BY message_waiting WHERE turn IS NULL";

const MIB: u64 = 1_024 * 1_024;

/// Knows whether there is room for more.
#[derive(Debug)]
pub(super) struct Headroom {
    database: PathBuf,
    log: PathBuf,
    clock: Clock,
    backlog: u64,
    disk_low: u64,
    seen: Mutex<Seen>,
}

/// What the last look saw.
#[derive(Debug)]
struct Seen {
    at: Option<Duration>,
    size: StoreSize,
    ballast: Ballast,
}

impl Headroom {
    /// Looks at the disk alone, so that a full one has room to open a database on.
    pub(super) fn new(config: &SqliteConfig, clock: Clock) -> Self {
        let headroom = Self {
            database: config.path.clone(),
            log: with_suffix(&config.path, "-wal"),
            clock,
            backlog: config.backlog,
            disk_low: config.disk_low_mib.saturating_mul(MIB),
            seen: Mutex::new(Seen {
                at: None,
                size: StoreSize::default(),
                ballast: Ballast::beside(&config.path),
            }),
        };
        headroom.relieve();
        headroom
    }

    /// Says why nothing more is taken in, where that is so.
    pub(super) fn refusal(&self) -> Option<StoreError> {
        let size = self.size();
        if size.is_disk_low {
            Some(StoreError::DiskLow)
        } else if size.is_backlog_full {
            Some(StoreError::Backlog)
        } else {
            None
        }
    }

    /// Counts a message that was taken in, until the next look counts anew.
    pub(super) fn accepted(&self) {
        let mut seen = self.seen();
        let waiting = seen.size.waiting + 1;
        self.judge_backlog(&mut seen.size, waiting);
    }

    /// Gives what the last look saw.
    pub(super) fn size(&self) -> StoreSize {
        self.seen().size
    }

    /// Looks, where the last look is long enough ago. Tells whether it did.
    pub(super) fn look(&self, connection: &Connection) -> bool {
        let now = self.clock.elapsed();
        if self.seen().at.is_some_and(|at| now < at + LOOK_EVERY) {
            return false;
        }
        // Looking takes a while when many wait, and those who only ask what was seen must not wait for it.
        let waiting = count(connection, WAITING);
        self.relieve();
        let mut seen = self.seen();
        seen.at = Some(now);
        match waiting {
            Ok(waiting) => self.judge_backlog(&mut seen.size, waiting),
            Err(error) => tracing::warn!(%error, "the messages that wait could not be counted"),
        }
        let free = seen.size.disk_free_bytes;
        if !seen.size.is_disk_low && free >= self.disk_low.saturating_add(BALLAST) {
            seen.ballast.load();
        }
        true
    }

    /// Looks at the disk, and frees the ballast where it is full, or so full that the next write may fail.
    pub(super) fn relieve(&self) {
        let (database_bytes, wal_bytes) = (length(&self.database), length(&self.log));
        let disk = disk(&self.database);
        let mut seen = self.seen();
        seen.size.database_bytes = database_bytes;
        seen.size.wal_bytes = wal_bytes;
        if let Some((all, free)) = disk {
            seen.size.disk_bytes = all;
            self.judge_disk(&mut seen, free);
        }
    }

    /// Cuts a log that has grown large; only while nobody waits for the writer.
    pub(super) fn tidy(&self, connection: &Connection) {
        if self.size().wal_bytes <= LOG_AT_REST {
            return;
        }
        if let Err(error) = cut_log(connection) {
            tracing::debug!(%error, "the log could not be cut");
        }
        self.seen().size.wal_bytes = length(&self.log);
    }

    fn judge_backlog(&self, size: &mut StoreSize, waiting: u64) {
        size.waiting = waiting;
        let (was, backlog) = (size.is_backlog_full, self.backlog);
        size.is_backlog_full = is_full(was, waiting, backlog);
        match (was, size.is_backlog_full) {
            (false, true) => tracing::error!(
                waiting,
                backlog,
                "too many messages wait for an answer: new ones are refused until there are fewer"
            ),
            (true, false) => tracing::info!(waiting, backlog, "messages are taken in again"),
            _ => {}
        }
    }

    fn judge_disk(&self, seen: &mut Seen, free: u64) {
        let size = &mut seen.size;
        size.disk_free_bytes = free;
        let (was, low) = (size.is_disk_low, self.disk_low);
        size.is_disk_low = is_low(was, free, low);
        let (free_mib, low_mib) = (free / MIB, low / MIB);
        match (was, size.is_disk_low) {
            (false, true) => tracing::error!(
                free_mib,
                low_mib,
                "the disk is nearly full: new messages are refused until there is more room"
            ),
            (true, false) => {
                tracing::info!(
                    free_mib,
                    low_mib,
                    "the disk has room: messages are taken in again"
                );
            }
            _ => {}
        }
        if free < NEARLY_FULL && seen.ballast.free() {
            tracing::error!(
                free_mib,
                "the disk is full: the ballast is freed for the work under way"
            );
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whether too many wait, when it `was` so before.
fn is_full(was: bool, waiting: u64, backlog: u64) -> bool {
    let margin = if was { backlog / MARGIN } else { 0 };
    waiting >= backlog - margin
}

/// Tells whether too little is free, when it `was` so before.
fn is_low(was: bool, free: u64, low: u64) -> bool {
    let margin = if was { low / MARGIN } else { 0 };
    free < low.saturating_add(margin)
}

/// Moves the log into the database and empties it. A reader that is in the way is not waited for: he is gone soon.
fn cut_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let cut = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
    connection.busy_timeout(BUSY)?;
    cut
}

/// Gives the bytes of the disk that a file is on, and the free ones, as far as this process may use them.
fn disk(file: &Path) -> Option<(u64, u64)> {
    match rustix::fs::statvfs(folder(file)) {
        Ok(disk) => Some((
            disk.f_blocks.saturating_mul(disk.f_frsize),
            disk.f_bavail.saturating_mul(disk.f_frsize),
        )),
        Err(error) => {
            tracing::debug!(%error, "the free disk could not be measured");
            None
        }
    }
}

fn length(file: &Path) -> u64 {
    // A file that is not there yet is empty.
    std::fs::metadata(file).map_or(0, |file| file.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_stopped_intake_goes_on_until_there_is_a_tenth_more_room() {
        assert!(!is_full(false, 99, 100) && is_full(false, 100, 100));
        assert!(is_full(true, 90, 100) && !is_full(true, 89, 100));
        assert!(is_full(true, 1, 1) && !is_full(true, 0, 1));
        assert!(!is_low(false, 100, 100) && is_low(false, 99, 100));
        assert!(is_low(true, 109, 100) && !is_low(true, 110, 100));
    }
}
