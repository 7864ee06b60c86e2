//! What people do with a conversation: in one transaction, once, and only while it stands as they saw it.

use std::time::Duration;

use frontdesk::clock::later;
use frontdesk::domain::{
    Act, Attempted, Author, Clearance, HandoffId, Lane, NewDelivery, OnUnknown, Owner, Ownership,
    Priority, new_id,
};
use frontdesk::redact::Private;
use frontdesk::store::{Acted, Claimed, DeskAct, Once, Receipted, Unanswered};
use rstest::rstest;

use super::{Bench, DAY, Database, InSqlite, SECOND, Upset, said, silent, words};
use frontdesk::domain::{Handoff, HandoffReason, Outcome};

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

impl Bench {
    /// Gives an act on a conversation as it stands.
    async fn acts(&self, claimed: &Claimed, act: Act, agent: Option<&str>) -> DeskAct {
        let conversation = self.conversation(claimed).await;
        let now = self.clock.now();
        let begins = (conversation.owner == Owner::Assistant).then(|| Handoff {
            id: HandoffId(new_id(now)),
            reason: HandoffReason::Api,
            rule: None,
            detail: None,
            evidence: Private::default(),
            ack_due_at: Some(later(now, HOUR)),
            returns_at: later(now, DAY),
        });
        let is_reply = act == Act::Reply;
        DeskAct {
            conversation: conversation.id,
            standing: (conversation.owner, conversation.handoff),
            act,
            agent: agent.map(Private::from),
            said: is_reply.then(|| said(Author::Agent, "Bea here.")),
            deliveries: Vec::from_iter(
                is_reply.then(|| self.delivery("Bea here.", Priority::Agent)),
            ),
            begins: begins.filter(|_| is_reply || act == Act::HandOff),
            returns_at: later(now, DAY),
            once: None,
        }
    }

    async fn act(&self, claimed: &Claimed, act: Act, agent: Option<&str>) -> Acted {
        let act = self.acts(claimed, act, agent).await;
        self.store.act(act).await.unwrap()
    }

    async fn owner(&self, claimed: &Claimed) -> Owner {
        self.conversation(claimed).await.owner
    }

    async fn unanswered(&self, claimed: &Claimed) -> bool {
        let unanswered = Unanswered {
            conversation: claimed.conversation.id,
            handoff: self.conversation(claimed).await.handoff,
            said: vec![said(Author::Assistant, "Nobody has come.")],
            deliveries: vec![self.delivery("Nobody has come.", Priority::Notice)],
            returns: false,
        };
        self.store.unanswered(unanswered).await.unwrap()
    }
}

fn done(acted: Acted) -> Receipted {
    match acted {
        Acted::Done(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

fn once(key: u8, request: u8) -> Once {
    Once {
        key: [key; 32],
        request: [request; 32],
    }
}

#[rstest]
#[tokio::test]
async fn an_act_outlives_a_crash_and_is_known_again(#[values(InSqlite)] on: Database) {
    let mut bench = Bench::on(on);
    let claimed = bench.hand_off("ana").await;
    let mut act = bench.acts(&claimed, Act::Reply, Some("bea")).await;
    act.once = Some(once(1, 1));
    let receipt = done(bench.store.act(act.clone()).await.unwrap());
    assert_eq!(receipt.owner, Owner::Human);
    bench = bench.reopen();
    let again = bench.store.act(act.clone()).await.unwrap();
    assert_eq!(again, Acted::Before(receipt.clone()));
    let id = claimed.conversation.id;
    let known = bench.store.acted(id, once(1, 1)).await.unwrap();
    assert_eq!(known, Some(Acted::Before(receipt)));
    act.once = Some(once(1, 2));
    assert_eq!(
        bench.store.act(act.clone()).await.unwrap(),
        Acted::KeyReused
    );
    // Another customer's key is another key.
    bench.tells("bob", "hello").await;
    let bob = bench.claim_one().await;
    bench.settle(&bob, &bench.reply("Hi.")).await;
    let id = bob.conversation.id;
    let known = bench.store.acted(id, once(1, 1)).await.unwrap();
    assert_eq!(known, None);
    let lines = bench.history(&claimed).await;
    assert_eq!(
        lines,
        [
            "customer: a person, please",
            "assistant: One moment.",
            "agent: Bea here."
        ]
    );
    // It is forgotten when nobody tries any more.
    bench.clock.advance(7 * DAY);
    bench.store.purge().await.unwrap();
    assert!(bench.rows("SELECT request FROM desk_act").is_empty());
}

#[rstest]
#[tokio::test]
async fn words_that_were_leaving_at_a_crash_are_in_doubt_and_said_once_more(
    #[values(InSqlite)] on: Database,
) {
    let mut bench = Bench::on(on);
    let claimed = bench.hand_off("ana").await;
    let notice = bench.claim_deliveries(Lane::Braze).await.remove(0);
    assert_eq!(bench.store.clear(notice.id).await.unwrap(), Clearance::Go);
    bench.attempt(notice.id, Attempted::Sent).await;
    done(bench.act(&claimed, Act::Reply, None).await);
    let reply = bench.claim_deliveries(Lane::Braze).await.remove(0);
    assert_eq!(bench.store.clear(reply.id).await.unwrap(), Clearance::Go);
    bench = bench.reopen();
    bench.recover(OnUnknown::ResendOnce).await;
    assert!(bench.is_doubtful(reply.id));
    bench.clock.advance(10 * SECOND);
    let again = bench.claim_deliveries(Lane::Braze).await;
    assert_eq!(words(&again), ["Bea here."]);
}

#[rstest]
#[tokio::test]
async fn an_act_is_refused_where_the_conversation_stands_otherwise(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let claimed = bench.hand_off("ana").await;
    let late = bench.acts(&claimed, Act::Acknowledge, None).await;
    done(bench.act(&claimed, Act::Release, None).await);
    assert_eq!(bench.owner(&claimed).await, Owner::Assistant);
    assert_eq!(bench.store.act(late).await.unwrap(), Acted::Shifted);
    let illegal = bench.act(&claimed, Act::Release, None).await;
    assert_eq!(illegal, Acted::Shifted, "not legal");
    done(bench.act(&claimed, Act::HandOff, None).await);
    done(bench.act(&claimed, Act::Acknowledge, Some("bea")).await);
    let second = bench.act(&claimed, Act::Acknowledge, Some("carl")).await;
    assert_eq!(second, Acted::Taken("bea".into()));
    done(bench.act(&claimed, Act::Acknowledge, Some("bea")).await);
    done(bench.act(&claimed, Act::Acknowledge, None).await);
    bench.upset("ana", Upset::OptOut).await;
    let refused = bench.act(&claimed, Act::Reply, None).await;
    assert_eq!(refused, Acted::OptedOut);
    let ended = "SELECT end_reason FROM handoff WHERE ended_at IS NOT NULL";
    assert_eq!(bench.rows(ended), ["agent_released"]);
}

#[rstest]
#[tokio::test]
async fn nothing_leaves_after_the_window_or_a_stop(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let claimed = bench.hand_off("ana").await;
    let notice = bench.claim_deliveries(Lane::Braze).await.remove(0);
    bench.attempt(notice.id, Attempted::Sent).await;
    done(bench.act(&claimed, Act::Reply, None).await);
    bench.upset("ana", Upset::OptOut).await;
    let reply = bench.claim_deliveries(Lane::Braze).await.remove(0);
    let cleared = bench.store.clear(reply.id).await.unwrap();
    assert!(matches!(cleared, Clearance::Dropped(_)), "{cleared:?}");
    let lines = bench.history(&claimed).await;
    assert!(!lines.contains(&"agent: Bea here.".to_owned()), "{lines:?}");
    let other = bench.hand_off("bob").await;
    bench.clock.advance(DAY);
    let refused = bench.act(&other, Act::Reply, None).await;
    assert_eq!(refused, Acted::WindowOver);
}

#[rstest]
#[tokio::test]
async fn replies_that_wait_are_taken_back_when_people_come(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let claimed = bench
        .answer(
            "ana",
            "hello",
            vec![bench.delivery("Hi.", Priority::Assistant)],
        )
        .await;
    done(bench.act(&claimed, Act::Reply, None).await);
    let next = bench.claim_deliveries(Lane::Braze).await;
    assert_eq!(words(&next), ["Bea here."]);
    assert_eq!(
        bench.outcomes("ana"),
        [Some("suppressed(human_took_over)".to_owned())]
    );
    let lines = bench.history(&claimed).await;
    assert_eq!(lines, ["customer: hello", "agent: Bea here."]);
}

#[rstest]
#[tokio::test]
async fn that_nobody_came_is_said_once_and_only_while_it_is_so(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    bench.tells("ana", "hello").await;
    let claimed = bench.claim_one().await;
    bench.settle(&claimed, &bench.reply("Hi.")).await;
    let due = async || {
        let due = bench.store.unanswered_handoffs(10).await.unwrap();
        due.len()
    };
    done(bench.act(&claimed, Act::HandOff, None).await);
    bench.clock.advance(59 * MINUTE);
    assert_eq!((due().await, bench.unanswered(&claimed).await), (0, false));
    bench.clock.advance(MINUTE);
    assert_eq!((due().await, bench.unanswered(&claimed).await), (1, true));
    assert_eq!((due().await, bench.unanswered(&claimed).await), (0, false));
    done(bench.act(&claimed, Act::Release, None).await);
    done(bench.act(&claimed, Act::HandOff, None).await);
    done(bench.act(&claimed, Act::Acknowledge, None).await);
    bench.clock.advance(HOUR);
    assert_eq!((due().await, bench.unanswered(&claimed).await), (0, false));
}

#[rstest]
#[tokio::test]
async fn the_desk_is_told_of_each_window_once(#[values(InSqlite)] on: Database) {
    let bench = Bench::on(on);
    let claimed = bench.hand_off("ana").await;
    let closing = async || bench.store.closing_windows(2 * HOUR, 10).await.unwrap();
    bench.clock.advance(21 * HOUR + 59 * MINUTE);
    assert!(closing().await.is_empty());
    bench.clock.advance(MINUTE);
    let conversation = closing().await.remove(0);
    let warn = async |event: Option<NewDelivery>| {
        let warned = bench.store.warn_of_window(&conversation, event).await;
        warned.unwrap()
    };
    assert!(warn(Some(bench.event("handoff.window_closing"))).await);
    assert!(!warn(None).await, "once");
    assert!(closing().await.is_empty());
    // The customer writes: another window.
    bench.urges("ana", "still here").await;
    let forwarded = bench.claim_one().await;
    let returns_at = later(bench.clock.now(), 4 * DAY);
    let settlement = frontdesk::domain::Settlement {
        ownership: Ownership::Extend { returns_at },
        ..silent(Outcome::Forwarded)
    };
    bench.settle(&forwarded, &settlement).await;
    bench.clock.advance(22 * HOUR);
    assert_eq!(closing().await.len(), 1);
    done(bench.act(&claimed, Act::Release, None).await);
    assert!(closing().await.is_empty(), "the assistant needs no warning");
}

#[rstest]
#[tokio::test]
async fn words_written_out_before_a_message_opened_the_window_leave_in_the_new_one(
    #[values(InSqlite)] on: Database,
) {
    let bench = Bench::on(on);
    let claimed = bench.hand_off("ana").await;
    let notice = bench.claim_deliveries(Lane::Braze).await.remove(0);
    bench.attempt(notice.id, Attempted::Sent).await;
    let mut late = bench.acts(&claimed, Act::Reply, None).await;
    for delivery in &mut late.deliveries {
        delivery.expires_at = later(bench.clock.now(), DAY);
    }
    bench.clock.advance(DAY + SECOND);
    bench.urges("ana", "still there?").await;
    done(bench.store.act(late).await.unwrap());
    let reply = bench.claim_deliveries(Lane::Braze).await.remove(0);
    assert_eq!(bench.store.clear(reply.id).await.unwrap(), Clearance::Go);
}
