//! Where a workspace's deliveries wait for the gate, and who rides together: pure.

use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use crate::domain::{Delivery, DeliveryId};

/// Deliveries that wait here at most. Two full requests: while one leaves, the next is complete. The others wait in the
/// store, where what is more urgent overtakes them.
pub(super) const HALL: usize = 100;

/// Deliveries that are claimed and wait for the gate.
#[derive(Debug, Default)]
pub(super) struct Hall {
    waiting: VecDeque<Waiting>,
    /// When each assistant was served last, as a number that grows.
    served: HashMap<String, u64>,
    rounds: u64,
}

/// One that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) delivery: Delivery,
    /// When it came in.
    pub(super) since: Timestamp,
    /// Whether the gate made it wait: only then may it ride with others.
    is_held_up: bool,
}

impl Hall {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Tells how many have a place still.
    pub(super) fn room(&self) -> usize {
        HALL.saturating_sub(self.waiting.len())
    }

    pub(super) fn enter(&mut self, deliveries: Vec<Delivery>, now: Timestamp) {
        let waiting = deliveries.into_iter().map(|delivery| Waiting {
            delivery,
            since: now,
            is_held_up: false,
        });
        self.waiting.extend(waiting);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes out everything; in the end nothing waits.
    pub(super) fn clear(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting).into()
    }

    /// Takes out what is too old to be sent.
    pub(super) fn too_old(&mut self, now: Timestamp) -> Vec<Waiting> {
        let waiting = std::mem::take(&mut self.waiting);
        let (old, fresh) = waiting
            .into_iter()
            .partition::<VecDeque<_>, _>(|one| one.delivery.expires_at <= now);
        self.waiting = fresh;
        old.into()
    }

    /// Gives who goes next: the most urgent, and among these one of the assistant that was served longest ago.
    pub(super) fn next(&self) -> Option<&Delivery> {
        let served = |delivery: &Delivery| {
            let assistant = &delivery.conversation.assistant;
            self.served.get(assistant).copied().unwrap_or_default()
        };
        let waiting = self.waiting.iter().map(|one| &one.delivery);
        waiting.min_by_key(|delivery| (delivery.priority, served(delivery)))
    }

    /// Takes one out.
    pub(super) fn take(&mut self, id: DeliveryId) -> Option<Waiting> {
        let place = self.waiting.iter().position(|one| one.delivery.id == id)?;
        let taken = self.waiting.remove(place)?;
        self.rounds += 1;
        let assistant = taken.delivery.conversation.assistant.clone();
        self.served.insert(assistant, self.rounds);
        Some(taken)
    }

    /// Notes that the gate made everybody here wait.
    pub(super) fn held_up(&mut self) {
        for one in &mut self.waiting {
            one.is_held_up = true;
        }
    }

    /// Takes out who rides with `first`, the most urgent first: others who were held up as well, of the same assistant and
    /// to other customers, where `joins` says that they may go the same way. No more together than any of them bears.
    pub(super) fn company(
        &mut self,
        first: &Waiting,
        bears: impl Fn(&Delivery) -> usize,
        joins: impl Fn(&Delivery) -> bool,
    ) -> Vec<Waiting> {
        if !first.is_held_up {
            return Vec::new();
        }
        let mut most = bears(&first.delivery);
        let mut customers = vec![first.delivery.conversation.customer.key()];
        let mut aboard: Vec<DeliveryId> = Vec::new();
        let mut queue: Vec<&Waiting> = self.waiting.iter().collect();
        queue.sort_by_key(|one| one.delivery.priority);
        for one in queue {
            let delivery = &one.delivery;
            let borne = most.min(bears(delivery));
            let customer = delivery.conversation.customer.key();
            let fits = one.is_held_up
                && aboard.len() + 2 <= borne
                && delivery.conversation.assistant == first.delivery.conversation.assistant
                && !customers.contains(&customer);
            if fits && joins(delivery) {
                most = borne;
                customers.push(customer);
                aboard.push(delivery.id);
            }
        }
        let (riders, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|one| aboard.contains(&one.delivery.id));
        self.waiting = waiting;
        riders.into()
    }
}

#[cfg(test)]
mod tests;
