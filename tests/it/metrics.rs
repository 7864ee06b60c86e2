//! What is counted: a world goes through everything, and the scrape shows exactly that, with nothing of any customer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::phone::Texted;
use frontdesk::sandbox::{Phone, Plan};
use reqwest::header::CONTENT_TYPE;

use crate::hooked::Fault;
use crate::lineup::finish;
use crate::world::{DESK_SECRET, INBOUND_SECRET, World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Words that stand for whatever is a customer's; none of them may be in a scrape.
const CANARIES: [&str; 5] = [
    "canary-id",
    "31337",
    "canary words",
    "canary name",
    "canary field",
];

/// What a scrape says.
pub(crate) struct Scrape {
    text: String,
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) async fn of(world: &World) -> Self {
        let url = format!("http://{}/metrics", world.app.operator_address());
        let answer = reqwest::Client::builder().build().unwrap().get(url);
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let kind = answer.headers()[CONTENT_TYPE].to_str().unwrap();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        let text = answer.text().await.unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.map(|line| {
            let (series, value) = line.rsplit_once(' ').expect(line);
            (series.to_owned(), value.parse().expect(line))
        });
        Self {
            samples: samples.collect(),
            text,
        }
    }

    /// Gives a series' value; the prefix is left out.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let series = format!("frontdesk_{series}");
        let value = self.samples.get(&series);
        *value.unwrap_or_else(|| panic!("no {series} in\n{}", self.text))
    }

    /// Gives the value of a series that counts; the prefix is left out.
    pub(crate) fn count(&self, series: &str) -> u64 {
        format!("{:.0}", self.value(series)).parse().unwrap()
    }

    /// Gives the sum of all series that begin so; the prefix is left out.
    pub(crate) fn sum(&self, beginning: &str) -> f64 {
        let beginning = format!("frontdesk_{beginning}");
        let samples = self.samples.iter();
        let found = samples.filter(|(series, _)| series.starts_with(&beginning));
        found.map(|(_, value)| value).sum()
    }

    pub(crate) fn shows(&self, expected: &[(&str, f64)]) {
        for (series, value) in expected {
            let found = self.value(series);
            let near = (found - value).abs() < 0.000_001;
            assert!(near, "{series} is {found}, not {value}\n{}", self.text);
        }
    }

    /// Gives the value of a series by its whole name; nothing where there is none.
    pub(crate) fn whole(&self, series: &str) -> Option<f64> {
        self.samples.get(series).copied()
    }

    /// Gives the names of all families, with their help.
    fn families(&self) -> BTreeMap<String, String> {
        let helps = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("# HELP "));
        helps
            .map(|line| {
                let (name, help) = line.split_once(' ').expect(line);
                (name.to_owned(), help.to_owned())
            })
            .collect()
    }

    /// Gives the names under which samples stand, without labels.
    fn names(&self) -> BTreeSet<String> {
        let names = self
            .samples
            .keys()
            .map(|series| series.split('{').next().unwrap());
        names.map(str::to_owned).collect()
    }
}

fn canary() -> Texted<'static> {
    Texted {
        user_id: "canary-id-1",
        phone_number: "+313370001",
        message: "canary words, how are you today?",
        profile_name: "canary name",
        dispatch_id: "canary field",
        ..Texted::default()
    }
}

/// Waits until the scrape has what is looked for: some things are counted just after the store knows of them.
pub(crate) async fn until(world: &World, series: &str, value: f64) -> Scrape {
    let asking = async {
        loop {
            let scrape = Scrape::of(world).await;
            if scrape.value(series) >= value {
                return scrape;
            }
            tokio::task::yield_now().await;
        }
    };
    soon(asking).await
}

#[tokio::test]
async fn what_arrives_is_counted_by_how_it_ended() {
    let world = World::start().await;
    let phone = world.phone("support");
    assert_eq!(phone.texts(&canary()).await.unwrap().status, 202);
    assert_eq!(phone.texts(&canary()).await.unwrap().status, 200);
    let url = format!("{}/v1/inbound/support", world.url());
    let stranger = Phone::new(url, "not-the-secret").unwrap();
    assert_eq!(
        stranger
            .says("canary-id", "", "canary words")
            .await
            .unwrap()
            .status,
        401
    );
    let released = world.desk.release(&world.url(), "canary-id", "wrong").await;
    assert_eq!(released.unwrap().status, 401);
    for (body, status) in [
        ("canary words".to_owned(), 400),
        ("x".repeat(256 * 1_024 + 1), 413),
    ] {
        let client = reqwest::Client::builder().build().unwrap();
        let request = client.post(format!("{}/v1/inbound", world.url()));
        let answer = request.bearer_auth(INBOUND_SECRET).body(body).send().await;
        assert_eq!(answer.unwrap().status().as_u16(), status);
    }
    let office = format!(
        "http://{}/operator/v1/openapi.json",
        world.app.operator_address()
    );
    let client = reqwest::Client::builder().build().unwrap();
    let refused = client.get(office).bearer_auth("canary words").send().await;
    assert_eq!(refused.unwrap().status().as_u16(), 401);
    let scrape = Scrape::of(&world).await;
    scrape.shows(&[
        (r#"auth_failures_total{door="operator"}"#, 1.0),
        (
            r#"inbound_total{assistant="support",result="accepted"}"#,
            1.0,
        ),
        (
            r#"inbound_total{assistant="support",result="duplicate"}"#,
            1.0,
        ),
        (
            r#"inbound_total{assistant="support",result="quarantined"}"#,
            1.0,
        ),
        (
            r#"inbound_total{assistant="support",result="too_large"}"#,
            1.0,
        ),
        (
            r#"inbound_total{assistant="support",result="unavailable"}"#,
            0.0,
        ),
        (r#"auth_failures_total{door="inbound"}"#, 1.0),
        (r#"auth_failures_total{door="desk"}"#, 1.0),
        ("ack_seconds_count", 1.0),
        ("messages_without_outcome", 1.0),
        ("oldest_waiting_seconds", 0.0),
        ("quarantined", 1.0),
        ("store_readable", 1.0),
    ]);
    assert!(scrape.value("store_commit_writes_sum") >= 3.0);
    assert!(scrape.value("database_bytes") > 0.0 && scrape.value("disk_free_bytes") > 0.0);
    world.end().await;
}

#[tokio::test]
async fn a_message_that_nobody_works_on_grows_old_in_the_scrape() {
    let world = World::with("[turns]\nin_flight = 1").await;
    world.model.misbehave(Plan::hang());
    world.says("u1", "first").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    world.says("u2", "second").await;
    world.says("u3", "third").await;
    world.clock.advance(Duration::from_secs(20));
    let scrape = Scrape::of(&world).await;
    scrape.shows(&[
        ("messages_without_outcome", 3.0),
        ("oldest_waiting_seconds", 21.0),
        ("conversations_claimed", 1.0),
        (r#"model_calls{model="main"}"#, 1.0),
    ]);
    world.model.behave();
    world.within(Duration::from_mins(2)).await;
    let scrape = Scrape::of(&world).await;
    scrape.shows(&[
        ("messages_without_outcome", 0.0),
        ("oldest_waiting_seconds", 0.0),
        ("conversations_claimed", 0.0),
        (
            r#"model_requests_total{model="main",result="timeout"}"#,
            1.0,
        ),
        (
            r#"model_requests_total{model="main",result="answered"}"#,
            2.0,
        ),
        (r#"model_seconds_sum{model="main"}"#, 25.0),
        (r#"model_calls{model="main"}"#, 0.0),
    ]);
    world.end().await;
}

#[tokio::test]
async fn what_braze_answers_is_counted_and_the_gate_shows_how_long_it_is_shut() {
    let world = World::start().await;
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    world.says("u1", "hello").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    let shut = until(
        &world,
        r#"delivery_attempts_total{lane="braze",result="retry"}"#,
        1.0,
    )
    .await;
    shut.shows(&[
        (r#"gate_shut_seconds{workspace="main"}"#, 30.0),
        (r#"braze_requests_total{workspace="main",code="429"}"#, 1.0),
    ]);
    world.within(Duration::from_mins(1)).await;
    world.braze.misbehave(Plan::status(400).times(1));
    world.tells("u2", "hello").await;
    world.braze.misbehave(Plan::reset().taken().times(1));
    world.says("u3", "hello").await;
    world.clock.advance(SECOND);
    until(
        &world,
        r#"delivery_attempts_total{lane="braze",result="unknown"}"#,
        1.0,
    )
    .await;
    world.within(Duration::from_mins(1)).await;
    let scrape = until(
        &world,
        r#"delivery_attempts_total{lane="braze",result="sent"}"#,
        2.0,
    )
    .await;
    scrape.shows(&[
        (r#"gate_shut_seconds{workspace="main"}"#, 0.0),
        (r#"gate_waiting{workspace="main"}"#, 0.0),
        (r#"braze_requests_total{workspace="main",code="2xx"}"#, 2.0),
        (r#"braze_requests_total{workspace="main",code="4xx"}"#, 1.0),
        (
            r#"braze_requests_total{workspace="main",code="broken"}"#,
            1.0,
        ),
        (r#"braze_seconds_count{workspace="main"}"#, 5.0),
        (
            r#"delivery_attempts_total{lane="braze",result="dead"}"#,
            1.0,
        ),
        (r#"deliveries{lane="braze",state="dead"}"#, 1.0),
        (r#"deliveries{lane="braze",state="ready"}"#, 0.0),
        ("possible_duplicates_total", 1.0),
    ]);
    world.end().await;
}

#[tokio::test]
async fn a_reply_that_is_held_or_too_old_is_counted_as_what_it_is() {
    let world = World::with("[reply]\non_unknown = \"hold\"").await;
    world.braze.misbehave(Plan::reset().times(1));
    world.tells("u1", "hello").await;
    world.braze.misbehave(Plan::rate_limited(20 * 60).times(1));
    world.says("u2", "hello").await;
    world.clock.advance(SECOND);
    until(
        &world,
        r#"delivery_attempts_total{lane="braze",result="retry"}"#,
        1.0,
    )
    .await;
    world.clock.advance(Duration::from_mins(16));
    // What comes instead of the reply waits at the gate as well.
    world.within(Duration::from_mins(6)).await;
    let scrape = until(&world, r#"deliveries_dropped_total{reason="expired"}"#, 1.0).await;
    scrape.shows(&[
        (r#"deliveries{lane="braze",state="held"}"#, 1.0),
        (r#"deliveries_dropped_total{reason="expired"}"#, 1.0),
        ("possible_duplicates_total", 0.0),
    ]);
    world.end().await;
}

#[tokio::test]
async fn handoffs_are_counted_as_they_begin_and_end() {
    let world = World::start().await;
    world.desk.misbehave(Plan::status(503).times(1));
    world.says("ana", "I want to talk to a human").await;
    world.within(Duration::from_mins(1)).await;
    let id = world.desk.received()[0].conversation_id().to_owned();
    Scrape::of(&world)
        .await
        .shows(&[("conversations_handed_off", 1.0)]);
    let released = world.desk.release(&world.url(), &id, DESK_SECRET).await;
    assert_eq!(released.unwrap().status, 200);
    world.rest().await;
    let scrape = until(
        &world,
        r#"delivery_attempts_total{lane="desk",result="sent"}"#,
        2.0,
    )
    .await;
    scrape.shows(&[
        (
            r#"handoffs_total{assistant="support",reason="customer_asked"}"#,
            1.0,
        ),
        (r#"handoffs_total{assistant="support",reason="model"}"#, 0.0),
        (r#"handoffs_ended_total{reason="agent_released"}"#, 1.0),
        (r#"handoffs_ended_total{reason="timed_out"}"#, 0.0),
        ("conversations_handed_off", 0.0),
        (r#"desk_requests_total{desk="main",code="5xx"}"#, 1.0),
        (r#"desk_requests_total{desk="main",code="2xx"}"#, 2.0),
        (
            r#"delivery_attempts_total{lane="desk",result="retry"}"#,
            1.0,
        ),
    ]);
    world.end().await;
}

#[tokio::test]
async fn outcomes_and_turns_are_counted_as_they_are_settled() {
    let world = World::start().await;
    world.says("u1", "one").await;
    world.tells("u1", "two").await;
    world.tells("u2", "STOP").await;
    world.tells("u2", "hello?").await;
    world.model.misbehave(Plan::status(500).times(1));
    world.tells("u3", "hello").await;
    let scrape = Scrape::of(&world).await;
    scrape.shows(&[
        (
            r#"messages_total{assistant="support",outcome="replied"}"#,
            2.0,
        ),
        (
            r#"messages_total{assistant="support",outcome="canned"}"#,
            1.0,
        ),
        (
            r#"messages_total{assistant="support",outcome="suppressed(opted_out)"}"#,
            1.0,
        ),
        (
            r#"messages_total{assistant="support",outcome="failed(model)"}"#,
            1.0,
        ),
        (
            r#"messages_total{assistant="support",outcome="handed_off"}"#,
            0.0,
        ),
        (r#"turns_total{result="settled"}"#, 4.0),
        (r#"turns_total{result="superseded"}"#, 0.0),
        (r#"turn_seconds_count{stage="gather"}"#, 4.0),
        (r#"turn_seconds_count{stage="ask"}"#, 2.0),
        (r#"turn_seconds_count{stage="settle"}"#, 4.0),
        (r#"overhead_seconds_count{part="turn"}"#, 4.0),
        (
            r#"model_requests_total{model="main",result="overloaded"}"#,
            1.0,
        ),
    ]);
    let tokens = |direction: &str| {
        scrape.value(&format!(
            r#"model_tokens_total{{model="main",direction="{direction}"}}"#
        ))
    };
    assert!(tokens("input") > 0.0 && tokens("output") > 0.0);
    world.end().await;
}

#[tokio::test]
async fn the_time_of_the_model_is_no_part_of_our_own() {
    let world = World::start().await;
    world.model.misbehave(Plan::hang().times(1));
    world.says("u1", "hello").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    // A turn that a newer message cuts short leaves a call that nobody waits for.
    world.says("u1", "and another thing").await;
    world.model.misbehave(Plan::hang().times(1));
    world.clock.advance(SECOND);
    soon(world.model.wait_for(2)).await;
    world.within(Duration::from_mins(1)).await;
    let scrape = Scrape::of(&world).await;
    scrape.shows(&[
        (r#"turns_total{result="superseded"}"#, 1.0),
        (r#"turns_total{result="settled"}"#, 1.0),
        (
            r#"model_requests_total{model="main",result="cancelled"}"#,
            1.0,
        ),
        (
            r#"model_requests_total{model="main",result="timeout"}"#,
            1.0,
        ),
        (r#"turn_seconds_sum{stage="ask"}"#, 25.0),
        (r#"overhead_seconds_sum{part="turn"}"#, 0.0),
        (r#"overhead_seconds_count{part="turn"}"#, 1.0),
        (r#"model_calls{model="main"}"#, 0.0),
    ]);
    world.end().await;
}

#[tokio::test]
async fn a_reply_that_a_newer_message_overtakes_is_counted_as_dropped() {
    let world = World::start().await;
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    world.says("u1", "hello").await;
    world.clock.advance(SECOND);
    let retry = r#"delivery_attempts_total{lane="braze",result="retry"}"#;
    until(&world, retry, 1.0).await;
    world.says("u1", "and another thing").await;
    world.clock.advance(SECOND);
    // The first message is answered anew, together with the second.
    let replied = r#"messages_total{assistant="support",outcome="replied"}"#;
    let scrape = until(&world, replied, 3.0).await;
    scrape.shows(&[
        (r#"deliveries_dropped_total{reason="superseded"}"#, 1.0),
        (r#"turns_total{result="settled"}"#, 2.0),
    ]);
    world.within(Duration::from_mins(1)).await;
    world.end().await;
}

#[tokio::test]
async fn a_turn_that_goes_back_is_counted_as_such() {
    let (world, store) = World::hooked().await;
    store.next("history", Fault::Fails);
    world.says("ana", "I want to talk to a person").await;
    world.within(Duration::from_mins(1)).await;
    Scrape::of(&world).await.shows(&[
        (r#"turns_total{result="given_back"}"#, 1.0),
        (r#"turns_total{result="settled"}"#, 1.0),
        (
            r#"messages_total{assistant="support",outcome="handed_off"}"#,
            1.0,
        ),
    ]);
    world.end().await;
}

#[tokio::test]
async fn panics_are_counted_and_a_store_that_fails_leaves_its_measures_out() {
    let (world, store) = World::hooked().await;
    store.next("history", Fault::Panics);
    world.tells("ana", "I want to talk to a person").await;
    let scrape = Scrape::of(&world).await;
    scrape.shows(&[
        (r#"panics_total{part="turn"}"#, 1.0),
        (r#"panics_total{part="door"}"#, 0.0),
        (
            r#"messages_total{assistant="support",outcome="failed(poison)"}"#,
            1.0,
        ),
        ("store_readable", 1.0),
    ]);
    store.next("accept", Fault::Panics);
    let panicked = world
        .phone("support")
        .says("bob", "+15550100", "hello")
        .await;
    assert_eq!(panicked.unwrap().status, 500);
    store.next("standing", Fault::Fails);
    let scrape = Scrape::of(&world).await;
    scrape.shows(&[
        ("store_readable", 0.0),
        (r#"panics_total{part="door"}"#, 1.0),
    ]);
    let names = scrape.names();
    for gone in [
        "oldest_waiting_seconds",
        "messages_without_outcome",
        "deliveries",
        "wal_bytes",
    ] {
        assert!(!names.contains(&format!("frontdesk_{gone}")), "{gone}");
    }
    store.next("accept", Fault::Fails);
    let refused = world
        .phone("support")
        .says("bob", "+15550100", "hello")
        .await;
    assert_eq!(refused.unwrap().status, 503);
    let unavailable = r#"inbound_total{assistant="support",result="unavailable"}"#;
    Scrape::of(&world).await.shows(&[(unavailable, 1.0)]);
    world.end().await;
}

#[tokio::test]
async fn one_scrape_asks_the_store_at_a_time_and_waits_for_it_no_longer_than_agreed() {
    let (world, store) = World::hooked().await;
    store.next("standing", Fault::Hangs);
    store.next("standing", Fault::Fails);
    let time_passes = async {
        world.breathe().await;
        assert!(!store.is_over(), "two scrapes asked the store at once");
        // What came second asks when the first has been given up.
        while !store.is_over() {
            world.clock.advance(Duration::from_secs(5));
            world.breathe().await;
        }
    };
    let all = async { tokio::join!(Scrape::of(&world), Scrape::of(&world), time_passes) };
    let (one, other, ()) = soon(all).await;
    one.shows(&[("store_readable", 0.0)]);
    other.shows(&[("store_readable", 0.0)]);
    Scrape::of(&world).await.shows(&[("store_readable", 1.0)]);
    world.end().await;
}

#[tokio::test]
async fn a_broken_prompt_folder_shows_until_it_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("prompts/support");
    crate::prompts::copy(&shipped, folder.path());
    let keys = format!("prompts = \"{}\"", folder.path().display());
    let world = World::with_assistant(&keys).await;
    let file = folder.path().join("system.md");
    let good = std::fs::read_to_string(&file).unwrap();
    let before = Scrape::of(&world).await;
    let version = |scrape: &Scrape| {
        let start = r#"frontdesk_prompt_version{assistant="support",version=""#;
        let mut found = scrape
            .samples
            .keys()
            .filter(|series| series.starts_with(start));
        let version = found.next().unwrap().clone();
        assert!(found.next().is_none(), "{}", scrape.text);
        version
    };
    before.shows(&[(r#"prompts_fine{assistant="support"}"#, 1.0)]);
    std::fs::write(&file, "{{ no such name }}").unwrap();
    world.app.reload();
    let broken = Scrape::of(&world).await;
    broken.shows(&[(r#"prompts_fine{assistant="support"}"#, 0.0)]);
    assert!(broken.value(r#"prompt_reloads_total{assistant="support",result="failed"}"#) >= 1.0);
    assert_eq!(version(&broken), version(&before));
    std::fs::write(&file, good + "\nBe brief.").unwrap();
    world.app.reload();
    let mended = Scrape::of(&world).await;
    mended.shows(&[
        (r#"prompts_fine{assistant="support"}"#, 1.0),
        (
            r#"prompt_reloads_total{assistant="support",result="swapped"}"#,
            1.0,
        ),
    ]);
    assert_ne!(version(&mended), version(&before));
    world.end().await;
}

#[tokio::test]
async fn answers_are_counted_by_what_they_took() {
    let price = "[models.main.price]\ninput = 1.0\noutput = 2.0";
    let world = World::with_models(false, "", price).await;
    world.model.misbehave(Plan::status(500).times(1));
    world.says("u1", "hello").await;
    finish(&world).await;
    let answer = r#"{"choices":[{"message":{"content":"hello"}}]}"#;
    world.model.script([Reply::Raw(200, answer.to_owned())]);
    world.says("u1", "hello again").await;
    finish(&world).await;
    let scrape = Scrape::of(&world).await;
    scrape.shows(&[
        (r#"reply_attempts_count{assistant="support"}"#, 2.0),
        (r#"reply_attempts_sum{assistant="support"}"#, 3.0),
        (r#"replies_by_fallback_total{assistant="support"}"#, 0.0),
        (r#"model_untold_total{model="main"}"#, 1.0),
    ]);
    let tokens = ["input", "output"].map(|kind| {
        scrape.value(&format!(
            r#"model_tokens_total{{model="main",direction="{kind}"}}"#
        ))
    });
    let [input, output] = tokens;
    let cost = (input + 2.0 * output) / 1e6;
    assert!(cost > 0.0);
    scrape.shows(&[(r#"model_cost_total{model="main"}"#, cost)]);
    let cost = scrape.value(r#"model_cost_total{model="main"}"#) / cost;
    assert!((cost - 1.0).abs() < 1e-9, "{cost}");
    let labels = format!(
        r#"gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="stand-in",server_address="127.0.0.1",server_port="{}""#,
        world.model.address().port()
    );
    let shared =
        |name: &str, more: &str| scrape.whole(&format!("gen_ai_client_{name}{{{labels}{more}}}"));
    assert_eq!(shared("operation_duration_seconds_count", ""), Some(2.0));
    let overloaded = shared(
        "operation_duration_seconds_count",
        r#",error_type="overloaded""#,
    );
    assert_eq!(overloaded, Some(1.0));
    for (kind, tokens) in [("input", input), ("output", output)] {
        let kind = format!(r#",gen_ai_token_type="{kind}""#);
        assert_eq!(shared("token_usage_count", &kind), Some(1.0));
        assert_eq!(shared("token_usage_sum", &kind), Some(tokens));
    }
    world.end().await;
}

#[tokio::test]
async fn two_gateways_in_one_process_share_no_counter() {
    let (one, other) = (World::start().await, World::start().await);
    one.tells("u1", "hello").await;
    let accepted = r#"inbound_total{assistant="support",result="accepted"}"#;
    Scrape::of(&one).await.shows(&[(accepted, 1.0)]);
    Scrape::of(&other).await.shows(&[(accepted, 0.0)]);
    one.end().await;
    other.end().await;
}

/// Lets a world go through everything that is counted, with customers whose every word is a canary.
async fn tour() -> (World, Scrape) {
    let world = World::start().await;
    world.model.script([
        Reply::says("canary words"),
        Reply::acts("escalate", "canary words"),
    ]);
    world.phone("support").texts(&canary()).await.unwrap();
    world.pass(SECOND).await;
    world
        .tells("canary-id-2", "canary words: a colleague, please")
        .await;
    world.tells("canary-id-2", "canary words").await;
    world.tells("canary-id-3", "STOP").await;
    world.tells("canary-id-3", "canary words").await;
    world.model.misbehave(Plan::status(500).times(1));
    world.tells("canary-id-4", "canary words").await;
    world.braze.misbehave(Plan::status(400).times(1));
    world.tells("canary-id-5", "canary words").await;
    let nonsense = reqwest::Client::builder().build().unwrap();
    let request = nonsense.post(format!("{}/v1/inbound/canary-id", world.url()));
    request
        .bearer_auth("canary words")
        .body("canary words")
        .send()
        .await
        .unwrap();
    let scrape = Scrape::of(&world).await;
    (world, scrape)
}

#[tokio::test]
async fn nothing_of_any_customer_is_in_a_scrape() {
    let (world, scrape) = tour().await;
    assert!(scrape.value(r#"inbound_total{assistant="support",result="accepted"}"#) > 5.0);
    for canary in CANARIES {
        assert!(
            !scrape.text.contains(canary),
            "{canary} in\n{}",
            scrape.text
        );
    }
    // A series for each of those customers would show as more series than a world that saw none of them has.
    let fresh = World::start().await;
    let untouched = Scrape::of(&fresh).await;
    // The stand-ins of each world have ports of their own.
    let series = |scrape: &Scrape| -> BTreeSet<String> {
        let keys = scrape.samples.keys();
        let without_port = keys.map(|series| match series.split_once("server_port=\"") {
            Some((before, after)) => before.to_owned() + after.trim_start_matches(char::is_numeric),
            None => series.clone(),
        });
        without_port.collect()
    };
    assert_eq!(series(&scrape), series(&untouched));
    fresh.end().await;
    world.end().await;
}

/// Gives the names of measures in a text: in an expression, a chart, a table.
fn named(text: &str) -> BTreeSet<String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !is_name(letter));
    let is_measure =
        |word: &&str| word.starts_with("frontdesk_") || word.starts_with("gen_ai_client_");
    let names = words.filter(is_measure);
    names.map(str::to_owned).collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[tokio::test]
async fn every_measure_that_is_named_exists_and_every_one_that_exists_is_explained() {
    let (world, scrape) = tour().await;
    let served = scrape.names();
    assert!(scrape.text.ends_with("# EOF\n"));
    for file in [
        "docs/prometheus-alerts.yml",
        "docs/grafana-dashboard.json",
        "README.md",
    ] {
        let names = named(&read(file));
        assert!(names.len() > 5, "{file}: {names:?}");
        for name in names {
            let parts = ["", "_bucket", "_count", "_sum"].map(|end| format!("{name}{end}"));
            let exists = parts.iter().any(|name| served.contains(name));
            assert!(exists, "{file} names {name}, which nobody serves");
        }
    }
    let readme = read("README.md");
    let chapter = readme.split("\n## Watching it\n").nth(1).unwrap();
    let chapter = chapter.split("\n## ").next().unwrap();
    let families = scrape.families();
    for name in &served {
        let measure = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|end| {
                name.strip_suffix(end)
                    .filter(|name| families.contains_key(*name))
            })
            .unwrap_or(name);
        assert!(
            chapter.contains(&format!("`{measure}`")),
            "README explains no {measure}"
        );
        let family = ["_total", "_info"]
            .iter()
            .find_map(|end| {
                measure
                    .strip_suffix(end)
                    .filter(|name| families.contains_key(*name))
            })
            .unwrap_or(measure);
        let help = families.get(family).map_or("", String::as_str);
        assert!(help.len() > 8, "{measure} has no help");
    }
    world.end().await;
}

#[test]
fn every_alert_says_when_how_bad_and_what_to_do_and_fires_without_data() {
    let text = read("docs/prometheus-alerts.yml");
    let (head, _) = text.split_once("      - alert: ").unwrap();
    assert!(head.contains("\ngroups:\n  - name: frontdesk\n    rules:\n"));
    let readme = read("README.md");
    let mut names = BTreeSet::new();
    for rule in text.split("      - alert: ").skip(1) {
        let lines: Vec<_> = rule.lines().filter(|line| !line.is_empty()).collect();
        let name = lines[0];
        let starts = [
            "        expr: ",
            "        for: ",
            "        labels:",
            "          severity: ",
            "        annotations:",
            "          summary: \"",
            "          runbook: \"",
        ];
        assert_eq!(lines.len(), starts.len() + 1, "{rule}");
        for (line, start) in lines[1..].iter().zip(starts) {
            assert!(line.starts_with(start), "{name}: {line}");
            let quotes = line.matches('"').count();
            assert!(
                !start.ends_with('"') || (quotes == 2 && line.ends_with('"')),
                "{name}: {line}"
            );
        }
        let expression = lines[1];
        assert!(
            expression.contains(" or absent("),
            "{name} says nothing without data"
        );
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            let (opened, closed) = (
                expression.matches(open).count(),
                expression.matches(close).count(),
            );
            assert_eq!(opened, closed, "{name}: {expression}");
        }
        let pages = lines[4].ends_with(" page");
        assert!(pages || lines[4].ends_with(" ticket"), "{name}");
        assert!(
            !pages || readme.contains(&format!("`{name}`")),
            "README does not say that {name} pages"
        );
        assert!(
            name.starts_with("Frontdesk") && names.insert(name),
            "{name}"
        );
    }
    assert!(names.len() > 15, "{names:?}");
}

#[test]
fn the_dashboard_can_be_imported() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("docs/grafana-dashboard.json")).unwrap();
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    let uids = |end: &str| {
        read("docs/grafana-dashboard.json")
            .matches(&format!("\"uid\": \"{end}"))
            .count()
    };
    // One is the dashboard's own.
    assert_eq!(uids(""), uids("${datasource}\"") + 1);
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<_> = panels
        .iter()
        .filter(|panel| panel["type"] == "row")
        .collect();
    assert_eq!(rows.len(), 8);
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            panel["description"]
                .as_str()
                .is_some_and(|text| text.len() > 8),
            "{panel}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            assert!(
                target["expr"].as_str().unwrap().contains("$instance"),
                "{target}"
            );
        }
    }
}
