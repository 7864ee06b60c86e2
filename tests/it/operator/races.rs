//! Operators who act while the workers do.

#![expect(clippy::print_stdout, reason = "a test's own report")]

use std::sync::atomic::{AtomicU64, Ordering};

use frontdesk::domain::MessageId;
use frontdesk::sandbox::Plan;
use frontdesk::sandbox::model::Reply;
use serde_json::{Value, json};

use super::{act, conversation_of, each, read};
use crate::world::{World, soon};

/// Races of a takeover against a reply.
const RACES: u64 = 1_000;

/// At once due, so that nobody has to move the clock.
const AT_ONCE_DUE: &str = "[burst]\nquiet = \"0s\"\ncap = \"0s\"";

/// Gives numbers that look random and are the same each time (splitmix64).
fn random(seed: u64) -> u64 {
    let mut z = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Lets the gateway go on for a while that is another in each race: some commits of the store, some turns of the loop.
async fn stray(world: &World, seed: u64) {
    for _ in 0..random(seed) % 9 {
        world.app.store().probe().await.unwrap();
    }
    for _ in 0..random(seed + RACES) % 64 {
        tokio::task::yield_now().await;
    }
}

/// Counts how the races ended.
#[derive(Debug, Default)]
struct Ends {
    before: AtomicU64,
    on_the_way: AtomicU64,
    never: AtomicU64,
}

/// A customer writes, and the model answers while an operator takes over. Fails if a reply comes after a takeover that said
/// none would.
async fn race(world: &World, number: u64, ends: &Ends) {
    let customer = format!("u{number}");
    let (hold, asked) = (world.model.hold(), world.model.request_count());
    let answered = world.says(&customer, "Where is my parcel today?").await;
    let message = MessageId(
        answered.body["message_id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap(),
    );
    let fate = world.app.store().fate(message).await.unwrap().unwrap();
    soon(world.model.wait_for(asked + 1)).await;
    let path = format!("/operator/v1/conversations/{}", fate.conversation);
    let takeover = format!("{path}/takeover");
    let answer = async {
        stray(world, number).await;
        drop(hold);
    };
    let take = async {
        stray(world, number + 2 * RACES).await;
        let taken = act(world, &takeover).await;
        (taken, world.heard(&customer).len())
    };
    let ((), (taken, heard)) = tokio::join!(answer, take);
    assert_eq!(taken.status, 200, "{taken:?}");
    // What it writes now goes to people.
    world.says(&customer, "Is a person there?").await;
    world
        .until("the customer's messages to be dealt with", |_| true)
        .await;
    loop {
        let whole = read(world, &path).await;
        let is_open =
            |delivery: &Value| ["ready", "sending"].contains(&delivery["state"].as_str().unwrap());
        let replies = whole["deliveries"].as_array().unwrap();
        let replies: Vec<_> = replies
            .iter()
            .filter(|delivery| delivery["lane"] == "braze")
            .collect();
        if whole["conversation"]["waiting"] != 0 || replies.iter().any(|reply| is_open(reply)) {
            tokio::task::yield_now().await;
            continue;
        }
        assert!(replies.len() <= 1, "{whole}");
        assert_eq!(whole["messages"][0]["outcome"], "forwarded", "{whole}");
        break;
    }
    let finally = world.heard(&customer).len();
    let on_the_way = taken.body["on_their_way"].as_u64().unwrap();
    if on_the_way == 0 {
        assert_eq!(
            finally, heard,
            "race {number}: a reply came after the takeover: {taken:?}"
        );
    }
    let end = match (on_the_way, finally) {
        (0, 0) => &ends.never,
        (0, _) => &ends.before,
        _ => &ends.on_the_way,
    };
    end.fetch_add(1, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reply_comes_after_a_takeover_that_says_so() {
    let world = World::with(AT_ONCE_DUE).await;
    let ends = Ends::default();
    for number in 0..RACES {
        race(&world, number, &ends).await;
    }
    let count = |end: &AtomicU64| end.load(Ordering::Relaxed);
    let counts = [
        count(&ends.before),
        count(&ends.on_the_way),
        count(&ends.never),
    ];
    println!("arrived before, on the way, never sent: {counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), RACES);
    // Else the races were none.
    assert!(counts[0] > 0 && counts[2] > 0, "{counts:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_all_who_decide_about_a_delivery_one_is_heard() {
    let more = format!("{AT_ONCE_DUE}\n[reply]\non_unknown = \"hold\"");
    let world = World::with(&more).await;
    let mut winners = std::collections::BTreeSet::new();
    for number in 0..40 {
        let customer = format!("u{number}");
        world.model.script([Reply::says("We open at nine.")]);
        world.braze.misbehave(Plan::reset().times(1));
        world.says(&customer, "When do you open?").await;
        world.rest().await;
        let conversation = conversation_of(&world, &customer).await;
        let list = format!("/operator/v1/deliveries?conversation={conversation}");
        let id = each(&read(&world, &list).await, "id").remove(0);
        let decide = async |what: &str, seed: u64| {
            stray(&world, seed).await;
            act(&world, &format!("/operator/v1/deliveries/{id}/{what}"))
                .await
                .status
        };
        let takeover = format!("/operator/v1/conversations/{conversation}/takeover");
        let taking = async {
            stray(&world, number + 3_000).await;
            let taken = act(&world, &takeover).await;
            (taken, world.heard(&customer).len())
        };
        let (retry, sent, drop, (taken, heard)) = tokio::join!(
            decide("retry", number),
            decide("sent", number + 1_000),
            decide("drop", number + 2_000),
            taking,
        );
        world.rest().await;
        let finally = world.heard(&customer).len();
        if taken.body["on_their_way"] == json!(0) {
            assert_eq!(finally, heard, "{taken:?}");
        }
        let acts = read(&world, &format!("/operator/v1/audit?subject={id}")).await;
        let acts = each(&acts, "action");
        assert_eq!(acts.len(), 1, "{acts:?}");
        let accepted = [(retry, "retry"), (sent, "sent"), (drop, "drop")].map(|(status, what)| {
            assert!([200, 409].contains(&status), "{what}: {status}");
            (status == 200).then_some(what)
        });
        let won = acts[0].strip_prefix("delivery.").unwrap();
        assert!(accepted.contains(&Some(won)), "{acts:?} {accepted:?}");
        assert!(finally <= usize::from(won == "retry"), "{won}: {finally}");
        winners.insert(won.to_owned());
    }
    assert!(winners.len() > 1, "{winners:?}");
    world.end().await;
}
