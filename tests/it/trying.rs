//! Trying the prompts: conversation tests as files, and a conversation in the terminal.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use frontdesk::domain::Language;
use frontdesk::prompts::{Business, Folder, Source};
use frontdesk::sandbox::Model;
use frontdesk::sandbox::model::Reply;
use frontdesk::shutdown::Shutdown;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::prompts::marked;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/support")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command.args(arguments).env_clear().current_dir(folder);
    command
}

fn frontdesk(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn read(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap()
}

/// Gives what was met, as `what/language`.
fn met(results: &Value, list: &str, name: &str) -> BTreeSet<String> {
    let tests = results["tests"].as_array().unwrap().iter();
    let met = tests.flat_map(|test| test[list].as_array().unwrap());
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    met.map(|one| format!("{}/{}", word(&one[name]), word(&one["language"])))
        .collect()
}

/// Every rule and every fixed text of the shipped folder has a test in every language. Who adds one adds its tests, too:
/// the message names the file, and those that stand there show how.
#[test]
fn the_shipped_tests_pass_and_meet_every_rule_and_text_in_every_language() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results.json");
    let junit = folder.path().join("results.xml");
    let ended = frontdesk(
        folder.path(),
        &[
            "test",
            shipped().to_str().unwrap(),
            "--json",
            file.to_str().unwrap(),
            "--junit",
            junit.to_str().unwrap(),
        ],
    );
    let shown = text(&ended.stdout);
    assert_eq!(
        ended.status.code(),
        Some(0),
        "{shown}\n{}",
        text(&ended.stderr)
    );
    let results: Value = serde_json::from_str(&read(&file)).unwrap();
    let passed = results["passed"].as_u64().unwrap();
    assert!(passed >= 40 && results["failed"] == 0, "{shown}");
    assert_eq!(
        read(&junit).matches("<testcase ").count(),
        results["tests"].as_array().unwrap().len()
    );

    let business: Business = json!({ "name": "Acme" }).as_object().unwrap().clone();
    let folder = Folder::load(&Source::Directory(shipped()), Language::ENGLISH, &business).unwrap();
    let (texts, rules) = (
        met(&results, "texts", "key"),
        met(&results, "rules", "rule"),
    );
    let mut missing = Vec::new();
    for (language, key, _) in folder.texts() {
        if !texts.contains(&format!("{key}/{language}")) {
            missing.push(format!(
                "prompts/support/tests/{language}.yaml: no test is sent the text `{key}`"
            ));
        }
    }
    for language in folder.languages() {
        for rule in folder.rules().iter() {
            if !rules.contains(&format!("{}/{language}", rule.name)) {
                missing.push(format!(
                    "prompts/support/tests/{language}.yaml: no test meets the rule `{}`",
                    rule.name
                ));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "add a test for each:\n{}",
        missing.join("\n")
    );
}

/// A small prompt folder with one file of tests.
fn folder(tests: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    marked(folder.path(), "Mark");
    std::fs::create_dir(folder.path().join("tests")).unwrap();
    std::fs::write(folder.path().join("tests/a.yaml"), tests).unwrap();
    folder
}

const GOOD: &str = r#"
tests:
  - description: hello is answered
    model: [{ reply: "Hello there." }]
    turns:
      - user: hello
        assert: [{ type: contains, value: Hello there. }, { type: prompt-contains, value: Mark }]
  - description: stop is heard
    model: []
    turns:
      - user: stop
        assert: [{ type: text-key, value: opted_out }, { type: rule, value: stop }]
"#;

#[test]
fn a_bare_folder_needs_no_configuration_and_a_path_may_be_the_folder_its_tests_or_one_file() {
    let folder = folder(GOOD);
    for path in [".", "tests", "tests/a.yaml"] {
        let ended = frontdesk(folder.path(), &["test", path]);
        let shown = text(&ended.stdout);
        assert_eq!(
            ended.status.code(),
            Some(0),
            "{path}: {shown}{}",
            text(&ended.stderr)
        );
        assert!(
            shown.contains("2 passed") && !shown.contains('\x1b'),
            "{shown}"
        );
    }
    let ended = frontdesk(folder.path(), &["test", ".", "--filter", "STOP"]);
    assert!(text(&ended.stdout).contains("1 passed"), "{ended:?}");
}

#[test]
fn what_fails_is_told_with_the_conversation_and_in_both_formats() {
    let tests = GOOD.replace("value: Hello there.", "value: \"<Good> & bye\"");
    let folder = folder(&tests);
    let ended = frontdesk(
        folder.path(),
        &["test", ".", "--junit", "j.xml", "--json", "r.json"],
    );
    let shown = text(&ended.stdout);
    assert_eq!(ended.status.code(), Some(1), "{shown}");
    for told in [
        "FAIL hello is answered",
        "a.yaml:3",
        "turn 1, line 7, contains: expected \"<Good> & bye\"; the customer got \"",
        "customer: hello",
        "Hello there.",
        "outcome: replied",
        "pass stop is heard",
        "1 passed, 1 failed",
    ] {
        assert!(shown.contains(told), "{told} is missing in:\n{shown}");
    }
    let junit = read(&folder.path().join("j.xml"));
    assert!(
        junit.contains("<testsuites tests=\"2\" failures=\"1\" skipped=\"0\">"),
        "{junit}"
    );
    assert!(junit.contains("&lt;Good&gt; &amp; bye"), "{junit}");
    assert_eq!(
        junit.matches('<').count(),
        junit.matches('>').count(),
        "{junit}"
    );
    let results: Value = serde_json::from_str(&read(&folder.path().join("r.json"))).unwrap();
    assert_eq!(results["tests"][0]["failures"][0]["type"], "contains");
    assert_eq!(results["tests"][0]["result"], "failed");
}

#[rstest]
#[case(
    "turns: [{user: hi}]",
    "turns: [{user: hi, asert: []}]",
    "a.yaml:4:24",
    "`tests[0].turns[0].asert`"
)]
#[case(
    "turns:",
    "settings: {burst.cup: 1s}\n    turns:",
    "a.yaml:4:16",
    "unknown field `cup`"
)]
#[case("turns:", "turns: [", "a.yaml:", "is no YAML")]
fn a_bad_file_is_refused_with_its_line(
    #[case] good: &str,
    #[case] bad: &str,
    #[case] place: &str,
    #[case] message: &str,
) {
    let tests = "tests:\n  - description: it\n    model: []\n    turns: [{user: hi}]\n";
    let folder = folder(&tests.replace(good, bad));
    let ended = frontdesk(folder.path(), &["test", "."]);
    let shown = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{shown}");
    assert!(shown.contains(place) && shown.contains(message), "{shown}");
}

#[test]
fn a_broken_prompt_folder_and_tests_that_are_not_there_have_their_own_codes() {
    let folder = folder(GOOD);
    let run = |arguments: &[&str]| {
        let ended = frontdesk(folder.path(), arguments);
        (ended.status.code(), text(&ended.stderr))
    };
    let (code, shown) = run(&["test", ".", "--filter", "unheard of"]);
    assert_eq!(code, Some(1));
    assert!(shown.contains("`unheard of`"), "{shown}");
    let (code, shown) = run(&["test", "nowhere"]);
    assert_eq!(code, Some(1));
    assert!(shown.contains("cannot read nowhere"), "{shown}");
    std::fs::write(folder.path().join("system.md"), "{{ customer.name }}").unwrap();
    for arguments in [&["test", "."][..], &["chat", "."]] {
        let (code, shown) = run(arguments);
        assert_eq!(code, Some(3), "{shown}");
        assert!(shown.contains("system.md:1:"), "{shown}");
    }
}

/// Puts what stands in the folder into one below it, and a configuration beside that: its assistant has those prompts, its
/// model is the one at `url`.
fn configured(folder: &Path, url: &str) {
    let there: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    let prompts = folder.join("shop");
    std::fs::create_dir(&prompts).unwrap();
    for entry in there {
        let entry = entry.unwrap();
        std::fs::rename(entry.path(), prompts.join(entry.file_name())).unwrap();
    }
    let toml = format!(
        r#"
        [workspaces.main]
        endpoint = "https://rest.iad-01.braze.com"
        api_key = "env::NOT_SET"
        [models.main]
        base_url = "{url}"
        model = "real"
        price = {{ input = 1000, output = 1000 }}
        [assistants.shop]
        prompts = "shop"
        secrets = ["env::NOT_SET_EITHER"]
        campaign_id = ""
        display_name = "Ada"
        [assistants.shop.business]
        name = "Tulip"
        "#
    );
    std::fs::write(folder.join("frontdesk.toml"), toml).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn live_tests_ask_the_configured_model_and_let_it_judge() {
    let outside = Shutdown::new();
    let model = Model::start(SocketAddr::from(([127, 0, 0, 1], 0)), &outside)
        .await
        .unwrap();
    model.respond_with(|request| match request.get("response_format") {
        Some(_) => Reply::says("Hello from the model."),
        None if request.to_string().contains("is friendly") => {
            Reply::Text(r#"{"pass": true, "score": 1, "reason": "it is"}"#.to_owned())
        }
        None => Reply::Text(r#"{"pass": false, "reason": "it rhymes not"}"#.to_owned()),
    });
    let folder = folder(
        r#"
tests:
  - description: hello is answered
    model: [{ reply: "Hello from the script." }]
    turns:
      - user: hello
        assert:
          - { type: contains, value: Hello }
          - { type: prompt-contains, value: Tulip }
          - { type: cost, threshold: 100 }
          - { type: not-cost, threshold: 0.000001 }
          - { type: llm-rubric, value: is friendly }
  - description: it rhymes
    live: only
    turns:
      - user: hello
        assert: [{ type: llm-rubric, value: it rhymes }]
"#,
    );
    configured(folder.path(), &model.url());
    let path = folder.path().to_owned();
    let run = async |arguments: &'static [&str]| {
        let path = path.clone();
        let ran = tokio::task::spawn_blocking(move || frontdesk(&path, arguments));
        ran.await.unwrap()
    };

    let ended = run(&["test"]).await;
    let shown = text(&ended.stdout);
    assert_eq!(
        ended.status.code(),
        Some(0),
        "{shown}{}",
        text(&ended.stderr)
    );
    for told in [
        "skipped line 12: `llm-rubric` needs --live",
        "1 passed, 1 skipped",
        "skip it rhymes",
    ] {
        assert!(shown.contains(told), "{told} is missing in:\n{shown}");
    }
    assert_eq!(
        model.request_count(),
        0,
        "without --live nobody outside is asked"
    );

    let ended = run(&["test", "--live"]).await;
    let shown = text(&ended.stdout);
    assert_eq!(
        ended.status.code(),
        Some(1),
        "{shown}{}",
        text(&ended.stderr)
    );
    for told in [
        "pass hello is answered",
        "FAIL it rhymes",
        "it rhymes not",
        "Hello from the model.",
    ] {
        assert!(shown.contains(told), "{told} is missing in:\n{shown}");
    }
    outside.stop();
}

/// Talks to the stand-in model through a pipe; gives what was shown.
fn chats(folder: &Path, arguments: &[&str], lines: &str) -> String {
    let mut child = talking(folder, arguments);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let ended = child.wait_with_output().unwrap();
    let shown = format!("{}{}", text(&ended.stdout), text(&ended.stderr));
    assert_eq!(ended.status.code(), Some(0), "{shown}");
    shown
}

fn talking(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = command(folder, &[&["chat"], arguments].concat());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn a_chat_shows_each_turn_explains_it_and_saves_a_test_that_passes() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "Hi, where is my order 4711?\n/profile first_name=Ana\nQuiero hablar con una persona\n/why\n\
        ¿sigue ahí?\n/agent release\n/clock +20m\n/media https://example.com/a.jpg\n/save saved.yaml\n/dance\n/reset\nhello\n/quit\nunread\n";
    let folder_of_prompts = shipped();
    let shown = chats(folder.path(), &[folder_of_prompts.to_str().unwrap()], lines);
    for told in [
        "answered by the stand-in model",
        "number 4711",
        "replied · ",
        " tokens",
        "handoff.requested",
        "handed_off · rule human_requested · text handoff_started (es) · with pending",
        "met by the phrase",
        "prompt the model was not asked",
        "forwarded",
        "handoff.ended",
        "text media (es)",
        "saved; play it with",
        "there is no `/dance`",
        "another customer",
    ] {
        assert!(shown.contains(told), "{told} is missing in:\n{shown}");
    }
    assert!(
        !shown.contains('\x1b'),
        "colours where there is no terminal"
    );
    let saved = read(&folder.path().join("saved.yaml"));
    assert!(
        saved.contains("agent: { release: true }") && saved.contains("reason.code: customer_asked"),
        "{saved}"
    );
    let tests = folder.path().join("copy");
    crate::prompts::copy(&shipped(), &tests);
    std::fs::copy(
        folder.path().join("saved.yaml"),
        tests.join("tests/saved.yaml"),
    )
    .unwrap();
    let ended = frontdesk(&tests, &["test", "tests/saved.yaml"]);
    let shown = text(&ended.stdout);
    assert_eq!(
        ended.status.code(),
        Some(0),
        "{shown}{}\n{saved}",
        text(&ended.stderr)
    );
}

#[test]
fn a_chat_takes_over_prompts_that_change_and_keeps_the_old_ones_where_they_break() {
    let folder = folder(GOOD);
    let mut child = talking(folder.path(), &["."]);
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut say_until = |told: &str| {
        // The change is noticed when the system tells of it; each message looks again.
        for _ in 0..600 {
            stdin.write_all(b"/reset\nhello\n").unwrap();
            let mut shown = String::new();
            while !shown.contains(" s]") {
                shown += &lines.next().unwrap().unwrap();
            }
            if shown.contains(told) {
                return;
            }
        }
        panic!("never told: {told}");
    };
    say_until("[replied");
    std::fs::write(
        folder.path().join("system.md"),
        "You help {{ business.name }}. Changed.\n",
    )
    .unwrap();
    say_until("the prompts have changed");
    std::fs::write(folder.path().join("system.md"), "{{ broken").unwrap();
    std::fs::write(folder.path().join("rules.toml"), "[[rule]]\n").unwrap();
    say_until("[replied");
    std::fs::remove_file(folder.path().join("summary.md")).unwrap();
    for _ in 0..3 {
        say_until("[replied");
    }
    drop(stdin);
    let mut told = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut told)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{told}");
}

#[test]
fn a_chat_needs_an_assistant_that_is_there_and_the_key_of_its_model() {
    let folder = folder(GOOD);
    configured(folder.path(), "http://127.0.0.1:9/v1");
    let ended = frontdesk(folder.path(), &["chat", "nobody"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stderr).contains("there are: shop"), "{ended:?}");
    let file = folder.path().join("frontdesk.toml");
    let keyed = read(&file).replace(
        "model = \"real\"",
        "model = \"real\"\napi_key = \"env::NO_KEY\"",
    );
    std::fs::write(&file, keyed).unwrap();
    let ended = frontdesk(folder.path(), &["chat"]);
    let shown = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3), "{shown}");
    assert!(
        shown.contains("NO_KEY") && shown.contains("--stand-in"),
        "{shown}"
    );
    let shown = chats(
        folder.path(),
        &["--stand-in"],
        "hello there, my friend\n/agent release\n",
    );
    assert!(shown.contains("replied"), "{shown}");
    assert!(shown.contains("no agent has the conversation"), "{shown}");
}

#[test]
fn the_example_of_the_guide_passes() {
    let readme = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    crate::prompts::copy(&shipped(), folder.path());
    let example = rest.split("```").next().unwrap();
    std::fs::write(folder.path().join("tests/example.yaml"), example).unwrap();
    let ended = frontdesk(folder.path(), &["test", "tests/example.yaml"]);
    let shown = text(&ended.stdout);
    assert_eq!(
        ended.status.code(),
        Some(0),
        "{shown}{}",
        text(&ended.stderr)
    );
}
