//! `frontdesk models`, through the real program, against stand-ins that do what servers do.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::{Model, Plan};
use frontdesk::shutdown::Shutdown;
use serde_json::{Value, json};

use crate::world::soon;

/// What no output may hold: keys have it, and so do answers and refusals.
const NEVER_SHOWN: &str = "sesame";

/// What the program is given of the rest of a configuration: nothing that could start a gateway.
const REST: &str = r#"
[workspaces.main]
endpoint = "https://rest.iad-01.braze.com"
api_key = "env::NOT_SET"

[assistants.support]
secrets = ["env::NOT_SET"]
campaign_id = ""
"#;

/// Servers of all kinds, and the tables that lead to them.
struct Street {
    outside: Shutdown,
    tables: String,
}

/// What the program said.
struct Ended {
    code: Option<i32>,
    said: String,
    complained: String,
}

impl Street {
    fn new() -> Self {
        Self {
            outside: Shutdown::new(),
            tables: String::new(),
        }
    }

    /// Adds a server.
    async fn add(&mut self, name: &str, keys: &str) -> Model {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let model = Model::start(anywhere, &self.outside).await.unwrap();
        self.lead(name, &model.url(), keys);
        model
    }

    fn lead(&mut self, name: &str, url: &str, keys: &str) {
        let table =
            format!("[models.{name}]\nbase_url = \"{url}\"\nmodel = \"{name}-1\"\n{keys}\n");
        self.tables.push_str(&table);
    }

    /// Runs the program.
    async fn ask(&self, arguments: &[&str]) -> Ended {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, format!("{}{REST}", self.tables)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        command
            .arg("models")
            .args(arguments)
            .arg("--config")
            .arg(&file)
            .env_clear()
            .env("RIGHT_KEY", "sesame-right")
            .env("WRONG_KEY", "sesame-wrong")
            .stdin(Stdio::null());
        let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
        let ended = ended.await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = Ended {
            code: ended.status.code(),
            said: text(&ended.stdout),
            complained: text(&ended.stderr),
        };
        for text in [&ended.said, &ended.complained] {
            assert!(!text.contains(NEVER_SHOWN), "{text}");
        }
        ended
    }

    /// Runs the program and gives what it says of each model.
    async fn told(&self, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
        let ended = self.ask(&[arguments, &["--json"]].concat()).await;
        let told: Value = serde_json::from_str(&ended.said).expect(&ended.complained);
        (ended.code, told["models"].as_array().unwrap().clone())
    }
}

/// Refuses a field by name, as OpenAI does, and is well without it.
fn refuses(model: &Model, has: impl Fn(&Value) -> bool + Send + Sync + 'static, named: &str) {
    let refusal = json!({"error": {
        "message": format!("sesame: unsupported parameter: '{named}'"),
        "type": "invalid_request_error", "code": "unsupported_parameter", "param": named,
    }});
    model.respond_with(move |asked| match has(asked) {
        true => Reply::Raw(400, refusal.to_string()),
        false => Reply::says("sesame: 4"),
    });
}

fn hints(told: &Value) -> String {
    told["hints"].to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_works_is_told_with_all_that_is_known_of_it() {
    let mut street = Street::new();
    let keys = "api_key = \"env::RIGHT_KEY\"\nprice = { input = 1000, output = 2000 }";
    let model = street.add("main", keys).await;
    model.require_key("sesame-right");
    let (code, told) = street.told(&[]).await;
    assert_eq!((code, told.len()), (Some(0), 1));
    let told = &told[0];
    assert_eq!(
        (&told["name"], &told["answered"], &told["fault"]),
        (&json!("main"), &json!(true), &Value::Null)
    );
    assert_eq!(
        (&told["served_as"], &told["calls"]),
        (&json!("main-1"), &json!(1))
    );
    assert_eq!(
        (&told["token_limit_field"], &told["answer"], &told["object"]),
        (&json!("max_tokens"), &json!("json_schema"), &json!(true))
    );
    let (input, output) = (&told["tokens"]["input"], &told["tokens"]["output"]);
    let cost = input.as_f64().unwrap() / 1e3 + output.as_f64().unwrap() / 500.0;
    assert!(
        (told["cost"].as_f64().unwrap() - cost).abs() < 1e-6,
        "{told}"
    );
    assert_eq!(hints(told), "[]");
    // The question is the one that customers' are: with rules, and with all that an assistant's request has.
    let asked = model.requests()[0].json();
    assert_eq!(asked["response_format"]["type"], "json_schema");
    assert!(asked["response_format"].to_string().contains("\"refund\""));

    let table = street.ask(&["main"]).await;
    assert_eq!((table.code, table.complained.as_str()), (Some(0), ""));
    let lines: Vec<_> = table.said.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    let head = "model  result    served as  limit by    answer       object  seconds  in";
    assert!(lines[0].starts_with(head), "{lines:#?}");
    assert!(lines[1].starts_with("main   answered  main-1     max_tokens  json_schema  yes"));
    street.outside.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_refuses_is_found_and_the_setting_that_spares_it_is_named() {
    let mut street = Street::new();
    let new = street.add("new", "").await;
    refuses(
        &new,
        |asked| asked.get("max_tokens").is_some(),
        "max_tokens",
    );
    let old = street.add("old", "").await;
    let schema = |asked: &Value| asked["response_format"]["type"] == "json_schema";
    refuses(&old, schema, "response_format");
    let cold = street.add("cold", "temperature = 0.5").await;
    refuses(
        &cold,
        |asked| asked.get("temperature").is_some(),
        "temperature",
    );
    let plain = street.add("plain", "").await;
    plain.respond_with(|_| Reply::Text("sesame: that makes four".to_owned()));
    let (code, told) = street.told(&["new", "old", "plain", "cold"]).await;
    let seen: Vec<_> = told
        .iter()
        .map(|told| {
            let text = |key: &str| told[key].as_str().unwrap();
            let (limit, answer) = (text("token_limit_field"), text("answer"));
            (text("name"), limit, answer, told["calls"].as_u64().unwrap())
        })
        .collect();
    let expected = [
        ("cold", "max_tokens", "json_schema", 2),
        ("new", "max_completion_tokens", "json_schema", 2),
        ("old", "max_tokens", "json_object", 2),
        ("plain", "max_tokens", "json_schema", 1),
    ];
    assert_eq!((code, seen.as_slice()), (Some(0), expected.as_slice()));
    let advice = [
        "temperature",
        "max_completion_tokens",
        "json_object",
        "plain words",
    ];
    for (told, advice) in told.iter().zip(advice) {
        assert!(hints(told).contains(advice), "{told}");
    }
    let objects: Vec<_> = told.iter().map(|told| told["object"].clone()).collect();
    assert_eq!(objects, [true, true, true, false]);
    street.outside.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_named_with_what_to_do_and_hinders_no_other() {
    let mut street = Street::new();
    let _fine = street.add("fine", "").await;
    let locked = street.add("locked", "api_key = \"env::WRONG_KEY\"").await;
    locked.require_key("sesame-right");
    let gone = "retries = 0";
    street.lead("gone", "http://127.0.0.1:1/v1", gone);
    let silent = street
        .add("silent", "retries = 0\nfirst_byte_within = \"100ms\"")
        .await;
    silent.misbehave(Plan::hang());
    let strange = street.add("strange", "").await;
    strange.respond_with(|_| {
        let body = r#"{"error":{"message":"no model sesame","code":"model_not_found"}}"#;
        Reply::Raw(404, body.to_owned())
    });
    let poor = street.add("poor", "").await;
    poor.respond_with(|_| {
        let body = r#"{"error":{"message":"sesame","code":"insufficient_quota"}}"#;
        Reply::Raw(429, body.to_owned())
    });
    let (code, told) = street.told(&[]).await;
    assert_eq!(code, Some(1));
    let expected = [
        ("fine", Value::Null, ""),
        (
            "gone",
            json!({"kind": "connect", "status": null, "code": null}),
            "base_url",
        ),
        (
            "locked",
            json!({"kind": "auth", "status": 401, "code": "invalid_api_key"}),
            "api_key",
        ),
        (
            "poor",
            json!({"kind": "quota", "status": 429, "code": "insufficient_quota"}),
            "credit",
        ),
        (
            "silent",
            json!({"kind": "timeout", "status": null, "code": "first_byte"}),
            "attempt_within",
        ),
        (
            "strange",
            json!({"kind": "bad_request", "status": 404, "code": "model_not_found"}),
            "`model`",
        ),
    ];
    assert_eq!(told.len(), expected.len());
    for (told, (name, fault, hint)) in told.iter().zip(expected) {
        assert_eq!((&told["name"], &told["fault"]), (&json!(name), &fault));
        assert_eq!(told["answered"], fault.is_null(), "{told}");
        assert!(hints(told).contains(hint), "{told}");
    }

    let table = street.ask(&["locked", "gone"]).await;
    assert_eq!(table.code, Some(1));
    for line in [
        "\ngone    connect ",
        "\nlocked  auth (HTTP 401, `invalid_api_key`)  -",
        "\n\ngone: nobody answers there",
        "\nlocked: the server does not accept the key",
    ] {
        assert!(table.said.contains(line), "{line:?} in\n{}", table.said);
    }
    street.outside.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_are_asked_at_once() {
    let mut street = Street::new();
    let models = [street.add("a", "").await, street.add("b", "").await];
    let held = models.each_ref().map(Model::hold);
    let both_asked = async {
        soon(models[0].wait_for(1)).await;
        soon(models[1].wait_for(1)).await;
        drop(held);
    };
    let (ended, ()) = tokio::join!(street.ask(&["--deadline", "2m"]), both_asked);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
    street.outside.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_s_name_for_its_model_cannot_command_a_terminal() {
    let mut street = Street::new();
    let model = street.add("main", "").await;
    model.respond_with(|_| {
        let body = json!({
            "model": "red\u{1b}[31m", "choices": [{"message": {"content": "{\"reply\":\"4\"}"}}],
        });
        Reply::Raw(200, body.to_string())
    });
    let table = street.ask(&[]).await;
    assert!(table.said.contains(" red[31m "), "{}", table.said);
    assert!(!table.said.contains('\u{1b}'), "{}", table.said);
    // Such a server tells no tokens, either.
    assert!(
        table.said.contains("main: the server tells no tokens"),
        "{}",
        table.said
    );
    street.outside.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_has_no_longer_than_the_deadline() {
    let mut street = Street::new();
    let silent = street.add("silent", "retries = 5").await;
    silent.misbehave(Plan::hang());
    let (code, told) = street.told(&["--deadline", "1s"]).await;
    assert_eq!(
        (code, &told[0]["fault"]["kind"]),
        (Some(1), &json!("timeout"))
    );
    assert_eq!(told[0]["calls"], 1);
    let took = told[0]["seconds"].as_f64().unwrap();
    assert!((1.0..15.0).contains(&took), "{took} s");
    let endless = street.ask(&["--deadline", "1h"]).await;
    assert_eq!(endless.code, Some(2));
    street.outside.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_the_settings_of_those_that_are_asked_has_to_be_right() {
    let mut street = Street::new();
    let _fine = street.add("fine", "").await;
    street.lead(
        "keyless",
        "http://127.0.0.1:1/v1",
        "api_key = \"env::NOT_SET\"",
    );
    street.lead("wrong", "http://127.0.0.1:1/v1", "colour = \"red\"");
    assert_eq!(street.ask(&["fine"]).await.code, Some(0));
    for (name, problem) in [
        ("keyless", "models.keyless.api_key"),
        ("wrong", "models.wrong.colour"),
    ] {
        let ended = street.ask(&["fine", name]).await;
        assert_eq!((ended.code, ended.said.as_str()), (Some(3), ""));
        assert!(ended.complained.contains(problem), "{}", ended.complained);
        assert!(
            ended.complained.contains("1 problem\n"),
            "{}",
            ended.complained
        );
    }
    let ended = street.ask(&["nobody"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(
        ended
            .complained
            .contains("`nobody` is configured: fine, keyless")
    );
    let nothing = Street::new().ask(&[]).await;
    assert_eq!(nothing.code, Some(3));
    assert!(
        nothing.complained.contains("[models.main]"),
        "{}",
        nothing.complained
    );
    street.outside.stop();
}
