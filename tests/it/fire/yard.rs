//! What stands around the real program, and the program itself: started, killed, stopped, looked into.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::{Braze, Model, Phone, Plan};
use frontdesk::shutdown::Shutdown;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::shim::Shim;
use crate::world::{INBOUND_SECRET, NO_BRAKE, soon};

/// Sends under way at once: as many can be in doubt after each kill.
pub(crate) const CONCURRENCY: usize = 8;

/// How often the file is asked whether something has happened: a busier eye would take the machine from the program
/// that it watches.
const LOOK: Duration = Duration::from_millis(50);

/// How long a load may take to be worked off once nothing disturbs it any more.
const DRAINED_WITHIN_S: u32 = 120;

/// What stands around the program: a model that says what it heard, Braze, a configuration, a folder for the file.
pub(crate) struct Yard {
    pub(crate) model: Model,
    pub(crate) braze: Braze,
    pub(crate) config: PathBuf,
    pub(super) shim: Shim,
    is_shimmed: bool,
    pub(crate) folder: TempDir,
    outside: Shutdown,
}

/// A running program.
pub(crate) struct Gateway {
    pub(crate) child: Child,
    pub(crate) address: String,
    pub(crate) log: mpsc::UnboundedReceiver<String>,
}

impl Yard {
    /// Starts the neighbours; `more` is more of the configuration, whole tables.
    pub(crate) async fn start(more: &str) -> Self {
        let outside = Shutdown::new();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let model = Model::start(anywhere, &outside).await.unwrap();
        let braze = Braze::start(anywhere, &outside).await.unwrap();
        model.respond_with(heard);
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("gateway.toml");
        let text = configuration(&braze.url(), &model.url(), more);
        std::fs::write(&config, text).unwrap();
        let shim = Shim::new(folder.path(), &folder.path().join("frontdesk.db"));
        Self {
            model,
            braze,
            config,
            shim,
            is_shimmed: false,
            folder,
            outside,
        }
    }

    /// Starts the neighbours of a program that has the shim between it and the system.
    pub(crate) async fn shimmed(more: &str) -> Self {
        let mut yard = Self::start(more).await;
        yard.is_shimmed = true;
        yard
    }

    /// Makes the neighbours slow enough for a kill to find something under way.
    pub(crate) fn dawdle(&self) {
        self.model.misbehave(Plan::delay(Duration::from_millis(15)));
        self.braze
            .misbehave(Plan::delay(Duration::from_millis(15)).taken());
    }

    /// Starts the program and waits until it says that it is ready.
    pub(crate) async fn serve(&self) -> Gateway {
        let mut command = command(&["serve"], &self.config);
        if self.is_shimmed {
            self.shim.load(&mut command);
        }
        let mut child = command.spawn().unwrap();
        let (lines, log) = mpsc::unbounded_channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // Read to the end whatever happens: a full pipe would stop the program.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                drop(lines.send(line));
            }
        });
        let mut gateway = Gateway {
            child,
            address: String::new(),
            log,
        };
        let ready = soon(gateway.says("frontdesk is ready")).await;
        ready["address"]
            .as_str()
            .unwrap()
            .clone_into(&mut gateway.address);
        gateway
    }

    /// Waits until nothing is left to do. Only the file tells.
    pub(crate) async fn drained(&self) {
        let left = "SELECT (SELECT count(*) FROM message WHERE turn IS NULL)
                         + (SELECT count(*) FROM delivery WHERE state IN ('ready', 'sending'))";
        self.comes_to(left, "0").await;
    }

    /// Waits until the message has an outcome.
    pub(crate) async fn settled(&self, word: &str) {
        let sql = format!("SELECT count(outcome) FROM message WHERE text = '{word}'");
        self.comes_to(&sql, "1").await;
    }

    /// Waits until the only row that a query gives is this.
    pub(crate) async fn comes_to(&self, sql: &str, row: &str) {
        let clock = Clock::system();
        for _ in 0..DRAINED_WITHIN_S * 20 {
            if self.rows(sql) == [row] {
                return;
            }
            clock.sleep(LOOK).await;
        }
        panic!("{sql}\nis not {row}, but {:?}", self.rows(sql));
    }

    /// Looks into the database of the program: the first column of every row, as text.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        rows(&self.database(), sql)
    }

    /// Gives the first column of the only row.
    pub(crate) fn row(&self, sql: &str) -> String {
        let [row] = <[String; 1]>::try_from(self.rows(sql)).unwrap();
        row
    }

    /// Looks into what a dead program left, in a copy: to open the file itself would be to mend it.
    pub(crate) fn remains(&self, sql: &str) -> Vec<String> {
        let copy = tempfile::tempdir().unwrap();
        for name in ["frontdesk.db", "frontdesk.db-wal"] {
            let from = self.folder.path().join(name);
            if from.exists() {
                std::fs::copy(from, copy.path().join(name)).unwrap();
            }
        }
        rows(
            &Connection::open(copy.path().join("frontdesk.db")).unwrap(),
            sql,
        )
    }

    fn database(&self) -> Connection {
        Connection::open(self.folder.path().join("frontdesk.db")).unwrap()
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.outside.stop();
    }
}

impl Gateway {
    /// Gives the phone of customers who write to it.
    pub(crate) fn phone(&self) -> Phone {
        Phone::new(format!("{}/v1/inbound/support", self.url()), INBOUND_SECRET).unwrap()
    }

    /// Gives its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until it logs this message. Gives the whole line.
    pub(crate) async fn says(&mut self, message: &str) -> Value {
        loop {
            let line = self.log.recv().await.expect("it says so before it ends");
            let Ok(line) = serde_json::from_str::<Value>(&line) else {
                panic!("it does not run: {line}")
            };
            if line["message"] == message {
                return line;
            }
        }
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        signal(self.child.id(), "-TERM");
    }

    /// Sends SIGTERM and expects that it ends well.
    pub(crate) async fn stops(self) {
        self.terminate();
        assert_eq!(self.end().await, Some(0));
    }

    /// Sends SIGKILL and waits until it is gone.
    pub(crate) async fn dies(mut self) {
        self.child.kill().unwrap();
        self.died().await;
    }

    /// Waits until a signal has ended it.
    pub(crate) async fn died(self) {
        assert_eq!(self.end().await, None, "a signal ended it");
    }

    /// Waits until its log ends, which it does when the process does.
    pub(crate) async fn gone(&mut self) {
        while self.log.recv().await.is_some() {}
    }

    /// Waits for the end. Gives the exit code; `None` where a signal was the end.
    pub(crate) async fn end(mut self) -> Option<i32> {
        soon(self.gone()).await;
        self.child.wait().unwrap().code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

/// Says what a test found, whether or not its output is captured.
pub(crate) fn tell(what: &str) {
    drop(writeln!(std::io::stderr(), "{what}"));
}

/// Sends a signal to a process.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill")
        .args([name, &process.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Runs a command to its end. Gives the exit code and what it said.
pub(crate) fn run(arguments: &[&str], config: &Path) -> (Option<i32>, String) {
    let output = command(arguments, config).output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn command(arguments: &[&str], config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env_remove("FRONTDESK_CONFIG")
        .env("NO_COLOR", "1")
        .env("BRAZE_KEY", "braze-key")
        .env("INBOUND", INBOUND_SECRET)
        .env("DESK_SECRET", "desk-secret-of-24-chars-or-more")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Answers with the customer's words since the last answer, so that a reply tells which messages it is about.
pub(crate) fn heard(request: &Value) -> Reply {
    let messages = request["messages"].as_array().unwrap();
    let mine = |message: &&Value| message["role"] != "assistant";
    let since: Vec<_> = messages.iter().rev().take_while(mine).collect();
    let text: Vec<_> = since
        .iter()
        .rev()
        .filter_map(|message| message["content"].as_str())
        .collect();
    Reply::says(&format!("You said: {}", words(&text.join(" ")).join(" ")))
}

/// Gives the marked words of a text: `word-7-0` is what customer 7 wrote first.
pub(crate) fn words(text: &str) -> Vec<&str> {
    let pieces = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
    pieces.filter(|piece| piece.starts_with("word-")).collect()
}

fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let as_text = format!("WITH q(x) AS ({sql}) SELECT CAST(x AS TEXT) FROM q");
    let mut statement = connection.prepare(&as_text).unwrap();
    let rows = statement.query_map((), |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn configuration(braze: &str, model: &str, more: &str) -> String {
    let usual = [
        "[server]\nlisten = \"127.0.0.1:0\"",
        "[burst]\nquiet = \"0s\"\ncap = \"0s\"",
        "[operator]\nlisten = \"127.0.0.1:0\"",
    ];
    let is_meant = |table: &&str| !more.contains(table.split('\n').next().unwrap_or_default());
    let usual: Vec<_> = usual.into_iter().filter(is_meant).collect();
    let usual = usual.join("\n");
    format!(
        r#"
        {usual}
        {more}
        [log]
        format = "json"
        level = "warn,frontdesk::cli=info"
        [models.main]
        base_url = "{model}"
        model = "stand-in"
        [assistants.support]
        secrets = ["env::INBOUND"]
        campaign_id = "campaign-1"
        disclosure = false
        {NO_BRAKE}
        [assistants.support.business]
        name = "Acme"
        [workspaces.main]
        endpoint = "{braze}"
        api_key = "env::BRAZE_KEY"
        rate = 1000
        burst = 1000
        concurrency = {CONCURRENCY}
        "#,
    )
}
