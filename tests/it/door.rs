//! The listener: whom it lets in, how long each may take over what, and how it stops. All through real sockets.

mod hostile;
mod siege;
mod stop;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use frontdesk::clock::Clock;
use frontdesk::http::{Entrance, Limits, Network};
use frontdesk::shutdown::Shutdown;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::world::soon;

/// Short enough to wait for, long enough for a machine under load to answer within.
const BRIEF: Duration = Duration::from_millis(300);

/// Nothing of a test takes as long.
const LONG: Duration = Duration::from_mins(10);

const QUICK: &str = "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n";
const SLOW: &str = "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";

/// A listener with routes of its own.
struct House {
    address: SocketAddr,
    shutdown: Shutdown,
    /// One for each answer of `/slow`.
    go: Arc<Semaphore>,
    /// How many requests `/slow` has begun with.
    begun: watch::Receiver<usize>,
}

/// Limits that only the one under test can reach.
fn limits() -> Limits {
    Limits {
        connections: 100,
        per_address: 100,
        head: LONG,
        idle: LONG,
        exchange: LONG,
    }
}

impl House {
    async fn open(limits: Limits, proxies: &[&str]) -> Self {
        let proxy = |text: &&str| Network::try_from((*text).to_owned()).unwrap();
        let entrance = Entrance {
            limits,
            trusted_proxies: proxies.iter().map(proxy).collect(),
            tls: None,
        };
        Self::behind(entrance).await
    }

    async fn behind(entrance: Entrance) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shutdown = Shutdown::new();
        let go = Arc::new(Semaphore::new(0));
        let (counter, begun) = watch::channel(0);
        let gate = Arc::clone(&go);
        let slow = async move || {
            counter.send_modify(|count| *count += 1);
            gate.acquire().await.unwrap().forget();
            "done"
        };
        let router = Router::new()
            .route("/quick", get(async || "ok"))
            .route("/slow", get(slow))
            .route("/body", post(async |body: Bytes| body));
        let stop = shutdown.clone();
        let stop = async move { stop.stopping().await };
        shutdown.spawn(entrance.serve(listener, router, shutdown.clone(), stop));
        Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            shutdown,
            go,
            begun,
        }
    }

    /// Connects from an address of this machine.
    async fn enter(&self, from: &str) -> Guest {
        let socket = TcpSocket::new_v4().unwrap();
        let from: IpAddr = from.parse().unwrap();
        socket.bind((from, 0).into()).unwrap();
        Guest(socket.connect(self.address).await.unwrap())
    }

    /// Waits until `/slow` has begun with so many requests.
    async fn has_begun(&self, requests: usize) {
        let mut begun = self.begun.clone();
        soon(begun.wait_for(|count| *count >= requests))
            .await
            .unwrap();
    }

    async fn end(self) {
        self.go.add_permits(1_000);
        assert_eq!(soon(self.shutdown.drain(&Clock::system(), LONG)).await, 0);
    }
}

/// One connection.
struct Guest(TcpStream);

impl Guest {
    /// Sends; that the other side may have closed already is seen when reading.
    async fn send(&mut self, text: &str) {
        drop(self.0.write_all(text.as_bytes()).await);
    }

    /// Reads one answer and gives its status and body.
    async fn answer(&mut self) -> Option<(u16, String)> {
        let mut text = String::new();
        let reading = async {
            loop {
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head.lines().find_map(|line| {
                        line.to_lowercase()
                            .strip_prefix("content-length: ")
                            .map(|length| length.parse::<usize>().unwrap())
                    });
                    if body.len() >= length.unwrap() {
                        return Some((head[9..12].parse().unwrap(), body.to_owned()));
                    }
                }
                let mut bytes = [0; 1_024];
                match self.0.read(&mut bytes).await {
                    Ok(0) | Err(_) => return None,
                    Ok(count) => text += str::from_utf8(&bytes[..count]).unwrap(),
                }
            }
        };
        soon(reading).await
    }

    async fn asks(&mut self, request: &str) -> Option<(u16, String)> {
        self.send(request).await;
        self.answer().await
    }

    /// Waits until the other side closes.
    async fn is_closed(&mut self) {
        assert_eq!(self.answer().await, None);
    }

    /// Tells whether nothing has come so far, neither an answer nor the end.
    fn waits(&self) -> bool {
        let read = self.0.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

fn ok(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

#[rstest]
#[case::silent("", "")]
#[case::half_a_head("", "GET /quick HTTP/1.1\r\nHost:")]
#[case::half_of_http_2("", "PRI * HTTP/2.0\r\n")]
#[case::no_request_in_http_2("", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")]
#[case::half_a_second_head(QUICK, "GET /")]
#[tokio::test]
async fn a_head_has_its_time(#[case] before: &str, #[case] text: &str) {
    let limits = Limits {
        head: BRIEF,
        ..limits()
    };
    let house = House::open(limits, &[]).await;
    let mut guest = house.enter("127.0.0.1").await;
    if !before.is_empty() {
        assert_eq!(guest.asks(before).await, Some(ok("ok")));
    }
    guest.send(text).await;
    if text.starts_with("PRI") {
        // HTTP/2 says hello from the other side as well; what counts is the end.
        let mut hello = Vec::new();
        drop(soon(guest.0.read_to_end(&mut hello)).await);
    } else {
        guest.is_closed().await;
    }
    house.end().await;
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_gains_no_time() {
    let limits = Limits {
        head: BRIEF,
        ..limits()
    };
    let house = House::open(limits, &[]).await;
    let guest = house.enter("127.0.0.1").await;
    let (mut reading, mut writing) = guest.0.into_split();
    let dripping = async {
        writing.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        while writing.write_all(b"x").await.is_ok() {
            Clock::system().sleep(Duration::from_millis(10)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let closed = async { drop(reading.read_to_end(&mut answer).await) };
    soon(async {
        tokio::select! { () = dripping => {}, () = closed => {} }
    })
    .await;
    house.end().await;
}

#[tokio::test]
async fn a_pause_between_two_requests_has_its_own_time() {
    let limits = Limits {
        idle: BRIEF,
        ..limits()
    };
    let house = House::open(limits, &[]).await;
    let mut guest = house.enter("127.0.0.1").await;
    assert_eq!(guest.asks(QUICK).await, Some(ok("ok")));
    guest.is_closed().await;
    house.end().await;
}

#[rstest]
#[case::of_ours(SLOW)]
#[case::of_the_peer("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")]
#[tokio::test]
async fn an_exchange_has_its_time_on_whichever_side_it_hangs(#[case] request: &str) {
    let limits = Limits {
        exchange: BRIEF,
        ..limits()
    };
    let house = House::open(limits, &[]).await;
    let mut guest = house.enter("127.0.0.1").await;
    guest.send(request).await;
    guest.is_closed().await;
    house.end().await;
}

#[tokio::test]
async fn a_newcomer_takes_the_place_of_who_kept_us_waiting_longest() {
    let limits = Limits {
        connections: 4,
        ..limits()
    };
    let house = House::open(limits, &[]).await;
    let mut proven = house.enter("127.0.0.1").await;
    assert_eq!(proven.asks(QUICK).await, Some(ok("ok")));
    let mut working = house.enter("127.0.0.1").await;
    working.send(SLOW).await;
    house.has_begun(1).await;
    let mut silent = house.enter("127.0.0.1").await;
    let mut half = house.enter("127.0.0.1").await;
    half.send("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")
        .await;
    // First those go who never had an answer, in their order; then who had one; never who waits for ours.
    let mut fifth = house.enter("127.0.0.1").await;
    silent.is_closed().await;
    assert_eq!(fifth.asks(QUICK).await, Some(ok("ok")));
    let mut sixth = house.enter("127.0.0.1").await;
    half.is_closed().await;
    assert_eq!(sixth.asks(QUICK).await, Some(ok("ok")));
    let mut seventh = house.enter("127.0.0.1").await;
    proven.is_closed().await;
    assert_eq!(seventh.asks(QUICK).await, Some(ok("ok")));
    assert!(working.waits());
    house.go.add_permits(1);
    assert_eq!(working.answer().await, Some(ok("done")));
    house.end().await;
}

#[tokio::test]
async fn where_all_wait_for_us_a_newcomer_waits_too() {
    let limits = Limits {
        connections: 2,
        ..limits()
    };
    let house = House::open(limits, &[]).await;
    let mut first = house.enter("127.0.0.1").await;
    first.send(SLOW).await;
    let mut second = house.enter("127.0.0.2").await;
    second.send(SLOW).await;
    house.has_begun(2).await;
    let mut third = house.enter("127.0.0.3").await;
    third.send(SLOW).await;
    let clock = Clock::system();
    let begins = clock.timeout(BRIEF, house.has_begun(3)).await;
    assert!(begins.is_err(), "there is no place for it");
    house.go.add_permits(1);
    // One of the two is done, and its place is what the third waited for.
    house.has_begun(3).await;
    house.go.add_permits(2);
    let mut done = 0;
    for guest in [&mut first, &mut second, &mut third] {
        done += usize::from(guest.answer().await == Some(ok("done")));
    }
    assert_eq!(done, 3);
    house.end().await;
}

#[tokio::test]
async fn one_address_has_its_share_and_takes_no_other_s() {
    let limits = Limits {
        per_address: 2,
        ..limits()
    };
    let house = House::open(limits, &[]).await;
    let mut other = house.enter("127.0.0.2").await;
    let mut first = house.enter("127.0.0.3").await;
    let mut second = house.enter("127.0.0.3").await;
    second.send(SLOW).await;
    house.has_begun(1).await;
    let mut third = house.enter("127.0.0.3").await;
    first.is_closed().await;
    third.send(SLOW).await;
    house.has_begun(2).await;
    // Both wait for us, so the fourth has no one to displace.
    house.enter("127.0.0.3").await.is_closed().await;
    assert_eq!(other.asks(QUICK).await, Some(ok("ok")));
    house.go.add_permits(2);
    assert_eq!(second.answer().await, Some(ok("done")));
    assert_eq!(third.answer().await, Some(ok("done")));
    house.end().await;
}

#[tokio::test]
async fn a_trusted_proxy_comes_for_many_and_each_of_them_has_a_share() {
    let limits = Limits {
        per_address: 1,
        ..limits()
    };
    let house = House::open(limits, &["127.0.0.8/31"]).await;
    let for_whom =
        |client: &str| SLOW.replace("Host: x", &format!("Host: x\r\nX-Forwarded-For: {client}"));
    let mut ana = house.enter("127.0.0.9").await;
    ana.send(&for_whom("6.6.6.6, 192.0.2.1, 127.0.0.8")).await;
    house.has_begun(1).await;
    let mut again = house.enter("127.0.0.9").await;
    let (status, body) = again.asks(&for_whom("192.0.2.1")).await.unwrap();
    assert_eq!(status, 503);
    assert!(body.contains("server.per_address"), "{body}");
    let mut bo = house.enter("127.0.0.9").await;
    bo.send(&for_whom("192.0.2.2")).await;
    house.has_begun(2).await;
    // Where the proxy does not say for whom, there is nobody to count.
    let mut unnamed = [
        house.enter("127.0.0.9").await,
        house.enter("127.0.0.9").await,
    ];
    for guest in &mut unnamed {
        guest.send(SLOW).await;
    }
    house.has_begun(4).await;
    // A stranger who names others is still one.
    let mut stranger = house.enter("127.0.0.7").await;
    stranger.send(&for_whom("192.0.2.3")).await;
    house.has_begun(5).await;
    house.enter("127.0.0.7").await.is_closed().await;
    house.go.add_permits(5);
    assert_eq!(ana.answer().await, Some(ok("done")));
    assert_eq!(bo.answer().await, Some(ok("done")));
    assert_eq!(stranger.answer().await, Some(ok("done")));
    // Her share is free again.
    house.go.add_permits(1);
    assert_eq!(again.asks(&for_whom("192.0.2.1")).await, Some(ok("done")));
    house.end().await;
}

#[tokio::test]
async fn http_2_is_spoken_by_prior_knowledge_and_its_requests_are_counted_as_others_are() {
    let limits = Limits {
        per_address: 2,
        ..limits()
    };
    let house = House::open(limits, &[]).await;
    let client = reqwest::Client::builder().http2_prior_knowledge();
    let client = client.build().unwrap();
    let get = async |path: &str| {
        let url = format!("http://{}{path}", house.address);
        client.get(url).send().await.unwrap()
    };
    let quick = get("/quick").await;
    assert_eq!(quick.version(), reqwest::Version::HTTP_2);
    assert_eq!(quick.text().await.unwrap(), "ok");
    let refused = async {
        house.has_begun(2).await;
        let refused = get("/quick").await.status();
        house.go.add_permits(2);
        refused
    };
    let (one, two, refused) =
        soon(async { tokio::join!(get("/slow"), get("/slow"), refused) }).await;
    assert_eq!(refused, 503);
    assert_eq!(
        (one.status(), two.status()),
        (reqwest::StatusCode::OK, reqwest::StatusCode::OK)
    );
    drop(client);
    house.end().await;
}
