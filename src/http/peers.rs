//! Who is at the other end: the address of a client, also behind a proxy, and how much one address may hold.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use ipnet::IpNet;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::accept::Limits;
use super::pulse::Pulse;
use crate::clock::Clock;

/// Where a proxy says for whom it asks. Each proxy adds at the right whom it sees.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The part of an IPv6 address that tells customers of a provider apart; the rest each of them chooses at will.
const V6_PREFIX: u128 = !0 << 64;

/// An address or a network, as `10.0.0.7` or `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Network(IpNet);

/// Says that a text is neither an address nor a network.
#[derive(Debug, thiserror::Error)]
#[error("expected an address or a network, such as `10.0.0.7` or `10.0.0.0/8`, found `{0}`")]
pub struct NotANetwork(String);

impl TryFrom<String> for Network {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        match text.parse().or_else(|_| address()) {
            Ok(network) => Ok(Self(network)),
            Err(_) => Err(NotANetwork(text)),
        }
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(address.into())
    }
}

/// One who is counted: an IPv4 address, or the network of an IPv6 one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() & V6_PREFIX).into()),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

/// Tells the client of a connection, or of a request where a trusted proxy stands between. `None` where the proxy does
/// not say.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> Option<Client> {
    if !is_one_of(peer, proxies) {
        return Some(peer.into());
    }
    let lines = headers.get_all(FORWARDED_FOR).iter();
    let named: Vec<&str> = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .collect();
    // What stands left of the first stranger is that stranger's word.
    let stranger = named
        .into_iter()
        .rev()
        .map(address)
        .find(|address| address.is_none_or(|address| !is_one_of(address, proxies)));
    stranger.flatten().map(Client::from)
}

/// Tells whether an address is of one of the networks.
pub(super) fn is_one_of(address: IpAddr, networks: &[Network]) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|Network(net)| net.contains(&address))
}

/// Reads an address, which some proxies write with the port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse().map(|address: SocketAddr| address.ip());
    text.parse().or_else(|_| with_port()).ok()
}

/// The requests under way, by client.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<HashMap<Client, usize>>);

/// A request under way.
pub(super) struct Turn {
    requests: Arc<Requests>,
    client: Client,
}

impl Requests {
    /// Counts a request in, unless its client has `limit` under way.
    pub(super) fn enter(self: &Arc<Self>, client: Client, limit: usize) -> Option<Turn> {
        let mut all = lock(&self.0);
        let count = all.entry(client).or_default();
        (*count < limit).then(|| {
            *count += 1;
            Turn {
                requests: Arc::clone(self),
                client,
            }
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut all = lock(&self.requests.0);
        if let Some(count) = all.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.client);
            }
        }
    }
}

/// The connections that are open.
#[derive(Debug)]
pub(super) struct Places {
    limits: Limits,
    proxies: Vec<Network>,
    clock: Clock,
    taken: Mutex<HashMap<u64, Taken>>,
    /// Rung when there may be a place again.
    freed: Arc<Notify>,
}

#[derive(Debug)]
struct Taken {
    /// `None` for a trusted proxy, which comes for many.
    client: Option<Client>,
    pulse: Arc<Pulse>,
    leave: CancellationToken,
}

/// The place of a connection; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) pulse: Arc<Pulse>,
    /// Told to leave, since somebody else needs the place.
    pub(super) leave: CancellationToken,
    places: Arc<Places>,
    number: u64,
}

/// Why there is no place.
enum Full {
    /// All connections are busy on our side, so one will be done soon.
    House,
    /// All connections of this client are.
    Client,
}

impl Places {
    pub(super) fn new(limits: Limits, proxies: Vec<Network>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            limits,
            proxies,
            clock,
            taken: Mutex::default(),
            freed: Arc::default(),
        })
    }

    /// Gives a new connection a place. Where there is none, the connection goes that has kept us waiting longest: of the
    /// same client where that one has its share, else of all. One that waits for us never has to go; where all do, the
    /// newcomer waits for a place, but not for one among its own.
    pub(super) async fn enter(self: &Arc<Self>, number: u64, peer: IpAddr) -> Option<Place> {
        loop {
            match self.try_enter(number, peer) {
                Ok(place) => return Some(place),
                Err(Full::Client) => return None,
                Err(Full::House) => self.freed.notified().await,
            }
        }
    }

    fn try_enter(self: &Arc<Self>, number: u64, peer: IpAddr) -> Result<Place, Full> {
        let is_proxy = is_one_of(peer, &self.proxies);
        let client = (!is_proxy).then(|| Client::from(peer));
        let mut taken = lock(&self.taken);
        let own = taken.values().filter(|other| other.client == client);
        if !is_proxy && own.count() >= self.limits.per_address {
            make_room(&mut taken, |other| other.client == client).ok_or(Full::Client)?;
        } else if taken.len() >= self.limits.connections {
            make_room(&mut taken, |_| true).ok_or(Full::House)?;
        }
        let pulse = Arc::new(Pulse::new(self.clock.clone(), Arc::clone(&self.freed)));
        let leave = CancellationToken::new();
        let entry = Taken {
            client,
            pulse: Arc::clone(&pulse),
            leave: leave.clone(),
        };
        taken.insert(number, entry);
        Ok(Place {
            pulse,
            leave,
            places: Arc::clone(self),
            number,
        })
    }
}

/// Sends away who has kept us waiting longest among some.
fn make_room(taken: &mut HashMap<u64, Taken>, among: impl Fn(&Taken) -> bool) -> Option<()> {
    let waiting = taken.iter().filter(|(_, other)| among(other));
    let waiting = waiting.filter_map(|(number, other)| Some((other.pulse.waiting()?, *number)));
    let (_, number) = waiting.min()?;
    taken.remove(&number)?.leave.cancel();
    Some(())
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.taken).remove(&self.number);
        self.places.freed.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_proxy_is_believed_as_far_as_it_is_trusted() {
        let proxies = [network("10.0.0.0/8"), network("127.0.0.1")];
        for (peer, forwarded, expected) in [
            ("192.0.2.1", "198.51.100.7", Some("192.0.2.1")),
            ("127.0.0.1", "198.51.100.7", Some("198.51.100.7")),
            ("::ffff:127.0.0.1", "198.51.100.7", Some("198.51.100.7")),
            (
                "10.1.2.3",
                "6.6.6.6, 198.51.100.7, 10.9.9.9",
                Some("198.51.100.7"),
            ),
            ("10.1.2.3", "198.51.100.7:4711", Some("198.51.100.7")),
            ("10.1.2.3", "[2001:db8::1]:4711", Some("2001:db8::")),
            ("10.1.2.3", "2001:db8:0:0:1:2:3:4", Some("2001:db8::")),
            ("10.1.2.3", "6.6.6.6, unknown", None),
            ("10.1.2.3", "10.9.9.9", None),
            ("10.1.2.3", "", None),
        ] {
            let headers = HeaderMap::from_iter([(
                FORWARDED_FOR.parse::<axum::http::HeaderName>().unwrap(),
                forwarded.parse().unwrap(),
            )]);
            let found = client(peer.parse().unwrap(), &headers, &proxies);
            let expected = expected.map(|address| Client(address.parse().unwrap()));
            assert_eq!(found, expected, "{peer} for {forwarded}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_by_name() {
        let error = Network::try_from("10.0.0.0/33".to_owned()).unwrap_err();
        assert!(error.to_string().contains("`10.0.0.0/33`"), "{error}");
    }
}
