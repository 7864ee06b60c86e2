//! Whether a file can be trusted: where it lies, and whether it is whole. Nothing here writes.

use std::path::Path;

use rusqlite::Connection;

use super::open::OpenError;

/// A larger file is not read through at the start, which has to be quick: this much takes about 0.2 s. A backup reads
/// through any.
const READ_AT_START: u64 = 64 * 1_024 * 1_024;

/// File systems on which SQLite's locks and shared memory do not hold, by the number that Linux knows them by.
#[cfg(target_os = "linux")]
const OVER_THE_NETWORK: [(u64, &str); 4] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0xff53_4d42, "CIFS"),
];

/// Refuses a file on a network file system, where that can be told.
pub(super) fn check_place(path: &Path) -> Result<(), OpenError> {
    #[cfg(target_os = "linux")]
    if let Ok(disk) = rustix::fs::statfs(super::open::folder(path))
        && let Some(kind) = network(u64::try_from(disk.f_type).unwrap_or_default())
    {
        return Err(OpenError::Network {
            path: path.to_owned(),
            kind,
        });
    }
    Ok(())
}

/// Reads the file through, unless it is large, and refuses one that is damaged.
pub(super) fn check_whole(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() > READ_AT_START) {
        return Ok(());
    }
    let found = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0));
    let found = found.unwrap_or_else(|error| error.to_string());
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(OpenError::Damaged {
            path: path.to_owned(),
            found,
        }),
    }
}

/// Names the network file system that a number stands for.
#[cfg(target_os = "linux")]
fn network(number: u64) -> Option<&'static str> {
    // Some platforms give the number as one with a sign.
    let number = number & 0xffff_ffff;
    let known = OVER_THE_NETWORK.iter().find(|(known, _)| *known == number);
    known.map(|(_, name)| *name)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network(0x6969), Some("NFS"));
        assert_eq!(network(0xff53_4d42), Some("CIFS"));
        for local in [0xef53, 0x0102_1994, 0x5846_5342, 0x794c_7630] {
            assert_eq!(network(local), None, "{local:x}");
        }
    }
}
