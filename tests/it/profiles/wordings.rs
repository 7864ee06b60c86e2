//! Every wording of every complaint, to the gateway's targets themselves.

use frontdesk::clock::Clock;
use frontdesk::domain::ConversationId;
use frontdesk::model::{
    Answered, Asking, Fault, Lineup, Meter, Question, Role, Target, TargetConfig, Turn, Unanswered,
};
use frontdesk::redact::{Private, Secret};
use frontdesk::sandbox::model::{Reply, Trouble};
use frontdesk::sandbox::{Character, Model, Profile};
use frontdesk::shutdown::Shutdown;
use jiff::Timestamp;
use rstest::rstest;
use serde_json::Value;
use uuid::Uuid;

use super::{ANSWER, ASKED, Configured, access, fault, ways};

/// The servers that word their complaints each in its own way.
const WORDINGS: [&str; 15] = [
    "openai",
    "azure-v1",
    "mistral",
    "groq",
    "openrouter",
    "deepseek",
    "deepinfra",
    "vertex",
    "vllm",
    "vllm-old",
    "sglang-old",
    "ollama",
    "llama.cpp",
    "lmstudio",
    "mlx",
];

/// A stand-in, and a lineup of one target that asks it.
struct Asked {
    model: Model,
    lineup: Lineup,
}

impl Asked {
    async fn start(character: Character, keys: &str) -> Self {
        let anywhere = ([127, 0, 0, 1], 0).into();
        let model = Model::start(anywhere, &Shutdown::new()).await.unwrap();
        model.use_character(character);
        let toml = format!(
            "base_url = '{}'\nmodel = 'm'\nretries = 0\n{keys}",
            model.url()
        );
        let mut config: TargetConfig = toml::from_str(&toml).unwrap();
        config.api_key = Some(Secret::from_value("key"));
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let target = Target::new("tried", &config, clock.clone()).unwrap();
        let deadline = std::time::Duration::from_secs(25);
        let lineup = Lineup::new(vec![target], Vec::new(), deadline, clock);
        Self { model, lineup }
    }

    async fn ask(&self, text: &str) -> Result<Answered, Fault> {
        let compose = || {
            Ok::<_, std::convert::Infallible>(Question {
                images: Vec::new(),
                system: "You are Ada.".to_owned(),
                turns: vec![Turn {
                    role: Role::User,
                    text: Private(text.to_owned()),
                }],
                rules: Vec::new(),
            })
        };
        let asking = Asking {
            customer: "ana",
            conversation: ConversationId(Uuid::nil()),
            meter: &Meter::default(),
        };
        let answered = self.lineup.answer(compose, &asking).await;
        answered.map_err(|unanswered| match unanswered {
            Unanswered::Composing(never) => match never {},
            Unanswered::Fault(fault) => fault,
        })
    }

    fn last(&self) -> Value {
        self.model.requests().pop().unwrap().json()
    }
}

fn profile(name: &str) -> &'static Profile {
    Profile::named(name).expect(name)
}

#[rstest]
#[case(Configured::Plain)]
#[case(Configured::Tools)]
#[tokio::test]
async fn every_profile_is_understood(#[case] configured: Configured) {
    for Profile { name, .. } in Profile::all() {
        let keys = format!("{}\n{}", access(name), ways(name, configured));
        let asked = Asked::start(profile(name).into(), &keys).await;
        let answered = asked.ask(ASKED).await;
        let told = match &answered {
            Ok(answered) => answered.answer.reply.as_str(),
            Err(fault) => fault.kind.as_str(),
        };
        let expected = fault(name, configured).unwrap_or(ANSWER);
        assert_eq!(told, expected, "{name} {configured:?}");
    }
}

/// Without an object to look for, only the tags tell what is reasoning.
#[rstest]
#[tokio::test]
async fn reasoning_is_taken_out_of_plain_text(
    #[values(
        "vllm",
        "vllm-old",
        "vllm-no-parser",
        "vllm-no-parser-unopened",
        "odd-unclosed-think"
    )]
    name: &str,
) {
    let asked = Asked::start(profile(name).into(), "answer = 'text'").await;
    let answered = asked.ask(ASKED).await;
    assert_eq!(*answered.expect(name).answer.reply, ANSWER);
}

/// Each field that the gateway sends by itself, refused by each server in its own way.
#[rstest]
#[tokio::test]
async fn a_field_is_refused(
    #[values("max_tokens", "response_format", "tools", "temperature")] field: &str,
) {
    for name in WORDINGS {
        let character = Character {
            refuses: vec![field.to_owned()],
            ..profile(name).into()
        };
        let mode = match field {
            "tools" => "answer = 'tools'",
            _ => "",
        };
        let asked = Asked::start(character, &format!("temperature = 0.3\n{mode}")).await;
        let answered = asked.ask(ASKED).await;
        assert_eq!(
            *answered.expect(name).answer.reply,
            ANSWER,
            "{name} refuses {field}"
        );
        assert!(asked.last().get(field).is_none(), "{name} refuses {field}");
    }
}

/// What each server says in each trouble, and the fault that the gateway knows it by.
#[rstest]
#[case(Trouble::RateLimited, "rate_limited")]
#[case(Trouble::SlowDown, "rate_limited")]
#[case(Trouble::Overloaded, "overloaded")]
#[case(Trouble::Crowded, "overloaded")]
#[case(Trouble::Broken, "overloaded")]
#[case(Trouble::Upstream, "overloaded")]
#[case(Trouble::NoCredit, "quota")]
#[case(Trouble::Key, "auth")]
#[case(Trouble::Filtered, "filtered")]
#[tokio::test]
async fn a_trouble_has_its_name(#[case] trouble: Trouble, #[case] fault: &str) {
    for name in WORDINGS {
        let asked = Asked::start(profile(name).into(), "").await;
        asked.model.script([Reply::Trouble(trouble)]);
        let found = asked.ask(ASKED).await.expect_err(name);
        assert_eq!(found.kind.as_str(), fault, "{name}");
    }
}

/// A quota that is used up can be told from a limit only where the server names it.
#[rstest]
#[tokio::test]
async fn a_quota_that_is_used_up_is_no_limit_that_passes(
    #[values("openai", "groq", "openrouter-no-credit")] name: &str,
) {
    let asked = Asked::start(profile(name).into(), "").await;
    asked.model.script([Reply::Trouble(Trouble::Quota)]);
    assert_eq!(
        asked.ask(ASKED).await.expect_err(name).kind.as_str(),
        "quota"
    );
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_shortened_once() {
    for name in WORDINGS.into_iter().chain(["llama.cpp-500"]) {
        let asked = Asked::start(profile(name).into(), "").await;
        let long = format!("{ASKED}{}", " please".repeat(420));
        asked.ask(&long).await.expect(name);
        let whole = asked.model.requests().pop().unwrap().raw.len() as u64 / 4;
        let before = asked.model.request_count();
        asked.model.use_character(Character {
            context: Some(whole - 200),
            ..asked.model.character()
        });
        assert_eq!(
            *asked.ask(&long).await.expect(name).answer.reply,
            ANSWER,
            "{name}"
        );
        assert_eq!(asked.model.request_count() - before, 2, "{name}");
        asked.model.use_character(Character {
            context: Some(whole - 600),
            ..asked.model.character()
        });
        let fault = asked.ask(&long).await.expect_err(name);
        assert_eq!(fault.kind.as_str(), "context_length", "{name}");
    }
}

/// How each server counts, and what the gateway makes of it: what was read, written, cached and thought.
#[rstest]
#[case("openai", true, true, Some(0))]
#[case("deepseek", true, true, Some(16))]
#[case("odd-usage-beside", true, true, Some(16))]
#[case("odd-usage-no-total", true, true, None)]
#[case("odd-usage-floats", true, true, None)]
#[case("odd-usage-partial", true, false, None)]
#[case("odd-usage-null", false, false, None)]
#[case("odd-usage-missing", false, false, None)]
#[tokio::test]
async fn what_a_server_counts_is_read(
    #[case] name: &str,
    #[case] has_input: bool,
    #[case] has_output: bool,
    #[case] cached: Option<u64>,
) {
    let asked = Asked::start(profile(name).into(), "").await;
    let answered = asked.ask(ASKED).await.unwrap();
    let usage = answered.usage;
    let requests = asked.model.requests();
    let sent = requests.last().unwrap().raw.len().div_ceil(4) as u64;
    assert_eq!(usage.input, has_input.then_some(sent));
    assert_eq!((usage.output.is_some(), usage.cached), (has_output, cached));
}

#[tokio::test]
async fn hidden_reasoning_is_counted_and_gets_its_room() {
    let asked = Asked::start(profile("openai-reasoning").into(), "").await;
    let answered = asked.ask(ASKED).await.unwrap();
    assert_eq!(
        (answered.attempts, answered.usage.reasoning),
        (3, Some(1_024))
    );
    assert!(answered.usage.output > Some(1_024));
}
