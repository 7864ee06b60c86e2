//! The command as its user meets it.

use std::process::{Command, Output};

use frontdesk::sandbox::Profile;

fn frontdesk(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_frontdesk"))
        .args(arguments)
        .env_clear()
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_demo_ends_well_and_shows_what_happened() {
    let ended = frontdesk(&["demo", "--once"]);
    let shown = text(&ended.stdout);
    assert_eq!(
        ended.status.code(),
        Some(0),
        "{shown}\n{}",
        text(&ended.stderr)
    );
    for seen in [
        "desk « note The customer asked for a person.",
        "desk « message It is about the lamp that came broken",
        "Hello Emma, this is Bea.",
        "[failed(model)]",
        "[forwarded]",
        "[suppressed(opted_out)]",
        "営業時間",
    ] {
        assert!(shown.contains(seen), "{seen} is missing in:\n{shown}");
    }
    assert!(
        !shown.contains('\x1b'),
        "colours where there is no terminal"
    );
}

#[test]
fn check_without_anything_tells_what_is_missing() {
    let ended = frontdesk(&["check"]);
    assert_eq!(ended.status.code(), Some(3));
    let shown = text(&ended.stderr);
    for named in [
        "BRAZE_API_KEY",
        "FRONTDESK_INBOUND_SECRET",
        "campaign_id",
        "4 problems",
    ] {
        assert!(shown.contains(named), "{shown}");
    }
}

#[test]
fn wrong_arguments_and_missing_files_have_their_own_codes() {
    assert_eq!(frontdesk(&["dance"]).status.code(), Some(2));
    let ended = frontdesk(&["serve", "--config", "no-such-file.toml"]);
    assert_eq!(ended.status.code(), Some(3));
    assert!(text(&ended.stderr).contains("no-such-file.toml"));
}

#[test]
fn a_literal_secret_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("frontdesk.toml");
    let toml = "[workspaces.main]\nendpoint = \"https://rest.iad-01.braze.com\"\napi_key = \"sesame-open-123\"\n";
    std::fs::write(&file, toml).unwrap();
    let ended = frontdesk(&["check", "--config", file.to_str().unwrap()]);
    let shown = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(3));
    assert!(
        shown.contains(":3:11") && shown.contains("env::NAME") && !shown.contains("sesame"),
        "{shown}"
    );
}

#[test]
fn the_stand_in_model_knows_its_profiles_and_refuses_what_makes_no_sense() {
    let ended = frontdesk(&["sandbox", "model", "--help"]);
    let shown = text(&ended.stdout);
    for profile in Profile::all() {
        assert!(shown.contains(profile.name), "{}", profile.name);
    }
    for wrong in [
        ["--profile", "closedai"],
        ["--latency", "fast"],
        ["--latency", "5:4:3:2"],
        ["--fail", "101"],
        ["--window", "10"],
        ["--fault", "sulk"],
    ] {
        let ended = frontdesk(&["sandbox", "model", wrong[0], wrong[1]]);
        assert_eq!(ended.status.code(), Some(2), "{wrong:?}");
    }
}
