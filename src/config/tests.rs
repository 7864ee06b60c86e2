//! What is found in a file, and where.

use super::*;

const GOOD: &str = r#"
[workspaces.main]
endpoint = "https://rest.iad-01.braze.com"
api_key = "env::BRAZE_KEY"

[models.main]
base_url = "http://127.0.0.1:11434/v1"
model = "llama"

[assistants.support]
secrets = ["env::INBOUND"]
campaign_id = "c-1"
business = { name = "Acme" }
"#;

fn environment() -> Environment {
    Environment::of([("BRAZE_KEY", "k"), ("INBOUND", "Qk3xV9zLr2mW8tYbN4pHs7Dj")])
}

fn load(text: &str, environment: &Environment) -> Result<Config, Problems> {
    Config::load(Source::from_text("frontdesk.toml", text), environment)
}

/// Gives each problem as `line: key: message`, sorted as they are shown.
fn problems(text: &str) -> Vec<String> {
    let Err(Problems { problems, .. }) = load(text, &environment()) else {
        return Vec::new();
    };
    let line = |problem: &Problem| {
        problem
            .span
            .as_ref()
            .map_or(0, |span| text[..span.start].matches('\n').count() + 1)
    };
    problems
        .iter()
        .map(|p| format!("{}: {}: {}", line(p), p.key, p.message))
        .collect()
}

#[test]
fn the_least_that_is_needed_is_enough() {
    let config = load(GOOD, &environment()).unwrap();
    assert_eq!(config.inbound_default(), Some("support"));
    assert_eq!(config.workspaces["main"].rate.get(), 20);
    assert_eq!(
        config.assistants["support"].message_property,
        "external_system_msg_body"
    );
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    let text = r#"
[server]
listen = "nowhere"
colour = "red"

[memory]
ttl = "5 parsecs"
messages = 900

[workspaces.main]
endpoint = "https://dashboard.braze.com"
api_key = "sk-literal"

[models.main]
base_url = "ftp://x"
model = "llama"

[assistants.support]
secrets = ["env::NOT_SET"]
campaign_id = ""
"#;
    insta::assert_snapshot!(problems(text).join("\n"), @r"
    3: server.listen: expected an address and a port, such as `127.0.0.1:8080`
    4: server.colour: unknown field `colour`, expected one of `listen`, `public_url`, `body_bytes`, `connections`, `per_address`, `trusted_proxies`, `tls`, `withdraw`, `drain`
    7: memory.ttl: expected a time with its unit, such as `250ms`, `25s`, `15m` or `12h`, found `5 parsecs`
    8: memory.messages: expected 0 to 200
    12: workspaces.main.api_key: a secret must be a reference, `env::NAME` or `path::file`, never the value itself
    15: models.main.base_url: expected an `http` or `https` URL
    19: assistants.support.secrets[0]: the environment variable `NOT_SET` is not set
    20: assistants.support.campaign_id: is empty
    ");
}

#[test]
fn a_name_that_leads_nowhere_is_told_with_those_that_are_there() {
    let text = GOOD.replace(
        "campaign_id",
        "models = [\"gpt\"]\ndesk = \"main\"\ncampaign_id",
    );
    insta::assert_snapshot!(problems(&text).join("\n"), @r"
    12: assistants.support.models[0]: `gpt` is not configured
    13: assistants.support.desk: `main` is not configured
    ");
}

#[test]
fn broken_toml_is_told_where_it_breaks() {
    let found = problems("[server\nlisten = 1");
    assert!(found[0].starts_with("1: "), "{found:?}");
}

#[test]
fn the_environment_overrides_any_key() {
    let mut variables = environment();
    let more = Environment::of([
        ("FRONTDESK__WORKSPACES__MAIN__RATE", "7"),
        (
            "FRONTDESK__ASSISTANTS__SUPPORT__CAMPAIGN_ID",
            "from-outside",
        ),
        ("FRONTDESK__SERVER__LISTEN", "127.0.0.1:9"),
    ]);
    variables.0.extend(more.0);
    let config = load(GOOD, &variables).unwrap();
    assert_eq!(config.workspaces["main"].rate.get(), 7);
    assert_eq!(config.assistants["support"].campaign_id, "from-outside");
    assert_eq!(config.server.listen.port(), 9);
}

#[test]
fn a_wrong_override_is_told_of_the_key_that_it_sets() {
    let mut variables = environment();
    let more = Environment::of([
        ("FRONTDESK__SERVER__LISTEN", "127.0.0.1:9"),
        ("FRONTDESK__WORKSPACES__MAIN__RATE", "fast"),
    ]);
    variables.0.extend(more.0);
    let Err(Problems { problems, .. }) = load(GOOD, &variables) else {
        panic!("a rate is a number")
    };
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].key, "workspaces.main.rate");
    assert!(problems[0].span.is_none() && problems[0].help.is_some());
}

#[test]
fn a_secret_of_the_wrong_shape_is_not_repeated() {
    for line in [
        "secrets = [\"sesame-123\"]",
        "secrets = \"sesame-123\"",
        "secrets = [123456789]",
        "secrets = 123456789",
    ] {
        let text = GOOD.replace("secrets = [\"env::INBOUND\"]", line);
        let Err(Problems { problems, .. }) = load(&text, &environment()) else {
            panic!("{line} is no list of references")
        };
        let said = format!("{problems:?}");
        assert!(
            !said.contains("sesame") && !said.contains("123456789"),
            "{said}"
        );
        assert!(problems.iter().any(|problem| problem.is_secret), "{said}");
    }
}

#[test]
fn the_shipped_sample_wants_nothing_but_its_secrets_and_the_campaign() {
    let variables = Environment::of([
        ("BRAZE_API_KEY", "k"),
        ("OPENAI_API_KEY", "k"),
        ("FRONTDESK_INBOUND_SECRET", "Qk3xV9zLr2mW8tYbN4pHs7Dj"),
        ("FRONTDESK__ASSISTANTS__SUPPORT__CAMPAIGN_ID", "c-1"),
    ]);
    load(SAMPLE, &variables).unwrap();
    let Err(Problems { problems, .. }) = load(SAMPLE, &Environment::default()) else {
        panic!()
    };
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "workspaces.main.api_key",
            "models.main.api_key",
            "assistants.support.secrets[0]",
            "assistants.support.campaign_id",
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_secrets_file_that_everyone_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "k-from-file\n").unwrap();
    let text = GOOD.replace("env::BRAZE_KEY", &format!("path::{}", file.display()));
    for (mode, good) in [(0o600, true), (0o644, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(load(&text, &environment()).is_ok(), good, "{mode:o}");
    }
}

#[test]
fn operators_have_roles_and_secrets_of_their_own_and_a_listener_of_this_machine() {
    let text = format!(
        r#"{GOOD}
[operator]
listen = "0.0.0.0:8081"
[operator.people.ana]
role = "viewer"
secrets = ["env::INBOUND"]
[operator.people.bob]
role = "admin"
secrets = ["env::INBOUND"]
[operator.people.cid]
role = "operator"
secrets = ["env::BRAZE_KEY", "env::BRAZE_KEY", "env::BRAZE_KEY"]
[operator.people.dot]
role = "operator"
secrets = []
"#
    );
    let found = problems(&text);
    let expected = [
        "operator.listen: would show customers' words",
        "operator.people.bob.secrets[0]: is another person's too",
        "operator.people.cid.secrets: expected one secret, or two",
        "operator.people.cid.secrets[0]: is shorter than 24 characters",
        "operator.people.dot.secrets: expected one secret, or two",
    ];
    for problem in expected {
        assert!(
            found.iter().any(|line| line.contains(problem)),
            "{problem}: {found:#?}"
        );
    }
    assert!(
        !found.iter().any(|line| line.contains("people.ana")),
        "{found:#?}"
    );
    let role = text.replace(r#"role = "viewer""#, r#"role = "boss""#);
    let found = problems(&role).concat();
    assert!(found.contains("unknown variant `boss`"), "{found}");
}

#[test]
fn the_operators_listener_is_this_machine_s_where_nothing_is_said() {
    let config = load(GOOD, &environment()).unwrap();
    assert_eq!(config.operator.listen.to_string(), "127.0.0.1:8081");
    assert!(config.operator.people.is_empty());
    let six = format!("{GOOD}\n[operator]\nlisten = \"[::1]:9\"");
    assert!(load(&six, &environment()).is_ok());
}

#[test]
fn a_store_needs_room_for_a_message_and_for_what_is_under_way() {
    let text = format!("{GOOD}\n[store]\nbacklog = 0\ndisk_low_mib = 31\n");
    assert_eq!(
        problems(&text),
        [
            "16: store.backlog: expected 1 or more",
            "17: store.disk_low_mib: expected 32 or more"
        ]
    );
}

#[test]
fn an_attempt_may_be_as_long_as_the_longest_turn_that_makes_it() {
    let text = |attempt: &str| {
        let slow = GOOD.replace(
            "model = \"llama\"",
            &format!("model = \"llama\"\nattempt_within = \"{attempt}\""),
        );
        let patient = "[assistants.patient]\nsecrets = [\"env::INBOUND\"]\ncampaign_id = \"c-2\"\ndeadline = \"60s\"";
        format!("{slow}\n{patient}\nbusiness = {{ name = \"Acme\" }}")
    };
    assert_eq!(problems(&text("60s")), [""; 0]);
    let found = problems(&text("61s"));
    assert!(
        found.len() == 1 && found[0].contains("models.main.attempt_within"),
        "{found:?}"
    );
}

#[test]
fn a_limit_of_money_needs_a_price_of_each_model_that_may_answer() {
    let spare = "[models.spare]\nbase_url = \"http://127.0.0.1:1\"\nmodel = \"m\"\n";
    let text = GOOD
        .replace(
            "model = \"llama\"",
            "model = \"llama\"\nprice = { input = 1, output = 2 }",
        )
        .replace(
            "[assistants.support]",
            &format!("{spare}[assistants.support]\nmodels = [\"main\", \"spare\"]"),
        );
    let text = format!("{text}[assistants.support.limits]\ncustomer_cost_a_day = 0.5\n");
    let found = problems(&text);
    assert!(
        found.len() == 1 && found[0].contains("`spare` has no price"),
        "{found:?}"
    );
}
