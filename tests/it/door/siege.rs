//! Connections that only cost, by the thousand, while customers write on: against the real program.
//!
//! The figures come from a release build: `cargo test --release --test it door::siege -- --ignored --nocapture`.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use frontdesk::clock::Clock;
use frontdesk::sandbox::{Braze, Model};
use frontdesk::shutdown::Shutdown;
use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::world::{INBOUND_SECRET, soon};

/// Where the valid messages come from; not from a trusted proxy, so that their way in is no better than others'.
const CUSTOMERS: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);

/// Addresses of the slow connections.
const ADDRESSES: u32 = 40;

/// Valid messages a second.
const RATE: u32 = 50;

/// How often a slow connection sends one more byte.
const DRIP: Duration = Duration::from_secs(1);

/// How often a customer's message is posted anew when its connection fails, as Braze does.
const TRIES: usize = 5;

/// How long one try may take; Braze waits longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A siege and what the gateway bears.
struct Siege {
    /// Slow connections; each second one is slow with its head, the others with their bodies.
    slow: u32,
    /// `server.connections`.
    connections: u32,
    /// For how long, each way: first without and then with the slow connections.
    lasts: Duration,
}

/// What was measured in one of the two times.
#[derive(Debug)]
#[expect(dead_code, reason = "printed whole")]
struct Figures {
    messages: usize,
    /// Posts that failed and were made again.
    retries: usize,
    p50: Duration,
    p99: Duration,
    slowest: Duration,
    /// The most memory that was seen, in MiB.
    memory_mib: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_siege_keeps_no_message_out_and_costs_little_memory() {
    let siege = Siege {
        slow: 400,
        connections: 200,
        lasts: Duration::from_secs(3),
    };
    let [before, during] = siege.run().await;
    assert_eq!((before.messages, during.messages), (150, 150));
    // How fast it is, a machine that runs other tests as well cannot tell; but nobody waits until others are sent away
    // for their slowness.
    assert!(during.slowest < Duration::from_secs(5), "{during:?}");
    assert!(during.memory_mib <= before.memory_mib + 150, "{during:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: takes a minute, and wants a release build and the machine for itself"]
async fn two_thousand_slow_connections_and_fifty_messages_a_second() {
    let siege = Siege {
        slow: 2_000,
        connections: 1_024,
        lasts: Duration::from_secs(30),
    };
    let [before, during] = siege.run().await;
    assert_eq!(during.messages, before.messages);
    assert!(during.p99 <= Duration::from_millis(500), "{during:?}");
    assert!(during.memory_mib <= before.memory_mib + 150, "{during:?}");
}

impl Siege {
    /// Measures without the slow connections, then with them.
    async fn run(&self) -> [Figures; 2] {
        let outside = Shutdown::new();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let model = Model::start(anywhere, &outside).await.unwrap();
        let braze = Braze::start(anywhere, &outside).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("gateway.toml");
        let text = format!(
            r#"
            [server]
            listen = "127.0.0.1:0"
            connections = {}
            [log]
            format = "json"
            [workspaces.main]
            endpoint = "{}"
            api_key = "env::BRAZE_KEY"
            rate = 1000
            burst = 1000
            [models.main]
            base_url = "{}"
            model = "stand-in"
            [assistants.support]
            secrets = ["env::INBOUND"]
            campaign_id = "campaign-1"
            [assistants.support.business]
            name = "Acme"
            "#,
            self.connections,
            braze.url(),
            model.url(),
        );
        std::fs::write(&config, text).unwrap();
        let gateway = Gateway::start(&config).await;
        let before = gateway.measure("before", self.lasts).await;
        tell(&format!("without slow connections: {before:?}"));
        let measuring = async {
            // All of them are there, and none has used up its time yet.
            Clock::system().sleep(DRIP * 2).await;
            gateway.measure("during", self.lasts).await
        };
        let during = tokio::select! {
            during = measuring => during,
            () = self.lay(gateway.address) => unreachable!("it goes on until it is dropped"),
        };
        tell(&format!("with {} slow connections: {during:?}", self.slow));
        outside.stop();
        [before, during]
    }

    /// Keeps the slow connections coming.
    async fn lay(&self, address: SocketAddr) {
        let slow = (0..self.slow).map(|number| async move {
            let clock = Clock::system();
            // They do not all come in the same moment.
            clock.sleep(DRIP * number / self.slow).await;
            loop {
                drop(drip(address, number).await);
                clock.sleep(DRIP).await;
            }
        });
        join_all(slow).await;
    }
}

/// Says what was measured, for who runs the test with `--nocapture`.
#[expect(clippy::print_stdout, reason = "a test's own report")]
fn tell(what: &str) {
    println!("{what}");
}

/// Is as slow as a peer can be, until the other side has had enough.
async fn drip(address: SocketAddr, number: u32) -> std::io::Result<()> {
    let host = u8::try_from(2 + number % ADDRESSES).unwrap();
    let mut stream = connect(Ipv4Addr::new(127, 0, 0, host), address).await?;
    let head = match number % 2 {
        0 => "POST /v1/inbound HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned(),
        _ => format!(
            "POST /v1/inbound HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {INBOUND_SECRET}\r\n\
             Content-Length: 100000\r\n\r\n"
        ),
    };
    stream.write_all(head.as_bytes()).await?;
    loop {
        Clock::system().sleep(DRIP).await;
        stream.write_all(b"x").await?;
    }
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

/// The program; it ends when this is dropped.
struct Gateway {
    child: Child,
    address: SocketAddr,
}

impl Gateway {
    async fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_frontdesk"))
            .args(["serve", "--config"])
            .arg(config)
            .env("BRAZE_KEY", "braze-key")
            .env("INBOUND", INBOUND_SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (found, address) = tokio::sync::oneshot::channel();
        // Read to the end whatever happens: a full pipe would stop the program.
        std::thread::spawn(move || {
            let mut found = Some(found);
            for line in lines.map_while(Result::ok) {
                let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(address) = told["address"].as_str()
                    && let Some(found) = found.take()
                {
                    found.send(address.parse().unwrap()).unwrap();
                }
            }
        });
        let address = soon(address).await.unwrap();
        Self { child, address }
    }

    /// Lets customers write for a while.
    async fn measure(&self, name: &str, lasts: Duration) -> Figures {
        let client = reqwest::Client::builder().local_address(IpAddr::from(CUSTOMERS));
        // A connection for each message, as each has to get in by itself.
        let client = client.timeout(PATIENCE).pool_max_idle_per_host(0);
        let client = client.build().unwrap();
        let clock = Clock::system();
        let start = clock.now();
        let count = RATE * u32::try_from(lasts.as_secs()).unwrap();
        let posts = (0..count).map(|number| {
            let (client, clock) = (&client, &clock);
            async move {
                let due = Duration::from_secs(1) * number / RATE;
                clock.sleep_until(start + due).await;
                self.post(client, clock, &format!("{name}-{number}")).await
            }
        });
        let mut memory = 0;
        let watching = async {
            loop {
                memory = memory.max(self.memory_mib());
                clock.sleep(Duration::from_millis(100)).await;
            }
        };
        let posts = tokio::select! {
            posts = join_all(posts) => posts,
            () = watching => unreachable!("it goes on until it is dropped"),
        };
        let mut times: Vec<Duration> = posts.iter().map(|(time, _)| *time).collect();
        times.sort();
        Figures {
            messages: times.len(),
            retries: posts.iter().map(|(_, retries)| retries).sum(),
            p50: times[times.len() / 2],
            p99: times[times.len() * 99 / 100],
            slowest: times[times.len() - 1],
            memory_mib: memory,
        }
    }

    /// Posts one message until it is taken. Gives the time that took in all, and how often it failed.
    async fn post(
        &self,
        client: &reqwest::Client,
        clock: &Clock,
        customer: &str,
    ) -> (Duration, usize) {
        let url = format!("http://{}/v1/inbound", self.address);
        let body = format!(
            r#"{{"user_id": "{customer}", "phone_number": "+1555", "dispatch_id": "{customer}", "message": "hello"}}"#
        );
        let start = clock.elapsed();
        for retries in 0..TRIES {
            let request = client
                .post(&url)
                .bearer_auth(INBOUND_SECRET)
                .body(body.clone());
            if let Ok(answer) = request.send().await
                && matches!(answer.status().as_u16(), 200 | 202)
            {
                return (clock.elapsed().saturating_sub(start), retries);
            }
        }
        panic!("{customer} was not heard");
    }

    fn memory_mib(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: usize = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib / 1_024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
