//! Traces: what was done is told to a collector, nothing of what was said, and nobody ever waits for it.

use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::metrics::{Closed, Metrics, Names};
use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use frontdesk::sandbox::phone::Texted;
use frontdesk::telemetry::gen_ai::Asked;
use frontdesk::telemetry::{Traces, TracesConfig};
use futures_util::poll;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::collector::{Collector, Span};
use crate::lineup::finish;
use crate::metrics::Scrape;
use crate::world::{START, World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// How long a span waits for others to go with.
const EXPORT_EVERY: Duration = Duration::from_secs(5);

/// Spans in one request.
const AT_ONCE: usize = 512;

/// How long a stop waits for the last spans.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// A world that sends its traces to a collector, and that collector.
async fn traced(keys: &str) -> (World, Collector) {
    let collector = Collector::start().await;
    let world = World::with(&traces(&collector.url, keys)).await;
    (world, collector)
}

fn traces(url: &str, keys: &str) -> String {
    format!("[traces]\nendpoint = \"{url}\"\n{keys}")
}

/// Lets each task hear what has happened, so that it counts its time from here. All run on this thread.
async fn all_have_heard() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_turn_is_told_with_what_was_decided_and_what_was_sent() {
    let (world, collector) = traced("").await;
    world.braze.misbehave(Plan::status(500).times(1));
    world.says("ana", "hello").await;
    world.clock.advance(SECOND);
    soon(world.braze.wait_for(1)).await;
    world.within(10 * SECOND).await;
    let server = world.braze.url();
    let port = server.rsplit_once(':').unwrap().1.to_owned();
    let conversation = world
        .rows("SELECT lower(hex(id)) FROM conversation")
        .remove(0);
    let conversation = Uuid::parse_str(&conversation).unwrap().to_string();
    let prompts =
        world.rows("SELECT DISTINCT prompt_version FROM message WHERE prompt_version IS NOT NULL");
    world.end().await;
    let turn = collector.span("turn");
    turn.has(&[
        ("frontdesk.assistant", "support"),
        ("gen_ai.conversation.id", &conversation),
        ("frontdesk.messages", "1"),
        ("frontdesk.turn.result", "settled"),
        ("frontdesk.outcome", "replied"),
        ("frontdesk.prompt.version", &prompts[0]),
    ]);
    assert!(!turn.has_failed && turn.parent.is_empty(), "{turn:#?}");
    let sends = collector.named("braze send");
    assert_eq!(sends.len(), 2, "{sends:#?}");
    for send in &sends {
        send.has(&[
            ("frontdesk.workspace", "main"),
            ("frontdesk.assistant", "support"),
            ("gen_ai.conversation.id", &conversation),
            ("http.request.method", "POST"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
        ]);
        assert!(send.is_client && send.trace != turn.trace, "{send:#?}");
    }
    sends[0].has(&[("http.response.status_code", "500"), ("error.type", "500")]);
    assert!(sends[0].has_failed);
    sends[1].has(&[
        ("http.response.status_code", "201"),
        ("error.type", ""),
        ("http.request.resend_count", "1"),
    ]);
    let request = collector.requests().remove(0);
    assert_eq!(request.service["service.name"], "frontdesk");
    assert_eq!(
        request.service["service.version"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(request.schemas, ["https://opentelemetry.io/schemas/1.41.0"]);
    assert_eq!(request.headers["content-type"], "application/x-protobuf");
}

#[tokio::test]
async fn each_call_of_a_model_is_a_part_of_its_turn() {
    let price = "[models.spare.price]\ninput = 1.0\noutput = 2.0\n";
    let collector = Collector::start().await;
    let more = price.to_owned() + &traces(&collector.url, "");
    let world = World::with_models(true, "", &more).await;
    world.model.misbehave(Plan::status(500));
    world.says("ana", "hello").await;
    finish(&world).await;
    let scrape = Scrape::of(&world).await;
    let spent = |direction| {
        let series = format!(r#"model_tokens_total{{model="spare",direction="{direction}"}}"#);
        scrape.value(&series)
    };
    let (input, output) = (spent("input"), spent("output"));
    let servers = [&world.model, &world.spare].map(|model| model.address().port().to_string());
    world.end().await;
    let turn = collector.span("turn");
    let is_call = |span: &Span| span.name.starts_with("chat ");
    let calls: Vec<_> = collector.spans().into_iter().filter(is_call).collect();
    let expected = [
        ("chat stand-in", "main", "1", &servers[0], "overloaded"),
        ("chat stand-in", "main", "2", &servers[0], "overloaded"),
        ("chat spare-stand-in", "spare", "3", &servers[1], ""),
    ];
    assert_eq!(calls.len(), expected.len(), "{calls:#?}");
    for (call, (name, model, number, port, fault)) in calls.iter().zip(expected) {
        assert_eq!(call.name, name);
        call.has(&[
            ("gen_ai.operation.name", "chat"),
            ("gen_ai.provider.name", "openai"),
            ("gen_ai.request.model", &name["chat ".len()..]),
            ("gen_ai.request.max_tokens", "800"),
            ("gen_ai.output.type", "json"),
            (
                "gen_ai.conversation.id",
                turn.fact("gen_ai.conversation.id"),
            ),
            ("server.address", "127.0.0.1"),
            ("server.port", port),
            ("frontdesk.model", model),
            ("frontdesk.call", number),
            ("error.type", fault),
        ]);
        assert!(
            call.is_client && call.has_failed != fault.is_empty(),
            "{call:#?}"
        );
        assert_eq!((&call.trace, &call.parent), (&turn.trace, &turn.id));
    }
    assert_eq!(calls[1].fact("gen_ai.usage.input_tokens"), "");
    let answered = &calls[2];
    answered.has(&[
        ("gen_ai.response.model", "spare-stand-in"),
        ("gen_ai.response.finish_reasons", "stop"),
        ("gen_ai.usage.input_tokens", &input.to_string()),
        ("gen_ai.usage.output_tokens", &output.to_string()),
    ]);
    assert!(!answered.fact("gen_ai.response.id").is_empty());
    let cost: f64 = answered.fact("frontdesk.cost").parse().unwrap();
    assert!((cost - (input + 2.0 * output) / 1e6).abs() < 1e-9, "{cost}");
    let all: u64 = calls.iter().map(|call| call.nanos).sum();
    assert!(turn.nanos >= all, "{turn:#?} {calls:#?}");
}

/// What stands for all that is private, and for nothing else.
const CANARY: &str = "zqx7";

/// A customer and a model of whose every word nothing may be told.
async fn talk(world: &World) {
    let body = json!({
        "id": "zqx7 words", "model": "zqx7 is what you wrote",
        "choices": [{ "message": { "content": "zqx7 is what I say" }, "finish_reason": "zqx7, as you know" }],
    });
    world.model.script([Reply::Raw(200, body.to_string())]);
    let texted = Texted {
        user_id: "zqx7-id",
        phone_number: "+34zqx7",
        message: "zqx7 is what I write",
        profile_name: "zqx7 name",
        ..Texted::default()
    };
    assert_eq!(
        world.phone("support").texts(&texted).await.unwrap().status,
        202
    );
    world.pass(SECOND).await;
    assert_eq!(world.heard("zqx7-id"), ["zqx7 is what I say"]);
}

#[tokio::test]
async fn nothing_of_what_was_said_is_told_unless_it_is_asked_for() {
    for content in [false, true] {
        let (world, collector) = traced(&format!("content = {content}")).await;
        talk(&world).await;
        let asked = world.last_asked();
        world.end().await;
        assert_eq!(collector.spans().len(), 3, "{:#?}", collector.spans());
        let call = collector.span("chat stand-in");
        let told = [
            "gen_ai.system_instructions",
            "gen_ai.input.messages",
            "gen_ai.output.messages",
        ];
        let told = told.map(|key| call.fact(key));
        if content {
            let (system, customer) = (&asked[0].1, &asked.last().unwrap().1);
            let part = |text: &str| json!({ "type": "text", "content": text });
            let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            assert_eq!(read(told[0]), json!([part(system)]));
            let said = read(told[1]).as_array().unwrap().last().unwrap().clone();
            assert_eq!(said, json!({ "role": "user", "parts": [part(customer)] }));
            let wrote = json!({ "role": "assistant", "parts": [part("zqx7 is what I say")] });
            assert_eq!(read(told[2]), json!([wrote]));
            continue;
        }
        assert_eq!(told, [""; 3]);
        call.has(&[
            ("gen_ai.response.model", ""),
            ("gen_ai.response.finish_reasons", ""),
        ]);
        let prompt = asked[0].1.lines().next().unwrap();
        for request in collector.requests() {
            let text = String::from_utf8_lossy(&request.bytes).into_owned();
            assert!(text.contains("stand-in"));
            assert!(!text.contains(CANARY) && !text.contains(prompt), "{text}");
        }
    }
}

#[tokio::test]
async fn a_post_to_a_desk_is_told() {
    let (world, collector) = traced("").await;
    world.tells("ana", "I want to talk to a human").await;
    world.end().await;
    let turn = collector.span("turn");
    turn.has(&[("frontdesk.outcome", "handed_off")]);
    assert!(!turn.fact("frontdesk.rule").is_empty());
    let post = &collector.named("desk post")[0];
    post.has(&[
        ("frontdesk.desk", "main"),
        ("http.request.method", "POST"),
        ("server.address", "127.0.0.1"),
        (
            "gen_ai.conversation.id",
            turn.fact("gen_ai.conversation.id"),
        ),
    ]);
    assert!(!post.has_failed && !post.fact("frontdesk.delivery.id").is_empty());
}

#[tokio::test]
async fn spans_go_together_after_a_while_with_the_headers_that_the_collector_wants() {
    let (world, collector) = traced("headers = { x-api-key = \"env::BRAZE_KEY\" }").await;
    world.tells("ana", "hello").await;
    all_have_heard().await;
    assert_eq!(collector.requests().len(), 0, "they wait for others");
    world.clock.advance(EXPORT_EVERY);
    soon(collector.wait_for(1)).await;
    let request = collector.requests().remove(0);
    assert_eq!(request.headers["x-api-key"], "braze-key");
    assert!(request.spans.len() > 1, "{:#?}", request.spans);
    world.end().await;
}

#[tokio::test]
async fn what_is_not_sampled_is_not_told() {
    let (world, collector) = traced("sample = 0.0").await;
    world.tells("ana", "hello").await;
    world.end().await;
    assert_eq!(collector.requests().len(), 0);
}

#[tokio::test]
async fn a_turn_that_nothing_came_of_says_why() {
    let (world, collector) = traced("").await;
    let hold = world.model.hold();
    world.says("ana", "hello").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(1)).await;
    world.says("ana", "are you there?").await;
    world.clock.advance(SECOND);
    soon(world.model.wait_for(2)).await;
    drop(hold);
    world.rest().await;
    world.end().await;
    let results: Vec<_> = collector
        .named("turn")
        .iter()
        .map(|turn| turn.fact("frontdesk.turn.result").to_owned())
        .collect();
    assert_eq!(results, ["superseded", "settled"]);
    let calls = collector.named("chat stand-in");
    let faults: Vec<_> = calls.iter().map(|call| call.fact("error.type")).collect();
    assert_eq!(faults, ["cancelled", ""]);
    let nanos: Vec<_> = calls.iter().map(|call| call.nanos).collect();
    assert_eq!(nanos[1], 0, "{calls:#?}");
}

/// A collector that does not do its part, and how a span that goes to it ends.
async fn useless(kind: &str) -> Collector {
    let mut collector = Collector::start().await;
    match kind {
        "down" => "http://127.0.0.1:9".clone_into(&mut collector.url),
        "refuses" => collector.answer(500),
        _ => collector.hold(true),
    }
    collector
}

#[tokio::test]
async fn a_collector_that_fails_changes_nothing_for_customers_and_is_counted() {
    for kind in ["down", "refuses", "slow"] {
        let collector = useless(kind).await;
        let world = World::with(&traces(&collector.url, "")).await;
        world.tells("ana", "hello").await;
        all_have_heard().await;
        world.clock.advance(EXPORT_EVERY);
        if kind != "down" {
            soon(collector.wait_for(1)).await;
        }
        // While the first spans are under way, or lost, others are answered.
        world.tells("bob", "hello").await;
        assert_eq!(world.heard("ana").len(), 1, "{kind}");
        assert_eq!(world.heard("bob").len(), 1, "{kind}");
        all_have_heard().await;
        world.clock.advance(2 * EXPORT_EVERY);
        let failed = r#"spans_total{result="failed"}"#;
        let scrape = crate::metrics::until(&world, failed, 2.0).await;
        scrape.shows(&[(r#"spans_total{result="exported"}"#, 0.0)]);
        collector.hold(false);
        world.end().await;
    }
}

/// Traces that go to a collector, the time that they go by, and what counts them.
async fn bare(keys: &str) -> (Traces, Collector, Clock, Metrics) {
    let collector = Collector::start().await;
    let text = format!("endpoint = \"{}\"\n{keys}", collector.url);
    let config: TracesConfig = toml::from_str(&text).unwrap();
    let start = START.parse().unwrap();
    let clock = Clock::manual(start);
    let measures = config.names().measures();
    let metrics = Metrics::new(Names::default(), &Closed::default(), measures, start);
    let traces = Traces::start(&config, &clock, metrics.spans()).unwrap();
    (traces, collector, clock, metrics)
}

/// Tells how many spans ended so.
fn count(metrics: &Metrics, result: &str) -> usize {
    let text = metrics.render(START.parse().unwrap(), None, &[]);
    let series = format!("frontdesk_spans_total{{result=\"{result}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_the_collector_cannot_keep_up_with_is_dropped_and_counted() {
    for (keys, room) in [("", 2_048), ("content = true", 256)] {
        let (traces, collector, clock, metrics) = bare(keys).await;
        collector.hold(true);
        let turn = || drop(traces.tracer().turn("support", Uuid::nil(), 1));
        (0..AT_ONCE.min(room)).for_each(|_| turn());
        all_have_heard().await;
        clock.advance(EXPORT_EVERY);
        soon(collector.wait_for(1)).await;
        (0..room + 10).for_each(|_| turn());
        assert_eq!(count(&metrics, "dropped"), 10, "{keys}");
        collector.hold(false);
        soon(traces.flush(&clock)).await;
        assert_eq!(count(&metrics, "dropped"), 10, "{keys}");
        assert_eq!(count(&metrics, "exported"), AT_ONCE.min(room) + room);
        assert_eq!(collector.spans().len(), AT_ONCE.min(room) + room);
    }
}

#[tokio::test]
async fn what_a_collector_refuses_is_not_sent_again() {
    let (traces, collector, clock, metrics) = bare("").await;
    collector.answer(503);
    drop(traces.tracer().turn("support", Uuid::nil(), 1));
    soon(traces.flush(&clock)).await;
    assert_eq!(
        (collector.requests().len(), count(&metrics, "failed")),
        (1, 1)
    );
}

#[tokio::test]
async fn of_long_words_a_span_holds_a_part() {
    const KIB: usize = 1_024;
    let (traces, collector, clock, _) = bare("content = true").await;
    let words = ["a", "b", "c"].map(|word| word.repeat(20 * KIB));
    let messages = words
        .iter()
        .map(|text| json!({ "role": "user", "content": text }));
    let system = json!({ "role": "system", "content": "ü".repeat(20 * KIB) });
    let messages: Vec<_> = std::iter::once(system).chain(messages).collect();
    let turn = traces.tracer().turn("support", Uuid::nil(), 1);
    let call = turn.parent(Uuid::nil()).chat(&Asked {
        target: "main",
        provider: "openai",
        model: "m",
        server: &("127.0.0.1".to_owned(), 80),
        body: &json!({ "messages": messages }),
    });
    call.ended(None);
    drop(turn);
    soon(traces.flush(&clock)).await;
    let call = collector.span("chat m");
    let newest = json!([{ "role": "user", "parts": [{ "type": "text", "content": words[2] }] }]);
    call.has(&[("gen_ai.input.messages", &newest.to_string())]);
    let system = json!([{ "type": "text", "content": "ü".repeat(16 * KIB) }]);
    call.has(&[("gen_ai.system_instructions", &system.to_string())]);
}

#[tokio::test]
async fn a_turn_that_fails_says_so() {
    let (world, collector) = traced("").await;
    world.model.misbehave(Plan::status(500));
    world.tells("ana", "hello").await;
    world.end().await;
    let turn = collector.span("turn");
    turn.has(&[
        ("frontdesk.outcome", "failed(model)"),
        ("error.type", "failed(model)"),
    ]);
    assert!(turn.has_failed);
}

#[tokio::test]
async fn a_stop_waits_for_the_last_spans_and_not_for_ever() {
    let (traces, collector, clock, _) = bare("").await;
    collector.hold(true);
    drop(traces.tracer().turn("support", Uuid::nil(), 1));
    let flushing = traces.flush(&clock);
    tokio::pin!(flushing);
    assert!(poll!(&mut flushing).is_pending());
    soon(collector.wait_for(1)).await;
    clock.advance(FLUSH_WITHIN.saturating_sub(SECOND));
    assert!(poll!(&mut flushing).is_pending());
    clock.advance(SECOND);
    soon(flushing).await;
}
