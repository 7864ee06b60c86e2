//! What holds at the moment of a scrape: read anew for each, and gone afterwards.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::parts::{Counters, Labels, PREFIX};
use super::{Metrics, process};

/// A gauge of a number with a fraction.
type Fraction = Gauge<f64, AtomicU64>;

/// What stands in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Customers' messages without an outcome.
    pub waiting: u64,
    /// When the oldest of them was stored.
    pub oldest_waiting: Option<Timestamp>,
    /// Conversations that are worked on.
    pub claimed: u64,
    /// Conversations that people have, or were asked to take.
    pub handed_off: u64,
    /// Deliveries that are not over, by lane and state.
    pub deliveries: Vec<(&'static str, &'static str, u64)>,
    /// Replies that wait to leave, by assistant.
    pub replies: Vec<(String, u64)>,
    /// Bodies that could not be read.
    pub quarantined: u64,
    /// Writes that wait for the store's writer.
    pub queued: u64,
    /// Bytes of the database file.
    pub database_bytes: u64,
    /// Bytes of its write-ahead log.
    pub wal_bytes: u64,
    /// Bytes of the disk that it is on, where that can be told.
    pub disk_bytes: Option<u64>,
    /// Bytes that are free there.
    pub disk_free_bytes: Option<u64>,
    /// Whether new messages are refused because the disk is nearly full.
    pub is_disk_low: bool,
    /// Whether new messages are refused because too many wait.
    pub is_backlog_full: bool,
}

/// An assistant's prompt folder.
#[derive(Clone, Debug)]
pub struct Folder<'a> {
    /// The assistant's name.
    pub assistant: &'a str,
    /// The version in force.
    pub version: String,
    /// How often another version was put in force.
    pub swapped: u64,
    /// How often it was broken when it was looked at.
    pub refused: u64,
    /// Whether it was at the last look.
    pub is_broken: bool,
}

/// Registers what holds now.
pub(super) fn registry(
    metrics: &Metrics,
    now: Timestamp,
    standing: Option<&Standing>,
    folders: &[Folder<'_>],
) -> Registry {
    let mut registry = Registry::with_prefix(PREFIX);
    count(
        &mut registry,
        "store_readable",
        "1 where the store answered this scrape; where it did not, what stands in it is missing",
        u64::from(standing.is_some()),
    );
    if let Some(standing) = standing {
        rows(&mut registry, standing, now);
        files(&mut registry, standing);
    }
    gates(&mut registry, metrics, now, standing);
    prompts(&mut registry, folders);
    own_process(&mut registry, metrics.started);
    registry
}

fn rows(registry: &mut Registry, standing: &Standing, now: Timestamp) {
    let age = standing
        .oldest_waiting
        .map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64());
    let oldest = Fraction::default();
    oldest.set(age.max(0.0));
    registry.register_with_unit(
        "oldest_waiting",
        "Age of the oldest customer's message without an outcome; 0 where none waits",
        Unit::Seconds,
        oldest,
    );
    let deliveries = Family::<Labels, Gauge>::default();
    for (lane, state, rows) in &standing.deliveries {
        let labels = vec![("lane", (*lane).to_owned()), ("state", (*state).to_owned())];
        deliveries.get_or_create(&labels).set(whole(*rows));
    }
    registry.register(
        "deliveries",
        "Deliveries that are not over: ready, sending; held by on_unknown; dead",
        deliveries,
    );
    for (name, help, rows) in [
        (
            "messages_without_outcome",
            "Customers' messages that wait for an outcome",
            standing.waiting,
        ),
        (
            "conversations_claimed",
            "Conversations that are worked on",
            standing.claimed,
        ),
        (
            "conversations_handed_off",
            "Conversations that people have, or were asked to take",
            standing.handed_off,
        ),
        (
            "quarantined",
            "Bodies in quarantine, since they could not be read",
            standing.quarantined,
        ),
        (
            "store_queued_writes",
            "Writes that wait for the store's writer",
            standing.queued,
        ),
    ] {
        count(registry, name, help, rows);
    }
}

fn files(registry: &mut Registry, standing: &Standing) {
    let refused = Family::<Labels, Gauge>::default();
    for (reason, is_so) in [
        ("disk_low", standing.is_disk_low),
        ("backlog", standing.is_backlog_full),
    ] {
        let labels = vec![("reason", reason.to_owned())];
        refused.get_or_create(&labels).set(i64::from(is_so));
    }
    registry.register(
        "intake_refused",
        "1 while new messages are refused for this reason",
        refused,
    );
    let sizes = [
        (
            "database",
            "Size of the database file",
            Some(standing.database_bytes),
        ),
        (
            "wal",
            "Size of the database's write-ahead log",
            Some(standing.wal_bytes),
        ),
        (
            "disk_size",
            "Size of the disk that the database is on",
            standing.disk_bytes,
        ),
        (
            "disk_free",
            "What is free on the disk that the database is on",
            standing.disk_free_bytes,
        ),
    ];
    for (name, help, bytes) in sizes {
        if let Some(bytes) = bytes {
            let gauge = Gauge::<i64>::default();
            gauge.set(whole(bytes));
            registry.register_with_unit(name, help, Unit::Bytes, gauge);
        }
    }
}

fn gates(registry: &mut Registry, metrics: &Metrics, now: Timestamp, standing: Option<&Standing>) {
    let shut = Family::<Labels, Fraction>::default();
    let left = Family::<Labels, Gauge>::default();
    let empty = Family::<Labels, Fraction>::default();
    for (name, workspace) in &metrics.workspaces {
        let labels = vec![("workspace", name.clone())];
        shut.get_or_create(&labels).set(workspace.shut_seconds(now));
        if let Some(requests) = workspace.left() {
            left.get_or_create(&labels).set(whole(requests));
        }
        if let Some(standing) = standing {
            let seconds = workspace.empty_in(now, &standing.replies);
            empty.get_or_create(&labels).set(seconds);
        }
    }
    registry.register(
        "gate_headroom",
        "Requests that Braze has left for a workspace until its window ends, as its last answer said",
        left,
    );
    registry.register_with_unit(
        "gate_empty_in",
        "Time in which the replies that wait now will have left a workspace, as far as can be told",
        Unit::Seconds,
        empty,
    );
    registry.register_with_unit(
        "gate_shut",
        "Time until a workspace's gate opens again, as Braze or a refused key has it; 0 while it is open",
        Unit::Seconds,
        shut,
    );
}

fn prompts(registry: &mut Registry, folders: &[Folder<'_>]) {
    let versions = Family::<Labels, Gauge>::default();
    let fine = Family::<Labels, Gauge>::default();
    let reloads = Counters::default();
    for folder in folders {
        let named = ("assistant", folder.assistant.to_owned());
        versions
            .get_or_create(&vec![named.clone(), ("version", folder.version.clone())])
            .set(1);
        fine.get_or_create(&vec![named.clone()])
            .set(i64::from(!folder.is_broken));
        for (result, count) in [("swapped", folder.swapped), ("failed", folder.refused)] {
            reloads
                .get_or_create(&vec![named.clone(), ("result", result.to_owned())])
                .inc_by(count);
        }
    }
    registry.register(
        "prompt_version",
        "1 for the version of the prompt folder in force",
        versions,
    );
    registry.register(
        "prompts_fine",
        "1 where the prompt folder was in order when it was last read; else an older version is in force",
        fine,
    );
    registry.register(
        "prompt_reloads",
        "Looks at a prompt folder that found it changed, or found it broken",
        reloads,
    );
}

fn own_process(registry: &mut Registry, started: Timestamp) {
    let start = Fraction::default();
    start.set(started.as_duration().as_secs_f64());
    registry.register_with_unit(
        "process_start_time",
        "When the gateway started, since 1970",
        Unit::Seconds,
        start,
    );
    let process = process::look();
    if let Some(bytes) = process.resident_bytes {
        let resident = Gauge::<i64>::default();
        resident.set(whole(bytes));
        registry.register_with_unit(
            "process_resident_memory",
            "Memory that the process holds",
            Unit::Bytes,
            resident,
        );
    }
    if let Some(open) = process.open_files {
        count(
            registry,
            "process_open_fds",
            "Open files and connections",
            open,
        );
    }
    if let Some(most) = process.most_files {
        count(
            registry,
            "process_max_fds",
            "Open files and connections that the process may have",
            most,
        );
    }
}

fn count(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(whole(value));
    registry.register(name, help, gauge);
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
