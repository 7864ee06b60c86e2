//! Killed at random moments under load, again and again.

use std::collections::BTreeSet;

use frontdesk::clock::Clock;
use rstest::rstest;

use super::ledger::{Audit, tell};
use super::load::Load;
use super::random::{Random, is_long, seeds};
use super::shim::{End, Step};
use super::yard::{CONCURRENCY, Gateway, Yard};

/// What a run is made of.
#[derive(Clone, Copy)]
struct Size {
    customers: usize,
    each: usize,
    kills: usize,
}

impl Size {
    fn of_this_run() -> Self {
        match is_long() {
            true => Self {
                customers: 500,
                each: 10,
                kills: 30,
            },
            false => Self {
                customers: 60,
                each: 10,
                kills: 10,
            },
        }
    }
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_double_only_what_was_under_way_and_is_marked(
    #[values("resend_once", "hold")] policy: &str,
) {
    for seed in seeds() {
        let yard = Yard::start(&format!("[reply]\non_unknown = \"{policy}\"")).await;
        survives(&yard, policy, seed, async |gateway: Gateway| {
            gateway.dies().await;
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cuts_lose_nothing_either() {
    for seed in seeds() {
        let yard = Yard::shimmed("").await;
        survives(&yard, "resend_once", seed, async |gateway: Gateway| {
            yard.shim.arm(End::PowerCut, &[Step::Any]);
            gateway.died().await;
        })
        .await;
        assert_eq!(
            usize::try_from(yard.shim.fired()).unwrap(),
            Size::of_this_run().kills
        );
    }
}

/// Lets customers write while `kill` ends the gateway again and again, and checks what came of it.
async fn survives(yard: &Yard, policy: &str, seed: u64, kill: impl AsyncFn(Gateway)) {
    let clock = Clock::system();
    let Size {
        customers,
        each,
        kills,
    } = Size::of_this_run();
    yard.dawdle();
    let load = Load::new(customers, each);
    let span = load.messages() / (kills + 1);
    let mut random = Random(seed);
    let lives = async {
        let (mut under_way, mut most) = (BTreeSet::new(), 0);
        for life in 1..=kills {
            let gateway = yard.serve().await;
            load.opens(life, &gateway);
            load.allow(span);
            load.moment(&mut random, span, yard).await;
            kill(gateway).await;
            load.closes();
            let sends = yard.remains("SELECT lower(hex(id)) FROM delivery WHERE state = 'sending'");
            most = most.max(sends.len());
            under_way.extend(sends);
        }
        let gateway = yard.serve().await;
        load.opens(kills + 1, &gateway);
        load.allow(load.messages());
        (gateway, under_way, most)
    };
    let ((gateway, under_way, most), ()) = tokio::join!(lives, load.run());
    yard.drained().await;
    gateway.stops().await;

    let audit = Audit::of(yard, &load);
    tell(
        &format!(
            "seed {seed:#x}, {policy}, {kills} kills, at most {most} sends under way: {audit}"
        ),
        clock.elapsed(),
    );
    judge(yard, policy, &audit, &under_way, most);
}

fn judge(yard: &Yard, policy: &str, audit: &Audit, under_way: &BTreeSet<String>, most: usize) {
    assert!(most <= CONCURRENCY, "{most} sends were under way at once");
    assert_eq!(
        &audit.marked, under_way,
        "marked is what was under way at a kill, and nothing else"
    );
    match policy {
        "hold" => assert_eq!(audit.doubles, 0),
        _ => assert!(audit.doubles <= under_way.len(), "{audit}"),
    }
    // Nothing was wrong with the neighbours, so only the kills can have cost an answer.
    let by_kills = ["replied", "failed(poison)", "failed(delivery_unknown)"];
    let known: usize = by_kills.iter().map(|outcome| audit.count(outcome)).sum();
    assert_eq!(known, audit.accepted, "{audit}");
    let given_up = "SELECT count(*) FROM (SELECT DISTINCT conversation, turn FROM message WHERE outcome = 'failed(poison)')";
    let given_up: usize = yard.row(given_up).parse().unwrap();
    assert!(
        given_up <= Size::of_this_run().kills,
        "{given_up} turns were given up: {audit}"
    );
}
