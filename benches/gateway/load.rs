//! Posts messages of distinct customers over connections that stay open, with as little work of its own as it can.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// What the gateway is shown.
pub(crate) const SECRET: &str = "the-inbound-secret-of-the-benchmark";

/// When to stop posting.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// After so many messages.
    Count(usize),
    /// After so long.
    Passed(Duration),
}

/// Where messages are posted. Each one is another customer's, also between two calls.
pub(crate) struct Load {
    address: SocketAddr,
    path: &'static str,
    next: AtomicUsize,
}

/// What was taken.
pub(crate) struct Taken {
    pub(crate) count: usize,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Taken {
    pub(crate) fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    /// Gives the time that so many in a hundred messages were taken within.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let place = self.latencies.get(last * percent / 100);
        place.copied().unwrap_or_default()
    }
}

impl Load {
    pub(crate) fn new(address: SocketAddr, path: &'static str) -> Self {
        Self {
            address,
            path,
            next: AtomicUsize::new(0),
        }
    }

    /// Posts over so many connections, each message with a permit of `open` that does not come back.
    pub(crate) async fn post(
        &self,
        connections: usize,
        until: Until,
        open: &Semaphore,
    ) -> Result<Taken> {
        let started = Instant::now();
        let first = self.next.load(Ordering::Relaxed);
        let goes_on = |number: usize| match until {
            Until::Count(count) => number < first + count,
            Until::Passed(span) => started.elapsed() < span,
        };
        let posters = (0..connections).map(|_| self.poster(&goes_on, open));
        let mut latencies: Vec<Duration> = try_join_all(posters).await?.concat();
        latencies.sort_unstable();
        // Numbers that nobody used would make the next call's count wrong.
        self.next.store(first + latencies.len(), Ordering::Relaxed);
        Ok(Taken {
            count: latencies.len(),
            elapsed: started.elapsed(),
            latencies,
        })
    }

    async fn poster(
        &self,
        goes_on: &impl Fn(usize) -> bool,
        open: &Semaphore,
    ) -> Result<Vec<Duration>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        let mut latencies = Vec::new();
        loop {
            open.acquire().await?.forget();
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if !goes_on(number) {
                // Others wait for this permit to find out the same.
                open.add_permits(1);
                return Ok(latencies);
            }
            let started = Instant::now();
            stream.write_all(self.request(number).as_bytes()).await?;
            let status = answer(&mut stream).await?;
            ensure!(status == "202", "a message was answered with {status}");
            latencies.push(started.elapsed());
        }
    }

    fn request(&self, number: usize) -> String {
        let Self { address, path, .. } = self;
        let body = format!(
            r#"{{"user_id": "customer-{number}", "phone_number": "+1555{number:07}", "message": "Hello, how long is your shop open today? My order is number {number}."}}"#
        );
        format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {SECRET}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// Reads one answer whole and gives its status.
async fn answer(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let status = line.split(' ').nth(1).context("no answer")?.to_owned();
    let mut length = 0;
    while line != "\r\n" {
        line.clear();
        ensure!(stream.read_line(&mut line).await? > 0, "half an answer");
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    stream.read_exact(&mut vec![0; length]).await?;
    Ok(status)
}
