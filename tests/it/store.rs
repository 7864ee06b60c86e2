//! The store by itself: what every database behind the trait has to do.
//!
//! A test names the databases that it runs on; all of them are opened by [`Bench::open`], and looked into by
//! [`Bench::rows`] where the trait shows too little.

mod ground;
mod handoffs;
mod spending;
mod summaries;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use frontdesk::braze::{self, InboundLimits};
use frontdesk::clock::{Clock, later};
use frontdesk::domain::{
    Aftermath, Attempted, Author, Clearance, ConversationId, Customer, Dedupe, Delivery,
    DeliveryId, EndReason, Failure, Handoff, HandoffId, HandoffReason, Inbound, Lane, NewDelivery,
    OnUnknown, Outcome, Owner, Ownership, Payload, Priority, Said, Settlement, Suppression, new_id,
};
use frontdesk::metrics;
use frontdesk::redact::Private;
use frontdesk::store::{
    Accepted, Actor, AuditFilter, Burst, Claimed, Counts, Decided, Decision, DeliveryFilter,
    DeliveryState, Ended, HandoffEnd, NewMessage, OpenError, Part, Quarantined, Settled, Sqlite,
    SqliteConfig, Store, Subject,
};
use jiff::Timestamp;
use rstest::rstest;
use tempfile::TempDir;

use crate::world::{START, soon};

use Database::Sqlite as InSqlite;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);
const REPLY_TTL: Duration = Duration::from_mins(15);
const BURST: Burst = Burst {
    quiet: SECOND,
    cap: Duration::from_secs(8),
    supersede_max: 0,
};

// ---------------------------------------------------------------------------------------------------- what arrives

#[rstest]
#[tokio::test]
async fn a_copy_counts_as_one_within_its_window_and_as_new_after_it(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let message = bench.message("ana", "yes");
    let first = bench.store.accept(message.clone()).await.unwrap();
    let Accepted::New(id) = first else {
        panic!("{first:?}")
    };
    for wait in [Duration::ZERO, Duration::from_millis(29_999)] {
        bench.clock.advance(wait);
        assert_eq!(
            bench.store.accept(message.clone()).await.unwrap(),
            Accepted::Duplicate(id)
        );
    }
    assert_eq!(bench.counts().await.waiting, 1);
    bench.clock.advance(Duration::from_millis(1));
    let second = bench.store.accept(message.clone()).await.unwrap();
    let Accepted::New(again) = second else {
        panic!("{second:?}")
    };
    assert_ne!(again, id);
    assert_eq!(
        bench.store.accept(message).await.unwrap(),
        Accepted::Duplicate(again)
    );
    assert_eq!(bench.counts().await.waiting, 2);
}

#[rstest]
#[tokio::test]
async fn the_same_words_to_another_assistant_or_from_another_customer_are_no_copy(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    for (assistant, customer) in [("support", "ana"), ("sales", "ana"), ("support", "bob")] {
        let body =
            format!(r#"{{"user_id": "{customer}", "phone_number": "+1555", "message": "hi"}}"#);
        for copy in 0..2 {
            let limits = InboundLimits::default();
            let message = NewMessage {
                assistant: assistant.to_owned(),
                inbound: braze::parse(body.as_bytes(), assistant, &limits).unwrap(),
                burst: BURST,
                urgent: false,
            };
            let accepted = bench.store.accept(message).await.unwrap();
            assert_eq!(
                matches!(accepted, Accepted::New(_)),
                copy == 0,
                "{accepted:?}"
            );
        }
    }
    bench.clock.advance(SECOND);
    assert_eq!(bench.claim().await.len(), 3);
}

#[rstest]
#[tokio::test]
async fn each_message_of_a_burst_starts_the_quiet_time_anew(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.says("ana", "hola").await;
    bench.clock.advance(Duration::from_millis(900));
    bench.says("ana", "quiero devolver algo").await;
    assert_eq!(bench.next_due().await, Some(at(1_900)));
    bench.clock.advance(Duration::from_millis(999));
    assert!(bench.claim().await.is_empty());
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(
        texts(&bench.claim_one().await),
        ["hola", "quiero devolver algo"]
    );
    assert_eq!(bench.next_due().await, None);
}

#[rstest]
#[tokio::test]
async fn nobody_writes_for_longer_than_the_cap_without_being_heard(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    for _ in 0..8 {
        bench.says("ana", "and another thing").await;
        bench.clock.advance(Duration::from_millis(900));
        assert!(bench.claim().await.is_empty());
    }
    bench.says("ana", "and the last").await;
    assert_eq!(bench.next_due().await, Some(at(8_000)));
    bench.clock.advance(Duration::from_millis(799));
    assert!(bench.claim().await.is_empty());
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.claim_one().await.waiting.len(), 9);
}

#[rstest]
#[tokio::test]
async fn an_urgent_message_is_due_at_once_and_stays_so(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.says("ana", "hello").await;
    bench.clock.advance(Duration::from_millis(500));
    bench.urges("ana", "a person, please").await;
    bench.clock.advance(Duration::from_millis(100));
    bench.says("ana", "are you there?").await;
    assert_eq!(
        bench.next_due().await,
        None,
        "it was due and has been claimed by that look"
    );
}

#[rstest]
#[tokio::test]
async fn an_urgent_message_is_claimed_with_all_that_waits(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.urges("ana", "a person, please").await;
    bench.clock.advance(Duration::from_millis(100));
    bench.says("ana", "are you there?").await;
    assert_eq!(
        texts(&bench.claim_one().await),
        ["a person, please", "are you there?"]
    );
}

// ------------------------------------------------------------------------------------------------ claims and turns

#[rstest]
#[tokio::test]
async fn the_longest_due_is_claimed_first_and_nothing_twice(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    for (customer, wait) in [("ana", 100), ("bob", 100), ("cid", 100), ("ana", 0)] {
        bench.says(customer, "hello").await;
        bench.clock.advance(Duration::from_millis(wait));
    }
    bench.clock.advance(2 * SECOND);
    let first = bench.store.claim(1).await.unwrap();
    assert_eq!(names(&first.items), ["bob"]);
    assert_eq!(first.next_due, None, "nobody waits for a later time");
    assert_eq!(names(&bench.claim().await), ["cid", "ana"]);
    assert!(bench.claim().await.is_empty());
    assert_eq!(bench.counts().await.claimed, 3);
}

#[rstest]
#[tokio::test]
async fn two_who_claim_at_once_share_out_what_is_due(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    for customer in 0..40 {
        bench.says(&format!("u{customer}"), "hello").await;
    }
    bench.clock.advance(SECOND);
    let (a, b, c) = tokio::join!(
        bench.store.claim(15),
        bench.store.claim(15),
        bench.store.claim(15)
    );
    let mut all: Vec<_> = [a, b, c]
        .into_iter()
        .flat_map(|batch| names(&batch.unwrap().items))
        .collect();
    assert_eq!(all.len(), 40);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 40);
}

#[rstest]
#[tokio::test]
async fn a_settlement_writes_the_outcome_the_history_the_language_and_the_version(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.tells("ana", "¿abren hoy?").await;
    let claimed = bench.claim_one().await;
    assert_eq!((claimed.conversation.version, claimed.crashes), (0, 0));
    bench.says("ana", "¿y mañana?").await;
    let settlement = Settlement {
        rule: Some("hours".to_owned()),
        prompt_version: Some("abc123".to_owned()),
        language: Some("es".parse().unwrap()),
        ..bench.reply("Sí.")
    };
    assert_eq!(
        bench.settle(&claimed, &settlement).await,
        Settled::Applied { version: 1 }
    );

    assert_eq!(bench.outcomes("ana"), [Some("replied".to_owned()), None]);
    let stamps =
        bench.rows("SELECT rule || ' ' || prompt_version FROM message WHERE outcome = 'replied'");
    assert_eq!(stamps, ["hours abc123"]);
    assert_eq!(
        bench.history(&claimed).await,
        ["customer: ¿abren hoy?", "assistant: Sí."]
    );
    let conversation = bench.conversation(&claimed).await;
    assert_eq!(conversation.language, Some("es".parse().unwrap()));
    assert_eq!(conversation.version, 1);

    bench.clock.advance(SECOND);
    let second = bench.claim_one().await;
    assert_eq!(texts(&second), ["¿y mañana?"]);
    assert_eq!(
        bench.settle(&second, &bench.reply("También.")).await,
        Settled::Applied { version: 2 }
    );
    assert_eq!(
        bench.history(&claimed).await,
        [
            "customer: ¿abren hoy?",
            "assistant: Sí.",
            "customer: ¿y mañana?",
            "assistant: También."
        ],
        "what came during a turn stands after that turn's reply"
    );
    assert_eq!(
        bench.conversation(&claimed).await.language,
        Some("es".parse().unwrap())
    );
    let last_two = bench
        .store
        .history(claimed.conversation.id, 2)
        .await
        .unwrap();
    assert_eq!(
        last_two
            .messages
            .iter()
            .map(|m| m.text.as_str())
            .collect::<Vec<_>>(),
        ["¿y mañana?", "También."]
    );
    assert_eq!(last_two.version, 2);
    assert_eq!(bench.counts().await.waiting, 0);
}

#[rstest]
#[tokio::test]
async fn a_message_that_comes_during_a_turn_keeps_its_own_quiet_time(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.tells("ana", "one").await;
    let claimed = bench.claim_one().await;
    bench.says("ana", "two").await;
    bench.settle(&claimed, &bench.reply("One.")).await;
    assert_eq!(bench.next_due().await, Some(at(2_000)));
    bench.clock.advance(SECOND);
    assert_eq!(texts(&bench.claim_one().await), ["two"]);
}

#[rstest]
#[tokio::test]
async fn a_turn_settles_once(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.tells("ana", "one").await;
    let claimed = bench.claim_one().await;
    bench.settle(&claimed, &bench.reply("One.")).await;
    assert_eq!(
        bench.settle(&claimed, &bench.reply("One again.")).await,
        Settled::Stale
    );
    assert_eq!(
        bench.history(&claimed).await,
        ["customer: one", "assistant: One."]
    );
    assert_eq!(bench.claim_deliveries(Lane::Braze).await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_turn_under_which_the_ground_shifted_changes_nothing(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let handed = bench.hand_off("ana").await;
    bench.tells("ana", "anybody there?").await;
    let claimed = bench.claim_one().await;
    assert_eq!(bench.end_handoff(&handed).await, Ended::Returned);
    let before = bench.history(&claimed).await;
    let open = bench.counts().await.open_deliveries;

    let settlement = Settlement {
        language: Some("de".parse().unwrap()),
        ..bench.reply("Too late.")
    };
    assert_eq!(bench.settle(&claimed, &settlement).await, Settled::Stale);

    assert_eq!(bench.history(&claimed).await, before);
    assert_eq!(bench.outcomes("ana"), [Some("handed_off".to_owned()), None]);
    assert_eq!(bench.counts().await.open_deliveries, open);
    assert_eq!(bench.conversation(&claimed).await.language, None);
    let again = bench.claim_one().await;
    assert_eq!(
        (texts(&again), again.crashes),
        (vec!["anybody there?".to_owned()], 0)
    );
    assert!(matches!(
        bench.settle(&again, &bench.reply("Here.")).await,
        Settled::Applied { .. }
    ));
}

#[rstest]
#[tokio::test]
async fn a_claim_that_is_given_back_is_due_when_it_was_said_and_is_no_crash(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.tells("ana", "hello").await;
    for _ in 0..5 {
        let claimed = bench.claim_one().await;
        assert_eq!(claimed.crashes, 0);
        bench
            .store
            .give_back(&claimed.lease, later(bench.clock.now(), SECOND), None)
            .await
            .unwrap();
        bench.clock.advance(Duration::from_millis(999));
        assert!(bench.claim().await.is_empty());
        bench.clock.advance(Duration::from_millis(1));
    }
    let claimed = bench.claim_one().await;
    assert_eq!(
        (texts(&claimed), claimed.crashes),
        (vec!["hello".to_owned()], 0)
    );
}

#[rstest]
#[tokio::test]
async fn a_row_that_cannot_be_read_stands_in_nobodys_way(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    for customer in ["ana", "bob"] {
        bench.urges(customer, "hello").await;
    }
    let file = rusqlite::Connection::open(bench.path()).unwrap();
    let broken = "UPDATE conversation SET profile = '{' WHERE external_id = 'ana'";
    assert_eq!(file.execute(broken, ()).unwrap(), 1);
    assert_eq!(names(&bench.claim().await), ["bob"]);
    assert!(bench.claim().await.is_empty());
    assert_eq!(bench.counts().await.claimed, 2);
}

#[rstest]
#[tokio::test]
async fn what_nobody_can_send_is_given_up_when_it_is_too_old(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let reply = bench.delivery("hi", Priority::Assistant);
    let event = bench.event("handoff.message");
    bench.answer("ana", "hello", vec![reply, event]).await;
    bench.clock.advance(Duration::from_hours(72));
    assert!(bench.store.purge().await.unwrap() >= 2);
    let counts = bench.counts().await;
    assert_eq!(
        (counts.open_deliveries, counts.dead_deliveries),
        ([0, 0], 1)
    );
    let outcomes = bench.rows("SELECT outcome FROM message WHERE author = 'customer'");
    assert_eq!(outcomes, ["suppressed(expired)"]);
}

#[rstest]
#[tokio::test]
async fn a_handoff_that_goes_on_is_not_ended_by_an_old_look_at_it(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.hand_off("ana").await;
    bench.clock.advance(Duration::from_hours(1));
    let overdue = bench.store.overdue_handoffs(10).await.unwrap();
    assert_eq!(overdue.len(), 1);
    // The customer writes before the time-out is written down.
    bench.urges("ana", "still there?").await;
    let claimed = bench.claim_one().await;
    let returns_at = later(bench.clock.now(), Duration::from_hours(1));
    let settlement = Settlement {
        ownership: Ownership::Extend { returns_at },
        ..silent(Outcome::Forwarded)
    };
    bench.settle(&claimed, &settlement).await;
    let end = |handoff, reason| HandoffEnd {
        conversation: overdue[0].id,
        handoff,
        reason,
        note: said(Author::System, "It is yours again."),
        event: None,
    };
    let late = end(overdue[0].handoff, EndReason::TimedOut);
    assert_eq!(
        bench.store.end_handoff(late).await.unwrap(),
        Ended::NotHandedOff
    );
    let another = end(
        Some(HandoffId(new_id(bench.clock.now()))),
        EndReason::AgentReleased,
    );
    assert_eq!(
        bench.store.end_handoff(another).await.unwrap(),
        Ended::NotHandedOff
    );
    let meant = end(overdue[0].handoff, EndReason::AgentReleased);
    assert_eq!(
        bench.store.end_handoff(meant).await.unwrap(),
        Ended::Returned
    );
}

#[rstest]
#[tokio::test]
async fn who_was_there_at_two_crashes_is_worked_on_with_few_others(
    #[values(InSqlite)] on: Database,
) {
    let mut bench = Bench::on(on);
    for customer in 0..30 {
        bench.says(&format!("u{customer}"), "hello").await;
    }
    bench.clock.advance(SECOND);
    for held in [30, 30, 8, 1] {
        assert_eq!(bench.claim().await.len(), held);
        assert!(bench.claim().await.is_empty());
        bench = bench.reopen();
        bench.recover(OnUnknown::ResendOnce).await;
    }
    bench.tells("innocent", "hello").await;
    let claimed = bench.claim().await;
    let by_crashes = |crashes| {
        claimed
            .iter()
            .filter(|claimed| claimed.crashes == crashes)
            .count()
    };
    // Of the eight, one was alone at the last crash and is convicted; the other seven are tried one by one.
    assert_eq!([0, 2, 3, 4].map(by_crashes), [1, 0, 1, 1]);
    assert_eq!(
        claimed.iter().filter(|claimed| claimed.is_poison).count(),
        1
    );
    // Each that is through lets the next one in; after them come those who were never among few, eight at once.
    let mut next = claimed;
    for left in (0..7).rev() {
        let suspect = next.iter().find(|claimed| claimed.crashes == 3).unwrap();
        bench.settle(suspect, &bench.reply("Here.")).await;
        next = bench.claim().await;
        let tried: Vec<_> = next.iter().map(|claimed| claimed.crashes).collect();
        assert_eq!(tried, if left > 0 { vec![3] } else { vec![2; 8] });
    }
    bench.settle(&next[0], &bench.reply("Here.")).await;
    assert_eq!(bench.claim().await.len(), 1);
}

#[rstest]
#[tokio::test]
async fn what_a_dead_process_held_is_due_again_and_counts_its_crashes(
    #[values(InSqlite)] on: Database,
) {
    let mut bench = Bench::on(on);
    bench.tells("ana", "hello").await;
    for crashes in 0..3 {
        assert_eq!(bench.claim_one().await.crashes, crashes);
        bench = bench.reopen();
        assert!(bench.claim().await.is_empty(), "held until it is taken up");
        assert_eq!(bench.recover(OnUnknown::ResendOnce).await, 1);
        assert_eq!(bench.counts().await.claimed, 0);
    }
    let claimed = bench.claim_one().await;
    assert_eq!(
        (texts(&claimed), claimed.is_poison),
        (vec!["hello".to_owned()], true)
    );
    bench.settle(&claimed, &bench.reply("Here.")).await;
    bench.tells("ana", "again").await;
    let claimed = bench.claim_one().await;
    assert_eq!((claimed.crashes, claimed.is_poison), (0, false));
}

#[rstest]
#[tokio::test]
async fn a_lease_of_a_dead_process_settles_nothing(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.tells("ana", "hello").await;
    let old = bench.claim_one().await;
    let bench = bench.reopen();
    for _ in 0..2 {
        assert_eq!(
            bench.settle(&old, &bench.reply("Too late.")).await,
            Settled::Stale
        );
        bench.recover(OnUnknown::ResendOnce).await;
    }
    assert!(bench.history(&old).await.is_empty());
    assert_eq!(texts(&bench.claim_one().await), ["hello"]);
}

// ------------------------------------------------------------------------------------------------------ deliveries

#[rstest]
#[tokio::test]
async fn a_conversations_replies_leave_one_after_the_other(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let (first, second) = (
        bench.delivery("one", Priority::Assistant),
        bench.delivery("two", Priority::Notice),
    );
    bench
        .answer("ana", "hello", vec![first.clone(), second.clone()])
        .await;
    for expected in [&first, &second] {
        let claimed = bench.claim_deliveries(Lane::Braze).await;
        assert_eq!(ids(&claimed), [expected.id], "whatever its priority");
        assert!(bench.claim_deliveries(Lane::Braze).await.is_empty());
        assert_eq!(bench.store.clear(expected.id).await.unwrap(), Clearance::Go);
        assert!(
            bench.claim_deliveries(Lane::Braze).await.is_empty(),
            "the first is under way"
        );
        bench.attempt(expected.id, Attempted::Sent).await;
        assert_eq!(bench.state(expected.id), "sent");
    }
    assert!(bench.claim_deliveries(Lane::Braze).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn between_conversations_notices_go_before_people_and_people_before_the_assistant(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    for (customer, priority) in [
        ("ana", Priority::Assistant),
        ("bob", Priority::Agent),
        ("cid", Priority::Assistant),
        ("dee", Priority::Notice),
    ] {
        bench
            .answer(customer, "hello", vec![bench.delivery(customer, priority)])
            .await;
    }
    let first = bench
        .store
        .claim_deliveries(Lane::Braze, &support(), 2)
        .await
        .unwrap();
    assert_eq!(words(&first.items), ["dee", "bob"]);
    assert_eq!(
        words(&bench.claim_deliveries(Lane::Braze).await),
        ["ana", "cid"]
    );
}

#[rstest]
#[tokio::test]
async fn a_reply_that_waits_to_be_tried_again_holds_up_its_own_conversation_alone(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let (head, next) = (
        bench.delivery("one", Priority::Assistant),
        bench.delivery("two", Priority::Assistant),
    );
    let event = bench.event("message.received");
    bench
        .answer(
            "ana",
            "hello",
            vec![head.clone(), next.clone(), event.clone()],
        )
        .await;
    let claimed = bench.claim_deliveries(Lane::Braze).await;
    assert_eq!((ids(&claimed), claimed[0].attempts), (vec![head.id], 0));
    bench.store.clear(head.id).await.unwrap();
    let at = later(bench.clock.now(), 10 * SECOND);
    bench
        .attempt(
            head.id,
            Attempted::Retry {
                counts: true,
                at,
                error: "503".to_owned(),
            },
        )
        .await;
    bench
        .answer(
            "bob",
            "hello",
            vec![bench.delivery("to bob", Priority::Assistant)],
        )
        .await;

    let batch = bench
        .store
        .claim_deliveries(Lane::Braze, &support(), 10)
        .await
        .unwrap();
    assert_eq!(words(&batch.items), ["to bob"]);
    assert_eq!(batch.next_due, Some(at));
    assert_eq!(
        ids(&bench.claim_deliveries(Lane::Desk).await),
        [event.id],
        "a lane of its own"
    );

    bench.clock.advance(Duration::from_millis(9_999));
    assert!(bench.claim_deliveries(Lane::Braze).await.is_empty());
    bench.clock.advance(Duration::from_millis(1));
    let again = bench.claim_deliveries(Lane::Braze).await;
    assert_eq!((ids(&again), again[0].attempts), (vec![head.id], 1));
    assert!(!again[0].possible_duplicate);
    bench.store.clear(head.id).await.unwrap();
    bench.attempt(head.id, Attempted::Sent).await;
    assert_eq!(ids(&bench.claim_deliveries(Lane::Braze).await), [next.id]);
}

#[rstest]
#[tokio::test]
async fn a_desk_that_is_down_delays_no_reply(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let (event, reply) = (
        bench.event("handoff.requested"),
        bench.delivery("one", Priority::Notice),
    );
    bench
        .answer("ana", "hello", vec![event.clone(), reply.clone()])
        .await;
    bench.claim_deliveries(Lane::Desk).await;
    let at = later(bench.clock.now(), DAY);
    bench
        .attempt(
            event.id,
            Attempted::Retry {
                counts: true,
                at,
                error: "no answer".to_owned(),
            },
        )
        .await;
    assert_eq!(ids(&bench.claim_deliveries(Lane::Braze).await), [reply.id]);
    assert_eq!(bench.counts().await.open_deliveries, [1, 1]);
}

#[rstest]
#[tokio::test]
async fn only_the_named_assistants_deliveries_are_claimed(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let message = NewMessage {
        assistant: "sales".to_owned(),
        ..bench.message("ana", "how much?")
    };
    bench.store.accept(message).await.unwrap();
    bench.clock.advance(SECOND);
    let claimed = bench.claim_one().await;
    bench.settle(&claimed, &bench.reply("Ten.")).await;
    bench
        .answer(
            "ana",
            "hello",
            vec![bench.delivery("from support", Priority::Assistant)],
        )
        .await;
    let claim = async |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        words(
            &bench
                .store
                .claim_deliveries(Lane::Braze, &names, 10)
                .await
                .unwrap()
                .items,
        )
    };
    assert!(claim(&[]).await.is_empty());
    assert!(claim(&["other", "sal", "support,sales"]).await.is_empty());
    assert_eq!(claim(&["support"]).await, ["from support"]);
    assert_eq!(claim(&["other", "sales"]).await, ["Ten."]);
}

#[rstest]
#[tokio::test]
async fn nothing_is_cleared_that_is_not_held(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let reply = bench.delivery("one", Priority::Assistant);
    bench.answer("ana", "hello", vec![reply.clone()]).await;
    assert_eq!(bench.store.clear(reply.id).await.unwrap(), Clearance::Lost);
    bench.claim_deliveries(Lane::Braze).await;
    assert_eq!(bench.store.clear(reply.id).await.unwrap(), Clearance::Go);
    assert_eq!(
        bench.store.clear(reply.id).await.unwrap(),
        Clearance::Lost,
        "it is under way"
    );
    let bench = bench.reopen();
    bench.attempt(reply.id, Attempted::Sent).await;
    assert_eq!(
        bench.state(reply.id),
        "sending",
        "another process's word counts nothing"
    );
}

// ------------------------------------------------------------------------------------- clearance at the last step

#[rstest]
#[case::window_closed(Upset::Nothing, DAY, Suppression::Expired)]
#[case::opted_out(Upset::OptOut, SECOND, Suppression::OptedOut)]
#[case::people_were_asked(Upset::HandOff, SECOND, Suppression::HumanTookOver)]
#[case::handed_off_and_back(Upset::HandOffAndBack, SECOND, Suppression::Superseded)]
#[tokio::test]
async fn a_reply_that_is_out_of_place_never_leaves_and_was_never_said(
    #[values(InSqlite)] on: Database,
    #[case] upset: Upset,
    #[case] wait: Duration,
    #[case] why: Suppression,
) {
    let bench = Bench::on(on);
    let reply = NewDelivery {
        // Where the window is what closes, the reply itself is still fresh.
        expires_at: later(
            bench.clock.now(),
            if wait == DAY { 2 * DAY } else { REPLY_TTL },
        ),
        ..bench.delivery("Never heard.", Priority::Assistant)
    };
    let claimed = bench.answer("ana", "hello", vec![reply.clone()]).await;
    assert_eq!(ids(&bench.claim_deliveries(Lane::Braze).await), [reply.id]);
    bench.upset("ana", upset).await;
    bench.clock.advance(wait);
    let before = bench.conversation(&claimed).await.version;

    assert_eq!(
        bench.store.clear(reply.id).await.unwrap(),
        Clearance::Dropped(why)
    );

    assert_eq!(bench.state(reply.id), "dropped");
    let outcome = Outcome::Suppressed(why).as_str().to_owned();
    assert_eq!(bench.outcomes("ana")[0], Some(outcome));
    let history = bench.history(&claimed).await;
    assert_eq!(history[0], "customer: hello");
    assert!(
        !history.contains(&"assistant: Never heard.".to_owned()),
        "{history:?}"
    );
    assert_eq!(bench.conversation(&claimed).await.version, before + 1);
    assert_eq!(bench.store.clear(reply.id).await.unwrap(), Clearance::Lost);
}

#[rstest]
#[case(Upset::OptOut)]
#[case(Upset::HandOff)]
#[case(Upset::HandOffAndBack)]
#[tokio::test]
async fn notices_and_what_people_say_leave_whoever_has_the_conversation(
    #[values(InSqlite)] on: Database,
    #[values(Priority::Notice, Priority::Agent)] priority: Priority,
    #[case] upset: Upset,
) {
    let bench = Bench::on(on);
    let notice = bench.delivery("Somebody will be with you.", priority);
    let claimed = bench.answer("ana", "hello", vec![notice.clone()]).await;
    bench.claim_deliveries(Lane::Braze).await;
    bench.upset("ana", upset).await;
    assert_eq!(bench.store.clear(notice.id).await.unwrap(), Clearance::Go);
    bench.attempt(notice.id, Attempted::Sent).await;
    assert_eq!(bench.outcomes("ana")[0], Some("replied".to_owned()));
    assert!(
        bench
            .history(&claimed)
            .await
            .contains(&"assistant: Somebody will be with you.".to_owned())
    );
}

#[rstest]
#[tokio::test]
async fn not_even_a_notice_leaves_when_the_window_has_closed(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let notice = NewDelivery {
        expires_at: later(bench.clock.now(), 3 * DAY),
        ..bench.delivery("Goodbye.", Priority::Notice)
    };
    let event = NewDelivery {
        expires_at: notice.expires_at,
        ..bench.event("message.received")
    };
    bench
        .answer("ana", "hello", vec![notice.clone(), event.clone()])
        .await;
    bench.clock.advance(DAY);
    bench.claim_deliveries(Lane::Braze).await;
    bench.claim_deliveries(Lane::Desk).await;
    let expired = Clearance::Dropped(Suppression::Expired);
    assert_eq!(bench.store.clear(notice.id).await.unwrap(), expired);
    assert_eq!(
        bench.store.clear(event.id).await.unwrap(),
        Clearance::Go,
        "a desk has no window"
    );
}

#[rstest]
#[tokio::test]
async fn an_event_that_is_too_old_is_dropped_without_a_word_about_the_messages(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let event = bench.event("message.received");
    let claimed = bench.answer("ana", "hello", vec![event.clone()]).await;
    bench.clock.advance(REPLY_TTL);
    bench.claim_deliveries(Lane::Desk).await;
    let history = bench.history(&claimed).await;
    assert_eq!(
        bench.store.clear(event.id).await.unwrap(),
        Clearance::Dropped(Suppression::Expired)
    );
    assert_eq!(bench.outcomes("ana"), [Some("replied".to_owned())]);
    assert_eq!(bench.history(&claimed).await, history);
}

// ----------------------------------------------------------------------------------------- how an attempt can end

#[rstest]
#[case::resend(OnUnknown::ResendOnce, "ready", "replied", 0)]
#[case::hold(OnUnknown::Hold, "held", "failed(delivery_unknown)", 1)]
#[case::give_up(OnUnknown::Drop, "dead", "failed(delivery_unknown)", 1)]
#[tokio::test]
async fn a_reply_of_unknown_fate_is_marked_and_follows_the_policy(
    #[values(InSqlite)] on: Database,
    #[case] policy: OnUnknown,
    #[case] state: &str,
    #[case] outcome: &str,
    #[case] dead: u64,
) {
    let bench = Bench::on(on);
    let reply = bench.delivery("Heard, perhaps.", Priority::Assistant);
    let claimed = bench.answer("ana", "hello", vec![reply.clone()]).await;
    bench.claim_deliveries(Lane::Braze).await;
    bench.store.clear(reply.id).await.unwrap();
    let at = later(bench.clock.now(), 10 * SECOND);
    bench
        .attempt(
            reply.id,
            Attempted::Unknown {
                policy,
                at,
                error: "no answer".to_owned(),
            },
        )
        .await;

    assert_eq!(
        (bench.state(reply.id).as_str(), bench.is_doubtful(reply.id)),
        (state, true)
    );
    assert_eq!(bench.outcomes("ana"), [Some(outcome.to_owned())]);
    assert_eq!(
        bench.history(&claimed).await.len(),
        2,
        "it may have been heard"
    );
    assert_eq!(bench.counts().await.dead_deliveries, dead);
    assert!(bench.claim_deliveries(Lane::Braze).await.is_empty());
    bench.clock.advance(10 * SECOND);
    let again = bench.claim_deliveries(Lane::Braze).await;
    assert_eq!(again.len(), usize::from(policy == OnUnknown::ResendOnce));
    assert!(
        again
            .iter()
            .all(|delivery| delivery.possible_duplicate && delivery.attempts == 1)
    );
}

#[rstest]
#[tokio::test]
async fn a_reply_is_sent_again_into_the_unknown_once_and_no_more(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let reply = bench.delivery("Heard, perhaps.", Priority::Assistant);
    bench.answer("ana", "hello", vec![reply.clone()]).await;
    for state in ["ready", "dead"] {
        bench.claim_deliveries(Lane::Braze).await;
        assert_eq!(bench.store.clear(reply.id).await.unwrap(), Clearance::Go);
        let (policy, at) = (OnUnknown::ResendOnce, bench.clock.now());
        bench
            .attempt(
                reply.id,
                Attempted::Unknown {
                    policy,
                    at,
                    error: "no answer".to_owned(),
                },
            )
            .await;
        assert_eq!(bench.state(reply.id), state);
    }
    assert_eq!(
        bench.outcomes("ana"),
        [Some("failed(delivery_unknown)".to_owned())]
    );
}

#[rstest]
#[tokio::test]
async fn an_event_of_unknown_fate_goes_again_whatever_the_policy(
    #[values(InSqlite)] on: Database,
    #[values(OnUnknown::ResendOnce, OnUnknown::Hold, OnUnknown::Drop)] policy: OnUnknown,
) {
    let bench = Bench::on(on);
    let event = bench.event("message.received");
    bench.answer("ana", "hello", vec![event.clone()]).await;
    for _ in 0..3 {
        assert_eq!(ids(&bench.claim_deliveries(Lane::Desk).await), [event.id]);
        bench.store.clear(event.id).await.unwrap();
        let at = bench.clock.now();
        bench
            .attempt(
                event.id,
                Attempted::Unknown {
                    policy,
                    at,
                    error: "no answer".to_owned(),
                },
            )
            .await;
    }
    assert_eq!(bench.outcomes("ana"), [Some("replied".to_owned())]);
}

#[rstest]
#[tokio::test]
async fn a_reply_that_was_refused_for_good_was_never_said_and_holds_nothing_up(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let reply = bench.delivery("Never heard.", Priority::Assistant);
    let claimed = bench.answer("ana", "hello", vec![reply.clone()]).await;
    let next = bench.delivery("Heard.", Priority::Assistant);
    bench.answer("ana", "again", vec![next.clone()]).await;
    bench.claim_deliveries(Lane::Braze).await;
    bench.store.clear(reply.id).await.unwrap();
    bench
        .attempt(
            reply.id,
            Attempted::Dead {
                error: "400: no such campaign".to_owned(),
            },
        )
        .await;

    assert_eq!(bench.state(reply.id), "dead");
    let failed = Outcome::Failed(Failure::Delivery).as_str().to_owned();
    assert_eq!(
        bench.outcomes("ana"),
        [Some(failed), Some("replied".to_owned())]
    );
    assert_eq!(
        bench.history(&claimed).await,
        ["customer: hello", "customer: again", "assistant: Heard."]
    );
    assert_eq!(bench.conversation(&claimed).await.version, 3);
    assert_eq!(ids(&bench.claim_deliveries(Lane::Braze).await), [next.id]);
    bench.attempt(reply.id, Attempted::Sent).await;
    assert_eq!(bench.state(reply.id), "dead", "over is over");
}

// -------------------------------------------------------------------------------------------------- after a crash

#[rstest]
#[case::resend(OnUnknown::ResendOnce, "ready", "replied")]
#[case::hold(OnUnknown::Hold, "held", "failed(delivery_unknown)")]
#[case::give_up(OnUnknown::Drop, "dead", "failed(delivery_unknown)")]
#[tokio::test]
async fn what_was_under_way_at_a_crash_follows_the_policy_and_what_was_not_goes_as_usual(
    #[values(InSqlite)] on: Database,
    #[case] policy: OnUnknown,
    #[case] state: &str,
    #[case] outcome: &str,
) {
    let bench = Bench::on(on);
    let (sending, ready) = (
        bench.delivery("sending", Priority::Assistant),
        bench.delivery("ready", Priority::Assistant),
    );
    let event = bench.event("message.received");
    bench
        .answer("ana", "hello", vec![sending.clone(), event.clone()])
        .await;
    bench.answer("bob", "hello", vec![ready.clone()]).await;
    bench.claim_deliveries(Lane::Braze).await;
    bench.claim_deliveries(Lane::Desk).await;
    for id in [sending.id, event.id] {
        assert_eq!(bench.store.clear(id).await.unwrap(), Clearance::Go);
    }
    let bench = bench.reopen();
    assert!(
        bench.claim_deliveries(Lane::Braze).await.is_empty(),
        "held until they are taken up"
    );
    assert_eq!(bench.recover(policy).await, 3);

    assert_eq!(
        (
            bench.state(sending.id).as_str(),
            bench.is_doubtful(sending.id)
        ),
        (state, true)
    );
    assert_eq!(
        (bench.state(ready.id).as_str(), bench.is_doubtful(ready.id)),
        ("ready", false)
    );
    assert_eq!(
        (bench.state(event.id).as_str(), bench.is_doubtful(event.id)),
        ("ready", true)
    );
    assert_eq!(bench.outcomes("ana"), [Some(outcome.to_owned())]);
    assert_eq!(ids(&bench.claim_deliveries(Lane::Braze).await), [ready.id]);
    bench.clock.advance(10 * SECOND);
    let again = bench.claim_deliveries(Lane::Braze).await;
    assert_eq!(again.len(), usize::from(policy == OnUnknown::ResendOnce));
    assert_eq!(ids(&bench.claim_deliveries(Lane::Desk).await), [event.id]);
    assert_eq!(
        bench.recover(policy).await,
        0,
        "what this process holds is its own"
    );
}

#[rstest]
#[tokio::test]
async fn what_was_handed_over_before_the_store_is_dropped_is_on_disk_after_it(
    #[values(InSqlite)] on: Database,
) {
    const MESSAGES: u64 = 500;
    let bench = Bench::on(on);
    for number in 0..MESSAGES {
        let mut accept = bench
            .store
            .accept(bench.message("ana", &format!("word {number}")));
        // Asked once, it stands in the queue; nobody waits for the answer.
        drop(futures_util::poll!(&mut accept));
    }
    let bench = bench.reopen();
    assert_eq!(bench.counts().await.waiting, MESSAGES);
}

// ------------------------------------------------------------------------------------------- people in the middle

#[rstest]
#[tokio::test]
async fn a_handoff_begins_is_extended_runs_out_and_ends_once(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let handed = bench.hand_off("ana").await;
    let conversation = bench.conversation(&handed).await;
    assert_eq!(
        (conversation.owner, conversation.epoch),
        (Owner::Pending, 1)
    );
    assert!(conversation.handoff.is_some());
    assert!(bench.overdue().await.is_empty());

    bench.clock.advance(Duration::from_mins(30));
    bench.tells("ana", "still there?").await;
    let claimed = bench.claim_one().await;
    let returns_at = later(bench.clock.now(), Duration::from_hours(1));
    let extend = Settlement {
        ownership: Ownership::Extend { returns_at },
        ..silent(Outcome::Forwarded)
    };
    bench.settle(&claimed, &extend).await;
    bench.clock.advance(Duration::from_mins(59));
    assert!(bench.overdue().await.is_empty());
    bench.clock.advance(Duration::from_mins(1));
    assert_eq!(bench.overdue().await, [handed.conversation.id]);

    assert_eq!(bench.end_handoff(&handed).await, Ended::Returned);
    assert_eq!(bench.end_handoff(&handed).await, Ended::NotHandedOff);
    let after = bench.conversation(&handed).await;
    assert_eq!(
        (after.owner, after.handoff, after.epoch),
        (Owner::Assistant, None, 2)
    );
    assert!(bench.overdue().await.is_empty());
    assert_eq!(
        bench.history(&handed).await.last().unwrap(),
        "system: It is yours again."
    );
    assert_eq!(
        bench.rows("SELECT end_reason FROM handoff"),
        ["agent_released"]
    );
    assert_eq!(
        bench.counts().await.open_deliveries,
        [1, 2],
        "the notice; the request and its end"
    );
}

#[rstest]
#[tokio::test]
async fn the_longest_overdue_handoffs_come_first_and_no_more_than_asked(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let mut handed = Vec::new();
    for customer in ["ana", "bob", "cid"] {
        handed.push(bench.hand_off(customer).await.conversation.id);
    }
    bench.clock.advance(Duration::from_hours(2));
    let overdue = bench.store.overdue_handoffs(2).await.unwrap();
    assert_eq!(
        overdue.iter().map(|c| c.id).collect::<Vec<_>>(),
        handed[..2]
    );
}

#[rstest]
#[tokio::test]
async fn the_end_of_a_handoff_of_nobodys_is_told_as_such(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.tells("ana", "hello").await;
    let mut claimed = bench.claim_one().await;
    assert_eq!(bench.end_handoff(&claimed).await, Ended::NotHandedOff);
    claimed.conversation.id = ConversationId(new_id(bench.clock.now()));
    assert_eq!(bench.end_handoff(&claimed).await, Ended::Unknown);
    assert!(
        bench
            .store
            .conversation(claimed.conversation.id)
            .await
            .unwrap()
            .is_none()
    );
}

// --------------------------------------------------------------------------------------------------------- upkeep

#[rstest]
#[tokio::test]
async fn a_purge_takes_only_what_is_over_and_a_bounded_part_of_it(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let sent = bench.delivery("sent", Priority::Assistant);
    let dead = bench.delivery("dead", Priority::Assistant);
    let mut open = bench.delivery("open", Priority::Assistant);
    open.expires_at = later(bench.clock.now(), 30 * DAY);
    let attempts = [
        (&sent, Some(Attempted::Sent)),
        (
            &dead,
            Some(Attempted::Dead {
                error: "400".to_owned(),
            }),
        ),
        (&open, None),
    ];
    for (delivery, attempted) in attempts {
        bench.answer("ana", "hello", vec![delivery.clone()]).await;
        if let Some(attempted) = attempted {
            bench.claim_deliveries(Lane::Braze).await;
            bench.attempt(delivery.id, attempted).await;
        }
    }
    for number in 0..600 {
        bench.says("bob", &format!("word {number}")).await;
    }
    let messages = bench.rows("SELECT count(*) FROM message");
    assert_eq!(
        bench.store.purge().await.unwrap(),
        0,
        "all dedupe keys still count"
    );
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(bench.store.purge().await.unwrap(), 500);
    assert_eq!(bench.store.purge().await.unwrap(), 103);
    assert_eq!(bench.store.purge().await.unwrap(), 0);

    bench.clock.advance(6 * DAY);
    bench.clock.advance(Duration::from_mins(23 * 60 + 59));
    assert_eq!(bench.store.purge().await.unwrap(), 0);
    bench.clock.advance(Duration::from_mins(1));
    assert_eq!(
        bench.store.purge().await.unwrap(),
        1,
        "what was sent a week ago"
    );
    assert_eq!(
        (bench.state(dead.id), bench.state(open.id)),
        ("dead".to_owned(), "ready".to_owned())
    );
    assert_eq!(bench.rows("SELECT count(*) FROM message"), messages);
}

#[rstest]
#[tokio::test]
async fn the_counts_tell_what_stands_in_the_store(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    assert_eq!(bench.counts().await, Counts::default());
    for customer in ["ana", "bob"] {
        bench.tells(customer, "hello").await;
    }
    bench.store.claim(1).await.unwrap();
    let event = bench.event("message.received");
    bench
        .answer(
            "cid",
            "hello",
            vec![bench.delivery("one", Priority::Assistant), event],
        )
        .await;
    let body = Quarantined {
        assistant: "support".to_owned(),
        body: Private(b"{".to_vec()),
        error: "broke off".to_owned(),
    };
    bench.store.quarantine(body).await.unwrap();
    let counts = bench.counts().await;
    assert_eq!(
        (counts.waiting, counts.claimed, counts.quarantined),
        (2, 2, 1)
    );
    assert_eq!(
        (counts.open_deliveries, counts.dead_deliveries),
        ([1, 1], 0)
    );
}

#[rstest]
#[tokio::test]
async fn reads_that_nobody_waits_for_any_more_take_nothing_from_others(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let handed = bench.hand_off("ana").await;
    for _ in 0..200 {
        let mut dropped: Vec<_> = (0..4)
            .map(|_| bench.store.history(handed.conversation.id, 20))
            .collect();
        for read in &mut dropped {
            drop(futures_util::poll!(read));
        }
        drop(dropped);
        assert!(
            bench
                .store
                .conversation(handed.conversation.id)
                .await
                .is_ok()
        );
    }
}

// ------------------------------------------------------------------------------------------------------- operators

#[rstest]
#[tokio::test]
async fn a_turn_of_an_erased_customer_settles_nothing_not_even_where_another_stands_in_the_place(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.tells("ana", "hello").await;
    let anas = bench.claim_one().await;
    let (receipt, gone) = bench.erase("ana").await;
    assert_eq!(gone, [anas.conversation.id]);
    assert_eq!(
        (receipt.removed.conversations, receipt.removed.messages),
        (1, 1)
    );
    bench.tells("bob", "good day").await;
    let bobs = bench.claim_one().await;
    let late = bench.settle(&anas, &bench.reply("Hello, Ana.")).await;
    assert_eq!(late, Settled::Stale);
    bench
        .store
        .give_back(&anas.lease, at(0), None)
        .await
        .unwrap();
    bench.store.supersede(&anas.lease, None).await.unwrap();
    assert!(bench.claim().await.is_empty(), "Bob's is held still");
    let settled = bench.settle(&bobs, &bench.reply("Hello, Bob.")).await;
    assert!(matches!(settled, Settled::Applied { .. }), "{settled:?}");
    assert_eq!(
        bench.history(&bobs).await,
        ["customer: good day", "assistant: Hello, Bob."]
    );
}

#[rstest]
#[tokio::test]
async fn a_claimed_delivery_of_an_erased_customer_is_lost(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let words = |text: &str| vec![bench.delivery(text, Priority::Assistant)];
    bench.answer("ana", "hi", words("claimed")).await;
    bench.answer("bob", "hi", words("his")).await;
    let claimed = bench.claim_deliveries(Lane::Braze).await;
    let (receipt, _) = bench.erase("ana").await;
    assert_eq!(
        (receipt.removed.deliveries, receipt.removed.on_their_way),
        (1, 0)
    );
    let mut cleared = Vec::new();
    for delivery in &claimed {
        cleared.push(bench.store.clear(delivery.id).await.unwrap());
    }
    assert_eq!(cleared, [Clearance::Lost, Clearance::Go]);
    bench.attempt(claimed[0].id, Attempted::Sent).await;
    assert_eq!(bench.rows("SELECT state FROM delivery"), ["sending"]);
    let (receipt, _) = bench.erase("bob").await;
    assert_eq!(receipt.removed.on_their_way, 1, "it may arrive");
    bench.attempt(claimed[1].id, Attempted::Sent).await;
    assert!(bench.rows("SELECT id FROM delivery").is_empty());
}

#[rstest]
#[tokio::test]
async fn a_takeover_counts_what_left_before_it_and_stops_the_rest(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let idle = Duration::from_hours(1);
    let words = |text: &str| vec![bench.delivery(text, Priority::Assistant)];
    let ana = bench.answer("ana", "hi", words("gone")).await;
    let claimed = bench.claim_deliveries(Lane::Braze).await;
    assert_eq!(
        bench.store.clear(claimed[0].id).await.unwrap(),
        Clearance::Go
    );
    let operations = bench.store.operations();
    let id = ana.conversation.id;
    let taken = operations
        .take_over(id, idle, None, ole())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (taken.on_their_way, taken.returns_at),
        (1, later(bench.clock.now(), idle))
    );

    let bob = bench.answer("bob", "hi", words("not yet")).await;
    let waiting = bench.claim_deliveries(Lane::Braze).await;
    bench.tells("bob", "and another thing").await;
    let turn = bench.claim_one().await;
    let id = bob.conversation.id;
    let taken = operations
        .take_over(id, idle, None, ole())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.on_their_way, 0);
    assert_eq!(
        bench.store.clear(waiting[0].id).await.unwrap(),
        Clearance::Dropped(Suppression::HumanTookOver)
    );
    assert_eq!(
        bench.settle(&turn, &bench.reply("late")).await,
        Settled::Stale
    );
    assert_eq!(bench.conversation(&bob).await.owner, Owner::Human);
    let nobody = ConversationId(new_id(bench.clock.now()));
    assert!(
        operations
            .take_over(nobody, idle, None, ole())
            .await
            .unwrap()
            .is_none()
    );
    let acts = operations
        .audit(AuditFilter::default(), all())
        .await
        .unwrap();
    assert_eq!(acts.items.len(), 2);
}

#[rstest]
#[tokio::test]
async fn a_decision_is_for_what_was_given_up_or_is_held(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let operations = bench.store.operations();
    let retry = Decision::Retry {
        reply: REPLY_TTL,
        event: DAY,
    };
    let reply = bench.delivery("words", Priority::Assistant);
    let id = reply.id;
    bench.answer("ana", "hi", vec![reply]).await;
    let decide = async |decision| operations.decide(id, decision, ole()).await.unwrap();
    assert_eq!(
        decide(Decision::Drop).await,
        Decided::NotIn(DeliveryState::Ready)
    );
    assert_eq!(decide(retry).await, Decided::Done, "it is ready already");
    bench.claim_deliveries(Lane::Braze).await;
    bench.store.clear(id).await.unwrap();
    assert_eq!(
        decide(Decision::Sent).await,
        Decided::NotIn(DeliveryState::Sending)
    );
    let error = "refused".to_owned();
    bench.attempt(id, Attempted::Dead { error }).await;
    assert_eq!(bench.outcomes("ana"), [Some("failed(delivery)".to_owned())]);
    assert_eq!(decide(retry).await, Decided::Done);
    assert_eq!(bench.outcomes("ana"), [Some("replied".to_owned())]);
    let again = bench.claim_deliveries(Lane::Braze).await;
    assert_eq!((again[0].id, again[0].attempts), (id, 0));
    assert_eq!(bench.store.clear(id).await.unwrap(), Clearance::Go);
    bench.attempt(id, Attempted::Sent).await;
    assert_eq!(decide(Decision::Sent).await, Decided::Done);
    assert_eq!(
        decide(Decision::Drop).await,
        Decided::NotIn(DeliveryState::Sent)
    );
    let nothing = DeliveryId(new_id(bench.clock.now()));
    assert_eq!(
        operations.decide(nothing, retry, ole()).await.unwrap(),
        Decided::Unknown
    );
    let acts = operations
        .audit(AuditFilter::default(), all())
        .await
        .unwrap();
    assert_eq!(acts.items.len(), 1, "what changed nothing is no act");
    let sent = DeliveryFilter {
        state: Some(DeliveryState::Sent),
        ..DeliveryFilter::default()
    };
    assert_eq!(
        operations
            .deliveries(sent, all())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[rstest]
#[tokio::test]
async fn the_audit_log_and_receipts_are_kept_for_400_days(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.says("ana", "hello").await;
    let (receipt, _) = bench.erase("ana").await;
    let operations = bench.store.operations();
    bench.clock.advance(Duration::from_hours(400 * 24 - 1));
    bench.store.purge().await.unwrap();
    assert_eq!(
        operations.receipt(receipt.id).await.unwrap(),
        Some(receipt.clone())
    );
    bench.clock.advance(Duration::from_hours(1));
    bench.store.purge().await.unwrap();
    assert_eq!(operations.receipt(receipt.id).await.unwrap(), None);
    let acts = operations
        .audit(AuditFilter::default(), all())
        .await
        .unwrap();
    assert!(acts.items.is_empty());
}

fn ole() -> Actor {
    Actor {
        name: "ole".to_owned(),
        role: "operator",
    }
}

fn all() -> Part {
    Part {
        before: None,
        limit: 100,
    }
}

// -------------------------------------------------------------------------------------------- opening the SQLite file

#[tokio::test]
async fn a_file_serves_one_store_at_a_time() {
    let bench = Bench::on(InSqlite);
    let path = bench.path();
    let refused = open(&path).unwrap_err();
    assert!(
        matches!(&refused, OpenError::InUse { path: at } if *at == path),
        "{refused:?}"
    );
    assert!(
        refused.to_string().contains("in use by another process"),
        "{refused}"
    );
    let folder = bench.close();
    open(&folder.path().join("frontdesk.db")).unwrap();
}

#[tokio::test]
async fn a_closed_store_is_one_whole_file() {
    let bench = Bench::on(InSqlite);
    bench.tells("ana", "hello").await;
    let folder = bench.close();
    let copy = folder.path().join("copy.db");
    std::fs::copy(folder.path().join("frontdesk.db"), &copy).unwrap();
    assert_eq!(open(&copy).unwrap().counts().await.unwrap().waiting, 1);
}

#[test]
fn a_file_of_a_newer_version_is_left_as_it_is() {
    let bench = Bench::on(InSqlite);
    let path = bench.path();
    let _folder = bench.close();
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::NewerSchema {
                found: 7,
                known: 4,
                ..
            }
        ),
        "{refused:?}"
    );
    let message = refused.to_string();
    assert!(
        message.contains("version 7") && message.contains("up to 4"),
        "{message}"
    );
    assert!(
        std::fs::read(&path).unwrap() == before,
        "the file was changed"
    );
}

#[rstest]
#[case::marked("PRAGMA application_id = 7; CREATE TABLE t (x)")]
#[case::numbered("PRAGMA user_version = 1; CREATE TABLE t (x)")]
#[case::plain("CREATE TABLE t (x)")]
#[case::same_names("CREATE TABLE message (x)")]
fn another_programs_database_is_left_as_it_is(#[case] sql: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch(sql).unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Foreign { .. }), "{refused:?}");
    assert!(
        refused
            .to_string()
            .contains("other.db is a database of another program"),
        "{refused}"
    );
    assert!(
        std::fs::read(&path).unwrap() == before,
        "the file was changed"
    );
}

#[test]
fn what_is_no_database_is_told_as_such_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "Dear diary, today I met a storage engine. ".repeat(40);
    std::fs::write(&path, &text).unwrap();
    let refused = open(&path).unwrap_err();
    assert!(matches!(refused, OpenError::Database { .. }), "{refused:?}");
    let message = refused.to_string();
    assert!(
        message.contains("notes.txt") && message.contains("not a database"),
        "{message}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn a_folder_that_is_missing_and_a_folder_in_the_files_place_are_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let missing = open(&folder.path().join("missing/frontdesk.db")).unwrap_err();
    assert!(matches!(missing, OpenError::Io { .. }), "{missing:?}");
    assert!(
        missing.to_string().contains("missing/frontdesk.db"),
        "{missing}"
    );
    let place = folder.path().join("place");
    std::fs::create_dir(&place).unwrap();
    assert!(matches!(open(&place).unwrap_err(), OpenError::Io { .. }));
}

#[test]
fn an_empty_file_becomes_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frontdesk.db");
    std::fs::write(&path, "").unwrap();
    open(&path).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::on(InSqlite);
    bench.says("ana", "hello").await;
    let files: Vec<_> = std::fs::read_dir(bench.folder.path()).unwrap().collect();
    assert!(
        files.len() >= 3,
        "the database, its log and its lock: {files:?}"
    );
    for file in files {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{} has {mode:o}", file.path().display());
    }
}

// -------------------------------------------------------------------------------------------------------- helpers

/// The databases that a store can be in.
#[derive(Clone, Copy, Debug)]
enum Database {
    Sqlite,
}

/// What happens to a conversation while a reply waits.
#[derive(Clone, Copy, Debug)]
enum Upset {
    Nothing,
    OptOut,
    HandOff,
    HandOffAndBack,
}

/// A store with a clock that is moved by hand.
struct Bench {
    on: Database,
    clock: Clock,
    store: Box<dyn Store>,
    folder: TempDir,
    keys: AtomicU64,
}

impl Bench {
    fn on(on: Database) -> Self {
        let clock = Clock::manual(START.parse::<Timestamp>().unwrap());
        let folder = tempfile::tempdir().unwrap();
        Self {
            on,
            store: Self::open(on, folder.path(), &clock),
            clock,
            folder,
            keys: AtomicU64::new(0),
        }
    }

    /// The one place that knows how a store is opened.
    fn open(on: Database, folder: &Path, clock: &Clock) -> Box<dyn Store> {
        match on {
            Database::Sqlite => {
                let config = SqliteConfig {
                    path: folder.join("frontdesk.db"),
                    ..SqliteConfig::default()
                };
                Box::new(Sqlite::open(&config, clock.clone(), metrics::Store::default()).unwrap())
            }
        }
    }

    /// Drops the store as a crash would leave it, and opens it anew.
    fn reopen(self) -> Self {
        let Self {
            on,
            clock,
            store,
            folder,
            keys,
        } = self;
        drop(store);
        Self {
            store: Self::open(on, folder.path(), &clock),
            on,
            clock,
            folder,
            keys,
        }
    }

    fn close(self) -> TempDir {
        self.folder
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("frontdesk.db")
    }

    fn message(&self, customer: &str, text: &str) -> NewMessage {
        let mut key = [0; 32];
        // Each message is one of its own; a copy is a clone.
        key[..8].copy_from_slice(&self.keys.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        NewMessage {
            assistant: "support".to_owned(),
            inbound: Inbound {
                customer: Customer::new(Some(customer.to_owned()), None, None).unwrap(),
                text: text.into(),
                media: Vec::new(),
                language: None,
                profile: Private::default(),
                dedupe: Dedupe {
                    key,
                    window: Duration::from_secs(30),
                },
            },
            burst: BURST,
            urgent: false,
        }
    }

    async fn says(&self, customer: &str, text: &str) {
        let accepted = self
            .store
            .accept(self.message(customer, text))
            .await
            .unwrap();
        assert!(matches!(accepted, Accepted::New(_)), "{accepted:?}");
    }

    async fn urges(&self, customer: &str, text: &str) {
        let message = NewMessage {
            urgent: true,
            ..self.message(customer, text)
        };
        self.store.accept(message).await.unwrap();
    }

    /// Says something and lets the quiet time pass.
    async fn tells(&self, customer: &str, text: &str) {
        self.says(customer, text).await;
        self.clock.advance(SECOND);
    }

    async fn claim(&self) -> Vec<Claimed> {
        self.store.claim(100).await.unwrap().items
    }

    async fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim().await;
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        claimed.remove(0)
    }

    /// Tells when the next conversation falls due; claims nothing where nothing is due.
    async fn next_due(&self) -> Option<Timestamp> {
        self.store.claim(100).await.unwrap().next_due
    }

    async fn settle(&self, claimed: &Claimed, settlement: &Settlement) -> Settled {
        let settled = self.store.settle(&claimed.lease, settlement, None).await;
        settled.unwrap()
    }

    fn reply(&self, text: &str) -> Settlement {
        Settlement {
            said: vec![said(Author::Assistant, text)],
            deliveries: vec![self.delivery(text, Priority::Assistant)],
            ..silent(Outcome::Replied)
        }
    }

    fn delivery(&self, text: &str, priority: Priority) -> NewDelivery {
        NewDelivery {
            id: DeliveryId(new_id(self.clock.now())),
            payload: Payload::Reply { text: text.into() },
            priority,
            expires_at: later(self.clock.now(), REPLY_TTL),
        }
    }

    fn event(&self, name: &str) -> NewDelivery {
        NewDelivery {
            payload: Payload::Event {
                name: name.to_owned(),
                body: "{}".into(),
            },
            ..self.delivery("", Priority::Notice)
        }
    }

    /// A customer writes, and the turn ends with these deliveries.
    async fn answer(&self, customer: &str, text: &str, deliveries: Vec<NewDelivery>) -> Claimed {
        self.urges(customer, text).await;
        let mut claimed = self.claim().await;
        claimed.retain(|claimed| name(claimed) == customer);
        let claimed = claimed.pop().unwrap();
        let words = deliveries
            .iter()
            .filter_map(|delivery| match &delivery.payload {
                Payload::Reply { text } => Some(said(Author::Assistant, text)),
                Payload::Event { .. } | Payload::Subscription { .. } => None,
            });
        let settlement = Settlement {
            said: words.collect(),
            deliveries,
            ..silent(Outcome::Replied)
        };
        assert!(matches!(
            self.settle(&claimed, &settlement).await,
            Settled::Applied { .. }
        ));
        claimed
    }

    /// A customer asks for a person, and people are asked to take over for an hour.
    async fn hand_off(&self, customer: &str) -> Claimed {
        self.urges(customer, "a person, please").await;
        let claimed = self.claim_one().await;
        let now = self.clock.now();
        let settlement = Settlement {
            said: vec![said(Author::Assistant, "One moment.")],
            deliveries: vec![
                self.delivery("One moment.", Priority::Notice),
                self.event("handoff.requested"),
            ],
            ownership: Ownership::HandOff(Handoff {
                id: HandoffId(new_id(now)),
                reason: HandoffReason::CustomerAsked,
                rule: None,
                detail: None,
                evidence: "a person, please".into(),
                ack_due_at: None,
                returns_at: later(now, Duration::from_hours(1)),
            }),
            ..silent(Outcome::HandedOff)
        };
        assert!(matches!(
            self.settle(&claimed, &settlement).await,
            Settled::Applied { .. }
        ));
        claimed
    }

    async fn end_handoff(&self, claimed: &Claimed) -> Ended {
        let standing = self
            .store
            .conversation(claimed.conversation.id)
            .await
            .unwrap();
        let end = HandoffEnd {
            conversation: claimed.conversation.id,
            handoff: standing.and_then(|conversation| conversation.handoff),
            reason: EndReason::AgentReleased,
            note: said(Author::System, "It is yours again."),
            event: Some(self.event("handoff.ended")),
        };
        self.store.end_handoff(end).await.unwrap()
    }

    /// Erases a customer by the id that the business gave.
    async fn erase(&self, customer: &str) -> (frontdesk::store::Receipt, Vec<ConversationId>) {
        let subject = Subject::ExternalId(customer.into());
        let operations = self.store.operations();
        operations.erase(subject, ole()).await.unwrap()
    }

    async fn upset(&self, customer: &str, upset: Upset) {
        match upset {
            Upset::Nothing => {}
            Upset::OptOut => {
                self.urges(customer, "stop").await;
                let claimed = self.claim_one().await;
                let settlement = Settlement {
                    ownership: Ownership::OptOut,
                    ..silent(Outcome::Canned)
                };
                self.settle(&claimed, &settlement).await;
            }
            Upset::HandOff => drop(self.hand_off(customer).await),
            Upset::HandOffAndBack => {
                let handed = self.hand_off(customer).await;
                assert_eq!(self.end_handoff(&handed).await, Ended::Returned);
            }
        }
    }

    async fn claim_deliveries(&self, lane: Lane) -> Vec<Delivery> {
        self.store
            .claim_deliveries(lane, &support(), 100)
            .await
            .unwrap()
            .items
    }

    async fn attempt(&self, id: DeliveryId, attempted: Attempted) {
        self.store.attempted(id, attempted).await.unwrap();
    }

    async fn recover(&self, policy: OnUnknown) -> u64 {
        self.store.recover(policy).await.unwrap()
    }

    async fn counts(&self) -> Counts {
        soon(self.store.counts()).await.unwrap()
    }

    async fn conversation(&self, claimed: &Claimed) -> frontdesk::domain::Conversation {
        self.store
            .conversation(claimed.conversation.id)
            .await
            .unwrap()
            .unwrap()
    }

    async fn overdue(&self) -> Vec<ConversationId> {
        let overdue = self.store.overdue_handoffs(10).await.unwrap();
        overdue
            .into_iter()
            .map(|conversation| conversation.id)
            .collect()
    }

    async fn history(&self, claimed: &Claimed) -> Vec<String> {
        let history = self
            .store
            .history(claimed.conversation.id, 100)
            .await
            .unwrap();
        assert_eq!(history.version, self.conversation(claimed).await.version);
        let line = |m: &frontdesk::domain::Message| format!("{}: {}", m.author.as_str(), m.text.0);
        history.messages.iter().map(line).collect()
    }

    /// Gives what became of a customer's messages, oldest first.
    fn outcomes(&self, customer: &str) -> Vec<Option<String>> {
        let outcomes = self.rows(&format!(
            "SELECT coalesce(outcome, '') FROM message m JOIN conversation c ON c.key = m.conversation
             WHERE c.external_id = '{customer}' AND author = 'customer' ORDER BY seq"
        ));
        outcomes
            .into_iter()
            .map(|outcome| Some(outcome).filter(|text| !text.is_empty()))
            .collect()
    }

    fn state(&self, id: DeliveryId) -> String {
        self.rows(&format!(
            "SELECT state FROM delivery WHERE id = x'{}'",
            id.0.simple()
        ))
        .remove(0)
    }

    fn is_doubtful(&self, id: DeliveryId) -> bool {
        let sql = format!(
            "SELECT possible_duplicate FROM delivery WHERE id = x'{}'",
            id.0.simple()
        );
        self.rows(&sql) == ["1"]
    }

    /// Looks into the database: the first column of every row, as text.
    fn rows(&self, sql: &str) -> Vec<String> {
        let Database::Sqlite = self.on;
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        let as_text = format!("WITH q(x) AS ({sql}) SELECT CAST(x AS TEXT) FROM q");
        let mut statement = connection.prepare(&as_text).unwrap();
        let rows = statement.query_map((), |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}

/// Opens a SQLite store on any path, as the system's clock has it.
fn open(path: &Path) -> Result<Arc<dyn Store>, OpenError> {
    let config = SqliteConfig {
        path: path.to_owned(),
        ..SqliteConfig::default()
    };
    Ok(Arc::new(Sqlite::open(
        &config,
        Clock::system(),
        metrics::Store::default(),
    )?))
}

fn silent(outcome: Outcome) -> Settlement {
    Settlement {
        outcome,
        rule: None,
        prompt_version: None,
        said: Vec::new(),
        deliveries: Vec::new(),
        ownership: Ownership::Keep,
        language: None,
        aftermath: Aftermath::default(),
    }
}

/// Gives a time so many milliseconds after the beginning.
fn at(millis: u64) -> Timestamp {
    later(START.parse().unwrap(), Duration::from_millis(millis))
}

fn said(author: Author, text: &str) -> Said {
    Said {
        author,
        text: text.into(),
    }
}

fn support() -> Vec<String> {
    vec!["support".to_owned()]
}

fn name(claimed: &Claimed) -> String {
    claimed
        .conversation
        .customer
        .external_id()
        .unwrap()
        .0
        .clone()
}

fn names(claimed: &[Claimed]) -> Vec<String> {
    claimed.iter().map(name).collect()
}

fn texts(claimed: &Claimed) -> Vec<String> {
    claimed
        .waiting
        .iter()
        .map(|message| message.text.0.clone())
        .collect()
}

fn ids(deliveries: &[Delivery]) -> Vec<DeliveryId> {
    deliveries.iter().map(|delivery| delivery.id).collect()
}

fn words(deliveries: &[Delivery]) -> Vec<String> {
    let word = |delivery: &Delivery| match &delivery.payload {
        Payload::Reply { text } => text.0.clone(),
        Payload::Subscription { group, .. } => group.clone(),
        Payload::Event { name, .. } => name.clone(),
    };
    deliveries.iter().map(word).collect()
}
