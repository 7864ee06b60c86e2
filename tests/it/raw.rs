//! A server that answers with bytes, right or wrong, as no stand-in would.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::shutdown::Shutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with each request.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Takes the connection and reads nothing of it.
    Deaf,
    /// Reads the request and says nothing.
    Mute,
    /// Writes these bytes and closes.
    Says(Vec<u8>),
    /// Writes these bytes one by one, a second after the other.
    Drips(Vec<u8>),
}

impl Act {
    /// Answers as a server should, with this status and body.
    pub(crate) fn answers(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        Self::Says([head.as_bytes(), body].concat())
    }
}

/// The server.
pub(crate) struct Raw {
    address: SocketAddr,
    arrived: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    /// Starts a server that does the same with every request.
    pub(crate) async fn start(act: Act, clock: &Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            arrived: Arc::default(),
        };
        let (arrived, clock) = (Arc::clone(&server.arrived), clock.clone());
        let tasks = Shutdown::new();
        tasks.clone().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (arrived, act, clock) = (Arc::clone(&arrived), act.clone(), clock.clone());
                drop(tasks.spawn_contained(async move {
                    serve(stream, &arrived, act, &clock).await;
                }));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Gives the bodies of the requests, oldest first; of a connection that nobody reads, an empty one.
    pub(crate) fn arrived(&self) -> Vec<String> {
        self.arrived.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, arrived: &Mutex<Vec<String>>, act: Act, clock: &Clock) {
    let body = match act {
        Act::Deaf => Some(String::new()),
        _ => request(&mut stream).await,
    };
    let Some(body) = body else { return };
    arrived.lock().unwrap().push(body);
    match act {
        Act::Deaf | Act::Mute => std::future::pending().await,
        Act::Says(bytes) => drop(stream.write_all(&bytes).await),
        Act::Drips(bytes) => {
            for byte in bytes {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                clock.sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Reads one request and gives its body; `None` where the caller hung up before its end.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            // A request without a body says nothing of its length.
            let length = head.split("content-length: ").nth(1).unwrap_or("0");
            let length: usize = length.split("\r\n").next()?.parse().ok()?;
            if body.len() >= length {
                return Some(body.to_owned());
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}
