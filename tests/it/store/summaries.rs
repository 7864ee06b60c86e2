//! What the store keeps of running summaries, and what it refuses.

use super::*;
use frontdesk::domain::Summary;
use frontdesk::store::Outgrown;

impl Bench {
    /// Gives what Ana's summary lacks before this place.
    async fn outgrown(&self, before: i64) -> Option<Outgrown> {
        let id = self.rows("SELECT hex(id) FROM conversation WHERE external_id = 'ana'");
        let id = ConversationId(uuid::Uuid::parse_str(&id[0]).unwrap());
        self.store.outgrown(id, before, 100).await.unwrap()
    }

    async fn lacks(&self, before: i64) -> Vec<String> {
        let outgrown = self.outgrown(before).await.unwrap();
        let messages = outgrown.messages.into_iter();
        messages.map(|message| message.text.0).collect()
    }

    fn summary(&self, text: &str, up_to: i64) -> Summary {
        Summary {
            text: text.into(),
            up_to,
            expires_at: later(self.clock.now(), DAY),
        }
    }

    async fn summarise(&self, outgrown: &Outgrown, summary: &Summary) -> bool {
        let summary = Some(summary);
        self.store.summarise(outgrown, summary, None).await.unwrap()
    }

    fn kept(&self) -> Vec<String> {
        self.rows("SELECT coalesce(summary, '-') FROM conversation WHERE external_id = 'ana'")
    }
}

#[rstest]
#[tokio::test]
async fn a_summary_lacks_what_came_after_it_and_before_the_window(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    for text in ["one", "two", "three"] {
        bench.answer("ana", text, Vec::new()).await;
    }
    let all = bench.lacks(i64::MAX).await;
    assert_eq!(all.first().map(String::as_str), Some("one"));
    assert_eq!(bench.lacks(3).await, all[..2]);
    let outgrown = bench.outgrown(3).await.unwrap();
    assert!(bench.summarise(&outgrown, &bench.summary("S", 2)).await);
    assert_eq!(bench.lacks(i64::MAX).await, all[2..]);
    let outgrown = bench.outgrown(i64::MAX).await.unwrap();
    assert_eq!(
        (outgrown.up_to, outgrown.summary),
        (2, Some(bench.summary("S", 2)))
    );
    let kept = bench.summary("S", 2);
    // The claim has it, without another look.
    bench.tells("ana", "four").await;
    let claimed = bench.claim_one().await;
    assert_eq!(claimed.conversation.summary, Some(kept));
}

#[rstest]
#[tokio::test]
async fn what_waits_is_no_history_and_nothing_behind_it_counts(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.tells("ana", "one").await;
    let claimed = bench.claim_one().await;
    // It waits, and the answer to what came before it is stored behind it.
    bench.tells("ana", "meanwhile").await;
    bench.settle(&claimed, &bench.reply("To one.")).await;
    assert_eq!(bench.lacks(i64::MAX).await, ["one"]);
}

#[rstest]
#[tokio::test]
async fn of_two_summaries_made_at_once_the_first_is_kept(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    for text in ["one", "two"] {
        bench.answer("ana", text, Vec::new()).await;
    }
    let outgrown = bench.outgrown(i64::MAX).await.unwrap();
    assert!(bench.summarise(&outgrown, &bench.summary("first", 2)).await);
    assert!(
        !bench
            .summarise(&outgrown, &bench.summary("second", 1))
            .await
    );
    assert_eq!(bench.kept(), ["first"]);
}

#[rstest]
#[tokio::test]
async fn a_summary_is_purged_when_its_newest_message_is_forgotten(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    bench.answer("ana", "one", Vec::new()).await;
    let outgrown = bench.outgrown(i64::MAX).await.unwrap();
    assert!(bench.summarise(&outgrown, &bench.summary("S", 1)).await);
    bench.clock.advance(Duration::from_secs(24 * 60 * 60 - 1));
    bench.store.purge().await.unwrap();
    assert_eq!(bench.kept(), ["S"]);
    bench.clock.advance(SECOND);
    let outgrown = bench.outgrown(i64::MAX).await.unwrap();
    assert_eq!((outgrown.summary, outgrown.up_to), (None, 1));
    assert!(bench.store.purge().await.unwrap() > 0);
    assert_eq!(bench.kept(), ["-"]);
    assert_eq!(bench.store.purge().await.unwrap(), 0);
}
