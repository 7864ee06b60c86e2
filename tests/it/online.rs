//! What the commands tell of Braze: `check --online`, `setup braze`, and the phone of `sandbox braze`.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};

use frontdesk::app::App;
use frontdesk::braze::templates;
use frontdesk::clock::Clock;
use frontdesk::sandbox::{Braze, Desk, Model, Plan};
use frontdesk::shutdown::Shutdown;
use serde_json::json;
use tempfile::TempDir;

use crate::world::{INBOUND_SECRET, SIGNING_KEY, config, soon};

const ANYWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// Stand-ins, and a configuration file that leads to them.
struct Yard {
    braze: Braze,
    model: Model,
    desk: Desk,
    folder: TempDir,
}

impl Yard {
    async fn new() -> Self {
        let (outside, bind) = (Shutdown::new(), SocketAddr::from(ANYWHERE));
        let yard = Self {
            braze: Braze::start(bind, &outside).await.unwrap(),
            model: Model::start(bind, &outside).await.unwrap(),
            desk: Desk::start(bind, &outside).await.unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        yard.braze.require_key("braze-key");
        let toml = toml(&yard.braze.url(), &yard.model.url(), &yard.desk.url());
        yard.write(&toml);
        yard
    }

    fn write(&self, toml: &str) {
        std::fs::write(self.folder.path().join("frontdesk.toml"), toml).unwrap();
    }

    /// Runs the command beside the stand-ins, with secrets or without.
    async fn run(&self, arguments: &[&str], secrets: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.folder.path());
        command.envs(secrets.iter().copied());
        let ended = blocking(move || command.output().unwrap()).await;
        told(&ended)
    }
}

fn toml(braze: &str, model: &str, desk: &str) -> String {
    format!(
        r#"
        [workspaces.main]
        endpoint = "{braze}"
        api_key = "env::BRAZE_KEY"
        [models.main]
        base_url = "{model}"
        model = "stand-in"
        retries = 0
        [desks.main]
        url = "{desk}"
        signing_key = "env::SIGNING_KEY"
        secrets = ["env::INBOUND"]
        [assistants.support]
        secrets = ["env::INBOUND"]
        campaign_id = "campaign-1"
        desk = "main"
        business = {{ name = "Acme" }}
        "#
    )
}

const SECRETS: [(&str, &str); 3] = [
    ("BRAZE_KEY", "braze-key"),
    ("SIGNING_KEY", SIGNING_KEY),
    ("INBOUND", INBOUND_SECRET),
];

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn told(ended: &Output) -> (Option<i32>, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&ended.stdout) + &text(&ended.stderr);
    (ended.status.code(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_well_is_told_and_nothing_is_sent() {
    let yard = Yard::new().await;
    let (code, told) = yard.run(&["check", "--online"], &SECRETS).await;
    assert_eq!(code, Some(0), "{told}");
    for line in [
        "the key may trigger campaigns",
        "campaign `campaign-1` of assistant `support`: is started",
        "model `main`: answered",
        "desk `main`: the host answers",
    ] {
        assert!(told.contains(line), "{line} is missing in:\n{told}");
    }
    assert_eq!(yard.braze.sent_count(), 0);
    let posted: Vec<_> = yard
        .braze
        .requests()
        .into_iter()
        .filter(|r| r.method == "POST")
        .collect();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].json(), json!({}));
    assert_eq!(yard.desk.requests()[0].method, "HEAD");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_online_nobody_is_asked() {
    let yard = Yard::new().await;
    let (code, told) = yard.run(&["check"], &SECRETS).await;
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(yard.braze.request_count() + yard.model.request_count(), 0);
}

/// Breaks something in a yard.
type Break<'a> = &'a dyn Fn(&Yard);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_apart_as_far_as_braze_does() {
    let refused = |status: u16| move |yard: &Yard| yard.braze.misbehave(Plan::status(status));
    let faults: [(Break, &str); 5] = [
        (
            &|yard: &Yard| yard.braze.require_key("another"),
            "or the host is",
        ),
        (
            &|yard: &Yard| yard.braze.permit(["messages.send"]),
            "`campaigns.trigger.send`",
        ),
        (&refused(429), "no requests left"),
        (&refused(404), "is it Braze?"),
        (
            &|yard: &Yard| yard.braze.pause_campaign("campaign-1"),
            "reaches nobody",
        ),
    ];
    for (fault, says) in faults {
        let yard = Yard::new().await;
        fault(&yard);
        let (code, told) = yard.run(&["check", "--online"], &SECRETS).await;
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(says), "{says} is missing in:\n{told}");
        assert!(told.contains("FAIL"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_only_send_is_good_enough() {
    let yard = Yard::new().await;
    yard.braze.permit(["campaigns.trigger.send"]);
    let (code, told) = yard.run(&["check", "--online"], &SECRETS).await;
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("not looked at"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_is_not_there_a_model_and_a_desk_that_are_down_are_told() {
    let yard = Yard::new().await;
    yard.braze.know_campaigns(["another"]);
    yard.model.misbehave(Plan::status(401));
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    yard.write(&toml(
        &yard.braze.url(),
        &yard.model.url(),
        &format!("http://{nobody}"),
    ));
    let (code, told) = yard.run(&["check", "--online"], &SECRETS).await;
    assert_eq!(code, Some(1), "{told}");
    for says in [
        "there is none of that id",
        "`frontdesk models main`",
        "no connection",
    ] {
        assert!(told.contains(says), "{says} is missing in:\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_is_printed_before_there_is_a_secret_or_a_campaign() {
    let yard = Yard::new().await;
    let text = toml("US-08", &yard.model.url(), &yard.desk.url());
    let public = "[server]\npublic_url = \"https://chat.acme.dev/\"\n";
    let text =
        public.to_owned() + &text.replace("\"campaign-1\"", "\"\"\nmessage_property = \"answer\"");
    yard.write(&text);
    let (code, told) = yard.run(&["setup", "braze"], &[]).await;
    assert_eq!(code, Some(0), "{told}");
    for printed in [
        "https://rest.iad-08.braze.com",
        "https://chat.acme.dev/v1/inbound/support",
        "the environment variable `INBOUND`",
        "\n{{api_trigger_properties.${answer}}}\n",
        "assistants.support.campaign_id",
        templates::LISTENING,
    ] {
        assert!(told.contains(printed), "{printed} is missing in:\n{told}");
    }
    for word in ["stop", "baja", "sair", "abmelden"] {
        assert!(told.contains(word), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_never_prints_a_secret() {
    let yard = Yard::new().await;
    for arguments in [
        &["setup", "braze"][..],
        &["setup", "braze", "--markdown", "--assistant", "support"],
    ] {
        let (code, told) = yard.run(arguments, &SECRETS).await;
        assert_eq!(code, Some(0), "{told}");
        for (_, secret) in SECRETS {
            assert!(!told.contains(secret), "{told}");
        }
    }
    let (_, page) = yard.run(&["setup", "braze", "--markdown"], &SECRETS).await;
    assert!(
        page.starts_with("# Braze for the assistant `support`\n"),
        "{page}"
    );
    assert!(page.contains(&format!("```liquid\n{}\n```", templates::LISTENING)));
    let (code, told) = yard
        .run(&["setup", "braze", "--assistant", "nobody"], &SECRETS)
        .await;
    assert_eq!((code, told.contains("support")), (Some(2), true), "{told}");
}

/// Types lines into a phone whose Braze listens there.
async fn phone(listen: SocketAddr, gateway: String, typed: &'static str) -> (Option<i32>, String) {
    let ended = blocking(move || {
        let mut child = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
            .args([
                "sandbox",
                "braze",
                "--listen",
                &listen.to_string(),
                "--gateway",
                &gateway,
            ])
            .env_clear()
            .env("FRONTDESK_INBOUND_SECRET", INBOUND_SECRET)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    });
    told(&soon(ended).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_into_the_phone_is_answered_on_it() {
    let yard = Yard::new().await;
    // The phone's Braze has to be known before it is there.
    let listen = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let toml = toml(
        &format!("http://{listen}"),
        &yard.model.url(),
        &yard.desk.url(),
    );
    let store = yard.folder.path().join("frontdesk.db");
    let more = format!(
        "\n[server]\nlisten = \"127.0.0.1:0\"\n[operator]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"{}\"\n",
        store.display()
    );
    let toml = toml + &more;
    let app = App::start(&config(&toml), Clock::system()).await.unwrap();
    let gateway = format!("http://{}/v1/inbound/support", app.address());
    let (code, told) = phone(listen, gateway, "When do you open?\nSTOP\n").await;
    assert_eq!(code, Some(0), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    let asked = lines
        .iter()
        .position(|line| *line == "> When do you open?")
        .unwrap();
    assert!(lines[asked + 1].starts_with("< "), "{told}");
    let left = lines.iter().position(|line| *line == "> STOP").unwrap();
    assert!(lines[left + 1].starts_with("< "), "{told}");
    assert!(soon(app.stop()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_refuses_is_told_on_the_phone() {
    let yard = Yard::new().await;
    let listen = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gateway = format!("{}/v1/inbound/support", yard.braze.url());
    let (code, told) = phone(listen, gateway, "hi\n").await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("(the gateway answered 404"), "{told}");
}
