//! The same webhook over and over: one message, one reply, one name.

use std::collections::BTreeSet;
use std::time::Duration;

use frontdesk::sandbox::phone::Texted;
use frontdesk::sandbox::{Answered, Phone};
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};

use super::yard::Yard;
use crate::world::World;

const ONCE: Texted<'static> = Texted {
    user_id: "u1",
    braze_id: "",
    phone_number: "+1555",
    message: "word-1-0",
    profile_name: "",
    media_urls: "",
    language: "",
    dispatch_id: "dispatch-1",
    campaign_id: "",
    channel: "",
};

/// The answers that count as taken, by id.
#[derive(Default)]
struct Answers {
    ids: BTreeSet<String>,
    new: usize,
    copies: usize,
}

impl Answers {
    fn add(&mut self, answered: &Answered) {
        match answered.status {
            202 => self.new += 1,
            200 => self.copies += 1,
            _ => panic!("{answered:?}"),
        }
        self.ids
            .insert(answered.body["message_id"].as_str().unwrap().to_owned());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_copies_at_once_across_a_kill_are_one_message() {
    let yard = Yard::start("").await;
    yard.dawdle();
    let mut answers = Answers::default();
    let gateway = yard.serve().await;
    let phone = gateway.phone();
    let mut posting: FuturesUnordered<_> = (0..100).map(|_| phone.texts(&ONCE)).collect();
    // In the midst of them: the first is taken, and the others are on their way.
    answers.add(&posting.next().await.unwrap().unwrap());
    gateway.dies().await;
    // Who got no answer comes again.
    while let Some(answered) = posting.next().await {
        if let Ok(answered) = answered {
            answers.add(&answered);
        }
    }

    let gateway = yard.serve().await;
    let phone = gateway.phone();
    for answered in join_all((0..100).map(|_| phone.texts(&ONCE))).await {
        answers.add(&answered.unwrap());
    }
    yard.drained().await;
    five_more(&phone, &mut answers).await;
    yard.drained().await;
    gateway.stops().await;

    assert_eq!(answers.ids.len(), 1, "every answer names the same message");
    assert!(
        answers.new <= 1 && answers.copies >= 105,
        "{} new, {} copies",
        answers.new,
        answers.copies
    );
    assert_eq!(
        yard.row("SELECT count(*) FROM message WHERE author = 'customer'"),
        "1"
    );
    assert_eq!(yard.row("SELECT count(*) FROM delivery"), "1");
    let marked = yard.row("SELECT possible_duplicate FROM delivery") == "1";
    assert!(yard.braze.sent().len() <= 1 + usize::from(marked));
}

async fn five_more(phone: &Phone, answers: &mut Answers) {
    for _ in 0..5 {
        answers.add(&phone.texts(&ONCE).await.unwrap());
    }
}

#[tokio::test]
async fn a_copy_is_known_for_seven_days_and_new_after_them() {
    const DAY: Duration = Duration::from_hours(24);
    let world = World::start().await;
    let phone = world.phone("support");
    let first = phone.texts(&ONCE).await.unwrap();
    assert_eq!(first.status, 202);
    world.pass(Duration::from_secs(1)).await;
    // With the second that has passed and the half hour: a second before the end of the time.
    let almost = Duration::from_secs(6 * 86_400 - 1_802);
    for passes in [Duration::from_mins(30), DAY, almost] {
        world.pass(passes).await;
        let copy = phone.texts(&ONCE).await.unwrap();
        assert_eq!(
            (copy.status, &copy.body["message_id"]),
            (200, &first.body["message_id"])
        );
    }
    world.pass(Duration::from_secs(1)).await;
    let again = phone.texts(&ONCE).await.unwrap();
    assert_eq!(
        again.status, 202,
        "after the time in which copies are known it is a message of its own"
    );
    assert_ne!(again.body["message_id"], first.body["message_id"]);
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(world.heard("u1").len(), 2);
    world.end().await;
}
