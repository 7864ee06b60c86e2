//! What shifts the ground under a turn or a reply, what does not, and what becomes of words that never left.

use super::*;

impl Bench {
    /// A customer writes; while an answer is due, so many messages running may supersede it.
    async fn may_supersede(&self, text: &str, supersede_max: u32) {
        let message = NewMessage {
            urgent: true,
            burst: Burst {
                supersede_max,
                ..BURST
            },
            ..self.message("ana", text)
        };
        self.store.accept(message).await.unwrap();
    }

    /// Claims the one conversation that is due and settles it. Gives the reply that then waits to leave.
    async fn replies(&self, text: &str) -> DeliveryId {
        let claimed = self.claim_one().await;
        self.settles(&claimed, self.reply(text)).await
    }

    async fn settles(&self, claimed: &Claimed, settlement: Settlement) -> DeliveryId {
        let settled = self.settle(claimed, &settlement).await;
        assert!(matches!(settled, Settled::Applied { .. }), "{settled:?}");
        settlement.deliveries[0].id
    }

    async fn clear(&self, id: DeliveryId) -> Clearance {
        self.claim_deliveries(Lane::Braze).await;
        self.store.clear(id).await.unwrap()
    }
}

fn is_shifted(claimed: &Claimed) -> bool {
    use futures_util::FutureExt;
    claimed.lease.shifted().now_or_never().is_some()
}

#[rstest]
#[tokio::test]
async fn a_newer_message_shifts_the_ground_and_the_turn_settles_nothing(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.may_supersede("one", 1).await;
    let claimed = bench.claim_one().await;
    bench.may_supersede("two", 1).await;
    assert!(is_shifted(&claimed));
    let settled = bench.settle(&claimed, &bench.reply("To one.")).await;
    assert_eq!(settled, Settled::Stale);
    assert_eq!(bench.counts().await.open_deliveries, [0, 0]);
    // Once was as often as may be.
    let claimed = bench.claim_one().await;
    assert_eq!(
        (texts(&claimed), claimed.crashes),
        (vec!["one".to_owned(), "two".to_owned()], 0)
    );
    bench.may_supersede("three", 1).await;
    assert!(!is_shifted(&claimed));
    bench.settles(&claimed, bench.reply("To both.")).await;
}

#[rstest]
#[tokio::test]
async fn a_message_to_people_shifts_nothing(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.hand_off("ana").await;
    bench.may_supersede("are you there?", 2).await;
    let claimed = bench.claim_one().await;
    bench.may_supersede("hello?", 2).await;
    assert!(!is_shifted(&claimed));
    let forward = Settlement {
        deliveries: vec![bench.event("handoff.message")],
        ..silent(Outcome::Forwarded)
    };
    bench.settles(&claimed, forward).await;
}

#[rstest]
#[tokio::test]
async fn a_turn_whose_history_changed_settles_nothing_and_is_no_supersede(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench
        .answer(
            "ana",
            "one",
            vec![bench.delivery("To one.", Priority::Assistant)],
        )
        .await;
    bench.clock.advance(REPLY_TTL / 2);
    bench.may_supersede("two", 0).await;
    let claimed = bench.claim_one().await;
    // The reply to `one` is too old now, and what it answered waits again.
    bench.clock.advance(REPLY_TTL / 2);
    assert!(bench.store.purge().await.unwrap() > 0);
    assert_eq!(
        bench.settle(&claimed, &bench.reply("To two.")).await,
        Settled::Stale
    );
    let again = bench.claim_one().await;
    assert_eq!(texts(&again), ["one", "two"]);
    bench.may_supersede("three", 1).await;
    assert!(is_shifted(&again), "nothing has superseded it yet");
}

#[rstest]
#[tokio::test]
async fn replies_that_wait_are_overtaken_so_often_and_no_more(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.may_supersede("one", 2).await;
    let mut replies = vec![bench.replies("To one.").await];
    for text in ["two", "three", "four"] {
        bench.may_supersede(text, 2).await;
        replies.push(bench.replies(text).await);
    }
    let states: Vec<String> = replies.iter().map(|id| bench.state(*id)).collect();
    assert_eq!(states, ["dropped", "dropped", "ready", "ready"]);
    assert_eq!(bench.clear(replies[2]).await, Clearance::Go);
    bench.attempt(replies[2], Attempted::Sent).await;
    assert_eq!(bench.outcomes("ana"), vec![Some("replied".to_owned()); 4]);
}

#[rstest]
#[case::to_leave(Priority::Assistant, false)]
#[case::of_another_kind(Priority::Notice, true)]
#[tokio::test]
async fn the_count_begins_anew_where_no_answer_of_the_assistants_waits(
    #[values(InSqlite)] on: Database,
    #[case] priority: Priority,
    #[case] is_anew: bool,
) {
    let bench = Bench::on(on);
    bench.may_supersede("one", 1).await;
    let claimed = bench.claim_one().await;
    bench.may_supersede("two", 1).await;
    bench.store.supersede(&claimed.lease, None).await.unwrap();
    let claimed = bench.claim_one().await;
    let answer = Settlement {
        deliveries: vec![bench.delivery("To both.", priority)],
        ..bench.reply("To both.")
    };
    bench.settles(&claimed, answer).await;
    bench.may_supersede("three", 0).await;
    let claimed = bench.claim_one().await;
    bench.may_supersede("four", 1).await;
    assert_eq!(is_shifted(&claimed), is_anew);
}

#[rstest]
#[tokio::test]
async fn what_is_on_its_way_is_not_overtaken(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.may_supersede("one", 2).await;
    let reply = bench.replies("To one.").await;
    assert_eq!(bench.clear(reply).await, Clearance::Go);
    bench.may_supersede("two", 2).await;
    assert_eq!(texts(&bench.claim_one().await), ["two"]);
    assert_eq!(bench.state(reply), "sending");
    assert_eq!(bench.outcomes("ana")[0], Some("replied".to_owned()));
}

#[rstest]
#[tokio::test]
async fn a_notice_is_not_overtaken(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let handed = bench.hand_off("ana").await;
    assert_eq!(bench.end_handoff(&handed).await, Ended::Returned);
    bench.may_supersede("still there?", 2).await;
    bench.claim_one().await;
    assert_eq!(
        words(&bench.claim_deliveries(Lane::Braze).await),
        ["One moment."]
    );
}

#[rstest]
#[case(Upset::HandOff, Suppression::HumanTookOver)]
#[case(Upset::OptOut, Suppression::OptedOut)]
#[tokio::test]
async fn what_people_or_the_customers_wish_hold_back_is_no_newer_messages_doing(
    #[values(InSqlite)] on: Database,
    #[case] upset: Upset,
    #[case] why: Suppression,
) {
    let bench = Bench::on(on);
    let reply = bench.delivery("To one.", Priority::Assistant);
    bench.answer("ana", "one", vec![reply]).await;
    bench.upset("ana", upset).await;
    bench.urges("ana", "two").await;
    bench.claim_one().await;
    let waiting = bench.claim_deliveries(Lane::Braze).await;
    let cleared = bench.store.clear(waiting[0].id).await.unwrap();
    assert_eq!(cleared, Clearance::Dropped(why));
    assert_eq!(
        bench.outcomes("ana")[0],
        Some(Outcome::Suppressed(why).as_str().to_owned())
    );
}

#[rstest]
#[case(Upset::HandOff)]
#[case(Upset::OptOut)]
#[tokio::test]
async fn nobody_is_answered_anew_whom_the_assistant_may_not_answer(
    #[values(InSqlite)] on: Database,
    #[case] upset: Upset,
) {
    let bench = Bench::on(on);
    bench.upset("ana", upset).await;
    bench.clock.advance(SECOND);
    bench
        .answer(
            "ana",
            "two",
            vec![bench.delivery("To two.", Priority::Assistant)],
        )
        .await;
    bench.clock.advance(REPLY_TTL);
    assert!(bench.store.purge().await.unwrap() > 0);
    let outcomes = bench.outcomes("ana");
    assert_eq!(
        outcomes.last().unwrap().as_deref(),
        Some("suppressed(expired)")
    );
    assert!(bench.claim().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_reply_that_a_change_of_consent_brings_along_may_leave(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.urges("ana", "start").await;
    let claimed = bench.claim_one().await;
    let welcome = Settlement {
        ownership: Ownership::OptIn,
        ..bench.reply("Welcome back.")
    };
    let id = bench.settles(&claimed, welcome).await;
    assert_eq!(bench.clear(id).await, Clearance::Go);
}

#[rstest]
#[tokio::test]
async fn messages_that_crash_the_gateway_are_not_begun_anew_by_a_newer_one(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.may_supersede("boom", 2).await;
    let claimed = bench.claim_one().await;
    let fallback = Settlement {
        outcome: Outcome::Failed(Failure::Poison),
        ..bench.reply("Sorry.")
    };
    let fallback = bench.settles(&claimed, fallback).await;
    bench.may_supersede("hello?", 2).await;
    assert_eq!(texts(&bench.claim_one().await), ["hello?"]);
    assert_eq!(bench.clear(fallback).await, Clearance::Go);
}

#[rstest]
#[tokio::test]
async fn what_crashed_the_gateway_is_not_tried_again_because_its_apology_grew_too_old(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.urges("ana", "boom").await;
    let claimed = bench.claim_one().await;
    let fallback = Settlement {
        outcome: Outcome::Failed(Failure::Poison),
        ..bench.reply("Sorry.")
    };
    let fallback = bench.settles(&claimed, fallback).await;
    bench.clock.advance(REPLY_TTL);
    assert!(bench.store.purge().await.unwrap() > 0);
    assert_eq!(bench.state(fallback), "dropped");
    assert_eq!(bench.outcomes("ana"), [Some("failed(poison)".to_owned())]);
    assert!(bench.claim().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn an_apology_that_comes_too_late_is_not_followed_by_another(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.urges("ana", "one").await;
    let claimed = bench.claim_one().await;
    let apology = Settlement {
        outcome: Outcome::Failed(Failure::Late),
        deliveries: vec![bench.delivery("Too late.", Priority::Apology)],
        ..bench.reply("Too late.")
    };
    let apology = bench.settles(&claimed, apology).await;
    bench.clock.advance(REPLY_TTL);
    assert!(bench.store.purge().await.unwrap() > 0);
    assert_eq!(bench.state(apology), "dropped");
    assert_eq!(bench.outcomes("ana"), [Some("failed(late)".to_owned())]);
    assert!(bench.claim().await.is_empty());
}

#[rstest]
#[tokio::test]
async fn a_conversation_that_is_due_for_nothing_is_let_go(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.answer("ana", "hello", Vec::new()).await;
    let file = rusqlite::Connection::open(bench.path()).unwrap();
    assert_eq!(
        file.execute("UPDATE conversation SET due_at = 0", ())
            .unwrap(),
        1
    );
    assert!(bench.claim().await.is_empty());
    assert_eq!(bench.counts().await.claimed, 0);
    assert_eq!(bench.rows("SELECT count(due_at) FROM conversation"), ["0"]);
    bench.urges("ana", "again").await;
    let claimed = bench.claim_one().await;
    assert_eq!(
        (texts(&claimed), claimed.crashes),
        (vec!["again".to_owned()], 0)
    );
}
