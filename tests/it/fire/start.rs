//! Started where it cannot work: on a file that is in use, on a bad configuration.

use rstest::rstest;

use super::load::writes;
use super::yard::{Yard, run};

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
    let taken = writes(&gateway.phone(), 1, "word-1-0").await;
    assert!(taken.is_some(), "the first goes on");
    gateway.stops().await;
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
