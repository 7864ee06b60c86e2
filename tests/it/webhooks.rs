//! Braze's patience with the gateway: what an outage of ours costs, and what it does not.

use std::time::Duration;

use frontdesk::braze::templates;
use frontdesk::sandbox::braze::{Customer, Post, State, Webhook};

use crate::hooked::Fault;
use crate::world::{INBOUND_SECRET, World};

const SECOND: Duration = Duration::from_secs(1);

/// Starts the webhook campaign of the set-up guide, or leads it elsewhere.
fn listen(world: &World, url: &str) {
    let webhook = Webhook {
        campaign_id: "listening".to_owned(),
        url: format!("{url}/v1/inbound/support"),
        secret: INBOUND_SECRET.to_owned(),
        body: templates::LISTENING.to_owned(),
        keywords: Vec::new(),
    };
    world.braze.listen(webhook).unwrap();
}

fn name(number: usize) -> String {
    format!("customer-{number}")
}

fn customer(number: usize) -> Customer {
    Customer {
        external_id: name(number),
        phone_number: format!("+1555{number:05}"),
        ..Customer::default()
    }
}

fn write(world: &World, customers: std::ops::Range<usize>) {
    for number in customers {
        let posts = world.braze.receive(&customer(number), "When do you open?");
        assert_eq!(posts.len(), 1);
    }
}

fn is_over(post: &Post) -> bool {
    matches!(post.state, State::Received | State::Lost)
}

/// Lets time go by until Braze has nothing more to post, then until everything is answered.
async fn be_patient(world: &World) {
    for _ in 0..24 * 60 {
        world.braze.wait_for_posts().await;
        if world.braze.posts().iter().all(is_over) {
            break;
        }
        world.clock.advance(Duration::from_secs(2));
    }
    world.pass(SECOND).await;
}

fn statuses(world: &World) -> Vec<u16> {
    let posts = world.braze.posts();
    let tries = posts.iter().flat_map(|post| &post.tries);
    tries.map(|tried| tried.status).collect()
}

/// Fails unless each customer wrote one message that was answered, once.
fn each_is_answered_once(world: &World, customers: std::ops::Range<usize>) {
    for number in customers {
        let name = name(number);
        assert_eq!(world.outcomes(&name), ["replied"], "{name}");
        assert_eq!(world.heard(&name).len(), 1, "{name}");
        assert_eq!(world.braze.shown_to(&name).len(), 1, "{name}");
    }
    assert_eq!(world.possible_duplicates(), 0);
}

#[tokio::test]
async fn a_store_that_refuses_for_a_while_costs_no_message() {
    let (world, hooked) = World::hooked().await;
    listen(&world, &world.url());
    // So many failures in a minute halt the host, as three thousand do with Braze.
    world.braze.halt_above(20);
    (0..40).for_each(|_| hooked.next("accept", Fault::Fails));
    write(&world, 0..30);
    be_patient(&world).await;
    assert!(hooked.is_over());
    let posts = world.braze.posts();
    assert!(posts.iter().all(|post| post.state == State::Received));
    let statuses = statuses(&world);
    for (status, least) in [(503, 40), (598, 1), (202, 30)] {
        let found = statuses.iter().filter(|found| **found == status).count();
        assert!(found >= least, "{status}: {found}");
    }
    each_is_answered_once(&world, 0..30);
    world.end().await;
}

#[tokio::test]
async fn what_was_kept_though_braze_heard_a_503_is_answered_once() {
    let (world, hooked) = World::hooked().await;
    listen(&world, &world.url());
    (0..3).for_each(|_| hooked.next("accept", Fault::Forgets));
    write(&world, 0..3);
    be_patient(&world).await;
    let mut seen = statuses(&world);
    seen.sort_unstable();
    assert_eq!(seen, [200, 200, 200, 503, 503, 503]);
    each_is_answered_once(&world, 0..3);
    world.end().await;
}

#[tokio::test]
async fn a_gateway_that_is_down_for_an_hour_gets_everything_when_it_is_back() {
    let world = World::start().await;
    listen(&world, &world.url());
    write(&world, 0..2);
    world.braze.wait_for_posts().await;
    // Nobody listens at the address of a gateway that is gone.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listen(&world, &format!("http://{}", nobody.local_addr().unwrap()));
    drop(nobody);
    let world = world.restart().await;
    write(&world, 2..8);
    for _ in 0..60 {
        world.braze.wait_for_posts().await;
        world.clock.advance(Duration::from_mins(1));
    }
    listen(&world, &world.url());
    be_patient(&world).await;
    let statuses = statuses(&world);
    assert!(statuses.iter().filter(|status| **status == 599).count() >= 6 * 5);
    let received = |post: &Post| post.state == State::Received;
    assert!(world.braze.posts().iter().all(received));
    for number in 2..8 {
        assert_eq!(world.outcomes(&name(number)), ["replied"]);
        assert_eq!(world.heard(&name(number)).len(), 1);
    }
    // What was taken before is there too, each with its one outcome.
    for number in 0..2 {
        assert_eq!(world.outcomes(&name(number)).len(), 1);
        assert_eq!(world.heard(&name(number)).len(), 1);
    }
    world.end().await;
}

#[tokio::test]
async fn what_braze_gives_up_was_never_accepted() {
    let (world, hooked) = World::hooked().await;
    listen(&world, &world.url());
    (0..4 * 6).for_each(|_| hooked.next("accept", Fault::Fails));
    write(&world, 0..4);
    be_patient(&world).await;
    let lost = |post: &Post| post.state == State::Lost && post.tries.len() == 6;
    assert!(world.braze.posts().iter().all(lost));
    assert_eq!(world.rows("SELECT id FROM message").len(), 0);
    // The next one is taken as if nothing had been.
    write(&world, 4..5);
    be_patient(&world).await;
    each_is_answered_once(&world, 4..5);
    world.end().await;
}

#[tokio::test]
async fn a_wrong_secret_loses_the_message_at_once() {
    let world = World::start().await;
    let webhook = Webhook {
        campaign_id: "listening".to_owned(),
        url: format!("{}/v1/inbound/support", world.url()),
        secret: "not-the-secret".to_owned(),
        body: templates::GUIDE.to_owned(),
        keywords: Vec::new(),
    };
    world.braze.listen(webhook).unwrap();
    write(&world, 0..1);
    be_patient(&world).await;
    assert_eq!(statuses(&world), [401]);
    assert_eq!(world.braze.posts()[0].state, State::Lost);
    world.end().await;
}

#[tokio::test]
async fn what_a_customer_types_arrives_through_both_templates() {
    for body in [templates::LISTENING, templates::GUIDE] {
        let world = World::start().await;
        let webhook = Webhook {
            campaign_id: "listening".to_owned(),
            url: format!("{}/v1/inbound/support", world.url()),
            secret: INBOUND_SECRET.to_owned(),
            body: body.to_owned(),
            keywords: Vec::new(),
        };
        world.braze.listen(webhook).unwrap();
        let text = "He said \"open at nine\"\nand: {{user}} 🙂";
        world.braze.receive(&customer(0), text);
        be_patient(&world).await;
        let kept = world.rows("SELECT text FROM message WHERE author = 'customer'");
        assert_eq!(kept, [text], "{body}");
        world.end().await;
    }
}
