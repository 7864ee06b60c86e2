//! The figures, their medians, and how they are shown.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Writes to the disk that are timed; their median is told.
const SYNCS: usize = 200;

/// A figure of a round: what it is called, and how it is picked.
pub(crate) type Row<'a, F> = (&'a str, &'a dyn Fn(&F) -> f64);

/// What one round measured.
#[derive(Clone, Copy, Default)]
pub(crate) struct Figures {
    pub(crate) accepted_per_s: f64,
    pub(crate) accepted_p50_ms: f64,
    pub(crate) accepted_p99_ms: f64,
    pub(crate) turns_per_s: f64,
    pub(crate) busy_p99_ms: f64,
    pub(crate) alone_ms: f64,
    pub(crate) processor_us: f64,
    pub(crate) memory_idle_mb: f64,
    pub(crate) memory_in_flight_mb: f64,
}

/// Gives the median of a figure over the rounds.
pub(crate) fn median<F>(rounds: &[F], figure: &dyn Fn(&F) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(figure).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Raises the limit of open files as far as may be and prints what the figures depend on. Gives that limit.
pub(crate) fn environment(folder: &Path) -> Result<usize> {
    let cores = std::thread::available_parallelism()?;
    println!("cores: {cores}, shared by load, stand-ins and what is measured");
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files)?;
    let files = files.current.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    });
    println!("open files: {files} for each process; a turn in flight needs one");
    println!(
        "sync of 4 KiB to {}: {:.2} ms",
        folder.display(),
        sync(folder)?.as_secs_f64() * 1e3
    );
    Ok(files)
}

/// Prints the table.
pub(crate) fn print(gateway: &[Figures], relay: &[Figures]) {
    let rows: [Row<Figures>; 9] = [
        ("messages accepted/s, door alone", &|f| f.accepted_per_s),
        ("  p50 of the 202, ms", &|f| f.accepted_p50_ms),
        ("  p99 of the 202, ms", &|f| f.accepted_p99_ms),
        ("whole turns/s", &|f| f.turns_per_s),
        ("  p99 of the 202 meanwhile, ms", &|f| f.busy_p99_ms),
        ("a turn alone, message to Braze, ms", &|f| f.alone_ms),
        ("processor time per turn, us", &|f| f.processor_us),
        ("memory idle, MB", &|f| f.memory_idle_mb),
        ("memory at 10,000 in flight, MB", &|f| f.memory_in_flight_mb),
    ];
    println!();
    println!(
        "{:<36}{:>12}{:>12}{:>10}",
        "median of 3 rounds", "gateway", "relay", "ratio"
    );
    for (name, figure) in rows {
        let (gateway, relay) = (median(gateway, figure), median(relay, figure));
        println!(
            "{name:<36}{gateway:>12.1}{relay:>12.1}{:>9.0}%",
            100.0 * gateway / relay
        );
    }
    println!();
    println!(
        "Gateway: 202 after the sync to disk. Relay: parse, call, send, forget; it keeps nothing."
    );
}

/// Gives the median time of a small write that is synced.
fn sync(folder: &Path) -> Result<Duration> {
    let mut file = File::create(folder.join("sync"))?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let started = Instant::now();
        file.rewind()?;
        file.write_all(&[7; 4_096])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    Ok(times[SYNCS / 2])
}
