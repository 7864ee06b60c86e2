//! What turns take is written down by day, whatever becomes of them, and once.

use frontdesk::domain::{Bill, Day, Money, Spending, SpentToday};
use jiff::tz::TimeZone;

use super::*;

/// What one call takes in these tests.
const CALL: Spending = Spending {
    calls: 1,
    untold: 0,
    input_tokens: 100,
    output_tokens: 20,
    cost: Money::from_nanos(3_000),
};

/// What it takes where the server tells no tokens.
const UNTOLD: Spending = Spending {
    calls: 1,
    untold: 1,
    input_tokens: 0,
    output_tokens: 0,
    cost: Money::ZERO,
};

impl Bench {
    fn today(&self) -> Day {
        Day::of(self.clock.now(), &TimeZone::UTC)
    }

    fn bill(&self, spending: Spending) -> Bill {
        let day = self.today().date;
        Bill { day, spending }
    }

    async fn spent(&self, claimed: &Claimed) -> SpentToday {
        let id = claimed.conversation.id;
        self.store.spent(id, self.today()).await.unwrap()
    }

    /// A customer writes, and the turn takes a call and settles.
    async fn spends(&self, customer: &str, settlement: &Settlement) -> Claimed {
        self.tells(customer, "hello").await;
        let claimed = self.claim_one().await;
        let settled = self
            .store
            .settle(&claimed.lease, settlement, Some(self.bill(CALL)));
        assert!(matches!(settled.await.unwrap(), Settled::Applied { .. }));
        claimed
    }

    fn days(&self, table: &str) -> Vec<String> {
        self.rows(&format!("SELECT day FROM {table} ORDER BY day"))
    }
}

#[rstest]
#[tokio::test]
async fn every_end_of_a_turn_writes_down_what_it_took(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let claimed = bench.spends("ana", &silent(Outcome::Replied)).await;
    let first = bench.spent(&claimed).await;
    assert_eq!((first.customer, first.assistant), (CALL, CALL));

    // Superseded, given back, settled on ground that has shifted: the money is gone all the same.
    let store = &bench.store;
    bench.tells("ana", "one").await;
    let superseded = bench.claim_one().await;
    let lease = &superseded.lease;
    store
        .supersede(lease, Some(bench.bill(UNTOLD)))
        .await
        .unwrap();
    bench.clock.advance(SECOND);
    let returned = bench.claim_one().await;
    let now = bench.clock.now();
    let lease = &returned.lease;
    store
        .give_back(lease, now, Some(bench.bill(CALL)))
        .await
        .unwrap();
    let stale = bench.claim_one().await;
    bench.upset_by_operator(&stale).await;
    let late = bench.reply("Too late.");
    let settled = store
        .settle(&stale.lease, &late, Some(bench.bill(CALL)))
        .await;
    assert_eq!(settled.unwrap(), Settled::Stale);

    let sums = CALL.plus(UNTOLD).plus(CALL).plus(CALL);
    let bench = bench.reopen();
    let spent = bench.spent(&claimed).await;
    assert_eq!((spent.customer, spent.assistant), (sums, sums));
    assert_eq!((sums.calls, sums.untold, sums.tokens()), (4, 1, 360));
}

impl Bench {
    /// Shifts the ground under a turn.
    async fn upset_by_operator(&self, claimed: &Claimed) {
        let operations = self.store.operations();
        let taken = operations.take_over(claimed.conversation.id, DAY, None, ole());
        assert!(taken.await.unwrap().is_some());
    }
}

#[rstest]
#[tokio::test]
async fn nothing_is_written_where_nothing_was_spent(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.answer("ana", "hello", Vec::new()).await;
    assert_eq!(bench.days("conversation_spending").len(), 0);
    assert_eq!(bench.days("assistant_spending").len(), 0);
}

#[rstest]
#[tokio::test]
async fn an_end_that_is_reported_twice_is_written_down_once(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let claimed = bench.spends("ana", &silent(Outcome::Replied)).await;
    let again = silent(Outcome::Replied);
    let bill = Some(bench.bill(CALL));
    let settled = bench.store.settle(&claimed.lease, &again, bill).await;
    assert_eq!(settled.unwrap(), Settled::Stale);
    bench.store.supersede(&claimed.lease, bill).await.unwrap();
    assert_eq!(bench.spent(&claimed).await.assistant, CALL);
}

#[rstest]
#[tokio::test]
async fn each_customer_has_a_sum_of_his_own_and_each_day(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let ana = bench.spends("ana", &silent(Outcome::Replied)).await;
    let bob = bench.spends("bob", &silent(Outcome::Replied)).await;
    let spent = bench.spent(&bob).await;
    assert_eq!((spent.customer, spent.assistant), (CALL, CALL.plus(CALL)));
    bench.clock.advance(DAY);
    assert_eq!(bench.spent(&ana).await, SpentToday::default());
    bench.spends("ana", &silent(Outcome::Replied)).await;
    let listed = bench.store.operations().spending(None).await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|one| (one.day.to_string(), one.spending.calls))
        .collect();
    assert_eq!(
        listed,
        [("2026-03-03".to_owned(), 1), ("2026-03-02".to_owned(), 2)]
    );
    let nobody = bench.store.operations().spending(Some("sales".to_owned()));
    assert!(nobody.await.unwrap().is_empty());
}

#[rstest]
#[tokio::test]
async fn no_number_that_a_server_tells_stops_the_turns(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let all = Spending {
        calls: u32::MAX,
        untold: u32::MAX,
        input_tokens: u64::MAX,
        output_tokens: u64::MAX,
        cost: Money::from_nanos(u64::MAX),
    };
    for _ in 0..5 {
        bench.tells("ana", "hello").await;
        let claimed = bench.claim_one().await;
        let silent = silent(Outcome::Replied);
        let settled = bench
            .store
            .settle(&claimed.lease, &silent, Some(bench.bill(all)))
            .await;
        assert!(
            matches!(settled, Ok(Settled::Applied { .. })),
            "{settled:?}"
        );
        assert!(bench.spent(&claimed).await.customer.tokens() > 1 << 60);
    }
}

#[rstest]
#[tokio::test]
async fn an_erased_customer_leaves_no_sum_and_what_the_assistant_took_stays(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let ana = bench.spends("ana", &silent(Outcome::Replied)).await;
    bench.tells("ana", "and more").await;
    let late = bench.claim_one().await;
    let (receipt, _) = bench.erase("ana").await;
    assert_eq!(receipt.removed.spending, 1);
    assert_eq!(bench.days("conversation_spending").len(), 0);
    // Another stands in the place by now, and is not charged for the turn that ends too late.
    let bob = bench.spends("bob", &silent(Outcome::Replied)).await;
    let bill = Some(bench.bill(CALL));
    bench.store.supersede(&late.lease, bill).await.unwrap();
    let spent = bench.spent(&bob).await;
    assert_eq!(spent.customer, CALL);
    assert_eq!(spent.assistant.calls, 3);
    assert_eq!(bench.spent(&ana).await, SpentToday::default());
    let kept = bench.store.operations().receipt(receipt.id).await.unwrap();
    assert_eq!(kept.unwrap().removed.spending, 1);
}

#[rstest]
#[tokio::test]
async fn past_days_are_removed_when_nobody_can_need_them(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.spends("ana", &silent(Outcome::Replied)).await;
    for (days, conversations, assistants) in [(2, 1, 1), (1, 0, 1), (32, 0, 1), (1, 0, 0)] {
        bench.clock.advance(days * DAY);
        bench.store.purge().await.unwrap();
        assert_eq!(bench.days("conversation_spending").len(), conversations);
        assert_eq!(bench.days("assistant_spending").len(), assistants);
    }
}

#[rstest]
#[tokio::test]
async fn who_was_told_of_the_limit_today_is_known_until_the_day_is_over(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let told = silent(Outcome::Failed(Failure::Limit));
    let ana = bench.spends("ana", &told).await;
    let bob = bench.spends("bob", &silent(Outcome::Replied)).await;
    assert!(bench.spent(&ana).await.is_told);
    assert!(!bench.spent(&bob).await.is_told);
    bench.clock.advance(Duration::from_hours(14));
    assert!(bench.spent(&ana).await.is_told);
    // Neither what came since hides it, nor that it was not said again; and the next day knows nothing of it.
    for _ in 0..60 {
        bench.spends("ana", &bench.reply("A rule's.")).await;
    }
    let again = silent(Outcome::Suppressed(Suppression::Limit));
    bench.spends("ana", &again).await;
    for _ in 0..60 {
        bench.spends("ana", &bench.reply("A rule's.")).await;
    }
    assert!(bench.spent(&ana).await.is_told);
    bench.clock.advance(Duration::from_hours(1));
    assert!(!bench.spent(&ana).await.is_told);
}

#[rstest]
#[tokio::test]
async fn words_of_a_limit_that_never_left_were_not_said(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let told = Settlement {
        outcome: Outcome::Failed(Failure::Limit),
        ..bench.reply("No more today.")
    };
    let ana = bench.spends("ana", &told).await;
    assert!(bench.spent(&ana).await.is_told);
    bench.clock.advance(REPLY_TTL);
    bench.store.purge().await.unwrap();
    assert_eq!(bench.outcomes("ana"), [None]);
    assert!(!bench.spent(&ana).await.is_told);
}
