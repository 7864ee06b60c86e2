//! What is measured, as a process of its own.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags};
use tokio::net::TcpStream;

use super::World;
use super::load::SECRET;

/// How often the kernel counts processor time in a second, as user space sees it; the same on every Linux.
const TICKS_PER_S: u64 = 100;

/// How long a process may take to listen.
const START: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gateway,
    Relay,
}

/// How the gateway is set, but for what is the same each time.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// How long it waits for more of the same customer.
    pub(crate) quiet: &'static str,
    /// Turns in flight at most.
    pub(crate) turns: usize,
}

impl Settings {
    pub(crate) fn quiet(quiet: &'static str) -> Self {
        Self {
            quiet,
            turns: 20_000,
        }
    }
}

/// A running process; it ends when this is dropped.
pub(crate) struct Subject {
    kind: Kind,
    address: SocketAddr,
    database: PathBuf,
    process: Child,
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended by itself, which the measurement has noticed then.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Subject {
    /// Starts it, and waits until it listens.
    pub(crate) async fn start(
        kind: Kind,
        folder: &Path,
        settings: Settings,
        world: &World,
    ) -> Result<Self> {
        let quiet = settings.quiet;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = match kind {
            Kind::Gateway => {
                let file = folder.join(format!("quiet-{quiet}.toml"));
                std::fs::write(&file, configuration(address, settings, world))?;
                let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
                command.args(["serve", "--config"]).arg(file);
                command.env("INBOUND", SECRET).env("BRAZE_KEY", "key");
                command
            }
            Kind::Relay => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["relay", &address.to_string()]);
                command.args([world.model.url(), world.braze.url()]);
                command
            }
        };
        let log = File::create(folder.join(format!("quiet-{quiet}.log")))?;
        let process = command.stdin(Stdio::null()).stderr(log).spawn()?;
        let subject = Self {
            kind,
            address,
            database: folder.join(format!("quiet-{quiet}.db")),
            process,
        };
        let started = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            ensure!(started.elapsed() < START, "{kind:?} does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(subject)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Gives the path where a message is only taken.
    pub(crate) fn door(&self) -> &'static str {
        match self.kind {
            Kind::Gateway => "/v1/inbound/support",
            Kind::Relay => "/door",
        }
    }

    /// Gives the path where a message is answered.
    pub(crate) fn turns(&self) -> &'static str {
        match self.kind {
            Kind::Gateway => "/v1/inbound/support",
            Kind::Relay => "/turns",
        }
    }

    /// Gives the memory that it holds now, in megabytes.
    pub(crate) fn memory_mb(&self) -> Result<f64> {
        self.memory("VmRSS:")
    }

    /// Gives the most memory that it has ever held, in megabytes.
    pub(crate) fn memory_peak_mb(&self) -> Result<f64> {
        self.memory("VmHWM:")
    }

    /// Gives how many messages have got the model's answer, by the gateway's own book.
    pub(crate) fn replied(&self) -> Result<usize> {
        let book = Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let count =
            "SELECT count(*) FROM message WHERE author = 'customer' AND outcome = 'replied'";
        let count: u32 = book.query_one(count, (), |row| row.get(0))?;
        Ok(usize::try_from(count)?)
    }

    fn memory(&self, name: &str) -> Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
        let kib: f64 = kib.context("no such line")?.parse()?;
        Ok(kib * 1_024.0 / 1e6)
    }

    /// Gives the processor time that it has used so far, in user space and for it in the kernel.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // The name in parentheses may hold anything, so the fields are counted from behind it.
        let (_, fields) = stat.rsplit_once(')').context("no stat")?;
        let field = |index: usize| -> Result<u64> {
            let field = fields.split_whitespace().nth(index);
            Ok(field.context("a short stat")?.parse()?)
        };
        Ok(Duration::from_millis(
            (field(11)? + field(12)?) * 1_000 / TICKS_PER_S,
        ))
    }

    fn proc(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.process.id());
        std::fs::read_to_string(&path).with_context(|| format!("{path}: this needs Linux"))
    }
}

/// Gives the gateway's configuration: its defaults, but for what would pace it.
fn configuration(address: SocketAddr, settings: Settings, world: &World) -> String {
    let Settings { quiet, turns } = settings;
    format!(
        r#"
        [server]
        listen = "{address}"
        [operator]
        listen = "127.0.0.1:0"
        [store]
        path = "quiet-{quiet}.db"
        [burst]
        quiet = "{quiet}"
        cap = "5m"
        [turns]
        in_flight = {turns}
        [workspaces.main]
        endpoint = "{}"
        api_key = "env::BRAZE_KEY"
        rate = 10000
        burst = 10000
        concurrency = 256
        [models.main]
        base_url = "{}"
        model = "stand-in"
        concurrency = 20000
        [assistants.support]
        deadline = "5m"
        secrets = ["env::INBOUND"]
        campaign_id = "campaign-1"
        [assistants.support.business]
        name = "Acme"
        "#,
        world.braze.url(),
        world.model.url(),
    )
}
