//! Words, numbers and secrets that are driven through every path of the real program, and looked for afterwards.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use frontdesk::clock::Clock;
use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::{Braze, Desk, Model, Phone};
use frontdesk::shutdown::Shutdown;
use serde_json::{Value, json};

use crate::collector::Collector;

/// Every canary has it, and nothing else does.
const CANARY: &str = "zqx7";

/// The secrets, by the variables that hold them.
const SECRETS: [(&str, &str); 5] = [
    ("BRAZE_KEY", "zqx7-braze-key-Qk3xV9zLr2mW8tYb"),
    ("MODEL_KEY", "zqx7-model-key-hB7cR1wEf6vT0yUg"),
    ("INBOUND", "zqx7-inbound-J5nMa9KdLp4sXe2Zv8"),
    ("DESK_SECRET", "zqx7-desk-Wc6uBt1oGq3iHy7RkDfA"),
    (
        "SIGNING_KEY",
        "whsec_zqx7zqx7zqx7zqx7zqx7zqx7zqx7zqx7zqx7zqx7",
    ),
];

/// A neighbour that answers with what it was sent, in turns as each kind of trouble.
async fn echo(outside: &Shutdown) -> (String, Arc<AtomicUsize>) {
    const ANSWERS: [u16; 7] = [400, 500, 404, 422, 200, 201, 418];
    // What stops a workspace comes after what does not.
    const TO_BRAZE: [u16; 9] = [400, 500, 404, 422, 200, 201, 418, 429, 401];
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, to_braze) = (Arc::clone(&count), Arc::new(AtomicUsize::new(0)));
    let answer = async move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let number = counted.fetch_add(1, Ordering::SeqCst);
        let status = match uri.path() {
            "/campaigns/trigger/send" => {
                let number = to_braze.fetch_add(1, Ordering::SeqCst);
                TO_BRAZE[number.min(TO_BRAZE.len() - 1)]
            }
            _ => ANSWERS[number % ANSWERS.len()],
        };
        let status = StatusCode::from_u16(status).unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        let said = json!({ "message": format!("{headers:?} {body}"), "error": { "message": body, "type": body, "code": body } });
        let headers = [("x-echo", "zqx7-header"), ("retry-after", "1")];
        (status, headers, said.to_string())
    };
    let router = axum::Router::new().fallback(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    outside.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, count)
}

/// The running program, and all that it has written.
struct Gateway {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Gateway {
    fn start(config: &Path, collector: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
            .args(["serve", "--config"])
            .arg(config)
            .env_clear()
            .env("RUST_BACKTRACE", "full")
            .envs(SECRETS)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector)
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=acme")
            .env("OTEL_SERVICE_NAME", "front")
            .env("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b")
            .env(
                "OTEL_SEMCONV_STABILITY_OPT_IN",
                "gen_ai_latest_experimental",
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let written = Arc::clone(&log);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                written.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { child, log }
    }

    /// Waits for a line with these words. Gives the last such line.
    async fn says(&self, words: &str) -> String {
        let clock = Clock::system();
        let found = async {
            loop {
                let log = self.log.lock().unwrap().clone();
                if let Some(line) = log.lines().rfind(|line| line.contains(words)) {
                    return line.to_owned();
                }
                clock.sleep(Duration::from_millis(20)).await;
            }
        };
        patiently(found).await
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
    }

    fn open_files(&self) -> usize {
        let handles = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(handles).unwrap().count()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

fn configuration(folder: &Path, model: &str, braze: &str, desk: &str, echo: &str) -> String {
    format!(
        r#"
        default_assistant = "support"
        [operator]
        listen = "127.0.0.1:0"
        [server]
        listen = "127.0.0.1:0"
        [log]
        level = "trace,hyper::proto=trace,async_openai::client=trace,reqwest::connect=trace"
        format = "json"
        [burst]
        quiet = "0s"
        [store]
        path = "{0}/frontdesk.db"
        [workspaces]
        main = {{ endpoint = "{braze}", api_key = "env::BRAZE_KEY" }}
        echo = {{ endpoint = "{echo}", api_key = "env::BRAZE_KEY" }}
        [models]
        main = {{ base_url = "{model}", model = "m", api_key = "env::MODEL_KEY" }}
        echo = {{ base_url = "{echo}", model = "m", api_key = "env::MODEL_KEY" }}
        [desks]
        main = {{ url = "{desk}", signing_key = "env::SIGNING_KEY", secrets = ["env::DESK_SECRET"] }}
        echo = {{ url = "{echo}", signing_key = "env::SIGNING_KEY", secrets = ["env::DESK_SECRET"] }}
        [assistants.support]
        prompts = "{0}/prompts"
        secrets = ["env::INBOUND"]
        campaign_id = "c"
        workspace = "main"
        models = ["main"]
        desk = "main"
        business = {{ name = "Acme" }}
        [assistants.echo]
        secrets = ["env::INBOUND"]
        campaign_id = "c"
        workspace = "echo"
        models = ["echo"]
        desk = "echo"
        business = {{ name = "Acme" }}
        "#,
        folder.display()
    )
}

/// Asks as a stranger would, in each way that is refused. Gives the answers.
async fn refused(url: &str) -> Vec<(u16, String)> {
    // A connection that a refusal ends is not used again.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0);
    let client = client.build().unwrap();
    let good = json!({ "user_id": "zqx7-id", "phone_number": "+34zqx7", "message": "zqx7 words" });
    let secret = SECRETS[2].1;
    let mut answers = Vec::new();
    for (path, token, body) in [
        ("/v1/inbound/support", "zqx7-wrong", good.to_string()),
        ("/v1/inbound/zqx7-nobody", secret, good.to_string()),
        ("/zqx7/path?zqx7=zqx7", secret, good.to_string()),
        ("/v1/inbound/support", secret, "zqx7 no json {".to_owned()),
        (
            "/v1/inbound/support",
            secret,
            json!({ "message": ["zqx7"] }).to_string(),
        ),
        (
            "/v1/inbound/support",
            secret,
            json!({ "zqx7": "zqx7" }).to_string(),
        ),
        ("/v1/inbound/support", secret, "zqx7 ".repeat(100_000)),
        ("/v1/conversations/zqx7/release", secret, String::new()),
        (
            "/v1/conversations/00000000-0000-7000-8000-000000000000/release",
            SECRETS[3].1,
            String::new(),
        ),
    ] {
        let sent = client
            .post(format!("{url}{path}"))
            .bearer_auth(token)
            .body(body)
            .send();
        let answer = sent.await.unwrap();
        answers.push((
            answer.status().as_u16(),
            format!("{:?} ", answer.headers()) + &answer.text().await.unwrap(),
        ));
    }
    answers
}

/// Has the configuration checked, and once more with a secret in the place of its reference. Gives all that was said.
fn checked(config: &Path) -> String {
    let good = std::fs::read_to_string(config).unwrap();
    let literal = format!("\"{}\"", SECRETS[0].1);
    let bad = config.with_extension("bad.toml");
    std::fs::write(&bad, good.replace("\"env::BRAZE_KEY\"", &literal)).unwrap();
    let check = |config: &Path, code| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        let command = command.args(["check", "--config"]).arg(config);
        let ended = command.env_clear().envs(SECRETS).output().unwrap();
        let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{said}");
        said
    };
    check(config, 0) + &check(&bad, 3)
}

/// A customer writes of whom Braze knows more than his number.
async fn is_known(phone: &Phone) {
    let body = json!({
        "user_id": "zqx7-id-known", "phone_number": "+34zqx7", "profile_name": "zqx7 name", "tier": "zqx7 gold",
        "address": { "zqx7": ["zqx7 street"] }, "media_urls": ["https://zqx7.dev/a.png"], "language": "zqx7",
        "message": "zqx7 who am I?",
    });
    let answered = phone.posts(body.to_string()).await.unwrap();
    assert_eq!(answered.status, 202, "{answered:?}");
}

/// Waits until every message has an outcome. Gives how many there are of each.
async fn settled(file: &Path, messages: i64) -> String {
    let clock = Clock::system();
    let asking = async {
        loop {
            let connection = rusqlite::Connection::open(file).unwrap();
            let count = |sql: &str| {
                connection
                    .query_row(sql, (), |row| row.get::<_, i64>(0))
                    .unwrap()
            };
            if count(
                "SELECT count(*) FROM message WHERE author = 'customer' AND outcome IS NOT NULL",
            ) >= messages
            {
                let outcomes =
                    "SELECT group_concat(DISTINCT outcome) FROM message WHERE author = 'customer'";
                return connection
                    .query_row(outcomes, (), |row| row.get(0))
                    .unwrap();
            }
            drop(connection);
            clock.sleep(Duration::from_millis(50)).await;
        }
    };
    patiently(asking).await
}

/// Finds nothing of a customer in what is counted, by the names that the environment asks for.
async fn measured(office: &str) {
    let scrape = reqwest::get(format!("http://{office}/metrics")).await;
    let scrape = scrape.unwrap().text().await.unwrap();
    let names = "gen_ai_client_inference_usage_input_tokens_total{";
    assert!(scrape.contains(names), "{scrape}");
    assert!(!scrape.contains(CANARY), "{scrape}");
}

/// Finds nothing of a customer in what a collector got, which is all that the environment asks for.
fn traced(collector: &Collector) {
    for request in collector.requests() {
        assert_eq!(request.service["service.name"], "front");
        assert_eq!(request.service["team"], "a b");
        assert_eq!(request.headers["x-tenant"], "acme");
        let schemas = ["https://opentelemetry.io/schemas/gen-ai/1.42.0"];
        assert_eq!(request.schemas, schemas);
        let text = String::from_utf8_lossy(&request.bytes).into_owned();
        assert!(!text.contains(CANARY) && !text.contains("parcel"), "{text}");
    }
    for name in ["turn", "chat m", "braze send", "desk post"] {
        assert!(collector.named(name).len() > 2, "{name}");
    }
}

/// Waits for what a real clock brings about, on a machine that may be busy.
async fn patiently<T>(future: impl Future<Output = T>) -> T {
    const PATIENCE: Duration = Duration::from_mins(2);
    Clock::system().timeout(PATIENCE, future).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_is_seen_outside_its_cage() {
    let outside = Shutdown::new();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let model = Model::start(anywhere, &outside).await.unwrap();
    let braze = Braze::start(anywhere, &outside).await.unwrap();
    let desk = Desk::start(anywhere, &outside).await.unwrap();
    model.respond_with(|_: &Value| Reply::says("zqx7 is what I say"));
    let (echo, echoed) = echo(&outside).await;
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/support");
    crate::prompts::copy(&shipped, &folder.path().join("prompts"));
    let config = folder.path().join("gateway.toml");
    let text = configuration(
        folder.path(),
        &model.url(),
        &braze.url(),
        &desk.url(),
        &echo,
    );
    std::fs::write(&config, text).unwrap();
    let collector = Collector::start().await;
    let mut gateway = Gateway::start(&config, &collector.url);
    let ready: Value = serde_json::from_str(&gateway.says("frontdesk is ready").await).unwrap();
    let url = format!("http://{}", ready["address"].as_str().unwrap());

    let phone = |name: &str| Phone::new(format!("{url}/v1/inbound/{name}"), SECRETS[2].1).unwrap();
    for customer in 0..14 {
        let (id, number) = (format!("zqx7-id-{customer}"), format!("+34zqx7{customer}"));
        for name in ["support", "echo"] {
            let words = match customer % 7 {
                0 => "zqx7 I want to talk to a human",
                1 => "stop",
                _ => "zqx7 where is my parcel",
            };
            let answered = phone(name).says(&id, &number, words).await.unwrap();
            assert_eq!(answered.status, 202);
            assert!(!format!("{answered:?}").contains(CANARY), "{answered:?}");
        }
    }
    for name in ["support", "echo"] {
        is_known(&phone(name)).await;
    }
    for (status, answer) in refused(&url).await {
        assert!((400..500).contains(&status), "{status}");
        assert!(!answer.contains(CANARY), "{status}: {answer}");
    }
    let outcomes = settled(&folder.path().join("frontdesk.db"), 30).await;
    for outcome in ["replied", "handed_off", "failed(model)"] {
        assert!(outcomes.contains(outcome), "{outcomes}");
    }

    measured(ready["operator"].as_str().unwrap()).await;
    gateway.says("Braze refused the API key").await;
    let check = checked(&config);
    assert!(!check.contains(CANARY), "{check}");

    let system = folder.path().join("prompts/system.md");
    let good = std::fs::read_to_string(&system).unwrap();
    let files = gateway.open_files();
    for round in 0..10 {
        std::fs::write(&system, format!("{{{{ nobody_{round} }}}}")).unwrap();
        gateway.signal("-HUP");
        gateway.says(&format!("`nobody_{round}`")).await;
    }
    std::fs::write(&system, &good).unwrap();
    gateway.signal("-HUP");
    gateway.says("prompts are in order again").await;
    gateway.signal("-HUP");
    gateway.says("prompts unchanged").await;
    assert!(
        gateway.open_files() <= files + 2,
        "{files} became {}",
        gateway.open_files()
    );

    gateway.signal("-TERM");
    gateway.says("stopping").await;
    assert_eq!(gateway.child.wait().unwrap().code(), Some(0));
    let log = gateway.log.lock().unwrap().clone();
    assert!(
        log.contains("\"TRACE\"") || log.contains("\"DEBUG\""),
        "{log}"
    );
    let leak = log.lines().find(|line| line.contains(CANARY));
    assert_eq!(leak, None);
    traced(&collector);
    // They were where they belong, so they were driven through.
    assert!(braze.sent().iter().any(|sent| sent.text().contains(CANARY)));
    assert!(
        model
            .requests()
            .iter()
            .any(|request| request.json().to_string().contains(CANARY))
    );
    assert!(!desk.received().is_empty());
    assert!(echoed.load(Ordering::SeqCst) > 14);
    let database = std::fs::read(folder.path().join("frontdesk.db")).unwrap();
    let canary = CANARY.as_bytes();
    assert!(
        database
            .windows(canary.len())
            .any(|window| window == canary)
    );
    outside.stop();
}
