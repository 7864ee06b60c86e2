//! What is measured, as a process of its own.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
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

/// A running process; it ends when this is dropped.
pub(crate) struct Subject {
    kind: Kind,
    address: SocketAddr,
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
        quiet: &str,
        world: &World,
    ) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = match kind {
            Kind::Gateway => {
                let file = folder.join(format!("quiet-{quiet}.toml"));
                std::fs::write(&file, configuration(address, quiet, world))?;
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
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
        let kib: f64 = kib.context("no VmRSS")?.parse()?;
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
fn configuration(address: SocketAddr, quiet: &str, world: &World) -> String {
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
        in_flight = 20000
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
