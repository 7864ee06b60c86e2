//! Targets against a server that writes its own JSON.

mod attempts;
mod health;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use axum::{Json, Router};
use futures_util::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use uuid::Uuid;

use super::*;
use crate::clock::Clock;
use crate::domain::ConversationId;
use crate::redact::Secret;
use crate::shutdown::Shutdown;

type Respond = dyn Fn() -> Response<Body> + Send + Sync;

/// A server that gives every request the same response, and remembers the requests.
#[derive(Clone)]
struct Server {
    respond: Arc<Respond>,
    seen: Arc<Mutex<Vec<(Uri, HeaderMap, Value)>>>,
    called: Arc<Notify>,
}

impl Server {
    async fn start(
        respond: impl Fn() -> Response<Body> + Send + Sync + 'static,
    ) -> (Self, TargetConfig) {
        let server = Self {
            respond: Arc::new(respond),
            seen: Arc::default(),
            called: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = config(&listener);
        let router = Router::new()
            .fallback(Self::handle)
            .with_state(server.clone());
        Shutdown::new().spawn(async move { axum::serve(listener, router).await.unwrap() });
        (server, config)
    }

    async fn says(body: &'static str) -> (Self, TargetConfig) {
        Self::start(move || Response::new(body.into())).await
    }

    fn handle(
        State(server): State<Self>,
        uri: Uri,
        headers: HeaderMap,
        Json(body): Json<Value>,
    ) -> Ready<Response<Body>> {
        server.seen.lock().unwrap().push((uri, headers, body));
        server.called.notify_one();
        ready((server.respond)())
    }

    fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn config(listener: &TcpListener) -> TargetConfig {
    let address = listener.local_addr().unwrap();
    let text = format!("base_url = 'http://{address}/v1/'\nmodel = 'm'\nretries = 0");
    toml::from_str(&text).unwrap()
}

fn clock() -> Clock {
    Clock::manual(Timestamp::UNIX_EPOCH)
}

fn question() -> Question {
    Question {
        images: Vec::new(),
        system: "You are Ada.".to_owned(),
        turns: vec![Turn {
            role: Role::User,
            text: "hello".into(),
        }],
        rules: Vec::new(),
    }
}

/// Asks one target.
struct Alone {
    lineup: Lineup,
    meter: Meter,
}

impl Alone {
    fn new(config: &TargetConfig, clock: &Clock) -> Self {
        let target = Target::new("main", config, clock.clone()).unwrap();
        let deadline = Duration::from_secs(25);
        Self {
            lineup: Lineup::new(vec![target], Vec::new(), deadline, clock.clone()),
            meter: Meter::default(),
        }
    }

    fn asking(&self) -> Asking<'_> {
        Asking {
            customer: "c1",
            conversation: ConversationId(Uuid::nil()),
            meter: &self.meter,
        }
    }

    async fn answer(&self) -> Result<Answered, Fault> {
        let compose = || Ok::<_, Infallible>(question());
        let answered = self.lineup.answer(compose, &self.asking()).await;
        answered.map_err(|unanswered| match unanswered {
            Unanswered::Composing(never) => match never {},
            Unanswered::Fault(fault) => fault,
        })
    }

    async fn complete(&self) -> Result<Completed, Fault> {
        let (turns, limit) = (question().turns, Duration::from_secs(9));
        let asking = self.asking();
        self.lineup
            .complete("Summarise.", &turns, limit, &asking)
            .await
    }
}

async fn ask(config: &TargetConfig) -> Result<Answered, Fault> {
    Alone::new(config, &clock()).answer().await
}

async fn kind(config: &TargetConfig) -> FaultKind {
    ask(config).await.unwrap_err().kind
}

const GOOD: &str = r#"{"model":"m-2","choices":[{"message":{"content":"{\"reply\":\"Hi\",\"action\":\"answer\"}"},
    "finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#;

#[tokio::test]
async fn a_question_is_one_request() {
    let (server, config) = Server::says(GOOD).await;
    let answered = ask(&config).await.unwrap();
    assert_eq!(*answered.answer.reply, "Hi");
    assert_eq!(
        (answered.usage.input, answered.usage.output),
        (Some(7), Some(3))
    );
    assert_eq!(answered.model.as_deref(), Some("m-2"));

    let seen = server.seen.lock().unwrap();
    let [(uri, headers, body)] = seen.as_slice() else {
        panic!("{} calls", seen.len())
    };
    assert_eq!(uri.path(), "/v1/chat/completions");
    assert_eq!(headers["content-type"], "application/json");
    assert!(
        headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("frontdesk/")
    );
    assert!(!headers.contains_key("authorization") && !headers.contains_key("openai-organization"));
    assert_eq!(
        body["messages"][1],
        json!({"role": "user", "content": "hello"})
    );
}

#[tokio::test]
async fn the_key_goes_along_and_is_not_printed() {
    let (server, mut config) = Server::says(GOOD).await;
    config.api_key = Some(Secret::from_value(" sk-1\n"));
    let target = Alone::new(&config, &clock());
    target.answer().await.unwrap();
    assert_eq!(
        server.seen.lock().unwrap()[0].1["authorization"],
        "Bearer sk-1"
    );
    assert!(!format!("{:?}", target.lineup).contains("sk-1"));
}

#[tokio::test]
async fn plain_text_is_asked_for_without_a_format() {
    let said = r#"{"choices":[{"message":{"content":"<think>hm</think> The customer asks"},"finish_reason":"length"}]}"#;
    let (server, config) = Server::says(said).await;
    let completed = Alone::new(&config, &clock()).complete().await.unwrap();
    assert_eq!(*completed.text, "The customer asks");
    assert_eq!(
        server.seen.lock().unwrap()[0].2.get("response_format"),
        None
    );

    let (_server, config) =
        Server::says(r#"{"choices":[{"message":{"content":"<think>hm"}}]}"#).await;
    let fault = Alone::new(&config, &clock()).complete().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Empty);
}

#[rstest]
#[case::wrong_content_type("text/html", GOOD, None)]
#[case::no_text(
    "application/json",
    r#"{"choices":[{"message":{"content":""},"finish_reason":"length"}]}"#,
    Some(FaultKind::Empty)
)]
#[case::half_an_object(
    "application/json",
    r#"{"choices":[{"message":{"content":"{\"reply\":\"I c"},"finish_reason":"length"}]}"#,
    Some(FaultKind::Truncated)
)]
#[case::error_in_a_success(
    "application/json",
    r#"{"error":{"message":"x","code":429}}"#,
    Some(FaultKind::RateLimited)
)]
#[case::html("application/json", "<html>hello</html>", Some(FaultKind::BadResponse))]
#[case::empty("application/json", "", Some(FaultKind::BadResponse))]
#[case::half_a_body(
    "application/json",
    r#"{"choices":[{"message":{"#,
    Some(FaultKind::BadResponse)
)]
#[tokio::test]
async fn successes(
    #[case] content_type: &'static str,
    #[case] body: &'static str,
    #[case] fault: Option<FaultKind>,
) {
    let respond = move || {
        Response::builder()
            .header("content-type", content_type)
            .body(body.into())
            .unwrap()
    };
    let (server, config) = Server::start(respond).await;
    let found = ask(&config).await.err();
    assert_eq!(found.as_ref().map(|fault| fault.kind), fault);
    // The client logs what it cannot read, so it gets no such thing.
    let is_json = serde_json::from_str::<Value>(body).is_ok();
    let code = found.and_then(|fault| fault.code);
    assert_eq!(code.as_deref() == Some("not_json"), !is_json);
    // What the token limit cut off is asked for once more, with more room.
    let calls = if body.contains("length") { 2 } else { 1 };
    assert_eq!(server.calls(), calls);
}

#[rstest]
#[case(302, "", FaultKind::BadResponse)]
#[case(
    400,
    r#"{"error":{"code":400,"type":"exceed_context_size_error","n_ctx":512}}"#,
    FaultKind::ContextLength
)]
#[case(401, "<html>", FaultKind::Auth)]
#[case(429, "<html>", FaultKind::RateLimited)]
#[case(
    429,
    r#"{"error":{"code":"insufficient_quota","message":"x"}}"#,
    FaultKind::Quota
)]
#[case(500, r#"{"error":"boom"}"#, FaultKind::Overloaded)]
#[case(503, "", FaultKind::Overloaded)]
#[tokio::test]
async fn refusals_are_taken_at_once(
    #[case] status: u16,
    #[case] body: &'static str,
    #[case] expected: FaultKind,
) {
    let respond = move || {
        let builder = Response::builder()
            .status(status)
            .header("retry-after", "1");
        builder
            .header("location", "/elsewhere")
            .body(body.into())
            .unwrap()
    };
    let (server, config) = Server::start(respond).await;
    let fault = ask(&config).await.unwrap_err();
    assert_eq!((fault.kind, fault.status), (expected, Some(status)));
    assert_eq!(fault.retry_after, Some(Duration::from_secs(1)));
    let calls = if expected == FaultKind::ContextLength {
        2
    } else {
        1
    };
    assert_eq!(server.calls(), calls);
}

#[tokio::test]
async fn who_finds_a_target_left_alone_is_told_what_for() {
    let respond = || Response::builder().status(401).body("".into()).unwrap();
    let (server, config) = Server::start(respond).await;
    let target = Alone::new(&config, &clock());
    assert_eq!(target.answer().await.unwrap_err().kind, FaultKind::Auth);
    let fault = target.answer().await.unwrap_err();
    assert_eq!(fault.to_string(), "auth (`resting`)");
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn nothing_of_a_refusals_message_is_kept() {
    let respond = || {
        let body = r#"{"error":{"message":"bad input: my card is 4111","type":"invalid_request_error","code":"x1"}}"#;
        Response::builder().status(400).body(body.into()).unwrap()
    };
    let (_server, config) = Server::start(respond).await;
    let fault = ask(&config).await.unwrap_err();
    assert_eq!(fault.to_string(), "bad_request (HTTP 400, `x1`)");
    assert!(!format!("{fault:?}").contains("4111"));
}

#[tokio::test]
async fn a_silent_server_is_left_at_the_deadline() {
    let (server, config) = Server::start(|| {
        let silence = stream::pending::<Result<Bytes, std::io::Error>>();
        Response::new(Body::from_stream(silence))
    })
    .await;
    let clock = clock();
    let target = Alone::new(&config, &clock);
    let asking = target.answer();
    tokio::pin!(asking);
    tokio::select! {
        _ = &mut asking => panic!("it ended by itself"),
        () = server.called.notified() => {}
    }
    clock.advance(Duration::from_secs(24));
    assert!((&mut asking).now_or_never().is_none(), "it ended early");
    clock.advance(Duration::from_secs(1));
    assert_eq!(asking.await.unwrap_err(), FaultKind::Timeout.into());
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn a_drip_does_not_move_the_deadline() {
    let clock = clock();
    let drop_falls = clock.clone();
    // Each byte takes a second, and there is no end of them.
    let (_server, config) = Server::start(move || {
        let clock = drop_falls.clone();
        Response::new(Body::from_stream(stream::repeat(()).map(move |()| {
            clock.advance(Duration::from_secs(1));
            Ok::<_, std::io::Error>(Bytes::from_static(b" "))
        })))
    })
    .await;
    let fault = Alone::new(&config, &clock).answer().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Timeout);
}

#[tokio::test]
async fn the_time_that_a_call_takes_is_told() {
    let clock = clock();
    let server_clock = clock.clone();
    let (_server, config) = Server::start(move || {
        server_clock.advance(Duration::from_millis(1_500));
        Response::new(GOOD.into())
    })
    .await;
    let answered = Alone::new(&config, &clock).answer().await.unwrap();
    assert_eq!(answered.elapsed, Duration::from_millis(1_500));
}

#[rstest]
#[case::told_in_advance(true, 200, FaultKind::BadResponse, Some("too_large"))]
#[case::not_told(false, 200, FaultKind::BadResponse, Some("too_large"))]
#[case::refusal(false, 503, FaultKind::Overloaded, None)]
#[tokio::test]
async fn a_huge_body_is_not_read(
    #[case] told: bool,
    #[case] status: u16,
    #[case] kind: FaultKind,
    #[case] code: Option<&str>,
) {
    const HUGE: usize = 64 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = sent.clone();
    let respond = move || {
        let counted = counted.clone();
        let body = if told {
            Body::from(vec![b' '; HUGE])
        } else {
            let chunks = stream::repeat(Bytes::from(vec![b' '; 1 << 10])).take(HUGE >> 10);
            Body::from_stream(chunks.map(move |chunk| {
                counted.fetch_add(chunk.len(), Ordering::Relaxed);
                Ok::<_, std::io::Error>(chunk)
            }))
        };
        Response::builder().status(status).body(body).unwrap()
    };
    let (_server, config) = Server::start(respond).await;
    let fault = ask(&config).await.unwrap_err();
    assert_eq!((fault.kind, fault.code.as_deref()), (kind, code));
    // What the connection itself holds is less.
    assert!(sent.load(Ordering::Relaxed) < HUGE / 2);
}

/// Serves one connection by hand: reads the request, writes `answer`, hangs up.
async fn hang_up_after(answer: &'static [u8]) -> TargetConfig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(&listener);
    Shutdown::new().spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 1 << 10];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            socket.write_all(answer).await.unwrap();
        }
    });
    config
}

#[rstest]
#[case::before_the_head(b"", FaultKind::Connect)]
#[case::in_the_head(b"HTTP/1.1 200 O", FaultKind::Connect)]
#[case::in_the_body(
    b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"choices\":",
    FaultKind::BadResponse
)]
#[case::in_a_refusal(
    b"HTTP/1.1 503 No\r\ncontent-length: 99\r\n\r\n{\"err",
    FaultKind::Overloaded
)]
#[case::no_http(b"SSH-2.0-OpenSSH_9.9\r\n", FaultKind::Connect)]
#[tokio::test]
async fn a_server_that_hangs_up(#[case] answer: &'static [u8], #[case] expected: FaultKind) {
    assert_eq!(kind(&hang_up_after(answer).await).await, expected);
}

#[tokio::test]
async fn nobody_at_home() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config(&listener);
    drop(listener);
    assert_eq!(kind(&config).await, FaultKind::Connect);
}

#[tokio::test]
async fn wrong_settings_make_no_target() {
    let (_server, mut config) = Server::says(GOOD).await;
    config.api_key = Some(Secret::from_value("sk\n1"));
    let error = Target::new("main", &config, clock())
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("`api_key`: "), "{error}");
    assert!(!error.contains("sk\n1"), "{error}");
}
