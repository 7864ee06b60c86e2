//! A listener of our own: whom it lets in, how long each may take over what, and how it stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Request, Version};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::HttpError;
use super::peers::{self, Network, Place, Places, Requests};
use super::pulse::Kept;
use super::tls::Tls;
use super::wire::Wire;
use crate::clock::Clock;
use crate::shutdown::Shutdown;

/// From the accepted connection, or the first byte of a later request, until a head is whole. A head fits one packet, and
/// the worst round trips of a mobile network are within it.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Between two requests of a connection. Proxies commonly end theirs after 60 s, and whoever is about to be asked must
/// not be the one that closes.
const IDLE_WITHIN: Duration = Duration::from_secs(75);

/// From a head until the answer has left whole: four times what a handler may take, for whoever reads slowly.
const EXCHANGE_WITHIN: Duration = Duration::from_mins(2);

/// Headers of a request; Braze and a proxy come to about twenty.
const HEADERS: usize = 64;

/// Bytes of a request's head, and of what is read ahead for each connection. Unset it would be 400 KiB, times a
/// thousand connections.
const HEAD_BYTES: usize = 64 * 1_024;

/// Requests at once in one HTTP/2 connection, the least that its specification advises.
const STREAMS: u32 = 100;

/// Bytes that one HTTP/2 connection may send before we have read them; the whole body of the longest request fits.
const WINDOW_BYTES: u32 = 256 * 1_024;

/// Bytes of one HTTP/2 stream before we have read them, the default of its specification.
const STREAM_WINDOW_BYTES: u32 = 64 * 1_024 - 1;

/// Bytes of answers that wait to leave on one HTTP/2 connection; ours are short.
const SEND_BYTES: usize = 64 * 1_024;

/// How often an HTTP/2 peer is asked whether it still lives; without data, only the question finds out.
const PING_EVERY: Duration = Duration::from_secs(20);

/// How long it may take to say so.
const PING_WITHIN: Duration = Duration::from_secs(10);

/// The pause when no connection can be accepted, as when the process has no file handles left.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// What a listener bears. The caps are those of `[server]` by default, where their reasons stand. All times are real ones, whatever clock the gateway's work goes by: they are about sockets.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections of one address, and its requests under way. Connections of trusted proxies are not counted here.
    pub per_address: usize,
    /// From the accepted connection, or the first byte of a later request, until a head is whole. The handshake of TLS is
    /// part of it.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// From a head until the answer has left whole.
    pub exchange: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            per_address: 256,
            head: HEAD_WITHIN,
            idle: IDLE_WITHIN,
            exchange: EXCHANGE_WITHIN,
        }
    }
}

/// A way in from the network.
#[derive(Debug)]
pub struct Entrance {
    /// What it bears.
    pub limits: Limits,
    /// Who may say in `X-Forwarded-For` for whom he asks.
    pub trusted_proxies: Vec<Network>,
    /// The certificate; without one it speaks plain HTTP.
    pub tls: Option<Tls>,
}

impl Entrance {
    /// Serves HTTP/1.1 and HTTP/2 until `stop`. Then it refuses new connections and closes those that have no request
    /// under way; the others are tasks of `shutdown`, which waits for them.
    pub async fn serve(
        self,
        listener: TcpListener,
        router: Router,
        shutdown: Shutdown,
        stop: impl Future<Output = ()> + Send,
    ) {
        let clock = Clock::system();
        let closing = CancellationToken::new();
        let places = Places::new(
            self.limits.clone(),
            self.trusted_proxies.clone(),
            clock.clone(),
        );
        let house = Arc::new(House {
            builder: builder(&shutdown),
            entrance: self,
            router,
            requests: Arc::default(),
            closing: closing.clone(),
        });
        let mut stop = pin!(stop);
        for number in 0.. {
            let entering = async {
                let (stream, peer) = accept(&listener, &clock).await;
                let place = places.enter(number, peer.ip()).await;
                place.map(|place| (stream, peer.ip(), place))
            };
            let entered = tokio::select! {
                biased;
                () = &mut stop => break,
                entered = entering => entered,
            };
            if let Some((stream, peer, place)) = entered {
                let visit = Visit {
                    house: Arc::clone(&house),
                    peer,
                    place,
                };
                drop(shutdown.spawn_contained(visit.run(stream)));
            }
        }
        drop(listener);
        closing.cancel();
    }
}

/// Accepts the next connection, however long that takes.
async fn accept(listener: &TcpListener, clock: &Clock) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The peer was gone before it was let in.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted now");
                clock.sleep(ACCEPT_REST).await;
            }
        }
    }
}

fn builder(shutdown: &Shutdown) -> Builder<Tasks> {
    let mut builder = Builder::new(Tasks(shutdown.clone()));
    // The pulse has the times: hyper's own would begin only when the version is known, and take a pause between two
    // requests for a slow head.
    builder
        .http1()
        .header_read_timeout(None)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_WITHIN)
        .max_concurrent_streams(STREAMS)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX));
    builder
}

/// Runs what hyper spawns, so that the stop waits for it.
#[derive(Clone, Debug)]
struct Tasks(Shutdown);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        drop(self.0.spawn_contained(task));
    }
}

/// What all connections of a listener share.
struct House {
    builder: Builder<Tasks>,
    entrance: Entrance,
    router: Router,
    requests: Arc<Requests>,
    closing: CancellationToken,
}

/// One connection.
struct Visit {
    house: Arc<House>,
    peer: IpAddr,
    place: Place,
}

impl Visit {
    /// Serves the connection until its end: the peer's, the stop's, or because it took too long or has to make room.
    async fn run(self, stream: TcpStream) {
        // Answers are short, and written whole.
        drop(stream.set_nodelay(true));
        let visit = Arc::new(self);
        let serving = async {
            match &visit.house.entrance.tls {
                None => visit.serve(stream).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => visit.serve(stream).await,
                    Err(error) => tracing::debug!(%error, "a handshake failed"),
                },
            }
        };
        let place = &visit.place;
        tokio::select! {
            () = place.leave.cancelled() => {}
            () = place.pulse.overdue(&visit.house.entrance.limits) => {}
            () = serving => {}
        }
    }

    async fn serve(self: &Arc<Self>, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let pulse = &self.place.pulse;
        let wire = TokioIo::new(Wire::new(stream, Arc::clone(pulse)));
        let visit = Arc::clone(self);
        let service = service_fn(move |request| Arc::clone(&visit).answer(request));
        let mut connection = pin!(self.house.builder.serve_connection(wire, service));
        tokio::select! {
            // How a connection ended is of no use to anybody: the peer knows.
            _ = connection.as_mut() => return,
            () = self.house.closing.cancelled() => {}
        }
        if !pulse.is_idle() {
            connection.as_mut().graceful_shutdown();
            drop(connection.await);
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response, Infallible> {
        let Entrance {
            limits,
            trusted_proxies,
            ..
        } = &self.house.entrance;
        // Chunks are where two readers of one head come to see different ends: chunks twice, or beside a length. What
        // stands behind such a request is not taken up.
        let is_last = request.version() < Version::HTTP_2
            && request.headers().contains_key(TRANSFER_ENCODING);
        let (open, handled) = self.place.pulse.begin(request.version());
        let request = request.map(|body| self.place.pulse.arriving(Body::new(body)));
        let client = peers::client(self.peer, request.headers(), trusted_proxies);
        let turn = client.map(|client| self.house.requests.enter(client, limits.per_address));
        let (turn, mut response) = match turn {
            Some(None) => (None, HttpError::Crowded.into_response()),
            turn => {
                let Ok(response) = self.house.router.clone().oneshot(request).await;
                (turn.flatten(), response)
            }
        };
        drop(handled);
        if is_last {
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Body::new(Kept::new(body, (open, turn)))))
    }
}
