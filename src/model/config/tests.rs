//! What a target's settings may be.

use rstest::rstest;

use super::*;

fn config(toml: &str) -> TargetConfig {
    toml::from_str(toml).unwrap()
}

fn keys(config: &TargetConfig) -> Vec<String> {
    config
        .check()
        .into_iter()
        .map(|problem| problem.key)
        .collect()
}

#[test]
fn two_fields_are_enough() {
    let config = config("base_url = 'http://localhost:8080/v1'\nmodel = 'm'");
    assert_eq!(keys(&config), [""; 0]);
    assert_eq!(config.answer_mode(), AnswerMode::JsonSchema);
    assert_eq!((config.max_tokens, config.concurrency()), (800, 2_000));
    assert!(config.temperature.is_none() && config.key().is_none());
}

#[test]
fn unknown_fields_and_literal_keys_are_refused() {
    for more in [
        "colour = 'red'",
        "api_key = 'sk-123'",
        "answer = 'xml'",
        "attempt_within = '-1s'",
        "preset = 'acme'",
    ] {
        let text = format!("base_url = 'https://h/v1'\nmodel = 'm'\n{more}");
        assert!(toml::from_str::<TargetConfig>(&text).is_err(), "{more}");
    }
}

#[rstest]
#[case("https://api.acme.dev/v1", true)]
#[case("https://api.acme.dev/v1/", true)]
#[case("http://127.0.0.1:8000", true)]
#[case("http://10.0.0.1:8000", false)]
#[case("https://acme.dev/v1/chat/completions/", false)]
#[case("", false)]
fn base_urls(#[case] base_url: &str, #[case] good: bool) {
    let mut config = config("base_url = ''\nmodel = 'm'");
    config.base_url = Some(base_url.to_owned());
    assert_eq!(keys(&config).is_empty(), good, "{:?}", config.check());
}

#[test]
fn all_problems_are_told_together() {
    let mut config = config(
        "base_url = 'x'\nmodel = ' '\napi_key = 'env::K'\nconnect_within = '1ms'\nattempt_within = '10m'\n\
         first_byte_within = '1us'\nretries = 6\nconcurrency = 0\nmax_tokens = 3\ntemperature = 3\nkey_header = 'a b'\n\
         headers = { 'X-Api-Key' = 'k', 'a b' = 'c' }\nbody = { stream = true }\nprice = { input = -1, output = 1 }",
    );
    for (name, secret) in config.secrets() {
        assert_eq!(name, "api_key");
        secret.fill("sk\u{7}1");
    }
    let expected = [
        "base_url",
        "model",
        "api_key",
        "key_header",
        "headers.X-Api-Key",
        "headers.a b",
        "body.stream",
        "connect_within",
        "first_byte_within",
        "attempt_within",
        "retries",
        "concurrency",
        "max_tokens",
        "temperature",
        "price.input",
    ];
    assert_eq!(keys(&config), expected);
    assert!(!format!("{:?} {config:?}", config.check()).contains("sk\u{7}1"));
}

#[test]
fn a_key_is_trimmed() {
    let mut config = config("base_url = 'https://h'\nmodel = 'm'\nmax_tokens = 0");
    config.api_key = Some(Secret::from_value("  sk-1\n"));
    assert_eq!(config.key(), Some("sk-1"));
}

#[rstest]
fn what_carries_keys_is_no_header_to_write_into_the_file(
    #[values(
        "Authorization",
        "proxy-authorization",
        "api-key",
        "X-API-Key",
        "Cookie"
    )]
    name: &str,
) {
    let headers = format!("headers = {{ '{name}' = 'k', 'x-team' = 'k' }}");
    let config = config(&format!("base_url = 'https://h'\nmodel = 'm'\n{headers}"));
    assert_eq!(keys(&config), [format!("headers.{name}")]);
}

#[rstest]
#[case("headers = { x = \"a\\nb\" }", "headers.x")]
#[case("body = { messages = [] }", "body.messages")]
#[case("body = { n = 2 }", "body.n")]
#[case("attempt_within = '5s'\nfirst_byte_within = '6s'", "first_byte_within")]
#[case("preset = 'openai'", "api_key")]
fn what_no_server_could_use_is_told(#[case] more: &str, #[case] key: &str) {
    let config = config(&format!("base_url = 'https://h'\nmodel = 'm'\n{more}"));
    assert_eq!(keys(&config), [key]);
}

#[test]
fn a_preset_gives_what_is_not_set_and_changes_nothing_that_is() {
    let ollama = config("preset = 'ollama'\nmodel = 'm'");
    assert_eq!(keys(&ollama), [""; 0]);
    assert_eq!(ollama.concurrency(), 4);
    let azure = config("preset = 'azure'\nmodel = 'm'");
    assert_eq!(azure.key_header(), Some("api-key"));
    assert_eq!(
        azure.token_limit_field(),
        TokenLimitField::MaxCompletionTokens
    );
    let deepseek = config("preset = 'deepseek'\nmodel = 'm'");
    assert_eq!(deepseek.answer_mode(), AnswerMode::JsonObject);
    let set = "base_url = 'http://127.0.0.1:1'\nkey_header = 'x-key'\ntoken_limit_field = 'max_tokens'\n\
               answer = 'text'\nconcurrency = 9";
    for preset in ["ollama", "azure", "deepseek"] {
        let config = config(&format!("preset = '{preset}'\nmodel = 'm'\n{set}"));
        assert_eq!(config.base_url(), Some("http://127.0.0.1:1"));
        assert_eq!(config.key_header(), Some("x-key"));
        assert_eq!(config.token_limit_field(), TokenLimitField::MaxTokens);
        assert_eq!(config.answer_mode(), AnswerMode::Text);
        assert_eq!(config.concurrency(), 9);
    }
}
