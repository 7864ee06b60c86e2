//! Opening the file: one process at a time, a library without known faults, a schema that this version knows.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::sound;

/// Each migration brings the file one version up; its place in the list is the version it brings about.
const MIGRATIONS: [&str; 6] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
    include_str!("schema/0003.sql"),
    include_str!("schema/0004.sql"),
    include_str!("schema/0005.sql"),
    include_str!("schema/0006.sql"),
];

/// Every table, so that a file which lacks one is met at the start.
const TABLES: &str = "SELECT 1 FROM conversation, message, delivery, handoff, seen, probe, quarantine, audit, erasure, \
     conversation_spending, assistant_spending, desk_act";

/// Marks the file as ours (`FDSK`), so that another program's database is never touched.
const APPLICATION_ID: i32 = 0x4644_534b;

/// The first SQLite without the race that could corrupt a write-ahead log while it is reset.
const SQLITE_AT_LEAST: i32 = 3_051_003;

/// How long a connection waits for a lock. Our own hold it for milliseconds; others are people who look into the file.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{path} is in use by another process; only one gateway may work on a SQLite file")]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// A newer version of this program wrote it.
    #[error(
        "{path} has schema version {found}, this program knows up to {known}; use the newer program"
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// The version in the file.
        found: usize,
        /// The newest version that this program knows.
        known: usize,
    },
    /// It is a database, but not ours.
    #[error("{path} is a database of another program; name another file in `store.path`")]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// What is in it contradicts itself.
    #[error("{path} is damaged ({found}); it was left as it is: put it aside and restore a backup")]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// The first thing that is wrong.
        found: String,
    },
    /// It lies where SQLite's locks do not hold.
    #[error("{path} is on a network file system ({kind}); put the store on a local disk")]
    Network {
        /// The database file.
        path: PathBuf,
        /// The file system.
        kind: &'static str,
    },
    /// The SQLite library is too old to be trusted with the data.
    #[error("this program was built with SQLite {found}; 3.51.3 or newer is needed")]
    OldLibrary {
        /// The library's version.
        found: &'static str,
    },
    /// The file or its folder cannot be used.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite cannot use the file.
    #[error("cannot open {path} as a database: {source}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// Tells whether the file is there and is not one for this program: what only another file or program can mend.
    pub fn is_wrong_file(&self) -> bool {
        matches!(self, Self::NewerSchema { .. } | Self::Foreign { .. })
    }
}

/// Holds the file for this process as long as it lives.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held for its lock alone")] File);

/// Takes the file for this process.
pub(super) fn lock(path: &Path) -> Result<Lock, OpenError> {
    sound::check_place(path)?;
    let lock_path = with_suffix(path, ".lock");
    let io = |source| OpenError::Io {
        path: lock_path.clone(),
        source,
    };
    let file = private_file(&lock_path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Opens the connection that writes, and brings the schema up to date.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    if rusqlite::version_number() < SQLITE_AT_LEAST {
        return Err(OpenError::OldLibrary {
            found: rusqlite::version(),
        });
    }
    // Made here, so that nobody else can read it from the first byte on.
    private_file(path).map_err(|source| OpenError::Io {
        path: path.to_owned(),
        source,
    })?;
    let database = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let connection = Connection::open(path).map_err(database)?;
    check_identity(&connection, path)?;
    sound::check_whole(&connection, path)?;
    configure(&connection).map_err(database)?;
    migrate(&connection).map_err(database)?;
    connection.prepare(TABLES).map_err(database)?;
    sync_what_was_left(&connection).map_err(database)?;
    Ok(connection)
}

/// Opens a connection that can only read.
pub(super) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let connection = Connection::open_with_flags(path, flags).map_err(database)?;
    connection
        .execute_batch("PRAGMA query_only = ON")
        .and_then(|()| connection.busy_timeout(BUSY))
        .map_err(database)?;
    keep_plans(&connection).map_err(database)?;
    Ok(connection)
}

/// Writes the file anew. A delete overwrites its row, but not the copies that stay behind where SQLite splits a page.
pub(super) fn rewrite(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("VACUUM")?;
    Ok(())
}

/// Moves the log into the file and cuts it to nothing. `false` where somebody reads in it.
pub(super) fn empty_log(connection: &Connection) -> Result<bool, StoreError> {
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
    Ok(!is_busy)
}

/// Refuses what is not ours, or a newer version's.
pub(super) fn check_identity(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let database = |source| OpenError::Database {
        path: path.to_owned(),
        source,
    };
    let application = pragma("application_id").map_err(database)?;
    let version = pragma("user_version").map_err(database)?;
    let found = usize::try_from(version).unwrap_or(usize::MAX);
    // Most programs mark nothing, so a file without marks is new only if there is nothing in it.
    let is_new = application == 0 && found == 0 && is_empty(connection).map_err(database)?;
    if application != APPLICATION_ID && !is_new {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    if found > MIGRATIONS.len() {
        return Err(OpenError::NewerSchema {
            path: path.to_owned(),
            found,
            known: MIGRATIONS.len(),
        });
    }
    Ok(())
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)",
        (),
        |row| row.get(0),
    )
}

/// WAL with a full sync: what was committed survives a power cut. Deleted text is overwritten on disk.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA journal_size_limit = 67108864;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    keep_plans(connection)
}

/// Syncs what an earlier process may have written without being alive for its sync. It counts as committed from here on,
/// copies of its messages are answered as such, and a power cut must not take it.
fn sync_what_was_left(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)")
}

/// Makes a prepared statement keep its plan. Else SQLite plans it anew for new values, at the cost of running it twice.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let done = usize::try_from(version).unwrap_or_default();
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        let version = index + 1;
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {sql} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}; COMMIT;"
        ))?;
    }
    Ok(())
}

/// Opens a file for writing, made where it is missing, readable for its owner alone.
pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Gives the folder that a file is in.
pub(super) fn folder(file: &Path) -> &Path {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Gives the path of a file that stands beside another.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
