//! The neighbours on their bad days, one fault after the other: what the customers notice, and what they never may.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use frontdesk::sandbox::{Exchange, Phone, Plan};
use jiff::Timestamp;
use rstest::rstest;
use serde_json::json;
use standardwebhooks::Webhook;

use crate::raw::{Act, Raw};
use crate::world::{SIGNING_KEY, START, World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Gives the deliveries to Braze with all that an operator sees: state, attempts, doubt and error.
fn deliveries(world: &World) -> Vec<String> {
    world.rows(
        "SELECT state || ' ' || attempts || ' ' || possible_duplicate || ' ' || coalesce(error, '-')
         FROM delivery WHERE lane = 'braze' ORDER BY key",
    )
}

/// Gives what became of the customers' messages, in the order in which the customers first wrote.
fn outcomes(world: &World) -> Vec<String> {
    world.rows(
        "SELECT coalesce(outcome, 'none') FROM message WHERE author = 'customer' ORDER BY conversation, seq",
    )
}

/// Waits until what may leave now has left.
async fn quiet(world: &World) {
    let mut last = u64::MAX;
    loop {
        world.breathe().await;
        let now = world.braze.request_count();
        if now == last {
            return;
        }
        last = now;
    }
}

/// Lets time go by in steps, and everything happen that is due in each.
async fn pass_in_steps(world: &World, time: Duration, step: Duration) {
    for _ in 0..time.as_secs().div_ceil(step.as_secs()) {
        world.clock.advance(step);
        quiet(world).await;
    }
}

/// Lets customers write, and their replies be made.
async fn answered(world: &World, customers: impl IntoIterator<Item = &str>) {
    for customer in customers {
        world.says(customer, "hello").await;
    }
    world.clock.advance(SECOND);
    world
        .until("all to be answered", |counts| counts.waiting == 0)
        .await;
}

/// Fails if more of these times lie close to each other than a gate lets pass.
fn within_rate(times: &[Timestamp], rate: i64, burst: i64) {
    for (index, first) in times.iter().enumerate() {
        for (count, last) in (1..).zip(&times[index..]) {
            let seconds = last.as_second() - first.as_second() + 1;
            assert!(count <= burst + rate * seconds, "{count} in {seconds} s");
        }
    }
}

#[rstest]
#[case::reset(Plan::rate_limited(30), 30)]
#[case::wait(Plan::rate_limited_for(20), 20)]
#[case::wait_of_the_standard(Plan::status(429).header("x-ratelimit-reset", "soon").header("retry-after", "40"), 40)]
#[case::nothing_but_nonsense(Plan::status(429).header("x-ratelimit-reset", "\u{fc}\t1e9").header("retry-after", "in a while"), 10)]
#[case::in_the_past(Plan::status(429).header("x-ratelimit-reset", "1500000000"), 1)]
#[case::in_another_age(Plan::status(429).header("x-ratelimit-reset", "99999999999999"), 10)]
#[tokio::test]
async fn a_429_stops_the_workspace_until_the_reset_and_no_burst_follows(
    #[case] plan: Plan,
    #[case] seconds: u64,
) {
    let world = World::paced(5, 2, "").await;
    let customers: Vec<String> = (0..20).map(|n| format!("u{n}")).collect();
    world.braze.misbehave(plan.times(1));
    answered(&world, customers.iter().map(String::as_str)).await;
    soon(world.braze.wait_for(1)).await;
    quiet(&world).await;
    // What was under way when the 429 came had left before it.
    let refused_at = world.clock.now();
    let before = world.braze.request_count();
    for _ in 1..seconds * 10 {
        world.clock.advance(SECOND / 10);
        quiet(&world).await;
        assert_eq!(world.braze.request_count(), before, "before the reset");
    }
    world.within(Duration::from_mins(2)).await;
    assert_eq!(world.braze.sent_count(), 20);
    // Those who had to wait ride together; what is paced is requests.
    let later = world.braze.sent().into_iter();
    let later: BTreeMap<u64, Timestamp> = later.map(|sent| (sent.request, sent.at)).collect();
    let later: Vec<Timestamp> = later.into_values().filter(|at| *at > refused_at).collect();
    within_rate(&later, 5, 2);
    assert!(outcomes(&world).iter().all(|outcome| outcome == "replied"));
    // A refusal for the sake of the pace is no attempt of the reply's.
    assert_eq!(deliveries(&world), vec!["sent 0 0 -"; 20]);
    world.end().await;
}

/// `b` has passed the gate, and the store is slow to clear it; meanwhile Braze refuses `a`.
#[tokio::test]
async fn what_has_passed_the_gate_is_held_back_where_braze_refuses_another_meanwhile() {
    let world = World::paced(1, 1, "").await;
    world.braze.misbehave(Plan::rate_limited(30).times(1));
    let hold = world.braze.hold();
    answered(&world, ["a", "b"]).await;
    soon(world.braze.wait_for(1)).await;
    world.breathe().await;

    let file = rusqlite::Connection::open(world.folder().join("frontdesk.db")).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.clock.advance(SECOND * 2);
    round_trips(&world).await;
    drop(hold);
    soon(
        world
            .braze
            .wait_until(|all| all.iter().any(|request| request.status == Some(429))),
    )
    .await;
    round_trips(&world).await;
    file.execute_batch("ROLLBACK").unwrap();

    pass_in_steps(&world, SECOND * 26, SECOND).await;
    assert_eq!(world.braze.request_count(), 1, "it left before the reset");
    world.within(Duration::from_mins(1)).await;
    assert_eq!((world.heard("a").len(), world.heard("b").len()), (1, 1));
    world.end().await;
}

/// Asks the gateway something that needs no store, again and again: what it can do without one, it has done.
async fn round_trips(world: &World) {
    let phone = Phone::new(format!("{}/v1/inbound", world.url()), "nobody's").unwrap();
    for _ in 0..20 {
        assert_eq!(phone.posts("").await.unwrap().status, 401);
    }
}

#[rstest]
#[tokio::test]
async fn what_braze_refuses_for_good_is_tried_once_and_shown(
    #[values(400, 404, 413, 422)] status: u16,
) {
    let world = World::start().await;
    world.braze.misbehave(Plan::status(status).times(1));
    world.tells("u1", "hello").await;
    world.tells("u2", "hello").await;
    world.pass(Duration::from_mins(10)).await;
    assert_eq!(world.braze.request_count(), 2);
    let deliveries = deliveries(&world);
    let shown = format!("dead 0 0 {status}: ");
    assert!(
        deliveries[0].starts_with(&shown) && deliveries[0].len() > shown.len(),
        "{deliveries:?}"
    );
    assert_eq!(deliveries[1], "sent 0 0 -");
    assert_eq!(outcomes(&world), ["failed(delivery)", "replied"]);
    world.end().await;
}

/// What this thread logs.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[rstest]
#[tokio::test]
async fn a_refused_key_pauses_the_workspace_and_is_logged_until_it_works_again(
    #[values(401, 403)] status: u16,
) {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::start().await;
    world.braze.misbehave(Plan::status(status).times(3));
    answered(&world, ["u1"]).await;
    soon(world.braze.wait_for(1)).await;
    quiet(&world).await;
    answered(&world, ["u2", "u3"]).await;
    // One attempt each 30 s or so, and not one for each reply that waits.
    pass_in_steps(&world, SECOND * 28, SECOND).await;
    assert_eq!(world.braze.request_count(), 1);
    world.within(Duration::from_mins(5)).await;
    assert_eq!(world.braze.answered_with(status), 3);
    assert!(
        deliveries(&world)
            .iter()
            .all(|row| row.starts_with("sent 0 0")),
        "{:?}",
        deliveries(&world)
    );
    for customer in ["u1", "u2", "u3"] {
        assert_eq!(world.heard(customer).len(), 1);
    }
    let logged = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert!(
        logged.contains("Braze refused the API key") && logged.contains("ERROR"),
        "{logged}"
    );
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn what_braze_says_it_did_not_send_is_sent_again_later_and_arrives_once(
    #[values(408, 500, 502, 503, 504)] status: u16,
) {
    let world = World::start().await;
    world.braze.misbehave(Plan::status(status).times(3));
    answered(&world, ["u1"]).await;
    world.within(Duration::from_mins(2)).await;
    assert_eq!(world.braze.answered_with(status), 3);
    assert_eq!(world.heard("u1").len(), 1);
    let waits: Vec<i64> = world
        .braze
        .requests()
        .windows(2)
        .map(|pair| pair[1].at.as_second() - pair[0].at.as_second())
        .collect();
    // 1 s, 3 s and 10 s, each a fifth more or less, and the second that the clock moves at a time.
    let told = [1..=3, 2..=5, 8..=13];
    assert!(
        waits
            .iter()
            .zip(told)
            .all(|(wait, told)| told.contains(wait)),
        "{waits:?}"
    );
    assert!(
        deliveries(&world)[0].starts_with("sent 3 0"),
        "{:?}",
        deliveries(&world)
    );
    world.end().await;
}

/// Starts a world with a second assistant, whose customers reach a server that answers with bytes.
async fn with_braze(act: Act) -> (World, Raw) {
    let clock = frontdesk::clock::Clock::manual(START.parse().unwrap());
    let raw = Raw::start(act, &clock).await;
    let world = World::with_assistant(&format!(
        "workspace = \"main\"\n[workspaces.raw]\nendpoint = \"{}\"\napi_key = \"env::BRAZE_KEY\"\n{}workspace = \"raw\"\n",
        raw.url(),
        OTHER
    ))
    .await;
    (world, raw)
}

/// The second assistant, as far as its table goes.
const OTHER: &str = "[assistants.other]\nsecrets = [\"env::INBOUND\"]\ncampaign_id = \"campaign-2\"\nbusiness = { name = \"Other\" }\n";

#[rstest]
#[case::queued(202, json!({"message": "queued"}), true)]
#[case::plain(200, json!({"message": "success", "dispatch_id": "d"}), true)]
#[case::no_json(201, json!("<html>"), true)]
#[case::no_errors(201, json!({"message": "success", "errors": []}), true)]
#[case::error_of_another(201, json!({"message": "success", "errors": [{"type": "'external_user_id' unknown", "external_user_ids": ["u17"]}]}), true)]
#[case::error_of_ours(201, json!({"message": "success", "errors": [{"type": "unknown", "external_user_ids": ["u9", "u1"]}]}), false)]
#[case::error_of_our_phone(200, json!({"message": "partial", "errors": ["no such number: +15550100"]}), false)]
#[tokio::test]
async fn a_success_is_one_unless_its_errors_name_our_customer(
    #[case] status: u16,
    #[case] answer: serde_json::Value,
    #[case] is_sent: bool,
) {
    let (world, raw) = with_braze(Act::answers(status, "", answer.to_string())).await;
    world
        .phone("other")
        .says("u1", "+15550100", "hello")
        .await
        .unwrap();
    world.pass(SECOND).await;
    world.pass(Duration::from_mins(10)).await;
    assert_eq!(raw.arrived().len(), 1, "it is never sent twice");
    let (state, outcome) = if is_sent {
        ("sent", "replied")
    } else {
        ("dead", "failed(delivery)")
    };
    let row = &deliveries(&world)[0];
    assert!(
        row.starts_with(state) && (is_sent || row.contains(&status.to_string())),
        "{row}"
    );
    assert_eq!(outcomes(&world), [outcome]);
    world.end().await;
}

#[rstest]
#[case("resend_once", 2, "dead 1 1 no answer in time")]
#[case("hold", 1, "held 0 1 no answer in time")]
#[case("drop", 1, "dead 0 1 no answer in time")]
#[tokio::test]
async fn a_braze_that_takes_the_body_and_never_answers_gets_it_as_often_as_the_policy_says(
    #[case] policy: &str,
    #[case] arrivals: usize,
    #[case] row: &str,
) {
    let world = World::with(&format!("[reply]\non_unknown = \"{policy}\"")).await;
    world.braze.misbehave(Plan::hang().taken());
    answered(&world, ["u1"]).await;
    soon(world.braze.wait_for(1)).await;
    pass_in_steps(&world, SECOND * 19, SECOND).await;
    assert_eq!(deliveries(&world), ["sending 0 0 -"], "it is given 20 s");
    pass_in_steps(&world, SECOND * 120, SECOND).await;
    assert_eq!(world.heard("u1").len(), arrivals);
    assert_eq!(deliveries(&world), [row]);
    assert_eq!(outcomes(&world), ["failed(delivery_unknown)"]);
    // Others are not kept waiting, and the customer's next message is answered.
    world.braze.behave();
    world.tells("u1", "are you there?").await;
    assert_eq!(world.heard("u1").len(), arrivals + 1);
    world.end().await;
}

#[tokio::test]
async fn a_reply_whose_answer_was_lost_once_arrives_twice_and_is_marked() {
    let world = World::start().await;
    world.braze.misbehave(Plan::hang().taken().times(1));
    answered(&world, ["u1"]).await;
    soon(world.braze.wait_for(1)).await;
    world.within(Duration::from_mins(1)).await;
    let sent = world.braze.sent();
    let wait = sent[1].at.as_second() - sent[0].at.as_second();
    assert!(
        (30..=32).contains(&wait),
        "20 s for an answer, 10 s more: {wait}"
    );
    assert_eq!(sent.len(), 2);
    assert!(
        deliveries(&world)[0].starts_with("sent 1 1"),
        "{:?}",
        deliveries(&world)
    );
    assert_eq!(outcomes(&world), ["replied"]);
    world.end().await;
}

/// A completion as a server writes it, with this content.
fn completion(content: &str) -> String {
    json!({"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}).to_string()
}

#[rstest]
#[case::deaf(Act::Deaf)]
#[case::mute(Act::Mute)]
#[case::drips(match Act::answers(200, "", completion("{\"reply\":\"Hi\"}")) { Act::Says(bytes) => Act::Drips(bytes), act => act })]
#[case::hangs_up(Act::Says(Vec::new()))]
#[case::no_http(Act::Says(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()))]
#[case::breaks_off(Act::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{\"choices\": [{".to_vec()))]
#[case::error(Act::answers(500, "", "{\"error\": {\"message\": \"boom\"}}"))]
#[case::error_with_words(Act::answers(500, "", completion("{\"reply\":\"Hi\"}")))]
#[case::busy(Act::answers(429, "retry-after: 20\r\n", "{}"))]
#[case::busy_and_curt(Act::answers(429, "", ""))]
#[case::locked(Act::answers(401, "", "{\"error\": {\"code\": \"invalid_api_key\"}}"))]
#[case::elsewhere(Act::answers(302, "location: /elsewhere\r\n", ""))]
#[case::other_json(Act::answers(200, "", "{\"answer\": 42}"))]
#[case::no_choices(Act::answers(200, "", "{\"choices\": []}"))]
#[case::no_words(Act::answers(200, "", completion("")))]
#[case::half_an_object(Act::answers(200, "", completion("{\"reply\": \"Well, ")))]
#[case::huge(Act::answers(200, "", completion(&"x".repeat(10 << 20))))]
#[case::no_text(Act::answers(
    200,
    "",
    b"{\"choices\": [{\"message\": {\"content\": \"\xff\xfe\"}}]}"
))]
#[case::a_page(Act::answers(200, "", "<!doctype html><title>Sign in</title>"))]
#[tokio::test]
async fn a_model_that_fails_in_any_way_costs_its_customer_one_fallback_and_others_nothing(
    #[case] act: Act,
) {
    let clock = frontdesk::clock::Clock::manual(START.parse().unwrap());
    let raw = Raw::start(act, &clock).await;
    let world = World::with_assistant(&format!(
        "models = [\"main\"]\n[models.raw]\nbase_url = \"{}/v1\"\nmodel = \"raw\"\nretries = 0\n{OTHER}models = [\"raw\"]\n",
        raw.url()
    ))
    .await;
    let taken = world
        .phone("other")
        .says("u1", "+15550100", "hello")
        .await
        .unwrap();
    assert_eq!(taken.status, 202);
    world.says("u2", "hello").await;
    world.clock.advance(SECOND);
    soon(
        world
            .braze
            .wait_until_sent(|sent| sent.iter().any(|sent| sent.recipient.value() == "u2")),
    )
    .await;
    let begun = world.clock.now();
    while world.heard("u1").is_empty() {
        world.clock.advance(SECOND);
        clock.advance(SECOND);
        quiet(&world).await;
        let gone = world.clock.now().as_second() - begun.as_second();
        assert!(gone <= 26, "no fallback after {gone} s");
    }
    world.rest().await;
    world.pass(Duration::from_mins(5)).await;
    assert_eq!(
        (
            raw.arrived().len(),
            world.heard("u1").len(),
            world.heard("u2").len()
        ),
        (1, 1, 1)
    );
    let fallback = world.heard("u1").remove(0);
    assert!(
        fallback.contains("went wrong") && !fallback.contains(['{', '<']),
        "{fallback}"
    );
    assert_eq!(outcomes(&world), ["failed(model)", "replied"]);
    world.end().await;
}

/// Gives the attempts at `handoff.requested`: a desk that does not answer for long is told of that, too.
fn requested(world: &World) -> Vec<Exchange> {
    let mut requests = world.desk.requests();
    requests.retain(|request| {
        let body = serde_json::from_slice::<serde_json::Value>(&request.raw).unwrap();
        body["event"] == "handoff.requested"
    });
    requests
}

/// Fails unless the requests are attempts at one event: one id, and each signed anew at its own time.
fn one_event(attempts: &[Exchange]) {
    let webhook = Webhook::new(SIGNING_KEY).unwrap();
    for attempt in attempts {
        assert_eq!(
            attempt.header("webhook-id"),
            attempts[0].header("webhook-id")
        );
        assert_eq!(attempt.raw, attempts[0].raw);
        let at = attempt.at.as_second();
        let told = attempt.header("webhook-timestamp");
        assert_eq!(told, Some(at.to_string().as_str()), "a fresh time");
        let id = attempt.header("webhook-id").unwrap();
        let signature = webhook.sign(id, at, &attempt.raw).unwrap();
        assert_eq!(
            attempt.header("webhook-signature"),
            Some(signature.as_str())
        );
    }
}

#[tokio::test]
async fn a_desk_that_is_down_for_hours_is_asked_by_the_schedule_and_hears_in_the_end() {
    let world = World::start().await;
    world.desk.misbehave(Plan::status(503));
    world.says("ana", "I want to talk to a human").await;
    soon(world.desk.wait_for(1)).await;
    soon(world.braze.wait_for_sent(1)).await;
    pass_in_steps(&world, SECOND * 60, SECOND).await;
    pass_in_steps(&world, SECOND * 600, SECOND * 10).await;
    pass_in_steps(&world, SECOND * 3 * 3_600, SECOND * 30).await;
    let attempts = requested(&world);
    let waits = attempts
        .windows(2)
        .map(|pair| pair[1].at.as_second() - pair[0].at.as_second());
    let waits: Vec<i64> = waits.collect();
    let told = [5, 30, 120, 300].into_iter().chain(std::iter::repeat(900));
    for (wait, told) in waits.iter().zip(told) {
        assert!(
            (told * 8 / 10..=told * 12 / 10 + 32).contains(wait),
            "{told}: {waits:?}"
        );
    }
    assert!((13..=20).contains(&attempts.len()), "{waits:?}");
    world.desk.behave();
    pass_in_steps(&world, SECOND * 1_200, SECOND * 30).await;
    one_event(&requested(&world));
    let received = world.desk.received();
    let asked = received
        .iter()
        .filter(|event| event.name == "handoff.requested");
    assert_eq!(asked.count(), 1);
    let told = world.heard("ana");
    let notices = told.iter().filter(|text| text.contains("passing you on"));
    assert_eq!(notices.count(), 1, "the notice did not wait");
    world.end().await;
}

#[rstest]
#[case::forbidden(Plan::status(403).times(3), 0)]
#[case::moved(Plan::status(302).times(3), 0)]
#[case::moved_with_its_body(Plan::status(307).times(3), 0)]
#[case::slow(Plan::delay(Duration::from_secs(20)).taken().times(3), 3)]
#[case::lost_answer(Plan::reset().taken().times(3), 3)]
#[tokio::test]
async fn a_desk_that_refuses_or_dawdles_gets_the_same_event_again(
    #[case] plan: Plan,
    #[case] copies: usize,
) {
    let world = World::start().await;
    let elsewhere = Raw::start(Act::answers(200, "", ""), &world.clock).await;
    world
        .desk
        .misbehave(plan.header("location", &elsewhere.url()));
    world.says("ana", "I want to talk to a human").await;
    pass_in_steps(&world, SECOND * 300, SECOND).await;
    world.within(Duration::from_mins(5)).await;
    let attempts = world.desk.requests();
    assert_eq!(attempts.len(), 4);
    one_event(&attempts);
    assert!(elsewhere.arrived().is_empty(), "no redirect is followed");
    let received = world.desk.received();
    let again = received.iter().filter(|event| event.is_duplicate).count();
    assert_eq!((received.len() - again, again), (1, copies));
    assert_eq!(world.heard("ana").len(), 1);
    world.end().await;
}

#[rstest]
#[case("120", 120)]
#[case("1800", 1_800)]
#[case("86400", 3_600)]
#[tokio::test]
async fn a_desk_that_names_a_wait_is_left_alone_for_it_and_an_hour_at_most(
    #[case] told: &str,
    #[case] seconds: i64,
) {
    let world = World::start().await;
    world
        .desk
        .misbehave(Plan::status(429).header("retry-after", told).times(1));
    world.says("ana", "I want to talk to a human").await;
    soon(world.desk.wait_for(1)).await;
    pass_in_steps(&world, SECOND * 4_000, SECOND * 20).await;
    let attempts = requested(&world);
    assert_eq!(attempts.len(), 2);
    let wait = attempts[1].at.as_second() - attempts[0].at.as_second();
    assert!((seconds..seconds + 45).contains(&wait), "{wait}");
    world.end().await;
}
