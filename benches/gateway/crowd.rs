//! A crowd of turns that wait for a slow model: the memory that they take, whether the door is as quick meanwhile, and
//! whether each of them gets its reply.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use frontdesk::shutdown::Shutdown;
use tokio::sync::Semaphore;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::load::{Load, Taken, Until};
use super::subject::{Kind, Settings, Subject};
use super::table::{self, Row, median};
use super::{CONNECTIONS, ROUNDS, WARM_UP, WINDOW, World, in_time};

/// Turns that wait.
const TURNS: usize = 20_000;

/// Open files that each process needs beside one for each waiting turn: the load, the store, connections to Braze.
const OTHER_FILES: usize = 500;

/// Messages a second while the door is timed: a busy business, and far from what the door can carry.
const RATE: u32 = 200;

/// Messages for which the door is timed; at this rate they take 15 s, for which the model keeps everybody waiting.
const TIMED: usize = 3_000;

/// What one round measured.
#[derive(Clone, Copy)]
struct Figures {
    memory_idle_mb: f64,
    memory_waiting_mb: f64,
    memory_peak_mb: f64,
    idle: Times,
    waiting: Times,
    answered_s: f64,
}

/// How long the door took, in milliseconds.
#[derive(Clone, Copy)]
struct Times {
    p50: f64,
    p99: f64,
}

impl From<Taken> for Times {
    fn from(taken: Taken) -> Self {
        let ms = |percent| taken.percentile(percent).as_secs_f64() * 1e3;
        Self {
            p50: ms(50),
            p99: ms(99),
        }
    }
}

/// Measures a crowd as large as the open files allow, and prints what it took.
pub(crate) async fn measure() -> Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let files = table::environment(folder.path())?;
    let turns = TURNS.min(files.saturating_sub(OTHER_FILES));
    if turns < TURNS {
        println!(
            "so only {turns} turns can wait: raise the hard limit to {}",
            TURNS + OTHER_FILES
        );
    }
    let shutdown = Shutdown::new();
    let world = World::open(&shutdown).await?;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let folder = folder.path().join(round.to_string());
        std::fs::create_dir(&folder)?;
        let started = Instant::now();
        let figures = world.crowd(turns, &folder).await?;
        println!(
            "round {}: {:.0} MB, p99 {:.1} ms idle and {:.1} ms waiting, in {:.0?}",
            round + 1,
            figures.memory_waiting_mb,
            figures.idle.p99,
            figures.waiting.p99,
            started.elapsed()
        );
        rounds.push(figures);
    }
    print(turns, &rounds);
    shutdown.stop();
    Ok(())
}

impl World {
    /// Times the door, lets so many turns wait for the model, times the door again, and sees that all are answered.
    async fn crowd(&self, turns: usize, folder: &Path) -> Result<Figures> {
        self.model.clear();
        self.braze.clear();
        let settings = Settings { quiet: "0s", turns };
        let subject = Subject::start(Kind::Gateway, folder, settings, self).await?;
        let load = Load::new(subject.address(), subject.turns());
        let mut posted = self.pass(&load, Until::Count(WARM_UP), WINDOW).await?.count;
        let memory_idle_mb = subject.memory_mb()?;
        let idle = paced(&load).await?;
        posted += TIMED;
        in_time("every reply", self.braze.wait_for_sent(posted as u64)).await?;

        let hold = self.model.hold();
        let unbounded = Semaphore::new(Semaphore::MAX_PERMITS);
        load.post(CONNECTIONS, Until::Count(turns), &unbounded)
            .await?;
        posted += turns;
        in_time(
            "all to wait for the model",
            self.model.wait_for(posted as u64),
        )
        .await?;
        let waiting = paced(&load).await?;
        let memory_waiting_mb = subject.memory_mb()?;
        // No slot is free, so what was posted meanwhile has been stored and no more.
        ensure!(
            self.model.request_count() == posted as u64,
            "not all waited"
        );
        posted += TIMED;

        let released = Instant::now();
        drop(hold);
        in_time(
            "all to be answered",
            self.braze.wait_for_sent(posted as u64),
        )
        .await?;
        let answered_s = released.elapsed().as_secs_f64();
        ensure!(
            self.braze.sent_count() == posted as u64,
            "more replies than messages"
        );
        let replied = subject.replied()?;
        ensure!(
            replied == posted,
            "{replied} of {posted} got the model's answer"
        );
        Ok(Figures {
            memory_idle_mb,
            memory_waiting_mb,
            memory_peak_mb: subject.memory_peak_mb()?,
            idle: idle.into(),
            waiting: waiting.into(),
            answered_s,
        })
    }
}

/// Posts at an even rate.
async fn paced(load: &Load) -> Result<Taken> {
    let open = Semaphore::new(0);
    let mut ticks = interval(Duration::from_secs(1) / RATE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    tokio::select! {
        taken = load.post(CONNECTIONS, Until::Count(TIMED), &open) => taken,
        () = open_up(&open, ticks) => unreachable!("it ticks for ever"),
    }
}

async fn open_up(open: &Semaphore, mut ticks: Interval) {
    loop {
        ticks.tick().await;
        open.add_permits(1);
    }
}

fn print(turns: usize, rounds: &[Figures]) {
    let kb = |f: &Figures| (f.memory_waiting_mb - f.memory_idle_mb) * 1e3;
    let rows: [Row<Figures>; 9] = [
        ("memory idle, MB", &|f| f.memory_idle_mb),
        ("memory while they wait, MB", &|f| f.memory_waiting_mb),
        ("  for each of them, KB", &|f| kb(f) / turns as f64),
        ("memory at most, MB", &|f| f.memory_peak_mb),
        ("p50 of the 202 idle, ms", &|f| f.idle.p50),
        ("p50 of the 202 while they wait, ms", &|f| f.waiting.p50),
        ("p99 of the 202 idle, ms", &|f| f.idle.p99),
        ("p99 of the 202 while they wait, ms", &|f| f.waiting.p99),
        ("from the model's answers to the last reply, s", &|f| {
            f.answered_s
        }),
    ];
    println!();
    println!("{turns} turns wait, {RATE} messages/s come in; median of {ROUNDS} rounds");
    for (name, figure) in rows {
        println!("{name:<46}{:>10.1}", median(rounds, figure));
    }
    let ratio = median(rounds, &|f| f.waiting.p99 / f.idle.p99);
    println!("{:<46}{:>9.0}%", "  waiting to idle", 100.0 * ratio);
    println!("{:<46}{:>10}", "messages without the model's answer", 0);
}
