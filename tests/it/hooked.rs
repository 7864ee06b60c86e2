//! A store that fails or panics when a test says so, and what the gateway makes of it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk::domain::{
    Attempted, Bill, Clearance, Conversation, ConversationId, Day, Delivery, DeliveryId, HandoffId,
    Lane, MessageId, Mirror, Mirrored, NewDelivery, OnUnknown, ProfileUpdate, Settlement,
    SpentToday, Summary,
};
use frontdesk::metrics::Standing;
use frontdesk::store::{
    Accepted, Acted, Batch, Claimed, Counts, DeskAct, DeskLink, Ended, Fate, HandoffEnd, History,
    Lease, NewMessage, Once, Operations, Outgrown, Quarantined, Settled, Sqlite, Store, StoreError,
    StoreSize, Unanswered, Wake,
};
use jiff::Timestamp;
use rstest::rstest;

use crate::world::{World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// What a call does instead of what it should.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It says that the database failed, and does nothing.
    Fails,
    /// It does what it should, and says that it failed.
    Forgets,
    /// It panics.
    Panics,
    /// It never answers.
    Hangs,
}

/// A store around another.
#[derive(Debug)]
pub(crate) struct Hooked {
    inner: Sqlite,
    faults: Mutex<Vec<(&'static str, Fault)>>,
}

impl Hooked {
    pub(crate) fn around(inner: Sqlite) -> Self {
        Self {
            inner,
            faults: Mutex::default(),
        }
    }

    /// Makes the next call of a method do something else, once.
    pub(crate) fn next(&self, method: &'static str, fault: Fault) {
        self.faults.lock().unwrap().push((method, fault));
    }

    /// Tells whether every fault has happened.
    pub(crate) fn is_over(&self) -> bool {
        self.faults.lock().unwrap().is_empty()
    }

    fn take(&self, method: &str) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let at = faults.iter().position(|(name, _)| *name == method)?;
        Some(faults.remove(at).1)
    }
}

macro_rules! hook {
    ($self:ident.$method:ident($($argument:expr),*)) => {{
        let failed = || StoreError::Database("it was told to fail".to_owned());
        match $self.take(stringify!($method)) {
            None => $self.inner.$method($($argument),*).await,
            Some(Fault::Fails) => Err(failed()),
            Some(Fault::Forgets) => $self.inner.$method($($argument),*).await.and(Err(failed())),
            Some(Fault::Panics) => panic!("it was told to panic"),
            Some(Fault::Hangs) => std::future::pending().await,
        }
    }};
}

#[async_trait]
impl Store for Hooked {
    fn wake(&self) -> &Wake {
        self.inner.wake()
    }

    fn operations(&self) -> &dyn Operations {
        self.inner.operations()
    }

    fn size(&self) -> StoreSize {
        self.inner.size()
    }

    async fn accept(&self, message: NewMessage) -> Result<Accepted, StoreError> {
        hook!(self.accept(message))
    }

    async fn quarantine(&self, body: Quarantined) -> Result<(), StoreError> {
        hook!(self.quarantine(body))
    }

    async fn claim(&self, limit: u32) -> Result<Batch<Claimed>, StoreError> {
        hook!(self.claim(limit))
    }

    async fn history(&self, id: ConversationId, limit: u32) -> Result<History, StoreError> {
        hook!(self.history(id, limit))
    }

    async fn outgrown(
        &self,
        id: ConversationId,
        before: i64,
        limit: u32,
    ) -> Result<Option<Outgrown>, StoreError> {
        hook!(self.outgrown(id, before, limit))
    }

    async fn summarise(
        &self,
        outgrown: &Outgrown,
        summary: Option<&Summary>,
        spent: Option<Bill>,
    ) -> Result<bool, StoreError> {
        hook!(self.summarise(outgrown, summary, spent))
    }

    async fn spent(&self, id: ConversationId, day: Day) -> Result<SpentToday, StoreError> {
        hook!(self.spent(id, day))
    }

    async fn settle(
        &self,
        lease: &Lease,
        settlement: &Settlement,
        spent: Option<Bill>,
    ) -> Result<Settled, StoreError> {
        hook!(self.settle(lease, settlement, spent))
    }

    async fn give_back(
        &self,
        lease: &Lease,
        at: Timestamp,
        spent: Option<Bill>,
    ) -> Result<(), StoreError> {
        hook!(self.give_back(lease, at, spent))
    }

    async fn supersede(&self, lease: &Lease, spent: Option<Bill>) -> Result<(), StoreError> {
        hook!(self.supersede(lease, spent))
    }

    async fn claim_deliveries(
        &self,
        lane: Lane,
        assistants: &[String],
        limit: u32,
    ) -> Result<Batch<Delivery>, StoreError> {
        hook!(self.claim_deliveries(lane, assistants, limit))
    }

    async fn clear(&self, delivery: DeliveryId) -> Result<Clearance, StoreError> {
        hook!(self.clear(delivery))
    }

    async fn attempted(&self, id: DeliveryId, attempted: Attempted) -> Result<(), StoreError> {
        hook!(self.attempted(id, attempted))
    }

    async fn mirror(&self, mirrors: BTreeMap<String, Mirror>) -> Result<(), StoreError> {
        self.inner.mirror(mirrors).await
    }

    async fn profile_updates(
        &self,
        assistants: &[String],
        objects: usize,
    ) -> Result<Batch<ProfileUpdate>, StoreError> {
        hook!(self.profile_updates(assistants, objects))
    }

    async fn mirrored(&self, updates: &[ProfileUpdate], fate: Mirrored) -> Result<(), StoreError> {
        hook!(self.mirrored(updates, fate))
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
        hook!(self.conversation(id))
    }

    async fn conversation_with(
        &self,
        assistant: &str,
        external_id: &str,
    ) -> Result<Option<Conversation>, StoreError> {
        hook!(self.conversation_with(assistant, external_id))
    }

    async fn act(&self, act: DeskAct) -> Result<Acted, StoreError> {
        hook!(self.act(act))
    }

    async fn acted(&self, id: ConversationId, once: Once) -> Result<Option<Acted>, StoreError> {
        hook!(self.acted(id, once))
    }

    async fn returned_since(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        hook!(self.returned_since(since, limit))
    }

    async fn unanswered_handoffs(&self, limit: u32) -> Result<Vec<Conversation>, StoreError> {
        hook!(self.unanswered_handoffs(limit))
    }

    async fn unanswered(&self, unanswered: Unanswered) -> Result<bool, StoreError> {
        hook!(self.unanswered(unanswered))
    }

    async fn closing_windows(
        &self,
        ahead: Duration,
        limit: u32,
    ) -> Result<Vec<Conversation>, StoreError> {
        hook!(self.closing_windows(ahead, limit))
    }

    async fn warn_of_window(
        &self,
        conversation: &Conversation,
        event: Option<NewDelivery>,
    ) -> Result<bool, StoreError> {
        hook!(self.warn_of_window(conversation, event))
    }

    async fn fate(&self, message: MessageId) -> Result<Option<Fate>, StoreError> {
        hook!(self.fate(message))
    }

    async fn end_handoff(&self, end: HandoffEnd) -> Result<Ended, StoreError> {
        hook!(self.end_handoff(end))
    }

    async fn overdue_handoffs(&self, limit: u32) -> Result<Vec<Conversation>, StoreError> {
        hook!(self.overdue_handoffs(limit))
    }

    async fn desk_links(&self, handoff: HandoffId) -> Result<Vec<DeskLink>, StoreError> {
        hook!(self.desk_links(handoff))
    }

    async fn link_desk(&self, handoff: HandoffId, link: DeskLink) -> Result<(), StoreError> {
        hook!(self.link_desk(handoff, link))
    }

    async fn linked(
        &self,
        desk: &str,
        thread: &str,
    ) -> Result<Option<(ConversationId, HandoffId)>, StoreError> {
        hook!(self.linked(desk, thread))
    }

    async fn recover(&self, policy: OnUnknown) -> Result<u64, StoreError> {
        hook!(self.recover(policy))
    }

    async fn purge(&self) -> Result<u64, StoreError> {
        hook!(self.purge())
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.inner.counts().await
    }

    async fn standing(&self) -> Result<Standing, StoreError> {
        hook!(self.standing())
    }

    async fn probe(&self) -> Result<(), StoreError> {
        hook!(self.probe())
    }
}

#[tokio::test]
async fn a_turn_that_panics_is_given_up_with_a_word_and_nothing_else_notices() {
    const WISH: &str = "I want to talk to a person";
    let (world, store) = World::hooked().await;
    world.tells("bob", "hello").await;
    // A handoff reads the history for its transcript.
    store.next("history", Fault::Panics);
    world.tells("ana", WISH).await;
    assert!(store.is_over());
    let fallback = world.heard("ana").pop().unwrap();
    assert!(fallback.contains("something went wrong"), "{fallback}");

    world.tells("ana", "I still want to talk to a person").await;
    world.tells("bob", "still there?").await;
    assert_eq!(world.outcomes("ana"), ["failed(poison)", "handed_off"]);
    assert_eq!(world.outcomes("bob"), ["replied", "replied"]);
    world.end().await;
}

#[tokio::test]
async fn a_sending_that_panics_is_given_up_and_others_leave() {
    let (world, store) = World::hooked().await;
    store.next("clear", Fault::Panics);
    world.tells("ana", "hello").await;
    assert!(store.is_over());
    world.tells("bob", "hello").await;
    world.tells("ana", "are you there?").await;
    assert_eq!(world.outcomes("ana"), ["failed(delivery)", "replied"]);
    assert_eq!((world.heard("ana").len(), world.heard("bob").len()), (1, 1));
    world.end().await;
}

#[tokio::test]
async fn a_turn_that_cannot_read_is_run_again_and_is_no_crash() {
    let (world, store) = World::hooked().await;
    for _ in 0..5 {
        // A handoff reads the history for its transcript.
        store.next("history", Fault::Fails);
    }
    world.says("ana", "I want to talk to a person").await;
    world.within(Duration::from_mins(1)).await;
    assert!(store.is_over());
    assert_eq!(world.outcomes("ana"), ["handed_off"]);
    assert_eq!(world.desk.received().len(), 1);
    world.end().await;
}

/// Each call of the store that a message's way makes: a failure of it costs time, and nothing else.
#[rstest]
#[tokio::test]
async fn a_store_that_fails_once_loses_nothing_and_doubles_nothing(
    #[values(
        "claim",
        "settle",
        "claim_deliveries",
        "clear",
        "attempted",
        "overdue_handoffs",
        "purge"
    )]
    method: &'static str,
    #[values(Fault::Fails, Fault::Forgets)] fault: Fault,
) {
    let (world, store) = World::hooked().await;
    store.next(method, fault);
    world.says("ana", "hello").await;
    for _ in 0..15 {
        world.clock.advance(SECOND);
        world.breathe().await;
    }
    assert!(store.is_over(), "{method} was never called");
    drop(store);
    if fault == Fault::Fails {
        world.within(Duration::from_mins(2)).await;
    }
    // What was claimed without our knowing stays so until the process ends: it is taken up at the start.
    let world = world.restart().await;
    world.within(Duration::from_mins(2)).await;
    assert_eq!(world.outcomes("ana"), ["replied"], "{method} {fault:?}");
    assert_eq!(world.heard("ana").len(), 1, "{method} {fault:?}");
    world.end().await;
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_is_asked_for_again_and_kept_once() {
    let (world, store) = World::hooked().await;
    for (fault, then) in [(Fault::Fails, 202), (Fault::Forgets, 200)] {
        store.next("accept", fault);
        let phone = world.phone("support");
        let text = format!("hello {fault:?}");
        let refused = phone.says("ana", "+15550100", &text).await.unwrap();
        assert_eq!(refused.status, 503);
        let taken = phone.says("ana", "+15550100", &text).await.unwrap();
        assert_eq!(taken.status, then, "{fault:?}");
        world.pass(SECOND).await;
    }
    assert_eq!(world.outcomes("ana"), ["replied", "replied"]);
    world.end().await;
}

#[rstest]
#[tokio::test]
async fn a_worker_that_stands_still_is_no_longer_alive(
    #[values("claim", "claim_deliveries", "purge")] method: &'static str,
) {
    let (world, store) = World::hooked().await;
    store.next(method, Fault::Hangs);
    let alive = async || {
        let answer = reqwest::get(format!("{}/healthz", world.url()))
            .await
            .unwrap();
        answer.status()
    };
    // Every worker comes by, and the faulty call is met.
    world.clock.advance(Duration::from_secs(10));
    world.breathe().await;
    assert!(store.is_over());
    assert_eq!(alive().await, 200);
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(10));
        world.breathe().await;
    }
    assert_eq!(alive().await, 500, "{method}");
    let stopping = world.app.stop();
    tokio::pin!(stopping);
    assert!(futures_util::poll!(&mut stopping).is_pending());
    world.clock.advance(Duration::from_secs(25));
    soon(stopping).await;
}
