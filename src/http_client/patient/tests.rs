use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

mod tls;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A host whose every move the test makes, and a client for it.
struct Stage {
    listener: TcpListener,
    url: Url,
    clock: Clock,
    patient: Patient,
}

impl Stage {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let patient = Patient::new(&url, Options::towards(&url), clock.clone()).unwrap();
        Self {
            listener,
            url,
            clock,
            patient,
        }
    }

    fn request(&self, body: &str) -> Request {
        let http = usual().post(self.url.clone());
        http.body(body.to_owned()).build().unwrap()
    }

    /// Makes a call, which `host` answers on a connection of its own, and reads it whole.
    async fn call_anew(&self, answer: &str) -> (String, TcpStream) {
        let host = async {
            let (mut stream, _) = self.listener.accept().await.unwrap();
            hear(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream
        };
        soon(async { tokio::join!(self.call(), host) }).await
    }

    async fn call(&self) -> String {
        // Lets the runtime see what has happened on the connections.
        tokio::task::yield_now().await;
        let answer = self.patient.execute(self.request("hi")).await.unwrap();
        answer.text().await.unwrap()
    }

    /// Makes a call that must come over a connection that is there already.
    async fn call_over(&self, stream: &mut TcpStream) -> String {
        let host = async {
            hear(stream).await;
            stream.write_all(ANSWER.as_bytes()).await.unwrap();
        };
        soon(async { tokio::join!(self.call(), host) }).await.0
    }
}

fn usual() -> reqwest::Client {
    super::super::build(&Options::default()).unwrap()
}

/// Waits for what has to happen, but not for ever.
async fn soon<T>(happens: impl Future<Output = T>) -> T {
    let patience = Duration::from_secs(20);
    Clock::system().timeout(patience, happens).await.unwrap()
}

/// Hears a request whose body is `hi`.
async fn hear(stream: &mut (impl AsyncReadExt + Unpin)) {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\nhi") {
        assert!(stream.read_buf(&mut heard).await.unwrap() > 0, "{heard:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_again_when_its_answer_has_been_read() {
    let stage = Stage::open().await;
    let (said, mut stream) = stage.call_anew(ANSWER).await;
    assert_eq!(said, "hello");
    assert_eq!(stage.call_over(&mut stream).await, "hello");
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let host = async {
        hear(&mut stream).await;
        stream.write_all(chunked.as_bytes()).await.unwrap();
    };
    let both = async { tokio::join!(stage.call(), host) };
    assert_eq!(soon(both).await.0, "hello");
    assert_eq!(stage.call_over(&mut stream).await, "hello");
}

#[tokio::test]
async fn a_connection_that_is_done_for_is_not_used_again() {
    let stage = Stage::open().await;
    let closing = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
    let (said, _closing) = stage.call_anew(closing).await;
    assert_eq!(said, "hello");
    // More than was asked for has come; whose answer would it be?
    let (said, _talkative) = stage.call_anew(&format!("{ANSWER}HTTP/1.1 200 OK")).await;
    assert_eq!(said, "hello");
    let (_, gone) = stage.call_anew(ANSWER).await;
    drop(gone);
    let (_, mut late) = stage.call_anew(ANSWER).await;
    late.write_all(ANSWER.as_bytes()).await.unwrap();
    late.flush().await.unwrap();
    let (_, _old) = stage.call_anew(ANSWER).await;
    stage.clock.advance(Options::default().idle);
    let (said, mut stream) = stage.call_anew(ANSWER).await;
    assert_eq!(said, "hello");
    assert_eq!(stage.call_over(&mut stream).await, "hello");
}

#[tokio::test]
async fn no_more_connections_are_kept_than_the_options_say() {
    let stage = Stage::open().await;
    let options = Options {
        idle_per_host: 1,
        ..Options::towards(&stage.url)
    };
    let stage = Stage {
        patient: Patient::new(&stage.url, options, stage.clock.clone()).unwrap(),
        ..stage
    };
    let host = async {
        let (mut first, _) = stage.listener.accept().await.unwrap();
        let (mut second, _) = stage.listener.accept().await.unwrap();
        for stream in [&mut first, &mut second] {
            hear(stream).await;
            stream.write_all(ANSWER.as_bytes()).await.unwrap();
        }
        (first, second)
    };
    let all = async { tokio::join!(stage.call(), stage.call(), host) };
    let (_, _, (mut first, mut second)) = soon(all).await;
    let closed = soon(async {
        tokio::select! {
            closed = first.read_u8() => closed,
            closed = second.read_u8() => closed,
        }
    });
    let closed = closed.await;
    assert_eq!(
        closed.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test]
async fn a_call_or_an_answer_that_is_dropped_closes_its_connection() {
    let stage = Stage::open().await;
    let mut call = Box::pin(stage.patient.execute(stage.request("hi")));
    let asked = soon(async {
        let (mut stream, _) = stage.listener.accept().await.unwrap();
        hear(&mut stream).await;
        stream
    });
    let mut stream = tokio::select! {
        _ = &mut call => unreachable!("nobody answers"),
        stream = asked => stream,
    };
    drop(call);
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0);

    let host = async {
        let (mut stream, _) = stage.listener.accept().await.unwrap();
        hear(&mut stream).await;
        stream.write_all(&ANSWER.as_bytes()[..40]).await.unwrap();
        stream
    };
    let both = async { tokio::join!(stage.patient.execute(stage.request("hi")), host) };
    let (answer, mut stream) = soon(both).await;
    drop(answer.unwrap());
    assert_eq!(soon(stream.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_has_been_read() {
    let stage = Stage::open().await;
    let long = "x".repeat(32 << 20);
    let host = async {
        let (mut stream, _) = stage.listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 4]).await.unwrap();
        stream.write_all(ANSWER.as_bytes()).await.unwrap();
        stream
    };
    let both = async { tokio::join!(stage.patient.execute(stage.request(&long)), host) };
    let (answer, _stream) = soon(both).await;
    assert_eq!(soon(answer.unwrap().text()).await.unwrap(), "hello");
    // Half a request stands on that connection, so the next call has one of its own.
    assert_eq!(stage.call_anew(ANSWER).await.0, "hello");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let stage = Stage::open().await;
    for (answer, in_head) in [
        ("", true),
        ("HTTP/1.1 200 OK\r\ncont", true),
        ("<html>", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", false),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            false,
        ),
    ] {
        let host = async {
            let (mut stream, _) = stage.listener.accept().await.unwrap();
            hear(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        let both = async { tokio::join!(stage.patient.execute(stage.request("hi")), host) };
        match soon(both).await.0 {
            Ok(got) => assert!(!in_head && soon(got.text()).await.is_err(), "{answer}"),
            Err(CallError::Unreadable(_)) => assert!(in_head, "{answer}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_in_time_is_given_up() {
    let stage = Stage::open().await;
    let url = Url::parse(&stage.url.as_str().replace("http:", "https:")).unwrap();
    let options = Options::towards(&url);
    let patient = Patient::new(&url, options, stage.clock.clone()).unwrap();
    let mut call = Box::pin(patient.execute(stage.request("hi")));
    // It is let in, and nobody shakes its hand.
    let _stream = tokio::select! {
        _ = &mut call => unreachable!("nobody answers"),
        accepted = soon(stage.listener.accept()) => accepted.unwrap(),
    };
    stage.clock.advance(Options::default().connect);
    assert!(matches!(soon(call).await, Err(CallError::Late)));

    drop(stage.listener);
    let request = usual().post(stage.url).build().unwrap();
    let refused = soon(stage.patient.execute(request)).await;
    assert!(matches!(refused, Err(CallError::Unreachable(_))));
}

#[tokio::test]
async fn a_request_is_not_sent_a_second_time() {
    let stage = Stage::open().await;
    let (_, mut stream) = stage.call_anew(ANSWER).await;
    // The host hangs up while the request is under way to it; it may have begun to work on it.
    let host = async {
        hear(&mut stream).await;
        drop(stream);
    };
    let both = async { tokio::join!(stage.patient.execute(stage.request("hi")), host) };
    let lost = soon(both).await.0;
    assert!(
        matches!(lost, Err(CallError::Unreadable(WireError::CutOff))),
        "{lost:?}"
    );
}

#[tokio::test]
async fn the_length_of_a_body_is_known_before_it_comes() {
    let stage = Stage::open().await;
    let host = async {
        let (mut stream, _) = stage.listener.accept().await.unwrap();
        hear(&mut stream).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let both = async { tokio::join!(stage.patient.execute(stage.request("hi")), host) };
    let (answer, _stream) = soon(both).await;
    assert_eq!(answer.unwrap().content_length(), Some(5_000_000));
}

#[tokio::test]
async fn a_proxy_is_gone_through_where_one_is_named_and_wanted() {
    let proxies = || {
        let proxies = Matcher::builder().https("http://proxy.acme.dev:3128");
        proxies.no("near.acme.dev").build()
    };
    for (url, proxy, is_proxied) in [
        ("https://far.dev", true, true),
        ("https://far.dev", false, false),
        ("https://near.acme.dev", true, false),
        ("http://far.dev", true, false),
    ] {
        let options = Options {
            proxy,
            ..Options::default()
        };
        let url = Url::parse(url).unwrap();
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let made = Patient::among(&proxies(), &url, options, clock).unwrap();
        assert_eq!(matches!(made.0, Way::Proxied(_)), is_proxied, "{url}");
    }
}

#[tokio::test]
async fn a_call_that_waits_holds_little() {
    let stage = Stage::open().await;
    let call = stage.patient.execute(stage.request("hi"));
    // Twenty thousand of these wait at a time.
    assert!(size_of_val(&call) <= 1_024, "{}", size_of_val(&call));
    assert!(size_of::<Line>() <= 64, "{}", size_of::<Line>());
}
