//! When a target is asked, how often, and with what.

mod slots;

use std::collections::VecDeque;

use axum::http::StatusCode;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// What is too long for every model.
const TOO_LONG: &str = r#"{"error":{"code":"context_length_exceeded"}}"#;

/// An answer that the token limit cut off, after so many tokens.
const CUT: &str = r#"{"choices":[{"message":{"content":"{\"reply\":\"Well"},"finish_reason":"length"}],
    "usage":{"prompt_tokens":7,"completion_tokens":16}}"#;

fn refusal(status: u16, seconds: u64) -> Response<Body> {
    let refusal = Response::builder().status(status);
    let refusal = refusal.header("retry-after", seconds);
    refusal.body(Body::empty()).unwrap()
}

fn good() -> Response<Body> {
    Response::new(GOOD.into())
}

fn silent() -> Response<Body> {
    Response::new(Body::from_stream(stream::pending::<
        Result<Bytes, std::io::Error>,
    >()))
}

/// Gives a response whose body comes when it is told to.
fn when_told(go: Arc<Notify>, body: &'static str) -> Response<Body> {
    let body = async move {
        go.notified().await;
        Ok::<_, std::io::Error>(Bytes::from_static(body.as_bytes()))
    };
    Response::new(Body::from_stream(stream::once(body)))
}

/// Starts a server that gives these responses and then good ones.
async fn scripted(
    script: impl IntoIterator<Item = Response<Body>>,
    keys: &str,
) -> (Server, TargetConfig) {
    let script = Mutex::new(script.into_iter().collect::<VecDeque<_>>());
    let next = move || script.lock().unwrap().pop_front().unwrap_or_else(good);
    let (server, config) = Server::start(next).await;
    (server, with(&config, keys))
}

/// Adds keys to a configuration.
fn with(config: &TargetConfig, keys: &str) -> TargetConfig {
    let base_url = config.base_url().unwrap();
    let retries = if keys.contains("retries") {
        ""
    } else {
        "retries = 0"
    };
    toml::from_str(&format!(
        "base_url = '{base_url}'\nmodel = 'm'\n{retries}\n{keys}"
    ))
    .unwrap()
}

/// Asks the first, and the second where that fails.
fn both(first: &TargetConfig, second: &TargetConfig, clock: &Clock) -> Alone {
    let target = |name, config| Target::new(name, config, clock.clone()).unwrap();
    let targets = vec![target("first", first), target("second", second)];
    Alone {
        lineup: Lineup::new(targets, Vec::new(), 25 * SECOND, clock.clone()),
        meter: Meter::default(),
    }
}

/// Waits for what needs no more of the clock's time.
async fn now<T>(future: impl Future<Output = T>) -> T {
    let patience = Clock::system().timeout(10 * SECOND, future).await;
    patience.expect("it happens without time going by")
}

/// Lets everything happen that needs no more of the clock's time. What happens wrongly shows long before the end.
async fn breathe(future: &mut (impl Future + Unpin)) {
    for _ in 0..500 {
        assert!(future.now_or_never().is_none(), "it ended");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_is_asked_to_wait_longer_than_there_is_time_does_not_wait_at_all() {
    let clock = clock();
    let (server, config) = scripted([refusal(429, 40)], "").await;
    let target = Alone::new(&config, &clock);
    assert_eq!(
        target.answer().await.unwrap_err().kind,
        FaultKind::RateLimited
    );
    let fault = now(target.answer()).await.unwrap_err();
    assert_eq!(fault.to_string(), "rate_limited (`resting`)");
    // Half a second would be left, in which no model answers.
    clock.advance(Duration::from_millis(40_000 - 24_500));
    let fault = now(target.answer()).await.unwrap_err();
    assert_eq!(fault.to_string(), "rate_limited (`resting`)");
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn who_has_to_wait_waits_for_the_target_that_is_back_first_and_a_little_more() {
    let clock = clock();
    let (first, first_config) = scripted([refusal(429, 20)], "").await;
    let (second, second_config) = scripted([refusal(429, 3)], "").await;
    let target = both(&first_config, &second_config, &clock);
    target.answer().await.unwrap_err();
    let asking = target.answer();
    tokio::pin!(asking);
    breathe(&mut asking).await;
    clock.advance(3 * SECOND);
    // Those who wait come one by one, so not all of them come now.
    breathe(&mut asking).await;
    assert_eq!(second.calls(), 1);
    clock.advance(SECOND);
    let answered = now(asking).await.unwrap();
    assert_eq!((answered.target.as_str(), answered.attempts), ("second", 1));
    assert_eq!((first.calls(), second.calls()), (1, 2));
}

#[tokio::test]
async fn what_is_mended_needs_time_too() {
    let clock = clock();
    let server_clock = clock.clone();
    let (server, config) = Server::start(move || {
        server_clock.advance(Duration::from_millis(24_100));
        Response::builder()
            .status(400)
            .body(TOO_LONG.into())
            .unwrap()
    })
    .await;
    let fault = Alone::new(&config, &clock).answer().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::ContextLength);
    assert_eq!(server.calls(), 1);
}

#[rstest]
#[case::no_limit_is_sent("max_tokens = 0", &[None])]
#[case::four_times_as_much("max_tokens = 16", &[Some(16), Some(64)])]
#[case::no_more_than_there_may_be("max_tokens = 30_000", &[Some(30_000), Some(100_000)])]
#[tokio::test]
async fn what_was_cut_off_gets_more_room_where_there_was_a_limit(
    #[case] keys: &str,
    #[case] rooms: &[Option<u64>],
) {
    let (server, config) = Server::says(CUT).await;
    let target = Alone::new(&with(&config, keys), &clock());
    assert_eq!(
        target.answer().await.unwrap_err().kind,
        FaultKind::Truncated
    );
    let seen = server.seen.lock().unwrap();
    let seen = seen.iter().map(|(_, _, body)| body["max_tokens"].as_u64());
    assert_eq!(seen.collect::<Vec<_>>(), rooms);
    // What nobody could use took its tokens all the same.
    let (total, calls) = (target.meter.total(), rooms.len() as u64);
    assert_eq!(
        (total.input_tokens, total.output_tokens),
        (7 * calls, 16 * calls)
    );
    assert_eq!(total.untold, 0);
}

#[tokio::test]
async fn the_next_target_has_what_is_left_of_the_deadline_and_no_more() {
    let clock = clock();
    let (_first, first_config) = scripted([silent()], "attempt_within = '20s'").await;
    let (second, second_config) = scripted([silent()], "attempt_within = '20s'").await;
    let target = both(&first_config, &second_config, &clock);
    let asking = target.answer();
    tokio::pin!(asking);
    breathe(&mut asking).await;
    clock.advance(19 * SECOND);
    breathe(&mut asking).await;
    assert_eq!(second.calls(), 0);
    clock.advance(SECOND);
    breathe(&mut asking).await;
    assert_eq!(second.calls(), 1);
    clock.advance(5 * SECOND);
    assert_eq!(now(asking).await.unwrap_err().kind, FaultKind::Timeout);
    // Nobody knows what either of them took.
    assert_eq!(
        (target.meter.total().calls, target.meter.total().untold),
        (2, 2)
    );
}

#[tokio::test]
async fn two_who_are_refused_at_once_both_do_without() {
    const REFUSED: &str = r#"{"error":{"message":"no max_tokens here"}}"#;
    let go = [(); 2].map(|()| Arc::new(Notify::new()));
    let refusals = go.clone().map(|go| {
        let mut refusal = when_told(go, REFUSED);
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        refusal
    });
    let (server, config) = scripted(refusals, "").await;
    let target = Alone::new(&config, &clock());
    let (one, other) = (target.answer(), target.answer());
    tokio::pin!(one, other);
    breathe(&mut one).await;
    breathe(&mut other).await;
    for go in go {
        go.notify_one();
    }
    assert_eq!(now(one).await.unwrap().attempts, 2);
    assert_eq!(now(other).await.unwrap().attempts, 2);
    let seen = server.seen.lock().unwrap();
    let sends = seen
        .iter()
        .map(|(_, _, body)| body.get("max_tokens").is_some());
    assert_eq!(sends.collect::<Vec<_>>(), [true, true, false, false]);
}

#[tokio::test]
async fn what_the_settings_add_is_sent() {
    let keys = "key_header = 'x-key'\nheaders = { x-team = 'a b' }\nquery = { v = '1 2' }\ntemperature = 0.5\n\
                body = { temperature = 0.7, top_p = 0.9, provider = { zdr = true } }";
    let (server, config) = scripted([], keys).await;
    let mut config = config;
    config.api_key = Some(Secret::from_value("sk-1"));
    let target = Alone::new(&config, &clock());
    target.answer().await.unwrap();
    target.complete().await.unwrap();
    for (uri, headers, body) in server.seen.lock().unwrap().iter() {
        assert_eq!(uri.query(), Some("v=1+2"));
        assert_eq!(
            (&headers["x-key"], &headers["x-team"]),
            (&"sk-1".parse().unwrap(), &"a b".parse().unwrap())
        );
        assert!(!headers.contains_key("authorization"));
        let added = ["temperature", "top_p", "provider"].map(|name| body[name].clone());
        assert_eq!(added, [json!(0.7), json!(0.9), json!({"zdr": true})]);
    }
    assert_eq!(server.calls(), 2);
}

/// Asks for what nobody waits for.
async fn summary(target: &Alone) -> Result<Completed, Fault> {
    let (turns, asking) = (question().turns, target.asking());
    let summary = target
        .lineup
        .complete_aside("Summarise.", &turns, 60 * SECOND, &asking);
    summary.await
}

#[tokio::test]
async fn what_nobody_waits_for_ends_in_time_however_often_it_is_asked() {
    let clock = clock();
    let server_clock = clock.clone();
    let calls = Mutex::new(0);
    let (_server, config) = Server::start(move || {
        *calls.lock().unwrap() += 1;
        if *calls.lock().unwrap() > 1 {
            return silent();
        }
        server_clock.advance(50 * SECOND);
        let too_long = Response::builder().status(400);
        too_long.body(TOO_LONG.into()).unwrap()
    })
    .await;
    let target = Alone::new(&config, &clock);
    let aside = summary(&target);
    tokio::pin!(aside);
    breathe(&mut aside).await;
    clock.advance(10 * SECOND);
    assert_eq!(now(aside).await.unwrap_err().kind, FaultKind::Timeout);
}

#[tokio::test]
async fn a_text_has_a_time_of_its_own() {
    let clock = clock();
    let (server, config) = scripted([silent()], "").await;
    let target = Alone::new(&config, &clock);
    let asking = target.complete();
    tokio::pin!(asking);
    breathe(&mut asking).await;
    assert_eq!(server.calls(), 1);
    clock.advance(9 * SECOND);
    assert_eq!(now(asking).await.unwrap_err().kind, FaultKind::Timeout);
}

#[tokio::test]
async fn nothing_is_held_against_a_target_that_had_less_than_half_of_the_usual_time() {
    let clock = clock();
    let (server, config) = Server::start(silent).await;
    let target = Alone::new(&config, &clock);
    let (turns, asking) = (question().turns, target.asking());
    for calls in 1..=9 {
        let complete = target
            .lineup
            .complete("Be brief.", &turns, 3 * SECOND, &asking);
        tokio::pin!(complete);
        breathe(&mut complete).await;
        assert_eq!(server.calls(), calls);
        clock.advance(3 * SECOND);
        assert_eq!(now(complete).await.unwrap_err().kind, FaultKind::Timeout);
    }
}

#[tokio::test]
async fn what_the_server_counts_is_learnt_from() {
    let (_server, config) = scripted([], "").await;
    let target = Alone::new(&config, &clock());
    let estimate = || target.lineup.ruler("c1").measure("a good many words");
    let before = estimate();
    for _ in 0..10 {
        // Seven tokens, it says, for a page of instructions.
        target.answer().await.unwrap();
    }
    assert!(
        estimate() < before,
        "{} tokens, {before} before",
        estimate()
    );
}

#[rstest]
#[case::in_time(8, false)]
#[case::too_late_where_another_follows(9, true)]
#[tokio::test]
async fn a_target_is_slow_that_takes_longer_than_an_attempt(
    #[case] seconds: u64,
    #[case] is_slow: bool,
) {
    let clock = clock();
    let server_clock = clock.clone();
    let (_server, config) = Server::start(move || {
        server_clock.advance(Duration::from_secs(seconds));
        good()
    })
    .await;
    let probed = Alone::new(&config, &clock).lineup.probe().await;
    assert!(probed.said.is_ok());
    assert_eq!(probed.is_slow, is_slow);
}

#[tokio::test]
async fn a_connection_may_take_as_long_as_the_settings_say() {
    let clock = clock();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}", listener.local_addr().unwrap());
    let mut config = with(&config(&listener), "connect_within = '1s'");
    config.base_url = Some(base_url);
    let target = Alone::new(&config, &clock);
    let asking = target.answer();
    tokio::pin!(asking);
    // It is let in, and nobody shakes its hand.
    let _stream = tokio::select! {
        _ = &mut asking => unreachable!("nobody answers"),
        accepted = listener.accept() => accepted.unwrap(),
    };
    clock.advance(SECOND);
    assert_eq!(now(asking).await.unwrap_err().kind, FaultKind::Connect);
}
