//! A desk that is gone or down, and the one behind it.

use std::time::Duration;

use frontdesk::sandbox::{Desk, HelpDesk, Plan};
use frontdesk::shutdown::Shutdown;

use crate::desk::{WISH, owner};
use crate::metrics::Scrape;
use crate::world::{DESK_KEY, World, soon};

const SECOND: Duration = Duration::from_secs(1);

/// Starts a world with a second desk, a Chatwoot.
async fn with_second(first: HelpDesk) -> (World, Desk, Shutdown) {
    let outside = Shutdown::new();
    let second = Desk::start(([127, 0, 0, 1], 0).into(), &outside)
        .await
        .unwrap();
    second.become_one(HelpDesk::Chatwoot);
    second.require_key(DESK_KEY);
    let more = format!(
        "[desks.second]\nurl = \"{}\"\napi_key = \"env::DESK_KEY\"\nwebhook_secret = \"env::WEBHOOK_SECRET\"\n{}\n",
        second.url(),
        Desk::keys(HelpDesk::Chatwoot)
    );
    let world = World::at_help_desk(first, &more).await;
    second.use_clock(&world.clock);
    let url = format!("url = \"{}\"", world.desk.url());
    let world = world
        .restart_replacing(&url, &format!("{url}\nfallback = \"second\""))
        .await;
    let webhooks = format!("{}/v1/desks/second/chatwoot", world.url());
    second.call_back(&webhooks, crate::world::WEBHOOK_SECRET);
    (world, second, outside)
}

#[tokio::test]
async fn a_desk_that_is_gone_is_asked_no_more_and_the_second_one_gets_it_all() {
    let (world, second, outside) = with_second(HelpDesk::Slack).await;
    world.desk.misbehave(Plan::status(410).times(1));
    world.tells("ana", WISH).await;
    assert_eq!(world.desk.request_count(), 1);
    assert_eq!(second.threads().len(), 1, "the second desk is told at once");
    world.tells("ana", "It is about my order").await;
    world.tells("ben", WISH).await;
    assert_eq!(
        world.desk.request_count(),
        1,
        "nothing is sent to what is gone"
    );
    assert_eq!(second.threads().len(), 2);
    let off = Scrape::of(&world).await.value("desk_off{desk=\"main\"}");
    assert!((off - 1.0).abs() < f64::EPSILON, "{off}");
    // The second desk's agents answer as the first one's would.
    let id = second.threads()[0].id;
    let (_, said) = second
        .agent_says(id, "Hello from the second desk")
        .await
        .unwrap();
    assert_eq!(said.status, 200);
    world.rest().await;
    assert_eq!(
        world.heard("ana").last().unwrap(),
        "Hello from the second desk"
    );

    // A restart asks the first desk again; what the second one has stays there.
    let world = world.restart().await;
    world.tells("ben", "Hello?").await;
    assert_eq!(world.desk.request_count(), 1);
    world.tells("carl", WISH).await;
    assert_eq!((world.desk.request_count(), second.threads().len()), (2, 2));
    world.end().await;
    outside.stop();
}

#[tokio::test]
async fn a_desk_that_is_gone_with_none_behind_it_keeps_its_events_for_the_next_start() {
    let world = World::start().await;
    world.desk.misbehave(Plan::status(410).times(1));
    world.says("ana", WISH).await;
    soon(world.desk.wait_for(1)).await;
    world
        .until("the attempt to be recorded", |counts| {
            counts.open_deliveries == [0, 1]
        })
        .await;
    world.clock.advance(Duration::from_hours(1));
    world.breathe().await;
    assert_eq!(world.desk.request_count(), 1);
    let world = world.restart().await;
    world.within(Duration::from_mins(20)).await;
    assert_eq!(world.desk.request_count(), 2);
    assert_eq!(world.desk.received().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn the_second_desk_is_told_when_the_first_was_down_for_long_enough() {
    let (world, second, outside) = with_second(HelpDesk::Zendesk).await;
    world.desk.misbehave(Plan::status(503).times(1_000));
    world.says("ana", WISH).await;
    let mut waited = 0;
    while second.threads().is_empty() {
        world.clock.advance(SECOND);
        world.breathe().await;
        waited += 1;
        assert!(waited < 200, "the second desk is never told");
    }
    assert!((120..=125).contains(&waited), "{waited} s");
    world.rest().await;
    // The first one is back, and the handoff stays where it is.
    world.desk.behave();
    let asked = world.desk.request_count();
    world.tells("ana", "Are you there?").await;
    assert_eq!(world.desk.request_count(), asked);
    assert_eq!(
        second.threads()[0].written.last().unwrap().text,
        "Are you there?"
    );
    assert_eq!(owner(&world), "pending");
    // A new one goes to the first desk.
    world.tells("ben", WISH).await;
    assert_eq!((world.desk.threads().len(), second.threads().len()), (1, 1));
    world.end().await;
    outside.stop();
}
