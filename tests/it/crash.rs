//! The real program: killed in mid-load, stopped as an orchestrator stops it, started on a bad configuration.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::{Braze, Model, Phone, Plan};
use frontdesk::shutdown::Shutdown;
use futures_util::future::join_all;
use rstest::rstest;
use tempfile::TempDir;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::world::{INBOUND_SECRET, soon};

const KILLS: usize = 20;
const CUSTOMERS: usize = 150;
const MESSAGES_EACH: usize = 10;

/// Where the moments of the kills come from. Another number gives other moments.
const SEED: u64 = 0x0f52_6f6e_7464_6573;

/// Sends under way at once: as many can be in doubt after each kill.
const CONCURRENCY: usize = 8;

/// Conversations that a crash can make the gateway give up at a time.
const SUSPECTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_nothing_and_double_only_what_is_marked() {
    let yard = Yard::start("").await;
    yard.dawdle();
    let load = Load::new();
    let mut random = Random(SEED);
    let kills = async {
        for life in 1..=KILLS {
            let mut gateway = yard.serve().await;
            load.opens(life, &gateway);
            load.allow(CUSTOMERS * MESSAGES_EACH / (KILLS + 1));
            yard.moment(&mut random, &load).await;
            gateway.child.kill().unwrap();
            load.closes();
            assert_eq!(gateway.end().await, None, "a signal ended it");
        }
        let gateway = yard.serve().await;
        load.opens(KILLS + 1, &gateway);
        load.allow(CUSTOMERS * MESSAGES_EACH);
        gateway
    };
    let (gateway, ()) = tokio::join!(kills, load.run());
    yard.drained().await;
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));

    let audit = yard.audit(&load);
    tell(&format!("seed {SEED:#x}, {KILLS} kills: {audit:?}"));
    assert!(audit.duplicates <= audit.doubtful, "{audit:?}");
    // Nothing was wrong with the neighbours, so only the kills can have cost an answer.
    let by_kills = ["replied", "failed(poison)", "failed(delivery_unknown)"];
    let expected =
        |outcome: &String| by_kills.contains(&outcome.split(": ").next().unwrap_or_default());
    assert!(audit.outcomes.iter().all(expected), "{audit:?}");
    assert!(audit.doubtful <= KILLS * CONCURRENCY, "{audit:?}");
    let given_up = "SELECT count(DISTINCT conversation || '/' || turn) FROM message WHERE outcome = 'failed(poison)'";
    let poisoned: usize = yard.rows(given_up)[0].parse().unwrap();
    assert!(poisoned <= KILLS * SUSPECTS, "{audit:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_under_load_lose_nothing_and_double_nothing() {
    const STOPS: usize = 4;
    let yard = Yard::start("").await;
    yard.dawdle();
    let load = Load::new();
    let mut random = Random(SEED);
    let stops = async {
        for life in 1..=STOPS {
            let gateway = yard.serve().await;
            load.opens(life, &gateway);
            load.allow(CUSTOMERS * MESSAGES_EACH / (STOPS + 1));
            yard.moment(&mut random, &load).await;
            gateway.terminate();
            assert_eq!(gateway.end().await, Some(0));
            load.closes();
        }
        let gateway = yard.serve().await;
        load.opens(STOPS + 1, &gateway);
        load.allow(CUSTOMERS * MESSAGES_EACH);
        gateway
    };
    let (gateway, ()) = tokio::join!(stops, load.run());
    yard.drained().await;
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));

    let audit = yard.audit(&load);
    tell(&format!("{STOPS} stops: {audit:?}"));
    assert_eq!((audit.doubtful, audit.duplicates), (0, 0), "{audit:?}");
    assert_eq!(audit.outcomes, ["replied: 1500"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_a_model_that_hangs_no_longer_than_it_may_and_loses_nothing() {
    let yard = Yard::start("[server]\nlisten = \"127.0.0.1:0\"\ndrain = \"2s\"").await;
    yard.model.misbehave(Plan::hang().times(1));
    let gateway = yard.serve().await;
    let phone = gateway.phone();
    assert_eq!(
        phone.says("u1", "+1555", "word-1-0").await.unwrap().status,
        202
    );
    soon(yard.model.wait_for(1)).await;
    let clock = Clock::system();
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));
    let took = clock.elapsed();
    assert!(
        (Duration::from_secs(1)..Duration::from_secs(10)).contains(&took),
        "{took:?}"
    );
    assert_eq!(
        yard.rows("SELECT count(*) FROM message WHERE turn IS NULL"),
        ["1"]
    );

    let gateway = yard.serve().await;
    soon(yard.braze.wait_for_sent(1)).await;
    yard.drained().await;
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));
    assert_eq!(yard.braze.sent()[0].text(), "You said: word-1-0");
    assert_eq!(
        yard.rows("SELECT outcome FROM message WHERE author = 'customer'"),
        ["replied"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_gateway_on_the_same_file_does_not_start() {
    let yard = Yard::start("").await;
    let gateway = yard.serve().await;
    let (code, said) = run(&["serve"], &yard.config);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("frontdesk.db is in use by another process"),
        "{said}"
    );
    let answered = gateway
        .phone()
        .says("u1", "+1555", "word-1-0")
        .await
        .unwrap();
    assert_eq!(answered.status, 202, "the first goes on");
    gateway.terminate();
    assert_eq!(gateway.end().await, Some(0));
}

#[rstest]
fn a_bad_configuration_ends_with_3_and_says_where_it_is_bad_without_the_secret(
    #[values("check", "serve")] command: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gateway.toml");
    let text = r#"
[server]
listen = "nowhere"
[workspaces.main]
endpoint = "https://rest.iad-01.braze.com"
api_key = "sk-hunter2-1"
[models.main]
base_url = "http://127.0.0.1:9/v1"
model = "m"
[desks.main]
url = "https://desk.acme.dev"
signing_key = "whsec_hunter2_2"
secrets = [
    "env::DESK_SECRET",
    "hunter2-3-of-the-desk's",
]
[assistants.support]
secrets = ["hunter2-4-of-the-assistant's", "env::INBOUND"]
campaign_id = ""
"#;
    std::fs::write(&config, text).unwrap();
    let (code, said) = run(&[command], &config);
    assert_eq!(code, Some(3), "{said}");
    for (line, key) in [
        (3, "server.listen"),
        (6, "workspaces.main.api_key"),
        (12, "desks.main.signing_key"),
        (13, "desks.main.secrets"),
        (18, "assistants.support.secrets"),
    ] {
        let place = format!("{}:{line}:", config.display());
        assert!(
            said.contains(&place) && said.contains(&format!("`{key}`")),
            "{key}\n{said}"
        );
    }
    assert!(!said.contains("hunter2"), "{said}");
    assert!(
        said.contains("env::DESK_SECRET"),
        "a reference is no secret\n{said}"
    );
}

#[test]
fn a_secret_in_a_file_that_is_no_toml_is_not_shown_either() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gateway.toml");
    for line in [
        "api_key = sk-hunter2",
        "api_key = \"sk-hunter2",
        "a.b.'api_key'=sk-hunter2 é",
    ] {
        std::fs::write(&config, format!("[workspaces.main]\n{line}\n")).unwrap();
        let (code, said) = run(&["check"], &config);
        assert_eq!(code, Some(3), "{said}");
        assert!(
            said.contains("gateway.toml:2:") && !said.contains("hunter2"),
            "{said}"
        );
    }
}

// -------------------------------------------------------------------------------------------------------- helpers

/// What stands around the program: a model that says what it heard, Braze, a configuration, a folder for the file.
struct Yard {
    model: Model,
    braze: Braze,
    config: PathBuf,
    folder: TempDir,
    outside: Shutdown,
}

/// A running program.
struct Gateway {
    child: Child,
    address: String,
    log: mpsc::UnboundedReceiver<String>,
}

/// Customers who write again and again, and come back when the gateway was down.
struct Load {
    /// The life of the gateway, and the phone that reaches it; `None` while it is down.
    open: watch::Sender<Option<(usize, Phone)>>,
    allowed: Semaphore,
    /// The ids that were answered with 202, or with 200 where the 202 was lost.
    accepted: watch::Sender<Vec<String>>,
}

/// What was found afterwards.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "printed whole")]
struct Audit {
    accepted: usize,
    turns: usize,
    arrivals: usize,
    duplicates: usize,
    doubtful: usize,
    outcomes: Vec<String>,
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

impl Yard {
    async fn start(more: &str) -> Self {
        let outside = Shutdown::new();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let model = Model::start(anywhere, &outside).await.unwrap();
        let braze = Braze::start(anywhere, &outside).await.unwrap();
        model.respond_with(|body| {
            let last = body["messages"].as_array().and_then(|all| all.last());
            let heard = last
                .and_then(|last| last["content"].as_str())
                .unwrap_or_default();
            Reply::says(&format!("You said: {heard}"))
        });
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("gateway.toml");
        let server = if more.contains("[server]") {
            ""
        } else {
            "[server]\nlisten = \"127.0.0.1:0\""
        };
        let text = format!(
            r#"
            {server}
            {more}
            [operator]
            listen = "127.0.0.1:0"
            [log]
            format = "json"
            level = "warn,frontdesk::cli=info"
            [burst]
            quiet = "0s"
            cap = "0s"
            [workspaces.main]
            endpoint = "{}"
            api_key = "env::BRAZE_KEY"
            rate = 1000
            burst = 1000
            concurrency = {CONCURRENCY}
            [models.main]
            base_url = "{}"
            model = "stand-in"
            [assistants.support]
            secrets = ["env::INBOUND"]
            campaign_id = "campaign-1"
            [assistants.support.business]
            name = "Acme"
            "#,
            braze.url(),
            model.url(),
        );
        std::fs::write(&config, text).unwrap();
        Self {
            model,
            braze,
            config,
            folder,
            outside,
        }
    }

    /// Makes the neighbours slow enough for a kill to find something under way.
    fn dawdle(&self) {
        self.model.misbehave(Plan::delay(Duration::from_millis(15)));
        self.braze
            .misbehave(Plan::delay(Duration::from_millis(15)).taken());
    }

    /// Starts the program and waits until it says that it is ready.
    async fn serve(&self) -> Gateway {
        let mut child = command(&["serve"], &self.config).spawn().unwrap();
        let (lines, mut log) = mpsc::unbounded_channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // Read to the end whatever happens: a full pipe would stop the program.
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                drop(lines.send(line));
            }
        });
        let address = async {
            loop {
                let line = log
                    .recv()
                    .await
                    .expect("it says that it is ready before it ends");
                let Ok(line) = serde_json::from_str::<serde_json::Value>(&line) else {
                    panic!("it does not start: {line}")
                };
                if line["message"] == "frontdesk is ready" {
                    return line["address"].as_str().unwrap().to_owned();
                }
            }
        };
        let address = soon(address).await;
        Gateway {
            child,
            address,
            log,
        }
    }

    /// Waits for a moment to stop the program: when some more has been accepted, asked or sent, or at once.
    async fn moment(&self, random: &mut Random, load: &Load) {
        let (kind, more) = (random.below(8), 1 + random.below(30));
        match kind {
            0 => {}
            1..=2 => {
                let mut accepted = load.accepted.subscribe();
                let until = accepted.borrow().len() + usize::try_from(2 * more).unwrap();
                soon(accepted.wait_for(|ids| ids.len() >= until))
                    .await
                    .unwrap();
            }
            3..=5 => soon(self.model.wait_for(self.model.request_count() + 2 * more)).await,
            _ => soon(self.braze.wait_for(self.braze.request_count() + more)).await,
        }
    }

    /// Waits until nothing is left to do. Only the file tells, so it is asked ten times a second: a busier eye would
    /// take the machine from the program that it watches.
    async fn drained(&self) {
        let clock = Clock::system();
        let left = "SELECT (SELECT count(*) FROM message WHERE turn IS NULL)
                         + (SELECT count(*) FROM delivery WHERE state IN ('ready', 'sending'))";
        for _ in 0..600 {
            if self.rows(left) == ["0"] {
                return;
            }
            clock.sleep(Duration::from_millis(100)).await;
        }
        panic!(
            "after a minute there is still something to do: {:?}",
            self.rows(left)
        );
    }

    /// Looks into the database: the first column of every row, as text.
    fn rows(&self, sql: &str) -> Vec<String> {
        let connection =
            rusqlite::Connection::open(self.folder.path().join("frontdesk.db")).unwrap();
        let as_text = format!("WITH q(x) AS ({sql}) SELECT CAST(x AS TEXT) FROM q");
        let mut statement = connection.prepare(&as_text).unwrap();
        let rows = statement.query_map((), |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Gives how many messages had each outcome.
    fn outcomes(&self) -> Vec<String> {
        self.rows(
            "SELECT outcome || ': ' || count(*) FROM message WHERE author = 'customer' GROUP BY outcome",
        )
    }

    /// Checks all promises against what the file says and what arrived.
    fn audit(&self, load: &Load) -> Audit {
        let accepted = load.accepted.borrow().clone();
        assert_eq!(accepted.len(), CUSTOMERS * MESSAGES_EACH);
        assert_eq!(
            self.rows("SELECT count(*) FROM message WHERE author = 'customer' AND outcome IS NULL"),
            ["0"]
        );
        let mut kept = self.rows("SELECT lower(hex(id)) FROM message WHERE author = 'customer'");
        let mut accepted: Vec<String> = accepted.iter().map(|id| id.replace('-', "")).collect();
        kept.sort();
        accepted.sort();
        assert!(
            kept == accepted,
            "each accepted message is there once, and no other"
        );

        let mut audit = Audit {
            accepted: accepted.len(),
            turns: self.rows("SELECT 1 FROM delivery").len(),
            arrivals: self.braze.sent().len(),
            doubtful: self
                .rows("SELECT 1 FROM delivery WHERE possible_duplicate")
                .len(),
            outcomes: self.outcomes(),
            ..Audit::default()
        };
        for request in self.model.requests() {
            let body = String::from_utf8(request.raw.to_vec())
                .unwrap()
                .replace(['"', '\\'], " ");
            let whose = body
                .split_whitespace()
                .find_map(|word| word.strip_prefix("word-")?.split('-').next());
            assert_eq!(
                others_words(&body, whose.unwrap().parse().unwrap()),
                Vec::<&str>::new()
            );
        }
        for customer in 0..CUSTOMERS {
            audit.duplicates += self.audit_customer(customer);
        }
        audit
    }

    /// Checks one customer's replies: his own words alone, in the order of the outbox, twice only where it is marked.
    /// Gives how many arrived twice.
    fn audit_customer(&self, customer: usize) -> usize {
        let sent = self.braze.sent();
        let sent = sent
            .iter()
            .filter(|sent| sent.recipient.value() == format!("u{customer}"));
        let mut arrived = sent.map(frontdesk::sandbox::braze::Sent::text).peekable();
        let deliveries = self.rows(&format!(
            "SELECT state || ' ' || possible_duplicate || ' ' || body FROM delivery d
             JOIN conversation c ON c.key = d.conversation
             WHERE c.external_id = 'u{customer}' AND (state <> 'dropped' OR possible_duplicate) ORDER BY d.key"
        ));
        let deliveries: Vec<[&str; 3]> = deliveries
            .iter()
            .map(|row| row.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap())
            .collect();
        let mut duplicates = 0;
        // Apologies have the same words, so those that follow each other are counted together.
        for same in deliveries.chunk_by(|[.., one], [.., next]| one == next) {
            let [.., body] = same[0];
            assert_eq!(others_words(body, customer), Vec::<&str>::new());
            let least = same.iter().filter(|[state, ..]| *state == "sent").count();
            let doubtful = same.iter().filter(|[_, doubt, _]| *doubt == "1").count();
            let mut copies = 0;
            while copies < same.len() + doubtful && arrived.next_if_eq(&body).is_some() {
                copies += 1;
            }
            assert!(copies >= least, "u{customer} never got: {body}");
            duplicates += copies.saturating_sub(same.len());
        }
        assert_eq!(
            arrived.next(),
            None,
            "u{customer} got it out of order, or once more than is marked"
        );
        duplicates
    }
}

/// Says what was found, for who runs the test with `--nocapture`.
#[expect(clippy::print_stdout, reason = "a test's own report")]
fn tell(what: &str) {
    println!("{what}");
}

/// Gives the words in a text that another customer wrote.
fn others_words(text: &str, customer: usize) -> Vec<&str> {
    let own = format!("word-{customer}-");
    let words = text
        .split_whitespace()
        .filter(|word| word.starts_with("word-"));
    words.filter(|word| !word.starts_with(&own)).collect()
}

impl Drop for Yard {
    fn drop(&mut self) {
        self.outside.stop();
    }
}

impl Gateway {
    fn phone(&self) -> Phone {
        Phone::new(
            format!("http://{}/v1/inbound/support", self.address),
            INBOUND_SECRET,
        )
        .unwrap()
    }

    /// Sends SIGTERM.
    fn terminate(&self) {
        let sent = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end. Gives the exit code; `None` where a signal was the end.
    async fn end(mut self) -> Option<i32> {
        // The log ends when the process does.
        soon(async { while self.log.recv().await.is_some() {} }).await;
        self.child.wait().unwrap().code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

impl Load {
    fn new() -> Self {
        Self {
            open: watch::Sender::new(None),
            allowed: Semaphore::new(0),
            accepted: watch::Sender::default(),
        }
    }

    fn opens(&self, life: usize, gateway: &Gateway) {
        self.open.send_replace(Some((life, gateway.phone())));
    }

    fn closes(&self) {
        self.open.send_replace(None);
    }

    /// Lets so many more messages be written, so that there is something left for the next life.
    fn allow(&self, messages: usize) {
        self.allowed.add_permits(messages);
    }

    /// Writes everything.
    async fn run(&self) {
        join_all((0..CUSTOMERS).map(|customer| self.customer(customer))).await;
    }

    async fn customer(&self, customer: usize) {
        for number in 0..MESSAGES_EACH {
            self.allowed.acquire().await.unwrap().forget();
            self.insist(
                &format!("u{customer}"),
                &format!("word-{customer}-{number}"),
            )
            .await;
        }
    }

    /// Writes one message until it is taken, as Braze would.
    async fn insist(&self, customer: &str, text: &str) {
        let mut open = self.open.subscribe();
        let mut dead = 0;
        loop {
            let alive = open.wait_for(|open| open.as_ref().is_some_and(|(life, _)| *life > dead));
            let (life, phone) = alive.await.unwrap().clone().unwrap();
            match phone.says(customer, "+1555", text).await {
                Ok(answered) if matches!(answered.status, 200 | 202) => {
                    let id = answered.body["message_id"].as_str().unwrap().to_owned();
                    return self.accepted.send_modify(|ids| ids.push(id));
                }
                _ => dead = life,
            }
        }
    }
}

/// Runs a command to its end. Gives the exit code and what it said.
fn run(arguments: &[&str], config: &Path) -> (Option<i32>, String) {
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
