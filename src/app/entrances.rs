//! The two ways in: for Braze and desks, and for operators.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::StartError;
use crate::clock::Clock;
use crate::config::Config;
use crate::http::operator::{self, Office};
use crate::http::{self, Doors, Tls, TlsConfig};
use crate::memory::Memory;
use crate::shutdown::Shutdown;

/// Both listeners, with their certificates; nobody is let in yet.
pub(super) struct Entrances {
    public: Entrance,
    operators: Entrance,
}

struct Entrance {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Tls>,
}

impl Entrances {
    /// Takes the addresses and reads the certificates.
    pub(super) async fn open(
        config: &Config,
        clock: &Clock,
        shutdown: &Shutdown,
    ) -> Result<Self, StartError> {
        let (public, operators) = (&config.server, &config.operator);
        let mut entrances = Self {
            public: Entrance::open("server.listen", public.listen).await?,
            operators: Entrance::open("operator.listen", operators.listen).await?,
        };
        entrances.public.tls = certificate(public.tls.as_ref(), clock, shutdown)?;
        entrances.operators.tls = certificate(operators.tls.as_ref(), clock, shutdown)?;
        Ok(entrances)
    }

    /// Gives the addresses: the public one, the operators'.
    pub(super) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.public.address, self.operators.address)
    }

    /// Lets everybody in until the stop. The public way in stays open for `server.withdraw` longer, so that who asks
    /// whether the gateway is ready hears in time that it is not.
    pub(super) fn serve(self, config: &Config, doors: Doors, memory: Arc<Memory>) {
        let (shutdown, clock) = (doors.shutdown.clone(), doors.clock.clone());
        let doors = Arc::new(doors);
        let office = Office {
            people: config.operator.people.clone(),
            doors: Arc::clone(&doors),
            memory,
            reply_ttl: config.reply.ttl,
            idle: idle(config),
            subscription_groups: subscription_groups(config),
        };
        let ways_in = [
            (
                self.public.listener,
                config.server.entrance(self.public.tls),
                http::router(doors),
                config.server.withdraw,
            ),
            (
                self.operators.listener,
                config.operator.entrance(self.operators.tls),
                operator::router(Arc::new(office)),
                Duration::ZERO,
            ),
        ];
        for (listener, entrance, router, withdraw) in ways_in {
            let (stop, clock) = (shutdown.clone(), clock.clone());
            let stop = async move {
                stop.stopping().await;
                clock.sleep(withdraw).await;
            };
            shutdown.spawn(entrance.serve(listener, router, shutdown.clone(), stop));
        }
    }
}

impl Entrance {
    async fn open(key: &'static str, address: SocketAddr) -> Result<Self, StartError> {
        let failed = |source| StartError::Listen {
            key,
            address,
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            tls: None,
        })
    }
}

fn certificate(
    tls: Option<&TlsConfig>,
    clock: &Clock,
    shutdown: &Shutdown,
) -> Result<Option<Tls>, StartError> {
    let tls = tls.cloned().map(Tls::open).transpose();
    let tls = tls.map_err(StartError::Tls)?;
    if let Some(tls) = &tls {
        tls.watch(clock.clone(), shutdown);
    }
    Ok(tls)
}

/// Gives how long people may be silent, for the assistants that have a desk.
fn idle(config: &Config) -> BTreeMap<String, Duration> {
    let assistants = config.assistants.iter();
    let idle = assistants.filter_map(|(name, assistant)| {
        let desk = config.desks.get(assistant.desk.as_ref()?)?;
        Some((name.clone(), desk.idle))
    });
    idle.collect()
}

/// Gives the subscription groups that follow consent, by assistant.
fn subscription_groups(config: &Config) -> BTreeMap<String, String> {
    let assistants = config.assistants.iter();
    let groups = assistants.filter_map(|(name, assistant)| {
        let group = assistant.opt_out.subscription_group.clone()?;
        Some((name.clone(), group))
    });
    groups.collect()
}
