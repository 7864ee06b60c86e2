//! Words for customers: claimed from the store, held up at the gate where there is need, and sent in requests of one, or of
//! many where all of them had to wait.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::hall::{Hall, Waiting};
use super::{claim, clear, misrouted, tell};
use crate::braze::{Speaker, Step, Vehicle, Workspace};
use crate::domain::{Attempted, Delivery, DeliveryId, Lane};
use crate::metrics::Part;
use crate::workers::Shared;

/// A workspace with those who speak through it.
#[derive(Clone)]
struct Bus {
    shared: Shared,
    workspace: Arc<Workspace>,
    speakers: Arc<HashMap<String, Speaker>>,
}

/// Runs until the stop, and on until the last turn's words have left or no request may begin any more.
pub(super) async fn run(
    shared: Shared,
    name: String,
    workspace: Arc<Workspace>,
    speakers: Arc<HashMap<String, Speaker>>,
) {
    let mut assistants: Vec<String> = speakers.keys().cloned().collect();
    workspace.metrics().speaks_for(&assistants);
    let requests = usize::try_from(workspace.concurrency().get()).unwrap_or(1);
    let slots = Arc::new(Semaphore::new(requests));
    let bus = Bus {
        shared: shared.clone(),
        workspace,
        speakers,
    };
    let mut hall = Hall::default();
    let mut bell = shared.store.wake().lane(Lane::Braze).listen();
    while shared.room(&name, &slots, shared.closing()).await.is_some() {
        bell.enrol();
        let is_last_look = shared.turns_over.is_cancelled();
        let room = u32::try_from(hall.room()).unwrap_or(u32::MAX);
        let mut next_due = None;
        let mut all_taken = room > 0;
        if room > 0 {
            let Some(batch) = claim(&shared, Lane::Braze, &assistants, room).await else {
                continue;
            };
            all_taken = batch.items.len() < hall.room();
            next_due = batch.next_due;
            hall.enter(batch.items, shared.clock.now());
            // Who stands first gets the place that is left over, so that is somebody else each time.
            if !assistants.is_empty() {
                assistants.rotate_left(1);
            }
        }
        let opens = bus.dispatch(&mut hall, &slots);
        bus.workspace.metrics().waiting(hall.len());
        if hall.room() > 0 && !all_taken {
            continue;
        }
        if opens.is_none() && !hall.is_empty() {
            // It waits for a request to end, and `room` with it.
            continue;
        }
        let idle = hall.is_empty() && slots.available_permits() == requests;
        let until = opens.into_iter().chain(next_due).min();
        if is_last_look && idle || !shared.rest(&mut bell, until, shared.closing()).await {
            break;
        }
    }
    bus.workspace.metrics().waiting(0);
    let now = shared.clock.now();
    bus.put_back(hall.clear(), now, "the gateway is stopping")
        .await;
}

impl Bus {
    /// Lets leave what may leave now, and tells when the gate opens for those who cannot; nothing where nobody waits for it.
    fn dispatch(&self, hall: &mut Hall, slots: &Arc<Semaphore>) -> Option<Timestamp> {
        let now = self.shared.clock.now();
        for one in hall.too_old(now) {
            // It needs no place at the gate to hear that it is too late.
            self.spawn(vec![one], None);
        }
        loop {
            let next = hall.next()?;
            let (id, priority) = (next.id, next.priority);
            let Some(vehicle) = self.vehicle(next) else {
                self.spawn(Vec::from_iter(hall.take(id)), None);
                continue;
            };
            if let Some(opens) = self.workspace.spaced(next, vehicle) {
                self.space_out(Vec::from_iter(hall.take(id)), opens);
                continue;
            }
            let slot = Arc::clone(slots).try_acquire_owned().ok()?;
            if let Step::WaitUntil(opens) = self.workspace.gate().try_pass(priority) {
                hall.held_up();
                return Some(opens);
            }
            let Some(first) = hall.take(id) else {
                continue;
            };
            let company = match vehicle.carries_many() {
                true => hall.company(
                    &first,
                    |delivery| self.workspace.company(delivery.id),
                    |delivery| {
                        self.vehicle(delivery) == Some(vehicle)
                            && self.workspace.spaced(delivery, vehicle).is_none()
                    },
                ),
                false => Vec::new(),
            };
            let aboard: Vec<_> = std::iter::once(first).chain(company).collect();
            for one in &aboard {
                self.workspace.leaves(&one.delivery, vehicle);
            }
            self.spawn(aboard, Some(slot));
        }
    }

    fn speaker(&self, delivery: &Delivery) -> Option<&Speaker> {
        self.speakers.get(&delivery.conversation.assistant)
    }

    fn vehicle(&self, delivery: &Delivery) -> Option<Vehicle<'_>> {
        self.speaker(delivery)?.vehicle(&delivery.payload)
    }

    /// Lets deliveries leave in one request, or be dropped where they have no place in any.
    fn spawn(&self, aboard: Vec<Waiting>, slot: Option<OwnedSemaphorePermit>) {
        let (bus, now) = (self.clone(), self.shared.clock.now());
        for one in &aboard {
            let waited = Duration::try_from(now.duration_since(one.since));
            bus.workspace.metrics().waited(waited.unwrap_or_default());
        }
        let deliveries = aboard.into_iter().map(|one| one.delivery).collect();
        drop(self.shared.shutdown.clone().spawn_contained(async move {
            bus.deliver(deliveries, slot.is_some()).await;
            drop(slot);
        }));
    }

    /// Puts back those whose customers have been sent as much as WhatsApp takes for now.
    fn space_out(&self, waiting: Vec<Waiting>, at: Timestamp) {
        let bus = self.clone();
        drop(self.shared.shutdown.clone().spawn_contained(async move {
            bus.put_back(
                waiting,
                at,
                "the customer has had as many as WhatsApp takes",
            )
            .await;
        }));
    }

    async fn put_back(&self, waiting: Vec<Waiting>, at: Timestamp, why: &str) {
        let back = waiting.iter().map(|one| {
            let again = Attempted::Retry {
                at,
                counts: false,
                error: why.to_owned(),
            };
            self.shared.record(one.delivery.id, again)
        });
        join_all(back).await;
    }

    /// Delivers, or not. A panic ends what rides alone; those who rode together are tried again, each by itself. Whether it
    /// left before, nobody knows.
    async fn deliver(&self, deliveries: Vec<Delivery>, has_passed: bool) {
        let leaves = AtomicBool::new(false);
        let ids: Vec<DeliveryId> = deliveries.iter().map(|delivery| delivery.id).collect();
        let riding = AssertUnwindSafe(self.ride(deliveries, has_passed, &leaves));
        if riding.catch_unwind().await.is_ok() {
            return;
        }
        self.shared.metrics.work().panicked(Part::Delivery);
        let error = "sending it panicked";
        let attempted = match (leaves.into_inner(), ids.len()) {
            (true, _) => self.workspace.doubt(error),
            (false, 1) => Attempted::Dead {
                error: error.to_owned(),
            },
            (false, _) => {
                self.workspace.part(&ids);
                Attempted::Retry {
                    at: self.shared.clock.now(),
                    counts: false,
                    error: error.to_owned(),
                }
            }
        };
        let record = |id| self.shared.record(id, attempted.clone());
        join_all(ids.into_iter().map(record)).await;
    }

    async fn ride(&self, deliveries: Vec<Delivery>, has_passed: bool, leaves: &AtomicBool) {
        let shared = &self.shared;
        let passed = shared.clock.elapsed();
        let cleared = join_all(deliveries.iter().map(|delivery| clear(shared, delivery))).await;
        let cleared = deliveries.into_iter().zip(cleared);
        let aboard: Vec<Delivery> = cleared
            .filter_map(|(delivery, may_leave)| may_leave.then_some(delivery))
            .collect();
        let Some(speaker) = aboard.first().and_then(|first| self.speaker(first)) else {
            return self.tell(&aboard, vec![misrouted(); aboard.len()]).await;
        };
        if !has_passed {
            let homeless = Attempted::Dead {
                error: "it names a send that is no longer configured".to_owned(),
            };
            return self.tell(&aboard, vec![homeless; aboard.len()]).await;
        }
        // Another request may have been refused since this one passed the gate.
        if let Some(at) = self.workspace.gate().shut_until() {
            let error = "the gate was shut before it left".to_owned();
            let again = Attempted::Retry {
                at,
                counts: false,
                error,
            };
            let record = |delivery: &Delivery| shared.record(delivery.id, again.clone());
            join_all(aboard.iter().map(record)).await;
            return;
        }
        leaves.store(true, Ordering::Relaxed);
        let left = shared.clock.elapsed();
        let fates = self.workspace.send(speaker, &aboard).await;
        let answered = shared.clock.elapsed();
        self.tell(&aboard, fates).await;
        let after = shared.clock.elapsed().saturating_sub(answered);
        let own = left.saturating_sub(passed).saturating_add(after);
        for _ in &aboard {
            shared.metrics.work().delivery_overhead(own);
        }
    }

    async fn tell(&self, aboard: &[Delivery], fates: Vec<Attempted>) {
        let told = aboard.iter().zip(fates);
        join_all(told.map(|(delivery, fate)| tell(&self.shared, delivery, fate))).await;
    }
}
