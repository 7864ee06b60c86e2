//! Whom a customer's turns ask, in which order, and how long they wait in between.

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::model::Role;

fn lineup(names: &[&str], shares: Vec<(usize, u64)>) -> Lineup {
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let config = toml::from_str("base_url = 'http://127.0.0.1:1'\nmodel = 'm'").unwrap();
    let target = |name: &&str| Target::new(name, &config, clock.clone()).unwrap();
    let targets = names.iter().map(target).collect();
    Lineup::new(targets, shares, Duration::from_secs(25), clock)
}

fn order(lineup: &Lineup, customer: &str) -> String {
    let names: Vec<_> = lineup.order(customer).map(Target::name).collect();
    names.concat()
}

#[test]
fn the_others_follow_in_their_order_whoever_is_the_first() {
    let lineup = lineup(&["a", "b", "c", "d"], vec![(1, 20), (2, 30)]);
    // No release may send a customer to another model than the one before: these never change.
    for (customer, expected) in [
        ("ana", "bacd"),
        ("hal", "bacd"),
        ("cid", "cabd"),
        ("joe", "cabd"),
        ("bob", "abcd"),
        ("dot", "abcd"),
    ] {
        assert_eq!(order(&lineup, customer), expected, "{customer}");
    }
}

#[test]
fn as_many_customers_begin_with_a_target_as_its_share_says() {
    let lineup = lineup(&["a", "b", "c"], vec![(1, 20), (2, 30)]);
    let mut counts = [0_i32; 3];
    for number in 0..1_000 {
        match &order(&lineup, &format!("u{number}"))[..1] {
            "a" => counts[0] += 1,
            "b" => counts[1] += 1,
            _ => counts[2] += 1,
        }
    }
    for (count, expected) in counts.into_iter().zip([500, 200, 300]) {
        assert!((count - expected).abs() < 50, "{counts:?}");
    }
}

#[test]
fn waits_double_up_to_a_limit_and_differ_between_conversations() {
    let meter = Meter::default();
    let wait = |attempt, conversation| {
        let asking = Asking {
            customer: "ana",
            conversation: ConversationId(Uuid::from_u128(conversation)),
            meter: &meter,
        };
        backoff(attempt, &asking)
    };
    for (attempt, most) in [
        (1, 400),
        (2, 800),
        (3, 1_600),
        (4, 3_200),
        (5, 4_000),
        (9, 4_000),
    ] {
        let waits: Vec<_> = (0..1_000).map(|id| wait(attempt, id * 65)).collect();
        let most = Duration::from_millis(most);
        assert!(waits.iter().all(|wait| *wait <= most), "{attempt}");
        assert!(
            *waits.iter().max().unwrap() > most.mul_f64(0.9),
            "{attempt}"
        );
        assert!(
            *waits.iter().min().unwrap() < most.mul_f64(0.1),
            "{attempt}"
        );
    }
    assert_eq!(wait(1, 7), wait(1, 7), "a test knows when");
}

fn said(texts: &[&str]) -> Vec<Turn> {
    let turn = |text: &&str| Turn {
        role: Role::User,
        text: (*text).into(),
    };
    texts.iter().map(turn).collect()
}

#[test]
fn the_latest_words_stay_where_the_older_half_is_dropped() {
    for (texts, kept) in [
        (&["aaaa", "bb", "cc"][..], &["bb", "cc"][..]),
        (&["a", "b", "cccc"], &["cc"]),
        (&["aaaa", "b"], &["b"]),
        (&["first second"], &["first "]),
        (&["ä"], &["ä"]),
        (&[], &[]),
    ] {
        let mut turns = said(texts);
        halve(&mut turns);
        assert_eq!(turns, said(kept), "{texts:?}");
    }
}
