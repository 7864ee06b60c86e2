//! An answer in several parts: what becomes of the rest when one does not leave.

use super::*;

impl Bench {
    /// A customer writes, and an answer in three parts waits to leave.
    async fn answers_in_parts(&self) -> (Claimed, Vec<DeliveryId>) {
        let parts = ["one", "two", "three"];
        let parts = parts.map(|part| self.delivery(part, Priority::Assistant));
        let ids = parts.iter().map(|part| part.id).collect();
        (self.answer("ana", "hello", parts.to_vec()).await, ids)
    }

    /// Sends the next delivery, and gives its words.
    async fn sends(&self) -> Vec<String> {
        let claimed = self.claim_deliveries(Lane::Braze).await;
        for delivery in &claimed {
            assert_eq!(self.store.clear(delivery.id).await.unwrap(), Clearance::Go);
            self.attempt(delivery.id, Attempted::Sent).await;
        }
        words(&claimed)
    }

    fn states(&self, ids: &[DeliveryId]) -> Vec<String> {
        ids.iter().map(|id| self.state(*id)).collect()
    }
}

const ANSWERED: [&str; 4] = [
    "customer: hello",
    "assistant: one",
    "assistant: two",
    "assistant: three",
];

#[rstest]
#[tokio::test]
async fn parts_leave_one_after_the_other_and_stay_in_the_history(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let (claimed, _) = bench.answers_in_parts().await;
    for part in ["one", "two", "three"] {
        assert_eq!(bench.sends().await, [part]);
    }
    assert_eq!(bench.history(&claimed).await, ANSWERED);
    assert_eq!(bench.outcomes("ana"), [Some("replied".to_owned())]);
}

#[rstest]
#[tokio::test]
async fn a_newer_message_before_the_first_part_left_begins_all_anew(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let (_, ids) = bench.answers_in_parts().await;
    bench.urges("ana", "and this").await;
    let claimed = bench.claim_one().await;
    assert_eq!(texts(&claimed), ["hello", "and this"]);
    assert_eq!(bench.states(&ids), ["dropped"; 3]);
    assert!(bench.history(&claimed).await.is_empty());
    let superseded = bench.rows("SELECT superseded FROM conversation");
    assert_eq!(superseded, ["1"], "once, not once for each part");
}

#[rstest]
#[tokio::test]
async fn a_newer_message_after_the_first_part_left_takes_back_the_rest_alone(
    #[values(InSqlite)] on: Database,
    #[values(true, false)] at_the_claim: bool,
) {
    let bench = Bench::on(on);
    let (_, ids) = bench.answers_in_parts().await;
    bench.sends().await;
    bench.urges("ana", "and this").await;
    if !at_the_claim {
        let next = bench.claim_deliveries(Lane::Braze).await.remove(0);
        let dropped = Clearance::Dropped(Suppression::Superseded);
        assert_eq!(bench.store.clear(next.id).await.unwrap(), dropped);
    }
    let claimed = bench.claim_one().await;
    assert_eq!(
        texts(&claimed),
        ["and this"],
        "what was answered is not answered again"
    );
    assert_eq!(
        claimed.conversation.version,
        bench.conversation(&claimed).await.version
    );
    assert_eq!(bench.states(&ids), ["sent", "dropped", "dropped"]);
    assert_eq!(
        bench.history(&claimed).await,
        ["customer: hello", "assistant: one"]
    );
    assert_eq!(bench.outcomes("ana"), [Some("replied".to_owned()), None]);
    assert!(matches!(
        bench.settle(&claimed, &bench.reply("To this.")).await,
        Settled::Applied { .. }
    ));
    assert_eq!(bench.sends().await, ["To this."]);
}

#[rstest]
#[tokio::test]
async fn people_who_take_over_in_the_middle_hear_what_was_heard(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let (_, ids) = bench.answers_in_parts().await;
    bench.sends().await;
    let handed = bench.hand_off("ana").await;
    let next = bench.claim_deliveries(Lane::Braze).await.remove(0);
    let clearance = bench.store.clear(next.id).await.unwrap();
    assert_eq!(clearance, Clearance::Dropped(Suppression::HumanTookOver));
    assert_eq!(bench.states(&ids), ["sent", "dropped", "dropped"]);
    let heard = bench.history(&handed).await;
    assert_eq!(heard[..2], ["customer: hello", "assistant: one"]);
    assert!(!heard.contains(&"assistant: two".to_owned()), "{heard:?}");
    assert_eq!(bench.outcomes("ana")[0].as_deref(), Some("replied"));
}

#[rstest]
#[tokio::test]
async fn what_follows_a_part_that_was_refused_waits_for_an_operator(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let (claimed, ids) = bench.answers_in_parts().await;
    bench.sends().await;
    let next = bench.claim_deliveries(Lane::Braze).await.remove(0);
    bench.store.clear(next.id).await.unwrap();
    let error = "invalid".to_owned();
    bench.attempt(next.id, Attempted::Dead { error }).await;
    assert_eq!(bench.states(&ids), ["sent", "dead", "dead"]);
    assert_eq!(bench.history(&claimed).await, ANSWERED[..2]);
    assert_eq!(bench.outcomes("ana"), [Some("failed(delivery)".to_owned())]);

    let retry = Decision::Retry {
        reply: REPLY_TTL,
        event: REPLY_TTL,
    };
    for id in &ids[1..] {
        let decided = bench
            .store
            .operations()
            .decide(*id, retry, ole())
            .await
            .unwrap();
        assert_eq!(decided, Decided::Done);
    }
    assert_eq!(bench.sends().await, ["two"]);
    assert_eq!(bench.sends().await, ["three"]);
    assert_eq!(bench.history(&claimed).await, ANSWERED);
    assert_eq!(bench.outcomes("ana"), [Some("replied".to_owned())]);
}

#[rstest]
#[tokio::test]
async fn a_part_that_may_have_arrived_is_not_taken_back(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let (claimed, ids) = bench.answers_in_parts().await;
    let first = bench.claim_deliveries(Lane::Braze).await.remove(0);
    bench.store.clear(first.id).await.unwrap();
    let unknown = Attempted::Unknown {
        policy: OnUnknown::Hold,
        at: bench.clock.now(),
        error: "no answer".to_owned(),
    };
    bench.attempt(first.id, unknown).await;
    bench.urges("ana", "and this").await;
    let next = bench.claim_one().await;
    assert_eq!(texts(&next), ["and this"]);
    assert_eq!(bench.states(&ids), ["held", "dropped", "dropped"]);
    assert_eq!(bench.history(&claimed).await, ANSWERED[..2]);
}

#[rstest]
#[tokio::test]
async fn parts_that_are_too_old_are_given_up_together(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let (_, ids) = bench.answers_in_parts().await;
    bench.clock.advance(REPLY_TTL);
    bench.store.purge().await.unwrap();
    assert_eq!(bench.states(&ids), ["dropped"; 3]);
    let claimed = bench.claim_one().await;
    assert_eq!(texts(&claimed), ["hello"], "an answer is still due");
    assert!(bench.history(&claimed).await.is_empty());
}

#[rstest]
#[tokio::test]
async fn what_was_disclosed_counts_until_it_is_taken_back_or_people_had_the_conversation(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let disclosing = |bench: &Bench| Settlement {
        discloses: true,
        ..bench.reply("I am software. Hello.")
    };
    bench.urges("ana", "hello").await;
    let claimed = bench.claim_one().await;
    assert_eq!(claimed.disclosed_at, None);
    bench.settle(&claimed, &disclosing(&bench)).await;
    // It never left, so it was never heard.
    bench.urges("ana", "hello?").await;
    let claimed = bench.claim_one().await;
    assert_eq!(claimed.disclosed_at, None);
    bench.settle(&claimed, &disclosing(&bench)).await;
    bench.sends().await;
    let heard_at = bench.clock.now();
    bench.clock.advance(SECOND);
    let handed = bench.hand_off("ana").await;
    assert_eq!(handed.disclosed_at, Some(heard_at));
    bench.clock.advance(SECOND);
    bench.end_handoff(&handed).await;
    bench.urges("ana", "back again").await;
    assert_eq!(bench.claim_one().await.disclosed_at, None);
}
