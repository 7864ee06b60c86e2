//! The gateway against every server that the stand-in model can be: with the server's preset, without, by tools.

use std::time::Duration;

use frontdesk::sandbox::model::REASONING;
use frontdesk::sandbox::{Character, Plan, Profile};
use rstest::rstest;
use serde_json::Value;

use crate::metrics::Scrape;
use crate::world::World;

mod wordings;

const SECOND: Duration = Duration::from_secs(1);

/// What the customer asks, and what the stand-in answers to that whatever it is.
const ASKED: &str = "Hello, when do you open?";
const ANSWER: &str = "Hello! We are open Monday to Saturday, from 9:00 to 18:00.";

/// How the fallback text begins.
const FALLBACK: &str = "I\u{2019}m sorry, something went wrong";

/// How the gateway's target is configured.
#[derive(Clone, Copy, Debug)]
enum Configured {
    /// With the server's preset.
    Preset,
    /// With what every server needs, and nothing else.
    Plain,
    /// Plainly, but the answer is asked for as a tool call.
    Tools,
}

/// One server and the gateway in front of it.
struct Tried {
    name: &'static str,
    world: World,
}

impl Tried {
    async fn with(character: Character, keys: &str) -> Self {
        let name = character.profile.name;
        let world = World::with_character(character, keys).await;
        Self { name, world }
    }

    async fn start(profile: &'static Profile, configured: Configured, more: &str) -> Self {
        let keys = format!(
            "{}\n{}\n{more}",
            access(profile.name),
            ways(profile.name, configured)
        );
        Self::with(profile.into(), &keys).await
    }

    /// A customer asks, and is served in the order in which the world's clock allows it.
    async fn asks(&self, customer: &str) -> Vec<String> {
        self.world.tells(customer, ASKED).await;
        self.world.heard(customer)
    }

    /// Gives how many calls ended so.
    async fn calls(&self, result: &str) -> f64 {
        let series = format!("model_requests_total{{model=\"main\",result=\"{result}\"}}");
        Scrape::of(&self.world).await.value(&series)
    }

    /// Fails if anybody was told what only machines should read.
    fn keeps_to_itself(&self) {
        for sent in self.world.braze.sent() {
            let text = sent.text();
            let is_private = |part: &str| text.contains(part);
            assert!(!is_private(REASONING), "{}: {text}", self.name);
            assert!(
                !["{", "think>", "```", "\""].into_iter().any(is_private),
                "{}: {text}",
                self.name
            );
        }
    }

    fn last(&self) -> Value {
        self.world.model.requests().pop().unwrap().json()
    }
}

/// Gives the keys without which nobody gets in.
fn access(name: &str) -> &'static str {
    match name {
        "azure-classic" => {
            "key_header = 'api-key'\napi_key = 'env::BRAZE_KEY'\nquery = { api-version = '2024-10-21' }"
        }
        _ => "api_key = 'env::BRAZE_KEY'",
    }
}

fn ways(name: &str, configured: Configured) -> String {
    let preset = match configured {
        Configured::Plain => return String::new(),
        Configured::Tools => return "answer = 'tools'".to_owned(),
        Configured::Preset => preset(name),
    };
    preset.map_or_else(String::new, |preset| format!("preset = '{preset}'"))
}

/// Gives the preset that somebody would choose for a server.
fn preset(name: &str) -> Option<&'static str> {
    let presets = [
        "openai",
        "azure",
        "mistral",
        "groq",
        "openrouter",
        "deepseek",
        "vllm",
        "ollama",
        "llama.cpp",
        "lmstudio",
    ];
    presets.into_iter().find(|preset| name.starts_with(preset))
}

/// Gives the fault that a server's only answer is; `None` where it answers well.
fn fault(name: &str, configured: Configured) -> Option<&'static str> {
    Some(match name {
        "openai-refusal" => "refused",
        "openai-filter" | "azure-filter" => "filtered",
        "openai-quota" | "openrouter-no-credit" => "quota",
        "openai-slow-down" => "rate_limited",
        "openai-overloaded"
        | "overloaded-529"
        | "openrouter-200-error"
        | "gateway-html"
        | "odd-error-in-200"
        | "odd-error-in-choice" => "overloaded",
        "odd-choices-null" | "odd-choices-empty" => "empty",
        // A tool call has no content in any case.
        "odd-content-null" if !matches!(configured, Configured::Tools) => "empty",
        "odd-finish-error" | "odd-html-in-200" | "odd-empty-200" => "bad_response",
        _ => return None,
    })
}

async fn answers(profile: &'static Profile, configured: Configured) {
    let name = profile.name;
    let tried = Tried::start(profile, configured, "retries = 0").await;
    let heard = tried.asks("ana").await;
    match fault(name, configured) {
        None => assert_eq!(heard, [ANSWER], "{name} {configured:?}"),
        Some(fault) => {
            assert_eq!(heard.len(), 1, "{name} {configured:?}: {heard:?}");
            assert_ne!(heard[0], ANSWER, "{name} {configured:?}");
            assert!(
                tried.calls(fault).await > 0.0,
                "{name} {configured:?} is not {fault}"
            );
        }
    }
    tried.keeps_to_itself();
    let findings = tried.world.model.findings();
    assert!(
        findings.is_empty() || name == "mlx",
        "{name} {configured:?}: {findings:?}"
    );
    tried.world.end().await;
}

/// Tells whether a customer could notice this server's ways; the others are tried on the targets alone.
fn is_noticed(name: &str, configured: Configured) -> bool {
    match configured {
        Configured::Preset => preset(name).is_some(),
        Configured::Plain => {
            let in_text = [
                "odd-fenced",
                "odd-chatty",
                "odd-unclosed-think",
                "odd-content-parts",
            ];
            !name.starts_with("odd-") || in_text.contains(&name)
        }
        Configured::Tools => name.contains("-call-") || ["vllm", "ollama", "mlx"].contains(&name),
    }
}

#[rstest]
#[case(Configured::Preset, 25)]
#[case(Configured::Plain, 35)]
#[case(Configured::Tools, 7)]
#[tokio::test]
async fn every_server_is_understood(#[case] configured: Configured, #[case] count: usize) {
    let mut tried = 0;
    for profile in Profile::all().filter(|profile| is_noticed(profile.name, configured)) {
        answers(profile, configured).await;
        tried += 1;
    }
    assert_eq!(tried, count);
}

/// What is sent first though the server refuses it, by name or by a list or in the text alone.
#[rstest]
#[case("openai-reasoning", "", "max_tokens", 3)]
#[case(
    "openai-reasoning",
    "preset = 'openai'\ntemperature = 0.3",
    "temperature",
    3
)]
#[case(
    "mistral",
    "token_limit_field = 'max_completion_tokens'",
    "max_completion_tokens",
    2
)]
#[case(
    "vllm-old",
    "token_limit_field = 'max_completion_tokens'",
    "max_completion_tokens",
    2
)]
#[case("deepseek", "", "json_schema", 2)]
#[case("lmstudio", "answer = 'json_object'", "json_object", 2)]
#[tokio::test]
async fn what_a_server_refuses_is_sent_once(
    #[case] name: &str,
    #[case] keys: &str,
    #[case] refused: &str,
    #[case] calls: u64,
) {
    let keys = format!("api_key = 'env::BRAZE_KEY'\n{keys}");
    let tried = Tried::with(Profile::named(name).unwrap().into(), &keys).await;
    let is_in = |body: &Value| body.to_string().contains(&format!("\"{refused}\""));
    assert_eq!(tried.asks("ana").await, [ANSWER]);
    let first = tried.world.model.requests();
    assert_eq!(
        first.len() as u64,
        calls,
        "{:?}",
        tried.world.model.requests()
    );
    assert!(is_in(&first[0].json()));
    assert_eq!(
        first[0].status,
        Some(if name == "mistral" { 422 } else { 400 })
    );
    assert!(!is_in(&tried.last()));
    assert_eq!(tried.asks("ben").await, [ANSWER]);
    let later = &tried.world.model.requests()[first.len()..];
    assert!(
        later
            .iter()
            .all(|request| request.status == Some(200) && !is_in(&request.json()))
    );
    tried.world.end().await;
}

#[rstest]
#[tokio::test]
async fn a_prompt_that_is_too_long_is_shortened_once(
    #[values("openai", "vllm-old", "llama.cpp-500", "lmstudio")] name: &str,
) {
    let profile = Profile::named(name).unwrap();
    let tried = Tried::start(profile, Configured::Preset, "").await;
    assert_eq!(tried.asks("ana").await, [ANSWER]);
    let short = tried.world.model.requests()[0].raw.len() as u64 / 4;
    let before = tried.world.model.request_count();
    tried.world.model.use_character(Character {
        context: Some(short + 500),
        ..tried.world.model.character()
    });
    let long = format!("{ASKED}{}", " please".repeat(420));
    tried.world.tells("ben", &long).await;
    assert_eq!(tried.world.heard("ben"), [ANSWER]);
    assert_eq!(tried.world.model.request_count() - before, 2);
    tried.world.end().await;
}

/// How a server says to wait, and whether the gateway comes back in time: not before, and once.
#[rstest]
#[case("seconds", true)]
#[case("date", true)]
#[case("ms", true)]
#[case("azure-ms", true)]
#[case("spans", true)]
#[case("reset", true)]
#[case("epoch", true)]
#[case("text", true)]
#[case("useless", false)]
#[case("none", false)]
#[tokio::test]
async fn a_wait_is_understood_in_whatever_way_it_is_told(
    #[case] hint: &str,
    #[case] is_kept: bool,
) {
    let character = Character {
        windows: vec![format!("0:8:429:{hint}").parse().unwrap()],
        ..Character::default()
    };
    let tried = Tried::with(character, "").await;
    tried.world.says("ana", ASKED).await;
    tried.world.within(Duration::from_secs(30)).await;
    let heard = tried.world.heard("ana");
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0] == ANSWER, is_kept, "{heard:?}");
    assert!(is_kept || heard[0].starts_with(FALLBACK), "{heard:?}");
    assert_eq!(tried.world.model.request_count(), 2);
    assert!(tried.calls("rate_limited").await > 0.0);
    tried.world.end().await;
}

#[rstest]
#[case::drip(Plan::drip(), "timeout")]
#[case::stall(Plan::stall(), "timeout")]
#[case::hang(Plan::hang(), "timeout")]
#[case::cut(Plan::cut(), "bad_response")]
#[case::garbage(Plan::garbage(), "bad_response")]
#[case::reset(Plan::reset(), "connect")]
#[tokio::test]
async fn a_server_that_goes_wrong_on_the_way_costs_no_more_than_the_deadline(
    #[case] plan: Plan,
    #[case] fault: &str,
) {
    let tried = Tried::with(Character::default(), "").await;
    tried.world.model.misbehave(plan);
    tried.world.says("ana", ASKED).await;
    tried.world.within(Duration::from_secs(28)).await;
    let heard = tried.world.heard("ana");
    assert!(
        heard.len() == 1 && heard[0].starts_with(FALLBACK),
        "{heard:?}"
    );
    assert!(tried.calls(fault).await > 0.0, "not {fault}");
    tried.world.end().await;
}

#[tokio::test]
async fn latency_and_failures_are_spread_as_they_are_set() {
    let character = Character {
        latency: Some("500:900:1500:3000".parse().unwrap()),
        failing: Some("30:503".parse().unwrap()),
        seed: 3,
        ..Character::default()
    };
    let tried = Tried::with(character, "").await;
    for customer in 0..20 {
        tried.world.says(&format!("c{customer}"), ASKED).await;
    }
    tried.world.within(Duration::from_mins(1)).await;
    assert!(tried.world.model.answered_with(503) > 2);
    let served = |customer| tried.world.heard(&format!("c{customer}")) == [ANSWER];
    assert!((0..20).filter(|customer| served(*customer)).count() > 14);
    tried.world.pass(SECOND).await;
    tried.world.end().await;
}

#[test]
fn the_readme_names_every_profile() {
    let readme = include_str!("../../README.md");
    for Profile { name, about, .. } in Profile::all() {
        let row = match name.starts_with("odd-") {
            true => format!("`{name}`"),
            false => format!("| `{name}` | {about} |"),
        };
        assert!(readme.contains(&row), "{row}");
    }
}
