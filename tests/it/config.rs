//! Bad configurations, through the real program: each is refused at once, where it stands, with what to do about it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use frontdesk::clock::Clock;

/// Everything that can be configured, and nothing wrong with it.
const GOOD: &str = include_str!("config/good.toml");

/// Mistakes in the file.
const IN_THE_FILE: &str = include_str!("config/file.txt");

/// Mistakes in the environment.
const IN_THE_ENVIRONMENT: &str = include_str!("config/environment.txt");

/// No secret may hold anything that is not also in here, and nothing that is in here may be shown.
const NEVER_SHOWN: &str = "sesame";

/// How long a refusal may take where the machine is busy with other tests. Alone it takes some hundredths of a second.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A mistake, and what has to be said about it.
struct Case {
    from: String,
    to: String,
    key: &'static str,
    words: Vec<&'static str>,
}

/// Reads the lines of a table; its head says what stands where.
fn cases(table: &'static str) -> impl Iterator<Item = Case> {
    let lines = table.lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let (change, told) = line.split_once(" | ").unwrap();
        let (from, to) = change.split_once(" => ").unwrap();
        let (key, words) = told.split_once(" | ").unwrap();
        let cell = |text: &'static str| if text == "-" { "" } else { text };
        let lines = |text| cell(text).replace('⏎', "\n");
        Case {
            from: lines(from),
            to: lines(to),
            key: cell(key),
            words: cell(words).split(" ; ").collect(),
        }
    })
}

/// Runs the program on a configuration. Gives the exit code, what it said, and how long it took.
fn run(
    command: &str,
    folder: &Path,
    text: &str,
    more: &[(&str, &str)],
) -> (Option<i32>, String, Duration) {
    std::fs::write(folder.join("gateway.toml"), text).unwrap();
    let mut variables = BTreeMap::from([
        ("BRAZE_KEY", "k"),
        ("OTLP_KEY", "k"),
        ("MODEL_KEY", "k"),
        (
            "SIGNING_KEY",
            "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        ),
        ("DESK_SECRET", "Qk3xV9zLr2mW8tYbN4pHs7Dj"),
        ("INBOUND", "hB7cR1wEf6vT0yUgJ5nMa9Kd"),
        ("EMPTY", " "),
        ("TWO_LINES", "sesame-7\nsesame-8"),
        ("SHORT", "sesame-9"),
        ("WEAK", "sesame-sesame-sesame-sesame-sesame"),
    ]);
    variables.extend(more.iter().copied());
    let clock = Clock::system();
    let ended = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
        .args([command, "--config", "gateway.toml"])
        .current_dir(folder)
        .env_clear()
        .env("NO_COLOR", "1")
        .envs(variables)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let took = clock.elapsed();
    assert!(ended.stdout.is_empty() || ended.status.success());
    (
        ended.status.code(),
        String::from_utf8(ended.stderr).unwrap(),
        took,
    )
}

/// Makes a folder with everything that [`GOOD`] names.
fn folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    crate::prompts::marked(&folder.path().join("prompts"), "small");
    let open = folder.path().join("open-to-all");
    std::fs::write(&open, "sesame-10").unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o644)).unwrap();
    folder
}

/// Finds what is missing in what was said about a mistake: the code, the key, the words, the time; never a secret.
fn complaints(key: &str, words: &[&str], result: &(Option<i32>, String, Duration)) -> Vec<String> {
    let (code, said, took) = result;
    let mut complaints = Vec::new();
    if *code != Some(3) {
        complaints.push(format!("ended with {code:?}"));
    }
    if !key.is_empty() && !said.contains(&format!("`{key}`")) {
        complaints.push(format!("does not name `{key}`"));
    }
    let unsaid = words.iter().filter(|word| !said.contains(**word));
    complaints.extend(unsaid.map(|word| format!("does not say {word}")));
    if said.contains(NEVER_SHOWN) {
        complaints.push("shows a secret".to_owned());
    }
    if *took >= AT_ONCE {
        complaints.push(format!("took {took:?}"));
    }
    complaints
}

/// Fails where there is any complaint about a case.
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

#[test]
fn what_is_changed_below_has_nothing_wrong_with_it() {
    let folder = folder();
    let (code, said, _) = run("check", folder.path(), GOOD, &[]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    let plain = GOOD
        .replace("https://api.openai.com/v1", "http://10.0.0.7:8000/v1")
        .replace("https://desk.acme.dev", "http://desk:80")
        .replace("https://frontdesk.acme.dev", "http://frontdesk:8080")
        .replace("model = \"gpt\"", "model = \"gpt\"\nallow_http = true")
        .replace("idle = ", "allow_http = true\nidle = ");
    let (code, said, _) = run("check", folder.path(), &plain, &[]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn every_mistake_in_the_file_is_told_with_its_line_and_its_cure() {
    let folder = folder();
    let mut all = Vec::new();
    for (index, case) in cases(IN_THE_FILE).enumerate() {
        let Case {
            from,
            to,
            key,
            words,
        } = case;
        assert!(GOOD.contains(&from), "{from}");
        let marked = GOOD.replacen(&from, &to, 1);
        let text = marked.replace('§', "");
        // Every eighth also by the way on which it matters.
        let commands = if index % 8 == 0 { 0..2 } else { 0..1 };
        for command in commands.map(|command| ["check", "serve"][command]) {
            let result = run(command, folder.path(), &text, &[]);
            let mut found = complaints(key, &words, &result);
            let place = marked.find('§').map(|before| {
                let line = marked[..before].matches('\n').count() + 1;
                format!("gateway.toml:{line}:")
            });
            let place = place.unwrap_or_else(|| "gateway.toml".to_owned());
            for part in [place.as_str(), "\n1 problem\n"] {
                if !result.1.contains(part) {
                    found.push(format!("does not say {part}"));
                }
            }
            if !found.is_empty() {
                all.push(format!("{to}: {found:?}\n{}", result.1));
            }
        }
    }
    none(&all);
    assert!(cases(IN_THE_FILE).count() > 100, "none is lost");
}

#[test]
fn every_mistake_in_the_environment_is_told_with_its_variable() {
    let folder = folder();
    // Another variable, and nothing wrong with it.
    let other = ("FRONTDESK__BURST__CAP", "8s");
    for Case {
        from: name,
        to: value,
        key,
        words,
    } in cases(IN_THE_ENVIRONMENT)
    {
        let result = run("check", folder.path(), GOOD, &[(&name, &value), other]);
        none(&complaints(key, &words, &result));
        let told = format!("`{name}` sets it");
        assert!(result.1.contains(&told), "{}", result.1);
    }
}

#[test]
fn what_is_wrong_with_the_configuration_and_the_prompts_is_counted_together() {
    let folder = folder();
    std::fs::write(folder.path().join("prompts/system.md"), "{{ nobody }}").unwrap();
    let text = GOOD.replace("rate = 20", "rate = 20000");
    let (code, said, _) = run("check", folder.path(), &text, &[]);
    assert_eq!(code, Some(3));
    assert_eq!(said.matches("problem").count(), 1, "{said}");
    assert!(
        said.contains("\n2 problems\n") && said.contains("prompts/system.md:1:4"),
        "{said}"
    );
}

#[test]
fn a_file_of_a_newer_version_or_of_another_program_stops_the_start_with_its_key() {
    let folder = folder();
    let file = folder.path().join("frontdesk.db");
    for (make, says) in [
        (
            "PRAGMA application_id = 1178882891; PRAGMA user_version = 999",
            "schema version 999",
        ),
        (
            "PRAGMA application_id = 7; CREATE TABLE x (y)",
            "another program",
        ),
    ] {
        drop(std::fs::remove_file(&file));
        rusqlite::Connection::open(&file)
            .unwrap()
            .execute_batch(make)
            .unwrap();
        let result = run("serve", folder.path(), GOOD, &[]);
        let words = [says, "frontdesk.db", "gateway.toml:8:8"];
        none(&complaints("store.path", &words, &result));
    }
}
