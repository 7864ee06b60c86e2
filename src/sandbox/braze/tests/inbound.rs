//! What is posted when somebody writes, how often, and when it is given up.

use super::*;
use crate::sandbox::braze::inbound::{Customer, State, Webhook};

/// A webhook body that the other stand-in takes for a send, so that it answers 201.
const BODY: &str = r#"{ "campaign_id": "c1", "recipients": [ { "external_user_id": "{{${user_id}}}",
    "trigger_properties": { "said": "{{whats_app.${inbound_message_body} | json_escape}}", "dispatch_id": "{{campaign.${dispatch_id}}}" } } ] }"#;

const MINUTE: Duration = Duration::from_mins(1);

fn webhook(url: &str) -> Webhook {
    Webhook {
        campaign_id: "w1".to_owned(),
        url: format!("{url}/campaigns/trigger/send"),
        secret: "key".to_owned(),
        body: BODY.to_owned(),
        keywords: Vec::new(),
    }
}

fn ana() -> Customer {
    Customer {
        external_id: "ana".to_owned(),
        phone_number: "+15550100".to_owned(),
        ..Customer::default()
    }
}

/// Two stand-ins on one clock: the one that posts, and one in the gateway's place.
async fn two() -> (World, Braze) {
    let gateway = World::new().await;
    let bind = ([127, 0, 0, 1], 0).into();
    let braze = Braze::start(bind, &Shutdown::new()).await.unwrap();
    braze.use_clock(&gateway.clock);
    braze.listen(webhook(&gateway.braze.url())).unwrap();
    (gateway, braze)
}

impl World {
    /// Lets time go by in steps until nothing is to be posted any more. Gives the statuses of the first post.
    async fn until_over(&self, braze: &Braze, step: Duration) -> Vec<u16> {
        braze.wait_for_posts().await;
        let is_over = |state: State| matches!(state, State::Received | State::Lost);
        while !braze.posts().iter().all(|post| is_over(post.state)) {
            self.clock.advance(step);
            braze.wait_for_posts().await;
        }
        let posts = braze.posts();
        posts[0].tries.iter().map(|tried| tried.status).collect()
    }
}

#[tokio::test]
async fn a_message_is_rendered_and_posted() {
    let (gateway, braze) = two().await;
    assert_eq!(braze.receive(&ana(), "a \"b\" \\ \n c"), [1]);
    assert_eq!(gateway.until_over(&braze, MINUTE).await, [201]);
    let sent = gateway.braze.sent();
    assert_eq!(sent[0].property("said"), Some("a \"b\" \\ \n c"));
    let post = &braze.posts()[0];
    assert_eq!(
        sent[0].property("dispatch_id"),
        Some(post.dispatch_id.as_str())
    );
    assert_eq!((post.state, post.tries.len()), (State::Received, 1));
    let request = &gateway.braze.requests()[0];
    assert_eq!(request.header("authorization"), Some("Bearer key"));
    assert_eq!(request.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn what_may_come_again_comes_five_times_in_half_an_hour() {
    for status in [408, 429, 500, 503] {
        let (gateway, braze) = two().await;
        gateway.braze.misbehave(Plan::status(status));
        let began = gateway.clock.now();
        braze.receive(&ana(), "hi");
        let second = Duration::from_secs(1);
        assert_eq!(gateway.until_over(&braze, second).await, [status; 6]);
        let post = &braze.posts()[0];
        assert_eq!(post.state, State::Lost);
        let tries = post.tries.iter();
        let at: Vec<i64> = tries
            .map(|tried| tried.at.as_second() - began.as_second())
            .collect();
        assert_eq!(at, [0, 58, 174, 406, 870, 1_798]);
    }
}

#[tokio::test]
async fn any_other_refusal_is_final() {
    for status in [302, 400, 401, 403, 404, 413] {
        let (gateway, braze) = two().await;
        gateway.braze.misbehave(Plan::status(status));
        braze.receive(&ana(), "hi");
        assert_eq!(gateway.until_over(&braze, MINUTE).await, [status]);
        assert_eq!(braze.posts()[0].state, State::Lost);
    }
}

#[tokio::test]
async fn a_retry_after_stretches_the_wait() {
    let (gateway, braze) = two().await;
    let later = Plan::status(503).header("retry-after", "600").times(1);
    gateway.braze.misbehave(later);
    braze.receive(&ana(), "hi");
    braze.wait_for_posts().await;
    gateway.clock.advance(Duration::from_secs(599));
    braze.wait_for_posts().await;
    assert_eq!(gateway.braze.request_count(), 1);
    gateway.clock.advance(Duration::from_secs(1));
    gateway.braze.wait_for(2).await;
    braze.wait_for_posts().await;
    assert_eq!(braze.posts()[0].state, State::Received);
}

#[tokio::test]
async fn what_cannot_be_reached_is_tried_for_a_day() {
    let (gateway, braze) = two().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    braze.listen(webhook(&url)).unwrap();
    let began = gateway.clock.now();
    braze.receive(&ana(), "hi");
    let statuses = gateway.until_over(&braze, MINUTE).await;
    assert!(statuses.len() > 8 && statuses.iter().all(|status| *status == 599));
    let post = &braze.posts()[0];
    let last = post.tries.last().unwrap().at.duration_since(began);
    assert_eq!((post.state, last.as_hours()), (State::Lost, 24));
}

#[tokio::test]
async fn a_campaign_that_is_changed_reaches_the_new_address() {
    let (gateway, braze) = two().await;
    gateway.braze.misbehave(Plan::status(503).times(1));
    braze.receive(&ana(), "hi");
    braze.wait_for_posts().await;
    let other = World::new().await;
    braze.listen(webhook(&other.braze.url())).unwrap();
    assert_eq!(gateway.until_over(&braze, MINUTE).await, [503, 201]);
    assert_eq!(other.braze.sent_count(), 1);
}

#[tokio::test]
async fn a_host_that_fails_too_often_is_left_alone() {
    let (gateway, braze) = two().await;
    braze.halt_above(2);
    gateway.braze.misbehave(Plan::status(503).times(3));
    for _ in 0..3 {
        braze.receive(&ana(), "hi");
    }
    braze.wait_for_posts().await;
    assert_eq!(gateway.braze.request_count(), 3);
    // Who writes now is not even tried, and neither are those who come again within the minute.
    braze.receive(&ana(), "are you there?");
    let statuses = gateway.until_over(&braze, Duration::from_secs(1)).await;
    assert_eq!(statuses, [503, 598, 201]);
    let posts = braze.posts();
    let last: Vec<u16> = posts[3].tries.iter().map(|tried| tried.status).collect();
    assert!(
        last.starts_with(&[598]) && last.ends_with(&[201]),
        "{last:?}"
    );
    assert!(posts.iter().all(|post| post.state == State::Received));
}

#[tokio::test]
async fn what_met_a_halted_host_is_retried_a_few_times_only() {
    let (gateway, braze) = two().await;
    braze.halt_above(0);
    gateway.braze.misbehave(Plan::status(503));
    // Somebody keeps the host halted.
    braze.receive(&ana(), "hi");
    let mut statuses = Vec::new();
    for _ in 0..2_000 {
        braze.wait_for_posts().await;
        let now = gateway.clock.now();
        lock(&braze.0.state.hosts).heard("127.0.0.1", 503, now);
        gateway.clock.advance(Duration::from_secs(1));
        braze.wait_for_posts().await;
        statuses = braze.posts()[0]
            .tries
            .iter()
            .map(|tried| tried.status)
            .collect();
        if braze.posts()[0].state == State::Lost {
            break;
        }
    }
    assert_eq!(statuses, [503, 598, 598, 598, 598]);
}

#[tokio::test]
async fn campaigns_hear_their_words_and_nothing_else() {
    let (_gateway, braze) = two().await;
    let url = "http://127.0.0.1:1";
    let with = |id: &str, keywords: &[&str], body: &str| Webhook {
        campaign_id: id.to_owned(),
        keywords: keywords.iter().map(ToString::to_string).collect(),
        body: body.to_owned(),
        ..webhook(url)
    };
    braze.listen(with("w2", &["Sales", "buy"], "{}")).unwrap();
    let aborts = "{% if {{whats_app.${inbound_message_body}}} == 'stop' %}{% abort_message('no') %}{% endif %}{}";
    braze.listen(with("w1", &[], aborts)).unwrap();
    for (text, heard) in [(" SALES ", 2), ("sales please", 1), ("buy", 2), ("stop", 0)] {
        assert_eq!(braze.receive(&ana(), text).len(), heard, "{text}");
    }
    braze.listen_no_more();
    assert!(braze.receive(&ana(), "buy").is_empty());
    assert!(braze.listen(with("w3", &[], "{{ a | b }}")).is_err());
    let nowhere = Webhook {
        url: "nowhere".to_owned(),
        ..webhook(url)
    };
    assert!(braze.listen(nowhere).is_err());
}

#[tokio::test]
async fn without_re_eligibility_only_the_first_message_is_posted() {
    let (_gateway, braze) = two().await;
    braze.re_eligibility(false);
    assert_eq!(braze.receive(&ana(), "one").len(), 1);
    assert_eq!(braze.receive(&ana(), "two").len(), 0);
}

#[tokio::test]
async fn who_writes_opens_the_window_of_24_hours() {
    let (gateway, braze) = two().await;
    let unknown = Customer {
        external_id: String::new(),
        ..ana()
    };
    braze.receive(&unknown, "hi");
    let profile = braze.profile(&Recipient::phone_alias("+15550100")).unwrap();
    assert_eq!(profile.wrote_at, Some(gateway.clock.now()));
}
