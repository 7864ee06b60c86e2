//! What operators ask, answered from the file.

mod acts;
mod audit;
mod consent;
mod conversations;
mod deliveries;
mod erase;
mod quarantine;
mod query;

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::super::{
    Accepted, Actor, AuditEntry, AuditFilter, ConversationFilter, ConversationView, Decided,
    Decision, DeliveryFilter, DeliveryView, Ended, HandoffEnd, NewMessage, Operations, Page, Part,
    QuarantineView, QuarantinedBody, Receipt, SpendingView, StoreError, Subject, TakenOver,
    Transcript,
};
use super::{Sqlite, open, spending};
use crate::domain::{ConversationId, DeliveryId, NewDelivery, Suppression};

pub(super) use audit::purge;

/// Attempts to empty the log, 5 s each: an erasure has a minute.
const LOG_ATTEMPTS: u32 = 8;

#[async_trait]
impl Operations for Sqlite {
    async fn conversations(
        &self,
        filter: ConversationFilter,
        part: Part,
    ) -> Result<Page<ConversationView>, StoreError> {
        self.read(move |connection| conversations::list(connection, &filter, part))
            .await
    }

    async fn transcript(
        &self,
        id: ConversationId,
        part: Part,
    ) -> Result<Option<Transcript>, StoreError> {
        self.read(move |connection| conversations::transcript(connection, id, part))
            .await
    }

    async fn take_over(
        &self,
        id: ConversationId,
        idle: Duration,
        event: Option<NewDelivery>,
        actor: Actor,
    ) -> Result<Option<TakenOver>, StoreError> {
        let taken = self
            .write(move |connection, here| {
                acts::take_over(connection, here, id, idle, event.as_ref(), &actor)
            })
            .await?;
        if let Some((_, Some((row, silenced)))) = taken {
            self.grounds.shift(row);
            let why = Suppression::HumanTookOver.as_str();
            self.metrics.dropped(why, silenced);
        }
        // Replies that are on their way to the gate are dropped now rather than at the next look.
        self.wake.braze.ring();
        self.wake.desk.ring();
        let taken = taken.map(|(taken, _)| taken);
        Ok(taken)
    }

    async fn release(&self, end: HandoffEnd, actor: Actor) -> Result<Ended, StoreError> {
        let ended = self
            .write(move |connection, here| acts::release(connection, here, &end, &actor))
            .await?;
        self.wake.desk.ring();
        self.wake.turns.ring();
        Ok(ended)
    }

    async fn consent(
        &self,
        id: ConversationId,
        opted_out: bool,
        told: Option<NewDelivery>,
        actor: Actor,
    ) -> Result<bool, StoreError> {
        let is_known = self
            .write(move |connection, here| {
                consent::set(connection, here, id, (opted_out, told.as_ref()), &actor)
            })
            .await?;
        // Replies that wait are dropped now rather than at the next look.
        self.wake.braze.ring();
        Ok(is_known)
    }

    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        part: Part,
    ) -> Result<Page<DeliveryView>, StoreError> {
        self.read(move |connection| deliveries::list(connection, &filter, part))
            .await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
        self.read(move |connection| deliveries::one(connection, id))
            .await
    }

    async fn decide(
        &self,
        id: DeliveryId,
        decision: Decision,
        actor: Actor,
    ) -> Result<Decided, StoreError> {
        let (decided, lane) = self
            .write(move |connection, here| {
                deliveries::decide(connection, here, id, decision, &actor)
            })
            .await?;
        if let Some(lane) = lane {
            self.wake.lane(lane).ring();
        }
        Ok(decided)
    }

    async fn quarantined(&self, part: Part) -> Result<Page<QuarantineView>, StoreError> {
        self.read(move |connection| quarantine::list(connection, part))
            .await
    }

    async fn quarantined_body(&self, id: Uuid) -> Result<Option<QuarantinedBody>, StoreError> {
        self.read(move |connection| quarantine::one(connection, id))
            .await
    }

    async fn replay(
        &self,
        id: Uuid,
        message: NewMessage,
        actor: Actor,
    ) -> Result<Option<Accepted>, StoreError> {
        if let Some(refusal) = self.headroom.refusal() {
            return Err(refusal);
        }
        let accepted = self
            .write(move |connection, here| {
                quarantine::replay(connection, here, id, &message, &actor)
            })
            .await?;
        let Some((accepted, shifts)) = accepted else {
            return Ok(None);
        };
        if let Some(row) = shifts {
            self.grounds.shift(row);
        }
        self.wake.turns.ring();
        Ok(Some(accepted))
    }

    async fn discard(&self, id: Uuid, actor: Actor) -> Result<bool, StoreError> {
        self.write(move |connection, here| quarantine::discard(connection, here, id, &actor))
            .await
    }

    async fn erase(
        &self,
        subject: Subject,
        actor: Actor,
    ) -> Result<(Receipt, Vec<ConversationId>), StoreError> {
        let wanted = subject.clone();
        let looked = self
            .read(move |connection| erase::look(connection, &wanted))
            .await?;
        let (receipt, gone) = self
            .write(move |connection, here| {
                erase::erase(connection, here, &subject, &looked, &actor)
            })
            .await?;
        for (row, _) in &gone {
            // Who is still being asked about the customer's words need not answer.
            self.grounds.shift(*row);
        }
        Ok((receipt, gone.into_iter().map(|(_, id)| id).collect()))
    }

    async fn scrub(&self) -> Result<(), StoreError> {
        self.writer.alone(open::rewrite).await?;
        for _ in 0..LOG_ATTEMPTS {
            // One attempt at a time, so that what waits is written between them.
            if self.writer.alone(open::empty_log).await? {
                return Ok(());
            }
        }
        let error = "the log could not be emptied: something reads all the time";
        Err(StoreError::Database(error.to_owned()))
    }

    async fn receipt(&self, id: Uuid) -> Result<Option<Receipt>, StoreError> {
        self.read(move |connection| erase::receipt(connection, id))
            .await
    }

    async fn spending(&self, assistant: Option<String>) -> Result<Vec<SpendingView>, StoreError> {
        self.read(move |connection| spending::of_assistants(connection, assistant.as_deref()))
            .await
    }

    async fn audit(&self, filter: AuditFilter, part: Part) -> Result<Page<AuditEntry>, StoreError> {
        self.read(move |connection| audit::list(connection, filter, part))
            .await
    }
}

#[cfg(test)]
mod tests;
