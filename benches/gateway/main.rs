//! What the gateway can carry, beside a bare relay on the same machine in the same minutes: `cargo bench --bench gateway`.
//!
//! Gateway and relay each run as a process of their own, so that their memory and processor time are theirs alone. This
//! process posts the messages and holds the stand-ins that both of them call, so the machine's cores are shared by all
//! three; read the ratios first, and the processor time per turn next.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its table, measures the real time, and rounds"
)]

mod crowd;
mod load;
mod relay;
mod subject;
mod table;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::{Braze, Model};
use frontdesk::shutdown::Shutdown;
use tokio::sync::Semaphore;

use load::{Load, Until};
use subject::{Kind, Settings, Subject};
use table::Figures;

/// Rounds, gateway and relay by turns; the table shows medians. Three are enough to see one that went astray.
const ROUNDS: usize = 3;

/// How long a rate is measured: some ten thousand turns, and a few write-ahead logs taken over into the database.
const SPAN: Duration = Duration::from_secs(6);

/// Connections that post at once.
const CONNECTIONS: usize = 64;

/// Messages that are accepted and not yet answered, at most: enough to keep everything busy, too few to pile up.
const WINDOW: usize = 512;

/// Turns before a measurement: connections are open and caches filled then.
const WARM_UP: usize = 500;

/// Turns one after the other, for the time that a turn takes when nothing else runs.
const ALONE: usize = 200;

/// Turns in flight while the memory is read.
const IN_FLIGHT: usize = 10_000;

/// How long anything may take before the benchmark gives up.
const PATIENCE: Duration = Duration::from_mins(2);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["relay", listen, model, braze] => runtime.block_on(relay::serve(listen, model, braze)),
        // Cargo adds the flag behind what it was given.
        ["--bench"] => runtime.block_on(measure()),
        ["crowd", "--bench"] => runtime.block_on(crowd::measure()),
        [unknown, "--bench"] => bail!("no such measurement: {unknown}"),
        // `cargo test --all-targets` starts benchmarks too; there it is enough that this one compiles.
        _ => Ok(()),
    }
}

/// What both subjects call.
struct World {
    model: Model,
    braze: Braze,
}

async fn measure() -> Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    table::environment(folder.path())?;
    let shutdown = Shutdown::new();
    let world = World::open(&shutdown).await?;
    let mut gateway = Vec::new();
    let mut relay = Vec::new();
    for round in 0..ROUNDS {
        for (kind, figures) in [(Kind::Gateway, &mut gateway), (Kind::Relay, &mut relay)] {
            let folder = folder.path().join(format!("{kind:?}-{round}"));
            std::fs::create_dir(&folder)?;
            let started = Instant::now();
            let measured = world.round(kind, &folder).await?;
            println!(
                "round {}, {kind:?}: {:.0} turns/s, {:.0} us each, in {:.0?}",
                round + 1,
                measured.turns_per_s,
                measured.processor_us,
                started.elapsed()
            );
            figures.push(measured);
        }
    }
    table::print(&gateway, &relay);
    shutdown.stop();
    Ok(())
}

impl World {
    async fn open(shutdown: &Shutdown) -> Result<Self> {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let model = Model::start(anywhere, shutdown).await?;
        let braze = Braze::start(anywhere, shutdown).await?;
        model.record(false);
        model.respond_with(|_| Reply::says("Yes, we are open until eight."));
        braze.record(false);
        braze.limit(u64::MAX, Duration::from_hours(1));
        Ok(Self { model, braze })
    }

    async fn round(&self, kind: Kind, folder: &Path) -> Result<Figures> {
        let mut figures = Figures::default();
        self.door(kind, folder, &mut figures).await?;
        self.turns(kind, folder, &mut figures).await?;
        Ok(figures)
    }

    /// Measures the door alone: nothing is worked on.
    async fn door(&self, kind: Kind, folder: &Path, figures: &mut Figures) -> Result<()> {
        let subject = Subject::start(kind, folder, Settings::quiet("5m"), self).await?;
        let load = Load::new(subject.address(), subject.door());
        let unbounded = Semaphore::new(Semaphore::MAX_PERMITS);
        load.post(CONNECTIONS, Until::Count(WARM_UP), &unbounded)
            .await?;
        let taken = load
            .post(CONNECTIONS, Until::Passed(SPAN / 2), &unbounded)
            .await?;
        figures.accepted_per_s = taken.per_second();
        figures.accepted_p50_ms = taken.percentile(50).as_secs_f64() * 1e3;
        figures.accepted_p99_ms = taken.percentile(99).as_secs_f64() * 1e3;
        Ok(())
    }

    /// Measures whole turns: one by one, as many as it can, and the memory of many that wait for the model.
    async fn turns(&self, kind: Kind, folder: &Path, figures: &mut Figures) -> Result<()> {
        self.model.clear();
        self.braze.clear();
        let subject = Subject::start(kind, folder, Settings::quiet("0s"), self).await?;
        let load = Load::new(subject.address(), subject.turns());
        figures.memory_idle_mb = subject.memory_mb()?;
        let posted = self.pass(&load, Until::Count(WARM_UP), WINDOW).await?.count;

        let started = Instant::now();
        let alone = self.pass(&load, Until::Count(ALONE), 1).await?.count;
        figures.alone_ms = started.elapsed().as_secs_f64() * 1e3 / ALONE as f64;

        let (before, started) = (subject.processor_time()?, Instant::now());
        let many = self.pass(&load, Until::Passed(SPAN), WINDOW).await?;
        let took = started.elapsed();
        let spent = subject.processor_time()?.saturating_sub(before);
        figures.turns_per_s = many.count as f64 / took.as_secs_f64();
        figures.processor_us = spent.as_secs_f64() * 1e6 / many.count as f64;
        figures.busy_p99_ms = many.percentile(99).as_secs_f64() * 1e3;

        let answered = posted + alone + many.count;
        ensure!(self.model.request_count() == answered as u64);
        let hold = self.model.hold();
        let unbounded = Semaphore::new(Semaphore::MAX_PERMITS);
        load.post(CONNECTIONS, Until::Count(IN_FLIGHT), &unbounded)
            .await?;
        let all = (answered + IN_FLIGHT) as u64;
        in_time("all to wait for the model", self.model.wait_for(all)).await?;
        figures.memory_in_flight_mb = subject.memory_mb()?;
        drop(hold);
        // The relay promises nothing: sending 10,000 replies at once, it may run out of open files and forget some.
        if kind == Kind::Gateway {
            in_time("all to be answered", self.braze.wait_for_sent(all)).await?;
            ensure!(self.braze.sent_count() == all, "more replies than messages");
        }
        Ok(())
    }

    /// Posts while no more than `window` messages wait for their reply, then waits for the last one.
    async fn pass(&self, load: &Load, until: Until, window: usize) -> Result<load::Taken> {
        let open = Semaphore::new(window);
        let start = self.braze.sent_count();
        let reopening = async {
            let mut answered = start;
            loop {
                self.braze.wait_for_sent(answered + 1).await;
                let now = self.braze.sent_count();
                open.add_permits(usize::try_from(now - answered).unwrap_or_default());
                answered = now;
            }
        };
        let posting = async {
            let taken = load.post(CONNECTIONS, until, &open).await?;
            in_time(
                "every reply",
                self.braze.wait_for_sent(start + taken.count as u64),
            )
            .await?;
            Ok(taken)
        };
        tokio::select! {
            taken = posting => taken,
            () = reopening => unreachable!("it counts for ever"),
        }
    }
}

async fn in_time(what: &str, happens: impl Future<Output = ()>) -> Result<()> {
    tokio::time::timeout(PATIENCE, happens)
        .await
        .with_context(|| format!("waited in vain for {what}"))
}
