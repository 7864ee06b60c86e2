//! Schemathesis reads the document that is served, and asks what nobody thought of.

#![expect(clippy::print_stdout, reason = "a test's own report")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use frontdesk::sandbox::Plan;

use super::client;
use crate::world::{ADMIN_SECRET, INBOUND_SECRET, OPERATOR_SECRET, VIEWER_SECRET, World};

/// The version that is run, so that a day's release fails nobody's build.
const VERSION: &str = "4.32.5";

/// Seconds for each role where the environment does not say otherwise.
const SECONDS: u64 = 10;

/// The environment variable for a longer run: seconds for each role.
const SECONDS_KEY: &str = "FRONTDESK_TEST_SCHEMATHESIS_SECONDS";

/// What a well-made request may be answered with: 422 says that a body in quarantine is as unreadable as it was.
const SETTINGS: &str = r#"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
"#;

/// Gives the program, installed beside what Cargo builds; or says why there is none.
fn install() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("schemathesis-{VERSION}"));
    let program = folder.join("bin/schemathesis");
    if run(Command::new(&program).arg("--version")).is_ok() {
        return Ok(program);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder))?;
    let package = format!("schemathesis=={VERSION}");
    let pip = ["install", "--quiet", "--timeout", "20", "--retries", "1"];
    run(Command::new(folder.join("bin/pip")).args(pip).arg(package))?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    let said = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    match status.success() {
        true => Ok(said.into_owned()),
        false => Err(format!("{name}: {status}\n{said}")),
    }
}

/// Fills a world with one of each thing that the API shows.
async fn furnished() -> World {
    let world = World::start().await;
    world.tells("ana", "When do you open?").await;
    world.tells("bob", "I want to talk to a human").await;
    world.braze.misbehave(Plan::status(400).times(1));
    world.tells("cid", "When do you open?").await;
    let post = client().post(format!("{}/v1/inbound/support", world.url()));
    let posted = post
        .bearer_auth(INBOUND_SECRET)
        .body("no JSON")
        .send()
        .await;
    assert_eq!(posted.unwrap().status(), 400);
    world
}

#[tokio::test]
async fn no_request_that_a_fuzzer_thinks_of_breaks_the_document_s_word() {
    let program = match tokio::task::spawn_blocking(install).await.unwrap() {
        Ok(program) => program,
        Err(why) => return println!("SKIPPED: Schemathesis cannot be run here: {why}"),
    };
    let seconds = std::env::var_os(SECONDS_KEY);
    let seconds = seconds.map_or(SECONDS, |seconds| {
        seconds.to_str().unwrap().parse().unwrap()
    });
    for (role, secret) in [
        ("viewer", VIEWER_SECRET),
        ("operator", OPERATOR_SECRET),
        ("admin", ADMIN_SECRET),
    ] {
        let world = furnished().await;
        let document = format!(
            "http://{}/operator/v1/openapi.json",
            world.app.operator_address()
        );
        let settings = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis.toml");
        std::fs::write(&settings, SETTINGS).unwrap();
        let mut command = Command::new(&program);
        command
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .arg("--config-file")
            .arg(settings)
            .args([
                "run",
                &document,
                "--checks",
                "all",
                "--seed",
                "1",
                "--warnings",
                "off",
            ])
            .args(["--max-time", &seconds.to_string()])
            .args(["--header", &format!("Authorization: Bearer {secret}")]);
        let ran = tokio::task::spawn_blocking(move || run(&mut command))
            .await
            .unwrap();
        let said = ran.unwrap_or_else(|said| panic!("as {role}: {said}"));
        let summary: Vec<_> = said.lines().rev().take(12).collect();
        println!(
            "as {role}:\n{}",
            summary.into_iter().rev().collect::<Vec<_>>().join("\n")
        );
        world.end().await;
    }
}
