//! What must not be seen: customers' words and secrets in logs; and what the door says when nothing can be stored.

use std::io;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use frontdesk::sandbox::{Phone, Plan};

use crate::world::{DESK_SECRET, INBOUND_SECRET, SIGNING_KEY, World};

/// Everything that any test of this process logs.
static LOGGED: LazyLock<Mutex<Vec<u8>>> = LazyLock::new(|| {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(|| Logged)
        .with_env_filter("trace,async_openai=off");
    // Another test may have been first; then this one would see nothing, and says so.
    subscriber
        .try_init()
        .expect("nobody else listens to the logs");
    Mutex::default()
});

struct Logged;

impl io::Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_word_number_or_secret_of_anybody_is_logged() {
    drop(LOGGED.lock().unwrap());
    let world = World::start().await;
    let phone = world.phone("support");
    let words = "canarywords my card is 4929000011112222";
    phone.says("canaryid", "+34666777888", words).await.unwrap();
    phone.posts("canarybroken {").await.unwrap();
    Phone::new(format!("{}/v1/inbound", world.url()), "canarysecret")
        .unwrap()
        .says("x", "+1", "y")
        .await
        .unwrap();
    world.pass(Duration::from_secs(1)).await;
    world.model.misbehave(Plan::status(500).times(1));
    world.braze.misbehave(Plan::status(400).times(1));
    phone
        .says("canaryid", "+34666777888", "canarywords again")
        .await
        .unwrap();
    world.pass(Duration::from_secs(1)).await;
    phone
        .says(
            "canaryid",
            "+34666777888",
            "I want to talk to a human canarywords",
        )
        .await
        .unwrap();
    world.pass(Duration::from_secs(1)).await;
    let id = world.desk.received()[0].conversation_id().to_owned();
    world
        .desk
        .release(&world.url(), &id, DESK_SECRET)
        .await
        .unwrap();
    world.rest().await;
    world.end().await;

    let logged = String::from_utf8(LOGGED.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("turn settled"), "nothing was logged at all");
    for private in [
        "canarywords",
        "4929000011112222",
        "canaryid",
        "canarybroken",
        "canarysecret",
        "34666777888",
    ] {
        assert!(
            !logged.contains(private),
            "{private} was logged: {}",
            around(&logged, private)
        );
    }
    for secret in [INBOUND_SECRET, DESK_SECRET, SIGNING_KEY, "braze-key"] {
        assert!(
            !logged.contains(secret),
            "a secret was logged: {}",
            around(&logged, secret)
        );
    }
}

fn around<'a>(text: &'a str, word: &str) -> &'a str {
    let line = text.lines().find(|line| line.contains(word));
    line.unwrap_or_default()
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_is_refused_for_now_and_taken_later() {
    let world = World::start().await;
    let file = world.folder().join("frontdesk.db");
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let response = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{}/v1/inbound", world.url()))
        .bearer_auth(INBOUND_SECRET)
        .body(r#"{"user_id": "u1", "phone_number": "+1", "message": "hi"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    other.execute_batch("ROLLBACK").unwrap();
    world.tells("u1", "hi").await;
    assert_eq!(world.heard("u1").len(), 1);
    world.end().await;
}
