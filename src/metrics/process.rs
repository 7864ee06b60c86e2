//! What the kernel tells about this process, where there is a `/proc`.

use std::fs;

/// What is known; nothing on systems that do not tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_files: Option<u64>,
    pub(super) most_files: Option<u64>,
}

/// Looks at the process.
pub(super) fn look() -> Process {
    let text = |name| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
    let open = fs::read_dir("/proc/self/fd").map(Iterator::count);
    Process {
        resident_bytes: resident(&text("status")),
        open_files: open.ok().and_then(|open| u64::try_from(open).ok()),
        most_files: most_files(&text("limits")),
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(1_024))
}

/// Gives the soft limit, which is the one that counts; nothing where there is none.
fn most_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_read() {
        assert_eq!(
            resident("VmPeak:\t  9 kB\nVmRSS:\t   2048 kB\n"),
            Some(2_097_152)
        );
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files    1024    524288    files\n";
        assert_eq!(most_files(limits), Some(1_024));
        assert_eq!(
            most_files("Max open files  unlimited unlimited files"),
            None
        );
        assert_eq!((resident(""), most_files("")), (None, None));
    }
}
